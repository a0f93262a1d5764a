//go:build e2e

package e2e

import (
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// another opens a tab for somebody else of the same world, who reads the same language.
func (p *tab) another(login string) *tab {
	p.t.Helper()
	other := open(p.t, p.world, wide)
	if p.plain {
		other.withoutScripts()
	}
	other.visit("/")
	other.speak(p.language())
	if login != "" {
		other.signIn(login)
	}
	return other
}

// newcomer is an address that nobody has.
func newcomer() string { return strings.ToLower(rand.Text())[:10] + "@demo.ecluse.test" }

// invited follows the link of the invitation that was mailed to an address, up to the first sign-in.
func (p *tab) invited(email string) {
	p.t.Helper()
	link := `.text a[href*="/invitation/"]`
	for late := time.Now().Add(patience); ; {
		p.visit("/demo/mail?" + url.Values{"to": {email}}.Encode())
		if p.has(link) {
			break
		}
		if time.Now().After(late) {
			p.t.Fatalf("nobody invites %s:\n%s", email, p.text())
		}
	}
	p.press(link)
	p.inspect("invitation")
	p.press("main form button")
	p.fillAnywhere("demo_find", email)
	p.press("form input[name=demo_find] ~ button")
	p.press("button[name=login_hint]")
	p.want("section.who")
}

func TestANewColleagueComesInThroughTwoPeopleAndAnInvitation(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		email := newcomer()
		p.signIn(p.who("account_manager", 0))
		p.visit("/home")
		p.press("a.door[href='/colleagues']")
		p.inspect("colleagues")
		p.press("a.button[href='/colleagues/new']")
		p.inspect("account-form")
		p.press("form.reason button")
		p.want("#faults")
		p.inspect("account-form-missing")
		p.fill("email", email)
		p.fill("given_name", "Léa")
		p.fill("usual_name", "Roux")
		for _, name := range []string{"site", "role", "reason"} {
			p.pick(name)
		}
		p.press("form.reason button")
		p.want(".notice.done")
		p.read(email)
		p.inspect("colleagues-asked")

		officer := p.another(p.who("access_officer", 1))
		officer.visit("/home")
		officer.press("a.door[href='/approvals']")
		officer.newest()
		officer.read(email)
		officer.want("#behind")
		officer.inspect("approval-account")
		officer.press("form.decide button[value=approve]")
		officer.inspect("approval-account-confirm")
		officer.press("form.actions button[value=approve]")
		officer.want(".state.approved")

		lea := p.another("")
		lea.invited(email)
		lea.read("Léa Roux")
		lea.visit("/me")
		lea.want("li.right")
		watch := p.another(p.who("security_officer", 0))
		watch.lineageOf(email)
		watch.read("Nathalie CHARLARD") // who asked
		watch.read("Françoise NORRIN")  // who approved
		watch.inspect("lineage-two")
		p.visit("/colleagues")
		p.read("Léa Roux")
	})
}

func TestOnMondayMorningTwoColleaguesOpenAReplacement(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.advance(73 * time.Hour) // the replacements of the journey before have lapsed
		email := newcomer()
		p.signIn(p.who("account_manager", 0))
		p.visit("/replacements")
		p.inspect("replacements")
		p.press("form.reason button")
		p.want("#faults")
		p.fill("email", email)
		p.fill("given_name", "Yves")
		p.fill("usual_name", "Blin")
		p.pick("site")
		p.press("form.reason button")
		p.want(".notice.done")
		p.inspect("replacements-asked")

		colleague := p.another(p.who("agent", 1))
		colleague.visit("/replacements")
		colleague.inspect("replacements-waiting")
		colleague.press("a.review-link")
		colleague.read(email)
		colleague.inspect("approval-replacement")
		colleague.press("form.decide button[value=approve]")
		colleague.press("form.actions button[value=approve]")
		colleague.want(".state.approved")

		yves := p.another("")
		yves.invited(email)
		yves.visit("/desk/" + register + "?purpose=emploi")
		yves.want("main .notice")
		yves.inspect("desk-replacement")
		yves.visit("/colleagues")
		if !yves.has(".signal") {
			t.Error("a replacement manages accounts")
		}

		officer := p.another(p.who("access_officer", 1))
		officer.newest()
		officer.read(email)
		officer.inspect("approval-replacement-confirm")
		officer.approves()
		p.advance(49 * time.Hour) // a replacement that nobody confirmed would be over
		yves.signIn(email)
		yves.desk()
	})
}

func TestWhoeverLeavesIsEndedAtOnce(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.advance(73 * time.Hour)
		email := newcomer()
		p.signIn(p.who("account_manager", 0))
		p.visit("/replacements")
		p.fill("email", email)
		p.fill("given_name", "Ines")
		p.fill("usual_name", "Lafont")
		p.pick("site")
		p.press("form.reason button")
		colleague := p.another(p.who("agent", 1))
		colleague.visit("/replacements")
		colleague.press("a.review-link")
		colleague.press("form.decide button[value=approve]")
		colleague.press("form.actions button[value=approve]")
		ines := p.another("")
		ines.invited(email)

		p.visit("/colleagues")
		p.follow("her page", chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll("th a")].find(a => a.innerText.includes("Lafont")).click()`))
		p.inspect("colleague")
		p.press("a.danger")
		p.inspect("colleague-end")
		p.press("form.actions button.danger")
		p.want(".notice.done")
		ines.visit("/desk/" + register + "?purpose=emploi")
		if ines.has("form.find") {
			t.Error("an ended account still finds persons")
		}
	})
}
