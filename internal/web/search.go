package web

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/register"
)

// searchForm is the one form that finds the person in front of you.
type searchForm struct {
	Action                        string
	Purpose                       string
	Identifier                    input
	Surname, FirstName, BirthDate input
	ByIdentifier, ByIdentity      bool
	Faults                        []fault
}

// searchPage is what a search found.
type searchPage struct {
	Desk    deskHead
	Purpose string
	Kind    string // own, single, none, ambiguous
	Typed   typed
	Hits    []hitView
	Meter   meterBox
	Receipt string
	Costs   bool
	Beyond  string     // POST: the same search outside the caller's own persons, "" = that was it
	Search  *meterItem // the budget of searches without a result, when it was read
	Phone   string
}

// typed is what the agent typed, shown back and carried from page to page in forms, never in an
// address. It is the agent's own input, not a value of a record.
type typed struct{ Identifier, Surname, FirstName, BirthDate string }

func (f searchForm) typed() typed {
	return typed{f.Identifier.Value, f.Surname.Value, f.FirstName.Value, f.BirthDate.Value}
}

// hitView is one person found.
type hitView struct {
	Action   string // POST: opens, or asks for the reason where one is needed
	Reason   string // POST: the page that asks for purpose and reason
	Urgent   string // POST: the page that confirms an emergency
	Purpose  string
	Relation string
	Exact    bool
	Differs  []Label // fields that differ from what was typed
	Ask      bool    // a reason must be given before opening
}

const maxTyped = 120 // characters of one search field

// search asks the gate who it may be and shows what it answers.
func (s *Site) search(q *query) (answer, error) {
	p, err := s.place(q, q.field("purpose"))
	if err != nil {
		return answer{}, err
	}
	if p.purpose.ID == "" {
		return redirect(localPath("desk", p.register.Code))
	}
	form, query := readSearch(q, p, s.now())
	if len(form.Faults) > 0 {
		a, err := s.deskWith(q, p, form, nil)
		a.status, a.back = http.StatusUnprocessableEntity, p.head().Home
		return a, err
	}
	out, err := s.rooms.Gate.Search(q.Context(), gate.SearchRequest{
		Caller: q.caller, Register: p.register.Code, Purpose: p.purpose.ID, Query: query,
		Beyond: q.field("beyond") != "", Emergency: q.field("emergency"), Channel: ecluse.ChannelPage,
	})
	if err != nil {
		return answer{}, err
	}
	ambiguous := slices.Contains(out.Reasons, ecluse.ReasonSearchAmbiguous)
	nobody := len(out.Reasons) == 1 && out.Reasons[0] == ecluse.ReasonPersonUnavailable
	if !out.Allowed && !ambiguous && !nobody {
		asked := form.typed()
		return s.refuse(q, p, refusal{reasons: out.Reasons, receipt: out.Receipt, readings: out.Readings, typed: &asked})
	}
	a, err := show("search", s.found(q, p, form, out, ambiguous))
	a.back = p.head().Home
	if ambiguous {
		a.status, a.failed = http.StatusConflict, true
	}
	return a, err
}

// found prepares the result page.
func (s *Site) found(q *query, p place, form searchForm, out gate.SearchOutcome, ambiguous bool) searchPage {
	page := searchPage{
		Desk: p.head(), Purpose: string(p.purpose.ID), Meter: newMeter(out.Readings), Receipt: out.Receipt, Phone: q.standing.Organisation.Phone,
		Typed: form.typed(),
	}
	for i, item := range page.Meter.Items {
		if item.Code == ecluse.ReasonBudgetSearch && (page.Search == nil || item.Window == "day") {
			page.Search = &page.Meter.Items[i]
		}
	}
	switch {
	case ambiguous:
		page.Kind, page.Costs = "ambiguous", true
	case len(out.Hits) == 0:
		page.Kind, page.Costs = "none", true
	case out.Hits[0].Relation == "caseload":
		page.Kind, page.Beyond = "own", deskPath(p.register.Code, "search", "")
	default:
		page.Kind = "single"
	}
	for _, h := range out.Hits {
		page.Hits = append(page.Hits, viewHit(p, h))
	}
	return page
}

