package ledger

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/keys"
)

// memory is a small honest ledger, opened, as a Source.
type memory struct {
	heading Heading
	lines   []Line
}

func (m *memory) Heading(context.Context) (Heading, error) { return m.heading, nil }

func (m *memory) Lines(_ context.Context, each func(*Line) error) error {
	for i := range m.lines {
		l := m.lines[i]
		if err := each(&l); err != nil {
			return err
		}
	}
	return nil
}

func honest(t testing.TB, k *keys.Keys, entries int) *memory {
	t.Helper()
	m := &memory{}
	var f Frontier
	for n := range entries {
		e := Entry{
			Format: Format, N: ecluse.EntryNumber(n), At: time.Date(2026, 3, 2, 9, 0, n, 0, time.UTC), Kind: KindSearch, Act: int64(n), Account: 4, Register: 1,
			ASeq: int64(n), APrev: int64(n) - 1, PSeq: -1, PPrev: -1, Decision: Deny, Detail: []byte("{}"),
		}
		period, err := k.Period(e.At)
		if err != nil {
			t.Fatal(err)
		}
		salt := saltOf(period, e.N)
		e.Leaf = leafWithSalt(&e, salt)
		f.add(e.Leaf)
		m.lines = append(m.lines, Line{Entry: e, Salt: salt, Receipt: sealReceipt(k.MAC("ledger/receipts/v1"), e.N, e.Leaf)})
	}
	c, err := SignHead(Head{Frontier: f}, k)
	if err != nil {
		t.Fatal(err)
	}
	m.heading = Heading{Size: f.Size(), Root: f.Root(), Checkpoints: []Checkpoint{c}}
	return m
}

func bundleOf(t testing.TB, k *keys.Keys, m *memory, opened bool) []byte {
	t.Helper()
	key, err := k.VerifierKey()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := WriteBundle(context.Background(), &out, m, key, opened); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func verifyBundle(data []byte, key string, receipts ...string) (Report, error) {
	src, err := ReadBundle(bytes.NewReader(data), key)
	if err != nil {
		return Report{}, err
	}
	return Verify(context.Background(), src, receipts)
}

func TestABundleProvesTheLedgerWithNothingButAPublicKey(t *testing.T) {
	k := newKeys(t, "ecluse.test")
	key, _ := k.VerifierKey()
	m := honest(t, k, 20)
	for _, opened := range []bool{false, true} {
		data := bundleOf(t, k, m, opened)
		r, err := verifyBundle(data, key, m.lines[3].Receipt, "NOT-A-RECEIPT")
		if err != nil || len(r.Problems) > 0 {
			t.Fatalf("opened=%v: %v %v", opened, err, r.Problems)
		}
		if r.Entries != 20 || r.Checkpoint != 20 || r.Receipts.Found != 1 || len(r.Receipts.Missing) != 1 || r.OK {
			t.Errorf("opened=%v: %+v", opened, r)
		}
		if refs := bytes.Contains(data, []byte(`"search"`)); refs != opened {
			t.Errorf("opened=%v: references in the bundle: %v", opened, refs)
		}
	}
	stranger := newKeys(t, "ecluse.test")
	other, _ := stranger.VerifierKey()
	if _, err := verifyBundle(bundleOf(t, k, m, true), other); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("under another key: %v", err)
	}
}

