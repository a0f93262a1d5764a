package post

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/mail"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"ecluse/internal/directory"
	"ecluse/internal/notice"

	"github.com/pelletier/go-toml/v2"
)

//go:embed texts
var textFiles embed.FS

// Languages that mails can be written in.
var Languages = []string{"fr", "en"}

// Words writes the mails of one installation in one language.
type Words struct {
	texts    texts
	instance string
	base     string // public address, without a slash at its end
	duty     string // how to reach the duty officer
	location *time.Location
}

// texts is a file of texts/. Texts hold {placeholders}: see Words.fill.
type texts struct {
	Instant string           `toml:"instant"` // layout of package time
	Hello   string           `toml:"hello"`
	Foot    string           `toml:"foot"`
	Nobody  string           `toml:"nobody"` // instead of a contact that is not set
	Digest  words            `toml:"digest"`
	Kinds   map[string]words `toml:"kinds"`
}

// words are the texts of one kind.
type words struct {
	Subject string  `toml:"subject"`
	Text    string  `toml:"text"`
	Many    several `toml:"many"` // for several together
	Line    string  `toml:"line"` // in a digest, and on the account's own page
	Action  string  `toml:"action"`
}

// several are the texts of several notices of a kind.
type several struct {
	Subject string `toml:"subject"`
	Text    string `toml:"text"`
}

// NewWords reads the texts of a language. duty may be "".
func NewWords(language, instance, publicURL, duty string, location *time.Location) (*Words, error) {
	data, err := textFiles.ReadFile("texts/" + language + ".toml")
	if err != nil {
		return nil, fmt.Errorf("read the texts of mails: %w", err)
	}
	w := &Words{instance: clean(instance), base: strings.TrimSuffix(publicURL, "/"), duty: clean(duty), location: location}
	if err := toml.NewDecoder(strings.NewReader(string(data))).DisallowUnknownFields().Decode(&w.texts); err != nil {
		return nil, fmt.Errorf("read the texts of mails in %s: %w", language, err)
	}
	return w, nil
}

// line is what a notice of a kind is called in a digest.
func (w *Words) line(k notice.Kind) string { return w.texts.Kinds[string(k)].Line }

// lines are the lines of every kind by language.
var lines = sync.OnceValues(func() (map[string]map[notice.Kind]string, error) {
	all := map[string]map[notice.Kind]string{}
	for _, language := range Languages {
		w, err := NewWords(language, "", "", "", time.UTC)
		if err != nil {
			return nil, err
		}
		all[language] = map[notice.Kind]string{}
		for _, k := range notice.Kinds() {
			all[language][k] = w.line(k)
		}
	}
	return all, nil
})

// Line is what a notice of a kind is called in a list, in one of Languages: "" for a kind that is none.
func Line(language string, k notice.Kind) string {
	all, err := lines()
	if err != nil { // NewWords reads the same files when a node opens
		return ""
	}
	return all[language][k]
}

// paths are the pages where each kind is looked at. An invitation has an address of its own.
var paths = map[notice.Kind]string{
	notice.ReviewOutside: "/reviews", notice.ReviewUnexplained: "/reviews", notice.ReviewEmergency: "/reviews", notice.ReviewContested: "/reviews",
	notice.SessionNewDevice: "/me", notice.FactorAdded: "/me/factors", notice.FactorLost: "/me/factors", notice.FactorWaiting: "/approvals", notice.FactorDoubtful: "/me/factors",
	notice.RaiseMade: "/raises", notice.AccountRequested: "/approvals", notice.AccountDecided: "/home", notice.StandinOpened: "/home",
	notice.ClientKeyRenewed: "/programs", notice.ClientKeyEnded: "/programs", notice.DelegationMade: "/me/programs",
	notice.ContainmentMade: "/security", notice.ContainmentConcerned: "/mentions",
}

// Path is the page where a notice of a kind is looked at: "" for an invitation.
func Path(k notice.Kind) string { return paths[k] }

// errNothing: there is nothing left to tell.
var errNothing = errors.New("nothing is left to tell")

