package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// The rooms behind the pages, small and in memory. They decide nothing: a test says what they answer.

var testNow = time.Date(2026, 11, 21, 14, 32, 0, 0, time.UTC)

type fakeRooms struct {
	caller    Caller
	signErr   error // what FromRequest answers
	standing  Standing
	registers map[string]*register.Register

	outcome  Outcome
	search   SearchOutcome
	caseload CaseloadOutcome
	readings []budget.Reading
	gateErr  error

	reviews      []Review
	reviewText   string
	approvalList []Approval
	directoryErr error

	draft       url.Values
	draftPath   string
	keepErr     error
	connections []signin.Connection

	colleagues []Colleague
	raiseErr   error
	raised     string
	linked     LinkRequest
	link       LinkOutcome

	asked     Request
	searched  SearchRequest
	decided   string
	textReads int
	revoked   ecluse.SessionID
}

func (f *fakeRooms) FromRequest(*http.Request) (Caller, error) {
	if f.signErr != nil {
		return Caller{}, f.signErr
	}
	return f.caller, nil
}

func (f *fakeRooms) KeepDraft(_ http.ResponseWriter, _ *http.Request, path string, values url.Values) error {
	if f.keepErr == nil {
		f.draft, f.draftPath = values, path
	}
	return f.keepErr
}

func (f *fakeRooms) Draft(_ http.ResponseWriter, _ *http.Request, _ Caller, path string) (url.Values, bool) {
	if f.draft == nil || path != f.draftPath {
		return nil, false
	}
	return f.draft, true
}

func (f *fakeRooms) Connections(context.Context, Caller, int) ([]signin.Connection, error) {
	return f.connections, nil
}

func (f *fakeRooms) Revoke(_ context.Context, _ ecluse.AccountID, id ecluse.SessionID) (bool, error) {
	f.revoked = id
	return true, nil
}

func (f *fakeRooms) ByCode(_ context.Context, code string) (*register.Register, error) {
	if r := f.registers[code]; r != nil {
		return r, nil
	}
	return nil, register.ErrUnknownRegister
}

func (f *fakeRooms) All(context.Context) ([]*register.Register, error) {
	var all []*register.Register
	for _, code := range []string{"mission-locale", "licences-sport"} {
		if r := f.registers[code]; r != nil {
			all = append(all, r)
		}
	}
	return all, nil
}

func (f *fakeRooms) Standing(context.Context, Caller) (Standing, error) {
	return f.standing, f.directoryErr
}

func (f *fakeRooms) Reviews(context.Context, Caller) ([]Review, error) { return f.reviews, nil }

func (f *fakeRooms) ReviewText(context.Context, Caller, string) (string, error) {
	f.textReads++
	return f.reviewText, nil
}

func (f *fakeRooms) DecideReview(_ context.Context, _ Caller, id string, accept bool) error {
	f.decided = id + map[bool]string{true: " accepted", false: " contested"}[accept]
	return nil
}

func (f *fakeRooms) Approvals(context.Context, Caller) ([]Approval, error) {
	return f.approvalList, nil
}

func (f *fakeRooms) Approval(_ context.Context, _ Caller, id string) (Approval, error) {
	for _, a := range f.approvalList {
		if a.ID == id {
			return a, nil
		}
	}
	return Approval{}, directory.ErrNotFound
}

func (f *fakeRooms) DecideApproval(_ context.Context, _ Caller, id string, approve bool) error {
	f.decided = id + map[bool]string{true: " approved", false: " refused"}[approve]
	return nil
}

func (f *fakeRooms) Disclose(_ context.Context, r Request) (Outcome, error) {
	f.asked = r
	return f.outcome, f.gateErr
}

func (f *fakeRooms) Search(_ context.Context, r SearchRequest) (SearchOutcome, error) {
	f.searched = r
	return f.search, f.gateErr
}

func (f *fakeRooms) Caseload(context.Context, CaseloadRequest) (CaseloadOutcome, error) {
	return f.caseload, f.gateErr
}

func (f *fakeRooms) Meters(context.Context, Caller, string) ([]budget.Reading, error) {
	return f.readings, f.gateErr
}

func (f *fakeRooms) RaisableRegisters(context.Context, Caller) ([]string, error) {
	var codes []string
	for _, g := range f.standing.Grants {
		codes = append(codes, g.Register)
	}
	return codes, nil
}

func (f *fakeRooms) Colleagues(context.Context, Caller, string) ([]Colleague, error) {
	return f.colleagues, nil
}

func (f *fakeRooms) Raisable(context.Context, Caller, string, string) error { return f.raiseErr }

func (f *fakeRooms) Raise(_ context.Context, _ Caller, register, colleague, reason string) error {
	f.raised = register + " " + colleague + " " + reason
	return f.raiseErr
}

