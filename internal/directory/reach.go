package directory

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/notice"
	"ecluse/internal/policy"
)

// How much one containment may be about: what one transaction writes in well under a second.
const (
	maxContained = 1000 // accounts
	maxEnded     = 5000 // rights, or links, or keys
)

// reach is what a containment stops, found at one instant.
type reach struct {
	Accounts     []Kin // the one named, first, and with Tree those below it; dead rows and ended accounts left out
	Dead         []Kin // rows of the tree that were written around the program: they give nobody anything
	Grants       []Grant
	Links        []Link
	Keys         []ClientKey
	Observations []Observation
	changed      Changed // the same, with what was there before any containment
	fresh        int     // of the accounts, those that no containment in force has stopped
	news         int     // of all that, what no containment in force has stopped
}

// reachFrom reads what a reach is found from: of the database, or of its own transaction.
type reachFrom interface {
	LineageRows
	Account(ctx context.Context, id ecluse.AccountID) (Account, error)
	Grants(ctx context.Context, id ecluse.AccountID) ([]Grant, error)
	ClientKeys(ctx context.Context, a ecluse.AccountID) ([]ClientKey, error)
	Observations(ctx context.Context) ([]Observation, error)
	Containments(ctx context.Context, c ecluse.ControllerID, inForce bool) ([]Contained, error)
}

// reach finds what a containment stops at an instant. What another containment in force stopped already
// counts as it was before that, so that undoing one of the two gives nothing back that the other took.
// Errors: ErrTooMany, ErrUnknownAccount.
func (d *Directory) reach(ctx context.Context, from reachFrom, body ecluse.ControllerID, c Containment, at time.Time) (r reach, err error) {
	before, err := d.takenBefore(ctx, from, body)
	if err != nil {
		return r, err
	}
	if err := d.reachAccounts(ctx, from, c, before, &r); err != nil {
		return r, err
	}
	given, err := d.given(ctx, from, r.ids(), c.Since, maxEnded+1)
	if err != nil {
		return r, err
	}
	r.addGrants(given.Grants, before, at)
	r.addLinks(given.Links, before, at)
	if err := d.reachKeys(ctx, from, given.Keys, before, &r, at); err != nil {
		return r, err
	}
	observations, err := from.Observations(ctx)
	if err != nil {
		return r, fmt.Errorf("read the observations: %w", err)
	}
	r.addObservations(d, observations, body, c.Since, before, at)
	if max(len(given.Grants), len(given.Links), len(r.Keys)) > maxEnded {
		err = ErrTooMany
	}
	return r, err
}

// taken is what containments in force have taken, by row, with what was there before.
type taken struct {
	accounts     map[ecluse.AccountID]string
	grants       map[givenRight]time.Time
	links        map[ecluse.LinkID]time.Time
	keys         map[ecluse.ClientKeyID]bool
	observations map[ecluse.RegisterID]time.Time
}

type givenRight struct {
	account   ecluse.AccountID
	agreement ecluse.AgreementID
	role      ecluse.Role
}

func (g Grant) key() givenRight { return givenRight{g.Account, g.Agreement, g.Role} }

func newTaken() taken {
	return taken{map[ecluse.AccountID]string{}, map[givenRight]time.Time{}, map[ecluse.LinkID]time.Time{}, map[ecluse.ClientKeyID]bool{}, map[ecluse.RegisterID]time.Time{}}
}

func (t *taken) add(c Changed) {
	for _, a := range c.Accounts {
		t.accounts[a.ID] = a.State
	}
	for _, g := range c.Grants {
		t.grants[givenRight{g.Account, g.Agreement, g.Role}] = g.Ends
	}
	for _, l := range c.Links {
		t.links[l.ID] = l.Ends
	}
	for _, k := range c.Keys {
		t.keys[k.ID] = true
	}
	for _, o := range c.Observations {
		t.observations[o.Register] = o.Ends
	}
}

// takenBefore is what the containments of a body that are in force have taken. One that was written around
// the program took nothing.
func (d *Directory) takenBefore(ctx context.Context, from reachFrom, body ecluse.ControllerID) (taken, error) {
	t := newTaken()
	all, err := from.Containments(ctx, body, true)
	if err != nil {
		return t, fmt.Errorf("read the containments: %w", err)
	}
	for _, c := range all {
		if !d.valid(containmentDomain, int64(c.ID), c.MAC, c.canonical()) {
			continue
		}
		what, err := c.Changed()
		if err != nil {
			return t, err
		}
		t.add(what)
	}
	return t, nil
}

