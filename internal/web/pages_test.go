package web

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"ecluse"
	"ecluse/internal/signin"
)

// eachState calls f with every page in every situation and language.
func eachState(t *testing.T, f func(t *testing.T, name, lang string, w *httptest.ResponseRecorder)) {
	for name, st := range states() {
		for _, lang := range languages {
			t.Run(name+" "+lang, func(t *testing.T) {
				w, _ := visit(t, st, lang)
				f(t, name, lang, w)
			})
		}
	}
}

func TestEveryPageIsWholeAndInTheReadersLanguage(t *testing.T) {
	headings := map[string]string{}
	eachState(t, func(t *testing.T, name, lang string, w *httptest.ResponseRecorder) {
		want := http.StatusOK
		if s, ok := status[name]; ok {
			want = s
		}
		body := w.Body.String()
		if w.Code != want {
			t.Fatalf("status %d, want %d", w.Code, want)
		}
		if !strings.Contains(body, `<html lang="`+lang+`"`) || w.Header().Get("Content-Language") != lang {
			t.Error("the page does not say its language")
		}
		if n := strings.Count(body, "<h1"); n != 1 {
			t.Errorf("%d main headings, want 1", n)
		}
		for _, part := range []string{`href="#main"`, `<main id="main"`, "</html>", `href="/mentions"`} {
			if !strings.Contains(body, part) {
				t.Errorf("no %s", part)
			}
		}
		title := between(body, "<title>", "</title>")
		if failed := strings.HasPrefix(title, "Erreur") || strings.HasPrefix(title, "Error"); failed != (want != http.StatusOK) {
			t.Errorf("title %q with status %d", title, want)
		}
		if heading := between(body, "<h1", "</h1>"); headings[name] == heading && !strings.HasPrefix(name, "case") {
			t.Errorf("the heading %q is the same in both languages", heading)
		} else {
			headings[name] = heading
		}
	})
}

func between(s, from, to string) string {
	_, rest, ok := strings.Cut(s, from)
	if !ok {
		return ""
	}
	inner, _, _ := strings.Cut(rest, to)
	return inner
}

var (
	reference    = regexp.MustCompile(`(?:href|src|action|formaction)="([^"]*)"`)
	inlineStyle  = regexp.MustCompile(`<style|\sstyle=|\son[a-z]+=|javascript:`)
	inlineScript = regexp.MustCompile(`<script[^>]*>[^<]`)
)

func TestNoPageLoadsAnythingFromElsewhereOrInline(t *testing.T) {
	s := newSite(t, newFake(t))
	eachState(t, func(t *testing.T, _, _ string, w *httptest.ResponseRecorder) {
		body := w.Body.String()
		for _, m := range reference.FindAllStringSubmatch(body, -1) {
			to := html.UnescapeString(m[1])
			if !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "#") || strings.HasPrefix(to, "//") {
				t.Errorf("the page points to %q", to)
			}
			if strings.HasPrefix(to, "/static/") && s.assets.byURL[to].data == nil {
				t.Errorf("no asset %q", to)
			}
		}
		if found := inlineStyle.FindString(body); found != "" {
			t.Errorf("inline style or script: %q", found)
		}
		if found := inlineScript.FindString(body); found != "" {
			t.Errorf("inline script: %q", found)
		}
		if strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "%!") {
			t.Error("a template could not show a value")
		}
	})
}

func TestEveryFormControlHasAName(t *testing.T) {
	label := regexp.MustCompile(`<label for="([^"]+)"`)
	control := regexp.MustCompile(`<(?:input|textarea|select)[^>]*>`)
	eachState(t, func(t *testing.T, _, _ string, w *httptest.ResponseRecorder) {
		body := w.Body.String()
		labelled := map[string]bool{}
		for _, m := range label.FindAllStringSubmatch(body, -1) {
			labelled[m[1]] = true
		}
		ids := map[string]int{}
		for _, m := range regexp.MustCompile(`\sid="([^"]+)"`).FindAllStringSubmatch(body, -1) {
			if ids[m[1]]++; ids[m[1]] > 1 {
				t.Errorf("id %q is there twice", m[1])
			}
		}
		for _, c := range control.FindAllString(body, -1) {
			if id := between(c, ` id="`, `"`); !strings.Contains(c, `type="hidden"`) && !labelled[id] {
				t.Errorf("no label for %s", c)
			}
		}
		for _, m := range regexp.MustCompile(`aria-(?:describedby|labelledby)="([^"]+)"`).FindAllStringSubmatch(body, -1) {
			for _, id := range strings.Fields(m[1]) {
				if ids[id] == 0 && id != "lock-title" {
					t.Errorf("%q describes something and is not there", id)
				}
			}
		}
	})
}

