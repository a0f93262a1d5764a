// Package post tells people what notices say (package notice): it finds out by name who is told, puts
// their notices together where many would bury the one that matters, writes the mails in the
// installation's language, and hands them to a Courier.
//
// All this happens after the act was committed, in a goroutine of the node: a slow or dead mail server
// delays no disclosure. A mail is sent at least once: a node that dies between claim and sending leaves a
// claim that lapses, and another node sends. Two nodes do not send the same mail as long as one mail takes
// less than claimLife.
//
// A mail holds no value of a record, no name of an agent or person, no free text: what happened, in which
// organisation, and where to look. Addresses come from accounts whose MAC holds.
//
// Tables: notices, deliveries.
package post

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/notice"
)

// Times and numbers of the post (docs/operations.md, "Mail").
const (
	Round       = 2 * time.Second    // between two looks at what waits
	GiveUp      = 3 * 24 * time.Hour // after the act: a mail that did not leave by then never does
	PerHour     = 20                 // mails to one account; the last of them is a digest of all that waits
	Together    = time.Hour          // of a kind whose notices are put together, at most one mail in that time
	firstRetry  = time.Minute        // doubled at each try …
	lastRetry   = time.Hour          // … up to this
	serverPause = 30 * time.Second   // after the mail server did not answer at all
	claimLife   = 2 * time.Minute    // after which another node may send what this one claimed
	atOnce      = 100                // notices addressed, or accounts written to, in one step
)

// States of a delivery.
const (
	Waiting = "waiting"
	Sent    = "sent"    // the mail server took it
	Failed  = "failed"  // given up, or the server refuses the address for good
	Dropped = "dropped" // no usable address, or nothing left to tell
	Shown   = "shown"   // no mail is configured: in the program only
)

// Delivery is one notice for one account.
type Delivery struct {
	Account ecluse.AccountID
	Notice  notice.Notice
	State   string
	Tries   int
	SentAt  time.Time
}

// Mailed is one mail that an account was sent, as far as it had notices of one kind.
type Mailed struct {
	Mail int64 // number of its first notice
	Kind notice.Kind
	At   time.Time
}

// Addressed says who is told of a notice.
type Addressed struct {
	Notice int64
	Due    time.Time // never in the future: what is due longest goes first
	To     []ecluse.AccountID
}

// Rows keeps notices and deliveries. Package store implements it.
type Rows interface {
	// FreshNotices are the oldest notices that were not addressed yet.
	FreshNotices(ctx context.Context, limit int) ([]notice.Notice, error)
	// Address makes the deliveries of notices; they are to be sent if the state is Waiting. What another
	// node addressed meanwhile stays as it is.
	Address(ctx context.Context, list []Addressed, state string, at time.Time) error
	// DueAccounts are accounts with deliveries that are due, the longest due first.
	DueAccounts(ctx context.Context, at time.Time, limit int) ([]ecluse.AccountID, error)
	// ClaimDue gives an account's due deliveries to the caller until an instant, oldest first.
	ClaimDue(ctx context.Context, a ecluse.AccountID, at, until time.Time) ([]Delivery, error)
	// Hold prolongs a claim on some of them, and reports whether all of them were still the caller's.
	Hold(ctx context.Context, a ecluse.AccountID, notices []int64, claimed, until time.Time) (bool, error)
	// Settle ends a claim: the deliveries are as the outcome says. Those that are no longer the caller's
	// stay as they are.
	Settle(ctx context.Context, a ecluse.AccountID, notices []int64, claimed time.Time, o Outcome) error
	// MailedSince are the mails that an account was sent since an instant.
	MailedSince(ctx context.Context, a ecluse.AccountID, since time.Time) ([]Mailed, error)
	// WaitingDeliveries counts what has still to be sent.
	WaitingDeliveries(ctx context.Context) (int, error)
	// Deliveries are an account's newest.
	Deliveries(ctx context.Context, a ecluse.AccountID, limit int) ([]Delivery, error)
}

// Outcome of a claim.
type Outcome struct {
	State  string
	Next   time.Time // when it is due again, for Waiting
	Failed bool      // a try failed: counted
	Sent   time.Time // for Sent
	Mail   int64     // for Sent
}

// Errors of a Courier. Any other error is tried again.
var (
	// ErrAddress: the mail server refuses this address for good.
	ErrAddress = errors.New("the mail server refuses the address")
	// ErrServer: the mail server does not answer, or lets nobody in; nothing about the mail is known.
	ErrServer = errors.New("the mail server does not answer")
)

// Mail is what a Courier carries: plain text, to one address.
type Mail struct {
	At      time.Time
	To      string
	Subject string
	Text    string
	Kinds   []notice.Kind // of the notices in it
}

// Courier takes mails away: an SMTP server, or the demo's shelf. Its errors name no address.
type Courier interface {
	Carry(ctx context.Context, m Mail) error
}

// Options of New. Courier and Count may be nil.
type Options struct {
	Rows      Rows
	Directory *directory.Directory
	Courier   Courier // nil: notices are shown in the program only
	Words     *Words
	Now       func() time.Time
	Log       *slog.Logger
	Count     func(state string) // told of each delivery that ends, and of "retried"
}

// Office is the post of one node. Its methods are safe beside those of other nodes; Round and Run belong
// to one goroutine.
type Office struct {
	Options
	waiting int       // deliveries, as of the last round
	paused  time.Time // until then the mail server is left alone
}

// New makes an Office.
func New(o Options) *Office {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Count == nil {
		o.Count = func(string) {}
	}
	return &Office{Options: o}
}

// Run looks every Round for what waits, until ctx ends. waiting is told how much there is.
func (p *Office) Run(ctx context.Context, waiting func(int)) {
	tick := time.NewTicker(Round)
	defer tick.Stop()
	for failing := false; ; {
		err := p.Once(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			p.Log.Error("notices wait", "error", err)
		}
		failing = err != nil
		waiting(p.waiting)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Once addresses what is fresh and sends what is due. It returns the first error of the database; mails
// that do not leave are no error.
func (p *Office) Once(ctx context.Context) error {
	if err := p.address(ctx); err != nil {
		return fmt.Errorf("address notices: %w", err)
	}
	if err := p.deliver(ctx); err != nil {
		return fmt.Errorf("deliver notices: %w", err)
	}
	var err error
	p.waiting, err = p.Rows.WaitingDeliveries(ctx)
	return err
}

// Told are the newest notices of an account, for its own page.
func (p *Office) Told(ctx context.Context, a ecluse.AccountID) ([]Delivery, error) {
	return p.Rows.Deliveries(ctx, a, toldAtMost)
}

// toldAtMost is how many notices a page shows.
const toldAtMost = 20
