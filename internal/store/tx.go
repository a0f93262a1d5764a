package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"ecluse/internal/ledger"

	"github.com/jackc/pgx/v5/stdlib"
)

// Tx is a transaction that holds the head lock. It belongs to one goroutine.
type Tx struct {
	db   *DB
	tx   *sql.Tx   // SQLite, and snapshots
	pool *sql.DB   // that tx or conn belongs to
	conn *sql.Conn // PostgreSQL: BEGIN and COMMIT travel with the statements beside them
	head ledger.Head

	waiting []call // see later
}

var (
	lockHead = define("lock head", `UPDATE heads SET at = CASE WHEN at < $1 THEN $1 ELSE at END WHERE id = 1
		RETURNING n, at, rev, frontier, next_id`)
	saveHead = define("save head", `UPDATE heads SET n = $1, rev = $2, frontier = $3, next_id = $4 WHERE id = 1`)
	allotIDs = define("allot ids", `UPDATE heads SET next_id = next_id + $1 WHERE id = 1 RETURNING next_id - $1`)
)

// Locked is Loaded for whoever rests on nothing but the head.
func (db *DB) Locked(ctx context.Context, now time.Time, fn func(ledger.Tx) error) error {
	return db.Loaded(ctx, now, ledger.LoadKeys{}, func(t ledger.Tx, _ ledger.State) error { return fn(t) })
}

// Loaded runs fn in one transaction that holds the head lock, with what k names as it is under the lock,
// then commits. Ledger time becomes max(heads.at, now). Errors: ledger.ErrBusy if the lock was not to be
// had; ledger.ErrOutcomeUnknown if COMMIT itself failed, when nobody can say whether the transaction
// happened; fn's own error otherwise, and then nothing happened.
func (db *DB) Loaded(ctx context.Context, now time.Time, k ledger.LoadKeys, fn func(ledger.Tx, ledger.State) error) error {
	t, done, err := db.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	state, err := t.lock(ctx, now, k)
	if err != nil {
		return busyOr("lock", lostOr(err))
	}
	before := t.head.Clone()
	if err := fn(t, state); err != nil {
		return lostOr(err)
	}
	if !t.head.Equal(before) {
		t.later(call{statement: saveHead, args: []any{int64(t.head.N), t.head.Rev, t.head.Frontier.Bytes(), t.head.NextID}})
	}
	if hook := db.hooks.BeforeCommit; hook != nil {
		if err := t.flush(ctx); err != nil {
			return lostOr(err)
		}
		if err := hook(ctx); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	if err := t.commit(ctx); err != nil {
		return lostOr(err)
	}
	if hook := db.hooks.AfterCommit; hook != nil {
		if err := hook(ctx); err != nil {
			return fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, err)
		}
	}
	return nil
}

// lostOr turns a connection that was cut before COMMIT was sent (the server ends a transaction that
// stands still, as after a stop of this process) into ledger.ErrBusy: nothing was written, ask again.
func lostOr(err error) error {
	if errors.Is(err, ledger.ErrOutcomeUnknown) {
		return err
	}
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
	t.conn, err = t.pool.Conn(ctx)
	t.later(call{statement: beginTx})
	return err
}

// commit runs what waits and ends the transaction: ledger.ErrOutcomeUnknown if nobody can say whether it
// happened. On PostgreSQL COMMIT travels with what waits; an answer of the server to a statement before it
// is a clear no, and a cut connection is not.
func (t *Tx) commit(ctx context.Context) error {
	if t.conn != nil {
		t.later(call{statement: commitTx})
		err := t.flush(ctx)
		if err != nil && postgresCode(err) == "" && !errors.Is(err, ledger.ErrOutcomeUnknown) {
			err = fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, err)
		}
		return err
	}
	if err := t.flush(ctx); err != nil {
		return err
	}
	if err := t.tx.Commit(); err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, err)
	}
	return nil
}

// end rolls back what was not committed and lets the next one in.
func (t *Tx) end() {
	if t.tx != nil {
		_ = t.tx.Rollback()
	}
	if t.conn != nil {
		_ = t.conn.Raw(rollback)
		_ = t.conn.Close()
	}
	t.db.pass()
}

// rollback ends the transaction of a connection of PostgreSQL's driver, if it has one.
func rollback(driver any) error {
	conn := driver.(*stdlib.Conn).Conn()
	if conn.PgConn().TxStatus() == 'I' {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	_, err := conn.Exec(ctx, "ROLLBACK")
	return err
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

func busyOr(what string, err error) error {
	if isBusy(err) || errors.Is(err, ledger.ErrBusy) {
		return fmt.Errorf("%s: %w", what, ledger.ErrBusy)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// lock takes the head lock and reads what k names, in one round trip on PostgreSQL: each statement there
// sees what was committed before it began, hence before the lock was given.
func (t *Tx) lock(ctx context.Context, now time.Time, k ledger.LoadKeys) (ledger.State, error) {
	var at int64
	var frontier []byte
	found := false
	state, loads := t.loads(k)
	err := t.together(ctx, append([]call{{statement: lockHead, args: []any{micros(now)}, each: func(row scanner) error {
		found = true
		return row.Scan(&t.head.N, &at, &t.head.Rev, &frontier, &t.head.NextID)
	}}}, loads...))
	if err != nil {
		return state, err
	}
	if !found {
		return state, named(lockHead, sql.ErrNoRows)
	}
	t.head.At = fromMicros(at)
	t.head.Frontier, err = ledger.ParseFrontier(int64(t.head.N), frontier)
	return state, err
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
	if err := fn(t); err != nil {
		return err
	}
	return t.commit(ctx)
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
	switch {
	case err != nil:
		return nil, err
	case p == nil && t.conn != nil:
		return t.conn, nil
	case p == nil:
		return t.tx, nil
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
