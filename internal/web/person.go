package web

import (
	"net/http"
	"unicode/utf8"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/register"
)

// Bounds of a justification in characters (design: search and justification).
const (
	minText = 20
	maxText = 500
)

// personPage is what comes before a record opens: the purpose, and a reason where the relation asks
// for one. It holds no value of the record, only what the agent typed to find it.
type personPage struct {
	Desk     deskHead
	Action   string
	Urgent   string
	Relation string // "" = not known here
	Need     int    // 0 nothing, 1 a motive, 2 a motive and a text
	Typed    typed
	Purposes options
	Motives  options
	Text     string
	TextErr  string
	Min, Max int
	Faults   []fault
}

// casePage is one record, opened for one purpose.
type casePage struct {
	Desk            deskHead
	Name            string // as the record has it
	Groups          []fieldGroup
	Representatives []fieldView
	Others          []fieldView // about third persons
	Receipt         string
	At              machineTime
	Relation        string // caseload, site, organisation, other, "" = not told
	Meter           meterBox
	Emergency       bool
	Reader          string // who opened it, for a print
	Caseload        string
	Entrust         string // page that entrusts the person to a colleague
}

type fieldGroup struct {
	Class  string
	Fields []fieldView
}

type fieldView struct {
	Label Label
	Kind  string
	Value string
}

// person shows the page before opening. Coming from a search it is a POST that carries what was
// typed; without it (a bookmark, a change of language) the page asks the same.
func (s *Site) person(q *query) (answer, error) {
	p, err := s.place(q, q.FormValue("purpose"))
	if err != nil {
		return answer{}, err
	}
	page := s.reasonPage(q, p)
	if q.Method == http.MethodGet {
		s.restore(q, &page)
	}
	a, err := show("person", page)
	a.back = personPath(p.register.Code, q.PathValue("handle"), "reason", string(p.purpose.ID))
	return a, err
}

// reasonPage prepares the page with what the form holds so far.
func (s *Site) reasonPage(q *query, p place) personPage {
	handle := q.PathValue("handle")
	page := personPage{
		Desk: p.head(), Typed: readTyped(q), Relation: q.field("relation"), Min: minText, Max: maxText,
		Action:   personPath(p.register.Code, handle, "", ""),
		Urgent:   personPath(p.register.Code, handle, "emergency", ""),
		Purposes: choose("purpose", q.t("person.purpose"), q.lang, string(p.purpose.ID), purposeChoices(p.purposes)),
		Motives:  choose("motive", q.t("person.motive"), q.lang, q.field("motive"), motiveChoices(p.register.Schema.Motives)),
		Text:     q.field("text"),
	}
	if !known(relations, page.Relation) {
		page.Relation = ""
	}
	page.Need = needs(page.Relation)
	return page
}

// restore gives back what was typed before the session locked itself.
func (s *Site) restore(q *query, page *personPage) {
	kept, ok := s.rooms.Sessions.Draft(q.w, q.Request, q.caller, q.URL.RequestURI())
	if !ok {
		return
	}
	page.Text = kept.Get("text")
	page.Typed = typed{kept.Get("identifier"), kept.Get("surname"), kept.Get("first_name"), kept.Get("birth_date")}
	if page.Relation = kept.Get("relation"); !known(relations, page.Relation) {
		page.Relation = ""
	}
	page.Need = needs(page.Relation)
	for i := range page.Motives.Items {
		page.Motives.Items[i].Checked = page.Motives.Items[i].Value == kept.Get("motive")
	}
}

// open asks the gate for the record. Near relations open at once; where the form should have had a
// reason it is shown again, with what is missing, before anybody is asked.
func (s *Site) open(q *query) (answer, error) {
	p, err := s.place(q, q.field("purpose"))
	if err != nil {
		return answer{}, err
	}
	page := s.reasonPage(q, p)
	if page.Relation != "" {
		page.judge(q)
	}
	if p.purpose.ID == "" {
		page.blame(page.Purposes.ID, q.t("person.error.purpose"))
		page.Purposes.Error = q.t("person.error.purpose")
	}
	if len(page.Faults) > 0 {
		return s.askAgain(q, p, page)
	}
	out, err := s.rooms.Gate.Disclose(q.Context(), gate.Request{
		Caller: q.caller, Register: p.register.Code, Handle: q.PathValue("handle"), Purpose: p.purpose.ID,
		Motive: q.field("motive"), Text: page.Text, Channel: ecluse.ChannelPage,
	})
	if err != nil {
		return answer{}, err
	}
	if !out.Allowed && known(codes(out.Reasons), string(ecluse.ReasonJustificationRequired)) {
		if page.Relation = out.Relation; page.Relation == "" {
			page.Relation = "other" // it may not be told: ask for the most
		}
		page.Need = max(1, needs(page.Relation))
		page.blame(page.Motives.ID, q.t("person.error.required"))
		return s.askAgain(q, p, page)
	}
	return s.opened(q, p, out, out.Values, false)
}

