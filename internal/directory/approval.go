package directory

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/policy"
)

// Errors of requests and decisions.
var (
	// ErrDualControl: the one who decides may not be the one who asked, nor share an identity, a
	// session or a device with them, and must be an access officer of the controller.
	ErrDualControl = errors.New("a second, different person has to decide this")
	// ErrDecided: somebody decided it before, or it expired.
	ErrDecided = errors.New("this request is no longer pending")
	// ErrChanged: approving it would not do what was shown any more.
	ErrChanged = errors.New("the directory changed since this was asked: ask again")
	// ErrOfficers: fewer than two access officers have signed in; until then nothing can be approved.
	ErrOfficers = errors.New("two access officers must have signed in before anything can be approved")
)

// ApprovalLife is how long a request waits.
const ApprovalLife = 30 * 24 * time.Hour

// Approval is a request that waits for, or had, a second pair of eyes.
type Approval struct {
	ID         ecluse.ApprovalID
	Controller ecluse.ControllerID
	Kind       string
	// Organisation is whom it concerns, 0 = the whole body.
	Organisation ecluse.OrganisationID
	Subject      int64 // directory.links: links made so far
	Body         string
	Summary      string
	RequestedBy  ecluse.AccountID
	Requester    string
	RequestedAt  time.Time
	DecidedBy    ecluse.AccountID
	DecidedAt    time.Time
	DecidedEntry ecluse.EntryNumber // 0 = not decided
	State        string             // pending, approved, refused
	Expires      time.Time
	// Session, Device and Network are where it was asked from, empty for commands.
	Session ecluse.SessionID
	Device  string
	Network string
	MAC     []byte
}

// Diff is what the approver is shown.
func (a Approval) Diff() (Summary, error) {
	var s Summary
	err := json.Unmarshal([]byte(a.Summary), &s)
	return s, err
}

// ApprovalRows reads requests.
type ApprovalRows interface {
	// Approvals are without their bodies.
	Approvals(ctx context.Context, c ecluse.ControllerID, state string) ([]Approval, error)
	// Decided are the newest in a state, the newest first, without their bodies.
	Decided(ctx context.Context, c ecluse.ControllerID, state string, limit int) ([]Approval, error)
	// Approved counts what an account approved since an instant.
	Approved(ctx context.Context, by ecluse.AccountID, since time.Time) (int, error)
}

// RefusedError says why somebody may not decide a request. errors.Is finds ErrDualControl in it, or, where
// that is the only reason, ErrWeak (assurance.too_low), ErrOfficers (dual_control.officers) or
// ErrSecondOfficer (containment.second_officer).
type RefusedError struct{ Reasons []ecluse.Reason }

func (e *RefusedError) Error() string { return fmt.Sprintf("this may not be decided: %v", e.Reasons) }

// Is implements errors.Is.
func (e *RefusedError) Is(target error) bool {
	alone := ErrDualControl
	if len(e.Reasons) == 1 {
		switch e.Reasons[0] {
		case ecluse.ReasonAssuranceTooLow:
			alone = ErrWeak
		case ecluse.ReasonDualOfficers:
			alone = ErrOfficers
		case ecluse.ReasonContainmentSecond:
			alone = ErrSecondOfficer
		}
	}
	return target == alone
}

// Request asks for a directory import on behalf of an account of the controller (access officer or
// administrator): it can then not be the one who approves. Nothing changes but the list of requests.
func (d *Directory) Request(ctx context.Context, by Actor, c Change) (Approval, error) {
	return d.ask(ctx, by, KindImport, func(s Standing) (question, error) {
		if s.Controller.Code != c.Controller {
			return question{}, ErrDualControl
		}
		summary, err := d.plan(ctx, c)
		return question{Body: c, Summary: summary}, err
	})
}

// deciders are the roles that decide requests of some kind.
var deciders = []ecluse.Role{ecluse.RoleAccessOfficer, ecluse.RoleSecurityOfficer, ecluse.RoleAccountManager, ecluse.RoleAgent}

// Approvals are the pending requests that an account may decide, as far as its role goes, without the
// bodies. ErrNotFound if it decides none at all.
func (d *Directory) Approvals(ctx context.Context, by Actor) ([]Approval, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(deciders, s.Has) {
		return nil, ErrNotFound
	}
	all, err := d.rows.Approvals(ctx, s.Controller.ID, "pending")
	return slices.DeleteFunc(all, func(a Approval) bool { return !s.decides(a) }), err
}

