package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"ecluse"
)

// maxKin is how many relatives of an account are read at most, above it and below it.
const maxKin = 2000

// Kin is an account in the lineage of another.
type Kin struct {
	Account
	// Depth is how many requests or approvals lie between the two; 0 is the account asked about.
	Depth int
	// Rebound, unless 0, is who asked or approved that the account was bound to another identity, or opened
	// again: it was there before, and is in the lineage for that.
	Rebound ecluse.AccountID
	// Dead: the row was written around the program. It gives nobody anything, and hides nobody.
	Dead bool
}

// Given is what accounts gave to others beside accounts: rights, links, raised limits.
type Given struct {
	Grants []Grant     // that they asked for or approved
	Links  []Link      // that they made
	Raises []Raise     // that they made
	Keys   []ClientKey // of programs, that they asked for or approved
}

// Lineage says who made whom: an account, everybody who asked for it or approved it, for them, and so on,
// and its family below: everybody whom it asked for or approved, had bound to another identity or opened
// again, they in turn, and so on. The same readings serve the four eyes, scope, containment and the page, so
// that they never differ on who belongs together.
type Lineage struct {
	Kin
	Ancestors   []Kin // nearest first
	Descendants []Kin // nearest first
	Given       Given // by the account itself; rows written around the program are left out
	// Truncated: there are more relatives than are listed.
	Truncated bool
	// Others are the accounts that Given refers to, and Places the organisations of all of them.
	Others map[ecluse.AccountID]Account
	Places map[ecluse.OrganisationID]Organisation
}

// LineageRows reads who made whom: of the database, or of its own transaction. Package store implements
// it. Nothing is left out for its MAC: whoever reads checks it.
type LineageRows interface {
	// Ancestors are an account and all who asked for it or approved it, and so on, at most limit.
	Ancestors(ctx context.Context, id ecluse.AccountID, limit int) ([]Account, error)
	// Descendants are an account and all that it asked for or approved and that were created since an
	// instant, that those did, and so on, at most limit. Who was created before is not followed.
	Descendants(ctx context.Context, id ecluse.AccountID, since time.Time, limit int) ([]Account, error)
	// Given is what accounts gave since an instant, at most limit of each kind and some hundred accounts; a
	// grant that one of them asked for and another approved may be there twice.
	Given(ctx context.Context, by []ecluse.AccountID, since time.Time, limit int) (Given, error)
	// ApprovedFor are the requests that accounts made or decided and that took effect since an instant.
	ApprovedFor(ctx context.Context, by []ecluse.AccountID, since time.Time) ([]Approval, error)
}

// Lineage is the lineage of an account, for the officers of its body and the account managers of its
// organisation. It holds nothing of anybody's work. Errors: ErrNotFound, ErrInactive, ErrWeak.
func (d *Directory) Lineage(ctx context.Context, by Actor, id ecluse.AccountID) (Lineage, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return Lineage{}, err
	}
	a, err := d.rows.Account(ctx, id)
	if err != nil {
		return Lineage{}, unknownIsNotFound(err)
	}
	manager := s.Has(ecluse.RoleAccountManager) && a.Organisation != 0 && a.Organisation == s.Account.Organisation
	officer := s.Has(ecluse.RoleAccessOfficer) || s.Has(ecluse.RoleSecurityOfficer) || s.Has(ecluse.RoleDPO)
	if a.Controller != s.Controller.ID || !officer && !manager {
		return Lineage{}, ErrNotFound
	}
	l, err := d.kinship(ctx, d.rows, id)
	if err != nil {
		return l, err
	}
	return l, d.surroundings(ctx, &l)
}

// surroundings reads whom a lineage refers to.
func (d *Directory) surroundings(ctx context.Context, l *Lineage) error {
	l.Others, l.Places = map[ecluse.AccountID]Account{}, map[ecluse.OrganisationID]Organisation{}
	var refers []ecluse.AccountID
	for _, g := range l.Given.Grants {
		refers = append(refers, g.Account)
	}
	for _, k := range l.Given.Links {
		refers = append(refers, k.Account)
	}
	for _, r := range l.Given.Raises {
		refers = append(refers, r.Account)
	}
	slices.Sort(refers)
	for _, id := range slices.Compact(refers) {
		if id == 0 {
			continue // a whole site
		}
		a, err := d.rows.Account(ctx, id)
		if err != nil {
			return fmt.Errorf("read account %d: %w", id, err)
		}
		l.Others[id] = a
	}
	for _, a := range slices.Concat(accountsOf([]Kin{l.Kin}), accountsOf(l.Ancestors), accountsOf(l.Descendants), slices.Collect(maps.Values(l.Others))) {
		if _, known := l.Places[a.Organisation]; known || a.Organisation == 0 {
			continue
		}
		o, err := d.organisation(ctx, a.Organisation)
		if err != nil && !errors.Is(err, ErrDead) { // a dead one has no name: a lineage is read all the same
			return fmt.Errorf("read organisation %d: %w", a.Organisation, err)
		}
		l.Places[a.Organisation] = o
	}
	return nil
}

