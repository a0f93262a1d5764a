package exposure

import (
	"context"
	"fmt"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
)

// Added is what a change adds to the persons that would be lost at most if its accounts were stolen: the
// bounds after it less those before. A change that takes away adds less than nothing.
type Added struct {
	Day, Month int
	// Term binds the bound of 30 days after the change.
	Term budget.Term
	// Accounts are the bounds after the change, in the order of the change, without steps.
	Accounts []Account
}

// Added is what changes to accounts of a body add: for whoever is asked to approve them. New accounts are
// young and know nobody; what follows their site is familiar to them. It changes nothing and is computed
// as exposure is. Errors: directory.ErrNotFound (an organisation, site or agreement is not there yet).
func (x *Exposures) Added(ctx context.Context, c ecluse.ControllerID, changes ...directory.AccountChange) (added Added, err error) {
	controllers, err := x.directory.Controllers(ctx)
	if err != nil {
		return added, err
	}
	var g *ground
	for _, known := range controllers {
		if known.ID == c {
			g, err = x.ground(ctx, known)
		}
	}
	if err != nil || g == nil {
		return added, fmt.Errorf("count the persons of body %d: %w", c, err)
	}
	for _, change := range changes {
		before, after, err := x.directory.Prospect(ctx, c, change)
		if err != nil {
			return added, err
		}
		had, has, err := x.compare(ctx, g, before, after)
		if err != nil {
			return added, err
		}
		added.Day += has.Day.Persons - had.Day.Persons
		added.Month += has.Month.Persons - had.Month.Persons
		added.Term = has.Month.Term
		added.Accounts = append(added.Accounts, has)
	}
	return added, nil
}

// compare computes the bounds of an account before and after a change.
func (x *Exposures) compare(ctx context.Context, g *ground, before, after directory.Standing) (had, has Account, err error) {
	if before.Account.ID != 0 {
		if err = x.count(ctx, g, []directory.Outlook{{Standing: before}}); err != nil {
			return had, has, err
		}
		had = g.account(directory.Outlook{Standing: before})
	}
	for _, w := range g.registers {
		place := Place{after.Account.ID, w.ID}
		if after.Account.Organisation != before.Account.Organisation { // nobody takes a caseload along
			delete(g.caseload, place)
		}
		if n := g.sites[Site{after.Account.Site, w.ID}]; after.Account.Site != before.Account.Site || after.Account.ID == 0 {
			g.site[place] = Linked{Place: place, Persons: n, Unknown: n, Idle: n}
		}
	}
	has = g.account(directory.Outlook{Standing: after})
	has.Steps = nil
	return had, has, nil
}
