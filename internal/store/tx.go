package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"ecluse/internal/ledger"
)

// Tx is a transaction that holds the head lock. It belongs to one goroutine.
type Tx struct {
	db   *DB
	tx   *sql.Tx
	pool *sql.DB   // that tx belongs to
	conn *sql.Conn // PostgreSQL, and only where pipelines run: that tx belongs to
	head ledger.Head

	waiting []call // see later
}

var (
	lockHead = define("lock head", `UPDATE heads SET at = CASE WHEN at < $1 THEN $1 ELSE at END WHERE id = 1
		RETURNING n, at, rev, frontier, next_id`)
	saveHead = define("save head", `UPDATE heads SET n = $1, rev = $2, frontier = $3, next_id = $4 WHERE id = 1`)
	allotIDs = define("allot ids", `UPDATE heads SET next_id = next_id + $1 WHERE id = 1 RETURNING next_id - $1`)
)

// Locked runs fn in one transaction that holds the head lock, then commits. Ledger time becomes
// max(heads.at, now). Errors: ledger.ErrBusy if the lock was not to be had; ledger.ErrOutcomeUnknown
// if COMMIT itself failed, when nobody can say whether the transaction happened; fn's own error
// otherwise, and then nothing happened.
func (db *DB) Locked(ctx context.Context, now time.Time, fn func(ledger.Tx) error) error {
	t, done, err := db.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := t.lock(ctx, now); err != nil {
		return busyOr("lock", lostOr(err))
	}
	before := t.head.Clone()
	if err := fn(t); err != nil {
		return lostOr(err)
	}
	if !t.head.Equal(before) {
		t.later(call{statement: saveHead, args: []any{int64(t.head.N), t.head.Rev, t.head.Frontier.Bytes(), t.head.NextID}})
	}
	if err := t.flush(ctx); err != nil {
		return lostOr(err)
	}
	return db.commit(ctx, t.tx)
}

// lostOr turns a connection that was cut before COMMIT was sent (the server ends a transaction that
// stands still, as after a stop of this process) into ledger.ErrBusy: nothing was written, ask again.
func lostOr(err error) error {
	if isCut(err) || postgresCode(err) == "25P03" { // idle_in_transaction_session_timeout
		return fmt.Errorf("%w: the connection was lost: %w", ledger.ErrBusy, err)
	}
	return err
}

// begin waits for its turn and opens a transaction; done rolls back what is not committed.
func (db *DB) begin(ctx context.Context) (*Tx, func(), error) {
	wait, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if db.turn != nil {
		select {
		case <-db.turn:
		case <-wait.Done():
			return nil, nil, fmt.Errorf("wait for the writer: %w", errors.Join(ledger.ErrBusy, ctx.Err()))
		}
	}
	t := &Tx{db: db, pool: db.writer}
	if err := t.begin(ctx, wait); err != nil {
		t.end()
		return nil, nil, busyOr("begin", err)
	}
	return t, t.end, nil
}

func (t *Tx) begin(ctx, wait context.Context) (err error) {
	if t.db.engine == sqliteEngine {
		t.tx, err = t.db.beginWhenFree(ctx, wait)
		return err
	}
	if t.conn, err = t.pool.Conn(ctx); err != nil {
		return err
	}
	t.tx, err = t.conn.BeginTx(ctx, nil)
	return err
}

// end rolls back what was not committed and lets the next one in.
func (t *Tx) end() {
	if t.tx != nil {
		_ = t.tx.Rollback()
	}
	if t.conn != nil {
		_ = t.conn.Close()
	}
	t.db.pass()
}

// beginWhenFree opens a transaction. On SQLite another process may be writing; SQLite's own waiting
// backs off and starves, so it is asked again every millisecond.
func (db *DB) beginWhenFree(ctx, wait context.Context) (*sql.Tx, error) {
	for {
		tx, err := db.writer.BeginTx(ctx, nil)
		if err == nil || db.turn == nil || !isBusy(err) {
			return tx, err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-wait.Done():
			return nil, err
		}
	}
}

func (db *DB) pass() {
	if db.turn != nil {
		db.turn <- struct{}{}
	}
}

