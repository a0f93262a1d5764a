package gate_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/scope"
	"ecluse/internal/signin"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// second is another node on the world's database, with a folder of its own.
func second(t *testing.T, w *nodetest.World, hooks store.Hooks) *node.Node {
	t.Helper()
	dir := t.TempDir()
	key, err := os.ReadFile(w.Config.Keys.File)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "ecluse.key"), key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(t.Context(), node.Options{
		Config: nodetest.Config(t, dir, w.Config.Database.URL), Now: w.Clock.Now, FakeClock: true, Log: w.Log, Hooks: hooks,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// stall holds back whoever is about to take the head lock, from when it is armed until it is let go.
type stall struct {
	armed  atomic.Bool
	before chan struct{} // one for each that is held back
	open   chan struct{}
}

func newStall() *stall { return &stall{before: make(chan struct{}, 100), open: make(chan struct{})} }

func (s *stall) trace(name string) {
	if name == "lock head" && s.armed.Load() {
		s.before <- struct{}{}
		<-s.open
	}
}

// The published case: the tree of a stolen account manager works on two nodes when it is contained. What
// either node has in flight, decided on facts from before, is held right before the lock.
func TestNoNodeDisclosesAnythingAfterTheCommitOfAContainment(t *testing.T) {
	url := storetest.Postgres(t)
	w, db := nodetest.New(t, url, nil), around(t, url)
	h := &history{World: w, db: db}
	h.adopt(t, "anne", "manager", "officer1")
	h.adopt(t, "bob", "manager", "officer2")
	w.SignIn("rssi")
	held := newStall()
	other := second(t, w, store.Hooks{Trace: held.trace})
	callers := map[string]signin.Caller{"anne": w.SignIn("anne"), "bob": w.SignIn("bob"), "carl": w.SignIn("carl")}
	var served atomic.Int64
	got := map[ecluse.PersonID]bool{}
	var mu sync.Mutex
	disclose := func(g *gate.Gate, who string, i int) (bool, error) {
		out, err := g.Disclose(context.Background(), to(w, callers[who], i))
		if err == nil && out.Allowed {
			served.Add(1)
			if who != "carl" {
				mu.Lock()
				got[w.Persons[nodetest.External(i)]] = true
				mu.Unlock()
			}
		}
		return err == nil && out.Allowed, err
	}
	var wg sync.WaitGroup
	var stop, after atomic.Bool
	own := map[string]int{"anne": 1, "bob": 41, "carl": 81}
	for _, g := range []*gate.Gate{w.Gate, other.Gate} {
		for who, from := range own {
			for k := range 2 {
				wg.Go(func() {
					for i := 0; !stop.Load(); i++ {
						late := after.Load()
						allowed, err := disclose(g, who, from+(7*k+i)%40)
						if err != nil && !errors.Is(err, ledger.ErrBusy) && !errors.Is(err, ledger.ErrStale) && !errors.Is(err, signin.ErrRevoked) {
							t.Error(err)
						}
						if allowed && late && who != "carl" {
							t.Errorf("%s is shown a record by a request that began after the containment", who)
						}
					}
				})
			}
		}
	}
	for served.Load() < 60 {
		runtime.Gosched()
	}
	held.armed.Store(true) // the next transaction of the other node waits with its batch in hand
	<-held.before
	done, _, err := w.Directory.Contain(t.Context(), w.Actor("rssi"), directory.Containment{Account: w.Accounts["manager"].ID, Tree: true, Reason: "its second factor was stolen too"})
	if err != nil {
		t.Fatal(err)
	}
	after.Store(true)
	held.armed.Store(false)
	close(held.open)
	for more := served.Load() + 40; served.Load() < more; { // carl, who is none of them, works on at both nodes
		runtime.Gosched()
	}
	stop.Store(true)
	wg.Wait()
	stopped := []ecluse.AccountID{callers["anne"].Account, callers["bob"].Account, w.Accounts["manager"].ID}
	for _, e := range entries(t, w, done.Entry) {
		if slices.Contains(stopped, e.Account) && e.Decision == ledger.Allow {
			t.Errorf("entry %d allows, the containment is entry %d", e.N, done.Entry)
		}
	}
	if n := sessionsAlive(t, w, stopped); n > 0 {
		t.Errorf("%d of their sessions live", n)
	}
	read, err := other.Scope.Read(t.Context(), w.Actor("rssi"), scope.Query{Account: w.Accounts["manager"].ID, Tree: true})
	if err != nil || read.Persons != len(got) {
		t.Errorf("the scope says %d persons, %d were read (%v)", read.Persons, len(got), err)
	}
	if err := other.KeepContainments(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(other.Config.Path()), "containments")); err != nil {
		t.Errorf("the other node does not remember it: %v", err)
	}
	verified(t, w)
}

func sessionsAlive(t *testing.T, w *nodetest.World, of []ecluse.AccountID) int {
	t.Helper()
	n, err := w.Store.OpenSessions(context.Background(), of, w.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Two officers at once: what one of them has contained alone counts for the other decision too, for both
// are decided under one lock.
func TestTwoContainmentsAtOnceAreDecidedOneAfterTheOther(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.SignIn("rssi")
		var wg sync.WaitGroup
		var done atomic.Int64
		for range 6 {
			wg.Go(func() {
				_, _, err := w.Directory.Contain(context.Background(), w.Actor("rssi"), directory.Containment{Account: w.Accounts["anne"].ID, Reason: "six officers press the button at once"})
				switch {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, directory.ErrContained) && !errors.Is(err, ledger.ErrStale):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if done.Load() != 1 {
			t.Errorf("anne was contained %d times", done.Load())
		}
		verified(t, w)
	})
}