// askAgain shows the form again with what is missing.
func (s *Site) askAgain(q *query, p place, page personPage) (answer, error) {
	return answer{
		status: http.StatusUnprocessableEntity, page: "person", data: page, failed: true,
		back: personPath(p.register.Code, q.PathValue("handle"), "reason", string(p.purpose.ID)),
	}, nil
}

// opened shows the record, or the refusal.
func (s *Site) opened(q *query, p place, out gate.Outcome, values revealed, emergency bool) (answer, error) {
	if !out.Allowed {
		return s.refuse(q, p, refusal{reasons: out.Reasons, receipt: out.Receipt, readings: out.Readings,
			handle: q.PathValue("handle"), emergency: emergency})
	}
	page := casePage{
		Desk: p.head(), Receipt: out.Receipt, At: machineTime{out.At}, Relation: out.Relation, Emergency: emergency,
		Meter: newMeter(out.Readings), Reader: q.standing.Account.Name(),
		Caseload: p.path("persons"),
	}
	if !emergency && out.Relation != "other" { // whom nobody of the structure follows cannot be entrusted
		page.Entrust = personPath(p.register.Code, q.PathValue("handle"), "link", string(p.purpose.ID))
	}
	if !known(relations, page.Relation) {
		page.Relation = ""
	}
	page.fill(values)
	a, err := show("case", page)
	a.back = personPath(p.register.Code, q.PathValue("handle"), "reason", string(p.purpose.ID))
	return a, err
}

// fill sorts the values into groups, by whom they are about and by class, in schema order.
func (c *casePage) fill(values revealed) {
	var surname, first string
	values.Each(func(f register.Field, value string) {
		view := fieldView{Label: f.Label, Kind: string(f.Kind), Value: value}
		switch f.About {
		case register.AboutRepresentative:
			c.Representatives = append(c.Representatives, view)
			return
		case register.AboutThird:
			c.Others = append(c.Others, view)
			return
		}
		switch f.Name {
		case "surname", "usual_name":
			surname = value
		case "first_name":
			first = value
		}
		c.add(f.Class.String(), view)
	})
	c.Name = fullName(first, surname)
}

func fullName(first, surname string) string {
	if first == "" || surname == "" {
		return first + surname
	}
	return first + " " + surname
}

func (c *casePage) add(class string, view fieldView) {
	for i := range c.Groups {
		if c.Groups[i].Class == class {
			c.Groups[i].Fields = append(c.Groups[i].Fields, view)
			return
		}
	}
	c.Groups = append(c.Groups, fieldGroup{Class: class, Fields: []fieldView{view}})
}

// judge checks the reason against what the relation asks for.
func (p *personPage) judge(q *query) {
	if p.Need >= 1 && q.field("motive") == "" {
		p.Motives.Error = q.t("person.error.motive")
		p.blame(p.Motives.ID, p.Motives.Error)
	}
	if p.Need < 2 {
		return
	}
	switch n := utf8.RuneCountInString(p.Text); {
	case n < minText:
		p.TextErr = q.t("person.error.short", "min", minText)
	case n > maxText:
		p.TextErr = q.t("person.error.long", "max", maxText)
	}
	if p.TextErr != "" {
		p.blame("text", p.TextErr)
	}
}

func (p *personPage) blame(field, message string) {
	p.Faults = append(p.Faults, fault{Field: field, Message: message})
}

func codes(reasons []ecluse.Reason) []string {
	list := make([]string, len(reasons))
	for i, r := range reasons {
		list[i] = string(r)
	}
	return list
}
