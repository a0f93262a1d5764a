package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
)

// raisePage asks whose limit to raise and why.
type raisePage struct {
	Register   Label
	Choices    []deskChoice // of registers, where there are several and none is chosen
	Code       string       // of the register
	Colleagues options
	Raised     []raisedView // whose limit is raised already
	Email      input
	Reasons    options
	Faults     []fault
	Notice     bool // it was done
	None       bool // nobody to raise
}

type raisedView struct {
	Name  string
	Until machineTime
}

// raiseConfirmPage says what a raise does before it is done.
type raiseConfirmPage struct {
	Register        Label
	Code            string
	Name, Colleague string
	Reason          string
	Until           machineTime
	Back            string
}

// maxColleagues is how many names the page lists; in a larger organisation the address is asked for.
const maxColleagues = 60

// raises shows the form, or the choice of the register.
func (s *Site) raises(q *query) (answer, error) {
	page, err := s.raiseForm(q, q.URL.Query().Get("register"))
	if err != nil {
		return answer{}, err
	}
	page.Notice = q.URL.Query().Get("done") == "yes"
	return show("raise", page)
}

func (s *Site) raiseForm(q *query, code string) (raisePage, error) {
	var page raisePage
	codes, err := s.rooms.Directory.RaisableRegisters(q.Context(), q.caller)
	if err != nil {
		return page, err
	}
	if code == "" && len(codes) == 1 {
		code = codes[0]
	}
	if code == "" {
		for _, c := range codes {
			reg, err := s.rooms.Registers.ByCode(q.Context(), c)
			if err != nil {
				return page, err
			}
			page.Choices = append(page.Choices, deskChoice{Label: reg.Schema.Label, Href: raisePath(c, "")})
		}
		page.None = len(codes) == 0
		return page, nil
	}
	if !slices.Contains(codes, code) {
		return page, directory.ErrNotFound
	}
	return s.raiseFormOf(q, code)
}

// raiseFormOf is the form of one register, with what was typed.
func (s *Site) raiseFormOf(q *query, code string) (raisePage, error) {
	reg, err := s.rooms.Registers.ByCode(q.Context(), code)
	if err != nil {
		return raisePage{}, err
	}
	list, err := s.rooms.Directory.Colleagues(q.Context(), q.caller, code)
	if err != nil {
		return raisePage{}, err
	}
	page := raisePage{Register: reg.Schema.Label, Code: code, None: len(list) == 0}
	var names []choice
	for _, c := range list {
		if !c.RaisedUntil.IsZero() {
			page.Raised = append(page.Raised, raisedView{Name: c.Name, Until: machineTime{c.RaisedUntil}})
		} else {
			names = append(names, choice{c.ID, Label{FR: c.Name, EN: c.Name}})
		}
	}
	if len(names) <= maxColleagues {
		page.Colleagues = choose("colleague", q.t("raise.colleague"), q.lang, q.field("colleague"), names)
	}
	page.Email = input{ID: "email", Name: "email", Label: q.t("raise.email"), Value: q.field("email"), Inputmode: "email", Autocomplete: "off", MaxLength: 254}
	var reasons []choice
	for _, id := range directory.RaiseReasons {
		words := q.t("raise.reason." + id)
		reasons = append(reasons, choice{id, Label{FR: words, EN: words}})
	}
	page.Reasons = choose("reason", q.t("raise.why"), q.lang, q.field("reason"), reasons)
	return page, nil
}

