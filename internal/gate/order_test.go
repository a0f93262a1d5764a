package gate_test

import (
	"testing"
	"time"

	"ecluse/internal/gate"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

func TestWhoeverWasEntrustedLastComesFirstInTheCaseload(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.Clock.Advance(time.Hour)
		w.Link("anne", 150, 3) // nobody of hers until now, and one whom she follows already
		r := gate.CaseloadRequest{Caller: w.SignIn("anne"), Register: w.Register.Code, Purpose: "emploi"}
		var surnames []string
		for {
			page, err := w.Gate.Caseload(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range page.Rows {
				surname, _ := row.Values.Get("surname")
				surnames = append(surnames, surname)
			}
			if r.Cursor = page.Next; r.Cursor == "" {
				break
			}
		}
		surname, _ := w.Register.Schema.Field("surname")
		seen := map[string]int{}
		for _, s := range surnames {
			seen[s]++
		}
		if len(surnames) != nodetest.Caseload+1 || len(seen) != len(surnames) {
			t.Fatalf("%d rows of %d persons, want each of %d once", len(surnames), len(seen), nodetest.Caseload+1)
		}
		if surnames[0] != nodetest.Value(surname, 3) || surnames[1] != nodetest.Value(surname, 150) || surnames[2] != nodetest.Value(surname, 1) {
			t.Errorf("it begins with %q", surnames[:3])
		}
	})
}
