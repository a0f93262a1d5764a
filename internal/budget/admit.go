package budget

import (
	"slices"
	"time"

	"ecluse"
)

// A line is one budget: so many in a series of one holder's meter.
type line struct {
	code   ecluse.Reason
	holder holder
	series series
	limit  int
	firm   bool // holds even where budgets are only observed
}

type holder uint8

const (
	account holder = iota
	organisation
	register
)

// lines is the table of all budgets. Admit refuses whatever would push one of them over its limit.
func (c *Charge) lines() [13]line {
	l, org, reg := &c.Limits, c.OrganisationNew24h, c.RegisterNew24h
	return [...]line{
		{ecluse.ReasonBudgetUnexplained, account, unexplainedHours, l.Unexplained24h, false},
		{ecluse.ReasonBudgetOutside, account, outsideHours, l.Outside24h, false},
		{ecluse.ReasonBudgetNew, account, newHours, l.New24h, false},
		{ecluse.ReasonBudgetNew, account, newDays, l.New30d, false},
		{ecluse.ReasonBudgetTotal, account, totalHours, l.Total24h, false},
		{ecluse.ReasonBudgetSearch, account, searchHours, l.Search24h, false},
		{ecluse.ReasonBudgetSearch, account, searchMinutes, l.Search10min, false},
		{ecluse.ReasonEmergencyLimit, account, emergencyHours, l.Emergency24h, false},
		{ecluse.ReasonBudgetLinks, account, linkHours, l.Links24h, false},
		{ecluse.ReasonBudgetOrganisation, organisation, newHours, org, false},
		{ecluse.ReasonBudgetOrganisation, account, newHours, share(org, 3), false},
		{ecluse.ReasonBudgetBreaker, register, newHours, reg, true},
		{ecluse.ReasonBudgetBreaker, account, newHours, share(reg, 2), true},
	}
}

// A cost is the set of series in which an act counts one more.
type cost uint16

func (k cost) with(s series) cost { return k | 1<<s }
func (k cost) has(s series) bool  { return k&(1<<s) != 0 }

// cost of an act that everybody may foresee: it does not depend on the person.
func (a Act) cost() cost {
	switch a {
	case Search:
		return cost(0).with(searchHours).with(searchMinutes)
	case MakeLink:
		return cost(0).with(linkHours)
	case Emergency:
		return cost(0).with(emergencyHours)
	default:
		return 0
	}
}

// foreseen is what has to be affordable, whether or not it is then charged.
func (c *Charge) foreseen() cost {
	k := c.Act.cost()
	if c.Act == Search && c.Opens {
		k |= novelty(ecluse.Unexplained).with(totalHours)
	}
	return k
}

// novelty is what the disclosure of a new person costs at a tier.
func novelty(tier ecluse.Tier) cost {
	k := cost(0).with(newHours).with(newDays)
	if tier >= ecluse.SameOrganisation {
		k = k.with(outsideHours)
	}
	if tier >= ecluse.Unexplained {
		k = k.with(unexplainedHours)
	}
	return k
}

// costOf is what c costs an account that has Seen that of the person.
func (c *Charge) costOf(m *Meter, s Seen, at time.Time, now int64) cost {
	k := c.Act.cost()
	if c.Act != Disclose && c.Act != Emergency {
		return k
	}
	if c.Act == Disclose && !s.Knows(c.Tier, c.Classes, at) {
		k |= novelty(c.Tier)
	}
	if !m.holds(s.LastAt, now) {
		k = k.with(totalHours)
	}
	return k
}

// Admit decides whether c may happen at an instant and, if so, charges it: the meters change and what
// the account has then Seen of the person is returned (equal, by ==, to what was given if there is
// nothing to write). If c is refused nothing changes. A refusal holds every reason.
//
// Known persons are free except in total; a person already within the window of total is free there
// too, and moves to the present bucket. An emergency costs emergency and total, and makes nobody
// known. Searches and links concern no person: give them the zero Seen. An Act that is none of the
// four is refused without a reason.
//
// at should not go back; where it does, the newest charge's minute counts, so that no charge is lost.
// An admission allocates nothing.
func Admit(m Meters, s Seen, c Charge, at time.Time) (Verdict, Seen) {
	now := m.Account.at(at)
	at = notBefore(at, now)
	k := c.costOf(m.Account, s, at, now)
	reasons, barred := c.exhausted(m, k|c.foreseen(), at)
	if barred || c.Act < Disclose || c.Act > Emergency {
		return Verdict{Reasons: reasons}, s
	}
	return Verdict{Admitted: true, New: k.has(newHours), Reasons: reasons}, apply(m, s, &c, k, at, now)
}

