package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/scope"
)

// warden is what the security desk asks of the directory.
type warden interface {
	AccountCalled(ctx context.Context, by directory.Actor, email string) (ecluse.AccountID, error)
	OrganisationCalled(ctx context.Context, by directory.Actor, code string) (ecluse.OrganisationID, error)
	ExaminedOrganisation(ctx context.Context, by directory.Actor, id ecluse.OrganisationID) (directory.Organisation, error)
	Lineage(ctx context.Context, by directory.Actor, id ecluse.AccountID) (directory.Lineage, error)
	Preview(ctx context.Context, by directory.Actor, c directory.Containment) (directory.Preview, error)
	Contain(ctx context.Context, by directory.Actor, c directory.Containment) (directory.Contained, string, error)
	RequestContainment(ctx context.Context, by directory.Actor, c directory.Containment) (directory.Approval, error)
	Containments(ctx context.Context, by directory.Actor) ([]directory.Contained, error)
	Containment(ctx context.Context, by directory.Actor, id ecluse.ContainmentID) (directory.Explained, error)
	RequestUncontainment(ctx context.Context, by directory.Actor, id ecluse.ContainmentID) (directory.Approval, error)
	Concerns(ctx context.Context, id ecluse.AccountID) (directory.Concerned, error)
}

// Scopes counts what left; *scope.Service is one.
type Scopes interface {
	Read(ctx context.Context, by directory.Actor, q scope.Query) (scope.Scope, error)
}

// securityPage is where officers begin: look an account up, and what was contained.
type securityPage struct {
	Email, Organisation input
	MayScope            bool // of an organisation
	Faults              []fault
	InForce, Undone     []containmentView
}

// containmentView is a containment in a list or on its own page.
type containmentView struct {
	directory.Contained
	Name, Href       string
	Accounts, Others int // accounts stopped; of them, beside the one named
	Sessions         int
	Links, Grants    int
	Keys             int
}

// security shows it.
func (s *Site) security(q *query) (answer, error) {
	page, err := s.securityDesk(q)
	if err != nil {
		return answer{}, err
	}
	return show("security", page)
}

func (s *Site) securityDesk(q *query) (securityPage, error) {
	page := securityPage{
		Email: input{ID: "email", Name: "email", Label: q.t("security.email"), Value: q.field("email"), Inputmode: "email", Autocomplete: "off", MaxLength: 254},
		Organisation: input{ID: "organisation", Name: "organisation", Label: q.t("security.organisation"), Hint: q.t("security.organisation_hint"),
			Value: q.field("organisation"), Autocomplete: "off", MaxLength: 80},
		MayScope: scopers.admits(q.standing),
	}
	all, err := s.rooms.Directory.Containments(q.Context(), q.actor())
	if err != nil {
		return page, err
	}
	for _, c := range all {
		v, err := s.viewContainment(q, c)
		switch {
		case err != nil:
			return page, err
		case c.InForce():
			page.InForce = append(page.InForce, v)
		default:
			page.Undone = append(page.Undone, v)
		}
	}
	return page, nil
}

// viewContainment adds who was named and how much was stopped.
func (s *Site) viewContainment(q *query, c directory.Contained) (containmentView, error) {
	v := containmentView{Contained: c, Href: localPath("containments", s.rooms.Names.Name("containment", int64(c.ID)))}
	what, err := c.Changed()
	if err != nil {
		return v, err
	}
	v.Accounts, v.Others, v.Sessions = len(what.Accounts), max(0, len(what.Accounts)-1), what.Sessions
	v.Links, v.Grants, v.Keys = len(what.Links), len(what.Grants), len(what.Keys)
	v.Name, err = s.ownerName(q, c.Account)
	return v, err
}

// ownerName is how the owner of an account is shown, whatever became of it.
func (s *Site) ownerName(q *query, id ecluse.AccountID) (string, error) {
	a, err := s.rooms.Directory.Owner(q.Context(), id)
	if err != nil && !errors.Is(err, directory.ErrUnknownAccount) && !errors.Is(err, directory.ErrDead) {
		return "", err
	}
	if a.ID == 0 {
		return q.t("approvals.gone"), nil
	}
	return a.Name(), nil
}

// findAccount leads to the lineage of an account, or to the scope of an organisation.
func (s *Site) findAccount(q *query) (answer, error) {
	email, code := q.field("email"), q.field("organisation")
	if email != "" || code == "" {
		id, err := s.rooms.Directory.AccountCalled(q.Context(), q.actor(), email)
		if err == nil {
			return redirect(s.lineagePath(id))
		}
		return s.notFoundHere(q, err, "email")
	}
	id, err := s.rooms.Directory.OrganisationCalled(q.Context(), q.actor(), code)
	if err == nil {
		return redirect(localPath("security", "organisations", s.rooms.Names.Name("organisation", int64(id)), "scope"))
	}
	return s.notFoundHere(q, err, "organisation")
}

