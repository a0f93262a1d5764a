package directory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
)

// Orphan is an account, a grant or a group of links that nobody stands for any more: it goes on, or seems to,
// after whoever asked for it or received it has gone. Somebody has to look at it.
type Orphan struct {
	Account      Account
	Organisation string // name, "" = the body itself
	Why          string // of OrphanReasons
	Role         ecluse.Role
	Links        int // of ended_links
	Since        time.Time
}

// OrphanReasons are why something is an orphan, in the order in which pages show them.
var OrphanReasons = []string{"requester_ended", "organisation_ended", "site_ended", "agreement_ended", "role_requester_ended", "ended_links", "dormant", "invited_long"}

// OrphanRows reads what the list of orphans needs beside Reads.
type OrphanRows interface {
	// LinksOfEnded counts the links that run on, by the ended account that they are for.
	LinksOfEnded(ctx context.Context, c ecluse.ControllerID, at time.Time) (map[ecluse.AccountID]int, error)
}

// Orphans are those of the actor's body, for its staff; a command of a node names the body. Errors:
// ErrNotFound, ErrInactive, ErrWeak.
func (d *Directory) Orphans(ctx context.Context, by Actor, controller string) ([]Orphan, error) {
	if by.command() {
		body, err := d.controllerByCode(ctx, controller)
		if err != nil {
			return nil, err
		}
		return d.orphans(ctx, body.ID)
	}
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return nil, err
	}
	if !bodyStaff(s) {
		return nil, ErrNotFound
	}
	return d.orphans(ctx, s.Controller.ID)
}

func (d *Directory) orphans(ctx context.Context, c ecluse.ControllerID) ([]Orphan, error) {
	have, err := d.snapshot(ctx, d.rows, c, Change{})
	if err != nil {
		return nil, err
	}
	all, err := d.rows.Accounts(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	links, err := d.rows.LinksOfEnded(ctx, c, d.now())
	if err != nil {
		return nil, fmt.Errorf("count the links of ended accounts: %w", err)
	}
	k := keeper{have: have, byID: map[ecluse.AccountID]Account{}, agreements: map[ecluse.AgreementID]Agreement{}, at: d.now()}
	for _, a := range all {
		k.byID[a.ID] = a
	}
	for _, a := range have.agreements {
		k.agreements[a.ID] = a
	}
	for _, a := range all {
		if n := links[a.ID]; n > 0 {
			k.add(a, "ended_links", "", n, a.lastUse())
		}
		if a.State != Ended {
			k.look(a)
		}
	}
	slices.SortFunc(k.list, func(a, b Orphan) int {
		return cmp.Or(strings.Compare(a.Organisation, b.Organisation), strings.Compare(a.Account.UsualName, b.Account.UsualName), cmp.Compare(a.Account.ID, b.Account.ID))
	})
	return k.list, nil
}

// keeper collects orphans.
type keeper struct {
	have       snapshot
	byID       map[ecluse.AccountID]Account
	agreements map[ecluse.AgreementID]Agreement
	at         time.Time
	list       []Orphan
}

func (k *keeper) add(a Account, why string, role ecluse.Role, links int, since time.Time) {
	k.list = append(k.list, Orphan{Account: a, Organisation: k.have.byID[a.Organisation].Name, Why: why, Role: role, Links: links, Since: since})
}

// gone reports whether whoever asked for something does not act any more. Nobody asked for the first
// accounts, and an import may have ended what it replaced.
func (k *keeper) gone(requester ecluse.AccountID) bool {
	a, known := k.byID[requester]
	return requester != 0 && (!known || a.StateAt(k.at) == Ended)
}

func (k *keeper) look(a Account) {
	switch state := a.StateAt(k.at); {
	case state == Dormant:
		k.add(a, "dormant", "", 0, a.lastUse())
	case state == Invited && !k.at.Before(a.Starts.Add(InvitationLife)):
		k.add(a, "invited_long", "", 0, a.Starts)
	case state != Active && state != Invited:
		return
	}
	if k.gone(a.RequestedBy) {
		k.add(a, "requester_ended", "", 0, a.Created)
	}
	if k.have.byID[a.Organisation].State == Ended {
		k.add(a, "organisation_ended", "", 0, a.lastUse())
	}
	if k.have.byID[a.Site].State == Ended {
		k.add(a, "site_ended", "", 0, a.lastUse())
	}
	for _, g := range k.have.grants[a.ID] {
		k.right(a, g)
	}
}

func (k *keeper) right(a Account, g Grant) {
	if !g.runs(k.at) {
		return
	}
	if under, ok := k.agreements[g.Agreement]; ok && (under.State != Active || !k.at.Before(under.Ends)) {
		k.add(a, "agreement_ended", g.Role, 0, under.Ends)
	}
	if g.RequestedBy != a.RequestedBy && k.gone(g.RequestedBy) {
		k.add(a, "role_requester_ended", g.Role, 0, g.Created)
	}
}
