// Package node assembles one process of an installation: database, keys, ledger, directory, registers,
// gate, and the background work that keeps them honest (checkpoints, clock guard, interrupted batches).
// Every command that touches an installation opens a Node; serve.go adds the doors.
//
// Invariant: a node does not open on the wrong key file, the wrong kind of database, an older schema,
// or a ledger below the newest checkpoint that it knows.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ecluse"
	"ecluse/internal/config"
	"ecluse/internal/directory"
	"ecluse/internal/exposure"
	"ecluse/internal/gate"
	"ecluse/internal/host"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/post"
	"ecluse/internal/register"
	"ecluse/internal/scope"
	"ecluse/internal/store"
)

// Node is an opened installation. Safe for concurrent use. Close it.
type Node struct {
	Config    *config.Config
	Keys      *keys.Keys
	Store     *store.DB
	Ledger    *ledger.Ledger
	Notary    *ledger.Notary
	Directory *directory.Directory
	Registers *register.Registers
	Gate      *gate.Gate
	Exposures *exposure.Exposures
	Scope     *scope.Service
	Post      *post.Office
	Clock     *Clock
	Counts    *host.Counts
	Log       *slog.Logger
	Instance  store.Instance

	running sync.WaitGroup // what Serve began and Close waits for
	waiting atomic.Int64   // deliveries, for the metric

	containments sync.Mutex // the file of that name (containments.go)
}

// Options of Open.
type Options struct {
	Config *config.Config
	Now    func() time.Time // the machine's clock, with its monotonic reading
	Log    *slog.Logger
	Demo   bool        // a demo's database, and only that
	Hooks  store.Hooks // tests
	// FakeClock says that Now is not the machine's clock (tests): it is not compared with the database's.
	FakeClock bool
	// AcceptClock writes an entry that an operator accepts the present clock, though it departs from
	// what the ledger or the database says.
	AcceptClock bool
	Courier     post.Courier // takes mails instead of the configured server (demo, tests)
}

// Open opens an installation. Errors name what is wrong: keys.ErrMode, store.ErrNotMigrated,
// store.ErrNoInstance, store.ErrWrongKeys, store.ErrDemo, store.ErrUnsafe, ledger.ErrRolledBack,
// ErrClock.
func Open(ctx context.Context, o Options) (_ *Node, err error) {
	n := &Node{Config: o.Config, Log: o.Log, Counts: host.NewCounts()}
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	if n.Keys, err = keys.Open(o.Config.Keys.File); err != nil {
		return nil, err
	}
	if n.Store, err = store.Open(ctx, o.Config.Database.URL, o.Hooks); err != nil {
		return nil, err
	}
	if err = n.Store.Ready(ctx); err != nil {
		return nil, err
	}
	if n.Instance, err = n.Store.Instance(ctx); err != nil {
		return nil, err
	}
	if err = n.Instance.Belongs(n.Keys.Check(), o.Demo); err != nil {
		return nil, err
	}
	if err = n.Store.CheckDurability(ctx); err != nil {
		return nil, err
	}
	if !o.Demo && n.Instance.ClockOffset != 0 {
		return nil, fmt.Errorf("%w: heads.clock_offset is set, which only a demo may have", ErrClock)
	}
	if n.Clock, err = newClock(ctx, o, n.Store, n.Instance.ClockOffset); err != nil {
		return nil, err
	}
	if err = n.assemble(o.Courier); err != nil {
		return nil, err
	}
	if n.Notary, err = ledger.NewNotary(ctx, n.Store, n.Keys, n.CheckpointFile()); err != nil {
		return nil, err
	}
	if o.AcceptClock {
		_, err = n.Ledger.Append(ctx, ledger.Candidate{Kind: ledger.KindClock, Revision: ledger.AnyRevision, Detail: ledger.Detail{What: "accepted"}})
	}
	return n, err
}

