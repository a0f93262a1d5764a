package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

// A statement is one SQL text that runs on both engines. Every statement is made by define or
// defineBulk at start, so that the suite can EXPLAIN each of them.
type statement struct {
	name string
	text string
	scan bool // a whole-table scan is meant (verification, retention, small tables)
}

// A bulk is a statement over a list of rows: text with %s where the VALUES tuples go. A tuple is
// written with one ? a column; where PostgreSQL can't infer the type (FROM (VALUES …)) write
// CAST(? AS BIGINT). fixed parameters come first and are $1 … $fixed in the text.
type bulk struct {
	name  string
	text  string
	tuple string
	fixed int
	width int
	texts sync.Map // bulkKey -> *statement
}

var (
	statements []*statement
	bulks      []*bulk
)

func define(name, text string) *statement {
	s := &statement{name: name, text: text}
	statements = append(statements, s)
	return s
}

// defineScan is define for a statement that is meant to read a whole table.
func defineScan(name, text string) *statement {
	s := define(name, text)
	s.scan = true
	return s
}

func defineBulk(name, text, tuple string, fixed int) *bulk {
	b := &bulk{name: name, text: text, tuple: tuple, fixed: fixed, width: strings.Count(tuple, "?")}
	bulks = append(bulks, b)
	return b
}

// bulkKey: a bulk has one text for each engine and number of rows.
type bulkKey struct {
	engine engine
	rows   int
}

// of is the statement for this many rows. On SQLite, which looks every named parameter up in a list,
// the parameters of the tuples have no numbers unless there are fixed ones.
func (b *bulk) of(e engine, rows int) *statement {
	key := bulkKey{e, rows}
	if s, ok := b.texts.Load(key); ok {
		return s.(*statement)
	}
	var list strings.Builder
	n := b.fixed
	for i := range rows {
		if i > 0 {
			list.WriteByte(',')
		}
		if e == sqliteEngine && b.fixed == 0 {
			list.WriteString(b.tuple)
			continue
		}
		for _, part := range strings.SplitAfter(b.tuple, "?") {
			if before, found := strings.CutSuffix(part, "?"); found {
				n++
				fmt.Fprintf(&list, "%s$%d", before, n)
			} else {
				list.WriteString(part)
			}
		}
	}
	s := &statement{name: b.name, text: fmt.Sprintf(b.text, list.String())}
	b.texts.Store(key, s)
	return s
}

// preparedKey: a statement is prepared once a pool.
type preparedKey struct {
	pool *sql.DB
	text string
}

// prepare is a statement's prepared form for a pool of SQLite connections. It is nil on PostgreSQL,
// whose driver prepares what a connection runs: preparing here would wait for a second connection while
// a transaction holds one.
func (db *DB) prepare(ctx context.Context, pool *sql.DB, s *statement) (*sql.Stmt, error) {
	if db.hooks.Trace != nil {
		db.hooks.Trace(s.name)
	}
	if db.engine == postgresEngine {
		return nil, nil
	}
	key := preparedKey{pool, s.text}
	if p, ok := db.prepared.Load(key); ok {
		return p.(*sql.Stmt), nil
	}
	p, err := pool.PrepareContext(ctx, s.text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if old, loaded := db.prepared.LoadOrStore(key, p); loaded {
		_ = p.Close()
		return old.(*sql.Stmt), nil
	}
	return p, nil
}

// query reads rows outside any transaction, and calls each for every row.
func (db *DB) query(ctx context.Context, s *statement, each func(*sql.Rows) error, args ...any) error {
	return db.queryOn(ctx, db.reader, s, each, args)
}

// looking reads what every disclosure looks up, on connections of its own (planned).
type looking struct{ db *DB }

func (db *DB) looking() looking { return looking{db} }

func (l looking) query(ctx context.Context, s *statement, each func(*sql.Rows) error, args ...any) error {
	return l.db.queryOn(ctx, l.db.lookups, s, each, args)
}

func (l looking) row(ctx context.Context, s *statement, args []any, into ...any) error {
	return single(ctx, l, s, args, into)
}

func (db *DB) queryOn(ctx context.Context, pool *sql.DB, s *statement, each func(*sql.Rows) error, args []any) error {
	p, err := db.prepare(ctx, pool, s)
	if err != nil {
		return err
	}
	var q querier = pool
	if p != nil {
		q = prepared{p}
	}
	rows, err := begun(ctx, q, s, args)
	return drain(s, rows, err, each)
}

// staleConnections is more than a pool can hold of connections that were cut.
const staleConnections = 32

// begun begins to read outside any transaction. A pooled connection that the server cut meanwhile is
// only known to be dead once it is used: then another one is tried.
func begun(ctx context.Context, q querier, s *statement, args []any) (*sql.Rows, error) {
	for try := 1; ; try++ {
		rows, err := q.QueryContext(ctx, s.text, args...)
		if err == nil || !isCut(err) || try > staleConnections || ctx.Err() != nil {
			return rows, err
		}
	}
}

// isCut reports a connection that was lost, as opposed to a server that is not there.
func isCut(err error) bool {
	var connect *pgconn.ConnectError
	var network *net.OpError
	switch code := postgresCode(err); {
	case errors.As(err, &connect):
		return false
	case code != "":
		return strings.HasPrefix(code, "57P0") // the administrator ended it
	}
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, driver.ErrBadConn)
}

// row reads one row outside any transaction: sql.ErrNoRows if there is none.
func (db *DB) row(ctx context.Context, s *statement, args []any, into ...any) error {
	return single(ctx, db, s, args, into)
}

// single reads one row into pointers: sql.ErrNoRows if there is none.
func single(ctx context.Context, from reading, s *statement, args, into []any) error {
	found := false
	err := from.query(ctx, s, func(rows *sql.Rows) error {
		if found {
			return nil
		}
		found = true
		return rows.Scan(into...)
	}, args...)
	if err == nil && !found {
		err = named(s, sql.ErrNoRows)
	}
	return err
}

func drain(s *statement, rows *sql.Rows, err error, each func(*sql.Rows) error) error {
	if err != nil {
		return named(s, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return named(s, err)
		}
	}
	return named(s, rows.Err())
}

// named adds the statement's name to an error, never its arguments: they may be about a person.
func named(s *statement, err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) { // Detail and Where may quote row values
		return fmt.Errorf("%s: %w", s.name, &serverError{code: pg.Code, message: pg.Message})
	}
	return fmt.Errorf("%s: %w", s.name, err)
}

// serverError is what may be told of a PostgreSQL error: never its detail, which quotes rows.
type serverError struct{ code, message string }

func (e *serverError) Error() string { return e.message + " (SQLSTATE " + e.code + ")" }

func postgresCode(err error) string {
	var own *serverError
	if errors.As(err, &own) {
		return own.code
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}
