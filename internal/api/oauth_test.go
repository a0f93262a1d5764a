package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"ecluse/internal/gate"
	"ecluse/internal/signin"
)

var asProgram = signin.Caller{Account: 5, Client: 9, Session: 6, Assured: true}

func bearer(q *http.Request) { q.Header.Set("Authorization", "Bearer ecluse_at_x") }

// form sends a form to a path; the answer is checked against openapi.yaml.
func (r *rooms) form(path string, body url.Values, change ...func(*http.Request)) answer {
	r.t.Helper()
	text := body.Encode()
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(text))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range change {
		c(request)
	}
	recorder := httptest.NewRecorder()
	r.api().ServeHTTP(recorder, request)
	a := answer{recorder.Result(), recorder.Body.Bytes()}
	conforms(r.t, request, text, a)
	return a
}

// oauthCode reads an error of RFC 6749 §5.2.
func (a answer) oauthCode(t *testing.T) string {
	t.Helper()
	var e oauthError
	if err := json.Unmarshal(a.body, &e); err != nil || a.Header.Get("Content-Type") != "application/json" || e.Description == "" {
		t.Fatalf("not an OAuth error: %d %s", a.StatusCode, a.body)
	}
	return e.Error
}

func TestTokensOpenTheirRoutesAndNoOther(t *testing.T) {
	doc := described(t)
	for _, route := range routes {
		method, _, _ := strings.Cut(route.pattern, " ")
		security := doc.Paths.Find(writtenPath(route.pattern)).GetOperation(method).Security
		if security == nil {
			security = &doc.Security
		}
		written := slices.ContainsFunc(*security, func(s openapi3.SecurityRequirement) bool { _, token := s["token"]; return token })
		if forPrograms[route.pattern] != written {
			t.Errorf("%s: a token opens it: in the code %v, in openapi.yaml %v", route.pattern, forPrograms[route.pattern], written)
		}
		if route.public || forPrograms[route.pattern] {
			continue
		}
		r := newRooms(t)
		r.program = asProgram
		path := strings.NewReplacer("{register}", "mission-locale", "{handle}", "h").Replace(strings.TrimPrefix(route.pattern, method+" "))
		body := ""
		if method == http.MethodPost {
			body = "{}"
		}
		if p := r.ask(path, body, bearer).problem(t); p.Status != 403 || p.Code != "token.not_accepted" || r.lastRequest != nil {
			t.Errorf("%s: %+v", route.pattern, p)
		}
	}
	for pattern := range forPrograms {
		if !slices.ContainsFunc(routes, func(r route) bool { return r.pattern == pattern }) {
			t.Errorf("%s is no route", pattern)
		}
	}
}

