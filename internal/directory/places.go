package directory

import (
	"context"
	"crypto/hmac"
	"fmt"

	"ecluse"
)

// Organisations, sites and bodies, read and checked: an organisation that runs again, a site under another
// organisation, or a body under another name would open what was never agreed.

// organisation is one organisation or site: ErrNotFound; ErrDead with nothing but its number.
func (d *Directory) organisation(ctx context.Context, id ecluse.OrganisationID) (Organisation, error) {
	o, err := d.rows.Organisation(ctx, id)
	if err != nil {
		return o, err
	}
	return d.checkPlace(o)
}

// organisationByCode is one organisation or site of a body: ErrNotFound, ErrDead.
func (d *Directory) organisationByCode(ctx context.Context, c ecluse.ControllerID, code string) (Organisation, error) {
	o, err := d.rows.OrganisationByCode(ctx, c, code)
	if err != nil {
		return o, err
	}
	return d.checkPlace(o)
}

// organisations are a body's organisations and sites by code, without dead ones, and the codes of those.
func (d *Directory) organisations(ctx context.Context, from Reads, c ecluse.ControllerID) (alive []Organisation, dead map[string]bool, err error) {
	all, err := from.Organisations(ctx, c)
	if err != nil {
		return nil, nil, fmt.Errorf("read the organisations of body %d: %w", c, err)
	}
	alive, dead = make([]Organisation, 0, len(all)), map[string]bool{}
	for _, o := range all {
		if _, err := d.checkPlace(o); err != nil {
			dead[o.Code] = true
			continue
		}
		alive = append(alive, o)
	}
	return alive, dead, nil
}

func (d *Directory) checkPlace(o Organisation) (Organisation, error) {
	if !d.valid(organisationDomain, int64(o.ID), o.MAC, o.canonical()) {
		return Organisation{ID: o.ID}, fmt.Errorf("organisation %d: %w", o.ID, ErrDead)
	}
	return o, nil
}

// Controllers are all bodies of this installation, without those whose row was written around the program.
func (d *Directory) Controllers(ctx context.Context) ([]Controller, error) {
	all, err := d.rows.Controllers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the controllers: %w", err)
	}
	alive := make([]Controller, 0, len(all))
	for _, c := range all {
		if hmac.Equal(c.MAC, d.keys.ControllerMAC(int64(c.ID), c.Code, c.Name, c.DPO)) {
			alive = append(alive, c)
		} else {
			d.log.Error("dead row: written around the program, ignored", "table", "controllers", "row", int64(c.ID))
		}
	}
	return alive, nil
}
