package directory

import (
	"context"
	"fmt"

	"ecluse"
	"ecluse/internal/ledger"
)

// Founding is what a new installation starts from: the bodies, and the two access officers of the
// first of them without whom nothing can be approved.
type Founding struct {
	Controllers []Controller // Code, Name, DPO; identifiers are allotted
	Officers    []AccountChange
}

// FoundingTx is what a founding needs of its transaction.
type FoundingTx interface {
	PutController(ctx context.Context, c Controller) error
}

// Found writes the bodies and the invited access officers. Each body needs two officers of its own;
// Officers[i].Organisation names the body's code. It refuses a directory that has controllers.
func (d *Directory) Found(ctx context.Context, f Founding) ([]Controller, error) {
	existing, err := d.rows.Controllers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the controllers: %w", err)
	}
	if len(existing) > 0 {
		return nil, fmt.Errorf("found the directory: %w", ErrDecided)
	}
	_, err = d.ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindDirectory, Revision: ledger.AnyRevision, NewRevision: true, Detail: ledger.Detail{What: "found"},
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error { return d.found(ctx, tx, e, f) },
	})
	if err != nil {
		return nil, err
	}
	return d.rows.Controllers(ctx)
}

func (d *Directory) found(ctx context.Context, tx ledger.Tx, e *ledger.Entry, f Founding) error {
	bodies := map[string]ecluse.ControllerID{}
	for _, c := range f.Controllers {
		c.ID = ecluse.ControllerID(tx.Allot(1))
		bodies[c.Code] = c.ID
		if err := tx.(FoundingTx).PutController(ctx, c); err != nil {
			return err
		}
	}
	for _, o := range f.Officers {
		id, ok := bodies[o.Organisation]
		if !ok {
			return fmt.Errorf("the officer's body %q: %w", o.Organisation, ErrNotFound)
		}
		w := &writer{directory: d, tx: tx, entry: e, change: applied{approval: Approval{Controller: id}}}
		w.change.Installation = true
		o.Organisation = ""
		a := w.newAccount(o)
		a.GivenName, a.UsualName, a.Entry = o.GivenName, o.UsualName, e.N
		if err := w.save(ctx, a, true); err != nil {
			return err
		}
		if err := w.grants(ctx, o, a); err != nil {
			return err
		}
	}
	return nil
}
