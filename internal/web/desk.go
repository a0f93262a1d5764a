package web

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/policy"
	"ecluse/internal/register"
)

// desksPage lets an agent of several registers choose one.
type desksPage struct{ Registers []deskChoice }

type deskChoice struct {
	Label       Label
	About       Label // the register, in its body's words; "" = they say nothing
	Href        string
	Controllers []string
}

// purposePage asks what the agent is about to do; it is asked once and kept in the addresses.
type purposePage struct {
	Register Label
	About    Label
	Purposes []deskChoice
}

// deskPage is "the person in front of you".
type deskPage struct {
	Desk     deskHead
	Form     searchForm
	Meter    meterBox
	Caseload string
	Training courseView
	Until    time.Time // when the reader's replacement ends; zero = it is none
	Samples  []sampleView
	Fields   []Label // what the purpose lets this agent see
}

// deskHead is what every page of a desk says on top: which register, for which purpose.
type deskHead struct {
	Register Label
	Purpose  Label
	About    Label  // the register, in its body's words
	Reminder Label  // before a file is opened
	Home     string // the desk with the purpose
	Change   string // where the purpose is changed, "" when there is only one
}

// sampleView is a fictive person of a demo.
type sampleView struct {
	Relation, Surname, FirstName, BirthDate, Identifier string
}

// place is a register that the caller may use, with the purposes of her running grants.
type place struct {
	register *register.Register
	purposes []register.Purpose
	purpose  register.Purpose // the chosen one, zero = none yet
}

// desks sends an agent with one register there and lets the others choose.
func (s *Site) desks(q *query) (answer, error) {
	var page desksPage
	for _, id := range registersOfCaller(q.standing) {
		reg, err := s.rooms.Registers.ByID(q.Context(), id)
		if err != nil {
			return answer{}, err
		}
		choice := deskChoice{Label: reg.Schema.Label, About: reg.Definition.Texts.About, Href: localPath("desk", reg.Code)}
		for _, c := range reg.Controllers {
			choice.Controllers = append(choice.Controllers, c.Name)
		}
		page.Registers = append(page.Registers, choice)
	}
	if len(page.Registers) == 1 {
		return redirect(page.Registers[0].Href)
	}
	return show("desks", page)
}

// desk asks for the purpose where there are several, then shows the search.
func (s *Site) desk(q *query) (answer, error) {
	p, err := s.place(q, q.URL.Query().Get("purpose"))
	if err != nil {
		return answer{}, err
	}
	if p.purpose.ID == "" {
		page := purposePage{Register: p.register.Schema.Label, About: p.register.Definition.Texts.About}
		for _, c := range p.purposes {
			page.Purposes = append(page.Purposes, deskChoice{Label: c.Label, Href: deskPath(p.register.Code, "", string(c.ID))})
		}
		return show("purpose", page)
	}
	form := searchForm{}
	if kept, ok := s.rooms.Sessions.Draft(q.w, q.Request, q.caller, q.URL.RequestURI()); ok {
		form.Identifier.Value, form.Surname.Value = kept.Get("identifier"), kept.Get("surname")
		form.FirstName.Value, form.BirthDate.Value = kept.Get("first_name"), kept.Get("birth_date")
	}
	return s.deskWith(q, p, form, nil)
}

// backToDesk answers a reader who reloads or changes the language of a search result: what was
// typed is in no address, so the desk is where it starts again.
func (s *Site) backToDesk(q *query) (answer, error) {
	return redirect(localPath("desk", q.PathValue("register")))
}

// deskWith shows the search form, with what was typed and what was wrong with it.
func (s *Site) deskWith(q *query, p place, form searchForm, readings []budget.Reading) (answer, error) {
	if readings == nil {
		var err error
		if readings, err = s.rooms.Gate.Meters(q.Context(), q.caller, p.register.Code); err != nil {
			return answer{}, err
		}
	}
	page := deskPage{
		Until: q.standing.Account.StandInEnds, Training: s.viewCourse(p.register, q.standing.Training(p.register.ID)),
		Desk: p.head(), Form: form.labelled(q, p), Meter: newMeter(readings),
		Caseload: p.path("persons"),
		Fields:   p.fieldLabels(q.standing, s.now()), Samples: s.samplesFor(q, p.register.Code),
	}
	a, err := show("desk", page)
	a.failed = len(form.Faults) > 0
	return a, err
}

