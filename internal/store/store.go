// Package store holds every line of SQL of the program: one text for SQLite and PostgreSQL, over the
// tables of migrations/. It knows rows, transactions and the head lock; it takes no decision and
// holds no key, so all that it ever sees of a record is sealed.
//
// Its rows are the types of the rooms that own them (ledger.Entry, directory.Account, register.Person
// …), whose small Store interfaces *DB implements, one file each: ledger.go, directory.go,
// register.go, session.go.
//
// Invariant: a transaction that writes heads, meters, seen, entries, tiles, accounts, grants,
// agreements, or revokes sessions of others starts by locking the row of heads (Locked). There is no
// second lock, hence no lock order to get wrong.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing/fstest"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/register"
	"ecluse/internal/signin"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of opening and of transactions. Test with errors.Is.
var (
	// ErrNotMigrated: the database is empty or older than this program; run `ecluse migrate`.
	ErrNotMigrated = errors.New("the database schema is not the one of this program")
	// ErrURL: the database URL is neither sqlite:FILE nor postgres://….
	ErrURL = errors.New("unknown database URL")
	// ErrUnsafe: the PostgreSQL server runs with fsync or synchronous_commit off.
	ErrUnsafe = errors.New("the database does not keep what it has committed")
)

// engine is what differs between the two databases, as little as possible.
type engine uint8

const (
	sqliteEngine engine = iota + 1
	postgresEngine
)

func (e engine) String() string {
	return map[engine]string{sqliteEngine: "sqlite", postgresEngine: "postgres"}[e]
}

// DB is an open database. Safe for concurrent use.
type DB struct {
	engine      engine
	writer      *sql.DB // SQLite: one writer at a time (turn)
	reader      *sql.DB
	lookups     *sql.DB // of looking: on SQLite the readers
	checkpoints *sql.DB // SQLite: for checkpoint.go alone
	copying     *checkpointer
	turn        chan struct{} // SQLite: holds a token while nobody writes; nil on PostgreSQL
	prepared    sync.Map      // preparedKey -> *sql.Stmt
	hooks       Hooks

	// What every disclosure looks up, by many requests at once.
	records  coalescer[personKey, register.StoredRecord]
	links    coalescer[ecluse.PersonID, directory.Link]
	sessions coalescer[string, signin.Session]
}

func newDB(e engine, hooks Hooks) *DB {
	db := &DB{engine: e, hooks: hooks}
	db.records.fetch, db.links.fetch, db.sessions.fetch = db.fetchRecords, db.fetchLinks, db.fetchSessions
	return db
}

// Hooks let tests see and stall the database from inside. Zero value: none.
type Hooks struct {
	// Trace is told the name of each statement before it runs (oracle test).
	Trace func(statement string)
	// BeforeCommit runs when everything of a locked transaction is written; its error rolls back.
	BeforeCommit func(context.Context) error
	// AfterCommit runs when COMMIT returned; its error replaces the answer, as a cut connection would.
	AfterCommit func(context.Context) error
}

// Open connects to "sqlite:FILE" or "postgres://…" and checks that the database answers. It does not
// migrate: Migrate does, and Ready says whether that is needed.
func Open(ctx context.Context, rawURL string, hooks Hooks) (*DB, error) {
	switch {
	case strings.HasPrefix(rawURL, "sqlite:"):
		return openSQLite(ctx, strings.TrimPrefix(rawURL, "sqlite:"), hooks)
	case strings.HasPrefix(rawURL, "postgres://"), strings.HasPrefix(rawURL, "postgresql://"):
		return openPostgres(ctx, rawURL, hooks)
	}
	return nil, fmt.Errorf("%w: it must start with sqlite: or postgres://", ErrURL)
}

// lockWait is how long a statement waits for a lock before it gives up.
const lockWait = 2 * time.Second

func openSQLite(ctx context.Context, file string, hooks Hooks) (*DB, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("locate the database file: %w", err)
	}
	open := func(write bool, wait time.Duration, conns, cacheKiB int) (*sql.DB, error) {
		q := url.Values{"_time_format": {"sqlite"}}
		for _, pragma := range []string{
			fmt.Sprintf("busy_timeout(%d)", wait.Milliseconds()),
			"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "wal_autocheckpoint(0)", fmt.Sprintf("cache_size(-%d)", cacheKiB),
		} {
			q.Add("_pragma", pragma)
		}
		if write {
			q.Set("_txlock", "immediate")
		} else {
			q.Add("_pragma", "query_only(ON)")
		}
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String())
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return db, patiently(ctx, func() error { return db.PingContext(ctx) })
	}
	db := newDB(sqliteEngine, hooks)
	db.turn = make(chan struct{}, 1)
	db.turn <- struct{}{}
	for _, pool := range []struct {
		into     **sql.DB
		write    bool
		wait     time.Duration
		conns    int
		cacheKiB int // of each connection
	}{
		{&db.writer, true, 0, 2, 32 << 10},        // one writes (turn), the other prepares statements meanwhile; begin waits itself
		{&db.reader, false, lockWait, 4, 8 << 10}, // forgotten at each commit of a writer: the system's cache serves them
		{&db.checkpoints, true, 0, 1, 1 << 10},
	} {
		if *pool.into, err = open(pool.write, pool.wait, pool.conns, pool.cacheKiB); err != nil {
			return nil, errors.Join(fmt.Errorf("open the SQLite database: %w", err), db.Close())
		}
	}
	db.lookups = db.reader
	db.copying = db.startCheckpoints()
	return db, nil
}

