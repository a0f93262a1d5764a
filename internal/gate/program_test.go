package gate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/register"
	"ecluse/internal/signin"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"

	"pgregory.net/rapid"
)

// withProgram is a world in which program "soft" of organisation A acts for anne and bob.
func withProgram(t testing.TB, url string, hooks *store.Hooks) *nodetest.World {
	w := nodetest.New(t, url, hooks)
	w.AddProgram("soft", "A")
	w.Delegate("anne", "soft")
	w.Delegate("bob", "soft")
	return w
}

func TestToAProgramEverybodyIsAStrangerWhomNoLinkExplains(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		r := &tape{}
		w := withProgram(t, url, &store.Hooks{Trace: r.trace})
		w.Link("soft", 130)
		for who, c := range map[string]signin.Caller{"for itself": w.Program("soft", "soft"), "for anne": w.Program("soft", "anne")} {
			strangers := strangersOf2(t, w)
			if who == "for itself" {
				strangers = append(strangers, stranger{"of an agent who agreed", w.Persons[nodetest.External(1)], query(w, 1)})
			} else {
				strangers = append(strangers, stranger{"of the program, not of the agent", w.Persons[nodetest.External(130)], query(w, 130)})
			}
			for name, change := range map[string]func(*gate.Request){
				"with a justification": func(*gate.Request) {}, "without one": func(q *gate.Request) { q.Motive, q.Text = "", "" },
			} {
				out := alike(t, w, r, strangers, func(s stranger) gate.Outcome {
					q := toPerson(w, c, s.person)
					change(&q)
					return open(t, w, q)
				})
				if out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonPersonUnavailable}) || out.Relation != "" || shows(out) {
					t.Errorf("%s, %s: %+v", who, name, out)
				}
			}
			for _, beyond := range []bool{false, true} {
				out := alike(t, w, r, strangers, func(s stranger) gate.SearchOutcome {
					return search(t, w, gate.SearchRequest{Caller: c, Register: first, Purpose: "emploi", Query: s.query, Beyond: beyond, Channel: ecluse.ChannelAPI})
				})
				if out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonPersonUnavailable}) || len(out.Hits) > 0 {
					t.Errorf("%s, a search: %+v", who, out)
				}
				w.Clock.Advance(25 * 60 * 60 * 1e9)
			}
			emergency := toPerson(w, c, w.Persons[nodetest.External(1)])
			emergency.Emergency, emergency.Motive, emergency.Text = "danger", "", ""
			if out := open(t, w, emergency); out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonClientAct}) {
				t.Errorf("%s, an emergency: %+v", who, out)
			}
			link := gate.LinkRequest{
				Caller: c, Register: first, Handle: w.Gate.HandleOf(c, w.Register, w.Persons[nodetest.External(1)]), Purpose: "emploi",
				Kind: directory.LinkAppointment, Receiver: nodetest.Email("bob"), Channel: ecluse.ChannelAPI,
			}
			if out, err := w.Gate.MakeLink(t.Context(), link); err != nil || out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonClientAct}) {
				t.Errorf("%s, a link: %+v %v", who, out, err)
			}
		}
		if out := open(t, w, to(w, w.Program("soft", "soft"), 130)); !out.Allowed {
			t.Errorf("the program's own person: %v", out.Reasons)
		}
		if out := open(t, w, to(w, w.Program("soft", "anne"), 1)); !out.Allowed {
			t.Errorf("the agent's own person: %v", out.Reasons)
		}
		verified(t, w)
	})
}

// strangersOf2 are those who are within everybody's mandate, and one who is not.
func strangersOf2(t *testing.T, w *nodetest.World) (list []stranger) {
	t.Helper()
	list = append(list, stranger{"unknown", 1 << 40, nobodyAtAll})
	for name, i := range map[string]int{"of the site": 60, "of the organisation": 100, "of nobody": 150, "of another territory": 210} {
		list = append(list, stranger{name, w.Persons[nodetest.External(i)], query(w, i)})
	}
	return list
}

func TestALinkOfASiteEntrustsNobodyToAProgram(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	a := nodetest.Account("soft", "A", "A1", ecluse.RoleAgent)
	a.IDP, a.Sub = directory.ClientIDP, "soft"
	c := w.Change()
	c.Accounts = append(c.Accounts, a)
	w.Approve(c)
	w.Approve(directory.Change{Controller: c.Controller, Links: []directory.LinkChange{
		{Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons[nodetest.External(150)]}, Site: "A1", Kind: directory.LinkPrescription, Ends: nodetest.Start.AddDate(0, 6, 0)},
	}})
	if out := open(t, w, to(w, w.SignIn("anne"), 150)); out.Relation != "caseload" {
		t.Errorf("to an agent of the site: %+v", out)
	}
	if out := open(t, w, to(w, w.Program("soft", "soft"), 150)); out.Allowed {
		t.Error("to the program of the site")
	}
}