// Apply charges an act that was admitted at an instant, without deciding again: replaying the allowed
// entries of a ledger in order rebuilds meters and Seen bit for bit. Of c only Act, Tier and Classes
// count.
func Apply(m Meters, s Seen, c Charge, at time.Time) Seen {
	now := m.Account.at(at)
	at = notBefore(at, now)
	return apply(m, s, &c, c.costOf(m.Account, s, at, now), at, now)
}

// apply is the only place where meters change, Fill apart.
func apply(m Meters, s Seen, c *Charge, k cost, at time.Time, now int64) Seen {
	ofPerson := c.Act == Disclose || c.Act == Emergency
	if ofPerson && !k.has(totalHours) && !sameHour(s.LastAt, at) {
		*m.Account.bucket(totalHours, minuteOf(s.LastAt)/spans[totalHours].minutes)-- // holds: not empty
		k = k.with(totalHours)
	}
	m.Account.charge(k, now)
	if k.has(newHours) {
		pairs := cost(0).with(newHours)
		m.Organisation.charge(pairs, m.Organisation.at(at))
		m.Register.charge(pairs, m.Register.at(at))
	}
	if !ofPerson {
		return s
	}
	return s.after(c, at)
}

// charge counts one more in each series of k.
func (m *Meter) charge(k cost, now int64) {
	if k == 0 {
		return
	}
	m.advance(now)
	for s := range seriesCount {
		if k.has(s) {
			m.add(s, 1)
		}
	}
}

// exhausted are the codes of the budgets that k would exceed, each once; barred says that one of them
// stops the act.
func (c *Charge) exhausted(m Meters, k cost, at time.Time) (codes []ecluse.Reason, barred bool) {
	if k == 0 {
		return nil, false
	}
	for _, b := range c.lines() {
		if !k.has(b.series) {
			continue
		}
		meter := m.of(b.holder)
		if meter == nil { // not known yet (Spent)
			continue
		}
		if meter.sum(b.series, meter.at(at)) < b.limit {
			continue
		}
		barred = barred || b.firm || !c.Observe
		if !slices.Contains(codes, b.code) {
			codes = append(codes, b.code)
		}
	}
	return codes, barred
}

func (m Meters) of(h holder) *Meter {
	switch h {
	case organisation:
		return m.Organisation
	case register:
		return m.Register
	default:
		return m.Account
	}
}

// notBefore is at in UTC to the microsecond, as it is stored, or the beginning of minute now if that
// is later.
func notBefore(at time.Time, now int64) time.Time {
	if minuteOf(at) < now || at.Unix() < 0 {
		return time.Unix(now*60, 0).UTC()
	}
	return at.UTC().Truncate(time.Microsecond)
}

// Spent are the budgets of an account that refuse an act whoever the person may be, so that the gate
// says so before it looks anybody up: searches, links and emergencies. A disclosure has none, for a
// known person, or one seen within the day, remains free when everything else is exhausted: it is
// decided by Admit alone. Spent is nil where budgets are observed.
func Spent(m *Meter, c Charge, at time.Time) []ecluse.Reason {
	if c.Observe {
		return nil
	}
	codes, _ := c.exhausted(Meters{Account: m}, c.foreseen(), at)
	return codes
}

// Readings is the meter that an agent is shown: every budget of the account, in the order of the
// table. The limit of new persons in 24 h is the one that would stop this account first, its share of
// the organisation's and of the register's limit included; what others use is never told.
func Readings(m *Meter, c Charge, at time.Time) []Reading {
	now := m.at(at)
	c.Limits.New24h = min(c.Limits.New24h, share(c.OrganisationNew24h, 3), share(c.RegisterNew24h, 2))
	var readings []Reading
	for _, b := range c.lines() {
		if b.holder != account || b.code == ecluse.ReasonBudgetOrganisation || b.code == ecluse.ReasonBudgetBreaker {
			continue
		}
		used := m.sum(b.series, now)
		if used >= full {
			used = b.limit
		}
		r := Reading{Code: b.code, Used: used, Limit: b.limit, Window: spans[b.series].window}
		if b.series == newHours {
			r.RaisedUntil = c.RaisedUntil
		}
		readings = append(readings, r)
	}
	return readings
}
