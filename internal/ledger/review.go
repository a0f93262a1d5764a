package ledger

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"time"

	"ecluse"
	"ecluse/internal/keys"
	"ecluse/internal/notice"
)

// Review is a disclosure that someone must be told of, or must look at.
type Review struct {
	Controller ecluse.ControllerID
	Kind       string // outside, unexplained, emergency
	Motive     string
	Text       []byte // sealed, may be empty
	// AtMost of this kind may wait for a decision, this one included: another one is refused
	// (tier.review_pending). 0 = however many.
	AtMost int
}

// ReviewPending is the state of a review that nobody has answered.
const ReviewPending = "pending"

// ReviewRow is a Review as stored. Its MAC covers all but the text: that is committed to in the entry, and
// retention removes it.
type ReviewRow struct {
	ID           ecluse.ReviewID
	Entry        ecluse.EntryNumber
	At           time.Time
	Controller   ecluse.ControllerID
	Organisation ecluse.OrganisationID
	Account      ecluse.AccountID
	Register     ecluse.RegisterID
	Kind         string
	Purpose      ecluse.Purpose
	Motive       string
	Text         []byte // sealed
	State        string // ReviewPending, or what the directory made of it
	DecidedBy    ecluse.AccountID
	DecidedAt    time.Time
	MAC          []byte
}

// Seal gives the row its MAC.
func (r *ReviewRow) Seal(k *keys.Keys) { r.MAC = r.mac(k) }

// Holds reports whether the row is as the program wrote it.
func (r *ReviewRow) Holds(k *keys.Keys) bool { return hmac.Equal(r.MAC, r.mac(k)) }

func (r *ReviewRow) mac(k *keys.Keys) []byte {
	return k.MAC("ledger/reviews/v1", keys.Canonical(int64(r.ID), int64(r.Entry), r.At, int64(r.Controller), int64(r.Organisation), int64(r.Account),
		int64(r.Register), r.Kind, string(r.Purpose), r.Motive, r.State, int64(r.DecidedBy), r.DecidedAt))
}

// Queue is the reviews of one kind that an account has open in a register.
type Queue struct {
	Account  ecluse.AccountID
	Register ecluse.RegisterID
	Kind     string
}

// queue of a candidate; ok is false where any number may wait.
func (c *Candidate) queue() (q Queue, ok bool) {
	if c.Review == nil || c.Review.AtMost == 0 {
		return q, false
	}
	return Queue{c.Account, c.Register, c.Review.Kind}, true
}

// waiting counts the reviews of a queue that nobody has decided. A row that was written around the program
// counts: nobody but the program takes a place out of the queue.
func (b *batchWriter) waiting(q Queue) int {
	n := 0
	for i := range b.state.Reviews[q] {
		r := &b.state.Reviews[q][i]
		if !r.Holds(b.ledger.keys) {
			b.dead("reviews", int64(r.ID), int64(r.Account))
			n++
		} else if r.State == ReviewPending {
			n++
		}
	}
	for i := range b.writes.Reviews {
		if r := &b.writes.Reviews[i]; q == (Queue{r.Account, r.Register, r.Kind}) {
			n++
		}
	}
	return n
}

// waits are the reasons of a candidate whose queue is full.
func (b *batchWriter) waits(c *Candidate) []ecluse.Reason {
	if q, ok := c.queue(); ok && b.waiting(q) >= c.Review.AtMost {
		return []ecluse.Reason{ecluse.ReasonReviewPending}
	}
	return nil
}

// review opens the review of an allowed disclosure, and leaves the notice of it.
func (b *batchWriter) review(c *Candidate, e Entry) {
	if c.Review == nil || e.Decision != Allow {
		return
	}
	r := ReviewRow{
		ID: ecluse.ReviewID(b.tx.Allot(1)), Entry: e.N, At: e.At, Controller: c.Review.Controller, Organisation: e.Organisation, Account: e.Account,
		Register: e.Register, Kind: c.Review.Kind, Purpose: e.Purpose, Motive: c.Review.Motive, Text: c.Review.Text, State: ReviewPending,
	}
	r.Seal(b.ledger.keys)
	b.writes.Reviews = append(b.writes.Reviews, r)
	b.writes.Notices = append(b.writes.Notices, notice.Notice{
		Kind: notice.Kind("review." + r.Kind), Controller: r.Controller, Organisation: e.Organisation, By: e.Account, Subject: int64(r.ID),
	})
}

// ErrAltered: an entry's content is not what its leaf commits to.
var ErrAltered = errors.New("the entry was altered")

// Entry reads one entry and checks its content against its leaf: ErrAltered.
func (l *Ledger) Entry(ctx context.Context, n ecluse.EntryNumber) (Entry, error) {
	return ReadEntry(ctx, l.store, l.keys, n)
}

// EntryRows reads entries, in order.
type EntryRows interface {
	Entries(ctx context.Context, from, to ecluse.EntryNumber, each func(*Entry) error) error
}

// ReadEntry is Ledger.Entry where no ledger is open.
func ReadEntry(ctx context.Context, rows EntryRows, k *keys.Keys, n ecluse.EntryNumber) (e Entry, err error) {
	found := false
	err = rows.Entries(ctx, n, n+1, func(read *Entry) error {
		e, found = *read, true
		return nil
	})
	if err != nil {
		return e, fmt.Errorf("read entry %d: %w", n, err)
	}
	period, err := k.Period(e.At)
	if err != nil || !found || e.Purged || !e.readable() || leafOf(&e, period) != e.Leaf {
		return e, fmt.Errorf("entry %d: %w", n, ErrAltered)
	}
	return e, nil
}
