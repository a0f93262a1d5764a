package gate_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/signin"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// A turn is a change of the directory that takes effect between the facts and the append.
type turn struct {
	name   string
	who    string
	happen func(w *nodetest.World)
	want   ecluse.Reason
}

func turns() []turn {
	change := func(make func(w *nodetest.World, c *directory.Change)) func(*nodetest.World) {
		return func(w *nodetest.World) {
			c := w.Change()
			make(w, &c)
			w.Approve(c)
		}
	}
	return []turn{
		{"the account is suspended", "anne", func(w *nodetest.World) { w.SetState("anne", directory.Suspended) }, ecluse.ReasonAccountSuspended},
		{"the account is ended by a request", "bob", change(func(_ *nodetest.World, c *directory.Change) {
			a := nodetest.Account("bob", "A", "A1", ecluse.RoleAgent)
			a.State = directory.Ended
			c.Accounts = append(c.Accounts, a)
		}), ecluse.ReasonAccountSuspended},
		{"the agreement is ended", "carl", change(func(w *nodetest.World, c *directory.Change) {
			a := w.Agreement("A")
			a.State = directory.Ended
			c.Agreements = append(c.Agreements, a)
		}), ecluse.ReasonAgreementEnded},
		{"the agreement no longer covers the purpose", "dora", change(func(w *nodetest.World, c *directory.Change) {
			a := w.Agreement("B")
			a.Purposes = []string{"logement"}
			c.Agreements = append(c.Agreements, a)
		}), ecluse.ReasonPurposeNotCovered},
		{"the organisation is ended", "anne", change(func(_ *nodetest.World, c *directory.Change) {
			c.Organisations = append(c.Organisations, directory.OrganisationChange{Code: "A", Kind: "ml", Name: "ML A", Territory: "93", State: directory.Ended})
		}), ecluse.ReasonAgreementEnded},
	}
}

var mine = map[string]int{"anne": 1, "bob": 41, "carl": 81, "dora": 121}

func TestAChangeBetweenFactsAndEntryIsDecidedAgain(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		for _, turn := range turns() {
			for door, pass := range doors() {
				if door != "disclose" && strings.HasPrefix(url, "postgres") {
					continue // a database each takes long
				}
				t.Run(turn.name+", "+door, func(t *testing.T) {
					r := &tape{}
					w := nodetest.New(t, fresh(t, url), &store.Hooks{Trace: r.trace})
					c := w.SignIn(turn.who)
					if out := open(t, w, to(w, c, mine[turn.who])); !out.Allowed {
						t.Fatalf("at first it is refused: %v", out.Reasons)
					}
					var once sync.Once
					happened := false
					r.hook(func(name string) {
						if name == "links of persons" { // the facts are read
							once.Do(func() { turn.happen(w); happened = true })
						}
					})
					from := height(t, w)
					if reasons := pass(t, w, c, mine[turn.who]); happened && !slices.Contains(reasons, turn.want) {
						t.Errorf("the reasons are %v", reasons)
					}
					if !happened && (turn.who != "dora" || door != "caseload") { // she follows nobody
						t.Error("nothing happened between facts and entry")
					}
					for _, e := range entries(t, w, from) {
						if happened && e.Account == c.Account && e.Decision == ledger.Allow {
							t.Errorf("entry %d allows", e.N)
						}
					}
					verified(t, w)
				})
			}
		}
	})
}

// doors are the ways through the gate; each insists that nothing is shown if there are reasons.
func doors() map[string]func(*testing.T, *nodetest.World, signin.Caller, int) []ecluse.Reason {
	return map[string]func(*testing.T, *nodetest.World, signin.Caller, int) []ecluse.Reason{
		"disclose": func(t *testing.T, w *nodetest.World, c signin.Caller, i int) []ecluse.Reason {
			out := open(t, w, to(w, c, i))
			if out.Allowed {
				t.Error("it is allowed on stale facts")
			}
			return out.Reasons
		},
		"search": func(t *testing.T, w *nodetest.World, c signin.Caller, i int) []ecluse.Reason {
			out := search(t, w, gate.SearchRequest{Caller: c, Register: first, Purpose: "emploi", Query: query(w, i)})
			if out.Allowed || len(out.Hits) > 0 {
				t.Error("a search is answered on stale facts")
			}
			return out.Reasons
		},
		"caseload": func(t *testing.T, w *nodetest.World, c signin.Caller, _ int) []ecluse.Reason {
			out, err := w.Gate.Caseload(t.Context(), gate.CaseloadRequest{Caller: c, Register: first, Purpose: "emploi"})
			if err != nil || len(out.Rows) > 0 {
				t.Errorf("a caseload is shown on stale facts: %v", err)
			}
			return out.Reasons
		},
	}
}

func TestNoEntryAllowsAnythingAfterTheCommitOfASuspension(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		c := w.SignIn("anne")
		var wg sync.WaitGroup
		var stop atomic.Bool
		var served, after atomic.Int64
		for k := range 12 {
			wg.Go(func() {
				for i := 0; !stop.Load() || i == 0; i++ {
					late := after.Load() > 0
					out, err := w.Gate.Disclose(context.Background(), to(w, c, 1+(7*k+i)%40))
					if errors.Is(err, ledger.ErrBusy) || errors.Is(err, ledger.ErrStale) || errors.Is(err, ledger.ErrFlood) {
						continue
					}
					if err != nil {
						t.Error(err)
					}
					if out.Allowed {
						served.Add(1)
						if late {
							t.Error("a disclosure that began after the suspension is allowed")
						}
					}
				}
			})
		}
		for served.Load() < 40 {
			runtime.Gosched()
		}
		n := w.SetState("anne", directory.Suspended)
		after.Store(1)
		for i := range 10 {
			out, err := w.Gate.Disclose(t.Context(), to(w, w.SignIn("anne"), 1+i))
			if out.Allowed || err != nil && !errors.Is(err, ledger.ErrFlood) && !errors.Is(err, ledger.ErrBusy) { // the twelve fill her bounds
				t.Errorf("a suspended account discloses: %v %v", out.Allowed, err)
			}
		}
		stop.Store(true)
		wg.Wait()
		for _, e := range entries(t, w, n) {
			if e.Account == c.Account && e.Decision == ledger.Allow {
				t.Errorf("entry %d allows, the suspension is entry %d", e.N, n)
			}
		}
		verified(t, w)
	})
}
