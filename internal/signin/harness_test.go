package signin_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/demoidp"
	"ecluse/internal/directory"
	"ecluse/internal/keys"
	"ecluse/internal/notice"
	"ecluse/internal/signin"
)

var _ signin.Sealer = (*keys.Keys)(nil)

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time          { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
func (c *clock) advance(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.at = c.at.Add(d) }

// sealer is AES-GCM under a key a domain, like package keys.
type sealer struct{ key [32]byte }

func newSealer() *sealer {
	s := &sealer{}
	_, _ = rand.Read(s.key[:])
	return s
}

func (s *sealer) aead(domain string) cipher.AEAD {
	k := sha256.Sum256(append(s.key[:], domain...))
	block, _ := aes.NewCipher(k[:])
	a, _ := cipher.NewGCMWithRandomNonce(block)
	return a
}

func (s *sealer) Seal(domain string, plaintext, ad []byte) ([]byte, error) {
	return s.aead(domain).Seal(nil, nil, plaintext, ad), nil
}

func (s *sealer) Unseal(domain string, sealed, ad []byte) ([]byte, error) {
	return s.aead(domain).Open(nil, nil, sealed, ad)
}

func (s *sealer) MAC(domain string, parts ...[]byte) []byte {
	return keys.MAC(s.key[:], append([][]byte{[]byte(domain)}, parts...)...)
}

// memory is a real signin.Store in memory, without own factors. Several services may share it, as nodes share a database.
type memory struct {
	mu      sync.Mutex
	rows    []signin.Session
	touches int
	late    bool // somebody else saves the same secret a moment before
	fail    error
}

func (m *memory) SessionByHash(_ context.Context, hash []byte) (signin.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.rows {
		if bytes.Equal(s.Hash, hash) {
			return s, m.fail
		}
	}
	if m.fail != nil {
		return signin.Session{}, m.fail
	}
	return signin.Session{}, signin.ErrNoSession
}

func (m *memory) SaveSession(_ context.Context, s signin.Session, replaces ecluse.SessionID, _ ...notice.Notice) (ecluse.SessionID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.late || slices.ContainsFunc(m.rows, func(o signin.Session) bool { return bytes.Equal(o.Hash, s.Hash) }) {
		return 0, signin.ErrReplayed
	}
	if s.ID == 0 {
		s.ID = ecluse.SessionID(len(m.rows) + 1)
		m.rows = append(m.rows, s)
	} else {
		old := &m.rows[s.ID-1]
		if !old.RevokedAt.IsZero() || !old.Ends.After(s.SteppedAt) || old.Account != s.Account {
			return 0, signin.ErrNoSession
		}
		s.Created, s.Ends = old.Created, old.Ends
		*old = s
	}
	if replaces != 0 && m.rows[replaces-1].RevokedAt.IsZero() {
		m.rows[replaces-1].RevokedAt = s.SteppedAt
	}
	return s.ID, nil
}

func (m *memory) TouchSession(_ context.Context, id ecluse.SessionID, now, idleEnds time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.touches++
	if s := &m.rows[id-1]; s.RevokedAt.IsZero() && s.IdleEnds.After(now) {
		s.IdleEnds = idleEnds
	}
	return nil
}

func (m *memory) RevokeSession(_ context.Context, account ecluse.AccountID, session ecluse.SessionID, now time.Time) error {
	m.end(account, now, func(id ecluse.SessionID) bool { return id == session })
	return nil
}

func (m *memory) end(account ecluse.AccountID, now time.Time, which func(ecluse.SessionID) bool) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.rows {
		s := &m.rows[i]
		if s.Account == account && which(s.ID) && s.RevokedAt.IsZero() {
			s.RevokedAt = now
			n++
		}
	}
	return n
}

func (m *memory) KnownPlace(context.Context, ecluse.AccountID, string, string) (signin.Place, error) {
	return signin.Place{}, nil
}

