package demoidp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"ecluse/internal/demoidp"
)

// people are ordered.
type people []demoidp.Person

func (p people) List() []demoidp.Person { return p }
func (p people) Lookup(login string) (demoidp.Person, bool) {
	for _, x := range p {
		if x.Login == login {
			return x, true
		}
	}
	return demoidp.Person{}, false
}

const (
	login  = "claire@demo.ecluse.test"
	secret = "a-secret-of-the-client"
	back   = "https://service.example/cb"
	bye    = "https://service.example/bye"
	long   = "0123456789abcdef0123456789abcdef"
)

type fixture struct {
	t       *testing.T
	at      time.Time
	server  *httptest.Server
	issuer  string
	key     *ecdsa.PrivateKey
	browser *http.Client
}

func newFixture(t *testing.T, who people) *fixture {
	t.Helper()
	f := &fixture{t: t, at: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	var handler http.Handler
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(f.server.Close)
	f.issuer = f.server.URL + "/demo/idp/api/v2"
	key, err := demoidp.KeyFrom([]byte("seed"))
	if err != nil {
		t.Fatal(err)
	}
	f.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p, err := demoidp.New(demoidp.Config{
		Issuer: f.issuer, Key: key, Now: func() time.Time { return f.at }, People: who,
		Clients: []demoidp.Client{
			{ID: "svc", Secret: secret, RedirectURIs: []string{back}, PostLogout: []string{bye}},
			{ID: "keyed", Key: &jose.JSONWebKey{Key: &f.key.PublicKey}, RedirectURIs: []string{back}, PlainUserinfo: true},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	handler = p
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	f.browser = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return f
}

func one() people {
	return people{{Login: login, GivenName: "Claire", UsualName: "Fontaine", SIRET: "13002526500013", Organisation: "Mission locale", Preset: "mission-locale", Role: "agent"}}
}

// good is an authorize request that is right; edit makes it wrong.
func good(edit url.Values) url.Values {
	q := url.Values{
		"client_id": {"svc"}, "redirect_uri": {back}, "response_type": {"code"}, "scope": {"openid given_name email siret"}, "state": {long}, "nonce": {long},
	}
	for k, v := range edit {
		if len(v) == 0 {
			q.Del(k)
			continue
		}
		q[k] = v
	}
	return q
}

func (f *fixture) authorize(edit url.Values) (*http.Response, string) {
	f.t.Helper()
	resp, err := f.browser.Get(f.issuer + "/authorize?" + good(edit).Encode())
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp, string(body)
}

func (f *fixture) code(edit url.Values) string {
	f.t.Helper()
	edit = maps.Clone(edit)
	if edit == nil {
		edit = url.Values{}
	}
	edit.Set("login_hint", login)
	resp, body := f.authorize(edit)
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		f.t.Fatalf("no code: %v %s", err, body)
	}
	return to.Query().Get("code")
}

func (f *fixture) post(path string, form url.Values) (int, map[string]any) {
	f.t.Helper()
	resp, err := f.browser.PostForm(f.issuer+path, form)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	_ = json.NewDecoder(resp.Body).Decode(&out)
	return resp.StatusCode, out
}

func (f *fixture) exchange(code string, edit url.Values) (int, map[string]any) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {back}, "client_id": {"svc"}, "client_secret": {secret}}
	maps.Copy(form, edit)
	return f.post("/token", form)
}

func claims(t *testing.T, raw any) map[string]any {
	t.Helper()
	jws, err := jose.ParseSignedCompact(raw.(string), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestARequestThatProConnectWouldRefuseIsRefusedOnTheProvidersOwnPage(t *testing.T) {
	f := newFixture(t, one())
	for name, edit := range map[string]url.Values{
		"an undocumented parameter": {"ui_locales": {"fr"}}, "max_age": {"max_age": {"0"}}, "a short state": {"state": {"short"}}, "a short nonce": {"nonce": {long[:31]}},
		"no state": {"state": nil}, "no openid": {"scope": {"email"}}, "an implicit flow": {"response_type": {"id_token"}}, "a fragment": {"response_mode": {"fragment"}},
		"prompt=none": {"prompt": {"none"}}, "plain PKCE": {"code_challenge": {long}, "code_challenge_method": {"plain"}}, "a repeated parameter": {"state": {long, long}},
		"claims that are no JSON": {"claims": {"{"}}, "an unknown acr": {"demo_acr": {"eidas9"}},
	} {
		resp, body := f.authorize(edit)
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "Y000400") || resp.Header.Get("Location") != "" {
			t.Errorf("%s: %d, location %q", name, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	for name, edit := range map[string]url.Values{"an unknown client": {"client_id": {"x"}}, "another redirect_uri": {"redirect_uri": {back + "/"}}} {
		resp, _ := f.authorize(edit)
		if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}

func TestACodeServesOnceForSixtySeconds(t *testing.T) {
	f := newFixture(t, one())
	code := f.code(nil)
	f.at = f.at.Add(59 * time.Second)
	status, tokens := f.exchange(code, nil)
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, tokens)
	}
	if status, _ := f.exchange(code, nil); status != http.StatusBadRequest {
		t.Error("a code served twice")
	}
	if status, _ := f.userinfo(tokens["access_token"].(string)); status != http.StatusUnauthorized {
		t.Error("the token of a code that came twice is alive")
	}
	late := f.code(nil)
	f.at = f.at.Add(60 * time.Second)
	if status, _ := f.exchange(late, nil); status != http.StatusBadRequest {
		t.Error("a code served after 60 s")
	}
}

func (f *fixture) userinfo(access string) (int, string) {
	f.t.Helper()
	req, _ := http.NewRequest(http.MethodGet, f.issuer+"/userinfo", nil)
	req.Header.Set("Authorization", "Bearer "+access)
	resp, err := f.browser.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func TestOnlyTheTwoDocumentedClientAuthenticationsWork(t *testing.T) {
	f := newFixture(t, one())
	for name, edit := range map[string]url.Values{"a wrong secret": {"client_secret": {"x"}}, "no secret": {"client_secret": nil}, "another client": {"client_id": {"keyed"}}} {
		if status, out := f.exchange(f.code(nil), edit); status != http.StatusUnauthorized || out["error"] != "invalid_client" {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
	req, _ := http.NewRequest(http.MethodPost, f.issuer+"/token", strings.NewReader(url.Values{"grant_type": {"authorization_code"}, "code": {f.code(nil)}, "redirect_uri": {back}, "client_id": {"svc"}, "client_secret": {secret}}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("svc", secret)
	resp, err := f.browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("client_secret_basic: %d", resp.StatusCode)
	}
}

func (f *fixture) assertion(edit map[string]any) url.Values {
	c := map[string]any{"iss": "keyed", "sub": "keyed", "aud": f.issuer + "/token", "jti": rand.Text(), "exp": f.at.Add(time.Minute).Unix()}
	maps.Copy(c, edit)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: f.key}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	payload, _ := json.Marshal(c)
	jws, err := signer.Sign(payload)
	if err != nil {
		f.t.Fatal(err)
	}
	raw, _ := jws.CompactSerialize()
	return url.Values{"client_id": {"keyed"}, "client_secret": nil, "client_assertion": {raw}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
}

func TestAClientAssertionServesOnce(t *testing.T) {
	f := newFixture(t, one())
	keyed := url.Values{"client_id": {"keyed"}}
	a := f.assertion(nil)
	status, tokens := f.exchange(f.code(keyed), a)
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, tokens)
	}
	if _, body := f.userinfo(tokens["access_token"].(string)); !strings.HasPrefix(body, "{") {
		t.Errorf("userinfo of a client registered for JSON: %s", body)
	}
	if status, _ := f.exchange(f.code(keyed), a); status != http.StatusUnauthorized {
		t.Error("an assertion served twice")
	}
	for name, edit := range map[string]map[string]any{
		"expired": {"exp": f.at.Unix()}, "far away": {"exp": f.at.Add(time.Hour).Unix()}, "another audience": {"aud": "https://else.example"}, "another subject": {"sub": "svc"}, "no jti": {"jti": ""},
	} {
		if status, _ := f.exchange(f.code(keyed), f.assertion(edit)); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
	}
}

func TestPKCEIsCheckedWhenItIsUsed(t *testing.T) {
	f := newFixture(t, one())
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 appendix B
	with := url.Values{"code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	if status, _ := f.exchange(f.code(with), url.Values{"code_verifier": {verifier}}); status != http.StatusOK {
		t.Error("the right verifier is refused")
	}
	if status, _ := f.exchange(f.code(with), nil); status != http.StatusBadRequest {
		t.Error("no verifier is accepted")
	}
	if status, _ := f.exchange(f.code(nil), url.Values{"code_verifier": {verifier}}); status != http.StatusBadRequest {
		t.Error("a verifier without a challenge is accepted")
	}
}

func TestAmrComesOnlyWhenAsked(t *testing.T) {
	f := newFixture(t, one())
	_, tokens := f.exchange(f.code(nil), nil)
	if c := claims(t, tokens["id_token"]); c["amr"] != nil || c["acr"] != "eidas2" || c["sub"] != demoidp.Sub("svc", login) || c["nonce"] != long {
		t.Errorf("%v", c)
	}
	_, tokens = f.exchange(f.code(url.Values{"claims": {`{"id_token":{"amr":{"essential":true}}}`}, "demo_acr": {"eidas0-mfa"}}), nil)
	if c := claims(t, tokens["id_token"]); c["amr"] == nil || c["acr"] != "eidas0-mfa" {
		t.Errorf("%v", c)
	}
}

func TestUserinfoIsSignedAndHoldsWhatTheScopesLetOut(t *testing.T) {
	f := newFixture(t, one())
	_, tokens := f.exchange(f.code(nil), nil)
	_, raw := f.userinfo(tokens["access_token"].(string))
	c := claims(t, raw)
	if c["iss"] != f.issuer || c["aud"] != "svc" || c["exp"] == nil || c["email"] != login || c["given_name"] != "Claire" || c["usual_name"] != nil || c["idp_id"] != demoidp.IDP {
		t.Errorf("%v", c)
	}
	f.at = f.at.Add(time.Hour)
	if status, _ := f.userinfo(tokens["access_token"].(string)); status != http.StatusUnauthorized {
		t.Error("an access token lives for more than an hour")
	}
}

func TestIntrospectionAndRevocationWork(t *testing.T) {
	f := newFixture(t, one())
	_, tokens := f.exchange(f.code(nil), nil)
	form := url.Values{"client_id": {"svc"}, "client_secret": {secret}, "token": {tokens["access_token"].(string)}}
	if _, out := f.post("/token/introspection", form); out["active"] != true {
		t.Errorf("%v", out)
	}
	if status, _ := f.post("/token/revocation", form); status != http.StatusOK {
		t.Error(status)
	}
	if _, out := f.post("/token/introspection", form); out["active"] != false {
		t.Errorf("%v", out)
	}
	if status, _ := f.post("/token/introspection", url.Values{"token": {"x"}}); status != http.StatusUnauthorized {
		t.Error("introspection without authentication")
	}
}

func TestWithoutPromptLoginAPersonIsSilentlySignedInForTwelveHours(t *testing.T) {
	f := newFixture(t, one())
	f.code(nil)
	silent := func(edit url.Values) bool {
		resp, _ := f.authorize(edit)
		return strings.Contains(resp.Header.Get("Location"), "code=")
	}
	f.at = f.at.Add(11 * time.Hour)
	if !silent(nil) {
		t.Error("no silent sign-in")
	}
	if silent(url.Values{"prompt": {"login"}}) {
		t.Error("prompt=login signed in silently")
	}
	f.at = f.at.Add(13 * time.Hour)
	if silent(nil) {
		t.Error("silent after 12 h")
	}
}

func TestTheEndNeedsHintStateAndTheExactAddress(t *testing.T) {
	f := newFixture(t, one())
	_, tokens := f.exchange(f.code(nil), nil)
	f.at = f.at.Add(10 * time.Hour) // an expired hint will do
	right := url.Values{"id_token_hint": {tokens["id_token"].(string)}, "state": {"s"}, "post_logout_redirect_uri": {bye}}
	end := func(q url.Values) *http.Response {
		resp, err := f.browser.Get(f.issuer + "/session/end?" + q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp
	}
	for name, value := range map[string]string{"id_token_hint": "x", "state": "", "post_logout_redirect_uri": bye + "/", "x": "y"} {
		q := maps.Clone(right)
		q.Set(name, value)
		if resp := end(q); resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
			t.Errorf("%s=%q: %d", name, value, resp.StatusCode)
		}
	}
	if got := end(right).Header.Get("Location"); got != bye+"?state=s" {
		t.Errorf("back to %q", got)
	}
	if resp, _ := f.authorize(nil); resp.Header.Get("Location") != "" {
		t.Error("still signed in at the provider")
	}
}

func TestTheSameSeedGivesTheSameKeyAndTheSameLoginTheSameSub(t *testing.T) {
	a, _ := demoidp.KeyFrom([]byte("x"))
	b, _ := demoidp.KeyFrom([]byte("x"))
	c, _ := demoidp.KeyFrom([]byte("y"))
	if !a.Equal(b) || a.Equal(c) {
		t.Error("keys")
	}
	first, again := demoidp.Sub("svc", login), demoidp.Sub("svc", login)
	if first != again || first == demoidp.Sub("keyed", login) {
		t.Error("sub is not pairwise and stable")
	}
}

func TestThePageShowsAFewOfManyAndFindsTheOthers(t *testing.T) {
	var many people
	for _, preset := range []string{"mission-locale", "formation"} {
		for i := range 3000 {
			many = append(many, demoidp.Person{Login: preset + base64.RawURLEncoding.EncodeToString([]byte{byte(i >> 8), byte(i)}) + "@demo.ecluse.test", GivenName: "<b>Jo</b>", UsualName: "N", Preset: preset, Role: "agent"})
		}
	}
	many = append(many, one()...)
	f := newFixture(t, many)
	_, body := f.authorize(nil)
	if n := strings.Count(body, `name="login_hint"`); n != 4 {
		t.Errorf("%d people", n)
	}
	if strings.Contains(body, "<b>Jo") || !strings.Contains(body, "6001") || !strings.Contains(body, `lang="fr"`) {
		t.Error("the page")
	}
	_, body = f.authorize(url.Values{"demo_find": {"CLAIRE  mission"}, "demo_lang": {"en"}})
	if n := strings.Count(body, `name="login_hint"`); n != 1 || !strings.Contains(body, `value="`+login+`"`) || !strings.Contains(body, "Demo sign-in") {
		t.Errorf("%d found", n)
	}
	_, body = f.authorize(url.Values{"demo_find": {"@"}})
	if n := strings.Count(body, `name="login_hint"`); n != 60 {
		t.Errorf("%d shown of all", n)
	}
	_, body = f.authorize(url.Values{"login_hint": {"nobody@demo.ecluse.test"}})
	if !strings.Contains(body, "nobody@demo.ecluse.test") {
		t.Error("an unknown login is not named")
	}
}

func TestBothLanguagesHaveTheSameTexts(t *testing.T) {
	f := newFixture(t, one())
	_, fr := f.authorize(url.Values{"demo_lang": {"fr"}})
	_, en := f.authorize(url.Values{"demo_lang": {"en"}})
	if strings.Count(fr, "<") != strings.Count(en, "<") || fr == en {
		t.Error("the pages differ in more than words")
	}
	resp, err := f.browser.Get(f.issuer + "/demo.css")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Error("the stylesheet")
	}
	resp, _ = f.authorize(nil)
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Error(csp)
	}
}

func TestAWrongConfigurationIsRefused(t *testing.T) {
	key, _ := demoidp.KeyFrom(nil)
	okay := demoidp.Config{Issuer: "http://127.0.0.1:1/x", Key: key, Now: time.Now, People: one(), Clients: []demoidp.Client{{ID: "a"}}}
	if _, err := demoidp.New(okay); err != nil {
		t.Fatal(err)
	}
	for i, edit := range []func(*demoidp.Config){
		func(c *demoidp.Config) { c.Issuer = "x" }, func(c *demoidp.Config) { c.Issuer += "/" }, func(c *demoidp.Config) { c.People = nil },
		func(c *demoidp.Config) { c.Key = nil }, func(c *demoidp.Config) { c.Now = nil }, func(c *demoidp.Config) { c.Clients = nil },
	} {
		c := okay
		edit(&c)
		if _, err := demoidp.New(c); err == nil {
			t.Errorf("%d is accepted", i)
		}
	}
	if !slices.Contains(demoidp.ACRs, demoidp.DefaultACR) {
		t.Error("the default acr is none")
	}
}