// TestNoEntryAllowsAProgramAnythingAfterOneOfTheTwoWasStopped has the change happen between facts and entry.
func TestNoEntryAllowsAProgramAnythingAfterOneOfTheTwoWasStopped(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		for name, c := range map[string]struct {
			happen func(w *nodetest.World)
			want   ecluse.Reason
		}{
			"the program is suspended": {func(w *nodetest.World) { w.SetState("soft", directory.Suspended) }, ecluse.ReasonAccountSuspended},
			"the agent is suspended":   {func(w *nodetest.World) { w.SetState("anne", directory.Suspended) }, ecluse.ReasonAccountSuspended},
			"she takes it back": {func(w *nodetest.World) {
				if err := w.Directory.EndDelegation(t.Context(), w.Actor("anne"), w.Accounts["soft"].ID); err != nil {
					t.Error(err)
				}
			}, ecluse.ReasonDelegationEnded},
			"the agreement ends": {func(w *nodetest.World) {
				ch, a := w.Change(), w.Agreement("A")
				a.State = directory.Ended
				ch.Agreements = append(ch.Agreements, a)
				w.Approve(ch)
			}, ecluse.ReasonAgreementEnded},
			"the program loses its role": {func(w *nodetest.World) {
				a := nodetest.Account("soft", "A", "", ecluse.RoleAgent)
				a.IDP, a.Sub, a.State = directory.ClientIDP, "soft", directory.Ended
				ch := w.Change()
				ch.Accounts = append(ch.Accounts, a)
				w.Approve(ch)
			}, ecluse.ReasonAccountSuspended},
		} {
			t.Run(name, func(t *testing.T) {
				r := &tape{}
				w := withProgram(t, fresh(t, url), &store.Hooks{Trace: r.trace})
				program := w.Program("soft", "anne")
				if out := open(t, w, to(w, program, 1)); !out.Allowed {
					t.Fatalf("at first it is refused: %v", out.Reasons)
				}
				var once sync.Once
				happened := false
				r.hook(func(statement string) {
					if statement == "links of persons" { // the facts are read
						once.Do(func() { c.happen(w); happened = true })
					}
				})
				from := height(t, w)
				if out := open(t, w, to(w, program, 2)); !happened || out.Allowed || !slices.Contains(out.Reasons, c.want) {
					t.Errorf("happened %v, allowed %v, %v", happened, out.Allowed, out.Reasons)
				}
				for _, e := range entries(t, w, from) {
					if e.Kind == ledger.KindDisclose && e.Decision == ledger.Allow {
						t.Errorf("entry %d allows", e.N)
					}
				}
				verified(t, w)
			})
		}
	})
}

// TestNoProgramNorItsAgentsEverExceedTheirTotals counts distinct persons from what came out of the gate.
func TestNoProgramNorItsAgentsEverExceedTheirTotals(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		runs(t, url, 8, 2)
		rapid.Check(t, func(rt *rapid.T) {
			w := withProgram(t, fresh(t, url), nil)
			const total = 9
			w.SetLimits(fmt.Sprintf(`{"total_24h": %d, "search_24h": 500, "search_10min": 500}`, total))
			w.Reopen()
			callers := map[string]signin.Caller{
				"anne": w.SignIn("anne"), "bob": w.SignIn("bob"), "soft for anne": w.Program("soft", "anne"), "soft for bob": w.Program("soft", "bob"),
			}
			accounts := map[string][]string{"anne": {"anne"}, "bob": {"bob"}, "soft for anne": {"anne", "soft"}, "soft for bob": {"bob", "soft"}}
			own := map[string]int{"anne": 1, "bob": nodetest.Caseload + 1, "soft for anne": 1, "soft for bob": nodetest.Caseload + 1}
			type look struct {
				who    string
				person int
			}
			draw := rapid.Custom(func(t *rapid.T) look {
				who := rapid.SampledFrom([]string{"anne", "bob", "soft for anne", "soft for bob", "soft for anne", "soft for bob"}).Draw(t, "who")
				return look{who, own[who] + rapid.IntRange(0, 19).Draw(t, "person")}
			})
			var mu sync.Mutex
			got := map[string]map[int]bool{}
			for _, burst := range rapid.SliceOfN(rapid.SliceOfN(draw, 1, 12), 1, 6).Draw(rt, "bursts") {
				var wg sync.WaitGroup
				for _, l := range burst {
					wg.Go(func() {
						out, err := w.Gate.Disclose(context.Background(), to(w, callers[l.who], l.person))
						if errors.Is(err, ledger.ErrBusy) || err == nil && !out.Allowed {
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						defer mu.Unlock()
						for _, a := range accounts[l.who] {
							if got[a] == nil {
								got[a] = map[int]bool{}
							}
							got[a][l.person] = true
						}
					})
				}
				wg.Wait()
			}
			for who, persons := range got {
				if len(persons) > total {
					rt.Fatalf("%s saw %d of %d", who, len(persons), total)
				}
			}
			verified(t, w)
		})
	})
}

func TestAProgramsExhaustedSearchesAreRefusedBeforeAnybodyIsLookedUp(t *testing.T) {
	r := &tape{}
	w := withProgram(t, storetest.SQLite(t), &store.Hooks{Trace: r.trace})
	limit := budget.Default().Search10min
	for i := range limit { // by both agents: neither reaches her own limit
		who := []string{"anne", "bob"}[i%2]
		search(t, w, gate.SearchRequest{Caller: w.Program("soft", who), Register: first, Purpose: "emploi", Query: nobodyAtAll, Channel: ecluse.ChannelAPI})
	}
	var out gate.SearchOutcome
	ran := r.of(func() {
		out = search(t, w, gate.SearchRequest{Caller: w.Program("soft", "anne"), Register: first, Purpose: "emploi", Query: query(w, 1), Channel: ecluse.ChannelAPI})
	})
	if out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonClientSearch}) || slices.Contains(ran, "own persons") {
		t.Errorf("%+v after %v", out, ran)
	}
	if out := search(t, w, gate.SearchRequest{Caller: w.SignIn("anne"), Register: first, Purpose: "emploi", Query: query(w, 1), Channel: ecluse.ChannelPage}); !out.Allowed {
		t.Errorf("anne herself: %v", out.Reasons)
	}
	verified(t, w)
}

var nobodyAtAll = register.Query{Surname: "Zqnobody", FirstName: "Zqnever", BirthDate: "2001-02-03"}