func (m *memory) SetChallenge(context.Context, signin.Session, []byte) error { return nil }
func (m *memory) TakeChallenge(context.Context, signin.Session) error        { return nil }
func (m *memory) Tries(context.Context, ecluse.AccountID, string) (signin.Tries, error) {
	return signin.Tries{}, nil
}

func (m *memory) AccountSessions(_ context.Context, account ecluse.AccountID, limit int) ([]signin.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []signin.Session
	for i := len(m.rows) - 1; i >= 0 && len(out) < limit; i-- {
		if m.rows[i].Account == account {
			out = append(out, m.rows[i])
		}
	}
	return out, nil
}

func (m *memory) count() int { m.mu.Lock(); defer m.mu.Unlock(); return len(m.rows) }

// book is a directory with a page per identity; nobody in it has own factors.
type book struct {
	signin.Accounts
	sessions    *memory
	now         func() time.Time
	accounts    map[string]directory.Account
	invitations map[string]error // nil = binds account 77
	asked       []directory.Identity
}

func (b *book) ByIdentity(_ context.Context, idp, sub string) (directory.Account, error) {
	a, ok := b.accounts[idp+" "+sub]
	if !ok {
		return directory.Account{}, fmt.Errorf("look up: %w", directory.ErrUnknownIdentity)
	}
	return a, nil
}

func (b *book) Activity(ecluse.AccountID, time.Time) []byte { return nil }

func (b *book) EndSessions(_ context.Context, by directory.Actor, session ecluse.SessionID) (int, error) {
	return b.sessions.end(by.Account, b.now(), func(id ecluse.SessionID) bool {
		return id == session || session == 0 && id != by.Session
	}), nil
}

func (b *book) Bind(_ context.Context, token string, id directory.Identity) (directory.Account, error) {
	b.asked = append(b.asked, id)
	err, known := b.invitations[token]
	switch {
	case !known:
		return directory.Account{}, directory.ErrInvitationUnknown
	case err != nil:
		return directory.Account{}, err
	}
	a := directory.Account{ID: 77, State: "active"}
	b.accounts[id.IDP+" "+id.Sub] = a
	b.invitations[token] = directory.ErrInvitationUsed
	return a, nil
}

// crowd is the demo's people.
type crowd map[string]demoidp.Person

func (c crowd) Lookup(login string) (demoidp.Person, bool) { p, ok := c[login]; return p, ok }
func (c crowd) List() []demoidp.Person {
	var out []demoidp.Person
	for _, p := range c {
		out = append(out, p)
	}
	return out
}

// plain renders pages as one line each.
type plain struct{ last signin.Problem }

func (p *plain) Choose(w http.ResponseWriter, _ *http.Request, c signin.Choice) {
	fmt.Fprintf(w, "choose locked=%v return=%s invitation=%v", c.Locked, c.Return, c.Invitation)
	for _, l := range c.Providers {
		fmt.Fprintf(w, " %s=%s", l.ID, l.URL)
	}
}

func (p *plain) Problem(w http.ResponseWriter, _ *http.Request, pr signin.Problem) {
	p.last = pr
	w.Header().Set("X-Problem", string(pr.Code))
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintf(w, "problem %s again=%s", pr.Code, pr.Again)
}

func (p *plain) SignedOut(w http.ResponseWriter, _ *http.Request, f signin.Farewell) {
	fmt.Fprintf(w, "bye federation=%v", f.Federation)
}

func (p *plain) Redirect(w http.ResponseWriter, r *http.Request, to string) {
	http.Redirect(w, r, to, http.StatusSeeOther)
}

const (
	alice = "alice@demo.ecluse.test"
	bruno = "bruno@demo.ecluse.test"
	zoe   = "zoe@demo.ecluse.test" // nobody's account
)

