package web

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/register"
	"ecluse/internal/signin"

	"pgregory.net/rapid"
)

func TestANearPersonOpensWithOneClick(t *testing.T) {
	f := newFake(t)
	s := newSite(t, f)
	found := send(s, "POST", deskML+"/search", typedMarie)
	if !strings.Contains(found.Body.String(), `action="`+handleML+`"`) {
		t.Fatal("the hit does not open at once")
	}
	send(s, "POST", handleML, typedMarie+"&relation=caseload")
	if f.asked.Purpose != "emploi" || f.asked.Handle != "h1" || f.searched.Query.BirthDate != "2004-05-17" {
		t.Errorf("asked %+v, searched %+v", f.asked, f.searched)
	}
}

func TestARecordIsShownAsPeopleReadIt(t *testing.T) {
	w, _ := visit(t, states()["case"], "fr")
	for _, part := range []string{"Marie Lefèvre-Diallo", "17 mai 2004", "06\u00a012\u00a034\u00a056\u00a078", "K7QJ 4M2X W9TB", "21 novembre 2026, 15:32"} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("the record does not show %q", part)
		}
	}
}

func TestAFarPersonAsksForAReasonBeforeTheGateIsAsked(t *testing.T) {
	text := "&text=" + strings.Repeat("é", 20)
	for _, c := range []struct {
		name, form string
		asked      bool
	}{
		{"organisation without motive", "&relation=organisation", false},
		{"organisation with motive", "&relation=organisation&motive=walk_in", true},
		{"other without text", "&relation=other&motive=walk_in", false},
		{"other with 19 characters", "&relation=other&motive=walk_in&text=" + strings.Repeat("é", 19), false},
		{"other with 20 characters", "&relation=other&motive=walk_in" + text, true},
		{"other with 501 characters", "&relation=other&motive=walk_in&text=" + strings.Repeat("é", 501), false},
		{"other without motive", "&relation=other" + text, false},
		{"site", "&relation=site", true},
		{"no relation: the gate decides", "", true},
	} {
		f := newFake(t)
		w := send(newSite(t, f), "POST", handleML, typedMarie+c.form)
		if asked := f.asked.Handle != ""; asked != c.asked {
			t.Errorf("%s: asked the gate: %v, status %d", c.name, asked, w.Code)
		}
		if !c.asked && (w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `id="faults"`)) {
			t.Errorf("%s: %d without an error summary", c.name, w.Code)
		}
	}
}

func TestWhatTheGateStillWantsIsAskedForAgainWithTheTextKept(t *testing.T) {
	f := newFake(t)
	f.outcome = gate.Outcome{Reasons: []ecluse.Reason{ecluse.ReasonJustificationRequired}, Receipt: testReceipt}
	w := send(newSite(t, f), "POST", handleML, typedMarie+"&relation=site&text=mon+explication")
	body := w.Body.String()
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, "mon explication") || !strings.Contains(body, `name="motive"`) {
		t.Errorf("%d: %.200s", w.Code, between(body, "<main", "</main>"))
	}
}

func TestUnknownAndOutOfMandateReadTheSame(t *testing.T) {
	var pages []string
	for _, reason := range []ecluse.Reason{ecluse.ReasonPersonUnavailable, "person.out_of_mandate"} {
		w, _ := visit(t, with(post(handleML, typedMarie), refusing(reason)), "fr")
		pages = append(pages, w.Body.String())
	}
	if pages[0] != pages[1] {
		t.Error("the pages differ")
	}
}

func TestAnEmergencyNeedsOneOfTheFourMotivesAndNothingElse(t *testing.T) {
	for motive, asked := range map[string]bool{"": false, "curiosity": false, "danger": true, "minor_at_risk": true, "health": true, "missing": true} {
		f := newFake(t)
		w := send(newSite(t, f), "POST", handleML+"/emergency/open", "purpose=emploi&emergency="+motive)
		if got := f.asked.Emergency == motive && motive != ""; got != asked {
			t.Errorf("%q: asked %+v, status %d", motive, f.asked, w.Code)
		}
	}
}

