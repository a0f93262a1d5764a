package directory_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

// add adds a factor to an account; what it proves with is package signin's business.
func add(t testing.TB, w *nodetest.World, who string, n directory.Enrolment) (directory.Factor, error) {
	t.Helper()
	n.Factor.Kind, n.Factor.Secret = directory.FactorCode, fmt.Append(nil, "sealed ", who, w.Clock.Now())
	if n.Factor.Name == "" {
		n.Factor.Name = "telephone"
	}
	w.Clock.Advance(time.Microsecond) // another secret each time
	return w.Directory.AddFactor(t.Context(), w.Actor(who), n, nil)
}

func waiting(t testing.TB, w *nodetest.World, who string) directory.Factor {
	t.Helper()
	f, err := add(t, w, who, directory.Enrolment{Fresh: true})
	if err != nil || f.State != directory.Waiting {
		t.Fatalf("%v %+v", err, f)
	}
	list := factorsOf(t, w, who)
	return list[len(list)-1]
}

func active(t testing.TB, w *nodetest.World, who string) directory.Factor {
	t.Helper()
	f, err := add(t, w, who, directory.Enrolment{Fresh: true, Strong: true, Proven: true})
	if err != nil || f.State != directory.Active {
		t.Fatalf("%v %+v", err, f)
	}
	list := factorsOf(t, w, who)
	return list[len(list)-1]
}

func factorsOf(t testing.TB, w *nodetest.World, who string) []directory.Factor {
	t.Helper()
	list, err := w.Directory.Factors(t.Context(), w.Accounts[who].ID)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func states(list []directory.Factor) (all []string) {
	for _, f := range list {
		all = append(all, f.State)
	}
	return all
}

// pendingOf is the newest request of a kind.
func pendingOf(t testing.TB, w *nodetest.World, kind string) directory.Approval {
	t.Helper()
	all, err := w.Directory.Approvals(t.Context(), w.Actor("officer2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range slices.Backward(all) {
		if a.Kind == kind {
			return a
		}
	}
	t.Fatalf("no request of kind %s", kind)
	return directory.Approval{}
}

func TestWhatBecomesOfAFactorThatIsAdded(t *testing.T) {
	type have = []string
	for name, c := range map[string]struct {
		have  have
		proof directory.Enrolment
		want  string
		err   error
	}{
		"first, after a strong sign-in":          {nil, directory.Enrolment{Fresh: true, Strong: true}, directory.Active, nil},
		"first, after a weak sign-in":            {nil, directory.Enrolment{Fresh: true}, directory.Waiting, nil},
		"first, long after a strong sign-in":     {nil, directory.Enrolment{Strong: true}, "", directory.ErrFresh},
		"first, while one waits":                 {have{"waiting"}, directory.Enrolment{Fresh: true, Strong: true}, directory.Active, nil},
		"further, after a strong sign-in":        {have{"active"}, directory.Enrolment{Fresh: true, Strong: true}, directory.Waiting, nil},
		"further, with one that is there":        {have{"active"}, directory.Enrolment{Proven: true}, directory.Active, nil},
		"further, with one that is there, fresh": {have{"active"}, directory.Enrolment{Proven: true, Fresh: true}, directory.Active, nil},
		"further, with nothing":                  {have{"active"}, directory.Enrolment{Strong: true}, "", directory.ErrFresh},
		"proven by one that was ended meanwhile": {nil, directory.Enrolment{Proven: true}, directory.Waiting, nil},
		"a fourth that waits":                    {have{"waiting", "waiting", "waiting"}, directory.Enrolment{Fresh: true}, "", directory.ErrTooManyFactors},
		"one that counts, while three wait":      {have{"waiting", "waiting", "waiting"}, directory.Enrolment{Fresh: true, Strong: true}, directory.Active, nil},
		"a ninth":                                {slices.Repeat(have{"active"}, 8), directory.Enrolment{Proven: true}, "", directory.ErrTooManyFactors},
	} {
		t.Run(name, func(t *testing.T) {
			w := nodetest.New(t, storetest.SQLite(t), nil)
			for _, state := range c.have {
				if state == directory.Active {
					active(t, w, "anne")
				} else {
					waiting(t, w, "anne")
				}
			}
			f, err := add(t, w, "anne", c.proof)
			if f.State != c.want || !errors.Is(err, c.err) {
				t.Errorf("%q %v, want %q %v", f.State, err, c.want, c.err)
			}
		})
	}
}

func TestAFactorThatWaitsCountsOnceAnotherPersonConfirmsIt(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	f := waiting(t, w, "carl")
	other := waiting(t, w, "carl")
	a := pendingOf(t, w, directory.KindFactor)
	shown, err := a.Diff()
	if err != nil || shown.Factor == nil || shown.Factor.Word != other.Word() || f.Word() == other.Word() || len(other.Word()) != 6 {
		t.Fatalf("%+v %v", shown.Factor, err)
	}
	weak := w.Actor("officer2")
	weak.Strong = false
	for name, c := range map[string]struct {
		by   directory.Actor
		want error
	}{
		"herself":                                {w.Actor("carl"), directory.ErrNotFound},
		"a colleague":                            {w.Actor("anne"), directory.ErrNotFound},
		"the manager of another organisation":    {w.Actor("dora"), directory.ErrNotFound},
		"the security officer":                   {w.Actor("rssi"), directory.ErrNotFound},
		"whoever asked for the account":          {w.Actor("officer1"), directory.ErrDualControl},
		"another officer, in a session too weak": {weak, directory.ErrWeak},
	} {
		if err := w.Directory.Decide(t.Context(), c.by, a.ID, true); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if got := states(factorsOf(t, w, "carl")); !slices.Equal(got, []string{"waiting", "waiting"}) {
		t.Fatalf("%v", got)
	}
	decided(t, w, "officer2", a.ID)
	if list := factorsOf(t, w, "carl"); len(list) != 1 || list[0].ID != other.ID || list[0].State != directory.Active {
		t.Errorf("%+v: the confirmed one alone counts", list)
	}
	if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), a.ID-1, true); err == nil {
		t.Error("the other one is confirmed too")
	}
	verified(t, w)
}

func TestAConfirmationIsRefusedOnceAFactorCounts(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	waiting(t, w, "carl")
	a := pendingOf(t, w, directory.KindFactor)
	active(t, w, "carl")
	if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), a.ID, true); !errors.Is(err, directory.ErrChanged) {
		t.Errorf("%v: a thief's factor could join the owner's", err)
	}
}

