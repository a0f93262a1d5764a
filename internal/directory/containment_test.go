package directory_test

import (
	"context"
	"database/sql"
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

	"github.com/google/go-cmp/cmp"
)

const why = "The phone of its owner was stolen this morning."

// adopt says of an account who asked for it and who approved it, as if they had.
func adopt(t testing.TB, w *nodetest.World, db *sql.DB, name, requester, approver string) {
	t.Helper()
	a := w.Accounts[name]
	a.RequestedBy, a.ApprovedBy = w.Accounts[requester].ID, w.Accounts[approver].ID
	tamper(t, db, `UPDATE accounts SET requested_by = $2, approved_by = $3, mac = $4 WHERE id = $1`, int64(a.ID), int64(a.RequestedBy), int64(a.ApprovedBy), w.AccountMAC(a))
	w.Accounts[name] = a
}

// family is a world where manager asked for anne, who asked for bob, who approved carl.
func family(t testing.TB, url string) (*nodetest.World, *sql.DB) {
	w := nodetest.New(t, url, nil)
	db := around(t, url)
	adopt(t, w, db, "anne", "manager", "officer1")
	adopt(t, w, db, "bob", "anne", "officer2")
	adopt(t, w, db, "carl", "officer1", "bob")
	w.SignIn("rssi")
	return w, db
}

// names are the accounts of kin in order, with their distance.
func names(kin []directory.Kin) (list []string) {
	for _, k := range kin {
		text := fmt.Sprintf("%d %s", k.Depth, k.GivenName)
		if k.Dead {
			text += " dead"
		}
		list = append(list, text)
	}
	return list
}

func TestALineageSaysWhoMadeWhomAtAnyDistance(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w, db := family(t, url)
		link(t, w, "anne", "dora", 1)
		tell := func(name string) [][]string {
			l, err := w.Directory.Lineage(t.Context(), w.Actor("rssi"), w.Accounts[name].ID)
			if err != nil {
				t.Fatal(err)
			}
			return [][]string{names([]directory.Kin{l.Kin}), names(l.Ancestors), names(l.Descendants), {fmt.Sprint(len(l.Given.Grants), len(l.Given.Links), len(l.Given.Raises))}}
		}
		want := [][]string{{"0 anne"}, {"1 manager", "1 officer1", "2 officer2"}, {"1 bob", "2 carl"}, {"0 1 0"}}
		if diff := cmp.Diff(want, sorted(tell("anne"))); diff != "" {
			t.Errorf("anne's lineage:\n%s", diff)
		}
		adopt(t, w, db, "manager", "carl", "officer2") // a circle, which nobody could make
		want = [][]string{{"0 anne"}, {"1 manager", "1 officer1", "2 carl", "2 officer2", "3 bob"}, {"1 bob", "2 carl", "3 manager"}, {"0 1 0"}}
		if diff := cmp.Diff(want, sorted(tell("anne"))); diff != "" {
			t.Errorf("in a circle:\n%s", diff)
		}
		tamper(t, db, `UPDATE accounts SET usual_name = 'Other' WHERE id = $1`, int64(w.Accounts["bob"].ID))
		want[1] = []string{"1 manager", "1 officer1", "2 carl", "2 officer2", "3 bob dead"}
		want[2] = []string{"1 bob dead", "2 carl", "3 manager"}
		if diff := cmp.Diff(want, sorted(tell("anne"))); diff != "" {
			t.Errorf("a dead row hides others:\n%s", diff)
		}
		for _, who := range []string{"anne", "admin", "dora"} {
			if _, err := w.Directory.Lineage(t.Context(), w.Actor(who), w.Accounts["bob"].ID); !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("%s sees a lineage: %v", who, err)
			}
		}
	})
}

// sorted puts relatives of one distance into the order of their names.
func sorted(lists [][]string) [][]string {
	for _, l := range lists {
		slices.Sort(l)
	}
	return lists
}

