//go:build e2e

package e2e

import (
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// onPhone makes the window as narrow as a telephone.
func (p *tab) onPhone() {
	p.t.Helper()
	p.size = narrow
	p.do(chromedp.EmulateViewport(p.size[0], p.size[1]))
}

// lineageOf finds an account at the security desk.
func (p *tab) lineageOf(email string) {
	p.t.Helper()
	p.visit("/security")
	p.fill("email", email)
	p.press("form.find button")
	p.want("svg.tree")
}

// figure is the first number of a summary.
func (p *tab) figure() int {
	p.t.Helper()
	text := ask(p, chromedp.Evaluate[string](`document.querySelector("ul.diff-summary strong").textContent.replace(/\D/g, "")`))
	n, err := strconv.Atoi(text)
	if err != nil {
		p.t.Fatalf("the summary starts with %q", text)
	}
	return n
}

func TestASecurityOfficerContainsAnAccountOnHerPhoneAndASecondUndoesIt(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		login := p.who("agent", 2)
		stolen := p.another(login)
		stolen.desk()

		p.onPhone()
		p.signIn(p.who("security_officer", 0))
		p.visit("/security")
		p.inspect("security")
		p.fill("email", "nobody@elsewhere.test")
		p.press("form.find button")
		p.want("#faults")
		p.inspect("security-nobody")
		p.lineageOf(login)
		p.inspect("lineage")
		p.press("main a.danger")
		p.inspect("contain")
		p.press("form.reason .actions button")
		p.want("#faults")
		p.inspect("contain-missing")
		p.fill("reason", "Mot de passe lu au téléphone par un inconnu, ticket 4711.")
		p.press("form.reason .actions button")
		p.want("button.urgent-go")
		p.inspect("contain-preview")
		stolen.visit("/session") // a preview stops nothing
		stolen.want("section.who")
		p.press("button.urgent-go")
		p.want(".notice.done")
		p.read("4711")
		p.inspect("containment")
		one := p.path()

		stolen.visit("/desk/" + register + "?purpose=emploi")
		stolen.want(".signal.wait")
		stolen.visit("/sign-in/proconnect?login_hint=" + login)
		stolen.want(".panel.call") // whom to ask
		stolen.inspect("contained")

		p.press("section[aria-labelledby=next] a.secondary")
		p.inspect("containment-undo")
		p.press("form.actions button")
		p.read(strings.Split(login, "@")[0][:5])
		p.inspect("containment-undo-asked")
		officer := p.another(p.who("access_officer", 1))
		officer.newest()
		officer.inspect("approval-undo")
		officer.press("form.decide button[value=approve]")
		officer.inspect("approval-undo-confirm")
		officer.press("form.actions button[value=approve]")
		officer.want(".state.approved")
		p.visit(one)
		p.want(".state.accepted")
		p.inspect("containment-undone")
		stolen.signIn(login)
		stolen.desk()
	})
}

func TestTheScopeOfAnAccountGrowsWithEachPersonThatItReads(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		login := p.who("agent", 0)
		p.signIn(p.who("dpo", 0))
		before := p.scopeOf(login)
		agent := p.another(login)
		agent.find(p.someone("caseload"))
		agent.press(".hit-acts button:not(.urgent)")
		agent.want("article.case")
		if after := p.scopeOf(login); after != before+1 {
			t.Errorf("one person more was read: the scope was %d and is %d", before, after)
		}
		p.want("svg.bars")
		p.want("svg.timeline")
		p.inspect("scope")
		p.choose("details.people-list summary")
		p.want("details.people-list[open]")
	})
}

// scopeOf asks how many persons an account has read.
func (p *tab) scopeOf(email string) int {
	p.t.Helper()
	p.lineageOf(email)
	p.press("main p.actions a.button:not(.danger)")
	p.inspect("scope-form")
	p.press("form.reason .actions button")
	return p.figure()
}

func TestTheExposurePageSaysWhoIsWorstAndWhatWouldLowerIt(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.signIn(p.who("security_officer", 0))
		p.visit("/home")
		p.press("a.door[href='/exposure']")
		p.want("svg.histogram")
		p.want("ol.worst ul.lowering li")
		if n := ask(p, chromedp.Evaluate[int](`document.querySelectorAll("ol.worst > li").length`)); n != 20 {
			t.Errorf("the worst are %d, want twenty", n)
		}
		p.inspect("exposure")
		if p.has("form.filter") {
			p.press("form.filter button")
			p.want("svg.histogram")
		}
		manager := p.another(p.who("account_manager", 0))
		manager.visit("/exposure")
		manager.want(".signal")
		manager.inspect("forbidden")
	})
}

func TestALostKeyIsReplacedUnderFourEyes(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		login := p.who("agent", 1)
		agent := p.another("")
		agent.signInAs(login, "eidas2", "/me/factors")
		agent.addApplication()

		p.signIn(p.who("account_manager", 0))
		p.visit("/recovery")
		p.press("form.reason button")
		p.want("#faults")
		p.inspect("recovery-missing")
		p.fill("email", login)
		p.press("form.reason button")
		p.inspect("recovery-pick")
		p.pick("factor")
		p.press("form[action='/recovery'] button")
		p.want(".notice.done")
		p.inspect("recovery-asked")

		officer := p.another(p.who("access_officer", 1))
		officer.newest()
		officer.inspect("approval-recovery")
		officer.approves()
		agent.signInAs(login, "eidas2", "/me/factors")
		if agent.has("a[href$='/end']") {
			t.Errorf("the lost key still counts:\n%s", agent.text())
		}
	})
}
