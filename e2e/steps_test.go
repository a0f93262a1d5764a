//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// press clicks what a selector finds and waits for the page that follows.
func (p *tab) press(selector string) {
	p.t.Helper()
	p.follow(selector, chromedp.Click(chromedp.CSS(selector)))
}

// follow does something that leads to another page.
func (p *tab) follow(what string, step chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, step); err != nil {
		p.t.Fatalf("%s leads nowhere: %v\n%.600s", what, err, p.text())
	}
}

// choose clicks without leaving the page.
func (p *tab) choose(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// fill types a text into a field, in the place of what is there.
func (p *tab) fill(name, text string) {
	p.t.Helper()
	field := fmt.Sprintf("main [name=%q]:not([type=hidden])", name)
	p.do(chromedp.Focus(chromedp.CSS(field)), chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%q).value = ""`, field)), chromedp.KeyEvent(text))
}

// fillIn is fill for one of several forms of a page.
func (p *tab) fillIn(form, name, text string) {
	p.t.Helper()
	field := fmt.Sprintf("%s [name=%q]:not([type=hidden])", form, name)
	p.do(chromedp.Focus(chromedp.CSS(field)), chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%q).value = ""`, field)), chromedp.KeyEvent(text))
}

// has reports whether something is on the page now.
func (p *tab) has(selector string) bool {
	p.t.Helper()
	return ask(p, chromedp.Evaluate[bool](fmt.Sprintf("document.querySelector(%q) !== null", selector)))
}

// want fails the test unless something is on the page.
func (p *tab) want(selector string) {
	p.t.Helper()
	if !p.has(selector) {
		p.t.Fatalf("at %s there is no %s:\n%.1500s", p.path(), selector, p.text())
	}
}

// read wants the page to show a text.
func (p *tab) read(text string) {
	p.t.Helper()
	if !strings.Contains(strings.ToLower(p.text()), strings.ToLower(text)) {
		p.t.Errorf("at %s nobody can read %q:\n%.1500s", p.path(), text, p.text())
	}
}

func (p *tab) path() string {
	p.t.Helper()
	return ask(p, chromedp.Evaluate[string]("location.pathname"))
}

// withoutScripts turns JavaScript off for the pages to come.
func (p *tab) withoutScripts() {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		p.t.Fatal(err)
	}
	p.plain = true
}

// language is that of the page.
func (p *tab) language() string {
	p.t.Helper()
	return ask(p, chromedp.Evaluate[string]("document.documentElement.lang"))
}

// speak switches the pages to a language.
func (p *tab) speak(language string) {
	p.t.Helper()
	if p.language() != language {
		p.press(fmt.Sprintf("form.language button[value=%s]", language))
	}
	if got := p.language(); got != language {
		p.t.Fatalf("the page speaks %s, want %s", got, language)
	}
}

// look is a way in which a page is looked at.
type look struct {
	name, scheme string
	size         [2]int64
}

// looks are two of the four ways in one language and the other two in the other, so that light and dark
// are seen wide and narrow; for pictures, all of them.
func looks(language string) []look {
	lightWide, darkWide := look{"light-wide", "light", wide}, look{"dark-wide", "dark", wide}
	lightNarrow, darkNarrow := look{"light-narrow", "light", narrow}, look{"dark-narrow", "dark", narrow}
	switch {
	case os.Getenv("ECLUSE_PICTURES") != "":
		return []look{lightWide, darkWide, lightNarrow, darkNarrow}
	case language == "fr":
		return []look{lightWide, darkNarrow}
	}
	return []look{darkWide, lightNarrow}
}

// inspected are the pages that were looked at, with their language: once is enough, however many
// journeys pass there.
var inspected sync.Map

// inspect holds the page against axe-core in light and dark, wide and narrow, wants it to fit into the
// narrow window, and takes a picture of each. Without JavaScript axe-core does not run either: the
// journeys with it have looked at the same pages.
func (p *tab) inspect(name string) {
	p.t.Helper()
	if p.plain {
		return
	}
	language := p.language()
	if _, before := inspected.LoadOrStore(name+" "+language, true); before {
		return
	}
	for _, look := range looks(language) {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}}
		if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, media); err != nil {
			p.t.Fatal(err)
		}
		p.do(chromedp.EmulateViewport(look.size[0], look.size[1]))
		p.accessible(fmt.Sprintf("%s (%s, %s)", name, language, look.name))
		if over := ask(p, chromedp.Evaluate[int64]("document.documentElement.scrollWidth - innerWidth")); over > 0 {
			p.t.Errorf("%s (%s, %s) is %d pixels too wide", name, language, look.name, over)
		}
		p.picture(fmt.Sprintf("%s-%s-%s", name, language, look.name))
	}
	p.do(chromedp.EmulateViewport(p.size[0], p.size[1]))
}

