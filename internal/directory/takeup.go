package directory

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"ecluse"
	"ecluse/internal/ledger"
)

// Submit asks for a directory import from the command line of a node: on behalf of nobody, for whoever runs
// commands proves nothing of who they are. Somebody who may ask for imports takes it up in her own session
// (TakeUp), and another one approves it. The body is the change's.
func (d *Directory) Submit(ctx context.Context, by Actor, c Change) (Approval, error) {
	return d.submit(ctx, by, c.Controller, KindImport, func() (question, error) {
		summary, err := d.plan(ctx, c)
		return question{Body: c, Summary: summary}, err
	})
}

// SubmitObserve asks in the same way to have the budgets of a register observed, for the accounts of a
// body. Errors: ErrDays, ErrNotFound.
func (d *Directory) SubmitObserve(ctx context.Context, by Actor, controller string, c ObserveChange) (Approval, error) {
	if c.Days < 1 || c.Days > MaxObserveDays {
		return Approval{}, ErrDays
	}
	return d.submit(ctx, by, controller, KindObserve, func() (question, error) {
		body, err := d.controllerByCode(ctx, controller)
		return question{Body: c, Summary: Summary{Controller: body.Name, Observe: &c}}, err
	})
}

func (d *Directory) submit(ctx context.Context, by Actor, controller, name string, prepare func() (question, error)) (a Approval, err error) {
	body, err := d.controllerByCode(ctx, controller)
	if err != nil {
		return a, err
	}
	if !by.command() {
		return a, ErrDualControl
	}
	q, err := prepare()
	if err != nil {
		return a, err
	}
	c, err := d.file(by, Standing{Controller: body, Rev: ledger.AnyRevision}, name, q, &a)
	if err != nil {
		return a, err
	}
	if _, err := d.ledger.Append(ctx, c); err != nil {
		return a, fmt.Errorf("submit %s: %w", name, err)
	}
	return a, nil
}

// TakeUp makes a request of the command line the actor's own: from now on she is who asked, in this session
// and at this browser, and somebody else decides. Errors: ErrNotFound, ErrDualControl (not hers to ask),
// ErrDecided (taken up, decided or expired), ErrInactive, ErrWeak, ErrDead.
func (d *Directory) TakeUp(ctx context.Context, by Actor, id ecluse.ApprovalID) error {
	_, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, err := d.actor(ctx, by, sensitive)
		if err != nil {
			return nil, err
		}
		a, err := d.approval(ctx, s.Controller.ID, id)
		if err != nil {
			return nil, err
		}
		own := s.Account.Organisation // whose member takes up what concerns it alone
		if k, known := kindOf(a.Kind); !known || !k.asks(s) || own != 0 && own != a.Organisation {
			return nil, ErrDualControl
		}
		if a.RequestedBy != 0 || a.State != "pending" || !d.now().Before(a.Expires) {
			return nil, ErrDecided
		}
		a.RequestedBy, a.Session, a.Device, a.Network = by.Account, by.Session, by.Device, by.Network
		a.Requester = strings.TrimSpace(s.Account.Name() + " " + a.Requester)
		digest := sha256.Sum256([]byte(a.Body))
		return []ledger.Candidate{{
			Kind: ledger.KindApproval, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev,
			Detail: ledger.Detail{What: "take up " + a.Kind, Subject: int64(id), Digest: digest[:], By: by.CLI},
			Effect: func(ctx context.Context, tx ledger.Tx, _ *ledger.Entry) error {
				return tx.(Tx).TakeUpApproval(ctx, d.signed(a))
			},
		}}, nil
	})
	if err != nil {
		return fmt.Errorf("take up request %d: %w", id, err)
	}
	return nil
}
