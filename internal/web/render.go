package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

//go:embed templates
var templateFiles embed.FS

// view is what a template gets: the frame around every page and the page's own typed struct.
type view struct {
	F frame
	P any
}

// frame is what every page shows around its content.
type frame struct {
	Lang     string
	Theme    string // "", light or dark
	Back     string // local path that the language and theme switches return to
	Instance string
	Demo     bool
	Who      *who
	Nav      []navItem
	Idle     int    // seconds until the idle lock, 0 = no session
	Failed   bool   // the page shows an error: said first in the title
	Area     string // page, for the style sheet
	Observed []observed
}

// observed is a register whose budgets stop nobody at present.
type observed struct {
	Register Label
	Until    time.Time
}

// who is the signed-in person, shown in large on every page: desks are shared.
type who struct{ Name, Structure, Controller string }

// navItem is one entry of the main navigation.
type navItem struct {
	Href    string
	Key     string // of its text
	Current bool
}

// templates are all pages in all languages: [language][page].
type templates struct {
	pages map[string]map[string]*template.Template
	texts map[string]*catalogue
}

// loadTemplates parses every page with the layout and the parts, once a language.
func loadTemplates(files *assets, zone *time.Location) (*templates, error) {
	set := &templates{pages: map[string]map[string]*template.Template{}, texts: map[string]*catalogue{}}
	names, err := fs.Glob(templateFiles, "templates/page_*.html")
	if err != nil {
		return nil, err
	}
	for _, lang := range languages {
		texts, err := loadCatalogue(lang)
		if err != nil {
			return nil, err
		}
		set.texts[lang] = texts
		set.pages[lang] = map[string]*template.Template{}
		base, err := template.New("layout.html").Option("missingkey=error").Funcs(functions(texts, files, zone)).
			ParseFS(templateFiles, "templates/layout.html", "templates/parts.html")
		if err != nil {
			return nil, fmt.Errorf("parsing the layout: %w", err)
		}
		for _, name := range names {
			page, err := template.Must(base.Clone()).ParseFS(templateFiles, name)
			if err != nil {
				return nil, fmt.Errorf("parsing page %s: %w", name, err)
			}
			set.pages[lang][pageName(name)] = page
		}
	}
	return set, set.check()
}

func pageName(file string) string {
	return strings.TrimSuffix(strings.TrimPrefix(path.Base(file), "page_"), ".html")
}

// check executes every page with every sample, in every language.
func (t *templates) check() error {
	all := samples()
	for _, lang := range languages {
		for name := range t.pages[lang] {
			if len(all[name]) == 0 {
				return fmt.Errorf("page %s has no sample", name)
			}
			for i, sample := range all[name] {
				f := frame{Lang: lang, Back: "/", Who: &who{Name: "N", Structure: "S"}, Demo: true, Nav: []navItem{{Href: "/", Key: "nav.desk", Current: true}}, Observed: []observed{{Register: Label{FR: "x", EN: "x"}}}}
				if err := t.execute(io.Discard, name, view{F: f, P: sample}); err != nil {
					return fmt.Errorf("showing page %s with sample %d in %s: %w", name, i, lang, err)
				}
			}
		}
	}
	return nil
}

// execute writes one page. It buffers, so that a page is shown whole or not at all.
func (t *templates) execute(w io.Writer, name string, v view) error {
	page, ok := t.pages[v.F.Lang][name]
	if !ok {
		return fmt.Errorf("no page %q", name)
	}
	var buffer bytes.Buffer
	if err := page.Execute(&buffer, v); err != nil {
		return err
	}
	_, err := w.Write(buffer.Bytes())
	return err
}

// functions are what templates may call.
func functions(texts *catalogue, files *assets, zone *time.Location) template.FuncMap {
	return template.FuncMap{
		"t":          texts.text,
		"n":          texts.count,
		"number":     texts.number,
		"asset":      files.path,
		"label":      func(l Label) string { return l.In(texts.lang) },
		"day":        func(at time.Time) string { return formatDay(texts, at.In(zone)) },
		"instant":    func(at time.Time) string { return formatDay(texts, at.In(zone)) + ", " + at.In(zone).Format("15:04") },
		"machine":    func(at time.Time) string { return at.In(zone).Format(time.RFC3339) },
		"receipt":    groupReceipt,
		"paragraphs": paragraphs,
		"value":      func(kind, v string) string { return formatValue(texts, kind, v) },
		"isZero":     time.Time.IsZero,
	}
}

// formatDay writes a date in words, "21 novembre 2026".
func formatDay(texts *catalogue, at time.Time) string {
	month, err := texts.text(fmt.Sprintf("month.%d", int(at.Month())))
	if err != nil {
		return at.Format(time.DateOnly)
	}
	day := fmt.Sprint(at.Day())
	if at.Day() == 1 && texts.lang == "fr" {
		day = "1er"
	}
	return day + " " + month + " " + at.Format("2006")
}

// groupReceipt makes 26 characters readable over the phone: groups of four, five, …
func groupReceipt(id string) string {
	const size = 4
	var groups []string
	for len(id) > size {
		groups, id = append(groups, id[:size]), id[size:]
	}
	return strings.Join(append(groups, id), " ")
}

// formatValue writes a value of a record the way people read it. What does not look like its kind is
// shown as it is: the page never hides what the register holds.
func formatValue(texts *catalogue, kind, v string) string {
	switch kind {
	case "date":
		if at, err := time.Parse(time.DateOnly, v); err == nil {
			return formatDay(texts, at)
		}
	case "nir":
		if len(v) == 15 {
			return join(v, 1, 2, 2, 2, 3, 3, 2)
		}
	case "siret":
		if len(v) == 14 {
			return join(v, 3, 3, 3, 5)
		}
	case "phone":
		if len(v) == 12 && strings.HasPrefix(v, "+33") {
			return "0" + join(v[3:], 1, 2, 2, 2, 2)
		}
		if len(v) == 10 && v[0] == '0' {
			return join(v, 2, 2, 2, 2, 2)
		}
	}
	return v
}

// join cuts s into groups of the given sizes with no-break spaces between them.
func join(s string, sizes ...int) string {
	var groups []string
	for _, size := range sizes {
		groups, s = append(groups, s[:size]), s[size:]
	}
	return strings.Join(groups, "\u00a0")
}
