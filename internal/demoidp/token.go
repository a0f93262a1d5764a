package demoidp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// scopes maps each scope to the claims that it lets out (sub and idp_id aside).
var scopes = map[string][]string{
	"openid": nil, "given_name": {"given_name"}, "usual_name": {"usual_name"}, "email": {"email"}, "uid": {"uid"}, "siret": {"siret"},
	"idp_id": {"idp_id"}, "organization_label": {"organization_label"}, "profile": {"given_name", "usual_name"},
}

func scopeNames() []string { return slices.Sorted(maps.Keys(scopes)) }

// oauthError answers as RFC 6749 §5.2.
func oauthError(w http.ResponseWriter, status int, code string) {
	writeJSON(w, status, map[string]string{"error": code})
}

// authenticate finds the client of a back-channel request: client_secret_post or private_key_jwt, as
// ProConnect. An Authorization header is refused.
func (p *Provider) authenticate(w http.ResponseWriter, r *http.Request) (*Client, bool) {
	if r.Header.Get("Authorization") == "" && r.ParseForm() == nil {
		c, known := p.client(r.PostForm.Get("client_id"))
		if known && (p.secretMatches(c, r) || p.assertionMatches(c, r)) {
			return c, true
		}
	}
	oauthError(w, http.StatusUnauthorized, "invalid_client")
	return nil, false
}

func (p *Provider) secretMatches(c *Client, r *http.Request) bool {
	given := r.PostForm.Get("client_secret")
	return c.Secret != "" && !r.PostForm.Has("client_assertion") && subtle.ConstantTimeCompare([]byte(given), []byte(c.Secret)) == 1
}

// assertionType is that of RFC 7523 §2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertionMatches checks a private_key_jwt assertion (OpenID Connect Core 1.0 §9), once each.
func (p *Provider) assertionMatches(c *Client, r *http.Request) bool {
	if c.Key == nil || r.PostForm.Get("client_assertion_type") != assertionType || r.PostForm.Has("client_secret") {
		return false
	}
	jws, err := jose.ParseSignedCompact(r.PostForm.Get("client_assertion"), []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		return false
	}
	payload, err := jws.Verify(c.Key)
	if err != nil {
		return false
	}
	var a struct {
		Iss, Sub, Jti string
		Aud           any
		Exp           int64
	}
	if json.Unmarshal(payload, &a) != nil || a.Iss != c.ID || a.Sub != c.ID || a.Jti == "" {
		return false
	}
	now, exp := p.cfg.Now(), time.Unix(a.Exp, 0)
	if !now.Before(exp) || exp.After(now.Add(5*time.Minute)) || !p.meant(a.Aud) {
		return false
	}
	if _, used := find(p, p.jtis, c.ID+" "+a.Jti); used {
		return false
	}
	keep(p, p.jtis, c.ID+" "+a.Jti, exp, func(t time.Time) bool { return !now.Before(t) })
	return true
}

// meant reports whether an assertion's aud names this provider.
func (p *Provider) meant(aud any) bool {
	names := []any{aud}
	if list, ok := aud.([]any); ok {
		names = list
	}
	return slices.Contains(names, any(p.cfg.Issuer)) || slices.Contains(names, any(p.cfg.Issuer+"/token"))
}

