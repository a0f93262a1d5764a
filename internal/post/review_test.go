package post_test

import (
	"errors"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/policy"
	"ecluse/internal/store/storetest"
)

func listed(t testing.TB, w *nodetest.World, who string, list directory.ReviewList, page int) directory.ReviewPage {
	t.Helper()
	p, err := w.Directory.Reviews(t.Context(), w.Actor(who), list, page)
	if err != nil {
		t.Fatalf("%s, %s: %v", who, list, err)
	}
	return p
}

func TestAContestedOpeningGoesToTheSecurityOfficerUntilSettled(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := world(t, url, nil)
		w.AddPersons(600)
		b := &bag{}
		p := office(t, w, b)
		open(t, w, w.SignIn("anne"), 81, "")
		once(t, p)
		b.take()
		told := listed(t, w, "manager", directory.ReviewsTold, 0)
		if told.Count != 1 || listed(t, w, "rssi", directory.ReviewsContested, 0).Count != 0 {
			t.Fatalf("the manager is told of %d", told.Count)
		}
		id := told.Reviews[0].ID
		if _, err := w.Directory.Review(t.Context(), w.Actor("rssi"), id); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("the security officer sees what tier 2 tells the manager: %v", err)
		}
		if err := w.Directory.SettleReview(t.Context(), w.Actor("manager"), id); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("a manager settles: %v", err)
		}
		if err := w.Directory.DecideReview(t.Context(), w.Actor("manager"), id, false); err != nil {
			t.Fatal(err)
		}
		once(t, p)
		carried(t, b, "contested", "rssi review.contested")
		if listed(t, w, "manager", directory.ReviewsTold, 0).Count != 0 {
			t.Error("it waits for the manager all the same")
		}
		contested := listed(t, w, "rssi", directory.ReviewsContested, 0)
		if contested.Count != 1 || contested.Reviews[0].ID != id || contested.Reviews[0].State != directory.ReviewContested {
			t.Fatalf("the contested list is %+v", contested)
		}
		if text, err := w.Directory.ReviewText(t.Context(), w.Actor("rssi"), id); err != nil || text != theText {
			t.Errorf("the security officer cannot read why: %v", err)
		}
		for _, who := range []string{"manager", "anne", "officer1", "dpo", "dora"} {
			if _, err := w.Directory.Reviews(t.Context(), w.Actor(who), directory.ReviewsContested, 0); !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("%s reads the contested list: %v", who, err)
			}
			if err := w.Directory.SettleReview(t.Context(), w.Actor(who), id); !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("%s settles: %v", who, err)
			}
		}
		if err := w.Directory.SettleReview(t.Context(), w.Actor("rssi"), id); err != nil {
			t.Fatal(err)
		}
		if err := w.Directory.SettleReview(t.Context(), w.Actor("rssi"), id); !errors.Is(err, directory.ErrDecided) {
			t.Errorf("settled twice: %v", err)
		}
		if listed(t, w, "rssi", directory.ReviewsContested, 0).Count != 0 {
			t.Error("it is still on the list")
		}
		if r, err := w.Directory.Review(t.Context(), w.Actor("rssi"), id); err != nil || r.State != directory.ReviewSettled || r.DecidedBy != w.Accounts["manager"].ID {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// review has an entry of anne open a review, a second after the one before.
func review(t testing.TB, w *nodetest.World, kind string) {
	t.Helper()
	w.Clock.Advance(time.Second)
	a := w.Accounts["anne"]
	_, err := w.Ledger.Append(t.Context(), ledger.Candidate{
		Kind: ledger.KindDisclose, Register: w.Register.ID, Account: a.ID, Organisation: a.Organisation, Person: w.Persons[nodetest.External(1)], Decision: ledger.Allow,
		Revision: ledger.AnyRevision, Review: &ledger.Review{Controller: a.Controller, Kind: kind},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestReviewsComeInPagesEmergenciesFirstThenTheNewest(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := world(t, url, nil)
		opened := 0
		for range 32 { // more than a page
			review(t, w, policy.ReviewOutside)
			opened++
		}
		for _, kind := range []string{policy.ReviewUnexplained, policy.ReviewEmergency, policy.ReviewEmergency, policy.ReviewUnexplained} {
			review(t, w, kind)
		}
		first, second, third := listed(t, w, "manager", directory.ReviewsTold, 0), listed(t, w, "manager", directory.ReviewsTold, 1), listed(t, w, "manager", directory.ReviewsTold, 2)
		if first.Count != opened || len(first.Reviews) != directory.ReviewPageSize || len(second.Reviews) != opened-directory.ReviewPageSize || len(third.Reviews) != 0 || third.Count != opened {
			t.Errorf("%d of %d, then %d, then %d", len(first.Reviews), first.Count, len(second.Reviews), len(third.Reviews))
		}
		seen := map[ecluse.ReviewID]bool{}
		last := time.Time{}
		for _, r := range append(first.Reviews, second.Reviews...) {
			if seen[r.ID] || !last.IsZero() && r.At.After(last) {
				t.Errorf("review %d comes twice, or is newer than the one before it", r.ID)
			}
			seen[r.ID], last = true, r.At
		}
		var kinds []string
		for _, r := range listed(t, w, "rssi", directory.ReviewsWaiting, 0).Reviews {
			kinds = append(kinds, r.Kind)
		}
		if len(kinds) != 4 || kinds[0] != policy.ReviewEmergency || kinds[1] != policy.ReviewEmergency || kinds[2] != policy.ReviewUnexplained {
			t.Errorf("what waits is %v", kinds)
		}
		if p := listed(t, w, "manager", directory.ReviewsWaiting, -5); len(p.Reviews) != 4 || !p.Reviews[0].At.After(p.Reviews[1].At) {
			t.Errorf("an odd page has %d", len(p.Reviews))
		}
	})
}
