package directory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ecluse"
)

// snapshot is what a controller has, by natural key. Its rows are not checked yet: whoever changes or
// refers to one checks its MAC first, so that no dead row is signed anew. Organisations are checked.
type snapshot struct {
	organisations map[string]Organisation // by code; dead ones left out
	deadPlaces    map[string]bool         // codes of those
	byID          map[ecluse.OrganisationID]Organisation
	agreements    []Agreement
	accounts      map[string]Account // by e-mail; ended ones left out
	grants        map[ecluse.AccountID][]Grant
	bound         map[Subject]Account // of the subjects that the change names: whom they were bound to first
}

// snapshot reads what a change may be about.
func (d *Directory) snapshot(ctx context.Context, from Reads, c ecluse.ControllerID, change Change) (snapshot, error) {
	s := snapshot{
		organisations: map[string]Organisation{}, byID: map[ecluse.OrganisationID]Organisation{},
		accounts: map[string]Account{}, grants: map[ecluse.AccountID][]Grant{}, bound: map[Subject]Account{},
	}
	organisations, dead, err := d.organisations(ctx, from, c)
	if err != nil {
		return s, err
	}
	s.deadPlaces = dead
	for _, o := range organisations {
		s.organisations[o.Code], s.byID[o.ID] = o, o
	}
	if s.agreements, err = from.AllAgreements(ctx, c); err != nil {
		return s, fmt.Errorf("read the agreements: %w", err)
	}
	accounts, err := from.Accounts(ctx, c)
	if err != nil {
		return s, fmt.Errorf("read the accounts: %w", err)
	}
	for _, a := range accounts {
		if a.State != Ended {
			s.accounts[a.Email] = a
		}
	}
	grants, err := from.AllGrants(ctx, c)
	if err != nil {
		return s, fmt.Errorf("read the grants: %w", err)
	}
	for _, g := range grants {
		s.grants[g.Account] = append(s.grants[g.Account], g)
	}
	return s, d.readBound(ctx, from, &s, accounts, change.Accounts)
}

// readBound finds the accounts of the identities that a change names.
func (d *Directory) readBound(ctx context.Context, from Reads, s *snapshot, accounts []Account, changes []AccountChange) error {
	var named []Subject
	for _, c := range changes {
		if c.Sub != "" {
			named = append(named, c.subject())
		}
	}
	bindings, err := d.bindings(ctx, from, named)
	if err != nil {
		return err
	}
	byID := map[ecluse.AccountID]Account{}
	for _, a := range accounts {
		byID[a.ID] = a
	}
	for subject, account := range bindings {
		a, ok := byID[account]
		if !ok {
			a.ID = account // another body's: its state is none, which nothing goes on with
		}
		s.bound[subject] = a
	}
	return nil
}

// bindings are the accounts that subjects were first bound to. A row written around the program is an
// error: it may hide whose meters a subject has.
func (d *Directory) bindings(ctx context.Context, from Reads, named []Subject) (map[Subject]ecluse.AccountID, error) {
	if len(named) == 0 {
		return nil, nil
	}
	rows, err := from.Bindings(ctx, named)
	if err != nil {
		return nil, fmt.Errorf("read the identities: %w", err)
	}
	found := map[Subject]ecluse.AccountID{}
	for _, b := range rows {
		if !d.valid(bindingDomain, int64(b.Account), b.MAC, b.canonical()) {
			return nil, fmt.Errorf("the identity of account %d: %w", b.Account, ErrDead)
		}
		found[b.Subject] = b.Account
	}
	return found, nil
}

// clone is a copy that a writer may change.
func (s snapshot) clone() snapshot {
	s.organisations, s.byID, s.accounts, s.grants = maps.Clone(s.organisations), maps.Clone(s.byID), maps.Clone(s.accounts), maps.Clone(s.grants)
	s.agreements = slices.Clone(s.agreements)
	return s
}

// agreement is where the agreement of a change is, or -1.
func (s snapshot) agreement(c AgreementChange) int {
	o, known := s.organisations[c.Organisation]
	return slices.IndexFunc(s.agreements, func(a Agreement) bool {
		return known && a.Organisation == o.ID && a.Register == c.Register && a.Code == c.Code
	})
}

// newDomains warns of e-mail domains that an organisation had no account of.
func (s snapshot) newDomains(accounts []AccountChange) []string {
	known := map[string]bool{}
	for _, a := range s.accounts {
		known[domain(a.Email)] = true
	}
	var warnings []string
	for _, a := range accounts {
		if d := domain(a.Email); len(s.accounts) > 0 && !known[d] {
			known[d] = true
			warnings = append(warnings, "new_domain "+d)
		}
	}
	return warnings
}

func domain(email string) string {
	_, d, _ := strings.Cut(email, "@")
	return d
}

// link is the row that a change of links asks for, but for the person. Errors: ErrNotFound, ErrDead.
func (d *Directory) link(s snapshot, c LinkChange) (Link, error) {
	l := Link{Register: c.Register, Kind: c.Kind, Starts: c.Starts, Ends: c.Ends}
	if c.Account != "" {
		a, ok := s.accounts[c.Account]
		if !ok {
			return l, fmt.Errorf("a link's account: %w", ErrNotFound)
		}
		l.Account, l.Site, l.Organisation = a.ID, a.Site, a.Organisation
		return l, d.checkAccount(a)
	}
	site, ok := s.organisations[c.Site]
	if !ok || site.Parent == 0 {
		return l, fmt.Errorf("a link's site %s: %w", c.Site, ErrNotFound)
	}
	l.Site, l.Organisation = site.ID, site.Parent
	return l, nil
}
