package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ecluse/internal/signin"
)

func TestAForgedStateIsRefusedAndDisturbsNobody(t *testing.T) {
	w := newWorld(t, nil)
	back := w.untilCallback(w.browser, "/sign-in/proconnect?login_hint="+alice)
	for _, forged := range []string{"", "short", strings.Repeat("x", 43), strings.Repeat("x", 5000)} {
		w.want(w.get("/sign-in/proconnect/callback?code=abc&state="+forged), "problem signin.state_missing")
	}
	w.want(w.get("/sign-in/proconnect/callback?error=access_denied"), "problem signin.state_missing")
	w.want(w.get(back), "account=11")
}

func TestACallbackInAnotherBrowserFindsNothing(t *testing.T) {
	w := newWorld(t, nil)
	back := w.untilCallback(w.browser, "/sign-in/proconnect?login_hint="+alice)
	w.want(w.visit(w.newBrowser(), back), "problem signin.state_missing")
	if w.calls["/token"] != 0 {
		t.Error("the code was tried")
	}
}

func TestACallbackWithAnotherSignInsCookieIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	attacker := w.newBrowser()
	theirs := w.untilCallback(attacker, "/sign-in/proconnect?login_hint="+bruno)
	w.untilCallback(w.browser, "/sign-in/proconnect?login_hint="+alice)
	w.want(w.get(theirs), "problem signin.state_missing")
	w.want(w.get("/"), "nobody")
}

func TestAStateServesTenMinutes(t *testing.T) {
	w := newWorld(t, nil)
	back := w.untilCallback(w.browser, "/sign-in/proconnect?return=/case/7&login_hint="+alice)
	w.clock.advance(10 * time.Minute)
	w.want(w.get(back), "problem signin.state_expired again=/sign-in/proconnect?return=%2Fcase%2F7")
	if w.calls["/token"] != 0 {
		t.Error("the code was tried")
	}
}

func TestAStateServesOnceOnEveryNode(t *testing.T) {
	w := newWorld(t, nil)
	start := w.step(w.browser, "/sign-in/proconnect?login_hint="+alice)
	copied := *start.Cookies()[0]
	back := w.step(w.browser, start.Header.Get("Location")).Header.Get("Location")
	w.want(w.get(back), "account=11")
	tokens := w.calls["/token"]

	thief := w.newBrowser() // has the cookie and the address, but too late
	u, _ := url.Parse(w.server.URL)
	thief.Jar.SetCookies(u, []*http.Cookie{&copied})
	w.want(w.visit(thief, back), "problem signin.state_replayed")
	if w.calls["/token"] != tokens {
		t.Error("the code was tried again")
	}
	if w.store.count() != 1 {
		t.Errorf("%d sessions", w.store.count())
	}
	w.want(w.get("/"), "account=11")
	w.want(w.get(back), "problem signin.state_missing") // the cookie has left the first browser
}

func TestTwoCallbacksOfOneStateAtTheSameInstantYieldOneSession(t *testing.T) {
	w := newWorld(t, nil)
	back := w.untilCallback(w.browser, "/sign-in/proconnect?login_hint="+alice)
	w.store.late = true
	w.want(w.get(back), "problem signin.state_replayed")
	w.want(w.get("/"), "nobody: no session")
}

func TestACodeIsOverAfterSixtySeconds(t *testing.T) {
	w := newWorld(t, nil)
	back := w.untilCallback(w.browser, "/sign-in/proconnect?login_hint="+alice)
	w.clock.advance(61 * time.Second)
	w.want(w.get(back), "problem signin.state_expired")
}

func TestAStolenCodeIsWorthNothingInAnotherSignIn(t *testing.T) {
	w := newWorld(t, nil)
	victim := w.newBrowser()
	stolen, err := url.Parse(w.untilCallback(victim, "/sign-in/proconnect?login_hint="+bruno))
	if err != nil {
		t.Fatal(err)
	}
	mine, err := url.Parse(w.untilCallback(w.browser, "/sign-in/proconnect?login_hint="+alice))
	if err != nil {
		t.Fatal(err)
	}
	q := mine.Query()
	q.Set("code", stolen.Query().Get("code"))
	mine.RawQuery = q.Encode()
	w.want(w.get(mine.String()), "problem signin.state_expired") // PKCE: invalid_grant
	w.want(w.get("/"), "nobody")
}

func TestWithoutPKCETheNonceStopsAStolenCode(t *testing.T) {
	w := newWorld(t, func(o *signin.Options) { o.Providers[0].PKCE = false })
	stolen, _ := url.Parse(w.untilCallback(w.newBrowser(), "/sign-in/proconnect?login_hint="+bruno))
	mine, _ := url.Parse(w.untilCallback(w.browser, "/sign-in/proconnect?login_hint="+alice))
	q := mine.Query()
	q.Set("code", stolen.Query().Get("code"))
	mine.RawQuery = q.Encode()
	w.want(w.get(mine.String()), "problem signin.nonce")
}

