package directory_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

func officer(name string) directory.AccountChange {
	return directory.AccountChange{
		Email: nodetest.Email(name), GivenName: name, UsualName: "Test", Roles: []ecluse.Role{ecluse.RoleAccessOfficer}, IDP: "test/idp", Sub: "sub-" + name, State: directory.Active,
	}
}

func TestWhoeverAskedDoesNotApprove(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddSecondRegister(2)
		id := ask(t, w, "officer1", newcomer(w, "nina"))
		for who, want := range map[string]error{
			"officer1": directory.ErrDualControl, // herself
			"admin":    directory.ErrNotFound, "rssi": directory.ErrNotFound, "dpo": directory.ErrNotFound, "anne": directory.ErrNotFound, "manager": directory.ErrNotFound,
			"sofficer1": directory.ErrNotFound, // another body's
		} {
			for _, approve := range []bool{true, false} {
				if err := w.Directory.Decide(t.Context(), w.Actor(who), id, approve); !errors.Is(err, want) {
					t.Errorf("%s decides: %v", who, err)
				}
			}
			if _, err := w.Directory.Approval(t.Context(), w.Actor(who), id); who != "officer1" && !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("%s sees the request: %v", who, err)
			}
		}
		for _, who := range []string{"anne", "manager", "rssi", "sofficer1"} {
			if _, err := w.Directory.Request(t.Context(), w.Actor(who), newcomer(w, "nobody")); !errors.Is(err, directory.ErrDualControl) {
				t.Errorf("%s asks: %v", who, err)
			}
		}
		if known(w, "nina") {
			t.Fatal("the account is there before anybody approved")
		}
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), id, true); err != nil || !known(w, "nina") {
			t.Errorf("the second officer: %v", err)
		}
		for _, approve := range []bool{true, false} {
			if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), id, approve); !errors.Is(err, directory.ErrDecided) {
				t.Errorf("it is decided again: %v", err)
			}
		}
		done, err := w.Directory.Decided(t.Context(), w.Actor("officer1"))
		if err != nil || done[0].ID != id || done[0].DecidedBy != w.Accounts["officer2"].ID {
			t.Fatalf("who asked is told what came of it: %v %+v", err, done)
		}
		if receipt, err := w.Directory.Receipt(t.Context(), done[0]); err != nil || len(receipt) != 26 {
			t.Errorf("its receipt: %q %v", receipt, err)
		}
		if _, err := w.Directory.Decided(t.Context(), w.Actor("dpo")); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("somebody else is told too: %v", err)
		}
		verified(t, w)
	})
}

func TestOneIdentityUnderTwoAccountsIsOnePairOfEyes(t *testing.T) {
	// The database refuses two bound accounts of one identity; what is left is the directory's own check,
	// for a database whose index is gone.
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		c := w.Change()
		twin := officer("twin")
		twin.Sub = "sub-officer1"
		c.Accounts = append(c.Accounts, twin)
		if err := w.TryApprove("officer1", "officer2", c); !errors.Is(err, directory.ErrIdentity) {
			t.Fatalf("an identity has two accounts: %v", err)
		}
		c.Accounts[0].Sub = "sub-twin"
		w.Approve(c)
		w.SignIn("twin")
		if _, err := around(t, url).Exec(`DROP INDEX accounts_identity`); err != nil {
			t.Fatal(err)
		}
		row := w.Accounts["twin"]
		row.Sub = "sub-officer1"
		tamper(t, around(t, url), `UPDATE accounts SET sub = $2, mac = $3 WHERE id = $1`, int64(row.ID), row.Sub, w.AccountMAC(row))
		w.Reopen()
		id := ask(t, w, "officer1", newcomer(w, "nina"))
		if err := w.Directory.Decide(t.Context(), w.Actor("twin"), id, true); !errors.Is(err, directory.ErrDualControl) || known(w, "nina") {
			t.Errorf("the same identity approves: %v", err)
		}
	})
}

func TestNobodyApprovesWhomSheAskedForNorTheOtherWayRound(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		c := w.Change()
		c.Accounts = append(c.Accounts, officer("puppet"))
		w.Approve(c) // officer1 asks for it
		w.SignIn("puppet")
		for requester, approver := range map[string]string{"officer1": "puppet", "puppet": "officer1"} {
			if err := w.TryApprove(requester, approver, newcomer(w, "nina")); !errors.Is(err, directory.ErrDualControl) || known(w, "nina") {
				t.Errorf("%s approves what %s asks: %v", approver, requester, err)
			}
		}
		if err := w.TryApprove("officer2", "puppet", newcomer(w, "nina")); err != nil {
			t.Errorf("an officer asked for by another cannot approve: %v", err)
		}
		w.SetState("officer1", directory.Suspended)
		if err := w.TryApprove("officer2", "puppet", newcomer(w, "olga")); !errors.Is(err, directory.ErrDualControl) || known(w, "olga") {
			t.Errorf("whom a contained account asked for approves: %v", err)
		}
		verified(t, w)
	})
}

