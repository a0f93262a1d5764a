// Package nodetest builds a small world to test against, on a real database and with a fake clock: one
// register (the preset mission-locale), two organisations, three sites, accounts of every role, and a
// few dozen persons with known relations to the first agent. Everything in it was made by the
// program's own rooms, approvals included.
package nodetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/config"
	"ecluse/internal/directory"
	"ecluse/internal/node"
	"ecluse/internal/register"
	"ecluse/internal/signin"
	"ecluse/internal/store"
	"ecluse/presets"
)

// Start is the instant at which a world begins.
var Start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// Clock is a clock that only tests move. Safe for concurrent use.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// Now is the present instant.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance moves the clock; it may go back.
func (c *Clock) Advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(by)
}

// World is an installation with people in it.
type World struct {
	*node.Node
	Clock    *Clock
	Config   *config.Config
	Register *register.Register
	Accounts map[string]directory.Account // by the part of the e-mail before the @
	Persons  map[string]ecluse.PersonID   // by external identifier "P001" …
	Hooks    *store.Hooks
	log      *slog.Logger
	t        testing.TB
}

// Relations to agent "anne" by number of person: P001-P040 her caseload, P041-P080 her site, P081-P120
// her organisation, P121-P200 other (within the mandate), P201-P220 outside it (another territory).
const (
	Caseload, Site, Organisation, Other, Outside = 40, 80, 120, 200, 220
	PersonCount                                  = Outside
)

// New makes a world on a database URL. hooks may be nil.
func New(t testing.TB, url string, hooks *store.Hooks) *World {
	t.Helper()
	w := Create(t, url, t.TempDir(), hooks)
	w.Populate()
	return w
}

// NewTraining is New with a register whose agents need a certificate. None has one.
func NewTraining(t testing.TB, url string, hooks *store.Hooks) *World {
	t.Helper()
	w := create(t, url, t.TempDir(), hooks, slog.New(slog.DiscardHandler), true)
	w.Populate()
	return w
}

// NewLogged is New with a log that the test reads.
func NewLogged(t testing.TB, url string, hooks *store.Hooks, log *slog.Logger) *World {
	t.Helper()
	w := create(t, url, t.TempDir(), hooks, log, false)
	w.Populate()
	return w
}

// Create makes an empty installation in dir.
func Create(t testing.TB, url, dir string, hooks *store.Hooks) *World {
	t.Helper()
	return create(t, url, dir, hooks, slog.New(slog.DiscardHandler), false)
}

