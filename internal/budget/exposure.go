package budget

import (
	"cmp"
	"slices"
	"time"

	"ecluse"
)

// Exposure is computed with limits, never with what is left of them, and from the same table of
// budgets (Charge.lines) that Admit refuses by: a budget that is not in the table bounds nothing, and
// one that somebody adds to it lowers every bound by itself.

// Term says which part of a bound is the smallest, and so holds.
type Term string

// The terms of Bound24h and Bound30d.
const (
	TermTotal     Term = "total"     // total_24h, or thirty times that
	TermNovelty   Term = "novelty"   // |K u L0| + new persons of 30 d + 30 x emergency_24h
	TermReachable Term = "reachable" // R
)

// Unconditional reports whether the bound holds whatever others do. TermNovelty rests on L0, which
// grows when others make links for the account, and on the headcount of its organisation.
func (t Term) Unconditional() bool { return t != TermNovelty }

// Bound is a proven upper bound of the distinct persons that an account can be shown, and the term that
// binds.
type Bound struct {
	Persons int
	Term    Term
}

// Reach is what an account can get at in one register within the next 30 days.
type Reach struct {
	// Limits are the highest in force within the 30 days: InForce at their end, of every mandate that
	// runs for a part of them, with a raise that runs.
	Limits Limits
	// OrganisationNew24h and RegisterNew24h are the highest that Charge can hold within the 30 days.
	OrganisationNew24h int
	RegisterNew24h     int
	// Observed: for a part of the 30 days nothing but the breaker stops the account.
	Observed bool
	// Familiar is |K u L0|: persons whom the account may open without their being new, because it knows
	// them (K: Seen.Knows some class at some tier above 0) or because a link of somebody else explains
	// it at some instant of the 30 days (L0).
	Familiar int
	// Idle are those of Familiar that a link explains and that the account was not shown within
	// Remembered: what ending unused links would take away.
	Idle int
	// Explained: nobody else than explained persons is shown, and nobody in an emergency. So it is for
	// programs and stand-ins.
	Explained bool
	// Reachable is R: persons that the account's mandates cover.
	Reachable int
}

// unbounded stands for a budget that stops nobody: larger than any register, far from overflow.
const unbounded = 1 << 40

// Unbounded reports whether a part of a bound is one that no budget holds down.
func Unbounded(n int) bool { return n >= unbounded }

// Total is how many persons the account can be shown in 24 h, known or not.
func (r Reach) Total() int { return r.ceiling(totalHours).limit }

// ceiling is the line of the table of budgets that stops the account first in a series: no window of
// that series ever counts more for it than its limit.
func (r Reach) ceiling(s series) line {
	c := Charge{Limits: r.Limits, OrganisationNew24h: r.OrganisationNew24h, RegisterNew24h: r.RegisterNew24h, Observe: r.Observed}
	lowest := line{series: s, limit: unbounded}
	for _, b := range c.lines() {
		if b.series == s && (b.firm || !c.Observe) && b.limit < lowest.limit {
			lowest = b
		}
	}
	return lowest
}

// Novelty is TermNovelty taken apart.
type Novelty struct {
	Familiar    int
	New         int           // newly opened persons of 30 d
	By          ecluse.Reason // the budget that holds New down
	Window      time.Duration // its window: Month, or Day, of which 30 d hold thirty
	Emergencies int
}

// Persons is the sum of the parts.
func (n Novelty) Persons() int { return n.Familiar + n.New + n.Emergencies }

// Novelty says what TermNovelty consists of.
func (r Reach) Novelty() Novelty {
	if r.Explained {
		return Novelty{Familiar: r.Familiar}
	}
	month, day := r.ceiling(newDays), r.ceiling(newHours)
	n := Novelty{Familiar: r.Familiar, New: month.limit, By: month.code, Window: Month, Emergencies: 30 * r.ceiling(emergencyHours).limit}
	if 30*day.limit < n.New {
		n.New, n.By, n.Window = 30*day.limit, day.code, Day
	}
	return n
}

