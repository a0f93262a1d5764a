package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ecluse"
	"ecluse/internal/ledger"
)

// ErrFounded: the body has accounts already.
var ErrFounded = errors.New("the body has its first accounts already")

// Found writes the first accounts of an installation: the access officers (and other staff) without
// whom nothing can be approved. Each one's Organisation names its body by code; each body named needs
// two access officers. It is the only change without a second pair of eyes, and refuses a body that has
// any account.
func (d *Directory) Found(ctx context.Context, staff []AccountChange) error {
	controllers, err := d.Controllers(ctx)
	if err != nil {
		return err
	}
	bodies := map[string]ecluse.ControllerID{}
	for _, c := range controllers {
		bodies[c.Code] = c.ID
	}
	officers := map[string]int{}
	for _, s := range staff {
		if _, ok := bodies[s.Organisation]; !ok {
			return fmt.Errorf("the body %q: %w", s.Organisation, ErrNotFound)
		}
		officers[s.Organisation] += 0
		if slices.Contains(s.Roles, ecluse.RoleAccessOfficer) {
			officers[s.Organisation]++
		}
	}
	for code, count := range officers {
		if count < 2 {
			return fmt.Errorf("found %s with %d access officers: %w", code, count, ErrOfficers)
		}
	}
	_, err = d.ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindDirectory, Revision: ledger.AnyRevision, NewRevision: true, Detail: ledger.Detail{What: "found"},
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			return d.found(ctx, tx, e, bodies, staff)
		},
	})
	return err
}

// found writes them. That a body has no account yet is looked up under the lock: of two who found it at
// once, one does.
func (d *Directory) found(ctx context.Context, tx ledger.Tx, e *ledger.Entry, bodies map[string]ecluse.ControllerID, staff []AccountChange) error {
	writers := map[string]*writer{}
	for _, s := range staff {
		w, begun := writers[s.Organisation]
		if !begun {
			body := bodies[s.Organisation]
			there, err := tx.(Tx).Accounts(ctx, body)
			if err != nil {
				return fmt.Errorf("read the accounts: %w", err)
			}
			if len(there) > 0 {
				return fmt.Errorf("found %s: %w", s.Organisation, ErrFounded)
			}
			w = &writer{directory: d, tx: tx, at: e.At, entry: e.N, change: applied{approval: Approval{Controller: body}}}
			w.change.Installation = true
			if w.have, err = d.snapshot(ctx, tx.(Tx), body, Change{Accounts: staff}); err != nil {
				return err
			}
			writers[s.Organisation] = w
		}
		s.Organisation = ""
		if err := w.account(ctx, s); err != nil {
			return err
		}
	}
	for _, w := range writers {
		if err := w.rows.write(ctx, tx.(Tx)); err != nil {
			return err
		}
	}
	return nil
}
