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
)

// Accounts asks for accounts and decides on them; *directory.Directory is one.
type Accounts interface {
	RequestAccount(ctx context.Context, by directory.Actor, r directory.AccountRequest) (directory.Approval, error)
	Requests(ctx context.Context, by directory.Actor) ([]directory.Approval, error)
	Approval(ctx context.Context, by directory.Actor, id ecluse.ApprovalID) (directory.Approval, error)
	Decide(ctx context.Context, by directory.Actor, id ecluse.ApprovalID, approve bool) error
}

// accountQuestion asks for one account.
type accountQuestion struct {
	Email        string `json:"email"`
	GivenName    string `json:"given_name"`
	UsualName    string `json:"usual_name"`
	Organisation string `json:"organisation"` // code, "" = the caller's own
	Site         string `json:"site"`         // code
	Role         string `json:"role"`         // one, or several separated by a space
	Reason       string `json:"reason"`
	Ends         string `json:"ends"` // yyyy-mm-dd, "" = in a year
}

// accountKinds are the requests that these addresses are about.
var accountKinds = []string{directory.KindAccount, directory.KindStandIn, directory.KindStandInConfirm}

func (a *API) requestAccount(c *call) (reply, error) {
	var q accountQuestion
	if err := c.decode(&q); err != nil {
		return reply{}, err
	}
	r := directory.AccountRequest{Email: q.Email, GivenName: q.GivenName, UsualName: q.UsualName, Organisation: q.Organisation, Site: q.Site, Reason: q.Reason}
	for role := range strings.FieldsSeq(q.Role) {
		r.Roles = append(r.Roles, ecluse.Role(role))
	}
	if q.Ends != "" {
		var err error
		if r.Ends, err = time.Parse(time.DateOnly, q.Ends); err != nil {
			return reply{}, badRequest("/ends", "Write the day as yyyy-mm-dd.")
		}
	}
	made, err := a.rooms.Accounts.RequestAccount(c.Context(), c.caller.Actor(), r)
	if err != nil {
		return reply{}, a.notAsked(c, err)
	}
	return reply{status: http.StatusAccepted, body: pendingAnswer{a.rooms.Names.Name("approval", int64(made.ID)), made.State}}, nil
}

// notAsked maps the errors of a request for an account.
func (a *API) notAsked(c *call, err error) error {
	for _, known := range []struct {
		err             error
		pointer, detail string
	}{
		{directory.ErrEmail, "/email", "This is no e-mail address."},
		{directory.ErrName, "/given_name", "Give a first name and a usual name, without special signs."},
		{directory.ErrRole, "/role", "There is no such role to ask for in that organisation."},
		{directory.ErrReason, "/reason", "One of " + strings.Join(directory.RequestReasons, ", ") + "."},
		{directory.ErrEnd, "/ends", "A day within a year from now."},
		{directory.ErrNotFound, "/site", "The organisation, site or agreement is not there, or not yours to ask for."},
	} {
		if errors.Is(err, known.err) {
			return badRequest(known.pointer, known.detail)
		}
	}
	switch {
	case errors.Is(err, directory.ErrTaken), errors.Is(err, directory.ErrIdentity):
		return &problem{Status: http.StatusUnprocessableEntity, Code: "account.taken", Pointer: "/email", Detail: "Nothing can be asked for this address: call the body."}
	case errors.Is(err, directory.ErrNothing):
		return &problem{Status: http.StatusConflict, Code: "account.unchanged", Detail: "This is so already."}
	case errors.Is(err, directory.ErrDualControl):
		return a.refused(c, http.StatusForbidden, []ecluse.Reason{ecluse.ReasonDualControl}, "")
	}
	return err
}

// requestAnswer is one request that waits.
type requestAnswer struct {
	ID           string    `json:"id"`
	Kind         string    `json:"kind"`
	State        string    `json:"state"`
	Op           string    `json:"op"`
	Email        string    `json:"email"`
	Organisation string    `json:"organisation"`
	Site         string    `json:"site"`
	Reason       string    `json:"reason"`
	Requester    string    `json:"requester"`
	RequestedAt  time.Time `json:"requested_at"`
	Expires      time.Time `json:"expires"`
	Own          bool      `json:"own"`
}

type requestsAnswer struct {
	Requests []requestAnswer `json:"requests"`
}

// requests are those that wait: an account manager's organisation's, or the body's for its staff.
func (a *API) requests(c *call) (reply, error) {
	if err := c.parameters(); err != nil {
		return reply{}, err
	}
	all, err := a.rooms.Accounts.Requests(c.Context(), c.caller.Actor())
	if errors.Is(err, directory.ErrNotFound) {
		return reply{}, a.refused(c, http.StatusForbidden, []ecluse.Reason{ecluse.ReasonDualControl}, "")
	}
	if err != nil {
		return reply{}, err
	}
	answer := requestsAnswer{Requests: []requestAnswer{}}
	for _, r := range all {
		summary, err := r.Diff()
		if err != nil {
			return reply{}, err
		}
		shown := requestAnswer{
			ID: a.rooms.Names.Name("approval", int64(r.ID)), Kind: r.Kind, State: r.State, Requester: r.Requester,
			RequestedAt: r.RequestedAt.UTC(), Expires: r.Expires.UTC(), Own: r.RequestedBy == c.caller.Account,
		}
		if s := summary.Account; s != nil {
			shown.Op, shown.Email, shown.Organisation, shown.Site, shown.Reason = s.Op, s.Email, s.Organisation, s.Site, s.Reason
		}
		answer.Requests = append(answer.Requests, shown)
	}
	return reply{status: http.StatusOK, body: answer}, nil
}

func (a *API) approveAccount(c *call) (reply, error) { return a.decideAccount(c, true) }

func (a *API) refuseAccount(c *call) (reply, error) { return a.decideAccount(c, false) }

// decideAccount approves or refuses a request for an account.
func (a *API) decideAccount(c *call, approve bool) (reply, error) {
	if err := c.parameters(); err != nil {
		return reply{}, err
	}
	unknown := &problem{Status: http.StatusNotFound, Code: "request.unknown", Detail: "No such request that is yours to decide."}
	id, err := a.rooms.Names.Number("approval", c.PathValue("id"))
	if err != nil {
		return reply{}, unknown
	}
	by := c.caller.Actor()
	asked, err := a.rooms.Accounts.Approval(c.Context(), by, ecluse.ApprovalID(id))
	if err == nil && !slices.Contains(accountKinds, asked.Kind) {
		err = directory.ErrNotFound
	}
	if err == nil {
		err = a.rooms.Accounts.Decide(c.Context(), by, ecluse.ApprovalID(id), approve)
	}
	var refusal *directory.RefusedError
	switch {
	case errors.As(err, &refusal):
		return reply{}, a.refused(c, http.StatusForbidden, refusal.Reasons, "")
	case errors.Is(err, directory.ErrNotFound):
		return reply{}, unknown
	case errors.Is(err, directory.ErrDecided):
		return reply{}, &problem{Status: http.StatusConflict, Code: "request.decided", Detail: "It was decided, or it expired."}
	case errors.Is(err, directory.ErrChanged), errors.Is(err, directory.ErrIdentity), errors.Is(err, directory.ErrStandIns):
		return reply{}, &problem{Status: http.StatusConflict, Code: "request.changed", Detail: "Approving it would not do what was shown any more: it has to be asked again."}
	case err != nil:
		return reply{}, err
	}
	state := "refused"
	if approve {
		state = "approved"
	}
	return reply{status: http.StatusOK, body: pendingAnswer{c.PathValue("id"), state}}, nil
}
