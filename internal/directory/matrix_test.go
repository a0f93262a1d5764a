package directory_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

// crowd is a world with accounts of every role and of many lineages: officer3 was asked for by officer1 and
// officer4 by officer2, so was who manages beside the manager; a suspended officer asked for officer6.
func crowd(t *testing.T) *nodetest.World {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	by := func(asks, decides string, accounts ...directory.AccountChange) {
		t.Helper()
		c := w.Change()
		c.Accounts = accounts
		if err := w.TryApprove(asks, decides, c); err != nil {
			t.Fatal(err)
		}
		w.Approve(w.Change()) // reads the accounts
	}
	by("officer1", "officer2", officer("officer3"), officer("fallen"), nodetest.Account("named", "A", "A1", ecluse.RoleAccessOfficer))
	by("officer2", "officer1", officer("officer4"), nodetest.Account("second", "A", "A1", ecluse.RoleAccountManager))
	w.SignIn("fallen")
	by("fallen", "officer2", officer("officer6"))
	for _, name := range []string{"officer3", "officer4", "officer6", "named", "second"} {
		w.SignIn(name)
	}
	w.SetState("fallen", directory.Suspended)
	return w
}

// TestNoPairLetsOnePersonDoBoth has everybody ask for everything and everybody decide on it, from the same
// desk and from another one, and compares with a rule written here a second time.
func TestNoPairLetsOnePersonDoBoth(t *testing.T) {
	w := crowd(t)
	names := slices.Sorted(maps.Keys(w.Accounts))
	actor := func(name, desk string) directory.Actor {
		a := w.Actor(name)
		a.Session, a.Device, a.Network = ecluse.SessionID(w.Accounts[name].ID), desk, "192.0.2.0/24"
		return a
	}
	round := 0
	asks := map[string]func(by directory.Actor) (directory.Approval, error){
		directory.KindAccount: func(by directory.Actor) (directory.Approval, error) {
			round++
			r := request(fmt.Sprint("newcomer", round))
			r.Organisation = "A"
			return w.Directory.RequestAccount(t.Context(), by, r)
		},
		directory.KindImport: func(by directory.Actor) (directory.Approval, error) {
			round++
			return w.Directory.Request(t.Context(), by, newcomer(w, fmt.Sprint("newcomer", round)))
		},
		directory.KindObserve: func(by directory.Actor) (directory.Approval, error) {
			return w.Directory.RequestObserve(t.Context(), by, directory.ObserveChange{Register: w.Register.ID, RegisterCode: w.Register.Code, Days: 3})
		},
		directory.KindStandIn: func(by directory.Actor) (directory.Approval, error) {
			round++
			return w.Directory.RequestStandIn(t.Context(), by, request(fmt.Sprint("newcomer", round)))
		},
	}
	lost, _, err := w.Directory.Contain(t.Context(), w.Actor("officer1"), directory.Containment{Account: w.Accounts["dora"].ID, Reason: why})
	if err != nil {
		t.Fatal(err)
	}
	asks[directory.KindUncontain] = func(by directory.Actor) (directory.Approval, error) {
		return w.Directory.RequestUncontainment(t.Context(), by, lost.ID)
	}
	active(t, w, "anne") // a factor that she is to lose
	asks[directory.KindRecovery] = func(by directory.Actor) (directory.Approval, error) {
		return w.Directory.RequestRecovery(t.Context(), by, w.Accounts["anne"].ID, 0)
	}
	decisions, kinds := 0, map[string]bool{}
	for kind, ask := range asks {
		for _, asker := range names {
			pending, err := ask(actor(asker, "desk "+asker))
			if err != nil {
				continue // who may ask has a test of its own
			}
			for _, decider := range names {
				for _, desk := range []string{"desk " + asker, "desk " + decider} {
					err := w.Directory.Decide(t.Context(), actor(decider, desk), pending.ID, false)
					if want := may(w, kind, asker, decider) && desk != "desk "+asker; (err == nil) != want {
						t.Errorf("%s asked for by %s, decided by %s at %s: %v", kind, asker, decider, desk, err)
					}
					if err == nil {
						decisions++
						kinds[kind] = true
						if pending, err = ask(actor(asker, "desk "+asker)); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		}
	}
	if len(kinds) != len(asks) {
		t.Errorf("decided were only %v", kinds)
	}
	if decisions < 20 {
		t.Fatalf("only %d decisions were possible: the test tries nothing", decisions)
	}
	verified(t, w)
}

// may is the rule of the four eyes as people would say it.
func may(w *nodetest.World, kind, asker, decider string) bool {
	a, d := w.Accounts[asker], w.Accounts[decider]
	role := slices.Contains([]string{"officer1", "officer2", "officer3", "officer4", "officer6"}, decider)
	switch kind {
	case directory.KindAccount:
		// All are for organisation A: its own officer, named, decides none.
	case directory.KindUncontain:
		role = role || decider == "rssi"
	case directory.KindStandIn:
		role = a.Organisation == d.Organisation && slices.Contains([]string{"anne", "bob", "carl", "manager", "second"}, decider)
		return role && asker != decider
	}
	one, other := chain(w, a), chain(w, d)
	related := slices.Contains(one, d.ID) || slices.Contains(other, a.ID) || a.RequestedBy != 0 && a.RequestedBy == d.RequestedBy
	fallen := slices.ContainsFunc(append(one, other...), func(id ecluse.AccountID) bool { return id == w.Accounts["fallen"].ID })
	return role && asker != decider && !related && !fallen
}

// chain is an account and who asked for it, and so on.
func chain(w *nodetest.World, a directory.Account) (ids []ecluse.AccountID) {
	for {
		ids = append(ids, a.ID)
		i := a.RequestedBy
		if i == 0 {
			return ids
		}
		for _, o := range w.Accounts {
			if o.ID == i {
				a = o
			}
		}
	}
}
