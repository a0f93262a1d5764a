package register

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"ecluse"
	"ecluse/internal/ledger"
)

// Errors of an import. Test with errors.Is.
var (
	// ErrImportRunning: another import of the register is at work.
	ErrImportRunning = errors.New("another import of this register is running")
	// ErrImportLost: the import gave no sign of life for too long and another one took its place.
	ErrImportLost = errors.New("the import was given up: it gave no sign of life for a minute")
)

// staleAfter is how long an import may be silent before another one may take its place.
const staleAfter = time.Minute

// Row is one person as an import read it, checked and canonical.
type Row struct {
	External  string   // the register's own identifier of the person
	Territory string   // "" if the schema has none
	Values    []string // Values[i] belongs to Schema.Fields[i]; "" = absent; dates as yyyy-mm-dd
}

// Outcome is what became of a row.
type Outcome uint8

// The outcomes. All but Created, Changed and Unchanged leave the row out.
const (
	Created    Outcome = iota + 1 // a person without a published record
	Changed                       // a new version of a known person
	Unchanged                     // nothing to write
	Duplicate                     // the same person stood earlier in this import
	TooLong                       // a value beyond what a record can hold
	NoExternal                    // the row does not say who it is about
)

func (o Outcome) String() string {
	names := [...]string{"", "created", "changed", "unchanged", "duplicate", "too long", "no identifier"}
	if int(o) < len(names) {
		return names[o]
	}
	return "unknown"
}

// Published is what an import changed.
type Published struct {
	Created, Changed, Unchanged int64
	Persons                     int64 // of the register by now, as far as this process knows
}

// Sizes of what is held in memory and written in one transaction (20 ms at most on SQLite, so that
// disclosures go on; on PostgreSQL they only bound the statement).
const (
	recordsPerTx   = 256
	personsPerTx   = 256
	lookupsPerTx   = 512
	idsPerBlock    = 8192
	pendingPersons = 256 << 10 // sorted by keyed hash when full: neighbours land on the same page
	pendingLookups = 2 << 20
	writeAttempts  = 20 // waits of 2 s each when the writer is busy
)

// Writer takes one import into a register: Put as often as there are rows, then Publish. Nothing that
// it writes can be seen before Publish has returned, and after a kill the same file is simply imported
// again. It belongs to one goroutine.
//
// It seals on all cores and writes behind, one transaction at a time. Blind indexes and persons are
// keyed hashes, so they are gathered and written in sorted runs: each page of their B-trees is then
// written once a run instead of once a row.
type Writer struct {
	store ImportStore
	seals Seals
	now   func() time.Time
	reg   *Register
	done  func() // forgets the cached number of persons
	sweep func(context.Context) error

	imp      StoredImport
	empty    bool                // no person was there before: nobody to look for
	seen     map[uint64]struct{} // first 8 bytes of keyed hashes: duplicates within the import
	persons  []NewPerson
	lookups  []NewLookup
	moved    []NewPerson
	nextID   int64
	idsLeft  int
	result   Published
	progress func(done, total int64)

	queue   chan ImportBatch
	wait    sync.WaitGroup
	mu      sync.Mutex // failed, imp.Position, imp.Rejected, imp.Rows
	failed  error
	over    bool // the queue is closed
	ended   bool // published or abandoned
	stopped context.CancelFunc
}

// Import begins an import. digest names what is imported (SHA-256 of the file). Errors:
// ErrImportRunning.
func (s *Registers) Import(ctx context.Context, reg *Register, digest []byte) (*Writer, error) {
	now := s.now()
	imp := StoredImport{Register: reg.ID, Digest: digest, At: now}
	id, empty, err := s.store.BeginImport(ctx, imp, now.Add(-staleAfter))
	if err != nil {
		return nil, fmt.Errorf("begin an import into register %d: %w", reg.ID, err)
	}
	if err := s.Sweep(ctx, reg); err != nil { // what earlier ones left
		return nil, err
	}
	imp.ID = id
	w := &Writer{
		store: s.store, seals: seals(s.keys), now: s.now, reg: reg, done: s.forget, imp: imp,
		sweep: func(ctx context.Context) error { return s.Sweep(ctx, reg) }, empty: empty,
		seen: map[uint64]struct{}{}, queue: make(chan ImportBatch, 4),
	}
	// What a cancelled request leaves behind is cleaned up by Abandon, so the writing goroutine lives as
	// long as the Writer, not as long as ctx.
	behind, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stopped = stop
	w.wait.Go(func() { w.writeBehind(behind) })
	return w, nil
}

