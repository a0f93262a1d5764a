package directory

import (
	"context"
	"encoding/json"
	"fmt"

	"ecluse"
	"ecluse/internal/ledger"
)

// approvalDomain authenticates requests: the MAC covers everything but the decision, so that who writes
// the database without the keys can change neither what is asked, nor who asks and where, nor the diff
// that the approver is shown.
const approvalDomain = "directory/approvals"

func (a Approval) canonical() []byte {
	return row(int64(a.ID), int64(a.Controller), a.Kind, int64(a.Organisation), int64(a.RequestedBy), a.Requester, a.RequestedAt, a.Expires,
		int64(a.Session), a.Device, a.Network, a.Summary, a.Body)
}

// signed is the request with its MAC.
func (d *Directory) signed(a Approval) Approval {
	a.MAC = d.keys.MAC(approvalDomain, a.canonical())
	return a
}

// checkApproval: ErrDead if a request is not as it was asked.
func (d *Directory) checkApproval(a Approval) error {
	if !d.valid(approvalDomain, int64(a.ID), a.MAC, a.canonical()) {
		return fmt.Errorf("request %d: %w", a.ID, ErrDead)
	}
	return nil
}

// approval reads one request of a controller: ErrNotFound, ErrDead.
func (d *Directory) approval(ctx context.Context, c ecluse.ControllerID, id ecluse.ApprovalID) (Approval, error) {
	a, err := d.rows.Approval(ctx, id)
	if err != nil {
		return a, err
	}
	if a.Controller != c {
		return Approval{}, ErrNotFound
	}
	return a, d.checkApproval(a)
}

// KindLinks is the kind of row that an approval leaves for the links of its batch. It is written only in
// the transaction of the decision, and carries a MAC: a row of it proves that the batch was approved,
// which the state of the request, a word in the database, does not.
const KindLinks = "directory.links"

// batch is the body of a row of KindLinks; how many links were made is its Subject.
type batch struct {
	Request ecluse.ApprovalID `json:"request"`
	Links   int               `json:"links"`
}

// leaveBatch writes that row in the transaction of the decision.
func (d *Directory) leaveBatch(ctx context.Context, tx ledger.Tx, e *ledger.Entry, a applied) (Approval, error) {
	body, err := json.Marshal(batch{Request: a.approval.ID, Links: len(a.Links)})
	if err != nil {
		return Approval{}, err
	}
	job := Approval{
		ID: ecluse.ApprovalID(tx.Allot(1)), Controller: a.approval.Controller, Kind: KindLinks, Body: string(body), Summary: "{}",
		RequestedBy: a.approval.RequestedBy, Requester: a.approval.Requester, RequestedAt: e.At, Expires: e.At.Add(ApprovalLife),
	}
	if err := tx.(Tx).InsertApproval(ctx, d.signed(job)); err != nil {
		return job, err
	}
	return job, tx.(Tx).DecideApproval(ctx, job.ID, a.approver, "approved", e)
}
