//go:build e2e

package e2e

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"
)

// withKey gives the tab a security key that verifies its owner and answers at once.
func (p *tab) withKey() {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		p.t.Fatal(err)
	}
	key := webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportUsb, HasResidentKey: true, HasUserVerification: true,
		IsUserVerified: true, AutomaticPresenceSimulation: true,
	}}
	if _, err := chromedp.Call(p.ctx, webauthn.AddVirtualAuthenticator, key); err != nil {
		p.t.Fatal(err)
	}
}

// signInAs signs in with an assurance code and comes to a page.
func (p *tab) signInAs(login, acr, page string) {
	p.t.Helper()
	p.visit("/sign-in/proconnect?" + url.Values{"login_hint": {login}, "demo_acr": {acr}, "return": {page}}.Encode())
	p.want("section.who")
}

// removeKeys ends every factor of whoever is signed in, strongly.
func (p *tab) removeKeys() {
	p.t.Helper()
	for p.visit("/me/factors"); p.has("a[href$='/end']"); {
		p.press("a[href$='/end']")
		p.press("form.actions button.danger")
		p.want(".notice.done")
	}
}

// raiseAs asks to raise the limit of a colleague, up to the answer.
func (p *tab) raiseAs(colleague string) {
	p.t.Helper()
	p.visit("/raises?register=" + register)
	p.fill("email", colleague)
	p.choose("form.reason .option label[for^=reason]")
	p.press("form.reason .actions button")
	if p.path() != "/second-factor" {
		p.press("form.actions button")
	}
}

func TestAKeyOfOnesOwnMakesAWeakSignInStrong(t *testing.T) {
	journeys(t, []way{inFrench, inEnglish}, func(t *testing.T, p *tab) {
		who1, who0 := p.who("agent", 1), p.who("agent", 0)
		p.withKey()
		p.signInAs(who1, "eidas2", "/me")
		p.press("section[aria-labelledby=keys] a[href='/me/factors']")
		p.inspect("factors-empty")
		p.fillIn("form[data-key]", "name", "clé bleue")
		p.press("form[data-key] button")
		p.want(".notice.done")
		p.read("clé bleue")
		p.inspect("factors")

		p.signInAs(who1, "eidas1-mfa", "/me")
		p.raiseAs(who0)
		if p.path() != "/second-factor" {
			t.Fatalf("a weak session raises a limit, at %s", p.path())
		}
		p.inspect("second-factor")
		p.press("form[data-key] button")
		if p.path() != "/raises" {
			t.Fatalf("the key leads to %s:\n%s", p.path(), p.text())
		}
		p.raiseAs(who0)
		p.want(".notice.done")
		p.removeKeys()
	})
}

func TestAnApplicationForCodesMakesAWeakSignInStrong(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		who1, who0 := p.who("agent", 1), p.who("agent", 0)
		p.signInAs(who1, "eidas2", "/me/factors")
		p.press("form[action='/me/factors/code'] button")
		p.want("#faults")
		seed := p.addApplication()

		p.signInAs(who1, "eidas1-mfa", "/me")
		p.raiseAs(who0)
		p.want("form[action='/second-factor']")
		p.fill("code", p.servedCode(seed))
		p.press("form[action='/second-factor'] button")
		p.want("#code-error")
		p.inspect("second-factor-wrong")
		p.fill("code", p.freshCodeOf(seed))
		p.press("form[action='/second-factor'] button")
		if p.path() != "/raises" {
			t.Fatalf("the code leads to %s:\n%s", p.path(), p.text())
		}
		p.raiseAs(who0)
		p.want(".notice.done")
		p.removeKeys()
	})
}

// addApplication adds an application for codes, and answers its seed.
func (p *tab) addApplication() string {
	p.t.Helper()
	p.fillIn("form[action='/me/factors/code']", "name", "telephone")
	p.press("form[action='/me/factors/code'] button")
	p.want("svg.qr")
	p.inspect("factor-code")
	seed := strings.ReplaceAll(ask(p, chromedp.Evaluate[string](`document.querySelector("code.secret").textContent`)), " ", "")
	p.fill("code", "000000")
	p.press("form[action$=finish] button")
	p.want("#code-error")
	p.fill("code", p.freshCodeOf(seed))
	p.press("form[action$=finish] button")
	p.want(".notice.done")
	return seed
}

// freshCodeOf is a code of an application that has not served, waited for if need be: telephones do not
// follow the demo's clock.
func (p *tab) freshCodeOf(seed string) string {
	p.t.Helper()
	step := max(time.Now().Unix()/30, p.world.served[seed]+1)
	p.world.served[seed] = step
	time.Sleep(time.Until(time.Unix(step*30-29, 0))) // one step ahead counts
	return p.servedCode(seed)
}

// servedCode is the one that served last.
func (p *tab) servedCode(seed string) string {
	p.t.Helper()
	code, err := totp.GenerateCode(seed, time.Unix(p.world.served[seed]*30, 0))
	if err != nil {
		p.t.Fatal(err)
	}
	return code
}

func TestAFirstKeyAfterAWeakSignInCountsOnceAnOfficerConfirmsIt(t *testing.T) {
	journeys(t, []way{inFrench, inEnglish}, func(t *testing.T, p *tab) {
		p.withKey()
		login := p.who("agent", 1)
		p.signInAs(login, "eidas1-mfa", "/me/factors")
		p.fillIn("form[data-key]", "name", "clé bleue")
		p.press("form[data-key] button")
		p.want("code.word")
		p.inspect("factors-waiting")
		word := ask(p, chromedp.Evaluate[string](`document.querySelector("code.word").textContent`))
		p.visit("/second-factor?next=/raises")
		if p.has("form[data-key]") {
			t.Error("a key that waits may be used")
		}

		officer := p.another("")
		officer.signInAs(p.who("access_officer", 1), "eidas2", "/approvals")
		officer.newest()
		officer.read(word)
		officer.inspect("approval-factor")
		officer.press("form.decide button[value=approve]")
		officer.press("form.actions button")
		officer.want(".notice.done")

		p.visit("/second-factor?next=/raises")
		p.press("form[data-key] button")
		if p.path() != "/raises" {
			t.Fatalf("the confirmed key leads to %s:\n%s", p.path(), p.text())
		}
		p.removeKeys()
	})
}

func TestASignInFromANewBrowserAsksForTheCodeAndItCanBePutOff(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		login := p.who("account_manager", 0)
		known := p.another("")
		known.signInAs(login, "eidas2", "/me") // the account was used somewhere
		p.signInAs(login, "eidas1-mfa", "/reviews")
		if p.path() != "/second-factor" {
			t.Fatalf("a weak sign-in from a new browser comes to %s", p.path())
		}
		p.press("p.note a[href='/reviews']")
		if p.path() != "/reviews" {
			t.Fatalf("everyday work waits for the code, at %s", p.path())
		}
		p.visit("/second-factor?next=/recovery")
		p.fill("code", p.freshCode(login))
		p.press("form[action='/second-factor'] button")
		p.want("form[action='/recovery/confirm']")
		p.inspect("recovery")
	})
}

// freshCode is a code of one of the demo's own applications that has not served.
func (p *tab) freshCode(login string) string {
	p.t.Helper()
	for _, i := range p.world.Identities {
		if i.Login == login && i.TOTPSecret != "" {
			return p.freshCodeOf(i.TOTPSecret)
		}
	}
	p.t.Fatalf("%s has no application", login)
	return ""
}
