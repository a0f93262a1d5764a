package gate_test

import (
	"testing"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

// beyond searches for person i in the whole mandate.
func beyond(t *testing.T, w *nodetest.World, who string, i int) gate.SearchOutcome {
	t.Helper()
	return search(t, w, gate.SearchRequest{Caller: w.SignIn(who), Register: first, Purpose: "emploi", Query: query(w, i), Beyond: true})
}

// Whoever writes the database cannot compute the keyed hash of a name, but can have a row of the index
// point to somebody else: whom the search would then name under a name that was typed.
func TestARowOfTheIndexThatPointsToAnotherPersonShowsNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		db := around(t, url)
		if out := beyond(t, w, "anne", 121); len(out.Hits) != 1 {
			t.Fatalf("untouched: %+v", out)
		}
		turn := func(from, to int) {
			tamper(t, db, "UPDATE lookups SET person_id = $1 WHERE person_id = $2", int64(w.Persons[nodetest.External(to)]), int64(w.Persons[nodetest.External(from)]))
		}
		turn(121, 122)
		if out := beyond(t, w, "anne", 121); out.Allowed || len(out.Hits) > 0 || len(out.Reasons) != 1 || out.Reasons[0] != ecluse.ReasonPersonUnavailable {
			t.Errorf("turned to another person: %+v", out)
		}
		// Beside the true row: the true one is still found, and nobody else.
		tamper(t, db, "INSERT INTO lookups SELECT register_id, kind, key, $1, version FROM lookups WHERE person_id = $2",
			int64(w.Persons[nodetest.External(124)]), int64(w.Persons[nodetest.External(123)]))
		before := height(t, w)
		out := beyond(t, w, "anne", 123)
		if len(out.Hits) != 1 {
			t.Fatalf("beside the true row: %+v", out)
		}
		if got := entries(t, w, before)[0].Person; got != w.Persons[nodetest.External(123)] {
			t.Errorf("person %d was shown", got)
		}
	})
}
