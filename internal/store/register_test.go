package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ecluse"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/register"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
	"ecluse/presets"
)

// bench is an installation with two registers, in which tests import and look up.
type bench struct {
	db       *store.DB
	keys     *keys.Keys
	service  *register.Registers
	ml, club *register.Register
	trace    *trace
	clock    time.Time
}

// trace collects the names of statements.
type trace struct {
	mu    sync.Mutex
	names []string
}

func (tr *trace) note(name string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.names = append(tr.names, name)
}

// during lists the statements that run while fn does.
func (tr *trace) during(fn func()) []string {
	tr.mu.Lock()
	tr.names = nil
	tr.mu.Unlock()
	fn()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.DeleteFunc(tr.names, func(name string) bool { // an import writes behind
		return name == "beat import" || strings.HasPrefix(name, "insert ")
	})
}

func newBench(t testing.TB, url string) *bench {
	t.Helper()
	b := &bench{trace: &trace{}, clock: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	b.db = storetest.Open(t, url, store.Hooks{Trace: b.trace.note})
	plantHead(t, url)
	var err error
	if b.keys, err = keys.Create(filepath.Join(t.TempDir(), "keys"), "test.ecluse", b.clock); err != nil {
		t.Fatal(err)
	}
	b.service = register.New(b.db, b.keys, func() time.Time { return b.clock })
	b.ml, b.club = b.create(t, "mission-locale"), b.create(t, "licences-sport")
	return b
}

// plantHead writes the row that everything locks.
func plantHead(t testing.TB, url string) {
	t.Helper()
	driver, dsn := "pgx", url
	if file, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, dsn = "sqlite", file
	}
	raw, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_, err = raw.Exec(`INSERT INTO heads (id, n, at, rev, frontier, next_id, instance, key_check, demo, clock_offset)
		SELECT 1, 0, 0, 1, CAST('' AS ` + map[bool]string{true: "BLOB", false: "BYTEA"}[driver == "sqlite"] + `), 1, 'test', CAST('' AS ` +
		map[bool]string{true: "BLOB", false: "BYTEA"}[driver == "sqlite"] + `), false, 0 WHERE NOT EXISTS (SELECT 1 FROM heads)`)
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) create(t testing.TB, name string) *register.Register {
	t.Helper()
	text, err := presets.Schema(name)
	if err != nil {
		t.Fatal(err)
	}
	reg, err := b.service.Create(t.Context(), define(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

func define(t testing.TB, schema []byte) *register.Definition {
	t.Helper()
	d, err := register.Define(register.File{Name: register.SchemaFile, Data: schema})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// row makes a row of a register from named values.
func row(reg *register.Register, external, territory string, values map[string]string) register.Row {
	r := register.Row{External: external, Territory: territory, Values: make([]string, len(reg.Schema.Fields))}
	for i, f := range reg.Schema.Fields {
		r.Values[i] = values[f.Name]
	}
	return r
}

func lea(surname string) map[string]string {
	return map[string]string{"surname": surname, "first_name": "Léa", "birth_date": "2004-05-17", "nir": "204059300812345", "dossier": "ML-1", "email": "lea@example.org"}
}

// put imports rows and publishes them.
func (b *bench) put(t testing.TB, reg *register.Register, rows ...register.Row) []register.Outcome {
	t.Helper()
	w, err := b.service.Import(t.Context(), reg, []byte("digest"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abandon(context.Background())
	out, err := w.Put(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out
}

func (b *bench) find(t testing.TB, reg *register.Register, q register.Query) []ecluse.PersonID {
	t.Helper()
	ids, err := b.service.Find(t.Context(), reg, q)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func (b *bench) person(t testing.TB, reg *register.Register, id ecluse.PersonID) register.Person {
	t.Helper()
	p, err := b.service.Person(t.Context(), reg, id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// theOne finds exactly one person.
func (b *bench) theOne(t testing.TB, reg *register.Register, q register.Query) ecluse.PersonID {
	t.Helper()
	ids := b.find(t, reg, q)
	if len(ids) != 1 {
		t.Fatalf("%d persons found, want 1", len(ids))
	}
	return ids[0]
}

var asLea = register.Query{Surname: "martin", FirstName: "LEA", BirthDate: "17/05/2004"}

func TestAnImportIsInvisibleUntilItIsPublished(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		b := newBench(t, url)
		w, err := b.service.Import(t.Context(), b.ml, []byte("d"))
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.Put(t.Context(), []register.Row{row(b.ml, "ML-1", "93", lea("Martin")), row(b.ml, "ml 1", "93", lea("Martin")), row(b.ml, " ", "93", lea("X"))})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]register.Outcome{register.Created, register.Duplicate, register.NoExternal}, out); diff != "" {
			t.Error(diff)
		}
		if found := b.find(t, b.ml, asLea); len(found) != 0 {
			t.Error("found before the import was published")
		}
		done, err := w.Publish(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(register.Published{Created: 1, Persons: 1}, done); diff != "" {
			t.Error(diff)
		}
		id := b.theOne(t, b.ml, asLea)
		if other := b.theOne(t, b.ml, register.Query{Identifier: "2 04 05 93 008 123 45"}); other != id {
			t.Error("the NIR finds somebody else")
		}
		if p := b.person(t, b.ml, id); !p.Found || p.Territory != "93" || p.Version != w.Version() {
			t.Errorf("person %+v", p)
		}
		reg, err := b.service.ByCode(t.Context(), "mission-locale")
		if err != nil || reg.Persons != 1 {
			t.Errorf("the register has %d persons, %v", reg.Persons, err)
		}
	})
}

func TestAChangedRowMakesANewVersionAndTheOldLookupsNoLongerCount(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		b := newBench(t, url)
		b.put(t, b.ml, row(b.ml, "1", "93", lea("Martin")), row(b.ml, "2", "93", map[string]string{"surname": "Diop", "first_name": "Awa", "birth_date": "2003-01-02"}))
		id := b.theOne(t, b.ml, asLea)
		first := b.person(t, b.ml, id)
		out := b.put(t, b.ml, row(b.ml, "1", "59", lea("Petit")), row(b.ml, "2", "93", map[string]string{"surname": "Diop", "first_name": "Awa", "birth_date": "2003-01-02"}))
		if diff := cmp.Diff([]register.Outcome{register.Changed, register.Unchanged}, out); diff != "" {
			t.Error(diff)
		}
		if len(b.find(t, b.ml, asLea)) != 0 {
			t.Error("the old name still finds her")
		}
		if b.theOne(t, b.ml, register.Query{Surname: "Petit", FirstName: "Léa", BirthDate: "2004-05-17"}) != id {
			t.Error("the new name finds somebody else")
		}
		if p := b.person(t, b.ml, id); p.Version <= first.Version || p.Territory != "59" {
			t.Errorf("person %+v after %+v", p, first)
		}
	})
}

// noLedger stands for a process that dies before the ledger's transaction.
type noLedger struct{}

var errKilled = errors.New("killed")

func (noLedger) Append(context.Context, ...ledger.Candidate) ([]ledger.Result, error) {
	return nil, errKilled
}

func TestAKilledImportLeavesNothingVisibleAndTheSameFileIsRunAgain(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		b := newBench(t, url)
		b.put(t, b.ml, row(b.ml, "1", "93", lea("Martin")))
		id := b.theOne(t, b.ml, asLea)
		before := b.person(t, b.ml, id)
		rows := []register.Row{row(b.ml, "1", "59", lea("Petit"))}
		for i := range 50 {
			rows = append(rows, row(b.ml, fmt.Sprint(100+i), "93", map[string]string{"surname": fmt.Sprint("A", i), "first_name": "B", "birth_date": "2001-01-01"}))
		}
		killed, err := b.service.Import(t.Context(), b.ml, []byte("d"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := killed.Put(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
		if _, err := killed.PublishEntry(t.Context(), noLedger{}, "cli:me@here"); !errors.Is(err, errKilled) {
			t.Fatal(err) // everything is written by now, but for the entry that publishes it
		}
		if diff := cmp.Diff(before, b.person(t, b.ml, id), cmpopts.IgnoreUnexported(register.Person{})); diff != "" {
			t.Errorf("something of a killed import shows: %s", diff)
		}
		if b.theOne(t, b.ml, asLea) != id || len(b.find(t, b.ml, register.Query{Surname: "Petit", FirstName: "Léa", BirthDate: "2004-05-17"})) != 0 {
			t.Error("the names of a killed import are found")
		}
		if _, err := b.service.Import(t.Context(), b.ml, nil); !errors.Is(err, register.ErrImportRunning) {
			t.Errorf("a second import at once: %v", err)
		}
		b.clock = b.clock.Add(2 * time.Minute)
		out := b.put(t, b.ml, rows...)
		if out[0] != register.Changed || out[1] != register.Created || out[50] != register.Created {
			t.Errorf("outcomes %v", out)
		}
		if err := b.db.PublishImport(t.Context(), nil, register.StoredImport{ID: killed.Version(), Register: b.ml.ID}, 51, register.Seals{}); !errors.Is(err, register.ErrImportLost) {
			t.Errorf("the killed import came back to life: %v", err)
		}
		if p := b.person(t, b.ml, id); p.Territory != "59" {
			t.Errorf("person %+v", p)
		}
		reg, _ := b.service.ByID(t.Context(), b.ml.ID)
		if reg.Persons != 51 {
			t.Errorf("%d persons, want 51", reg.Persons)
		}
	})
}

func TestAnAbandonedImportIsSweptAway(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		b := newBench(t, url)
		b.put(t, b.ml, row(b.ml, "1", "93", lea("Martin")))
		w, err := b.service.Import(t.Context(), b.ml, []byte("d"))
		if err != nil {
			t.Fatal(err)
		}
		var rows []register.Row
		for i := range 1500 {
			rows = append(rows, row(b.ml, fmt.Sprint(i+1), "93", lea(fmt.Sprint("S", i))))
		}
		if _, err := w.Put(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
		if err := w.Abandon(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Abandon(t.Context()); err != nil {
			t.Errorf("a second time: %v", err)
		}
		if b.theOne(t, b.ml, asLea) == 0 {
			t.Error("she is gone")
		}
		raw := rawDB(t, url)
		for table, want := range map[string]int{"records": 1, "lookups": 2} {
			var n int
			if err := raw.QueryRow("SELECT COUNT(*) FROM " + table + " WHERE version > 0").Scan(&n); err != nil || n > want+1 {
				t.Errorf("%s holds %d rows, %v", table, n, err)
			}
		}
	})
}

func rawDB(t testing.TB, url string) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", url
	if file, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, dsn = "sqlite", file
	}
	raw, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}

func TestRegistersAreWalls(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		b := newBench(t, url)
		b.put(t, b.ml, row(b.ml, "1", "93", lea("Martin")))
		b.put(t, b.club, row(b.club, "1", "93", map[string]string{"surname": "Martin", "first_name": "Léa", "birth_date": "2004-05-17", "licence": "1"}))
		here, there := b.theOne(t, b.ml, asLea), b.theOne(t, b.club, asLea)
		if here == there {
			t.Fatal("two registers share a person")
		}
		if p := b.person(t, b.club, here); p.Found {
			t.Error("a person of one register is found in the other")
		}
		matches, err := b.service.Compare(t.Context(), b.club, asLea, []ecluse.PersonID{here})
		if err != nil || len(matches) != 0 {
			t.Errorf("a person of one register is compared in the other: %v, %v", matches, err)
		}
	})
}

func TestTheUnknownAndTheUnpublishedTakeTheSameStatementsAsTheKnown(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		b := newBench(t, url)
		b.put(t, b.ml, row(b.ml, "1", "93", lea("Martin")))
		known := b.theOne(t, b.ml, asLea)
		w, err := b.service.Import(t.Context(), b.ml, []byte("d"))
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abandon(context.Background())
		if _, err := w.Put(t.Context(), []register.Row{row(b.ml, "2", "93", lea("Petit"))}); err != nil {
			t.Fatal(err)
		}
		statements := func(id ecluse.PersonID) []string {
			return b.trace.during(func() {
				if p := b.person(t, b.ml, id); p.Found != (id == known) {
					t.Errorf("person %d: %+v", id, p)
				}
			})
		}
		want := statements(known)
		if diff := cmp.Diff([]string{"read visible records"}, want); diff != "" {
			t.Error(diff)
		}
		for _, id := range []ecluse.PersonID{known + 1, known + 100000, 0, -1} {
			if diff := cmp.Diff(want, statements(id)); diff != "" {
				t.Errorf("person %d: %s", id, diff)
			}
		}
		search := func(q register.Query) []string { return b.trace.during(func() { b.find(t, b.ml, q) }) }
		nobody := asLea
		nobody.Surname = "Nobody"
		if diff := cmp.Diff(search(asLea), search(nobody)); diff != "" {
			t.Errorf("a search that finds and one that does not: %s", diff)
		}
	})
}

