// Package signin proves who asks: OpenID Connect against ProConnect or any other configured provider,
// and sessions that live on the server. It yields a Caller and nothing more: what the caller may do is
// the gate's business.
//
// What it never does: write HTML or a status (package web does, through Pages), look an account up by
// e-mail, trust a Host or X-Forwarded-* header, put a token, a claim or a person's name into a log, an
// error or a URL of ours, follow a provider off its own host.
//
// Invariants: a session exists only for an identity (provider and idp_id, sub) that an account is bound
// to and whose acr is in the provider's configured list; the cookie's secret is known to the browser
// alone (the database has its SHA-256); every request reads the session's row, so a revoked session is
// dead at once on every node; a state serves once (see handshake).
//
// Table: sessions. Cookies (cookie.go): the session, the handshake (10 minutes), a draft (30 minutes),
// the sign-out's state (10 minutes), the browser's own number (180 days).
//
// Sign-out is a POST without a token of its own: mount Handler behind http.CrossOriginProtection.
package signin

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"

	"github.com/go-webauthn/webauthn/webauthn"
)

// Defaults of Options.
const (
	DefaultIdle     = 15 * time.Minute
	DefaultAbsolute = 12 * time.Hour
	DefaultTimeout  = 5 * time.Second
)

// Sealer seals small secrets under a domain; *keys.Keys is one.
type Sealer interface {
	MAC(domain string, parts ...[]byte) []byte
	Seal(domain string, plaintext, ad []byte) ([]byte, error)
	Unseal(domain string, sealed, ad []byte) ([]byte, error)
}

// Options is what New needs.
type Options struct {
	// PublicURL is how browsers reach this instance: https://…, or http:// on loopback (the demo).
	// Every address that signin makes starts with it, whatever a request says.
	PublicURL string
	// Name is what keys and applications show the installation as; "" = the host of PublicURL.
	Name      string
	Providers []Provider
	Idle      time.Duration // 0 = DefaultIdle
	Absolute  time.Duration // 0 = DefaultAbsolute
	Timeout   time.Duration // of one answer of a provider; 0 = DefaultTimeout
	Store     Store
	Accounts  Accounts
	Sealer    Sealer
	Now       func() time.Time
	// DeviceNow is the clock that people's own devices go by, which make codes; nil = Now. Only a demo,
	// whose clock can be moved, has another.
	DeviceNow func() time.Time
	Log       *slog.Logger // nil = none; never sees a token, a claim or a name
	// ClientIP is where a request comes from, for "my connections"; nil = the connection's peer. A node
	// behind a reverse proxy that it trusts passes its own.
	ClientIP func(*http.Request) netip.Addr
	// Transport carries the calls to providers; nil = http.DefaultTransport.
	Transport http.RoundTripper
}

// Service signs people in and out. Safe for concurrent use.
type Service struct {
	public    *url.URL
	secure    bool // https
	providers map[string]*provider
	order     []string
	idle      time.Duration
	absolute  time.Duration
	store     Store
	accounts  Accounts
	sealer    Sealer
	now       func() time.Time
	deviceNow func() time.Time
	name      string
	keys      *webauthn.WebAuthn // nil: the public address is a number
	log       *slog.Logger
	clientIP  func(*http.Request) netip.Addr
}

// New checks the options. It calls no provider: discovery happens at the first sign-in and is tried
// again until it works, so a provider that is down does not keep a node from starting.
func New(o Options) (*Service, error) {
	public, err := publicURL(o.PublicURL)
	if err != nil {
		return nil, err
	}
	if o.Store == nil || o.Accounts == nil || o.Sealer == nil || o.Now == nil {
		return nil, errors.New("signin: store, accounts, sealer and clock are needed")
	}
	s := &Service{
		public: public, secure: public.Scheme == "https", providers: map[string]*provider{},
		idle: orDefault(o.Idle, DefaultIdle), absolute: orDefault(o.Absolute, DefaultAbsolute),
		store: o.Store, accounts: o.Accounts, sealer: o.Sealer, now: o.Now, deviceNow: o.DeviceNow, name: o.Name, log: o.Log, clientIP: o.ClientIP,
	}
	if s.deviceNow == nil {
		s.deviceNow = o.Now
	}
	if s.name == "" {
		s.name = public.Hostname()
	}
	if s.keys, err = newKeys(public, s.name); err != nil {
		return nil, err
	}
	if s.idle > s.absolute {
		return nil, errors.New("signin: the idle limit is longer than the absolute one")
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.clientIP == nil {
		s.clientIP = peer
	}
	for _, c := range o.Providers {
		if s.providers[c.ID] != nil {
			return nil, fmt.Errorf("signin: provider %q is configured twice", c.ID)
		}
		p, err := newProvider(c, public.String(), orDefault(o.Timeout, DefaultTimeout), o.Transport, o.Now)
		if err != nil {
			return nil, err
		}
		s.providers[c.ID] = p
		s.order = append(s.order, c.ID)
	}
	return s, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// publicURL accepts https://host[:port], or http:// on loopback.
func publicURL(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(raw, "/"))
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("signin: the public URL must be a scheme and a host, nothing else")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("signin: the public URL must start with https:// (http:// only on loopback)")
	}
	return u, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func peer(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip, _ := netip.ParseAddr(host)
	return ip
}

// Handler serves the routes of signing in and out; pages renders.
//
//	GET  /sign-in                       ?return ?invitation ?login_hint ?lang: the choice of a provider
//	GET  /sign-in/{provider}            the same, and ?demo_acr for a demo provider: off to the provider
//	GET  /sign-in/{provider}/callback   back from it
//	POST /sign-out                      ends the session here, then at the federation
//	GET  /sign-out/done                 back from there
//
// An invitation is a secret in a URL: do not log query strings.
func (s *Service) Handler(pages Pages) http.Handler {
	mux := http.NewServeMux()
	for pattern, step := range map[string]func(http.ResponseWriter, *http.Request, Pages) error{
		"GET /sign-in":                     s.choose,
		"GET /sign-in/{provider}":          s.start,
		"GET /sign-in/{provider}/callback": s.callback,
		"POST /sign-out":                   s.signOut,
		"GET /sign-out/done":               s.signedOut,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Referrer-Policy", "no-referrer")
			if err := step(w, r, pages); err != nil {
				s.problem(w, r, pages, err)
			}
		})
	}
	return mux
}