// confirmRaise checks the form and says what will happen.
func (s *Site) confirmRaise(q *query) (answer, error) {
	page, err := s.raiseForm(q, q.field("register"))
	if err != nil {
		return answer{}, err
	}
	colleague, err := s.chosenColleague(q, page.Code)
	if err != nil {
		return answer{}, err
	}
	if colleague.ID == "" {
		page.blame(q, "colleague")
	} else if err := page.judge(q, s.rooms.Directory.Raisable(q.Context(), q.caller, page.Code, colleague.ID)); err != nil {
		return answer{}, err
	}
	if !slices.Contains(directory.RaiseReasons, q.field("reason")) {
		page.Reasons.Error = q.t("raise.error.reason")
		page.Faults = append(page.Faults, fault{Field: page.Reasons.ID, Message: page.Reasons.Error})
	}
	if len(page.Faults) > 0 {
		return answer{status: http.StatusUnprocessableEntity, page: "raise", data: page, failed: true, back: raisePath(page.Code, "")}, nil
	}
	a, err := show("raiseconfirm", raiseConfirmPage{
		Register: page.Register, Code: page.Code, Name: colleague.Name, Colleague: colleague.ID, Reason: q.field("reason"),
		Until: machineTime{s.now().Add(directory.RaiseLife)}, Back: raisePath(page.Code, ""),
	})
	a.back = raisePath(page.Code, "")
	return a, err
}

// chosenColleague is the one whose address was typed, else the one picked from the list; zero if none.
func (s *Site) chosenColleague(q *query, code string) (Colleague, error) {
	if code == "" {
		return Colleague{}, errForm{errors.New("no register")}
	}
	list, err := s.rooms.Directory.Colleagues(q.Context(), q.caller, code)
	if err != nil {
		return Colleague{}, err
	}
	email, id := q.field("email"), q.field("colleague")
	for _, c := range list {
		if email != "" && strings.EqualFold(c.Email, email) || email == "" && c.ID == id {
			return c, nil
		}
	}
	return Colleague{}, nil
}

// judge turns what stands in the way of a raise into a fault of the form.
func (p *raisePage) judge(q *query, err error) error {
	switch {
	case errors.Is(err, directory.ErrRaised):
		p.blame(q, "raised")
	case errors.Is(err, directory.ErrDualControl):
		p.blame(q, "lineage")
	case errors.Is(err, directory.ErrNotFound):
		p.blame(q, "colleague")
	default:
		return err
	}
	return nil
}

func (p *raisePage) blame(q *query, code string) {
	message := q.t("raise.error." + code)
	field := p.Email.ID
	p.Email.Error = message
	if q.field("email") == "" && len(p.Colleagues.Items) > 0 {
		field, p.Email.Error, p.Colleagues.Error = p.Colleagues.ID, "", message
	}
	p.Faults = append(p.Faults, fault{Field: field, Message: message})
}

// raise does it.
func (s *Site) raise(q *query) (answer, error) {
	code := q.field("register")
	err := s.rooms.Directory.Raise(q.Context(), q.caller, code, q.field("colleague"), q.field("reason"))
	switch {
	case errors.Is(err, directory.ErrReason):
		return answer{}, errForm{err}
	case errors.Is(err, directory.ErrRaised):
		return answer{}, directory.ErrDecided // somebody else did meanwhile
	case err != nil:
		return answer{}, err
	}
	return redirect(raisePath(code, "yes"))
}

func raisePath(code, done string) string {
	path := "/raises?register=" + url.QueryEscape(code)
	if done != "" {
		path += "&done=" + done
	}
	return path
}

// raiseHelps says whether a colleague could still raise the limit that refused: "yes", "done" if one did
// within the day, "" if that would not help.
func raiseHelps(reasons []ecluse.Reason, readings []budget.Reading) string {
	if !slices.Contains(reasons, ecluse.ReasonBudgetNew) || slices.Contains(reasons, ecluse.ReasonBudgetOrganisation) || slices.Contains(reasons, ecluse.ReasonBudgetBreaker) {
		return ""
	}
	for _, r := range readings {
		switch {
		case r.Code != ecluse.ReasonBudgetNew || r.Used < r.Limit:
		case r.Window > budget.Day:
			return "" // the thirty days are what refuses: no raise touches them
		case !r.RaisedUntil.IsZero():
			return "done"
		}
	}
	return "yes"
}