// token exchanges a code for tokens: within 60 s, once, by the client it was made for.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	client, ok := p.authenticate(w, r)
	if !ok {
		return
	}
	if r.PostForm.Get("grant_type") != "authorization_code" {
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	c, ok := p.redeem(client, r)
	if !ok {
		oauthError(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	idToken, err := p.sign(p.idToken(c.grant, c.access))
	if err != nil {
		oauthError(w, http.StatusInternalServerError, "server_error")
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"access_token": c.access, "token_type": "Bearer", "expires_in": int(AccessLife.Seconds()), "id_token": idToken,
		"scope": strings.Join(slices.Sorted(maps.Keys(c.scopes)), " "),
	})
}

// redeem uses up a code. A code that comes twice takes back the token that it was exchanged for
// (RFC 6749 §4.1.2).
func (p *Provider) redeem(client *Client, r *http.Request) (*code, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.codes[r.PostForm.Get("code")]
	if !ok || c.client != client.ID {
		return nil, false
	}
	if c.used {
		delete(p.tokens, c.access)
		return nil, false
	}
	c.used = true
	now := p.cfg.Now()
	if !now.Before(c.ends) || r.PostForm.Get("redirect_uri") != c.redirect || !pkce(c.challenge, r.PostForm.Get("code_verifier")) {
		return nil, false
	}
	c.access = secret()
	p.tokens[c.access] = &token{grant: c.grant, issued: now, ends: now.Add(AccessLife)}
	if len(p.tokens) > maxKept {
		maps.DeleteFunc(p.tokens, func(_ string, t *token) bool { return !now.Before(t.ends) })
	}
	return c, true
}

// pkce checks a code verifier (RFC 7636 §4.6).
func pkce(challenge, verifier string) bool {
	if challenge == "" {
		return verifier == ""
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

// idToken is the claims of an ID token (OpenID Connect Core 1.0 §2); amr only if it was asked for.
func (p *Provider) idToken(g grant, access string) map[string]any {
	now := p.cfg.Now()
	half := sha256.Sum256([]byte(access))
	claims := map[string]any{
		"iss": p.cfg.Issuer, "sub": Sub(g.client, g.person.Login), "aud": g.client, "iat": now.Unix(), "exp": now.Add(AccessLife).Unix(),
		"nonce": g.nonce, "acr": g.acr, "at_hash": base64.RawURLEncoding.EncodeToString(half[:16]),
	}
	if g.amr {
		claims["amr"] = methods(g.acr)
	}
	return claims
}

// methods are the amr values (RFC 8176) that go with an acr.
func methods(acr string) []string {
	switch acr {
	case "eidas2":
		return []string{"pwd", "totp", "mfa"}
	case "eidas3":
		return []string{"hwk", "pin", "mfa"}
	case "eidas0-mfa", "eidas1-mfa":
		return []string{"pwd", "mail", "mfa"}
	}
	return []string{"pwd"}
}

// userinfo answers with a JWT signed by the provider, or JSON for a client registered so.
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	raw, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t, ok := find(p, p.tokens, raw)
	if !bearer || !ok || !p.cfg.Now().Before(t.ends) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		oauthError(w, http.StatusUnauthorized, "invalid_token")
		return
	}
	claims := p.personClaims(t.grant)
	client, _ := p.client(t.client)
	if client.PlainUserinfo {
		writeJSON(w, http.StatusOK, claims)
		return
	}
	now := p.cfg.Now()
	maps.Copy(claims, map[string]any{"iss": p.cfg.Issuer, "aud": t.client, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
	signed, err := p.sign(claims)
	if err != nil {
		oauthError(w, http.StatusInternalServerError, "server_error")
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	_, _ = w.Write([]byte(signed))
}

func (p *Provider) personClaims(g grant) map[string]any {
	all := map[string]any{
		"given_name": g.person.GivenName, "usual_name": g.person.UsualName, "email": g.person.Login, "uid": Sub("uid", g.person.Login)[:16],
		"siret": g.person.SIRET, "idp_id": IDP, "organization_label": g.person.Organisation,
	}
	claims := map[string]any{"sub": Sub(g.client, g.person.Login), "idp_id": IDP}
	for scope := range g.scopes {
		for _, name := range scopes[scope] {
			claims[name] = all[name]
		}
	}
	return claims
}

// introspect says whether an access token is alive (RFC 7662).
func (p *Provider) introspect(w http.ResponseWriter, r *http.Request) {
	client, ok := p.authenticate(w, r)
	if !ok {
		return
	}
	t, ok := find(p, p.tokens, r.PostForm.Get("token"))
	if !ok || t.client != client.ID || !p.cfg.Now().Before(t.ends) {
		writeJSON(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"active": true, "client_id": t.client, "aud": t.client, "iss": p.cfg.Issuer, "sub": Sub(t.client, t.person.Login), "acr": t.acr,
		"scope": strings.Join(slices.Sorted(maps.Keys(t.scopes)), " "), "iat": t.issued.Unix(), "exp": t.ends.Unix(), "token_type": "Bearer",
	})
}

// revoke ends an access token (RFC 7009): the answer is the same whether there was one.
func (p *Provider) revoke(w http.ResponseWriter, r *http.Request) {
	client, ok := p.authenticate(w, r)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, ok := p.tokens[r.PostForm.Get("token")]; ok && t.client == client.ID {
		delete(p.tokens, r.PostForm.Get("token"))
	}
	w.WriteHeader(http.StatusOK)
}
