package web

import (
	"net/http"
	"strings"
)

// Names of the two preference cookies. They hold a word of a closed list and no identity.
const (
	languageCookie = "ecluse-language"
	themeCookie    = "ecluse-theme"
)

var themes = []string{"light", "dark"}

// chooseTheme is the reader's explicit choice, "" to follow the system.
func chooseTheme(r *http.Request) string {
	if c, err := r.Cookie(themeCookie); err == nil && known(themes, c.Value) {
		return c.Value
	}
	return ""
}

// setPreferences keeps a language or a theme and returns to the page it came from.
func (s *Site) setPreferences(q *query) (answer, error) {
	a, err := redirect(safeReturn(q.field("back")))
	if lang := q.field("language"); known(languages, lang) {
		a.cookies = append(a.cookies, s.preference(languageCookie, lang))
	}
	switch theme := q.field("theme"); {
	case known(themes, theme):
		a.cookies = append(a.cookies, s.preference(themeCookie, theme))
	case theme == "system":
		forget := s.preference(themeCookie, "")
		forget.MaxAge = -1
		a.cookies = append(a.cookies, forget)
	}
	return a, err
}

func (s *Site) preference(name, value string) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(s.config.PublicURL, "https://"),
	}
}