// world is a whole instance in front of a provider that a test can make misbehave.
type world struct {
	sealer  *sealer
	t       *testing.T
	clock   *clock
	server  *httptest.Server // the instance, and the provider below /idp
	idp     *demoidp.Provider
	signer  tokenSigner
	service *signin.Service
	store   *memory
	book    *book
	pages   *plain
	logs    *bytes.Buffer
	browser *http.Client
	calls   map[string]int // of the provider, by path

	rewrite func(path string, status int, body []byte) (int, []byte) // of the provider's answers
	stall   func(path string) time.Duration
}

const clientSecret = "a-secret-of-the-demo-client"

// newWorld starts an instance on http loopback; edit may change its configuration.
func newWorld(t *testing.T, edit func(*signin.Options)) *world {
	t.Helper()
	return newWorldOn(t, (*httptest.Server).Start, edit)
}

func newWorldOn(t *testing.T, listen func(*httptest.Server), edit func(*signin.Options)) *world {
	t.Helper()
	w := &world{sealer: newSealer(),
		t: t, clock: &clock{at: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}, store: &memory{}, pages: &plain{}, logs: &bytes.Buffer{},
		calls: map[string]int{},
	}
	var doors http.Handler
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/idp/") {
			w.provide(rw, r)
			return
		}
		doors.ServeHTTP(rw, r)
	}))
	listen(w.server)
	t.Cleanup(w.server.Close)
	w.idp, w.signer = newProvider(t, w.server.URL, w.clock)
	w.book = &book{sessions: w.store, now: w.clock.now, accounts: map[string]directory.Account{}, invitations: map[string]error{}}
	w.account(alice, 11)
	w.account(bruno, 12)
	o := w.options()
	if edit != nil {
		edit(&o)
	}
	service, err := signin.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.service = service
	doors = w.doors(service)
	w.browser = w.newBrowser()
	return w
}

