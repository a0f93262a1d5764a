package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/api"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"
)

// site is a world with programs in it, and the API before it: gestion-a and planning-a of organisation A,
// gestion-b of organisation B, each with a secret.
type site struct {
	*nodetest.World
	t       *testing.T
	api     http.Handler
	secrets map[string]string
	log     bytes.Buffer
}

func newSite(t *testing.T, dbURL string) *site {
	t.Helper()
	s := &site{World: nodetest.New(t, dbURL, nil), t: t, secrets: map[string]string{}}
	for name, organisation := range map[string]string{"gestion-a": "A", "planning-a": "A", "gestion-b": "B"} {
		s.AddProgram(name, organisation)
	}
	c := s.Change()
	c.Accounts = append(c.Accounts, nodetest.Account("boss", "B", "B1", ecluse.RoleAccountManager))
	s.Approve(c)
	s.api = s.doors(s.Node)
	for name, manager := range map[string]string{"gestion-a": "manager", "planning-a": "manager", "gestion-b": "boss"} {
		s.secrets[name] = s.newKey(manager, name, nil)
	}
	return s
}

// newKey has a manager ask for a key of a program, and an officer approve it.
func (s *site) newKey(manager, program string, jwk []byte) string {
	s.t.Helper()
	approval, secret, err := s.Directory.RequestClientKey(context.Background(), s.Actor(manager), s.Accounts[program].ID, jwk)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.Directory.Decide(context.Background(), s.Actor("officer2"), approval.ID, true); err != nil {
		s.t.Fatal(err)
	}
	return string(secret)
}

// doors are the API of a node.
func (s *site) doors(n *node.Node) http.Handler {
	s.t.Helper()
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	programs, err := signin.NewPrograms(signin.ProgramOptions{
		PublicURL: "http://127.0.0.1:8080", Directory: n.Directory, Store: n.Store, Keys: n.Keys, Now: s.Clock.Now, Log: log,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return api.New(api.Rooms{
		Sessions: nobody{}, Programs: programs, Gate: n.Gate, Directory: n.Directory, Registers: n.Registers, Tree: noTree{}, Ready: n.Ready,
		Text: func(string, string) (string, bool) { return "", false }, Now: s.Clock.Now, Log: log,
	})
}

// nobody is a room without a browser in it.
type nobody struct{}

func (nobody) FromRequest(*http.Request) (signin.Caller, error) {
	return signin.Caller{}, signin.ErrNoSession
}
func (nobody) Holds(r *http.Request) bool { return len(r.CookiesNamed("ecluse-demo")) > 0 }
func (nobody) Connections(context.Context, signin.Caller, int) ([]signin.Connection, error) {
	return nil, errors.New("a program has no connections")
}

type noTree struct{}

func (noTree) Checkpoint(context.Context) ([]byte, error)              { return nil, nil }
func (noTree) Tile(context.Context, int, int64, int64) ([]byte, error) { return nil, nil }

// answer is what came back: its status and its members.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (s *site) do(h http.Handler, r *http.Request) answer {
	s.t.Helper()
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r)
	a := answer{status: recorder.Code, header: recorder.Header(), raw: recorder.Body.String()}
	_ = json.Unmarshal(recorder.Body.Bytes(), &a.body)
	return a
}

// post sends a form.
func (s *site) post(path string, form url.Values) answer {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(s.api, r)
}

func secretForm(id, secret, actAs string) url.Values {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
	if actAs != "" {
		form.Set("act_as", nodetest.Email(actAs))
	}
	return form
}

// token signs a program in, for itself or for an agent.
func (s *site) token(program, actAs string) string {
	s.t.Helper()
	a := s.post("/oauth/token", secretForm(program, s.secrets[program], actAs))
	if a.status != http.StatusOK {
		s.t.Fatalf("no token for %s: %d %s", program, a.status, a.raw)
	}
	return a.body["access_token"].(string)
}

// call calls the API with a token; a body makes it a JSON POST.
func (s *site) call(token, path, body string) answer {
	s.t.Helper()
	return s.callAt(s.api, token, path, body)
}

func (s *site) callAt(h http.Handler, token, path, body string) answer {
	s.t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return s.do(h, r)
}

// code is the problem's, "" if it is none.
func (a answer) code() string {
	text, _ := a.body["code"].(string)
	return text
}

const registerPath = "/api/v1/registers/mission-locale"

