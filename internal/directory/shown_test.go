package directory_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// other gives a field another value.
func other(t *testing.T, v reflect.Value, name string) {
	t.Helper()
	switch v.Interface().(type) {
	case string:
		known := map[string]string{"Organisation": "B", "Parent": "B", "Site": "A2", "State": directory.Ended}
		if text, ok := known[name]; ok {
			v.SetString(text)
		} else {
			v.SetString("other")
		}
	case time.Time:
		v.Set(reflect.ValueOf(nodetest.Start.AddDate(0, 1, 0)))
	case []ecluse.Role:
		v.Set(reflect.ValueOf([]ecluse.Role{ecluse.RoleAccountManager}))
	case int:
		v.SetInt(7)
	case bool:
		v.SetBool(true)
	case []directory.TrainedChange:
		v.Set(reflect.ValueOf([]directory.TrainedChange{{Register: 1, Until: nodetest.Start.AddDate(0, 1, 0)}}))
	case []string:
		v.Set(reflect.ValueOf([]string{}))
	case ecluse.FieldSet:
		v.Set(reflect.ValueOf(ecluse.FieldSet(1)))
	case ecluse.RegisterID:
		v.Set(reflect.ValueOf(ecluse.RegisterID(987)))
	default:
		t.Fatalf("%s: the test does not know %s", name, v.Type())
	}
}

func TestEveryColumnOfAChangeIsShownToTheApprover(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	show := func(row any) string {
		c := w.Change()
		switch row := row.(type) {
		case directory.OrganisationChange:
			c.Organisations = append(c.Organisations, row)
		case directory.AgreementChange:
			c.Agreements = append(c.Agreements, row)
		case directory.AccountChange:
			c.Accounts = append(c.Accounts, row)
		}
		s, err := w.Directory.Compare(t.Context(), c)
		if err != nil {
			return "refused"
		}
		return fmt.Sprint(s)
	}
	organisation := directory.OrganisationChange{Code: "A", Kind: "ml", Name: "ML A", Territory: "93", Phone: "+33199001234", State: directory.Active}
	fresh, newAgreement := organisation, w.Agreement("A")
	fresh.Code, newAgreement.Code = "N", "new"
	rows := []any{
		organisation, fresh, w.Agreement("A"), newAgreement,
		nodetest.Account("anne", "A", "A1", ecluse.RoleAgent), nodetest.Account("nina", "A", "A1", ecluse.RoleAgent),
	}
	for i, row := range rows {
		base := show(row)
		if lines := strings.Contains(base, "{new ") || strings.Contains(base, "{changed "); base == "refused" || lines != (i%2 == 1) {
			t.Errorf("row %d as it is, or new: %s", i, base)
		}
		for k := range reflect.TypeOf(row).NumField() {
			name := reflect.TypeOf(row).Field(k).Name
			altered := reflect.New(reflect.TypeOf(row)).Elem()
			altered.Set(reflect.ValueOf(row))
			other(t, altered.Field(k), name)
			if a, ok := altered.Addr().Interface().(*directory.AgreementChange); ok && name == "Organisation" {
				a.Organisation = "A1" // B has the same agreement as A
			}
			if got := show(altered.Interface()); got == base {
				t.Errorf("%T %d: another %s is not shown: %s", row, i, name, got)
			}
		}
	}
}

