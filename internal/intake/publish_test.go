package intake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func manyRows(n int) string {
	var b strings.Builder
	b.WriteString(header)
	for i := range n {
		fmt.Fprintf(&b, "A%d;93-008;DOE;2004-05-17;;;;\n", i)
	}
	return b.String()
}

func TestASecondImportWritesWhatHasChangedOnly(t *testing.T) {
	b := newBench(t)
	text := manyRows(10)
	for i, want := range []Summary{{New: 10}, {Unchanged: 10}, {Changed: 1, Unchanged: 9, New: 1}} {
		if i == 2 {
			text = strings.Replace(text, "A3;93-008;DOE", "A3;93-008;ROE", 1) + "B1;93;DOE;2004-05-17;;;;\n"
		}
		sum, err := b.run(t, "a.csv", text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int64{want.New, want.Changed, want.Unchanged}, []int64{sum.New, sum.Changed, sum.Unchanged}); diff != "" || sum.Version == 0 {
			t.Errorf("run %d: %s %+v", i, diff, sum)
		}
	}
}

func TestMoreThanATenthOfRejectsPublishesNothingUnlessAsked(t *testing.T) {
	b := newBench(t)
	bad := "B%d;93-008;DOE;2004-02-31;;;;\n"
	text := manyRows(90) + fmt.Sprintf(bad+bad+bad+bad+bad+bad+bad+bad+bad+bad, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	if sum, err := b.run(t, "tenth.csv", text); err != nil || sum.Rejected != 10 || sum.Rows != 100 {
		t.Fatalf("a tenth exactly: %+v %v", sum, err)
	}
	b = newBench(t)
	text += fmt.Sprintf(bad, 11)
	sum, err := b.run(t, "more.csv", text)
	var share *ShareError
	if !errors.As(err, &share) || share.Rejected != 11 || share.Rows != 101 || sum.Published {
		t.Fatalf("%+v %v", sum, err)
	}
	b.want(t, map[string]string{})
	if b.abandoned != 1 {
		t.Errorf("abandoned %d times", b.abandoned)
	}
	for _, name := range []string{"more.csv.rejects.csv", "more.csv.import.json"} {
		if _, err := os.Stat(filepath.Join(b.dir, name)); err != nil {
			t.Error(err)
		}
	}
	b.options.AcceptRejects = true
	if sum, err = b.run(t, "more.csv", text); err != nil || !sum.Published || len(b.visible) != 90 {
		t.Errorf("%+v %v", sum, err)
	}
}

// files lists what an import left beside its input.
func (b *bench) files(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestACancelledImportLeavesNothing(t *testing.T) {
	for _, phase := range []Phase{Looking, Importing, Publishing} {
		b := newBench(t)
		path := filepath.Join(b.dir, "a.csv")
		if err := os.WriteFile(path, []byte(manyRows(60000)), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		b.options.Progress = func(p Progress) {
			if p.Phase == phase {
				cancel()
			}
		}
		if phase == Publishing {
			b.options.Publish = func(ctx context.Context, _ Summary) error { cancel(); return ctx.Err() }
		}
		_, err := Import(ctx, path, b.options)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", phase, err)
		}
		b.want(t, map[string]string{})
		want := []string{"a.csv"}
		if phase == Publishing {
			want = append(want, "a.csv.rejects.csv")
		}
		if diff := cmp.Diff(want, b.files(t)); diff != "" {
			t.Errorf("%s: %s", phase, diff)
		}
		if b.versions != b.abandoned {
			t.Errorf("%s: %d imports begun, %d abandoned", phase, b.versions, b.abandoned)
		}
	}
}

func TestAnErrorOfTheStoreStopsTheImportAndLeavesNothing(t *testing.T) {
	b := newBench(t)
	b.fail = errors.New("disk full")
	if _, err := b.run(t, "a.csv", manyRows(60000)); !errors.Is(err, b.fail) {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"a.csv"}, b.files(t)); diff != "" || b.abandoned != 1 {
		t.Error(diff, b.abandoned)
	}
}

func TestNothingIsPublishedIfTheActCannotBeAnnounced(t *testing.T) {
	b := newBench(t)
	refused := errors.New("ledger busy")
	b.options.Publish = func(_ context.Context, s Summary) error {
		if len(b.visible) != 0 || s.New != 3 || s.Published {
			t.Errorf("announced too late, or wrongly: %+v", s)
		}
		return refused
	}
	if _, err := b.run(t, "a.csv", manyRows(3)); !errors.Is(err, refused) {
		t.Error(err)
	}
	b.want(t, map[string]string{})
}

func TestAFileThatChangesMeanwhileIsNotPublished(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(b.dir, "a.csv")
	open := b.options.Open
	b.options.Open = func(ctx context.Context, digest []byte) (Writer, error) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if _, err := f.WriteString("B1;93;DOE;2004-05-17;;;;\n"); err != nil {
			return nil, err
		}
		return open(ctx, digest)
	}
	if _, err := b.run(t, "a.csv", manyRows(60000)); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	b.want(t, map[string]string{})
}

func TestProgressTellsRowsBytesRateAndTimeLeft(t *testing.T) {
	b := newBench(t)
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	b.options.Now = func() time.Time { at = at.Add(time.Second); return at }
	var told []Progress
	b.options.Progress = func(p Progress) { told = append(told, p) }
	if _, err := b.run(t, "a.csv", manyRows(30000)); err != nil {
		t.Fatal(err)
	}
	seen := map[Phase]Progress{}
	for i, p := range told {
		if p.Done > p.Total || p.Total == 0 || i > 0 && p.Elapsed < told[i-1].Elapsed {
			t.Errorf("%+v", p)
		}
		seen[p.Phase] = p
	}
	last := seen[Importing]
	if seen[Looking].Total == 0 || last.Rows != 30000 || last.Done != last.Total || last.RowsPerSec <= 0 || last.Left != 0 {
		t.Errorf("%+v", seen)
	}
}

// FuzzImport takes any bytes for a file: it is read or refused with a *FileError or a *ShareError,
// every row is counted once, and nothing is visible unless the import says so.
func FuzzImport(f *testing.F) {
	for _, text := range []string{
		header + "A1;93-008;Lef\xe8vre;17/05/2004;;;;\n", packed(manyRows(3)), "sep=,\nfile,territory\n", "{\"file\":[1,{}]}\n{",
		`{"file":"A1","territory":"93","surname":"DOE","birth_date":"2004-05-17"}` + "\n{\"file\":\"A1\"}", "\xef\xbb\xbf" + manyRows(2),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b := newBench(t)
		sum, err := b.run(t, "a.csv", string(text))
		var file *FileError
		var share *ShareError
		if err != nil && !errors.As(err, &file) && !errors.As(err, &share) {
			t.Fatal(err)
		}
		if sum.Published != (err == nil) || !sum.Published && len(b.visible) > 0 || err == nil && sum.Rows != sum.Taken+sum.Rejected {
			t.Fatalf("%+v %v, %d visible", sum, err, len(b.visible))
		}
	})
}