func TestTheSearchFormSaysWhatIsMissingBeforeAnybodyIsLookedUp(t *testing.T) {
	for form, want := range map[string]string{
		"":                                "Saisissez le nom et la date de naissance",
		"surname=A":                       "Saisissez la date de naissance",
		"birth_date=17/05/2004":           "Saisissez le nom.",
		"surname=A&identifier=1":          "effacez l’un des deux",
		"surname=A&birth_date=31/02/2004": "jour/mois/année",
		"surname=A&birth_date=17/05/2044": "jour/mois/année",
		"birth_date=17/05/2004&surname=" + strings.Repeat("a", 121):     "trop long",
		"identifier=" + strings.Repeat("1", 121):                        "trop long",
		"surname=A&birth_date=17/05/2004":                               "",
		"surname=A&first_name=B&birth_date=2004-05-17":                  "",
		"identifier=ML-093-00421":                                       "",
		"surname=%00%00&birth_date=17/05/2004":                          "Saisissez le nom.",
		"surname=%ff%fe&birth_date=17/05/2004&purpose=does-not-matter2": "",
	} {
		f := newFake(t)
		w := send(newSite(t, f), "POST", deskML+"/search", "purpose=emploi&"+form)
		if asked := f.searched.Register != ""; asked != (want == "") {
			t.Errorf("%q: asked %v, status %d", form, asked, w.Code)
		}
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q: does not say %q", form, want)
		}
	}
}

func TestDatesAreReadAsPeopleTypeThem(t *testing.T) {
	for typed, want := range map[string]string{
		"17/05/2004": "2004-05-17", "17.5.2004": "2004-05-17", "17 05 2004": "2004-05-17", "17052004": "2004-05-17", "17-05-2004": "2004-05-17",
		"2004-05-17": "2004-05-17", " 1/1/2004 ": "2004-01-01", "29/02/2004": "2004-02-29", "21/11/2026": "2026-11-21",
		"29/02/2003": "", "22/11/2026": "", "17/05/04": "", "05/17/2004": "", "": "", "hier": "", "1/1/1800": "", "-1/1/2004": "", "1/1/2004/5": "", "+1/1/2004": "2004-01-01",
	} {
		got, ok := readDate(typed, testNow)
		if got != want || ok != (want != "") {
			t.Errorf("%q: %q %v", typed, got, ok)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if got, ok := readDate(rapid.String().Draw(t, "typed"), testNow); ok {
			if _, err := time.Parse(time.DateOnly, got); err != nil {
				t.Fatalf("%q is no date", got)
			}
		}
	})
}

func TestTheMeterIsTheCallersOwnAndCalm(t *testing.T) {
	box := newMeter([]budget.Reading{
		{Code: ecluse.ReasonBudgetNew, Used: 31, Limit: 40, Window: budget.Day},
		{Code: ecluse.ReasonBudgetOutside, Used: 8, Limit: 10, Window: budget.Day},
		{Code: ecluse.ReasonBudgetOrganisation, Used: 100, Limit: 100, Window: budget.Day},
		{Code: ecluse.ReasonBudgetBreaker, Used: 100, Limit: 100, Window: budget.Day},
		{Code: ecluse.ReasonBudgetTotal, Used: 0, Limit: 0, Window: budget.Day},
	})
	if len(box.Items) != 2 || !box.High || box.Items[0].Code != ecluse.ReasonBudgetOutside || box.Items[1].High {
		t.Errorf("%+v", box)
	}
	w, _ := visit(t, get(deskML+"?purpose=emploi"), "fr")
	if strings.Contains(w.Body.String(), `class="meters high"`) {
		t.Error("the meter is raised far from its limits")
	}
}

func TestALockedFormKeepsWhatWasTyped(t *testing.T) {
	f := newFake(t)
	s := newSite(t, f)
	f.signErr = signin.ErrLocked
	locked := send(s, "POST", handleML, typedMarie+"&relation=other&motive=walk_in&text=une+explication+assez+longue")
	if locked.Code != http.StatusForbidden || !strings.Contains(locked.Body.String(), "est conservé") || strings.Contains(locked.Body.String(), "assez longue") {
		t.Fatalf("%d", locked.Code)
	}
	f.signErr = nil
	again := send(s, "GET", f.draftPath, "")
	if again.Code != http.StatusOK || !strings.Contains(again.Body.String(), "une explication assez longue") || !strings.Contains(again.Body.String(), "Lefevre") {
		t.Errorf("%s: %d, the text is lost", f.draftPath, again.Code)
	}
	f.signErr, f.keepErr = signin.ErrExpired, signin.ErrDraftTooLarge
	if w := send(s, "POST", handleML, typedMarie); !strings.Contains(w.Body.String(), "trop long pour être conservé") {
		t.Error("a text that could not be kept is not spoken of")
	}
}

