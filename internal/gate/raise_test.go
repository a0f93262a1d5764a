package gate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"

	"pgregory.net/rapid"
)

// smallNew makes new persons the budget that binds, four a day, in a register and organisation large
// enough.
const smallNew = `{"new_24h": 4, "outside_24h": 1000, "unexplained_24h": 1000, "new_30d": 1000, "total_24h": 1000}`

// neighbours adds n persons whom somebody of anne's site follows: new to her, and no review follows.
func neighbours(w *nodetest.World, n int) {
	w.AddPersons(n)
	list := make([]int, n)
	for i := range list {
		list[i] = nodetest.PersonCount + 1 + i
	}
	w.Link("bob", list...)
}

func caller(w *nodetest.World, who string) signin.Caller {
	return signin.Caller{Account: w.Accounts[who].ID, Session: 1, Provider: "test", ACR: "eidas2", Assured: true, Strong: true}
}

func raise(w *nodetest.World, by, colleague string) error {
	_, _, err := w.Directory.Raise(context.Background(), w.Actor(by), w.Accounts[colleague].ID, w.Register.ID, "busy_day")
	return err
}

// newPersons opens persons of nobody for an account, from number i on, until it is refused: how many opened.
func newPersons(t testing.TB, w *nodetest.World, who string, i *int) int {
	t.Helper()
	c := w.SignIn(who)
	for n := 0; ; n++ {
		*i++
		if out := open(t, w, to(w, c, *i)); !out.Allowed {
			if !slices.Contains(out.Reasons, ecluse.ReasonBudgetNew) {
				t.Fatalf("refused for %v", out.Reasons)
			}
			return n
		}
	}
}

func TestARaiseDoublesTheSoftLimitForADayAndEndsExactly(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		neighbours(w, 600)
		w.SetLimits(smallNew)
		next := nodetest.PersonCount
		if n := newPersons(t, w, "dora", &next); n != 4 {
			t.Fatalf("%d before any raise", n)
		}
		if n := newPersons(t, w, "anne", &next); n != 4 {
			t.Fatalf("%d before any raise", n)
		}
		before := height(t, w)
		r, receipt, err := w.Directory.Raise(t.Context(), w.Actor("bob"), w.Accounts["anne"].ID, w.Register.ID, "standin")
		if err != nil {
			t.Fatal(err)
		}
		e := entries(t, w, before)[0]
		detail, err := e.ReadDetail()
		if err != nil || e.Kind != ledger.KindDirectory || e.Account != w.Accounts["bob"].ID || detail.Subject != int64(w.Accounts["anne"].ID) || detail.What != "raise" || detail.Motive != "standin" || e.Register != w.Register.ID {
			t.Errorf("the entry is %+v, %+v (%v)", e, detail, err)
		}
		if !r.Ends.Equal(e.At.Add(24*time.Hour)) || receipt == "" {
			t.Errorf("it ends at %s, entry at %s, receipt %q", r.Ends, e.At, receipt)
		}
		readings, err := w.Gate.Meters(t.Context(), w.SignIn("anne"), first)
		if err != nil || !slices.ContainsFunc(readings, func(r2 budget.Reading) bool {
			return r2.Code == ecluse.ReasonBudgetNew && r2.Window == budget.Day && r2.Limit == 8 && r2.RaisedUntil.Equal(r.Ends)
		}) {
			t.Errorf("the meter does not show it: %+v (%v)", readings, err)
		}
		if n := newPersons(t, w, "anne", &next); n != 4 {
			t.Errorf("%d more after the raise, want 4", n)
		}
		if n := newPersons(t, w, "dora", &next); n != 0 {
			t.Errorf("%d more for somebody else", n)
		}
		w.Clock.Advance(r.Ends.Sub(w.Clock.Now()) - time.Microsecond)
		if l := newLimit(t, w, "anne"); l != 8 {
			t.Errorf("a microsecond before its end the limit is %d", l)
		}
		w.Clock.Advance(time.Microsecond)
		if l := newLimit(t, w, "anne"); l != 4 { // the standing is still cached: nothing was written meanwhile
			t.Errorf("at its end the limit is %d", l)
		}
		w.Reopen()
		if l := newLimit(t, w, "anne"); l != 4 {
			t.Errorf("after a restart the limit is %d", l)
		}
		if err := raise(w, "bob", "anne"); err != nil {
			t.Errorf("a raise a day later: %v", err)
		}
		verified(t, w, receipt)
	})
}

