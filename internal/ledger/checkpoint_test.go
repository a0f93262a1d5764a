package ledger

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecluse/internal/keys"
)

func newKeys(t testing.TB, origin string) *keys.Keys {
	t.Helper()
	k, err := keys.Create(filepath.Join(t.TempDir(), "key"), origin, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signedCheckpoint(t testing.TB, k *keys.Keys, size int64) Checkpoint {
	t.Helper()
	var f Frontier
	for n := range size {
		f.add(leafNumber(n))
	}
	c, err := SignHead(Head{Frontier: f}, k)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACheckpointIsASignedNoteOfThreeLines(t *testing.T) {
	k := newKeys(t, "ecluse.test/log")
	key, err := k.VerifierKey()
	if err != nil {
		t.Fatal(err)
	}
	c := signedCheckpoint(t, k, 5)
	lines := strings.Split(string(c.Note), "\n")
	if lines[0] != "ecluse.test/log" || lines[1] != "5" || lines[3] != "" || !strings.HasPrefix(lines[4], "— ecluse.test/log ") {
		t.Errorf("not a c2sp.org/tlog-checkpoint:\n%s", c.Note)
	}
	read, err := ParseCheckpoint(c.Note, key)
	if err != nil || read.Size != 5 || read.Root != c.Root || !bytes.Equal(read.Note, c.Note) {
		t.Errorf("read back as %+v: %v", read, err)
	}
}

func TestAForgedCheckpointIsRefused(t *testing.T) {
	k := newKeys(t, "ecluse.test")
	key, _ := k.VerifierKey()
	c := signedCheckpoint(t, k, 5)
	other := newKeys(t, "ecluse.test")
	otherKey, _ := other.VerifierKey()
	stranger := newKeys(t, "elsewhere.test")
	texts := map[string][]byte{
		"empty": nil, "text": []byte("ecluse.test\n5\n"), "size": bytes.Replace(c.Note, []byte("\n5\n"), []byte("\n6\n"), 1),
		"another key, same name": signedCheckpoint(t, other, 5).Note, "another log": signedCheckpoint(t, stranger, 5).Note,
		"cut": c.Note[:len(c.Note)-3], "no signature": bytes.SplitAfter(c.Note, []byte("\n\n"))[0],
	}
	for name, text := range texts {
		if _, err := ParseCheckpoint(text, key); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v, want ErrCheckpoint", name, err)
		}
	}
	if _, err := ParseCheckpoint(c.Note, otherKey); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("the wrong key: %v", err)
	}
	if _, err := ParseCheckpoint(c.Note, "nonsense"); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("no key: %v", err)
	}
	for i := range c.Note {
		changed := bytes.Clone(c.Note)
		changed[i] ^= 1
		if read, err := ParseCheckpoint(changed, key); err == nil && (read.Size != c.Size || read.Root != c.Root) {
			t.Errorf("byte %d changed, and it reads as %+v", i, read)
		}
	}
}

func TestAWellSignedCheckpointOfNonsenseIsRefused(t *testing.T) {
	k := newKeys(t, "ecluse.test")
	key, _ := k.VerifierKey()
	c := signedCheckpoint(t, k, 5)
	dir := t.TempDir()
	path := filepath.Join(dir, "checkpoint")
	if err := os.WriteFile(path, c.Note[:20], 0o600); err != nil {
		t.Fatal(err)
	}
	n := &Notary{keys: k, path: path}
	if _, err := n.read(); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("a damaged file: %v", err)
	}
	if n.newerThere(1) {
		t.Error("a damaged file counts as newer")
	}
	if err := os.WriteFile(path, c.Note, 0o600); err != nil {
		t.Fatal(err)
	}
	if !n.newerThere(5) || n.newerThere(6) {
		t.Error("the size of the file's checkpoint is not respected")
	}
	_ = key
}