// tabTo presses the tab key until something has the focus.
func (p *tab) tabTo(selector string) {
	p.t.Helper()
	for range 80 {
		p.do(chromedp.KeyEvent(kb.Tab))
		if ask(p, chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.matches(%q)", selector))) {
			return
		}
	}
	p.t.Fatalf("the tab key does not reach %s", selector)
}

// signIn signs in through the demo's provider, which is told who it is.
func (p *tab) signIn(login string) {
	p.t.Helper()
	p.visit("/sign-in/proconnect?" + url.Values{"login_hint": {login}}.Encode())
	p.want("section.who")
}

// chooseMyself goes through the demo provider's page, as somebody who chooses herself.
func (p *tab) chooseMyself(login string) {
	p.t.Helper()
	p.fillAnywhere("demo_find", login)
	p.press("form input[name=demo_find] ~ button")
	p.press(fmt.Sprintf("button[name=login_hint][value=%q]", login))
	p.want("section.who")
}

// fillAnywhere is fill for pages that are not ours.
func (p *tab) fillAnywhere(name, text string) {
	p.t.Helper()
	p.do(chromedp.SendKeys(chromedp.CSS(fmt.Sprintf("[name=%q]:not([type=hidden])", name)), text))
}

// desk goes to the desk of the register for a purpose.
func (p *tab) desk() {
	p.t.Helper()
	p.visit("/desk/" + register + "?purpose=emploi")
	p.want("form.find")
}

// find looks for a person.
func (p *tab) find(s sample) {
	p.t.Helper()
	p.desk()
	p.type3(s.Surname, s.FirstName, s.BirthDate)
	p.press("form.find button")
}

func (p *tab) type3(surname, first, born string) {
	p.t.Helper()
	p.fill("surname", surname)
	p.fill("first_name", first)
	p.fill("birth_date", born)
}

// way is how a journey is made.
type way struct {
	language string
	scripts  bool
}

// The ways: in both languages, and without JavaScript.
var (
	inFrench  = way{"fr", true}
	inEnglish = way{"en", true}
	plain     = way{"fr", false}
)

func (w way) String() string {
	if w.scripts {
		return w.language
	}
	return w.language + " without JavaScript"
}

// journeys runs a test in each of the ways, each in a browser of its own and a world that is its own
// until the end. Another day has begun there: what the journey before has spent is free again.
func journeys(t *testing.T, ways []way, journey func(t *testing.T, p *tab)) {
	t.Parallel()
	for _, w := range ways {
		t.Run(w.String(), func(t *testing.T) {
			t.Parallel()
			mine := <-worlds
			t.Cleanup(func() { worlds <- mine })
			p := open(t, mine, wide)
			if !w.scripts {
				p.withoutScripts()
			}
			p.advance(25 * time.Hour)
			p.visit("/")
			p.speak(w.language)
			journey(t, p)
		})
	}
}

// newest opens the request that was made last of those that wait.
func (p *tab) newest() {
	p.t.Helper()
	p.visit("/approvals")
	p.press("section[aria-labelledby=waiting] li:last-child a.review-link")
}

// takenUp has an access officer ask for what a command asked for.
func (p *tab) takenUp() {
	p.t.Helper()
	officer := p.another(p.who("access_officer", 0))
	officer.newest()
	officer.press("form[action$='/take-up'] button")
}

// approves opens the newest request, approves it and says yes.
func (p *tab) approves() {
	p.t.Helper()
	p.newest()
	p.press("form.decide button[value=approve]")
	p.press("form.actions button[value=approve]")
	p.want(".state.approved")
}

var everyWay = []way{inFrench, inEnglish, plain}

// pick chooses the first of a group of choices, whether buttons or a list.
func (p *tab) pick(name string) {
	p.t.Helper()
	if p.has(fmt.Sprintf("select[name=%q]", name)) {
		p.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector("select[name=%s]").selectedIndex = 1`, name)))
		return
	}
	p.choose(fmt.Sprintf(`.option label[for=%q]`, name+"-0"))
}
