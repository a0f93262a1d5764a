package web

import (
	"time"

	"ecluse"
	"ecluse/internal/budget"
)

// sampleExposure takes every branch of the page of exposure.
func sampleExposure(all map[string][]any, word Label, group options, at time.Time) {
	page := exposurePage{
		At: machineTime{at}, Openers: 2, NotEnforced: 1, MaxDay: 1, Organisation: "x", Filter: group, More: 1,
		Picture: histogram{Width: 100, Height: 100, Bars: []bar{{To: 10, Count: 1}, {From: 11, To: 20}, {From: 50_001, Count: 2}}},
		Terms:   []termView{{budget.TermNovelty, 1}, {budget.TermTotal, 2}, {budget.TermReachable, 1}},
	}
	view := exposedView{Name: "x", Email: "x", Structure: "x", Roles: ecluse.Roles, Day: 1, Month: 2, Colluding: 3}
	for _, why := range []string{"novelty", "total", "reachable", "explained", "observed"} {
		for _, day := range []string{"novelty", "total", "reachable", ""} {
			view.Registers = append(view.Registers, exposedIn{Register: word, Why: why, WhyDay: day, By: ecluse.ReasonBudgetNew})
		}
	}
	for _, by := range []ecluse.Reason{ecluse.ReasonBudgetOrganisation, ecluse.ReasonBudgetBreaker} {
		view.Registers = append(view.Registers, exposedIn{Register: word, Why: "novelty", By: by})
	}
	for _, what := range []string{"total_24h", "new_30d", "new_24h", "emergency_24h", budget.StepEnforce, budget.StepIdle} {
		view.Steps = append(view.Steps, stepView{What: what, Register: word, Ended: 1}, stepView{What: what, Register: word, Ended: 2})
	}
	page.Worst = []exposedView{view, {Name: "x", Observed: true, Registers: []exposedIn{{Register: word, Why: "observed"}}}}
	all["exposure"] = []any{exposurePage{At: machineTime{at}}, exposurePage{At: machineTime{at}, Organisation: "x", Filter: group}, page}
}
