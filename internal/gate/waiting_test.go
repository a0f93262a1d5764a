package gate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/node"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/policy"
	"ecluse/internal/store/storetest"
)

// Five may wait for a review, also when twenty are asked for at the same instant on two nodes.
func TestACrowdOnTwoNodesNeverHasMoreReviewsWaitThanFive(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddPersons(1000)
		w.SetLimits(`{"unexplained_24h":50,"outside_24h":50}`)
		other, err := node.Open(t.Context(), node.Options{Config: w.Config, Now: w.Clock.Now, FakeClock: true})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		anne := w.SignIn("anne")
		var allowed, waiting atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 20 {
			g := w.Gate
			if i%2 == 1 {
				g = other.Gate
			}
			wg.Go(func() {
				<-start
				q := to(w, anne, 121+i)
				for {
					out, err := g.Disclose(context.Background(), q)
					switch {
					case errors.Is(err, ledger.ErrBusy), errors.Is(err, ledger.ErrStale):
						continue
					case err != nil:
						t.Error(err)
					case out.Allowed:
						allowed.Add(1)
					case slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonReviewPending}):
						waiting.Add(1)
					default:
						t.Errorf("refused for %v", out.Reasons)
					}
					return
				}
			})
		}
		close(start)
		wg.Wait()
		if allowed.Load() != policy.MaxPendingReviews || waiting.Load() != 20-policy.MaxPendingReviews {
			t.Errorf("%d were opened, %d told to wait", allowed.Load(), waiting.Load())
		}
		verified(t, w)
	})
}

func TestAReviewDecidedAroundTheProgramStillWaits(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddPersons(1000)
		w.SetLimits(`{"unexplained_24h":50,"outside_24h":50}`)
		anne, db := w.SignIn("anne"), around(t, url)
		for i := 121; i <= 125; i++ {
			open(t, w, to(w, anne, i))
		}
		by, at := int64(w.Accounts["manager"].ID), w.Clock.Now().UnixMicro()
		waits := func(what string) {
			t.Helper()
			if out := open(t, w, to(w, anne, 126)); out.Allowed || !slices.Contains(out.Reasons, ecluse.ReasonReviewPending) {
				t.Errorf("%s: %+v", what, out.Reasons)
			}
		}
		waits("untouched")
		tamper(t, db, "UPDATE reviews SET state = 'accepted', decided_by = $1, decided_at = $2", by, at)
		waits("all accepted in the database")
		tamper(t, db, "UPDATE reviews SET state = 'pending', decided_by = 0, decided_at = 0")
		tamper(t, db, "UPDATE reviews SET kind = 'outside'")
		if problems := deep(t, w); !strings.Contains(problems, "review") {
			t.Errorf("other kinds are not named: %s", problems)
		}
		tamper(t, db, "UPDATE reviews SET kind = 'unexplained'")
		// One true decision, and its MAC on the others.
		list := w.Reviews("manager")
		if len(list) != 5 {
			t.Fatal(len(list))
		}
		if err := w.Directory.DecideReview(t.Context(), w.Actor("manager"), list[0].ID, true); err != nil {
			t.Fatal(err)
		}
		verified(t, w)
		if out := open(t, w, to(w, anne, 127)); !out.Allowed {
			t.Errorf("after one decision: %v", out.Reasons)
		}
		tamper(t, db, `UPDATE reviews SET state = 'accepted', decided_by = (SELECT decided_by FROM reviews r WHERE r.id = $1),
			decided_at = (SELECT decided_at FROM reviews r WHERE r.id = $1), mac = (SELECT mac FROM reviews r WHERE r.id = $1) WHERE id <> $1`, int64(list[0].ID))
		waits("another review's decision")
	})
}

// deep are the problems that verify --deep names.
func deep(t *testing.T, w *nodetest.World) string {
	t.Helper()
	report, err := ledger.VerifyDeep(context.Background(), ledger.Live(w.Store, w.Keys, w.Notary.Last()), w.Keys, w.Store, nil)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(report.Problems, "\n")
}

func TestNoReviewIsHiddenAddedOrTakenAwayUnnoticed(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		anne, db := w.SignIn("anne"), around(t, url)
		open(t, w, to(w, anne, 81))
		open(t, w, to(w, anne, 121))
		verified(t, w)
		// Three hundred newer ones in front of them.
		tamper(t, db, `INSERT INTO reviews SELECT 1000000000 + e.n, r.entry, r.at, r.controller_id, r.organisation_id, r.account_id, r.register_id, r.kind, r.purpose, r.motive,
			r.text, r.state, r.decided_by, r.decided_at, r.mac FROM (SELECT a.n * 20 + b.n AS n FROM entries a CROSS JOIN entries b WHERE a.n < 15 AND b.n < 20) e CROSS JOIN reviews r WHERE r.kind = 'outside'`)
		sameKinds(t, "the account manager", told(t, w, "manager"), policy.ReviewOutside, policy.ReviewUnexplained)
		if problems := deep(t, w); !strings.Contains(problems, "review") {
			t.Errorf("added: %s", problems)
		}
		tamper(t, db, "DELETE FROM reviews WHERE id >= 1000000000")
		verified(t, w)
		tamper(t, db, "DELETE FROM reviews WHERE kind = 'unexplained'")
		if problems := deep(t, w); !strings.Contains(problems, "review") {
			t.Errorf("taken away: %s", problems)
		}
	})
}

func TestATextOfAnotherReviewIsNotShownForThisOne(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		anne, db := w.SignIn("anne"), around(t, url)
		for i, text := range []string{"Zqone: she came without an appointment.", "Zqtwo: she came without an appointment."} {
			q := to(w, anne, 121+i)
			q.Text = text
			open(t, w, q)
		}
		list := w.Reviews("manager")
		if len(list) != 2 {
			t.Fatal(len(list))
		}
		tamper(t, db, "UPDATE reviews SET text = (SELECT text FROM reviews r WHERE r.id = $1) WHERE id = $2", int64(list[0].ID), int64(list[1].ID))
		if got, err := w.Directory.ReviewText(t.Context(), w.Actor("manager"), list[1].ID); !errors.Is(err, directory.ErrDead) || got != "" {
			t.Errorf("%q is shown, %v", got, err)
		}
		if got, err := w.Directory.ReviewText(t.Context(), w.Actor("manager"), list[0].ID); err != nil || !strings.Contains(got, "Zqone") {
			t.Errorf("the true one: %q, %v", got, err)
		}
		// With the entry altered too.
		var detail []byte
		for _, e := range entries(t, w, 0) {
			if e.N == list[0].Entry {
				detail = e.Detail
			}
		}
		tamper(t, db, "UPDATE entries SET detail = $1 WHERE n = $2", detail, int64(list[1].Entry))
		if got, err := w.Directory.ReviewText(t.Context(), w.Actor("manager"), list[1].ID); !errors.Is(err, directory.ErrDead) || got != "" {
			t.Errorf("with the entry altered: %q is shown, %v", got, err)
		}
	})
}
