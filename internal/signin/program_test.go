package signin_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/keys"
	"ecluse/internal/signin"
)

// lodge is a small directory of programs and a store of their tokens, which note what they are asked.
type lodge struct {
	t        testing.TB
	clock    *clock
	keys     *keys.Keys
	programs *signin.Programs
	log      *strings.Builder
	logger   *slog.Logger // of all nodes: its handler writes one line at a time

	mu     sync.Mutex
	calls  []string
	known  map[string]directory.Account
	held   map[ecluse.AccountID][]directory.ClientKey
	agents map[string]directory.Account // who lets every program act
	may    error
	rows   map[string]signin.Session
	renews []directory.ClientKey
}

const secret = "ecluse_cs_of-the-program-gestion"

func newLodge(t testing.TB) *lodge {
	t.Helper()
	k, err := keys.Create(filepath.Join(t.TempDir(), "key"), "ecluse.test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	l := &lodge{
		t: t, clock: &clock{at: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}, keys: k, log: &strings.Builder{},
		known: map[string]directory.Account{}, held: map[ecluse.AccountID][]directory.ClientKey{}, agents: map[string]directory.Account{}, rows: map[string]signin.Session{},
	}
	l.logger = slog.New(slog.NewTextHandler(l.log, nil))
	l.known["gestion"] = directory.Account{ID: 21, Sub: "gestion"}
	l.known["planning"] = directory.Account{ID: 22, Sub: "planning"}
	l.held[21] = []directory.ClientKey{{ID: 1, Account: 21, Kind: directory.KeySecret, Material: directory.Secret(secret).Hash()}}
	l.agents["anne@example.test"] = directory.Account{ID: 11}
	l.programs = l.open()
	return l
}

