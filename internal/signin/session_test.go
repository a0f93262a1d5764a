package signin_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"ecluse/internal/signin"
)

func TestARevokedSessionIsDeadAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	w.want(w.get("/"), "account=11")
	bruno, mine := signin.Caller{Account: 12, Session: 9}, signin.Caller{Account: 11, Session: 9}
	if done, err := w.service.Revoke(t.Context(), bruno, 1); done || err != nil {
		t.Errorf("another account's session was ended: %v, %v", done, err)
	}
	w.want(w.get("/"), "account=11")
	if done, err := w.service.Revoke(t.Context(), mine, 1); !done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	w.want(w.get("/"), "nobody: the session was ended locked=false account=0")
}

func TestAllOtherSessionsOfAnAccountEndTogether(t *testing.T) {
	w := newWorld(t, nil)
	second, third := w.newBrowser(), w.newBrowser()
	w.get("/sign-in/proconnect?login_hint=" + alice)
	w.visit(second, "/sign-in/proconnect?login_hint="+alice)
	w.visit(third, "/sign-in/proconnect?login_hint="+bruno)
	if n, err := w.service.RevokeOthers(t.Context(), signin.Caller{Account: 11, Session: 1}); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	w.want(w.get("/"), "account=11")
	w.want(w.visit(second, "/"), "nobody")
	w.want(w.visit(third, "/"), "account=12")
	if n, _ := w.service.RevokeOthers(t.Context(), signin.Caller{}); n != 0 {
		t.Error("account 0 has sessions")
	}
}

func TestTheSecretChangesAtEachSignInAndTheOldSessionEnds(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	first := w.cookie("ecluse-demo")
	w.want(w.get("/sign-in/proconnect?login_hint="+alice), "session=2")
	if w.cookie("ecluse-demo") == first {
		t.Error("the secret stayed")
	}
	thief := w.newBrowser()
	w.plant(thief, "ecluse-demo", first)
	w.want(w.visit(thief, "/"), "nobody: the session was ended")
}

func TestAPlantedSessionIsNotTheOneThatASignInYields(t *testing.T) {
	w := newWorld(t, nil)
	attacker := w.newBrowser()
	w.visit(attacker, "/sign-in/proconnect?login_hint="+bruno)
	u, _ := url.Parse(w.server.URL)
	var planted string
	for _, c := range attacker.Jar.Cookies(u) {
		if c.Name == "ecluse-demo" {
			planted = c.Value
		}
	}
	for _, value := range []string{planted, strings.Repeat("A", 43), "known-to-the-attacker"} {
		w.browser = attacker // whose browser's number is planted with it
		victim := w.newBrowser()
		w.plant(victim, "ecluse-demo", value)
		w.browser = victim
		w.want(w.get("/sign-in/proconnect?login_hint="+alice), "account=11")
		if w.cookie("ecluse-demo") == value {
			t.Error("the planted secret is in use")
		}
		w.want(w.visit(attacker, "/"), "nobody") // its session was the victim browser's old one
	}
}

// plant puts a cookie into a browser: that of a session together with the number of the browser that the
// test is about, without which it counts nowhere.
func (w *world) plant(browser *http.Client, name, value string) {
	u, _ := url.Parse(w.server.URL)
	cookies := []*http.Cookie{{Name: name, Value: value, Path: "/"}}
	if device := w.cookie("ecluse-demo-device"); name == "ecluse-demo" && device != "" {
		cookies = append(cookies, &http.Cookie{Name: "ecluse-demo-device", Value: device, Path: "/"})
	}
	browser.Jar.SetCookies(u, cookies)
}

func TestTheDatabaseHoldsNoSecret(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	secret := w.cookie("ecluse-demo")
	row := w.store.rows[0]
	for _, b := range [][]byte{row.Hash, row.IDToken, []byte(row.Device + row.Browser + row.Network + row.ACR + row.Provider)} {
		if bytes.Contains(b, []byte(secret)) || bytes.Contains(b, []byte("eyJ")) {
			t.Errorf("%q", b)
		}
	}
	if len(secret) != 43 || len(row.Hash) != 32 {
		t.Errorf("secret of %d characters, hash of %d bytes", len(secret), len(row.Hash))
	}
}