func newProvider(t *testing.T, base string, c *clock) (*demoidp.Provider, tokenSigner) {
	key, err := demoidp.KeyFrom([]byte("test"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := demoidp.New(demoidp.Config{
		Issuer: base + "/idp/api/v2", Key: key, Now: c.now,
		Clients: []demoidp.Client{{
			ID: "ecluse", Secret: clientSecret, Key: clientPublicKey(t),
			RedirectURIs: []string{base + "/sign-in/proconnect/callback", base + "/sign-in/other/callback"}, PostLogout: []string{base + "/sign-out/done"},
		}},
		People: crowd{
			alice: {Login: alice, GivenName: "Alice", UsualName: "Planchon", Role: "agent", Preset: "mission-locale", Organisation: "Mission locale de Bièvre"},
			bruno: {Login: bruno, GivenName: "Bruno", UsualName: "Testard", Role: "dpo", Preset: "mission-locale", ACR: "eidas1"},
			zoe:   {Login: zoe, GivenName: "Zoé", UsualName: "Inconnue", Role: "agent", Preset: "formation"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, tokenSigner{t: t, key: key}
}

func (w *world) account(login string, id ecluse.AccountID) {
	w.book.accounts["proconnect/"+demoidp.IDP+" "+demoidp.Sub("ecluse", login)] = directory.Account{ID: id, State: "active"}
}

func (w *world) options() signin.Options {
	return signin.Options{
		PublicURL: w.server.URL, Store: w.store, Accounts: w.book, Sealer: w.sealer, Now: w.clock.now,
		Log:     slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Timeout: 500 * time.Millisecond, Transport: w.server.Client().Transport,
		Providers: []signin.Provider{{
			ID: "proconnect", Label: "ProConnect", Issuer: w.server.URL + "/idp/api/v2", ClientID: "ecluse", Auth: signin.ClientSecretPost,
			Secret: clientSecret, Scopes: []string{"openid", "given_name", "usual_name", "email", "siret", "idp_id"},
			ACRAccepted: []string{"eidas1", "eidas1-mfa", "eidas2", "eidas3"}, ACRStrong: []string{"eidas2", "eidas3"}, IDPClaim: "idp_id",
			Userinfo: signin.UserinfoJWT, PKCE: true, Demo: true,
		}},
	}
}

// doors is a small web: / and /case/… say who asks, POST /case/… keeps a draft when locked.
func (w *world) doors(s *signin.Service) http.Handler {
	mux := http.NewServeMux()
	in := s.Handler(w.pages)
	mux.Handle("/sign-in", in)
	mux.Handle("/sign-in/", in)
	mux.Handle("/sign-out", in)
	mux.Handle("/sign-out/", in)
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		c, err := s.FromRequest(r)
		if err != nil {
			if r.Method == http.MethodPost {
				_ = r.ParseForm()
				err = fmt.Errorf("%w kept=%v", err, s.KeepDraft(rw, r, r.URL.Path, r.PostForm))
			}
			fmt.Fprintf(rw, "nobody: %v locked=%v account=%d", err, c.Locked, c.Account)
			return
		}
		values, _ := s.Draft(rw, r, c, r.URL.RequestURI())
		fmt.Fprintf(rw, "account=%d session=%d acr=%s assured=%v strong=%v path=%s draft=%s.", c.Account, c.Session, c.ACR, c.Assured, c.Strong, r.URL.Path, values.Get("text"))
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// provide is the provider, with what a test makes of its answers.
func (w *world) provide(rw http.ResponseWriter, r *http.Request) {
	w.calls[strings.TrimPrefix(r.URL.Path, "/idp/api/v2")]++
	if w.stall != nil {
		time.Sleep(w.stall(r.URL.Path))
	}
	if w.rewrite == nil {
		w.idp.ServeHTTP(rw, r)
		return
	}
	rec := httptest.NewRecorder()
	w.idp.ServeHTTP(rec, r)
	status, body := w.rewrite(strings.TrimPrefix(r.URL.Path, "/idp/api/v2"), rec.Code, rec.Body.Bytes())
	for k, v := range rec.Header() {
		rw.Header()[k] = v
	}
	rw.WriteHeader(status)
	_, _ = rw.Write(body)
}

func (w *world) newBrowser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &http.Client{Jar: jar, Transport: w.server.Client().Transport}
}

// get follows every redirect and returns the last page.
func (w *world) get(path string) string { return w.visit(w.browser, path) }

func (w *world) visit(browser *http.Client, path string) string {
	w.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = w.server.URL + path
	}
	resp, err := browser.Get(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.text(resp)
}

func (w *world) post(path string, form url.Values) string {
	w.t.Helper()
	resp, err := w.browser.PostForm(w.server.URL+path, form)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.text(resp)
}

func (w *world) text(resp *http.Response) string {
	w.t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(body)
}

// step makes one request without following and returns the answer.
func (w *world) step(browser *http.Client, path string) *http.Response {
	w.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = w.server.URL + path
	}
	once := *browser
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Get(path)
	if err != nil {
		w.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp
}

// untilCallback goes through the provider and returns the callback's address without visiting it.
func (w *world) untilCallback(browser *http.Client, start string) string {
	w.t.Helper()
	there := w.step(browser, start).Header.Get("Location")
	back := w.step(browser, there).Header.Get("Location")
	if !strings.Contains(back, "/callback?") {
		w.t.Fatalf("the provider led to %q", back)
	}
	return back
}

func (w *world) want(got, want string) {
	w.t.Helper()
	if !strings.Contains(got, want) {
		w.t.Errorf("got  %s\nwant %s", got, want)
	}
}

// refused signs in as Alice and wants a problem with code, and no session.
func (w *world) refused(code signin.Code) {
	w.t.Helper()
	before := w.store.count()
	w.want(w.get("/sign-in/proconnect?login_hint="+alice), "problem "+string(code))
	if w.store.count() != before {
		w.t.Error("a session came of it")
	}
	w.want(w.get("/"), "nobody")
}

func (w *world) cookies() []*http.Cookie {
	u, _ := url.Parse(w.server.URL)
	return w.browser.Jar.Cookies(u)
}

func (w *world) cookie(name string) string {
	for _, c := range w.cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}
