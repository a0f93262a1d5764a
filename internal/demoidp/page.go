package demoidp

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

//go:embed page/* texts/*
var files embed.FS

// maxRows is how many people a search shows at most.
const maxRows = 60

var (
	pages  = template.Must(template.ParseFS(files, "page/*.html"))
	locale = map[string]map[string]string{"fr": mustTexts("fr"), "en": mustTexts("en")}
)

func mustTexts(lang string) map[string]string {
	data, err := files.ReadFile("texts/" + lang + ".json")
	if err != nil {
		panic(err)
	}
	var m map[string]string
	if err := json.Unmarshal(data, &m); err != nil {
		panic("texts/" + lang + ".json: " + err.Error())
	}
	return m
}

// view is what both templates see.
type view struct {
	Lang, Other string // fr, en
	OtherURL    string
	CSS         string
	Action      string
	Hidden      [][2]string // the request, repeated
	Find        string
	ACRs        []string
	ACR         string
	Hint        string // a login that nobody has
	Groups      []group
	Shown, All  int
	Code        string // of an error
	Detail      string
}

// group is the people of one preset.
type group struct {
	Preset string
	People []Person
}

// T is a text in the page's language.
func (v view) T(key string) string { return locale[v.Lang][key] }

// Role is a role's label, or its code.
func (v view) Role(code string) string {
	if s, ok := locale[v.Lang]["role."+code]; ok {
		return s
	}
	return code
}

func (p *Provider) newView(r *http.Request) view {
	v := view{Lang: language(r), CSS: p.path + "/demo.css", Action: p.path + "/authorize"}
	v.Other = map[string]string{"fr": "en", "en": "fr"}[v.Lang]
	q := r.URL.Query()
	q.Set("demo_lang", v.Other)
	v.OtherURL = "?" + q.Encode()
	return v
}

// language is the reader's: the page's own switch, else the browser's first of the two, else French.
func language(r *http.Request) string {
	if l := r.URL.Query().Get("demo_lang"); locale[l] != nil {
		return l
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if locale[base] != nil {
			return base
		}
	}
	return "fr"
}

// pickPage shows whom one can be.
func (p *Provider) pickPage(w http.ResponseWriter, r *http.Request, q *request) {
	v := p.newView(r)
	for _, name := range slices.Sorted(slices.Values(documented)) {
		if name != "login_hint" && q.query.Has(name) {
			v.Hidden = append(v.Hidden, [2]string{name, q.query.Get(name)})
		}
	}
	if q.query.Has("demo_lang") {
		v.Hidden = append(v.Hidden, [2]string{"demo_lang", v.Lang})
	}
	v.ACRs, v.ACR, v.Find = ACRs, q.query.Get("demo_acr"), strings.TrimSpace(q.query.Get("demo_find"))
	if !q.query.Has("demo_find") {
		v.Hint = q.hint
	}
	people := p.cfg.People.List()
	if one, ok := p.cfg.People.Lookup(v.Find); ok && !slices.Contains(people, one) {
		people = append(slices.Clone(people), one) // found by address alone
	}
	v.Groups, v.Shown, v.All = choose(people, v.Find), 0, len(people)
	for _, g := range v.Groups {
		v.Shown += len(g.People)
	}
	p.render(w, "pick.html", v, http.StatusOK, origin(q.redirect))
}

// choose is the people to show: the matches of a search, or two of each role and preset.
func choose(people []Person, find string) []group {
	people = slices.Clone(people)
	slices.SortStableFunc(people, func(a, b Person) int { return cmp.Compare(a.Preset, b.Preset) })
	words := strings.Fields(strings.ToLower(find))
	perRole := map[string]int{}
	var out []group
	shown := 0
	for _, person := range people {
		role := person.Preset + "\x00" + person.Role
		if shown == maxRows || len(words) == 0 && perRole[role] == 2 || !matches(person, words) {
			continue
		}
		perRole[role]++
		shown++
		if len(out) == 0 || out[len(out)-1].Preset != person.Preset {
			out = append(out, group{Preset: person.Preset})
		}
		g := &out[len(out)-1]
		g.People = append(g.People, person)
	}
	return out
}

func matches(p Person, words []string) bool {
	all := strings.ToLower(strings.Join([]string{p.Login, p.GivenName, p.UsualName, p.Organisation, p.Preset, p.Role}, " "))
	for _, w := range words {
		if !strings.Contains(all, w) {
			return false
		}
	}
	return true
}

// errorPage shows a refusal as ProConnect does: on the provider's own page, with a code, never by
// sending the browser to an address that was not checked.
func (p *Provider) errorPage(w http.ResponseWriter, r *http.Request, err error) {
	v := p.newView(r)
	v.Code, v.Detail = "Y000000", ""
	var e *requestError
	if errors.As(err, &e) {
		v.Code, v.Detail = e.code, e.detail
	}
	p.render(w, "error.html", v, http.StatusBadRequest, "")
}

func (p *Provider) render(w http.ResponseWriter, name string, v view, status int, formTarget string) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, v); err != nil {
		http.Error(w, "page", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", strings.TrimSpace("default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' "+formTarget))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// origin of a registered redirect URI: browsers apply form-action to the redirects that follow a form.
func origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func (p *Provider) stylesheet(w http.ResponseWriter, _ *http.Request) {
	data, err := files.ReadFile("page/demo.css")
	if err != nil {
		http.Error(w, "page", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(data)
}
