package policy

import (
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/budget"
)

// Mandate is what one grant of an account lets it do under one agreement: register x purposes x
// territory, and the most fields that the agreement lets out. Only mandates of role agent open
// records; whoever manages accounts or investigates does not read by that right.
type Mandate struct {
	Agreement ecluse.AgreementID
	Register  ecluse.RegisterID
	Purposes  []ecluse.Purpose
	Fields    ecluse.FieldSet
	Territory Territory
	// Starts and Ends bound agreement and grant together; zero = no such bound. Ends is excluded.
	Starts, Ends time.Time
	// Running is false where the agreement or the grant was ended or is not active, whatever the dates.
	Running bool
	Limits  budget.Limits // of the agreement, before any quarter
	// Follows says that Limits.Total24h is that of the caseload (budget.TotalLimit): the agreement sets none.
	Follows bool
	Role    ecluse.Role
	// Since is when the account or the grant came into being, whichever is later: younger than
	// budget.Probation means a quarter of the limits, unless the installation batch confirmed it.
	Since     time.Time
	Installed bool
	// RaisedUntil ends a raise of the account's soft limit in the register, itself excluded; zero = none.
	RaisedUntil time.Time
}

// Runs reports whether the mandate is in force at an instant.
func (m *Mandate) Runs(at time.Time) bool { return m.Running && within(at, m.Starts, m.Ends) }

// opens reports whether the mandate is one to open records of a register.
func (m *Mandate) opens(register ecluse.RegisterID) bool {
	return m.Register == register && m.Role == ecluse.RoleAgent
}

// Limits of an account in a register: budget by budget the highest of its running mandates, a quarter
// where a mandate is young; zero, which admits nothing, if none is running. The purpose plays no
// part: budgets are the account's.
func Limits(mandates []Mandate, register ecluse.RegisterID, at time.Time) (l budget.Limits) {
	for i := range mandates {
		if m := &mandates[i]; m.opens(register) && m.Runs(at) {
			l = l.Max(m.inForce(at))
		}
	}
	return l
}

// inForce are the mandate's limits at an instant: a raise doubles what is left by the quarter.
func (m *Mandate) inForce(at time.Time) budget.Limits {
	l := budget.InForce(m.Limits, m.Since, m.Installed, at)
	if at.Before(m.RaisedUntil) {
		return l.Raised()
	}
	return l
}

// LimitsWithin are the highest limits that Limits gives at any instant from one to another, both included:
// what exposure counts with. A young mandate counts as it will be at the end.
func LimitsWithin(mandates []Mandate, register ecluse.RegisterID, from, to time.Time) (l budget.Limits) {
	for i := range mandates {
		m := &mandates[i]
		if !m.opens(register) || !m.RunsWithin(from, to) {
			continue
		}
		highest := budget.InForce(m.Limits, m.Since, m.Installed, to)
		if from.Before(m.RaisedUntil) {
			highest = highest.Raised()
		}
		l = l.Max(highest)
	}
	return l
}

// RunsWithin reports whether the mandate is in force at some instant from one to another, both included.
func (m *Mandate) RunsWithin(from, to time.Time) bool {
	return m.Running && !to.Before(m.Starts) && (m.Ends.IsZero() || from.Before(m.Ends))
}

// RaisedUntil is when the raise of an account's soft limit in a register ends that runs at an instant;
// zero if none does.
func RaisedUntil(mandates []Mandate, register ecluse.RegisterID, at time.Time) (until time.Time) {
	for i := range mandates {
		m := &mandates[i]
		if m.opens(register) && m.Runs(at) && at.Before(m.RaisedUntil) && m.RaisedUntil.After(until) {
			until = m.RaisedUntil
		}
	}
	return until
}

// Together is what an account and a program both may: a mandate for each pair of theirs to open records of
// the same register, with the purposes, fields and territory of both. Limits, age and raises are the
// account's; the program has its own meter.
func Together(account, program []Mandate) (both []Mandate) {
	for _, a := range account {
		for _, p := range program {
			if a.opens(p.Register) && p.opens(a.Register) {
				both = append(both, a.with(p))
			}
		}
	}
	return both
}

func (m Mandate) with(p Mandate) Mandate {
	m.Purposes = slices.DeleteFunc(slices.Clone(m.Purposes), func(o ecluse.Purpose) bool { return !slices.Contains(p.Purposes, o) })
	m.Fields &= p.Fields
	m.Territory = m.Territory.and(p.Territory)
	if p.Starts.After(m.Starts) {
		m.Starts = p.Starts
	}
	if m.Ends.IsZero() || !p.Ends.IsZero() && p.Ends.Before(m.Ends) {
		m.Ends = p.Ends
	}
	m.Running = m.Running && p.Running
	return m
}

func within(at, starts, ends time.Time) bool {
	return !at.Before(starts) && (ends.IsZero() || at.Before(ends))
}

// Territory is a list of codes: each covers itself and what lies below it, level by level, with
// hyphens between the levels. "*" covers everything; the empty territory covers nothing.
type Territory []string

// ParseTerritory reads codes separated by white space, as agreements write them.
func ParseTerritory(s string) Territory { return strings.Fields(s) }

// String is the inverse of ParseTerritory.
func (t Territory) String() string { return strings.Join(t, " ") }

// Covers reports whether code lies in the territory: "93" covers "93" and "93-008", not "930". The
// empty code lies in "*" only.
func (t Territory) Covers(code string) bool {
	return slices.ContainsFunc(t, func(area string) bool {
		rest, below := strings.CutPrefix(code, area)
		return area == "*" || area != "" && below && (rest == "" || rest[0] == '-')
	})
}

// and is what both territories cover.
func (t Territory) and(o Territory) (both Territory) {
	for _, a := range t {
		for _, b := range o {
			switch {
			case b != "" && Territory{a}.Covers(b):
				both = append(both, b)
			case a != "" && Territory{b}.Covers(a):
				both = append(both, a)
			}
		}
	}
	return both
}

// any reports whether the territory covers anything.
func (t Territory) any() bool { return len(t) > 0 }

// covering is the test for territories that cover code.
func covering(code string) func(Territory) bool {
	return func(t Territory) bool { return t.Covers(code) }
}