// samplesFor gives the fictive persons of a demo; a real installation has none.
func (s *Site) samplesFor(q *query, register string) []sampleView {
	if s.config.Demo == nil || s.config.Demo.Samples == nil {
		return nil
	}
	var list []sampleView
	for _, d := range s.config.Demo.Samples(register, q.caller.Account) {
		list = append(list, sampleView(d))
	}
	return list
}

// place finds the register of the address among the caller's own and the purpose among the granted.
// A register that exists but is not the caller's answers as one that does not exist.
func (s *Site) place(q *query, purpose string) (place, error) {
	reg, err := s.rooms.Registers.ByCode(q.Context(), q.PathValue("register"))
	if err != nil {
		return place{}, err
	}
	if !slices.Contains(registersOfCaller(q.standing), reg.ID) {
		return place{}, register.ErrUnknownRegister
	}
	p := place{register: reg}
	for _, c := range reg.Schema.Purposes {
		if granted(q.standing, reg.ID, c.ID) {
			p.purposes = append(p.purposes, c)
		}
	}
	if len(p.purposes) == 1 && purpose == "" {
		purpose = string(p.purposes[0].ID)
	}
	for _, c := range p.purposes {
		if string(c.ID) == purpose {
			p.purpose = c
		}
	}
	return p, nil
}

func (p place) head() deskHead {
	texts := p.register.Definition.Texts
	h := deskHead{Register: p.register.Schema.Label, Purpose: p.purpose.Label, About: texts.About, Reminder: texts.Reminder, Home: p.path("")}
	if len(p.purposes) > 1 {
		h.Change = localPath("desk", p.register.Code)
	}
	return h
}

// path is an address of this desk, with its purpose.
func (p place) path(rest string) string { return deskPath(p.register.Code, rest, string(p.purpose.ID)) }

// label names a field; one that the schema does not know is shown under its own name.
func (p place) label(name string) Label {
	if f, ok := p.register.Schema.Field(name); ok {
		return f.Label
	}
	return Label{FR: name, EN: name}
}

// fieldLabels names the fields that the caller's running grants let out for the purpose.
func (p place) fieldLabels(st directory.Standing, at time.Time) []Label {
	var may ecluse.FieldSet
	for _, m := range st.Mandates {
		if m.Runs(at) && m.Register == p.register.ID && slices.Contains(m.Purposes, p.purpose.ID) {
			may |= m.Fields
		}
	}
	return labels(p.register.Schema, may&p.purpose.Fields)
}

func labels(schema *register.Schema, set ecluse.FieldSet) []Label {
	var list []Label
	for _, f := range schema.Fields {
		if set.Has(f.Bit) {
			list = append(list, f.Label)
		}
	}
	return list
}

// identifiers names what the register's persons can be searched by, "" if by no identifier.
func (p place) identifiers(lang string) string {
	var names []string
	for _, k := range p.register.Schema.Keys {
		if k.Identifier() {
			names = append(names, k.Fields[0].Label.In(lang))
		}
	}
	return strings.Join(names, " / ")
}

// byIdentity reports whether persons can be searched by name and birth date.
func (p place) byIdentity() bool {
	return slices.ContainsFunc(p.register.Schema.Keys, func(k register.Key) bool { return !k.Identifier() })
}

// registersOfCaller lists the registers of an agent's mandates, running or ended: an ended one is
// still shown, so that the refusal can say that it has ended.
func registersOfCaller(st directory.Standing) []ecluse.RegisterID {
	var list []ecluse.RegisterID
	for _, m := range st.Mandates {
		if !slices.Contains(list, m.Register) {
			list = append(list, m.Register)
		}
	}
	return list
}

func granted(st directory.Standing, reg ecluse.RegisterID, purpose ecluse.Purpose) bool {
	return slices.ContainsFunc(st.Mandates, func(m policy.Mandate) bool {
		return m.Register == reg && slices.Contains(m.Purposes, purpose)
	})
}

// deskPath is an address of a desk, with the purpose where one is chosen. rest is "" or a page.
func deskPath(register, rest, purpose string) string {
	path := localPath("desk", register)
	if rest != "" {
		path += "/" + rest
	}
	if purpose != "" {
		path += "?purpose=" + url.QueryEscape(purpose)
	}
	return path
}

// personPath is an address of one person's pages. The handle is bound to the session: the address is
// useless to anybody else.
func personPath(register, handle, step, purpose string) string {
	rest := "persons/" + url.PathEscape(handle)
	if step != "" {
		rest += "/" + step
	}
	return deskPath(register, rest, purpose)
}
