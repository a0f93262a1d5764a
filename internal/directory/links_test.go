package directory_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// many is a change of n links for carl, more than one chunk if n is above directory.LinkChunk: on three
// different terms, so that chunks begin and end in the midst of a LinkChange.
func many(w *nodetest.World, n int) directory.Change {
	c := w.Change()
	var places directory.LinkPlaces
	for i := range n {
		at := places.Of(&c, directory.LinkChange{
			Register: w.Register.ID, Account: nodetest.Email("carl"), Kind: directory.LinkCaseload, Ends: nodetest.Start.AddDate(1, i%3, 0),
		})
		c.Links[at].Persons = append(c.Links[at].Persons, ecluse.PersonID(1_000_000+i))
	}
	return c
}

const (
	linksMany   = `SELECT COUNT(*) FROM links WHERE person_id >= 1000000`
	personsMany = `SELECT COUNT(DISTINCT person_id) FROM links WHERE person_id >= 1000000`
)

var errPower = errors.New("the power went")

func TestLinksOfAnInterruptedBatchAreMadeExactlyOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		for cut := 1; cut <= 4; cut++ { // the decision, or one of three chunks
			for _, late := range []bool{false, true} {
				var commits atomic.Int64
				var armed atomic.Bool
				fail := func(context.Context) error {
					if armed.Load() && commits.Add(1) >= int64(cut) {
						return errPower
					}
					return nil
				}
				hooks := &store.Hooks{}
				if late {
					hooks.AfterCommit = func(ctx context.Context) error { return fail(ctx) }
				} else {
					hooks.BeforeCommit = func(ctx context.Context) error { return fail(ctx) }
				}
				base := fresh(t, url)
				w := nodetest.New(t, base, hooks)
				db := around(t, base)
				const n = 2*directory.LinkChunk + 100
				id := ask(t, w, "officer1", many(w, n))
				armed.Store(true)
				if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), id, true); err == nil {
					t.Fatalf("cut %d: nothing failed", cut)
				}
				armed.Store(false)
				w.Reopen()
				if err := w.Directory.ResumeLinks(t.Context()); err != nil {
					t.Fatal(err)
				}
				if cut == 1 && !late { // it was never approved
					if made := count(t, db, linksMany); made != 0 {
						t.Fatalf("%d links of a batch that nobody approved", made)
					}
					if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), id, true); err != nil {
						t.Fatal(err)
					}
				}
				for range 2 { // once more changes nothing
					if err := w.Directory.ResumeLinks(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if made, persons := count(t, db, linksMany), count(t, db, personsMany); made != n || persons != n {
					t.Errorf("cut %d, late %v: %d links for %d persons of %d", cut, late, made, persons, n)
				}
				verified(t, w)
			}
		}
	})
}

func TestTwoAtTheSameBatchMakeEachLinkOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		const n = 3*directory.LinkChunk + 7
		id := ask(t, w, "officer1", many(w, n))
		var wg sync.WaitGroup
		var stop atomic.Bool
		for range 3 {
			wg.Go(func() {
				for !stop.Load() {
					if err := w.Directory.ResumeLinks(context.Background()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), id, true); err != nil {
			t.Error(err)
		}
		stop.Store(true)
		wg.Wait()
		db := around(t, url)
		if made, persons := count(t, db, linksMany), count(t, db, personsMany); made != n || persons != n {
			t.Errorf("%d links for %d persons of %d", made, persons, n)
		}
		verified(t, w)
	})
}

func TestNoLinkIsMadeFromABatchThatOnlyTheDatabaseCallsApproved(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		db := around(t, url)
		id := ask(t, w, "officer1", many(w, 3))
		officer2 := int64(w.Accounts["officer2"].ID)
		tamper(t, db, `UPDATE approvals SET state = 'approved', decided_by = $2, decided_at = requested_at WHERE id = $1`, int64(id), officer2)
		if err := w.Directory.ResumeLinks(t.Context()); err != nil {
			t.Error(err)
		}
		if made := count(t, db, linksMany); made != 0 {
			t.Fatalf("%d links of a request that the database alone approved", made)
		}
		// Nor from a row that says so in the program's own form, whatever true row it was copied from.
		const forge = `INSERT INTO approvals SELECT 900000001, controller_id, 'directory.links', organisation_id, 0, body, '{}', requested_by, requester,
			requested_at, $2, requested_at, 1, 'approved', expires, session_id, device, network, mac FROM approvals WHERE id = $1`
		tamper(t, db, forge, int64(id), officer2)
		if err := w.Directory.ResumeLinks(t.Context()); !errors.Is(err, directory.ErrDead) {
			t.Errorf("a forged batch is taken for true: %v", err)
		}
		tamper(t, db, `DELETE FROM approvals WHERE id = 900000001`)
		other := ask(t, w, "officer1", many(w, 5))
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), other, true); err != nil {
			t.Fatal(err)
		}
		tamper(t, db, `UPDATE approvals SET body = REPLACE(body, $1, $2), subject_id = 0 WHERE kind = 'directory.links' AND body LIKE '%"links":5%'`,
			`"links":5`, `"links":9`)
		if err := w.Directory.ResumeLinks(t.Context()); !errors.Is(err, directory.ErrDead) {
			t.Errorf("an altered batch is taken for true: %v", err)
		}
		if made := count(t, db, linksMany); made != 5 {
			t.Errorf("%d links, 5 were approved", made)
		}
		verified(t, w)
	})
}
