package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/scope"
)

// Desk is what the security desk asks of the directory; *directory.Directory is one.
type Desk interface {
	AccountCalled(ctx context.Context, by directory.Actor, email string) (ecluse.AccountID, error)
	OrganisationCalled(ctx context.Context, by directory.Actor, code string) (ecluse.OrganisationID, error)
	Lineage(ctx context.Context, by directory.Actor, id ecluse.AccountID) (directory.Lineage, error)
	Preview(ctx context.Context, by directory.Actor, c directory.Containment) (directory.Preview, error)
	Contain(ctx context.Context, by directory.Actor, c directory.Containment) (directory.Contained, string, error)
	RequestContainment(ctx context.Context, by directory.Actor, c directory.Containment) (directory.Approval, error)
}

// Scopes counts what left; *scope.Service is one.
type Scopes interface {
	Read(ctx context.Context, by directory.Actor, q scope.Query) (scope.Scope, error)
}

// Names are what rows are called outside; *keys.Keys is one.
type Names interface {
	Name(kind string, id int64) string
	Number(kind, name string) (int64, error)
}

// noAccount is the problem of an account that is not there, or not the caller's to see.
func noAccount(pointer string) error {
	return &problem{Status: http.StatusNotFound, Code: "account.unknown", Pointer: pointer, Detail: "No such account that is yours to see."}
}

// accountOf finds an account by its e-mail address, or by its name.
func (a *API) accountOf(c *call, text, pointer string) (ecluse.AccountID, error) {
	if text == "" {
		return 0, badRequest(pointer, "Say which account: its e-mail address.")
	}
	if id, err := a.rooms.Names.Number("account", text); err == nil {
		return ecluse.AccountID(id), nil
	}
	id, err := a.rooms.Desk.AccountCalled(c.Context(), c.caller.Actor(), text)
	if errors.Is(err, directory.ErrNotFound) {
		err = noAccount(pointer)
	}
	return id, err
}

// scope answers whose data left. The reading is in the ledger before.
func (a *API) scope(c *call) (reply, error) {
	if err := c.ownSite(); err != nil { // it writes
		return reply{}, err
	}
	if err := c.parameters("account", "tree", "organisation", "from", "to"); err != nil {
		return reply{}, err
	}
	q, err := a.scopeQuery(c)
	if err != nil {
		return reply{}, err
	}
	found, err := a.rooms.Scopes.Read(c.Context(), c.caller.Actor(), q)
	switch {
	case errors.Is(err, scope.ErrQuery):
		return reply{}, badRequest("", "One account or one organisation, and a period that ends after it begins.")
	case errors.Is(err, directory.ErrNotFound):
		return reply{}, noAccount("")
	case err != nil:
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: found.Document()}, nil
}

func (a *API) scopeQuery(c *call) (q scope.Query, err error) {
	query := c.URL.Query()
	for name, into := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		if text := query.Get(name); text != "" {
			if *into, err = time.Parse(time.RFC3339, text); err != nil {
				return q, badRequest("", name+" is an instant: 2026-03-02T14:00:00Z.")
			}
		}
	}
	switch query.Get("tree") {
	case "", "false":
	case "true":
		q.Tree = true
	default:
		return q, badRequest("", "tree is true or false.")
	}
	if code := query.Get("organisation"); code != "" {
		q.Organisation, err = a.rooms.Desk.OrganisationCalled(c.Context(), c.caller.Actor(), code)
		if errors.Is(err, directory.ErrNotFound) {
			err = noAccount("")
		}
		if err != nil || query.Get("account") == "" {
			return q, err
		}
	}
	q.Account, err = a.accountOf(c, query.Get("account"), "")
	return q, err
}

// containmentQuestion stops accounts, or says what that would do.
type containmentQuestion struct {
	Account string `json:"account"`
	Tree    bool   `json:"tree"`
	Since   string `json:"since"`
	Reason  string `json:"reason"`
	DryRun  bool   `json:"dry_run"`
}

