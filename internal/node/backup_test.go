package node_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/config"
	"ecluse/internal/gate"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/node"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/register"
	"ecluse/internal/signin"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"

	"github.com/google/go-cmp/cmp"
)

// look searches person i and opens the file: reasons are why not.
func look(t testing.TB, w *nodetest.World, caller signin.Caller, i int) (reasons []ecluse.Reason) {
	t.Helper()
	field := func(name string) string {
		f, _ := w.Register.Schema.Field(name)
		return nodetest.Value(f, i)
	}
	found, err := w.Gate.Search(t.Context(), gate.SearchRequest{
		Caller: caller, Register: "mission-locale", Purpose: "emploi", Channel: ecluse.ChannelPage,
		Query: register.Query{Surname: field("surname"), FirstName: field("first_name"), BirthDate: field("birth_date")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Hits) == 0 {
		return found.Reasons
	}
	out, err := w.Gate.Disclose(t.Context(), gate.Request{
		Caller: caller, Register: "mission-locale", Handle: found.Hits[0].Handle, Purpose: "emploi", Channel: ecluse.ChannelPage,
		Motive: w.Register.Schema.Motives[0].ID, Text: "she came to the desk without an appointment",
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Reasons
}

func attach(t testing.TB, w *nodetest.World, c *config.Config) *node.Attached {
	t.Helper()
	a, err := node.Attach(t.Context(), node.Options{Config: c, Now: w.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func holds(t testing.TB, w *nodetest.World, c *config.Config) ledger.Report {
	t.Helper()
	r, err := attach(t, w, c).Verify(t.Context(), true, nil)
	if err != nil || !r.OK {
		t.Errorf("the ledger does not hold: %v %v", err, r.Problems)
	}
	return r
}

func backUp(t testing.TB, w *nodetest.World) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := attach(t, w, w.Config).Backup(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// elsewhere is the configuration of w on another database; the key file and the folder stay.
func elsewhere(t testing.TB, w *nodetest.World, url string) *config.Config {
	t.Helper()
	text, err := os.ReadFile(w.Config.Path())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(w.Config.Path()), "ecluse.toml")
	changed := strings.Replace(string(text), w.Config.Database.URL, url, 1)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func restore(t testing.TB, w *nodetest.World, c *config.Config, backup []byte) (node.RestoreReport, error) {
	return node.Restore(t.Context(), bytes.NewReader(backup), node.RestoreOptions{
		Options: node.Options{Config: c, Now: w.Clock.Now}, By: "cli:root@test",
	})
}

func TestABackupIsRestoredOnEitherEngine(t *testing.T) {
	for _, from := range []string{"sqlite", "postgres"} {
		for _, to := range []string{"sqlite", "postgres"} {
			t.Run(from+" to "+to, func(t *testing.T) {
				engine := map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres}
				w := nodetest.New(t, engine[from](t), nil)
				anne := w.SignIn("anne")
				look(t, w, anne, 1)
				look(t, w, anne, 41)
				backup := backUp(t, w)
				kept, err := w.Store.Head(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				look(t, w, anne, 42) // lost
				look(t, w, anne, 43)
				all, err := w.Store.Head(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				w.Node.Close()
				w.Clock.Advance(time.Minute)
				c := elsewhere(t, w, engine[to](t))
				report, err := restore(t, w, c, backup)
				if err != nil {
					t.Fatal(err)
				}
				if report.Entries != int64(kept.N) || report.Lost != int64(all.N-kept.N) || report.Entry != int64(kept.N) {
					t.Errorf("%+v, want %d entries and %d lost", report, kept.N, all.N-kept.N)
				}
				if want := fmt.Sprintf("checkpoint.lost-%d", all.N); filepath.Base(report.LostFile) != want {
					t.Errorf("the old checkpoint is kept as %s, want %s", report.LostFile, want)
				}
				if _, err := os.Stat(report.LostFile); err != nil {
					t.Error(err)
				}
				holds(t, w, c)
				w.Config = c
				w.Reopen()
				afterRestore(t, w, anne)
				holds(t, w, c)
			})
		}
	}
}

// afterRestore checks that sessions are revoked, values readable, and budgets full for 24 h.
func afterRestore(t *testing.T, w *nodetest.World, before signin.Caller) {
	t.Helper()
	sessions, err := w.Store.AccountSessions(t.Context(), before.Account, 10)
	if err != nil || len(sessions) == 0 {
		t.Fatal(err, len(sessions))
	}
	for _, s := range sessions {
		if s.RevokedAt.IsZero() {
			t.Error("a session outlived the restore")
		}
	}
	for _, name := range []string{"anne", "dora"} { // with a meter in the backup, and without
		caller := w.SignIn(name)
		if got := look(t, w, caller, 45); len(got) == 0 {
			t.Errorf("%s reads somebody new right after the restore", name)
		}
	}
	w.Clock.Advance(25 * time.Hour)
	if got := look(t, w, w.SignIn("anne"), 1); len(got) > 0 {
		t.Errorf("a day later her own caseload is refused: %v", got)
	}
	if got := look(t, w, w.SignIn("anne"), 46); len(got) > 0 {
		t.Errorf("a day later a person of the site is refused: %v", got)
	}
}

func TestAnUntouchedBackupIsTheSameOnceRestored(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	look(t, w, w.SignIn("anne"), 41)
	backup := backUp(t, w)
	w.Node.Close()
	c := elsewhere(t, w, storetest.Postgres(t))
	if report, err := restore(t, w, c, backup); err != nil || report.Lost != 0 || report.LostFile != "" {
		t.Fatal(report, err)
	}
	w.Config = c
	again := lines(t, backUp(t, w))
	for i, line := range lines(t, backup) {
		if strings.HasPrefix(line, `{"table":"meters"`) {
			break // filled by the restore, as sessions are revoked and heads moves
		}
		if strings.HasPrefix(again[i], `{"ecluse_backup"`) || strings.Contains(line, "test 1") {
			continue
		}
		if strings.Contains(line, `"eidas2"`) {
			continue // a session
		}
		if diff := cmp.Diff(line, again[i]); diff != "" {
			t.Errorf("line %d: %s", i+1, diff)
		}
	}
}

func lines(t *testing.T, backup []byte) []string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(backup))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

func zip(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestADamagedBackupIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	good := backUp(t, w)
	w.Node.Close()
	text := strings.Join(lines(t, good), "\n")
	file := filepath.Join(t.TempDir(), "new.db")
	c := elsewhere(t, w, "sqlite:"+file)
	bad := map[string][]byte{
		"empty": {}, "not gzip": []byte("hello"), "cut": good[:len(good)/2], "last byte": good[:len(good)-1],
		"no end":       zip(t, text[:strings.LastIndex(text, `{"end"`)]),
		"a value":      zip(t, strings.Replace(text, `"93"`, `"75"`, 1)),
		"a row less":   zip(t, dropLine(text, `["`, 0)),
		"after":        zip(t, text+"[1]\n"),
		"no heading":   zip(t, text[strings.Index(text, "\n")+1:]),
		"another form": zip(t, strings.Replace(text, `"ecluse_backup":1`, `"ecluse_backup":2`, 1)),
	}
	for i := range 40 { // anywhere
		changed := bytes.Clone(good)
		changed[10+i*(len(good)-20)/40] ^= 0x10
		bad[fmt.Sprintf("byte %d", i)] = changed
	}
	for name, backup := range bad {
		if _, err := restore(t, w, c, backup); !errors.Is(err, node.ErrBackup) {
			t.Errorf("%s: %v, want ErrBackup", name, err)
		}
		if _, err := os.Stat(file); err == nil {
			t.Fatalf("%s: the database was touched", name)
		}
	}
	if _, err := restore(t, w, c, good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func dropLine(text, prefix string, from int) string {
	at := strings.Index(text[from:], "\n[") + from
	end := strings.Index(text[at+1:], "\n") + at + 1
	return text[:at] + text[end:]
}

func TestABackupIsRestoredOnlyWithItsKeysIntoNothingElse(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	backup := backUp(t, w)
	if _, err := restore(t, w, w.Config, backup); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("over a living database: %v", err)
	}
	other := nodetest.New(t, storetest.SQLite(t), nil)
	if _, err := restore(t, other, elsewhere(t, other, storetest.SQLite(t)), backup); !errors.Is(err, store.ErrWrongKeys) {
		t.Errorf("with other keys: %v", err)
	}
	holds(t, w, w.Config)
}

// A restore that dies anywhere leaves a database that nothing opens and the next restore overwrites.
func TestAnInterruptedRestoreIsRunAgain(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, storetest.SQLite(t), nil)
		look(t, w, w.SignIn("anne"), 41)
		backup := backUp(t, w)
		look(t, w, w.SignIn("anne"), 42)
		w.Node.Close()
		c := elsewhere(t, w, url)
		for _, stop := range []string{"restoring accounts", "restoring entries", "restoring heads", "filling the budgets"} {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := node.Restore(ctx, bytes.NewReader(backup), node.RestoreOptions{
				Options: node.Options{Config: c, Now: w.Clock.Now}, Progress: func(what string, _, _ int64) {
					if what == stop {
						cancel()
					}
				},
			})
			cancel()
			if err == nil {
				t.Fatalf("%s: it did not stop", stop)
			}
			_, err = node.Open(t.Context(), node.Options{Config: c, Now: w.Clock.Now, FakeClock: true})
			if !errors.Is(err, store.ErrNoInstance) && !errors.Is(err, store.ErrUnfinished) {
				t.Errorf("%s: a node opens with %v", stop, err)
			}
		}
		report, err := restore(t, w, c, backup)
		if err != nil || report.Lost <= 0 {
			t.Errorf("%+v %v", report, err)
		}
		holds(t, w, c)
	})
}

func TestANodeRefusesAnOldCopyOfItsDatabase(t *testing.T) {
	url := storetest.SQLite(t)
	w := nodetest.New(t, url, nil)
	w.Node.Close()
	file := strings.TrimPrefix(url, "sqlite:")
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.Reopen()
	look(t, w, w.SignIn("anne"), 1)
	w.Node.Close()
	if err := os.WriteFile(file, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Open(t.Context(), node.Options{Config: w.Config, Now: w.Clock.Now}); !errors.Is(err, ledger.ErrRolledBack) {
		t.Errorf("it opens with %v, want ErrRolledBack", err)
	}
	r, err := attach(t, w, w.Config).Verify(t.Context(), false, nil)
	if err != nil || r.OK {
		t.Errorf("verify says %v %v", r.OK, err)
	}
}

func TestABackupIsOneInstantThoughTheNodeGoesOn(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			c := ledger.Candidate{Kind: ledger.KindRefuse, Register: w.Register.ID, Decision: ledger.Deny, Revision: ledger.AnyRevision}
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := w.Ledger.Append(context.Background(), c); err != nil {
						t.Error(err)
						return
					}
				}
			}
		}()
		var backup []byte
		for range 3 {
			backup = backUp(t, w)
			r, err := attach(t, w, w.Config).Verify(t.Context(), true, nil)
			if err != nil || !r.OK {
				t.Errorf("beside a running node: %v %v", err, r.Problems)
			}
		}
		close(stop)
		<-done
		w.Node.Close()
		c := elsewhere(t, w, storetest.SQLite(t))
		if _, err := restore(t, w, c, backup); err != nil {
			t.Fatal(err)
		}
		holds(t, w, c)
	})
}

// 1.1 million persons take as much memory as a thousand: rows stream.
func TestBackupAndRestoreOfManyRowsTakeFlatMemory(t *testing.T) {
	const persons = 40_000
	w := nodetest.Create(t, storetest.SQLite(t), t.TempDir(), nil)
	table := map[string]*store.Table{}
	for _, s := range store.Tables {
		table[s.Name] = s
	}
	sealed := make([]byte, 2000)
	_, _ = rand.Read(sealed)
	for first := 0; first < persons; first += store.RestoreRows {
		var people, records [][]any
		for i := first; i < first+store.RestoreRows; i++ {
			ext := binary.BigEndian.AppendUint64(nil, uint64(i))
			people = append(people, []any{int64(1_000_000 + i), int64(w.Register.ID), ext, "93", int64(0), int64(-1)})
			records = append(records, []any{int64(1_000_000 + i), int64(1), ext, sealed})
		}
		for _, err := range []error{w.Store.Restore(t.Context(), table["persons"], people), w.Store.Restore(t.Context(), table["records"], records)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "backup"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var most, before uint64
	measure := func(string, int64) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	runtime.GC()
	measure("", 0)
	before, most = most, 0
	a := attach(t, w, w.Config)
	began := time.Now()
	if _, err := a.Backup(t.Context(), file, measure); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	w.Node.Close()
	c := elsewhere(t, w, storetest.SQLite(t))
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	report, err := node.Restore(t.Context(), file, node.RestoreOptions{
		Options: node.Options{Config: c, Now: w.Clock.Now}, Progress: func(what string, done, _ int64) { measure(what, done) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows: backup %s, restore %s, heap at most %d MB above %d MB", report.Rows, took.Round(time.Millisecond),
		time.Since(began).Round(time.Millisecond), (most-before)>>20, before>>20)
	if most-before > 64<<20 { // the sealed records alone are 80 MB
		t.Errorf("the heap grew by %d MB", (most-before)>>20)
	}
}

func TestCheckBackupNeedsTheKeysOfTheBackup(t *testing.T) {
	w := nodetest.Create(t, storetest.SQLite(t), t.TempDir(), nil)
	backup := backUp(t, w)
	if _, err := node.CheckBackup(t.Context(), bytes.NewReader(backup), w.Keys); err != nil {
		t.Error(err)
	}
	other, err := keys.Create(filepath.Join(t.TempDir(), "key"), "ecluse.test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.CheckBackup(t.Context(), bytes.NewReader(backup), other); !errors.Is(err, store.ErrWrongKeys) {
		t.Error(err)
	}
}