// notFoundHere shows the form again with what was typed.
func (s *Site) notFoundHere(q *query, err error, field string) (answer, error) {
	if !errors.Is(err, directory.ErrNotFound) {
		return answer{}, err
	}
	page, err := s.securityDesk(q)
	if err != nil {
		return answer{}, err
	}
	message := q.t("security.error." + field)
	if field == "email" {
		page.Email.Error = message
	} else {
		page.Organisation.Error = message
	}
	page.Faults = []fault{{Field: field, Message: message}}
	return answer{status: http.StatusUnprocessableEntity, page: "security", data: page, failed: true, back: "/security"}, nil
}

func (s *Site) lineagePath(id ecluse.AccountID, more ...string) string {
	return localPath(append([]string{"security", "accounts", s.rooms.Names.Name("account", int64(id))}, more...)...)
}

// lineagePage says who made whom, as a picture and as tables.
type lineagePage struct {
	Name, Email, Organisation string
	State                     string
	Dead                      bool
	Tree                      treePicture
	Above, Below              []kinView
	Given                     []givenView
	Truncated                 bool
	Contain, Scope            string // addresses, "" = not for this reader
}

// kinView is a relative in the table.
type kinView struct {
	directory.Kin
	Href         string
	Organisation string
	Now          string // state
	RequestedBy  string // names, "" = nobody, or beyond what is listed
	ApprovedBy   string
	Through      string // who had it bound to another identity, or opened again; "" = nobody of the lineage
}

// givenView is what an account gave to another.
type givenView struct {
	What  string // grant, link, raise
	Kind  string // role, or kind of link
	Name  string
	Count int
	At    machineTime
	Ends  machineTime
	Runs  bool
}

// lineage shows it.
func (s *Site) lineage(q *query) (answer, error) {
	id, err := s.number("account", q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	l, err := s.rooms.Directory.Lineage(q.Context(), q.actor(), ecluse.AccountID(id))
	if err != nil {
		return answer{}, err
	}
	page := lineagePage{
		Name: l.Name(), Email: l.Email, Organisation: placeName(q, l.Account, l.Places), State: l.StateAt(s.now()), Dead: l.Dead, Truncated: l.Truncated,
		Tree: s.tree(q, l.Kin, l.Ancestors, l.Descendants, l.Places), Above: s.viewKin(q, l, l.Ancestors), Below: s.viewKin(q, l, l.Descendants), Given: s.viewGiven(l),
	}
	if containers.admits(q.standing) && l.ID != q.caller.Account {
		page.Contain = s.lineagePath(l.ID, "contain")
	}
	if scopers.admits(q.standing) {
		page.Scope = s.lineagePath(l.ID, "scope")
	}
	return show("lineage", page)
}

func (s *Site) viewKin(q *query, l directory.Lineage, kin []directory.Kin) (list []kinView) {
	names := map[ecluse.AccountID]string{}
	for _, k := range slices.Concat([]directory.Kin{l.Kin}, l.Ancestors, l.Descendants) {
		names[k.ID] = k.Name()
	}
	for _, k := range kin {
		list = append(list, kinView{
			Kin: k, Href: s.lineagePath(k.ID), Organisation: placeName(q, k.Account, l.Places), Now: k.StateAt(s.now()),
			RequestedBy: names[k.RequestedBy], ApprovedBy: names[k.ApprovedBy], Through: names[k.Rebound],
		})
	}
	return list
}

// viewGiven lists rights and raises one by one, links by receiver and kind: no person is named.
func (s *Site) viewGiven(l directory.Lineage) (list []givenView) {
	now := s.now()
	for _, g := range l.Given.Grants {
		list = append(list, givenView{"grant", string(g.Role), l.Others[g.Account].Name(), 1, machineTime{g.Created}, machineTime{g.Ends}, g.Ends.IsZero() || now.Before(g.Ends)})
	}
	for _, r := range l.Given.Raises {
		list = append(list, givenView{"raise", "", l.Others[r.Account].Name(), 1, machineTime{r.Starts}, machineTime{r.Ends}, now.Before(r.Ends)})
	}
	for _, k := range l.Given.Links {
		name := l.Others[k.Account].Name()
		i := slices.IndexFunc(list, func(v givenView) bool { return v.What == "link" && v.Kind == k.Kind && v.Name == name })
		if i < 0 {
			i = len(list)
			list = append(list, givenView{What: "link", Kind: k.Kind, Name: name, At: machineTime{k.MadeAt}, Ends: machineTime{k.Ends}})
		}
		list[i].Count++
		list[i].Runs = list[i].Runs || k.Runs(now)
		if k.Ends.After(list[i].Ends.Time) {
			list[i].Ends = machineTime{k.Ends}
		}
	}
	slices.SortStableFunc(list, func(a, b givenView) int { return cmp.Compare(a.What, b.What) })
	return list
}