func TestAnIdleSessionLocksAndKeepsPageAndText(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	first := w.cookie("ecluse-demo")
	w.clock.advance(15 * time.Minute)
	w.want(w.get("/case/7"), "nobody: the session is locked: nobody used it for a while locked=true account=11")
	w.want(w.post("/case/7", url.Values{"text": {"she lost her file"}}), "kept=<nil>")
	w.want(w.get(signin.Link("/case/7")), "choose locked=true return=/case/7")
	w.clock.advance(5 * time.Minute)
	w.want(w.get("/sign-in/proconnect?return=/case/7&login_hint="+alice), "account=11 session=1 acr=eidas2 assured=true strong=true path=/case/7 draft=she lost her file")
	w.want(w.get("/case/7"), "draft=.") // once
	if w.cookie("ecluse-demo") == first {
		t.Error("the secret stayed")
	}
	thief := w.newBrowser()
	w.plant(thief, "ecluse-demo", first)
	w.want(w.visit(thief, "/"), "nobody: no session")
}

func TestAnotherAccountGetsNothingOfALockedOne(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	alicesSecret := w.cookie("ecluse-demo")
	w.clock.advance(15 * time.Minute)
	w.post("/case/7", url.Values{"text": {"she lost her file"}})
	kept := w.cookie("ecluse-demo-draft")
	if kept == "" || strings.Contains(kept, "lost") {
		t.Fatalf("draft cookie %q", kept)
	}
	w.want(w.get("/sign-in/proconnect?return=/case/7&login_hint="+bruno), "account=12 session=2 acr=eidas1 assured=true strong=false path=/ draft=.")
	if w.cookie("ecluse-demo-draft") != "" {
		t.Error("the draft stayed in the browser")
	}
	w.plant(w.browser, "ecluse-demo-draft", kept)
	if got := w.get("/case/7"); strings.Contains(got, "lost") {
		t.Errorf("another account reads the draft: %s", got)
	}
	thief := w.newBrowser()
	w.plant(thief, "ecluse-demo", alicesSecret)
	w.want(w.visit(thief, "/"), "nobody: the session was ended")
}

func TestADraftIsOfOnePageAndHalfAnHour(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	w.clock.advance(15 * time.Minute)
	w.post("/case/7", url.Values{"text": {"she lost her file"}})
	kept := w.cookie("ecluse-demo-draft")
	w.want(w.get("/sign-in/proconnect?return=/case/8&login_hint="+alice), "path=/case/8 draft=.")
	if got := w.get("/case/8"); strings.Contains(got, "lost") {
		t.Error("another page shows it")
	}
	w.want(w.get("/case/7"), "draft=she lost")
	w.clock.advance(10 * time.Minute)
	w.get("/")
	w.clock.advance(10 * time.Minute)
	w.get("/")
	w.clock.advance(10 * time.Minute)
	w.plant(w.browser, "ecluse-demo-draft", kept)
	if got := w.get("/case/7"); strings.Contains(got, "lost") {
		t.Error("it outlived half an hour")
	}
}

func TestADraftIsGivenBackInAnotherLanguageToo(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	w.clock.advance(15 * time.Minute)
	w.post("/case/7", url.Values{"text": {"she lost her file"}})
	w.want(w.get("/sign-in/proconnect?lang=en&return=/case/7&login_hint="+alice), "draft=she lost her file")
}

func TestATextTooLongForADraftIsSaidToBe(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	w.clock.advance(15 * time.Minute)
	w.want(w.post("/case/7", url.Values{"text": {strings.Repeat("é", 500)}, "motive": {"walk_in"}, "purpose": {"emploi"}}), "kept=<nil>")
	w.want(w.post("/case/7", url.Values{"text": {strings.Repeat("x", 4000)}}), "too long")
}

func TestTheAbsoluteLimitHoldsWhateverIsDone(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	for range 12*6 - 1 {
		w.clock.advance(10 * time.Minute)
		w.want(w.get("/"), "account=11")
	}
	w.clock.advance(10 * time.Minute)
	w.want(w.get("/"), "nobody: the session reached its absolute limit locked=false account=0")
	w.want(w.post("/case/7", url.Values{"text": {"half a sentence"}}), "kept=<nil>")
	w.want(w.get("/sign-in/proconnect?return=/case/7&login_hint="+alice), "session=2 acr=eidas2 assured=true strong=true path=/case/7 draft=half a sentence")
}

