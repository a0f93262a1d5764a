package directory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/notice"
)

// accountRows are the rows that a change writes, gathered to be written many at once.
type accountRows struct {
	accounts    rowSet[ecluse.AccountID, Account]
	grants      rowSet[rightKey, Grant]
	bindings    []Binding
	invitations []Invitation
	told        []notice.Notice // whom an invitation is for
	woken       []Account
	trained     []Training
}

type rightKey struct {
	account   ecluse.AccountID
	agreement ecluse.AgreementID
	role      ecluse.Role
}

// rowSet holds the last row of each key, in the order in which keys came.
type rowSet[K comparable, V any] struct {
	at   map[K]int
	rows []V
}

func (s *rowSet[K, V]) put(k K, v V) {
	if i, ok := s.at[k]; ok {
		s.rows[i] = v
		return
	}
	if s.at == nil {
		s.at = map[K]int{}
	}
	s.at[k] = len(s.rows)
	s.rows = append(s.rows, v)
}

// add takes an account as it is to be, with its grants that are new or changed.
func (r *accountRows) add(d *Directory, a Account, grants []Grant, at time.Time) {
	r.accounts.put(a.ID, a)
	for _, g := range grants {
		r.grants.put(rightKey{g.Account, g.Agreement, g.Role}, g)
	}
	if a.Sub != "" {
		r.bindings = append(r.bindings, d.binding(a, at))
	}
	if a.ActiveAt.Equal(at) {
		r.woken = append(r.woken, a)
	}
}

func (r *accountRows) write(ctx context.Context, tx Tx) error {
	if err := tx.PutAccounts(ctx, r.accounts.rows...); err != nil {
		return err
	}
	if err := tx.PutGrants(ctx, r.grants.rows...); err != nil {
		return err
	}
	if err := tx.InsertBindings(ctx, r.bindings...); err != nil {
		return err
	}
	for _, a := range r.woken {
		if err := tx.PutActivity(ctx, a.ID, a.ActiveAt, a.ActiveMAC); err != nil {
			return err
		}
	}
	if err := tx.PutTrainings(ctx, r.trained...); err != nil {
		return err
	}
	if err := tx.InsertInvitations(ctx, r.invitations...); err != nil {
		return err
	}
	return tx.InsertNotices(ctx, r.told)
}

