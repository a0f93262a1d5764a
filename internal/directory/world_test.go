package directory_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// around is a second connection to the database, as somebody has who holds it without the keys.
func around(t testing.TB, url string) *sql.DB {
	t.Helper()
	driver, source := "pgx", url
	if file, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+file+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func tamper(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	res, err := db.Exec(query, args...)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		t.Fatalf("%s changed %d rows (%v)", query, n, err)
	}
}

func count(t testing.TB, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func fresh(t testing.TB, url string) string {
	if strings.HasPrefix(url, "sqlite:") {
		return storetest.SQLite(t)
	}
	return storetest.Postgres(t)
}

func verified(t testing.TB, w *nodetest.World) {
	t.Helper()
	report, err := ledger.VerifyDeep(context.Background(), ledger.Live(w.Store, w.Keys, w.Notary.Last()), w.Keys, w.Store, nil)
	if err != nil || !report.OK {
		t.Fatalf("the ledger does not verify: %v, %v", report.Problems, err)
	}
}

// newcomer is a change that makes an agent.
func newcomer(w *nodetest.World, name string) directory.Change {
	c := w.Change()
	c.Accounts = append(c.Accounts, nodetest.Account(name, "A", "A1", ecluse.RoleAgent))
	return c
}

func ask(t testing.TB, w *nodetest.World, who string, c directory.Change) ecluse.ApprovalID {
	t.Helper()
	a, err := w.Directory.Request(context.Background(), w.Actor(who), c)
	if err != nil {
		t.Fatal(err)
	}
	return a.ID
}

// known reports whether an identity has an account.
func known(w *nodetest.World, name string) bool {
	_, err := w.Directory.ByIdentity(context.Background(), "test/idp", "sub-"+name)
	return err == nil
}
