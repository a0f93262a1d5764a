package signin_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ecluse/internal/signin"
)

func TestAProviderInTroubleLetsNobodyInAndSaysSo(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 10<<20)
	troubles := map[string]func(status int, body []byte) (int, []byte){
		"answers 500":      func(int, []byte) (int, []byte) { return 500, []byte("secret stack trace") },
		"answers 503":      func(int, []byte) (int, []byte) { return 503, nil },
		"answers 10 MB":    func(s int, _ []byte) (int, []byte) { return s, big },
		"answers garbage":  func(s int, _ []byte) (int, []byte) { return s, []byte("\x00\xff{[garbage") },
		"answers nothing":  func(s int, _ []byte) (int, []byte) { return s, nil },
		"answers a page":   func(s int, _ []byte) (int, []byte) { return s, []byte("<html>proxy</html>") },
		"answers with nil": func(s int, _ []byte) (int, []byte) { return s, []byte("null") },
	}
	for where, garbled := range map[string]signin.Code{
		"/.well-known/openid-configuration": signin.CodeProviderDown, "/token": signin.CodeProviderDown, "/jwks": signin.CodeProviderDown, "/userinfo": signin.CodeTokenInvalid,
	} {
		for name, trouble := range troubles {
			t.Run(where+" "+name, func(t *testing.T) {
				w := newWorld(t, nil)
				w.rewrite = func(path string, status int, body []byte) (int, []byte) {
					if path == where {
						return trouble(status, body)
					}
					return status, body
				}
				code := signin.CodeProviderDown
				if strings.Contains(name, "garbage") || strings.Contains(name, "nothing") || strings.Contains(name, "page") || strings.Contains(name, "nil") {
					code = garbled
				}
				if where == "/jwks" && name == "answers with nil" { // a key set without our key
					code = signin.CodeTokenInvalid
				}
				if where == "/token" && strings.Contains(name, "nil") {
					code = signin.CodeProviderDown
				}
				w.refused(code)
				if strings.Contains(w.logs.String(), "stack trace") {
					t.Error("the answer is in the log")
				}
				w.rewrite = nil
				w.want(w.get("/sign-in/proconnect?login_hint="+alice), "account=11") // and back again
			})
		}
	}
}

func TestALateProviderIsGivenUp(t *testing.T) {
	for _, where := range []string{"/.well-known/openid-configuration", "/token", "/jwks", "/userinfo"} {
		w := newWorld(t, func(o *signin.Options) { o.Timeout = 100 * time.Millisecond })
		w.stall = func(path string) time.Duration {
			if strings.HasSuffix(path, where) {
				return 150 * time.Millisecond // less than the two timeouts that a callback takes in all
			}
			return 0
		}
		start := time.Now()
		w.refused(signin.CodeProviderDown)
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s: waited %v", where, took)
		}
	}
}

func TestANodeStartsWhileItsProviderIsDown(t *testing.T) {
	w := newWorld(t, nil)
	o := w.options()
	o.Providers[0].Issuer = "http://127.0.0.1:1/api/v2"
	s, err := signin.New(o)
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	s.Handler(w.pages).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/sign-in/proconnect", nil))
	w.want(rec.Body.String(), "problem signin.provider_down")
	w.want(w.logs.String(), "no connection")
}

func TestDiscoveryIsKeptAnHourAndBeyondWhileTheProviderIsDown(t *testing.T) {
	w := newWorld(t, nil)
	const where = "/.well-known/openid-configuration"
	for range 3 {
		w.want(w.get("/sign-in/proconnect?login_hint="+alice), "account=11")
	}
	if w.calls[where] != 1 {
		t.Errorf("asked %d times", w.calls[where])
	}
	w.clock.advance(time.Hour)
	w.rewrite = func(path string, status int, body []byte) (int, []byte) {
		if path == where {
			return 500, nil
		}
		return status, body
	}
	w.want(w.get("/sign-in/proconnect?login_hint="+alice), "account=11")
}

func TestADiscoveryThatNamesAnotherIssuerOrAPlainEndpointIsRefused(t *testing.T) {
	for _, change := range [][2]string{
		{`"issuer":"http`, `"issuer":"https://evil.example/http`}, {`"token_endpoint":"http://127.0.0.1`, `"token_endpoint":"http://198.51.100.7`},
		{`"jwks_uri":"http://127.0.0.1`, `"jwks_uri":"file:///etc`}, {`"userinfo_endpoint"`, `"nothing"`}, {`"end_session_endpoint":"http:`, `"end_session_endpoint":"javascript:`},
	} {
		w := newWorld(t, nil)
		w.rewrite = func(_ string, status int, body []byte) (int, []byte) {
			return status, bytes.Replace(body, []byte(change[0]), []byte(change[1]), 1)
		}
		w.want(w.get("/sign-in/proconnect"), "problem signin.provider_down")
	}
}