func accountsOf(kin []Kin) []Account {
	all := make([]Account, len(kin))
	for i, k := range kin {
		all[i] = k.Account
	}
	return all
}

// kinship reads a lineage.
func (d *Directory) kinship(ctx context.Context, from LineageRows, id ecluse.AccountID) (l Lineage, err error) {
	above, truncated, err := d.ancestry(ctx, from, id)
	if err != nil {
		return l, err
	}
	l.Kin, l.Ancestors, l.Truncated = above[0], above[1:], truncated
	below, truncated, err := d.family(ctx, from, id, time.Time{}, maxKin)
	if err != nil {
		return l, err
	}
	l.Descendants, l.Truncated = below[1:], l.Truncated || truncated
	l.Given, err = d.given(ctx, from, []ecluse.AccountID{id}, time.Time{}, maxKin)
	return l, err
}

// ancestry is an account (first) and everybody above it: ErrUnknownAccount.
func (d *Directory) ancestry(ctx context.Context, from LineageRows, id ecluse.AccountID) (all []Kin, truncated bool, err error) {
	rows, err := from.Ancestors(ctx, id, maxKin+1)
	if err != nil {
		return nil, false, fmt.Errorf("read who made account %d: %w", id, err)
	}
	return d.ranked(rows, id, maxKin, Account.makers)
}

// progeny is an account (first) and everybody below it who was created since an instant.
func (d *Directory) progeny(ctx context.Context, from LineageRows, id ecluse.AccountID, since time.Time, limit int) (all []Kin, truncated bool, err error) {
	rows, err := from.Descendants(ctx, id, since, limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("read whom account %d made: %w", id, err)
	}
	made := map[ecluse.AccountID][]ecluse.AccountID{}
	for _, a := range rows {
		for _, maker := range a.makers() {
			made[maker] = append(made[maker], a.ID)
		}
	}
	return d.ranked(rows, id, limit, func(a Account) []ecluse.AccountID { return made[a.ID] })
}

// family is an account (first), its progeny since an instant, those who were bound to another identity or
// opened again since at the request or by the approval of one of them, the progeny of these, and so on. Nearest
// first.
func (d *Directory) family(ctx context.Context, from LineageRows, id ecluse.AccountID, since time.Time, limit int) (all []Kin, truncated bool, err error) {
	found := map[ecluse.AccountID]bool{}
	for roots := []Kin{{Account: Account{ID: id}}}; len(roots) > 0 && !truncated; {
		var fresh []Kin
		for _, root := range roots {
			kin, over, err := d.progeny(ctx, from, root.ID, since, limit)
			if err != nil {
				return nil, false, err
			}
			truncated = truncated || over
			kin[0].Rebound = root.Rebound
			for _, k := range kin {
				if !found[k.ID] {
					found[k.ID] = true
					k.Depth += root.Depth
					fresh = append(fresh, k)
				}
			}
		}
		if all = append(all, fresh...); len(all) > limit {
			all, truncated = all[:limit], true
		}
		if roots, err = d.rebound(ctx, from, fresh, since, found); err != nil {
			return nil, false, err
		}
	}
	slices.SortStableFunc(all, func(a, b Kin) int { return cmp.Compare(a.Depth, b.Depth) })
	return all, truncated, nil
}

// rebound are the accounts, not found yet, that others had bound to another identity or opened again.
func (d *Directory) rebound(ctx context.Context, from LineageRows, by []Kin, since time.Time, found map[ecluse.AccountID]bool) (list []Kin, err error) {
	depth := map[ecluse.AccountID]int{}
	ids := make([]ecluse.AccountID, len(by))
	for i, k := range by {
		ids[i], depth[k.ID] = k.ID, k.Depth
	}
	approved, err := from.ApprovedFor(ctx, ids, since)
	if err != nil {
		return nil, fmt.Errorf("read what %d accounts asked for or decided: %w", len(by), err)
	}
	for _, a := range approved {
		s, err := a.Diff()
		if err != nil || d.checkApproval(a) != nil || s.Account == nil || s.Account.Account == 0 {
			continue
		}
		id, maker := s.Account.Account, a.RequestedBy
		if _, asked := depth[maker]; !asked {
			maker = a.DecidedBy
		}
		known := found[id] || slices.ContainsFunc(list, func(k Kin) bool { return k.ID == id })
		if (s.Account.Op == "relink" || s.Account.Op == "wake") && !known {
			list = append(list, Kin{Account: Account{ID: id}, Depth: depth[maker] + 1, Rebound: maker})
		}
	}
	return list, nil
}

