package exposure_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// The network of the missions locales: 437 bodies, 14,500 accounts, each with 60 persons of its own and 300
// whom it knows: 870,000 links and 4.35 million remembered persons.
const (
	bodies, accounts    = 44, 1_450
	entrusted, familiar = 60, 300
)

func BenchmarkExposureOfAWholeNetwork(b *testing.B) {
	for _, engine := range []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		b.Run(engine.name, func(b *testing.B) {
			url := engine.url(b)
			w := network(b, url)
			b.ResetTimer()
			for b.Loop() {
				if r := examine(b, w); len(r.Openers()) < accounts {
					b.Fatalf("%d accounts", len(r.Openers()))
				}
			}
		})
	}
}

// network makes a world of that size: the directory by an approval, links and memories by their rows.
func network(b *testing.B, url string) *nodetest.World {
	b.Helper()
	w := nodetest.New(b, url, nil)
	change := w.Change()
	change.Installation = true
	for o := range bodies {
		code := fmt.Sprintf("N%03d", o)
		place := directory.OrganisationChange{Code: code, Kind: "ml", Name: code, Territory: "93", Phone: "+33199001234", State: directory.Active}
		site := place
		site.Code, site.Parent = code+"s", code
		change.Organisations = append(change.Organisations, place, site)
		change.Agreements = append(change.Agreements, w.Agreement(code))
	}
	for i := range accounts {
		code := fmt.Sprintf("N%03d", i%bodies)
		change.Accounts = append(change.Accounts, nodetest.Account(fmt.Sprintf("a%05d", i), code, code+"s", ecluse.RoleAgent))
	}
	w.Approve(change)
	remember(b, url, w)
	return w
}

// remember writes links and memories around the program: only how many there are matters here.
func remember(b *testing.B, url string, w *nodetest.World) {
	b.Helper()
	driver, source := "pgx", url
	if file, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=synchronous(OFF)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	at, far := nodetest.Start.UnixMicro(), nodetest.Start.AddDate(1, 0, 0).UnixMicro()
	seen, links := newInsert(db, "seen (account_id, person_id, charged_at, tier, classes, last_at, mac)", 7), newInsert(db, `links (id, register_id, person_id, account_id, site_id,
		organisation_id, kind, made_by, made_at, entry, starts, ends, mac)`, 13)
	id := int64(1 << 40)
	for _, a := range w.Accounts {
		if !strings.HasPrefix(a.Email, "a0") && !strings.HasPrefix(a.Email, "a1") {
			continue
		}
		for k := range int64(familiar) {
			seen.add(b, int64(a.ID), (int64(a.ID)*7919+k*3571)%1_100_000, at, 1, 2, at, []byte{})
		}
		for k := range int64(entrusted) {
			id++
			links.add(b, id, int64(w.Register.ID), (int64(a.ID)*60+k)%1_100_000, int64(a.ID), int64(a.Site), int64(a.Organisation), "caseload", 0, at, 0, at, far, []byte{})
		}
	}
	seen.flush(b)
	links.flush(b)
	if _, err := db.Exec("ANALYZE"); err != nil {
		b.Fatal(err)
	}
}

// insert gathers rows and writes some hundreds at a time.
type insert struct {
	db    *sql.DB
	into  string
	width int
	args  []any
}

func newInsert(db *sql.DB, into string, width int) *insert {
	return &insert{db: db, into: into, width: width}
}

func (i *insert) add(b *testing.B, values ...any) {
	i.args = append(i.args, values...)
	if len(i.args)+i.width > 30_000 {
		i.flush(b)
	}
}

func (i *insert) flush(b *testing.B) {
	b.Helper()
	var q strings.Builder
	q.WriteString("INSERT INTO " + i.into + " VALUES ")
	for k := range i.args {
		switch {
		case k == 0:
			q.WriteString("(")
		case k%i.width == 0:
			q.WriteString("), (")
		default:
			q.WriteString(", ")
		}
		fmt.Fprintf(&q, "$%d", k+1)
	}
	if _, err := i.db.Exec(q.String()+") ON CONFLICT DO NOTHING", i.args...); err != nil {
		b.Fatal(err)
	}
	i.args = i.args[:0]
}
