package exposure

import (
	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/policy"
)

// Collusion: what a second person may do for the thief, and nobody may alone. The second column of
// exposure is the bound of 30 days with it. What the second person reads is the exposure of the second
// person's own account, not of this one.
//
//   - A colleague makes links for the account, and for its whole site: they explain persons. Those to the
//     account count in its caseload, which its total may follow.
//   - A colleague raises its soft limit every day.
//   - An account manager and a second person of the structure open replacements, as many in 30 days as
//     there may be one after the other: they are shown whom their site follows, and whom the two make
//     links for.
//   - An account manager and an access officer open accounts under the agreements of the organisation, or
//     bind one that is there to another identity: whoever these agreements cover.
//   - An access officer or administrator, with another one or with an account manager, can have any
//     agreement or account approved: everybody in the registers of the body.

// linksMade are links that a colleague is taken to make for an account and for its site.
type linksMade struct{ direct, site int }

// byColleague is as many as one maker may make within the horizon: sites are one receiver together.
func byColleague() linksMade {
	n := days * directory.LinksPerReceiver
	return linksMade{direct: n, site: n}
}

const days = int(Horizon / budget.Day)

// colluding is the bound of an account in a register with a colleague's help.
func (g *ground) colluding(s directory.Standing, w ward) budget.Bound {
	r, _ := g.reach(s, w, byColleague())
	r.Limits = r.Limits.Raised()
	return budget.Bound30d(r)
}

// pair is the bound of an account and of all that it and another one can open together; own is the
// account's part of it.
func (g *ground) pair(o directory.Outlook, own budget.Bound) budget.Bound {
	everything, asked, standIns := 0, 0, 0
	for _, w := range g.registers {
		everything += w.everybody()
		asked += w.covered(o.Asks, windowAt(g.at))
		standIns += g.standIns(o, w)
	}
	switch {
	case o.Has(ecluse.RoleAccessOfficer), o.Has(ecluse.RoleAdmin):
		return budget.Bound{Persons: everything, Term: budget.TermReachable}
	case o.Has(ecluse.RoleAccountManager):
		return budget.Bound{Persons: min(everything, own.Persons+asked), Term: budget.TermReachable}
	}
	return budget.Bound{Persons: min(everything, own.Persons+standIns), Term: own.Term}
}

// standIns bounds whom the replacements of 30 days are shown whom the account is not: whom the sites of
// its organisation follow, and whom the two make links for.
func (g *ground) standIns(o directory.Outlook, w ward) (persons int) {
	if !o.Has(ecluse.RoleAgent) || o.Account.StandIn() || o.Account.Kind == directory.KindClient {
		return 0
	}
	window := windowAt(g.at)
	limits := policy.LimitsWithin(o.Mandates, w.ID, window.From, window.To)
	for _, site := range o.Sites {
		persons += g.sites[Site{site, w.ID}]
	}
	persons += days * 2 * max(limits.Links24h, budget.Default().Links24h)
	return min(w.covered(o.Mandates, window), persons)
}
