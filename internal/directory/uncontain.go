package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
)

// ContainmentSummary is what the approver of a request of KindContain or KindUncontain is shown, beside
// what Directory.Containment and Preview tell. The reason is sealed and not part of it.
type ContainmentSummary struct {
	ID       ecluse.ContainmentID `json:"id,omitempty"` // of the one to undo
	Account  ecluse.AccountID     `json:"account"`
	Name     string               `json:"name"`
	Email    string               `json:"email"`
	Tree     bool                 `json:"tree"`
	Since    time.Time            `json:"since,omitzero"`
	At       time.Time            `json:"at,omitzero"` // when the one to undo was made
	MadeBy   string               `json:"made_by,omitempty"`
	Accounts int                  `json:"accounts"`
	Grants   int                  `json:"grants"`
	Links    int                  `json:"links"`
	Keys     int                  `json:"keys"`
}

// RequestContainment asks a second officer to contain accounts: for what one officer does not contain
// alone. Nothing is stopped meanwhile. Errors: those of Contain.
func (d *Directory) RequestContainment(ctx context.Context, by Actor, c Containment) (Approval, error) {
	if err := d.sealReason(&c); err != nil {
		return Approval{}, err
	}
	return d.ask(ctx, by, KindContain, func(s Standing) (question, error) {
		p := prepared{Containment: c, by: by, standing: s, rev: s.Rev}
		if err := d.find(ctx, &p); err != nil {
			return question{}, err
		}
		if p.facts.Own {
			return question{}, &RefusedError{[]ecluse.Reason{ecluse.ReasonContainmentOwn}}
		}
		return question{Body: c, Summary: Summary{Controller: s.Controller.Name, Containment: &ContainmentSummary{
			Account: p.Account, Name: p.root.Name(), Email: p.root.Email, Tree: p.Tree, Since: p.Since,
			Accounts: len(p.reach.Accounts), Grants: len(p.reach.Grants), Links: len(p.reach.Links), Keys: len(p.reach.Keys),
		}}}, nil
	})
}

// containingTwo is the effect of approving a request of KindContain.
func (d *Directory) containingTwo(ctx context.Context, r *decision) (ledger.Effect, error) {
	p := prepared{by: Actor{Account: r.RequestedBy, Session: r.Session}, second: r.approver, named: r.Requester}
	if err := r.read(&p.Containment); err != nil {
		return nil, err
	}
	var err error
	if p.standing, err = d.Standing(ctx, r.RequestedBy); err != nil {
		return nil, err
	}
	if err := d.find(ctx, &p); err != nil {
		return nil, err
	}
	if reasons := p.refused(); len(reasons) > 0 {
		return nil, &RefusedError{reasons}
	}
	return func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		var done Contained
		return d.contain(ctx, tx, e, p, &done)
	}, nil
}

// uncontainment is the body of a request of KindUncontain.
type uncontainment struct {
	ID ecluse.ContainmentID `json:"id"`
}

// RequestUncontainment asks to undo a containment: it takes another officer who approves. Errors:
// ErrNotFound, ErrUndone, ErrInactive, ErrWeak, ErrDualControl.
func (d *Directory) RequestUncontainment(ctx context.Context, by Actor, id ecluse.ContainmentID) (Approval, error) {
	return d.ask(ctx, by, KindUncontain, func(s Standing) (question, error) {
		c, err := d.containment(ctx, d.rows, s, id)
		if err != nil {
			return question{}, err
		}
		if !c.InForce() {
			return question{}, ErrUndone
		}
		root, err := d.rows.Account(ctx, c.Account)
		if err != nil {
			return question{}, err
		}
		what, err := c.Changed()
		return question{Body: uncontainment{id}, Summary: Summary{Controller: s.Controller.Name, Containment: &ContainmentSummary{
			ID: id, Account: c.Account, Name: root.Name(), Email: root.Email, Tree: c.Tree, Since: c.Since, At: c.At, MadeBy: c.Requester,
			Accounts: len(what.Accounts), Grants: len(what.Grants), Links: len(what.Links), Keys: len(what.Keys),
		}}}, err
	})
}

// containment reads one of a body: ErrNotFound, ErrDead.
func (d *Directory) containment(ctx context.Context, from interface {
	Containment(ctx context.Context, id ecluse.ContainmentID) (Contained, error)
}, s Standing, id ecluse.ContainmentID) (Contained, error) {
	c, err := from.Containment(ctx, id)
	if err != nil {
		return c, err
	}
	if !s.looksAt(c.Controller) {
		return Contained{}, ErrNotFound
	}
	if !d.valid(containmentDomain, int64(c.ID), c.MAC, c.canonical()) {
		return Contained{}, fmt.Errorf("containment %d: %w", id, ErrDead)
	}
	return c, nil
}

