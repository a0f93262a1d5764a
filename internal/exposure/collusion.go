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
//   - An account manager and a second person of the structure open a stand-in, again and again: it is
//     shown whom its site follows, and whom the two make links for.
//   - An account manager and an access officer open accounts under the agreements of the organisation, as
//     many as they like in 30 days: whoever these cover.
//   - Two of the body's own access officers, or one and an administrator, can approve any agreement:
//     everybody in the registers of the body.

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

// pair is the bound of an account and of all that it and another one can open together; alone is without
// the latter.
func (g *ground) pair(o directory.Outlook, alone budget.Bound) budget.Bound {
	everything, asked, standIn := 0, 0, 0
	window := windowAt(g.at)
	for _, w := range g.registers {
		everything += w.everybody()
		asked += w.covered(o.Asks, window)
		if o.Account.Organisation != 0 && o.Account.Kind != directory.KindClient {
			standIn += g.standIns(o.Standing, w)
		}
	}
	switch {
	case o.Account.Organisation == 0 && (o.Has(ecluse.RoleAccessOfficer) || o.Has(ecluse.RoleAdmin)):
		return budget.Bound{Persons: everything, Term: budget.TermReachable}
	case o.Has(ecluse.RoleAccountManager):
		return budget.Bound{Persons: min(everything, alone.Persons+asked), Term: budget.TermReachable}
	}
	return budget.Bound{Persons: min(everything, alone.Persons+standIn), Term: alone.Term}
}

// standIns bounds whom all stand-ins of 30 days are shown whom the account itself is not: those for whom
// the two make links. Whom its site follows is familiar to the account already.
func (g *ground) standIns(s directory.Standing, w ward) int {
	window := windowAt(g.at)
	limits := policy.LimitsWithin(s.Mandates, w.ID, window.From, window.To)
	links := days * 2 * max(limits.Links24h, budget.Default().Links24h)
	return min(w.covered(s.Mandates, window), links)
}
