// Package storetest gives tests a fresh, migrated database on every engine: one suite, both engines.
//
// PostgreSQL: $ECLUSE_TEST_POSTGRES names a server to use (a database is made for each test), or else
// a private cluster is started from Debian's or $PATH's binaries in a temporary folder, on a Unix
// socket only. Where there is neither, the PostgreSQL half is skipped, loudly; with
// ECLUSE_REQUIRE_ALL=1 (CI) a skip is a failure.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ecluse/internal/store"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver that makes databases
)

// Engines runs test once on each engine, with the URL of an empty database.
func Engines(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, Postgres(t)) })
}

// Open opens and migrates the database, and closes it with the test.
func Open(t testing.TB, url string, hooks store.Hooks) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url, hooks)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// SQLite is the URL of an empty database in a temporary folder.
func SQLite(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "ecluse.db") }

// Postgres is the URL of an empty database, dropped with the test.
func Postgres(t testing.TB) string {
	t.Helper()
	server, err := server()
	if err != nil {
		if os.Getenv("ECLUSE_REQUIRE_ALL") != "" {
			t.Fatalf("PostgreSQL is required: %v", err)
		}
		t.Skipf("THE POSTGRESQL HALF IS SKIPPED: %v. Install PostgreSQL 15+ or set ECLUSE_TEST_POSTGRES.", err)
	}
	name := "t_" + strings.ToLower(rand.Text())
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := admin.Exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)")
		if err := errors.Join(err, admin.Close()); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// server is started once a test process and stopped when the process ends.
var server = sync.OnceValues(func() (string, error) {
	if set := os.Getenv("ECLUSE_TEST_POSTGRES"); set != "" {
		return set, nil
	}
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	return start(bin)
})

func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("no PostgreSQL server is installed")
	}
	return filepath.Dir(path), nil
}

// start makes a cluster in a temporary folder. PostgreSQL refuses to run as root, so root lends the
// folder to the user postgres. A watchdog shell stops the server when this process is gone, however
// it ends.
func start(bin string) (string, error) {
	dir, err := os.MkdirTemp("", "ecluse-pg-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	as, err := owner(dir)
	if err != nil {
		return "", err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "ecluse", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, out)
	}
	script := `"$1" -D "$2" -k "$3" -c listen_addresses= -c max_connections=200 -c shared_buffers=128MB >"$3/log" 2>&1 & pid=$!
trap '' INT TERM
while [ -d "/proc/$4" ] && kill -0 $pid 2>/dev/null; do sleep 0.2; done
kill -INT $pid 2>/dev/null; wait $pid; rm -rf "$3"`
	watch := exec.Command("sh", "-c", script, "sh", filepath.Join(bin, "postgres"), data, dir, strconv.Itoa(os.Getpid()))
	watch.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as.Credential}
	watch.Dir = dir
	if err := watch.Start(); err != nil {
		return "", err
	}
	return ready("postgres://ecluse@/postgres?host=" + url.QueryEscape(dir))
}

func owner(dir string) (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, errors.New("running as root, and there is no user postgres to start the server as")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

func ready(server string) (string, error) {
	db, err := sql.Open("pgx", server)
	if err != nil {
		return "", err
	}
	defer db.Close()
	for range 150 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err = db.PingContext(ctx)
		cancel()
		if err == nil {
			return server, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", fmt.Errorf("the server did not start: %w", err)
}
