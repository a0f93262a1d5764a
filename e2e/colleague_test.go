//go:build e2e

package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
)

func TestAColleagueRaisesALimitForADay(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.signIn(p.who("agent", 1))
		p.visit("/me")
		p.press("section[aria-labelledby=raise] a.button")
		if p.has("ul.doors") {
			p.press("ul.doors a")
		}
		p.inspect("raise")
		p.press("form.reason .actions button")
		p.want("#faults")
		p.inspect("raise-missing")
		p.fill("email", p.who("agent", 0))
		p.choose("form.reason .option label[for^=reason]")
		p.press("form.reason .actions button")
		p.want("form.actions input[name=colleague]")
		p.inspect("raise-confirm")
		p.press("form.actions button")
		p.want(".notice.done")
		p.inspect("raise-done")

		raised := p.another(p.who("agent", 0))
		raised.visit("/me")
		raised.want(".right .raised")
	})
}

func TestAnAgentEntrustsAPersonToAColleague(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.signIn(p.who("agent", 0))
		s := p.someone("caseload")
		p.find(s)
		p.press(".hit-acts button:not(.urgent)")
		p.want("article.case")
		p.press("a[href*='/link?']")
		p.inspect("link")
		p.press("form.reason .actions button")
		p.want("#faults")
		p.inspect("link-missing")
		p.choose("form.reason .option label[for=kind-2]") // the third kind: stand-in
		p.fill("receiver", "nobody@elsewhere.test")
		p.press("form.reason .actions button")
		p.want(".signal.stop") // each try is in the ledger: nobody finds out by trying who works here
		p.inspect("link-nobody")
		p.press("a.button[href*='/link?']")
		if typed := ask(p, chromedp.Evaluate[string](`document.querySelector("[name=receiver]").value`)); typed != "nobody@elsewhere.test" {
			t.Errorf("the form has kept %q", typed)
		}
		p.fill("receiver", p.who("agent", 1))
		p.press("form.reason .actions button")
		p.want(".signal.go")
		p.want("dl.trace code") // the receipt
		p.inspect("link-done")

		colleague := p.another(p.who("agent", 1))
		colleague.find(s)
		colleague.want(".hit .relation.caseload")
	})
}

func TestWhoeverLeftASessionOpenElsewhereEndsIt(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		left := p.another(p.who("agent", 1))
		p.signIn(p.who("agent", 1))
		p.visit("/me")
		p.want("ul.connections form button")
		p.inspect("me-sessions")
		p.press("ul.connections form button")
		p.want(".notice.done")
		left.visit("/desk/" + register + "?purpose=emploi")
		if left.has("form.find") {
			t.Error("the session that was ended still finds persons")
		}
		left.want(".signal.wait")
		left.inspect("session-ended")

		other := p.another(p.who("agent", 1))
		p.visit("/me")
		p.press("form[action='/me/sessions/others/revoke'] button")
		p.want(".notice.done")
		other.visit("/session")
		other.want(".signal.wait")
		p.visit("/session") // the one that asked goes on
		p.want("section.who")
	})
}
