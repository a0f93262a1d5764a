package web

import (
	"cmp"
	"context"
	"slices"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/exposure"
)

// exposed is what this page asks of the room of exposure.
type exposed interface {
	// Read is the report on the reader's own body, in the ledger before it is answered.
	Read(ctx context.Context, by directory.Actor) (exposure.Report, error)
}

// listedWorst is how many accounts the page shows one by one.
const listedWorst = 20

// exposurePage shows what would be lost at most with each account. It counts nobody's work: what an
// account knows and what it is entrusted with are one figure.
type exposurePage struct {
	At                     machineTime
	Openers, NotEnforced   int
	MaxDay, MaxMonth       int
	MedianDay, MedianMonth int
	Filter                 options // organisations; no items where there is one alone
	Organisation           string  // name of the one that is shown, "" = all
	Picture                histogram
	Terms                  []termView
	Worst                  []exposedView
	More                   int // accounts that are not listed
}

// termView says how many accounts a term binds, in 30 days.
type termView struct {
	Term     budget.Term
	Accounts int
}

// exposedView is one account.
type exposedView struct {
	Name, Email, Structure string
	Roles                  []ecluse.Role
	Day, Month, Colluding  int
	Registers              []exposedIn
	Steps                  []stepView
	Observed               bool
}

// exposedIn is what binds an account in one register. Why and WhyDay name texts (exposure.because.*,
// exposure.day.*); the figures are theirs.
type exposedIn struct {
	Register                          Label
	Why, WhyDay                       string
	Familiar, New, Emergencies, Total int
	Reachable                         int
	By                                ecluse.Reason
}

// stepView is a change with the account's bounds after it.
type stepView struct {
	What       string
	Register   Label
	From, To   int
	Ended      int // links
	Day, Month int
}

// exposure shows it, for one organisation or for all.
func (s *Site) exposure(q *query) (answer, error) {
	if !q.ownAct() { // it leaves an entry
		return answer{}, ErrForbidden
	}
	report, err := s.rooms.Exposures.Read(q.Context(), q.actor())
	if err != nil {
		return answer{}, err
	}
	chosen := q.URL.Query().Get("organisation")
	page := exposurePage{At: machineTime{report.At}, NotEnforced: report.Observed(), Filter: organisationChoices(q, report, chosen)}
	shown := report.Openers()
	if chosen != "" {
		shown = slices.DeleteFunc(shown, func(a exposure.Account) bool { return a.Organisation.Code != chosen })
		for _, a := range shown {
			page.Organisation = a.Organisation.Name
		}
	}
	page.Openers = len(shown)
	page.MaxDay, page.MedianDay = exposure.Max(shown, exposure.Day), exposure.Median(shown, exposure.Day)
	page.MaxMonth, page.MedianMonth = exposure.Max(shown, exposure.Month), exposure.Median(shown, exposure.Month)
	page.Picture, page.Terms = newHistogram(shown), countTerms(shown)
	for _, a := range shown[:min(len(shown), listedWorst)] {
		view, err := s.exposedView(q, a)
		if err != nil {
			return answer{}, err
		}
		page.Worst = append(page.Worst, view)
	}
	page.More = len(shown) - len(page.Worst)
	return show("exposure", page)
}

// organisationChoices are the organisations with accounts that open records, by name; none to choose from
// if there is one alone.
func organisationChoices(q *query, r exposure.Report, chosen string) options {
	names := map[string]string{}
	for _, a := range r.Openers() {
		names[a.Organisation.Code] = cmp.Or(a.Organisation.Name, a.Organisation.Code)
	}
	if len(names) < 2 && chosen == "" {
		return options{}
	}
	list := options{ID: "organisation", Name: "organisation", Legend: q.t("exposure.organisation")}
	for code, name := range names {
		list.Items = append(list.Items, option{Value: code, Label: name, Checked: code == chosen})
	}
	slices.SortFunc(list.Items, func(a, b option) int { return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.Value, b.Value)) })
	return list
}

func countTerms(accounts []exposure.Account) (list []termView) {
	for _, term := range []budget.Term{budget.TermNovelty, budget.TermTotal, budget.TermReachable} {
		n := 0
		for _, a := range accounts {
			if a.Month.Term == term {
				n++
			}
		}
		if n > 0 {
			list = append(list, termView{term, n})
		}
	}
	return list
}

func (s *Site) exposedView(q *query, a exposure.Account) (exposedView, error) {
	view := exposedView{
		Name: a.Name(), Email: a.Email, Structure: a.Organisation.Name, Roles: a.Roles, Observed: a.Observed,
		Day: a.Day.Persons, Month: a.Month.Persons, Colluding: a.Colluding.Persons,
	}
	labels := map[string]Label{}
	for _, in := range a.Registers {
		reg, err := s.rooms.Registers.ByCode(q.Context(), in.Register)
		if err != nil {
			return view, err
		}
		labels[in.Register] = reg.Schema.Label
		view.Registers = append(view.Registers, newExposedIn(reg.Schema.Label, in))
	}
	for _, step := range a.Steps {
		view.Steps = append(view.Steps, stepView{
			What: step.What, Register: labels[step.Register], From: step.From, To: step.To, Ended: step.From - step.To,
			Day: step.Day.Persons, Month: step.Month.Persons,
		})
	}
	return view, nil
}

// newExposedIn says which texts tell why the bounds are what they are.
func newExposedIn(register Label, in exposure.InRegister) exposedIn {
	parts := in.Reach.Novelty()
	v := exposedIn{
		Register: register, Why: string(in.Month.Term), WhyDay: string(in.Day.Term), Familiar: parts.Familiar, New: parts.New,
		Emergencies: parts.Emergencies, Total: in.Reach.Total(), Reachable: in.Reach.Reachable, By: parts.By,
	}
	if in.Reach.Explained && in.Month.Term == budget.TermNovelty {
		v.Why = "explained"
	}
	if in.Reach.Observed {
		v.Why, v.WhyDay = "observed", ""
	}
	return v
}
