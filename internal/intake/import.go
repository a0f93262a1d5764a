package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"ecluse"
	"ecluse/internal/register"
)

// maxShare is the share of rejected rows, in percent, above which a file is taken for the wrong file
// and not published.
const maxShare = 10

// Writer stores the rows of one import. *register.Writer is the real one. Nothing is visible before
// Publish has returned nil; Abandon after Publish does nothing.
type Writer interface {
	Version() ecluse.VersionID
	Put(ctx context.Context, rows []register.Row) ([]register.Outcome, error)
	Progress(position, rejected int64)
	Publish(ctx context.Context) (register.Published, error)
	Abandon(ctx context.Context) error
}

// Options says how a file is imported. Schema, Open and Now must be set.
type Options struct {
	Register string // code, for the summary
	Schema   *register.Schema
	// Open begins the import: register.Registers.Import, with the register bound. digest is SHA-256 of
	// the file.
	Open func(ctx context.Context, digest []byte) (Writer, error)
	Now  func() time.Time

	Map           Map
	MapName       string   // file that Map was read from, for messages
	Encoding      Encoding // "" = decided from all of the file
	Rejects       string   // path of the reject file; "" = FILE.rejects.csv
	Summary       string   // path of the summary; "" = FILE.import.json
	AcceptRejects bool     // publish even if more than 10 % of the rows are rejected

	// Progress is told about every 100 ms how far the import is, from one goroutine at a time.
	Progress func(Progress)
	// Publish, if set, is called when everything is stored and before it becomes visible. An error stops
	// the import. This is the place to write the act into the ledger.
	Publish func(ctx context.Context, s Summary) error
}

// Summary is the result of an import. It holds counts only.
type Summary struct {
	File      string           `json:"file"`   // base name
	Digest    string           `json:"digest"` // SHA-256, hexadecimal
	Bytes     int64            `json:"bytes"`
	Encoding  Encoding         `json:"encoding"`
	Register  string           `json:"register"`
	Version   ecluse.VersionID `json:"version"`
	Rows      int64            `json:"rows"`  // read, without the line of names and blank lines
	Taken     int64            `json:"taken"` // New + Changed + Unchanged
	New       int64            `json:"new"`
	Changed   int64            `json:"changed"`
	Unchanged int64            `json:"unchanged"`
	Rejected  int64            `json:"rejected"`
	Codes     map[Code]int64   `json:"codes"` // how often each code was found, remarks included
	Published bool             `json:"published"`
	Seconds   float64          `json:"seconds"`
	Rejects   string           `json:"rejects"` // path of the reject file
}

// ShareError means that so many rows were rejected that the file is probably the wrong one, or was
// exported wrongly. Nothing was published; the reject file and the summary are in their places.
type ShareError struct {
	Rejected, Rows int64
	Rejects        string // path of the reject file
}

func (e *ShareError) Error() string {
	return fmt.Sprintf("%d of %d rows are rejected, more than %d %%: nothing was published (see %s)", e.Rejected, e.Rows, maxShare, e.Rejects)
}

// Import brings one file into a register: all of its good rows or nothing. It reads the file twice,
// checks on all processors and publishes in one act at the end. Killed or cancelled, it leaves nothing
// visible: run it again. Errors: *FileError, *ShareError, ErrChanged, register.ErrImportRunning and
// what else Open returns, the context's. The summary is returned with *ShareError too.
func Import(ctx context.Context, path string, o Options) (Summary, error) {
	o.defaults(path)
	p := newMeter(o.Now, o.Progress)
	n, err := newNames(o.Schema, o.Map, o.MapName)
	if err != nil {
		return Summary{}, err
	}
	f, err := Look(ctx, path, o.Encoding, p.looked)
	if err != nil {
		return Summary{}, err
	}
	stream, err := f.open(ctx, nil)
	if err != nil {
		return Summary{}, err
	}
	defer stream.Close()
	t, err := n.openTable(f, stream)
	if err != nil {
		return Summary{}, err
	}
	r, err := newRun(ctx, f, t, o, p)
	if err != nil {
		return Summary{}, err
	}
	defer r.close(ctx)
	if err := r.rows(ctx); err != nil {
		return Summary{}, err
	}
	return r.finish(ctx)
}