func (w *writer) accounts(ctx context.Context) error {
	for _, c := range w.change.Accounts {
		if err := w.account(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) account(ctx context.Context, c AccountChange) error {
	a, before, err := w.present(ctx, c)
	if err != nil || before == nil && c.State == Ended { // it was ended before
		return err
	}
	fresh := before == nil || a.State == Ended
	if fresh {
		a = w.newAccount(c, a.ID)
	}
	a.GivenName, a.UsualName, a.Ends, a.Entry = c.GivenName, c.UsualName, c.Ends, w.entry
	w.move(c, &a)
	if err := w.place(c, &a); err != nil {
		return err
	}
	if err := checkProgram(a, c); err != nil {
		return err
	}
	grants, changed, err := w.grants(c, a)
	if err != nil {
		return err
	}
	after, err := w.accountCells(ctx, a, grants)
	if err != nil {
		return err
	}
	trained, cells, err := w.trained(ctx, c, a, before == nil)
	if err != nil {
		return err
	}
	after = append(after, cells...)
	a.MAC = w.directory.keys.MAC(accountDomain, a.canonical())
	w.have.accounts[c.Email], w.have.grants[a.ID] = a, grants
	if a.State == Ended {
		delete(w.have.accounts, c.Email)
	}
	return w.put(&w.summary.Accounts, a.Name(), a.State == Ended, before, after, func(Tx) error {
		w.rows.add(w.directory, a, changed, w.at)
		w.rows.trained = append(w.rows.trained, trained...)
		if fresh && a.State == Invited || c.Relink {
			w.rows.invitations = append(w.rows.invitations, w.directory.invitation(a, w.at))
			w.rows.told = append(w.rows.told, invitationNotice(a))
		}
		return nil
	})
}

// trained are the certificates that a new account brings, with their cells. ErrCertificate.
func (w *writer) trained(ctx context.Context, c AccountChange, a Account, fresh bool) (list []Training, cells []cell, err error) {
	if !fresh && len(c.Trained) > 0 {
		return nil, nil, fmt.Errorf("account %s is there already: %w", c.Email, ErrCertificate)
	}
	for _, t := range c.Trained {
		name, _, err := w.directory.names(ctx, t.Register, 0)
		if err != nil {
			return nil, nil, err
		}
		if t.Until.IsZero() || t.Until.After(w.at.Add(TrainingLongest)) {
			return nil, nil, fmt.Errorf("account %s in %s: %w", c.Email, name, ErrCertificate)
		}
		list = append(list, w.directory.signTraining(Training{Account: a.ID, Register: t.Register, Ends: t.Until, Entry: w.entry}))
		cells = append(cells, cell{"trained", name + " " + instant(t.Until)})
	}
	return list, cells, nil
}

// present is the account that a change is about, with its cells; no cells if there is none. An identity
// that had an account, ended since, goes on with that: its row, its meters, what it has seen.
func (w *writer) present(ctx context.Context, c AccountChange) (a Account, cells []cell, err error) {
	a, known := w.have.accounts[c.Email]
	if bound, ok := w.have.bound[c.subject()]; ok && c.Sub != "" && bound.ID != a.ID {
		if known || bound.State != Ended {
			return a, nil, fmt.Errorf("account %d: %w", bound.ID, ErrIdentity)
		}
		a, known = bound, true
	}
	if !known {
		return a, nil, nil
	}
	if err := w.checkKnown(a, c); err != nil {
		return a, nil, err
	}
	cells, err = w.accountCells(ctx, a, w.have.grants[a.ID])
	return a, cells, err
}

// move changes the state of an account as a change asks: ended; invited again, to be bound to another
// identity; or open again, whatever ended it by itself. Whatever an officer approves confirms a
// replacement.
func (w *writer) move(c AccountChange, a *Account) {
	switch {
	case c.State == Ended:
		a.State = Ended
	case c.Relink:
		a.State = Invited
	case a.StateAt(w.at) == Dormant:
		a.ActiveAt = w.at
		a.ActiveMAC = w.directory.Activity(a.ID, w.at)
	}
	a.StandInEnds = time.Time{}
	if c.StandIn {
		a.StandInEnds = w.at.Add(StandInLife)
	}
}

// checkKnown refuses to change what was written around the program, and whom an account belongs to.
func (w *writer) checkKnown(a Account, c AccountChange) error {
	if err := w.directory.checkAccount(a); err != nil {
		return err
	}
	for _, g := range w.have.grants[a.ID] {
		if !w.directory.valid(grantDomain, int64(g.Account), g.MAC, g.canonical()) {
			return fmt.Errorf("a grant of account %d: %w", a.ID, ErrDead)
		}
	}
	if (c.IDP != "" || c.Sub != "") && (c.IDP != a.IDP || c.Sub != a.Sub) {
		return fmt.Errorf("account %d: %w", a.ID, ErrIdentity)
	}
	return nil
}

// newAccount is a new account, under the number of the one that its identity had.
func (w *writer) newAccount(c AccountChange, before ecluse.AccountID) Account {
	if before == 0 {
		before = ecluse.AccountID(w.allot())
	}
	a := Account{
		ID: before, Controller: w.change.approval.Controller, Kind: "agent", State: Invited, Email: c.Email,
		RequestedBy: w.change.approval.RequestedBy, ApprovedBy: w.change.approver, Installed: w.change.Installation,
		Created: w.at, Starts: w.at, IDP: c.IDP, Sub: c.Sub,
	}
	if c.Sub != "" {
		a.State = Active
	}
	if c.Organisation == "" {
		a.Kind = "officer"
	}
	if c.IDP == ClientIDP {
		a.Kind = KindClient
	}
	return a
}

// place puts an account into its organisation and site; what is empty leaves it where it is.
func (w *writer) place(c AccountChange, a *Account) error {
	if c.Organisation == "" {
		return nil
	}
	o, ok := w.have.organisations[c.Organisation]
	if !ok || o.Parent != 0 {
		return fmt.Errorf("an account's organisation %s: %w", c.Organisation, ErrNotFound)
	}
	if a.Organisation != o.ID {
		a.Organisation, a.Site = o.ID, 0
	}
	if c.Site == "" {
		return nil
	}
	site, ok := w.have.organisations[c.Site]
	if !ok || site.Parent != o.ID {
		return fmt.Errorf("an account's site %s: %w", c.Site, ErrNotFound)
	}
	a.Site = site.ID
	return nil
}

// runs reports whether a grant is in force at an instant.
func (g Grant) runs(at time.Time) bool { return g.Ends.IsZero() || at.Before(g.Ends) }

// grants are those that an account has after a change, and which of them are new or other than before.
// What a change does not name any more ends now; an ended account keeps what it had.
func (w *writer) grants(c AccountChange, a Account) (all, changed []Grant, err error) {
	all = slices.Clone(w.have.grants[a.ID])
	if a.State == Ended {
		return all, nil, nil
	}
	wanted, err := w.wanted(c, a)
	if err != nil {
		return nil, nil, err
	}
	same := func(g Grant) func(Grant) bool {
		return func(o Grant) bool { return o.Role == g.Role && o.Agreement == g.Agreement }
	}
	for i, g := range all {
		if g.runs(w.at) && !slices.ContainsFunc(wanted, same(g)) {
			all[i].Ends = w.at
			changed = append(changed, w.granted(&all[i]))
		}
	}
	for _, g := range wanted {
		i := slices.IndexFunc(all, same(g))
		if i < 0 {
			i, all = len(all), append(all, g)
		} else if all[i].Ends.Equal(g.Ends) {
			continue
		} else if all[i].runs(w.at) {
			g.Created = all[i].Created
		}
		all[i] = g
		changed = append(changed, w.granted(&all[i]))
	}
	return all, changed, nil
}

// granted signs a grant for this change.
func (w *writer) granted(g *Grant) Grant {
	g.RequestedBy, g.ApprovedBy, g.Entry = w.change.approval.RequestedBy, w.change.approver, w.entry
	g.MAC = w.directory.keys.MAC(grantDomain, g.canonical())
	return *g
}

// wanted are the grants that a change names.
func (w *writer) wanted(c AccountChange, a Account) ([]Grant, error) {
	var list []Grant
	for _, role := range c.Roles {
		g := Grant{Account: a.ID, Role: role, Created: w.at, Ends: c.Ends}
		if role != ecluse.RoleAgent {
			list = append(list, g)
			continue
		}
		for _, code := range c.Agreements {
			i := slices.IndexFunc(w.have.agreements, func(g Agreement) bool { return g.Organisation == a.Organisation && g.Code == code })
			if i < 0 {
				return nil, fmt.Errorf("an account's agreement %s: %w", code, ErrNotFound)
			}
			found := w.have.agreements[i]
			if !w.directory.valid(agreementDomain, int64(found.ID), found.MAC, found.canonical()) {
				return nil, fmt.Errorf("agreement %d: %w", found.ID, ErrDead)
			}
			g.Agreement = found.ID
			list = append(list, g)
		}
	}
	return list, nil
}
