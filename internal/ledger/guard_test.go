package ledger_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// together appends candidates in one batch, each as a submission of its own, and counts transactions.
func together(t *testing.T, b *bench, s *stall, candidates ...ledger.Candidate) (results []ledger.Result, errs []error, transactions int64) {
	t.Helper()
	var batches atomic.Int64
	s.on.Store(true)
	first := make(chan error, 1)
	go func() { _, err := b.Append(t.Context(), act(1)); first <- err }()
	<-s.reached
	type answer struct {
		results []ledger.Result
		err     error
	}
	answers := make([]chan answer, len(candidates))
	for i, c := range candidates {
		answers[i] = make(chan answer, 1)
		go func() {
			r, err := b.Append(t.Context(), c)
			answers[i] <- answer{r, err}
		}()
		waitFor(t, func() bool { return b.QueueLength() == i+1 })
	}
	s.on.Store(false)
	s.resume <- nil
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	b.OnBatch(func(int, time.Duration, error) { batches.Add(1) })
	for _, a := range answers {
		got := <-a
		if got.results == nil {
			got.results = make([]ledger.Result, 1)
		}
		results, errs = append(results, got.results[0]), append(errs, got.err)
	}
	return results, errs, batches.Load()
}

func TestAGuardRefusesItsOwnCandidateAndTheBatchGoesOn(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		s := newStall()
		b := newBench(t, url, store.Hooks{BeforeCommit: s.beforeCommit})
		made, gone := 0, errors.New("it was decided before")
		var list []ledger.Candidate
		for i := range 5 {
			c := act(10 + i)
			c.Kind, c.Decision = ledger.KindDirectory, ledger.Allow
			c.Guard = func(context.Context, ledger.Tx, time.Time) ([]ecluse.Reason, error) {
				switch {
				case i == 3:
					return nil, gone
				case made >= 2: // what an earlier one of the same batch did is seen
					return []ecluse.Reason{ecluse.ReasonDualControl}, nil
				}
				return nil, nil
			}
			c.Effect = func(context.Context, ledger.Tx, *ledger.Entry) error { made++; return nil }
			list = append(list, c)
		}
		results, errs, transactions := together(t, b, s, list...)
		for i, err := range errs {
			if (i == 3) != errors.Is(err, gone) || i != 3 && err != nil {
				t.Errorf("submission %d: %v", i, err)
			}
			if allowed := i < 2; results[i].Allowed != allowed {
				t.Errorf("submission %d: allowed %v for %v", i, results[i].Allowed, results[i].Reasons)
			}
		}
		if made != 2 || transactions > 1 {
			t.Errorf("%d effects in %d transactions", made, transactions)
		}
		refused := 0
		err := b.db.Entries(t.Context(), 0, 1<<62, func(e *ledger.Entry) error {
			if e.Decision == ledger.Deny && e.Reasons == string(ecluse.ReasonDualControl) {
				refused++
			}
			return nil
		})
		if err != nil || refused != 2 {
			t.Errorf("%d refusals were written down: %v", refused, err)
		}
		b.verify(t, 5)
	})
}