// assemble makes the rooms, from right to left.
func (n *Node) assemble(courier post.Courier) error {
	now := n.Clock.Now
	n.Ledger = ledger.New(n.Store, n.Keys, ledger.Options{
		Now: now, Log: n.Log, Admitting: n.admitting,
		Watch: ledger.Watch{Batch: n.Counts.Batch, Refusal: n.Counts.Refusal, Revision: func(rev int64) { n.Directory.Revised(rev) }},
	})
	n.Directory = directory.New(n.Store, n.Ledger, n.Keys, now, n.Log)
	n.Registers = register.New(n.Store, n.Keys, now)
	n.Directory.Name(func(ctx context.Context, id ecluse.RegisterID, set ecluse.FieldSet) (string, []string, error) {
		reg, err := n.Registers.ByID(ctx, id)
		if err != nil {
			return "", nil, err
		}
		return reg.Code, reg.Schema.Names(set), nil
	})
	n.Gate = gate.New(n.Directory, n.Registers, n.Ledger, n.Store, n.Keys, now, n.Log)
	n.Scope = scope.New(n.Store, n.Directory, n.Registers, n.Keys)
	n.Exposures = exposure.New(n.Store, n.Directory, n.Registers, n.Ledger, now)
	n.Counts.Queue(n.Ledger.QueueLength)
	return n.newPost(courier)
}

// admitting says whether entries may be admitted: the clock is right and checkpoints can be signed.
func (n *Node) admitting() error {
	if err := n.Clock.Check(); err != nil {
		return err
	}
	if n.Notary == nil { // opening
		return nil
	}
	return n.Notary.Fresh()
}

// CheckpointFile is where this node keeps the newest checkpoint: beside the configuration, never in
// the database.
func (n *Node) CheckpointFile() string {
	return checkpointFile(n.Config)
}

// Run does the background work until ctx ends: signs checkpoints, guards the clock, sends notices, and
// finishes batches of links that an interruption left half applied.
func (n *Node) Run(ctx context.Context) {
	go n.Clock.run(ctx, n.Log)
	var mails sync.WaitGroup
	defer mails.Wait()
	mails.Go(func() { n.Post.Run(ctx, func(waiting int) { n.waiting.Store(int64(waiting)) }) })
	mails.Go(func() { n.finishBatches(ctx) })
	mails.Go(func() { n.keepContainments(ctx) })
	n.Notary.Run(ctx, func(err error) {
		n.Log.Error("no checkpoint could be signed", "error", err)
		if errors.Is(err, ledger.ErrRolledBack) {
			n.Clock.stop(err)
		}
	})
}

// finishBatches goes on with approved batches: those that an interruption left, and from now on those that
// are approved here, so that nobody waits for them at a page.
func (n *Node) finishBatches(ctx context.Context) {
	asked := make(chan chan struct{}, 64)
	n.Directory.Behind(func() <-chan struct{} {
		done := make(chan struct{})
		select {
		case asked <- done:
		default: // the round that comes anyway does it
		}
		return done
	})
	var waiting chan struct{}
	for {
		if err := n.Directory.ResumeLinks(ctx); err != nil && ctx.Err() == nil {
			n.Log.Error("an approved batch is not finished", "error", err)
		}
		if waiting != nil {
			close(waiting)
		}
		select {
		case waiting = <-asked:
		case <-ctx.Done():
			return
		}
	}
}

// Ready says whether this node can serve: nil, or why not.
func (n *Node) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := n.admitting(); err != nil {
		return err
	}
	if err := n.Store.Ping(ctx); err != nil {
		return fmt.Errorf("the database does not answer: %w", err)
	}
	if left := n.Keys.LastPeriod().Sub(n.Clock.Now()); left < 90*24*time.Hour {
		return fmt.Errorf("the key file's period keys end in %d days: run ecluse retention", int(left.Hours()/24))
	}
	return nil
}

// Close waits for the mail under way when Serve ended, stops the ledger's writer, signs what it wrote, and
// closes the database.
func (n *Node) Close() {
	n.running.Wait()
	if n.Ledger != nil {
		n.Ledger.Close()
	}
	if n.Notary != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := n.Notary.Sign(ctx); err != nil {
			n.Log.Error("the last checkpoint could not be signed", "error", err)
		}
	}
	if n.Store != nil {
		if err := n.Store.Close(); err != nil {
			n.Log.Error("the database did not close", "error", err)
		}
	}
}
