package web

import (
	"io/fs"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func catalogues(t *testing.T) map[string]*catalogue {
	t.Helper()
	all := map[string]*catalogue{}
	for _, lang := range languages {
		c, err := loadCatalogue(lang)
		if err != nil {
			t.Fatal(err)
		}
		all[lang] = c
	}
	return all
}

func TestFrenchAndEnglishSayTheSameThings(t *testing.T) {
	all := catalogues(t)
	if diff := cmp.Diff(all["fr"].keys(), all["en"].keys()); diff != "" {
		t.Fatalf("keys differ (-fr +en):\n%s", diff)
	}
	placeholder := regexp.MustCompile(`\{[a-z]+\}`)
	for _, key := range all["fr"].keys() {
		var found [][]string
		for _, lang := range languages {
			text := all[lang].texts[key]
			if strings.TrimSpace(text) != text && key != "search.born" || text == "" {
				t.Errorf("%s %s: %q", lang, key, text)
			}
			names := placeholder.FindAllString(text, -1)
			slices.Sort(names)
			found = append(found, slices.Compact(names))
		}
		if strings.HasSuffix(key, ".one") {
			continue // "one change" may do without its figure
		}
		if diff := cmp.Diff(found[0], found[1]); diff != "" {
			t.Errorf("%s: placeholders differ: %s", key, diff)
		}
	}
}

func TestEveryTextIsUsed(t *testing.T) {
	var sources strings.Builder
	files, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	templates, err := fs.Glob(os.DirFS("."), "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, templates...) {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(f, "_test.go") {
			sources.Write(data)
		}
	}
	var patterns []*regexp.Regexp
	for _, m := range regexp.MustCompile(`"([a-z_0-9%.]+\.[a-z_0-9%.]*)"`).FindAllStringSubmatch(sources.String(), -1) {
		if strings.HasPrefix(m[1], "%s.") {
			m[1] = "front.case." + m[1]
		}
		p := regexp.QuoteMeta(m[1])
		p = strings.NewReplacer("%s", "[a-z0-9_.]+", "%d", "[0-9]+").Replace(p)
		if strings.HasSuffix(m[1], ".") {
			p += "[a-z_]+" // "emergency.motive." + id
		}
		patterns = append(patterns, regexp.MustCompile("^"+p+`(\.(one|other))?$`))
	}
	for _, key := range catalogues(t)["fr"].keys() {
		if !slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(key) }) {
			t.Errorf("nothing uses %s", key)
		}
	}
}

func TestTemplatesHoldNoWordsOfTheirOwn(t *testing.T) {
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	action := regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	spoken := regexp.MustCompile(`\s(?:alt|title|aria-label|placeholder|value|data-still|data-count|data-text)="([^"]*)"`)
	machine := []string{"en", "fr", "system", "light", "dark", "approve", "refuse", "accepted", "contested", "settled", "yes", "caseload"}
	for _, f := range files {
		data, err := templateFiles.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text := action.ReplaceAllString(string(data), "")
		for _, m := range spoken.FindAllStringSubmatch(text, -1) {
			if strings.ContainsFunc(m[1], unicode.IsLetter) && !slices.Contains(machine, m[1]) {
				t.Errorf("%s says %q", f, m[1])
			}
		}
		bare := regexp.MustCompile(`(?s)<[^>]*>`).ReplaceAllString(text, "")
		if i := strings.IndexFunc(bare, unicode.IsLetter); i >= 0 {
			t.Errorf("%s holds words: %.60q", f, bare[i:])
		}
	}
}

func TestTheLanguageIsChosenByTheReaderThenTheBrowser(t *testing.T) {
	for _, c := range []struct{ cookie, accept, want string }{
		{"", "", "fr"}, {"", "en-GB,en;q=0.9", "en"}, {"", "de,en;q=0.5,fr;q=0.8", "fr"}, {"", "de", "fr"},
		{"en", "fr", "en"}, {"fr", "en", "fr"}, {"xx", "en", "en"}, {"", "en;q=x", "fr"}, {"", ";;,,=", "fr"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", c.accept)
		if c.cookie != "" {
			r.Header.Set("Cookie", languageCookie+"="+c.cookie)
		}
		if got := chooseLanguage(r); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestNumbersAndCountsFollowTheLanguage(t *testing.T) {
	all := catalogues(t)
	for n, want := range map[int][2]string{0: {"0", "0"}, 999: {"999", "999"}, 12408: {"12\u202f408", "12,408"}, 1234567: {"1\u202f234\u202f567", "1,234,567"}, -1000: {"-1\u202f000", "-1,000"}} {
		if got := [2]string{all["fr"].number(n), all["en"].number(n)}; got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	for lang, want := range map[string]string{"fr": "0 fin", "en": "0 ended"} {
		if got, err := all[lang].count("approvals.ended", 0); err != nil || got != want {
			t.Errorf("%s: %q %v", lang, got, err)
		}
	}
	if _, err := all["fr"].text("no.such.key"); err == nil {
		t.Error("a missing text is no error")
	}
}

func TestFrenchPunctuationIsNotLeftAloneOnALine(t *testing.T) {
	c := catalogues(t)["fr"]
	for key, text := range c.texts {
		for _, bad := range []string{" ;", " ?", " !", " :", "« ", " »"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s: %q", key, text)
			}
		}
	}
}
