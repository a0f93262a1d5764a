package gate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/register"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A stranger is somebody of whom nobody outside may learn whether she is in the register.
type stranger struct {
	name   string
	person ecluse.PersonID
	query  register.Query
}

// killed is a ledger that fails at the publication of an import.
type killed struct{}

func (killed) Append(context.Context, ...ledger.Candidate) ([]ledger.Result, error) {
	return nil, errors.New("killed")
}

// unpublished is person 900, whose import was killed when all its rows were written.
func unpublished(t *testing.T, w *nodetest.World) ecluse.PersonID {
	t.Helper()
	row := w.Row(900)
	row.Territory = "93"
	imp, err := w.Registers.Import(t.Context(), w.Register, []byte("killed"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := imp.Put(t.Context(), []register.Row{row}); err != nil {
		t.Fatal(err)
	}
	if _, err := imp.PublishEntry(t.Context(), killed{}, ""); err == nil {
		t.Fatal("it is published")
	}
	var id ecluse.PersonID
	err = around(t, w.Config.Database.URL).QueryRow("SELECT person_id FROM records WHERE version = $1", int64(imp.Version())).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// strangersOf are the four kinds: unknown, of another territory, not yet published, of another register.
func strangersOf(t *testing.T, w *nodetest.World) []stranger {
	t.Helper()
	w.AddSecondRegister(30)
	hidden := unpublished(t, w)
	return []stranger{
		{"unknown", 1 << 40, register.Query{Surname: "Zqnobody", FirstName: "Zqnever", BirthDate: "2001-02-03"}},
		{"of another territory", w.Persons[nodetest.External(210)], query(w, 210)},
		{"not published", hidden, query(w, 900)},
		{"of another register", w.Persons["S020"], query(w, nodetest.SportIdentity(20))},
	}
}

// shape is what the database keeps of an act, without what must differ.
func shape(e ledger.Entry) string {
	return fmt.Sprintln(e.Kind, e.Register, e.Account, e.Session, e.Person, e.PSeq, e.Version, e.Fields, e.Purpose, e.Tier, e.Decision, e.Reasons, len(e.Detail))
}

var butReceipt = []cmp.Option{
	cmpopts.IgnoreFields(gate.Outcome{}, "Receipt", "Readings"), cmpopts.IgnoreFields(gate.SearchOutcome{}, "Receipt", "Readings"),
	cmp.Comparer(func(a, b register.Values) bool { return a.Fields() == b.Fields() }),
}

// alike does the same for every stranger and insists on the same statements, outcome and entries.
func alike[T any](t *testing.T, w *nodetest.World, r *tape, who []stranger, do func(stranger) T) T {
	t.Helper()
	do(who[0]) // caches are warm from here
	var want T
	var statements []string
	var kept string
	for i, s := range who {
		from := height(t, w)
		var got T
		ran := r.of(func() { got = do(s) })
		var wrote strings.Builder
		for _, e := range entries(t, w, from) {
			wrote.WriteString(shape(e))
		}
		if i == 0 {
			want, statements, kept = got, ran, wrote.String()
			if len(statements) < 4 {
				t.Fatalf("the tape has only %v", statements)
			}
			continue
		}
		if diff := cmp.Diff(statements, ran); diff != "" {
			t.Errorf("%s and %s: other statements: %s", who[0].name, s.name, diff)
		}
		if diff := cmp.Diff(want, got, butReceipt...); diff != "" {
			t.Errorf("%s and %s: other outcomes: %s", who[0].name, s.name, diff)
		}
		if kept != wrote.String() {
			t.Errorf("%s and %s: other entries: %s and %s", who[0].name, s.name, kept, wrote.String())
		}
	}
	return want
}

func TestNobodyLearnsWhetherAPersonOutsideTheMandateIsInTheRegister(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		r := &tape{}
		w := nodetest.New(t, url, &store.Hooks{Trace: r.trace})
		who := strangersOf(t, w)
		c := w.SignIn("anne")
		for name, change := range map[string]func(*gate.Request){
			"with a justification":    func(*gate.Request) {},
			"without a justification": func(q *gate.Request) { q.Motive, q.Text = "", "" },
			"with a motive alone":     func(q *gate.Request) { q.Text = "" },
			"two fields":              func(q *gate.Request) { q.Fields = []string{"surname", "email"} },
			"an emergency":            emergency,
		} {
			t.Run(name, func(t *testing.T) {
				out := alike(t, w, r, who, func(s stranger) gate.Outcome {
					q := toPerson(w, c, s.person)
					change(&q)
					return open(t, w, q)
				})
				if out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonPersonUnavailable}) || out.Relation != "" || shows(out) {
					t.Errorf("a stranger gets %+v", out)
				}
			})
		}
		for name, beyond := range map[string]bool{"search": false, "search beyond": true} {
			t.Run(name, func(t *testing.T) {
				out := alike(t, w, r, who, func(s stranger) gate.SearchOutcome {
					return search(t, w, gate.SearchRequest{Caller: c, Register: first, Purpose: "emploi", Query: s.query, Beyond: beyond, Channel: ecluse.ChannelPage})
				})
				if out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonPersonUnavailable}) || len(out.Hits) > 0 {
					t.Errorf("a search for a stranger answers %+v", out)
				}
			})
			w.Clock.Advance(25 * 60 * 60 * 1e9) // the searches of the other half
		}
		verified(t, w)
	})
}

