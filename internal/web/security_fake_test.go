package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/register"
	"ecluse/internal/scope"
	"ecluse/internal/signin"
)

// fakeWarden is the directory and the scope behind the pages of the security desk.
type fakeWarden struct {
	relatives  directory.Lineage
	preview    directory.Preview
	contained  []directory.Contained
	concerned  directory.Concerned
	wardenErr  error // of whatever asks or does
	left       scope.Scope
	scopeErr   error
	containing directory.Containment // asked for last
	scoped     scope.Query
	undo       ecluse.ContainmentID
}

func (f *fakeWarden) AccountCalled(_ context.Context, _ directory.Actor, email string) (ecluse.AccountID, error) {
	if email != f.relatives.Email || email == "" {
		return 0, directory.ErrNotFound
	}
	return f.relatives.ID, nil
}

func (f *fakeWarden) OrganisationCalled(_ context.Context, _ directory.Actor, code string) (ecluse.OrganisationID, error) {
	if code != "ml-lezarde" {
		return 0, directory.ErrNotFound
	}
	return 3, nil
}

func (f *fakeWarden) ExaminedOrganisation(context.Context, directory.Actor, ecluse.OrganisationID) (directory.Organisation, error) {
	return directory.Organisation{ID: 3, Name: "Mission locale de la Lézarde"}, nil
}

func (f *fakeWarden) Lineage(_ context.Context, _ directory.Actor, id ecluse.AccountID) (directory.Lineage, error) {
	if id != f.relatives.ID {
		return directory.Lineage{}, directory.ErrNotFound
	}
	return f.relatives, nil
}

func (f *fakeWarden) Preview(_ context.Context, _ directory.Actor, c directory.Containment) (directory.Preview, error) {
	f.containing = c
	return f.preview, f.wardenErr
}

func (f *fakeWarden) Contain(_ context.Context, _ directory.Actor, c directory.Containment) (directory.Contained, string, error) {
	f.containing = c
	return directory.Contained{ID: 1}, testReceipt, f.wardenErr
}

func (f *fakeWarden) RequestContainment(_ context.Context, _ directory.Actor, c directory.Containment) (directory.Approval, error) {
	f.containing = c
	return directory.Approval{ID: 9}, f.wardenErr
}

func (f *fakeWarden) Containments(context.Context, directory.Actor) ([]directory.Contained, error) {
	return f.contained, nil
}

func (f *fakeWarden) Containment(_ context.Context, _ directory.Actor, id ecluse.ContainmentID) (directory.Explained, error) {
	for _, c := range f.contained {
		if c.ID == id {
			return directory.Explained{Contained: c, Why: "Compte volé le 20 novembre, signalé par son organisme.", Receipt: testReceipt}, nil
		}
	}
	return directory.Explained{}, directory.ErrNotFound
}

func (f *fakeWarden) RequestUncontainment(_ context.Context, _ directory.Actor, id ecluse.ContainmentID) (directory.Approval, error) {
	f.undo = id
	return directory.Approval{ID: 9}, f.wardenErr
}

func (f *fakeWarden) Concerns(context.Context, ecluse.AccountID) (directory.Concerned, error) {
	return f.concerned, f.wardenErr
}

func (f *fakeWarden) Read(_ context.Context, _ directory.Actor, q scope.Query) (scope.Scope, error) {
	f.scoped = q
	return f.left, f.scopeErr
}

