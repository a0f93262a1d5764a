package signin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"ecluse/internal/directory"
)

// vouched is what a provider has proven in one sign-in.
type vouched struct {
	identity directory.Identity
	idToken  string
	invited  bool // an invitation has served in it
}

// callback ends a sign-in: handshake, code, ID token, assurance, userinfo, account, session. Whatever
// fails, no session comes of it.
func (s *Service) callback(w http.ResponseWriter, r *http.Request, pages Pages) error {
	p := s.providers[r.PathValue("provider")]
	if p == nil {
		return refuse(CodeProviderUnknown, "callback")
	}
	q, err := query(r)
	if err != nil {
		return err
	}
	h, err := s.takeHandshake(w, r, p.ID, q.Get("state"))
	if err != nil {
		return err
	}
	if err := s.conclude(w, r, p, h, q); err != nil {
		var refused *refusal
		if errors.As(err, &refused) {
			refused.h = h
		}
		return err
	}
	return s.comeBack(w, r, pages, h)
}

// conclude turns the provider's answer into a session.
func (s *Service) conclude(w http.ResponseWriter, r *http.Request, p *provider, h *handshake, answer url.Values) error {
	if _, err := s.store.SessionByHash(r.Context(), hashOf(h.Secret)); !errors.Is(err, ErrNoSession) {
		if err == nil {
			return refuse(CodeStateReplayed, "callback")
		}
		return err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), p.client), 2*p.timeout)
	defer cancel()
	v, err := p.vouch(ctx, h, answer)
	if err != nil {
		return err
	}
	account, invited, err := s.account(r.Context(), v.identity, h.Invitation)
	if err != nil {
		return err
	}
	v.invited = invited
	if err := s.open(w, r, h, account, v); err != nil {
		return err
	}
	if h.For != 0 && h.For != account.ID { // somebody else sat down: nothing of the page before is hers
		h.Return = "/"
		s.clear(w, draftCookie)
	}
	return nil
}

// comeBack sends the browser to where the sign-in was asked for.
func (s *Service) comeBack(w http.ResponseWriter, r *http.Request, pages Pages, h *handshake) error {
	to := localPath(h.Return) // checked at the start already
	if h.stepUp {
		to = StepUpLink(to)
	}
	if h.Lang != "" {
		u, err := url.Parse(to)
		if err != nil {
			return err
		}
		q := u.Query()
		q.Set("lang", h.Lang)
		u.RawQuery = q.Encode()
		to = u.String()
	}
	pages.Redirect(w, r, to)
	return nil
}

// vouch checks the provider's answer and everything that it leads to.
func (p *provider) vouch(ctx context.Context, h *handshake, answer url.Values) (*vouched, error) {
	m, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	if iss := answer.Get("iss"); iss != p.Issuer && (iss != "" || m.issParam) { // RFC 9207: mix-up
		return nil, refuse(CodeTokenInvalid, "answer: iss")
	}
	if err := answerError(answer.Get("error")); err != nil {
		return nil, err
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, refuse(CodeProviderDown, "token: too many at once")
	}
	token, err := p.exchange(ctx, m, h, answer.Get("code"))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.checkIDToken(ctx, m, h, raw, token.AccessToken)
	if err != nil {
		return nil, err
	}
	person, err := p.fetchUserinfo(ctx, m, token.AccessToken, id.Subject)
	if err != nil {
		return nil, err
	}
	person.ACR = id.acr
	return &vouched{identity: person, idToken: raw}, nil
}

// answerError is the refusal that goes with an error of the authorization endpoint.
func answerError(code string) error {
	switch code {
	case "":
		return nil
	case "access_denied":
		return refuse(CodeProviderDenied, "answer")
	case "server_error", "temporarily_unavailable":
		return refuse(CodeProviderDown, "answer")
	}
	return refuse(CodeProviderRefused, "answer")
}

