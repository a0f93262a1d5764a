package signin

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
)

// AuthMethod is how we prove to a provider who we are.
type AuthMethod string

// The two methods that ProConnect knows (OpenID Connect Core 1.0 §9).
const (
	ClientSecretPost AuthMethod = "client_secret_post"
	PrivateKeyJWT    AuthMethod = "private_key_jwt"
)

// The two forms of userinfo.
const (
	UserinfoJWT  = "jwt" // signed; JSON is then refused
	UserinfoJSON = "json"
)

// Provider is the configuration of one OpenID provider.
type Provider struct {
	ID       string // in addresses and in accounts.idp: a-z, 0-9, -
	Label    string // on the button
	Issuer   string // exact, as in its tokens
	ClientID string
	Auth     AuthMethod
	Secret   string        // ClientSecretPost
	Key      crypto.Signer // PrivateKeyJWT: ECDSA P-256 (ES256) or RSA (RS256)
	KeyID    string        // kid of the assertion, may be empty
	Scopes   []string      // openid is added
	// ACRAccepted are the acr values that let someone in, ACRStrong those of them that count as strong.
	// Exact membership: the values are names, not an order. An empty ACRAccepted admits nobody.
	ACRAccepted []string
	ACRStrong   []string
	IDPClaim    string // claim that names the identity provider behind a federation ("idp_id"); "" = none
	// ProvenEmail and ProvenSIRET are the identity providers behind it ("*" = all) that prove what they pass
	// on; of others it is a hint.
	ProvenEmail []string
	ProvenSIRET []string
	Userinfo    string // UserinfoJWT or UserinfoJSON
	PKCE        bool   // S256
	// NoPromptLogin leaves prompt=login out. Shared desks are the rule: do not.
	NoPromptLogin bool
	// SigningAlgs are the accepted signatures; empty = ES256 and RS256. Symmetric ones and none are
	// refused by New: a client secret must not be able to make an identity.
	SigningAlgs []string
	// Demo passes ?demo_acr on to the provider (package demoidp).
	Demo bool
}

// provider is a Provider at work.
type provider struct {
	Provider
	origin   string // of the issuer
	callback string // redirect_uri
	client   *http.Client
	timeout  time.Duration
	now      func() time.Time
	slots    chan struct{} // bounds the conversations with the provider

	flight singleflight.Group
	mu     sync.Mutex
	meta   *metadata // nil until discovered
}

// metadata is what discovery told (OpenID Connect Discovery 1.0 §3).
type metadata struct {
	oidc       *oidc.Provider
	verifier   *oidc.IDTokenVerifier
	oauth      oauth2.Config
	userinfo   string
	endSession string // "" = the provider has none
	issParam   bool   // RFC 9207: answers carry iss
	until      time.Time
}

// Limits of the conversation with one provider.
const (
	maxConversations = 32
	metadataLife     = time.Hour
)

var providerID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

func newProvider(c Provider, public string, timeout time.Duration, via http.RoundTripper, now func() time.Time) (*provider, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("signin: provider %q: %w", c.ID, err)
	}
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || !mayCall(u, u) {
		return nil, fmt.Errorf("signin: provider %q: the issuer must be an https:// URL (http:// only on loopback)", c.ID)
	}
	return &provider{
		Provider: c, origin: u.Scheme + "://" + u.Host, callback: public + "/sign-in/" + c.ID + "/callback",
		client: boundedClient(u, timeout, via), timeout: timeout, now: now, slots: make(chan struct{}, maxConversations),
	}, nil
}

// check refuses a configuration that could not work or would not be safe.
func (c *Provider) check() error {
	if len(c.SigningAlgs) == 0 {
		c.SigningAlgs = []string{oidc.ES256, oidc.RS256}
	}
	if !slices.Contains(c.Scopes, oidc.ScopeOpenID) {
		c.Scopes = append([]string{oidc.ScopeOpenID}, c.Scopes...)
	}
	switch {
	case !providerID.MatchString(c.ID):
		return errors.New("the id must be of a-z, 0-9 and -")
	case c.ClientID == "" || c.Label == "":
		return errors.New("client id and label are needed")
	case c.Auth == ClientSecretPost && len(c.Secret) < 16:
		return errors.New("client_secret_post needs a secret of at least 16 characters")
	case c.Auth == PrivateKeyJWT && assertionAlg(c.Key) == "":
		return errors.New("private_key_jwt needs a P-256 or an RSA key of at least 2048 bits")
	case c.Auth != ClientSecretPost && c.Auth != PrivateKeyJWT:
		return errors.New("the client authentication must be client_secret_post or private_key_jwt")
	case c.Userinfo != UserinfoJWT && c.Userinfo != UserinfoJSON:
		return errors.New("userinfo must be jwt or json")
	case len(c.ACRAccepted) == 0:
		return errors.New("acr_accepted is empty: nobody could sign in")
	}
	for _, acr := range c.ACRStrong {
		if !slices.Contains(c.ACRAccepted, acr) {
			return fmt.Errorf("acr_strong holds %q, which acr_accepted does not", acr)
		}
	}
	for _, alg := range c.SigningAlgs {
		if !slices.Contains([]string{oidc.ES256, oidc.ES384, oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256}, alg) {
			return fmt.Errorf("signature %q is not an accepted one", alg)
		}
	}
	return nil
}

