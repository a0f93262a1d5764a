package directory_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

func TestAnAccountFallsAsleepAfterSixtyDaysAndIsWokenByARequestOnly(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.SignIn("anne")
		w.SignIn("manager")
		anne := w.Accounts["anne"].ID
		state := func() string { return standing(t, w, anne).StateAt(w.Clock.Now()) }
		w.Clock.Advance(directory.DormantAfter - time.Second)
		w.SignIn("manager")
		w.SignIn("officer2")
		if state() != directory.Active {
			t.Error("it sleeps too early")
		}
		w.Clock.Advance(time.Second)
		if state() != directory.Dormant {
			t.Errorf("after 60 days it is %s", state())
		}
		if _, err := w.Directory.Team(t.Context(), w.Actor("anne")); !errors.Is(err, directory.ErrInactive) {
			t.Errorf("a dormant account acts: %v", err)
		}
		// Nobody who only holds the database wakes it.
		at := w.Clock.Now().UnixMicro()
		tamper(t, around(t, url), `UPDATE accounts SET active_at = $2 WHERE id = $1`, int64(anne), at)
		w.Reopen()
		if _, err := w.Directory.Standing(t.Context(), anne); !errors.Is(err, directory.ErrDead) {
			t.Errorf("a sign-in written around the program counts: %v", err)
		}
		tamper(t, around(t, url), `UPDATE accounts SET active_at = $2 WHERE id = $1`, int64(anne), nodetest.Start.UnixMicro())
		w.Reopen()
		r := request("anne")
		r.Reason = "return"
		id := asked(t, w, "manager", r)
		a, err := w.Directory.Approval(t.Context(), w.Actor("officer2"), id)
		if err != nil {
			t.Fatal(err)
		}
		if diff, err := a.Diff(); err != nil || diff.Account.Op != "wake" || !slices.Contains(diff.Accounts[0].Cells, directory.Cell{Name: "state", Old: "dormant", New: "active"}) {
			t.Errorf("the officer is shown %+v (%v)", diff, err)
		}
		decided(t, w, "officer2", id)
		if state() != directory.Active {
			t.Errorf("woken, it is %s", state())
		}
		w.Clock.Advance(directory.DormantAfter)
		if state() != directory.Dormant {
			t.Error("woken once, it never sleeps again")
		}
		if s := standing(t, w, w.Accounts["officer1"].ID); s.StateAt(w.Clock.Now()) != directory.Active {
			t.Error("an access officer of the body sleeps: nobody could open anything any more")
		}
	})
}

func TestAnAccountEndsWithItsOrganisation(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	c := w.Change()
	c.Organisations = append(c.Organisations, directory.OrganisationChange{Code: "A", Kind: "ml", Name: "ML A", Territory: "93", Phone: "+33199001234", State: directory.Ended})
	w.Approve(c)
	for _, name := range []string{"anne", "manager"} {
		if s := standing(t, w, w.Accounts[name].ID); s.StateAt(w.Clock.Now()) != directory.Ended {
			t.Errorf("%s is %s", name, s.StateAt(w.Clock.Now()))
		}
	}
	if _, err := w.Directory.RequestAccount(t.Context(), w.Actor("manager"), request("nina")); !errors.Is(err, directory.ErrInactive) {
		t.Errorf("the manager of an ended organisation asks: %v", err)
	}
}