func TestEveryDroppedSwappedRepeatedOrAlteredLineOfABundleIsNamed(t *testing.T) {
	k := newKeys(t, "ecluse.test")
	key, _ := k.VerifierKey()
	for _, opened := range []bool{false, true} {
		data := bundleOf(t, k, honest(t, k, 12), opened)
		lines := bytes.SplitAfter(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
		lines[len(lines)-1] = append(lines[len(lines)-1], '\n')
		bad := func(name string, i int, changed [][]byte) {
			t.Helper()
			r, err := verifyBundle(bytes.Join(changed, nil), key)
			if err == nil && r.OK {
				t.Errorf("opened=%v: %s of line %d is not noticed", opened, name, i+1)
			}
		}
		for i := 1; i < len(lines); i++ {
			bad("drop", i, append(append([][]byte{}, lines[:i]...), lines[i+1:]...))
			bad("copy", i, append(append(append([][]byte{}, lines[:i+1]...), lines[i]), lines[i+1:]...))
			bad("truncation", i, lines[:i])
			if i+1 < len(lines) {
				swapped := append([][]byte{}, lines...)
				swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
				bad("swap", i, swapped)
			}
			at := bytes.Index(lines[i], []byte(`"Leaf":"`)) + 10
			flipped := append([][]byte{}, lines...)
			flipped[i] = bytes.Clone(lines[i])
			flipped[i][at] ^= 1
			bad("flip", i, flipped)
		}
	}
}

func TestHostileBundlesAreRefusedWithTheirLine(t *testing.T) {
	k := newKeys(t, "ecluse.test")
	good := string(bundleOf(t, k, honest(t, k, 3), true))
	lines := strings.SplitAfter(good, "\n")
	for name, test := range map[string]struct{ text, want string }{
		"empty":          {"", "it is empty"},
		"not JSON":       {"hello\n", "line 1 is malformed"},
		"another JSON":   {`{"a":1}` + "\n", "line 1 is malformed"},
		"old version":    {`{"ecluse_bundle":0}` + "\n", "not a heading"},
		"bad root":       {strings.Replace(good, `"root":"`, `"root":"!`, 1), "root is malformed"},
		"a broken line":  {lines[0] + lines[1] + "{\n" + lines[3], "line 3 is malformed"},
		"two documents":  {lines[0] + strings.TrimSuffix(lines[1], "\n") + "{}\n", "line 2 holds more than one document"},
		"unknown key":    {lines[0] + `{"Nn":1}` + "\n", "line 2 is malformed"},
		"endless line":   {lines[0] + strings.Repeat("x", 1<<20), "line 2 is longer than"},
		"wrong type":     {lines[0] + `{"N":"0"}` + "\n", "line 2 is malformed"},
		"bad checkpoint": {strings.Replace(good, `"checkpoints":["`, `"checkpoints":["x`, 1), "signature does not hold"},
	} {
		_, err := verifyBundle([]byte(test.text), "")
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestReferencesMayBeGoneOnlyBelowWhatAPurgeEntrySays(t *testing.T) {
	k := newKeys(t, "ecluse.test")
	m := honest(t, k, 10)
	purge := func(l *Line) { l.Entry = *l.Entry.blank(); l.Salt = nil }
	verify := func() Report {
		r, err := Verify(t.Context(), m, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	purge(&m.lines[0])
	if r := verify(); r.OK {
		t.Error("an entry lost its references without a purge, and nobody noticed")
	}
	m = honest(t, k, 10)
	purge(&m.lines[5])
	if r := verify(); r.OK {
		t.Error("an entry in the middle lost its references, and nobody noticed")
	}
}

func FuzzReadBundle(f *testing.F) {
	k := newKeys(f, "ecluse.test")
	key, _ := k.VerifierKey()
	f.Add(bundleOf(f, k, honest(f, k, 3), true))
	f.Add(bundleOf(f, k, honest(f, k, 3), false))
	f.Add([]byte(`{"ecluse_bundle":1,"size":-1,"root":"AAAA"}` + "\n{}\nnull\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := verifyBundle(data, "")
		if err != nil {
			if !errors.Is(err, ErrBundle) && !errors.Is(err, ErrCheckpoint) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		// Whatever holds under the true key must be the true ledger's beginning.
		if r, err = verifyBundle(data, key); err == nil && r.OK && r.Checkpoint > 3 {
			t.Errorf("%d entries are proven, 3 were signed", r.Checkpoint)
		}
	})
}
