package directory

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
)

// Kinds of requests. What one asks for is its body; what the approver is shown is its Summary, written
// when it was asked and covered by its MAC.
const (
	KindImport  = "directory.import" // Change, by a file
	KindObserve = "budgets.observe"  // ObserveChange

	KindAccount        = "account.request"         // Change of one account
	KindStandIn        = "account.standin"         // Change of one account, for StandInLife
	KindStandInConfirm = "account.standin_confirm" // standInConfirm: it stays

	KindClientKey = "client.key" // ClientKeyChange: a program's key
)

// kind says, of one kind of request, who may ask, who may decide (beside the rules of
// policy.DecideApproval, which know no exception), and what approving it does.
type kind struct {
	asks    func(Standing) bool
	decides func(Standing, Approval) bool
	within  bool          // a colleague of the requester decides
	counts  []ecluse.Role // two holders of these must have signed in; nil = access officers
	waits   time.Duration // for a decision; 0 = ApprovalLife
	// effect reads the body and answers what takes place in the transaction of the approval. It may leave
	// what follows the commit in the decision.
	effect func(*Directory, context.Context, *decision) (ledger.Effect, error)
}

// decision is a request that is being approved.
type decision struct {
	Approval
	controller Controller
	approver   ecluse.AccountID
	then       func(context.Context) error // after the commit, nil = nothing
}

// read is the body of the request.
func (r *decision) read(into any) error {
	if err := json.Unmarshal([]byte(r.Body), into); err != nil {
		return fmt.Errorf("read request %d: %w", r.ID, err)
	}
	return nil
}

// kindOf is the table of kinds: one row for each.
func kindOf(name string) (kind, bool) {
	k, ok := map[string]kind{
		KindImport:  {asks: bodyStaff, decides: bodyOfficer, effect: (*Directory).importing},
		KindObserve: {asks: bodyStaff, decides: bodyOfficer, effect: (*Directory).observing},

		KindAccount:        {asks: asksForAccounts, decides: anyOfficer, effect: (*Directory).opening},
		KindStandIn:        {asks: manages, decides: colleague, within: true, waits: StandInWaits, effect: (*Directory).standingIn},
		KindStandInConfirm: {asks: nobody, decides: anyOfficer, waits: StandInLife, effect: (*Directory).confirmingStandIn},

		KindClientKey: {asks: asksForKeys, decides: bodyOfficer, effect: (*Directory).keying},

		KindContain:   {asks: guards, decides: guardsToo, counts: guardians, waits: ContainmentWaits, effect: (*Directory).containingTwo},
		KindUncontain: {asks: guards, decides: guardsToo, counts: guardians, effect: (*Directory).uncontaining},

		KindFactor:   {asks: nobody, decides: confirms, within: true, waits: WaitingLife, effect: (*Directory).confirming},
		KindRecovery: {asks: recoverer, decides: recovers, effect: (*Directory).confirming},
	}[name]
	return k, ok
}

// counted are the roles two of whose holders must have signed in before the kind is decided.
func (k kind) counted() []ecluse.Role {
	if k.counts == nil {
		return []ecluse.Role{ecluse.RoleAccessOfficer}
	}
	return k.counts
}

// bodyStaff: an access officer or administrator of the body itself.
func bodyStaff(s Standing) bool {
	return s.Account.Organisation == 0 && (s.Has(ecluse.RoleAccessOfficer) || s.Has(ecluse.RoleAdmin))
}

// bodyOfficer: an access officer of the body itself.
func bodyOfficer(s Standing, _ Approval) bool {
	return s.Account.Organisation == 0 && s.Has(ecluse.RoleAccessOfficer)
}

// anyOfficer: an access officer of the body, or of an organisation that it named for that. She decides for
// other organisations than her own (policy.DecideApproval).
func anyOfficer(s Standing, _ Approval) bool { return s.Has(ecluse.RoleAccessOfficer) }