// Origins are the origins that a form's answer may redirect to (POST /sign-out leads to the
// federation): for the Content-Security-Policy's form-action, which browsers apply to redirects.
func (s *Service) Origins() []string {
	var out []string
	for _, id := range s.order {
		out = append(out, s.providers[id].origin)
	}
	return out
}

// maxQuery bounds the query of a request to signin; ProConnect's answers are under 1 KiB.
const maxQuery = 8 << 10

// query reads the query of r: bounded, each parameter at most once.
func query(r *http.Request) (url.Values, error) {
	if len(r.URL.RawQuery) > maxQuery || r.Method == http.MethodHead {
		return nil, refuse(CodeRequestInvalid, "query")
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(CodeRequestInvalid, "query")
	}
	for _, all := range q {
		if len(all) > 1 {
			return nil, refuse(CodeRequestInvalid, "query")
		}
	}
	return q, nil
}

// choose lets pages show the providers.
func (s *Service) choose(w http.ResponseWriter, r *http.Request, pages Pages) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	_, err = s.FromRequest(r)
	c := Choice{Locked: errors.Is(err, ErrLocked), Invitation: q.Get("invitation") != "", Return: localPath(q.Get("return"))}
	pass := url.Values{}
	for _, name := range []string{"return", "invitation", "login_hint", "lang"} {
		if q.Get(name) != "" {
			pass.Set(name, q.Get(name))
		}
	}
	for _, id := range s.order {
		link := "/sign-in/" + id
		if len(pass) > 0 {
			link += "?" + pass.Encode()
		}
		c.Providers = append(c.Providers, ProviderLink{ID: id, Label: s.providers[id].Label, URL: link, Demo: s.providers[id].Demo})
	}
	pages.Choose(w, r, c)
	return nil
}

// Link is the address of the sign-in that comes back to path, for pages that need a session.
func Link(path string) string {
	return "/sign-in?" + url.Values{"return": {path}}.Encode()
}

// StepUpLink is the address of the page that asks for an own factor and then leads to path.
func StepUpLink(path string) string {
	return "/second-factor?" + url.Values{"next": {localPath(path)}}.Encode()
}

// Caller is who asks, how strongly proven, in which session. The zero Caller is nobody.
type Caller struct {
	Account  ecluse.AccountID // who is decided on
	Client   ecluse.AccountID // the program that asks, for Account or for itself; 0 = a person asks
	Session  ecluse.SessionID
	Provider string // configured id
	ACR      string
	Assured  bool      // acr is in the provider's accepted list, as configured now
	Strong   bool      // assured, and acr is in the provider's strong list, or an own factor was proven within StepUpLife
	SignedAt time.Time // last time the provider vouched for her
	ProvenAt time.Time // last time that she proved an own factor in this session, zero = never
	Device   string    // number of the browser: the same for everybody who uses it
	Network  string    // prefix of the address that she signed in from
	Locked   bool      // idle: show nothing but the lock
}

// Actor is the caller as the directory knows whoever acts. A program acts on persons only: nothing of the
// directory takes it for assured.
func (c Caller) Actor() directory.Actor {
	return directory.Actor{Account: c.Account, Session: c.Session, Device: c.Device, Network: c.Network, Assured: c.Assured && c.Client == 0, Strong: c.Strong}
}
