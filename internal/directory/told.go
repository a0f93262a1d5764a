package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecluse"
)

// What the post (package post) asks: who is told, and where mail goes. Only a node asks it, for nobody in
// particular.

// Managers are the accounts that manage an organisation's accounts at present: signed in before, able to
// act, with rows that nobody wrote around the program. ErrNotFound if there is no such organisation.
func (d *Directory) Managers(ctx context.Context, o ecluse.OrganisationID) ([]Account, error) {
	// Its row says only where to look: a dead one silences nobody, for the accounts' rows say where they are.
	organisation, err := d.rows.Organisation(ctx, o)
	if err != nil {
		return nil, err
	}
	all, err := d.Officers(ctx, organisation.Controller, ecluse.RoleAccountManager)
	return slices.DeleteFunc(all, func(a Account) bool { return a.Organisation != o }), err
}

// Officers are the accounts of a controller that hold a role at present.
func (d *Directory) Officers(ctx context.Context, c ecluse.ControllerID, role ecluse.Role) ([]Account, error) {
	accounts, grants, err := d.rows.Holders(ctx, c, role)
	if err != nil {
		return nil, fmt.Errorf("read the holders of a role: %w", err)
	}
	holds := map[ecluse.AccountID]bool{}
	for _, g := range grants {
		if g.Role == role && g.runs(d.now()) && d.valid(grantDomain, int64(g.Account), g.MAC, g.canonical()) {
			holds[g.Account] = true
		}
	}
	return slices.DeleteFunc(accounts, func(a Account) bool {
		return !holds[a.ID] || !a.Acts(d.now()) || a.Sub == "" || d.checkAccount(a) != nil
	}), nil
}

// Owner is an account as it is, suspended or not yet bound included, to reach its owner. Errors:
// ErrUnknownAccount, also for one that has ended; ErrDead.
func (d *Directory) Owner(ctx context.Context, id ecluse.AccountID) (Account, error) {
	a, err := d.rows.Account(ctx, id)
	if err != nil {
		return a, err
	}
	if a.State == Ended {
		return Account{}, ErrUnknownAccount
	}
	return a, d.checkAccount(a)
}

// NameOf is an organisation's name: ErrNotFound, ErrDead.
func (d *Directory) NameOf(ctx context.Context, o ecluse.OrganisationID) (string, error) {
	organisation, err := d.organisation(ctx, o)
	return organisation.Name, err
}

// ContactOf is how to reach a body's data protection officer: "" if there is none.
func (d *Directory) ContactOf(ctx context.Context, c ecluse.ControllerID) (string, error) {
	controller, err := d.controller(ctx, c)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return controller.DPO, err
}

// AccountInvitations reads the invitations of one account.
type AccountInvitations interface {
	// InvitationsOf are an account's unused invitations, the newest first.
	InvitationsOf(ctx context.Context, a ecluse.AccountID) ([]Invitation, error)
}

// InvitationOf is the invitation that an account still waits with, and its token, for the mail that brings
// it to its owner: ErrInvitationUnknown if there is none, or the account is bound.
func (d *Directory) InvitationOf(ctx context.Context, id ecluse.AccountID) (PendingInvitation, error) {
	a, err := d.Owner(ctx, id)
	if err != nil {
		return PendingInvitation{}, err
	}
	list, err := d.rows.(AccountInvitations).InvitationsOf(ctx, id)
	if err != nil {
		return PendingInvitation{}, fmt.Errorf("read the invitations: %w", err)
	}
	for _, i := range list {
		if a.State == Invited && d.now().Before(i.Ends) && genuine(d.invitation(a, i.Created), i) {
			return PendingInvitation{Account: a, Token: d.token(a.ID, i.Created), Ends: i.Ends}, nil
		}
	}
	return PendingInvitation{}, ErrInvitationUnknown
}

// genuine reports whether an invitation is as the program made it.
func genuine(made, stored Invitation) bool {
	return slices.Equal(made.Hash, stored.Hash) && made.Ends.Truncate(time.Microsecond).Equal(stored.Ends)
}
