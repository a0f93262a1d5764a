package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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

func (db *DB) prepare(ctx context.Context, pool *sql.DB, s *statement) (*sql.Stmt, error) {
	if db.hooks.Trace != nil {
		db.hooks.Trace(s.name)
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
	p, err := db.prepare(ctx, db.reader, s)
	if err != nil {
		return err
	}
	rows, err := p.QueryContext(ctx, args...)
	return drain(s, rows, err, each)
}

// row reads one row outside any transaction: sql.ErrNoRows if there is none.
func (db *DB) row(ctx context.Context, s *statement, args []any, into ...any) error {
	p, err := db.prepare(ctx, db.reader, s)
	if err != nil {
		return err
	}
	return named(s, p.QueryRowContext(ctx, args...).Scan(into...))
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
