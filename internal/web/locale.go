package web

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"ecluse/internal/register"
)

//go:embed locale
var localeFiles embed.FS

// Languages of the desk, the first being what a browser gets that asks for neither.
var languages = []string{"fr", "en"}

// Label is a text that comes with data (a schema, a configuration) in both languages.
type Label = register.Label

// catalogue holds the texts of one language under dotted keys. Texts may hold {name} placeholders.
// It is read-only after loading and safe for concurrent use.
type catalogue struct {
	lang  string
	texts map[string]string
}

// loadCatalogue reads every file of locale/<lang>.
func loadCatalogue(lang string) (*catalogue, error) {
	c := &catalogue{lang: lang, texts: map[string]string{}}
	files, err := fs.Glob(localeFiles, path.Join("locale", lang, "*.toml"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		data, err := localeFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var tree map[string]any
		if err := toml.Unmarshal(data, &tree); err != nil {
			return nil, fmt.Errorf("reading texts %s: %w", name, err)
		}
		if err := c.flatten("", tree); err != nil {
			return nil, fmt.Errorf("reading texts %s: %w", name, err)
		}
	}
	return c, nil
}

func (c *catalogue) flatten(prefix string, tree map[string]any) error {
	for key, value := range tree {
		switch v := value.(type) {
		case string:
			if _, twice := c.texts[prefix+key]; twice {
				return fmt.Errorf("key %s%s is there twice", prefix, key)
			}
			c.texts[prefix+key] = typeset(c.lang, v)
		case map[string]any:
			if err := c.flatten(prefix+key+".", v); err != nil {
				return err
			}
		default:
			return fmt.Errorf("key %s%s is neither a text nor a table", prefix, key)
		}
	}
	return nil
}

// frenchSpaces puts no-break spaces where French typography wants them, so that no line begins with a
// semicolon and no figure is cut in two; the catalogue is written with plain spaces.
var frenchSpaces = strings.NewReplacer(" ;", "\u202f;", " ?", "\u202f?", " !", "\u202f!", " :", "\u00a0:", "« ", "«\u00a0", " »", "\u00a0»")

var thousands = regexp.MustCompile(`(\d) (\d{3})`)

func typeset(lang, text string) string {
	if lang != "fr" {
		return text
	}
	return thousands.ReplaceAllString(frenchSpaces.Replace(text), "$1\u202f$2")
}

func (c *catalogue) has(key string) bool { _, ok := c.texts[key]; return ok }

// keys lists every key, sorted.
func (c *catalogue) keys() []string {
	all := make([]string, 0, len(c.texts))
	for k := range c.texts {
		all = append(all, k)
	}
	sort.Strings(all)
	return all
}

// text is the text under key with its placeholders filled from pairs of name and value. A missing
// key is an error: pages are all executed with sample data at start, so a reader never meets one.
func (c *catalogue) text(key string, pairs ...any) (string, error) {
	s, ok := c.texts[key]
	if !ok {
		return "", fmt.Errorf("no text %q in %s", key, c.lang)
	}
	if len(pairs)%2 != 0 {
		return "", fmt.Errorf("text %q: a placeholder without value", key)
	}
	for i := 0; i < len(pairs); i += 2 {
		s = strings.ReplaceAll(s, "{"+fmt.Sprint(pairs[i])+"}", fmt.Sprint(pairs[i+1]))
	}
	return s, nil
}

// count is the text under key.one or key.other, with {n} filled.
// In French zero takes the singular, in English the plural (CLDR).
func (c *catalogue) count(key string, n int, pairs ...any) (string, error) {
	form := ".other"
	if n == 1 || n == 0 && c.lang == "fr" {
		form = ".one"
	}
	return c.text(key+form, append(pairs, "n", c.number(n))...)
}

// number writes n with the language's thousands separator.
func (c *catalogue) number(n int) string {
	sep := "\u202f" // narrow no-break space
	if c.lang == "en" {
		sep = ","
	}
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + sep + digits[i:]
	}
	return digits
}

// chooseLanguage takes the reader's own choice, else the browser's, else French.
func chooseLanguage(r *http.Request) string {
	if c, err := r.Cookie(languageCookie); err == nil && known(languages, c.Value) {
		return c.Value
	}
	best, weight := languages[0], 0.0
	for _, part := range strings.Split(r.Header.Get("Accept-Language"), ",") {
		tag, rest, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(rest), "q="); ok {
			if weighed, err := strconv.ParseFloat(v, 64); err == nil {
				q = weighed
			} else {
				q = 0
			}
		}
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if known(languages, base) && q > weight {
			best, weight = base, q
		}
	}
	return best
}

func known(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