// link has one agent entrust person i to another.
func link(t testing.TB, w *nodetest.World, maker, receiver string, i int) {
	t.Helper()
	l := directory.Link{
		Register: w.Register.ID, Person: w.Persons[nodetest.External(i)], Account: w.Accounts[receiver].ID, Site: w.Accounts[receiver].Site,
		Organisation: w.Accounts[receiver].Organisation, Kind: directory.LinkAppointment, MadeBy: w.Accounts[maker].ID, Ends: w.Clock.Now().Add(72 * time.Hour),
	}
	_, effect := w.Directory.Linking(l)
	_, err := w.Ledger.Append(context.Background(), ledger.Candidate{
		Kind: ledger.KindDirectory, Account: l.MadeBy, Revision: ledger.AnyRevision, Detail: ledger.Detail{What: "link"}, Effect: effect,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// state of an account as it is now.
func state(t testing.TB, w *nodetest.World, name string) string {
	t.Helper()
	a, err := w.Store.Account(context.Background(), w.Accounts[name].ID)
	if err != nil {
		t.Fatal(err)
	}
	return a.State
}

// tables is everything that containment may change, but for its own rows and what signs them.
func tables(t testing.TB, db *sql.DB) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for name, query := range map[string]string{
		"accounts":     `SELECT id, state, requested_by, ends FROM accounts ORDER BY id`,
		"grants":       `SELECT account_id, agreement_id, ends, created FROM grants ORDER BY account_id, agreement_id, role`,
		"links":        `SELECT id, account_id, ends, starts FROM links ORDER BY id`,
		"observations": `SELECT register_id, controller_id, ends, starts FROM observations ORDER BY register_id`,
		"client_keys":  `SELECT id, account_id, ends, revoked_at FROM client_keys ORDER BY id`,
	} {
		rows, err := db.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var a, b, c, d any
			if err := rows.Scan(&a, &b, &c, &d); err != nil {
				t.Fatal(err)
			}
			all[name] = append(all[name], fmt.Sprint(a, " ", b, " ", c, " ", d))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func uncontain(t testing.TB, w *nodetest.World, requester, approver string, id ecluse.ContainmentID) error {
	t.Helper()
	a, err := w.Directory.RequestUncontainment(context.Background(), w.Actor(requester), id)
	if err != nil {
		return err
	}
	return w.Directory.Decide(context.Background(), w.Actor(approver), a.ID, true)
}

func TestContainmentStopsTheTreeAndUndoingRestoresExactlyThat(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w, db := family(t, url)
		ctx := t.Context()
		for _, who := range []string{"anne", "anne", "carl"} {
			w.SignIn(who)
		}
		link(t, w, "bob", "dora", 41)
		before := tables(t, db)
		c := directory.Containment{Account: w.Accounts["anne"].ID, Tree: true, Reason: why}
		p, err := w.Directory.Preview(ctx, w.Actor("rssi"), c)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"0 anne", "1 bob", "2 carl"}, names(p.Accounts)); diff != "" || p.Sessions != 3 || p.Links != 1 || len(p.Reasons) > 0 {
			t.Errorf("the preview: %+v\n%s", p, diff)
		}
		if diff := cmp.Diff(before, tables(t, db)); diff != "" {
			t.Errorf("a preview changes:\n%s", diff)
		}
		done, receipt, err := w.Directory.Contain(ctx, w.Actor("rssi"), c)
		if err != nil || receipt == "" {
			t.Fatal(err)
		}
		for _, who := range []string{"anne", "bob", "carl"} {
			if state(t, w, who) != directory.Suspended {
				t.Errorf("%s acts on", who)
			}
		}
		if n := count(t, db, `SELECT COUNT(*) FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE a.state = 'suspended' AND s.revoked_at = 0`); n > 0 {
			t.Errorf("%d sessions live on", n)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM links WHERE made_by = $1 AND ends > $2`, int64(w.Accounts["bob"].ID), w.Clock.Now().UnixMicro()); n > 0 {
			t.Error("a link that they made goes on")
		}
		if _, _, err := w.Directory.Contain(ctx, w.Actor("rssi"), c); !errors.Is(err, directory.ErrContained) {
			t.Errorf("contained again: %v", err)
		}
		told := count(t, db, `SELECT COUNT(*) FROM notices WHERE kind = 'containment.concerned' AND subject_id = $1`, int64(done.ID))
		officers := count(t, db, `SELECT COUNT(*) FROM notices WHERE kind = 'containment.made' AND subject_id = $1`, int64(done.ID))
		if told != 3 || officers != 1 {
			t.Errorf("%d owners and %d times the officers are told", told, officers)
		}
		if err := uncontain(t, w, "rssi", "rssi", done.ID); !errors.Is(err, directory.ErrDualControl) {
			t.Errorf("undone alone: %v", err)
		}
		if err := uncontain(t, w, "officer1", "rssi", done.ID); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, tables(t, db)); diff != "" {
			t.Errorf("undone, this is left:\n%s", diff)
		}
		if err := uncontain(t, w, "officer1", "rssi", done.ID); !errors.Is(err, directory.ErrUndone) {
			t.Errorf("undone twice: %v", err)
		}
		if _, err := w.Directory.Standing(ctx, w.Accounts["bob"].ID); err != nil {
			t.Errorf("bob's row is dead: %v", err)
		}
		verified(t, w)
	})
}

func TestWhatAnotherContainmentTookIsNotGivenBack(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w, db := family(t, url)
		link(t, w, "bob", "dora", 41)
		before := tables(t, db)
		contain := func(name string) directory.Contained {
			t.Helper()
			done, _, err := w.Directory.Contain(t.Context(), w.Actor("officer1"), directory.Containment{Account: w.Accounts[name].ID, Tree: true, Reason: why})
			if err != nil {
				t.Fatal(err)
			}
			return done
		}
		young, old := contain("bob"), contain("anne")
		inside := tables(t, db)
		if err := uncontain(t, w, "rssi", "officer2", young.ID); err != nil {
			t.Fatal(err)
		}
		inside["links"] = tables(t, db)["links"] // they ended twice
		if diff := cmp.Diff(inside, tables(t, db)); diff != "" {
			t.Errorf("the first one undone gives back what the second one took:\n%s", diff)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM links WHERE made_by = $1 AND ends > $2`, int64(w.Accounts["bob"].ID), w.Clock.Now().UnixMicro()); n > 0 {
			t.Error("the link is back")
		}
		if err := uncontain(t, w, "rssi", "officer2", old.ID); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, tables(t, db)); diff != "" {
			t.Errorf("both undone, this is left:\n%s", diff)
		}
	})
}

