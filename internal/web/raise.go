package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/register"
)

// raiser is what these pages ask of the directory.
type raiser interface {
	RaisableRegisters(ctx context.Context, by directory.Actor) ([]ecluse.RegisterID, error)
	Colleagues(ctx context.Context, by directory.Actor, reg ecluse.RegisterID) ([]directory.Colleague, error)
	Raisable(ctx context.Context, by directory.Actor, colleague ecluse.AccountID, reg ecluse.RegisterID) error
	Raise(ctx context.Context, by directory.Actor, colleague ecluse.AccountID, reg ecluse.RegisterID, reason string) (directory.Raise, string, error)
}

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

	register ecluse.RegisterID
	all      []directory.Colleague
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
	s.again(q)
	page, err := s.raiseForm(q, q.URL.Query().Get("register"))
	if err != nil {
		return answer{}, err
	}
	page.Notice = q.URL.Query().Get("done") == "yes"
	return show("raise", page)
}

func (s *Site) raiseForm(q *query, code string) (raisePage, error) {
	ids, err := s.rooms.Directory.RaisableRegisters(q.Context(), q.actor())
	if err != nil {
		return raisePage{}, err
	}
	page := raisePage{None: len(ids) == 0}
	for _, id := range ids {
		reg, err := s.rooms.Registers.ByID(q.Context(), id)
		if err != nil {
			return page, err
		}
		if reg.Code == code || code == "" && len(ids) == 1 {
			return s.raiseFormOf(q, reg)
		}
		page.Choices = append(page.Choices, deskChoice{Label: reg.Schema.Label, Href: raisePath(reg.Code, "")})
	}
	if code != "" {
		return page, directory.ErrNotFound
	}
	return page, nil
}

// raiseFormOf is the form of one register, with what was typed.
func (s *Site) raiseFormOf(q *query, reg *register.Register) (raisePage, error) {
	list, err := s.rooms.Directory.Colleagues(q.Context(), q.actor(), reg.ID)
	if err != nil {
		return raisePage{}, err
	}
	page := raisePage{Register: reg.Schema.Label, Code: reg.Code, None: len(list) == 0, register: reg.ID, all: list}
	var names []choice
	for _, c := range list {
		if !c.RaisedUntil.IsZero() {
			page.Raised = append(page.Raised, raisedView{Name: c.Name(), Until: machineTime{c.RaisedUntil}})
		} else {
			names = append(names, choice{s.rooms.Names.Name("account", int64(c.ID)), Label{FR: c.Name(), EN: c.Name()}})
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
	if page.Code == "" {
		return answer{}, errForm{errors.New("no register")}
	}
	colleague := s.chosenColleague(q, page.all)
	if colleague.ID == 0 {
		page.blame(q, "colleague")
	} else if err := page.judge(q, s.rooms.Directory.Raisable(q.Context(), q.actor(), colleague.ID, page.register)); err != nil {
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
		Register: page.Register, Code: page.Code, Name: colleague.Name(), Reason: q.field("reason"),
		Colleague: s.rooms.Names.Name("account", int64(colleague.ID)),
		Until:     machineTime{s.now().Add(directory.RaiseLife)}, Back: raisePath(page.Code, ""),
	})
	a.back = raisePath(page.Code, "")
	return a, err
}

// chosenColleague is the one whose address was typed, else the one picked from the list; zero if none.
func (s *Site) chosenColleague(q *query, all []directory.Colleague) directory.Colleague {
	email := q.field("email")
	id, err := s.number("account", q.field("colleague"))
	for _, c := range all {
		if email != "" && strings.EqualFold(c.Email, email) || email == "" && err == nil && c.ID == ecluse.AccountID(id) {
			return c
		}
	}
	return directory.Colleague{}
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
	reg, err := s.rooms.Registers.ByCode(q.Context(), q.field("register"))
	if err != nil {
		return answer{}, err
	}
	colleague, err := s.number("account", q.field("colleague"))
	if err != nil {
		return answer{}, err
	}
	_, _, err = s.rooms.Directory.Raise(q.Context(), q.actor(), ecluse.AccountID(colleague), reg.ID, q.field("reason"))
	switch {
	case errors.Is(err, directory.ErrReason):
		return answer{}, errForm{err}
	case errors.Is(err, directory.ErrRaised):
		return answer{}, directory.ErrDecided // somebody else did meanwhile
	case err != nil:
		return answer{}, err
	}
	return redirect(raisePath(reg.Code, "yes"))
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