// reachAccounts finds whom a containment stops: the account, and with Tree its family since.
func (d *Directory) reachAccounts(ctx context.Context, from reachFrom, c Containment, before taken, r *reach) error {
	kin, err := d.named(ctx, from, c)
	if err != nil {
		return err
	}
	for _, k := range kin {
		r.addAccount(k, before)
	}
	return nil
}

func (d *Directory) named(ctx context.Context, from reachFrom, c Containment) ([]Kin, error) {
	if !c.Tree {
		a, err := from.Account(ctx, c.Account)
		return []Kin{{Account: a, Dead: err == nil && d.checkAccount(a) != nil}}, err
	}
	kin, truncated, err := d.family(ctx, from, c.Account, c.Since, maxContained)
	if truncated {
		err = ErrTooMany
	}
	return kin, err
}

// addAccount: what is suspended by nobody's containment, or has ended, stays as it is.
func (r *reach) addAccount(k Kin, before taken) {
	state, contained := before.accounts[k.ID]
	if !contained {
		state = k.Account.State
	}
	switch {
	case k.Dead:
		r.Dead = append(r.Dead, k)
	case state == Active || state == Invited:
		r.Accounts = append(r.Accounts, k)
		r.changed.Accounts = append(r.changed.Accounts, ChangedAccount{k.ID, state})
		r.add(contained)
		if !contained {
			r.fresh++
		}
	}
}

// addGrants takes the rights that run, of accounts that are not stopped themselves.
func (r *reach) addGrants(all []Grant, before taken, at time.Time) {
	for _, g := range all {
		ends, contained := before.grants[g.key()]
		if !contained {
			ends = g.Ends
		}
		if runs := ends.IsZero() || at.Before(ends); runs && !r.has(g.Account) {
			r.Grants = append(r.Grants, g)
			r.changed.Grants = append(r.changed.Grants, ChangedGrant{g.Account, g.Agreement, g.Role, ends})
			r.add(contained)
		}
	}
}

func (r *reach) addLinks(all []Link, before taken, at time.Time) {
	for _, l := range all {
		ends, contained := before.links[l.ID]
		if !contained {
			ends = l.Ends
		}
		if at.Before(ends) {
			r.Links = append(r.Links, l)
			r.changed.Links = append(r.changed.Links, ChangedLink{l.ID, ends})
			r.add(contained)
		}
	}
}

// reachKeys takes the keys of programs among the accounts, and those that the accounts had made for others.
func (d *Directory) reachKeys(ctx context.Context, from reachFrom, given []ClientKey, before taken, r *reach, at time.Time) error {
	all := given
	for _, k := range r.Accounts {
		if k.Kind != KindClient {
			continue
		}
		own, err := from.ClientKeys(ctx, k.ID)
		if err != nil {
			return fmt.Errorf("read the keys of account %d: %w", k.ID, err)
		}
		all = append(all, own...)
	}
	slices.SortFunc(all, func(a, b ClientKey) int { return cmp.Compare(a.ID, b.ID) })
	all = slices.CompactFunc(all, func(a, b ClientKey) bool { return a.ID == b.ID })
	for _, k := range all {
		runs := k.Runs(at) || before.keys[k.ID] && at.Before(k.Ends)
		if runs && d.valid(clientKeyDomain, int64(k.ID), k.MAC, k.canonical()) {
			r.Keys = append(r.Keys, k)
			r.changed.Keys = append(r.changed.Keys, ChangedKey{k.ID, k.Account})
			r.add(before.keys[k.ID])
		}
	}
	return nil
}

// addObservations takes those of the body's registers that the accounts asked for or approved.
func (r *reach) addObservations(d *Directory, all []Observation, body ecluse.ControllerID, since time.Time, before taken, at time.Time) {
	for _, o := range all {
		ends, contained := before.observations[o.Register]
		if !contained {
			ends = o.Ends
		}
		theirs := r.has(o.RequestedBy) || r.has(o.ApprovedBy)
		if o.Controller == body && theirs && !o.Starts.Before(since) && at.Before(ends) && d.valid(observationDomain, int64(o.Register), o.MAC, o.canonical()) {
			r.Observations = append(r.Observations, o)
			r.changed.Observations = append(r.changed.Observations, ChangedObservation{o.Register, ends})
			r.add(contained)
		}
	}
}

// add counts what a containment stops first.
func (r *reach) add(contained bool) {
	if !contained {
		r.news++
	}
}

func (r *reach) ids() []ecluse.AccountID {
	ids := make([]ecluse.AccountID, len(r.Accounts))
	for i, k := range r.Accounts {
		ids[i] = k.ID
	}
	return ids
}

func (r *reach) has(id ecluse.AccountID) bool {
	return id != 0 && slices.ContainsFunc(r.Accounts, func(k Kin) bool { return k.ID == id })
}

