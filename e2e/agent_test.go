//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// reason is a justification of enough characters.
const reason = "La personne est devant moi, sans rendez-vous."

func TestWhoeverIsNotSignedInReadsThePublicPages(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.inspect("front")
		for name, path := range map[string]string{"mentions": "/mentions", "help": "/aide", "sign-in": "/sign-in", "not-found": "/nothing-here"} {
			p.visit(path)
			p.inspect(name)
		}
		p.visit("/desk")
		p.want(".providers a.button") // first sign in
	})
}

func TestAnAgentFindsHerOwnPersonTolerantlyOpensTheFileAndLeaves(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.visit("/sign-in")
		p.press(".providers a.button")
		p.inspect("provider")
		p.chooseMyself(p.who("agent", 0))
		p.visit("/desk")
		p.inspect("purposes")
		p.press("main a[href*='purpose=emploi']")
		p.inspect("desk")
		s := p.someone("caseload")
		p.type3(strings.ToUpper(s.FirstName), s.Surname, s.BirthDate) // swapped, in capitals
		p.press("form.find button")
		p.want(".hit .relation.caseload")
		p.inspect("found")
		p.press(".hit-acts button:not(.urgent)")
		p.want("article.case")
		p.read(s.Surname)
		p.want(".meters")
		p.inspect("case")
		p.visit("/me")
		p.inspect("me")
		p.press("form[action='/sign-out'] button")
		p.inspect("signed-out")
		p.visit("/desk")
		p.want(".providers a.button")
	})
}

func TestThePersonsOfAnAgentAreListedPageByPage(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.signIn(p.who("agent", 0))
		p.desk()
		p.press("a[href*='/persons?']")
		p.want("table.list tbody tr")
		p.inspect("caseload")
		if p.has("a[rel=next]") {
			p.press("a[rel=next]")
			p.want("table.list tbody tr")
		}
		p.press("table.list tbody tr:first-child button")
		p.want("article.case")
	})
}

func TestWhoIsOutsideTheMandateCannotBeTold(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.signIn(p.who("agent", 0))
		p.find(p.someone("outside"))
		if p.has(".hit") {
			t.Error("somebody outside the mandate is found")
		}
		p.want(".receipt code")
		p.inspect("nobody")
	})
}

func TestAPersonFollowedElsewhereOpensWithAMotive(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.signIn(p.who("agent", 0))
		p.find(p.someone("organisation"))
		p.want(".hit .relation.organisation")
		p.press(".hit-acts button:not(.urgent)")
		p.want("form.reason")
		p.inspect("reason-motive")
		p.press("form.reason .actions button:not(.urgent)")
		p.want("#faults")
		p.inspect("reason-missing")
		p.choose("form.reason .option label[for^=motive]")
		p.press("form.reason .actions button:not(.urgent)")
		p.want("article.case")
	})
}

func TestAPersonWhomNobodyOfTheOrganisationFollowsOpensWithAText(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.signIn(p.who("agent", 0))
		p.find(p.someone("other"))
		p.press(".hit-acts button:not(.urgent)")
		p.want("textarea[name=text]")
		p.inspect("reason-text")
		p.choose("form.reason .option label[for^=motive]")
		p.fill("text", "trop court")
		p.press("form.reason .actions button:not(.urgent)")
		p.want("#text-error")
		p.fill("text", reason)
		p.press("form.reason .actions button:not(.urgent)")
		p.want("article.case")
	})
}

func TestAnEmergencyOpensContactsAtOnce(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.signIn(p.who("agent", 0))
		p.find(p.someone("other"))
		p.press(".hit-acts button.urgent")
		p.want("form.reason .option")
		p.inspect("emergency")
		p.press("button.urgent-go")
		p.want("#faults")
		p.choose("form.reason .option label")
		p.press("button.urgent-go")
		p.want("article.case")
		p.inspect("emergency-case")
	})
}

func TestSearchesThatFindNobodyRunOutAndTheRefusalSaysWhatToDo(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.signIn(p.who("agent", 1))
		for range 20 {
			p.find(sample{Surname: "Personne", FirstName: "Nulle", BirthDate: "2001-02-03"})
			if p.has(".signal.stop") {
				break
			}
		}
		p.want(".signal.stop")
		p.want(".receipt code")
		p.want(".panel.now")
		p.inspect("refusal")
	})
}

func TestTheKeyboardAloneFindsAndOpens(t *testing.T) {
	journeys(t, []way{inEnglish}, func(t *testing.T, p *tab) {
		p.signIn(p.who("agent", 0))
		p.desk()
		s := p.someone("caseload")
		p.tabTo("[name=surname]")
		p.do(chromedp.KeyEvent(s.Surname), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(s.FirstName), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(s.BirthDate))
		p.follow("Enter in the form", chromedp.KeyEvent(kb.Enter))
		p.want(".hit .relation.caseload")
		p.tabTo(".hit-acts button:not(.urgent)")
		p.follow("Enter on the button", chromedp.KeyEvent(kb.Enter))
		p.want("article.case")
		p.read(s.Surname)
	})
}

func TestTheIdleLockKeepsWhatWasTyped(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.signIn(p.who("agent", 1))
		p.find(p.someone("other"))
		p.press(".hit-acts button:not(.urgent)")
		p.choose("form.reason .option label[for^=motive]")
		p.fill("text", reason)
		p.advance(20 * time.Minute)
		p.press("form.reason .actions button:not(.urgent)")
		p.want(".signal.wait")
		p.inspect("locked")
		p.press("main a.button")
		p.press(".providers a.button")
		p.chooseMyself(p.who("agent", 1))
		p.want("textarea[name=text]")
		if kept := ask(p, chromedp.Evaluate[string](`document.querySelector("textarea[name=text]").value`)); kept != reason {
			t.Errorf("kept %q", kept)
		}
		p.press("form.reason .actions button:not(.urgent)")
		p.want("article.case")
	})
}