// search looks for person i by identity, and answers the handle, "" if nobody is shown.
func (s *site) search(token string, i int) (string, answer) {
	s.t.Helper()
	row := map[string]string{}
	for k, f := range s.Register.Schema.Fields {
		row[f.Name] = s.Row(i).Values[k]
	}
	q, _ := json.Marshal(map[string]any{"purpose": "emploi", "query": map[string]string{"surname": row["surname"], "first_name": row["first_name"], "birth_date": row["birth_date"]}})
	a := s.call(token, registerPath+"/search", string(q))
	hits, _ := a.body["hits"].([]any)
	if len(hits) == 0 {
		return "", a
	}
	return hits[0].(map[string]any)["handle"].(string), a
}

func (s *site) open(token, handle string) answer {
	s.t.Helper()
	return s.call(token, registerPath+"/persons/"+handle+"/disclose", `{"purpose":"emploi","justification":{"motive":"walk_in","text":"She came to the desk this morning without an appointment."}}`)
}

func (s *site) verified() {
	s.t.Helper()
	report, err := ledger.VerifyDeep(context.Background(), ledger.Live(s.Store, s.Keys), s.Keys, s.Store, nil)
	if err != nil || !report.OK {
		s.t.Errorf("the ledger does not verify: %v %v", err, report.Problems)
	}
}

func engines(t *testing.T, test func(*testing.T, *site)) {
	storetest.Engines(t, func(t *testing.T, url string) { test(t, newSite(t, url)) })
}

func TestAProgramOpensThePersonsWhomItWasEntrustedWithAndNobodyElse(t *testing.T) {
	engines(t, func(t *testing.T, s *site) {
		s.Link("gestion-a", 5, 130)
		token := s.token("gestion-a", "")
		for i, entrusted := range map[int]bool{5: true, 130: true, 6: false, 50: false, 140: false, 205: false} {
			handle, a := s.search(token, i)
			if entrusted != (handle != "") {
				t.Errorf("person %d: %d %s", i, a.status, a.raw)
			}
			if !entrusted {
				continue
			}
			if a = s.open(token, handle); a.status != http.StatusOK {
				t.Errorf("person %d: %d %s", i, a.status, a.raw)
			}
		}
		page := s.call(token, registerPath+"/caseload", "")
		if persons, _ := page.body["persons"].([]any); page.status != http.StatusOK || len(persons) != 2 {
			t.Errorf("caseload: %d %s", page.status, page.raw)
		}
		me := s.call(token, "/api/v1/me", "")
		if client, _ := me.body["client"].(map[string]any); me.status != http.StatusOK || client["client_id"] != "gestion-a" || len(me.body["grants"].([]any)) != 1 {
			t.Errorf("me: %d %s", me.status, me.raw)
		}
		s.verified()
	})
}

func TestAProgramActsForAnAgentWhoAgreedAndBothAreCharged(t *testing.T) {
	engines(t, func(t *testing.T, s *site) {
		s.Delegate("anne", "gestion-a")
		token := s.token("gestion-a", "anne")
		handle, a := s.search(token, 7)
		if handle == "" {
			t.Fatalf("anne's own person is not found: %s", a.raw)
		}
		if a = s.open(token, handle); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.raw)
		}
		var last ledger.Entry
		if err := s.Store.Entries(t.Context(), 0, 1<<62, func(e *ledger.Entry) error { last = *e; return nil }); err != nil {
			t.Fatal(err)
		}
		detail, _ := last.ReadDetail()
		if last.Kind != ledger.KindDisclose || last.Account != s.Accounts["anne"].ID || detail.Client != s.Accounts["gestion-a"].ID {
			t.Errorf("the entry names %d and %d: %+v", last.Account, detail.Client, last)
		}
		for _, who := range []string{"anne", "gestion-a"} {
			readings, err := s.Gate.Meters(t.Context(), signin.Caller{Account: s.Accounts[who].ID}, "mission-locale")
			if err != nil || readings[4].Code != ecluse.ReasonBudgetTotal || readings[4].Used != 1 {
				t.Errorf("%s: %+v %v", who, readings, err)
			}
		}
		for i, why := range map[int]string{50: "her site's", 90: "her organisation's", 150: "anybody", 205: "outside"} {
			if handle, a := s.search(token, i); handle != "" {
				t.Errorf("%s: %s", why, a.raw)
			}
		}
		emergency := s.call(token, registerPath+"/persons/"+handle+"/disclose", `{"emergency":"danger"}`)
		if emergency.status != http.StatusForbidden || emergency.code() != "client.act_refused" {
			t.Errorf("an emergency: %d %s", emergency.status, emergency.raw)
		}
		s.verified()
	})
}