func TestTheDiffSaysOldAndNew(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	c := w.Change()
	anne := nodetest.Account("anne", "A", "A2", ecluse.RoleAgent)
	anne.Roles = append(anne.Roles, ecluse.RoleAccessOfficer)
	anne.UsualName = "Test · roles: none"
	c.Accounts = append(c.Accounts, anne)
	for i := range 3 {
		c.Links = append(c.Links, directory.LinkChange{
			Register: w.Register.ID, Persons: []ecluse.PersonID{ecluse.PersonID(1 + i/2)}, Account: nodetest.Email("carl"), Kind: directory.LinkCaseload, Ends: nodetest.Start.AddDate(0, 1, i),
		})
	}
	s, err := w.Directory.Compare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	const (
		anneText = `usual_name: Test → "Test \u00b7 roles: none" · site: A1 → A2 · roles: agent (A mission-locale conv) → access_officer, agent (A mission-locale conv)`
		carlText = "receiver: carl@example.test · mission-locale caseload: 2 persons, 3 links, from approval until 2026-04-04T09:00:00Z"
	)
	if l := s.Accounts[0]; l.Op != "changed" || l.Name != "anne Test · roles: none" || l.Text() != anneText {
		t.Errorf("%s %s %s", l.Op, l.Name, l.Text())
	}
	if l := s.Receivers[0]; l.Op != "new" || l.Name != "carl Test" || l.Text() != carlText {
		t.Errorf("%s %s %s", l.Op, l.Name, l.Text())
	}
}

func TestWhatIsNotAnyMoreWhatWasShownIsNotApproved(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		promote := w.Change()
		a := nodetest.Account("anne", "A", "A1", ecluse.RoleAgent)
		a.Roles = append(a.Roles, ecluse.RoleAccountManager)
		promote.Accounts = append(promote.Accounts, a)
		id := ask(t, w, "officer1", promote)
		move := w.Change()
		move.Accounts = append(move.Accounts, nodetest.Account("anne", "A", "A2", ecluse.RoleAgent))
		w.Approve(move)
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), id, true); !errors.Is(err, directory.ErrChanged) {
			t.Errorf("the account moved meanwhile, and the request is approved: %v", err)
		}
		if s, err := w.Directory.Standing(t.Context(), w.Accounts["anne"].ID); err != nil || s.Has(ecluse.RoleAccountManager) || s.Site.Code != "A2" {
			t.Errorf("something of it took effect: %v, %v at %s", err, s.Roles, s.Site.Code)
		}
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), id, false); err != nil {
			t.Errorf("nor can it be refused: %v", err)
		}
		verified(t, w)
	})
}

func TestNoDeadRowIsSignedAnew(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		db := around(t, url)
		anne := int64(w.Accounts["anne"].ID)
		change := w.Change()
		a := nodetest.Account("anne", "A", "A2", ecluse.RoleAgent)
		change.Accounts, change.Agreements = append(change.Accounts, a), append(change.Agreements, w.Agreement("A"))
		change.Agreements[0].Limits = `{"new_24h":41}`
		for what, q := range map[string][2]string{
			"an account":   {`UPDATE accounts SET sub = 'sub-thief' WHERE id = $1`, `UPDATE accounts SET sub = 'sub-anne' WHERE id = $1`},
			"a grant":      {`UPDATE grants SET ends = 9 WHERE account_id = $1`, `UPDATE grants SET ends = 0 WHERE account_id = $1`},
			"an agreement": {`UPDATE agreements SET fields = fields + 1 WHERE id = (SELECT agreement_id FROM grants WHERE account_id = $1)`, `UPDATE agreements SET fields = fields - 1 WHERE id = (SELECT agreement_id FROM grants WHERE account_id = $1)`},
		} {
			id := ask(t, w, "officer1", change)
			tamper(t, db, q[0], anne)
			if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), id, true); !errors.Is(err, directory.ErrDead) {
				t.Errorf("%s: %v", what, err)
			}
			if _, err := w.Directory.Request(t.Context(), w.Actor("officer1"), change); !errors.Is(err, directory.ErrDead) {
				t.Errorf("%s, asked afterwards: %v", what, err)
			}
			tamper(t, db, q[1], anne)
			if got, err := w.Store.Account(t.Context(), w.Accounts["anne"].ID); err != nil || got.Site != w.Accounts["anne"].Site {
				t.Errorf("%s: something changed all the same (%v)", what, err)
			}
		}
		w.Approve(change) // all is as it was
		verified(t, w)
	})
}

func TestABodyIsFoundedOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		body := w.Change().Controller
		staff := func(prefix string) (list []directory.AccountChange) {
			for _, n := range []string{"1", "2"} {
				a := officer(prefix + n)
				a.Organisation = body
				list = append(list, a)
			}
			return list
		}
		if err := w.Directory.Found(t.Context(), staff("late")); !errors.Is(err, directory.ErrFounded) || known(w, "late1") {
			t.Errorf("a second time: %v", err)
		}
		admin := officer("admin2")
		admin.Organisation, admin.Roles = body, []ecluse.Role{ecluse.RoleAdmin}
		if err := w.Directory.Found(t.Context(), []directory.AccountChange{admin}); err == nil || known(w, "admin2") {
			t.Error("an administrator joins a body that has its accounts, without any approval")
		}
		empty := nodetest.Create(t, fresh(t, url), t.TempDir(), nil)
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() { errs[i] = empty.Directory.Found(context.Background(), staff(fmt.Sprintf("o%d", i))) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, directory.ErrFounded) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d of four who found a body at once do", won)
		}
	})
}

func TestEyesAreOtherEyesAtAnotherDesk(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	at := func(name, device string, session ecluse.SessionID) directory.Actor {
		a := w.Actor(name)
		a.Device, a.Session = device, session
		return a
	}
	approval, err := w.Directory.Request(t.Context(), at("officer1", "desk1", 7), newcomer(w, "nina"))
	if err != nil {
		t.Fatal(err)
	}
	weak, faint := at("officer2", "desk2", 8), at("officer2", "desk2", 8)
	weak.Strong, faint.Assured = false, false
	for what, c := range map[string]struct {
		by   directory.Actor
		want error
	}{
		"an e-mailed code": {weak, directory.ErrWeak}, "no assurance": {faint, directory.ErrWeak},
		"the same browser": {at("officer2", "desk1", 8), directory.ErrDualControl}, "the same session": {at("officer2", "desk2", 7), directory.ErrDualControl},
		"no browser": {at("officer2", "", 0), directory.ErrDualControl},
	} {
		for _, approve := range []bool{true, false} {
			if err := w.Directory.Decide(t.Context(), c.by, approval.ID, approve); !errors.Is(err, c.want) || known(w, "nina") {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if err := w.Directory.Decide(t.Context(), at("officer2", "desk2", 8), approval.ID, true); err != nil {
		t.Error(err)
	}
	faint = w.Actor("rssi")
	faint.Assured = false
	if _, err := w.Directory.Reviews(t.Context(), faint, directory.ReviewsWaiting, 0); !errors.Is(err, directory.ErrWeak) {
		t.Errorf("reviews without assurance: %v", err)
	}
}

func TestASuspendedAccountIsShownNothingToDecide(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	id := ask(t, w, "officer1", newcomer(w, "nina"))
	for _, name := range []string{"officer2", "rssi", "manager"} {
		w.SetState(name, directory.Suspended)
	}
	_, err1 := w.Directory.Approvals(t.Context(), w.Actor("officer2"))
	_, err2 := w.Directory.Approval(t.Context(), w.Actor("officer2"), id)
	_, err3 := w.Directory.Reviews(t.Context(), w.Actor("rssi"), directory.ReviewsContested, 0)
	_, err4 := w.Directory.Reviews(t.Context(), w.Actor("manager"), directory.ReviewsWaiting, 0)
	for i, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, directory.ErrInactive) {
			t.Errorf("page %d: %v", i+1, err)
		}
	}
}

func TestAnInvitationDoesNotBringBackAnAccountEndedInTheSameBatch(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		hold, held := make(chan struct{}), make(chan struct{})
		var once sync.Once
		armed := make(chan struct{})
		w := nodetest.New(t, url, &store.Hooks{BeforeCommit: func(context.Context) error {
			select {
			case <-armed:
				once.Do(func() { close(held); <-hold })
			default:
			}
			return nil
		}})
		token := invite(t, w, "nina")
		c := newcomer(w, "nina")
		c.Accounts[0].IDP, c.Accounts[0].Sub, c.Accounts[0].State = "", "", directory.Ended
		id := ask(t, w, "officer1", c)
		close(armed)
		var wg sync.WaitGroup
		wg.Go(func() { ask(t, w, "officer1", newcomer(w, "olga")) }) // holds the writer; changes no revision
		<-held
		queued := func(n int) {
			for range 400 {
				if w.Ledger.QueueLength() >= n {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
			t.Error("it never queued")
		}
		var ended, bound error
		wg.Go(func() { ended = w.Directory.Decide(context.Background(), w.Actor("officer2"), id, true) })
		queued(1)
		wg.Go(func() { _, bound = w.Directory.Bind(context.Background(), token, identity("nina", "sub-nina")) })
		queued(2)
		close(hold)
		wg.Wait()
		if ended != nil || !errors.Is(bound, directory.ErrInvitationUsed) || known(w, "nina") {
			t.Errorf("ended: %v; bound: %v; known: %v", ended, bound, known(w, "nina"))
		}
		verified(t, w)
	})
}

func TestARoleThatAnImportDropsEnds(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		a := nodetest.Account("anne", "A", "A1", ecluse.RoleAgent)
		a.Roles = []ecluse.Role{ecluse.RoleAccountManager}
		roles := func() []ecluse.Role {
			s, err := w.Directory.Standing(t.Context(), w.Accounts["anne"].ID)
			if err != nil {
				t.Fatal(err)
			}
			return s.Roles
		}
		c := w.Change()
		c.Accounts = []directory.AccountChange{a}
		w.Clock.Advance(time.Hour)
		w.Approve(c)
		if d := cmp.Diff([]ecluse.Role{ecluse.RoleAccountManager}, roles()); d != "" {
			t.Error(d)
		}
		w.Approve(c) // nothing changes
		c.Accounts[0] = nodetest.Account("anne", "A", "A1", ecluse.RoleAgent)
		w.Approve(c)
		s, err := w.Directory.Standing(t.Context(), w.Accounts["anne"].ID)
		if err != nil || len(s.Mandates) != 1 || s.Mandates[0].Installed || !s.Mandates[0].Since.Equal(w.Clock.Now()) {
			t.Errorf("a role that comes back is not a new one: %v %v", err, s.Mandates)
		}
		verified(t, w)
	})
}

