package directory_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/policy"
	"ecluse/internal/store/storetest"
)

// request is what an account manager asks for a newcomer.
func request(name string, roles ...ecluse.Role) directory.AccountRequest {
	if len(roles) == 0 {
		roles = []ecluse.Role{ecluse.RoleAgent}
	}
	return directory.AccountRequest{Email: nodetest.Email(name), GivenName: name, UsualName: "Test", Site: "A1", Roles: roles, Reason: "arrival"}
}

// asked asks for an account and returns the request.
func asked(t testing.TB, w *nodetest.World, who string, r directory.AccountRequest) ecluse.ApprovalID {
	t.Helper()
	a, err := w.Directory.RequestAccount(t.Context(), w.Actor(who), r)
	if err != nil {
		t.Fatal(err)
	}
	return a.ID
}

func decided(t testing.TB, w *nodetest.World, who string, id ecluse.ApprovalID) {
	t.Helper()
	if err := w.Directory.Decide(t.Context(), w.Actor(who), id, true); err != nil {
		t.Fatal(err)
	}
}

// invitation is the token of an account's newest invitation.
func invitation(t testing.TB, w *nodetest.World, email string) string {
	t.Helper()
	list, err := w.Directory.PendingInvitations(t.Context(), w.Accounts["officer1"].Controller)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range slices.Backward(list) {
		if i.Account.Email == email {
			return i.Token
		}
	}
	return ""
}

// opened has a manager's request approved and its owner signed in for the first time.
func opened(t testing.TB, w *nodetest.World, r directory.AccountRequest, id directory.Identity) directory.Account {
	t.Helper()
	decided(t, w, "officer2", asked(t, w, "manager", r))
	a, err := w.Directory.Bind(t.Context(), invitation(t, w, r.Email), id)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func standing(t testing.TB, w *nodetest.World, id ecluse.AccountID) directory.Standing {
	t.Helper()
	s, err := w.Directory.Standing(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAManagerAsksForTwoAccountsAndNeitherWorksUntilAnOfficerApproves(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		nina, olga := asked(t, w, "manager", request("nina")), asked(t, w, "manager", request("olga"))
		for _, name := range []string{"nina", "olga"} {
			if found, err := w.Store.AccountsByEmail(t.Context(), nodetest.Email(name)); err != nil || len(found) != 0 || invitation(t, w, nodetest.Email(name)) != "" {
				t.Errorf("%s has something before anybody approved: %v %v", name, found, err)
			}
		}
		for _, who := range []string{"manager", "anne", "rssi", "dpo", "admin", "bmanager"} {
			if _, there := w.Accounts[who]; !there {
				continue
			}
			if err := w.Directory.Decide(t.Context(), w.Actor(who), nina, true); !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("%s approves: %v", who, err)
			}
		}
		decided(t, w, "officer2", nina)
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), olga, false); err != nil {
			t.Fatal(err)
		}
		if invitation(t, w, nodetest.Email("olga")) != "" {
			t.Error("a refused account has an invitation")
		}
		a, err := w.Directory.Bind(t.Context(), invitation(t, w, nodetest.Email("nina")), identity("nina", "sub-nina"))
		if err != nil {
			t.Fatal(err)
		}
		s := standing(t, w, a.ID)
		switch {
		case !a.Acts(w.Clock.Now()), !s.Has(ecluse.RoleAgent), len(s.Mandates) != 1, s.Site.Code != "A1", s.Mandates[0].Installed:
			t.Errorf("the account is %+v with %+v", a, s.Mandates)
		case a.RequestedBy != w.Accounts["manager"].ID, a.ApprovedBy != w.Accounts["officer2"].ID, a.Ends.IsZero():
			t.Errorf("it was asked for by %d, approved by %d, until %v", a.RequestedBy, a.ApprovedBy, a.Ends)
		}
		verified(t, w)
	})
}

