package directory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/policy"
)

// StandingRows reads what the standings of a whole body need beside Reads.
type StandingRows interface {
	// RunningRaises are all raises that end after an instant.
	RunningRaises(ctx context.Context, after time.Time) ([]Raise, error)
}

// stock is the directory of one body, read in a handful of queries and put where it is looked for.
type stock struct {
	rev           int64
	at            time.Time
	controller    Controller
	organisations map[ecluse.OrganisationID]Organisation
	accounts      map[ecluse.AccountID]Account
	grants        map[ecluse.AccountID][]Grant
	agreements    map[ecluse.OrganisationID][]Agreement
	raises        map[ecluse.AccountID][]Raise
	observations  []Observation
	members       map[ecluse.OrganisationID]int // accounts that act or are invited
	sites         map[ecluse.OrganisationID][]ecluse.OrganisationID
}

// Outlook is a standing with what may come of it.
type Outlook struct {
	Standing
	// Asks are the mandates that accounts can have for which this one may ask: those of an account
	// manager's organisation.
	Asks []policy.Mandate
	// Sites are those of its organisation.
	Sites []ecluse.OrganisationID
}

// Standings are the standings of every account of a body that acts or is invited, by number, read in one
// pass: what exposure is computed from. They differ from Standing where that follows the work of others:
// Colleagues is everybody of the organisation who could sign in, and Caseload is left out, so that a
// mandate's total is that of nobody's caseload (policy.Mandate.Follows). Dead rows are left out and
// reported.
func (d *Directory) Standings(ctx context.Context, c ecluse.ControllerID) ([]Outlook, error) {
	k, err := d.stock(ctx, c)
	if err != nil {
		return nil, err
	}
	all := make([]Outlook, 0, len(k.accounts))
	for id, a := range k.accounts {
		if d.checkAccount(a) != nil {
			continue
		}
		if s := d.standingFrom(k, a, k.grants[id]); s.livesOn(k.at) {
			all = append(all, Outlook{s, d.asks(k, s), k.sites[a.Organisation]})
		}
	}
	slices.SortFunc(all, func(a, b Outlook) int { return cmp.Compare(a.Account.ID, b.Account.ID) })
	return all, nil
}

// Prospect is the standing that an account would have if a change to it were approved now, as Standings
// has them; before is the one that it has. A new account has number 0 and nothing before. Errors:
// ErrNotFound (its organisation, its site or an agreement is not there).
func (d *Directory) Prospect(ctx context.Context, c ecluse.ControllerID, change AccountChange) (before, after Standing, err error) {
	k, err := d.stock(ctx, c)
	if err != nil {
		return before, after, err
	}
	a, known := k.accountOf(change)
	if known && d.checkAccount(a) == nil {
		if s := d.standingFrom(k, a, k.grants[a.ID]); s.livesOn(k.at) {
			before = s
		}
	}
	if a, err = k.changed(a, change); err != nil {
		return before, after, err
	}
	grants, err := k.granted(a, change)
	if err != nil {
		return before, after, err
	}
	after = d.standingFrom(k, a, nil)
	if !known {
		after.Colleagues++
	}
	for _, g := range grants {
		d.hold(&after, g, k.agreements[a.Organisation])
	}
	return before, after, nil
}

func (d *Directory) stock(ctx context.Context, c ecluse.ControllerID) (*stock, error) {
	k := &stock{
		at: d.now(), organisations: map[ecluse.OrganisationID]Organisation{}, accounts: map[ecluse.AccountID]Account{}, grants: map[ecluse.AccountID][]Grant{},
		agreements: map[ecluse.OrganisationID][]Agreement{}, raises: map[ecluse.AccountID][]Raise{}, members: map[ecluse.OrganisationID]int{},
		sites: map[ecluse.OrganisationID][]ecluse.OrganisationID{},
	}
	var err error
	if k.rev, err = d.rows.Rev(ctx); err != nil {
		return nil, fmt.Errorf("read the revision: %w", err)
	}
	if k.controller, err = d.controller(ctx, c); err != nil {
		return nil, err
	}
	if err := d.stockPlaces(ctx, k); err != nil {
		return nil, err
	}
	if err := d.stockAccounts(ctx, k); err != nil {
		return nil, err
	}
	if k.observations, err = d.rows.Observations(ctx); err != nil {
		return nil, fmt.Errorf("read the observations: %w", err)
	}
	raises, err := d.rows.RunningRaises(ctx, k.at)
	if err != nil {
		return nil, fmt.Errorf("read the raises: %w", err)
	}
	for _, r := range raises {
		k.raises[r.Account] = append(k.raises[r.Account], r)
	}
	return k, nil
}

