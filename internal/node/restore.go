package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/store"
)

// RestoreReport says what a restore brought back, and what it could not.
type RestoreReport struct {
	Entries  int64     `json:"entries"` // in the backup
	At       time.Time `json:"at"`      // ledger time of the backup
	Rows     int64     `json:"rows"`
	Lost     int64     `json:"lost"`      // entries that this node signed and the backup lacks; -1 = this node has no checkpoint
	LostFile string    `json:"lost_file"` // where the old checkpoint is kept, "" if nothing is lost
	Sessions int64     `json:"sessions_revoked"`
	Meters   int64     `json:"meters_filled"`
	Entry    int64     `json:"entry"` // number of the restore entry
	// Containments that this node knows of, that the backup lacks and that nobody undid: to be made again.
	Containments []LostContainment `json:"containments"`
}

// LostContainment is a containment that a backup lacks.
type LostContainment struct {
	KeptContainment
	Email string `json:"email,omitempty"` // of the account named; "" if the backup lacks the account too, which then does nothing
}

// RestoreOptions of Restore.
type RestoreOptions struct {
	Options
	By       string
	Progress func(what string, done, total int64) // may be nil
}

// Restore writes a backup into the empty database that the configuration names, of either engine. The
// file is read twice: nothing is written before its last byte is authenticated. Afterwards every
// session is revoked, every meter is full for 24 h, and an entry says so. Interrupted, it is simply run
// again: until the last step the database opens nowhere (store.ErrUnfinished).
//
// Errors: ErrBackup, store.ErrNotEmpty, store.ErrWrongKeys.
func Restore(ctx context.Context, file io.ReadSeeker, o RestoreOptions) (RestoreReport, error) {
	var report RestoreReport
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	k, err := keys.Open(o.Config.Keys.File)
	if err != nil {
		return report, err
	}
	o.Progress("checking the backup", 0, -1)
	held, err := CheckBackup(ctx, file, k)
	if err != nil {
		return report, err
	}
	report.Entries, report.At, report.Rows = held.Entries, held.At, held.Rows
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return report, fmt.Errorf("read the backup again: %w", err)
	}
	db, err := store.Open(ctx, o.Config.Database.URL, o.Hooks)
	if err != nil {
		return report, err
	}
	r := &restorer{db: db, keys: k, options: o, report: &report}
	return report, errors.Join(r.run(ctx, file), db.Close())
}

type restorer struct {
	db      *store.DB
	keys    *keys.Keys
	options RestoreOptions
	report  *RestoreReport
	rows    int64
}

func (r *restorer) run(ctx context.Context, file io.Reader) error {
	if err := r.db.Migrate(ctx); err != nil {
		return err
	}
	if err := r.db.Empty(ctx); err != nil {
		return err
	}
	if err := r.load(ctx, file); err != nil {
		return err
	}
	if err := r.compare(ctx); err != nil {
		return err
	}
	return r.finish(ctx)
}

// load copies the rows, table by table.
func (r *restorer) load(ctx context.Context, file io.Reader) error {
	b, err := newBackupReader(file)
	if err != nil {
		return err
	}
	if _, err := b.heading(r.keys); err != nil {
		return err
	}
	tables := store.Tables
	var rows [][]any
	var into *store.Table
	flush := func() error {
		if into == nil || len(rows) == 0 {
			return nil
		}
		r.rows += int64(len(rows))
		r.options.Progress("restoring "+into.Name, r.rows, r.report.Rows)
		err := r.db.Restore(ctx, into, rows)
		rows = rows[:0]
		return err
	}
	for {
		line, err := b.next()
		if err != nil {
			return fmt.Errorf("read the backup again: %w", err)
		}
		switch {
		case line[0] == '[' && into != nil:
			row, err := rowOf(into, line)
			if err != nil {
				return fmt.Errorf("%w: line %d: %w", ErrBackup, b.line, err)
			}
			if rows = append(rows, row); len(rows) < store.RestoreRows {
				continue
			}
			if err := flush(); err != nil {
				return err
			}
		case bytes.HasPrefix(line, []byte(`{"end":`)):
			if len(tables) > 0 {
				return fmt.Errorf("%w: the table %s is missing: another version of the program made it", ErrBackup, tables[0].Name)
			}
			return flush()
		default:
			if err := flush(); err != nil {
				return err
			}
			if into, tables, err = nextTable(tables, line); err != nil {
				return err
			}
		}
	}
}