func TestADeadHandleGivesTheTextBack(t *testing.T) {
	f := newFake(t)
	f.gateErr = gate.ErrHandle
	w := send(newSite(t, f), "POST", handleML, typedMarie+"&relation=other&motive=walk_in&text=une+explication+assez+longue")
	if w.Code != http.StatusGone || !strings.Contains(w.Body.String(), "une explication assez longue") {
		t.Errorf("%d", w.Code)
	}
}

func TestErrorsOfOtherRoomsHaveTheirPages(t *testing.T) {
	for err, want := range map[error]int{
		gate.ErrHandle: 410, register.ErrUnknownRegister: 404, ledger.ErrBusy: 503, ledger.ErrOutcomeUnknown: 503, ledger.ErrStale: 503, ledger.ErrStopped: 503, context.Canceled: 503, context.DeadlineExceeded: 503,
		directory.ErrDualControl: 403, directory.ErrWeak: 303, directory.ErrInactive: 403, directory.ErrChanged: 409, directory.ErrDecided: 409, directory.ErrOfficers: 409, directory.ErrNotFound: 404, errors.New("anything"): 500,
	} {
		f := newFake(t)
		f.gateErr = errors.Join(errors.New("wrapped"), err)
		s := newSite(t, f)
		var log bytes.Buffer
		s.rooms.Log = slog.New(slog.NewTextHandler(&log, nil))
		if w := send(s, "GET", deskML+"/persons?purpose=emploi", ""); w.Code != want || (log.Len() > 0) != (want == 500) {
			t.Errorf("%v: %d, want %d; logged %q", err, w.Code, want, log.String())
		}
	}
}

func TestWhoMayNotDecideIsToldEveryReason(t *testing.T) {
	f := newFake(t)
	asOfficer(f)
	f.decideErr = &directory.RefusedError{Reasons: []ecluse.Reason{ecluse.ReasonDualDevice, ecluse.ReasonDualLineage}}
	w := send(newSite(t, f), "POST", "/approvals/a1/decision", "decision=approve")
	for _, part := range []string{"La demande vient de ce poste", "Vous êtes trop liés", "Demandez à"} {
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), part) {
			t.Errorf("%d without %q", w.Code, part)
		}
	}
}

func TestAFormOfAnotherSiteIsRefused(t *testing.T) {
	f := newFake(t)
	s := newSite(t, f)
	r := httptest.NewRequest("POST", handleML, strings.NewReader(typedMarie))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || f.asked.Handle != "" || !strings.Contains(w.Body.String(), "autre site") {
		t.Errorf("%d, asked %+v", w.Code, f.asked)
	}
}

func TestARegisterThatIsNotTheCallersDoesNotExist(t *testing.T) {
	f := newFake(t)
	s := newSite(t, f)
	theirs, nobodys := send(s, "GET", "/desk/licences-sport", ""), send(s, "GET", "/desk/licences-spor0", "")
	if theirs.Code != http.StatusNotFound || nobodys.Code != http.StatusNotFound || between(theirs.Body.String(), "<main", "</main>") != between(nobodys.Body.String(), "<main", "</main>") {
		t.Errorf("%d and %d", theirs.Code, nobodys.Code)
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "TRACE"} {
		if w := send(s, method, "/desk", ""); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestPreferencesReturnToAPathOfThisSite(t *testing.T) {
	s := newSite(t, newFake(t))
	for back, want := range map[string]string{
		"/desk/a?purpose=b": "/desk/a?purpose=b", "//evil.example": "/", "///evil.example": "/", "https://evil.example": "/", `/\evil.example`: "/", "": "/", "desk": "/", "/a\nb": "/", "javascript:alert(1)": "/",
	} {
		w := send(s, "POST", "/preferences", "language=en&theme=dark&back="+escape(back))
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
			t.Errorf("%q: %d %q", back, w.Code, w.Header().Get("Location"))
		}
		if cookies := strings.Join(w.Header().Values("Set-Cookie"), "\n"); !strings.Contains(cookies, "ecluse-language=en") || !strings.Contains(cookies, "ecluse-theme=dark") || !strings.Contains(cookies, "Secure") {
			t.Errorf("cookies %s", cookies)
		}
	}
}

func TestTheThemeWorksWithoutScript(t *testing.T) {
	s := newSite(t, newFake(t))
	for cookie, want := range map[string]string{"dark": `<html lang="fr" data-theme="dark">`, "": `<html lang="fr">`, `"><b>`: `<html lang="fr">`} {
		r := httptest.NewRequest("GET", "/aide", nil)
		r.Header.Set("Cookie", themeCookie+"="+cookie)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q: no %s", cookie, want)
		}
	}
}

