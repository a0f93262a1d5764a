package directory_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// batch is an installation of n agents of organisation A.
func batch(w *nodetest.World, n int) directory.Change {
	c := w.Change()
	c.Installation = true
	for i := range n {
		a := nodetest.Account(fmt.Sprintf("agent%05d", i), "A", "A1", ecluse.RoleAgent)
		a.IDP, a.Sub = "", ""
		c.Accounts = append(c.Accounts, a)
	}
	return c
}

// TestALargeInstallationBatchIsApprovedAtOnce runs with a few hundred accounts; ECLUSE_BATCH=14500 measures
// that of a whole network.
func TestALargeInstallationBatchIsApprovedAtOnce(t *testing.T) {
	n := 1200
	if _, err := fmt.Sscan(os.Getenv("ECLUSE_BATCH"), &n); err != nil && os.Getenv("ECLUSE_BATCH") != "" {
		t.Fatal(err)
	}
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		began := time.Now()
		id := ask(t, w, "officer1", batch(w, n))
		asked := time.Since(began)
		began = time.Now()
		decided(t, w, "officer2", id)
		t.Logf("%d accounts: asked in %v, approved in %v", n, asked, time.Since(began))
		list, err := w.Directory.PendingInvitations(t.Context(), w.Accounts["officer1"].Controller)
		if err != nil || len(list) != n {
			t.Errorf("%d of %d accounts are invited (%v)", len(list), n, err)
		}
	})
}

const agentsOfBatch = `SELECT COUNT(*) FROM accounts WHERE email LIKE 'agent0%'`

func TestAccountsOfAnInterruptedBatchAreMadeExactlyOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		const n = 2*directory.AccountChunk + 100
		for cut := int64(1); cut <= 3; cut++ { // the decision, or one of two chunks
			var commits atomic.Int64
			var armed atomic.Bool
			hooks := &store.Hooks{AfterCommit: func(context.Context) error {
				if armed.Load() && commits.Add(1) >= cut {
					return errPower
				}
				return nil
			}}
			base := fresh(t, url)
			w := nodetest.New(t, base, hooks)
			db := around(t, base)
			id := ask(t, w, "officer1", batch(w, n))
			armed.Store(true)
			if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), id, true); err == nil {
				t.Fatalf("cut %d: nothing failed", cut)
			}
			armed.Store(false)
			if made := count(t, db, agentsOfBatch); made != int(cut)*directory.AccountChunk && cut < 3 {
				t.Errorf("cut %d: %d accounts are there", cut, made)
			}
			w.Reopen()
			for range 2 { // once more changes nothing
				if err := w.Directory.ResumeLinks(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			made, total, err := w.Directory.Progress(t.Context(), w.Actor("officer2"), id)
			if all := count(t, db, agentsOfBatch); all != n || err != nil || made != total || total != n-directory.AccountChunk {
				t.Errorf("cut %d: %d accounts, %d of %d made (%v)", cut, all, made, total, err)
			}
			verified(t, w)
		}
	})
}

func TestABatchHaltsWhileWhoeverMadeItIsContained(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	const n = directory.AccountChunk + 10
	w.Directory.Behind(func() <-chan struct{} { // nobody goes on yet
		done := make(chan struct{})
		close(done)
		return done
	})
	decided(t, w, "officer2", ask(t, w, "officer1", batch(w, n)))
	db := around(t, w.Config.Database.URL)
	w.SetState("officer1", directory.Suspended)
	if err := w.Directory.ResumeLinks(t.Context()); err == nil || count(t, db, agentsOfBatch) != directory.AccountChunk {
		t.Errorf("it goes on: %v, %d accounts", err, count(t, db, agentsOfBatch))
	}
	w.SetState("officer1", directory.Active)
	if err := w.Directory.ResumeLinks(t.Context()); err != nil || count(t, db, agentsOfBatch) != n {
		t.Errorf("it does not go on: %v, %d accounts", err, count(t, db, agentsOfBatch))
	}
}

func TestNobodyWhoWasEndedMeanwhileGetsLinks(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	w.Directory.Behind(func() <-chan struct{} {
		done := make(chan struct{})
		close(done)
		return done
	})
	decided(t, w, "officer2", ask(t, w, "officer1", many(w, 20)))
	if err := w.Directory.EndAccount(t.Context(), w.Actor("officer1"), w.Accounts["carl"].ID); err != nil {
		t.Fatal(err)
	}
	db := around(t, w.Config.Database.URL)
	if err := errors.Join(w.Directory.ResumeLinks(t.Context()), w.Directory.ResumeLinks(t.Context())); err != nil || count(t, db, linksMany) != 0 {
		t.Errorf("%d links for an ended account (%v)", count(t, db, linksMany), err)
	}
	verified(t, w)
}

func TestWhatSomebodyElseChangedMeanwhileIsLeftAsItIs(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	idle := make(chan struct{})
	close(idle)
	w.Directory.Behind(func() <-chan struct{} { return idle })
	c := batch(w, directory.AccountChunk+3)
	decided(t, w, "officer2", ask(t, w, "officer1", c))
	late := c.Accounts[directory.AccountChunk]
	other := w.Change()
	late.Site, late.GivenName = "A2", "Another"
	other.Accounts = append(other.Accounts, late)
	decided(t, w, "officer2", ask(t, w, "officer1", other))
	if err := w.Directory.ResumeLinks(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := w.Store.AccountsByEmail(t.Context(), late.Email)
	if err != nil || len(found) != 1 || found[0].GivenName != "Another" {
		t.Errorf("the batch wrote over %+v (%v)", found, err)
	}
	if all := count(t, around(t, w.Config.Database.URL), agentsOfBatch); all != directory.AccountChunk+3 {
		t.Errorf("%d accounts", all)
	}
	verified(t, w)
}