func TestAFactorThatWaitsLapsesAfterAWeek(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	waiting(t, w, "carl")
	a := pendingOf(t, w, directory.KindFactor)
	w.Clock.Advance(directory.WaitingLife)
	if got := factorsOf(t, w, "carl"); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), a.ID, true); err == nil {
		t.Error("a lapsed factor is confirmed")
	}
}

func TestARecoveryTakesAManagerAndAnOfficerAndLeavesTheNewFactorAlone(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		active(t, w, "carl")
		lost := active(t, w, "carl")
		stolen := w.SignIn("carl")
		fresh, thiefs := waiting(t, w, "carl"), waiting(t, w, "carl")
		carl := w.Accounts["carl"].ID
		for name, c := range map[string]struct {
			by     string
			whose  ecluse.AccountID
			factor ecluse.FactorID
			want   error
		}{
			"an agent":                  {"anne", carl, fresh.ID, directory.ErrDualControl},
			"herself":                   {"carl", carl, fresh.ID, directory.ErrDualControl},
			"a manager for herself":     {"manager", w.Accounts["manager"].ID, 0, directory.ErrDualControl},
			"of another organisation":   {"manager", w.Accounts["dora"].ID, 0, directory.ErrNotFound},
			"a factor that counts":      {"manager", carl, lost.ID, directory.ErrNotFound},
			"nothing to end or confirm": {"manager", w.Accounts["bob"].ID, 0, directory.ErrNotFound},
		} {
			if _, err := w.Directory.RequestRecovery(t.Context(), w.Actor(c.by), c.whose, c.factor); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		a, err := w.Directory.RequestRecovery(t.Context(), w.Actor("manager"), carl, fresh.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, by := range []string{"manager", "carl", "anne"} {
			if err := w.Directory.Decide(t.Context(), w.Actor(by), a.ID, true); err == nil {
				t.Errorf("%s decides", by)
			}
		}
		decided(t, w, "officer2", a.ID)
		if list := factorsOf(t, w, "carl"); len(list) != 1 || list[0].ID != fresh.ID || list[0].State != directory.Active || thiefs.ID == fresh.ID {
			t.Errorf("%+v", list)
		}
		if !standing(t, w, carl).Ended(stolen.Session) {
			t.Error("a session outlived the recovery")
		}
		verified(t, w)
	})
}