// A hindrance is a reason of the caller's own.
type hindrance struct {
	name   string
	reason ecluse.Reason
	who    string
	before func(w *nodetest.World)
	change func(*gate.Request)
}

func hindrances(t *testing.T) []hindrance {
	nothing, same := func(*nodetest.World) {}, func(*gate.Request) {}
	ended := func(w *nodetest.World) {
		c := w.Change()
		a := w.Agreement("B")
		a.State = directory.Ended
		c.Agreements = append(c.Agreements, a)
		w.Approve(c)
	}
	return []hindrance{
		{"weak sign-in", ecluse.ReasonAssuranceTooLow, "anne", nothing, func(r *gate.Request) { r.Caller.Assured = false }},
		{"purpose that does not exist", ecluse.ReasonPurposeNotCovered, "anne", nothing, func(r *gate.Request) { r.Purpose = "curiosity" }},
		{"field beyond the purpose", ecluse.ReasonFieldNotCovered, "anne", nothing, func(r *gate.Request) { r.Fields = []string{"nir"} }},
		{"emergency without a motive of the list", ecluse.ReasonJustificationRequired, "anne", nothing, func(r *gate.Request) { r.Emergency = "boredom" }},
		{"emergencies exhausted", ecluse.ReasonEmergencyLimit, "bob", func(w *nodetest.World) {
			c := w.SignIn("bob")
			for i := 41; i <= 43; i++ {
				q := to(w, c, i)
				emergency(&q)
				if out := open(t, w, q); !out.Allowed {
					t.Errorf("an emergency is refused: %v", out.Reasons)
				}
			}
		}, emergency},
		{"suspended account", ecluse.ReasonAccountSuspended, "carl", func(w *nodetest.World) { w.SetState("carl", directory.Suspended) }, same},
		{"ended agreement", ecluse.ReasonAgreementEnded, "dora", ended, same},
	}
}

func TestWhatConcernsTheCallerHidesWhatConcernsThePerson(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		r := &tape{}
		w := nodetest.New(t, url, &store.Hooks{Trace: r.trace})
		all := strangersOf(t, w)
		for _, i := range []int{1, 41, 81, 121} { // every tier, for every caller another one
			all = append(all, stranger{fmt.Sprintf("person %d", i), w.Persons[nodetest.External(i)], query(w, i)})
		}
		for _, h := range hindrances(t) {
			t.Run(h.name, func(t *testing.T) {
				h.before(w)
				c := w.SignIn(h.who)
				out := alike(t, w, r, all, func(s stranger) gate.Outcome {
					q := toPerson(w, c, s.person)
					h.change(&q)
					return open(t, w, q)
				})
				if out.Allowed || len(out.Reasons) != 1 || out.Reasons[0] != h.reason || shows(out) {
					t.Errorf("the caller is told %+v", out)
				}
				if out.Relation != "" {
					t.Errorf("the relation %q is told though the caller may not act", out.Relation)
				}
			})
		}
		verified(t, w)
	})
}

func TestExhaustedSearchesAreRefusedBeforeAnybodyIsLookedUp(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		r := &tape{}
		w := nodetest.New(t, url, &store.Hooks{Trace: r.trace})
		who := strangersOf(t, w)
		c := w.SignIn("anne")
		ask := func(q register.Query) gate.SearchOutcome {
			return search(t, w, gate.SearchRequest{Caller: c, Register: first, Purpose: "emploi", Query: q, Beyond: true})
		}
		for range 15 {
			if out := ask(register.Query{Surname: "Zqnobody"}); !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonSearchTooBroad}) {
				t.Fatalf("a surname alone answers %+v", out)
			}
		}
		who = append(who, stranger{"of her caseload", w.Persons["P001"], query(w, 1)}, stranger{"within the mandate", w.Persons["P130"], query(w, 130)})
		out := alike(t, w, r, who, func(s stranger) gate.SearchOutcome { return ask(s.query) })
		if out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonBudgetSearch}) || len(out.Hits) > 0 {
			t.Errorf("the sixteenth search answers %+v", out)
		}
		for _, name := range r.of(func() { ask(query(w, 130)) }) {
			if slices.Contains([]string{"find lookup", "read visible records", "links of persons", "own persons"}, name) {
				t.Errorf("an exhausted search runs %q", name)
			}
		}
	})
}

