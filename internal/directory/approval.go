package directory

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
)

// Errors of requests and decisions.
var (
	// ErrDualControl: the one who decides may not be the one who asked, nor share an identity, a
	// session or a device with them, and must be an access officer of the controller.
	ErrDualControl = errors.New("a second, different access officer has to decide this")
	// ErrDecided: somebody decided it before, or it expired.
	ErrDecided = errors.New("this request is no longer pending")
	// ErrChanged: approving it would not do what was shown any more.
	ErrChanged = errors.New("the directory changed since this was asked: ask again")
	// ErrWeak: the session was not opened with a means of sign-in strong enough for this.
	ErrWeak = errors.New("this needs a stronger means of sign-in")
	// ErrInactive: the account is suspended or ended.
	ErrInactive = errors.New("this account may not act at present")
	// ErrOfficers: fewer than two access officers have signed in; until then nothing can be approved.
	ErrOfficers = errors.New("two access officers must have signed in before anything can be approved")
)

// ApprovalLife is how long a request waits.
const ApprovalLife = 30 * 24 * time.Hour

// KindImport is the kind of request that changes the directory by a file.
const KindImport = "directory.import"

// Approval is a request that waits for, or had, a second pair of eyes.
type Approval struct {
	ID          ecluse.ApprovalID
	Controller  ecluse.ControllerID
	Kind        string
	Subject     int64 // directory.links: links applied so far
	Body        string
	Summary     string
	RequestedBy ecluse.AccountID
	Requester   string
	RequestedAt time.Time
	DecidedBy   ecluse.AccountID
	DecidedAt   time.Time
	State       string // pending, approved, refused
	Expires     time.Time
	Session     ecluse.SessionID // that it was asked from, 0 for commands
	Device      string
}

// Diff is what the approver is shown.
func (a Approval) Diff() (Summary, error) {
	var s Summary
	err := json.Unmarshal([]byte(a.Summary), &s)
	return s, err
}

// ApprovalRows reads requests.
type ApprovalRows interface {
	Approvals(ctx context.Context, c ecluse.ControllerID, state string) ([]Approval, error)
}

// Actor is who asks for or decides something.
type Actor struct {
	Account ecluse.AccountID
	Session ecluse.SessionID
	CLI     string // cli:user@host, for commands
	Device  string // number of the browser, "" for commands
	Assured bool   // signed in by a means that the provider's configuration accepts
	Strong  bool   // by one that it calls strong
}

// Request asks for a directory import on behalf of an account of the controller (access officer or
// administrator): it can then not be the one who approves. Nothing changes but the list of requests.
func (d *Directory) Request(ctx context.Context, by Actor, c Change) (a Approval, err error) {
	err = d.again(by.Account, func() error {
		a, err = d.request(ctx, by, c)
		return err
	})
	return a, err
}

func (d *Directory) request(ctx context.Context, by Actor, c Change) (Approval, error) {
	s, err := d.Standing(ctx, by.Account)
	if err != nil {
		return Approval{}, err
	}
	if !s.Has(ecluse.RoleAccessOfficer) && !s.Has(ecluse.RoleAdmin) || s.Controller.Code != c.Controller || !s.Account.Acts(d.now()) {
		return Approval{}, fmt.Errorf("request a directory import: %w", ErrDualControl)
	}
	summary, err := d.plan(ctx, c)
	if err != nil {
		return Approval{}, err
	}
	return d.file(ctx, by, s, KindImport, c, summary)
}