// uncontaining is the effect of approving a request of KindUncontain.
func (d *Directory) uncontaining(_ context.Context, r *decision) (ledger.Effect, error) {
	var asked uncontainment
	if err := r.read(&asked); err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		t := tx.(ContainmentTx)
		all, err := t.Containments(ctx, r.Controller, true)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(c Contained) bool { return c.ID == asked.ID })
		if i < 0 {
			return ErrUndone
		}
		c := all[i]
		if !d.valid(containmentDomain, int64(c.ID), c.MAC, c.canonical()) {
			return fmt.Errorf("containment %d: %w", c.ID, ErrDead)
		}
		if err := d.giveBack(ctx, tx, e, c, slices.Delete(all, i, i+1)); err != nil {
			return err
		}
		c.UndoneAt, c.UndoneBy, c.UndoApproved, c.UndoEntry = e.At, r.RequestedBy, r.approver, e.N
		return d.putContainment(ctx, t, &c)
	}, nil
}

// giveBack restores what a containment changed, as it was, but for what another one in force took too,
// what has changed since (an account that was ended stays ended), and sessions.
func (d *Directory) giveBack(ctx context.Context, tx ledger.Tx, e *ledger.Entry, c Contained, others []Contained) error {
	kept := newTaken()
	for _, o := range others {
		if what, err := o.Changed(); err != nil {
			return err
		} else if d.valid(containmentDomain, int64(o.ID), o.MAC, o.canonical()) {
			kept.add(what)
		}
	}
	what, err := c.Changed()
	if err != nil {
		return err
	}
	return errors.Join(
		d.giveBackAccounts(ctx, tx, e, what.Accounts, kept), d.giveBackGrants(ctx, tx, e, what.Grants, kept),
		d.giveBackLinks(ctx, tx, e, what.Links, kept), d.giveBackKeys(ctx, tx, e, what.Keys, kept),
		d.giveBackObservations(ctx, tx, e, c.Controller, what.Observations, kept),
	)
}

func (d *Directory) giveBackAccounts(ctx context.Context, tx ledger.Tx, e *ledger.Entry, list []ChangedAccount, kept taken) error {
	var rows []Account
	for _, was := range list {
		a, err := tx.(ContainmentTx).Account(ctx, was.ID)
		if err != nil {
			return err
		}
		if _, other := kept.accounts[a.ID]; !other && a.State == Suspended && d.checkAccount(a) == nil {
			rows = append(rows, d.stated(a, was.State, e.N))
		}
	}
	return tx.(ContainmentTx).PutAccounts(ctx, rows...)
}

func (d *Directory) giveBackGrants(ctx context.Context, tx ledger.Tx, e *ledger.Entry, list []ChangedGrant, kept taken) error {
	var rows []Grant
	for _, was := range list {
		key := givenRight{was.Account, was.Agreement, was.Role}
		all, err := tx.(ContainmentTx).Grants(ctx, was.Account)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(g Grant) bool { return g.key() == key })
		if _, other := kept.grants[key]; other || i < 0 || all[i].runs(e.At) || !d.valid(grantDomain, int64(was.Account), all[i].MAC, all[i].canonical()) {
			continue
		}
		rows = append(rows, d.endGrant(all[i], was.Ends, e.N))
	}
	return tx.(ContainmentTx).PutGrants(ctx, rows...)
}

func (d *Directory) giveBackLinks(ctx context.Context, tx ledger.Tx, e *ledger.Entry, list []ChangedLink, kept taken) error {
	ends := map[ecluse.LinkID]time.Time{}
	var ids []ecluse.LinkID
	for _, was := range list {
		if _, other := kept.links[was.ID]; !other && was.Ends.After(e.At) {
			ends[was.ID], ids = was.Ends, append(ids, was.ID)
		}
	}
	links, err := tx.(ContainmentTx).LinksByID(ctx, ids)
	if err != nil {
		return err
	}
	links = d.ValidLinks(links)
	for i, l := range links {
		links[i] = d.endLink(l, ends[l.ID], e.N)
	}
	return tx.(ContainmentTx).PutLinkEnds(ctx, links)
}

func (d *Directory) giveBackKeys(ctx context.Context, tx ledger.Tx, e *ledger.Entry, list []ChangedKey, kept taken) error {
	for _, was := range list {
		all, err := tx.(ContainmentTx).ClientKeys(ctx, was.Account)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(k ClientKey) bool { return k.ID == was.ID })
		if i < 0 || kept.keys[was.ID] || !d.valid(clientKeyDomain, int64(was.ID), all[i].MAC, all[i].canonical()) {
			continue
		}
		all[i].RevokedAt = time.Time{}
		if err := d.writeKey(ctx, tx, e, all[i]); err != nil {
			return err
		}
	}
	return nil
}