// exchange trades the code for tokens.
func (p *provider) exchange(ctx context.Context, m *metadata, h *handshake, code string) (*oauth2.Token, error) {
	if code == "" || len(code) > 4096 {
		return nil, refuse(CodeTokenInvalid, "answer: code")
	}
	var options []oauth2.AuthCodeOption
	if p.PKCE {
		options = append(options, oauth2.VerifierOption(h.Verifier))
	}
	if p.Auth == PrivateKeyJWT {
		assertion, err := p.assertion(m.oauth.Endpoint.TokenURL)
		if err != nil {
			return nil, err
		}
		options = append(options,
			oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
			oauth2.SetAuthURLParam("client_assertion", assertion))
	}
	token, err := m.oauth.Exchange(ctx, code, options...)
	var refused *oauth2.RetrieveError
	switch {
	case err == nil:
		return token, nil
	case !errors.As(err, &refused) || refused.Response == nil || refused.Response.StatusCode >= 500:
		return nil, refuse(CodeProviderDown, "token: "+cause(err))
	case refused.ErrorCode == "invalid_grant": // the code is over (60 s) or has served
		return nil, refuse(CodeStateExpired, "token: invalid_grant")
	}
	return nil, refuse(CodeProviderRefused, "token")
}

// checkedToken is an ID token that passed every check.
type checkedToken struct {
	*oidc.IDToken
	acr string
}

// checkIDToken checks signature, alg, iss and aud (go-oidc), then azp, times, nonce, at_hash and acr
// (OpenID Connect Core 1.0 §3.1.3.7).
func (p *provider) checkIDToken(ctx context.Context, m *metadata, h *handshake, raw, access string) (*checkedToken, error) {
	if raw == "" || len(raw) > 16<<10 {
		return nil, refuse(CodeTokenInvalid, "id_token: missing")
	}
	token, err := m.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, p.badToken(ctx, "id_token", err)
	}
	var claims timedClaims
	if token.Claims(&claims) != nil {
		return nil, refuse(CodeTokenInvalid, "id_token: claims")
	}
	if claims.AZP != p.ClientID && (claims.AZP != "" || len(token.Audience) > 1) {
		return nil, refuse(CodeTokenInvalid, "id_token: azp")
	}
	if err := claims.check("id_token", p.now(), true); err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(h.Nonce)) != 1 {
		return nil, refuse(CodeNonce, "id_token")
	}
	if token.AccessTokenHash != "" && token.VerifyAccessToken(access) != nil {
		return nil, refuse(CodeTokenInvalid, "id_token: at_hash")
	}
	if token.Subject == "" || len(token.Subject) > 255 {
		return nil, refuse(CodeTokenInvalid, "id_token: sub")
	}
	if !slices.Contains(p.ACRAccepted, claims.ACR) {
		return nil, refuse(CodeAssurance, "id_token: acr")
	}
	return &checkedToken{token, claims.ACR}, nil
}

// badToken: keys that could not be had are the provider's failure, everything else the token's.
func (p *provider) badToken(ctx context.Context, what string, err error) error {
	if c := cause(err); c != "not understood" || ctx.Err() != nil {
		return refuse(CodeProviderDown, what+": keys: "+c)
	}
	if strings.Contains(err.Error(), "fetching keys") {
		return refuse(CodeProviderDown, what+": keys")
	}
	return refuse(CodeTokenInvalid, what)
}

// timedClaims are the claims that go-oidc leaves to us. Times are seconds, possibly with a fraction.
type timedClaims struct {
	AZP string  `json:"azp"`
	ACR string  `json:"acr"`
	IAT float64 `json:"iat"`
	EXP float64 `json:"exp"`
	NBF float64 `json:"nbf"`
}

// skew is how far a provider's clock may be from ours.
const skew = 30 * time.Second