// file writes a request down: change is what takes effect, summary what the approver is shown.
func (d *Directory) file(ctx context.Context, by Actor, s Standing, kind string, change any, summary Summary) (Approval, error) {
	a := Approval{Controller: s.Controller.ID, Kind: kind, RequestedBy: by.Account, Requester: s.Account.Name() + " " + by.CLI, State: "pending", Session: by.Session, Device: by.Device}
	body, err1 := encode(change)
	text, err2 := encode(summary)
	if err := errors.Join(err1, err2); err != nil {
		return a, err
	}
	a.Body, a.Summary = body, text
	digest := sha256.Sum256([]byte(body))
	_, err := d.ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindApproval, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session,
		Detail: ledger.Detail{What: "request " + kind, Digest: digest[:], By: by.CLI}, Revision: s.Rev,
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			a.ID, a.RequestedAt, a.Expires = ecluse.ApprovalID(tx.Allot(1)), e.At, e.At.Add(ApprovalLife)
			return tx.(Tx).InsertApproval(ctx, d.signed(a))
		},
	})
	if err != nil {
		return a, fmt.Errorf("request %s: %w", kind, err)
	}
	return a, nil
}

// Approvals are the pending requests that an account may decide: those of its controller, for access
// officers, without the bodies.
func (d *Directory) Approvals(ctx context.Context, by Actor) ([]Approval, error) {
	s, err := d.Standing(ctx, by.Account)
	if err != nil || !s.Has(ecluse.RoleAccessOfficer) {
		return nil, errors.Join(err, whenNil(err, ErrNotFound))
	}
	if s.Account.over(d.now()) {
		return nil, ErrInactive
	}
	return d.rows.Approvals(ctx, s.Controller.ID, "pending")
}

func whenNil(err, other error) error {
	if err == nil {
		return other
	}
	return nil
}

// Approval is one request of the account's controller, whatever its state: ErrNotFound, or ErrDead if
// it is not as it was asked.
func (d *Directory) Approval(ctx context.Context, by Actor, id ecluse.ApprovalID) (Approval, error) {
	s, err := d.Standing(ctx, by.Account)
	if err != nil {
		return Approval{}, err
	}
	if !s.Has(ecluse.RoleAccessOfficer) {
		return Approval{}, ErrNotFound
	}
	if s.Account.over(d.now()) {
		return Approval{}, ErrInactive
	}
	return d.approval(ctx, s.Controller.ID, id)
}

// Decide approves or refuses a request: the one choke point of the four eyes. What was asked takes
// effect in the transaction that appends the decision; links of a large batch follow in transactions
// of LinkChunk each, and ResumeLinks goes on with them after an interruption. Errors: ErrNotFound,
// ErrDualControl, ErrWeak, ErrInactive, ErrDecided, ErrChanged, ErrOfficers, ErrDead.
func (d *Directory) Decide(ctx context.Context, by Actor, id ecluse.ApprovalID, approve bool) error {
	var change Change
	var links Approval
	err := d.again(by.Account, func() (err error) {
		change, links, err = d.decide(ctx, by, id, approve)
		return err
	})
	if err != nil || links.ID == 0 {
		return err
	}
	return d.applyLinks(ctx, links.ID, change)
}

// decide answers the change and, if it was approved and has links, the row that they are made from.
func (d *Directory) decide(ctx context.Context, by Actor, id ecluse.ApprovalID, approve bool) (change Change, links Approval, err error) {
	a, err := d.Approval(ctx, by, id)
	if err != nil {
		return change, links, err
	}
	s, err := d.Standing(ctx, by.Account)
	if err != nil {
		return change, links, err
	}
	if err := d.mayDecide(ctx, s, by, a); err != nil {
		return change, links, err
	}
	takeEffect, err := d.effect(s.Controller, a, by.Account, &change, &links)
	if err != nil {
		return change, links, err
	}
	state, what := "refused", "refuse "
	if approve {
		state, what = "approved", "approve "
	}
	digest := sha256.Sum256([]byte(a.Body))
	_, err = d.ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindApproval, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, NewRevision: approve,
		Detail: ledger.Detail{What: what + a.Kind, Subject: int64(id), Digest: digest[:], By: by.CLI}, Revision: s.Rev,
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			if err := tx.(Tx).DecideApproval(ctx, id, by.Account, state, e.At); err != nil || !approve {
				return err
			}
			return takeEffect(ctx, tx, e)
		},
	})
	if err != nil {
		return change, links, fmt.Errorf("decide request %d: %w", id, err)
	}
	return change, links, nil
}

