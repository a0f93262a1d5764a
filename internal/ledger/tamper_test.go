package ledger_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/register"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"

	"golang.org/x/mod/sumdb/tlog"
)

// attacker has the database's password and none of the keys.
type attacker struct {
	*sql.DB
	t testing.TB
}

func newAttacker(t testing.TB, url string) *attacker {
	t.Helper()
	driver, name := "pgx", url
	if file, lite := strings.CutPrefix(url, "sqlite:"); lite {
		driver, name = "sqlite", "file:"+file+"?_pragma=busy_timeout(2000)&_pragma=synchronous(OFF)"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &attacker{db, t}
}

func (a *attacker) do(statement string, args ...any) {
	a.t.Helper()
	if _, err := a.Exec(statement, args...); err != nil {
		a.t.Fatalf("%s: %v", statement, err)
	}
}

// table is a copy of a table's rows.
type table struct {
	name    string
	columns []string
	rows    [][]any
}

func (a *attacker) read(name, where string) table {
	a.t.Helper()
	rows, err := a.Query("SELECT * FROM " + name + where)
	if err != nil {
		a.t.Fatal(err)
	}
	defer rows.Close()
	t := table{name: name}
	if t.columns, err = rows.Columns(); err != nil {
		a.t.Fatal(err)
	}
	for rows.Next() {
		row, into := make([]any, len(t.columns)), make([]any, len(t.columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			a.t.Fatal(err)
		}
		t.rows = append(t.rows, row)
	}
	if err := rows.Err(); err != nil {
		a.t.Fatal(err)
	}
	return t
}

func (a *attacker) insert(t table, row []any) {
	a.t.Helper()
	marks := make([]string, len(row))
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	a.do("INSERT INTO "+t.name+" VALUES ("+strings.Join(marks, ", ")+")", row...)
}

// replace writes the rows of key back as they are given.
func (a *attacker) replace(t table, old, row []any, key int) {
	a.t.Helper()
	var where []string
	for i := range key {
		where = append(where, fmt.Sprintf("%s = $%d", t.columns[i], i+1))
	}
	a.do("DELETE FROM "+t.name+" WHERE "+strings.Join(where, " AND "), old[:key]...)
	if row != nil {
		a.insert(t, row)
	}
}

// flipped are other values for a cell, each a byte away or as near as the type allows.
func flipped(cell any, far bool) []any {
	switch v := cell.(type) {
	case nil:
		return []any{int64(1)}
	case int64:
		if far { // where the neighbour's value would collide with a unique index
			return []any{v + 1_000_000}
		}
		return []any{v ^ 1, v ^ 1<<40}
	case bool:
		return []any{!v}
	case string:
		if v == "" {
			return []any{"x"}
		}
		return []any{string(v[0]^1) + v[1:], v[:len(v)-1]}
	case []byte:
		if len(v) == 0 {
			return []any{[]byte{0}}
		}
		var out []any
		for i := 0; i < len(v); i += 1 + len(v)/8 {
			b := slices.Clone(v)
			b[i] ^= 1
			out = append(out, b)
		}
		return append(out, v[:len(v)-1])
	}
	panic(fmt.Sprintf("a cell of type %T", cell))
}

// victim is a small world with about forty entries made through the gate, closed, and its attacker.
type victim struct {
	*attacker
	world    *nodetest.World
	attached *node.Attached
}

func newVictim(t *testing.T, url string, atLeast int) *victim {
	t.Helper()
	w := nodetest.New(t, url, nil)
	for i := 0; ; i++ {
		head, err := w.Store.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if int(head.N) >= atLeast {
			break
		}
		w.Clock.Advance(7 * time.Minute)
		useGate(t, w, i)
	}
	w.Node.Close()
	a, err := node.Attach(t.Context(), node.Options{Config: w.Config, Now: w.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	v := &victim{newAttacker(t, url), w, a}
	if problems := v.problems(true); len(problems) > 0 {
		t.Fatalf("before anything was done: %v", problems)
	}
	return v
}

// useGate searches a person and opens the file, of every relation in turn.
func useGate(t *testing.T, w *nodetest.World, i int) {
	t.Helper()
	caller := w.SignIn([]string{"anne", "bob"}[i%2])
	person := []int{1, 41, 81, 121, 1, 42, 205}[i%7] + i/14
	field := func(name string) string {
		f, _ := w.Register.Schema.Field(name)
		return nodetest.Value(f, person)
	}
	found, err := w.Gate.Search(t.Context(), gate.SearchRequest{
		Caller: caller, Register: "mission-locale", Purpose: "emploi", Channel: ecluse.ChannelPage,
		Query: register.Query{Surname: field("surname"), FirstName: field("first_name"), BirthDate: field("birth_date")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range found.Hits {
		_, err := w.Gate.Disclose(t.Context(), gate.Request{
			Caller: caller, Register: "mission-locale", Handle: h.Handle, Purpose: "emploi", Channel: ecluse.ChannelPage,
			Motive: w.Register.Schema.Motives[0].ID, Text: "she came to the desk without an appointment",
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// problems verifies and gives what was named, a source that cannot be read among it.
func (v *victim) problems(deep bool) []string {
	v.t.Helper()
	report, err := v.attached.Verify(v.t.Context(), deep, nil)
	if err != nil {
		return []string{err.Error()}
	}
	if report.OK != (len(report.Problems) == 0) {
		v.t.Fatalf("ok = %v with problems %v", report.OK, report.Problems)
	}
	return report.Problems
}

// refused reports what a node says that opens on this database.
func (v *victim) refused() error {
	n, err := node.Open(v.t.Context(), node.Options{Config: v.world.Config, Now: v.world.Clock.Now, FakeClock: true})
	if err == nil {
		n.Close()
	}
	return err
}

func TestEveryTamperingWithTheEntriesIsNamed(t *testing.T) {
	v := newVictim(t, storetest.SQLite(t), 40)
	n := v.tamperWithEntries(1)
	t.Logf("%d tamperings", n)
}

func TestEveryTamperingWithTheEntriesIsNamedOnPostgreSQL(t *testing.T) {
	v := newVictim(t, storetest.Postgres(t), 20)
	n := v.tamperWithEntries(6)
	t.Logf("%d tamperings", n)
}

// tamperWithEntries changes every stride-th row in every way and returns how many changes it made.
func (v *victim) tamperWithEntries(stride int) (done int) {
	v.t.Helper()
	entries := v.read("entries", " ORDER BY n")
	named := func(what string, i int, mention string) {
		v.t.Helper()
		done++
		problems := v.problems(false)
		if len(problems) == 0 {
			v.t.Errorf("entry %d: %s is not noticed", i, what)
		} else if mention != "" && !strings.Contains(strings.Join(problems, "\n"), mention) {
			v.t.Errorf("entry %d: %s is noticed as %v only", i, what, problems)
		}
	}
	unique := []string{"n", "account_id", "register_id", "aseq", "person_id", "pseq"}
	for i := 0; i < len(entries.rows); i += stride {
		row := entries.rows[i]
		for c, column := range entries.columns {
			mention := fmt.Sprintf("entry %d", i)
			if column == "n" {
				mention = "entr"
			}
			values := flipped(row[c], slices.Contains(unique, column))
			if c >= 5 && c <= 12 && row[c] != nil { // may be NULL
				values = append(values, nil)
			}
			for _, value := range values {
				changed := slices.Clone(row)
				changed[c] = value
				v.replace(entries, row, changed, 1)
				named("a change of "+column, i, mention)
				v.replace(entries, changed, row, 1)
			}
		}
		v.replace(entries, row, nil, 1)
		named("its absence", i, "")
		v.insert(entries, row)
		v.tamperWithPair(entries, i, named)
	}
	if problems := v.problems(true); len(problems) > 0 {
		v.t.Fatalf("the tampering was not undone: %v", problems)
	}
	return done
}

// tamperWithPair swaps an entry with the next, copies it elsewhere, and takes its references away as a
// purge does.
func (v *victim) tamperWithPair(entries table, i int, named func(string, int, string)) {
	v.t.Helper()
	row := entries.rows[i]
	number := slices.Index(entries.columns, "n")
	if i+1 < len(entries.rows) {
		a, b := slices.Clone(row), slices.Clone(entries.rows[i+1])
		a[number], b[number] = b[number], a[number]
		v.replace(entries, row, nil, 1)
		v.replace(entries, entries.rows[i+1], nil, 1)
		v.insert(entries, a)
		v.insert(entries, b)
		named("a swap with the next", i, fmt.Sprintf("entry %d", i))
		v.replace(entries, a, nil, 1)
		v.replace(entries, b, nil, 1)
		v.insert(entries, row)
		v.insert(entries, entries.rows[i+1])
	}
	for _, at := range []int64{int64(len(entries.rows)), -1, 1 << 50} {
		copied := slices.Clone(row)
		copied[number] = at
		for _, column := range []string{"aseq", "pseq"} { // around the unique indexes
			if c := slices.Index(entries.columns, column); copied[c] != nil {
				copied[c] = copied[c].(int64) + 1_000_000
			}
		}
		v.insert(entries, copied)
		named(fmt.Sprintf("a copy at %d", at), i, "")
		v.replace(entries, copied, nil, 1)
	}
	purged := slices.Clone(row)
	for c, column := range entries.columns {
		switch column {
		case "n", "at", "register_id", "leaf", "format":
		case "account_id", "aseq", "aprev", "organisation_id", "session_id", "person_id", "pseq", "pprev":
			purged[c] = nil
		case "kind", "purpose", "decision", "reasons":
			purged[c] = ""
		case "detail":
			purged[c] = []byte{}
		default:
			purged[c] = int64(0)
		}
	}
	v.replace(entries, row, purged, 1)
	named("a purge that retention knows nothing of", i, "references")
	v.replace(entries, purged, row, 1)
}

// frontier is the stored right edge of the tree of these leaves.
func frontier(leaves []tlog.Hash) []byte {
	var edge []tlog.Hash
	for n, h := range leaves {
		for carry := n; carry&1 == 1; carry >>= 1 {
			h = tlog.NodeHash(edge[len(edge)-1], h)
			edge = edge[:len(edge)-1]
		}
		edge = append(edge, h)
	}
	out := []byte{}
	for _, h := range edge {
		out = append(out, h[:]...)
	}
	return out
}

func TestARemovedTailIsNamedWhereverItBegins(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		v := newVictim(t, url, 30)
		entries, heads := v.read("entries", " ORDER BY n"), v.read("heads", "")
		leafColumn := len(entries.columns) - 1
		var leaves []tlog.Hash
		for _, row := range entries.rows {
			leaves = append(leaves, tlog.Hash(row[leafColumn].([]byte)))
		}
		for n := len(leaves) - 1; n >= 0; n-- {
			v.do("DELETE FROM entries WHERE n >= $1", n)
			v.do("UPDATE heads SET n = $1, frontier = $2", n, frontier(leaves[:n]))
			problems := strings.Join(v.problems(false), "\n")
			if !strings.Contains(problems, "its end is missing") {
				t.Errorf("truncated to %d entries: %s", n, problems)
			}
			if err := v.refused(); !errors.Is(err, ledger.ErrRolledBack) {
				t.Errorf("truncated to %d entries, a node opens with %v", n, err)
			}
		}
		for _, row := range entries.rows {
			v.insert(entries, row)
		}
		v.replace(heads, heads.rows[0], heads.rows[0], 1)
		if problems := v.problems(true); len(problems) > 0 {
			t.Fatal(problems)
		}
		if err := v.refused(); err != nil {
			t.Errorf("a node opens on the restored tail with %v", err)
		}
	})
}

// Without the period key nobody can make a leaf for altered content; with leaf, tree and head rewritten
// the signed checkpoint still says otherwise.
func TestAConsistentRewriteOfTheWholeTreeIsNamed(t *testing.T) {
	v := newVictim(t, storetest.SQLite(t), 20)
	entries := v.read("entries", " ORDER BY n")
	var leaves []tlog.Hash
	for _, row := range entries.rows {
		leaves = append(leaves, tlog.Hash(row[len(row)-1].([]byte)))
	}
	leaves[4] = tlog.RecordHash([]byte("what the attacker would like"))
	v.do("UPDATE entries SET leaf = $1 WHERE n = 4", leaves[4][:])
	v.do("UPDATE heads SET frontier = $1", frontier(leaves))
	problems := strings.Join(v.problems(false), "\n")
	for _, want := range []string{"entry 4: its content does not match its leaf", "signed checkpoint"} {
		if !strings.Contains(problems, want) {
			t.Errorf("%q is not among: %s", want, problems)
		}
	}
	if err := v.refused(); !errors.Is(err, ledger.ErrRolledBack) {
		t.Errorf("a node opens with %v", err)
	}
}

func TestEveryTamperingBesideTheEntriesIsNamed(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		v := newVictim(t, url, 40)
		done := 0
		for name, keys := range map[string]int{"meters": 2, "seen": 2, "persons": 1, "reviews": 1} {
			where := map[string]string{"persons": " WHERE seq > 0 OR id = (SELECT MAX(id) FROM persons WHERE seq = 0)"}[name]
			rows := v.read(name, where)
			if len(rows.rows) < 2 {
				t.Fatalf("%s has %d rows: nothing is tested", name, len(rows.rows))
			}
			for _, row := range rows.rows {
				done += v.tamperWithRow(rows, row, keys)
			}
		}
		t.Logf("%d tamperings", done)
		if problems := v.problems(true); len(problems) > 0 {
			t.Fatalf("the tampering was not undone: %v", problems)
		}
	})
}

func (v *victim) tamperWithRow(rows table, row []any, keys int) (done int) {
	v.t.Helper()
	named := func(what string) {
		v.t.Helper()
		done++
		if problems := v.problems(true); len(problems) == 0 {
			v.t.Errorf("%s %v: %s is not noticed", rows.name, row[:keys], what)
		}
	}
	for c, column := range rows.columns {
		if rows.name == "persons" && column != "seq" && column != "last_n" {
			continue
		}
		if seq := slices.Index(rows.columns, "seq"); rows.name == "persons" && row[seq].(int64) == 0 && column == "last_n" {
			continue // read by nobody before the person's first entry
		}
		for _, value := range flipped(row[c], c < keys) {
			changed := slices.Clone(row)
			changed[c] = value
			v.replace(rows, row, changed, keys)
			named("a change of " + column)
			v.replace(rows, changed, row, keys)
		}
	}
	if rows.name != "persons" {
		v.replace(rows, row, nil, keys)
		named("its absence")
		v.insert(rows, row)
	}
	return done
}

func TestALyingHeadIsNamed(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		v := newVictim(t, url, 20)
		heads := v.read("heads", "")
		row := heads.rows[0]
		cell := func(name string) any { return row[slices.Index(heads.columns, name)] }
		lie := func(name string, value any, want error) {
			t.Helper()
			v.do("UPDATE heads SET "+name+" = $1", value)
			problems, opens := v.problems(false), v.refused()
			if len(problems) == 0 && opens == nil {
				t.Errorf("%s = %v is not noticed", name, value)
			}
			if want != nil && !errors.Is(opens, want) {
				t.Errorf("%s = %v: a node opens with %v, want %v", name, value, opens, want)
			}
			v.replace(heads, row, row, 1)
		}
		n, at := cell("n").(int64), cell("at").(int64)
		for _, value := range []int64{0, n - 1, n + 1, n ^ 3, -1} {
			lie("n", value, nil)
		}
		for _, value := range flipped(cell("frontier"), false) {
			lie("frontier", value, nil)
		}
		lie("at", at-int64(time.Hour/time.Microsecond), nil)
		lie("at", at+int64(time.Hour/time.Microsecond), node.ErrClock)
		for _, value := range flipped(cell("key_check"), false) {
			lie("key_check", value, store.ErrWrongKeys)
		}
		v.do("UPDATE heads SET demo = NOT demo")
		if err := v.refused(); !errors.Is(err, store.ErrDemo) {
			t.Errorf("demo: %v", err)
		}
		v.replace(heads, row, row, 1)
		if err := v.refused(); err != nil {
			t.Error(err)
		}
	})
}

func TestEveryTamperingWithTheTilesIsNamed(t *testing.T) {
	url := storetest.SQLite(t)
	b := newBench(t, url, store.Hooks{})
	for i := 0; i < 600; i += 50 {
		var batch []ledger.Candidate
		for range 50 {
			batch = append(batch, act(1+i%3))
		}
		if _, err := b.Append(t.Context(), batch...); err != nil {
			t.Fatal(err)
		}
	}
	b.verify(t, 600)
	path := filepath.Join(t.TempDir(), "checkpoint")
	if _, err := ledger.NewNotary(t.Context(), b.db, b.keys, path); err != nil {
		t.Fatal(err)
	}
	a := newAttacker(t, url)
	tiles := a.read("tiles", " ORDER BY level, idx")
	if len(tiles.rows) != 2 {
		t.Fatalf("%d tiles", len(tiles.rows))
	}
	named := func(what string) {
		t.Helper()
		r, err := ledger.Verify(t.Context(), ledger.Live(b.db, b.keys), nil)
		if err == nil && r.OK {
			t.Errorf("%s is not noticed", what)
		}
	}
	for _, row := range tiles.rows {
		for c, column := range tiles.columns {
			for _, value := range flipped(row[c], column == "idx") {
				changed := slices.Clone(row)
				changed[c] = value
				a.replace(tiles, row, changed, 2)
				named("a change of " + column)
				a.replace(tiles, changed, row, 2)
			}
		}
		a.replace(tiles, row, nil, 2)
		named("a missing tile")
		a.insert(tiles, row)
	}
	for _, at := range [][2]int64{{0, 2}, {1, 0}} {
		row := []any{at[0], at[1], tiles.rows[0][2]}
		a.insert(tiles, row)
		named("a tile before its time")
		a.replace(tiles, row, nil, 2)
	}
	b.verify(t, 600)
}

// SQLite lets a primary key be NULL: no range of numbers finds such a row.
func TestARowWithoutANumberIsNamed(t *testing.T) {
	v := newVictim(t, storetest.SQLite(t), 10)
	v.do("INSERT INTO entries SELECT NULL, at, kind, act, register_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, " +
		"version, fields, purpose, tier, decision, reasons, detail, format, leaf FROM entries WHERE n = 3")
	if problems := strings.Join(v.problems(false), "\n"); !strings.Contains(problems, "rows") {
		t.Errorf("named: %q", problems)
	}
}

// What this program cannot read it does not guess at, and it says which release can.
func TestAnEntryOfAnUnknownFormatIsNamedAsSuch(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		v := newVictim(t, url, 8)
		for _, format := range []int64{0, 2, 257, -255} { // 257 has the same last byte as 1
			v.do("UPDATE entries SET format = $1 WHERE n = 3", format)
			want := fmt.Sprintf("entry 3: its format %d is unknown to this program", format)
			if problems := strings.Join(v.problems(false), "\n"); !strings.Contains(problems, want) || strings.Contains(problems, "does not match its leaf") {
				t.Errorf("format %d: %s", format, problems)
			}
		}
		v.do("UPDATE entries SET format = $1 WHERE n = 3", ledger.Format)
		if problems := v.problems(true); len(problems) > 0 {
			t.Errorf("undone: %v", problems)
		}
	})
}