func TestAnAgentsRefusalToActForHerIsOneAnswer(t *testing.T) {
	engines(t, func(t *testing.T, s *site) {
		s.Delegate("anne", "planning-a") // another program
		s.Delegate("dora", "gestion-b")  // another organisation
		s.Delegate("carl", "gestion-a")
		s.busy(directory.DelegationLife)
		var first string
		for _, agent := range []string{"anne", "dora", "bob", "carl", "officer1", "manager", "nobody", "gestion-b"} {
			a := s.post("/oauth/token", secretForm("gestion-a", s.secrets["gestion-a"], agent))
			if first == "" {
				first = a.raw
			}
			if a.status != http.StatusBadRequest || a.body["error"] != "invalid_grant" || a.raw != first {
				t.Errorf("%s: %d %s", agent, a.status, a.raw)
			}
		}
	})
}

func TestAHandleOfOneProgramOpensNothingForAnother(t *testing.T) {
	engines(t, func(t *testing.T, s *site) {
		s.Link("gestion-a", 5)
		s.Link("planning-a", 5)
		s.Link("gestion-b", 5)
		s.Delegate("anne", "gestion-a")
		token := s.token("gestion-a", "")
		handle, _ := s.search(token, 5)
		for name, other := range map[string]string{"planning-a": s.token("planning-a", ""), "gestion-b": s.token("gestion-b", ""), "for anne": s.token("gestion-a", "anne")} {
			if a := s.open(other, handle); a.status != http.StatusGone {
				t.Errorf("%s: %d %s", name, a.status, a.raw)
			}
		}
		if a := s.open(s.token("gestion-a", ""), handle); a.status != http.StatusOK {
			t.Errorf("the program's own next token: %d %s", a.status, a.raw)
		}
		s.Clock.Advance(31 * 24 * time.Hour)
		if a := s.open(s.token("gestion-a", ""), handle); a.status != http.StatusGone {
			t.Errorf("in another month: %d %s", a.status, a.raw)
		}
		if _, err := s.Gate.Disclose(t.Context(), disclosing(s.SignIn("anne"), handle)); err == nil {
			t.Error("in an agent's browser")
		}
	})
}

func TestATokenIsOneHeaderAndNothingElse(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	token := s.token("gestion-a", "")
	for name, change := range map[string]func(*http.Request){
		"in the address":     func(r *http.Request) { r.URL.RawQuery = "access_token=" + token; r.Header.Del("Authorization") },
		"in the address too": func(r *http.Request) { r.URL.RawQuery = "access_token=" + token },
		"beside a cookie":    func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "ecluse-demo", Value: "x"}) },
		"as a cookie": func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: "ecluse-demo", Value: token})
			r.Header.Del("Authorization")
		},
		"twice":                func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+token) },
		"as a password":        func(r *http.Request) { r.SetBasicAuth("gestion-a", token) },
		"without its scheme":   func(r *http.Request) { r.Header.Set("Authorization", token) },
		"another scheme":       func(r *http.Request) { r.Header.Set("Authorization", "DPoP "+token) },
		"one character longer": func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token+"A") },
		"one character other":  func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token[:20]+"!"+token[21:]) },
		"without its prefix": func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer "+strings.TrimPrefix(token, "ecluse_at_"))
		},
		"empty":      func(r *http.Request) { r.Header.Set("Authorization", "") },
		"the secret": func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+s.secrets["gestion-a"]) },
	} {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/me", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		change(r)
		if a := s.do(s.api, r); a.status != http.StatusUnauthorized && a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/api/v1/me", nil)
	r.Header.Set("Authorization", "bearer "+token)
	if a := s.do(s.api, r); a.status != http.StatusOK {
		t.Errorf("the scheme in lower case (RFC 9110 §11.1): %d %s", a.status, a.raw)
	}
	if strings.Contains(s.log.String(), token[len("ecluse_at_"):]) {
		t.Error("the log holds a token")
	}
}

