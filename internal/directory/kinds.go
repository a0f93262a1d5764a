package directory

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"ecluse"
	"ecluse/internal/ledger"
)

// Kinds of requests. What one asks for is its body; what the approver is shown is its Summary, written
// when it was asked and covered by its MAC.
const (
	KindImport  = "directory.import" // Change, by a file
	KindObserve = "budgets.observe"  // ObserveChange
)

// kind says, of one kind of request, who may ask, who may decide (beside the rules of
// policy.DecideApproval, which know no exception), and what approving it does.
type kind struct {
	asks    func(Standing) bool
	decides func(Standing, Approval) bool
	within  bool // a colleague of the requester decides
	// effect reads the body and answers what takes place in the transaction of the approval. It may leave
	// what follows the commit in the decision.
	effect func(*Directory, *decision) (ledger.Effect, error)
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
	}[name]
	return k, ok
}

// bodyStaff: an access officer or administrator of the body itself.
func bodyStaff(s Standing) bool {
	return s.Account.Organisation == 0 && (s.Has(ecluse.RoleAccessOfficer) || s.Has(ecluse.RoleAdmin))
}

// bodyOfficer: an access officer of the body itself.
func bodyOfficer(s Standing, _ Approval) bool {
	return s.Account.Organisation == 0 && s.Has(ecluse.RoleAccessOfficer)
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
	body, err := encode(q.Body)
	if err != nil {
		return ledger.Candidate{}, err
	}
	summary, err := encode(q.Summary)
	if err != nil {
		return ledger.Candidate{}, err
	}
	digest := sha256.Sum256([]byte(body))
	return ledger.Candidate{
		Kind: ledger.KindApproval, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev,
		Detail: ledger.Detail{What: "request " + name, Digest: digest[:], By: by.CLI},
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			*a = Approval{
				ID: ecluse.ApprovalID(tx.Allot(1)), Controller: s.Controller.ID, Kind: name, Organisation: q.Concerns, Body: body, Summary: summary,
				RequestedBy: by.Account, Requester: s.Account.Name() + " " + by.CLI, RequestedAt: e.At, State: "pending",
				Expires: e.At.Add(ApprovalLife), Session: by.Session, Device: by.Device, Network: by.Network,
			}
			return tx.(Tx).InsertApproval(ctx, d.signed(*a))
		},
	}, nil
}