func TestCompareWeighsSeveralPersonsInOneStatement(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		b := newBench(t, url)
		b.put(t, b.ml, row(b.ml, "1", "93", lea("Martin")), row(b.ml, "2", "93", lea("Marthin")), row(b.ml, "3", "93", map[string]string{"surname": "Diop", "first_name": "Awa", "birth_date": "2003-01-02"}))
		ids := append(b.find(t, b.ml, asLea), b.find(t, b.ml, register.Query{Surname: "Marthin", FirstName: "Lea", BirthDate: "2004-05-17"})...)
		ids = append(ids, b.find(t, b.ml, register.Query{Surname: "Diop", FirstName: "Awa", BirthDate: "2003-01-02"})...)
		var matches []register.Match
		ran := b.trace.during(func() {
			var err error
			if matches, err = b.service.Compare(t.Context(), b.ml, asLea, append(ids, 999999)); err != nil {
				t.Fatal(err)
			}
		})
		if diff := cmp.Diff([]string{"read visible records"}, ran); diff != "" {
			t.Error(diff)
		}
		if len(matches) != 2 || matches[0].Person != ids[0] || matches[0].Differs != nil || !cmp.Equal(matches[1].Differs, []string{"surname"}) {
			t.Errorf("matches %+v", matches)
		}
	})
}