// digest tells whether the accounts, rights and keys are still the ones that were looked at. Links are not
// part of it: they are found under the lock.
func (r *reach) digest() (b []byte) {
	add := func(numbers ...int64) {
		for _, n := range numbers {
			b = binary.BigEndian.AppendUint64(b, uint64(n))
		}
	}
	add(int64(len(r.Accounts)), int64(len(r.Grants)), int64(len(r.Keys)), int64(len(r.Observations)))
	for _, id := range slices.Sorted(slices.Values(r.ids())) {
		add(int64(id))
	}
	for _, g := range r.Grants {
		add(int64(g.Account), int64(g.Agreement))
		b = append(b, g.Role...)
	}
	for _, k := range r.Keys {
		add(int64(k.ID))
	}
	return b
}

// notices tell the officers, and every owner of an account that was stopped.
func (r *reach) notices(c Contained) []notice.Notice {
	list := []notice.Notice{{Kind: notice.ContainmentMade, Controller: c.Controller, By: c.MadeBy, Subject: int64(c.ID)}}
	for _, k := range r.Accounts {
		if k.Kind != KindClient && k.Account.State == Active {
			list = append(list, notice.Notice{
				Kind: notice.ContainmentConcerned, Controller: c.Controller, Organisation: k.Account.Organisation, To: k.ID, By: c.MadeBy, Subject: int64(c.ID),
			})
		}
	}
	return list
}

// prepared is a containment that was looked at, as of a revision.
type prepared struct {
	Containment
	by       Actor
	second   ecluse.AccountID // who approves it, 0 = nobody
	standing Standing         // of an officer; empty for commands
	named    string           // who asked, where another approves
	root     Account
	rev      int64
	reach    reach
	facts    policy.ContainmentFacts
}

// requester is who contains, as shown.
func (p *prepared) requester() string { return cmp.Or(p.named, p.standing.Account.name(), p.by.CLI) }

// name is how the account's owner is shown, "" for the zero account.
func (a Account) name() string {
	if a.ID == 0 {
		return ""
	}
	return a.Name()
}

// prepare checks who contains, finds what a containment would stop, and gathers what the decision rests on.
func (d *Directory) prepare(ctx context.Context, by Actor, c Containment) (p prepared, err error) {
	p = prepared{Containment: c, by: by}
	if by.command() {
		p.rev, err = d.rows.Rev(ctx)
	} else if p.standing, err = d.actor(ctx, by, sensitive); err == nil {
		p.rev = p.standing.Rev
		if !guards(p.standing) {
			err = ErrNotFound
		}
	}
	if err != nil {
		return p, err
	}
	return p, d.find(ctx, &p)
}

// refused are the reasons why it may not be done so.
func (p *prepared) refused() []ecluse.Reason { return policy.DecideContainment(p.facts) }

// find fills in what prepare looks at, for whoever may ask.
func (d *Directory) find(ctx context.Context, p *prepared) (err error) {
	if p.root, err = d.rows.Account(ctx, p.Account); err != nil {
		return unknownIsNotFound(err)
	}
	if !p.standing.looksAt(p.root.Controller) {
		return ErrNotFound
	}
	office, err := d.holdsOffice(ctx, p.root)
	if err != nil {
		return err
	}
	if office && p.Since.IsZero() {
		return ErrSince
	}
	if p.reach, err = d.reach(ctx, d.rows, p.root.Controller, p.Containment, d.now()); err != nil {
		return err
	}
	if p.reach.news == 0 {
		return ErrContained
	}
	return d.containmentFacts(ctx, p)
}

// guards: who contains, and undoes it: an access or security officer of the body itself.
func guards(s Standing) bool {
	return s.Account.Organisation == 0 && (s.Has(ecluse.RoleAccessOfficer) || s.Has(ecluse.RoleSecurityOfficer))
}

// guardsToo is guards for who decides a request.
func guardsToo(s Standing, _ Approval) bool { return guards(s) }

// holdsOffice reports whether an account is of the body's own staff, or an access officer anywhere.
func (d *Directory) holdsOffice(ctx context.Context, a Account) (bool, error) {
	if a.Organisation == 0 {
		return true, nil
	}
	grants, err := d.rows.Grants(ctx, a.ID)
	if err != nil {
		return false, fmt.Errorf("read the grants of account %d: %w", a.ID, err)
	}
	return slices.ContainsFunc(grants, func(g Grant) bool { return g.Role == ecluse.RoleAccessOfficer && g.runs(d.now()) }), nil
}