// newLimit is the limit of new persons in 24 h that an account's meter shows.
func newLimit(t testing.TB, w *nodetest.World, who string) int {
	t.Helper()
	readings, err := w.Gate.Meters(t.Context(), caller(w, who), first)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readings {
		if r.Code == ecluse.ReasonBudgetNew && r.Window == budget.Day {
			return r.Limit
		}
	}
	return -1
}

func TestOnlyAnUnrelatedColleagueRaisesOnceADay(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddPersons(600)
		w.SetLimits(smallNew)
		for _, c := range []struct {
			by, for_ string
			want     error
		}{
			{"anne", "anne", directory.ErrDualControl},
			{"dora", "anne", directory.ErrNotFound},     // another organisation
			{"anne", "dora", directory.ErrNotFound},     // another organisation
			{"officer1", "anne", directory.ErrNotFound}, // of no organisation, and its requester besides
			{"anne", "manager", directory.ErrNotFound},  // opens nothing
			{"manager", "anne", nil},
			{"bob", "anne", directory.ErrRaised},
			{"manager", "anne", directory.ErrRaised},
			{"anne", "bob", nil},
		} {
			before := height(t, w)
			if err := raise(w, c.by, c.for_); !errors.Is(err, c.want) {
				t.Errorf("%s raises %s: %v, want %v", c.by, c.for_, err, c.want)
			}
			if wrote := height(t, w) > before; wrote != (c.want == nil) {
				t.Errorf("%s raises %s: an entry was written: %v", c.by, c.for_, wrote)
			}
		}
		if _, _, err := w.Directory.Raise(t.Context(), w.Actor("bob"), w.Accounts["carl"].ID, w.Register.ID, "because"); !errors.Is(err, directory.ErrReason) {
			t.Errorf("a reason of one's own: %v", err)
		}
		w.Clock.Advance(24 * time.Hour)
		if err := raise(w, "bob", "anne"); err != nil {
			t.Errorf("a day later: %v", err)
		}
		raised := newLimit(t, w, "anne")
		w.SetState("bob", directory.Suspended)
		if l := newLimit(t, w, "anne"); l*2 != raised {
			t.Errorf("the raise of a contained account goes on: %d, then %d", raised, l)
		}
		if err := raise(w, "bob", "carl"); !errors.Is(err, directory.ErrInactive) {
			t.Errorf("a suspended account raises: %v", err)
		}
		if err := raise(w, "carl", "bob"); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("a suspended account is raised: %v", err)
		}
	})
}

func TestNobodyRaisesWhomTheyAskedForOrApproved(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	boss := nodetest.Account("boss", "A", "A1", ecluse.RoleAgent)
	boss.Roles = append(boss.Roles, ecluse.RoleAccountManager)
	c := w.Change()
	c.Accounts = []directory.AccountChange{boss}
	w.Approve(c)
	w.SignIn("boss")
	for _, name := range []string{"asked", "other"} {
		joins(t, w, "boss", name)
	}
	w.Approve(w.Change()) // reads the accounts again
	for _, c := range [][2]string{{"boss", "asked"}, {"asked", "boss"}} {
		if err := raise(w, c[0], c[1]); !errors.Is(err, directory.ErrDualControl) {
			t.Errorf("%s raises %s: %v", c[0], c[1], err)
		}
	}
	for _, c := range [][2]string{{"bob", "anne"}, {"asked", "other"}, {"anne", "boss"}} { // the same requester, or none of theirs
		if err := raise(w, c[0], c[1]); err != nil {
			t.Errorf("%s raises %s: %v", c[0], c[1], err)
		}
	}
}