// open is a node.
func (l *lodge) open() *signin.Programs {
	l.t.Helper()
	p, err := signin.NewPrograms(signin.ProgramOptions{
		PublicURL: "https://ecluse.example", Directory: l, Store: l, Keys: l.keys, Now: l.clock.now,
		Log: l.logger,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

func (l *lodge) note(call string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call)
}

// during are the calls that do makes.
func (l *lodge) during(do func()) []string {
	l.calls = nil
	do()
	return slices.Clone(l.calls)
}

func (l *lodge) Program(_ context.Context, id string) (directory.Account, []directory.ClientKey, error) {
	l.note("program")
	a := l.known[id]
	return a, l.held[a.ID], nil
}

func (l *lodge) Agent(_ context.Context, _ directory.Account, email string) (directory.Account, error) {
	l.note("agent")
	if a, ok := l.agents[email]; ok {
		return a, nil
	}
	return directory.Account{}, directory.ErrNotDelegated
}

func (l *lodge) MayAct(context.Context, ecluse.AccountID, ecluse.AccountID) error {
	l.note("may act")
	return l.may
}

func (l *lodge) RenewClientKey(_ context.Context, old directory.ClientKey, jwk []byte) (directory.ClientKey, directory.Secret, error) {
	l.note("renew")
	l.renews = append(l.renews, old)
	if old.ReplacedBy != 0 {
		return directory.ClientKey{}, "", directory.ErrReplaced
	}
	if string(jwk) == "broken" {
		return directory.ClientKey{}, "", directory.ErrPublicKey
	}
	return directory.ClientKey{ID: 99, Kind: directory.KeySecret}, "ecluse_cs_new", nil
}

func (l *lodge) Activity(ecluse.AccountID, time.Time) []byte { return []byte("proof") }

func (l *lodge) TokenByHash(_ context.Context, hash []byte) (signin.Session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	row, ok := l.rows[string(hash)]
	if !ok {
		return row, signin.ErrNoSession
	}
	return row, nil
}

func (l *lodge) SaveToken(_ context.Context, s signin.Session, _ ecluse.ClientKeyID) error {
	l.note("save")
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, taken := l.rows[string(s.Hash)]; taken {
		return signin.ErrReplayed
	}
	s.ID = ecluse.SessionID(len(l.rows) + 1)
	l.rows[string(s.Hash)] = s
	return nil
}

func request() *http.Request { return httptest.NewRequest(http.MethodPost, "/oauth/token", nil) }

// from is a request from an address.
func from(address string) *http.Request {
	r := request()
	r.RemoteAddr = address + ":1000"
	return r
}

func bySecret(id, secret string) signin.Proof { return signin.Proof{ClientID: id, Secret: secret} }

// refusal is the code of a refusal, "" if there is none.
func refusal(err error) string {
	var refused *signin.TokenError
	if errors.As(err, &refused) {
		return refused.Code
	}
	if err != nil {
		return "internal: " + err.Error()
	}
	return ""
}

// holding is who asks with a token.
func (l *lodge) holding(access string) (signin.Caller, error) {
	r := httptest.NewRequest(http.MethodGet, "/api/v1/me", nil)
	r.Header.Set("Authorization", "Bearer "+access)
	return l.programs.FromRequest(r)
}

func TestASecretGivesATokenOfTenMinutes(t *testing.T) {
	l := newLodge(t)
	token, err := l.programs.Token(request(), bySecret("gestion", secret), "")
	if err != nil || token.Life != 10*time.Minute || !strings.HasPrefix(token.Access, "ecluse_at_") || len(token.Access) != len("ecluse_at_")+43 {
		t.Fatalf("%+v %v", token, err)
	}
	c, err := l.holding(token.Access)
	want := signin.Caller{Account: 21, Client: 21, Session: 1, Provider: "client", ACR: "client_secret_post", Assured: true, SignedAt: l.clock.now(), Network: "192.0.2.0/24"}
	if diff := cmp.Diff(want, c); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if actor := c.Actor(); actor.Assured || actor.Strong {
		t.Errorf("the directory would take a program for a person: %+v", actor)
	}
	token, err = l.programs.Token(request(), bySecret("gestion", secret), "anne@example.test")
	if c, e := l.holding(token.Access); err != nil || e != nil || c.Account != 11 || c.Client != 21 {
		t.Errorf("for an agent: %+v %v %v", c, err, e)
	}
	l.clock.advance(10 * time.Minute)
	if c, err := l.holding(token.Access); !errors.Is(err, signin.ErrExpired) || c != (signin.Caller{}) {
		t.Errorf("ten minutes later: %+v %v", c, err)
	}
}

func TestOnlyARightSecretGivesAToken(t *testing.T) {
	for name, c := range map[string]struct {
		proof signin.Proof
		code  string
	}{
		"a wrong secret":               {bySecret("gestion", secret+"x"), "invalid_client"},
		"a secret of another program":  {bySecret("planning", secret), "invalid_client"},
		"an unknown program":           {bySecret("nobody", secret), "invalid_client"},
		"its hash":                     {bySecret("gestion", string(directory.Secret(secret).Hash())), "invalid_client"},
		"a long secret":                {bySecret("gestion", strings.Repeat("x", 300)), "invalid_client"},
		"a long identifier":            {bySecret(strings.Repeat("x", 65), secret), "invalid_client"},
		"no secret":                    {bySecret("gestion", ""), "invalid_request"},
		"no identifier":                {bySecret("", secret), "invalid_request"},
		"nothing":                      {signin.Proof{}, "invalid_request"},
		"a secret and an assertion":    {signin.Proof{ClientID: "gestion", Secret: secret, Assertion: "x", AssertionType: jwtBearer}, "invalid_request"},
		"an assertion of another type": {signin.Proof{Assertion: "x", AssertionType: "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, "invalid_request"},
		"an assertion of no type":      {signin.Proof{Assertion: "x"}, "invalid_request"},
		"an unreadable assertion":      {signin.Proof{Assertion: "x", AssertionType: jwtBearer}, "invalid_client"},
	} {
		l := newLodge(t)
		if _, err := l.programs.Token(request(), c.proof, ""); refusal(err) != c.code || len(l.rows) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnUnknownProgramAndAWrongSecretAreOneAnswerAfterTheSameCalls(t *testing.T) {
	l := newLodge(t)
	answer := func(p signin.Proof) (err error) {
		_, err = l.programs.Token(request(), p, "anne@example.test")
		return err
	}
	var wrong, unknown error
	known := l.during(func() { wrong = answer(bySecret("gestion", "x")) })
	nobody := l.during(func() { unknown = answer(bySecret("nobody", "x")) })
	if diff := cmp.Diff(known, nobody); diff != "" || !slices.Equal(known, []string{"program"}) {
		t.Errorf("%v %s", known, diff)
	}
	if diff := cmp.Diff(wrong, unknown); diff != "" {
		t.Error(diff)
	}
}

func TestAProgramThatMayNotActGetsNoToken(t *testing.T) {
	l := newLodge(t)
	if _, err := l.programs.Token(request(), bySecret("gestion", secret), "bob@example.test"); refusal(err) != "invalid_grant" {
		t.Errorf("for an agent who did not agree: %v", err)
	}
	token, err := l.programs.Token(request(), bySecret("gestion", secret), "anne@example.test")
	if err != nil {
		t.Fatal(err)
	}
	l.may = directory.ErrNotDelegated
	if _, err := l.programs.Token(request(), bySecret("gestion", secret), ""); refusal(err) != "unauthorized_client" {
		t.Errorf("a suspended program: %v", err)
	}
	if c, err := l.holding(token.Access); !errors.Is(err, signin.ErrRevoked) || c != (signin.Caller{}) {
		t.Errorf("its token: %+v %v", c, err)
	}
}

func TestATokenRowWrittenAroundTheProgramIsNobodys(t *testing.T) {
	l := newLodge(t)
	token, err := l.programs.Token(request(), bySecret("gestion", secret), "anne@example.test")
	if err != nil {
		t.Fatal(err)
	}
	genuine := maps.Clone(l.rows)
	for name, forge := range map[string]func(*signin.Session){
		"another agent":        func(s *signin.Session) { s.Account = 12 },
		"another program":      func(s *signin.Session) { s.Client = 22 },
		"a longer life":        func(s *signin.Session) { s.Ends = s.Ends.Add(time.Hour) },
		"a browser's session":  func(s *signin.Session) { s.Provider = "proconnect" },
		"nobody's":             func(s *signin.Session) { s.Client = 0 },
		"nothing that seals":   func(s *signin.Session) { s.IDToken = nil },
		"another way to prove": func(s *signin.Session) { s.ACR = "private_key_jwt" },
	} {
		l.rows = maps.Clone(genuine)
		for hash, row := range l.rows {
			forge(&row)
			l.rows[hash] = row
		}
		if c, err := l.holding(token.Access); err == nil || c.Account != 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestATokenIsNoCookieAndACookieNoToken(t *testing.T) {
	l := newLodge(t)
	token, err := l.programs.Token(request(), bySecret("gestion", secret), "anne@example.test")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	for _, row := range l.rows {
		w.store.rows = append(w.store.rows, row) // one table
	}
	for _, value := range []string{token.Access, strings.TrimPrefix(token.Access, "ecluse_at_")} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: "ecluse-demo", Value: value})
		if c, err := w.service.FromRequest(r); err == nil || c.Account != 0 {
			t.Errorf("a token as a cookie: %+v", c)
		}
	}
	cookie := w.cookie("ecluse-demo")
	for _, row := range w.store.rows {
		l.rows[string(row.Hash)] = row
	}
	for _, access := range []string{cookie, "ecluse_at_" + cookie} {
		if c, err := l.holding(access); err == nil || c.Account != 0 {
			t.Errorf("a cookie as a token: %+v", c)
		}
	}
}

func TestWrongProofsAreAnsweredLaterAndLaterAndARightOneAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLodge(t)
		took := func(r *http.Request, p signin.Proof) time.Duration {
			began := time.Now()
			_, _ = l.programs.Token(r, p, "")
			return time.Since(began)
		}
		var delays []time.Duration
		for range 11 {
			delays = append(delays, took(from("203.0.113.7"), bySecret("gestion", "wrong")))
		}
		ms := time.Millisecond
		want := []time.Duration{0, 0, 0, 0, 0, 250 * ms, 500 * ms, time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second}
		if diff := cmp.Diff(want, delays); diff != "" {
			t.Error(diff)
		}
		if d := took(from("203.0.113.9"), bySecret("gestion", secret)); d != 0 {
			t.Errorf("the program itself, from the same network, waits %s", d)
		}
		if d := took(from("198.51.100.1"), bySecret("gestion", "wrong")); d != 0 {
			t.Errorf("another network waits %s", d)
		}
		if known, unknown := took(from("203.0.113.7"), bySecret("gestion", "wrong")), took(from("203.0.113.7"), bySecret("nobody", "wrong")); known != unknown {
			t.Errorf("an unknown program waits %s, a known one %s", unknown, known)
		}
		l.clock.advance(10 * time.Minute)
		if d := took(from("203.0.113.7"), bySecret("gestion", "wrong")); d != 0 {
			t.Errorf("ten minutes later it waits %s", d)
		}
	})
}

func TestAFloodOfWrongProofsIsRefusedAndDoesNotStopTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLodge(t)
		var wg sync.WaitGroup
		var mu sync.Mutex
		codes := map[string]int{}
		for range 200 {
			wg.Go(func() {
				_, err := l.programs.Token(from("203.0.113.7"), bySecret("gestion", "wrong"), "")
				mu.Lock()
				defer mu.Unlock()
				codes[refusal(err)]++
			})
		}
		synctest.Wait()
		if _, err := l.programs.Token(from("203.0.113.7"), bySecret("gestion", secret), ""); err != nil {
			t.Errorf("the program itself: %v", err)
		}
		wg.Wait()
		if codes["slow_down"] < 100 || codes["invalid_client"] < 64 {
			t.Errorf("%v", codes)
		}
	})
}

func TestAProgramThatAsksForTokensWithoutEndIsSlowedDownAlone(t *testing.T) {
	l := newLodge(t)
	l.held[22] = []directory.ClientKey{{ID: 2, Account: 22, Kind: directory.KeySecret, Material: directory.Secret("other").Hash()}}
	for range 120 {
		if _, err := l.programs.Token(request(), bySecret("gestion", secret), ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.programs.Token(request(), bySecret("gestion", secret), ""); refusal(err) != "slow_down" {
		t.Errorf("%v", err)
	}
	if _, err := l.programs.Token(request(), bySecret("planning", "other"), ""); err != nil {
		t.Errorf("another program: %v", err)
	}
	l.clock.advance(time.Minute)
	if _, err := l.programs.Token(request(), bySecret("gestion", secret), ""); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}
