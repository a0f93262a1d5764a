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
	"ecluse/internal/node/nodetest"
	"ecluse/internal/signin"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// linking asks to link person i to an account, or to a site where there is no account.
func linking(w *nodetest.World, c signin.Caller, i int, account, site string) gate.LinkRequest {
	r := gate.LinkRequest{Caller: c, Register: first, Handle: w.Gate.HandleOf(c, w.Register, w.Persons[nodetest.External(i)]), Purpose: "emploi", Kind: "appointment", Site: site}
	if account != "" {
		r.Receiver = nodetest.Email(account)
	}
	return r
}

// link asks until there is an answer.
func link(t *testing.T, w *nodetest.World, r gate.LinkRequest) gate.LinkOutcome {
	t.Helper()
	for {
		out, err := w.Gate.MakeLink(context.Background(), r)
		if errors.Is(err, ledger.ErrBusy) || errors.Is(err, ledger.ErrStale) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// Whoever tries addresses and codes to see which exist pays for each and is written down.
func TestProbingForReceiversIsWrittenDownAndCosts(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		r := &tape{}
		w := nodetest.New(t, url, &store.Hooks{Trace: r.trace})
		bob := w.SignIn("bob")
		receiver := []ecluse.Reason{ecluse.ReasonReceiver}
		limit := budget.Default().Links24h
		for n := range limit {
			q := linking(w, bob, 41, "nobody", "")
			if n%2 == 1 {
				q = linking(w, bob, 41, "", "nowhere")
			}
			before := height(t, w)
			if out := link(t, w, q); out.Allowed || !slices.Equal(out.Reasons, receiver) || out.Receipt == "" {
				t.Fatalf("probe %d: %+v", n, out)
			}
			if e := entries(t, w, before); len(e) != 1 || e[0].Decision != ledger.Deny || e[0].Reasons != string(ecluse.ReasonReceiver) || e[0].Person != 0 {
				t.Fatalf("probe %d is written down as %+v", n, e)
			}
		}
		before := height(t, w)
		statements := r.of(func() {
			for _, q := range []gate.LinkRequest{linking(w, bob, 41, "nobody", ""), linking(w, bob, 41, "anne", ""), linking(w, bob, 41, "", "nowhere"), linking(w, bob, 41, "", "A2")} {
				if out := link(t, w, q); out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonBudgetLinks}) {
					t.Errorf("past the limit: %+v", out)
				}
			}
		})
		for _, s := range []string{"read accounts by e-mail", "read organisation by code"} {
			if slices.Contains(statements, s) {
				t.Errorf("past the limit the program still runs %q", s)
			}
		}
		if n := height(t, w) - before; n != 4 {
			t.Errorf("%d of 4 refusals past the limit are written down", n)
		}
		verified(t, w)
	})
}

func TestALinkRefusedByPolicyLooksNobodyUp(t *testing.T) {
	r := &tape{}
	w := nodetest.New(t, storetest.SQLite(t), &store.Hooks{Trace: r.trace})
	bob := w.SignIn("bob")
	for name, q := range map[string]gate.LinkRequest{
		"outside the mandate": linking(w, bob, 205, "nobody", ""), "without relation": linking(w, bob, 121, "nobody", ""),
	} {
		before := height(t, w)
		statements := r.of(func() {
			if out := link(t, w, q); out.Allowed || slices.Contains(out.Reasons, ecluse.ReasonReceiver) {
				t.Errorf("%s: %+v", name, out)
			}
		})
		if slices.Contains(statements, "read accounts by e-mail") {
			t.Errorf("%s: the receiver is looked up", name)
		}
		if height(t, w) != before+1 {
			t.Errorf("%s: not written down", name)
		}
	}
}

// The sixth link of a pair within a day is a refusal like any other, and nobody else's batch suffers.
func TestACrowdOfLinksOfOnePairNeverMakesASixth(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		bob := w.SignIn("bob")
		var made, refused atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				out := link(t, w, linking(w, bob, 41+i, "anne", ""))
				switch {
				case out.Allowed:
					made.Add(1)
				case slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonDualControl}) && out.Receipt != "":
					refused.Add(1)
				default:
					t.Errorf("%+v", out)
				}
			})
		}
		wg.Wait()
		if made.Load() != 5 || refused.Load() != 3 {
			t.Errorf("%d made, %d refused", made.Load(), refused.Load())
		}
		verified(t, w)
	})
}

// Colluding makers do not explain persons to one account without bound.
func TestOthersExplainOnlySoManyPersonsToAnAccountWithinAMonth(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	w.AddPersons(220)
	more := w.Change()
	for _, name := range []string{"eve", "fay", "gus", "hal"} {
		more.Accounts = append(more.Accounts, nodetest.Account(name, "A", "A1", ecluse.RoleAgent))
	}
	w.Approve(more)
	var people []int
	for i := nodetest.PersonCount + 1; i <= nodetest.PersonCount+220; i++ {
		people = append(people, i)
	}
	w.Link("carl", people...)
	explained, refused, next := map[int]bool{}, 0, 0
	for day := 0; day < 10; day++ {
		for _, maker := range []string{"bob", "eve", "fay", "gus", "hal"} {
			c := w.SignIn(maker)
			for range 5 {
				i := people[next%len(people)]
				next++
				out := link(t, w, linking(w, c, i, "anne", ""))
				switch {
				case out.Allowed:
					explained[i] = true
				case slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonDualControl}):
					refused++
				default:
					t.Fatalf("%s: %+v", maker, out)
				}
			}
		}
		w.Clock.Advance(25 * time.Hour)
	}
	if len(explained) != budget.LinksReceived30d || refused == 0 {
		t.Errorf("%d persons were explained, %d refused; want %d", len(explained), refused, budget.LinksReceived30d)
	}
	if out := link(t, w, linking(w, w.SignIn("bob"), people[0], "anne", "")); !out.Allowed {
		t.Errorf("an appointment with somebody explained already: %+v", out)
	}
	if out := link(t, w, linking(w, w.SignIn("eve"), people[219], "", "A1")); !out.Allowed {
		t.Errorf("a whole site has a limit of its own: %+v", out)
	}
	w.Clock.Advance(30 * 24 * time.Hour)
	if out := link(t, w, linking(w, w.SignIn("bob"), people[219], "anne", "")); !out.Allowed {
		t.Errorf("a month later: %+v", out)
	}
	verified(t, w)
}
