package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/policy"
	mail "ecluse/internal/post"
	"ecluse/internal/register"
	"ecluse/internal/signin"
	"ecluse/presets"
)

// The rooms behind the pages, small and in memory. They decide nothing: a test says what they answer.
// What a fake does not answer belongs to no test here: the embedded Directory is nil and panics.

var testNow = time.Date(2026, 11, 21, 14, 32, 0, 0, time.UTC)

type fakeRooms struct {
	unanswered
	fakeFactors
	fakeAccounts
	fakeExposure
	fakePrograms
	fakeWarden
	fakePupil

	caller    signin.Caller
	signErr   error // what FromRequest answers
	standing  directory.Standing
	registers []*register.Register

	outcome  gate.Outcome
	search   gate.SearchOutcome
	caseload gate.CaseloadOutcome
	readings []budget.Reading
	gateErr  error
	values   []record // shown in the place of what the gate revealed (revealing)

	reviews      []directory.Review
	reviewText   string
	notices      []mail.Delivery
	approvals    []directory.Approval
	directoryErr error // of Standing
	decideErr    error

	draft       url.Values
	draftPath   string
	keepErr     error
	connections []signin.Connection

	colleagues []directory.Colleague
	raiseErr   error
	raised     string
	linked     gate.LinkRequest
	link       gate.LinkOutcome

	asked     gate.Request
	searched  gate.SearchRequest
	decided   string
	textReads int
	revoked   ecluse.SessionID
}

func (f *fakeRooms) FromRequest(*http.Request) (signin.Caller, error) {
	if f.signErr != nil {
		return signin.Caller{}, f.signErr
	}
	return f.caller, nil
}

func (f *fakeRooms) KeepDraft(_ http.ResponseWriter, _ *http.Request, path string, values url.Values) error {
	if f.keepErr == nil {
		f.draft, f.draftPath = values, path
	}
	return f.keepErr
}

func (f *fakeRooms) Draft(_ http.ResponseWriter, _ *http.Request, _ signin.Caller, path string) (url.Values, bool) {
	if f.draft == nil || path != f.draftPath {
		return nil, false
	}
	return f.draft, true
}

func (f *fakeRooms) Connections(context.Context, signin.Caller, int) ([]signin.Connection, error) {
	return f.connections, nil
}

func (f *fakeRooms) Revoke(_ context.Context, _ signin.Caller, id ecluse.SessionID) (bool, error) {
	f.revoked = id
	return true, nil
}

func (f *fakeRooms) ByCode(_ context.Context, code string) (*register.Register, error) {
	for _, r := range f.registers {
		if r.Code == code {
			return r, nil
		}
	}
	return nil, register.ErrUnknownRegister
}

func (f *fakeRooms) ByID(_ context.Context, id ecluse.RegisterID) (*register.Register, error) {
	for _, r := range f.registers {
		if r.ID == id {
			return r, nil
		}
	}
	return nil, register.ErrUnknownRegister
}

func (f *fakeRooms) All(context.Context) ([]*register.Register, error) { return f.registers, nil }

// Name and Number put a letter before the number: approval 1 is a1.
func (f *fakeRooms) Name(kind string, id int64) string { return kind[:1] + strconv.FormatInt(id, 10) }

func (f *fakeRooms) Number(kind, name string) (int64, error) {
	digits, ok := strings.CutPrefix(name, kind[:1])
	id, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil {
		return 0, errors.New("no such name")
	}
	return id, nil
}

func (f *fakeRooms) Standing(context.Context, ecluse.AccountID) (directory.Standing, error) {
	return f.standing, f.directoryErr
}

func (f *fakeRooms) Reviews(_ context.Context, _ directory.Actor, list directory.ReviewList, page int) (p directory.ReviewPage, err error) {
	if list == directory.ReviewsContested != f.standing.Has(ecluse.RoleSecurityOfficer) && list != directory.ReviewsWaiting {
		return p, directory.ErrNotFound
	}
	for _, r := range f.reviews {
		in := directory.ReviewsWaiting
		switch {
		case r.State == directory.ReviewContested:
			in = directory.ReviewsContested
		case r.Kind == policy.ReviewOutside:
			in = directory.ReviewsTold
		}
		if in == list {
			p.Reviews = append(p.Reviews, r)
		}
	}
	p.Count = len(p.Reviews)
	from := min(page*directory.ReviewPageSize, p.Count)
	p.Reviews = p.Reviews[from:min(from+directory.ReviewPageSize, p.Count)]
	return p, nil
}

