package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ecluse/internal/store"
)

// ErrClock: the clock departs too far from its own past, from the ledger or from the database.
var ErrClock = errors.New("the clock cannot be trusted")

// How far clocks may differ before a node stops admitting.
const (
	maxStep     = 5 * time.Second // wall clock against monotonic clock
	maxDatabase = 2 * time.Second // node against database server
	clockPeriod = time.Second
)

// Clock is the node's time: the machine's, ahead by a demo's offset. It stops the ledger when the
// machine's clock jumps. Safe for concurrent use.
type Clock struct {
	now   func() time.Time // with monotonic reading
	store *store.DB        // nil = not compared with the database's clock
	demo  bool             // may be moved, by any node

	mu     sync.RWMutex
	start  time.Time     // of the monotonic reading
	wall   time.Time     // wall clock then
	offset time.Duration // demo
	bad    error
}

// newClock compares the machine's clock with the ledger's newest entry and with the database's.
func newClock(ctx context.Context, o Options, db *store.DB, offset time.Duration) (*Clock, error) {
	c := &Clock{now: o.Now, offset: offset, demo: o.Demo}
	if !o.FakeClock {
		c.store = db
	}
	c.start = o.Now()
	c.wall = c.start.Round(0)
	if o.AcceptClock {
		return c, nil
	}
	head, err := db.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the head: %w", err)
	}
	if behind := head.At.Sub(c.Now()); behind > maxStep {
		return nil, fmt.Errorf("%w: it is %s behind the newest entry of the ledger", ErrClock, behind.Round(time.Second))
	}
	return c, c.compareDatabase(ctx)
}

// Machine is the machine's time, which people's own devices share, whatever the offset of a demo.
func (c *Clock) Machine() time.Time { return c.now().Round(0).UTC() }

// Now is the time, with the demo's offset, without monotonic reading.
func (c *Clock) Now() time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.now().Round(0).Add(c.offset)
}

// Check says whether entries may be admitted: nil, or ErrClock.
func (c *Clock) Check() error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.bad
}

func (c *Clock) stop(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bad == nil {
		c.bad = why
	}
}

// advance moves a demo's clock.
func (c *Clock) advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += by
}

// run watches the clocks until ctx ends.
func (c *Clock) run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(clockPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := errors.Join(c.step(), c.compareDatabase(ctx), c.compareLedger(ctx))
		if err != nil && c.Check() == nil && errors.Is(err, ErrClock) {
			log.Error("no entry is admitted any more", "why", err, "hint", "set the clock right, then start with --accept-clock")
			c.stop(err)
		}
	}
}

// step compares the wall clock with the monotonic clock since the start.
func (c *Clock) step() error {
	now := c.now()
	jumped := now.Round(0).Sub(c.wall) - now.Sub(c.start)
	if jumped.Abs() > maxStep {
		return fmt.Errorf("%w: it jumped by %s", ErrClock, jumped.Round(time.Second))
	}
	return nil
}

// compareLedger: ledger time is the maximum of all nodes' clocks; far ahead of this one's, somebody
// moved it, and windows of budgets would pass before their time.
func (c *Clock) compareLedger(ctx context.Context) error {
	if c.store == nil {
		return nil
	}
	if err := c.follow(ctx); err != nil {
		return err
	}
	head, err := c.store.Head(ctx)
	if err != nil {
		return fmt.Errorf("read the head: %w", err)
	}
	if ahead := head.At.Sub(c.Now()); ahead > maxStep {
		return fmt.Errorf("%w: the ledger's newest entry is %s ahead of it", ErrClock, ahead.Round(time.Second))
	}
	return nil
}

// follow takes over a move of the demo's clock that another node made.
func (c *Clock) follow(ctx context.Context) error {
	if !c.demo {
		return nil
	}
	i, err := c.store.Instance(ctx)
	if err != nil {
		return fmt.Errorf("read the demo's clock: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset = max(c.offset, i.ClockOffset)
	return nil
}

func (c *Clock) compareDatabase(ctx context.Context) error {
	if c.store == nil {
		return nil
	}
	before := c.now()
	at, ok, err := c.store.Clock(ctx)
	if err != nil || !ok {
		return err
	}
	after := c.now()
	if at.Before(before.Add(-maxDatabase)) || at.After(after.Add(maxDatabase)) {
		return fmt.Errorf("%w: it differs from the database server's by %s", ErrClock, at.Sub(after).Round(time.Second))
	}
	return nil
}

// AdvanceClock moves a demo's clock forward, here and for later starts. The other nodes of a demo follow
// within a second.
func (n *Node) AdvanceClock(ctx context.Context, by time.Duration) error {
	if err := n.Store.AdvanceClock(ctx, by); err != nil {
		return fmt.Errorf("advance the demo's clock: %w", err)
	}
	n.Clock.advance(by)
	return nil
}
