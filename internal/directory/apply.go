package directory

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
)

// Tx is what a directory change needs of its transaction. *store.Tx implements it.
type Tx interface {
	Reads
	InsertApproval(ctx context.Context, a Approval) error
	// DecideApproval moves a pending request on: ErrDecided if it is not pending any more.
	DecideApproval(ctx context.Context, id ecluse.ApprovalID, by ecluse.AccountID, state string, e *ledger.Entry) error
	// TakeUpApproval writes who asks for a pending request that nobody had asked for: ErrDecided otherwise.
	TakeUpApproval(ctx context.Context, a Approval) error
	LinksApplied(ctx context.Context, id ecluse.ApprovalID, count int) error
	PutOrganisation(ctx context.Context, o Organisation) error
	PutAgreement(ctx context.Context, a Agreement) error
	PutAccounts(ctx context.Context, accounts ...Account) error
	PutActivity(ctx context.Context, a ecluse.AccountID, at time.Time, mac []byte) error
	PutGrants(ctx context.Context, grants ...Grant) error
	InsertBindings(ctx context.Context, bindings ...Binding) error
	InsertInvitations(ctx context.Context, invitations ...Invitation) error
	InsertLinks(ctx context.Context, links []Link) error
	LinkTx
	InvitationTx
	TrainingTx
	notice.Tx
}

// applied is an approved change with who asked and who approved.
type applied struct {
	Change
	approval Approval
	approver ecluse.AccountID
	account  *AccountSummary // what else the approver of a request for one account was shown
}

// Errors of changes, beside ErrNotFound and ErrDead.
var (
	// ErrIdentity: an account has another identity than the change says.
	ErrIdentity = errors.New("an account keeps the identity it has: end it and ask for a new one")
	// ErrLinkLife: a link is of no known kind, or runs longer than its kind may.
	ErrLinkLife = errors.New("a link runs longer than its kind may, or its kind is unknown")
)

// importing is the effect of approving a request of KindImport. A small change is written with the decision;
// of a large one what is beyond its first chunk of accounts follows the commit, and all links do.
func (d *Directory) importing(ctx context.Context, r *decision) (ledger.Effect, error) {
	var change Change
	if err := r.read(&change); err != nil {
		return nil, err
	}
	c := applied{Change: change, approval: r.Approval, approver: r.approver}
	write, err := d.applying(ctx, r.controller, c)
	if err != nil {
		return nil, err
	}
	left := batch{Request: r.ID, Accounts: max(0, len(change.Accounts)-AccountChunk), Links: change.linkCount()}
	return func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		if err := write(ctx, tx, e); err != nil || left.total() == 0 {
			return err
		}
		job, err := d.leaveBatch(ctx, tx, e, c, left)
		r.then = func(ctx context.Context) error { return d.finish(ctx, job.ID, c, left) }
		return err
	}, nil
}

// applying is the effect that writes organisations, agreements, accounts and grants, all or none, if the
// diff is still the one that the approver was shown: ErrChanged. What is there is read before the
// transaction, which a newer revision refuses: under the lock nothing is read, and rows are written many
// at once.
func (d *Directory) applying(ctx context.Context, controller Controller, c applied) (ledger.Effect, error) {
	have, err := d.snapshot(ctx, d.rows, controller.ID, c.Change)
	if err != nil {
		return nil, err
	}
	shown := &writer{directory: d, at: d.now(), change: c, have: have.clone()}
	summary, err := shown.run(ctx, controller)
	if err != nil {
		return nil, err
	}
	summary.Account = c.account
	if text, err := encode(summary); err != nil || text != c.approval.Summary {
		return nil, errors.Join(err, whenNil(err, ErrChanged))
	}
	c.Accounts, c.Links = c.Accounts[:min(len(c.Accounts), AccountChunk)], nil
	return func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		w := &writer{directory: d, tx: tx, at: e.At, entry: e.N, change: c, have: have.clone()}
		if _, err := w.run(ctx, controller); err != nil {
			return err
		}
		return w.rows.write(ctx, tx.(Tx))
	}, nil
}

func whenNil(err, other error) error {
	if err == nil {
		return other
	}
	return nil
}

// writer turns a change into rows, and each row that differs from what is there into a line of the diff.
// The same code makes the diff that is shown and the rows that are written.
type writer struct {
	directory *Directory
	tx        ledger.Tx // nil: nothing is written
	at        time.Time
	entry     ecluse.EntryNumber
	change    applied
	have      snapshot
	summary   Summary
	rows      accountRows
	shown     map[string]bool // lines that the approver was shown; nil: they are compared as a whole
	allotted  int64           // without a transaction, new rows have numbers below 0
}

func (w *writer) run(ctx context.Context, controller Controller) (Summary, error) {
	w.summary = Summary{
		Controller: controller.Name, Organisations: []Line{}, Agreements: []Line{}, Accounts: []Line{}, Receivers: []Line{}, Warnings: []string{},
	}
	w.warn()
	for _, step := range []func(context.Context) error{w.organisations, w.agreements, w.accounts, w.links} {
		if err := step(ctx); err != nil {
			return w.summary, err
		}
	}
	return w.summary, nil
}

func (w *writer) warn() {
	for _, a := range w.change.Agreements {
		if slices.Contains(strings.Fields(a.Territory), "*") {
			w.summary.Warnings = append(w.summary.Warnings, "whole_territory "+a.Organisation)
		}
	}
	if w.change.Installation {
		w.summary.Warnings = append(w.summary.Warnings, fmt.Sprintf("installation %d", len(w.change.Accounts)))
	}
	w.summary.Warnings = append(w.summary.Warnings, w.have.newDomains(w.change.Accounts)...)
}

