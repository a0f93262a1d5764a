package signin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"ecluse/internal/demoidp"
	"ecluse/internal/directory"
	"ecluse/internal/signin"
)

func TestSomeoneSignsInWorksAndSignsOut(t *testing.T) {
	w := newWorld(t, nil)
	w.want(w.get("/"), "nobody: no session")
	w.want(w.get("/sign-in?return=/case/7"), "choose locked=false return=/case/7 invitation=false proconnect=/sign-in/proconnect?return=%2Fcase%2F7")
	w.want(w.get("/sign-in/proconnect?return=/case/7&login_hint="+alice), "account=11 session=1 acr=eidas2 assured=true strong=true path=/case/7")
	w.want(w.get("/"), "account=11")
	w.want(w.post("/sign-out", nil), "bye federation=true")
	w.want(w.get("/"), "nobody: no session")
}

func TestThePageOfTheProviderIsShownWithoutAHint(t *testing.T) {
	w := newWorld(t, nil)
	page := w.get("/sign-in/proconnect")
	w.want(page, "Alice Planchon")
	w.want(page, "Mission locale de Bièvre")
	if strings.Contains(page, "style=") || strings.Contains(page, "<script") {
		t.Error("the page holds inline style or script")
	}
}

func TestAStrongAcrIsToldFromAnAcceptedOne(t *testing.T) {
	w := newWorld(t, nil)
	w.want(w.get("/sign-in/proconnect?login_hint="+bruno), "account=12 session=1 acr=eidas1 assured=true strong=false")
	w.want(w.get("/sign-in/proconnect?demo_acr=eidas3&login_hint="+bruno), "acr=eidas3 assured=true strong=true")
	w.want(w.get("/sign-in/proconnect?demo_acr=eidas0&login_hint="+bruno), "problem assurance.too_low")
}

func TestAnAcrThatLeftTheConfigurationNoLongerAssures(t *testing.T) {
	w := newWorld(t, nil)
	w.get("/sign-in/proconnect?login_hint=" + alice)
	o := w.options()
	o.Providers[0].ACRAccepted, o.Providers[0].ACRStrong = []string{"eidas3"}, []string{"eidas3"}
	later, err := signin.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range w.cookies() {
		r.AddCookie(c)
	}
	c, err := later.FromRequest(r)
	if err != nil || c.Assured || c.Strong || c.Account != 11 {
		t.Errorf("caller %+v, %v", c, err)
	}
}