func TestNothingIsApprovedBeforeTwoOfficersHaveSignedIn(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		tamper(t, around(t, url), `UPDATE accounts SET active_at = 0 WHERE id = $1`, int64(w.Accounts["officer1"].ID)) // not under the MAC
		w.Reopen()
		id := ask(t, w, "officer1", newcomer(w, "nina"))
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), id, true); !errors.Is(err, directory.ErrOfficers) {
			t.Errorf("one officer is enough: %v", err)
		}
		w.SignIn("officer1")
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), id, true); err != nil {
			t.Error(err)
		}
	})
}

func TestOfTwoDecisionsAtOnceExactlyOneWins(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		c := w.Change()
		c.Accounts = append(c.Accounts, officer("officer3"), officer("officer4"))
		w.Approve(c)
		w.SignIn("officer3")
		w.SignIn("officer4")
		for round := range 8 {
			id := ask(t, w, "admin", newcomer(w, "nina"+string(rune('a'+round))))
			var won, lost atomic.Int64
			var wg sync.WaitGroup
			for k, who := range []string{"officer2", "officer3", "officer4", "officer2", "officer3"} {
				wg.Go(func() {
					switch err := w.Directory.Decide(context.Background(), w.Actor(who), id, k%2 == 0); {
					case err == nil:
						won.Add(1)
					case errors.Is(err, directory.ErrDecided):
						lost.Add(1)
					default:
						t.Errorf("%s: %v", who, err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 || lost.Load() != 4 {
				t.Errorf("%d won and %d lost", won.Load(), lost.Load())
			}
		}
		verified(t, w)
	})
}

func TestTwoRequestsForOneNewcomerMakeOneAccount(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		for round := range 6 {
			name := "otto" + string(rune('a'+round))
			c := newcomer(w, name)
			c.Accounts[0].IDP, c.Accounts[0].Sub = "", "" // invited: no identity keeps them apart
			ids := []ecluse.ApprovalID{ask(t, w, "officer1", c), ask(t, w, "officer1", c)}
			var wg sync.WaitGroup
			var late atomic.Int64
			for _, id := range ids {
				wg.Go(func() {
					err := w.Directory.Decide(context.Background(), w.Actor("officer2"), id, true)
					if errors.Is(err, directory.ErrChanged) { // it says "new", and there is an account now
						late.Add(1)
					} else if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if late.Load() != 1 {
				t.Errorf("%d of two requests for one newcomer came too late", late.Load())
			}
			if found, err := w.Store.AccountsByEmail(t.Context(), nodetest.Email(name)); err != nil || len(found) != 1 {
				t.Errorf("%d accounts of one newcomer (%v)", len(found), err)
			}
		}
		verified(t, w)
	})
}

func TestARequestExpires(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		early, late := ask(t, w, "officer1", newcomer(w, "nina")), ask(t, w, "officer1", newcomer(w, "olga"))
		w.Clock.Advance(directory.ApprovalLife - time.Second)
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), early, true); err != nil {
			t.Errorf("the last second: %v", err)
		}
		w.Clock.Advance(time.Second)
		for _, who := range []string{"officer1", "officer2"} {
			if err := w.Directory.Decide(t.Context(), w.Actor(who), late, true); !errors.Is(err, directory.ErrDecided) || known(w, "olga") {
				t.Errorf("%s approves what has expired: %v", who, err)
			}
		}
	})
}

func TestAnOfficerWhoseTimeIsOverNeitherAsksNorApproves(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	c := w.Change()
	for _, name := range []string{"officer3", "officer4"} {
		a := officer(name)
		a.Ends = nodetest.Start.Add(24 * time.Hour)
		c.Accounts = append(c.Accounts, a)
	}
	w.Approve(c)
	w.SignIn("officer3")
	w.SignIn("officer4")
	asked := ask(t, w, "officer3", newcomer(w, "nina"))
	byOther := ask(t, w, "officer2", newcomer(w, "olga"))
	w.Clock.Advance(24*time.Hour - time.Minute)
	if _, err := w.Directory.Approval(t.Context(), w.Actor("officer4"), byOther); err != nil { // what is cached of her lives on
		t.Fatal(err)
	}
	w.Clock.Advance(time.Minute)
	if _, err := w.Directory.Request(t.Context(), w.Actor("officer4"), newcomer(w, "paul")); !errors.Is(err, directory.ErrInactive) {
		t.Errorf("she asks: %v", err)
	}
	if err := w.Directory.Decide(t.Context(), w.Actor("officer4"), byOther, true); err == nil || known(w, "olga") {
		t.Errorf("she approves: %v", err)
	}
	if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), asked, true); err != nil {
		t.Errorf("what she asked in time: %v", err)
	}
}