func TestResumingDoesNotMoveTheAbsoluteLimit(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	w.clock.advance(11*time.Hour + 50*time.Minute)
	w.want(w.get("/sign-in/proconnect?login_hint="+alice), "session=1")
	w.clock.advance(10 * time.Minute)
	w.want(w.get("/"), "absolute limit")
}

func TestUseIsWrittenAtMostOnceAMinute(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	w.store.touches = 0
	for range 60 {
		w.clock.advance(5 * time.Second)
		w.want(w.get("/"), "account=11")
	}
	if w.store.touches != 5 {
		t.Errorf("written %d times in 5 minutes", w.store.touches)
	}
}

func TestALockedSessionDoesNotWakeByItself(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	w.clock.advance(15 * time.Minute)
	for range 3 {
		w.want(w.get("/"), "locked=true")
	}
	w.clock.advance(-time.Hour) // a clock that goes back
	w.want(w.get("/"), "account=11")
}

func TestConnectionsShowBrowserAndNetworkOnly(t *testing.T) {
	from := netip.MustParseAddr("203.0.113.77")
	w := newWorld(t, func(o *signin.Options) { o.ClientIP = func(*http.Request) netip.Addr { return from } })
	w.browser.Transport = userAgent("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0")
	w.get("/sign-in/proconnect?login_hint=" + alice)
	from = netip.MustParseAddr("2001:db8:1:2:3::4")
	w.clock.advance(time.Hour)
	w.browser = w.newBrowser()
	w.get("/sign-in/proconnect?login_hint=" + alice)
	got, err := w.service.Connections(t.Context(), signin.Caller{Account: 11, Session: 2}, 3)
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got[0].Network != "2001:db8:1::/48" || !got[0].Current || !got[0].Open || got[0].Browser != "" {
		t.Errorf("newest %+v", got[0])
	}
	if got[1].Network != "203.0.113.0/24" || got[1].Browser != "Firefox, Windows" || got[1].Current {
		t.Errorf("first %+v", got[1])
	}
}

type userAgent string

func (u userAgent) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", string(u))
	return http.DefaultTransport.RoundTrip(r)
}

func TestEverybodyAtOneDeskHasTheSameDevice(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	w.post("/sign-out", nil)
	w.get("/sign-in/proconnect?login_hint=" + bruno)
	w.visit(w.newBrowser(), "/sign-in/proconnect?login_hint="+bruno)
	if a, b, c := w.store.rows[0].Device, w.store.rows[1].Device, w.store.rows[2].Device; a != b || b == c || len(a) != 32 {
		t.Errorf("devices %q %q %q", a, b, c)
	}
}

func TestOversizedDoubledAndGarbledCookiesAreNobody(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	good := w.cookie("ecluse-demo")
	for _, header := range []string{
		"ecluse-demo=" + strings.Repeat("A", 60000), "ecluse-demo=" + good + "; ecluse-demo=" + good, "ecluse-demo=" + good + "; ecluse-demo=x", "ecluse-demo=", "ecluse-demo=%00",
		"ecluse-demo=" + good[:42], "ecluse-demo=" + good + "A", "__Host-ecluse=" + good, "ecluse-demo=" + strings.ToLower(good), "ecluse-demo=" + good[:42] + "!",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", header)
		if c, err := w.service.FromRequest(r); err == nil || c != (signin.Caller{}) {
			t.Errorf("%.40q: %+v, %v", header, c, err)
		}
	}
}

