package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"ecluse"
	"ecluse/internal/config"
	"ecluse/internal/ledger"
	"ecluse/internal/store"
)

// ErrPeriods: the configuration was not read from a checked file, and its periods are out of bounds.
var ErrPeriods = errors.New("the periods of [retention] are out of bounds: nothing is removed")

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
	Before    time.Time        `json:"before,omitzero"`     // references of entries before it; zero = none, a hold keeps all
	Held      bool             `json:"held"`                // a hold is in force
	HeldSince time.Time        `json:"held_since,omitzero"` // what was written from then on stays; zero = all that is there
	Removed   map[string]int64 `json:"removed"`             // rows by kind, store.Purged…
	Entry     int64            `json:"entry"`               // number of the purge entry; -1 = nothing was due
	Destroyed []string         `json:"periods_destroyed"`   // months whose key is gone
	KeysUntil time.Time        `json:"keys_until"`          // end of the last month that has a key
}

// Retain removes what has been kept long enough, writes that down first, destroys the period keys of
// months that are wholly over, and adds those of months to come. It works beside a running node, in
// short transactions; interrupted, it is simply run again. How long each kind is kept says [retention] of the
// configuration, unless a hold keeps it. Errors: ErrLeap, ErrPeriods,
// ErrHoldAltered.
//
// Copies of the key file on other nodes must be replaced by this one's, and old copies must age out
// with the backups.
func (n *Node) Retain(ctx context.Context, o RetentionOptions) (RetentionReport, error) {
	r := RetentionReport{DryRun: o.DryRun, Entry: -1, Destroyed: []string{}}
	if !n.Config.Retention.Valid() {
		return r, ErrPeriods
	}
	now := n.Clock.Now()
	if err := n.leapt(ctx, now); err != nil && !o.AcceptClock {
		return r, err
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	cut := cutoffs(now, n.Config.Retention)
	from, held, err := n.heldFrom(ctx)
	if err != nil {
		return r, err
	}
	if r.Held, r.HeldSince = held, from; held {
		cut = hold(cut, from)
	}
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

// cutoffs are the instants before which each kind of data has been kept long enough.
func cutoffs(now time.Time, r config.Retention) store.Cutoffs {
	before := func(days int) time.Time { return now.Add(-time.Duration(days) * 24 * time.Hour) }
	return store.Cutoffs{
		Entries: before(r.Entries), Justifications: before(r.Justifications), Network: before(r.Network), Seen: before(r.Seen),
		Invitations: before(r.Invitations), Notices: before(r.Notices),
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
		Detail: ledger.Detail{What: "retention", Refers: int64(to), Counts: maps.Clone(r.Removed), Days: n.Config.Retention.Entries, By: by},
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