func TestAnEndedAccountGoesOnUnderItsNumberWithNothingOfItsFormerRights(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		first := opened(t, w, request("nina", ecluse.RoleAgent, ecluse.RoleAccountManager), identity("nina", "sub-nina"))
		c := w.Change()
		c.Links = append(c.Links, directory.LinkChange{Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons["P131"]}, Account: nodetest.Email("nina"), Kind: directory.LinkCaseload, Ends: w.Clock.Now().AddDate(0, 3, 0)})
		w.Approve(c)
		w.Clock.Advance(time.Hour)
		if err := w.Directory.EndAccount(t.Context(), w.Actor("manager"), first.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Directory.ByIdentity(t.Context(), "test/idp", "sub-nina"); err != nil {
			t.Fatal("the row of an ended account lost its identity")
		}
		again := request("ninette") // another name, another address
		again.Email = nodetest.Email("ninette")
		decided(t, w, "officer2", asked(t, w, "manager", again))
		c = w.Change()
		c.Links = append(c.Links, directory.LinkChange{Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons["P132"]}, Account: nodetest.Email("ninette"), Kind: directory.LinkCaseload, Ends: w.Clock.Now().AddDate(0, 3, 0)})
		w.Approve(c)
		second, err := w.Directory.Bind(t.Context(), invitation(t, w, again.Email), identity("ninette", "sub-nina"))
		if err != nil {
			t.Fatal(err)
		}
		s := standing(t, w, first.ID)
		switch {
		case second.ID != first.ID:
			t.Errorf("account %d goes on as %d", first.ID, second.ID)
		case !s.Account.Acts(w.Clock.Now()), s.Account.Email != again.Email, s.Has(ecluse.RoleAccountManager), !s.Has(ecluse.RoleAgent):
			t.Errorf("it is %+v with %v", s.Account, s.Roles)
		case s.Caseload[w.Register.ID] != 1:
			t.Errorf("it has %v persons", s.Caseload)
		}
		own, err := w.Store.OwnPersons(t.Context(), s.Account, w.Register.ID, w.Clock.Now(), 0, 10)
		if err != nil || !slices.Equal(own, []ecluse.PersonID{w.Persons["P132"]}) {
			t.Errorf("it is entrusted with %v (%v)", own, err)
		}
		verified(t, w)
	})
}

func TestNobodyTakesACaseloadAlongToAnotherOrganisation(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	before := standing(t, w, w.Accounts["anne"].ID)
	c := w.Change()
	c.Accounts = append(c.Accounts, nodetest.Account("anne", "B", "B1", ecluse.RoleAgent))
	w.Approve(c)
	after := standing(t, w, w.Accounts["anne"].ID)
	if before.Caseload[w.Register.ID] == 0 || after.Account.ID != before.Account.ID || after.Caseload[w.Register.ID] != 0 {
		t.Errorf("%v before, %v after", before.Caseload, after.Caseload)
	}
	links, err := w.Store.LinksOf(t.Context(), w.Register.ID, []ecluse.PersonID{w.Persons["P001"]})
	if err != nil {
		t.Fatal(err)
	}
	if tier := directory.Explains(links, after.Account, w.Clock.Now()); tier != ecluse.Unexplained {
		t.Errorf("a person of her former caseload is of tier %d", tier)
	}
}

func TestAnotherIdentityIsBoundUnderFourEyesOnly(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		anne := w.Accounts["anne"].ID
		r := request("anne")
		r.Relink, r.Reason = true, "identity"
		caller := w.SignIn("anne")
		id := asked(t, w, "manager", r)
		if s := standing(t, w, anne); s.StateAt(w.Clock.Now()) != directory.Active {
			t.Error("the request alone did something")
		}
		decided(t, w, "officer2", id)
		if s := standing(t, w, anne); s.StateAt(w.Clock.Now()) != directory.Invited || !s.Ended(caller.Session) {
			t.Errorf("approved, it is %s, and its session goes on: %v", s.StateAt(w.Clock.Now()), !s.Ended(caller.Session))
		}
		token := invitation(t, w, nodetest.Email("anne"))
		if _, err := w.Directory.Bind(t.Context(), token, identity("anne", "sub-bob")); !errors.Is(err, directory.ErrInvitationIdentity) {
			t.Errorf("a colleague's identity: %v", err)
		}
		a, err := w.Directory.Bind(t.Context(), token, identity("anne", "sub-new"))
		if err != nil || a.ID != anne {
			t.Fatalf("%d: %v", a.ID, err)
		}
		if _, err := w.Directory.ByIdentity(t.Context(), "test/idp", "sub-anne"); !errors.Is(err, directory.ErrUnknownIdentity) {
			t.Errorf("the former identity still signs in: %v", err)
		}
		// The former identity stays hers: no second account, with meters of its own, can be made of it.
		decided(t, w, "officer2", asked(t, w, "manager", request("anna")))
		if _, err := w.Directory.Bind(t.Context(), invitation(t, w, nodetest.Email("anna")), identity("anna", "sub-anne")); !errors.Is(err, directory.ErrInvitationIdentity) {
			t.Errorf("one person has two accounts: %v", err)
		}
	})
}

