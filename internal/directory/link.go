package directory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/ledger"
)

// Link is a relationship between a person and an account (or a whole site) that explains accesses
// while it runs. A link never explains an access of the account that made it.
type Link struct {
	ID           ecluse.LinkID
	Register     ecluse.RegisterID
	Person       ecluse.PersonID
	Account      ecluse.AccountID // 0 = the whole site
	Site         ecluse.OrganisationID
	Organisation ecluse.OrganisationID
	Kind         string
	MadeBy       ecluse.AccountID // 0 = an approved import
	MadeAt       time.Time
	Entry        ecluse.EntryNumber
	Starts, Ends time.Time
	MAC          []byte
}

// Kinds of links.
const (
	LinkCaseload     = "caseload"     // follows the person
	LinkAppointment  = "appointment"  // will see the person
	LinkPrescription = "prescription" // was sent the person by another structure
	LinkStandIn      = "standin"      // replaces a colleague
	LinkTransfer     = "transfer"     // takes the person over
	LinkPresence     = "presence"     // reception saw the person
)

// LinkKinds lists every kind with the longest it may run.
var LinkKinds = map[string]time.Duration{
	LinkCaseload: 2 * 366 * 24 * time.Hour, LinkAppointment: 30 * 24 * time.Hour, LinkPrescription: 366 * 24 * time.Hour,
	LinkStandIn: 60 * 24 * time.Hour, LinkTransfer: 2 * 366 * 24 * time.Hour, LinkPresence: 24 * time.Hour,
}

// MadeByAgents are the kinds that an agent may make for another account.
var MadeByAgents = []string{LinkAppointment, LinkPrescription, LinkStandIn, LinkPresence}

// LinksPerReceiver is how many links an account may make for one other account in 24 h; all sites together
// are one.
const LinksPerReceiver = 5

// LinkTx is what the transaction of a link needs. *store.Tx implements it.
type LinkTx interface {
	InsertLink(ctx context.Context, l Link) error
	LinksMade(ctx context.Context, by, receiver ecluse.AccountID, since time.Time) (int, error)
	// LinksReceived counts the persons, one left out, whom makers linked since an instant to an account, or
	// to a site where the account is 0.
	LinksReceived(ctx context.Context, a ecluse.AccountID, site ecluse.OrganisationID, but ecluse.PersonID, since time.Time) (int, error)
}

// ValidLinks are those of the links whose MAC holds.
func (d *Directory) ValidLinks(links []Link) []Link {
	return slices.DeleteFunc(links, func(l Link) bool { return !d.valid(linkDomain, int64(l.ID), l.MAC, l.canonical()) })
}

// Runs reports whether the link is in force at an instant.
func (l Link) Runs(at time.Time) bool { return !at.Before(l.Starts) && at.Before(l.Ends) }

// entrusts reports whether the link is for an account as it is now: it came into being before the link, and
// is of the organisation that the link was made in. Nobody takes a caseload along to another one.
func (l Link) entrusts(a Account) bool {
	return l.Account == a.ID && l.Organisation == a.Organisation && !l.MadeAt.Before(a.Starts)
}

// Explains is the tier that the links give an account at an instant: links that it made itself count
// for nothing.
func Explains(links []Link, a Account, at time.Time) ecluse.Tier {
	tier := ecluse.Unexplained
	for _, l := range links {
		if !l.Runs(at) || l.MadeBy == a.ID {
			continue
		}
		switch {
		case l.entrusts(a) || l.Account == 0 && l.Site == a.Site && a.Site != 0 && a.Kind != KindClient:
			return ecluse.Explained
		case a.Site != 0 && l.Site == a.Site:
			tier = min(tier, ecluse.SameSite)
		case a.Organisation != 0 && l.Organisation == a.Organisation:
			tier = min(tier, ecluse.SameOrganisation)
		}
	}
	return tier
}

// Linking is what makes a link, under the lock: the guard refuses (ReasonDualControl) where the receiver
// got LinksPerReceiver from this maker within a day, or as many persons as others may explain to it within
// 30 days; the effect writes the link.
func (d *Directory) Linking(l Link) (ledger.Guard, ledger.Effect) {
	guard := func(ctx context.Context, tx ledger.Tx, at time.Time) ([]ecluse.Reason, error) {
		made, err := tx.(LinkTx).LinksMade(ctx, l.MadeBy, l.Account, at.Add(-budget.Day))
		if err != nil {
			return nil, err
		}
		received, err := tx.(LinkTx).LinksReceived(ctx, l.Account, l.Site, l.Person, at.Add(-budget.Month))
		if err != nil {
			return nil, err
		}
		limit := budget.LinksReceived30d
		if l.Account == 0 {
			limit = budget.SiteLinksReceived30d
		}
		if made >= LinksPerReceiver || received >= limit {
			return []ecluse.Reason{ecluse.ReasonDualControl}, nil
		}
		return nil, nil
	}
	return guard, func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		return tx.(LinkTx).InsertLink(ctx, d.stamped(l, tx, e))
	}
}

// stamped completes a link with what only the transaction knows, and signs it.
func (d *Directory) stamped(l Link, tx ledger.Tx, e *ledger.Entry) Link {
	l.ID, l.MadeAt, l.Entry = ecluse.LinkID(tx.Allot(1)), e.At, e.N
	if l.Starts.IsZero() {
		l.Starts = e.At
	}
	l.MAC = d.keys.MAC(linkDomain, l.canonical())
	return l
}

// ReceivingSite is the site whose accounts a link is made for, by its code and within the caller's
// controller: ErrNotFound, also if its organisation has no running agreement on the register.
func (d *Directory) ReceivingSite(ctx context.Context, c ecluse.ControllerID, code string, reg ecluse.RegisterID) (Organisation, error) {
	site, err := d.organisationByCode(ctx, c, code)
	if err != nil {
		return Organisation{}, err
	}
	if site.Parent == 0 || site.State != Active {
		return Organisation{}, ErrNotFound
	}
	agreements, err := d.rows.Agreements(ctx, site.Parent)
	if err != nil {
		return Organisation{}, fmt.Errorf("read the agreements of organisation %d: %w", site.Parent, err)
	}
	at := d.now()
	if !slices.ContainsFunc(agreements, func(a Agreement) bool {
		return a.Register == reg && a.State == Active && !at.Before(a.Starts) && at.Before(a.Ends) && d.valid(agreementDomain, int64(a.ID), a.MAC, a.canonical())
	}) {
		return Organisation{}, ErrNotFound
	}
	return site, nil
}

// Sites are the active sites of an organisation, by code.
func (d *Directory) Sites(ctx context.Context, o Organisation) ([]Organisation, error) {
	all, _, err := d.organisations(ctx, d.rows, o.Controller)
	return slices.DeleteFunc(all, func(s Organisation) bool { return s.Parent != o.ID || s.State != Active || o.ID == 0 }), err
}

// Receiver is the account for which a link is made, by e-mail and within the caller's controller:
// ErrNotFound, also when several match.
func (d *Directory) Receiver(ctx context.Context, c ecluse.ControllerID, email string) (Account, error) {
	found, err := d.rows.AccountsByEmail(ctx, email)
	if err != nil {
		return Account{}, fmt.Errorf("look up the receiver: %w", err)
	}
	found = slices.DeleteFunc(found, func(a Account) bool { return a.Controller != c || a.State != Active && a.State != Invited })
	if len(found) != 1 {
		return Account{}, ErrNotFound
	}
	return found[0], d.checkAccount(found[0])
}