// joins has an account manager ask for an agent at site A1, an officer approve, and the agent sign in.
func joins(t *testing.T, w *nodetest.World, manager, name string) {
	t.Helper()
	asked, err := w.Directory.RequestAccount(t.Context(), w.Actor(manager), directory.AccountRequest{
		Email: nodetest.Email(name), GivenName: name, UsualName: "Test", Site: "A1", Roles: []ecluse.Role{ecluse.RoleAgent}, Reason: "arrival",
	})
	if err == nil {
		err = w.Directory.Decide(t.Context(), w.Actor("officer2"), asked.ID, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	invited, err := w.Directory.PendingInvitations(t.Context(), w.Accounts["officer2"].Controller)
	if err != nil || len(invited) != 1 {
		t.Fatal(invited, err)
	}
	if _, err := w.Directory.Bind(t.Context(), invited[0].Token, directory.Identity{IDP: "test/idp", Sub: "sub-" + name, Email: nodetest.Email(name)}); err != nil {
		t.Fatal(err)
	}
}

func TestARaiseWrittenAroundTheProgramIsDead(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddPersons(4000)
		usual := newLimit(t, w, "anne")
		if err := raise(w, "bob", "anne"); err != nil {
			t.Fatal(err)
		}
		db := around(t, url)
		tamper(t, db, "INSERT INTO raises (id, account_id, register_id, made_by, reason, starts, ends, entry, mac) SELECT id + 1000000, $1, register_id, made_by, reason, starts, ends, entry, mac FROM raises", int64(w.Accounts["carl"].ID))
		w.Reopen()
		if l := newLimit(t, w, "carl"); l != usual {
			t.Errorf("a copied row gives %d", l)
		}
		if err := raise(w, "bob", "carl"); err != nil {
			t.Errorf("a dead row keeps a true raise away: %v", err)
		}
		tamper(t, db, "UPDATE raises SET ends = ends + 1 WHERE account_id = $1", int64(w.Accounts["anne"].ID))
		w.Reopen()
		if l := newLimit(t, w, "anne"); l != usual {
			t.Errorf("a lengthened row gives %d", l)
		}
	})
}

// Whatever is raised, whenever and by whom, and whatever is opened between: counted from what left, no
// window of 24 h ever holds more than twice the limit, nor more than the limit where no raise ran in it.
func TestNoWindowHoldsMoreThanTwiceTheSoftLimit(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		runs(t, url, 12, 3)
		w := nodetest.New(t, url, nil)
		neighbours(w, 3000)
		w.SetLimits(smallNew)
		next := nodetest.PersonCount
		rapid.Check(t, func(rt *rapid.T) {
			w.Clock.Advance(49 * time.Hour) // nothing of the run before counts any more
			type span struct{ from, to time.Time }
			var raises []span
			var opened []time.Time
			for range rapid.IntRange(5, 40).Draw(rt, "steps") {
				switch rapid.SampledFrom([]string{"open", "open", "open", "wait", "raise"}).Draw(rt, "step") {
				case "open":
					next++
					if next > nodetest.PersonCount+3000 {
						return
					}
					if out := open(t, w, to(w, caller(w, "anne"), next)); out.Allowed {
						opened = append(opened, out.At)
					}
				case "wait":
					w.Clock.Advance(time.Duration(rapid.IntRange(1, 13*3600).Draw(rt, "seconds")) * time.Second)
				case "raise":
					by := rapid.SampledFrom([]string{"bob", "manager", "carl"}).Draw(rt, "by")
					if r, _, err := w.Directory.Raise(t.Context(), w.Actor(by), w.Accounts["anne"].ID, w.Register.ID, "event"); err == nil {
						raises = append(raises, span{r.Starts, r.Ends})
					}
				}
			}
			for i := range raises {
				if i > 0 && raises[i].from.Before(raises[i-1].to) {
					rt.Fatal("two raises overlap")
				}
			}
			for last := range opened {
				n, limit := 0, 4
				for i := last; i >= 0 && opened[last].Sub(opened[i]) <= 24*time.Hour; i-- {
					n++
					for _, r := range raises {
						if !opened[i].Before(r.from) && opened[i].Before(r.to) {
							limit = 8
						}
					}
				}
				if n > limit {
					rt.Fatalf("%d new persons in a day, at most %d: %s", n, limit, fmt.Sprint(opened, raises))
				}
			}
		})
		verified(t, w)
	})
}