func TestWhatAProviderProvesMustBeTheSameAndHintsMustAgree(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	token := invite(t, w, "nina") // nina@example.test, of an organisation without SIRET
	id := func(change func(*directory.Identity)) directory.Identity {
		i := identity("nina", "sub-nina")
		i.GivenName, i.UsualName = "nina", "Test"
		change(&i)
		return i
	}
	for what, i := range map[string]directory.Identity{
		"another address of the domain, other names": id(func(i *directory.Identity) { i.Email, i.GivenName = "mallory@example.test", "mallory" }),
		"another domain":                    id(func(i *directory.Identity) { i.Email = "nina@other.test" }),
		"another address, and it is proven": id(func(i *directory.Identity) { i.Email, i.EmailProven = "nina.test@example.test", true }),
		"no address, no names":              {IDP: "test/idp", Sub: "sub-nina"},
	} {
		if _, err := w.Directory.Bind(t.Context(), token, i); !errors.Is(err, directory.ErrInvitationUnlike) || known(w, "nina") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := w.Directory.Bind(t.Context(), token, id(func(i *directory.Identity) { i.Email, i.UsualName = "n.test@example.test", "TEST" })); err != nil {
		t.Errorf("after four mistakes, the same names at the same domain: %v", err)
	}
}

func TestAReplacementIsOpenedByTwoAndLapsesUnlessTheBodyConfirms(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		stand := func(who, name, site string) (directory.Approval, error) {
			r := request(name)
			r.Site = site
			return w.Directory.RequestStandIn(t.Context(), w.Actor(who), r)
		}
		for who, want := range map[string]error{"anne": directory.ErrDualControl, "officer1": directory.ErrDualControl, "rssi": directory.ErrDualControl} {
			if _, err := stand(who, "nina", "A1"); !errors.Is(err, want) {
				t.Errorf("%s opens a replacement: %v", who, err)
			}
		}
		if _, err := stand("manager", "bob", "A1"); !errors.Is(err, directory.ErrTaken) {
			t.Errorf("for a colleague who works: %v", err)
		}
		a, err := stand("manager", "nina", "A1")
		if err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(90 * time.Second) // what was shown does not depend on when it is decided
		for who, want := range map[string]error{"manager": directory.ErrDualControl, "officer1": directory.ErrNotFound, "bert": directory.ErrNotFound} {
			if _, there := w.Accounts[who]; !there {
				continue
			}
			if err := w.Directory.Decide(t.Context(), w.Actor(who), a.ID, true); !errors.Is(err, want) {
				t.Errorf("%s is the second person: %v", who, err)
			}
		}
		decided(t, w, "anne", a.ID)
		nina, err := w.Directory.Bind(t.Context(), invitation(t, w, nodetest.Email("nina")), identity("nina", "sub-nina"))
		if err != nil || !nina.StandIn() || !nina.Acts(w.Clock.Now()) {
			t.Fatalf("%+v: %v", nina, err)
		}
		waiting, err := w.Directory.Approvals(t.Context(), w.Actor("officer2"))
		if err != nil || len(waiting) != 1 || waiting[0].Kind != directory.KindStandInConfirm {
			t.Fatalf("the officer is asked %v (%v)", waiting, err)
		}
		w.Clock.Advance(directory.StandInLife - time.Second)
		if s := standing(t, w, nina.ID); s.StateAt(w.Clock.Now()) != directory.Active {
			t.Error("it lapses too early")
		}
		w.Clock.Advance(time.Second)
		if s := standing(t, w, nina.ID); s.StateAt(w.Clock.Now()) != directory.Ended {
			t.Error("it goes on after 48 hours")
		}
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), waiting[0].ID, true); err == nil {
			t.Error("the officer confirms what has lapsed")
		}
		// Confirmed in time, it stays; the site has two at most.
		for i, name := range []string{"olga", "paul", "rita"} {
			a, err := stand("manager", name, "A1")
			if i == directory.StandInsPerSite {
				if !errors.Is(err, directory.ErrStandIns) {
					t.Errorf("a third replacement: %v", err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			decided(t, w, "anne", a.ID)
		}
		waiting, err = w.Directory.Approvals(t.Context(), w.Actor("officer2"))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(waiting, func(a directory.Approval) bool {
			return a.Kind == directory.KindStandInConfirm && w.Clock.Now().Before(a.Expires)
		})
		decided(t, w, "officer2", waiting[i].ID)
		olga, err := w.Store.AccountsByEmail(t.Context(), nodetest.Email("olga"))
		if err != nil || olga[0].StandIn() || olga[0].ApprovedBy != w.Accounts["officer2"].ID {
			t.Errorf("confirmed, it is %+v (%v)", olga, err)
		}
		verified(t, w)
	})
}

