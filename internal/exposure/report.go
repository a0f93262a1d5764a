package exposure

import (
	"cmp"
	"slices"
	"time"

	"ecluse/internal/budget"
)

// Report is the exposure of all accounts of a body, or of several. Read-only: pages share it.
type Report struct {
	At       time.Time
	Rev      int64     // of the directory
	Accounts []Account // the worst first
}

// Openers are the accounts that can open records at all.
func (r Report) Openers() []Account {
	// The worst come first, so those without a mandate are behind those with one: but for mandates that
	// cover nobody.
	return slices.DeleteFunc(slices.Clone(r.Accounts), func(a Account) bool { return len(a.Registers) == 0 })
}

// Observed counts the accounts whose budgets bind nothing in some register at present.
func (r Report) Observed() (n int) {
	for _, a := range r.Accounts {
		if a.Observed {
			n++
		}
	}
	return n
}

// Day and Month pick the bound of an account.
func Day(a Account) budget.Bound   { return a.Day }
func Month(a Account) budget.Bound { return a.Month }

// Max is the largest bound of a list of accounts, 0 for none.
func Max(accounts []Account, of func(Account) budget.Bound) (largest int) {
	for _, a := range accounts {
		largest = max(largest, of(a).Persons)
	}
	return largest
}

// Median is the middle one of the bounds, the lower of two; 0 for none.
func Median(accounts []Account, of func(Account) budget.Bound) int {
	if len(accounts) == 0 {
		return 0
	}
	bounds := make([]int, len(accounts))
	for i, a := range accounts {
		bounds[i] = of(a).Persons
	}
	slices.Sort(bounds)
	return bounds[(len(bounds)-1)/2]
}

// sort puts the worst first; equal ones by address, so that a report reads the same twice.
func (r *Report) sort() {
	slices.SortFunc(r.Accounts, func(a, b Account) int {
		return cmp.Or(cmp.Compare(b.Month.Persons, a.Month.Persons), cmp.Compare(b.Day.Persons, a.Day.Persons), cmp.Compare(b.Colluding.Persons, a.Colluding.Persons),
			cmp.Compare(a.Email, b.Email), cmp.Compare(a.ID, b.ID))
	})
}

func joined(parts []Report) (all Report) {
	for _, r := range parts {
		all.At, all.Rev = r.At, r.Rev
		all.Accounts = append(all.Accounts, r.Accounts...)
	}
	all.sort()
	return all
}