func (d *Directory) stockPlaces(ctx context.Context, k *stock) error {
	organisations, _, err := d.organisations(ctx, d.rows, k.controller.ID)
	if err != nil {
		return err
	}
	for _, o := range organisations {
		k.organisations[o.ID] = o
		if o.Parent != 0 {
			k.sites[o.Parent] = append(k.sites[o.Parent], o.ID)
		}
	}
	agreements, err := d.rows.AllAgreements(ctx, k.controller.ID)
	if err != nil {
		return fmt.Errorf("read the agreements of body %d: %w", k.controller.ID, err)
	}
	for _, a := range agreements {
		k.agreements[a.Organisation] = append(k.agreements[a.Organisation], a)
	}
	return nil
}

func (d *Directory) stockAccounts(ctx context.Context, k *stock) error {
	accounts, err := d.rows.Accounts(ctx, k.controller.ID)
	if err != nil {
		return fmt.Errorf("read the accounts of body %d: %w", k.controller.ID, err)
	}
	for _, a := range accounts {
		k.accounts[a.ID] = a
		if a.Kind != KindClient && (a.State == Active || a.State == Invited) {
			k.members[a.Organisation]++
		}
	}
	grants, err := d.rows.AllGrants(ctx, k.controller.ID)
	if err != nil {
		return fmt.Errorf("read the grants of body %d: %w", k.controller.ID, err)
	}
	for _, g := range grants {
		k.grants[g.Account] = append(k.grants[g.Account], g)
	}
	return nil
}

// livesOn: nothing but an act of others keeps the account from acting, at present or later.
func (s Standing) livesOn(at time.Time) bool {
	state := s.StateAt(at)
	return state == Active || state == Invited
}

// standingFrom assembles what read reads for one account.
func (d *Directory) standingFrom(k *stock, a Account, grants []Grant) Standing {
	s := Standing{
		Rev: k.rev, Account: a, Controller: k.controller, Organisation: k.organisations[a.Organisation], Site: k.organisations[a.Site], read: k.at,
	}
	if a.Organisation != 0 {
		s.Colleagues = k.members[a.Organisation]
	}
	d.observe(&s, k.observations)
	for _, r := range d.validRaises(slices.Clone(k.raises[a.ID])) {
		if maker, ok := k.accounts[r.MadeBy]; ok && maker.State != Suspended && d.checkAccount(maker) == nil {
			s.raises = append(s.raises, r)
		}
	}
	d.join(&s, grants, k.agreements[a.Organisation])
	return s
}

// asks are the mandates that an account can give others by asking for accounts.
func (d *Directory) asks(k *stock, s Standing) (mandates []policy.Mandate) {
	if !s.Has(ecluse.RoleAccountManager) {
		return nil
	}
	for _, a := range k.agreements[s.Account.Organisation] {
		if m, ok := d.mandate(&s, Grant{Role: ecluse.RoleAgent, Created: k.at}, a); ok {
			mandates = append(mandates, m)
		}
	}
	return mandates
}

// accountOf is the account that a change is about.
func (k *stock) accountOf(c AccountChange) (Account, bool) {
	for _, a := range k.accounts {
		if a.State != Ended && (c.Sub != "" && a.IDP == c.IDP && a.Sub == c.Sub || a.Email == c.Email) {
			return a, true
		}
	}
	return Account{}, false
}

// changed is the account after the change. An account that is made now is young.
func (k *stock) changed(a Account, c AccountChange) (Account, error) {
	if a.ID == 0 {
		a = Account{Controller: k.controller.ID, Email: c.Email, Created: k.at, Starts: k.at}
	}
	a.State, a.Organisation, a.Site, a.Ends, a.StandInEnds = Active, 0, 0, c.Ends, time.Time{}
	if c.StandIn {
		a.StandInEnds = k.at.Add(StandInLife)
	}
	for id, o := range k.organisations {
		if o.Code == c.Organisation && o.Parent == 0 {
			a.Organisation = id
		}
		if o.Code == c.Site && o.Parent != 0 {
			a.Site = id
		}
	}
	if c.Organisation != "" && a.Organisation == 0 && c.Organisation != k.controller.Code || c.Site != "" && a.Site == 0 {
		return a, ErrNotFound
	}
	return a, nil
}

// granted are the grants that the change gives, unsigned. Those that the account had keep their age.
func (k *stock) granted(a Account, c AccountChange) ([]Grant, error) {
	var grants []Grant
	for _, role := range c.Roles {
		if role != ecluse.RoleAgent {
			grants = append(grants, Grant{Account: a.ID, Role: role, Created: k.at})
			continue
		}
		for _, code := range c.Agreements {
			i := slices.IndexFunc(k.agreements[a.Organisation], func(g Agreement) bool { return g.Code == code })
			if i < 0 {
				return nil, ErrNotFound
			}
			g := Grant{Account: a.ID, Agreement: k.agreements[a.Organisation][i].ID, Role: role, Created: k.at}
			for _, had := range k.grants[a.ID] {
				if a.ID != 0 && had.Agreement == g.Agreement && had.Role == role {
					g.Created = had.Created
				}
			}
			grants = append(grants, g)
		}
	}
	return grants, nil
}