// pendingAnswer is a request that waits for somebody else.
type pendingAnswer struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// contain contains at once where one officer may; otherwise it asks a second one.
func (a *API) contain(c *call) (reply, error) {
	var q containmentQuestion
	if err := c.decode(&q); err != nil {
		return reply{}, err
	}
	asked, err := a.containment(c, q)
	if err != nil {
		return reply{}, err
	}
	by := c.caller.Actor()
	preview, err := a.rooms.Desk.Preview(c.Context(), by, asked)
	if err != nil {
		return reply{}, a.notContained(c, err)
	}
	if q.DryRun {
		return reply{status: http.StatusOK, body: preview.Document()}, nil
	}
	if slices.Equal(preview.Reasons, []ecluse.Reason{ecluse.ReasonContainmentSecond}) {
		request, err := a.rooms.Desk.RequestContainment(c.Context(), by, asked)
		if err != nil {
			return reply{}, a.notContained(c, err)
		}
		return reply{status: http.StatusAccepted, body: pendingAnswer{a.rooms.Names.Name("approval", int64(request.ID)), request.State}}, nil
	}
	done, receipt, err := a.rooms.Desk.Contain(c.Context(), by, asked)
	if err != nil {
		return reply{}, a.notContained(c, err)
	}
	answer, err := preview.Document().Done(done, a.rooms.Names.Name("containment", int64(done.ID)), receipt)
	return reply{status: http.StatusCreated, body: answer}, err
}

func (a *API) containment(c *call, q containmentQuestion) (directory.Containment, error) {
	asked := directory.Containment{Tree: q.Tree, Reason: strings.TrimSpace(q.Reason)}
	if err := firstError(word("/account", q.Account, maxWord), word("/reason", q.Reason, maxText)); err != nil {
		return asked, err
	}
	var err error
	if q.Since != "" {
		if asked.Since, err = time.Parse(time.RFC3339, q.Since); err != nil {
			return asked, badRequest("/since", "An instant: 2026-03-02T14:00:00Z.")
		}
	}
	asked.Account, err = a.accountOf(c, q.Account, "/account")
	return asked, err
}

// notContained maps the errors of containment.
func (a *API) notContained(c *call, err error) error {
	var refusal *directory.RefusedError
	switch {
	case errors.As(err, &refusal):
		return a.refused(c, http.StatusForbidden, refusal.Reasons, "")
	case errors.Is(err, directory.ErrNotFound):
		return noAccount("/account")
	case errors.Is(err, directory.ErrReason):
		return badRequest("/reason", "Say why, in 10 to 500 characters.")
	case errors.Is(err, directory.ErrSince):
		return &problem{Status: http.StatusUnprocessableEntity, Code: "containment.since", Pointer: "/since",
			Detail: "The account holds office: say since when. What it gave before that stays."}
	case errors.Is(err, directory.ErrTooMany):
		return &problem{Status: http.StatusUnprocessableEntity, Code: "containment.too_many",
			Detail: "More accounts or rights are concerned than one act may be about: name a later instant, or contain them one by one."}
	case errors.Is(err, directory.ErrContained):
		return &problem{Status: http.StatusConflict, Code: "containment.nothing", Detail: "Everything that it would stop is stopped already."}
	}
	return err
}

// kinAnswer is an account in a lineage.
type kinAnswer struct {
	Account      string    `json:"account"` // its name: GET /accounts/{id}/lineage takes it
	Email        string    `json:"email"`
	Name         string    `json:"name"`
	Organisation string    `json:"organisation"`
	Kind         string    `json:"kind"`
	State        string    `json:"state"`
	Created      time.Time `json:"created"`
	Depth        int       `json:"depth"`
	RequestedBy  string    `json:"requested_by,omitzero"`
	ApprovedBy   string    `json:"approved_by,omitzero"`
	ReboundBy    string    `json:"rebound_by,omitzero"` // who had it bound to another identity, or opened again
	Dead         bool      `json:"dead,omitzero"`
}