func TestTheFreeTextOfAReviewIsReadOnlyByAClick(t *testing.T) {
	f := newFake(t)
	asManager(f)
	s := newSite(t, f)
	if w := send(s, "GET", "/reviews/r2", ""); strings.Contains(w.Body.String(), "envoyé par la mairie") || f.textReads != 0 {
		t.Errorf("shown without a click, read %d times", f.textReads)
	}
	if w := send(s, "POST", "/reviews/r2/text", ""); !strings.Contains(w.Body.String(), "envoyé par la mairie") || f.textReads != 1 {
		t.Errorf("not shown, read %d times", f.textReads)
	}
	if w := send(s, "POST", "/reviews/r9/text", ""); w.Code != http.StatusNotFound || f.textReads != 1 {
		t.Errorf("a review of somebody else: %d", w.Code)
	}
	if w := send(s, "POST", "/reviews/r2/decision", "decision=contested"); w.Header().Get("Location") != "/reviews?list=waiting&done=contested" || f.decided != "review 2 contested" {
		t.Errorf("%d, %s", w.Code, f.decided)
	}
	if w := send(s, "POST", "/reviews/r2/decision", ""); w.Code != http.StatusBadRequest {
		t.Errorf("no decision: %d", w.Code)
	}
}

func TestReviewsComeInListsAPageAtATime(t *testing.T) {
	f := newFake(t)
	asManager(f)
	manyReviews(f)
	s := newSite(t, f)
	body := func(path string) string { return send(s, "GET", path, "").Body.String() }
	if got := body("/reviews"); strings.Count(got, "review-link") != directory.ReviewPageSize || !strings.Contains(got, "1 à 25 sur 56") || strings.Contains(got, `rel="prev"`) {
		t.Errorf("the first page has %d", strings.Count(got, "review-link"))
	}
	if got := body("/reviews?list=waiting&page=3"); strings.Count(got, "review-link") != 6 || strings.Contains(got, `rel="next"`) {
		t.Errorf("the last page has %d", strings.Count(got, "review-link"))
	}
	for _, odd := range []string{"99", "0", "-1", "x", "99999999999999999999"} {
		if w := send(s, "GET", "/reviews?page="+odd, ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "review-link") {
			t.Errorf("page %s: %d", odd, w.Code)
		}
	}
	if got := body("/reviews?list=contested"); strings.Contains(got, `href="/reviews?list=contested"`) || strings.Count(got, "review-link") != directory.ReviewPageSize {
		t.Error("an account manager is shown the contested list")
	}
	f = newFake(t)
	asSecurityOfficer(f)
	s = newSite(t, f)
	if got := body("/reviews?list=contested"); strings.Count(got, "review-link") != 1 || strings.Contains(got, `href="/reviews?list=told"`) {
		t.Error("the security officer is not shown what is contested, or what tier 2 tells")
	}
	if w := send(s, "POST", "/reviews/r5/decision", "decision=settled"); w.Header().Get("Location") != "/reviews?list=contested&done=settled" || f.decided != "review 5 settled" {
		t.Errorf("%d %s, %s", w.Code, w.Header().Get("Location"), f.decided)
	}
}