func TestARedirectOffTheProvidersHostIsNotFollowed(t *testing.T) {
	reached := false
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer evil.Close()
	w := newWorld(t, nil)
	moved := httptest.NewServer(http.RedirectHandler(evil.URL, http.StatusFound))
	defer moved.Close()
	o := w.options()
	o.Providers[0].Issuer = moved.URL
	s, err := signin.New(o)
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	s.Handler(w.pages).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/sign-in/proconnect", nil))
	w.want(rec.Body.String(), "problem signin.provider_down")
	if reached {
		t.Error("it was followed")
	}
}

func TestAConfigurationThatWouldNotBeSafeIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*signin.Options, *signin.Provider){
		"http off loopback":         func(o *signin.Options, _ *signin.Provider) { o.PublicURL = "http://ecluse.example" },
		"a public URL with a path":  func(o *signin.Options, _ *signin.Provider) { o.PublicURL = "https://ecluse.example/x" },
		"an http issuer":            func(_ *signin.Options, p *signin.Provider) { p.Issuer = "http://idp.example/api/v2" },
		"an issuer that is no URL":  func(_ *signin.Options, p *signin.Provider) { p.Issuer = "idp.example" },
		"an empty accepted list":    func(_ *signin.Options, p *signin.Provider) { p.ACRAccepted, p.ACRStrong = nil, nil },
		"a strong acr not accepted": func(_ *signin.Options, p *signin.Provider) { p.ACRStrong = []string{"eidas4"} },
		"HS256":                     func(_ *signin.Options, p *signin.Provider) { p.SigningAlgs = []string{"HS256"} },
		"alg none":                  func(_ *signin.Options, p *signin.Provider) { p.SigningAlgs = []string{"none"} },
		"a short secret":            func(_ *signin.Options, p *signin.Provider) { p.Secret = "short" },
		"no secret":                 func(_ *signin.Options, p *signin.Provider) { p.Secret = "" },
		"basic authentication":      func(_ *signin.Options, p *signin.Provider) { p.Auth = "client_secret_basic" },
		"no key":                    func(_ *signin.Options, p *signin.Provider) { p.Auth = signin.PrivateKeyJWT },
		"a key of another curve":    func(_ *signin.Options, p *signin.Provider) { p.Auth, p.Key = signin.PrivateKeyJWT, p384 },
		"an id with a slash":        func(_ *signin.Options, p *signin.Provider) { p.ID = "a/b" },
		"an unknown userinfo":       func(_ *signin.Options, p *signin.Provider) { p.Userinfo = "xml" },
		"the same provider twice":   func(o *signin.Options, _ *signin.Provider) { o.Providers = append(o.Providers, o.Providers[0]) },
		"idle beyond absolute":      func(o *signin.Options, _ *signin.Provider) { o.Idle = 13 * time.Hour },
	} {
		o := w.options()
		edit(&o, &o.Providers[0])
		if _, err := signin.New(o); err == nil {
			t.Errorf("%s is accepted", name)
		} else if strings.Contains(err.Error(), clientSecret) {
			t.Errorf("%s: the error holds the secret", name)
		}
	}
}

func TestAClientKeyIsReadFromEveryUsualPEM(t *testing.T) {
	ec := clientKey()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(ec)
	sec1, _ := x509.MarshalECPrivateKey(ec)
	for kind, der := range map[string][]byte{"PRIVATE KEY": pkcs8, "EC PRIVATE KEY": sec1, "RSA PRIVATE KEY": x509.MarshalPKCS1PrivateKey(rsaKey)} {
		if _, err := signin.ParseKey(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, bad := range []string{"", "garbage", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}))} {
		if _, err := signin.ParseKey([]byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestTheFormActionsOriginsAreTheIssuers(t *testing.T) {
	w := newWorld(t, nil)
	if got := w.service.Origins(); len(got) != 1 || got[0] != w.server.URL {
		t.Errorf("%v", got)
	}
	if w.service.RedirectURI("proconnect") != w.server.URL+"/sign-in/proconnect/callback" || w.service.PostLogoutURI() != w.server.URL+"/sign-out/done" {
		t.Error("addresses to register")
	}
}
