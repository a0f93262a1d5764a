package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/exposure"
	"ecluse/internal/gate"
	"ecluse/internal/policy"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

const schemaFile = `code = "mission-locale"
version = 1
membership_sensitive = false
external_id = "dossier"
territory = "territory"
row = ["surname"]
[label]
fr = "Registre"
en = "Register"
[[controllers]]
code = "ft"
name = "Body"
dpo = "dpo@body.example"
roles = ["operates", "notifies", "answers"]
rule = "all"
[[fields]]
name = "surname"
bit = 0
class = "identity"
about = "person"
kind = "name"
required = true
label = {fr = "Nom", en = "Surname"}
[[fields]]
name = "first_name"
bit = 1
class = "identity"
about = "person"
kind = "name"
label = {fr = "Prenom", en = "First name"}
[[fields]]
name = "birth_date"
bit = 2
class = "identity"
about = "person"
kind = "date"
label = {fr = "Naissance", en = "Birth date"}
[[fields]]
name = "phone"
bit = 3
class = "contact"
about = "person"
kind = "phone"
label = {fr = "Tel", en = "Phone"}
[[fields]]
name = "nir"
bit = 4
class = "identifier"
about = "person"
kind = "nir"
label = {fr = "NIR", en = "NIR"}
[[purposes]]
id = "emploi"
fields = ["surname", "phone"]
label = {fr = "Emploi", en = "Employment"}
[[keys]]
id = 1
fields = ["nir"]
[[keys]]
id = 2
fields = ["surname", "first_name", "birth_date"]
[[motives]]
id = "walk_in"
label = {fr = "Venue", en = "Walk-in"}
`

const policiesFile = `@id("night") @fr("Pas la nuit.") @en("Not at night.") forbid (principal, action, resource);`

// receipt looks like those of the ledger.
const receipt = "0123456789ABCDEFGHJKMNPQRS"

// rooms is every room that the API asks, small and obedient. What a test sets is what is answered.
type rooms struct {
	t *testing.T

	session     error
	assured     bool // the session's sign-in is accepted
	strong      bool
	standing    directory.Standing
	disclosed   gate.Outcome
	searched    gate.SearchOutcome
	rows        gate.CaseloadOutcome
	linked      gate.LinkOutcome
	err         error // of the gate
	notReady    error
	cookie      bool // the request holds a session's
	program     signin.Caller
	proof       signin.Proof
	refused     error // of programs
	leaves      int64 // of the tree
	exposed     exposure.Report
	lastRequest any // that the gate got
	log         bytes.Buffer
	reg         *register.Register
}

var now = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func newRooms(t *testing.T) *rooms {
	t.Helper()
	definition, err := register.Define(register.File{Name: register.SchemaFile, Data: []byte(schemaFile)},
		register.File{Name: register.PoliciesFile, Data: []byte(policiesFile)})
	if err != nil {
		t.Fatal(err)
	}
	readings := []budget.Reading{{Code: ecluse.ReasonBudgetNew, Used: 3, Limit: 40, Window: 24 * time.Hour}, {Code: ecluse.ReasonBudgetNew, Used: 3, Limit: 300, Window: 720 * time.Hour}}
	r := &rooms{t: t, reg: &register.Register{ID: 7, Code: "mission-locale", Schema: definition.Schema, Definition: definition}, leaves: 300}
	mandate := policy.Mandate{Register: 7, Purposes: []ecluse.Purpose{"emploi"}, Fields: 0b1011, Running: true, Role: ecluse.RoleAgent}
	r.standing = directory.Standing{
		Account:      directory.Account{ID: 5, Email: "agent@body.example", GivenName: "Camille", UsualName: "Durand"},
		Organisation: directory.Organisation{Code: "ml-93", Name: "Mission"}, Site: directory.Organisation{Code: "ml-93-1", Name: "Site"},
		Roles: []ecluse.Role{ecluse.RoleAgent}, Mandates: []policy.Mandate{mandate},
	}
	r.disclosed = gate.Outcome{Allowed: true, Receipt: receipt, Relation: "caseload", Readings: readings}
	r.searched = gate.SearchOutcome{Allowed: true, Receipt: receipt, Readings: readings, Hits: []gate.Hit{{Handle: "h", Relation: "site", Differs: []string{"birth_date"}}}}
	r.rows = gate.CaseloadOutcome{Rows: []gate.Row{{Handle: "h", Receipt: receipt}}, Next: "c", Readings: readings}
	r.linked = gate.LinkOutcome{Allowed: true, Receipt: receipt, Ends: now.Add(time.Hour)}
	return r
}