func (d *Directory) giveBackObservations(ctx context.Context, tx ledger.Tx, e *ledger.Entry, body ecluse.ControllerID, list []ChangedObservation, kept taken) error {
	if len(list) == 0 {
		return nil
	}
	all, err := tx.(ContainmentTx).Observations(ctx)
	if err != nil {
		return err
	}
	for _, was := range list {
		i := slices.IndexFunc(all, func(o Observation) bool { return o.Register == was.Register && o.Controller == body })
		if _, other := kept.observations[was.Register]; other || i < 0 || all[i].Runs(e.At) || !was.Ends.After(e.At) ||
			!d.valid(observationDomain, int64(was.Register), all[i].MAC, all[i].canonical()) {
			continue
		}
		all[i].Ends, all[i].Entry = was.Ends, e.N
		if err := d.putObservation(ctx, tx, all[i]); err != nil {
			return err
		}
	}
	return nil
}

// Containments are those of the officer's body, the newest first. Rows written around the program are left
// out. Errors: ErrNotFound, ErrInactive, ErrWeak.
func (d *Directory) Containments(ctx context.Context, by Actor) ([]Contained, error) {
	s, err := d.guard(ctx, by)
	if err != nil {
		return nil, err
	}
	all, err := d.rows.Containments(ctx, s.Controller.ID, false)
	return slices.DeleteFunc(all, func(c Contained) bool { return !d.valid(containmentDomain, int64(c.ID), c.MAC, c.canonical()) }), err
}

// guard is the standing of who sees containments: the officers who make and undo them, and the data
// protection officer.
func (d *Directory) guard(ctx context.Context, by Actor) (Standing, error) {
	s, err := d.actor(ctx, by, assured)
	if err == nil && !guards(s) && !s.Has(ecluse.RoleDPO) {
		err = ErrNotFound
	}
	return s, err
}

// Explained is a containment with what is sealed or elsewhere.
type Explained struct {
	Contained
	Why     string
	Receipt string // of its entry
}

// Containment is one of them. Errors: ErrNotFound, ErrInactive, ErrWeak, ErrDead.
func (d *Directory) Containment(ctx context.Context, by Actor, id ecluse.ContainmentID) (c Explained, err error) {
	s, err := d.guard(ctx, by)
	if err != nil {
		return c, err
	}
	if c.Contained, err = d.containment(ctx, d.rows, s, id); err != nil {
		return c, err
	}
	text, err := d.keys.Unseal(reasonDomain, c.Reason, []byte("containment"))
	if err != nil {
		return c, fmt.Errorf("open the reason of containment %d: %w", id, err)
	}
	c.Why = string(text)
	c.Receipt, err = d.ledger.ReceiptOf(ctx, c.Entry)
	return c, err
}

// Concerned is what the owner of a contained account is told when she tries to sign in.
type Concerned struct {
	At         time.Time
	Controller Controller
	// Appeal is whom she may ask: a person who did not decide it. The zero account if there is none; then the
	// controller's data protection officer answers.
	Appeal  Account
	Receipt string
}

// Concerns says why an account is contained at present, for its owner, who has just proven who she is:
// ErrNotFound if no containment in force holds it.
func (d *Directory) Concerns(ctx context.Context, id ecluse.AccountID) (found Concerned, err error) {
	a, err := d.rows.Account(ctx, id)
	if err != nil {
		return found, err
	}
	all, err := d.rows.Containments(ctx, a.Controller, true)
	if err != nil {
		return found, fmt.Errorf("read the containments: %w", err)
	}
	for _, c := range slices.Backward(all) { // the oldest first
		what, err := c.Changed()
		if err != nil || !d.valid(containmentDomain, int64(c.ID), c.MAC, c.canonical()) {
			continue
		}
		if slices.ContainsFunc(what.Accounts, func(one ChangedAccount) bool { return one.ID == id }) {
			found.At = c.At
			if found.Controller, err = d.controller(ctx, a.Controller); err != nil {
				return found, err
			}
			if found.Receipt, err = d.ledger.ReceiptOf(ctx, c.Entry); err != nil {
				return found, err
			}
			found.Appeal, err = d.appeal(ctx, c)
			return found, err
		}
	}
	return found, ErrNotFound
}

// appeal names a human: a data protection officer of the body, or else an officer who did not decide the
// containment.
func (d *Directory) appeal(ctx context.Context, c Contained) (Account, error) {
	for _, role := range []ecluse.Role{ecluse.RoleDPO, ecluse.RoleSecurityOfficer, ecluse.RoleAccessOfficer} {
		officers, err := d.Officers(ctx, c.Controller, role)
		if err != nil {
			return Account{}, err
		}
		for _, a := range officers {
			if a.ID != c.MadeBy && a.ID != c.ApprovedBy && a.Organisation == 0 {
				return a, nil
			}
		}
	}
	return Account{}, nil
}