// receipts appends disclosures of persons to a ledger and returns their receipts.
func (b *bench) receipts(t testing.TB, l *ledger.Ledger, reg *register.Register, fields ecluse.FieldSet, persons ...register.Person) []ledger.Receipt {
	t.Helper()
	var candidates []ledger.Candidate
	for _, p := range persons {
		candidates = append(candidates, ledger.Candidate{
			Kind: ledger.KindDisclose, Register: reg.ID, Account: 1, Person: p.ID, Version: p.Version, Fields: fields,
			Decision: ledger.Allow, Revision: ledger.AnyRevision,
		})
	}
	results, err := l.Append(t.Context(), candidates...)
	if err != nil {
		t.Fatal(err)
	}
	var receipts []ledger.Receipt
	for _, r := range results {
		receipts = append(receipts, r.Receipt)
	}
	return receipts
}

func TestRevealGivesExactlyTheFieldsOfTheReceiptOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		b := newBench(t, url)
		b.put(t, b.ml, row(b.ml, "1", "93", lea("Martin")))
		b.put(t, b.club, row(b.club, "1", "93", map[string]string{"surname": "Martin", "first_name": "Léa", "birth_date": "2004-05-17", "licence": "1"}))
		l := ledger.New(b.db, b.keys, ledger.Options{Now: func() time.Time { return b.clock }})
		defer l.Close()
		old := b.person(t, b.ml, b.theOne(t, b.ml, asLea))
		set, err := b.ml.Schema.Set("surname", "email")
		if err != nil {
			t.Fatal(err)
		}
		got := b.receipts(t, l, b.ml, set, old)
		licensed := b.person(t, b.club, b.theOne(t, b.club, asLea))
		got = append(got, b.receipts(t, l, b.club, 1, licensed)...)
		people := []register.Person{old, licensed}
		b.put(t, b.ml, row(b.ml, "1", "93", lea("Petit"))) // the receipt still means the old version

		var values []register.Values
		if _, err := b.service.All(t.Context()); err != nil { // publishing made the list of registers stale
			t.Fatal(err)
		}
		ran := b.trace.during(func() {
			if values, err = b.service.Reveal(t.Context(), people, got...); err != nil {
				t.Fatal(err)
			}
		})
		if len(ran) > 0 || len(values) != 2 {
			t.Errorf("%d values, and the database was asked for %q", len(values), ran)
		}
		var text []string
		values[0].Each(func(f register.Field, value string) { text = append(text, f.Name+"="+value) })
		if diff := cmp.Diff([]string{"surname=Martin", "email=lea@example.org"}, text); diff != "" {
			t.Error(diff)
		}
		if _, err := b.service.Reveal(t.Context(), people, got[0]); !errors.Is(err, ledger.ErrReceiptSpent) {
			t.Errorf("a second time: %v", err)
		}
		if _, err := b.service.Reveal(t.Context(), people, ledger.Receipt{}); !errors.Is(err, ledger.ErrNoReceipt) {
			t.Errorf("the zero receipt: %v", err)
		}
		late := b.receipts(t, l, b.ml, set, old)
		b.clock = b.clock.Add(6 * time.Second)
		if _, err := b.service.Reveal(t.Context(), people, late...); !errors.Is(err, ledger.ErrReceiptExpired) {
			t.Errorf("after six seconds: %v", err)
		}
		ghost := old
		ghost.Version += 1000
		if _, err := b.service.Reveal(t.Context(), []register.Person{old}, b.receipts(t, l, b.ml, set, ghost)...); !errors.Is(err, register.ErrSealed) {
			t.Errorf("a version that was not read: %v", err)
		}
		if _, err := b.service.Reveal(t.Context(), []register.Person{licensed}, b.receipts(t, l, b.ml, set, old)...); !errors.Is(err, register.ErrSealed) {
			t.Errorf("somebody else's record: %v", err)
		}
	})
}