func TestTwoReplacementsAskedBeforeEitherIsOpenedAreStillCounted(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	var ids []ecluse.ApprovalID
	for _, name := range []string{"nina", "olga", "paul"} {
		a, err := w.Directory.RequestStandIn(t.Context(), w.Actor("manager"), request(name))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, a.ID)
	}
	decided(t, w, "anne", ids[0])
	decided(t, w, "anne", ids[1])
	if err := w.Directory.Decide(t.Context(), w.Actor("anne"), ids[2], true); !errors.Is(err, directory.ErrStandIns) {
		t.Errorf("the third: %v", err)
	}
}

// TestNoSequenceGivesAnIdentityASecondNumber ends, asks for, binds, moves and binds anew accounts at random:
// meters and what was seen are kept by account, so that a subject bound to two numbers would have two budgets.
func TestNoSequenceGivesAnIdentityASecondNumber(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	owner := map[string]ecluse.AccountID{}
	bound, rounds := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		rounds++
		subjects, emails := []string{"s1", "s2", "s3"}, []string{"e1", "e2", "e3"}
		tokens := []string{}
		for range rapid.IntRange(4, 14).Draw(rt, "acts") {
			w.Clock.Advance(2 * time.Hour) // at most 20 approvals a day
			email := rapid.SampledFrom(emails).Draw(rt, "email") + fmt.Sprint(rounds%3)
			r := request(email)
			r.Relink = rapid.Bool().Draw(rt, "relink")
			r.Site = rapid.SampledFrom([]string{"A1", "A2"}).Draw(rt, "site")
			switch rapid.SampledFrom([]string{"ask", "ask", "bind", "bind", "bind", "end"}).Draw(rt, "act") {
			case "ask":
				w.SignIn("officer2")
				w.SignIn("manager")
				if a, err := w.Directory.RequestAccount(t.Context(), w.Actor("manager"), r); err == nil {
					decided(t, w, "officer2", a.ID)
				}
				if token := invitation(t, w, r.Email); token != "" {
					tokens = append(tokens, token)
				}
			case "bind":
				if len(tokens) == 0 {
					continue
				}
				subject := rapid.SampledFrom(subjects).Draw(rt, "subject") + fmt.Sprint(rounds%3)
				token := rapid.SampledFrom(tokens).Draw(rt, "token")
				id := directory.Identity{IDP: "test/idp", Sub: subject, GivenName: email, UsualName: "Test"}
				for _, name := range emails {
					id.Email, id.GivenName = nodetest.Email(name+fmt.Sprint(rounds%3)), name+fmt.Sprint(rounds%3)
					a, err := w.Directory.Bind(t.Context(), token, id)
					if err != nil {
						continue
					}
					bound++
					if before, known := owner[subject]; known && before != a.ID {
						rt.Fatalf("%s was account %d and is account %d", subject, before, a.ID)
					}
					owner[subject] = a.ID
				}
			case "end":
				if found, err := w.Store.AccountsByEmail(t.Context(), r.Email); err == nil && len(found) > 0 {
					_ = w.Directory.EndAccount(t.Context(), w.Actor("officer1"), found[len(found)-1].ID)
				}
			}
		}
	})
	if bound < 20 {
		t.Fatalf("only %d sign-ins were bound: the test tries nothing", bound)
	}
	verified(t, w)
}
