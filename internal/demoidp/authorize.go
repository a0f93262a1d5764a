package demoidp

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// documented are the authorize parameters that ProConnect documents; any other one is error Y000400.
// max_age is not among them.
var documented = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "claims", "acr_values", "prompt",
	"login_hint", "idp_hint", "siret_hint", "code_challenge", "code_challenge_method",
}

// own are the parameters of the demo's own page.
var own = []string{"demo_acr", "demo_find", "demo_lang", "demo_deny"}

// request is a checked authorize request.
type request struct {
	client    *Client
	redirect  string
	state     string
	nonce     string
	scopes    map[string]bool
	amr       bool     // asked for by the claims parameter
	acrs      []string // acr values asked for
	login     bool     // prompt=login
	hint      string
	challenge string
	query     url.Values
}

// requestError is a refusal that only the provider's own page may show: the client is not trusted yet.
type requestError struct{ code, detail string }

func (e *requestError) Error() string { return e.code + " " + e.detail }

func refuse(detail string) error { return &requestError{"Y000400", detail} }

// authorize answers an authentication request: with an error page, with a silent or hinted sign-in, or
// with the page to pick a person from.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q, err := p.checkRequest(r)
	if err != nil {
		p.errorPage(w, r, err)
		return
	}
	if q.query.Get("demo_deny") != "" {
		p.back(w, r, q, url.Values{"error": {"access_denied"}, "error_description": {"User auth aborted"}})
		return
	}
	if person, acr, ok := p.known(r, q); ok {
		p.signIn(w, r, q, person, acr)
		return
	}
	p.pickPage(w, r, q)
}

// checkRequest applies ProConnect's rules to an authorize request.
func (p *Provider) checkRequest(r *http.Request) (*request, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !utf8.ValidString(r.URL.RawQuery) {
		return nil, refuse("unreadable query")
	}
	for name, all := range values {
		if !slices.Contains(documented, name) && !slices.Contains(own, name) {
			return nil, refuse("undocumented parameter")
		}
		if len(all) != 1 {
			return nil, refuse("repeated parameter " + name)
		}
	}
	q := &request{query: values, state: values.Get("state"), nonce: values.Get("nonce"), redirect: values.Get("redirect_uri")}
	var known bool
	if q.client, known = p.client(values.Get("client_id")); !known {
		return nil, &requestError{"Y030106", "unknown client_id"}
	}
	if !slices.Contains(q.client.RedirectURIs, q.redirect) {
		return nil, &requestError{"Y030118", "redirect_uri is not registered"}
	}
	return q, q.checkOptions(values)
}

func (q *request) checkOptions(values url.Values) error {
	q.scopes = map[string]bool{}
	for _, s := range strings.Fields(values.Get("scope")) {
		q.scopes[s] = true
	}
	q.hint = values.Get("login_hint")
	q.challenge = values.Get("code_challenge")
	q.login = slices.Contains(strings.Fields(values.Get("prompt")), "login")
	switch {
	case values.Get("response_type") != "code":
		return refuse("response_type must be code")
	case values.Has("response_mode") && values.Get("response_mode") != "query":
		return refuse("response_mode must be query")
	case !q.scopes["openid"]:
		return refuse("scope must hold openid")
	case len(q.state) < 32 || len(q.nonce) < 32:
		return refuse("state and nonce must have at least 32 characters")
	case len(q.state) > 512 || len(q.nonce) > 512:
		return refuse("state and nonce must have at most 512 characters")
	case values.Has("prompt") && !slices.Contains([]string{"login", "consent", "login consent", "consent login"}, values.Get("prompt")):
		return refuse("prompt must be login or consent")
	case q.challenge != "" && (values.Get("code_challenge_method") != "S256" || len(q.challenge) != 43):
		return refuse("code_challenge_method must be S256")
	case q.challenge == "" && values.Has("code_challenge_method"):
		return refuse("code_challenge is missing")
	case values.Get("demo_acr") != "" && !slices.Contains(ACRs, values.Get("demo_acr")):
		return refuse("demo_acr is not an acr")
	}
	return q.parseClaims(values.Get("claims"))
}

// parseClaims reads the claims parameter (OpenID Connect Core 1.0 §5.5) as far as ProConnect does: amr
// and acr of the ID token.
func (q *request) parseClaims(raw string) error {
	if raw == "" {
		return nil
	}
	var c struct {
		IDToken map[string]*struct {
			Essential bool     `json:"essential"`
			Value     string   `json:"value"`
			Values    []string `json:"values"`
		} `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(raw), &c); err != nil {
		return refuse("claims is not the JSON of OpenID Connect Core 5.5")
	}
	_, q.amr = c.IDToken["amr"]
	if acr := c.IDToken["acr"]; acr != nil {
		q.acrs = acr.Values
		if acr.Value != "" {
			q.acrs = append(q.acrs, acr.Value)
		}
	}
	return nil
}

// ssoCookie is the provider's own session in the browser.
const ssoCookie = "ecluse-demo-idp"

// known finds who is to be signed in without a page: the person of login_hint (this is a demo), or,
// unless prompt=login, whoever signed in from this browser in the last 12 hours.
func (p *Provider) known(r *http.Request, q *request) (Person, string, bool) {
	if person, ok := p.cfg.People.Lookup(q.hint); ok && q.hint != "" && !q.query.Has("demo_find") {
		return person, chosenACR(q, person), true
	}
	if q.login {
		return Person{}, "", false
	}
	cookie, err := r.Cookie(ssoCookie)
	if err != nil {
		return Person{}, "", false
	}
	b, ok := find(p, p.browsers, cookie.Value)
	if !ok || !p.cfg.Now().Before(b.ends) {
		return Person{}, "", false
	}
	person, ok := p.cfg.People.Lookup(b.login)
	return person, b.acr, ok
}

func chosenACR(q *request, person Person) string {
	switch {
	case q.query.Get("demo_acr") != "":
		return q.query.Get("demo_acr")
	case person.ACR != "":
		return person.ACR
	}
	return DefaultACR
}

// signIn starts (or goes on with) the provider's own session and sends the browser back with a code.
func (p *Provider) signIn(w http.ResponseWriter, r *http.Request, q *request, person Person, acr string) {
	now := p.cfg.Now()
	id := secret()
	keep(p, p.browsers, id, &browser{person.Login, acr, now.Add(SessionLife)}, func(b *browser) bool { return !now.Before(b.ends) })
	http.SetCookie(w, &http.Cookie{
		Name: ssoCookie, Value: id, Path: p.path, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(p.origin, "https:"),
	})
	c := &code{
		grant:    grant{client: q.client.ID, person: person, acr: acr, nonce: q.nonce, scopes: q.scopes, amr: q.amr},
		redirect: q.redirect, challenge: q.challenge, ends: now.Add(CodeLife),
	}
	name := secret()
	keep(p, p.codes, name, c, func(c *code) bool { return !now.Before(c.ends) })
	p.back(w, r, q, url.Values{"code": {name}})
}

// back sends the browser to the client with an answer, state and iss (RFC 9207).
func (p *Provider) back(w http.ResponseWriter, r *http.Request, q *request, answer url.Values) {
	answer.Set("state", q.state)
	answer.Set("iss", p.cfg.Issuer)
	to, err := url.Parse(q.redirect)
	if err != nil {
		p.errorPage(w, r, refuse("redirect_uri does not parse"))
		return
	}
	to.RawQuery = answer.Encode()
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}