// write writes one mail with all notices of a list. errNothing if what it would lead to is gone.
func (p *Office) write(ctx context.Context, to directory.Account, list []Delivery) (Mail, error) {
	w := p.Words
	first := list[0].Notice
	facts, err := p.facts(ctx, to, list)
	if err != nil {
		return Mail{}, err
	}
	m := Mail{}
	kinds := map[notice.Kind]int{}
	for _, d := range list {
		if kinds[d.Notice.Kind]++; kinds[d.Notice.Kind] == 1 {
			m.Kinds = append(m.Kinds, d.Notice.Kind)
		}
	}
	words := w.texts.Kinds[string(first.Kind)]
	var body string
	switch {
	case len(m.Kinds) > 1:
		words = w.texts.Digest
		for _, k := range m.Kinds {
			body += "- " + strconv.Itoa(kinds[k]) + " × " + w.line(k) + "\n  " + w.link(k, facts) + "\n"
		}
		body = w.fill(words.Text, facts) + "\n\n" + body
		m.Subject = words.Subject
	case len(list) > 1:
		m.Subject, body = words.Many.Subject, w.fill(words.Many.Text, facts)+"\n\n"+w.action(words, first.Kind, facts)
	default:
		m.Subject, body = words.Subject, w.fill(words.Text, facts)+"\n\n"+w.action(words, first.Kind, facts)
	}
	m.Subject = clean(w.fill(m.Subject, facts))
	m.Text = w.texts.Hello + "\n\n" + body + "\n--\n" + w.fill(w.texts.Foot, facts) + "\n"
	return m, nil
}

func (w *Words) action(words words, k notice.Kind, f facts) string {
	return words.Action + "\n" + w.link(k, f) + "\n"
}

func (w *Words) link(k notice.Kind, f facts) string {
	if k == notice.AccountInvitation {
		return w.base + "/invitation/" + f.token
	}
	return w.base + paths[k]
}

// facts are what the placeholders of a mail stand for.
type facts struct {
	count        int
	at           time.Time // of the first notice
	organisation string    // "" if they concern several
	contact      string    // the controller's data protection officer
	token        string    // of an invitation
	ends         time.Time // of the invitation
}

// facts reads what a mail needs beside the notices themselves.
func (p *Office) facts(ctx context.Context, to directory.Account, list []Delivery) (facts, error) {
	first := list[0].Notice
	f := facts{count: len(list), at: first.At}
	var err error
	if f.organisation, err = p.organisation(ctx, list); err != nil {
		return f, err
	}
	if f.contact, err = p.Directory.ContactOf(ctx, to.Controller); err != nil {
		return f, fmt.Errorf("read whom to appeal to: %w", err)
	}
	for _, d := range list {
		if d.Notice.Kind != notice.AccountInvitation {
			continue
		}
		i, err := p.Directory.InvitationOf(ctx, to.ID)
		if errors.Is(err, directory.ErrInvitationUnknown) {
			return f, errNothing
		}
		if err != nil {
			return f, fmt.Errorf("read an invitation: %w", err)
		}
		f.token, f.ends = i.Token, i.Ends
	}
	return f, nil
}

// organisation is the name of the one that all notices of a mail concern, "" if they concern several.
func (p *Office) organisation(ctx context.Context, list []Delivery) (string, error) {
	id := list[0].Notice.Organisation
	for _, d := range list {
		if d.Notice.Organisation != id {
			return "", nil
		}
	}
	if id == 0 {
		return "", nil
	}
	name, err := p.Directory.NameOf(ctx, id)
	if errors.Is(err, directory.ErrNotFound) || errors.Is(err, directory.ErrDead) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read an organisation's name: %w", err)
	}
	return name, nil
}

// fill replaces the placeholders. What it puts in are texts of the directory and of the configuration:
// each is cleaned, so that no name can add a line or a header.
func (w *Words) fill(text string, f facts) string {
	contact := or(clean(f.contact), w.texts.Nobody)
	return strings.NewReplacer(
		"{n}", strconv.Itoa(f.count), "{at}", f.at.In(w.location).Format(w.texts.Instant), "{ends}", f.ends.In(w.location).Format(w.texts.Instant),
		"{organisation}", or(clean(f.organisation), "–"), "{contact}", contact, "{duty}", or(w.duty, contact), "{instance}", w.instance, "{base}", w.base,
	).Replace(text)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// mostRunes bounds a name in a mail.
const mostRunes = 100

// clean is a name as one line of plain text: no control character, no line break of any kind, nothing that
// turns the reading direction or makes a mail program draw a link.
func clean(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return ' '
		case !unicode.IsPrint(r), r == '<', r == '>':
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	name = strings.Join(strings.Fields(strings.ReplaceAll(name, "://", " ")), " ")
	if runes := []rune(name); len(runes) > mostRunes {
		name = string(runes[:mostRunes-1]) + "…"
	}
	return name
}

// usable is an account's address if one mail can go to it and to nobody else: "" otherwise. The address is
// shown by an identity provider or written by whoever asked for the account.
func usable(email string) string {
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Name != "" || parsed.Address != email || len(email) > 254 {
		return ""
	}
	for _, r := range email {
		if r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]`, r) {
			return ""
		}
	}
	return email
}