func (o *Options) defaults(path string) {
	if o.Rejects == "" {
		o.Rejects = path + ".rejects.csv"
	}
	if o.Summary == "" {
		o.Summary = path + ".import.json"
	}
}

// run is one import under way. Its methods are called by one goroutine.
type run struct {
	options Options
	file    *File
	table   *table
	writer  Writer
	rejects *rejects
	meter   *meter
	began   time.Time
	sum     Summary
	seed    maphash.Seed
	first   map[uint64]int64 // hash of an external identifier -> first line
}

func newRun(ctx context.Context, f *File, t *table, o Options, p *meter) (*run, error) {
	r := &run{options: o, file: f, table: t, meter: p, began: p.began, seed: maphash.MakeSeed(), first: map[uint64]int64{}}
	var err error
	if r.rejects, err = newRejects(o.Rejects); err != nil {
		return nil, err
	}
	if r.writer, err = o.Open(ctx, f.Digest[:]); err != nil {
		r.rejects.discard()
		return nil, err
	}
	r.sum = Summary{
		File: f.Name, Digest: fmt.Sprintf("%x", f.Digest), Bytes: f.Size, Encoding: f.Encoding, Register: o.Register,
		Version: r.writer.Version(), Codes: map[Code]int64{}, Rejects: o.Rejects,
	}
	return r, nil
}

// close gives up what was not published. It goes on when the context has ended, but not for ever.
func (r *run) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_ = r.writer.Abandon(ctx) // what it leaves is invisible and swept by the next import
	r.rejects.discard()
}

// rows moves every row through reader, checkers and writer. Batches reach the writer in the order of
// the file, so that the first of two duplicates is always the same.
func (r *run) rows(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	workers := runtime.GOMAXPROCS(0)
	free := make(chan *batch, 2*workers+2)
	for range cap(free) {
		free <- newBatch()
	}
	// Both hold every batch there is: sending never blocks.
	work, ordered := make(chan *batch, cap(free)), make(chan *batch, cap(free))
	var readErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(work)
		defer close(ordered)
		readErr = r.read(ctx, free, work, ordered)
	})
	for range workers {
		wg.Go(func() { r.check(work) })
	}
	err := r.store(ctx, ordered, free)
	cancel()
	wg.Wait()
	if err == nil {
		err = readErr
	}
	return err
}