func TestNoImportedLinkOutlivesItsKind(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	for kind, longest := range directory.LinkKinds {
		for by, want := range map[time.Duration]error{0: nil, time.Second: directory.ErrLinkLife} {
			c := w.Change()
			c.Links = append(c.Links, directory.LinkChange{
				Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons["P001"]}, Account: nodetest.Email("carl"), Kind: kind, Ends: w.Clock.Now().Add(longest + by),
			})
			if _, err := w.Directory.Request(t.Context(), w.Actor("officer1"), c); !errors.Is(err, want) {
				t.Errorf("%s, %v over: %v", kind, by, err)
			}
		}
	}
}

func TestOfficersWhomTheSameOneAskedForAreOnePairOfEyes(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	c := w.Change()
	c.Accounts = append(c.Accounts, officer("puppet1"), officer("puppet2"))
	w.Approve(c)
	w.SignIn("puppet1")
	w.SignIn("puppet2")
	if err := w.TryApprove("puppet1", "puppet2", newcomer(w, "nina")); !errors.Is(err, directory.ErrDualControl) || known(w, "nina") {
		t.Errorf("one puppet approves what the other asks: %v", err)
	}
	if err := w.TryApprove("puppet1", "officer2", newcomer(w, "nina")); err != nil {
		t.Error(err)
	}
}
