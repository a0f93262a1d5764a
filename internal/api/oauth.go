package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ecluse/internal/directory"
	"ecluse/internal/signin"
)

// forPrograms lists the routes that a token may call; the others are for people in a browser.
// TestTokensOpenTheirRoutesAndNoOther compares it with openapi.yaml.
var forPrograms = map[string]bool{
	"GET /api/v1/me": true,
	"POST /api/v1/registers/{register}/search":                    true,
	"GET /api/v1/registers/{register}/caseload":                   true,
	"POST /api/v1/registers/{register}/persons/{handle}/disclose": true,
}

// callerOf finds who asks: the program whose token the request carries, or the account whose session the
// browser holds. Never both, so that no page can lend its session to a token.
func (a *API) callerOf(c *call, r route) (signin.Caller, error) {
	if len(c.Header.Values("Authorization")) == 0 {
		return a.rooms.Sessions.FromRequest(c.Request)
	}
	if a.rooms.Sessions.Holds(c.Request) {
		return signin.Caller{}, &problem{Status: http.StatusBadRequest, Code: "token.with_cookie",
			Detail: "Send a token or a session cookie, not both."}
	}
	caller, err := a.rooms.Programs.FromRequest(c.Request)
	switch {
	case tokenOver(err):
		return signin.Caller{}, a.noToken(c)
	case err != nil:
		return signin.Caller{}, err
	case !forPrograms[r.pattern]:
		return signin.Caller{}, &problem{Status: http.StatusForbidden, Code: "token.not_accepted",
			Detail: "Programs may not do this: sign in and do it in the browser."}
	}
	return caller, nil
}

func tokenOver(err error) bool {
	return errors.Is(err, signin.ErrNoSession) || errors.Is(err, signin.ErrExpired) || errors.Is(err, signin.ErrRevoked)
}

// noToken says no more than that: unknown, over, ended and suspended are one answer.
func (a *API) noToken(c *call) *problem {
	c.out.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	return &problem{Status: http.StatusUnauthorized, Code: "token.invalid", Detail: "Ask for a new token at /oauth/token."}
}

type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"` // seconds
}

// oauthError has the form of RFC 6749 §5.2, which libraries expect there and nowhere else.
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// token answers POST /oauth/token.
func (a *API) token(c *call) (reply, error) {
	form, refused := c.form("grant_type", "act_as")
	if refused != nil {
		return a.oauthRefusal(c, refused), nil
	}
	switch form.Get("grant_type") {
	case "client_credentials":
	case "":
		return a.oauthRefusal(c, signin.NewTokenError("invalid_request", "grant_type is missing: client_credentials.")), nil
	default:
		return a.oauthRefusal(c, signin.NewTokenError("unsupported_grant_type", "client_credentials is the only one.")), nil
	}
	token, err := a.rooms.Programs.Token(c.Request, proofOf(form), form.Get("act_as"))
	if errors.As(err, &refused) {
		return a.oauthRefusal(c, refused), nil
	}
	if err != nil {
		return reply{}, err
	}
	c.out.Header().Set("Pragma", "no-cache")
	return reply{status: http.StatusOK, body: tokenAnswer{token.Access, "Bearer", int(token.Life.Seconds())}}, nil
}

type keyAnswer struct {
	Kind         string    `json:"kind"` // secret, jwk
	ClientSecret string    `json:"client_secret,omitzero"`
	Ends         time.Time `json:"ends"`
	OldKeyEnds   time.Time `json:"old_key_ends"` // at the latest
}

// renewKey answers POST /oauth/keys: a new key in the place of the one that proves the program.
func (a *API) renewKey(c *call) (reply, error) {
	form, refused := c.form("jwk")
	if refused != nil {
		return a.oauthRefusal(c, refused), nil
	}
	key, secret, err := a.rooms.Programs.Renew(c.Request, proofOf(form), []byte(form.Get("jwk")))
	if errors.As(err, &refused) {
		return a.oauthRefusal(c, refused), nil
	}
	if err != nil {
		return reply{}, err
	}
	c.out.Header().Set("Pragma", "no-cache")
	return reply{status: http.StatusCreated, body: keyAnswer{
		key.Kind, string(secret), key.Ends.UTC().Truncate(time.Second), key.Created.Add(directory.ClientKeyOverlap).UTC().Truncate(time.Second),
	}}, nil
}

// metadata answers GET /.well-known/oauth-authorization-server (RFC 8414).
func (a *API) metadata(*call) (reply, error) {
	return reply{status: http.StatusOK, body: a.rooms.Programs.Metadata(), cache: "no-cache"}, nil
}

func proofOf(form url.Values) signin.Proof {
	return signin.Proof{
		ClientID: form.Get("client_id"), Secret: form.Get("client_secret"), AssertionType: form.Get("client_assertion_type"), Assertion: form.Get("client_assertion"),
	}
}

// oauthRefusal is an answer of RFC 6749 §5.2.
func (a *API) oauthRefusal(c *call, e *signin.TokenError) reply {
	status := http.StatusBadRequest
	switch e.Code {
	case "invalid_client":
		status = http.StatusUnauthorized
	case "slow_down":
		status = http.StatusTooManyRequests
		c.out.Header().Set("Retry-After", "60")
	}
	c.out.Header().Set("Pragma", "no-cache")
	return reply{status: status, body: oauthError{e.Code, e.Detail}}
}

const (
	maxFormBytes  = 16 << 10
	maxParameters = 16
)

// form reads a form of at most 16 KiB from the body: nothing from the address, where it would be logged on
// the way, nothing twice. Parameters that nobody knows are ignored (RFC 6749 §3.2); optional ones are those
// that are asked for besides the proof.
func (c *call) form(optional ...string) (url.Values, *signin.TokenError) {
	wrong := func(detail string) (url.Values, *signin.TokenError) {
		return nil, signin.NewTokenError("invalid_request", detail)
	}
	if c.URL.RawQuery != "" {
		return wrong("Send parameters in the body, never in the address.")
	}
	if c.Header.Get("Authorization") != "" {
		return wrong("Send client_id and client_secret, or client_assertion, in the body, not in a header.")
	}
	kind, _, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return wrong("Send application/x-www-form-urlencoded.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.out, c.Body, maxFormBytes))
	if err != nil || strings.Count(string(body), "&") >= maxParameters {
		return wrong("The body is too large, or broke off.")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return wrong("The body is no form.")
	}
	for _, name := range append(optional, "client_id", "client_secret", "client_assertion_type", "client_assertion") {
		if len(form[name]) > 1 {
			return wrong(name + " is there twice.")
		}
	}
	return form, nil
}
