package signin_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
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

	"github.com/go-jose/go-jose/v4"
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
		Log: slog.New(slog.NewTextHandler(l.log, nil)),
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

// Assertions.

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// signer signs assertions.
type signer struct {
	key    any
	public []byte // JSON Web Key
	alg    jose.SignatureAlgorithm
}

func newSigner(t testing.TB, alg jose.SignatureAlgorithm) signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	public, err := jose.JSONWebKey{Key: key.Public()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return signer{key, public, alg}
}

// claims of a good assertion.
func (l *lodge) claims(jti string) map[string]any {
	at := l.clock.now().Unix()
	return map[string]any{"iss": "gestion", "sub": "gestion", "aud": "https://ecluse.example/oauth/token", "jti": jti, "iat": at, "exp": at + 60}
}

func (s signer) sign(t testing.TB, claims map[string]any, header map[jose.HeaderKey]any) signin.Proof {
	t.Helper()
	o := &jose.SignerOptions{ExtraHeaders: header}
	made, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: s.key}, o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := made.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return signin.Proof{AssertionType: jwtBearer, Assertion: compact}
}

// hold gives the program gestion a signer's public key.
func (l *lodge) hold(s signer) {
	l.held[21] = append(l.held[21], directory.ClientKey{ID: ecluse.ClientKeyID(len(l.held[21]) + 1), Account: 21, Kind: directory.KeyJWK, Material: s.public})
}

func TestAnAssertionOfEachAcceptedKindGivesAToken(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256, jose.EdDSA} {
		l, s := newLodge(t), newSigner(t, alg)
		l.hold(s)
		token, err := l.programs.Token(request(), s.sign(t, l.claims("1"), nil), "anne@example.test")
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		if c, err := l.holding(token.Access); err != nil || c.Account != 11 || c.Client != 21 || c.ACR != "private_key_jwt" {
			t.Errorf("%s: %+v %v", alg, c, err)
		}
	}
}

