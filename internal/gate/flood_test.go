package gate_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

// Refusals cost no budget. One account, on two nodes at once, still writes only so many of them.
func TestNobodyFillsTheLedgerWithRefusals(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		other, err := node.Open(t.Context(), node.Options{Config: w.Config, Now: w.Clock.Now, FakeClock: true})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		anne := w.SignIn("anne")
		before := height(t, w)
		var refused, turned atomic.Int64
		var wg sync.WaitGroup
		for k := range 4 {
			g := []*gate.Gate{w.Gate, other.Gate}[k%2]
			wg.Go(func() {
				for range 40 {
					out, err := g.Disclose(context.Background(), to(w, anne, 205)) // outside the mandate
					switch {
					case errors.Is(err, ledger.ErrFlood):
						turned.Add(1)
					case errors.Is(err, ledger.ErrBusy), errors.Is(err, ledger.ErrStale):
					case err != nil || out.Allowed:
						t.Errorf("%v %v", out.Allowed, err)
					default:
						refused.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if n := int64(height(t, w) - before); n != budget.Refusals10min || refused.Load() != n || turned.Load() == 0 {
			t.Errorf("%d entries, %d refusals, %d turned away", n, refused.Load(), turned.Load())
		}
		if _, err := w.Gate.Disclose(t.Context(), to(w, anne, 1)); !errors.Is(err, ledger.ErrFlood) {
			t.Errorf("she goes on: %v", err)
		}
		// An emergency never waits, nor the search for the person.
		if out := search(t, w, gate.SearchRequest{Caller: anne, Register: first, Purpose: "emploi", Query: query(w, 121), Beyond: true}); len(out.Hits) != 1 {
			t.Errorf("nobody is found: %+v", out)
		}
		q := to(w, anne, 121)
		emergency(&q)
		if out := open(t, w, q); !out.Allowed {
			t.Errorf("an emergency is refused: %v", out.Reasons)
		}
		if out := open(t, w, to(w, w.SignIn("bob"), 41)); !out.Allowed {
			t.Errorf("a colleague is turned away: %v", out.Reasons)
		}
		w.Clock.Advance(11 * time.Minute)
		if out := open(t, w, to(w, w.SignIn("anne"), 1)); !out.Allowed {
			t.Errorf("ten minutes later: %v", out.Reasons)
		}
		verified(t, w)
	})
}

// A caseload page of 25 rows that is refused is one refusal.
func TestARefusedPageCountsAsOneRefusal(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	w.SetLimits(`{"total_24h":1}`)
	anne := w.SignIn("anne")
	open(t, w, to(w, anne, 30))
	for i := range budget.Refusals10min {
		page, err := w.Gate.Caseload(t.Context(), gate.CaseloadRequest{Caller: anne, Register: first, Purpose: "emploi"})
		if err != nil || page.Withheld != 25 || !slices.Contains(page.Reasons, ecluse.ReasonBudgetTotal) {
			t.Fatalf("page %d: %d withheld for %v, %v", i, page.Withheld, page.Reasons, err)
		}
	}
	if _, err := w.Gate.Caseload(t.Context(), gate.CaseloadRequest{Caller: anne, Register: first, Purpose: "emploi"}); !errors.Is(err, ledger.ErrFlood) {
		t.Errorf("one more: %v", err)
	}
	verified(t, w)
}