// asWarden signs the security officer in who looks at what a manager made. The account 30 asked for 31
// and 32, and 31 for 33.
func asWarden(f *fakeRooms) {
	asSecurityOfficer(f)
	kin := func(id, by int, given, usual, state string, depth int) directory.Kin {
		return directory.Kin{Depth: depth, Account: directory.Account{
			ID: ecluse.AccountID(id), Organisation: 3, Controller: 1, State: state, GivenName: given, UsualName: usual, Email: fmt.Sprint("a", id, "@lezarde.test"),
			RequestedBy: ecluse.AccountID(by), ApprovedBy: 29, Created: testNow.AddDate(0, 0, -id),
		}}
	}
	self := kin(30, 28, "Nathalie", "Charlard", directory.Active, 0)
	below := []directory.Kin{kin(31, 30, "Hugo", "Petit", directory.Active, 1), kin(32, 30, "Awa", "Diop", directory.Invited, 1), kin(33, 31, "Paul", "Dubois", directory.Suspended, 2)}
	dead := kin(34, 30, "Écrit", "Ailleurs", directory.Active, 1)
	dead.Dead = true
	below[2].RequestedBy, below[2].Rebound = 28, 31
	f.relatives = directory.Lineage{
		Kin: self, Ancestors: []directory.Kin{kin(28, 0, "Farid", "Lemoine", directory.Active, 1), kin(29, 0, "Karim", "Haddad", directory.Active, 1)}, Descendants: append(below, dead),
		Given: directory.Given{
			Grants: []directory.Grant{{Account: 31, Role: ecluse.RoleAgent, Created: testNow.AddDate(0, -1, 0), Ends: testNow.AddDate(1, 0, 0)}},
			Links:  []directory.Link{{Account: 31, Kind: "standin", MadeAt: testNow.AddDate(0, 0, -3), Ends: testNow.AddDate(0, 0, 9)}, {Account: 31, Kind: "standin", MadeAt: testNow.AddDate(0, 0, -3), Ends: testNow.AddDate(0, 0, 10)}},
			Raises: []directory.Raise{{Account: 32, Starts: testNow.AddDate(0, 0, -9), Ends: testNow.AddDate(0, 0, -8)}},
		},
		Others: map[ecluse.AccountID]directory.Account{31: below[0].Account, 32: below[1].Account},
		Places: map[ecluse.OrganisationID]directory.Organisation{3: {ID: 3, Name: "Mission locale de la Lézarde"}},
	}
	f.preview = directory.Preview{Named: self.Account, Accounts: append([]directory.Kin{self}, below...), Dead: []directory.Kin{dead}, Sessions: 3, Links: 2, Grants: 1, Keys: 1, PersonsSeen: 143}
	body, err := json.Marshal(directory.Changed{Accounts: []directory.ChangedAccount{{ID: 30, State: directory.Active}, {ID: 31, State: directory.Active}, {ID: 32, State: directory.Invited}}, Sessions: 2,
		Links: []directory.ChangedLink{{ID: 1, Ends: testNow}}})
	if err != nil {
		panic(err)
	}
	made := directory.Contained{ID: 1, Controller: 1, Account: 30, Tree: true, Since: testNow.AddDate(0, 0, -10), MadeBy: 21, Requester: "Karim Haddad", At: testNow.Add(-time.Hour), Body: string(body)}
	undone := made
	undone.ID, undone.UndoneAt, undone.UndoneBy, undone.UndoApproved = 2, testNow, 7, 21
	f.contained = []directory.Contained{made, undone}
	f.concerned = directory.Concerned{At: made.At, Controller: f.standing.Controller, Appeal: directory.Account{GivenName: "Lucie", UsualName: "Morel", Email: "lucie.morel@caisse.test"}, Receipt: testReceipt}
	f.left = someScope()
}

// asDoorkeeper signs an access officer in who looks at the same.
func asDoorkeeper(f *fakeRooms) {
	asWarden(f)
	f.standing.Roles = []ecluse.Role{ecluse.RoleAccessOfficer}
	f.standing.Account.Organisation = 0
}

// someScope is what left through an account: three persons, of whom one is a minor.
func someScope() scope.Scope {
	s := scope.Scope{Accounts: 4, Complete: true, AsOf: 90}
	r := scope.Register{
		Totals: scope.Totals{Persons: 3, Minors: 1, Representatives: 1, Records: 3, Entries: 5, ByPrograms: 1, Undelivered: 1, Searches: 4, Hits: 4, HitsOnly: 1, First: testNow.AddDate(0, 0, -9), Last: testNow},
		Code:   "mission-locale", Label: parsed("mission-locale", 1).Schema.Label,
		Controllers: []scope.Controller{{Code: "sne", Name: "Service public de l’emploi (démonstration)", DPO: "dpo@sne.test", Roles: []string{"operator"}, Persons: 3}},
		Days:        []scope.Day{{Date: "2026-11-12", Entries: 2, Persons: 2}, {Date: "2026-11-21", Entries: 3, Persons: 1}},
		People:      []scope.Person{{Pseudonym: "P-7QKD2MXW4T", First: testNow.AddDate(0, 0, -9), Last: testNow, Entries: 3, Fields: []scope.Use{{Field: "surname", Times: 3}, {Field: "phone", Times: 1}}}},
	}
	for _, f := range parsed("mission-locale", 1).Schema.Fields {
		field := scope.Field{Name: f.Name, Label: f.Label, Class: f.Class, About: f.About}
		switch {
		case f.About == register.AboutRepresentative:
			field.Persons = 1
		case f.Name != "nir":
			field.Persons = 3
		}
		r.Fields = append(r.Fields, field)
	}
	s.Totals, s.Registers = r.Totals, []scope.Register{r}
	return s
}