func TestWhatMayBeAskedForWhom(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	w.SetState("bob", directory.Suspended)
	with := func(name string, change func(*directory.AccountRequest)) directory.AccountRequest {
		r := request(name)
		change(&r)
		return r
	}
	for what, c := range map[string]struct {
		who  string
		r    directory.AccountRequest
		want error
	}{
		"an agent of her organisation":       {"manager", request("nina"), nil},
		"a manager beside her":               {"manager", request("nina", ecluse.RoleAccountManager), nil},
		"by an agent":                        {"anne", request("nina"), directory.ErrDualControl},
		"by a security officer":              {"rssi", request("nina"), directory.ErrDualControl},
		"by an access officer":               {"officer1", with("nina", func(r *directory.AccountRequest) { r.Organisation = "A" }), nil},
		"by an administrator":                {"admin", with("nina", func(r *directory.AccountRequest) { r.Organisation = "A" }), nil},
		"in another organisation":            {"manager", with("nina", func(r *directory.AccountRequest) { r.Organisation, r.Site = "B", "" }), directory.ErrNotFound},
		"in an organisation that is none":    {"officer1", with("nina", func(r *directory.AccountRequest) { r.Organisation = "Z" }), directory.ErrNotFound},
		"in a site as if it were one":        {"officer1", with("nina", func(r *directory.AccountRequest) { r.Organisation = "A1" }), directory.ErrNotFound},
		"at another organisation's site":     {"manager", with("nina", func(r *directory.AccountRequest) { r.Site = "B1" }), directory.ErrNotFound},
		"under an agreement that is none":    {"manager", with("nina", func(r *directory.AccountRequest) { r.Agreements = []string{"other"} }), directory.ErrNotFound},
		"without a role":                     {"manager", with("nina", func(r *directory.AccountRequest) { r.Roles = nil }), directory.ErrRole},
		"with a role that is none":           {"manager", request("nina", "queen"), directory.ErrRole},
		"as a person":                        {"officer1", request("nina", ecluse.RolePerson), directory.ErrRole},
		"as an access officer, by a manager": {"manager", request("nina", ecluse.RoleAccessOfficer), directory.ErrRole},
		"as an administrator, by a manager":  {"manager", request("nina", ecluse.RoleAgent, ecluse.RoleAdmin), directory.ErrRole},
		"as an agent of the body":            {"officer1", with("nina", func(r *directory.AccountRequest) { r.Site = "" }), directory.ErrRole},
		"for the body's own staff":           {"officer1", with("nina", func(r *directory.AccountRequest) { r.Site, r.Roles = "", []ecluse.Role{ecluse.RoleDPO} }), nil},
		"for herself":                        {"manager", request("manager"), directory.ErrDualControl},
		"for the body's officer":             {"manager", request("officer2"), directory.ErrTaken},
		"for a suspended colleague":          {"manager", request("bob"), directory.ErrTaken},
		"to bind nobody anew":                {"manager", with("nina", func(r *directory.AccountRequest) { r.Relink = true }), directory.ErrTaken},
		"with no address":                    {"manager", with("nina", func(r *directory.AccountRequest) { r.Email = "nina" }), directory.ErrEmail},
		"with a name and an address":         {"manager", with("nina", func(r *directory.AccountRequest) { r.Email = "Nina <nina@example.test>" }), directory.ErrEmail},
		"with an address and more":           {"manager", with("nina", func(r *directory.AccountRequest) { r.Email = "nina@example.test\r\nBcc: all@example.test" }), directory.ErrEmail},
		"without a name":                     {"manager", with("nina", func(r *directory.AccountRequest) { r.UsualName = " " }), directory.ErrName},
		"with a name that hides another":     {"manager", with("nina", func(r *directory.AccountRequest) { r.GivenName = "nina\u202e" }), directory.ErrName},
		"with a very long name":              {"manager", with("nina", func(r *directory.AccountRequest) { r.GivenName = strings.Repeat("n", 300) }), directory.ErrName},
		"for no reason":                      {"manager", with("nina", func(r *directory.AccountRequest) { r.Reason = "because" }), directory.ErrReason},
		"for ever":                           {"manager", with("nina", func(r *directory.AccountRequest) { r.Ends = w.Clock.Now().AddDate(1, 0, 2) }), directory.ErrEnd},
		"until yesterday":                    {"manager", with("nina", func(r *directory.AccountRequest) { r.Ends = w.Clock.Now().Add(-time.Hour) }), directory.ErrEnd},
	} {
		if _, err := w.Directory.RequestAccount(t.Context(), w.Actor(c.who), c.r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	weak := w.Actor("manager")
	weak.Strong = false
	if _, err := w.Directory.RequestAccount(t.Context(), weak, request("paul")); !errors.Is(err, directory.ErrWeak) {
		t.Errorf("in a weak session: %v", err)
	}
}

func TestAnOfficerOfAnOrganisationDecidesForOthersOnly(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	c := w.Change()
	for _, place := range []string{"A", "B"} {
		named := nodetest.Account("named"+strings.ToLower(place), place, place+"1", ecluse.RoleAccessOfficer)
		manages := nodetest.Account("boss"+strings.ToLower(place), place, place+"1", ecluse.RoleAccountManager)
		c.Accounts = append(c.Accounts, named, manages)
	}
	w.Approve(c) // officer1 asks, so that they are siblings of each other and of nobody else
	for _, name := range []string{"nameda", "namedb", "bossa", "bossb"} {
		w.SignIn(name)
	}
	in := func(place, name string) directory.AccountRequest {
		r := request(name)
		r.Organisation, r.Site = place, place+"1"
		return r
	}
	for _, c := range []struct {
		asks, decides, place string
		want                 ecluse.Reason
	}{
		{"officer2", "nameda", "A", ecluse.ReasonDualOwn},
		{"officer2", "nameda", "B", ""},
		{"officer2", "namedb", "B", ecluse.ReasonDualOwn},
		{"bossb", "nameda", "B", ecluse.ReasonDualLineage}, // one asked for both
		{"officer2", "officer1", "B", ""},
	} {
		id := asked(t, w, c.asks, in(c.place, "n"+strings.ToLower(c.asks+c.decides+c.place)))
		err := w.Directory.Decide(t.Context(), w.Actor(c.decides), id, true)
		var refused *directory.RefusedError
		switch {
		case c.want == "" && err != nil, c.want != "" && (!errors.As(err, &refused) || !slices.Equal(refused.Reasons, []ecluse.Reason{c.want})):
			t.Errorf("%s asks for %s, %s decides: %v", c.asks, c.place, c.decides, err)
		}
	}
	whole := ask(t, w, "officer2", newcomer(w, "zoe"))
	if err := w.Directory.Decide(t.Context(), w.Actor("nameda"), whole, true); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("an organisation's officer decides a change of the directory: %v", err)
	}
}

func TestTheTwentyFirstApprovalOfADayIsRefused(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	w.Clock.Advance(25 * time.Hour)
	var last ecluse.ApprovalID
	for i := range policy.MaxApprovals {
		last = asked(t, w, "manager", request("n"+string(rune('a'+i))))
		decided(t, w, "officer2", last)
	}
	late := asked(t, w, "manager", request("late"))
	var refused *directory.RefusedError
	if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), late, true); !errors.As(err, &refused) || !slices.Equal(refused.Reasons, []ecluse.Reason{ecluse.ReasonDualDaily}) {
		t.Errorf("the twenty-first: %v", err)
	}
	w.Clock.Advance(24*time.Hour - time.Minute)
	if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), late, true); !errors.As(err, &refused) {
		t.Errorf("a minute too early: %v", err)
	}
	w.Clock.Advance(time.Minute)
	if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), late, true); err != nil {
		t.Errorf("a day later: %v", err)
	}
}