func TestAnOfficerDoesNotDecideOnHerOwnFactor(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	waiting(t, w, "officer2")
	officers, err := w.Directory.Approvals(t.Context(), w.Actor("officer1"))
	if err != nil {
		t.Fatal(err)
	}
	a := officers[len(officers)-1]
	if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), a.ID, true); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("her own: %v", err)
	}
	f := factorsOf(t, w, "officer2")[0]
	recovery, err := w.Directory.RequestRecovery(t.Context(), w.Actor("officer1"), w.Accounts["officer2"].ID, f.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), recovery.ID, true); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("her own recovery, that a colleague asked for: %v", err)
	}
}

func TestAFactorWrittenAroundTheProgramProvesNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		waiting(t, w, "carl")
		f := active(t, w, "anne")
		raw := around(t, url)
		for _, c := range []struct{ name, query, who string }{
			{"confirmed", "UPDATE factors SET state = 'active' WHERE state = 'waiting'", "carl"},
			{"made to forget its last use", fmt.Sprintf("UPDATE factors SET last_step = last_step - 1 WHERE id = %d", f.ID), "anne"},
			{"moved to another account", fmt.Sprintf("UPDATE factors SET last_step = last_step + 1, account_id = %d WHERE id = %d", w.Accounts["bob"].ID, f.ID), "bob"},
		} {
			tamper(t, raw, c.query)
			if list := factorsOf(t, w, c.who); len(list) > 0 {
				t.Errorf("%s: %s has %d factors", c.name, c.who, len(list))
			}
		}
	})
}

func TestTheNameOfAFactorCanBeShown(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	for _, name := range []string{" ", "a\x00b", "\u202ereversed", "a name of more than forty letters, which nobody would read"} {
		if _, err := add(t, w, "anne", directory.Enrolment{Fresh: true, Factor: directory.Factor{Name: name}}); !errors.Is(err, directory.ErrFactorName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	f, err := add(t, w, "anne", directory.Enrolment{Fresh: true, Factor: directory.Factor{Name: "  clé   bleue "}})
	if err != nil || f.Name != "clé bleue" {
		t.Errorf("%q %v", f.Name, err)
	}
}

func TestWhoeverActsInASessionThatWasEndedDoesNot(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	stolen, mine := w.SignIn("officer2"), w.SignIn("officer2")
	id := ask(t, w, "officer1", newcomer(w, "nina"))
	if n, err := w.Directory.EndSessions(t.Context(), mine.Actor(), stolen.Session); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if err := w.Directory.Decide(t.Context(), stolen.Actor(), id, true); !errors.Is(err, directory.ErrSessionEnded) {
		t.Errorf("an approval in a session that was ended: %v", err)
	}
	if n, err := w.Directory.EndSessions(t.Context(), mine.Actor(), stolen.Session); n != 0 || err != nil {
		t.Errorf("again: %d %v", n, err)
	}
	decided(t, w, "officer2", id)
}

func TestNothingIsWrittenOfAFactorButItsDigest(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	active(t, w, "anne")
	err := w.Store.Entries(context.Background(), 0, 1<<40, func(e *ledger.Entry) error {
		d, err := e.ReadDetail()
		if d.What == "factor active" && (e.Account != w.Accounts["anne"].ID || len(d.Digest) != 32) {
			t.Errorf("%+v", d)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
