package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/ledger"
	"ecluse/internal/store"
)

// Periods is how long each kind of data is kept (docs: design "Retention"; CNIL délib. 2021-122 asks
// for 6 to 12 months of logs). Change a figure here and nowhere else.
var Periods = struct {
	// Entries: who looked at whom, when, why. The references of older entries are removed; number,
	// instant and leaf stay for ever, so that the tree still proves itself. Rows that repeat what such an
	// entry said (reviews, ended links and factors, raises, sessions, approvals) go with them, and the period key of each
	// month that is wholly over.
	Entries time.Duration
	// Justifications: free texts, after someone has reviewed them.
	Justifications time.Duration
	// Network: network prefix, device and id_token of sessions, after their end; wrong codes.
	Network time.Duration
	// Seen: what an account has seen of a person, after its last look. One day more than what a budget
	// remembers, so that removing it never changes a verdict.
	Seen time.Duration
	// Invitations: once used or lapsed.
	Invitations time.Duration
	// Notices: who was told of what, sent or not.
	Notices time.Duration
}{
	Entries:        365 * 24 * time.Hour,
	Justifications: 91 * 24 * time.Hour,
	Network:        182 * 24 * time.Hour,
	Seen:           budget.Remembered + 24*time.Hour,
	Invitations:    30 * 24 * time.Hour,
	Notices:        182 * 24 * time.Hour,
}

// ErrLeap: the clock is far after the newest entry; if it is wrong, retention would destroy too much.
var ErrLeap = errors.New("the clock is more than 40 days after the ledger's newest entry")

// maxIdle is the longest silence of the ledger that retention takes for true.
const maxIdle = 40 * 24 * time.Hour

// RetentionOptions of Retain.
type RetentionOptions struct {
	DryRun      bool
	AcceptClock bool                    // go on though the ledger was silent for long
	By          string                  // cli:user@host
	Progress    func(done, total int64) // may be nil
}

// RetentionReport says what retention removed, or would.
type RetentionReport struct {
	DryRun    bool             `json:"dry_run"`
	Before    time.Time        `json:"before"`            // references of entries before it
	Removed   map[string]int64 `json:"removed"`           // rows by kind, store.Purged…
	Entry     int64            `json:"entry"`             // number of the purge entry; -1 = nothing was due
	Destroyed []string         `json:"periods_destroyed"` // months whose key is gone
	KeysUntil time.Time        `json:"keys_until"`        // end of the last month that has a key
}

// Retain removes what has been kept long enough, writes that down first, destroys the period keys of
// months that are wholly over, and adds those of months to come. It works beside a running node, in
// short transactions; interrupted, it is simply run again. Errors: ErrLeap.
//
// Copies of the key file on other nodes must be replaced by this one's, and old copies must age out
// with the backups.
func (n *Node) Retain(ctx context.Context, o RetentionOptions) (RetentionReport, error) {
	r := RetentionReport{DryRun: o.DryRun, Entry: -1, Destroyed: []string{}}
	now := n.Clock.Now()
	if err := n.leapt(ctx, now); err != nil && !o.AcceptClock {
		return r, err
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	cut := cutoffs(now)
	r.Before = cut.Entries
	first, to, err := n.Store.PurgeBounds(ctx, cut.Entries)
	if err != nil {
		return r, fmt.Errorf("find what is too old: %w", err)
	}
	if r.Removed, err = n.Store.Overdue(ctx, cut); err != nil {
		return r, fmt.Errorf("count what is too old: %w", err)
	}
	r.Removed[store.PurgedEntries] = int64(to - first)
	r.KeysUntil, r.Destroyed = n.Keys.LastPeriod(), append(r.Destroyed, n.Keys.Ended(cut.Entries)...)
	if o.DryRun {
		return r, nil
	}
	if err := n.announce(ctx, &r, to, o.By); err != nil {
		return r, err
	}
	if err := n.remove(ctx, &r, cut, first, to, o.Progress); err != nil {
		return r, err
	}
	if r.Destroyed, err = n.Keys.Retain(cut.Entries, now); err != nil {
		return r, fmt.Errorf("write the key file: %w", err)
	}
	r.KeysUntil = n.Keys.LastPeriod()
	return r, nil
}

func cutoffs(now time.Time) store.Cutoffs {
	return store.Cutoffs{
		Entries: now.Add(-Periods.Entries), Justifications: now.Add(-Periods.Justifications), Network: now.Add(-Periods.Network),
		Seen: now.Add(-Periods.Seen), Invitations: now.Add(-Periods.Invitations), Notices: now.Add(-Periods.Notices),
	}
}

// leapt compares the clock with the ledger's newest instant.
func (n *Node) leapt(ctx context.Context, now time.Time) error {
	head, err := n.Store.Head(ctx)
	if err != nil {
		return fmt.Errorf("read the head: %w", err)
	}
	if now.Sub(head.At) > maxIdle {
		return fmt.Errorf("%w: by %d days", ErrLeap, int(now.Sub(head.At).Hours()/24))
	}
	return nil
}

// announce writes the purge entry, before anything goes: verification accepts entries without
// references only below what such an entry says.
func (n *Node) announce(ctx context.Context, r *RetentionReport, to ecluse.EntryNumber, by string) error {
	due := int64(len(r.Destroyed))
	for _, rows := range r.Removed {
		due += rows
	}
	if due == 0 {
		return nil
	}
	results, err := n.Ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindPurge, Revision: ledger.AnyRevision,
		Detail: ledger.Detail{What: "retention", Refers: int64(to), Counts: r.Removed, By: by},
	})
	if err != nil {
		return fmt.Errorf("write the purge down: %w", err)
	}
	r.Entry = int64(results[0].N)
	return nil
}

func (n *Node) remove(ctx context.Context, r *RetentionReport, cut store.Cutoffs, first, to ecluse.EntryNumber, progress func(done, total int64)) error {
	var done, total int64
	for _, rows := range r.Removed {
		total += rows
	}
	step := func(rows int64) {
		done += rows
		progress(min(done, total), total)
	}
	if err := n.Store.PurgeEntries(ctx, n.Clock.Now(), first, to, step); err != nil {
		return err
	}
	removed, err := n.Store.Purge(ctx, n.Clock.Now(), cut, step)
	if err != nil {
		return fmt.Errorf("remove what is too old: %w", err)
	}
	removed[store.PurgedEntries] = int64(to - first)
	r.Removed = removed
	return nil
}