func TestAnApprovalIsConfirmedAndNeverByItsRequester(t *testing.T) {
	f := newFake(t)
	asOfficer(f)
	s := newSite(t, f)
	shown := send(s, "GET", "/approvals/a1", "")
	for _, part := range []string{"12\u202f408", "ml-lezarde-pantin", "À regarder de près", "217 autres lignes"} {
		if !strings.Contains(shown.Body.String(), part) {
			t.Errorf("the diff does not show %q", part)
		}
	}
	if w := send(s, "POST", "/approvals/a1/confirm", "decision=approve"); w.Code != http.StatusOK || f.decided != "" || !strings.Contains(w.Body.String(), "Oui, valider") {
		t.Errorf("%d, decided %q", w.Code, f.decided)
	}
	if w := send(s, "POST", "/approvals/a2/confirm", "decision=approve"); w.Code != http.StatusForbidden {
		t.Errorf("the requester may confirm: %d", w.Code)
	}
	if w := send(s, "POST", "/approvals/a3/confirm", "decision=approve"); w.Code != http.StatusConflict {
		t.Errorf("decided already: %d", w.Code)
	}
	if w := send(s, "POST", "/approvals/a1/decision", "decision=approve"); w.Header().Get("Location") != "/approvals/a1?done" || f.decided != "approval 1 approved" {
		t.Errorf("%d, decided %q", w.Code, f.decided)
	}
	for _, part := range []string{"Lucie Morel", "ops@node1", "Décidée par", "Karim Haddad", "Ce qui a changé", "a pris effet", "K7QJ 4M2X"} {
		if w := send(s, "GET", "/approvals/a3", ""); !strings.Contains(w.Body.String(), part) {
			t.Errorf("the decided request does not show %q", part)
		}
	}
	if strings.Contains(send(s, "GET", "/approvals/a2", "").Body.String(), "/confirm") {
		t.Error("the requester is offered to decide")
	}
}

func TestOneMayCloseOnesOwnSessionsOnly(t *testing.T) {
	f := newFake(t)
	s := newSite(t, f)
	if w := send(s, "POST", "/me/sessions/"+sessionStamp(f.connections[1])+"/revoke", ""); w.Header().Get("Location") != "/me?done=revoked" || f.revoked != 2 {
		t.Errorf("%d, revoked %d", w.Code, f.revoked)
	}
	if w := send(s, "POST", "/me/sessions/2/revoke", ""); w.Code != http.StatusNotFound {
		t.Errorf("by number: %d", w.Code)
	}
}

func TestAnInvitationIsSpentByItsButtonOnly(t *testing.T) {
	f := newFake(t)
	nobody(f)
	s := newSite(t, f)
	if w := send(s, "GET", "/invitation/abc", ""); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "invitation=abc") {
		t.Errorf("%d", w.Code)
	}
	if w := send(s, "POST", "/invitation/abc", "provider=proconnect"); w.Header().Get("Location") != "/sign-in/proconnect?invitation=abc" {
		t.Errorf("%d %s", w.Code, w.Header().Get("Location"))
	}
	if w := send(s, "POST", "/invitation/abc", "provider=evil"); w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}

func TestValuesAreWrittenAsPeopleReadThem(t *testing.T) {
	c := catalogues(t)["fr"]
	for _, v := range []struct{ kind, value, want string }{
		{"date", "2004-05-17", "17 mai 2004"}, {"date", "2004-01-01", "1er janvier 2004"}, {"date", "inconnue", "inconnue"},
		{"nir", "269054958815780", "2\u00a069\u00a005\u00a049\u00a0588\u00a0157\u00a080"}, {"nir", "12", "12"},
		{"phone", "+33612345678", "06\u00a012\u00a034\u00a056\u00a078"}, {"phone", "0612345678", "06\u00a012\u00a034\u00a056\u00a078"}, {"phone", "+3212345", "+3212345"},
		{"siret", "13002526500013", "130\u00a0025\u00a0265\u00a000013"}, {"text", "tel quel", "tel quel"},
	} {
		if got := formatValue(c, v.kind, v.value); got != v.want {
			t.Errorf("%s %s: %q", v.kind, v.value, got)
		}
	}
}

func TestTheDirectorysDiffIsShownWhole(t *testing.T) {
	lines := make([]directory.Line, maxDiffRows+5)
	for i := range lines {
		lines[i] = directory.Line{Op: "new", Name: "n"}
	}
	lines[1].Op, lines[2].Op, lines[3].Op = "changed", "ended", "brand_new"
	s := diffWords{}.section("accounts", lines)
	if s.Total() != maxDiffRows+5 || s.More != 5 || s.Changed != 2 || s.Ended != 1 || s.Rows[3].Op != "changed" {
		t.Errorf("%d: %d more, %d changed, %d ended", s.Total(), s.More, s.Changed, s.Ended)
	}
	if newWarning("new_domain ailleurs.test") != (diffWarning{"new_domain", "ailleurs.test"}) || newWarning("brand_new thing") != (diffWarning{"other", "brand_new thing"}) {
		t.Error("a warning lost its code or its argument")
	}
}