func viewHit(p place, h gate.Hit) hitView {
	v := hitView{
		Action: personPath(p.register.Code, h.Handle, "", ""), Purpose: string(p.purpose.ID), Relation: h.Relation, Exact: h.Exact,
		Reason: personPath(p.register.Code, h.Handle, "reason", ""),
		Urgent: personPath(p.register.Code, h.Handle, "emergency", ""),
		Ask:    needs(h.Relation) > 0,
	}
	if !known(relations, v.Relation) {
		v.Relation = "other"
	}
	for _, name := range h.Differs {
		v.Differs = append(v.Differs, p.label(name))
	}
	return v
}

// relations are the codes that have a text.
var relations = []string{"caseload", "site", "organisation", "other"}

// needs is how much of a reason a relation asks for: 0 none, 1 a motive, 2 a motive and a text. It
// only chooses the form: what is really needed the gate decides from links, never from this page.
func needs(relation string) int {
	switch relation {
	case "caseload", "site":
		return 0
	case "organisation":
		return 1
	}
	return 2
}

// readSearch reads the form and says what is wrong with it, without asking anybody.
func readSearch(q *query, p place, now time.Time) (searchForm, register.Query) {
	form := searchForm{}
	form.Identifier.Value, form.Surname.Value = q.field("identifier"), q.field("surname")
	form.FirstName.Value, form.BirthDate.Value = q.field("first_name"), q.field("birth_date")
	query := register.Query{Identifier: form.Identifier.Value, Surname: form.Surname.Value, FirstName: form.FirstName.Value}
	blame := func(in *input, id, key string) {
		in.Error = q.t(key)
		form.Faults = append(form.Faults, fault{Field: id, Message: in.Error})
	}
	for _, f := range []struct {
		in *input
		id string
	}{{&form.Identifier, "identifier"}, {&form.Surname, "surname"}, {&form.FirstName, "first_name"}} {
		if utf8.RuneCountInString(f.in.Value) > maxTyped {
			blame(f.in, f.id, "desk.error.long")
		}
	}
	identity := form.Surname.Value != "" || form.FirstName.Value != "" || form.BirthDate.Value != ""
	switch {
	case form.Identifier.Value != "" && identity:
		blame(&form.Identifier, "identifier", "desk.error.both")
	case form.Identifier.Value == "" && !identity:
		id := "surname"
		if !p.byIdentity() {
			id = "identifier"
		}
		form.Faults = append(form.Faults, fault{Field: id, Message: q.t("desk.error.empty")})
	case identity:
		if form.Surname.Value == "" {
			blame(&form.Surname, "surname", "desk.error.surname")
		}
		iso, ok := readDate(form.BirthDate.Value, now)
		if !ok {
			key := "desk.error.date"
			if form.BirthDate.Value == "" {
				key = "desk.error.no_date"
			}
			blame(&form.BirthDate, "birth_date", key)
		}
		query.BirthDate = iso
	}
	return form, query
}

// labelled gives the fields their labels in the reader's language.
func (f searchForm) labelled(q *query, p place) searchForm {
	f.Action = deskPath(p.register.Code, "search", "")
	f.Purpose = string(p.purpose.ID)
	identifier := p.identifiers(q.lang)
	f.ByIdentifier, f.ByIdentity = identifier != "", p.byIdentity()
	f.Identifier = f.Identifier.with("identifier", identifier, q.t("desk.identifier.hint"))
	f.Surname = f.Surname.with("surname", q.t("desk.surname.label"), q.t("desk.surname.hint"))
	f.FirstName = f.FirstName.with("first_name", q.t("desk.first_name.label"), q.t("desk.first_name.hint"))
	f.BirthDate = f.BirthDate.with("birth_date", q.t("desk.birth_date.label"), q.t("desk.birth_date.hint"))
	f.BirthDate.Inputmode = "numeric"
	return f
}

// with names a field. Nothing is ever completed by the browser: the desk is shared.
func (in input) with(name, label, hint string) input {
	in.ID, in.Name, in.Label, in.Hint, in.Autocomplete, in.MaxLength = name, name, label, hint, "off", maxTyped
	return in
}

// readTyped carries what was typed from one page's form to the next.
func readTyped(q *query) typed {
	cut := func(s string) string {
		if utf8.RuneCountInString(s) > maxTyped {
			return strings.TrimSpace(string([]rune(s)[:maxTyped]))
		}
		return s
	}
	return typed{cut(q.field("identifier")), cut(q.field("surname")), cut(q.field("first_name")), cut(q.field("birth_date"))}
}