func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	want := map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		"Strict-Transport-Security": "max-age=31536000; includeSubDomains",
	}
	for name, st := range states() {
		if st.demo {
			continue // over plain http on loopback
		}
		w, _ := visit(t, st, "fr", func(c *Config) { c.FormTargets = []string{"https://idp.example"} })
		for header, value := range want {
			if got := w.Header().Get(header); got != value {
				t.Errorf("%s: %s: %q, want %q", name, header, got, value)
			}
		}
		policy := w.Header().Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self' https://idp.example;"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy lacks %s: %s", name, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s: policy %s", name, policy)
		}
	}
}

func TestAssetsAreKeptForEverUnderTheirFingerprint(t *testing.T) {
	s := newSite(t, newFake(t))
	for name, url := range s.assets.url {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", url, nil))
		if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || w.Header().Get("Vary") != "" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		if w.Header().Get("Content-Type") == "" || w.Body.Len() == 0 {
			t.Errorf("%s: type %q, %d bytes", name, w.Header().Get("Content-Type"), w.Body.Len())
		}
		other := httptest.NewRecorder()
		s.ServeHTTP(other, httptest.NewRequest("GET", "/static/"+name, nil))
		if other.Code != http.StatusNotFound {
			t.Errorf("%s is served without its fingerprint", name)
		}
	}
}

func TestAnInternalErrorIsLoggedOnceUnderAReferenceAndNeverShown(t *testing.T) {
	for _, name := range []string{"e500", "signin-internal"} {
		var log bytes.Buffer
		f := newFake(t)
		st := states()[name]
		st.fake(f)
		s := newSite(t, f)
		s.rooms.Log = slog.New(slog.NewJSONHandler(&log, nil))
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/desk/mission-locale/persons?purpose=emploi", nil)
		if st.direct != nil {
			st.direct(s, w, r)
		} else {
			s.ServeHTTP(w, r)
		}
		shown := regexp.MustCompile(`référence ([A-Z2-7]{8})`).FindStringSubmatch(w.Body.String())
		if w.Code != http.StatusInternalServerError || shown == nil {
			t.Fatalf("%s: %d without reference", name, w.Code)
		}
		if strings.Contains(w.Body.String(), "10.0.0.7") {
			t.Errorf("%s: the page shows the internal error", name)
		}
		if n := strings.Count(log.String(), shown[1]); n != 1 || !strings.Contains(log.String(), "10.0.0.7") {
			t.Errorf("%s: logged %d times: %s", name, n, log.String())
		}
	}
}

func TestAPanicIsAnInternalErrorToo(t *testing.T) {
	var log bytes.Buffer
	f := newFake(t)
	f.values = []record{} // the page falls over it
	s := newSite(t, f)
	s.rooms.Log = slog.New(slog.NewTextHandler(&log, nil))
	w := send(s, "POST", handleML, typedMarie+"&relation=caseload")
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "Incident interne") {
		t.Errorf("%d", w.Code)
	}
	if !strings.Contains(log.String(), "panic") || strings.Contains(log.String(), "Lefevre") {
		t.Errorf("log: %s", log.String())
	}
}

func send(s *Site, method, path, form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// hostile is what somebody might put into a record, a name or a form.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'{{.}}` + "\u202e"

func TestHostileTextIsShownAsText(t *testing.T) {
	f := newFake(t)
	f.values = []record{everywhere(hostile)}
	f.standing.Account.UsualName, f.standing.Organisation.Name, f.standing.Site.Name, f.standing.Organisation.Phone = hostile, hostile, hostile, hostile
	f.outcome.Receipt, f.search.Receipt = hostile, hostile
	for i := range f.connections {
		f.connections[i].Browser = hostile
	}
	s := newSite(t, f, func(c *Config) { c.Name, c.Duty = hostile, hostile })
	form := "purpose=emploi&surname=" + escape(hostile) + "&first_name=" + escape(hostile) + "&birth_date=17/05/2004"
	for _, w := range []*httptest.ResponseRecorder{
		send(s, "POST", handleML, form+"&relation=caseload"), send(s, "POST", deskML+"/search", form), send(s, "POST", handleML+"/reason", form+"&relation=other&text="+escape(hostile)),
		send(s, "GET", deskML+"/persons?purpose=emploi", ""), send(s, "GET", "/me", ""), send(s, "GET", "/aide", ""), send(s, "POST", handleML+"/emergency", form),
		send(s, "GET", "/"+escape(hostile), ""), send(s, "GET", deskML+"?purpose="+escape(hostile), ""),
	} {
		body := w.Body.String()
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") {
			t.Errorf("%d: hostile text became markup", w.Code)
		}
	}
}