const (
	accountAt    = "/security/accounts/a30"
	typedContain = "tree=yes&since=11/11/2026&reason=Compte+vol%C3%A9+le+20+novembre"
)

func init() {
	for _, name := range []string{"security-unknown", "scope-error", "contain-error", "contain-since", "contain-nothing"} {
		status[name] = 422
	}
	status["contained"] = 403
}

// statesOfSecurity are the pages of the security desk in all their situations.
func statesOfSecurity() map[string]state {
	refusing := func(err error) func(*fakeRooms) { return func(f *fakeRooms) { asWarden(f); f.wardenErr = err } }
	previewing := func(reasons ...ecluse.Reason) func(*fakeRooms) {
		return func(f *fakeRooms) { asWarden(f); f.preview.Reasons = reasons }
	}
	return map[string]state{
		"security": with(get("/security"), asWarden), "security-empty": with(get("/security"), func(f *fakeRooms) { asWarden(f); f.contained = nil }),
		"security-unknown": with(post("/security/find", "email=personne@ailleurs.test"), asWarden),
		"lineage":          with(get(accountAt), asWarden), "lineage-access": with(get(accountAt), asDoorkeeper),
		"lineage-alone": with(get(accountAt), func(f *fakeRooms) {
			asWarden(f)
			f.relatives.Ancestors, f.relatives.Descendants, f.relatives.Given = nil, nil, directory.Given{}
		}),
		"lineage-broad": with(get(accountAt), broad),
		"scope-ask":     with(get(accountAt+"/scope"), asWarden), "scope": with(post(accountAt+"/scope", "tree=yes&from=01/11/2026"), asWarden),
		"scope-organisation": with(post("/security/organisations/o3/scope", ""), asWarden),
		"scope-none":         with(post(accountAt+"/scope", ""), func(f *fakeRooms) { asWarden(f); f.left = scope.Scope{Complete: true} }),
		"scope-purged": with(post(accountAt+"/scope", ""), func(f *fakeRooms) {
			asWarden(f)
			f.left.Complete, f.left.PurgedUntil = false, testNow.AddDate(-1, 0, 0)
		}),
		"scope-error": with(post(accountAt+"/scope", "from=32/01/2026&to=x"), asWarden),
		"contain":     with(get(accountAt+"/contain"), asWarden), "contain-error": with(post(accountAt+"/contain/preview", "reason=court&since=x"), asWarden),
		"contain-since":   with(post(accountAt+"/contain/preview", typedContain), refusing(directory.ErrSince)),
		"contain-nothing": with(post(accountAt+"/contain", typedContain), refusing(directory.ErrContained)),
		"containpreview":  with(post(accountAt+"/contain/preview", typedContain), asWarden),
		"contain-second":  with(post(accountAt+"/contain/preview", typedContain), previewing(ecluse.ReasonContainmentSecond)),
		"contain-never":   with(post(accountAt+"/contain/preview", typedContain), previewing(ecluse.ReasonContainmentOwn, ecluse.ReasonContainmentOfficers)),
		"containment":     with(get("/containments/c1?done"), asDoorkeeper), "containment-undone": with(get("/containments/c2"), asWarden), "containment-ask": with(get("/containments/c1/undo"), asDoorkeeper),
		"contained": {fake: func(f *fakeRooms) { asWarden(f); nobody(f) }, direct: func(s *Site, w http.ResponseWriter, r *http.Request) {
			s.Problem(w, r, signin.Problem{Code: signin.CodeAccountSuspended, Account: 30, Provider: "ProConnect"})
		}},
	}
}

// broad is a lineage wider than its picture.
func broad(f *fakeRooms) {
	asWarden(f)
	for i := range 60 {
		k := f.relatives.Descendants[0]
		k.ID, k.Email = ecluse.AccountID(100+i), fmt.Sprint("b", i, "@lezarde.test")
		f.relatives.Descendants = append(f.relatives.Descendants, k)
	}
	f.relatives.Truncated = true
}
