//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// serve serves one document under a strict policy, as the program's own pages are.
func serve(t *testing.T, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:")
		_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><head><title>Page</title><meta name="viewport" content="width=device-width">`+
			`<link rel="icon" href="data:,"></head><body><main><h1>Page</h1>%s</main></body></html>`, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestTheAccessibilityCheckFindsAMistakeAndPassesAGoodPage(t *testing.T) {
	for name, test := range map[string]struct{ body, want string }{
		"good":                  {`<p>Text</p>`, ""},
		"a picture without alt": {`<img src="data:,">`, "image-alt"},
		"a field without label": {`<form><input name="a"></form>`, "label"},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, nil, wide)
			p.visit(serve(t, test.body))
			found := ""
			for _, v := range p.violations() {
				found = v.ID
			}
			if found != test.want {
				t.Errorf("axe-core says %q, want %q", found, test.want)
			}
		})
	}
}

func TestAGoodPageIsReadAndAccessibleInBothWindows(t *testing.T) {
	for name, size := range map[string][2]int64{"wide": wide, "narrow": narrow} {
		t.Run(name, func(t *testing.T) {
			p := open(t, nil, size)
			p.visit(serve(t, `<p>One case file passes.</p>`))
			p.accessible(name)
			p.picture("works-" + name)
			if text := p.text(); !strings.Contains(text, "One case file passes.") {
				t.Errorf("the page reads %q", text)
			}
		})
	}
}