// Version is the version that the import's records will have.
func (w *Writer) Version() ecluse.VersionID { return w.imp.ID }

// OnProgress has f told of the work of Publish, in rows of tables; set it before.
func (w *Writer) OnProgress(f func(done, total int64)) { w.progress = f }

// Progress notes how many rows were read and how many refused so far; it is written with the next
// batch.
func (w *Writer) Progress(position, rejected int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.imp.Position, w.imp.Rejected = position, rejected
}

// work is what is known of a row while it is sealed.
type work struct {
	outcome  Outcome
	external Keyed
	digest   Keyed
	rec      unsealed
	person   ecluse.PersonID
	sealed   []byte
	lookups  []NewLookup
}

// Put takes rows in, 500 to 4,000 at a time, and says what became of each. They may be used again when
// it returns. Writing is behind: its error comes with the next Put or with Publish.
func (w *Writer) Put(ctx context.Context, rows []Row) ([]Outcome, error) {
	if err := w.failure(); err != nil {
		return nil, err
	}
	works := make([]work, len(rows))
	if err := w.parallel(len(rows), func(x *indexer, _ *vault, i int) error { return w.digest(x, rows[i], &works[i]) }); err != nil {
		return nil, err
	}
	if err := w.sort(ctx, works); err != nil {
		return nil, err
	}
	if err := w.parallel(len(rows), func(x *indexer, v *vault, i int) error { return w.seal(x, v, &works[i]) }); err != nil {
		return nil, err
	}
	return w.gather(ctx, works)
}