func (w *writer) allot() int64 {
	if w.tx != nil {
		return w.tx.Allot(1)
	}
	w.allotted--
	return w.allotted
}

// put writes a row if its cells differ from those of the old one (nil: it is new), and adds its line:
// nothing is written without one.
func (w *writer) put(lines *[]Line, name string, ended bool, old, next []cell, write func(Tx) error) error {
	line := Line{Op: "changed", Name: name, Cells: differences(old, next)}
	if len(line.Cells) == 0 {
		return nil
	}
	switch {
	case ended:
		line.Op = "ended"
	case old == nil:
		line.Op = "new"
	}
	if w.shown != nil && !w.shown[line.key()] {
		return nil
	}
	*lines = append(*lines, line)
	if w.tx == nil {
		return nil
	}
	return write(w.tx.(Tx))
}

func (w *writer) organisations(ctx context.Context) error {
	for _, c := range w.change.Organisations {
		if err := w.organisation(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// organisation: an empty Parent leaves a site where it is.
func (w *writer) organisation(ctx context.Context, c OrganisationChange) error {
	var before []cell
	if w.have.deadPlaces[c.Code] {
		return fmt.Errorf("organisation %s: %w", c.Code, ErrDead)
	}
	o, known := w.have.organisations[c.Code]
	was := o.State
	if known {
		before = w.organisationCells(o)
	} else {
		o.ID = ecluse.OrganisationID(w.allot())
	}
	o.Controller, o.Code, o.Kind, o.SIRET, o.Name = w.change.approval.Controller, c.Code, c.Kind, c.SIRET, c.Name
	o.Territory, o.Phone, o.Headcount, o.State = c.Territory, c.Phone, c.Headcount, c.State
	if c.Parent != "" {
		parent, ok := w.have.organisations[c.Parent]
		if !ok || parent.ID == o.ID {
			return fmt.Errorf("site %s: its organisation %s: %w", c.Code, c.Parent, ErrNotFound)
		}
		o.Parent = parent.ID
	}
	o.MAC = w.directory.keys.MAC(organisationDomain, o.canonical())
	w.have.organisations[c.Code], w.have.byID[o.ID] = o, o
	return w.put(&w.summary.Organisations, o.Name, o.State == Ended && was != Ended, before, w.organisationCells(o), func(tx Tx) error {
		return tx.PutOrganisation(ctx, o)
	})
}

func (w *writer) agreements(ctx context.Context) error {
	for _, c := range w.change.Agreements {
		if err := w.agreement(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) agreement(ctx context.Context, c AgreementChange) error {
	o, ok := w.have.organisations[c.Organisation]
	if !ok {
		return fmt.Errorf("agreement %s: organisation %s: %w", c.Code, c.Organisation, ErrNotFound)
	}
	if code, _, err := w.directory.names(ctx, c.Register, 0); err != nil || w.directory.fields != nil && code != c.RegisterCode {
		return fmt.Errorf("agreement %s: its register %s: %w", c.Code, c.RegisterCode, errors.Join(err, whenNil(err, ErrNotFound)))
	}
	var a Agreement
	var before []cell
	var err error
	i := w.have.agreement(c)
	if i >= 0 {
		a = w.have.agreements[i]
		if !w.directory.valid(agreementDomain, int64(a.ID), a.MAC, a.canonical()) {
			return fmt.Errorf("agreement %d: %w", a.ID, ErrDead)
		}
		if before, err = w.agreementCells(ctx, a); err != nil {
			return err
		}
	} else {
		a.ID, i = ecluse.AgreementID(w.allot()), len(w.have.agreements)
		w.have.agreements = append(w.have.agreements, a)
	}
	was := a.State
	a.Organisation, a.Register, a.Code, a.Purposes, a.Fields = o.ID, c.Register, c.Code, strings.Join(c.Purposes, " "), c.Fields
	a.Territory, a.Limits, a.Starts, a.Ends, a.State, a.Entry = c.Territory, c.Limits, c.Starts, c.Ends, c.State, w.entry
	a.MAC = w.directory.keys.MAC(agreementDomain, a.canonical())
	w.have.agreements[i] = a
	after, err := w.agreementCells(ctx, a)
	if err != nil {
		return err
	}
	return w.put(&w.summary.Agreements, c.Organisation+" "+c.Code, a.State == Ended && was != Ended, before, after, func(tx Tx) error {
		return tx.PutAgreement(ctx, a)
	})
}

// links are counted here and made later, in chunks.
func (w *writer) links(ctx context.Context) error {
	var to receivers
	persons := make([]ecluse.PersonID, 0, w.change.linkCount())
	for _, c := range w.change.Links {
		l, err := w.directory.link(w.have, c)
		if err != nil {
			return err
		}
		longest, ok := LinkKinds[c.Kind]
		if starts := begins(c.Starts, w.at); !ok || l.Ends.Sub(starts) > longest {
			return fmt.Errorf("a link of kind %s: %w", plain(c.Kind), ErrLinkLife)
		}
		register, _, err := w.directory.names(ctx, c.Register, 0)
		if err != nil {
			return err
		}
		key, name := c.Account, w.have.accounts[c.Account].Name()
		if c.Account == "" {
			key, name = c.Site, w.have.organisations[c.Site].Name
		}
		to.add(key, name, register, c)
		persons = append(persons, c.Persons...)
	}
	w.summary.Links, w.summary.LinkedPersons, w.summary.Receivers = len(persons), countPersons(persons), to.lines()
	return nil
}

// begins is when a link begins: as written, or when it is made.
func begins(written, made time.Time) time.Time {
	if written.IsZero() {
		return made
	}
	return written
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
