package gate_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/signin"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

const (
	first  = "mission-locale"
	reason = "She came to the desk this morning without an appointment."
)

// to asks for person i with a justification that does for every tier.
func to(w *nodetest.World, c signin.Caller, i int) gate.Request {
	return toPerson(w, c, w.Persons[nodetest.External(i)])
}

func toPerson(w *nodetest.World, c signin.Caller, p ecluse.PersonID) gate.Request {
	return gate.Request{
		Caller: c, Register: first, Handle: w.Gate.HandleOf(c, w.Register, p), Purpose: "emploi", Motive: "walk_in", Text: reason, Channel: ecluse.ChannelAPI,
	}
}

// open passes a request through the gate and insists on an answer.
func open(t testing.TB, w *nodetest.World, r gate.Request) gate.Outcome {
	t.Helper()
	for {
		out, err := w.Gate.Disclose(context.Background(), r)
		if errors.Is(err, ledger.ErrBusy) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if shows(out) != out.Allowed {
			t.Fatalf("allowed %v, but values %v", out.Allowed, shows(out))
		}
		return out
	}
}

// shows reports whether an outcome carries values.
func shows(o gate.Outcome) bool { return o.Values.Fields() != 0 }

func search(t testing.TB, w *nodetest.World, r gate.SearchRequest) gate.SearchOutcome {
	t.Helper()
	for {
		out, err := w.Gate.Search(context.Background(), r)
		if errors.Is(err, ledger.ErrBusy) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// verified insists that the ledger proves itself, meters and all, and holds every receipt.
func verified(t testing.TB, w *nodetest.World, receipts ...string) {
	t.Helper()
	report, err := ledger.VerifyDeep(context.Background(), ledger.Live(w.Store, w.Keys, w.Notary.Last()), w.Keys, w.Store, receipts)
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK {
		t.Fatalf("the ledger does not verify: %v, missing %v", report.Problems, report.Receipts)
	}
}

// entries are those from a number on.
func entries(t testing.TB, w *nodetest.World, from ecluse.EntryNumber) []ledger.Entry {
	t.Helper()
	var all []ledger.Entry
	err := w.Store.Entries(context.Background(), from, 1<<62, func(e *ledger.Entry) error {
		all = append(all, *e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func height(t testing.TB, w *nodetest.World) ecluse.EntryNumber {
	t.Helper()
	head, err := w.Store.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return head.N
}

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

// runs sets how often rapid tries, for one test: fewer on PostgreSQL, whose databases take longer.
func runs(t *testing.T, url string, sqlite, postgres int) {
	t.Helper()
	n := sqlite
	if strings.HasPrefix(url, "postgres") {
		n = postgres
	}
	checks := flag.Lookup("rapid.checks").Value
	before := checks.String()
	if before != "100" { // asked for on the command line
		return
	}
	if err := checks.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = checks.Set(before) })
}

// tape records the names of the statements that the program runs.
type tape struct {
	mu    sync.Mutex
	names []string
	on    func(name string) // nil = none; called outside the lock
}

func (r *tape) trace(name string) {
	r.mu.Lock()
	r.names = append(r.names, name)
	on := r.on
	r.mu.Unlock()
	if on != nil {
		on(name)
	}
}

// of are the statements that do runs.
func (r *tape) of(do func()) []string {
	r.mu.Lock()
	r.names = nil
	r.mu.Unlock()
	do()
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.names...)
}

func (r *tape) hook(on func(string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = on
}