func TestAGrantEndsOnTimeWhateverIsCached(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	end := nodetest.Start.Add(24 * time.Hour)
	c := newcomer(w, "nina")
	c.Accounts[0].Ends = end
	w.Approve(c)
	runs := func() bool {
		s, err := w.Directory.Standing(t.Context(), w.Accounts["nina"].ID)
		if err != nil {
			t.Fatal(err)
		}
		return len(s.Mandates) > 0 && s.Mandates[0].Runs(w.Clock.Now())
	}
	w.Clock.Advance(24*time.Hour - time.Minute)
	if !runs() {
		t.Error("it ended too early")
	}
	w.Clock.Advance(time.Minute)
	if runs() {
		t.Error("it goes on")
	}
}

func TestARequestAlteredInTheDatabaseIsNotApproved(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddSecondRegister(2)
		db := around(t, url)
		for what, query := range map[string]string{
			"the body":             `UPDATE approvals SET body = REPLACE(body, '"agent"', '"admin"') WHERE id = $1`,
			"the diff":             `UPDATE approvals SET summary = REPLACE(summary, 'nina', 'anne') WHERE id = $1`,
			"the requester":        `UPDATE approvals SET requested_by = (SELECT MIN(id) FROM accounts WHERE email = 'admin@example.test') WHERE id = $1`,
			"the requester's name": `UPDATE approvals SET requester = 'the minister' WHERE id = $1`,
			"the end":              `UPDATE approvals SET expires = expires + 1 WHERE id = $1`,
			"whom it concerns":     `UPDATE approvals SET organisation_id = 1 WHERE id = $1`,
			"where it was asked":   `UPDATE approvals SET device = 'another' WHERE id = $1`,
			"from which network":   `UPDATE approvals SET network = '192.0.2.0/24' WHERE id = $1`,
			"in which session":     `UPDATE approvals SET session_id = session_id + 1 WHERE id = $1`,
			"the kind":             `UPDATE approvals SET kind = 'directory.links' WHERE id = $1`,
		} {
			id := ask(t, w, "officer1", newcomer(w, "nina"))
			tamper(t, db, query, int64(id))
			for _, who := range []string{"officer1", "officer2"} {
				if err := w.Directory.Decide(t.Context(), w.Actor(who), id, true); !errors.Is(err, directory.ErrDead) || known(w, "nina") {
					t.Errorf("%s was altered, and %s approves: %v", what, who, err)
				}
			}
			if _, err := w.Directory.Approval(t.Context(), w.Actor("officer2"), id); !errors.Is(err, directory.ErrDead) {
				t.Errorf("%s was altered, and is shown: %v", what, err)
			}
		}
		// A request of another body, moved here; and one body in the place of another.
		id := ask(t, w, "officer1", newcomer(w, "nina"))
		foreign := ask(t, w, "sofficer1", directory.Change{Controller: "sport-scolaire"})
		tamper(t, db, `UPDATE approvals SET controller_id = $2 WHERE id = $1`, int64(foreign), int64(w.Accounts["officer1"].Controller))
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), foreign, true); !errors.Is(err, directory.ErrDead) {
			t.Errorf("a moved request is approved: %v", err)
		}
		other := ask(t, w, "officer1", newcomer(w, "olga"))
		tamper(t, db, `UPDATE approvals SET body = (SELECT body FROM approvals WHERE id = $2) WHERE id = $1`, int64(id), int64(other))
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), id, true); !errors.Is(err, directory.ErrDead) || known(w, "olga") {
			t.Errorf("one request with the body of another is approved: %v", err)
		}
		verified(t, w)
	})
}

func TestTheApproverIsWarnedOfAnInstallationBatch(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	c := newcomer(w, "nina")
	c.Installation = true
	a, err := w.Directory.Approval(t.Context(), w.Actor("officer2"), ask(t, w, "officer1", c))
	if err != nil {
		t.Fatal(err)
	}
	diff, err := a.Diff()
	if err != nil || !strings.Contains(strings.Join(diff.Warnings, ","), "installation 1") {
		t.Errorf("the warnings are %v (%v)", diff.Warnings, err)
	}
}

func TestOnlyWhatTheInstallationBatchGrantedHasFullLimitsAtOnce(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	limits := func(name string) (list []int) {
		s, err := w.Directory.Standing(t.Context(), w.Accounts[name].ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range s.Mandates {
			n := m.Limits.New24h
			if !m.Installed {
				n /= 4
			}
			list = append(list, n)
		}
		return list
	}
	w.Clock.Advance(time.Hour)
	c := newcomer(w, "nina")
	second := w.Agreement("A")
	second.Code = "second"
	c.Agreements = append(c.Agreements, second)
	a := nodetest.Account("anne", "A", "A1", ecluse.RoleAgent)
	a.Agreements = []string{"conv", "second"}
	c.Accounts = append(c.Accounts, a)
	w.Approve(c)
	for name, want := range map[string][]int{"anne": {40, 10}, "bob": {40}, "nina": {10}} {
		if got := limits(name); len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] {
			t.Errorf("%s has %v new persons a day by mandate, not %v", name, got, want)
		}
	}
}