// nextTable takes the line that begins a table: they must come as this program has them.
func nextTable(tables []*store.Table, line []byte) (*store.Table, []*store.Table, error) {
	var head tableHead
	if err := json.Unmarshal(line, &head); err != nil || len(tables) == 0 || tables[0].Name != head.Table {
		return nil, nil, fmt.Errorf("%w: the table %q is not expected: another version of the program made it", ErrBackup, head.Table)
	}
	var names []string
	for _, c := range tables[0].Columns {
		names = append(names, c.Name)
	}
	if !slices.Equal(names, head.Columns) {
		return nil, nil, fmt.Errorf("%w: the columns of %s differ: another version of the program made it", ErrBackup, head.Table)
	}
	return tables[0], tables[1:], nil
}

// compare holds the restored ledger against this node's checkpoint. If it lacks entries, the old
// checkpoint is moved aside, as the proof of what is lost.
func (r *restorer) compare(ctx context.Context) error {
	path := checkpointFile(r.options.Config)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r.keptAside(path)
	}
	if err != nil {
		return fmt.Errorf("read this node's checkpoint: %w", err)
	}
	key, err := r.keys.VerifierKey()
	if err != nil {
		return err
	}
	c, err := ledger.ParseCheckpoint(data, key)
	if err != nil {
		return fmt.Errorf("read this node's checkpoint: %w", err)
	}
	err = ledger.Extends(ctx, r.db, c)
	if err == nil {
		return nil
	}
	if !errors.Is(err, ledger.ErrRolledBack) {
		return err
	}
	r.report.Lost, r.report.LostFile = max(0, c.Size-r.report.Entries), fmt.Sprintf("%s.lost-%d", path, c.Size)
	if err := os.Rename(path, r.report.LostFile); err != nil {
		return fmt.Errorf("keep the old checkpoint: %w", err)
	}
	return nil
}

// lostContainments lists what was contained after the backup.
func (r *restorer) lostContainments(ctx context.Context) error {
	r.report.Containments = []LostContainment{}
	lost, err := lostContainments(r.options.Config, r.keys, r.report.Entries)
	for _, k := range lost {
		a, err := r.db.Account(ctx, ecluse.AccountID(k.Account))
		if err != nil && !errors.Is(err, directory.ErrUnknownAccount) {
			return err
		}
		k.MAC = nil
		r.report.Containments = append(r.report.Containments, LostContainment{k, a.Email})
	}
	return errors.Join(err, setAside(r.options.Config, r.report.Entry))
}

// keptAside finds the checkpoint that an interrupted restore has moved already.
func (r *restorer) keptAside(path string) error {
	r.report.Lost = -1
	files, err := filepath.Glob(path + ".lost-*")
	for _, f := range files {
		var size int64
		if _, err := fmt.Sscanf(f[len(path):], ".lost-%d", &size); err == nil && size-r.report.Entries > r.report.Lost {
			r.report.Lost, r.report.LostFile = size-r.report.Entries, f
		}
	}
	return err
}

// finish fills the meters, revokes the sessions, and writes the restore down; from then on the
// database opens.
func (r *restorer) finish(ctx context.Context) error {
	r.options.Progress("filling the budgets", 0, -1)
	instance, err := r.db.Instance(ctx)
	if err != nil && !errors.Is(err, store.ErrUnfinished) {
		return err
	}
	if err := instance.Belongs(r.keys.Check(), instance.Demo); err != nil {
		return err
	}
	head, err := r.db.Head(ctx)
	if err != nil {
		return err
	}
	at := r.options.Now().Round(0).UTC().Add(instance.ClockOffset).Truncate(time.Microsecond)
	if head.At.After(at) {
		at = head.At
	}
	next, meters, sessions, err := r.db.FillMeters(ctx, at, ledger.NewSealer(r.keys).Meter)
	if err != nil {
		return fmt.Errorf("fill the budgets: %w", err)
	}
	r.report.Meters, r.report.Sessions = meters, sessions
	l := ledger.New(r.db, r.keys, ledger.Options{Now: func() time.Time { return at }})
	defer l.Close()
	results, err := l.Append(ctx, ledger.Candidate{
		Kind: ledger.KindRestore, Revision: ledger.AnyRevision, NewRevision: true,
		Detail: ledger.Detail{
			What: "restore", By: r.options.By, Refers: r.report.Entries, Subject: next,
			Counts: map[string]int64{"lost": r.report.Lost, "meters": meters, "sessions": sessions},
		},
		Effect: func(ctx context.Context, tx ledger.Tx, _ *ledger.Entry) error {
			return tx.(interface{ FinishRestore(context.Context) error }).FinishRestore(ctx)
		},
	})
	if err != nil {
		return fmt.Errorf("write the restore down: %w", err)
	}
	r.report.Entry = int64(results[0].N)
	if err := r.lostContainments(ctx); err != nil {
		return err
	}
	_, err = ledger.NewNotary(ctx, r.db, r.keys, checkpointFile(r.options.Config))
	return err
}