func TestAWholeSiteReceivesALinkByItsCode(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		carl := w.SignIn("carl")
		ask := func(i int, receiver, site string) (gate.LinkOutcome, error) {
			return w.Gate.MakeLink(t.Context(), gate.LinkRequest{
				Caller: carl, Register: first, Handle: w.Gate.HandleOf(carl, w.Register, w.Persons[nodetest.External(i)]), Purpose: "emploi",
				Kind: directory.LinkPrescription, Receiver: receiver, Site: site,
			})
		}
		for i := 81; i < 86; i++ {
			if out, err := ask(i, "", "B1"); err != nil || !out.Allowed {
				t.Fatalf("%d: %+v %v", i, out, err)
			}
		}
		if out := open(t, w, to(w, w.SignIn("dora"), 81)); out.Relation != "caseload" {
			t.Errorf("to an agent of the site the person is %q", out.Relation)
		}
		out, err := ask(86, "", "A1")
		if err != nil || out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonDualControl}) {
			t.Errorf("a sixth site link within a day: %+v %v", out, err)
		}
		for _, c := range [][2]string{{"", ""}, {nodetest.Email("bob"), "A1"}} {
			if _, err := ask(87, c[0], c[1]); !errors.Is(err, gate.ErrLink) {
				t.Errorf("%q: %v", c, err)
			}
		}
		for _, c := range [][2]string{{"", "A"}, {"", "nowhere"}, {"nobody@example.test", ""}, {nodetest.Email("carl"), ""}} {
			if out, err := ask(87, c[0], c[1]); err != nil || out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonReceiver}) {
				t.Errorf("%q: %+v %v", c, out, err)
			}
		}
	})
}

func TestObservedBudgetsStopNobodyAndStayInTheEntry(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		neighbours(w, 600)
		w.SetLimits(`{"new_24h": 2, "outside_24h": 1000, "unexplained_24h": 1000, "new_30d": 1000, "total_24h": 1000}`)
		next := nodetest.PersonCount
		if n := newPersons(t, w, "anne", &next); n != 2 {
			t.Fatalf("%d before", n)
		}
		until := observe(t, w, 3)
		before := height(t, w)
		out := open(t, w, to(w, w.SignIn("anne"), next+1))
		if !out.Allowed || out.Reasons != nil {
			t.Fatalf("observed: %v %v", out.Allowed, out.Reasons)
		}
		e := entries(t, w, before)
		if last := e[len(e)-1]; last.Decision != ledger.Allow || last.Reasons != string(ecluse.ReasonBudgetNew) {
			t.Errorf("the entry says %s %q", last.Decision, last.Reasons)
		}
		// The breaker is not observed: 16 persons a day of this register's 820, half of them for one account.
		opened := 0
		for i := next + 2; i < next+30; i++ {
			if out = open(t, w, to(w, w.SignIn("anne"), i)); !out.Allowed {
				break
			}
			opened++
		}
		if !slices.Contains(out.Reasons, ecluse.ReasonBudgetBreaker) {
			t.Errorf("the breaker did not stop after %d: %v", opened, out.Reasons)
		}
		// Nothing that is not a budget is observed.
		r := to(w, w.SignIn("dora"), 121)
		r.Motive, r.Text = "", ""
		if out := open(t, w, r); !slices.Contains(out.Reasons, ecluse.ReasonJustificationRequired) {
			t.Errorf("no justification: %v", out.Reasons)
		}
		w.Clock.Advance(until.Sub(w.Clock.Now()) - time.Microsecond)
		if !observed(w) {
			t.Error("it ended early")
		}
		w.Clock.Advance(time.Microsecond)
		if observed(w) {
			t.Error("it does not end")
		}
		verified(t, w)
	})
}

