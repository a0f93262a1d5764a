package directory

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
)

// AccountLife is how long an account lasts that was asked for without an end: rights are looked at again at
// least once a year (CNIL, habilitations).
const AccountLife = 365 * 24 * time.Hour

// RequestReasons are why an account may be asked for, in the order in which pages show them. There is no
// free text: a request says nothing about persons.
var RequestReasons = []string{"arrival", "return", "transfer", "role", "renewal", "identity", "other"}

// Errors of requests for accounts, beside ErrNotFound, ErrReason and ErrDualControl (one's own account).
var (
	// ErrTaken: the address belongs to an account that this one may not ask anything for.
	ErrTaken = errors.New("nothing can be asked for this address: call the body")
	// ErrRole: the role does not exist, or is not one to ask for here.
	ErrRole = errors.New("there is no such role to ask for")
	// ErrNothing: what is asked for is so already.
	ErrNothing = errors.New("this is so already")
	// ErrEmail: it is no e-mail address.
	ErrEmail = errors.New("this is no e-mail address")
	// ErrName: a name is empty, too long, or holds what no name holds.
	ErrName = errors.New("this is no name")
	// ErrEnd: the end is not within AccountLife from now.
	ErrEnd = errors.New("an account ends within a year")
)

// AccountRequest asks for one account: new, opened again, moved to another site or organisation, with
// other roles, or (Relink) to be bound to another identity of its owner.
type AccountRequest struct {
	Email        string
	GivenName    string
	UsualName    string
	Organisation string // code; "" = that of whoever asks
	Site         string // code, may be empty
	Roles        []ecluse.Role
	Agreements   []string  // codes, for agents; nil = all that run
	Ends         time.Time // zero = AccountLife from now
	Reason       string
	Relink       bool
	Program      string // identifier of a program (client_id): its account, which nobody is invited to
}

// AccountSummary is what the approver is shown of a request for one account, beside the diff.
type AccountSummary struct {
	Op           string                `json:"op"` // open, change, wake, relink, replace
	Reason       string                `json:"reason"`
	Email        string                `json:"email"`
	Organisation string                `json:"organisation"` // name, "" = the body itself
	Site         string                `json:"site"`
	Account      ecluse.AccountID      `json:"account,omitempty"` // that is there already
	Former       ecluse.OrganisationID `json:"former,omitempty"`  // it leaves that organisation
	Domain       bool                  `json:"domain,omitempty"`  // nobody of the organisation has an address of this domain
}

// RequestAccount asks for an account, for an account manager's own organisation or, for the body's staff,
// for any of the body. Nothing works until an access officer approves. Errors: ErrNotFound (organisation,
// site or agreement), ErrReason, ErrRole, ErrEnd, ErrTaken, ErrNothing, ErrDualControl, ErrInactive, ErrWeak.
func (d *Directory) RequestAccount(ctx context.Context, by Actor, r AccountRequest) (Approval, error) {
	if !slices.Contains(RequestReasons, r.Reason) {
		return Approval{}, ErrReason
	}
	if err := r.check(); err != nil {
		return Approval{}, err
	}
	return d.ask(ctx, by, KindAccount, func(s Standing) (question, error) { return d.accountQuestion(ctx, s, r, false) })
}

// maxName is how long a name or an address may be, in bytes.
const maxName = 254

// check looks at what was typed, before anything is read.
func (r AccountRequest) check() error {
	a, err := mail.ParseAddress(r.Email)
	if err != nil || a.Name != "" || !strings.EqualFold(a.Address, r.Email) || !strings.Contains(domain(r.Email), ".") || len(r.Email) > maxName {
		return ErrEmail
	}
	names := []string{r.GivenName, r.UsualName}
	if r.Program != "" { // which has a usual name only
		names = names[1:]
	}
	for _, name := range names {
		odd := func(c rune) bool { return !unicode.IsPrint(c) || strings.ContainsRune("<>→·@/", c) }
		if strings.TrimSpace(name) == "" || name != strings.TrimSpace(name) || len(name) > maxName || strings.ContainsFunc(name, odd) {
			return ErrName
		}
	}
	return nil
}

// accountQuestion turns what somebody asks for into a change of one account, and the diff of it.
func (d *Directory) accountQuestion(ctx context.Context, s Standing, r AccountRequest, standIn bool) (question, error) {
	have, err := d.snapshot(ctx, d.rows, s.Controller.ID, Change{})
	if err != nil {
		return question{}, err
	}
	if r.Organisation == "" {
		r.Organisation = have.byID[s.Account.Organisation].Code
	}
	place := have.organisations[r.Organisation]
	if err := mayAskFor(s, have, r, place); err != nil {
		return question{}, err
	}
	if r.Ends.IsZero() {
		r.Ends = d.now().Add(AccountLife).Truncate(24 * time.Hour)
	}
	if !r.Ends.After(d.now()) || r.Ends.After(d.now().Add(AccountLife)) {
		return question{}, ErrEnd
	}
	change := Change{Controller: s.Controller.Code, Accounts: []AccountChange{{
		Email: strings.ToLower(r.Email), GivenName: r.GivenName, UsualName: r.UsualName, Organisation: r.Organisation, Site: r.Site, Roles: r.Roles,
		Agreements: have.agreementsFor(r, place, d.now()), Ends: r.Ends, State: Active, Relink: r.Relink, StandIn: standIn,
	}}}
	if r.Program != "" {
		change.Accounts[0].IDP, change.Accounts[0].Sub = ClientIDP, r.Program
	}
	summary, err := d.plan(ctx, change)
	if err != nil {
		return question{}, err
	}
	if len(summary.Accounts) == 0 {
		return question{}, ErrNothing
	}
	summary.Account = d.accountSummary(have, change.Accounts[0], r, place)
	return question{Concerns: place.ID, Body: change, Summary: summary}, nil
}

