package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/signin"
)

func init() {
	for _, name := range []string{
		"factor-wrong", "factor-wait", "factor-key-wrong", "factors-name", "factors-key-wrong", "factor-code-wrong", "recovery-unknown", "recovery-own",
	} {
		status[name] = http.StatusUnprocessableEntity
	}
	status["refusal-weak"] = http.StatusForbidden
}

func testFactor(id ecluse.FactorID, kind, state, name string) directory.Factor {
	return directory.Factor{ID: id, Kind: kind, State: state, Name: name, Secret: []byte(name), Created: testNow.Add(-90 * 24 * time.Hour), UsedAt: testNow.Add(-time.Hour)}
}

// weakly signs the fake's caller in by a means that is not strong, a moment ago.
func weakly(f *fakeRooms) {
	f.caller.Assured, f.caller.Strong, f.caller.SignedAt = true, false, testNow.Add(-time.Minute)
}

func withKeys(f *fakeRooms) {
	weakly(f)
	f.factors = []directory.Factor{testFactor(1, directory.FactorKey, directory.Active, "clé bleue"), testFactor(2, directory.FactorCode, directory.Active, "téléphone")}
}

func withWaiting(f *fakeRooms) {
	weakly(f)
	f.factors = []directory.Factor{testFactor(3, directory.FactorKey, directory.Waiting, "clé neuve")}
}

func asRecoverer(f *fakeRooms) {
	asManager(f)
	withKeys(f)
	f.waiting = []directory.Factor{testFactor(3, directory.FactorKey, directory.Waiting, "clé neuve"), testFactor(4, directory.FactorCode, directory.Waiting, "téléphone")}
}

func failing(err error, more func(*fakeRooms)) func(*fakeRooms) {
	return func(f *fakeRooms) { more(f); f.factorErr = err }
}

func factorStates() map[string]state {
	get := func(path string, fake func(*fakeRooms)) state { return state{method: "GET", path: path, fake: fake} }
	post := func(path, form string, fake func(*fakeRooms)) state {
		values, _ := url.ParseQuery(form)
		return state{method: "POST", path: path, form: values, fake: fake}
	}
	asConfirmer := func(f *fakeRooms) {
		asOfficer(f)
		f.approvals = append(f.approvals, factorApproval(8, false), factorApproval(9, true))
	}
	return map[string]state{
		"factor":              get("/second-factor?next=/raises", withKeys),
		"factor-number":       get("/second-factor?next=/raises", func(f *fakeRooms) { withKeys(f); f.nameless = true; f.factors = f.factors[:1] }),
		"factor-none":         get("/second-factor?next=/raises", weakly),
		"factor-waiting":      get("/second-factor", withWaiting),
		"factor-wrong":        post("/second-factor", "next=/raises&code=123456", failing(signin.ErrWrong, withKeys)),
		"factor-wait":         post("/second-factor", "next=/raises&code=123456", failing(&signin.WaitError{Until: testNow.Add(time.Hour)}, withKeys)),
		"factor-key-wrong":    post("/second-factor/key", "next=/raises&answer={}", failing(signin.ErrCounter, withKeys)),
		"factors":             get("/me/factors", withKeys),
		"factors-done":        get("/me/factors?done=added", withKeys),
		"factors-empty":       get("/me/factors", weakly),
		"factors-number":      get("/me/factors", func(f *fakeRooms) { weakly(f); f.nameless = true }),
		"factors-waiting":     get("/me/factors?done=waiting", withWaiting),
		"factors-old":         get("/me/factors?done=ended", func(f *fakeRooms) { withKeys(f); f.caller.SignedAt = testNow.Add(-time.Hour) }),
		"factors-name":        post("/me/factors/code", "name=", failing(directory.ErrFactorName, withKeys)),
		"factors-key-wrong":   post("/me/factors/key", "answer={}", failing(signin.ErrWrong, weakly)),
		"factor-code":         post("/me/factors/code", "name=telephone", weakly),
		"factor-code-wrong":   post("/me/factors/code/finish", "code=000000", failing(signin.ErrWrong, weakly)),
		"factor-end":          get("/me/factors/f1/end", withKeys),
		"factor-end-last":     get("/me/factors/f2/end", func(f *fakeRooms) { withKeys(f); f.factors = f.factors[1:] }),
		"factor-end-wait":     get("/me/factors/f3/end", withWaiting),
		"recovery":            get("/recovery", asRecoverer),
		"recovery-done":       get("/recovery?done=yes", asRecoverer),
		"recovery-unknown":    post("/recovery/confirm", "email=personne@ailleurs.test", func(f *fakeRooms) { asRecoverer(f); f.recoverErr = directory.ErrNotFound }),
		"recovery-own":        post("/recovery/confirm", "email=moi@ici.test", func(f *fakeRooms) { asRecoverer(f); f.recoverErr = directory.ErrDualControl }),
		"recovery-confirm":    post("/recovery/confirm", "email=paul@ici.test", asRecoverer),
		"recovery-nothing":    post("/recovery/confirm", "email=paul@ici.test", asManager),
		"approvals-factor":    get("/approvals", asConfirmer),
		"approval-factor":     get("/approvals/a8", asConfirmer),
		"approval-recovery":   get("/approvals/a9", asConfirmer),
		"approval-factor-yes": post("/approvals/a8/confirm", "decision=approve", asConfirmer),
		"approval-factor-no":  post("/approvals/a9/confirm", "decision=refuse", asConfirmer),
		"refusal-weak":        post(handleML, typedMarie+"&relation=other&motive=walk_in&text=Une+explication+bien+assez+longue", func(f *fakeRooms) { withKeys(f); refusing(ecluse.ReasonAssuranceTooLow)(f) }),
		"me-others":           get("/me?done=others", weakly),
	}
}