// decidedShown is how many decided requests are listed.
const decidedShown = 20

// Decided are the requests decided last that the account might have decided itself, the newest first,
// without their bodies. ErrNotFound if it decides none at all.
func (d *Directory) Decided(ctx context.Context, by Actor) ([]Approval, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(deciders, s.Has) {
		return nil, ErrNotFound
	}
	var all []Approval
	for _, state := range []string{"approved", "refused"} {
		list, err := d.rows.Decided(ctx, s.Controller.ID, state, decidedShown)
		if err != nil {
			return nil, fmt.Errorf("read the decided requests: %w", err)
		}
		all = append(all, list...)
	}
	all = slices.DeleteFunc(all, func(a Approval) bool { return !s.decides(a) })
	slices.SortStableFunc(all, func(a, b Approval) int { return b.DecidedAt.Compare(a.DecidedAt) })
	return all[:min(len(all), decidedShown)], nil
}

// Receipt is the receipt of the entry that decided a request, "" while none has.
func (d *Directory) Receipt(ctx context.Context, a Approval) (string, error) {
	if a.DecidedBy == 0 {
		return "", nil
	}
	return d.ledger.ReceiptOf(ctx, a.DecidedEntry)
}

// decides reports whether the account's role is one that decides a request.
func (s Standing) decides(a Approval) bool {
	k, known := kindOf(a.Kind)
	return known && a.Controller == s.Controller.ID && k.decides(s, a)
}

// Approval is one request that the account may decide, as far as its role goes, whatever its state:
// ErrNotFound, or ErrDead if it is not as it was asked.
func (d *Directory) Approval(ctx context.Context, by Actor, id ecluse.ApprovalID) (Approval, error) {
	_, a, err := d.decidable(ctx, by, id)
	return a, err
}

func (d *Directory) decidable(ctx context.Context, by Actor, id ecluse.ApprovalID) (Standing, Approval, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return s, Approval{}, err
	}
	a, err := d.rows.Approval(ctx, id)
	if err != nil {
		return s, a, err
	}
	if a.Controller != s.Controller.ID {
		return s, Approval{}, ErrNotFound
	}
	if err := d.checkApproval(a); err != nil {
		return s, Approval{}, err
	}
	if !s.decides(a) {
		return s, Approval{}, ErrNotFound
	}
	return s, a, nil
}

// Decide approves or refuses a request: the one choke point of the four eyes. What was asked takes
// effect in the transaction that appends the decision; links of a large batch follow in transactions
// of LinkChunk each, and ResumeLinks goes on with them after an interruption. Who may not decide it is
// told why (*RefusedError), and the attempt is in the ledger. Other errors: ErrNotFound, ErrInactive,
// ErrDecided, ErrChanged, ErrDead.
func (d *Directory) Decide(ctx context.Context, by Actor, id ecluse.ApprovalID, approve bool) error {
	var taken *decision
	_, err := d.ledger.AppendFresh(ctx, func() (_ []ledger.Candidate, err error) {
		var c ledger.Candidate
		taken, c, err = d.decide(ctx, by, id, approve)
		return []ledger.Candidate{c}, err
	})
	var refused *RefusedError
	if errors.As(err, &refused) {
		err = errors.Join(err, d.noteRefused(ctx, by, id, refused.Reasons))
	}
	if err != nil {
		return fmt.Errorf("decide request %d: %w", id, err)
	}
	if !approve || taken.then == nil {
		return nil
	}
	return d.follows(ctx, taken.then)
}