func (f *fakeRooms) Sites(context.Context, Caller) ([]Place, error) {
	return []Place{{"ml-lezarde-bobigny", "Site de Bobigny"}, {"ml-lezarde-pantin", "Site de Pantin"}}, nil
}

func (f *fakeRooms) MakeLink(_ context.Context, r LinkRequest) (LinkOutcome, error) {
	f.linked = r
	out := f.link
	out.Ends = r.Ends
	return out, f.gateErr
}

// fakeValues yields fields in schema order.
type fakeValues struct {
	schema *register.Schema
	values map[string]string
}

func (v fakeValues) Each(yield func(register.Field, string)) {
	for _, f := range v.schema.Fields {
		if text, ok := v.values[f.Name]; ok {
			yield(f, text)
		}
	}
}

var schemas sync.Map

func schema(t testing.TB, code string) *register.Register {
	t.Helper()
	if reg, ok := schemas.Load(code); ok {
		return reg.(*register.Register)
	}
	data, err := os.ReadFile("../../presets/" + code + "/schema.toml")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := register.ParseSchema(code, data)
	if err != nil {
		t.Fatal(err)
	}
	reg := &register.Register{Code: code, Schema: parsed, Controllers: parsed.Controllers}
	schemas.Store(code, reg)
	return reg
}

const testReceipt = "K7QJ4M2XW9TB5RHN3VDCY8FG6P"

// marie is a fictive record.
var marie = map[string]string{
	"surname": "Lefèvre-Diallo", "first_name": "Marie", "birth_date": "2004-05-17", "nationality": "Française",
	"dossier": "ML-093-00421", "nir": "204059312345678", "email": "marie.lefevre@courriel.test", "phone": "+33612345678",
	"address": "12 rue des Lilas\n93500 Pantin", "situation": "En recherche d’emploi, projet de formation en logistique", "follow_up": "Accompagnement renforcé depuis le 3 mars 2026",
	"representative_surname": "Lefèvre", "representative_first_name": "Anne", "representative_phone": "+33145678901",
}

// newFake is an agent at her desk in the middle of a normal day.
func newFake(t testing.TB) *fakeRooms {
	t.Helper()
	reg := schema(t, "mission-locale")
	var purposes []ecluse.Purpose
	for _, p := range reg.Schema.Purposes {
		purposes = append(purposes, p.ID)
	}
	f := &fakeRooms{
		caller:    Caller{Account: 7, Session: 3, Provider: "proconnect", Assured: true, SignedAt: testNow},
		registers: map[string]*register.Register{"mission-locale": reg, "licences-sport": schema(t, "licences-sport")},
		readings: []budget.Reading{
			{Code: ecluse.ReasonBudgetTotal, Used: 21, Limit: 120, Window: budget.Day},
			{Code: ecluse.ReasonBudgetNew, Used: 6, Limit: 40, Window: budget.Day},
			{Code: ecluse.ReasonBudgetNew, Used: 71, Limit: 300, Window: 30 * budget.Day},
			{Code: ecluse.ReasonBudgetOutside, Used: 1, Limit: 10, Window: budget.Day},
			{Code: ecluse.ReasonBudgetUnexplained, Used: 0, Limit: 5, Window: budget.Day},
			{Code: ecluse.ReasonBudgetSearch, Used: 4, Limit: 60, Window: budget.Day},
			{Code: ecluse.ReasonBudgetSearch, Used: 2, Limit: 15, Window: budget.TenMinutes},
			{Code: ecluse.ReasonEmergencyLimit, Used: 0, Limit: 3, Window: budget.Day},
			{Code: ecluse.ReasonBudgetOrganisation, Used: 30, Limit: 119, Window: budget.Day},
		},
		standing: Standing{
			GivenName: "Camille", UsualName: "Arnaud", Organisation: "Mission locale de la Lézarde", Site: "Site de Pantin",
			Controller: "Service public de l’emploi (démonstration)", State: "active", ManagerPhone: "01 44 00 12 34",
			Duty: "01 44 00 99 99, jour et nuit", Roles: []ecluse.Role{ecluse.RoleAgent},
			Grants: []Grant{{Register: "mission-locale", Role: ecluse.RoleAgent, Purposes: purposes, Fields: reg.Schema.AllFields(), Starts: testNow.AddDate(-1, 0, 0), Ends: testNow.AddDate(1, 0, 0), Running: true}},
		},
		colleagues: []Colleague{
			{ID: "c1", Name: "Nadia Ferrand", Email: "nadia.ferrand@lezarde.test"}, {ID: "c2", Name: "Hugo Petit", Email: "hugo.petit@lezarde.test"},
			{ID: "c3", Name: "Solène Marchand", Email: "solene.marchand@lezarde.test", RaisedUntil: testNow.Add(5 * time.Hour)},
		},
		link: LinkOutcome{Allowed: true, Receipt: testReceipt},
		connections: []signin.Connection{
			{Session: 3, At: testNow.Add(-20 * time.Minute), Browser: "Firefox, Windows", Network: "192.0.2.0/24", Open: true, Current: true},
			{Session: 2, At: testNow.Add(-26 * time.Hour), Browser: "Chrome, Android", Network: "198.51.100.0/24", Open: true},
			{Session: 1, At: testNow.Add(-50 * time.Hour), Browser: "Firefox, Windows", Network: "192.0.2.0/24"},
		},
	}
	f.outcome = Outcome{Allowed: true, Receipt: testReceipt, Values: fakeValues{reg.Schema, marie}, Relation: "caseload", Readings: f.readings, At: testNow}
	f.search = SearchOutcome{Allowed: true, Receipt: testReceipt, Hits: []Hit{{Handle: "h1", Relation: "caseload", Exact: true}}, Readings: f.readings}
	return f
}

