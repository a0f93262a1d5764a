package signin_test

import (
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ecluse/internal/directory"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/notice"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"

	"github.com/descope/virtualwebauthn"
	"github.com/pquerna/otp/totp"
)

// office is an installation whose people have own factors, with everything behind it but the provider.
type office struct {
	*nodetest.World
	t       *testing.T
	service *signin.Service
	raw     *sql.DB
}

const place = "http://localhost:8080"

func newOffice(t *testing.T, url string) *office {
	t.Helper()
	o := &office{World: nodetest.New(t, url, nil), t: t}
	o.service = o.another()
	driver, source := "pgx", url
	if file, lite := strings.CutPrefix(url, "sqlite:"); lite {
		driver, source = "sqlite", file
	}
	var err error
	if o.raw, err = sql.Open(driver, source); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.raw.Close() })
	return o
}

// another is one more service on the same database, as another node has.
func (o *office) another() *signin.Service {
	o.t.Helper()
	s, err := signin.New(signin.Options{
		PublicURL: place, Name: "Test", Idle: 2 * time.Hour, Store: o.Store, Accounts: o.Directory, Sealer: o.Keys, Now: o.Clock.Now,
		ClientIP: func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.RemoteAddr) },
		Providers: []signin.Provider{{
			ID: "test", Label: "Test", Issuer: "http://127.0.0.1:1", ClientID: "ecluse", Auth: signin.ClientSecretPost, Secret: clientSecret,
			ACRAccepted: []string{"eidas1", "eidas2"}, ACRStrong: []string{"eidas2"}, Userinfo: signin.UserinfoJSON,
		}},
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

func eachOffice(t *testing.T, test func(*office)) {
	storetest.Engines(t, func(t *testing.T, url string) { test(newOffice(t, url)) })
}

// embedded is eachOffice for what does not depend on the engine.
func embedded(t *testing.T, test func(*office)) { test(newOffice(t, storetest.SQLite(t))) }

// browser keeps cookies and talks to a service without a server in between.
type browser struct {
	o       *office
	service *signin.Service
	cookies map[string]*http.Cookie
	from    string
	asked   bool // an own factor was asked at the last sign-in
}

func (o *office) browser() *browser {
	return &browser{o: o, service: o.service, cookies: map[string]*http.Cookie{}, from: "192.0.2.7"}
}

// signedIn is a new browser in which somebody has just signed in.
func (o *office) signedIn(name, acr string) *browser {
	b := o.browser()
	b.signIn(name, acr, false)
	return b
}

func (b *browser) request() *http.Request {
	r := httptest.NewRequest(http.MethodPost, place+"/", nil)
	r.RemoteAddr = b.from
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	return r
}

func (b *browser) keep(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
}

func (b *browser) signIn(name, acr string, invited bool) {
	b.o.t.Helper()
	w := httptest.NewRecorder()
	var err error
	if b.asked, err = b.service.OpenSession(w, b.request(), b.o.Accounts[name], acr, invited); err != nil {
		b.o.t.Fatal(err)
	}
	b.keep(w)
}

func (b *browser) caller() signin.Caller {
	b.o.t.Helper()
	c, err := b.service.FromRequest(b.request())
	if err != nil {
		b.o.t.Fatal(err)
	}
	return c
}

func (b *browser) is(what string, want error) {
	b.o.t.Helper()
	if _, err := b.service.FromRequest(b.request()); !isOrNil(err, want) {
		b.o.t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// application is somebody's telephone: it makes codes of a seed.
type application struct {
	o    *office
	seed string
}

func (a *application) code(shift time.Duration) string {
	a.o.t.Helper()
	code, err := totp.GenerateCode(a.seed, a.o.Clock.Now().Add(shift))
	if err != nil {
		a.o.t.Fatal(err)
	}
	return code
}

// enrolCode adds an application; the clock moves on by a step, so that its next code is another.
func (b *browser) enrolCode(name string) (*application, directory.Factor, error) {
	b.o.t.Helper()
	seed, err := b.service.BeginCode(b.request(), b.caller(), name, "somebody")
	if err != nil {
		return nil, directory.Factor{}, err
	}
	a := &application{b.o, strings.ReplaceAll(seed.Secret, " ", "")}
	w := httptest.NewRecorder()
	f, err := b.service.FinishCode(w, b.request(), b.caller(), a.code(0))
	b.keep(w)
	b.o.Clock.Advance(30 * time.Second)
	return a, f, err
}

// mustEnrolCode adds an application that counts at once.
func (b *browser) mustEnrolCode(name string) *application {
	b.o.t.Helper()
	a, f, err := b.enrolCode(name)
	if err != nil || f.State != directory.Active {
		b.o.t.Fatalf("%v, %+v", err, f)
	}
	return a
}

func (b *browser) prove(code string) error {
	w := httptest.NewRecorder()
	err := b.service.ProveCode(w, b.request(), b.caller(), code)
	b.keep(w)
	return err
}

// stick is somebody's security key.
type stick struct {
	authenticator virtualwebauthn.Authenticator
	credential    virtualwebauthn.Credential
	rp            virtualwebauthn.RelyingParty
}

// fullKey is the length of a P-256 key in COSE. The library leaves out leading zeros of coordinates, one key
// in 128, which no browser does and which is refused (RFC 9053 §7.1.1).
const fullKey = 77

func newStick() *stick {
	credential := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	for len(credential.Key.AttestationData()) != fullKey {
		credential = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return &stick{
		virtualwebauthn.NewAuthenticator(), credential,
		virtualwebauthn.RelyingParty{Name: "Test", ID: "localhost", Origin: place},
	}
}

// add adds the key.
func (k *stick) add(b *browser, name string) (directory.Factor, error) {
	b.o.t.Helper()
	options, err := b.service.BeginKey(b.request(), b.caller(), name, "somebody")
	if err != nil {
		return directory.Factor{}, err
	}
	parsed, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		b.o.t.Fatal(err)
	}
	answer := virtualwebauthn.CreateAttestationResponse(k.rp, k.authenticator, k.credential, *parsed)
	w := httptest.NewRecorder()
	f, err := b.service.FinishKey(w, b.request(), b.caller(), []byte(answer))
	b.keep(w)
	return f, err
}

// ask has the service ask for a key.
func (b *browser) ask() (*virtualwebauthn.AssertionOptions, error) {
	b.o.t.Helper()
	options, err := b.service.AskKey(b.request(), b.caller())
	if err != nil {
		return nil, err
	}
	parsed, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		b.o.t.Fatal(err)
	}
	return parsed, nil
}

func (k *stick) answer(to *virtualwebauthn.AssertionOptions) []byte {
	k.credential.Counter++
	return []byte(virtualwebauthn.CreateAssertionResponse(k.rp, k.authenticator, k.credential, *to))
}

func (b *browser) give(answer []byte) error {
	w := httptest.NewRecorder()
	err := b.service.ProveKey(w, b.request(), b.caller(), answer)
	b.keep(w)
	return err
}

func (k *stick) prove(b *browser) error {
	b.o.t.Helper()
	options, err := b.ask()
	if err != nil {
		return err
	}
	return b.give(k.answer(options))
}

func (o *office) want(what string, got, want error) {
	o.t.Helper()
	if !isOrNil(got, want) {
		o.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func isOrNil(got, want error) bool {
	if want == nil {
		return got == nil
	}
	return got != nil && errors.Is(got, want)
}

// told counts the notices of a kind for an account.
func (o *office) told(account string, kind notice.Kind) (n int) {
	o.t.Helper()
	row := o.raw.QueryRowContext(o.t.Context(), "SELECT COUNT(*) FROM notices WHERE account_id = $1 AND kind = $2", int64(o.Accounts[account].ID), string(kind))
	if err := row.Scan(&n); err != nil {
		o.t.Fatal(err)
	}
	return n
}