// read cuts the file into batches.
func (r *run) read(ctx context.Context, free, work, ordered chan *batch) error {
	for {
		var b *batch
		select {
		case b = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		b.reset()
		err := r.gather(b)
		if len(b.raw) > 0 {
			b.read = r.table.stream.read
			work <- b
			ordered <- b
		}
		if err == io.EOF {
			return r.unchanged()
		}
		if err != nil {
			return err
		}
	}
}

func (r *run) gather(b *batch) error {
	for {
		rec, err := r.table.next()
		if err != nil {
			return err
		}
		if b.add(rec) {
			return nil
		}
	}
}

// unchanged compares the digests of the two readings.
func (r *run) unchanged() error {
	if d := r.table.stream.digest(); d != r.file.Digest {
		return fmt.Errorf("%s: %w", r.file.Name, ErrChanged)
	}
	return nil
}

func (r *run) check(work <-chan *batch) {
	c := &checker{layout: r.table.layout, encoding: r.file.Encoding, forced: r.file.forced, latest: LatestDay(r.began)}
	for b := range work {
		c.check(b)
		close(b.done)
	}
}

// store gives the checked rows to the writer and the faults to the reject file.
func (r *run) store(ctx context.Context, ordered <-chan *batch, free chan<- *batch) error {
	for b := range ordered {
		select {
		case <-b.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := r.put(ctx, b); err != nil {
			return err
		}
		r.meter.rows(r.sum.Rows, r.sum.Rejected, b.read, r.file.Size)
		free <- b
	}
	return ctx.Err()
}

func (r *run) put(ctx context.Context, b *batch) error {
	r.sum.Rejected += int64(b.failed)
	r.sum.Rows += int64(b.failed + len(b.rows))
	r.dropDuplicates(b)
	if len(b.rows) > 0 {
		outcomes, err := r.writer.Put(ctx, b.rows)
		if err != nil {
			return fmt.Errorf("store rows of %s: %w", r.file.Name, err)
		}
		for i, o := range outcomes {
			r.count(b, b.lines[i], o)
		}
	}
	slices.SortStableFunc(b.faults, func(x, y Fault) int { return cmp.Compare(x.Line, y.Line) })
	for _, f := range b.faults {
		r.sum.Codes[f.Code]++
		if err := r.rejects.add(f); err != nil {
			return fmt.Errorf("write the reject file: %w", err)
		}
	}
	r.writer.Progress(r.sum.Rows, r.sum.Rejected)
	return nil
}

// dropDuplicates takes out the rows whose external identifier was there before, and names the line
// where. Identifiers are kept as 64 bits of a seeded hash: among 10 million rows two different ones
// meet with a probability of about 3 in a million, and then a good row is rejected, visibly.
func (r *run) dropDuplicates(b *batch) {
	kept := 0
	for i, row := range b.rows {
		h := maphash.String(r.seed, row.External)
		if first, twice := r.first[h]; twice {
			b.faults = append(b.faults, Fault{Line: b.lines[i], Column: r.externalColumn(), Code: RowDuplicate, First: first})
			r.sum.Rejected++
			continue
		}
		r.first[h] = b.lines[i]
		b.rows[kept], b.lines[kept] = row, b.lines[i]
		kept++
	}
	b.rows, b.lines = b.rows[:kept], b.lines[:kept]
}

func (r *run) externalColumn() string {
	for _, c := range r.table.layout.columns {
		if c.external {
			return c.name
		}
	}
	return ""
}

// count sorts one outcome of the writer.
func (r *run) count(b *batch, line int64, o register.Outcome) {
	reject := func(code Code) {
		r.sum.Rejected++
		b.faults = append(b.faults, Fault{Line: line, Column: r.externalColumn(), Code: code})
	}
	switch o {
	case register.Created:
		r.sum.New++
	case register.Changed:
		r.sum.Changed++
	case register.Unchanged:
		r.sum.Unchanged++
	case register.Duplicate:
		reject(RowDuplicate)
	case register.TooLong:
		reject(ValueTooLong)
	case register.NoExternal:
		reject(ValueMissing)
	}
	r.sum.Taken = r.sum.New + r.sum.Changed + r.sum.Unchanged
}

// finish publishes, or says why not, and puts the reject file and the summary in their places.
func (r *run) finish(ctx context.Context) (Summary, error) {
	if err := r.rejects.commit(); err != nil {
		return Summary{}, err
	}
	if !r.options.AcceptRejects && r.sum.Rejected*100 > r.sum.Rows*maxShare {
		r.sum.Seconds = r.meter.elapsed().Seconds()
		err := &ShareError{Rejected: r.sum.Rejected, Rows: r.sum.Rows, Rejects: r.options.Rejects}
		return r.sum, errors.Join(err, writeSummary(r.options.Summary, r.sum))
	}
	if r.options.Publish != nil {
		if err := r.options.Publish(ctx, r.sum); err != nil {
			return Summary{}, fmt.Errorf("announce the import: %w", err)
		}
	}
	r.meter.phase(Publishing)
	if w, ok := r.writer.(interface{ OnProgress(func(done, total int64)) }); ok {
		w.OnProgress(r.meter.published)
	}
	if _, err := r.writer.Publish(ctx); err != nil {
		return Summary{}, fmt.Errorf("publish the import: %w", err)
	}
	r.sum.Published = true
	r.sum.Seconds = r.meter.elapsed().Seconds()
	return r.sum, writeSummary(r.options.Summary, r.sum)
}