// check refuses a token that is over or not yet valid: fresh from the provider as it is, a clock is
// wrong. exp is required, iat if issued says so.
func (c timedClaims) check(what string, now time.Time, issued bool) error {
	at := float64(now.UnixMilli()) / 1000
	switch {
	case c.EXP <= 0 || issued && c.IAT <= 0:
		return refuse(CodeTokenInvalid, what+": times")
	case at >= c.EXP+skew.Seconds():
		return refuse(CodeClock, what+": exp")
	case c.IAT > at+skew.Seconds() || c.NBF > at+skew.Seconds():
		return refuse(CodeClock, what+": iat")
	}
	return nil
}

// fetchUserinfo asks who sub is. go-oidc would check a signed answer's signature only: iss, aud and exp
// are checked here.
func (p *provider) fetchUserinfo(ctx context.Context, m *metadata, access, sub string) (directory.Identity, error) {
	body, err := p.getUserinfo(ctx, m.userinfo, access)
	if err != nil {
		return directory.Identity{}, err
	}
	var claims map[string]any
	if p.Userinfo == UserinfoJSON {
		err = json.Unmarshal(body, &claims)
	} else {
		claims, err = p.openUserinfo(ctx, m, string(body))
	}
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		return directory.Identity{}, refused
	case err != nil:
		return directory.Identity{}, refuse(CodeTokenInvalid, "userinfo: content")
	}
	if text(claims, "sub") != sub { // OpenID Connect Core 1.0 §5.3.2
		return directory.Identity{}, refuse(CodeTokenInvalid, "userinfo: sub")
	}
	id := directory.Identity{
		IDP: p.ID, Sub: sub, Email: text(claims, "email"), GivenName: text(claims, "given_name"), UsualName: text(claims, "usual_name"),
		SIRET: text(claims, "siret"),
	}
	if id.UsualName == "" {
		id.UsualName = text(claims, "family_name")
	}
	behind := ""
	if p.IDPClaim != "" {
		behind = text(claims, p.IDPClaim)
		if behind == "" { // never fall back: two identity providers may use the same sub
			return directory.Identity{}, refuse(CodeTokenInvalid, "userinfo: idp")
		}
		id.IDP += "/" + behind
	}
	id.EmailProven, id.SIRETProven = Proves(p.ProvenEmail, behind), Proves(p.ProvenSIRET, behind)
	return id, nil
}

// Proves reports whether an identity provider is in a configured list: by its name, or because all are.
func Proves(list []string, idp string) bool {
	return slices.Contains(list, "*") || idp != "" && slices.Contains(list, idp)
}

// openUserinfo checks a signed userinfo answer.
func (p *provider) openUserinfo(ctx context.Context, m *metadata, raw string) (map[string]any, error) {
	token, err := m.verifier.Verify(ctx, strings.TrimSpace(raw)) // signature, alg, iss, aud
	if err != nil {
		return nil, p.badToken(ctx, "userinfo", err)
	}
	var times timedClaims
	if err := token.Claims(&times); err != nil {
		return nil, err
	}
	if err := times.check("userinfo", p.now(), false); err != nil {
		return nil, err
	}
	var claims map[string]any
	return claims, token.Claims(&claims)
}

func (p *provider) getUserinfo(ctx context.Context, endpoint, access string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return nil, refuse(CodeProviderDown, "userinfo: address")
	}
	req.Header.Set("Authorization", "Bearer "+access)
	req.Header.Set("Accept", map[string]string{UserinfoJWT: "application/jwt", UserinfoJSON: "application/json"}[p.Userinfo])
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, refuse(CodeProviderDown, "userinfo: "+cause(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, refuse(CodeProviderDown, "userinfo: "+cause(err))
	}
	if resp.StatusCode/100 != 2 {
		return nil, refuse(CodeProviderDown, "userinfo: status")
	}
	return body, nil
}

// text is a claim that must be a bearable string; anything else counts as absent.
func text(claims map[string]any, name string) string {
	s, _ := claims[name].(string)
	if len(s) > 512 {
		return ""
	}
	return s
}
