//go:build e2e

package e2e

import (
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// sees reads the page of the tour again until something is there.
func (p *tab) sees(selector string) {
	p.t.Helper()
	for late := time.Now().Add(2 * patience); ; time.Sleep(500 * time.Millisecond) {
		p.visit("/tour")
		if p.has(selector) {
			return
		}
		if time.Now().After(late) {
			p.t.Fatalf("the thief of the tour does not come to %s:\n%s", selector, p.text())
		}
	}
}

// The tour says what the thief holds; the scope must say the same.
func TestTheGuidedTourShowsAThiefWhoIsCutOffAndTheScopeAgreesWithIt(t *testing.T) {
	journeys(t, []way{inEnglish, plain}, func(t *testing.T, p *tab) {
		manager := p.who("account_manager", 0)
		watch := p.another(p.who("security_officer", 0))
		before := watch.familyScope(manager) // of the journeys before
		p.visit("/tour")
		p.inspect("tour-empty")
		p.press("#step-thief form button")
		p.sees(".tour-log li:nth-child(7)") // both were asked for, both approvals refused, nobody signed in
		if n := p.held(); n != 0 {
			t.Errorf("two requests that wait gave %d persons away", n)
		}
		p.another(p.who("access_officer", 1)).approves()
		p.sees(".tour-log li.bad ~ li.bad") // signed in, and opened somebody
		p.inspect("tour")

		watch.lineageOf(manager)
		watch.press("main a.danger")
		watch.fill("reason", "Deux comptes demandés dans la nuit, ticket 4712.")
		watch.press("form.reason .actions button")
		watch.press("button.urgent-go")
		watch.want(".notice.done")
		one := watch.path()
		p.sees("#live:not([data-live])")
		p.inspect("tour-over")

		held := p.held()
		if held == 0 {
			t.Fatal("the thief holds nobody")
		}
		if found := watch.familyScope(manager); found < held || found > before+held {
			t.Errorf("the scope finds %d persons, %d before; the thief holds %d", found, before, held)
		}
		watch.visit(one)
		watch.press("section[aria-labelledby=next] a.secondary")
		watch.press("form.actions button")
		p.another(p.who("access_officer", 1)).approves()
	})
}

// familyScope is how many persons were read through an account and all that it made.
func (p *tab) familyScope(email string) int {
	p.t.Helper()
	p.lineageOf(email)
	p.press("main p.actions a.button:not(.danger)")
	p.choose(`label[for="tree"]`)
	p.press("form.reason .actions button")
	return p.figure()
}

// held is how many persons the thief says that it holds.
func (p *tab) held() int {
	p.t.Helper()
	text := ask(p, chromedp.Evaluate[string](`document.querySelector(".tour-loot strong").textContent.replace(/\D/g, "")`))
	n, err := strconv.Atoi(text)
	if err != nil {
		p.t.Fatalf("the thief holds %q", text)
	}
	return n
}
