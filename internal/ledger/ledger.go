// Package ledger writes down every act before it is shown, so that it cannot be changed unseen, and
// proves it afterwards.
//
// An Entry is one act on at most one person. Append numbers entries without a gap, admits or refuses
// them against the budgets, hashes them into an RFC 6962 Merkle tree and commits all that in one
// transaction behind one lock row; only then does a Receipt exist, and only a Receipt opens a record
// (register.Reveal). Checkpoints are signed from the committed head and kept outside the database.
//
// It never holds a value of a record: entries name persons by number and fields by bit; free text is
// a commitment. Leaves are salted with a monthly period key, so that retention can destroy the
// references and the tree still proves itself.
//
// Tables: heads, entries, tiles, meters, seen, persons (seq, last_n), reviews. Files: checkpoint (on
// every node).
package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ecluse"
	"ecluse/internal/keys"
)

// Errors of Append. Test with errors.Is.
var (
	// ErrBusy: the queue is full, the account has too many requests waiting, or the wait exceeded
	// QueueWait. Nothing was written; try again (HTTP 503).
	ErrBusy = errors.New("too many requests are waiting")
	// ErrStale: the facts rest on an older revision; read them again and decide again.
	ErrStale = errors.New("the facts changed meanwhile")
	// ErrOutcomeUnknown: COMMIT gave no clear answer. The entries may exist; nothing may be shown.
	ErrOutcomeUnknown = errors.New("nobody can say whether the transaction was committed")
	// ErrFlood: the account has so many entries, or refusals, that nothing more is written down for it, and
	// so nothing happens, until they are past (budget.Meter.Flooded; HTTP 429). Emergencies still are.
	ErrFlood = errors.New("too many entries, or refusals, of one account")
	// ErrStopped: the ledger was closed, or stopped admitting (clock, checkpoint).
	ErrStopped = errors.New("the ledger does not admit entries")
)

// Limits of the queue.
const (
	BatchSize     = 64              // entries of one transaction
	QueueSize     = 1024            // submissions waiting
	AccountPlaces = 8               // of them, by one account in one register
	QueueWait     = 2 * time.Second // before ErrBusy
	commitTimeout = 5 * time.Second
)

// Ledger is the append side: one writer goroutine a node. Safe for concurrent use.
type Ledger struct {
	store Store
	keys  *keys.Keys
	now   func() time.Time
	log   *slog.Logger
	watch Watch

	queue   chan *submission
	mu      sync.Mutex
	waiting map[Holder]int
	stop    chan struct{}
	done    chan struct{}
	once    sync.Once

	sealer     *Sealer     // the writer's own
	last       Head        // as of the newest commit; the writer's own
	rolledBack atomic.Bool // the database lost or changed what was committed

	listener atomic.Pointer[func(entries int, took time.Duration, err error)] // OnBatch

	admitting func() error // nil error = go on; the clock guard
}

// Watch is told of what the writer does, for metrics. Nil functions are not called.
type Watch struct {
	Batch    func(entries int, took time.Duration, err error)
	Refusal  func(ecluse.Reason)
	Revision func(rev int64)
}

// Options of New. Now is required; the rest may be zero.
type Options struct {
	Now       func() time.Time
	Log       *slog.Logger
	Watch     Watch
	Admitting func() error // refuses every append while it returns an error
}

// New starts the writer goroutine. Close stops it.
func New(store Store, k *keys.Keys, o Options) *Ledger {
	l := &Ledger{
		store: store, keys: k, now: o.Now, log: o.Log, watch: o.Watch, admitting: o.Admitting,
		queue: make(chan *submission, QueueSize), waiting: map[Holder]int{},
		stop: make(chan struct{}), done: make(chan struct{}), sealer: NewSealer(k),
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.admitting == nil {
		l.admitting = func() error { return nil }
	}
	go l.write()
	return l
}

// Close waits for the batch under way and refuses the rest with ErrStopped.
func (l *Ledger) Close() {
	l.once.Do(func() {
		l.mu.Lock() // nobody queues once the writer may have gone
		defer l.mu.Unlock()
		close(l.stop)
	})
	<-l.done
}

// OnBatch has f told of every transaction from now on, beside Watch.Batch.
func (l *Ledger) OnBatch(f func(entries int, took time.Duration, err error)) { l.listener.Store(&f) }

// QueueLength is the number of submissions waiting.
func (l *Ledger) QueueLength() int { return len(l.queue) }

// Append writes the candidates down, all in one transaction (group-committed with those of others),
// in order, and returns one Result for each. It returns when the transaction is durable.
//
// A refusal by budget is a Result, not an error, and is written down too. Errors: ErrBusy, ErrStale,
// ErrOutcomeUnknown, ErrStopped, ErrFlood, the error of a candidate's Effect, or the store's; on any error no
// Receipt exists.
//
// When ctx ends while the entries are being committed they may exist all the same: an allow entry
// means presumed delivered.
func (l *Ledger) Append(ctx context.Context, candidates ...Candidate) ([]Result, error) {
	if err := l.admitting(); err != nil {
		return nil, errors.Join(ErrStopped, err)
	}
	s := &submission{candidates: candidates, answer: make(chan answer, 1)}
	if err := l.enter(s); err != nil {
		return nil, err
	}
	defer l.leave(s)
	patience := time.NewTimer(QueueWait)
	defer patience.Stop()
	for {
		select {
		case a := <-s.answer:
			return a.results, a.err
		case <-patience.C:
			if s.withdraw() {
				return nil, ErrBusy
			}
		case <-ctx.Done():
			if s.withdraw() {
				return nil, ctx.Err()
			}
			a := <-s.answer
			return a.results, a.err
		}
	}
}

// staleTries is how often candidates are made because their facts changed meanwhile.
const staleTries = 3

// AppendFresh appends what build makes from facts that it reads. Where they changed meanwhile (ErrStale,
// which build may answer itself), it is made again: Watch.Revision was told of the change before.
func (l *Ledger) AppendFresh(ctx context.Context, build func() ([]Candidate, error)) ([]Result, error) {
	for try := 1; ; try++ {
		candidates, err := build()
		var results []Result
		if err == nil {
			results, err = l.Append(ctx, candidates...)
		}
		if !errors.Is(err, ErrStale) || try >= staleTries {
			return results, err
		}
	}
}

func (l *Ledger) enter(s *submission) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.stop:
		return ErrStopped
	default:
	}
	if p := s.place(); l.waiting[p] >= AccountPlaces && p.ID != 0 {
		return ErrBusy
	}
	select {
	case l.queue <- s:
		l.waiting[s.place()]++
		return nil
	default:
		return ErrBusy
	}
}