// manages: an account manager of an organisation.
func manages(s Standing) bool { return s.Account.Organisation != 0 && s.Has(ecluse.RoleAccountManager) }

// asksForAccounts: an account manager, or the body's own staff.
func asksForAccounts(s Standing) bool { return manages(s) || bodyStaff(s) }

// colleague: a member of the organisation that a request concerns, no replacement.
func colleague(s Standing, a Approval) bool {
	return a.Organisation != 0 && s.Account.Organisation == a.Organisation && !s.Account.StandIn() &&
		(s.Has(ecluse.RoleAgent) || s.Has(ecluse.RoleAccountManager))
}

// question is what somebody asks for, before it is written down.
type question struct {
	Concerns ecluse.OrganisationID // 0 = the whole body
	Body     any                   // what takes effect
	Summary  Summary               // what the approver is shown
}

// ask writes a request of a kind down: the one way to make one. Nothing changes but the list of requests.
// prepare makes the question from the asker's standing, again if the directory changed meanwhile.
// Errors: ErrInactive, ErrWeak, ErrDualControl (not theirs to ask), those of prepare.
func (d *Directory) ask(ctx context.Context, by Actor, name string, prepare func(Standing) (question, error)) (a Approval, err error) {
	k, ok := kindOf(name)
	if !ok {
		return a, fmt.Errorf("request %s: %w", name, ErrNotFound)
	}
	_, err = d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, err := d.actor(ctx, by, sensitive)
		if err != nil {
			return nil, err
		}
		if !k.asks(s) {
			return nil, ErrDualControl
		}
		q, err := prepare(s)
		if err != nil {
			return nil, err
		}
		c, err := d.file(by, s, name, q, &a)
		return []ledger.Candidate{c}, err
	})
	if err != nil {
		return a, fmt.Errorf("request %s: %w", name, err)
	}
	return a, nil
}

// file is the entry that writes a request down, into a.
func (d *Directory) file(by Actor, s Standing, name string, q question, a *Approval) (ledger.Candidate, error) {
	asked, err := q.from(Approval{
		Controller: s.Controller.ID, Kind: name, RequestedBy: by.Account, Requester: strings.TrimSpace(s.Account.Name() + " " + by.CLI),
		Session: by.Session, Device: by.Device, Network: by.Network,
	})
	if err != nil {
		return ledger.Candidate{}, err
	}
	digest := sha256.Sum256([]byte(asked.Body))
	return ledger.Candidate{
		Kind: ledger.KindApproval, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev,
		Detail: ledger.Detail{What: "request " + name, Digest: digest[:], By: by.CLI},
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) (err error) {
			*a, err = d.insert(ctx, tx, e, asked)
			return err
		},
	}, nil
}

// from is the question as a request of whoever a says.
func (q question) from(a Approval) (Approval, error) {
	body, err1 := encode(q.Body)
	summary, err2 := encode(q.Summary)
	a.Organisation, a.Body, a.Summary = q.Concerns, body, summary
	return a, errors.Join(err1, err2)
}

// insert writes a request down in the transaction of its entry, and tells whoever may decide it.
func (d *Directory) insert(ctx context.Context, tx ledger.Tx, e *ledger.Entry, a Approval) (Approval, error) {
	k, _ := kindOf(a.Kind)
	a.ID, a.RequestedAt, a.State = ecluse.ApprovalID(tx.Allot(1)), e.At, "pending"
	a.Expires = e.At.Add(cmp.Or(k.waits, ApprovalLife))
	told := notice.Notice{Kind: notice.AccountRequested, Controller: a.Controller, Organisation: a.Organisation, By: a.RequestedBy, Subject: int64(a.ID)}
	var tell []notice.Notice
	if a.Kind == KindAccount || a.Kind == KindStandInConfirm || a.Kind == KindImport {
		tell = append(tell, told)
	}
	return a, errors.Join(tx.(Tx).InsertApproval(ctx, d.signed(a)), tx.(Tx).InsertNotices(ctx, tell))
}
