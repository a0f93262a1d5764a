package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/ledger"
	"ecluse/internal/node"
)

// Rows of the bench are about accounts and persons that do not exist: beyond every allotted number.
const (
	ghostAccounts = 1 << 40
	ghostPersons  = 1 << 41
	accounts      = 14_500 // of the whole field, so that indexes are as wide as there
	persons       = 1_100_000
	preloadBatch  = 8192
)

// ghosts makes entries of accounts and persons that do not exist, in proper chains.
type ghosts struct {
	accounts map[int64]ledger.Chain
	persons  map[int64]ledger.Chain
}

func newGhosts() *ghosts {
	return &ghosts{accounts: map[int64]ledger.Chain{}, persons: map[int64]ledger.Chain{}}
}

func (g *ghosts) entry(n ecluse.EntryNumber, at time.Time, reg ecluse.RegisterID) ledger.Entry {
	a, p := ghostAccounts+int64(n)*7919%accounts, ghostPersons+int64(n)*104729%persons
	ca, cp := chain(g.accounts, a, n), chain(g.persons, p, n)
	return ledger.Entry{
		Format: ledger.Format, N: n, At: at, Kind: ledger.KindDisclose, Act: int64(n), Register: reg, Account: ecluse.AccountID(a), ASeq: ca.Seq, APrev: int64(ca.LastN),
		Organisation: 1, Session: 1, Person: ecluse.PersonID(p), PSeq: cp.Seq, PPrev: int64(cp.LastN), Version: 1, Fields: 0x3ff,
		Purpose: purpose, Decision: ledger.Allow, Detail: []byte(`{"ch":"api","c":14,"a":1}`),
	}
}

func chain(chains map[int64]ledger.Chain, id int64, n ecluse.EntryNumber) ledger.Chain {
	c, ok := chains[id]
	if !ok {
		c.LastN = -1
	}
	chains[id] = ledger.Chain{Seq: c.Seq + 1, LastN: n}
	return c
}

// preload fills the ledger with entries in proper chains, hashed into the tree like all others. A kept
// demo that was preloaded before stays as it is.
func preload(ctx context.Context, n *node.Node, s GateSetting) (int64, error) {
	reg, err := n.Registers.ByCode(ctx, register)
	if err != nil {
		return 0, err
	}
	head, err := n.Store.Head(ctx)
	if err != nil {
		return 0, err
	}
	if int64(head.N) >= s.Preload {
		return int64(head.N), nil
	}
	g := newGhosts()
	for done := int64(0); done < s.Preload; {
		size := int(min(preloadBatch, s.Preload-done))
		err := ledger.Preload(ctx, n.Store, n.Keys, n.Clock.Now(), size, func(number ecluse.EntryNumber, at time.Time) ledger.Entry {
			return g.entry(number, at, reg.ID)
		})
		if errors.Is(err, ledger.ErrBusy) && ctx.Err() == nil { // nothing was written: the checkpoint of so much takes a while
			continue
		}
		if err != nil {
			return done, fmt.Errorf("preload entries: %w", err)
		}
		done += int64(size)
		s.Step("preloading the ledger", float64(done)/float64(s.Preload))
	}
	return s.Preload, nil
}

// batches notes the sizes of the transactions of a measure.
type batches struct {
	node  *node.Node
	mu    sync.Mutex
	sizes []int
	times []time.Duration
	off   bool
}

func watchBatches(n *node.Node) *batches {
	b := &batches{node: n}
	n.Ledger.OnBatch(func(entries int, took time.Duration, err error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if err == nil && entries > 0 && !b.off {
			b.sizes, b.times = append(b.sizes, entries), append(b.times, took)
		}
	})
	return b
}

func (b *batches) stop() ([]int, []time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.off = true
	slices.Sort(b.times)
	return b.sizes, b.times
}

// rawLimit bounds the yardstick's own time.
const rawLimit = 10 * time.Second

// raw inserts rows of the same tables in transactions of the same sizes, one after the other, by the
// same statements, without lock, reading or deciding; it answers entries a second. The rows go away
// afterwards.
func raw(ctx context.Context, n *node.Node, sizes []int, s GateSetting) (float64, error) {
	head, err := n.Store.Head(ctx)
	if err != nil {
		return 0, err
	}
	reg, err := n.Registers.ByCode(ctx, register)
	if err != nil {
		return 0, err
	}
	g, number, rows := newGhosts(), head.N+rawDistance, 0
	began := s.Now()
	for i := 0; s.Now().Sub(began) < rawLimit; i = (i + 1) % len(sizes) {
		w := rawBatch(g, &number, head.At, reg.ID, sizes[i])
		if err := n.Store.SaveRaw(ctx, w); err != nil {
			return 0, fmt.Errorf("insert raw rows: %w", err)
		}
		rows += sizes[i]
		s.Step("raw inserts", s.Now().Sub(began).Seconds()/rawLimit.Seconds())
	}
	perSecond := float64(rows) / s.Now().Sub(began).Seconds()
	return perSecond, n.Store.DropRaw(ctx, head.N+rawDistance, ghostAccounts)
}

// rawDistance is how far beyond the ledger's end the yardstick writes.
const rawDistance = 1 << 30

// rawBatch is what the append of so many disclosures writes, made up.
func rawBatch(g *ghosts, number *ecluse.EntryNumber, at time.Time, reg ecluse.RegisterID, size int) ledger.Writes {
	w := ledger.Writes{State: ledger.State{
		Meters: map[ledger.Holder]ledger.MeterRow{}, Seen: map[ledger.Pair]ledger.SeenRow{}, Persons: map[ecluse.PersonID]ledger.Chain{},
	}}
	for range size {
		e := g.entry(*number, at, reg)
		e.Account += accounts // chains apart from the preloaded ones
		e.Person += persons
		*number++
		w.Entries = append(w.Entries, e)
		w.Meters[ledger.Holder{ID: int64(e.Account), Register: reg}] = ledger.MeterRow{Chain: ledger.Chain{Seq: e.ASeq, LastN: e.N}, Meter: busyMeter(at)}
		w.Seen[ledger.Pair{Account: e.Account, Person: e.Person}] = ledger.SeenRow{Seen: budget.Seen{LastAt: at}}
		w.Persons[e.Person] = ledger.Chain{Seq: e.PSeq, LastN: e.N}
	}
	return w
}

// busyMeter is a meter of ordinary size.
func busyMeter(at time.Time) budget.Meter {
	var account, organisation, register budget.Meter
	for h := range 12 {
		c := budget.Charge{Act: budget.Disclose, Tier: ecluse.SameSite, Classes: ecluse.ClassSet(0).With(ecluse.Identity)}
		budget.Apply(budget.Meters{Account: &account, Organisation: &organisation, Register: &register}, budget.Seen{}, c, at.Add(time.Duration(h-12)*time.Hour))
	}
	return account
}
