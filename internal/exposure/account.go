package exposure

import (
	"cmp"
	"slices"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
)

// Account is what would be lost at most with one account.
type Account struct {
	directory.Account
	Organisation directory.Organisation // zero for the body's own staff
	Controller   directory.Controller
	Roles        []ecluse.Role
	Registers    []InRegister // where it has a mandate, by code
	// Day and Month are sums over the registers; their Term is that of the register with the largest part.
	Day, Month budget.Bound
	// Colluding is the bound of 30 days together with one other person (Collusion says what that adds).
	Colluding budget.Bound
	// Observed: in some register budgets bind nothing at present.
	Observed bool
	// Steps are the changes that would lower a bound most, at most three; bounds are the account's, after.
	Steps []Step
}

// InRegister is an account's part in one register.
type InRegister struct {
	Register   string // code
	Reach      budget.Reach
	Day, Month budget.Bound
	Colluding  budget.Bound
}

// Step is a change in one register, with the bounds of the whole account after it.
type Step struct {
	Register string
	budget.Step
}

// maxSteps is how many changes are proposed.
const maxSteps = 3

// account computes the bounds of one account.
func (g *ground) account(o directory.Outlook) Account {
	s := o.Standing
	a := Account{Account: s.Account, Organisation: s.Organisation, Controller: s.Controller, Roles: s.Roles}
	for _, w := range g.registers {
		r, ok := g.reach(s, w, linksMade{})
		if !ok {
			continue
		}
		a.Registers = append(a.Registers, InRegister{
			Register: w.Code, Reach: r, Day: budget.Bound24h(r), Month: budget.Bound30d(r), Colluding: g.colluding(s, w),
		})
		a.Observed = a.Observed || r.Observed
	}
	a.Day = sum(a.Registers, func(r InRegister) budget.Bound { return r.Day })
	a.Month = sum(a.Registers, func(r InRegister) budget.Bound { return r.Month })
	a.Colluding = g.pair(o, sum(a.Registers, func(r InRegister) budget.Bound { return r.Colluding }))
	a.Steps = a.steps()
	return a
}

// sum adds the bounds of the registers: persons of two registers are two persons.
func sum(parts []InRegister, of func(InRegister) budget.Bound) (total budget.Bound) {
	largest := -1
	for _, p := range parts {
		b := of(p)
		if total.Persons += b.Persons; b.Persons > largest {
			largest, total.Term = b.Persons, b.Term
		}
	}
	return total
}

func (a *Account) steps() (steps []Step) {
	for _, in := range a.Registers {
		for _, s := range budget.Steps(in.Reach) {
			s.Day.Persons += a.Day.Persons - in.Day.Persons
			s.Month.Persons += a.Month.Persons - in.Month.Persons
			steps = append(steps, Step{in.Register, s})
		}
	}
	slices.SortStableFunc(steps, func(x, y Step) int {
		return cmp.Or(cmp.Compare(x.Month.Persons, y.Month.Persons), cmp.Compare(x.Day.Persons, y.Day.Persons))
	})
	return steps[:min(len(steps), maxSteps)]
}