func (f *fakeRooms) Review(_ context.Context, _ directory.Actor, id ecluse.ReviewID) (directory.Review, error) {
	for _, r := range f.reviews {
		if r.ID == id {
			return r, nil
		}
	}
	return directory.Review{}, directory.ErrNotFound
}

func (f *fakeRooms) SettleReview(_ context.Context, _ directory.Actor, id ecluse.ReviewID) error {
	f.decided = fmt.Sprint("review ", id, " settled")
	return nil
}

func (f *fakeRooms) ReviewText(context.Context, directory.Actor, ecluse.ReviewID) (string, error) {
	f.textReads++
	return f.reviewText, nil
}

func (f *fakeRooms) DecideReview(_ context.Context, _ directory.Actor, id ecluse.ReviewID, accept bool) error {
	f.decided = fmt.Sprint("review ", id, map[bool]string{true: " accepted", false: " contested"}[accept])
	return nil
}

func (f *fakeRooms) Approvals(context.Context, directory.Actor) ([]directory.Approval, error) {
	return slices.DeleteFunc(slices.Clone(f.approvals), func(a directory.Approval) bool { return a.State != "pending" }), nil
}

func (f *fakeRooms) Decided(context.Context, directory.Actor) ([]directory.Approval, error) {
	return slices.DeleteFunc(slices.Clone(f.approvals), func(a directory.Approval) bool { return a.State == "pending" }), nil
}

func (f *fakeRooms) Receipt(context.Context, directory.Approval) (string, error) {
	return testReceipt, nil
}

func (f *fakeRooms) Approval(_ context.Context, _ directory.Actor, id ecluse.ApprovalID) (directory.Approval, error) {
	for _, a := range f.approvals {
		if a.ID == id {
			return a, nil
		}
	}
	return directory.Approval{}, directory.ErrNotFound
}

func (f *fakeRooms) Decide(_ context.Context, _ directory.Actor, id ecluse.ApprovalID, approve bool) error {
	f.decided = fmt.Sprint("approval ", id, map[bool]string{true: " approved", false: " refused"}[approve])
	return f.decideErr
}

func (f *fakeRooms) Owner(_ context.Context, id ecluse.AccountID) (directory.Account, error) {
	if f.standing.Account.ID != id {
		return directory.Account{}, directory.ErrUnknownAccount
	}
	return f.standing.Account, nil
}

func (f *fakeRooms) Disclose(_ context.Context, r gate.Request) (gate.Outcome, error) {
	f.asked = r
	return f.outcome, f.gateErr
}

func (f *fakeRooms) Search(_ context.Context, r gate.SearchRequest) (gate.SearchOutcome, error) {
	f.searched = r
	return f.search, f.gateErr
}

func (f *fakeRooms) Caseload(context.Context, gate.CaseloadRequest) (gate.CaseloadOutcome, error) {
	return f.caseload, f.gateErr
}

func (f *fakeRooms) Meters(context.Context, signin.Caller, string) ([]budget.Reading, error) {
	return f.readings, f.gateErr
}

func (f *fakeRooms) RaisableRegisters(context.Context, directory.Actor) ([]ecluse.RegisterID, error) {
	return registersOfCaller(f.standing), nil
}

func (f *fakeRooms) Colleagues(context.Context, directory.Actor, ecluse.RegisterID) ([]directory.Colleague, error) {
	return f.colleagues, nil
}

func (f *fakeRooms) Raisable(context.Context, directory.Actor, ecluse.AccountID, ecluse.RegisterID) error {
	return f.raiseErr
}

func (f *fakeRooms) Raise(_ context.Context, _ directory.Actor, colleague ecluse.AccountID, reg ecluse.RegisterID, reason string) (directory.Raise, string, error) {
	f.raised = fmt.Sprint("register ", reg, " account ", colleague, " ", reason)
	return directory.Raise{}, "", f.raiseErr
}