func TestOnlyParametersThatProConnectDocumentsAreSent(t *testing.T) {
	w := newWorld(t, func(o *signin.Options) { o.Providers[0].Demo = false })
	there, err := url.Parse(w.step(w.browser, "/sign-in/proconnect?demo_acr=eidas3&max_age=1&acr_values=eidas0&x=y&login_hint="+alice).Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	q := there.Query()
	want := []string{"claims", "client_id", "code_challenge", "code_challenge_method", "login_hint", "nonce", "prompt", "redirect_uri", "response_type", "scope", "state"}
	var got []string
	for name := range q {
		got = append(got, name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if len(q.Get("state")) < 32 || len(q.Get("nonce")) < 32 || q.Get("state") == q.Get("nonce") {
		t.Errorf("state %q, nonce %q", q.Get("state"), q.Get("nonce"))
	}
	if q.Get("prompt") != "login" || q.Get("code_challenge_method") != "S256" {
		t.Errorf("prompt %q, challenge %q", q.Get("prompt"), q.Get("code_challenge_method"))
	}
	var claims any
	if err := json.Unmarshal([]byte(q.Get("claims")), &claims); err != nil {
		t.Fatal(err)
	}
	if q.Get("claims") != `{"id_token":{"acr":{"essential":true,"values":["eidas1","eidas1-mfa","eidas2","eidas3"]},"amr":{"essential":true}}}` {
		t.Errorf("claims %s", q.Get("claims"))
	}
}

func TestAnInstanceProvesItselfWithAPrivateKey(t *testing.T) {
	w := newWorld(t, func(o *signin.Options) {
		p := &o.Providers[0]
		p.Auth, p.Secret, p.Key, p.KeyID = signin.PrivateKeyJWT, "", clientKey(), "ours"
	})
	w.want(w.get("/sign-in/proconnect?login_hint="+alice), "account=11")
}

func TestAProviderWithoutIdpClaimIsItselfTheIdentityProvider(t *testing.T) {
	w := newWorld(t, func(o *signin.Options) { o.Providers[0].IDPClaim = "" })
	w.want(w.get("/sign-in/proconnect?login_hint="+alice), "problem account.unknown")
	w.book.accounts["proconnect "+demoidp.Sub("ecluse", alice)] = directory.Account{ID: 5, State: "active"}
	w.want(w.get("/sign-in/proconnect?login_hint="+alice), "account=5")
}

func TestNeitherEmailNorSiretFindsAnAccount(t *testing.T) {
	w := newWorld(t, nil)
	w.onUserinfo(func(raw string) string { return w.signer.change(raw, set("email", alice)) })
	w.want(w.get("/sign-in/proconnect?login_hint="+zoe), "problem account.unknown")
}

func TestAnAccountThatMayNotActGetsNoSession(t *testing.T) {
	w := newWorld(t, nil)
	id := "proconnect/" + demoidp.IDP + " " + demoidp.Sub("ecluse", alice)
	now := w.clock.now()
	for code, a := range map[signin.Code]directory.Account{
		signin.CodeAccountSuspended: {ID: 11, State: "suspended"},
		signin.CodeAccountEnded:     {ID: 11, State: "ended"},
		signin.CodeAccountPending:   {ID: 11, State: "invited"},
	} {
		w.book.accounts[id] = a
		w.refused(code)
	}
	w.book.accounts[id] = directory.Account{ID: 11, State: "active", Ends: now}
	w.refused(signin.CodeAccountEnded)
	w.book.accounts[id] = directory.Account{ID: 11, State: "active", Starts: now.Add(1)}
	w.refused(signin.CodeAccountPending)
}

func TestAnInvitationBindsOnceAndItsSecondClickSignsIn(t *testing.T) {
	w := newWorld(t, nil)
	w.book.invitations["tok"] = nil
	w.want(w.get("/sign-in?invitation=tok"), "invitation=true proconnect=/sign-in/proconnect?invitation=tok")
	w.want(w.get("/sign-in/proconnect?invitation=tok&login_hint="+zoe), "account=77")
	if got := w.book.asked[0]; got.IDP != "proconnect/"+demoidp.IDP || got.Email != zoe || got.UsualName != "Inconnue" || got.ACR != "eidas2" {
		t.Errorf("identity %+v", got)
	}
	w.want(w.get("/sign-in/proconnect?invitation=tok&login_hint="+zoe), "account=77")
}

func TestABadInvitationSaysWhichWayItIsBad(t *testing.T) {
	w := newWorld(t, nil)
	for token, c := range map[string]struct {
		err  error
		code signin.Code
	}{
		"used":    {directory.ErrInvitationUsed, signin.CodeInvitationUsed},
		"expired": {directory.ErrInvitationExpired, signin.CodeInvitationOver},
		"other":   {directory.ErrInvitationIdentity, signin.CodeInvitationOther},
	} {
		w.book.invitations[token] = c.err
		w.want(w.get("/sign-in/proconnect?invitation="+token+"&login_hint="+zoe), "problem "+string(c.code))
	}
	w.want(w.get("/sign-in/proconnect?invitation=unheard-of&login_hint="+zoe), "problem invitation.invalid")
	w.want(w.get("/sign-in/proconnect?login_hint="+zoe+"&invitation="+strings.Repeat("x", 129)), "problem invitation.invalid")
}

func TestSomeoneWhoCancelsAtTheProviderIsToldSo(t *testing.T) {
	w := newWorld(t, nil)
	there := w.step(w.browser, "/sign-in/proconnect?return=/case/7").Header.Get("Location")
	w.want(w.get(there+"&demo_deny=1"), "problem signin.provider_denied again=/sign-in/proconnect?return=%2Fcase%2F7")
}

func TestLogsHoldNoTokenNoClaimAndNoName(t *testing.T) {
	w := newWorld(t, nil)
	var seen []string
	w.onIDToken(func(raw string) string { seen = append(seen, raw); return w.signer.change(raw, set("acr", "eidas0")) })
	w.refused(signin.CodeAssurance)
	w.rewrite = nil
	w.get("/sign-in/proconnect?login_hint=" + zoe)
	w.get("/sign-in/proconnect/callback?code=planted-code&state=planted-state")
	logs := w.logs.String()
	w.want(logs, "code=assurance.too_low")
	for _, planted := range append(seen, "Planchon", "Inconnue", alice, zoe, demoidp.Sub("ecluse", zoe), "planted", clientSecret, "eidas0") {
		if strings.Contains(logs, planted) {
			t.Errorf("the log holds %.30q:\n%s", planted, logs)
		}
	}
}

func TestAnInternalErrorReachesThePageOnlyAsACode(t *testing.T) {
	w := newWorld(t, nil)
	back := w.untilCallback(w.browser, "/sign-in/proconnect?login_hint="+alice)
	w.store.fail = http.ErrAbortHandler
	w.want(w.get(back), "problem internal again=")
	if w.pages.last.Err == nil {
		t.Error("the error is lost")
	}
}