func TestTheFirstPageIsTheDemosOrPlain(t *testing.T) {
	w, _ := visit(t, states()["front"], "en")
	for _, part := range []string{"one stolen account, one partner or one supplier cannot empty", "School-sport licences", "Not answered here yet", "Camille Arnaud", "login_hint=camille.arnaud"} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("the demo's first page does not show %q", part)
		}
	}
	if w, _ := visit(t, get("/"), "fr"); w.Header().Get("Location") != "/desk" {
		t.Errorf("signed in: %q", w.Header().Get("Location"))
	}
	if w, _ := visit(t, states()["entry"], "fr"); strings.Contains(w.Body.String(), "Camille") || !strings.Contains(w.Body.String(), "/sign-in/proconnect") {
		t.Error("the plain first page is not plain")
	}
}

func TestAPageOfAnotherSiteCannotOpenTheCaseload(t *testing.T) {
	for site, mine := range map[string]bool{"cross-site": false, "same-site": false, "same-origin": true, "none": true, "": true} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		if got := (&query{Request: r}).ownAct(); got != mine {
			t.Errorf("Sec-Fetch-Site %q: %v", site, got)
		}
	}
	if (&query{Request: httptest.NewRequest(http.MethodHead, "/", nil)}).ownAct() {
		t.Error("a HEAD would be written down and show nothing")
	}
}

func TestTheDiffSpeaksTheReadersLanguage(t *testing.T) {
	f := newFake(t)
	s := newSite(t, f)
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: languageCookie, Value: "fr"})
	w := diffWords{s.newQuery(nil, r), f.registers, s.config.Location}
	for _, c := range []struct{ column, text, want string }{
		{"state", "active", "actif"}, {"state", "brand_new", "brand_new"}, {"state", "", "rien"},
		{"roles", "access_officer, agent (A mission-locale conv) until 2026-12-31", "Responsable des accès, Agent (A mission-locale conv) jusqu’au 31 décembre 2026"},
		{"roles", "brand_new", "brand_new"}, {"territory", "*", "tout le territoire"}, {"territory", "93", "93"},
		{"ends", "2026-12-31", "31 décembre 2026"}, {"ends", "2026-12-31T23:30:00Z", "1er janvier 2027, 00:30"}, {"ends", "soon", "soon"},
		{"replacement_until", "+48h", "48 heures après la validation"}, {"replacement_until", "2026-12-31", "31 décembre 2026"}, {"replacement_until", "+soon", "+soon"},
		{"register", "mission-locale", f.registers[0].Schema.Label.FR}, {"register", "none", "none"},
		{"fields", "surname unknown", "Nom, unknown"}, {"name", "A → B", "A → B"},
	} {
		if got := w.value(c.column, c.text); got != c.want {
			t.Errorf("%s %q: %q", c.column, c.text, got)
		}
	}
	if w.linkKind("caseload") != "Suivi" || w.linkKind("brand_new") != "brand_new" {
		t.Error("kinds of links")
	}
}

func TestARefusalByAPolicyShowsItsWordsAndNotItsName(t *testing.T) {
	for lang, want := range map[string]string{"fr": "n’est affiché qu’à la personne qui suit le jeune", "en": "is shown only to whoever follows the young person"} {
		for _, reasons := range [][]ecluse.Reason{
			{ecluse.ForbiddenBy("nir-near"), ecluse.ForbiddenBy("id-document-near")}, {ecluse.ReasonAgreementEnded, ecluse.ForbiddenBy("nir-near")},
		} {
			refused := func(f *fakeRooms) {
				f.outcome = gate.Outcome{Receipt: testReceipt, Reasons: reasons, Readings: f.readings}
			}
			w, _ := visit(t, with(post(handleML, typedMarie), refused), lang)
			if body := w.Body.String(); !strings.Contains(body, want) || strings.Contains(body, "nir-near") {
				t.Errorf("%s %v: %d", lang, reasons, w.Code)
			}
		}
	}
	unknown := func(f *fakeRooms) {
		f.outcome = gate.Outcome{Receipt: testReceipt, Reasons: []ecluse.Reason{ecluse.ForbiddenBy("gone")}}
	}
	if w, _ := visit(t, with(post(handleML, typedMarie), unknown), "en"); !strings.Contains(w.Body.String(), "has excluded this for everybody") {
		t.Error("a policy that is no more has no words")
	}
}
