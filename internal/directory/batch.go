package directory

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
)

// How many accounts, and how many links, of an approved import one transaction makes: the ledger's lock is
// held for a fraction of a second, and disclosures go on meanwhile.
const (
	AccountChunk = 500
	LinkChunk    = 500
)

// KindLinks is the kind of row that an approval leaves for what follows it: accounts beyond the first chunk,
// then links. It is written only in the transaction of the decision, and carries a MAC: a row of it proves
// that the batch was approved, which the state of the request, a word in the database, does not. How much
// of it is made is its Subject.
const KindLinks = "directory.links"

// batch is the body of such a row.
type batch struct {
	Request  ecluse.ApprovalID `json:"request"`
	Accounts int               `json:"accounts,omitempty"` // beyond the first chunk
	Links    int               `json:"links"`
}

func (b batch) total() int { return b.Accounts + b.Links }

// BatchSummary says in the list of requests which one a row of KindLinks follows.
type BatchSummary struct {
	Request ecluse.ApprovalID `json:"request"`
	Total   int               `json:"total"`
}

// leaveBatch writes that row in the transaction of the decision.
func (d *Directory) leaveBatch(ctx context.Context, tx ledger.Tx, e *ledger.Entry, a applied, left batch) (Approval, error) {
	q := question{Body: left, Summary: Summary{Batch: &BatchSummary{left.Request, left.total()}}}
	job, err := q.from(Approval{
		ID: ecluse.ApprovalID(tx.Allot(1)), Controller: a.approval.Controller, Kind: KindLinks,
		RequestedBy: a.approval.RequestedBy, Requester: a.approval.Requester, RequestedAt: e.At, Expires: e.At.Add(ApprovalLife),
	})
	if err != nil {
		return job, err
	}
	if err := tx.(Tx).InsertApproval(ctx, d.signed(job)); err != nil {
		return job, err
	}
	return job, tx.(Tx).DecideApproval(ctx, job.ID, a.approver, "approved", e)
}

var (
	// errMoved: another process made this chunk meanwhile.
	errMoved = errors.New("this chunk was made by another process")
	// errHalted: whoever asked for or approved the batch is contained; it goes on if that is undone.
	errHalted = errors.New("who asked for or approved this batch is suspended: it halts")
)

// follow is a batch under way: what there is as of a revision, read again when it changed.
type follow struct {
	*Directory
	id         ecluse.ApprovalID
	change     applied
	left       batch
	controller Controller
	shown      map[string]bool
	rev        int64
	have       snapshot
}

// finish makes what an approved import left, from where its row stands, chunk by chunk, each with its own
// entry. Whoever else is at it, on this node or another, each account and each link is made once.
func (d *Directory) finish(ctx context.Context, id ecluse.ApprovalID, c applied, left batch) error {
	controller, err := d.controllerByCode(ctx, c.Controller)
	if err != nil {
		return err
	}
	summary, err := c.approval.Diff()
	if err != nil {
		return err
	}
	f := &follow{Directory: d, id: id, change: c, left: left, controller: controller, shown: map[string]bool{}, rev: ledger.AnyRevision}
	for _, line := range summary.Accounts {
		f.shown[line.key()] = true
	}
	for {
		job, err := d.rows.Approval(ctx, id)
		if err != nil {
			return fmt.Errorf("read batch %d: %w", id, err)
		}
		if int(job.Subject) >= left.total() {
			return nil
		}
		if err := f.chunk(ctx, int(job.Subject)); err != nil && !errors.Is(err, errMoved) {
			return fmt.Errorf("go on with batch %d at %d: %w", id, job.Subject, err)
		}
	}
}

// chunk makes the chunk that begins at a place, if the batch still stands there. Two of one process never
// meet in one transaction. It rests on a revision, so that nobody gets anything who was ended or contained
// meanwhile.
func (f *follow) chunk(ctx context.Context, from int) error {
	f.Directory.chunk.Lock()
	defer f.Directory.chunk.Unlock()
	_, err := f.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		if err := f.look(ctx); err != nil {
			return nil, err
		}
		next := f.links
		if from < f.left.Accounts {
			next = f.accounts
		}
		c, err := next(from)
		c.Revision = f.rev
		return []ledger.Candidate{c}, err
	})
	return err
}

// look reads what there is, unless nothing but the batch itself changed since.
func (f *follow) look(ctx context.Context) error {
	rev, err := f.rows.Rev(ctx)
	if err != nil {
		return fmt.Errorf("read the revision: %w", err)
	}
	if rev == f.rev {
		return nil
	}
	for _, id := range []ecluse.AccountID{f.change.approval.RequestedBy, f.change.approver} {
		a, err := f.rows.Account(ctx, id)
		if err != nil {
			return fmt.Errorf("read who made a batch: %w", err)
		}
		if a.State == Suspended || f.checkAccount(a) != nil {
			return errHalted
		}
	}
	if f.have, err = f.snapshot(ctx, f.rows, f.controller.ID, f.change.Change); err != nil {
		return err
	}
	f.rev = rev
	f.Revised(rev)
	return nil
}

