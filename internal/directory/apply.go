package directory

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
)

// Tx is what a directory change needs of its transaction. *store.Tx implements it.
type Tx interface {
	InsertApproval(ctx context.Context, a Approval) error
	// DecideApproval moves a pending request on: ErrDecided if it is not pending any more.
	DecideApproval(ctx context.Context, id ecluse.ApprovalID, by ecluse.AccountID, state string, at time.Time) error
	LinksApplied(ctx context.Context, id ecluse.ApprovalID, count int) error
	PutOrganisation(ctx context.Context, o Organisation) error
	PutAgreement(ctx context.Context, a Agreement) error
	PutAccount(ctx context.Context, a Account) error
	PutGrant(ctx context.Context, g Grant) error
	InsertInvitation(ctx context.Context, i Invitation) error
	InsertLinks(ctx context.Context, links []Link) error
	LinkTx
	InvitationTx
}

// applied is an approved change with who asked and who approved.
type applied struct {
	Change
	approval Approval
	approver ecluse.AccountID
}

// apply writes organisations, agreements, accounts and grants, all or none.
func (d *Directory) apply(ctx context.Context, tx ledger.Tx, e *ledger.Entry, c applied) error {
	// Read outside the transaction, under its lock: nobody else changes the directory meanwhile.
	have, err := d.snapshot(ctx, c.approval.Controller)
	if err != nil {
		return err
	}
	w := &writer{directory: d, tx: tx, entry: e, change: c, have: have}
	for _, step := range []func(context.Context) error{w.organisations, w.agreements, w.accounts} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// writer turns a change into rows.
type writer struct {
	directory *Directory
	tx        ledger.Tx
	entry     *ledger.Entry
	change    applied
	have      snapshot
}

func (w *writer) rows() Tx { return w.tx.(Tx) }

func (w *writer) organisations(ctx context.Context) error {
	for _, c := range w.change.Organisations {
		o := w.have.organisations[c.Code]
		if o.ID == 0 {
			o.ID = ecluse.OrganisationID(w.tx.Allot(1))
		}
		o.Controller, o.Code, o.Kind, o.SIRET, o.Name = w.change.approval.Controller, c.Code, c.Kind, c.SIRET, c.Name
		o.Territory, o.Phone, o.State = c.Territory, c.Phone, c.State
		if c.Parent != "" {
			parent, ok := w.have.organisations[c.Parent]
			if !ok {
				return fmt.Errorf("site %s: its organisation %s: %w", c.Code, c.Parent, ErrNotFound)
			}
			o.Parent = parent.ID
		}
		if err := w.rows().PutOrganisation(ctx, o); err != nil {
			return err
		}
		w.have.organisations[c.Code], w.have.byID[o.ID] = o, o
	}
	return nil
}

func (w *writer) agreements(ctx context.Context) error {
	for _, c := range w.change.Agreements {
		o, ok := w.have.organisations[c.Organisation]
		if !ok {
			return fmt.Errorf("agreement %s: organisation %s: %w", c.Code, c.Organisation, ErrNotFound)
		}
		a, known := w.have.agreement(c)
		if !known {
			a.ID = ecluse.AgreementID(w.tx.Allot(1))
		}
		a.Organisation, a.Register, a.Code, a.Purposes, a.Fields = o.ID, c.Register, c.Code, strings.Join(c.Purposes, " "), c.Fields
		a.Territory, a.Limits, a.Starts, a.Ends, a.State, a.Entry = c.Territory, c.Limits, c.Starts, c.Ends, c.State, w.entry.N
		a.MAC = w.directory.keys.MAC(agreementDomain, a.canonical())
		if err := w.rows().PutAgreement(ctx, a); err != nil {
			return err
		}
		if !known {
			w.have.agreements = append(w.have.agreements, a)
		}
	}
	return nil
}

func (w *writer) accounts(ctx context.Context) error {
	for _, c := range w.change.Accounts {
		a, known := w.have.accounts[c.Email]
		if !known && c.State == Ended {
			continue // it was ended before
		}
		if !known {
			a = w.newAccount(c)
		}
		a.GivenName, a.UsualName, a.Ends, a.Entry = c.GivenName, c.UsualName, c.Ends, w.entry.N
		if c.State == Ended {
			a.State = Ended
		}
		if err := w.place(c, &a); err != nil {
			return err
		}
		if err := w.save(ctx, a, !known); err != nil {
			return err
		}
		if err := w.grants(ctx, c, a); err != nil {
			return err
		}
		w.have.accounts[c.Email] = a
	}
	return nil
}

func (w *writer) newAccount(c AccountChange) Account {
	a := Account{
		ID: ecluse.AccountID(w.tx.Allot(1)), Controller: w.change.approval.Controller, Kind: "agent", State: Invited, Email: c.Email,
		RequestedBy: w.change.approval.RequestedBy, ApprovedBy: w.change.approver, Installed: w.change.Installation,
		Created: w.entry.At, Starts: w.entry.At, IDP: c.IDP, Sub: c.Sub,
	}
	if c.Sub != "" {
		a.State = Active
	}
	if c.Organisation == "" {
		a.Kind = "officer"
	}
	return a
}

// place puts an account into its organisation and site.
func (w *writer) place(c AccountChange, a *Account) error {
	if c.Organisation == "" {
		return nil
	}
	o, ok := w.have.organisations[c.Organisation]
	if !ok || o.Parent != 0 {
		return fmt.Errorf("an account's organisation %s: %w", c.Organisation, ErrNotFound)
	}
	a.Organisation = o.ID
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

func (w *writer) save(ctx context.Context, a Account, fresh bool) error {
	a.MAC = w.directory.keys.MAC(accountDomain, a.canonical())
	if err := w.rows().PutAccount(ctx, a); err != nil {
		return err
	}
	if !fresh || a.State != Invited {
		return nil
	}
	return w.rows().InsertInvitation(ctx, w.directory.invitation(a, w.entry.At))
}

func (w *writer) grants(ctx context.Context, c AccountChange, a Account) error {
	for _, role := range c.Roles {
		agreements := []ecluse.AgreementID{0}
		if role == ecluse.RoleAgent {
			agreements = agreements[:0]
			for _, code := range c.Agreements {
				i := slices.IndexFunc(w.have.agreements, func(g Agreement) bool { return g.Organisation == a.Organisation && g.Code == code })
				if i < 0 {
					return fmt.Errorf("an account's agreement %s: %w", code, ErrNotFound)
				}
				agreements = append(agreements, w.have.agreements[i].ID)
			}
		}
		for _, id := range agreements {
			g := Grant{
				Account: a.ID, Agreement: id, Role: role, RequestedBy: w.change.approval.RequestedBy, ApprovedBy: w.change.approver,
				Created: w.entry.At, Ends: c.Ends, Entry: w.entry.N,
			}
			g.MAC = w.directory.keys.MAC(grantDomain, g.canonical())
			if err := w.rows().PutGrant(ctx, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// LinkChunk is how many links of a batch one transaction makes.
const LinkChunk = 500

// errMoved: another process made this chunk of links meanwhile.
var errMoved = errors.New("these links were made by another process")

// applyLinks makes the links of an approved change from where its row of KindLinks stands, chunk by
// chunk, each with its own entry, so that disclosures go on meanwhile. Whoever else is at it, on this
// node or another, each link is made once.
func (d *Directory) applyLinks(ctx context.Context, id ecluse.ApprovalID, c Change) error {
	controller, err := d.controllerByCode(ctx, c.Controller)
	if err != nil {
		return err
	}
	have, err := d.snapshot(ctx, controller.ID)
	if err != nil {
		return err
	}
	for {
		job, err := d.rows.Approval(ctx, id)
		if err != nil {
			return fmt.Errorf("read batch %d: %w", id, err)
		}
		from := int(job.Subject)
		if from >= len(c.Links) {
			return nil
		}
		end := min(from+LinkChunk, len(c.Links))
		if err := d.applyChunk(ctx, id, have, c.Links[from:end], from); err != nil && !errors.Is(err, errMoved) {
			return fmt.Errorf("make links %d to %d of batch %d: %w", from, end, id, err)
		}
	}
}

// applyChunk makes a chunk if the batch still stands where it begins. The row is read outside the
// transaction, under its lock; two of one process never meet in one transaction.
func (d *Directory) applyChunk(ctx context.Context, id ecluse.ApprovalID, have snapshot, changes []LinkChange, from int) error {
	d.chunk.Lock()
	defer d.chunk.Unlock()
	text, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(text)
	_, err = d.ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindDirectory, Revision: ledger.AnyRevision,
		Detail: ledger.Detail{What: "links", Subject: int64(id), Digest: digest[:], Hits: len(changes)},
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			if job, err := d.rows.Approval(ctx, id); err != nil || int(job.Subject) != from {
				return errors.Join(err, whenNil(err, errMoved))
			}
			links := make([]Link, 0, len(changes))
			for _, c := range changes {
				l, err := have.link(c)
				if err != nil {
					return err
				}
				links = append(links, d.stamped(l, tx, e))
			}
			if err := tx.(Tx).InsertLinks(ctx, links); err != nil {
				return err
			}
			return tx.(Tx).LinksApplied(ctx, id, from+len(changes))
		},
	})
	return err
}

func (s snapshot) link(c LinkChange) (Link, error) {
	l := Link{Register: c.Register, Person: c.Person, Kind: c.Kind, Starts: c.Starts, Ends: c.Ends}
	if c.Account != "" {
		a, ok := s.accounts[c.Account]
		if !ok {
			return l, fmt.Errorf("a link's account: %w", ErrNotFound)
		}
		l.Account, l.Site, l.Organisation = a.ID, a.Site, a.Organisation
		return l, nil
	}
	site, ok := s.organisations[c.Site]
	if !ok || site.Parent == 0 {
		return l, fmt.Errorf("a link's site %s: %w", c.Site, ErrNotFound)
	}
	l.Site, l.Organisation = site.ID, site.Parent
	return l, nil
}

// ResumeLinks goes on with approved batches that an interruption left half applied. One that cannot go
// on does not keep the others from it.
func (d *Directory) ResumeLinks(ctx context.Context) error {
	controllers, err := d.rows.Controllers(ctx)
	if err != nil {
		return fmt.Errorf("read the controllers: %w", err)
	}
	var all error
	for _, c := range controllers {
		approved, err := d.rows.Approvals(ctx, c.ID, "approved")
		if err != nil {
			return fmt.Errorf("read the approved requests: %w", err)
		}
		for _, a := range approved {
			if a.Kind == KindLinks {
				all = errors.Join(all, d.resume(ctx, c.ID, a.ID))
			}
		}
	}
	return all
}

func (d *Directory) resume(ctx context.Context, c ecluse.ControllerID, id ecluse.ApprovalID) error {
	job, err := d.approval(ctx, c, id)
	if err != nil {
		return err
	}
	var b batch
	if err := json.Unmarshal([]byte(job.Body), &b); err != nil {
		return fmt.Errorf("read batch %d: %w", id, err)
	}
	if int(job.Subject) >= b.Links {
		return nil
	}
	request, err := d.approval(ctx, c, b.Request)
	if err != nil {
		return err
	}
	var change Change
	if err := json.Unmarshal([]byte(request.Body), &change); err != nil {
		return fmt.Errorf("read request %d: %w", b.Request, err)
	}
	return d.applyLinks(ctx, id, change)
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
