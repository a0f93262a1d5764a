package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"

	"ecluse/internal/ledger"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// call is a statement with its arguments. each is told of every row; nil if there are none.
type call struct {
	statement *statement
	args      []any
	each      func(scanner) error
}

// The ends of a transaction on PostgreSQL. They read nothing, so nobody explains or traces them.
var (
	beginTx  = &statement{name: "begin", text: "BEGIN"}
	commitTx = &statement{name: "commit", text: "COMMIT"}
)

// later runs writes when something reads, or when the transaction ends: on PostgreSQL they then travel
// together. Their errors come with that.
func (t *Tx) later(calls ...call) { t.waiting = append(t.waiting, calls...) }

// laterRows is how many rows one statement writes at most: engines bound its parameters.
const laterRows = 1024

// bulkLater is later for rows in bulk, cut into powers of two so that few texts are ever prepared.
func (t *Tx) bulkLater(b *bulk, args []any) {
	for rows := len(args) / b.width; rows > 0; {
		size := min(1<<(bits.Len(uint(rows))-1), laterRows)
		t.later(call{statement: b.of(t.db.engine, size), args: args[:size*b.width]})
		args, rows = args[size*b.width:], rows-size
	}
}

// flush runs what waits.
func (t *Tx) flush(ctx context.Context) error { return t.together(ctx, nil) }

// together runs what waits and then calls, in their order; on PostgreSQL in one round trip.
func (t *Tx) together(ctx context.Context, calls []call) error {
	calls, t.waiting = append(t.waiting, calls...), nil
	if len(calls) == 0 {
		return nil
	}
	if t.conn != nil {
		return t.conn.Raw(func(driver any) error { return t.pipeline(ctx, driver.(*stdlib.Conn).Conn(), calls) })
	}
	for _, c := range calls {
		if err := t.one(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) one(ctx context.Context, c call) error {
	if c.each == nil {
		return t.exec(ctx, c.statement, c.args...)
	}
	return t.query(ctx, c.statement, each(c.each), c.args...)
}

// each is a reader of rows for a query that is sent alone.
func each(read func(scanner) error) func(*sql.Rows) error {
	return func(rows *sql.Rows) error { return read(rows) }
}

func (t *Tx) pipeline(ctx context.Context, conn *pgx.Conn, calls []call) error {
	var batch pgx.Batch
	for _, c := range calls {
		if t.db.hooks.Trace != nil && c.statement != beginTx && c.statement != commitTx {
			t.db.hooks.Trace(c.statement.name)
		}
		batch.Queue(c.statement.text, c.args...)
	}
	answers := conn.SendBatch(ctx, &batch)
	for _, c := range calls {
		if err := c.read(answers); err != nil {
			_ = answers.Close() // the error is this one, of a transaction that is lost
			return c.unclear(named(c.statement, err))
		}
	}
	return answers.Close()
}

func (c call) read(answers pgx.BatchResults) error {
	rows, err := answers.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := c.each(rows); err != nil {
			return err
		}
	}
	rows.Close()
	tag := rows.CommandTag().String()
	if c.statement == commitTx && rows.Err() == nil && tag != commitTx.text { // of a transaction that failed before
		return errors.New("the server answered " + tag)
	}
	return rows.Err()
}

// unclear marks an error of COMMIT itself.
func (c call) unclear(err error) error {
	if c.statement == commitTx {
		return fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, err)
	}
	return err
}