// decide checks that a request may be decided so, and answers the entry that does it.
func (d *Directory) decide(ctx context.Context, by Actor, id ecluse.ApprovalID, approve bool) (*decision, ledger.Candidate, error) {
	s, a, err := d.decidable(ctx, by, id)
	if err != nil {
		return nil, ledger.Candidate{}, err
	}
	if a.State != "pending" || !d.now().Before(a.Expires) {
		return nil, ledger.Candidate{}, ErrDecided
	}
	facts, err := d.approvalFacts(ctx, s, by, a, approve)
	if err != nil {
		return nil, ledger.Candidate{}, err
	}
	if reasons := policy.DecideApproval(facts); len(reasons) > 0 {
		return nil, ledger.Candidate{}, &RefusedError{reasons}
	}
	k, _ := kindOf(a.Kind)
	taken := &decision{Approval: a, controller: s.Controller, approver: by.Account}
	state, what := "refused", "refuse "
	var takeEffect ledger.Effect
	if approve {
		state, what = "approved", "approve "
		if takeEffect, err = k.effect(d, ctx, taken); err != nil {
			return nil, ledger.Candidate{}, d.unlessStale(ctx, s.Rev, err)
		}
	}
	digest := sha256.Sum256([]byte(a.Body))
	return taken, ledger.Candidate{
		Kind: ledger.KindApproval, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, NewRevision: approve,
		Detail: ledger.Detail{What: what + a.Kind, Subject: int64(id), Digest: digest[:], By: by.CLI}, Revision: s.Rev,
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			if err := tx.(Tx).DecideApproval(ctx, id, by.Account, state, e); err != nil || !approve {
				return err
			}
			return takeEffect(ctx, tx, e)
		},
	}, nil
}

// unlessStale is an error that was found on facts of a revision, or ErrStale if they changed meanwhile: what
// was found may be due to that.
func (d *Directory) unlessStale(ctx context.Context, rev int64, found error) error {
	now, err := d.rows.Rev(ctx)
	if err != nil || now == rev {
		return errors.Join(found, err)
	}
	d.Revised(now)
	return ledger.ErrStale
}

// approvalFacts reads what policy.DecideApproval asks for. Whatever changes it raises the revision, but
// for a first sign-in, which only allows more.
func (d *Directory) approvalFacts(ctx context.Context, s Standing, by Actor, a Approval, approve bool) (f policy.ApprovalFacts, err error) {
	k, _ := kindOf(a.Kind)
	f = policy.ApprovalFacts{Concerns: a.Organisation, Within: k.within, Approves: approve, Assured: by.Assured, Strong: by.Strong}
	if a.RequestedBy != 0 {
		if f.Requester, err = d.party(ctx, a.RequestedBy, a.Session, a.Device); err != nil {
			return f, err
		}
	}
	if f.Approver, err = d.party(ctx, by.Account, by.Session, by.Device); err != nil {
		return f, err
	}
	if f.Officers, err = d.boundOfficers(ctx, s.Controller.ID, k.counted()...); err != nil {
		return f, err
	}
	if f.Approved24h, err = d.rows.Approved(ctx, by.Account, d.now().Add(-24*time.Hour)); err != nil {
		return f, fmt.Errorf("count the approvals of account %d: %w", by.Account, err)
	}
	return f, nil
}

// party is an account with its lineage.
func (d *Directory) party(ctx context.Context, id ecluse.AccountID, session ecluse.SessionID, device string) (policy.Party, error) {
	line, err := d.lineage(ctx, id)
	if err != nil {
		return policy.Party{}, err
	}
	p := policy.Party{
		Account: id, Identity: line[0].identity(), Organisation: line[0].Organisation, Session: session, Device: device,
		Contained: line[0].State == Suspended,
	}
	old := false
	for i, a := range line[1:] {
		old = old || !d.now().Before(line[i].Created.Add(policy.KinFades)) // line[i] is whom a asked for
		p.Lineage = append(p.Lineage, policy.Ancestor{Account: a.ID, Identity: a.identity(), Contained: a.State == Suspended, Old: old})
	}
	return p, nil
}

// identity names who an account is bound to; "" = nobody.
func (a Account) identity() string {
	if a.Sub == "" {
		return ""
	}
	return a.IDP + " " + a.Sub
}

// noteRefused writes down that somebody tried to decide what they may not.
func (d *Directory) noteRefused(ctx context.Context, by Actor, id ecluse.ApprovalID, reasons []ecluse.Reason) error {
	_, err := d.ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindApproval, Account: by.Account, Session: by.Session, Revision: ledger.AnyRevision, Decision: ledger.Deny, Reasons: reasons,
		Detail: ledger.Detail{What: "decide", Subject: int64(id), By: by.CLI},
	})
	return err
}

// boundOfficers counts the holders of roles that have signed in, by identity.
func (d *Directory) boundOfficers(ctx context.Context, c ecluse.ControllerID, roles ...ecluse.Role) (int, error) {
	identities := map[string]bool{}
	for _, role := range roles {
		officers, err := d.Officers(ctx, c, role)
		if err != nil {
			return 0, err
		}
		for _, a := range officers {
			if !a.ActiveAt.IsZero() {
				identities[a.identity()] = true
			}
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