func TestCookieFlagsFollowThePublicURL(t *testing.T) {
	w := newWorld(t, nil)
	for public, want := range map[string]struct {
		prefix string
		secure bool
	}{
		"https://ecluse.example": {"__Host-ecluse", true},
		"http://127.0.0.1:8080":  {"ecluse-demo", false},
	} {
		o := w.options()
		o.PublicURL = public
		s, err := signin.New(o)
		if err != nil {
			t.Fatal(err)
		}
		var cookies []*http.Cookie
		for _, r := range []*http.Request{
			httptest.NewRequest(http.MethodGet, "/sign-in/proconnect", nil), httptest.NewRequest(http.MethodPost, "/sign-out", nil),
		} {
			rec := httptest.NewRecorder()
			s.Handler(w.pages).ServeHTTP(rec, r)
			cookies = append(cookies, rec.Result().Cookies()...)
		}
		if len(cookies) < 4 {
			t.Fatalf("%d cookies", len(cookies))
		}
		for _, c := range cookies {
			if !strings.HasPrefix(c.Name, want.prefix) || c.Secure != want.secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
				t.Errorf("%s: %+v", public, c)
			}
		}
	}
	if w.service.CookieName() != "ecluse-demo" {
		t.Error(w.service.CookieName())
	}
}

func TestOnHttpsEveryCookieOfAWholeSignInIsAHostCookie(t *testing.T) {
	w := newWorldOn(t, (*httptest.Server).StartTLS, nil)
	var seen []*http.Cookie
	at := "/sign-in/proconnect?login_hint=" + alice
	for at != "" {
		resp := w.step(w.browser, at)
		if !strings.Contains(at, "/idp/") {
			seen = append(seen, resp.Cookies()...)
		}
		at = resp.Header.Get("Location")
	}
	w.want(w.get("/"), "account=11")
	w.clock.advance(15 * time.Minute)
	w.post("/case/7", url.Values{"text": {"x"}})
	seen = append(seen, w.leave(nil).Cookies()...)
	if len(seen) < 7 {
		t.Fatalf("%d cookies", len(seen))
	}
	for _, c := range seen {
		if !strings.HasPrefix(c.Name, "__Host-ecluse") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("%+v", c)
		}
	}
}

func TestHostileHeadersChangeNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.browser.Transport = hostile{}
	there, _ := url.Parse(w.step(w.browser, "/sign-in/proconnect?login_hint="+alice).Header.Get("Location"))
	if there.Query().Get("redirect_uri") != w.server.URL+"/sign-in/proconnect/callback" || there.Host != strings.TrimPrefix(w.server.URL, "http://") {
		t.Errorf("led to %s", there)
	}
	w.want(w.get("/sign-in/proconnect?login_hint="+alice), "account=11")
	if n := w.store.rows[0].Network; n != "127.0.0.0/24" {
		t.Errorf("network %q", n)
	}
	for _, c := range w.cookies() {
		if strings.HasPrefix(c.Name, "__Host-") {
			t.Error("X-Forwarded-Proto chose the cookie")
		}
	}
}

type hostile struct{}

func (hostile) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = "evil.example"
	for name, value := range map[string]string{
		"X-Forwarded-For": "198.51.100.9", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "for=198.51.100.9;host=evil.example",
		"X-Real-IP": "198.51.100.9", "X-Original-URL": "/admin", "X-Rewrite-URL": "/admin", "X-HTTP-Method-Override": "DELETE",
	} {
		r.Header.Set(name, value)
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestACallerWithoutARowOrWithABrokenDatabaseIsNobody(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	w.store.fail = http.ErrServerClosed
	w.want(w.get("/"), "nobody: read the session")
}

func TestASessionWrittenAroundTheProgramIsNobodys(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	for name, forge := range map[string]func(*signin.Session){
		"another account": func(s *signin.Session) { s.Account = 12 },
		"a stronger acr":  func(s *signin.Session) { s.ACR = "eidas3" },
		"a longer life":   func(s *signin.Session) { s.Ends = s.Ends.Add(time.Hour) },
		"no ID token":     func(s *signin.Session) { s.IDToken = nil },
	} {
		t.Run(name, func(t *testing.T) {
			genuine := w.store.alter(forge)
			defer w.store.alter(func(s *signin.Session) { *s = genuine })
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			for _, c := range w.cookies() {
				r.AddCookie(c)
			}
			if c, err := w.service.FromRequest(r); err == nil || c.Account != 0 {
				t.Errorf("a forged row is the session of account %d", c.Account)
			}
		})
	}
}

// alter changes the only row as a writer of the database would, and answers what it was.
func (m *memory) alter(change func(*signin.Session)) (before signin.Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.rows {
		row := m.rows[k]
		before = row
		change(&row)
		m.rows[k] = row
	}
	return before
}