func TestWhatWasGivenBeforeStaysAndAStolenOfficerNeedsTwoOthers(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w, _ := family(t, url)
		ctx := t.Context()
		since := w.Clock.Now().Add(time.Hour)
		w.Clock.Advance(2 * time.Hour)
		done, _, err := w.Directory.Contain(ctx, w.Actor("rssi"), directory.Containment{Account: w.Accounts["manager"].ID, Tree: true, Since: since, Reason: why})
		if err != nil {
			t.Fatal(err)
		}
		if what, err := done.Changed(); err != nil || len(what.Accounts) != 1 || state(t, w, "anne") != directory.Active {
			t.Errorf("accounts older than that are contained: %+v, %v", what, err)
		}
		officer := directory.Containment{Account: w.Accounts["officer1"].ID, Tree: true, Reason: why}
		if _, err := w.Directory.Preview(ctx, w.Actor("rssi"), officer); !errors.Is(err, directory.ErrSince) {
			t.Errorf("everything that an officer ever approved: %v", err)
		}
		officer.Since = since
		if _, _, err := w.Directory.Contain(ctx, w.Actor("rssi"), officer); !errors.Is(err, directory.ErrSecondOfficer) {
			t.Errorf("one officer contains another: %v", err)
		}
		for _, who := range []string{"anne", "dora", "manager", "admin", "dpo"} {
			if _, _, err := w.Directory.Contain(ctx, w.Actor(who), officer); !errors.Is(err, directory.ErrNotFound) && !errors.Is(err, directory.ErrInactive) {
				t.Errorf("%s contains: %v", who, err)
			}
		}
		weak := w.Actor("rssi")
		weak.Strong = false
		if _, _, err := w.Directory.Contain(ctx, weak, officer); !errors.Is(err, directory.ErrWeak) {
			t.Errorf("weakly signed in: %v", err)
		}
		if _, err := w.Directory.RequestContainment(ctx, w.Actor("officer1"), officer); !errors.Is(err, directory.ErrDualControl) {
			t.Errorf("oneself: %v", err)
		}
		w.SignIn("rssi")
		a, err := w.Directory.RequestContainment(ctx, w.Actor("rssi"), officer)
		if err != nil {
			t.Fatal(err)
		}
		if state(t, w, "officer1") != directory.Active {
			t.Error("it takes effect before a second officer approves")
		}
		if err := w.Directory.Decide(ctx, w.Actor("officer1"), a.ID, true); !errors.Is(err, directory.ErrDualControl) {
			t.Errorf("who is to be contained approves: %v", err)
		}
		if err := w.Directory.Decide(ctx, w.Actor("officer2"), a.ID, true); err != nil {
			t.Fatal(err)
		}
		if state(t, w, "officer1") != directory.Suspended {
			t.Error("two officers did not contain the third")
		}
		if _, _, err := w.Directory.Contain(ctx, directory.Actor{CLI: "cli:root@test"}, directory.Containment{Account: w.Accounts["officer2"].ID, Since: since, Reason: why}); !errors.Is(err, directory.ErrDualControl) {
			t.Errorf("nobody is left to undo anything: %v", err)
		}
		all, err := w.Directory.Containments(ctx, w.Actor("officer2"))
		if err != nil || len(all) != 2 || all[0].MadeBy != w.Accounts["rssi"].ID || all[0].ApprovedBy != w.Accounts["officer2"].ID {
			t.Errorf("the list: %+v, %v", all, err)
		}
		if err := uncontain(t, w, "rssi", "officer2", all[0].ID); err != nil || state(t, w, "officer1") != directory.Active {
			t.Errorf("the two who are left cannot undo it: %v", err)
		}
		verified(t, w)
	})
}