// newSite is the desk over the fake rooms.
func newSite(t testing.TB, f *fakeRooms, change ...func(*Config)) *Site {
	t.Helper()
	config := Config{
		Name: "Île-de-France", PublicURL: "https://ecluse.example", Idle: 15 * time.Minute,
		Providers: []Provider{{ID: "proconnect", Label: "ProConnect"}},
		Mentions:  Mentions{Hosting: "Hébergeur fictif, Lille", Suppliers: []Supplier{{Name: "Atelier du Sas", Task: "Exploitation et astreinte"}}},
	}
	for _, c := range change {
		c(&config)
	}
	parts, err := testParts()
	if err != nil {
		t.Fatal(err)
	}
	config.Location = parts.config.Location
	rooms := Rooms{Sessions: f, Gate: f, Directory: f, Registers: f, Log: slog.New(slog.DiscardHandler)}
	return assemble(config, rooms, func() time.Time { return testNow }, parts.assets, parts.templates)
}

// testParts parses and checks the templates once for all tests.
var testParts = sync.OnceValues(func() (*Site, error) { return New(Config{}, Rooms{}, nil) })

// demoConfig turns a site into a demo.
func demoConfig(c *Config) {
	c.PublicURL = "http://127.0.0.1:8080"
	c.Name = ""
	ml, sport := Label{FR: "Jeunes suivis par les missions locales", EN: "Young people followed by the missions locales"}, Label{FR: "Licences du sport scolaire", EN: "School-sport licences"}
	add := func(role ecluse.Role, name, org, site string, reg Label) {
		c.Demo.Identities = append(c.Demo.Identities, DemoIdentity{Role: role, Name: name, Organisation: org, Site: site, Register: reg, SignIn: "/sign-in/proconnect?login_hint=" + strings.ToLower(strings.ReplaceAll(name, " ", "."))})
	}
	c.Demo = &Demo{Samples: func(string, ecluse.AccountID) []DemoSample {
		return []DemoSample{{"caseload", "Lefèvre-Diallo", "Marie", "2004-05-17", "ML-093-00421"}, {"site", "Benali", "Yanis", "2006-01-30", "ML-093-00388"}, {"organisation", "Caron", "Léa", "2003-09-02", "ML-093-01120"}, {"other", "N’Guyen", "Paul", "2005-12-24", "ML-093-04410"}, {"outside", "Roux", "Inès", "2004-07-11", "ML-075-00077"}}
	}}
	add(ecluse.RoleAgent, "Camille Arnaud", "Mission locale de la Lézarde", "Site de Pantin", ml)
	add(ecluse.RoleAgent, "Nadia Ferrand", "Mission locale de la Lézarde", "Site de Pantin", ml)
	add(ecluse.RoleAgent, "Hugo Petit", "Mission locale de la Lézarde", "Site de Bobigny", ml)
	add(ecluse.RoleAccountManager, "Solène Marchand", "Mission locale de la Lézarde", "Site de Pantin", ml)
	add(ecluse.RoleAccessOfficer, "Karim Haddad", "Service public de l’emploi", "", ml)
	add(ecluse.RoleAccessOfficer, "Lucie Morel", "Service public de l’emploi", "", ml)
	add(ecluse.RoleSecurityOfficer, "Thomas Weber", "Service public de l’emploi", "", ml)
	add(ecluse.RoleAgent, "Jeanne Colin", "Collège des Tilleuls", "", sport)
	add(ecluse.RoleAccessOfficer, "Victor Lemaire", "Fédération scolaire", "", sport)
}