func factorApproval(id ecluse.ApprovalID, ends bool) directory.Approval {
	a := directory.Approval{
		ID: id, Kind: directory.KindFactor, State: "pending", Requester: "Paul Sansclé", RequestedBy: 77, RequestedAt: testNow.Add(-time.Hour), Expires: testNow.Add(24 * time.Hour),
		Summary: `{"factor":{"account":7,"name":"Paul Sansclé","email":"paul@ici.test","organisation":"Mission locale","kind":"key","factor":"clé neuve","word":"KQ37FM"}}`,
	}
	if ends {
		a.Kind, a.Requester = directory.KindRecovery, "Marie Gestion"
		a.Summary = `{"factor":{"account":7,"name":"Paul Sansclé","email":"paul@ici.test","organisation":"Mission locale","ends":2}}`
	}
	return a
}

func TestAWeakFormLeadsToTheSecondFactorAndKeepsWhatWasTyped(t *testing.T) {
	f := newFake(t)
	weakly(f)
	f.raiseErr = directory.ErrWeak
	w := send(newSite(t, f), "POST", "/raises", typedRaise)
	if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != "/second-factor?next=%2Fraises" {
		t.Errorf("%d to %q", w.Code, got)
	}
	if f.draftPath != "/raises" || f.draft.Get("reason") == "" {
		t.Errorf("kept %v for %q", f.draft, f.draftPath)
	}
}