// patiently tries again while another process recovers the database after a crash.
func patiently(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		err := try()
		if !isBusy(err) {
			return err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

func openPostgres(ctx context.Context, rawURL string, hooks Hooks) (*DB, error) {
	cfg, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%w: the postgres:// URL does not parse", ErrURL)
	}
	for name, value := range map[string]string{
		"application_name": "ecluse", "lock_timeout": "2s", "statement_timeout": "2s",
		"idle_in_transaction_session_timeout": "1s", "timezone": "UTC",
	} {
		if _, set := cfg.RuntimeParams[name]; !set {
			cfg.RuntimeParams[name] = value
		}
	}
	db := newDB(postgresEngine, hooks)
	// Writers have connections of their own, so that the same one, with its prepared statements, serves
	// one append after the other; so have look-ups.
	for _, pool := range []struct {
		into  **sql.DB
		cfg   *pgx.ConnConfig
		conns int
	}{{&db.writer, planned(cfg), 4}, {&db.lookups, planned(cfg), 4}, {&db.reader, cfg, 8}} {
		*pool.into = stdlib.OpenDB(*pool.cfg)
		(*pool.into).SetMaxOpenConns(pool.conns)
		(*pool.into).SetMaxIdleConns(pool.conns)
		if err := (*pool.into).PingContext(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("open the PostgreSQL database: %w", err), db.Close())
		}
	}
	return db, nil
}

// planned is cfg for statements that all go through indexes, as the suite of this package sees: each is planned
// once, whatever its arguments and however small the tables were then. To plan look-ups anew each time takes
// longer than to run them.
func planned(cfg *pgx.ConnConfig) *pgx.ConnConfig {
	cfg = cfg.Copy()
	for name, value := range map[string]string{"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"} {
		cfg.RuntimeParams[name] = value
	}
	return cfg
}

// Close releases every connection.
func (db *DB) Close() error {
	if db.copying != nil {
		db.copying.stop()
		db.copying.done.Wait()
	}
	db.prepared.Range(func(_, s any) bool { _ = s.(*sql.Stmt).Close(); return true })
	var err error
	for _, pool := range []*sql.DB{db.writer, db.lookups, db.reader, db.checkpoints} {
		if pool != nil {
			err = errors.Join(err, pool.Close())
		}
	}
	return err
}

// Engine is "sqlite" or "postgres".
func (db *DB) Engine() string { return db.engine.String() }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.reader.PingContext(ctx) }

// CheckDurability refuses a PostgreSQL server that may lose what it has committed: ErrUnsafe.
// SQLite connections always run with synchronous=FULL.
func (db *DB) CheckDurability(ctx context.Context) error {
	if db.engine == sqliteEngine {
		return nil
	}
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := db.reader.QueryRowContext(ctx, "SELECT current_setting($1)", name).Scan(&value); err != nil {
			return fmt.Errorf("read the server's %s: %w", name, err)
		}
		if value == "off" || value == "local" && name == "synchronous_commit" {
			return fmt.Errorf("%w: %s = %s", ErrUnsafe, name, value)
		}
	}
	return nil
}

// Clock is the database server's clock, to compare the node's with. SQLite shares the node's: ok is
// false.
func (db *DB) Clock(ctx context.Context) (at time.Time, ok bool, err error) {
	if db.engine == sqliteEngine {
		return time.Time{}, false, nil
	}
	var us int64
	err = db.reader.QueryRowContext(ctx, "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)").Scan(&us)
	return fromMicros(us), true, err
}

// Migrate brings the schema to this program's version; it is safe to run twice.
func (db *DB) Migrate(ctx context.Context) error {
	p, err := db.migrator()
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

// Ready reports whether the schema is this program's: ErrNotMigrated otherwise.
func (db *DB) Ready(ctx context.Context) error {
	p, err := db.migrator()
	if err != nil {
		return err
	}
	pending, err := p.HasPending(ctx)
	if err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	if pending {
		return ErrNotMigrated
	}
	return nil
}

func (db *DB) migrator() (*goose.Provider, error) {
	dialect := goose.DialectSQLite3
	if db.engine == postgresEngine {
		dialect = goose.DialectPostgres
	}
	files, err := db.engine.schema()
	if err != nil {
		return nil, err
	}
	p, err := goose.NewProvider(dialect, db.writer, files, goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return p, nil
}

// schema is the migrations with the comments for this engine opened.
func (e engine) schema() (fs.FS, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	out := fstest.MapFS{} // goose reads files; these exist only in memory
	for _, name := range names {
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		s := string(text)
		if e == sqliteEngine {
			s = sqliteOnly.Replace(s)
		}
		out[filepath.Base(name)] = &fstest.MapFile{Data: []byte(s)}
	}
	return out, nil
}

var sqliteOnly = strings.NewReplacer("/* sqlite: WITHOUT ROWID */", "WITHOUT ROWID")

// isBusy reports a lock that was not to be had in time, on either engine.
func isBusy(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		code := lite.Code() & 0xff
		return code == 5 || code == 6 // SQLITE_BUSY, SQLITE_LOCKED
	}
	return postgresCode(err) == "55P03" // lock_not_available
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