func create(t testing.TB, url, dir string, hooks *store.Hooks, log *slog.Logger, trained bool) *World {
	t.Helper()
	if hooks == nil {
		hooks = &store.Hooks{}
	}
	w := &World{
		Clock: &Clock{at: Start}, Accounts: map[string]directory.Account{}, Persons: map[string]ecluse.PersonID{}, Hooks: hooks, log: log, t: t,
	}
	w.Config = Config(t, dir, url)
	definition, err := preset("mission-locale", trained)
	if err != nil {
		t.Fatal(err)
	}
	w.Node, err = node.Create(t.Context(), node.Founding{
		Config: w.Config, Origin: "ecluse.test", Registers: []*register.Definition{definition},
	}, node.Options{Now: w.Clock.Now, FakeClock: true, Log: log, Hooks: *hooks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Node.Close() })
	w.Register, err = w.Registers.ByCode(t.Context(), "mission-locale")
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// preset is the definition of a preset's register, with its training only if the world asks for it: accounts of
// a world have no certificate.
func preset(name string, trained bool) (*register.Definition, error) {
	folder, err := presets.Open(name)
	if err != nil {
		return nil, err
	}
	var files []register.File
	for _, name := range []string{register.SchemaFile, register.PoliciesFile, register.TextsFile, register.TrainingFile} {
		text, err := fs.ReadFile(folder, name)
		if errors.Is(err, fs.ErrNotExist) || name == register.TrainingFile && !trained {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, register.File{Name: name, Data: text})
	}
	return register.Define(files...)
}

// Config writes and reads a configuration file in dir.
func Config(t testing.TB, dir, url string) *config.Config {
	t.Helper()
	c := config.Defaults()
	c.Instance.Name, c.Instance.PublicURL = "Test", "http://127.0.0.1:8080"
	c.Database.URL, c.Keys.File = url, filepath.Join(dir, "ecluse.key")
	provider := config.DefaultProvider()
	provider.ID, provider.Label, provider.Issuer, provider.ClientID = "test", "Test", "http://127.0.0.1:1", "ecluse"
	provider.ACRAccepted, provider.ACRStrong = []string{"eidas1", "eidas2"}, []string{"eidas2"}
	provider.ClientSecretFile = filepath.Join(dir, "secret")
	if err := os.WriteFile(provider.ClientSecretFile, []byte("a secret of enough characters"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Providers = []config.Provider{provider}
	path := filepath.Join(dir, "ecluse.toml")
	var text bytes.Buffer
	if err := config.Write(&text, c); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := config.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// Reopen closes the node and opens it again, as a restart does.
func (w *World) Reopen() {
	w.t.Helper()
	w.Node.Close()
	var err error
	w.Node, err = node.Open(w.t.Context(), node.Options{Config: w.Config, Now: w.Clock.Now, FakeClock: true, Log: w.log, Hooks: *w.Hooks})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Register, err = w.Registers.ByCode(w.t.Context(), "mission-locale")
	if err != nil {
		w.t.Fatal(err)
	}
}

// Populate imports the persons and the directory.
func (w *World) Populate() {
	w.t.Helper()
	w.importPersons()
	w.found()
	w.Approve(w.change())
}

// Row is person i of the world, as the import takes it.
func (w *World) Row(i int) register.Row {
	values := make([]string, len(w.Register.Schema.Fields))
	for k, f := range w.Register.Schema.Fields {
		values[k] = Value(f, i)
	}
	territory := "93"
	if i > Other {
		territory = "971"
	}
	return register.Row{External: External(i), Territory: territory, Values: values}
}

// External is the external identifier of person i, from 1.
func External(i int) string { return fmt.Sprintf("P%03d", i) }

// Value is person i's value of a field: recognisable, unique and valid for its kind.
func Value(f register.Field, i int) string {
	switch f.Kind {
	case register.KindDate:
		return time.Date(1990+i%20, time.Month(1+i%12), 1+i%28, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	case register.KindName:
		return fmt.Sprintf("%s Zq%sx", f.Name[:1], letters(i))
	case register.KindEmail:
		return fmt.Sprintf("zq%03d.%s@example.test", i, f.Name[:1])
	case register.KindPhone:
		return fmt.Sprintf("+3363998%04d", i)
	case register.KindNIR:
		n := int64(2690549588000) + int64(i)
		return fmt.Sprintf("%013d%02d", n, 97-n%97)
	default:
		return fmt.Sprintf("zq%03d %s", i, f.Name)
	}
}

func letters(i int) string {
	s := ""
	for ; i > 0; i /= 20 {
		s += string("bcdfghjklmnpqrstvwxz"[i%20])
	}
	return s
}

func (w *World) importPersons() {
	w.t.Helper()
	var rows []register.Row
	for i := 1; i <= PersonCount; i++ {
		rows = append(rows, w.Row(i))
	}
	w.Import(w.Register, rows...)
}

// AddPersons imports n more persons within the mandate and without any link, numbered from
// PersonCount+1: they make the register large enough that its breaker is not what stops an account.
func (w *World) AddPersons(n int) {
	w.t.Helper()
	rows := make([]register.Row, n)
	for i := range rows {
		rows[i] = w.Row(PersonCount + 1 + i)
		rows[i].Territory = "93"
	}
	w.Import(w.Register, rows...)
}

// Import imports and publishes rows, and puts the new persons into Persons.
func (w *World) Import(reg *register.Register, rows ...register.Row) {
	w.t.Helper()
	ctx := w.t.Context()
	imp, err := w.Registers.Import(ctx, reg, []byte("world"))
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := imp.Put(ctx, rows); err != nil {
		w.t.Fatal(err)
	}
	if _, err := imp.Publish(ctx); err != nil {
		w.t.Fatal(err)
	}
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.External
	}
	ids, err := w.Registers.Resolve(ctx, reg, names)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, id := range ids {
		w.Persons[names[i]] = id
	}
}

func (w *World) controller() string {
	for _, c := range w.Register.Schema.Controllers {
		if c.Has("operates") {
			return c.Code
		}
	}
	w.t.Fatal("nobody operates the register")
	return ""
}

// found writes the body's own staff and signs the officers in.
func (w *World) found() {
	w.t.Helper()
	var staff []directory.AccountChange
	for name, role := range map[string]ecluse.Role{
		"officer1": ecluse.RoleAccessOfficer, "officer2": ecluse.RoleAccessOfficer, "rssi": ecluse.RoleSecurityOfficer, "dpo": ecluse.RoleDPO, "admin": ecluse.RoleAdmin,
	} {
		staff = append(staff, directory.AccountChange{
			Email: Email(name), GivenName: name, UsualName: "Test", Organisation: w.controller(), Roles: []ecluse.Role{role}, IDP: "test/idp", Sub: "sub-" + name,
		})
	}
	if err := w.Directory.Found(w.t.Context(), staff); err != nil {
		w.t.Fatal(err)
	}
	w.readAccounts()
	for _, name := range []string{"officer1", "officer2"} {
		w.SignIn(name)
	}
}

// SignIn makes a session, as a sign-in does.
func (w *World) SignIn(name string) signin.Caller {
	w.t.Helper()
	a, ok := w.Accounts[name]
	if !ok {
		w.t.Fatalf("there is no account %q", name)
	}
	at := w.Clock.Now()
	id, err := w.Store.SaveSession(w.t.Context(), signin.Session{
		Account: a.ID, Hash: []byte(rand.Text()), Provider: "test", ACR: "eidas2", Created: at, SteppedAt: at,
		IdleEnds: at.Add(15 * time.Minute), Ends: at.Add(12 * time.Hour), IDToken: []byte{}, Network: "192.0.2.0/24",
		Activity: w.Directory.Activity(a.ID, at),
	}, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return signin.Caller{Account: a.ID, Session: id, Provider: "test", ACR: "eidas2", Assured: true, Strong: true, SignedAt: at}
}

// Actor is an account that asks for or decides something.
func (w *World) Actor(name string) directory.Actor {
	w.t.Helper()
	a, ok := w.Accounts[name]
	if !ok {
		w.t.Fatalf("there is no account %q", name)
	}
	return directory.Actor{Account: a.ID, Assured: true, Strong: true}
}

// Email is an account's address.
func Email(name string) string { return name + "@example.test" }

func (w *World) readAccounts() {
	w.t.Helper()
	controllers, err := w.Store.Controllers(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range controllers {
		accounts, err := w.Store.Accounts(context.Background(), c.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, a := range accounts {
			w.Accounts[a.Email[:len(a.Email)-len("@example.test")]] = a
		}
	}
}

// change is the directory of the world, as an installation batch.
func (w *World) change() directory.Change {
	return directory.Change{
		Controller: w.controller(), Installation: true,
		Organisations: []directory.OrganisationChange{organisation("A", ""), organisation("A1", "A"), organisation("A2", "A"), organisation("B", ""), organisation("B1", "B")},
		Agreements:    []directory.AgreementChange{w.Agreement("A"), w.Agreement("B")},
		Accounts: []directory.AccountChange{
			Account("anne", "A", "A1", ecluse.RoleAgent), Account("bob", "A", "A1", ecluse.RoleAgent), Account("carl", "A", "A2", ecluse.RoleAgent),
			Account("dora", "B", "B1", ecluse.RoleAgent), Account("manager", "A", "A1", ecluse.RoleAccountManager),
		},
		Links: w.links(),
	}
}

func (w *World) links() []directory.LinkChange {
	var links []directory.LinkChange
	for i := 1; i <= Organisation; i++ {
		account := "anne"
		switch {
		case i > Site:
			account = "carl"
		case i > Caseload:
			account = "bob"
		}
		links = append(links, directory.LinkChange{
			Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons[External(i)]}, Account: Email(account), Kind: directory.LinkCaseload, Ends: Start.AddDate(1, 0, 0),
		})
	}
	return links
}