func (r *rooms) api() *API {
	return New(Rooms{
		Sessions: r, Programs: programs{r}, Gate: r, Directory: r, Registers: r, Exposures: r, Tree: r, Desk: desk{r}, Accounts: accounts{r}, Scopes: desk{r}, Names: desk{r},
		Ready: func(context.Context) error { return r.notReady },
		Text: func(lang, key string) (string, bool) {
			return lang + " " + key, !strings.Contains(key, "policy.forbidden")
		},
		Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	})
}

func (r *rooms) FromRequest(*http.Request) (signin.Caller, error) {
	return signin.Caller{Account: 5, Session: 6, Assured: r.assured, Strong: r.strong}, r.session
}

func (r *rooms) Holds(*http.Request) bool { return r.cookie }

// programs is the room that signs programs in.
type programs struct{ *rooms }

func (p programs) FromRequest(*http.Request) (signin.Caller, error) { return p.program, p.refused }

func (p programs) Token(_ *http.Request, proof signin.Proof, actAs string) (signin.Token, error) {
	p.proof, p.lastRequest = proof, actAs
	return signin.Token{Access: "ecluse_at_x", Life: 10 * time.Minute}, p.refused
}

func (p programs) Renew(_ *http.Request, proof signin.Proof, jwk []byte) (directory.ClientKey, directory.Secret, error) {
	p.proof, p.lastRequest = proof, string(jwk)
	return directory.ClientKey{Kind: directory.KeySecret, Created: now, Ends: now.Add(directory.ClientKeyLife)}, "ecluse_cs_x", p.refused
}

func (p programs) Metadata() map[string]any {
	return map[string]any{"issuer": "i", "token_endpoint": "t", "grant_types_supported": []string{}, "token_endpoint_auth_methods_supported": []string{}}
}

func (r *rooms) Connections(_ context.Context, _ signin.Caller, limit int) ([]signin.Connection, error) {
	all := []signin.Connection{{At: now, Browser: "Firefox", Network: "192.0.2.0/24", Current: true}, {At: now.Add(-time.Hour)}, {}, {}}
	return all[:limit], nil
}

func (r *rooms) Standing(context.Context, ecluse.AccountID) (directory.Standing, error) {
	return r.standing, nil
}

func (r *rooms) ByID(_ context.Context, id ecluse.RegisterID) (*register.Register, error) {
	if id != r.reg.ID {
		return nil, register.ErrUnknownRegister
	}
	return r.reg, nil
}

func (r *rooms) ByCode(_ context.Context, code string) (*register.Register, error) {
	if code != r.reg.Code {
		return nil, register.ErrUnknownRegister
	}
	return r.reg, nil
}

func (r *rooms) Disclose(_ context.Context, q gate.Request) (gate.Outcome, error) {
	r.lastRequest = q
	return r.disclosed, r.err
}

func (r *rooms) Search(_ context.Context, q gate.SearchRequest) (gate.SearchOutcome, error) {
	r.lastRequest = q
	return r.searched, r.err
}

func (r *rooms) Caseload(_ context.Context, q gate.CaseloadRequest) (gate.CaseloadOutcome, error) {
	r.lastRequest = q
	return r.rows, r.err
}

func (r *rooms) MakeLink(_ context.Context, q gate.LinkRequest) (gate.LinkOutcome, error) {
	r.lastRequest = q
	return r.linked, r.err
}

func (r *rooms) Read(_ context.Context, by directory.Actor) (exposure.Report, error) {
	r.lastRequest = by
	return r.exposed, r.err
}

