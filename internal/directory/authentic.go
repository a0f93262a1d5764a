package directory

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ecluse"
	"ecluse/internal/ledger"
)

// approvalDomain authenticates requests. Their table has no column for it: the MAC is the first line of
// the body, where it was asked from the second, and covers everything but the decision, so that who writes the database without the keys can
// change neither what is asked, nor who asks and where, nor the diff that the approver is shown.
const approvalDomain = "directory/approvals"

func (a Approval) canonical() []byte {
	return row(int64(a.ID), int64(a.Controller), a.Kind, int64(a.RequestedBy), a.Requester, a.RequestedAt, a.Expires,
		int64(a.Session), a.Device, a.Summary, a.Body)
}

// signed is the request as it is stored.
func (d *Directory) signed(a Approval) Approval {
	a.Body = base64url(d.keys.MAC(approvalDomain, a.canonical())) + "\n" + fmt.Sprintf("%d %s", a.Session, a.Device) + "\n" + a.Body
	return a
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
	text, rest, _ := strings.Cut(a.Body, "\n")
	from, body, _ := strings.Cut(rest, "\n")
	session, device, _ := strings.Cut(from, " ")
	number, _ := strconv.ParseInt(session, 10, 64) // if it is none, the MAC does not hold
	a.Session, a.Device, a.Body = ecluse.SessionID(number), device, body
	mac, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || !d.valid(approvalDomain, int64(a.ID), mac, a.canonical()) {
		return Approval{}, fmt.Errorf("request %d: %w", id, ErrDead)
	}
	return a, nil
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
	return job, tx.(Tx).DecideApproval(ctx, job.ID, a.approver, "approved", e.At)
}

// staleTries is how often something is done again because its facts changed meanwhile.
const staleTries = 3

// again does what rests on an account's standing until its facts held under the ledger's lock.
func (d *Directory) again(id ecluse.AccountID, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if !errors.Is(err, ledger.ErrStale) || try >= staleTries {
			return err
		}
		d.Forget(id)
	}
}
