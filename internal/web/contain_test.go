package web

import (
	"net/http"
	"strings"
	"testing"

	"ecluse/internal/directory"
)

func TestABadDateIsToldWhateverIsAskedOfAContainmentAndWhatWasTypedIsKept(t *testing.T) {
	const reason = "Compte volé le 20 novembre"
	for _, act := range []string{"/contain/preview", "/contain", "/contain/ask"} {
		f := newFake(t)
		asWarden(f)
		w := send(newSite(t, f), "POST", accountAt+act, "tree=yes&since=32/01/2026&reason="+strings.ReplaceAll(reason, " ", "+"))
		body := w.Body.String()
		if f.containing.Account != 0 {
			t.Errorf("%s: asked for %+v", act, f.containing)
		}
		for _, part := range []string{`id="faults"`, `id="since-error"`, `value="32/01/2026"`, reason, " checked"} {
			if w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, part) {
				t.Errorf("%s: %d without %s", act, w.Code, part)
			}
		}
	}
}

func TestWhatStandsInTheWayOfAContainmentIsToldOnItsForm(t *testing.T) {
	for _, act := range []string{"/contain/preview", "/contain", "/contain/ask"} {
		f := newFake(t)
		asWarden(f)
		f.wardenErr = directory.ErrSince
		w := send(newSite(t, f), "POST", accountAt+act, typedContain)
		if body := w.Body.String(); w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, `id="since-error"`) || !strings.Contains(body, `value="11/11/2026"`) {
			t.Errorf("%s: %d %.200s", act, w.Code, between(body, "<main", "</main>"))
		}
	}
}