func (r *rooms) Meters(context.Context, signin.Caller, string) ([]budget.Reading, error) {
	return r.disclosed.Readings, r.err
}

func (r *rooms) Checkpoint(context.Context) ([]byte, error) {
	if r.leaves == 0 {
		return nil, r.err
	}
	return []byte("ecluse.example\n300\nhash\n\n- signature\n"), r.err
}

func (r *rooms) Tile(_ context.Context, level int, first, count int64) ([]byte, error) {
	if level > 0 || first+count > r.leaves {
		return nil, r.err
	}
	return bytes.Repeat([]byte{byte(first)}, int(count)*32), r.err
}

// answer is what came back, with its body read.
type answer struct {
	*http.Response
	body []byte
}

// problem reads the body as a problem.
func (a answer) problem(t *testing.T) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal(a.body, &p); err != nil || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("not a problem: %s %s (%v)", a.Header.Get("Content-Type"), a.body, err)
	}
	return p
}

// paths of the API for the tests.
const (
	searchPath   = "/api/v1/registers/mission-locale/search"
	casePath     = "/api/v1/registers/mission-locale/caseload"
	disclosePath = "/api/v1/registers/mission-locale/persons/h4ndle/disclose"
	linkPath     = "/api/v1/registers/mission-locale/links"
)

// ask sends one request; a body makes it a JSON POST. The answer is checked against openapi.yaml, and
// if it is good, the request too.
func (r *rooms) ask(path, body string, change ...func(*http.Request)) answer {
	r.t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, c := range change {
		c(request)
	}
	recorder := httptest.NewRecorder()
	r.api().ServeHTTP(recorder, request)
	a := answer{recorder.Result(), recorder.Body.Bytes()}
	conforms(r.t, request, body, a)
	return a
}

// described is openapi.yaml, checked as a whole.
func described(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(description)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	return doc
}

var documentation *openapi3.T

// conforms fails the test where openapi.yaml does not describe an answer.
func conforms(t *testing.T, request *http.Request, body string, a answer) {
	t.Helper()
	if documentation == nil {
		documentation = described(t)
	}
	input := findOperation(t, documentation, request)
	if input == nil {
		return // no such route
	}
	options := &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	input.Options = options
	if a.StatusCode < 300 {
		request.Body = io.NopCloser(strings.NewReader(body))
		if err := openapi3filter.ValidateRequest(t.Context(), input); err != nil {
			t.Errorf("openapi.yaml does not allow %s %s: %v", request.Method, request.URL, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: a.StatusCode, Header: a.Header, Options: options}
	if err := openapi3filter.ValidateResponse(t.Context(), out.SetBodyBytes(a.body)); err != nil {
		t.Errorf("openapi.yaml does not describe %s %s: %d %s: %v", request.Method, request.URL.Path, a.StatusCode, a.body, err)
	}
}

func findOperation(t *testing.T, doc *openapi3.T, request *http.Request) *openapi3filter.RequestValidationInput {
	t.Helper()
	mux, paths := http.NewServeMux(), map[string]string{}
	for _, r := range routes {
		mux.HandleFunc(r.pattern, func(http.ResponseWriter, *http.Request) {})
		paths[r.pattern] = writtenPath(r.pattern)
	}
	probe := request.Clone(t.Context())
	mux.ServeHTTP(httptest.NewRecorder(), probe)
	if probe.Pattern == "" {
		return nil
	}
	path := paths[probe.Pattern]
	item := doc.Paths.Find(path)
	if item == nil {
		t.Errorf("openapi.yaml has no path %s", path)
		return nil
	}
	method := request.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	parameters := map[string]string{}
	for _, name := range []string{"register", "handle", "level", "index", "id"} {
		if value := probe.PathValue(name); value != "" {
			parameters[name] = value
		}
	}
	return &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, QueryParams: request.URL.Query(),
		Route: &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: item.GetOperation(method)}}
}

// writtenPath is the path of a pattern as openapi.yaml writes it.
func writtenPath(pattern string) string {
	_, path, _ := strings.Cut(pattern, " ")
	return strings.ReplaceAll(path, "...}", "}")
}