// observed reports whether an observation of the register is in force, as the directory has it.
func observed(w *nodetest.World) bool {
	s, err := w.Directory.Standing(context.Background(), w.Accounts["anne"].ID)
	if err != nil {
		panic(err)
	}
	return slices.ContainsFunc(s.Observations, func(o directory.Observation) bool {
		return o.Register == w.Register.ID && o.Controller == w.Accounts["anne"].Controller && o.Runs(w.Clock.Now())
	})
}

func observe(t testing.TB, w *nodetest.World, days int) time.Time {
	t.Helper()
	a, err := w.Directory.RequestObserve(t.Context(), w.Actor("officer1"), directory.ObserveChange{Register: w.Register.ID, RegisterCode: w.Register.Code, Days: days})
	if err != nil {
		t.Fatal(err)
	}
	if observed(w) {
		t.Fatal("a request alone takes effect")
	}
	if err := w.Directory.Decide(t.Context(), w.Actor("officer1"), a.ID, true); !errors.Is(err, directory.ErrDualControl) {
		t.Fatalf("its requester approves it: %v", err)
	}
	if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), a.ID, true); err != nil {
		t.Fatal(err)
	}
	if !observed(w) {
		t.Fatal("an approved request has no effect")
	}
	return w.Clock.Now().Add(time.Duration(days) * 24 * time.Hour)
}

func TestObservingTakesTwoPeopleAndEnforcingOne(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		change := directory.ObserveChange{Register: w.Register.ID, RegisterCode: w.Register.Code, Days: 45}
		for _, days := range []int{-1, 0, 46} {
			wrong := change
			wrong.Days = days
			if _, err := w.Directory.RequestObserve(t.Context(), w.Actor("officer1"), wrong); !errors.Is(err, directory.ErrDays) {
				t.Errorf("%d days: %v", days, err)
			}
		}
		for _, name := range []string{"anne", "manager", "rssi", "dpo"} {
			if _, err := w.Directory.RequestObserve(t.Context(), w.Actor(name), change); !errors.Is(err, directory.ErrDualControl) {
				t.Errorf("%s asks: %v", name, err)
			}
		}
		observe(t, w, 45)
		for _, name := range []string{"anne", "manager", "dpo"} {
			if err := w.Directory.Enforce(t.Context(), w.Actor(name), w.Register.ID); !errors.Is(err, directory.ErrDualControl) {
				t.Errorf("%s enforces: %v", name, err)
			}
		}
		if err := w.Directory.Enforce(t.Context(), w.Actor("rssi"), w.Register.ID); err != nil || observed(w) {
			t.Errorf("enforced: %v, observed %v", err, observed(w))
		}
		if err := w.Directory.Enforce(t.Context(), w.Actor("rssi"), w.Register.ID); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("enforced twice: %v", err)
		}
		verified(t, w)
	})
}

func TestAnObservationWrittenAroundTheProgramIsNone(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		db := around(t, url)
		observe(t, w, 1)
		w.Clock.Advance(25 * time.Hour)
		tamper(t, db, "UPDATE observations SET ends = ends + $1", int64(48*time.Hour/time.Microsecond))
		w.Reopen()
		if observed(w) {
			t.Error("a lengthened observation counts")
		}
		mac := []byte(strings.Repeat("x", 32))
		tamper(t, db, "UPDATE observations SET mac = $1", mac)
		w.Reopen()
		if observed(w) {
			t.Error("a forged observation counts")
		}
	})
}

// Each body decides for its own accounts: what another one's officers approve does not touch them.
func TestOnlyOnesOwnBodyHasBudgetsObserved(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	w.AddSecondRegister(20)
	w.SetLimits(`{"new_24h": 0}`)
	a, err := w.Directory.RequestObserve(t.Context(), w.Actor("sofficer1"), directory.ObserveChange{Register: w.Register.ID, RegisterCode: w.Register.Code, Days: 9})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Directory.Decide(t.Context(), w.Actor("sofficer2"), a.ID, true); err != nil {
		t.Fatal(err)
	}
	if open(t, w, to(w, w.SignIn("anne"), 41)).Allowed {
		t.Error("another body's act has the register observed")
	}
	observe(t, w, 9)
	if !open(t, w, to(w, w.SignIn("anne"), 41)).Allowed {
		t.Error("its own body's act has not")
	}
}
