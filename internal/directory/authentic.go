package directory

import (
	"context"
	"fmt"

	"ecluse"
)

// approvalDomain authenticates requests: the MAC covers everything but the decision, so that who writes
// the database without the keys can change neither what is asked, nor who asks and where, nor the diff
// that the approver is shown.
const approvalDomain = "directory/approvals/v1"

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