func TestNothingCanBeEnumerated(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		c := w.SignIn("anne")
		ask := func(q register.Query) gate.SearchOutcome {
			return search(t, w, gate.SearchRequest{Caller: c, Register: first, Purpose: "emploi", Query: q, Channel: ecluse.ChannelPage})
		}
		used := func() (n int) {
			readings, err := w.Gate.Meters(t.Context(), c, first)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range readings {
				if r.Code == ecluse.ReasonBudgetSearch {
					n = max(n, r.Used)
				}
			}
			return n
		}
		t.Run("her own persons cost nothing", func(t *testing.T) {
			for i := 1; i <= 20; i++ {
				if out := ask(query(w, i)); len(out.Hits) != 1 || out.Hits[0].Relation != "caseload" {
					t.Fatalf("her own person answers %+v", out)
				}
			}
			if used() != 0 {
				t.Errorf("they cost %d searches", used())
			}
		})
		t.Run("guesses cost, and stop", func(t *testing.T) {
			shown, guesses, day := 0, 0, w.Clock.Now()
			for w.Clock.Now().Sub(day) < 23*60*60*1e9 && guesses < 1000 {
				q := query(w, 121+guesses%80)
				if guesses%3 > 0 {
					q.BirthDate = fmt.Sprintf("19%02d-%02d-11", 50+guesses%50, 1+guesses%12)
				}
				guesses++
				out := ask(q)
				shown += len(out.Hits)
				if slices.Contains(out.Reasons, ecluse.ReasonBudgetSearch) {
					w.Clock.Advance(11 * 60 * 1e9)
				}
			}
			if used() > 60 || shown > 60 {
				t.Errorf("a day of guesses took %d searches and showed %d persons", used(), shown)
			}
			w.Clock.Advance(26 * 60 * 60 * 1e9)
		})
		homonyms(t, w, ask)
		verified(t, w)
	})
}

// homonyms are persons of one name and birth date: n within the mandate, outside others.
func homonyms(t *testing.T, w *nodetest.World, ask func(register.Query) gate.SearchOutcome) {
	for k, kind := range []struct {
		name            string
		within, outside int
		want            ecluse.Reason // "" = the one is shown
	}{
		{"two are ambiguous", 2, 0, ecluse.ReasonSearchAmbiguous},
		{"five are ambiguous", 5, 0, ecluse.ReasonSearchAmbiguous},
		{"one within and one outside is a single match", 1, 1, ""},
		{"two outside are nobody", 0, 2, ecluse.ReasonPersonUnavailable},
		{"seven outside are nobody", 0, 7, ecluse.ReasonPersonUnavailable},
		{"more than can be looked at are never a single match", 2, 4, ecluse.ReasonSearchAmbiguous},
	} {
		t.Run(kind.name, func(t *testing.T) {
			var rows []register.Row
			model := 700 + k
			for i := range kind.within + kind.outside {
				row := w.Row(model)
				row.External, row.Territory = fmt.Sprintf("H%d-%d", k, i), "971"
				if i < kind.within {
					row.Territory = "93"
				}
				for f, field := range w.Register.Schema.Fields {
					if field.Name == "nir" || field.Name == "dossier" {
						row.Values[f] = nodetest.Value(field, 800+10*k+i)
					}
				}
				rows = append(rows, row)
			}
			slices.Reverse(rows) // those outside come first
			w.Import(w.Register, rows...)
			before := height(t, w)
			out := ask(query(w, model))
			switch {
			case kind.want == "" && (len(out.Hits) != 1 || !out.Allowed):
				t.Errorf("the single match answers %+v", out)
			case kind.want != "" && (out.Allowed || len(out.Hits) > 0 || !slices.Equal(out.Reasons, []ecluse.Reason{kind.want})):
				t.Errorf("homonyms answer %+v", out)
			}
			for _, e := range entries(t, w, before) {
				var d ledger.Detail
				if err := json.Unmarshal(e.Detail, &d); err != nil || d.Hits != len(out.Hits) || (e.Person != 0) != (kind.want == "") {
					t.Errorf("the entry tells of %d hits, person %v (%v)", d.Hits, e.Person != 0, err)
				}
			}
		})
	}
}