func TestEveryRouteIsDescribedAndNothingElse(t *testing.T) {
	var coded, written []string
	for _, r := range routes {
		method, _, _ := strings.Cut(r.pattern, " ")
		coded = append(coded, method+" "+writtenPath(r.pattern))
		operation := described(t).Paths.Find(writtenPath(r.pattern))
		if operation == nil {
			continue
		}
		open := operation.GetOperation(method).Security
		if public := open != nil && len(*open) == 0; public != r.public {
			t.Errorf("%s: public in the code: %v, in openapi.yaml: %v", r.pattern, r.public, public)
		}
	}
	for path, item := range described(t).Paths.Map() {
		for method := range item.Operations() {
			written = append(written, method+" "+path)
		}
	}
	slices.Sort(coded)
	slices.Sort(written)
	if !slices.Equal(coded, written) {
		t.Errorf("routes:       %v\nopenapi.yaml: %v", coded, written)
	}
	for _, path := range coded {
		_, path, _ = strings.Cut(path, " ")
		if !slices.ContainsFunc(Prefixes, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
			t.Errorf("%s is below no prefix", path)
		}
	}
}

func TestARouteWithoutAPublicMarkNeedsACaller(t *testing.T) {
	r := newRooms(t)
	r.session = signin.ErrNoSession
	for _, route := range routes {
		method, _, _ := strings.Cut(route.pattern, " ")
		path := strings.NewReplacer("{register}", "mission-locale", "{handle}", "h", "{level}", "0", "{index...}", "000").Replace(strings.TrimPrefix(route.pattern, method+" "))
		body := ""
		if method == http.MethodPost {
			body = "{}"
		}
		got := r.ask(path, body)
		if route.public != (got.StatusCode < http.StatusUnauthorized) || !route.public && got.problem(t).Code != "session.required" {
			t.Errorf("%s: %d", route.pattern, got.StatusCode)
		}
	}
}

func TestNoAnswerMayBeKeptButHashesAndThisFile(t *testing.T) {
	r := newRooms(t)
	for path, body := range map[string]string{"/api/v1/me": "", casePath: "", searchPath: `{"purpose":"emploi","query":{"surname":"x"}}`, "/api/v1/none": "", "/readyz": ""} {
		if got := r.ask(path, body).Header; got.Get("Cache-Control") != "no-store" || got.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestErrorsOfTheRoomsBecomeProblemsWithoutTheirText(t *testing.T) {
	const marker = "MARKERMARTIN"
	tests := map[string]struct {
		err    error
		status int
		code   string
	}{
		"unknown register": {register.ErrUnknownRegister, 404, "register.unknown"},
		"handle":           {gate.ErrHandle, 410, "handle.expired"},
		"field":            {gate.ErrUnknownField, 400, "request.invalid"},
		"late":             {context.DeadlineExceeded, 503, "busy"},
		"locked":           {signin.ErrLocked, 401, "session.locked"},
		"revoked":          {signin.ErrRevoked, 401, "session.expired"},
		"anything else":    {errors.New("disk " + marker), 500, "internal"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRooms(t)
			r.err = errors.Join(test.err, errors.New(marker))
			got := r.ask(disclosePath, `{"purpose":"emploi"}`)
			p := got.problem(t)
			if got.StatusCode != test.status || p.Code != test.code || p.Status != test.status {
				t.Errorf("%d %s", got.StatusCode, got.body)
			}
			if bytes.Contains(got.body, []byte(marker)) {
				t.Errorf("the answer holds an internal text: %s", got.body)
			}
			logged := strings.Count(r.log.String(), "reference=")
			if internal := test.status == 500; internal != (logged == 1) || internal && !strings.Contains(r.log.String(), p.Reference) {
				t.Errorf("logged %d times: %s", logged, r.log.String())
			}
			if strings.Contains(r.log.String(), "h4ndle") {
				t.Errorf("the log holds a handle: %s", r.log.String())
			}
		})
	}
}