func TestTwoProvidersCannotBeMixedUp(t *testing.T) {
	w := newWorld(t, func(o *signin.Options) {
		other := o.Providers[0]
		other.ID, other.Label = "other", "Other"
		o.Providers = append(o.Providers, other)
	})
	back := w.untilCallback(w.browser, "/sign-in/proconnect?login_hint="+alice)
	w.want(w.get(strings.Replace(back, "/proconnect/", "/other/", 1)), "problem signin.state_missing")
	u, _ := url.Parse(back)
	q := u.Query()
	q.Set("iss", "https://evil.example")
	u.RawQuery = q.Encode()
	w.want(w.get(u.String()), "problem signin.token_invalid")
	if w.calls["/token"] != 0 {
		t.Error("the code was sent to a provider")
	}
}

func TestAnAnswerWithoutIssIsRefusedWhereTheProviderPromisesIt(t *testing.T) {
	w := newWorld(t, nil)
	u, _ := url.Parse(w.untilCallback(w.browser, "/sign-in/proconnect?login_hint="+alice))
	q := u.Query()
	q.Del("iss")
	u.RawQuery = q.Encode()
	w.want(w.get(u.String()), "problem signin.token_invalid")
}

func TestOnlyALocalPathIsComeBackTo(t *testing.T) {
	w := newWorld(t, nil)
	for _, hostile := range []string{
		"https://evil.example/", "//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, "/\t/evil.example", "/\n/evil.example", "javascript:alert(1)",
		"http:evil.example", "evil.example", "/%5Cevil.example", "/..//evil.example", "/./../x", "/a//b", "/sign-out/done", "/sign-in/proconnect", "/x\x00y", "/" + strings.Repeat("a", 1024),
		"/%2F/evil.example", " /x", "?x", "#x", "/é",
	} {
		back := w.untilCallback(w.browser, "/sign-in/proconnect?login_hint="+alice+"&return="+url.QueryEscape(hostile))
		if got := w.step(w.browser, back).Header.Get("Location"); got != "/" {
			t.Errorf("%q leads to %q", hostile, got)
		}
	}
	for given, want := range map[string]string{
		"/case/7?tab=2": "path=/case/7", "/case/7#part": "path=/case/7", "/r%C3%A9gistre/x": "path=/régistre/x", "/a:b": "path=/a:b", "": "path=/ ",
	} {
		w.want(w.get("/sign-in/proconnect?login_hint="+alice+"&return="+url.QueryEscape(given)), want)
	}
}

func TestTheLanguageComesAlong(t *testing.T) {
	w := newWorld(t, nil)
	back := w.untilCallback(w.browser, "/sign-in/proconnect?lang=en&return=/case/7?tab=2&login_hint="+alice)
	if got := w.step(w.browser, back).Header.Get("Location"); got != "/case/7?lang=en&tab=2" {
		t.Errorf("back to %q", got)
	}
}

func TestOversizedAndDoubledParametersAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	w.want(w.get("/sign-in/proconnect?return=/"+strings.Repeat("a", 9000)), "problem signin.request_invalid")
	w.want(w.get("/sign-in/proconnect?return=/a&return=/b"), "problem signin.request_invalid")
	w.want(w.get("/sign-in/proconnect?%zz"), "problem signin.request_invalid")
	w.want(w.get("/sign-in/unheard-of"), "problem signin.provider_unknown again=")
	back := w.untilCallback(w.browser, "/sign-in/proconnect?login_hint="+alice)
	w.want(w.get(back+"&state=x"), "problem signin.request_invalid")
	w.want(w.get(back+"&x="+strings.Repeat("a", 9000)), "problem signin.request_invalid")
	resp, err := w.browser.Head(back)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.Header.Get("X-Problem") != "signin.request_invalid" {
		t.Error("HEAD used the state up")
	}
	w.want(w.get(back), "account=11")
}

func TestAHintThatIsNoAddressIsNotPassedOn(t *testing.T) {
	w := newWorld(t, nil)
	for _, bad := range []string{"x", "a@b@c", "a b@c", strings.Repeat("a", 300) + "@b", "a\n@b"} {
		there := w.step(w.browser, "/sign-in/proconnect?login_hint="+url.QueryEscape(bad)).Header.Get("Location")
		if strings.Contains(there, "login_hint") {
			t.Errorf("%q was passed on", bad)
		}
	}
}
