package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"ecluse/internal/budget"
	"ecluse/internal/exposure"
)

type exposureCommand struct {
	configFlag
	Account string `placeholder:"EMAIL" help:"Only this account."`
	Top     int    `placeholder:"N" help:"List so many accounts, the worst first; without it twenty, and all of them as JSON."`
	JSON    bool   `name:"json" help:"Print the report as JSON."`
}

func (c exposureCommand) Run(s *surroundings) error {
	if c.Top < 0 {
		return wrongUse(errors.New("--top is how many accounts are listed"), "")
	}
	n, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	report, err := n.Exposures.Examine(s.Context, operator())
	if err != nil {
		return err
	}
	listed := c.listed(report)
	if c.Account != "" && len(listed) == 0 {
		return refused(fmt.Errorf("there is no account %s that acts or is invited", c.Account), "")
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(report.Document(listed))
	}
	return c.words(s.Out, report, listed)
}

// listed are the accounts that were asked for.
func (c exposureCommand) listed(r exposure.Report) []exposure.Account {
	listed := r.Accounts
	if c.Account != "" {
		listed = slices.DeleteFunc(slices.Clone(listed), func(a exposure.Account) bool { return a.Email != strings.ToLower(c.Account) })
	}
	top := c.Top
	if top == 0 && !c.JSON {
		top = 20
	}
	if top > 0 && len(listed) > top {
		listed = listed[:top]
	}
	return listed
}

// words prints a report for people.
func (c exposureCommand) words(w io.Writer, r exposure.Report, listed []exposure.Account) error {
	d := r.Document(nil)
	var b strings.Builder
	fmt.Fprintf(&b, "Persons that would be lost at most if an account were stolen now (%s).\n", d.At.Format("2006-01-02 15:04 MST"))
	fmt.Fprintf(&b, "%d accounts can open records. Largest bound: %d in 24 h, %d in 30 days. Median: %d and %d.\n", d.Openers, d.Max24h, d.Max30d, d.Median24h, d.Median30d)
	if d.NotEnforced > 0 {
		fmt.Fprintf(&b, "\nNOT ENFORCED: the budgets of %d accounts are only observed. They bound nothing: such an account may be\nshown everybody whom its mandate covers. ecluse budgets enforce ends that.\n", d.NotEnforced)
	}
	fmt.Fprintf(&b, "\n%8s %8s %10s  %s\n", "24 h", "30 days", "with one", "account")
	fmt.Fprintf(&b, "%8s %8s %10s\n", "", "", "accomplice")
	for _, a := range listed {
		line(&b, a)
	}
	if rest := len(r.Accounts) - len(listed); rest > 0 && c.Account == "" {
		fmt.Fprintf(&b, "and %d more accounts (--top %d lists them all)\n", rest, len(r.Accounts))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// line prints one account: its bounds, what they consist of and what would lower them.
func line(b *strings.Builder, a exposure.Account) {
	fmt.Fprintf(b, "%8d %8d %10d  %s %s\n", a.Day.Persons, a.Month.Persons, a.Colluding.Persons, a.Email, a.Organisation.Code)
	for _, in := range a.Registers {
		fmt.Fprintf(b, "%30s%s: 24 h bound by %s, 30 days by %s%s\n", "", in.Register, in.Day.Term, in.Month.Term, explained(in))
	}
	for _, s := range a.Steps {
		fmt.Fprintf(b, "%30slower: %s: %d in 24 h, %d in 30 days\n", "", change(s), s.Day.Persons, s.Month.Persons)
	}
}

// explained takes the binding term of 30 days apart.
func explained(in exposure.InRegister) string {
	parts := in.Reach.Novelty()
	switch {
	case in.Reach.Observed:
		return fmt.Sprintf(" (NOT ENFORCED: everybody whom the mandate covers, %d)", in.Reach.Reachable)
	case in.Month.Term == budget.TermReachable:
		return fmt.Sprintf(" (the mandate covers %d persons)", in.Reach.Reachable)
	case in.Month.Term == budget.TermTotal:
		return fmt.Sprintf(" (30 x %d)", in.Reach.Total())
	case in.Reach.Explained:
		return fmt.Sprintf(" (%d entrusted)", parts.Familiar)
	}
	return fmt.Sprintf(" (%d known or entrusted + %d new, by %s + %d in emergencies)", parts.Familiar, parts.New, parts.By, parts.Emergencies)
}

// change names a change.
func change(s exposure.Step) string {
	switch s.What {
	case budget.StepEnforce:
		return "enforce the budgets of " + s.Register
	case budget.StepIdle:
		return fmt.Sprintf("end %d unused links in %s", s.From-s.To, s.Register)
	}
	return fmt.Sprintf("%s %d -> %d in %s", s.What, s.From, s.To, s.Register)
}
