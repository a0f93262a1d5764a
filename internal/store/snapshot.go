package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"ecluse"
	"ecluse/internal/ledger"
)

var (
	_ ledger.Store  = (*DB)(nil)
	_ ledger.Reader = (*Snapshot)(nil)
)

// reading is what reads rows: the database at this moment (*DB), or inside one transaction (*Tx).
type reading interface {
	query(ctx context.Context, s *statement, each func(*sql.Rows) error, args ...any) error
	row(ctx context.Context, s *statement, args []any, into ...any) error
}

// Snapshot is the whole database as of one instant, read only: verification and backup beside a
// running node. It belongs to one goroutine. While it lives SQLite's write-ahead log grows and
// PostgreSQL keeps dead rows.
type Snapshot struct{ t *Tx }

// Snapshot runs fn on the database as of now. Statements in it may take as long as they need.
func (db *DB) Snapshot(ctx context.Context, fn func(*Snapshot) error) error {
	tx, err := db.reader.BeginTx(ctx, &sql.TxOptions{Isolation: db.engine.snapshotLevel(), ReadOnly: db.engine == postgresEngine})
	if err != nil {
		return fmt.Errorf("open a snapshot: %w", err)
	}
	defer tx.Rollback()
	if db.engine == postgresEngine {
		for _, setting := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
			if _, err := tx.ExecContext(ctx, "SET LOCAL "+setting+" = 0"); err != nil {
				return fmt.Errorf("open a snapshot: %w", err)
			}
		}
	}
	s := &Snapshot{&Tx{db: db, tx: tx, pool: db.reader}}
	if _, err := s.Head(ctx); err != nil && !errors.Is(err, sql.ErrNoRows) { // the first read fixes the instant
		return err
	}
	return fn(s)
}

func (e engine) snapshotLevel() sql.IsolationLevel {
	if e == postgresEngine {
		return sql.LevelRepeatableRead
	}
	return sql.LevelDefault
}

// Head is the head at the snapshot's instant.
func (s *Snapshot) Head(ctx context.Context) (ledger.Head, error) { return headOf(ctx, s.t) }

// Entries calls each for the entries from (included) to (excluded), in order.
func (s *Snapshot) Entries(ctx context.Context, from, to ecluse.EntryNumber, each func(*ledger.Entry) error) error {
	return entriesOf(ctx, s.t, from, to, each)
}

// Leaves are the leaf hashes from (included) to (excluded), 32 bytes each, joined.
func (s *Snapshot) Leaves(ctx context.Context, from, to ecluse.EntryNumber) ([]byte, error) {
	return s.t.LeavesIn(ctx, int64(from), int64(to))
}

// Tile is a complete tile's data, nil if there is none.
func (s *Snapshot) Tile(ctx context.Context, level int, index int64) ([]byte, error) {
	return s.t.TileIn(ctx, level, index)
}

// CountEntries counts the rows of entries.
func (s *Snapshot) CountEntries(ctx context.Context) (int64, error) { return countOf(ctx, s.t) }

// AllState reads every meter, everything seen and every chain, for `verify --deep`.
func (s *Snapshot) AllState(ctx context.Context) (ledger.State, error) { return stateOf(ctx, s.t) }

// AllReviews reads every review, by number.
func (s *Snapshot) AllReviews(ctx context.Context, each func(ledger.ReviewRow) error) error {
	return reviewsOf(ctx, s.t, each)
}

// AllReviews reads every review, by number.
func (db *DB) AllReviews(ctx context.Context, each func(ledger.ReviewRow) error) error {
	return reviewsOf(ctx, db, each)
}

func reviewsOf(ctx context.Context, r reading, do func(ledger.ReviewRow) error) error {
	return r.query(ctx, allReviews, func(rows *sql.Rows) error {
		row, err := scanReviewRow(rows)
		if err != nil {
			return err
		}
		return do(row)
	})
}

// Head reads the head without locking.
func (db *DB) Head(ctx context.Context) (ledger.Head, error) { return headOf(ctx, db) }

// Entries calls each for the entries from (included) to (excluded), in order, in pages.
func (db *DB) Entries(ctx context.Context, from, to ecluse.EntryNumber, each func(*ledger.Entry) error) error {
	return entriesOf(ctx, db, from, to, each)
}

// Leaves are the leaf hashes from (included) to (excluded), joined.
func (db *DB) Leaves(ctx context.Context, from, to ecluse.EntryNumber) ([]byte, error) {
	return leaves(int64(from), int64(to), func(each func(*sql.Rows) error, from, to int64) error {
		return db.query(ctx, leavesBetween, each, from, to)
	})
}

// Tile is a complete tile's data, nil if there is none.
func (db *DB) Tile(ctx context.Context, level int, index int64) ([]byte, error) {
	return tileOf(ctx, db, level, index)
}

// CountEntries counts the rows of entries. Use a Snapshot for large ledgers on PostgreSQL.
func (db *DB) CountEntries(ctx context.Context) (int64, error) { return countOf(ctx, db) }

// AllState reads every meter, everything seen and every chain.
func (db *DB) AllState(ctx context.Context) (ledger.State, error) { return stateOf(ctx, db) }

func headOf(ctx context.Context, r reading) (ledger.Head, error) {
	var h ledger.Head
	var at int64
	var frontier []byte
	if err := r.row(ctx, readHead, nil, &h.N, &at, &h.Rev, &frontier, &h.NextID); err != nil {
		return h, err
	}
	h.At = fromMicros(at)
	var err error
	h.Frontier, err = ledger.ParseFrontier(int64(h.N), frontier)
	return h, err
}

// entriesPage bounds how long one read of the ledger holds a connection.
const entriesPage = 4096

func entriesOf(ctx context.Context, r reading, from, to ecluse.EntryNumber, each func(*ledger.Entry) error) error {
	for {
		page := make([]*ledger.Entry, 0, entriesPage)
		err := r.query(ctx, readEntries, func(rows *sql.Rows) error {
			e, err := scanEntry(rows)
			page = append(page, e)
			return err
		}, int64(from), int64(to), entriesPage)
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := each(e); err != nil {
				return err
			}
			from = e.N + 1
		}
		if len(page) < entriesPage {
			return nil
		}
	}
}

func tileOf(ctx context.Context, r reading, level int, index int64) ([]byte, error) {
	var data []byte
	err := r.row(ctx, readTile, []any{level, index}, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return data, err
}

func countOf(ctx context.Context, r reading) (int64, error) {
	var n int64
	return n, r.row(ctx, countEntries, nil, &n)
}

func stateOf(ctx context.Context, r reading) (ledger.State, error) {
	state := ledger.State{Meters: map[ledger.Holder]ledger.MeterRow{}, Seen: map[ledger.Pair]ledger.SeenRow{}, Persons: map[ecluse.PersonID]ledger.Chain{}}
	return state, errors.Join(
		r.query(ctx, allMeters, each(meterInto(state.Meters))),
		r.query(ctx, allSeen, each(seenInto(state.Seen))),
		r.query(ctx, allChains, each(chainInto(state.Persons))),
	)
}