func TestAnAssertionThatIsNotExactlyRightGivesNothing(t *testing.T) {
	good := newSigner(t, jose.ES256)
	type claims = map[string]any
	with := func(name string, value any) func(claims) { return func(c claims) { c[name] = value } }
	in := func(d time.Duration) int64 { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).Add(d).Unix() }
	for name, change := range map[string]func(claims){
		"no iss":                    with("iss", ""),
		"another sub":               with("sub", "planning"),
		"another program":           func(c claims) { c["iss"], c["sub"] = "planning", "planning" },
		"an unknown program":        func(c claims) { c["iss"], c["sub"] = "nobody", "nobody" },
		"no aud":                    with("aud", nil),
		"another aud":               with("aud", "https://other.example/oauth/token"),
		"aud with a slash":          with("aud", "https://ecluse.example/"),
		"aud of the keys":           with("aud", "https://ecluse.example/oauth/keys"),
		"aud of two":                with("aud", []string{"https://ecluse.example/oauth/token", "https://other.example"}),
		"aud of none":               with("aud", []string{}),
		"aud that is a number":      with("aud", 7),
		"no jti":                    with("jti", ""),
		"a long jti":                with("jti", strings.Repeat("x", 256)),
		"no exp":                    with("exp", nil),
		"over":                      with("exp", in(-30*time.Second)),
		"for six minutes":           with("exp", in(6*time.Minute)),
		"for a year":                with("exp", in(365*24*time.Hour)),
		"exp beyond all":            with("exp", 1e300),
		"not yet":                   with("nbf", in(time.Minute)),
		"from the future":           with("iat", in(time.Minute)),
		"exp in words":              with("exp", "tomorrow"),
		"client_id of someone else": func(claims) {},
	} {
		l := newLodge(t)
		l.hold(good)
		c := l.claims("1")
		change(c)
		proof := good.sign(t, c, nil)
		if strings.HasPrefix(name, "client_id") {
			proof.ClientID = "planning"
		}
		if _, err := l.programs.Token(request(), proof, ""); refusal(err) != "invalid_client" || len(l.rows) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(claims){"as it is": func(claims) {}, "to the issuer": with("aud", "https://ecluse.example"),
		"in a list of one": with("aud", []string{"https://ecluse.example"}), "for five minutes": with("exp", in(5*time.Minute)), "half a second": with("exp", float64(in(time.Minute))+.5)} {
		l := newLodge(t)
		l.hold(good)
		c := l.claims("1")
		change(c)
		if _, err := l.programs.Token(request(), good.sign(t, c, nil), ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyTheProgramsOwnKeyAndItsAlgorithmSign(t *testing.T) {
	own, other := newSigner(t, jose.ES256), newSigner(t, jose.ES256)
	pub, err := x509.MarshalPKIXPublicKey(own.key.(*ecdsa.PrivateKey).Public())
	if err != nil {
		t.Fatal(err)
	}
	l := newLodge(t)
	l.hold(own)
	plain := func(header string) signin.Proof {
		text, _ := json.Marshal(l.claims("1"))
		e := base64.RawURLEncoding.EncodeToString
		return signin.Proof{AssertionType: jwtBearer, Assertion: e([]byte(header)) + "." + e(text) + "."}
	}
	hmac := func(key []byte) signin.Proof { return signer{key: key, alg: jose.HS256}.sign(t, l.claims("1"), nil) }
	embedded, err := jose.JSONWebKey{Key: other.key.(*ecdsa.PrivateKey).Public()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	swapped := own.sign(t, l.claims("1"), nil)
	head, rest, _ := strings.Cut(swapped.Assertion, ".")
	_, signature, _ := strings.Cut(rest, ".")
	forged, _ := json.Marshal(map[string]any{"iss": "gestion", "sub": "gestion", "aud": "https://ecluse.example", "jti": "2", "exp": l.clock.now().Unix() + 60})
	swapped.Assertion = head + "." + base64.RawURLEncoding.EncodeToString(forged) + "." + signature
	for name, proof := range map[string]signin.Proof{
		"alg none":                     plain(`{"alg":"none"}`),
		"alg None":                     plain(`{"alg":"None"}`),
		"no alg":                       plain(`{}`),
		"HS256 with the public key":    hmac(own.public),
		"HS256 with its DER":           hmac(pub),
		"HS256 with the secret's hash": hmac(directory.Secret(secret).Hash()),
		"another key":                  other.sign(t, l.claims("1"), nil),
		"another key of its name":      other.sign(t, l.claims("1"), map[jose.HeaderKey]any{"kid": "k"}),
		"a key in the header":          other.sign(t, l.claims("1"), map[jose.HeaderKey]any{"jwk": json.RawMessage(embedded)}),
		"a key at an address":          other.sign(t, l.claims("1"), map[jose.HeaderKey]any{"jku": "https://evil.example/keys"}),
		"ES384":                        func() signin.Proof { return signer{p384(t), nil, jose.ES384}.sign(t, l.claims("1"), nil) }(),
		"RS256 where the key is EC":    newSigner(t, jose.RS256).sign(t, l.claims("1"), nil),
		"a token of another kind":      own.sign(t, l.claims("1"), map[jose.HeaderKey]any{"typ": "at+jwt"}),
		"what must be understood":      own.sign(t, l.claims("1"), map[jose.HeaderKey]any{"crit": []string{"exp"}, "exp": 1}),
		"another content":              swapped,
		"cut":                          {AssertionType: jwtBearer, Assertion: own.sign(t, l.claims("1"), nil).Assertion[:80]},
		"JSON serialisation":           {AssertionType: jwtBearer, Assertion: `{"payload":"e30","signatures":[]}`},
	} {
		if _, err := l.programs.Token(request(), proof, ""); refusal(err) != "invalid_client" || len(l.rows) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, typ := range []string{"JWT", "client-authentication+jwt"} {
		if _, err := l.programs.Token(request(), own.sign(t, l.claims(typ), map[jose.HeaderKey]any{"typ": typ}), ""); err != nil {
			t.Errorf("typ %s: %v", typ, err)
		}
	}
}

func p384(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTheHeaderMayNameTheKey(t *testing.T) {
	l, older, newer := newLodge(t), newSigner(t, jose.ES256), newSigner(t, jose.ES256)
	l.hold(older)
	l.hold(newer)
	key, err := directory.ParsePublicKey(older.public)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.programs.Token(request(), older.sign(t, l.claims("1"), map[jose.HeaderKey]any{"kid": key.Thumbprint}), ""); err != nil {
		t.Errorf("by its thumbprint: %v", err)
	}
	if _, err := l.programs.Token(request(), newer.sign(t, l.claims("2"), nil), ""); err != nil {
		t.Errorf("the newest without a name: %v", err)
	}
	if _, err := l.programs.Token(request(), older.sign(t, l.claims("3"), nil), ""); refusal(err) != "invalid_client" {
		t.Errorf("the older without a name: %v", err)
	}
}

func TestAnAssertionServesOnceOnTwoNodes(t *testing.T) {
	l, s := newLodge(t), newSigner(t, jose.ES256)
	l.hold(s)
	other := l.open() // another node, one database
	proof := s.sign(t, l.claims("once"), nil)
	again := l.claims("once")
	again["exp"] = l.clock.now().Unix() + 61
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for i := range 16 {
		wg.Go(func() {
			node := []*signin.Programs{l.programs, other}[i%2]
			_, err := node.Token(from([]string{"203.0.113.7", "198.51.100.7", "192.0.2.7", "10.1.2.3"}[i%4]), proof, "")
			mu.Lock()
			defer mu.Unlock()
			codes[refusal(err)]++
		})
	}
	wg.Wait()
	if codes[""] != 1 || codes["invalid_client"] != 15 {
		t.Errorf("%v", codes)
	}
	if _, err := l.programs.Token(from("10.9.9.9"), s.sign(t, again, nil), ""); refusal(err) != "invalid_client" {
		t.Errorf("the same jti in another assertion: %v", err)
	}
	if _, _, err := l.programs.Renew(from("10.9.9.9"), proof, nil); refusal(err) != "invalid_client" || len(l.renews) != 0 {
		t.Errorf("a key for an assertion that served: %v", err)
	}
}

func TestAKeyIsRenewedByItselfAndNotByAToken(t *testing.T) {
	l, s := newLodge(t), newSigner(t, jose.ES256)
	if k, made, err := l.programs.Renew(request(), bySecret("gestion", secret), nil); err != nil || made != "ecluse_cs_new" || k.ID != 99 || l.renews[0].ID != 1 {
		t.Errorf("%+v %v", k, err)
	}
	l.hold(s)
	proof := s.sign(t, l.claims("1"), nil)
	if _, _, err := l.programs.Renew(request(), proof, nil); err != nil || l.renews[1].ID != 2 {
		t.Errorf("by an assertion: %v", err)
	}
	if _, err := l.programs.Token(from("10.0.0.1"), proof, ""); refusal(err) != "invalid_client" {
		t.Errorf("a token for the same assertion: %v", err)
	}
	for _, row := range l.rows {
		if row.Ends.After(l.clock.now()) {
			t.Errorf("renewing a key left a token that serves: %+v", row)
		}
	}
	token, err := l.programs.Token(request(), bySecret("gestion", secret), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.programs.Renew(request(), bySecret("gestion", token.Access), nil); refusal(err) != "invalid_client" {
		t.Errorf("by a token: %v", err)
	}
	if _, _, err := l.programs.Renew(request(), bySecret("gestion", secret), []byte("broken")); refusal(err) != "invalid_request" {
		t.Errorf("with a broken key: %v", err)
	}
	l.held[21][0].ReplacedBy = 99
	if _, _, err := l.programs.Renew(request(), bySecret("gestion", secret), nil); refusal(err) != "invalid_client" {
		t.Errorf("by a key that was replaced: %v", err)
	}
}

func TestLogsHoldNoSecretNoAssertionAndNoToken(t *testing.T) {
	l, s := newLodge(t), newSigner(t, jose.ES256)
	l.hold(s)
	proof := s.sign(t, l.claims("1"), nil)
	token, err := l.programs.Token(request(), proof, "anne@example.test")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = l.programs.Token(request(), proof, "anne@example.test")
	_, _ = l.programs.Token(request(), bySecret("gestion", secret+"x"), "")
	for hash, row := range l.rows {
		row.Client = 22
		l.rows[hash] = row
	}
	_, _ = l.holding(token.Access)
	if l.log.Len() == 0 {
		t.Error("nothing is logged of a replay and a forged row")
	}
	for _, hidden := range []string{secret, proof.Assertion, token.Access, "anne@"} {
		if strings.Contains(l.log.String(), hidden) {
			t.Errorf("the log holds %q", hidden)
		}
	}
	for _, row := range l.rows {
		for _, kept := range [][]byte{row.Hash, row.IDToken, []byte(row.ACR + row.Provider + row.Network + row.Device)} {
			if strings.Contains(string(kept), token.Access) || strings.Contains(string(kept), proof.Assertion) {
				t.Error("the row holds a token or an assertion")
			}
		}
	}
}

func FuzzAnyAssertionIsRefusedOrRight(f *testing.F) {
	l, s := newLodge(f), newSigner(f, jose.ES256)
	l.hold(s)
	good := s.sign(f, l.claims("1"), nil).Assertion
	f.Add(good)
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, text string) {
		l := newLodge(t)
		l.hold(s)
		_, err := l.programs.Token(request(), signin.Proof{AssertionType: jwtBearer, Assertion: text}, "")
		if code := refusal(err); (text == good) != (code == "") || code != "" && code != "invalid_client" && code != "invalid_request" {
			t.Errorf("%q: %v", text, err)
		}
	})
}