func (l *Ledger) leave(s *submission) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[s.place()]--; l.waiting[s.place()] <= 0 {
		delete(l.waiting, s.place())
	}
}

// write is the writer goroutine: while one batch commits, the next gathers in the queue.
func (l *Ledger) write() {
	defer close(l.done)
	var next *submission
	for {
		first := next
		next = nil
		if first == nil {
			select {
			case first = <-l.queue:
			case <-l.stop:
				l.refuseWaiting()
				return
			}
		}
		var batch []*submission
		batch, next = l.gather(first)
		l.commit(batch)
	}
}

// gather takes what waits, up to BatchSize entries, and the submission that no longer fitted.
func (l *Ledger) gather(first *submission) (batch []*submission, next *submission) {
	entries := 0
	for s := first; ; {
		if s.take() {
			if entries > 0 && entries+len(s.candidates) > BatchSize {
				s.untake()
				return batch, s
			}
			batch = append(batch, s)
			entries += len(s.candidates)
		}
		select {
		case s = <-l.queue:
		default:
			return batch, nil
		}
	}
}

func (l *Ledger) refuseWaiting() {
	for {
		select {
		case s := <-l.queue:
			if s.take() {
				s.answer <- answer{err: ErrStopped}
			}
		default:
			return
		}
	}
}

// commit writes a batch; if it fails for a reason that may lie in one submission, each is tried alone.
func (l *Ledger) commit(batch []*submission) {
	if len(batch) == 0 {
		return
	}
	err := l.try(batch)
	if err == nil {
		return
	}
	if len(batch) == 1 || errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrBusy) {
		for _, s := range batch {
			s.answer <- answer{err: err}
		}
		return
	}
	for _, s := range batch {
		if err := l.try([]*submission{s}); err != nil {
			s.answer <- answer{err: err}
		}
	}
}

// try writes a batch in one transaction and answers every submission if it was committed.
func (l *Ledger) try(batch []*submission) error {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	began := l.now()
	var answers []answer
	entries, rev := 0, int64(0)
	var after Head
	var refusals []ecluse.Reason
	err := l.store.Loaded(ctx, l.now(), keysOf(batch), func(tx Tx, state State) error {
		if err := l.continues(*tx.Head()); err != nil {
			return err
		}
		b := &batchWriter{ledger: l, tx: tx, at: tx.Head().At, state: state}
		var err error
		answers, err = b.run(ctx, batch)
		entries, rev = len(b.writes.Entries), tx.Head().Rev
		after, refusals = tx.Head().Clone(), b.refusals
		return err
	})
	committed := l.now()
	if l.watch.Batch != nil {
		l.watch.Batch(entries, committed.Sub(began), err)
	}
	if f := l.listener.Load(); f != nil {
		(*f)(entries, committed.Sub(began), err)
	}
	if err != nil {
		return err
	}
	l.last = after
	if l.watch.Revision != nil {
		l.watch.Revision(rev)
	}
	if l.watch.Refusal != nil {
		for _, r := range refusals {
			l.watch.Refusal(r)
		}
	}
	for i, s := range batch {
		answers[i].issue(l, committed)
		s.answer <- answers[i]
	}
	return nil
}

// continues compares the locked head with what this node committed last: a shorter ledger, or another
// one of the same length, was tampered with or restored under a running node. ErrRolledBack, and
// nothing is admitted any more until a restart, which compares with the checkpoint.
func (l *Ledger) continues(head Head) error {
	if l.rolledBack.Load() || head.N < l.last.N ||
		head.N == l.last.N && !bytes.Equal(head.Frontier.Bytes(), l.last.Frontier.Bytes()) {
		l.rolledBack.Store(true)
		return fmt.Errorf("%w: %d entries, this node committed %d", ErrRolledBack, head.N, l.last.N)
	}
	return nil
}