// Bound24h is the most distinct persons within any 24 h of the next 30 days:
//
//	min(R, total_24h, Bound30d)
//
// Proof: total counts every person once, by the last look, in a window that contains the 24 h; and who
// is shown within 24 h of the 30 days is shown within the 30 days.
func Bound24h(r Reach) Bound {
	return least(Bound{r.Reachable, TermReachable}, Bound{r.Total(), TermTotal}, Bound{r.Novelty().Persons(), TermNovelty})
}

// Bound30d is the most distinct persons within the next 30 days:
//
//	min(R, 30 x total_24h, |K u L0| + min(new_30d, 30 x new_24h) + 30 x emergency_24h)
//
// where new_24h and the others are ceilings: the lowest budget of the table for the same series,
// organisation's and register's limits and the account's shares of them included.
//
// Proof: 30 d are thirty times 24 h, hence the second term. For the third, take anybody's first look
// within the 30 days. It is explained (in L0); or known (the look that made her known was before, so she
// is in K); or charged to new (the window of new_30d contains the 30 days, and those of new_24h contain
// thirty times 24 h); or an emergency. Only the first two terms hold whatever links others make
// (Term.Unconditional).
func Bound30d(r Reach) Bound {
	return least(Bound{r.Reachable, TermReachable}, Bound{30 * r.Total(), TermTotal}, Bound{r.Novelty().Persons(), TermNovelty})
}

// least is the smallest bound; of equal ones the first, so that unconditional terms come first.
func least(bounds ...Bound) Bound {
	return slices.MinFunc(bounds, func(a, b Bound) int { return cmp.Compare(a.Persons, b.Persons) })
}

// Kinds of Step beside the JSON names of Limits.
const (
	StepEnforce = "enforce" // end the observation of budgets
	StepIdle    = "idle"    // end links whose persons were not opened within Remembered
)

// Step is one change that would lower a bound, with both bounds after it.
type Step struct {
	What       string // the JSON name of a limit, StepEnforce or StepIdle
	From, To   int    // of the limit; persons, for StepIdle
	Day, Month Bound
}

// loosest are the limits that appear in a bound, by their JSON names.
var loosest = []string{"total_24h", "new_30d", "new_24h", "emergency_24h"}

// Steps are the changes that would lower one of r's bounds, each alone, the most helpful first: each
// limit of a bound by a third, the end of unused links, the end of an observation. The figures are those
// of Bound24h and Bound30d for the changed Reach.
func Steps(r Reach) []Step {
	var steps []Step
	day, month := Bound24h(r), Bound30d(r)
	try := func(s Step, changed Reach) {
		s.Day, s.Month = Bound24h(changed), Bound30d(changed)
		if s.Day.Persons < day.Persons || s.Month.Persons < month.Persons {
			steps = append(steps, s)
		}
	}
	if r.Observed {
		changed := r
		changed.Observed = false
		try(Step{What: StepEnforce}, changed)
	}
	for _, name := range loosest {
		changed := r
		limit := changed.Limits.byName(name)
		s := Step{What: name, From: *limit, To: thirdLess(*limit)}
		*limit = s.To
		try(s, changed)
	}
	changed := r
	changed.Familiar, changed.Idle = r.Familiar-r.Idle, 0
	try(Step{What: StepIdle, From: r.Familiar, To: changed.Familiar}, changed)
	slices.SortStableFunc(steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.Month.Persons, b.Month.Persons), cmp.Compare(a.Day.Persons, b.Day.Persons))
	})
	return steps
}

// thirdLess is two thirds of a limit, a multiple of five where that is more than twenty, never zero: what
// nobody may do at all is another decision.
func thirdLess(n int) int {
	less := n * 2 / 3
	if less > 20 {
		less -= less % 5
	}
	return min(n, max(1, less))
}