func (d *Directory) containmentFacts(ctx context.Context, p *prepared) error {
	p.facts = policy.ContainmentFacts{
		Operator: p.by.command(), Second: p.second != 0, Accounts: p.reach.fresh, Own: p.reach.has(p.by.Account) || p.reach.has(p.second),
	}
	for _, k := range p.reach.Accounts {
		office, err := d.holdsOffice(ctx, k.Account)
		if err != nil {
			return err
		}
		if office {
			p.facts.Staff++
		}
	}
	var err error
	if p.facts.AloneDay, err = d.containedAlone(ctx, d.rows, p.by.Account, d.now()); err != nil {
		return err
	}
	p.facts.PairRests = true
	if p.facts.Staff > 0 {
		p.facts.PairRests, err = d.pairRests(ctx, p.root.Controller, &p.reach)
	}
	return err
}

// containedAlone counts the accounts that an officer contained alone within 24 h, undone or not.
func (d *Directory) containedAlone(ctx context.Context, from interface {
	ContainmentsBy(ctx context.Context, by ecluse.AccountID, since time.Time) ([]Contained, error)
}, by ecluse.AccountID, at time.Time) (accounts int, err error) {
	if by == 0 {
		return 0, nil
	}
	all, err := from.ContainmentsBy(ctx, by, at.Add(-24*time.Hour))
	if err != nil {
		return 0, fmt.Errorf("read the containments: %w", err)
	}
	for _, c := range all {
		what, err := c.Changed()
		if err != nil {
			return 0, err
		}
		if c.ApprovedBy == 0 {
			accounts += len(what.Accounts)
		}
	}
	return accounts, nil
}

// pairRests reports whether two who guard would be left who may undo the containment together, by the
// rules of every request.
func (d *Directory) pairRests(ctx context.Context, body ecluse.ControllerID, r *reach) (bool, error) {
	var left []policy.Party
	for _, role := range guardians {
		officers, err := d.Officers(ctx, body, role)
		if err != nil {
			return false, err
		}
		for _, a := range officers {
			if a.Organisation != 0 || r.has(a.ID) || slices.ContainsFunc(left, func(p policy.Party) bool { return p.Account == a.ID }) {
				continue
			}
			p, err := d.party(ctx, a.ID, 0, "")
			if errors.Is(err, ErrDead) || errors.Is(err, ErrDualControl) {
				continue
			}
			if err != nil {
				return false, err
			}
			left = append(left, r.after(p))
		}
	}
	for i, one := range left {
		for _, other := range left[i+1:] {
			if len(policy.DecideApproval(policy.ApprovalFacts{
				Requester: one, Approver: other, Approves: true, Assured: true, Strong: true, Officers: policy.MinOfficers,
			})) == 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// after is a party once the containment is made.
func (r *reach) after(p policy.Party) policy.Party {
	p.Lineage = slices.Clone(p.Lineage)
	for i, a := range p.Lineage {
		p.Lineage[i].Contained = a.Contained || r.has(a.Account)
	}
	return p
}

// Preview is what a containment would do.
type Preview struct {
	Named        Account
	Accounts     []Kin // to be suspended, the one named first
	Dead         []Kin // written around the program: dead already
	Sessions     int
	Grants       int
	Links        int
	Keys         int
	Observations int
	PersonsSeen  int // by the accounts, since; within the 180 days that are remembered
	// Left are requests of theirs that took effect since and stay: agreements, imports. Look at them.
	Left []Approval
	// Reasons why it may not be done so; containment.second_officer alone means that a second officer may
	// make it so.
	Reasons []ecluse.Reason
}

func (p *prepared) preview(ctx context.Context, d *Directory) (v Preview, err error) {
	v = Preview{
		Named: p.root, Accounts: p.reach.Accounts, Dead: p.reach.Dead, Grants: len(p.reach.Grants), Links: len(p.reach.Links), Keys: len(p.reach.Keys),
		Observations: len(p.reach.Observations), Reasons: p.refused(),
	}
	ids := p.reach.ids()
	if v.Sessions, err = d.rows.OpenSessions(ctx, ids, d.now()); err != nil {
		return v, fmt.Errorf("count the sessions: %w", err)
	}
	if v.PersonsSeen, err = d.rows.PersonsSeen(ctx, ids, p.Since); err != nil {
		return v, fmt.Errorf("count the persons seen: %w", err)
	}
	if v.Left, err = d.rows.ApprovedFor(ctx, ids, p.Since); err != nil {
		return v, fmt.Errorf("read what took effect: %w", err)
	}
	v.Left = slices.DeleteFunc(v.Left, func(a Approval) bool { return a.Kind != KindImport && a.Kind != KindLinks })
	return v, nil
}