// mayAskFor holds what one may ask for: a manager agents and managers of her own organisation, and nobody
// anything for oneself, for the body's staff without being of it, or for a suspended account.
func mayAskFor(s Standing, have snapshot, r AccountRequest, place Organisation) error {
	there, known := have.accounts[strings.ToLower(r.Email)]
	staff := bodyStaff(s)
	switch {
	case r.Organisation != "" && (place.ID == 0 || place.Parent != 0 || place.State != Active), !staff && place.ID != s.Account.Organisation:
		return ErrNotFound
	case len(r.Roles) == 0 || slices.ContainsFunc(r.Roles, func(role ecluse.Role) bool { return !askable(role, staff, place.ID == 0) }):
		return ErrRole
	case known && there.ID == s.Account.ID:
		return ErrDualControl
	case known && there.Sub != r.Program && (there.Kind == KindClient || r.Program != ""):
		return ErrTaken
	case known && (there.State == Suspended || !staff && there.Organisation == 0), r.Relink && !known:
		return ErrTaken
	}
	return nil
}

// askable: agents and account managers for organisations; whatever is the body's own to the body's staff,
// who may also name an access officer in an organisation.
func askable(role ecluse.Role, staff, body bool) bool {
	switch role {
	case ecluse.RoleAgent, ecluse.RoleAccountManager:
		return !body
	case ecluse.RoleAccessOfficer:
		return staff
	case ecluse.RoleSecurityOfficer, ecluse.RoleDPO, ecluse.RoleAdmin:
		return staff && body
	}
	return false
}

// agreementsFor are the agreements that an agent of an organisation works under: those asked for, or all
// that run.
func (s snapshot) agreementsFor(r AccountRequest, place Organisation, at time.Time) (codes []string) {
	if r.Agreements != nil || !slices.Contains(r.Roles, ecluse.RoleAgent) {
		return r.Agreements
	}
	for _, a := range s.agreements {
		if a.Organisation == place.ID && a.State == Active && at.Before(a.Ends) && !slices.Contains(codes, a.Code) {
			codes = append(codes, a.Code)
		}
	}
	return codes
}

func (d *Directory) accountSummary(have snapshot, c AccountChange, r AccountRequest, place Organisation) *AccountSummary {
	there, known := have.accounts[c.Email]
	shown := &AccountSummary{
		Op: "open", Reason: r.Reason, Email: c.Email, Organisation: place.Name, Site: have.organisations[c.Site].Name,
		Account: there.ID, Domain: have.newDomain(c.Email, place.ID),
	}
	switch {
	case c.StandIn:
		shown.Op = "replace"
	case c.Relink:
		shown.Op = "relink"
	case known && there.StateAt(d.now()) != Active && there.StateAt(d.now()) != Invited:
		shown.Op = "wake"
	case known:
		shown.Op = "change"
	}
	if known && there.Organisation != place.ID {
		shown.Former = there.Organisation
	}
	return shown
}

// newDomain reports whether no account of an organisation has an address of that domain.
func (s snapshot) newDomain(email string, o ecluse.OrganisationID) bool {
	for _, a := range s.accounts {
		if a.Organisation == o && a.Email != email && strings.EqualFold(domain(a.Email), domain(email)) {
			return false
		}
	}
	return true
}

// opening is the effect of approving a request for one account: it is written by the same hand as imports,
// its owner is invited, or her sessions end where she is to come with another identity.
func (d *Directory) opening(ctx context.Context, r *decision) (ledger.Effect, error) {
	c, err := r.accountChange()
	if err != nil {
		return nil, err
	}
	write, err := d.applying(ctx, r.controller, c)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		if c.Accounts[0].Relink {
			if _, err := tx.(FactorTx).EndOtherSessions(ctx, c.account.Account, 0, e.At); err != nil {
				return fmt.Errorf("end the sessions of account %d: %w", c.account.Account, err)
			}
		}
		return errors.Join(write(ctx, tx, e), d.tellDecided(ctx, tx, r))
	}, nil
}

// accountChange reads the body of a request for one account.
func (r *decision) accountChange() (applied, error) {
	c := applied{approval: r.Approval, approver: r.approver}
	if err := r.read(&c.Change); err != nil {
		return c, err
	}
	shown, err := r.Diff()
	if err != nil || shown.Account == nil || len(c.Accounts) != 1 {
		return c, errors.Join(err, ErrDead)
	}
	c.account = shown.Account
	return c, nil
}

// tellDecided tells whoever asked that it was approved.
func (d *Directory) tellDecided(ctx context.Context, tx ledger.Tx, r *decision) error {
	return tx.(Tx).InsertNotices(ctx, []notice.Notice{{
		Kind: notice.AccountDecided, Controller: r.Controller, Organisation: r.Organisation, To: r.RequestedBy, By: r.approver, Subject: int64(r.ID),
	}})
}