func TestAnImportBecomesVisibleInTheTransactionOfItsLedgerEntry(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		b := newBench(t, url)
		l := ledger.New(b.db, b.keys, ledger.Options{Now: func() time.Time { return b.clock }})
		defer l.Close()
		w, err := b.service.Import(t.Context(), b.ml, []byte("d"))
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abandon(context.Background())
		if _, err := w.Put(t.Context(), []register.Row{row(b.ml, "1", "93", lea("Martin"))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.PublishEntry(t.Context(), l, "cli:me@here"); err != nil {
			t.Fatal(err)
		}
		b.theOne(t, b.ml, asLea)
		entries := 0
		err = b.db.Entries(t.Context(), 0, 10, func(e *ledger.Entry) error {
			if e.Kind == ledger.KindImport && e.Version == w.Version() && e.Register == b.ml.ID {
				entries++
			}
			return nil
		})
		if err != nil || entries != 1 {
			t.Errorf("%d entries, %v", entries, err)
		}
	})
}

func TestARegisterIsCreatedOnceAndSharesControllersByCode(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		b := newBench(t, url)
		text, _ := presets.Schema("mission-locale")
		if _, err := b.service.Create(t.Context(), define(t, text)); !errors.Is(err, register.ErrRegisterExists) {
			t.Errorf("a second time: %v", err)
		}
		shared := strings.NewReplacer(`code = "licences-sport"`, `code = "autre"`).Replace(func() string { s, _ := presets.Schema("licences-sport"); return string(s) }())
		other, err := b.service.Create(t.Context(), define(t, []byte(shared)))
		if err != nil {
			t.Fatal(err)
		}
		if other.Controllers[0].ID != b.club.Controllers[0].ID || other.Controllers[0].ID == 0 {
			t.Errorf("controllers %+v and %+v", other.Controllers[0], b.club.Controllers[0])
		}
		all, err := b.service.All(t.Context())
		if err != nil || len(all) != 3 || all[0].Code != "autre" {
			t.Errorf("%d registers, %v", len(all), err)
		}
		if _, err := b.service.ByCode(t.Context(), "nope"); !errors.Is(err, register.ErrUnknownRegister) {
			t.Errorf("unknown: %v", err)
		}
		wrong, err := keys.Create(filepath.Join(t.TempDir(), "k"), "other", b.clock)
		if err != nil {
			t.Fatal(err)
		}
		stranger := register.New(b.db, wrong, func() time.Time { return b.clock })
		if list, err := stranger.All(t.Context()); len(list) > 0 {
			t.Errorf("another key file opens %d registers, %v", len(list), err)
		}
		if _, err := stranger.ByCode(t.Context(), "club"); err == nil {
			t.Error("another key file opens a register")
		}
	})
}

func TestACopyOfTheDatabaseHoldsNoPlantedValue(t *testing.T) {
	url := storetest.SQLite(t)
	b := newBench(t, url)
	planted := map[string]string{"surname": "Xplantedname", "first_name": "Xplantedfirst", "birth_date": "2004-05-17", "nir": "204059300812345", "dossier": "XPLANTED-9", "email": "xplanted@example.org", "notes": "xplanted notes", "iban": "FR76XPLANTED"}
	b.put(t, b.ml, row(b.ml, "XPLANTED-9", "93", planted))
	file := strings.TrimPrefix(url, "sqlite:")
	found := 0
	for _, name := range []string{file, file + "-wal"} {
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		found++
		low := strings.ToLower(string(data))
		for _, marker := range []string{"xplanted", "2040593008123", "2004-05-17"} {
			if strings.Contains(low, marker) {
				t.Errorf("%s holds %q", filepath.Base(name), marker)
			}
		}
	}
	if found == 0 {
		t.Fatal("no database file was read")
	}
}