func (db *DB) commit(ctx context.Context, tx *sql.Tx) error {
	if db.hooks.BeforeCommit != nil {
		if err := db.hooks.BeforeCommit(ctx); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, err)
	}
	if db.hooks.AfterCommit != nil {
		if err := db.hooks.AfterCommit(ctx); err != nil {
			return fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, err)
		}
	}
	return nil
}

func busyOr(what string, err error) error {
	if isBusy(err) || errors.Is(err, ledger.ErrBusy) {
		return fmt.Errorf("%s: %w", what, ledger.ErrBusy)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (t *Tx) lock(ctx context.Context, now time.Time) error {
	var at int64
	var frontier []byte
	err := t.row(ctx, lockHead, []any{micros(now)}, &t.head.N, &at, &t.head.Rev, &frontier, &t.head.NextID)
	if err != nil {
		return err
	}
	t.head.At = fromMicros(at)
	t.head.Frontier, err = ledger.ParseFrontier(int64(t.head.N), frontier)
	return err
}

// Head is the locked head: change it in place, Locked writes it back.
func (t *Tx) Head() *ledger.Head { return &t.head }

// Allot takes n identifiers and returns the first.
func (t *Tx) Allot(n int) int64 {
	first := t.head.NextID
	t.head.NextID += int64(n)
	return first
}

// AllotIDs takes n identifiers in a short transaction of its own and returns the first.
func (db *DB) AllotIDs(ctx context.Context, n int) (int64, error) {
	var first int64
	err := db.short(ctx, func(t *Tx) error { return t.row(ctx, allotIDs, []any{n}, &first) })
	return first, err
}

// short runs fn in a transaction without the head lock: sessions, imports, invitations. Keep it under
// 20 ms: on SQLite there is one writer.
func (db *DB) short(ctx context.Context, fn func(*Tx) error) error {
	t, done, err := db.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := errors.Join(fn(t), t.flush(ctx)); err != nil {
		return err
	}
	return t.tx.Commit()
}

// querier is a transaction, a pool or a prepared statement's stand-in: whatever runs a text.
type querier interface {
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}

// prepared runs a prepared statement whatever the text.
type prepared struct{ *sql.Stmt }

func (p prepared) ExecContext(ctx context.Context, _ string, args ...any) (sql.Result, error) {
	return p.Stmt.ExecContext(ctx, args...)
}

func (p prepared) QueryContext(ctx context.Context, _ string, args ...any) (*sql.Rows, error) {
	return p.Stmt.QueryContext(ctx, args...)
}

// on is what runs a statement in the transaction, after those that wait.
func (t *Tx) on(ctx context.Context, s *statement) (querier, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	p, err := t.db.prepare(ctx, t.pool, s)
	if err != nil || p == nil {
		return t.tx, err
	}
	return prepared{t.tx.StmtContext(ctx, p)}, nil
}

func (t *Tx) exec(ctx context.Context, s *statement, args ...any) error {
	_, err := t.result(ctx, s, args)
	return err
}

func (t *Tx) result(ctx context.Context, s *statement, args []any) (sql.Result, error) {
	q, err := t.on(ctx, s)
	if err != nil {
		return nil, err
	}
	res, err := q.ExecContext(ctx, s.text, args...)
	return res, named(s, err)
}

// execOne is exec for a change that must hit exactly one row: errNotOne otherwise.
func (t *Tx) execOne(ctx context.Context, s *statement, args ...any) error {
	res, err := t.result(ctx, s, args)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%s: %w", s.name, errors.Join(errNotOne, err))
	}
	return nil
}

var errNotOne = errors.New("the row was not there or no longer in the state asked for")

func (t *Tx) query(ctx context.Context, s *statement, each func(*sql.Rows) error, args ...any) error {
	q, err := t.on(ctx, s)
	if err != nil {
		return err
	}
	rows, err := q.QueryContext(ctx, s.text, args...)
	return drain(s, rows, err, each)
}

func (t *Tx) row(ctx context.Context, s *statement, args []any, into ...any) error {
	return single(ctx, t, s, args, into)
}
