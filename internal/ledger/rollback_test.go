package ledger_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ecluse/internal/ledger"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"

	"golang.org/x/mod/sumdb/tlog"
)

// under is a bare ledger of some entries and somebody who writes its database without the keys.
type under struct {
	*bench
	*attacker
	leaves []tlog.Hash
}

func underAttack(t *testing.T, url string, entries int) *under {
	t.Helper()
	u := &under{bench: newBench(t, url, store.Hooks{}), attacker: newAttacker(t, url)}
	u.more(entries)
	return u
}

// more appends entries as the program does.
func (u *under) more(entries int) {
	u.t.Helper()
	for range entries {
		if _, err := u.Append(u.t.Context(), act(1)); err != nil {
			u.t.Fatal(err)
		}
	}
	u.leaves = nil
	err := u.db.Entries(u.t.Context(), 0, 1<<62, func(e *ledger.Entry) error {
		u.leaves = append(u.leaves, e.Leaf)
		return nil
	})
	if err != nil {
		u.t.Fatal(err)
	}
}

// cut takes the newest entries away and makes head and meters say that they never were.
func (u *under) cut(to int) {
	u.do("DELETE FROM entries WHERE n >= $1", to)
	u.do("UPDATE heads SET n = $1, frontier = $2", to, frontier(u.leaves[:to]))
	u.do("DELETE FROM meters")
}

// forge puts another leaf into the tree, up to the head.
func (u *under) forge(n int) {
	leaves := append([]tlog.Hash(nil), u.leaves...)
	leaves[n] = tlog.RecordHash([]byte("what the attacker would like"))
	u.do("UPDATE entries SET leaf = $1 WHERE n = $2", leaves[n][:], n)
	u.do("UPDATE heads SET frontier = $1", frontier(leaves))
}

func TestALedgerThatShrankOrChangedUnderARunningNodeAdmitsNothingMore(t *testing.T) {
	for engine, database := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		for name, attack := range map[string]func(*under){
			"the newest entry gone":           func(u *under) { u.cut(6) },
			"all gone":                        func(u *under) { u.cut(0) },
			"another tree of the same length": func(u *under) { u.forge(6) },
		} {
			t.Run(engine+" "+name, func(t *testing.T) { attackedRunning(t, underAttack(t, database(t), 7), attack) })
		}
	}
}

func attackedRunning(t *testing.T, u *under, attack func(*under)) {
	t.Helper()
	before := u.read("entries", " ORDER BY n")
	attack(u)
	for range 3 {
		if results, err := u.Append(t.Context(), act(1)); !errors.Is(err, ledger.ErrRolledBack) || results != nil {
			t.Fatalf("an append says %v", err)
		}
	}
	// Nor when the tail is put back: somebody was there.
	u.do("DELETE FROM entries")
	for _, row := range before.rows {
		u.insert(before, row)
	}
	u.do("UPDATE heads SET n = $1, frontier = $2", len(u.leaves), frontier(u.leaves))
	if _, err := u.Append(t.Context(), act(1)); !errors.Is(err, ledger.ErrRolledBack) {
		t.Errorf("with the tail back again: %v", err)
	}
}

func TestAnotherNodesEntriesAreNoRollBack(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		u := underAttack(t, url, 3)
		other := ledger.New(storetest.Open(t, url, store.Hooks{}), u.keys, ledger.Options{Now: time.Now})
		defer other.Close()
		for range 3 {
			for _, l := range []*ledger.Ledger{other, u.Ledger} {
				if _, err := l.Append(t.Context(), act(2)); err != nil {
					t.Error(err)
				}
			}
		}
		u.verify(t, 9)
	})
}

func TestANotarySignsOnlyWhatContinuesItsLastCheckpoint(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		u := underAttack(t, url, 7)
		path := filepath.Join(t.TempDir(), "checkpoint")
		n, err := ledger.NewNotary(t.Context(), u.db, u.keys, path)
		if err != nil {
			t.Fatal(err)
		}
		signed := n.Last()
		refuses := func(what string) {
			t.Helper()
			if err := n.Sign(t.Context()); !errors.Is(err, ledger.ErrRolledBack) {
				t.Errorf("%s: %v", what, err)
			}
			onDisk, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(onDisk, signed) || !bytes.Equal(n.Last(), signed) {
				t.Errorf("%s: the checkpoint was replaced (%v)", what, err)
			}
		}
		u.cut(5)
		refuses("a shorter ledger")
		other := ledger.New(u.db, u.keys, ledger.Options{Now: time.Now}) // a node that knows nothing of what was
		defer other.Close()
		for range 4 { // nine entries, seven of which are not those that were signed
			if _, err := other.Append(t.Context(), act(3)); err != nil {
				t.Fatal(err)
			}
		}
		refuses("a longer ledger with another past")
	})
}

func TestANotaryDoesNotSignAHeadThatItsEntriesDoNotMake(t *testing.T) {
	u := underAttack(t, storetest.SQLite(t), 7)
	n, err := ledger.NewNotary(t.Context(), u.db, u.keys, filepath.Join(t.TempDir(), "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	u.more(2)
	lie := append([]tlog.Hash(nil), u.leaves...)
	lie[8] = tlog.RecordHash([]byte("an entry that is nowhere"))
	u.do("UPDATE heads SET frontier = $1", frontier(lie))
	if err := n.Sign(t.Context()); !errors.Is(err, ledger.ErrRolledBack) || n.Size() != 7 {
		t.Errorf("%v, %d signed", err, n.Size())
	}
}
