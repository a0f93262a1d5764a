package web

import (
	"errors"
	"net/http"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/scope"
)

// scopePage asks of what period, and shows whose data left. It names nobody.
type scopePage struct {
	Name     string // of the account's owner, or of the organisation
	Back     string
	Action   string
	Account  bool // so that its lineage can be asked about
	Tree     bool
	From, To input
	Faults   []fault
	Found    *scope.Scope
	Parts    []scopePart
	Listed   int // persons in the lists at most
}

// scopePart is one register's part, with its pictures.
type scopePart struct {
	scope.Register
	Bars   fieldsPicture
	Time   timePicture
	Absent []Label
	People []scope.Person // the first of them
	More   int
}

// maxPeople is how many pseudonyms the page lists; the command lists all.
const maxPeople = 50

// scopeForm asks; nothing is read yet.
func (s *Site) scopeForm(q *query) (answer, error) {
	s.again(q)
	page, _, err := s.scopeOf(q)
	if err != nil {
		return answer{}, err
	}
	return show("scope", page)
}

// scopeOf is the form about an account or an organisation, whom the reader may ask about.
func (s *Site) scopeOf(q *query) (page scopePage, about scope.Query, err error) {
	page = scopePage{
		Tree: q.field("tree") != "", Action: q.URL.Path, Back: "/security", Listed: maxPeople,
		From: input{ID: "from", Name: "from", Label: q.t("scope.from"), Hint: q.t("scope.day_hint"), Value: q.field("from"), Inputmode: "numeric", Autocomplete: "off", MaxLength: 20},
		To:   input{ID: "to", Name: "to", Label: q.t("scope.to"), Value: q.field("to"), Inputmode: "numeric", Autocomplete: "off", MaxLength: 20},
	}
	if name := q.PathValue("organisation"); name != "" {
		id, err := s.number("organisation", name)
		if err != nil {
			return page, about, err
		}
		o, err := s.rooms.Directory.ExaminedOrganisation(q.Context(), q.actor(), ecluse.OrganisationID(id))
		page.Name, about.Organisation = o.Name, o.ID
		return page, about, err
	}
	id, err := s.number("account", q.PathValue("id"))
	if err != nil {
		return page, about, err
	}
	l, err := s.rooms.Directory.Lineage(q.Context(), q.actor(), ecluse.AccountID(id))
	page.Name, page.Account, page.Back = l.Name(), true, s.lineagePath(ecluse.AccountID(id))
	about.Account, about.Tree = ecluse.AccountID(id), page.Tree
	return page, about, err
}

// readScope reads; that is an entry of the ledger.
func (s *Site) readScope(q *query) (answer, error) {
	page, about, err := s.scopeOf(q)
	if err != nil {
		return answer{}, err
	}
	about.Location = s.config.Location
	about.From = s.readDay(q, &page, &page.From)
	if about.To = s.readDay(q, &page, &page.To); !about.To.IsZero() {
		about.To = about.To.AddDate(0, 0, 1)
	}
	if len(page.Faults) > 0 {
		return answer{status: http.StatusUnprocessableEntity, page: "scope", data: page, failed: true, back: q.URL.Path}, nil
	}
	found, err := s.rooms.Scopes.Read(q.Context(), q.actor(), about)
	switch {
	case errors.Is(err, scope.ErrQuery):
		page.blame(q, &page.To, "scope.error.order")
	case errors.Is(err, directory.ErrTooMany):
		page.Faults = append(page.Faults, fault{Message: q.t("scope.error.many")})
	case err != nil:
		return answer{}, err
	}
	if len(page.Faults) > 0 {
		return answer{status: http.StatusUnprocessableEntity, page: "scope", data: page, failed: true, back: q.URL.Path}, nil
	}
	page.Found = &found
	for _, r := range found.Registers {
		page.Parts = append(page.Parts, newScopePart(r))
	}
	a, err := show("scope", page)
	a.back = q.URL.Path
	return a, err
}

// readDay is the first moment of a day that was typed, in local time; zero if none was.
func (s *Site) readDay(q *query, page *scopePage, in *input) time.Time {
	if in.Value == "" {
		return time.Time{}
	}
	iso, ok := readDate(in.Value, s.now().AddDate(0, 0, 1))
	if !ok {
		page.blame(q, in, "scope.error.day")
		return time.Time{}
	}
	at, _ := time.ParseInLocation(time.DateOnly, iso, s.config.Location)
	return at
}

func (p *scopePage) blame(q *query, in *input, key string) {
	in.Error = q.t(key)
	p.Faults = append(p.Faults, fault{Field: in.ID, Message: in.Error})
}

func newScopePart(r scope.Register) scopePart {
	part := scopePart{Register: r, Bars: fieldBars(r), Time: timeline(r.Days), People: r.People}
	for _, f := range r.Fields {
		if f.Persons == 0 {
			part.Absent = append(part.Absent, f.Label)
		}
	}
	if len(part.People) > maxPeople {
		part.More = len(part.People) - maxPeople
		part.People = part.People[:maxPeople]
	}
	return part
}

// daysBetween counts the days from one date to another, both yyyy-mm-dd.
func daysBetween(first, last string) int {
	a, err1 := time.Parse(time.DateOnly, first)
	b, err2 := time.Parse(time.DateOnly, last)
	if err1 != nil || err2 != nil {
		return 0
	}
	return int(b.Sub(a).Hours() / 24)
}