// effect is what approving a request does, by its kind. An import fills in its change and the row that
// its links are made from.
func (d *Directory) effect(controller Controller, a Approval, approver ecluse.AccountID, change *Change, links *Approval) (ledger.Effect, error) {
	if a.Kind == KindObserve {
		return d.observing(a, approver)
	}
	if err := json.Unmarshal([]byte(a.Body), change); err != nil {
		return nil, fmt.Errorf("read request %d: %w", a.ID, err)
	}
	return func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		c := applied{Change: *change, approval: a, approver: approver}
		err := d.apply(ctx, tx, e, controller, c)
		if err == nil && len(change.Links) > 0 {
			*links, err = d.leaveBatch(ctx, tx, e, c)
		}
		return err
	}, nil
}

// mayDecide holds the rules of the four eyes.
func (d *Directory) mayDecide(ctx context.Context, s Standing, by Actor, a Approval) error {
	if a.State != "pending" || !d.now().Before(a.Expires) {
		return ErrDecided
	}
	if a.Kind != KindImport && a.Kind != KindObserve {
		return ErrNotFound
	}
	if !s.Account.Acts(d.now()) || a.RequestedBy == by.Account || !elsewhere(a, by) {
		return ErrDualControl
	}
	if !by.Assured || !by.Strong {
		return ErrWeak
	}
	officers, err := d.boundOfficers(ctx, s.Controller.ID)
	if err != nil {
		return err
	}
	if officers < 2 {
		return ErrOfficers
	}
	apart, err := d.apart(ctx, a.RequestedBy, by.Account)
	if err == nil && apart {
		apart, err = d.notSiblings(ctx, a.RequestedBy, by.Account)
	}
	if err == nil && !apart {
		err = ErrDualControl
	}
	return err
}

// elsewhere reports whether who decides sits at another browser, in another session, than who asked. A
// request of a command was made at no browser.
func elsewhere(a Approval, by Actor) bool {
	if a.Session != 0 && a.Session == by.Session {
		return false
	}
	return a.Device == "" || by.Device != "" && by.Device != a.Device
}

// boundOfficers counts the access officers that have signed in, by identity.
func (d *Directory) boundOfficers(ctx context.Context, c ecluse.ControllerID) (int, error) {
	accounts, grants, err := d.rows.Holders(ctx, c, ecluse.RoleAccessOfficer)
	if err != nil {
		return 0, fmt.Errorf("read the access officers: %w", err)
	}
	granted := map[ecluse.AccountID]bool{}
	for _, g := range grants {
		if g.Role == ecluse.RoleAccessOfficer && g.runs(d.now()) && d.valid(grantDomain, int64(g.Account), g.MAC, g.canonical()) {
			granted[g.Account] = true
		}
	}
	identities := map[[2]string]bool{}
	for _, a := range accounts {
		if granted[a.ID] && a.Acts(d.now()) && a.Sub != "" && !a.ActiveAt.IsZero() && d.checkAccount(a) == nil {
			identities[[2]string{a.IDP, a.Sub}] = true
		}
	}
	return len(identities), nil
}

// Compare is the diff that a request for a change would be shown with; nothing is asked for.
func (d *Directory) Compare(ctx context.Context, c Change) (Summary, error) { return d.plan(ctx, c) }

// ByEmail finds the account that shows an e-mail address, with its body: for the command line, where
// people name themselves so. ErrNotFound, also when several accounts show it.
func (d *Directory) ByEmail(ctx context.Context, email string) (Account, Controller, error) {
	found, err := d.rows.AccountsByEmail(ctx, email)
	if err != nil {
		return Account{}, Controller{}, fmt.Errorf("look up an account: %w", err)
	}
	if len(found) != 1 {
		return Account{}, Controller{}, ErrNotFound
	}
	c, err := d.controller(ctx, found[0].Controller)
	return found[0], c, err
}