// accounts is the entry of a chunk of accounts. What the approver was not shown so is left out: somebody
// changed it meanwhile.
func (f *follow) accounts(from int) (ledger.Candidate, error) {
	part := f.change
	part.Organisations, part.Agreements, part.Links = nil, nil, nil
	end := min(from+AccountChunk, f.left.Accounts)
	part.Accounts = f.change.Accounts[AccountChunk+from : AccountChunk+end]
	c, err := f.candidate("accounts", part.Accounts, len(part.Accounts))
	c.NewRevision = true
	c.Effect = func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		if err := f.stands(ctx, tx, from); err != nil {
			return err
		}
		w := &writer{directory: f.Directory, tx: tx, at: e.At, entry: e.N, change: part, have: f.have.clone(), shown: f.shown}
		if err := w.accounts(ctx); err != nil {
			return err
		}
		return errors.Join(w.rows.write(ctx, tx.(Tx)), tx.(Tx).LinksApplied(ctx, f.id, end))
	}
	return c, err
}

// links is the entry of a chunk of links. Those for an account or a site that has gone are left out.
func (f *follow) links(from int) (ledger.Candidate, error) {
	end := min(from+LinkChunk, f.left.total())
	asked := f.change.linksFrom(from-f.left.Accounts, end-f.left.Accounts)
	var made []Link
	for _, c := range asked {
		l, err := f.link(f.have, c)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return ledger.Candidate{}, err
		}
		for _, l.Person = range c.Persons {
			made = append(made, l)
		}
	}
	c, err := f.candidate("links", asked, len(made))
	c.Effect = func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		if err := f.stands(ctx, tx, from); err != nil {
			return err
		}
		rows := make([]Link, len(made))
		for i, l := range made {
			rows[i] = f.stamped(l, tx, e)
		}
		return errors.Join(tx.(Tx).InsertLinks(ctx, rows), tx.(Tx).LinksApplied(ctx, f.id, end))
	}
	return c, err
}

func (f *follow) candidate(what string, part any, count int) (ledger.Candidate, error) {
	text, err := json.Marshal(part)
	digest := sha256.Sum256(text)
	return ledger.Candidate{
		Kind: ledger.KindDirectory, Detail: ledger.Detail{What: what, Subject: int64(f.id), Digest: digest[:], Hits: count},
	}, err
}

// stands: errMoved unless the batch stands where a chunk begins.
func (f *follow) stands(ctx context.Context, tx ledger.Tx, from int) error {
	job, err := tx.(Tx).Approval(ctx, f.id)
	if err == nil && int(job.Subject) != from {
		err = errMoved
	}
	return err
}

// ResumeLinks goes on with approved batches that are not finished. One that cannot go on does not keep the
// others from it.
func (d *Directory) ResumeLinks(ctx context.Context) error {
	controllers, err := d.Controllers(ctx)
	if err != nil {
		return err
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
	var left batch
	if err := json.Unmarshal([]byte(job.Body), &left); err != nil {
		return fmt.Errorf("read batch %d: %w", id, err)
	}
	if int(job.Subject) >= left.total() {
		return nil
	}
	request, err := d.approval(ctx, c, left.Request)
	if err != nil {
		return err
	}
	a := applied{approval: request, approver: job.DecidedBy}
	if err := json.Unmarshal([]byte(request.Body), &a.Change); err != nil {
		return fmt.Errorf("read request %d: %w", left.Request, err)
	}
	return d.finish(ctx, id, a, left)
}

// Progress is how much of an approved import is made of what follows its approval; 0 of 0 if nothing does.
// Errors: as Approval.
func (d *Directory) Progress(ctx context.Context, by Actor, id ecluse.ApprovalID) (made, total int, err error) {
	s, _, err := d.decidable(ctx, by, id)
	if err != nil {
		return 0, 0, err
	}
	approved, err := d.rows.Approvals(ctx, s.Controller.ID, "approved")
	if err != nil {
		return 0, 0, fmt.Errorf("read the approved requests: %w", err)
	}
	for _, a := range approved {
		if a.Kind != KindLinks {
			continue
		}
		if summary, err := a.Diff(); err == nil && summary.Batch != nil && summary.Batch.Request == id {
			return int(a.Subject), summary.Batch.Total, nil
		}
	}
	return 0, 0, nil
}

// decisionPatience is how long whoever approves waits for what follows, before it goes on behind them.
const decisionPatience = 2 * time.Second

// Behind has what follows approvals done by somebody else from now on: wake has them go on with every batch
// and answers what closes when they have. Without it, Decide does it before it answers.
func (d *Directory) Behind(wake func() <-chan struct{}) { d.wake.Store(&wake) }

// follows does what follows an approval, or has it done.
func (d *Directory) follows(ctx context.Context, then func(context.Context) error) error {
	wake := d.wake.Load()
	if wake == nil {
		return then(ctx)
	}
	patience := time.NewTimer(decisionPatience)
	defer patience.Stop()
	select {
	case <-(*wake)():
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil
}