func (f *fakeRooms) Sites(context.Context, directory.Organisation) ([]directory.Organisation, error) {
	return []directory.Organisation{{Code: "ml-lezarde-bobigny", Name: "Site de Bobigny"}, {Code: "ml-lezarde-pantin", Name: "Site de Pantin"}}, nil
}

func (f *fakeRooms) MakeLink(_ context.Context, r gate.LinkRequest) (gate.LinkOutcome, error) {
	f.linked = r
	out := f.link
	out.Ends = r.Ends
	return out, f.gateErr
}

// record stands for the values that a receipt opened: only the ledger can make real ones. Pages get it
// from a test and not from the fake gate (opens).
type record map[string]string

// Each yields the fields of the preset mission-locale in its order.
func (r record) Each(yield func(register.Field, string)) {
	for _, f := range parsed("mission-locale", 1).Schema.Fields {
		if text, ok := r[f.Name]; ok {
			yield(f, text)
		}
	}
}

var schemas sync.Map

// parsed is a preset's register, with the body that operates it as controller 1.
func parsed(code string, id ecluse.RegisterID) *register.Register {
	if reg, ok := schemas.Load(code); ok {
		return reg.(*register.Register)
	}
	folder, err := presets.Open(code)
	if err != nil {
		panic(err)
	}
	definition, err := register.ReadDefinition(code, folder)
	if err != nil {
		panic(err)
	}
	schema := definition.Schema
	reg := &register.Register{ID: id, Code: code, Schema: schema, Definition: definition, Controllers: slices.Clone(schema.Controllers)}
	reg.Controllers[0].ID = 1
	schemas.Store(code, reg)
	return reg
}

const testReceipt = "K7QJ4M2XW9TB5RHN3VDCY8FG6P"

// marie is a fictive record.
var marie = record{
	"surname": "Lefèvre-Diallo", "first_name": "Marie", "birth_date": "2004-05-17", "nationality": "Française",
	"dossier": "ML-093-00421", "nir": "204059312345678", "email": "marie.lefevre@courriel.test", "phone": "+33612345678",
	"address": "12 rue des Lilas\n93500 Pantin", "situation": "En recherche d’emploi, projet de formation en logistique", "follow_up": "Accompagnement renforcé depuis le 3 mars 2026",
	"representative_surname": "Lefèvre", "representative_first_name": "Anne", "representative_phone": "+33145678901",
}

// newFake is an agent at her desk in the middle of a normal day.
func newFake(t testing.TB) *fakeRooms {
	t.Helper()
	reg := parsed("mission-locale", 1)
	mandate := policy.Mandate{Register: reg.ID, Role: ecluse.RoleAgent, Fields: reg.Schema.AllFields(), Starts: testNow.AddDate(-1, 0, 0), Ends: testNow.AddDate(1, 0, 0), Running: true}
	for _, p := range reg.Schema.Purposes {
		mandate.Purposes = append(mandate.Purposes, p.ID)
	}
	f := &fakeRooms{
		caller:    signin.Caller{Account: 7, Session: 3, Provider: "proconnect", Assured: true, SignedAt: testNow},
		registers: []*register.Register{reg, parsed("licences-sport", 2)},
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
		standing: directory.Standing{
			Account:      directory.Account{ID: 7, Controller: 1, State: directory.Active, GivenName: "Camille", UsualName: "Arnaud"},
			Controller:   directory.Controller{ID: 1, Name: "Service public de l’emploi (démonstration)"},
			Organisation: directory.Organisation{ID: 3, Name: "Mission locale de la Lézarde", Phone: "01 44 00 12 34"},
			Site:         directory.Organisation{ID: 4, Parent: 3, Name: "Site de Pantin"},
			Roles:        []ecluse.Role{ecluse.RoleAgent}, Mandates: []policy.Mandate{mandate},
			Trainings: []directory.Training{{Account: 7, Register: 1, Exams: 1, Ends: testNow.AddDate(0, 5, 0)}},
		},
		colleagues: []directory.Colleague{
			{Account: directory.Account{ID: 11, GivenName: "Nadia", UsualName: "Ferrand", Email: "nadia.ferrand@lezarde.test"}},
			{Account: directory.Account{ID: 12, GivenName: "Hugo", UsualName: "Petit", Email: "hugo.petit@lezarde.test"}},
			{Account: directory.Account{ID: 13, GivenName: "Solène", UsualName: "Marchand", Email: "solene.marchand@lezarde.test"}, RaisedUntil: testNow.Add(5 * time.Hour)},
		},
		link: gate.LinkOutcome{Allowed: true, Receipt: testReceipt},
		connections: []signin.Connection{
			{Session: 3, At: testNow.Add(-20 * time.Minute), Browser: "Firefox, Windows", Network: "192.0.2.0/24", Open: true, Current: true},
			{Session: 2, At: testNow.Add(-26 * time.Hour), Browser: "Chrome, Android", Network: "198.51.100.0/24", Open: true},
			{Session: 1, At: testNow.Add(-50 * time.Hour), Browser: "Firefox, Windows", Network: "192.0.2.0/24"},
		},
	}
	f.outcome = gate.Outcome{Allowed: true, Receipt: testReceipt, Relation: "caseload", Readings: f.readings, At: testNow}
	f.search = gate.SearchOutcome{Allowed: true, Receipt: testReceipt, Hits: []gate.Hit{{Handle: "h1", Relation: "caseload", Exact: true}}, Readings: f.readings}
	return f
}