// everywhere is a record with one text in every field.
func everywhere(text string) record {
	r := record{}
	for name := range marie {
		r[name] = text
	}
	return r
}

// Everything that was typed or read stays out of addresses, titles and logs.
func TestNoValueOfARecordIsInAnAddressATitleOrALog(t *testing.T) {
	const marker = "Zqxmarker"
	var log bytes.Buffer
	for _, gateErr := range []error{nil, io.ErrUnexpectedEOF} {
		f := newFake(t)
		if f.gateErr = gateErr; gateErr == nil {
			f.values = []record{everywhere(marker)}
		}
		s := newSite(t, f)
		s.rooms.Log = slog.New(slog.NewTextHandler(&log, nil))
		form := "purpose=emploi&surname=" + marker + "&first_name=" + marker + "&birth_date=17/05/2004&text=" + marker
		for _, w := range []*httptest.ResponseRecorder{
			send(s, "POST", handleML, form+"&relation=caseload"), send(s, "POST", deskML+"/search", form), send(s, "POST", handleML+"/reason", form),
			send(s, "POST", handleML+"/emergency", form), send(s, "POST", handleML+"/emergency/open", form+"&emergency=health"), send(s, "GET", deskML+"/persons?purpose=emploi", ""),
		} {
			body := w.Body.String()
			for _, m := range reference.FindAllStringSubmatch(body, -1) {
				if strings.Contains(m[1], marker) {
					t.Errorf("in the address %s", m[1])
				}
			}
			if strings.Contains(between(body, "<title>", "</title>"), marker) || strings.Contains(w.Header().Get("Location"), marker) {
				t.Error("in a title or a redirect")
			}
		}
	}
	if strings.Contains(log.String(), marker) {
		t.Errorf("in the log: %s", log.String())
	}
}

func TestRoutesAreOpenToTheirRolesAndToNobodyElse(t *testing.T) {
	f := newFake(t)
	s := newSite(t, f)
	fill := strings.NewReplacer("{register}", "mission-locale", "{handle}", "h1", "{id}", "none", "{key}", "none", "{token}", "t", "{$}", "")
	callers := append([]ecluse.Role{"", "nobody"}, ecluse.Roles...) // "" = signed in without any role
	for _, route := range s.Routes() {
		if !route.Access.Public && !route.Access.SignedIn && len(route.Access.Roles) == 0 {
			t.Errorf("%s %s has no rule", route.Method, route.Pattern)
		}
		for _, role := range callers {
			f.signErr, f.standing.Roles = nil, nil
			switch role {
			case "nobody":
				f.signErr = signin.ErrNoSession
			case "":
			default:
				f.standing.Roles = []ecluse.Role{role}
			}
			w := send(s, route.Method, fill.Replace(route.Pattern), "")
			turnedAway := w.Code == http.StatusForbidden || strings.HasPrefix(w.Header().Get("Location"), "/sign-in?")
			open := route.Access.Public || role != "nobody" && route.Access.admits(f.standing)
			if open == turnedAway && !(route.Pattern == "/session" && role == "nobody") {
				t.Errorf("%s %s as %q: %d %s", route.Method, route.Pattern, role, w.Code, w.Header().Get("Location"))
			}
			if w.Code == http.StatusInternalServerError {
				t.Errorf("%s %s as %q: internal error", route.Method, route.Pattern, role)
			}
		}
	}
}

func TestEveryReasonOfTheGlossaryHasItsTexts(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../ecluse.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Names) == 0 || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		n++
		if list := known403([]ecluse.Reason{ecluse.Reason(code)}); string(list[0]) != code {
			t.Errorf("%s has no text", code)
		}
		return true
	})
	if n < 20 {
		t.Fatalf("found %d reasons only", n)
	}
	if got := known403([]ecluse.Reason{"something.new"}); got[0] != ecluse.ReasonPersonUnavailable {
		t.Errorf("an unknown reason reads as %v, want what says the least", got)
	}
}

func TestEveryTemplateIsAPageOfTheStates(t *testing.T) {
	files, err := fs.Glob(templateFiles, "templates/page_*.html")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, st := range states() {
		w, _ := visit(t, st, "fr")
		shown[between(w.Body.String(), `<body class="area-`, `"`)] = true
	}
	for _, f := range files {
		if !shown[pageName(f)] {
			t.Errorf("no state shows %s", pageName(f))
		}
	}
}