func TestOneOfficerContainsSoManyADayAndNoMore(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.SignIn("rssi")
		c := w.Change()
		for i := range 41 {
			c.Accounts = append(c.Accounts, nodetest.Account(fmt.Sprintf("x%02d", i), "A", "A1", ecluse.RoleAgent))
		}
		w.Approve(c)
		contain := func(who string, i int) error {
			_, _, err := w.Directory.Contain(t.Context(), w.Actor(who), directory.Containment{Account: w.Accounts[fmt.Sprintf("x%02d", i)].ID, Reason: why})
			return err
		}
		for i := range 40 {
			if err := contain("rssi", i); err != nil {
				t.Fatal(i, err)
			}
		}
		if err := contain("rssi", 40); !errors.Is(err, directory.ErrSecondOfficer) {
			t.Errorf("the 41st account of a day: %v", err)
		}
		if err := contain("officer1", 40); err != nil {
			t.Errorf("by another officer: %v", err)
		}
		w.Clock.Advance(25 * time.Hour)
		if err := contain("rssi", 40); !errors.Is(err, directory.ErrContained) {
			t.Errorf("the next day: %v", err)
		}
	})
}

func TestAContainmentWrittenAroundTheProgramGivesNothingBack(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w, db := family(t, url)
		done, _, err := w.Directory.Contain(t.Context(), w.Actor("rssi"), directory.Containment{Account: w.Accounts["anne"].ID, Reason: why})
		if err != nil {
			t.Fatal(err)
		}
		text, err := w.Directory.RequestUncontainment(t.Context(), w.Actor("rssi"), done.ID)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := w.Directory.Containment(t.Context(), w.Actor("dpo"), done.ID); err != nil || c.Why != why {
			t.Errorf("the reason is %q, %v", c.Why, err)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM containments WHERE id = $1`, int64(done.ID)); n != 1 {
			t.Fatal(n)
		}
		tamper(t, db, `UPDATE containments SET body = replace(body, 'active', 'actiVe') WHERE id = $1`, int64(done.ID))
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), text.ID, true); !errors.Is(err, directory.ErrDead) {
			t.Errorf("an altered containment is undone: %v", err)
		}
		if state(t, w, "anne") != directory.Suspended {
			t.Error("she is back")
		}
	})
}

func TestWhoIsContainedIsToldSinceWhenAndWhomToAsk(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w, _ := family(t, url)
		w.SignIn("dpo")
		if _, err := w.Directory.Concerns(t.Context(), w.Accounts["anne"].ID); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("nobody contained her: %v", err)
		}
		done, receipt, err := w.Directory.Contain(t.Context(), w.Actor("rssi"), directory.Containment{Account: w.Accounts["anne"].ID, Reason: why})
		if err != nil {
			t.Fatal(err)
		}
		c, err := w.Directory.Concerns(t.Context(), w.Accounts["anne"].ID)
		if err != nil || !c.At.Equal(done.At) || c.Receipt != receipt || c.Appeal.GivenName != "dpo" {
			t.Errorf("she is told %+v, %v", c, err)
		}
	})
}