// assertionAlg is the signature that goes with a key, "" if none does.
func assertionAlg(key crypto.Signer) string {
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve.Params().BitSize == 256 {
			return oidc.ES256
		}
	case *rsa.PrivateKey:
		if k.N.BitLen() >= 2048 {
			return oidc.RS256
		}
	}
	return ""
}

// discover is the provider's metadata: kept for an hour, and beyond it while the provider does not
// answer. Errors: a refusal with CodeProviderDown.
func (p *provider) discover(ctx context.Context) (*metadata, error) {
	p.mu.Lock()
	known := p.meta
	p.mu.Unlock()
	if known != nil && p.now().Before(known.until) {
		return known, nil
	}
	answer := p.flight.DoChan("discovery", func() (any, error) { return p.ask() }) // not bound to one visitor's patience
	select {
	case <-ctx.Done():
		return nil, refuse(CodeProviderDown, "discovery: waiting")
	case got := <-answer:
		if got.Err == nil {
			return got.Val.(*metadata), nil
		}
		if known != nil {
			return known, nil
		}
		return nil, refuse(CodeProviderDown, "discovery: "+cause(got.Err))
	}
}

// ask runs discovery once.
func (p *provider) ask() (*metadata, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(context.Background(), p.client), p.timeout)
	defer cancel()
	found, err := oidc.NewProvider(ctx, p.Issuer)
	if err != nil {
		return nil, err
	}
	var more struct {
		EndSession string `json:"end_session_endpoint"`
		JWKS       string `json:"jwks_uri"`
		IssParam   bool   `json:"authorization_response_iss_parameter_supported"`
	}
	if err := found.Claims(&more); err != nil {
		return nil, err
	}
	endpoint := found.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams
	for _, e := range []string{endpoint.AuthURL, endpoint.TokenURL, found.UserInfoEndpoint(), more.JWKS} {
		if !p.bearable(e) {
			return nil, errors.New("an endpoint is missing or not https")
		}
	}
	if more.EndSession != "" && !p.bearable(more.EndSession) {
		return nil, errors.New("the end_session_endpoint is not https")
	}
	m := &metadata{
		oidc:     found,
		verifier: found.VerifierContext(context.WithoutCancel(ctx), &oidc.Config{ClientID: p.ClientID, SupportedSigningAlgs: p.SigningAlgs, SkipExpiryCheck: true}),
		oauth:    oauth2.Config{ClientID: p.ClientID, Endpoint: endpoint, RedirectURL: p.callback, Scopes: p.Scopes},
		userinfo: found.UserInfoEndpoint(), endSession: more.EndSession, issParam: more.IssParam, until: p.now().Add(metadataLife),
	}
	if p.Auth == ClientSecretPost {
		m.oauth.ClientSecret = p.Secret
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.meta = m
	return m, nil
}

// bearable reports whether an endpoint that discovery named may be used.
func (p *provider) bearable(raw string) bool {
	issuer, err1 := url.Parse(p.Issuer)
	u, err2 := url.Parse(raw)
	return err1 == nil && err2 == nil && u.Host != "" && u.User == nil && u.Fragment == "" && mayCall(issuer, u)
}

// mayCall: https, or plain http to a loopback address when the issuer is one itself.
func mayCall(issuer, u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) && issuer.Scheme == "http" && loopback(issuer.Hostname())
}

// authorizeURL is where the browser goes: no parameter that ProConnect does not document.
func (p *provider) authorizeURL(m *metadata, h *handshake, hint, demoACR string) (string, error) {
	claims, err := json.Marshal(map[string]any{"id_token": map[string]any{
		"amr": map[string]any{"essential": true},
		"acr": map[string]any{"essential": true, "values": p.ACRAccepted},
	}})
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(h.Nonce), oauth2.SetAuthURLParam("claims", string(claims))}
	add := func(name, value string) { options = append(options, oauth2.SetAuthURLParam(name, value)) }
	if !p.NoPromptLogin {
		add("prompt", "login")
	}
	if p.PKCE {
		options = append(options, oauth2.S256ChallengeOption(h.Verifier))
	}
	if hint != "" {
		add("login_hint", hint)
	}
	if demoACR != "" && p.Demo {
		add("demo_acr", demoACR)
	}
	return m.oauth.AuthCodeURL(h.State, options...), nil
}

// hint is a login_hint worth passing on: ProConnect takes e-mail addresses only.
func hint(raw string) string {
	if len(raw) > 254 || strings.Count(raw, "@") != 1 || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return ""
	}
	return raw
}
