package demo

import (
	"context"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"ecluse/internal/post"
)

//go:embed page
var pageFiles embed.FS

const (
	mailPath = "/demo/mail"
	cssPath  = "/demo/mail.css"
)

// mailsKept is how many mails the shelf holds.
const mailsKept = 500

// shelf is the demo's mail server: it keeps the newest mails in memory, for a page that anybody on the
// machine can read. Safe for concurrent use.
type shelf struct {
	mu    sync.Mutex
	mails []post.Mail // oldest first
}

// Carry puts a mail on the shelf.
func (s *shelf) Carry(_ context.Context, m post.Mail) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mails = append(s.mails, m); len(s.mails) > mailsKept {
		s.mails = slices.Delete(s.mails, 0, len(s.mails)-mailsKept)
	}
	return nil
}

// newest are the mails to an address, to anybody for "", the newest first.
func (s *shelf) newest(to string) []post.Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(s.mails), func(m post.Mail) bool { return to != "" && m.To != to })
	slices.Reverse(list)
	return list
}

var mailPage = template.Must(template.ParseFS(pageFiles, "page/mail.html"))

// mailsPage is what the template sees.
type mailsPage struct {
	French   bool
	Language string // of the mails
	To       string
	Mails    []mailView
}

type mailView struct {
	At      string
	Machine string // RFC 3339
	To      string
	Subject string
	Lines   []mailLine
}

// mailLine is a line of a mail; Link is set where it is an address of this demo.
type mailLine struct{ Text, Link string }

// mails shows what would have been sent: GET /demo/mail, ?to=ADDRESS; as JSON for programs.
func (d *Demo) mails(w http.ResponseWriter, r *http.Request) {
	to := r.URL.Query().Get("to")
	list := d.shelf.newest(to)
	if strings.HasPrefix(r.Header.Get("Accept"), "application/json") {
		answer(w, http.StatusOK, map[string]any{"mails": wire(list)})
		return
	}
	page := mailsPage{French: french(r), Language: d.Node.Config.Mail.Language, To: to}
	for _, m := range list {
		page.Mails = append(page.Mails, d.viewMail(m))
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if err := mailPage.Execute(w, page); err != nil {
		d.Node.Log.Debug("the page of mails was not read to its end")
	}
}

func (d *Demo) mailStyle(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, pageFiles, "page/mail.css")
}

func (d *Demo) viewMail(m post.Mail) mailView {
	at := m.At.In(paris)
	v := mailView{At: at.Format("02/01 15:04"), Machine: at.Format(time.RFC3339), To: m.To, Subject: m.Subject}
	for line := range strings.Lines(m.Text) {
		line = strings.TrimRight(line, "\n")
		l := mailLine{Text: line}
		if text := strings.TrimSpace(line); strings.HasPrefix(text, d.Node.Config.Instance.PublicURL+"/") && !strings.Contains(text, " ") {
			l.Link = strings.TrimPrefix(text, d.Node.Config.Instance.PublicURL)
		}
		v.Lines = append(v.Lines, l)
	}
	return v
}

var paris = func() *time.Location {
	place, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return time.UTC
	}
	return place
}()

// wireMail is a mail as JSON.
type wireMail struct {
	At      time.Time `json:"at"`
	To      string    `json:"to"`
	Kinds   []string  `json:"kinds"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
}

func wire(list []post.Mail) []wireMail {
	out := make([]wireMail, len(list))
	for i, m := range list {
		out[i] = wireMail{At: m.At, To: m.To, Subject: m.Subject, Text: m.Text}
		for _, k := range m.Kinds {
			out[i].Kinds = append(out[i].Kinds, string(k))
		}
	}
	return out
}

// french reports whether the reader's browser does not ask for English first.
func french(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept-Language"), ",")
	return !strings.HasPrefix(strings.ToLower(strings.TrimSpace(first)), "en")
}
