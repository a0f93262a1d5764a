package gate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/register"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// sensitive is a world with a register of which the mere membership tells something, an agent sven of
// another body, and so many persons. Limits are those of sven's agreement.
func sensitive(t *testing.T, url string, hooks *store.Hooks, persons int, limits string) (*nodetest.World, *register.Register) {
	t.Helper()
	w := nodetest.New(t, url, hooks)
	reg := w.AddRegister(persons, func(schema string) string {
		return strings.Replace(schema, "membership_sensitive = false", "membership_sensitive = true", 1)
	})
	a := w.Agreement("S")
	a.Register, a.RegisterCode, a.Limits, a.Purposes, a.Fields = reg.ID, reg.Code, limits, nil, 0
	for _, p := range reg.Schema.Purposes {
		a.Purposes, a.Fields = append(a.Purposes, string(p.ID)), a.Fields|p.Fields
	}
	if err := w.TryApprove("sofficer1", "sofficer2", directory.Change{Controller: "sport-scolaire", Agreements: []directory.AgreementChange{a}}); err != nil {
		t.Fatal(err)
	}
	return w, reg
}

// asking is sven's search beyond his own persons for person i, or for nobody.
func asking(w *nodetest.World, reg *register.Register, i int) gate.SearchRequest {
	value := func(name string) string {
		f, _ := reg.Schema.Field(name)
		return nodetest.Value(f, nodetest.SportIdentity(i))
	}
	return gate.SearchRequest{
		Caller: w.SignIn("sven"), Register: reg.Code, Purpose: "encadrement", Channel: ecluse.ChannelAPI, Beyond: true,
		Query: register.Query{Surname: value("surname"), FirstName: value("first_name"), BirthDate: value("birth_date")},
	}
}

// With no budget left to open anybody without relation, a search that was refused for that only where it
// had found somebody would tell who is in the register, free of charge.
func TestExhaustedBudgetsDoNotTellWhoIsInASensitiveRegister(t *testing.T) {
	for what, limits := range map[string]string{
		"unexplained": `{"unexplained_24h":1}`, "new": `{"new_24h":1}`, "total": `{"total_24h":1}`, "the breaker": ``, // of 60 persons: 1
	} {
		t.Run(what, func(t *testing.T) {
			storetest.Engines(t, func(t *testing.T, url string) {
				r := &tape{}
				w, reg := sensitive(t, url, &store.Hooks{Trace: r.trace}, 60, limits)
				if out := search(t, w, asking(w, reg, 10)); len(out.Hits) != 1 {
					t.Fatalf("the first: %+v", out)
				}
				somebody, nobody := asking(w, reg, 11), asking(w, reg, 9000)
				var found, none gate.SearchOutcome
				a := r.of(func() { found = search(t, w, somebody) })
				b := r.of(func() { none = search(t, w, nobody) })
				if found.Allowed || none.Allowed || !slices.Equal(found.Reasons, none.Reasons) || len(found.Reasons) == 0 || found.Reasons[0] == ecluse.ReasonPersonUnavailable {
					t.Errorf("somebody: %v %v, nobody: %v %v", found.Allowed, found.Reasons, none.Allowed, none.Reasons)
				}
				if !slices.Equal(a, b) {
					t.Errorf("somebody takes\n%v\nnobody\n%v", a, b)
				}
				verified(t, w)
			})
		})
	}
}

// The same when the budget is used up between the look-up and the entry.
func TestABudgetThatEndsDuringASearchTellsNothingEither(t *testing.T) {
	for _, i := range []int{11, 9000} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r := &tape{}
			w, reg := sensitive(t, storetest.SQLite(t), &store.Hooks{Trace: r.trace}, 600, `{"unexplained_24h":1}`)
			// Person 11 is followed at the site: to open her would cost no budget that ends.
			if err := w.TryApprove("sofficer1", "sofficer2", directory.Change{
				Controller: "sport-scolaire", Accounts: []directory.AccountChange{nodetest.Account("sue", "S", "S1", ecluse.RoleAgent)},
				Links: []directory.LinkChange{{Register: reg.ID, Persons: []ecluse.PersonID{w.Persons["S011"]}, Account: nodetest.Email("sue"), Kind: directory.LinkCaseload, Ends: nodetest.Start.AddDate(1, 0, 0)}},
			}); err != nil {
				t.Fatal(err)
			}
			last, other := asking(w, reg, i), asking(w, reg, 12)
			r.hook(func(name string) {
				if name == "find lookup" {
					r.hook(nil)
					if out := search(t, w, other); len(out.Hits) != 1 {
						t.Errorf("the other search: %+v", out)
					}
				}
			})
			before := height(t, w)
			out := search(t, w, last)
			if out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonBudgetUnexplained}) {
				t.Errorf("%v %v", out.Allowed, out.Reasons)
			}
			for _, e := range entries(t, w, before)[2:] { // behind those of the other search
				if e.Decision != "deny" {
					t.Errorf("an entry says %s of person %d", e.Decision, e.Person)
				}
			}
			verified(t, w)
		})
	}
}

// Persons whose link stopped explaining do not take the places of those whom one explains.
func TestASearchAmongOwnPersonsShowsTheExplainedOnes(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	var rows []register.Row
	var people []int
	for i := 901; i <= 908; i++ { // eight of one name
		row := w.Row(i)
		row.Territory = "93"
		for k, f := range w.Register.Schema.Fields {
			if f.Name == "surname" {
				row.Values[k] = "Zqsame"
			}
		}
		rows, people = append(rows, row), append(people, i)
	}
	w.Import(w.Register, rows...)
	w.Link("anne", people...)
	ask := gate.SearchRequest{Caller: w.SignIn("anne"), Register: first, Purpose: "emploi", Query: register.Query{Surname: "Zqsame"}}
	if out := search(t, w, ask); len(out.Hits) != gate.MaxHits {
		t.Fatalf("%d of eight are shown", len(out.Hits))
	}
	db := around(t, w.Config.Database.URL)
	for _, i := range people[:6] {
		tamper(t, db, "UPDATE links SET mac = $1 WHERE person_id = $2", []byte("x"), int64(w.Persons[nodetest.External(i)]))
	}
	if out := search(t, w, ask); len(out.Hits) != 2 || out.Hits[0].Relation != "caseload" || out.Hits[1].Relation != "caseload" {
		t.Errorf("of the two that are left: %+v", out)
	}
}

// Nobody of a long caseload is left out of a search silently.
func TestALongCaseloadIsSearchedToItsEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("1,300 persons")
	}
	w := nodetest.New(t, storetest.SQLite(t), nil)
	w.AddPersons(1300)
	var people []int
	for i := nodetest.PersonCount + 1; i <= nodetest.PersonCount+1300; i++ {
		people = append(people, i)
	}
	w.Link("anne", people...)
	w.Clock.Advance(time.Minute)
	for _, i := range []int{nodetest.PersonCount + 1, nodetest.PersonCount + 1300} {
		q := query(w, i)
		q.FirstName, q.BirthDate = "", "" // beyond one's own persons that finds nobody
		out := search(t, w, gate.SearchRequest{Caller: w.SignIn("anne"), Register: first, Purpose: "emploi", Query: q})
		if len(out.Hits) == 0 || out.Hits[0].Relation != "caseload" || !out.Hits[0].Exact {
			t.Errorf("person %d: %+v", i, out)
		}
	}
}