// parallel runs each for 0 … n-1 on all cores, every goroutine with its own tools.
func (w *Writer) parallel(n int, each func(*indexer, *vault, int) error) error {
	cores := runtime.GOMAXPROCS(0)
	var g errgroup.Group
	for c := range cores {
		g.Go(func() error {
			x, v := w.reg.indexer(), w.reg.vault()
			for i := c * n / cores; i < (c+1)*n/cores; i++ {
				if err := each(x, v, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// digest fills what can be told of a row by itself.
func (w *Writer) digest(x *indexer, row Row, out *work) error {
	if len(row.Values) != len(w.reg.Schema.Fields) {
		return fmt.Errorf("a row has %d values for the %d fields of register %s", len(row.Values), len(w.reg.Schema.Fields), w.reg.Code)
	}
	if normaliseCode(row.External) == "" {
		out.outcome = NoExternal
		return nil
	}
	out.rec = unsealed{territory: row.Territory, bits: make([]int, len(row.Values)), values: make([]string, len(row.Values))}
	for i, at := range w.reg.order {
		out.rec.bits[i], out.rec.values[i] = w.reg.Schema.Fields[at].Bit, row.Values[at]
		if blocks(row.Values[at]) > maxBlocks {
			out.outcome = TooLong
		}
	}
	if len(row.Territory) > maxTerritory {
		out.outcome = TooLong
	}
	out.external = x.external(row.External)
	out.digest = x.digest(out.external, out.rec)
	return nil
}

// sort finds out who is new, changed, unchanged or there twice, and gives ids to the new.
func (w *Writer) sort(ctx context.Context, works []work) error {
	known, err := w.known(ctx, works)
	if err != nil {
		return err
	}
	for i := range works {
		k := &works[i]
		if k.outcome != 0 {
			continue
		}
		short := binary.BigEndian.Uint64(k.external[:])
		if _, twice := w.seen[short]; twice {
			k.outcome = Duplicate
			continue
		}
		w.seen[short] = struct{}{}
		if err := w.place(ctx, k, known); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) known(ctx context.Context, works []work) (map[Keyed]KnownPerson, error) {
	if w.empty {
		return nil, nil
	}
	externals := make([][]byte, 0, len(works))
	for i := range works {
		if works[i].outcome == 0 {
			externals = append(externals, works[i].external[:])
		}
	}
	known := make(map[Keyed]KnownPerson, len(externals))
	for chunk := range slices.Chunk(externals, personsPerTx) {
		rows, err := w.store.Known(ctx, w.reg.ID, chunk)
		if err != nil {
			return nil, fmt.Errorf("look for known persons: %w", err)
		}
		for _, row := range rows {
			known[Keyed(row.External)] = row
		}
	}
	return known, nil
}

// place decides on one row that stands alone.
func (w *Writer) place(ctx context.Context, k *work, known map[Keyed]KnownPerson) error {
	old, found := known[k.external]
	if !found {
		id, err := w.allot(ctx)
		if err != nil {
			return err
		}
		k.person, k.outcome = id, Created
		w.persons = append(w.persons, NewPerson{ID: id, External: k.external, Territory: k.rec.territory})
		return nil
	}
	k.person = old.Person
	switch {
	case old.Version == 0:
		k.outcome = Created // left by an import that was never published
	case bytes.Equal(old.Digest, k.digest[:]):
		k.outcome = Unchanged
	default:
		k.outcome = Changed
	}
	if old.Territory != k.rec.territory {
		w.moved = append(w.moved, NewPerson{ID: old.Person, External: k.external, Territory: k.rec.territory})
	}
	return nil
}

// allot takes the next person id from a block.
func (w *Writer) allot(ctx context.Context) (ecluse.PersonID, error) {
	if w.idsLeft == 0 {
		err := w.patiently(ctx, func() (err error) { w.nextID, err = w.store.AllotIDs(ctx, idsPerBlock); return err })
		if err != nil {
			return 0, fmt.Errorf("allot identifiers: %w", err)
		}
		w.idsLeft = idsPerBlock
	}
	id := w.nextID
	w.nextID++
	w.idsLeft--
	return ecluse.PersonID(id), nil
}

// seal makes the blob and the blind indexes of a row that is written.
func (w *Writer) seal(x *indexer, v *vault, k *work) (err error) {
	if k.outcome != Created && k.outcome != Changed {
		return nil
	}
	if k.sealed, err = v.seal(w.reg.place(k.person, w.imp.ID), k.rec); err != nil {
		return err
	}
	value := func(f Field) string {
		i, _ := slices.BinarySearch(k.rec.bits, f.Bit)
		return k.rec.values[i]
	}
	for _, key := range w.reg.Schema.Keys {
		if hash, ok := x.lookup(key, value); ok {
			k.lookups = append(k.lookups, NewLookup{Kind: key.ID, Key: hash, Person: k.person})
		}
	}
	return nil
}

// gather hands records to the writing goroutine and keeps what is written sorted.
func (w *Writer) gather(ctx context.Context, works []work) ([]Outcome, error) {
	outcomes := make([]Outcome, len(works))
	records := make([]NewRecord, 0, len(works))
	var taken int64
	for i := range works {
		k := &works[i]
		outcomes[i] = k.outcome
		switch k.outcome {
		case Created:
			w.result.Created++
		case Changed:
			w.result.Changed++
		case Unchanged:
			w.result.Unchanged++
			taken++
			continue
		default:
			continue
		}
		taken++
		records = append(records, NewRecord{Person: k.person, Digest: k.digest, Sealed: k.sealed})
		w.lookups = append(w.lookups, k.lookups...)
	}
	w.mu.Lock()
	w.imp.Rows += taken
	w.mu.Unlock()
	slices.SortFunc(records, func(a, b NewRecord) int { return cmp.Compare(a.Person, b.Person) })
	for chunk := range slices.Chunk(records, recordsPerTx) {
		if err := w.send(ctx, ImportBatch{Records: chunk}); err != nil {
			return nil, err
		}
	}
	for chunk := range slices.Chunk(w.moved, personsPerTx) {
		if err := w.send(ctx, ImportBatch{Territories: slices.Clone(chunk)}); err != nil {
			return nil, err
		}
	}
	w.moved = w.moved[:0]
	if len(w.persons) >= pendingPersons || len(w.lookups) >= pendingLookups {
		return outcomes, w.flush(ctx, nil)
	}
	return outcomes, nil
}

// flush writes the gathered persons and blind indexes in sorted runs.
func (w *Writer) flush(ctx context.Context, progress func(done, total int64)) error {
	slices.SortFunc(w.persons, func(a, b NewPerson) int { return bytes.Compare(a.External[:], b.External[:]) })
	slices.SortFunc(w.lookups, func(a, b NewLookup) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), bytes.Compare(a.Key[:], b.Key[:]), cmp.Compare(a.Person, b.Person))
	})
	done, total := int64(0), int64(len(w.persons)+len(w.lookups))
	tell := func(n int) {
		if done += int64(n); progress != nil {
			progress(done, total)
		}
	}
	for chunk := range slices.Chunk(w.persons, personsPerTx) {
		if err := w.send(ctx, ImportBatch{Persons: slices.Clone(chunk)}); err != nil {
			return err
		}
		tell(len(chunk))
	}
	for chunk := range slices.Chunk(w.lookups, lookupsPerTx) {
		if err := w.send(ctx, ImportBatch{Lookups: slices.Clone(chunk)}); err != nil {
			return err
		}
		tell(len(chunk))
	}
	w.persons, w.lookups = w.persons[:0], w.lookups[:0]
	return nil
}

func (w *Writer) send(ctx context.Context, b ImportBatch) error {
	select {
	case w.queue <- b:
		return w.failure()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeBehind writes batch after batch; after the first error it only drains.
func (w *Writer) writeBehind(ctx context.Context) {
	for b := range w.queue {
		if w.failure() != nil {
			continue
		}
		if err := w.patiently(ctx, func() error { return w.store.PutImport(ctx, w.snapshot(), b) }); err != nil {
			w.mu.Lock()
			w.failed = fmt.Errorf("write a batch of import %d: %w", w.imp.ID, err)
			w.mu.Unlock()
		}
	}
}

// patiently repeats what found the database busy: disclosures come first.
func (w *Writer) patiently(ctx context.Context, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || attempt == writeAttempts || !errors.Is(err, ledger.ErrBusy) || ctx.Err() != nil {
			return err
		}
	}
}

func (w *Writer) snapshot() StoredImport {
	w.mu.Lock()
	defer w.mu.Unlock()
	imp := w.imp
	imp.At = w.now()
	return imp
}

func (w *Writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// Publish writes what is left and makes the import visible in one short transaction. On an error
// nothing is visible; call Abandon. Errors: ErrImportLost, the store's.
func (w *Writer) Publish(ctx context.Context) (Published, error) {
	return w.publish(ctx, func(imp StoredImport) error {
		return w.patiently(ctx, func() error { return w.store.PublishImport(ctx, nil, imp, w.result.Created, w.seals) })
	})
}

// Appender is the ledger as PublishEntry needs it.
type Appender interface {
	Append(ctx context.Context, candidates ...ledger.Candidate) ([]ledger.Result, error)
}

// PublishEntry is Publish in the transaction of a ledger entry of kind import: records never become
// visible unwritten. by names who imports ("cli:user@host"). Errors beyond Publish's: the ledger's;
// after ledger.ErrOutcomeUnknown nobody can say whether the import is visible, and importing the same
// file again is right in both cases.
func (w *Writer) PublishEntry(ctx context.Context, l Appender, by string) (Published, error) {
	return w.publish(ctx, func(imp StoredImport) error {
		_, err := l.Append(ctx, ledger.Candidate{
			Kind: ledger.KindImport, Register: imp.Register, Version: imp.ID, Revision: ledger.AnyRevision,
			Detail: ledger.Detail{What: "publish", Digest: imp.Digest, By: by},
			Effect: func(ctx context.Context, tx ledger.Tx, _ *ledger.Entry) error {
				return w.store.PublishImport(ctx, tx, imp, w.result.Created, w.seals)
			},
		})
		return err
	})
}

func (w *Writer) publish(ctx context.Context, commit func(StoredImport) error) (Published, error) {
	if err := w.flush(ctx, w.progress); err != nil {
		return Published{}, err
	}
	w.stop()
	if err := w.failure(); err != nil {
		return Published{}, err
	}
	if err := commit(w.snapshot()); err != nil {
		return Published{}, fmt.Errorf("publish import %d: %w", w.imp.ID, err)
	}
	w.ended = true
	w.done()
	w.result.Persons = w.reg.Persons + w.result.Created
	return w.result, nil
}

// Abandon gives the import up and deletes what it wrote. After Publish or a first Abandon it does
// nothing, so it can be deferred.
func (w *Writer) Abandon(ctx context.Context) error {
	if w.ended {
		return nil
	}
	w.stopped()
	w.stop()
	err := w.patiently(ctx, func() error { return w.store.AbandonImport(ctx, w.snapshot()) })
	if err != nil && !errors.Is(err, ErrImportLost) {
		return fmt.Errorf("abandon import %d: %w", w.imp.ID, err)
	}
	w.ended = true
	return w.sweep(ctx)
}

func (w *Writer) stop() {
	if !w.over {
		w.over = true
		close(w.queue)
	}
	w.wait.Wait()
	w.stopped()
}

// Sweep deletes what killed or abandoned imports left in a register; nobody ever saw it. It may run
// beside everything else.
func (s *Registers) Sweep(ctx context.Context, reg *Register) error {
	if err := s.store.Sweep(ctx, reg.ID); err != nil {
		return fmt.Errorf("sweep register %d: %w", reg.ID, err)
	}
	return nil
}
