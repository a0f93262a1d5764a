package directory

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
)

// Background is what a careful approver wants to know of a request beside what it changes: who asks, from
// where, how often, and how the organisation stands.
type Background struct {
	Requester    Account
	Organisation Organisation // of the requester, zero = the body's own staff
	Lineage      []Account    // who asked for the requester, for them, and so on

	Browser, Network      string // that it was asked from, "" = unknown or the command line
	NewDevice, NewNetwork bool   // the requester was never signed in from there before

	Asked24h int // requests of the requester within the 24 h before it, itself included
	Waiting  int // of the requester's, at present

	Concerns  Organisation // whom the request concerns, zero = the body
	Headcount int          // how many work there, 0 = unknown
	Accounts  int          // that act or are invited there at present
	Asks      int          // accounts that the request opens there

	Domains []DomainUse // of the addresses that it asks for
}

// Desk is where somebody sits: the number of the browser, its family, and the network.
type Desk struct{ Device, Browser, Network string }

// DomainUse says how people with an address of a domain sign in.
type DomainUse struct {
	Domain    string
	New       bool // nobody of the organisation concerned has such an address
	Providers []ProviderUse
}

// ProviderUse is a provider of identities with how many accounts of a domain sign in through it.
type ProviderUse struct {
	IDP      string // as accounts are bound to it: the configured provider, and the one behind it
	Accounts int
}

// AccountChanges are those of a request that changes accounts, nil for any other.
func (a Approval) AccountChanges() ([]AccountChange, error) {
	if a.Kind != KindImport && a.Kind != KindAccount && a.Kind != KindStandIn || a.Body == "" { // lists come without bodies
		return nil, nil
	}
	var c Change
	if err := json.Unmarshal([]byte(a.Body), &c); err != nil {
		return nil, fmt.Errorf("read request %d: %w", a.ID, err)
	}
	return c.Accounts, nil
}

// maxDomains bounds what is told of a large batch.
const maxDomains = 20

// Background is that of a request which the actor may decide. Reading where somebody sat is in the ledger
// before it is answered. Errors: as Approval.
func (d *Directory) Background(ctx context.Context, by Actor, id ecluse.ApprovalID) (b Background, err error) {
	_, err = d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, a, err := d.decidable(ctx, by, id)
		if err != nil {
			return nil, err
		}
		if b, err = d.background(ctx, a); err != nil {
			return nil, err
		}
		return []ledger.Candidate{{
			Kind: ledger.KindLedgerRead, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev,
			Detail: ledger.Detail{What: "request background", Subject: int64(id), By: by.CLI},
		}}, nil
	})
	return b, err
}

func (d *Directory) background(ctx context.Context, a Approval) (b Background, err error) {
	have, err := d.snapshot(ctx, d.rows, a.Controller, Change{})
	if err != nil {
		return b, err
	}
	if a.RequestedBy != 0 {
		line, err := d.lineage(ctx, a.RequestedBy)
		if err != nil {
			return b, err
		}
		b.Requester, b.Lineage = line[0], line[1:]
		b.Organisation = have.byID[b.Requester.Organisation]
		if b.Asked24h, b.Waiting, err = d.rows.Asked(ctx, a.RequestedBy, a.RequestedAt.Add(-24*time.Hour)); err != nil {
			return b, fmt.Errorf("count the requests of account %d: %w", a.RequestedBy, err)
		}
	}
	if err := d.seat(ctx, a, &b); err != nil {
		return b, err
	}
	changes, err := a.AccountChanges()
	if err != nil {
		return b, err
	}
	b.Concerns = have.byID[a.Organisation]
	b.Headcount = b.Concerns.Headcount
	for _, o := range have.accounts {
		if o.Organisation == a.Organisation && (o.Acts(d.now()) || o.State == Invited) {
			b.Accounts++
		}
	}
	for _, c := range changes {
		if _, there := have.accounts[c.Email]; !there && c.State != Ended {
			b.Asks++
		}
	}
	b.Domains = have.domains(changes, a.Organisation)
	return b, nil
}

// seat says where a request was made, and whether the requester was ever signed in there before.
func (d *Directory) seat(ctx context.Context, a Approval, b *Background) error {
	if a.Session == 0 {
		return nil
	}
	b.Network, b.NewDevice, b.NewNetwork = a.Network, true, true
	at, err := d.rows.Desk(ctx, a.RequestedBy, a.Session)
	if err != nil && !errors.Is(err, ErrNotFound) { // a session is forgotten after six months
		return fmt.Errorf("read a session: %w", err)
	}
	b.Browser = at.Browser
	before, err := d.rows.Desks(ctx, a.RequestedBy, a.Session)
	if err != nil {
		return fmt.Errorf("read the sessions of account %d: %w", a.RequestedBy, err)
	}
	for _, desk := range before {
		b.NewDevice = b.NewDevice && desk.Device != a.Device
		b.NewNetwork = b.NewNetwork && desk.Network != a.Network
	}
	return nil
}

// domains are those of the addresses that a change asks for, with how people of the body sign in who have
// such an address.
func (s snapshot) domains(changes []AccountChange, concerned ecluse.OrganisationID) (list []DomainUse) {
	asked := map[string]bool{}
	for _, c := range changes {
		name := strings.ToLower(domain(c.Email))
		if asked[name] || len(list) == maxDomains {
			continue
		}
		asked[name] = true
		use := DomainUse{Domain: name, New: true}
		counts := map[string]int{}
		for _, a := range s.accounts {
			if !strings.EqualFold(domain(a.Email), name) || a.Email == c.Email {
				continue
			}
			use.New = use.New && a.Organisation != concerned
			if a.IDP != "" {
				counts[a.IDP]++
			}
		}
		for idp, n := range counts {
			use.Providers = append(use.Providers, ProviderUse{idp, n})
		}
		slices.SortFunc(use.Providers, func(a, b ProviderUse) int {
			return cmp.Or(cmp.Compare(b.Accounts, a.Accounts), strings.Compare(a.IDP, b.IDP))
		})
		list = append(list, use)
	}
	return list
}
