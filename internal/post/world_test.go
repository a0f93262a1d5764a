package post_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/notice"
	"ecluse/internal/post"
	"ecluse/internal/register"
	"ecluse/internal/signin"
	"ecluse/internal/store"

	"github.com/emersion/go-smtp"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// world is a world whose making left no notice.
func world(t testing.TB, url string, hooks *store.Hooks) *nodetest.World {
	t.Helper()
	w := nodetest.New(t, url, hooks)
	tell(t, around(t, url), `DELETE FROM notices`)
	return w
}

// office is a post that carries to courier.
func office(t testing.TB, w *nodetest.World, courier post.Courier) *post.Office {
	t.Helper()
	words, err := post.NewWords("fr", "Essai", "https://ecluse.example", "+33 1 99 00 99 00", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return post.New(post.Options{Rows: w.Store, Directory: w.Directory, Courier: courier, Words: words, Now: w.Clock.Now})
}

func once(t testing.TB, p *post.Office) {
	t.Helper()
	if err := p.Once(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// bag is a courier that keeps what it is given, or fails.
type bag struct {
	mu    sync.Mutex
	mails []post.Mail
	fail  error
}

func (b *bag) Carry(_ context.Context, m post.Mail) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	b.mails = append(b.mails, m)
	return nil
}

func (b *bag) failing(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

// take empties the bag: "recipient kind,kind" of each mail, sorted.
func (b *bag) take() (list []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.mails {
		var kinds []string
		for _, k := range m.Kinds {
			kinds = append(kinds, string(k))
		}
		to, _, _ := strings.Cut(m.To, "@")
		list = append(list, to+" "+strings.Join(kinds, ","))
	}
	b.mails = nil
	slices.Sort(list)
	return list
}

func carried(t testing.TB, b *bag, what string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := b.take(); !slices.Equal(got, want) {
		t.Errorf("%s: the mails are %q, not %q", what, got, want)
	}
}

// leave writes notices as an act does: in the transaction of its own entry.
func leave(t testing.TB, w *nodetest.World, list ...notice.Notice) {
	t.Helper()
	_, err := w.Ledger.Append(context.Background(), ledger.Candidate{
		Kind: ledger.KindDirectory, Revision: ledger.AnyRevision, Detail: ledger.Detail{What: "test"},
		Effect: func(ctx context.Context, tx ledger.Tx, _ *ledger.Entry) error {
			return tx.(notice.Tx).InsertNotices(ctx, list)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// outside is a notice that an agent opened a file of another site.
func outside(w *nodetest.World) notice.Notice {
	a := w.Accounts["anne"]
	return notice.Notice{Kind: notice.ReviewOutside, Controller: a.Controller, Organisation: a.Organisation, By: a.ID}
}

func emergency(w *nodetest.World) notice.Notice {
	n := outside(w)
	n.Kind = notice.ReviewEmergency
	return n
}

func identity(w *nodetest.World, i int) register.Query {
	value := func(name string) string {
		f, _ := w.Register.Schema.Field(name)
		return nodetest.Value(f, i)
	}
	return register.Query{Surname: value("surname"), FirstName: value("first_name"), BirthDate: value("birth_date")}
}

// theText is what an agent writes to justify an opening: it is in no mail.
const theText = "Zqtext: she came without an appointment and cried."

// open finds person i and opens her file, as an emergency if motive says so.
func open(t testing.TB, w *nodetest.World, c signin.Caller, i int, motive string) {
	t.Helper()
	ctx := context.Background()
	found, err := w.Gate.Search(ctx, gate.SearchRequest{Caller: c, Register: "mission-locale", Purpose: "emploi", Query: identity(w, i), Beyond: i > nodetest.Caseload, Channel: ecluse.ChannelPage})
	if err != nil || len(found.Hits) != 1 {
		t.Fatalf("person %d is not found: %+v, %v", i, found, err)
	}
	r := gate.Request{
		Caller: c, Register: "mission-locale", Handle: found.Hits[0].Handle, Purpose: "emploi", Channel: ecluse.ChannelPage,
		Motive: w.Register.Schema.Motives[0].ID, Text: theText, Emergency: motive,
	}
	if motive != "" {
		r.Motive, r.Text = "", ""
	}
	out, err := w.Gate.Disclose(ctx, r)
	if err != nil || !out.Allowed {
		t.Fatalf("person %d is not opened: %v, %v", i, out.Reasons, err)
	}
}

// around is a second connection to the database, without the keys.
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

func tell(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatal(err)
	}
}

// state counts the deliveries in each state.
func states(t testing.TB, db *sql.DB) map[string]int {
	t.Helper()
	rows, err := db.Query(`SELECT state, COUNT(*) FROM deliveries GROUP BY state`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := map[string]int{}
	for rows.Next() {
		var state string
		var n int
		if err := rows.Scan(&state, &n); err != nil {
			t.Fatal(err)
		}
		found[state] = n
	}
	return found
}

// letter is what an SMTP server was given.
type letter struct {
	from string
	to   []string
	raw  []byte
}

func (l letter) header(t testing.TB) mail.Header {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(l.raw))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header
}

// server is a real SMTP server on loopback that keeps what it is given.
type server struct {
	address string
	mu      sync.Mutex
	letters []letter
	refuse  func(to string) error // at RCPT TO
}

func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	real := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }))
	real.Domain, real.ReadTimeout, real.WriteTimeout = "mail.example", 10*time.Second, 10*time.Second
	real.ErrorLog = quiet{}
	done := make(chan error, 1)
	go func() { done <- real.Serve(l) }()
	t.Cleanup(func() {
		if err := real.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return s
}

func (s *server) courier() post.SMTP {
	return post.SMTP{Server: s.address, From: "Écluse <ecluse@body.example>", TLS: "none", Name: "ecluse.example"}
}

func (s *server) take() []letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.letters
	s.letters = nil
	return taken
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

type session struct {
	server *server
	letter letter
}

func (s *session) Reset()        { s.letter = letter{} }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.letter.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.server.refuse != nil {
		if err := s.server.refuse(to); err != nil {
			return err
		}
	}
	s.letter.to = append(s.letter.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	var err error
	s.letter.raw, err = io.ReadAll(r)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.letters = append(s.server.letters, s.letter)
	return err
}

// dead is an address that nobody listens on.
func dead(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// mute is a server that takes connections and never says a word.
func mute(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			held = append(held, c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		for _, c := range held {
			_ = c.Close()
		}
	})
	return l.Addr().String()
}

var errTest = errors.New("451 try later")

// rowsOf is every text of a table's first rows, by column.
func rowsOf(t testing.TB, db *sql.DB, table string) map[string]string {
	t.Helper()
	rows, err := db.Query(`SELECT * FROM ` + table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, c := range columns {
			found[c] += fmt.Sprintf("%s %v\n", values[i], values[i])
		}
	}
	return found
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func secret(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