// newSite is the desk over the fake rooms.
func newSite(t testing.TB, f *fakeRooms, change ...func(*Config)) *Site {
	t.Helper()
	config := Config{
		Name: "Île-de-France", PublicURL: "https://ecluse.example", Idle: 15 * time.Minute, Duty: "01 44 00 99 99, jour et nuit",
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
	rooms := Rooms{Sessions: f, Gate: f, Directory: f, Registers: f, Exposures: exposures{f}, Scopes: &f.fakeWarden, Names: f, Post: f, Log: slog.New(slog.DiscardHandler)}
	s := assemble(config, rooms, func() time.Time { return testNow }, parts.assets, parts.templates)
	if f.values != nil {
		revealing(s, f)
	}
	return s
}

// revealing has the pages with values of a record show those of the test.
func revealing(s *Site, f *fakeRooms) {
	opened := func(emergency bool) func(*query) (answer, error) {
		return func(q *query) (answer, error) {
			p, err := s.place(q, q.field("purpose"))
			if err != nil {
				return answer{}, err
			}
			return s.opened(q, p, f.outcome, f.values[0], emergency)
		}
	}
	handles := map[string]func(*query) (answer, error){
		"/desk/{register}/persons/{handle}": opened(false), "/desk/{register}/persons/{handle}/emergency/open": opened(true),
		"/desk/{register}/persons": func(q *query) (answer, error) {
			p, err := s.place(q, q.FormValue("purpose"))
			if err != nil {
				return answer{}, err
			}
			page := caseloadView(p, f.caseload, q.FormValue("cursor"))
			for i, v := range f.values {
				page.add(personPath(p.register.Code, fmt.Sprint("h", i), "", ""), v)
			}
			return show("caseload", page)
		},
	}
	s.mux = http.NewServeMux()
	for _, route := range s.routes {
		if handle := handles[route.Pattern]; handle != nil {
			route.handle = handle
		}
		s.mux.Handle(route.Method+" "+route.Pattern, s.door(route))
	}
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
	c.Demo = &Demo{Tour: fakeTour{}, Samples: func(string, ecluse.AccountID) []DemoSample {
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

// fakeTour is in the middle of an attack.
type fakeTour struct{}

func (fakeTour) Begin() {}
func (fakeTour) Seen() Seen {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	s := Seen{Begun: true, Running: true, Victim: "Nadia Renard", Persons: 2, Opened: 3}
	for n, code := range tourEvents {
		s.Events = append(s.Events, TourEvent{At: at, Code: code, About: "voleur@x.test", Times: n%3 + 1})
	}
	return s
}