func TestWhoseSignInIsNotAcceptedGetsNoSecondFactor(t *testing.T) {
	for name, change := range map[string]func(*fakeRooms){
		"not assured":     func(f *fakeRooms) { f.caller.Assured = false },
		"strong and weak": func(f *fakeRooms) { f.caller.Strong = true }, // never a loop
	} {
		f := newFake(t)
		weakly(f)
		change(f)
		f.raiseErr = directory.ErrWeak
		if w := send(newSite(t, f), "POST", "/raises", typedRaise); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

func TestAFileThatTakesAStrongSessionOffersTheProofAndKeepsTheJustification(t *testing.T) {
	f := newFake(t)
	weakly(f)
	refusing(ecluse.ReasonAssuranceTooLow)(f)
	w := send(newSite(t, f), "POST", handleML, typedMarie+"&relation=other&motive=walk_in&text=Une+explication+bien+assez+longue")
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `href="/second-factor?next=`) {
		t.Errorf("%d: no way to the proof", w.Code)
	}
	if f.draft.Get("text") != "Une explication bien assez longue" || !strings.HasPrefix(f.draftPath, handleML+"/reason") {
		t.Errorf("kept %v for %q", f.draft, f.draftPath)
	}
}

func TestTheSecondFactorLeadsOnToPagesOfThisSiteOnly(t *testing.T) {
	for next, want := range map[string]string{
		"/raises": "/raises", "": "/me/factors", "/": "/me/factors", "//evil.example": "/me/factors", "https://evil.example/": "/me/factors",
		`/\evil.example`: "/me/factors", "/second-factor?next=/raises": "/me/factors", "javascript:alert(1)": "/me/factors", "/desk/x?purpose=emploi": "/desk/x?purpose=emploi",
	} {
		f := newFake(t)
		withKeys(f)
		s := newSite(t, f)
		for _, form := range []string{"/second-factor", "/second-factor/key"} {
			w := send(s, "POST", form, url.Values{"next": {next}, "code": {"123456"}, "answer": {"{}"}}.Encode())
			if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != want {
				t.Errorf("%s %q: %d to %q", form, next, w.Code, got)
			}
		}
		f.caller.Strong = true
		if w := send(s, "GET", "/second-factor?next="+url.QueryEscape(next), ""); w.Header().Get("Location") != want {
			t.Errorf("strong already: %q to %q", next, w.Header().Get("Location"))
		}
	}
}

func TestNoFormOfAnotherSiteTouchesFactorsOrSessions(t *testing.T) {
	f := newFake(t)
	withKeys(f)
	s := newSite(t, f)
	for _, route := range s.Routes() {
		if route.Method != "POST" {
			continue
		}
		path := strings.NewReplacer("{id}", "f1", "{key}", "x", "{register}", "mission-locale", "{handle}", "h", "{token}", "abc").Replace(route.Pattern)
		for name, header := range map[string][2]string{"fetch metadata": {"Sec-Fetch-Site", "cross-site"}, "origin": {"Origin", "https://evil.example"}} {
			r := httptest.NewRequest("POST", path, strings.NewReader("code=123456&answer={}&name=x"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(header[0], header[1])
			w := httptest.NewRecorder()
			if s.ServeHTTP(w, r); w.Code != http.StatusForbidden {
				t.Errorf("%s, %s: %d", path, name, w.Code)
			}
		}
	}
	if f.proved != "" || f.ended != 0 || f.others || f.revoked != 0 {
		t.Error("something happened")
	}
}

func TestTheSeedOfAnApplicationIsOnItsPageAsTextAndPictureAndInNoAddress(t *testing.T) {
	f := newFake(t)
	weakly(f)
	w := send(newSite(t, f), "POST", "/me/factors/code", "name=telephone")
	body := w.Body.String()
	if w.Code != http.StatusOK || !strings.Contains(body, "ABCD EFGH") || !strings.Contains(body, `<path class="qr-ink" d="M`) {
		t.Errorf("%d: %.300s", w.Code, between(body, "<main", "</main>"))
	}
	if w.Header().Get("Location") != "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%v", w.Header())
	}
}

func TestWhatAScriptAsksIsAnsweredInJSONErrorsIncluded(t *testing.T) {
	f := newFake(t)
	withKeys(f)
	s := newSite(t, f)
	for _, path := range []string{"/second-factor/ask", "/me/factors/key/ask"} {
		if w := send(s, "POST", path, "name=x"); w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || !strings.Contains(w.Body.String(), "challenge") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	f.factorErr = directory.ErrFresh
	if w := send(s, "POST", "/me/factors/key/ask", "name=x"); w.Code != http.StatusUnprocessableEntity || !strings.HasPrefix(w.Body.String(), `{"error":"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	f.factorErr = errors.New(secretError)
	if w := send(s, "POST", "/second-factor/ask", ""); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), secretError) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAFactorIsEndedAfterAConfirmationOnly(t *testing.T) {
	f := newFake(t)
	withKeys(f)
	s := newSite(t, f)
	if w := send(s, "GET", "/me/factors/f1/end", ""); w.Code != http.StatusOK || f.ended != 0 {
		t.Errorf("%d, ended %d", w.Code, f.ended)
	}
	if w := send(s, "GET", "/me/factors/f9/end", ""); w.Code != http.StatusNotFound {
		t.Errorf("somebody else's: %d", w.Code)
	}
	if w := send(s, "POST", "/me/factors/f1/end", ""); w.Code != http.StatusSeeOther || f.ended != 1 {
		t.Errorf("%d, ended %d", w.Code, f.ended)
	}
	f.factorErr = directory.ErrWeak
	if w := send(s, "POST", "/me/factors/f1/end", ""); w.Header().Get("Location") != "/second-factor?next=%2Fme%2Ffactors%2Ff1%2Fend" {
		t.Errorf("weak: %d to %q", w.Code, w.Header().Get("Location"))
	}
}

func TestAReplacementNamesTheKeyThatItConfirms(t *testing.T) {
	f := newFake(t)
	asRecoverer(f)
	s := newSite(t, f)
	w := send(s, "POST", "/recovery/confirm", "email=paul@ici.test")
	for _, part := range []string{"Paul Sansclé", f.waiting[0].Word(), f.waiting[1].Word(), `value="f3"`, `value="none"`} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("%d without %q", w.Code, part)
		}
	}
	if w := send(s, "POST", "/recovery", "account=a7&factor="); w.Code != http.StatusNotFound && w.Code != http.StatusUnprocessableEntity || f.recovered != 0 {
		t.Errorf("nothing picked: %d", w.Code)
	}
	if w := send(s, "POST", "/recovery", "account=a7&factor=f3"); w.Header().Get("Location") != "/recovery?done=yes" || f.recovered != 3 {
		t.Errorf("%d, %d", w.Code, f.recovered)
	}
}
