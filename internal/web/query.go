package web

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/signin"
)

// maxFormBytes bounds the body of a form; the longest honest one is a justification of 500 characters.
const maxFormBytes = 32 << 10

// query is one request on its way through a page: who asks, in which language, with which form.
type query struct {
	*http.Request
	w        http.ResponseWriter
	route    Route
	lang     string
	theme    string
	texts    *catalogue
	caller   signin.Caller
	standing directory.Standing
	observed []observed
	signedIn bool
	delivery *gate.Delivery // of what the gate allows for this request
}

// newQuery reads language and theme; nobody is signed in yet.
func (s *Site) newQuery(w http.ResponseWriter, r *http.Request) *query {
	lang := chooseLanguage(r)
	return &query{Request: r, w: w, lang: lang, theme: chooseTheme(r), texts: s.templates.texts[lang]}
}

// t is a text whose key is known to exist; a key that is not shows as itself and fails a test.
func (q *query) t(key string, pairs ...any) string {
	s, err := q.texts.text(key, pairs...)
	if err != nil {
		return key
	}
	return s
}

// field is a form value without surrounding space, NUL or invalid UTF-8.
func (q *query) field(name string) string {
	v := q.PostFormValue(name)
	if !utf8.ValidString(v) {
		v = strings.ToValidUTF8(v, "�")
	}
	return strings.TrimSpace(strings.ReplaceAll(v, "\x00", ""))
}

// answer is what a page answers: a page to show or a local path to go to.
type answer struct {
	status   int
	page     string
	data     any
	redirect string
	cookies  []*http.Cookie
	failed   bool   // the page reports an error: said in its title
	back     string // where the language switch returns to; "" = the page itself
	own      bool   // the route's own answer, not the explanation of an error
}

// show answers a page.
func show(page string, data any) (answer, error) {
	return answer{status: http.StatusOK, page: page, data: data}, nil
}

// redirect answers 303 See Other to a path of this site or to a provider.
func redirect(to string) (answer, error) { return answer{redirect: to}, nil }

// problem answers an error page whose texts are problem.<code>.
func problem(status int, code string) answer {
	return answer{status: status, page: "problem", data: problemPage{Code: code}, failed: true}
}

// path joins escaped segments into a local path.
func localPath(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

// safeReturn is p if it is a path of this site, else "/".
func safeReturn(p string) string {
	u, err := url.Parse(p)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.ContainsAny(p, "\\\r\n\t") {
		return "/"
	}
	return p
}

// actor is the caller as one who asks for or decides something.
func (q *query) actor() directory.Actor {
	c := q.caller
	return directory.Actor{Account: c.Account, Session: c.Session, Device: c.Device, Network: c.Network, Assured: c.Assured, Strong: c.Strong}
}

// number is the row of a kind that a name in an address or a form means: directory.ErrNotFound.
func (s *Site) number(kind, name string) (int64, error) {
	id, err := s.rooms.Names.Number(kind, name)
	if err != nil {
		return 0, directory.ErrNotFound
	}
	return id, nil
}