// TestEveryRouteOfEveryToken is the matrix: what each route answers to each kind of token.
func TestEveryRouteOfEveryToken(t *testing.T) {
	engines(t, func(t *testing.T, s *site) {
		s.Link("gestion-a", 5)
		s.Link("gestion-b", 5)
		s.Link("planning-a", 5)
		for _, agent := range []string{"anne", "bob", "carl"} {
			s.Delegate(agent, "gestion-a")
		}
		s.Delegate("dora", "gestion-b")
		for _, c := range []struct {
			name  string
			token func() string
			dead  bool
		}{
			{"a program", func() string { return s.token("gestion-a", "") }, false},
			{"for an agent", func() string { return s.token("gestion-a", "anne") }, false},
			{"no token of ours", func() string { return "ecluse_at_" + strings.Repeat("A", 43) }, true},
			{"revoked", s.revokedToken, true},
			{"expired", s.expiredToken, true},
			{"of a suspended program", s.suspendedProgram, true},
			{"for a suspended agent", s.suspendedAgent, true},
			{"for an agent who took it back", s.delegationRevoked, true},
			{"for an agent whose agreement lapsed", s.delegationLapsed, true},
			{"for an agent who left", s.agentWhoLeft, true},
			{"of an ended key", s.keyEnded, true},
			{"of an organisation that ended", s.organisationEnded, true},
		} {
			token := c.token()
			for _, pattern := range api.Patterns() {
				if api.Public(pattern) {
					continue
				}
				method, path, _ := strings.Cut(pattern, " ")
				path = strings.NewReplacer("{register}", "mission-locale", "{handle}", "h").Replace(path)
				body := ""
				if method == http.MethodPost {
					body = `{}`
				}
				a := s.call(token, path, body)
				switch {
				case c.dead && (a.status != http.StatusUnauthorized || a.code() != "token.invalid" || a.header.Get("WWW-Authenticate") == ""):
					t.Errorf("%s, %s: %d %s", c.name, pattern, a.status, a.raw)
				case !c.dead && !api.ForPrograms(pattern) && (a.status != http.StatusForbidden || a.code() != "token.not_accepted"):
					t.Errorf("%s, %s: %d %s", c.name, pattern, a.status, a.raw)
				case !c.dead && api.ForPrograms(pattern) && (a.status == http.StatusUnauthorized || a.code() == "token.not_accepted"):
					t.Errorf("%s, %s: %d %s", c.name, pattern, a.status, a.raw)
				}
			}
		}
	})
}

func (s *site) revokedToken() string {
	token := s.token("gestion-a", "anne")
	_, err := s.Ledger.Append(context.Background(), ledger.Candidate{
		Kind: ledger.KindContainment, Revision: ledger.AnyRevision, NewRevision: true,
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			return tx.(directory.ClientTx).RevokeTokens(ctx, s.Accounts["gestion-a"].ID, 0, e.At)
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

func (s *site) expiredToken() string {
	token := s.token("gestion-a", "anne")
	s.Clock.Advance(signin.TokenLife)
	return token
}

func (s *site) suspendedProgram() string {
	token := s.token("planning-a", "")
	s.SetState("planning-a", directory.Suspended)
	return token
}

func (s *site) suspendedAgent() string {
	token := s.token("gestion-a", "bob")
	s.SetState("bob", directory.Suspended)
	return token
}

func (s *site) delegationRevoked() string {
	token := s.token("gestion-a", "anne")
	if err := s.Directory.EndDelegation(context.Background(), s.Actor("anne"), s.Accounts["gestion-a"].ID); err != nil {
		s.t.Fatal(err)
	}
	return token
}

func (s *site) delegationLapsed() string {
	s.Delegate("anne", "gestion-a")
	s.busy(directory.DelegationLife - time.Minute)
	token := s.token("gestion-a", "anne")
	s.Clock.Advance(time.Minute)
	return token
}

// busy lets time pass in which everybody goes on working.
func (s *site) busy(d time.Duration) {
	s.t.Helper()
	for ; d > 0; d -= 30 * 24 * time.Hour {
		s.Clock.Advance(min(d, 30*24*time.Hour))
		for _, agent := range []string{"anne", "carl", "dora", "manager", "boss"} {
			s.SignIn(agent)
		}
		for program := range s.secrets {
			s.post("/oauth/token", secretForm(program, s.secrets[program], ""))
		}
	}
}

func (s *site) agentWhoLeft() string {
	s.SignIn("carl")
	s.Delegate("carl", "gestion-a")
	token := s.token("gestion-a", "carl")
	c := s.Change()
	carl := nodetest.Account("carl", "B", "B1", ecluse.RoleAgent)
	c.Accounts = append(c.Accounts, carl)
	s.Approve(c)
	return token
}

func (s *site) keyEnded() string {
	token := s.token("gestion-a", "")
	_, keys, err := s.Directory.ClientKeysOf(context.Background(), s.Actor("manager"), s.Accounts["gestion-a"].ID)
	if err != nil || len(keys) == 0 {
		s.t.Fatal(keys, err)
	}
	if err := s.Directory.EndClientKey(context.Background(), s.Actor("manager"), s.Accounts["gestion-a"].ID, keys[0].ID); err != nil {
		s.t.Fatal(err)
	}
	return token
}

func (s *site) organisationEnded() string {
	token := s.token("gestion-b", "")
	c := s.Change()
	c.Organisations = append(c.Organisations, directory.OrganisationChange{Code: "B", Kind: "ml", Name: "ML B", Territory: "93", Phone: "+33199001234", State: directory.Ended})
	s.Approve(c)
	return token
}

func disclosing(c signin.Caller, handle string) gate.Request {
	return gate.Request{Caller: c, Register: "mission-locale", Handle: handle, Purpose: "emploi", Channel: ecluse.ChannelAPI}
}
