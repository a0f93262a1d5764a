package directory

import (
	"context"
	"errors"
	"fmt"

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
	controllers, err := d.rows.Controllers(ctx)
	if err != nil {
		return fmt.Errorf("read the controllers: %w", err)
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
		for _, r := range s.Roles {
			if r == ecluse.RoleAccessOfficer {
				officers[s.Organisation]++
			}
		}
	}
	for code, count := range officers {
		there, err := d.rows.Accounts(ctx, bodies[code])
		if err != nil {
			return fmt.Errorf("read the accounts: %w", err)
		}
		if len(there) > 0 || count < 2 {
			return fmt.Errorf("found %s with %d access officers: %w", code, count, errors.Join(ErrFounded, ErrOfficers))
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

func (d *Directory) found(ctx context.Context, tx ledger.Tx, e *ledger.Entry, bodies map[string]ecluse.ControllerID, staff []AccountChange) error {
	for _, s := range staff {
		w := &writer{directory: d, tx: tx, entry: e, change: applied{approval: Approval{Controller: bodies[s.Organisation]}}}
		w.change.Installation = true
		s.Organisation = ""
		a := w.newAccount(s)
		a.GivenName, a.UsualName, a.Entry = s.GivenName, s.UsualName, e.N
		if err := w.save(ctx, a, true); err != nil {
			return err
		}
		if err := w.grants(ctx, s, a); err != nil {
			return err
		}
	}
	return nil
}