type givenAnswer struct {
	Account string      `json:"account"`
	Email   string      `json:"email"`
	Role    ecluse.Role `json:"role,omitzero"`
	Kind    string      `json:"kind,omitzero"` // of links
	Links   int         `json:"links,omitzero"`
	At      time.Time   `json:"at"`
	Ends    time.Time   `json:"ends,omitzero"`
}

type lineageAnswer struct {
	kinAnswer
	Ancestors   []kinAnswer   `json:"ancestors"`
	Descendants []kinAnswer   `json:"descendants"`
	Grants      []givenAnswer `json:"grants"`
	Links       []givenAnswer `json:"links"`
	Raises      []givenAnswer `json:"raises"`
	Truncated   bool          `json:"truncated"`
}

// lineage answers who made whom.
func (a *API) lineage(c *call) (reply, error) {
	if err := c.parameters(); err != nil {
		return reply{}, err
	}
	id, err := a.accountOf(c, c.PathValue("id"), "")
	if err != nil {
		return reply{}, err
	}
	l, err := a.rooms.Desk.Lineage(c.Context(), c.caller.Actor(), id)
	if errors.Is(err, directory.ErrNotFound) {
		err = noAccount("")
	}
	if err != nil {
		return reply{}, err
	}
	answer := lineageAnswer{
		kinAnswer: a.kin(l, l.Kin), Ancestors: []kinAnswer{}, Descendants: []kinAnswer{}, Grants: []givenAnswer{}, Links: []givenAnswer{}, Raises: []givenAnswer{},
		Truncated: l.Truncated,
	}
	for _, k := range l.Ancestors {
		answer.Ancestors = append(answer.Ancestors, a.kin(l, k))
	}
	for _, k := range l.Descendants {
		answer.Descendants = append(answer.Descendants, a.kin(l, k))
	}
	a.given(l, &answer)
	return reply{status: http.StatusOK, body: answer}, nil
}

func (a *API) kin(l directory.Lineage, k directory.Kin) kinAnswer {
	return kinAnswer{
		Account: a.rooms.Names.Name("account", int64(k.ID)), Email: k.Email, Name: k.Name(), Organisation: l.Places[k.Account.Organisation].Code, Kind: k.Kind,
		State: k.StateAt(a.rooms.Now()), Created: k.Created.UTC().Truncate(time.Second), Depth: k.Depth, Dead: k.Dead,
		RequestedBy: a.named(k.RequestedBy), ApprovedBy: a.named(k.ApprovedBy), ReboundBy: a.named(k.Rebound),
	}
}

func (a *API) named(id ecluse.AccountID) string {
	if id == 0 {
		return ""
	}
	return a.rooms.Names.Name("account", int64(id))
}

// given lists rights and raises one by one, links by receiver and kind: no person is named.
func (a *API) given(l directory.Lineage, answer *lineageAnswer) {
	for _, g := range l.Given.Grants {
		answer.Grants = append(answer.Grants, givenAnswer{Account: a.named(g.Account), Email: l.Others[g.Account].Email, Role: g.Role, At: g.Created.UTC(), Ends: g.Ends.UTC()})
	}
	for _, r := range l.Given.Raises {
		answer.Raises = append(answer.Raises, givenAnswer{Account: a.named(r.Account), Email: l.Others[r.Account].Email, At: r.Starts.UTC(), Ends: r.Ends.UTC()})
	}
	for _, k := range l.Given.Links {
		i := slices.IndexFunc(answer.Links, func(g givenAnswer) bool { return g.Account == a.named(k.Account) && g.Kind == k.Kind })
		if i < 0 {
			i = len(answer.Links)
			answer.Links = append(answer.Links, givenAnswer{Account: a.named(k.Account), Email: l.Others[k.Account].Email, Kind: k.Kind, At: k.MadeAt.UTC()})
		}
		answer.Links[i].Links++
		if k.Ends.After(answer.Links[i].Ends) {
			answer.Links[i].Ends = k.Ends.UTC()
		}
	}
}
