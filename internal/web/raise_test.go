package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
)

func TestARaiseIsConfirmedThenDoneOnce(t *testing.T) {
	f := newFake(t)
	s := newSite(t, f)
	w := send(s, "POST", "/raises/confirm", typedRaise)
	for _, part := range []string{"Nadia Ferrand", "22 novembre 2026, 15:32", "Remplacement", `value="a11"`} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("the confirmation does not show %q", part)
		}
	}
	if f.raised != "" {
		t.Error("confirming raises")
	}
	if w := send(s, "POST", "/raises/confirm", "register=mission-locale&reason=event&email=HUGO.petit@lezarde.test"); !strings.Contains(w.Body.String(), "Hugo Petit") {
		t.Errorf("by address: %d", w.Code)
	}
	w = send(s, "POST", "/raises", typedRaise)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/raises?register=mission-locale&done=yes" || f.raised != "register 1 account 11 standin" {
		t.Errorf("%d %q %q", w.Code, w.Header().Get("Location"), f.raised)
	}
	f.raiseErr = directory.ErrRaised
	if w := send(s, "POST", "/raises", typedRaise); w.Code != http.StatusConflict {
		t.Errorf("raised meanwhile: %d", w.Code)
	}
	if w := send(s, "POST", "/raises/confirm", "register=licences-sport&colleague=a11&reason=event"); w.Code != http.StatusNotFound {
		t.Errorf("a register that is not the caller's: %d", w.Code)
	}
}

func TestTheRefusalSaysWhenAColleagueCanHelp(t *testing.T) {
	day, month := budget.Reading{Code: ecluse.ReasonBudgetNew, Used: 40, Limit: 40, Window: budget.Day}, budget.Reading{Code: ecluse.ReasonBudgetNew, Used: 300, Limit: 300, Window: budget.Month}
	raised, free := day, month
	raised.RaisedUntil, free.Used = testNow, 1
	for name, c := range map[string]struct {
		reasons  []ecluse.Reason
		readings []budget.Reading
		want     string
	}{
		"the day":          {[]ecluse.Reason{ecluse.ReasonBudgetNew}, []budget.Reading{day, free}, "yes"},
		"raised already":   {[]ecluse.Reason{ecluse.ReasonBudgetNew}, []budget.Reading{raised, free}, "done"},
		"the thirty days":  {[]ecluse.Reason{ecluse.ReasonBudgetNew}, []budget.Reading{day, month}, ""},
		"the organisation": {[]ecluse.Reason{ecluse.ReasonBudgetNew, ecluse.ReasonBudgetOrganisation}, []budget.Reading{day, free}, ""},
		"something else":   {[]ecluse.Reason{ecluse.ReasonBudgetOutside}, []budget.Reading{day, free}, ""},
	} {
		if got := raiseHelps(c.reasons, c.readings); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestALinkEndsWithItsLastDayHere(t *testing.T) {
	s := newSite(t, newFake(t)) // it is 15:32 on 21 November in Paris
	for _, c := range []struct{ kind, typed, want, code string }{
		{directory.LinkAppointment, "", "2026-11-28T23:00:00Z", ""},
		{directory.LinkPresence, "", "2026-11-21T23:00:00Z", ""},
		{directory.LinkPresence, "22/11/2026", "", "far"},
		{directory.LinkStandIn, "05/12/2026", "2026-12-05T23:00:00Z", ""},
		{directory.LinkStandIn, "2027-01-20", "2027-01-20T14:32:00Z", ""}, // sixty days, to the minute
		{directory.LinkStandIn, "21/01/2027", "", "far"},
		{directory.LinkStandIn, "20/11/2026", "", "past"},
		{directory.LinkStandIn, "soon", "", "date"},
	} {
		ends, code := s.linkEnds(c.kind, c.typed)
		if code != c.code || code == "" && ends.Format(time.RFC3339) != c.want {
			t.Errorf("%s %q: %s %q", c.kind, c.typed, ends.Format(time.RFC3339), code)
		}
	}
}

func TestALinkIsMadeOnceAndItsAddressNamesNobody(t *testing.T) {
	f := newFake(t)
	s := newSite(t, f)
	w := send(s, "POST", handleML+"/link", typedLink)
	to := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || strings.Contains(to, "nadia") || f.linked.Receiver != "nadia.ferrand@lezarde.test" || f.linked.Purpose != "emploi" || f.linked.Handle != "h1" {
		t.Fatalf("%d %q %+v", w.Code, to, f.linked)
	}
	if done := send(s, "GET", to, ""); done.Code != http.StatusOK || !strings.Contains(done.Body.String(), "K7QJ 4M2X") || !strings.Contains(done.Body.String(), "5 décembre 2026") {
		t.Errorf("%s: %d", to, done.Code)
	}
	for _, wrong := range []string{"kind=friend&ends=2026-12-05&receipt=" + testReceipt, "kind=standin&ends=never&receipt=" + testReceipt, "kind=standin&ends=2026-12-05&receipt=Bonjour"} {
		if w := send(s, "GET", handleML+"/link/done?purpose=emploi&"+wrong, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", wrong, w.Code)
		}
	}
	f.linked = gate.LinkRequest{}
	send(s, "POST", handleML+"/link", "purpose=emploi&kind=caseload&receiver=a@b.test")
	send(s, "POST", handleML+"/link", "purpose=emploi&kind=standin")
	send(s, "POST", handleML+"/link", "purpose=emploi&kind=standin&receiver=a@b.test&site=x")
	if f.linked.Kind != "" {
		t.Errorf("the gate was asked: %+v", f.linked)
	}
	f.gateErr = gate.ErrHandle
	if w := send(s, "POST", handleML+"/link", typedLink); w.Code != http.StatusGone {
		t.Errorf("a dead handle: %d", w.Code)
	}
}

func TestOnlySomebodyWhoIsFollowedCanBeEntrusted(t *testing.T) {
	for relation, want := range map[string]bool{"caseload": true, "site": true, "organisation": true, "other": false} {
		f := newFake(t)
		f.outcome.Relation = relation
		w := send(newSite(t, f), "POST", handleML, typedMarie+"&relation=other&motive=walk_in&text="+strings.Repeat("e", 30))
		if got := strings.Contains(w.Body.String(), handleML+"/link?purpose=emploi"); got != want {
			t.Errorf("%s: offered %v", relation, got)
		}
	}
	for reason, want := range map[ecluse.Reason]bool{ecluse.ReasonBudgetNew: true, ecluse.ReasonBudgetOutside: true, ecluse.ReasonBudgetUnexplained: false, ecluse.ReasonPersonUnavailable: false} {
		w, _ := visit(t, with(post(handleML, typedMarie+"&relation=site"), refusing(reason)), "fr")
		if got := strings.Contains(w.Body.String(), handleML+"/link"); got != want {
			t.Errorf("%s: offered %v", reason, got)
		}
	}
}

func TestTheBannerIsOnEveryPageWhileBudgetsAreObserved(t *testing.T) {
	for _, path := range []string{deskML + "?purpose=emploi", "/me", "/aide", handleML + "/link?purpose=emploi", "/nulle-part"} {
		f := newFake(t)
		underObservation(f)
		if w := send(newSite(t, f), "GET", path, ""); path != "/nulle-part" && !strings.Contains(w.Body.String(), `class="observed"`) {
			t.Errorf("%s has no banner", path)
		}
	}
	if w, _ := visit(t, get("/me"), "fr"); strings.Contains(w.Body.String(), `class="observed"`) {
		t.Error("there is a banner without observation")
	}
}
