package web

import (
	"html"
	"strings"
	"testing"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/register"
)

func TestPagesSayTheBodysOwnWordsAndOursWhereItSaysNothing(t *testing.T) {
	own := parsed("mission-locale", 1).Definition.Texts
	refused := func(f *fakeRooms) {
		f.outcome = gate.Outcome{Receipt: testReceipt, Reasons: []ecluse.Reason{ecluse.ReasonAgreementEnded}, Readings: f.readings}
	}
	pages := map[string]struct {
		v    state
		says func(register.Texts, string) []string
	}{
		"desk":     {get(deskML + "?purpose=emploi"), func(x register.Texts, lang string) []string { return []string{x.About.In(lang)} }},
		"purpose":  {get(deskML), func(x register.Texts, lang string) []string { return []string{x.About.In(lang)} }},
		"search":   {post(deskML+"/search", "purpose=emploi&"+typedMarie), func(x register.Texts, lang string) []string { return []string{x.Reminder.In(lang)} }},
		"reason":   {post(handleML+"/reason", typedMarie+"&relation=other"), func(x register.Texts, lang string) []string { return []string{x.Reminder.In(lang)} }},
		"mentions": {get("/mentions"), func(x register.Texts, lang string) []string { return []string{x.Rights.In(lang)} }},
		"refusal": {with(post(handleML, typedMarie), refused), func(x register.Texts, lang string) []string {
			return []string{x.Help.Name.In(lang), x.Help.Phone, x.Help.Email}
		}},
	}
	for name, page := range pages {
		for _, lang := range languages {
			said, _ := visit(t, page.v, lang)
			silent, _ := visit(t, with(page.v, saying(register.Texts{}, page.v.fake)), lang)
			hostile, _ := visit(t, with(page.v, saying(hostileTexts, page.v.fake)), lang)
			for _, want := range page.says(own, lang) {
				if !strings.Contains(html.UnescapeString(said.Body.String()), want) || strings.Contains(html.UnescapeString(silent.Body.String()), want) {
					t.Errorf("%s %s: %d, %d: the page does not say %q, or says it of another register", name, lang, said.Code, silent.Code, want)
				}
			}
			if body := hostile.Body.String(); strings.Contains(body, "<b>") || !strings.Contains(body, "&lt;b&gt;") {
				t.Errorf("%s %s: a text is not escaped", name, lang)
			}
		}
	}
}

var hostileTexts = register.Texts{
	About: register.Label{FR: "<b>x", EN: "<b>x"}, Reminder: register.Label{FR: "<b>x", EN: "<b>x"}, Rights: register.Label{FR: "<b>x", EN: "<b>x"},
	Help: register.Help{Name: register.Label{FR: "<b>x", EN: "<b>x"}, Phone: "<b>1", Email: "<b>@x"},
}

// saying puts other texts in the place of the registers'.
func saying(texts register.Texts, and func(*fakeRooms)) func(*fakeRooms) {
	return func(f *fakeRooms) {
		if and != nil {
			and(f)
		}
		for i, reg := range f.registers {
			other, definition := *reg, *reg.Definition
			definition.Texts, other.Definition = texts, &definition
			f.registers[i] = &other
		}
	}
}
