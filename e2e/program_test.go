//go:build e2e

package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// token is the status with which a program's secret is answered, before or after the approval.
func (p *tab) token(client, secret string) int {
	p.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}}
	answer, err := http.PostForm(p.world.Base+"/oauth/token", form)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// code is the nth code that the page shows, as one copies it.
func (p *tab) code(n string) string {
	p.t.Helper()
	return strings.TrimSpace(ask(p, chromedp.Evaluate[string]("document.querySelectorAll('dl.trace code')["+n+"].textContent")))
}

func TestAnAgentLetsAProgramActAndTakesItBack(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.signIn(p.who("agent", 1))
		p.visit("/me")
		p.press("section[aria-labelledby=programs] a.button")
		p.inspect("programs")
		p.press("a.button[href^='/me/programs/']")
		p.inspect("program-agree")
		p.press("form.actions button")
		p.want(".notice.done")
		p.want("form[action$='/end']")
		p.inspect("programs-agreed")
		p.press("form[action$='/end'] button")
		p.want(".notice.done")
		if p.has("form[action$='/end']") {
			t.Error("the program still acts")
		}
	})
}

func TestAKeyOfAProgramWorksOnceAnOfficerApprovedIt(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.signIn(p.who("account_manager", 0))
		p.visit("/home")
		p.press("a[href='/programs']")
		p.inspect("clients")
		p.press("a.button[href$='/key']")
		p.inspect("client-key")
		p.fill("jwk", "{}")
		p.press("form.reason button")
		p.want("#jwk-error")
		p.inspect("client-key-wrong")
		p.fill("jwk", "")
		p.press("form.reason button")
		p.inspect("client-key-made")
		client, secret := p.code("0"), p.code("1")
		if got := p.token(client, secret); got != http.StatusUnauthorized {
			t.Errorf("before the approval: %d", got)
		}

		officer := p.another(p.who("access_officer", 1))
		officer.newest()
		officer.inspect("approval-key")
		officer.press("form.decide button[value=approve]")
		officer.inspect("approval-key-confirm")
		officer.press("form.actions button")
		officer.want(".state.approved")
		if got := p.token(client, secret); got != http.StatusOK {
			t.Errorf("after the approval: %d", got)
		}

		p.visit("/programs")
		p.press("ul.connections li:last-child a[href$='/end']")
		p.inspect("client-end")
		p.press("button.danger")
		p.want(".notice.done")
		if got := p.token(client, secret); got != http.StatusUnauthorized {
			t.Errorf("after its end: %d", got)
		}
	})
}