func TestATokenIsAskedOfTheProgramsAndACookieOfTheSessions(t *testing.T) {
	r := newRooms(t)
	r.session, r.program = signin.ErrNoSession, asProgram
	if got := r.ask(disclosePath, `{"purpose":"emploi"}`, bearer); got.StatusCode != 200 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if diff := cmp.Diff(asProgram, r.lastRequest.(gate.Request).Caller); diff != "" {
		t.Error(diff)
	}
	r = newRooms(t)
	r.program, r.cookie = asProgram, true
	if p := r.ask("/api/v1/me", "", bearer).problem(t); p.Status != 400 || p.Code != "token.with_cookie" {
		t.Errorf("%+v", p)
	}
	for _, over := range []error{signin.ErrNoSession, signin.ErrExpired, signin.ErrRevoked} {
		r := newRooms(t)
		r.refused = over
		got := r.ask("/api/v1/me", "", bearer)
		if p := got.problem(t); p.Status != 401 || p.Code != "token.invalid" || got.Header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` {
			t.Errorf("%v: %+v", over, p)
		}
	}
	r = newRooms(t)
	r.program, r.err = asProgram, signin.ErrRevoked // between the door and the entry
	if p := r.ask(disclosePath, `{"purpose":"emploi"}`, bearer).problem(t); p.Status != 401 || p.Code != "token.invalid" {
		t.Errorf("%+v", p)
	}
}

func TestAProgramIsToldWhatItAndItsAgentMayAndNotWhenSheSignedIn(t *testing.T) {
	r := newRooms(t)
	r.program = asProgram
	got := r.ask("/api/v1/me", "", bearer)
	var me meAnswer
	if err := json.Unmarshal(got.body, &me); err != nil || got.StatusCode != 200 {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if me.Client == nil || len(me.Connections) != 0 || len(me.Grants) != 1 {
		t.Errorf("%s", got.body)
	}
}

func TestATokenIsAskedForWithAFormInTheBody(t *testing.T) {
	good := url.Values{"grant_type": {"client_credentials"}, "client_id": {"gestion"}, "client_secret": {"s"}, "act_as": {"a@b.example"}, "scope": {"whatever"}}
	r := newRooms(t)
	got := r.form("/oauth/token", good)
	if string(got.body) != `{"access_token":"ecluse_at_x","token_type":"Bearer","expires_in":600}` || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if r.proof != (signin.Proof{ClientID: "gestion", Secret: "s"}) || r.lastRequest != "a@b.example" {
		t.Errorf("%+v %v", r.proof, r.lastRequest)
	}
	for name, c := range map[string]struct {
		change func(*http.Request)
		form   func(url.Values)
		code   string
	}{
		"in the address": {func(q *http.Request) { q.URL.RawQuery = "client_id=gestion" }, nil, "invalid_request"},
		"in a header":    {func(q *http.Request) { q.SetBasicAuth("gestion", "s") }, nil, "invalid_request"},
		"JSON":           {func(q *http.Request) { q.Header.Set("Content-Type", "application/json") }, nil, "invalid_request"},
		"too large":      {nil, func(f url.Values) { f.Set("client_secret", strings.Repeat("x", 17<<10)) }, "invalid_request"},
		"twice":          {nil, func(f url.Values) { f.Add("client_id", "x") }, "invalid_request"},
		"act_as twice":   {nil, func(f url.Values) { f.Add("act_as", "x") }, "invalid_request"},
		"many":           {nil, func(f url.Values) { f["x"] = make([]string, 30) }, "invalid_request"},
		"no grant type":  {nil, func(f url.Values) { f.Del("grant_type") }, "invalid_request"},
		"a password":     {nil, func(f url.Values) { f.Set("grant_type", "password") }, "unsupported_grant_type"},
	} {
		r, f := newRooms(t), url.Values{}
		for k, v := range good {
			f[k] = slices.Clone(v)
		}
		change := func(*http.Request) {}
		if c.change != nil {
			change = c.change
		}
		if c.form != nil {
			c.form(f)
		}
		if got := r.form("/oauth/token", f, change); got.StatusCode != 400 || got.oauthCode(t) != c.code || r.lastRequest != nil {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
	}
}

func TestRefusalsOfProgramsHaveTheFormThatLibrariesExpect(t *testing.T) {
	form := url.Values{"grant_type": {"client_credentials"}}
	for code, status := range map[string]int{"invalid_client": 401, "invalid_grant": 400, "unauthorized_client": 400, "slow_down": 429} {
		for _, path := range []string{"/oauth/token", "/oauth/keys"} {
			r := newRooms(t)
			r.refused = &signin.TokenError{Code: code, Detail: "because"}
			got := r.form(path, form)
			if got.StatusCode != status || got.oauthCode(t) != code || (got.Header.Get("Retry-After") != "") != (status == 429) {
				t.Errorf("%s at %s: %d %s", code, path, got.StatusCode, got.body)
			}
		}
	}
	r := newRooms(t)
	r.refused = errors.New("disk MARKERMARTIN")
	if p := r.form("/oauth/token", form).problem(t); p.Status != 500 || p.Code != "internal" || strings.Contains(p.Detail, "MARKER") {
		t.Errorf("%+v", p)
	}
	elsewhere := func(q *http.Request) { q.Header.Set("Sec-Fetch-Site", "cross-site") }
	if p := newRooms(t).form("/oauth/token", form, elsewhere).problem(t); p.Status != 403 || p.Code != "origin.refused" {
		t.Errorf("from a page of another site: %+v", p)
	}
}

func TestAKeyIsRenewedByItsSecretAndToldOnce(t *testing.T) {
	r := newRooms(t)
	got := r.form("/oauth/keys", url.Values{"client_id": {"gestion"}, "client_secret": {"s"}, "jwk": {"{}"}})
	want := `{"kind":"secret","client_secret":"ecluse_cs_x","ends":"2027-11-22T09:00:00Z","old_key_ends":"2026-11-28T09:00:00Z"}`
	if got.StatusCode != 201 || string(got.body) != want || r.lastRequest != "{}" || r.proof.Secret != "s" {
		t.Errorf("%d %s %+v", got.StatusCode, got.body, r.proof)
	}
}

func TestProgramsFindOutWhereToAsk(t *testing.T) {
	if got := newRooms(t).ask("/.well-known/oauth-authorization-server", ""); got.StatusCode != 200 || !strings.Contains(string(got.body), `"token_endpoint":"t"`) {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}
