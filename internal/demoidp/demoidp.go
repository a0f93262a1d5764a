// Package demoidp is the demo's built-in OpenID provider. It behaves like ProConnect, errors included,
// so that a sign-in that works here works there: the same routes under the issuer's path, the same
// refusal of parameters that ProConnect does not document (error Y000400), the same client
// authentications, lifetimes and sign-out rules. What it does not have is people's secrets: whoever
// opens its page picks who to be. It must therefore never run outside a demo or a test; package node
// mounts it on loopback only.
//
// Its state (codes, tokens, its own browser sessions) lives in memory and is bounded; its people come
// from the demo's directory through People. Parameters that start with demo_ exist only here.
package demoidp

import (
	"crypto/ecdsa"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Lifetimes as ProConnect documents them.
const (
	CodeLife    = 60 * time.Second
	AccessLife  = time.Hour
	SessionLife = 12 * time.Hour // silent re-login without prompt=login
)

// IDP is the idp_id claim of everyone whom the demo's provider signs in: the identity provider behind
// the federation.
const IDP = "6f0c7a5e-demo-4b1d-9a57-ec105e000001"

// DefaultACR is the acr of a person who has none of their own and asked for none.
const DefaultACR = "eidas2"

// ACRs are the assurance codes that ProConnect knows since June 2026. They are names, not an order.
var ACRs = []string{"eidas0", "eidas0-mfa", "eidas1", "eidas1-mfa", "eidas2", "eidas3"}

// Person is somebody whom the demo can sign in. All of it is synthetic.
type Person struct {
	Login        string // an e-mail address; the key
	GivenName    string
	UsualName    string
	SIRET        string // of the organisation, may be empty
	Organisation string // as shown
	Preset       string // as shown; groups the page
	Role         string // an ecluse.Role; a label of texts/ if it has one, else shown as it is
	ACR          string // "" = DefaultACR
}

// People is where the provider's people come from. List may return thousands; both are called on
// every page and must be fast and safe for concurrent use.
type People interface {
	Lookup(login string) (Person, bool)
	List() []Person
}

// Client is a service that may ask the provider to sign people in.
type Client struct {
	ID            string
	Secret        string           // client_secret_post; "" = not this way
	Key           *jose.JSONWebKey // public key for private_key_jwt; nil = not this way
	RedirectURIs  []string         // exact
	PostLogout    []string         // exact
	PlainUserinfo bool             // userinfo as JSON instead of a signed JWT
}

// Config is what New needs.
type Config struct {
	// Issuer is the provider's name and address, e.g. http://127.0.0.1:8080/demo/idp/api/v2.
	Issuer  string
	Clients []Client
	People  People
	// Key signs tokens (P-256). KeyFrom makes a stable one, so that tokens outlive a restart.
	Key *ecdsa.PrivateKey
	Now func() time.Time
}

// Provider is the built-in OpenID provider: an http.Handler for everything below the issuer's path.
// Safe for concurrent use.
type Provider struct {
	cfg    Config
	path   string // of the issuer
	origin string // scheme://host of the issuer
	signer jose.Signer
	jwk    jose.JSONWebKey // public
	mux    *http.ServeMux

	mu       sync.Mutex
	codes    map[string]*code
	tokens   map[string]*token
	browsers map[string]*browser
	jtis     map[string]time.Time // assertions already used, until they expire
}

// code is an authorisation code that was handed out.
type code struct {
	grant
	redirect  string
	challenge string // PKCE S256, "" = none
	used      bool
	access    string // the token that it was exchanged for
	ends      time.Time
}

// grant is what a person let a client know.
type grant struct {
	client string
	person Person
	acr    string
	nonce  string
	scopes map[string]bool
	amr    bool // asked for
}

// token is an access token.
type token struct {
	grant
	issued, ends time.Time
}

// browser is the provider's own session in one browser.
type browser struct {
	login string
	acr   string
	ends  time.Time
}

// maxKept bounds each of the provider's tables; the oldest make room.
const maxKept = 20000

// New checks cfg and returns the provider.
func New(cfg Config) (*Provider, error) {
	u, err := url.Parse(cfg.Issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || strings.HasSuffix(u.Path, "/") {
		return nil, errors.New("demo provider: the issuer must be a URL without a trailing slash")
	}
	if cfg.People == nil || cfg.Now == nil || cfg.Key == nil || len(cfg.Clients) == 0 {
		return nil, errors.New("demo provider: people, a clock, a key and a client are needed")
	}
	p := &Provider{
		cfg: cfg, path: u.Path, origin: u.Scheme + "://" + u.Host,
		codes: map[string]*code{}, tokens: map[string]*token{}, browsers: map[string]*browser{}, jtis: map[string]time.Time{},
	}
	if err := p.prepareKey(); err != nil {
		return nil, err
	}
	p.mux = http.NewServeMux()
	for pattern, handler := range map[string]http.HandlerFunc{
		"GET /.well-known/openid-configuration": p.discovery,
		"GET /jwks":                             p.jwks,
		"GET /authorize":                        p.authorize,
		"POST /token":                           p.token,
		"POST /token/introspection":             p.introspect,
		"POST /token/revocation":                p.revoke,
		"GET /userinfo":                         p.userinfo,
		"GET /session/end":                      p.end,
		"GET /demo.css":                         p.stylesheet,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		p.mux.HandleFunc(method+" "+p.path+path, handler)
	}
	return p, nil
}

// Path is the issuer's path, below which the provider wants to be mounted ("/demo/idp/api/v2").
func (p *Provider) Path() string { return p.path }

// maxBody bounds the body of a request to the provider.
const maxBody = 64 << 10

// ServeHTTP implements http.Handler. Paths are absolute: the issuer's path is not stripped before.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	p.mux.ServeHTTP(w, r)
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	i := p.cfg.Issuer
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                           i,
		"authorization_endpoint":                           i + "/authorize",
		"token_endpoint":                                   i + "/token",
		"introspection_endpoint":                           i + "/token/introspection",
		"revocation_endpoint":                              i + "/token/revocation",
		"userinfo_endpoint":                                i + "/userinfo",
		"jwks_uri":                                         i + "/jwks",
		"end_session_endpoint":                             i + "/session/end",
		"response_types_supported":                         []string{"code"},
		"response_modes_supported":                         []string{"query"},
		"grant_types_supported":                            []string{"authorization_code"},
		"subject_types_supported":                          []string{"pairwise"},
		"acr_values_supported":                             ACRs,
		"scopes_supported":                                 scopeNames(),
		"claims_parameter_supported":                       true,
		"code_challenge_methods_supported":                 []string{"S256"},
		"token_endpoint_auth_methods_supported":            []string{"client_secret_post", "private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"ES256", "RS256"},
		"id_token_signing_alg_values_supported":            []string{"ES256"},
		"userinfo_signing_alg_values_supported":            []string{"ES256"},
		"authorization_response_iss_parameter_supported":   true,
	})
}

func (p *Provider) client(id string) (*Client, bool) {
	for i := range p.cfg.Clients {
		if p.cfg.Clients[i].ID == id {
			return &p.cfg.Clients[i], true
		}
	}
	return nil, false
}

// keep adds to one of the provider's tables under its lock and drops what has expired.
func keep[V any](p *Provider, table map[string]V, key string, value V, over func(V) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(table) >= maxKept {
		for k, v := range table {
			if over(v) || len(table) >= maxKept {
				delete(table, k)
			}
		}
	}
	table[key] = value
}

// find reads one of the provider's tables under its lock.
func find[V any](p *Provider, table map[string]V, key string) (V, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v, ok := table[key]
	return v, ok
}