// makers are who asked for an account and who approved it.
func (a Account) makers() []ecluse.AccountID {
	return slices.DeleteFunc([]ecluse.AccountID{a.RequestedBy, a.ApprovedBy}, func(id ecluse.AccountID) bool { return id == 0 })
}

// ranked puts rows into the order of their distance from an account, itself first, whatever circle they
// are in. ErrUnknownAccount if it is not among them.
func (d *Directory) ranked(rows []Account, id ecluse.AccountID, limit int, next func(Account) []ecluse.AccountID) (all []Kin, truncated bool, err error) {
	slices.SortFunc(rows, func(a, b Account) int { return cmp.Compare(a.ID, b.ID) })
	found := map[ecluse.AccountID]Account{}
	for _, a := range rows {
		found[a.ID] = a
	}
	if _, ok := found[id]; !ok {
		return nil, false, ErrUnknownAccount
	}
	depth := map[ecluse.AccountID]int{id: 0}
	for queue := []ecluse.AccountID{id}; len(queue) > 0; queue = queue[1:] {
		a := found[queue[0]]
		all = append(all, Kin{Account: a, Depth: depth[a.ID], Dead: !d.valid(accountDomain, int64(a.ID), a.MAC, a.canonical())})
		for _, other := range next(a) {
			if _, met := depth[other]; met {
				continue
			}
			if _, known := found[other]; known {
				depth[other] = depth[a.ID] + 1
				queue = append(queue, other)
			}
		}
	}
	if len(rows) > limit {
		all = all[:min(len(all), limit)]
	}
	return all, len(rows) > limit, nil
}

// given is what accounts gave since an instant, without rows written around the program: those give
// nobody anything.
func (d *Directory) given(ctx context.Context, from LineageRows, by []ecluse.AccountID, since time.Time, limit int) (Given, error) {
	g, err := from.Given(ctx, by, since, limit)
	if err != nil {
		return g, fmt.Errorf("read what %d accounts gave: %w", len(by), err)
	}
	once := map[givenRight]Grant{}
	for _, r := range g.Grants {
		if d.valid(grantDomain, int64(r.Account), r.MAC, r.canonical()) {
			once[r.key()] = r
		}
	}
	g.Grants = slices.SortedFunc(maps.Values(once), func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Agreement, b.Agreement), cmp.Compare(a.Role, b.Role))
	})
	g.Links, g.Raises = d.ValidLinks(g.Links), d.validRaises(g.Raises)
	return g, nil
}

// lineage is an account with those who asked for it, for whom asked for them, and so on: the oldest last,
// the line within its ancestry that requests make. The first accounts of a body were asked for by nobody.
// Errors: ErrDead, and ErrDualControl for a line that does not end.
func (d *Directory) lineage(ctx context.Context, id ecluse.AccountID) ([]Account, error) {
	above, truncated, err := d.ancestry(ctx, d.rows, id)
	if err != nil {
		return nil, err
	}
	var line []Account
	for id != 0 && !truncated {
		i := slices.IndexFunc(above, func(k Kin) bool { return k.ID == id })
		if i < 0 || slices.ContainsFunc(line, func(a Account) bool { return a.ID == id }) {
			return nil, ErrDualControl
		}
		if above[i].Dead {
			return nil, fmt.Errorf("account %d: %w", id, ErrDead)
		}
		line = append(line, above[i].Account)
		id = above[i].RequestedBy
	}
	if truncated {
		return nil, ErrDualControl
	}
	return line, nil
}

// ancestors are all who asked for an account or approved it, for them, and so on: ErrDead if one of them
// was written around the program.
func (d *Directory) ancestors(ctx context.Context, id ecluse.AccountID) (map[ecluse.AccountID]bool, error) {
	above, truncated, err := d.ancestry(ctx, d.rows, id)
	if err != nil || truncated {
		return nil, errors.Join(err, whenNil(err, ErrDualControl))
	}
	found := map[ecluse.AccountID]bool{}
	for _, k := range above {
		if k.Dead {
			return nil, fmt.Errorf("account %d: %w", k.ID, ErrDead)
		}
		for _, maker := range k.makers() {
			found[maker] = true
		}
	}
	return found, nil
}
