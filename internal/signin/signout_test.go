package signin_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// leave posts a sign-out without following and returns the answer.
func (w *world) leave(header http.Header) *http.Response {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodPost, w.server.URL+"/sign-out", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	once := *w.browser
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp
}

func TestSigningOutEndsTheFederationsSessionToo(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	resp := w.leave(nil)
	end, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	q := end.Query()
	if !strings.HasSuffix(end.Path, "/session/end") || q.Get("id_token_hint") == "" || len(q.Get("state")) < 32 || q.Get("post_logout_redirect_uri") != w.server.URL+"/sign-out/done" || len(q) != 3 {
		t.Errorf("led to %s", end)
	}
	if got := resp.Header.Get("Clear-Site-Data"); got != `"cache"` {
		t.Errorf("Clear-Site-Data %s", got)
	}
	w.want(w.get("/"), "nobody: no session")
	w.want(w.get(end.String()), "bye federation=true")
	w.want(w.get("/sign-out/done?state="+q.Get("state")), "bye federation=false") // once
}

func TestTheSessionIsOverEvenIfTheFederationDoesNotAnswer(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	secret := w.cookie("ecluse-demo")
	w.clock.advance(2 * time.Hour) // discovery is asked again; the session is locked and can still be left
	w.rewrite = func(string, int, []byte) (int, []byte) { return 500, nil }
	w.leave(nil)
	w.plant(w.browser, "ecluse-demo", secret)
	w.want(w.get("/"), "nobody: the session was ended")
}

func TestAStateOfAnotherSignOutConfirmsNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	w.leave(nil)
	w.want(w.get("/sign-out/done?state="+strings.Repeat("x", 43)), "bye federation=false")
	w.want(w.get("/sign-out/done"), "bye federation=false")
}

func TestALinkToTheGoodbyePageDoesNotLieToSomeoneSignedIn(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	w.want(w.get("/sign-out/done?state=x"), "account=11")
}

func TestOnlyAPostOfOurOwnPagesSignsOut(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	w.get("/sign-out")
	w.want(w.get("/"), "account=11")
	if resp := w.leave(http.Header{"Sec-Fetch-Site": {"cross-site"}}); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign page's form was answered with %d", resp.StatusCode)
	}
	if resp := w.leave(http.Header{"Origin": {"https://evil.example"}}); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign origin was answered with %d", resp.StatusCode)
	}
	w.want(w.get("/"), "account=11")
}

func TestSigningOutWithoutASessionIsHarmless(t *testing.T) {
	w := newWorld(t, nil)
	w.want(w.post("/sign-out", nil), "bye federation=false")
}
