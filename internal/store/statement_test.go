package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// all are every statement of the package as an engine runs it, bulk ones with two rows.
func all(e engine) []*statement {
	list := slices.Clone(statements)
	for _, b := range bulks {
		list = append(list, b.of(e, 2))
	}
	return list
}

func TestNoStatementReadsAWholeTableOnSQLiteUnlessItIsMeantTo(t *testing.T) {
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "e.db"), Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range all(sqliteEngine) {
		plan, err := sqlitePlan(t.Context(), db.writer, s)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		if strings.HasPrefix(s.name, "restore ") {
			continue // SQLite shows the look for rows that refer to new ones, which it never does outside deferred checks
		}
		if scans := sqliteScans(plan); len(scans) > 0 && !s.scan {
			t.Errorf("%s: %s", s.name, strings.Join(scans, "; "))
		}
	}
	t.Logf("%d statements", len(all(sqliteEngine)))
}

func sqlitePlan(ctx context.Context, pool *sql.DB, s *statement) ([]string, error) {
	rows, err := pool.QueryContext(ctx, "EXPLAIN QUERY PLAN "+s.text, make([]any, parameters(s.text))...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return nil, err
		}
		plan = append(plan, detail)
	}
	return plan, rows.Err()
}

// notATable are what a plan may scan: VALUES lists, constant rows, and subqueries that were limited by
// an index before.
var notATable = regexp.MustCompile(`^SCAN (v|p|\d+-ROW VALUES CLAUSE|(\d+ )?CONSTANT ROWS?|\(subquery-\d+\))$`)

func sqliteScans(plan []string) (scans []string) {
	for _, line := range plan {
		if strings.HasPrefix(line, "SCAN ") && !notATable.MatchString(line) {
			scans = append(scans, line)
		}
	}
	return scans
}

var parameter = regexp.MustCompile(`\$(\d+)`)

func parameters(text string) int {
	most := strings.Count(text, "?")
	for _, m := range parameter.FindAllStringSubmatch(text, -1) {
		var n int
		_, _ = fmt.Sscan(m[1], &n)
		most = max(most, n)
	}
	return most
}

// postgresForStatements is an empty database on the server of storetest, which this package cannot
// import: the external half of the suite fills it in.
var postgresForStatements func(testing.TB) string

func TestNoStatementReadsAWholeTableOnPostgreSQLUnlessItIsMeantTo(t *testing.T) {
	if postgresForStatements == nil {
		t.Fatal("the external test package does not give a server")
	}
	db, err := Open(t.Context(), postgresForStatements(t), Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn := planner(t, db)
	for i, s := range all(postgresEngine) {
		bad, err := postgresScans(t.Context(), conn, s, i)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
		} else if len(bad) > 0 && !s.scan {
			t.Errorf("%s: %s", s.name, strings.Join(bad, "; "))
		}
	}
}

// planner is a connection that says how it would read large tables, whatever the arguments.
func planner(t *testing.T, db *DB) *sql.Conn {
	t.Helper()
	conn, err := db.writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	for _, setting := range []string{"enable_seqscan = off", "plan_cache_mode = force_generic_plan", "statement_timeout = 0"} {
		if _, err := conn.ExecContext(t.Context(), "SET "+setting); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

func postgresScans(ctx context.Context, conn *sql.Conn, s *statement, number int) ([]string, error) {
	name := fmt.Sprintf("explained_%d", number)
	if _, err := conn.ExecContext(ctx, "PREPARE "+name+" AS "+s.text); err != nil {
		return nil, err
	}
	execute := "EXPLAIN (FORMAT JSON) EXECUTE " + name
	if n := parameters(s.text); n > 0 {
		execute += "(" + strings.TrimSuffix(strings.Repeat("NULL,", n), ",") + ")"
	}
	var text string
	if err := conn.QueryRowContext(ctx, execute).Scan(&text); err != nil {
		return nil, err
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal([]byte(text), &plans); err != nil || len(plans) == 0 {
		return nil, fmt.Errorf("no plan: %w", err)
	}
	return plans[0].Plan.scans(), nil
}

// planNode is what matters of PostgreSQL's plans.
type planNode struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Index    string     `json:"Index Name"`
	Cond     string     `json:"Index Cond"`
	Plans    []planNode `json:"Plans"`
}

// scans are the nodes that read a whole table or a whole index.
func (n planNode) scans() (bad []string) {
	whole := strings.Contains(n.Type, "Index") && n.Cond == ""
	if n.Type == "Seq Scan" || whole {
		bad = append(bad, n.Type+" on "+n.Relation+n.Index)
	}
	for _, p := range n.Plans {
		bad = append(bad, p.scans()...)
	}
	return bad
}

// Whoever writes a statement that scans must see this suite fail.
func TestTheSuiteSeesAScan(t *testing.T) {
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "e.db"), Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	plan, err := sqlitePlan(t.Context(), db.writer, &statement{text: "SELECT n FROM entries WHERE session_id = $1"})
	if err != nil || len(sqliteScans(plan)) == 0 {
		t.Errorf("a scan of entries is not seen: %v %v", plan, err)
	}
	pg, err := Open(t.Context(), postgresForStatements(t), Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Close()
	if err := pg.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn := planner(t, pg)
	for i, text := range []string{"SELECT n FROM entries WHERE session_id = $1", "SELECT n FROM entries WHERE session_id = $1 ORDER BY n"} {
		if bad, err := postgresScans(t.Context(), conn, &statement{text: text}, i); err != nil || len(bad) == 0 {
			t.Errorf("a scan is not seen: %v", err)
		}
	}
}
