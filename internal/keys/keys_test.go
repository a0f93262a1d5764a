package keys

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func create(t testing.TB) (*Keys, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ecluse.key")
	k, err := Create(path, "ecluse.test", now)
	if err != nil {
		t.Fatal(err)
	}
	return k, path
}

func TestAKeyFileIsPrivateNeverOverwrittenAndReadBackTheSame(t *testing.T) {
	k, path := create(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	if _, err := Create(path, "ecluse.test", now); !errors.Is(err, ErrExists) {
		t.Errorf("a second creation: %v", err)
	}
	read, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read.Check(), k.Check()) || !bytes.Equal(read.IndexKey("r"), k.IndexKey("r")) || read.Origin() != "ecluse.test" {
		t.Error("read back as another file")
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if len(left) != 1 {
		t.Errorf("files left behind: %v", left)
	}
}

func TestABadKeyFileIsRefusedForWhatItIs(t *testing.T) {
	_, path := create(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		text []byte
		mode fs.FileMode
		want error
	}{
		"group": {good, 0o640, ErrMode}, "all": {good, 0o604, ErrMode}, "empty": {nil, 0o600, ErrCorrupt},
		"cut": {good[:len(good)/2], 0o600, ErrCorrupt}, "text": {[]byte("hello"), 0o600, ErrCorrupt},
		"version":   {bytes.Replace(good, []byte(`"version": 1`), []byte(`"version": 2`), 1), 0o600, ErrCorrupt},
		"short key": {bytes.Replace(good, []byte(`"root": "`), []byte(`"root": "AA==", "x": "`), 1), 0o600, ErrCorrupt},
		"no origin": {bytes.Replace(good, []byte(`"ecluse.test"`), []byte(`""`), 1), 0o600, ErrCorrupt},
	} {
		file := filepath.Join(t.TempDir(), "key")
		if err := errors.Join(os.WriteFile(file, test.text, 0o600), os.Chmod(file, test.mode)); err != nil {
			t.Fatal(err)
		}
		_, err := Open(file)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "AA==") {
			t.Errorf("%s: the error shows a key", name)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestSealsHoldOnlyInTheirDomainAndWithTheirData(t *testing.T) {
	k, _ := create(t)
	other, _ := create(t)
	sealed, err := k.Seal("draft", []byte("secret"), []byte("session 1"))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := k.Unseal("draft", sealed, []byte("session 1")); err != nil || string(text) != "secret" {
		t.Errorf("%q %v", text, err)
	}
	if again, _ := k.Seal("draft", []byte("secret"), []byte("session 1")); bytes.Equal(again, sealed) {
		t.Error("sealing twice gives the same text")
	}
	changed := slices.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, err := range map[string]error{
		"domain": second(k.Unseal("handle", sealed, []byte("session 1"))), "data": second(k.Unseal("draft", sealed, []byte("session 2"))),
		"keys": second(other.Unseal("draft", sealed, []byte("session 1"))), "changed": second(k.Unseal("draft", changed, []byte("session 1"))),
		"short": second(k.Unseal("draft", nil, nil)),
	} {
		if !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v, want ErrSealed", name, err)
		}
	}
}

func second(_ []byte, err error) error { return err }

func TestKeysetsOpenOnlyForTheirRegisterAndKeyFile(t *testing.T) {
	k, path := create(t)
	other, _ := create(t)
	wrapped, err := k.NewKeyset("mission-locale")
	if err != nil {
		t.Fatal(err)
	}
	a, err := k.Unwrap("mission-locale", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := a.Encrypt([]byte("value"), []byte("person 1"))
	if err != nil {
		t.Fatal(err)
	}
	read, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := read.Unwrap("mission-locale", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := b.Decrypt(sealed, []byte("person 1")); err != nil || string(text) != "value" {
		t.Errorf("%q %v", text, err)
	}
	if _, err := k.Unwrap("licences-sport", wrapped); !errors.Is(err, ErrSealed) {
		t.Errorf("another register: %v", err)
	}
	if _, err := other.Unwrap("mission-locale", wrapped); !errors.Is(err, ErrSealed) {
		t.Errorf("another key file: %v", err)
	}
}

func TestMACsDifferByDomainPartsAndKeys(t *testing.T) {
	k, _ := create(t)
	other, _ := create(t)
	macs := [][]byte{
		k.MAC("a/v1", []byte("xy")), k.MAC("a/v2", []byte("xy")), k.MAC("a/v1", []byte("x"), []byte("y")), k.MAC("a/v1", []byte("xy"), nil),
		other.MAC("a/v1", []byte("xy")), k.MAC("a/v1"), k.IndexKey("r"), k.IndexKey("s"), other.IndexKey("r"),
	}
	for i := range macs {
		for j := range i {
			if bytes.Equal(macs[i], macs[j]) {
				t.Errorf("%d and %d are the same", i, j)
			}
		}
	}
	if !bytes.Equal(macs[0], k.MAC("a/v1", []byte("xy"))) {
		t.Error("the same twice differs")
	}
}

func TestADomainWithoutAVersionMakesNoMAC(t *testing.T) {
	k, _ := create(t)
	for _, domain := range []string{"", "a", "a/v", "a/v0", "a/v01", "a/v1x", "/v", "a/v1/b", "a/1", "a.v1"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q makes a MAC", domain)
				}
			}()
			k.MAC(domain)
		}()
	}
	made := map[string]bool{}
	for _, domain := range []string{"a/v1", "a/v9", "a/v10", "a/v123"} {
		made[string(k.MAC(domain))] = true
	}
	if len(made) != 4 {
		t.Error("two versions make the same MAC")
	}
}

func TestPeriodKeysAreDestroyedForGoodAndToppedUp(t *testing.T) {
	k, path := create(t)
	march, err := k.Period(now)
	if err != nil || len(march) != 32 {
		t.Fatal(err)
	}
	april, _ := k.Period(now.AddDate(0, 1, 0))
	if bytes.Equal(march, april) {
		t.Error("two months share a key")
	}
	if want := time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC); !k.LastPeriod().Equal(want) {
		t.Errorf("keys until %s, want %s", k.LastPeriod(), want)
	}
	if _, err := k.Period(now.AddDate(0, -1, 0)); !errors.Is(err, ErrPeriodMissing) {
		t.Errorf("before the first: %v", err)
	}
	first := string(march)
	// The whole of March is not over on the 31st.
	if gone, err := k.Retain(time.Date(2026, 3, 31, 23, 59, 59, 0, time.UTC), now); err != nil || len(gone) != 0 {
		t.Errorf("destroyed %v %v", gone, err)
	}
	later := now.AddDate(1, 1, 0)
	if ended := k.Ended(later.AddDate(-1, 0, 0)); len(ended) != 1 || ended[0] != "2026-03" {
		t.Errorf("ended: %v", ended)
	}
	gone, err := k.Retain(later.AddDate(-1, 0, 0), later)
	if err != nil || len(gone) != 1 || gone[0] != "2026-03" {
		t.Fatalf("destroyed %v %v", gone, err)
	}
	for name, keys := range map[string]func() (*Keys, error){"in memory": func() (*Keys, error) { return k, nil }, "in the file": func() (*Keys, error) { return Open(path) }} {
		k, err := keys()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Period(now); !errors.Is(err, ErrPeriodDestroyed) {
			t.Errorf("%s: %v", name, err)
		}
		if again, err := k.Period(now.AddDate(0, 1, 0)); err != nil || !bytes.Equal(again, april) {
			t.Errorf("%s: the next month changed: %v", name, err)
		}
		if want := time.Date(2032, 4, 1, 0, 0, 0, 0, time.UTC); !k.LastPeriod().Equal(want) {
			t.Errorf("%s: keys until %s, want %s", name, k.LastPeriod(), want)
		}
	}
	if gone, err := k.Retain(later.AddDate(-1, 0, 0), later); err != nil || len(gone) != 0 {
		t.Errorf("again: %v %v", gone, err)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Contains(text, []byte(first)) {
		t.Error("the destroyed key is still in the file")
	}
}

func TestAFileIsReplacedWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, text := range []string{"one", "two, longer", "3"} {
		if err := WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q %v", got, err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "taken", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "taken"), nil, 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := WriteFile(filepath.Join(dir, "no", "where"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}
