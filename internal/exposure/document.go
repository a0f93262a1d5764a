package exposure

import (
	"time"

	"ecluse"
	"ecluse/internal/budget"
)

// Document is a report as commands and the API write it. Its member names are part of what scripts rely
// on (docs/exposure.md).
type Document struct {
	At       time.Time         `json:"at"`
	Accounts []AccountDocument `json:"accounts"`

	// The figures below are about all accounts that can open records, whichever are listed.
	Openers     int `json:"openers"`
	Max24h      int `json:"max_24h"`
	Max30d      int `json:"max_30d"`
	Median24h   int `json:"median_24h"`
	Median30d   int `json:"median_30d"`
	NotEnforced int `json:"not_enforced"` // accounts whose budgets are only observed somewhere
}

// AccountDocument is one account.
type AccountDocument struct {
	Account      string        `json:"account"` // e-mail
	Controller   string        `json:"controller"`
	Organisation string        `json:"organisation"` // code, "" for the body's own staff
	Roles        []ecluse.Role `json:"roles"`

	Bound24h          int         `json:"bound_24h"`
	Term24h           budget.Term `json:"term_24h"`
	Bound30d          int         `json:"bound_30d"`
	Term30d           budget.Term `json:"term_30d"`
	Bound30dColluding int         `json:"bound_30d_colluding"`
	Enforced          bool        `json:"enforced"`

	Registers []RegisterDocument `json:"registers"`
	Lower     []StepDocument     `json:"lower"`
}

// RegisterDocument is an account's part in one register. What is null is not bounded: budgets are only
// observed.
type RegisterDocument struct {
	Register          string      `json:"register"`
	Bound24h          int         `json:"bound_24h"`
	Term24h           budget.Term `json:"term_24h"`
	Bound30d          int         `json:"bound_30d"`
	Term30d           budget.Term `json:"term_30d"`
	Bound30dColluding int         `json:"bound_30d_colluding"`

	Total24h  *int          `json:"total_24h"` // any person
	Familiar  int           `json:"familiar"`  // known, or entrusted by a link
	New       *int          `json:"new_30d"`   // newly opened
	NewBy     ecluse.Reason `json:"new_by,omitempty"`
	NewWindow string        `json:"new_window,omitempty"` // of the budget that holds it down: 24h or 30d
	Emergency *int          `json:"emergency_30d"`
	Reachable int           `json:"reachable"` // covered by the mandates
}

// StepDocument is a change that would lower a bound of the account, with both bounds after it.
type StepDocument struct {
	Register string `json:"register"`
	Change   string `json:"change"` // a limit's name, enforce, idle
	From     int    `json:"from"`
	To       int    `json:"to"`
	Bound24h int    `json:"bound_24h"`
	Bound30d int    `json:"bound_30d"`
}

// Document lists some accounts of the report.
func (r Report) Document(listed []Account) Document {
	openers := r.Openers()
	d := Document{
		At: r.At.UTC().Truncate(time.Second), Accounts: []AccountDocument{}, Openers: len(openers), NotEnforced: r.Observed(),
		Max24h: Max(openers, Day), Max30d: Max(openers, Month), Median24h: Median(openers, Day), Median30d: Median(openers, Month),
	}
	for _, a := range listed {
		d.Accounts = append(d.Accounts, a.document())
	}
	return d
}

func (a Account) document() AccountDocument {
	d := AccountDocument{
		Account: a.Email, Controller: a.Controller.Code, Organisation: a.Organisation.Code, Roles: append([]ecluse.Role{}, a.Roles...),
		Bound24h: a.Day.Persons, Term24h: a.Day.Term, Bound30d: a.Month.Persons, Term30d: a.Month.Term, Bound30dColluding: a.Colluding.Persons,
		Enforced: !a.Observed, Registers: []RegisterDocument{}, Lower: []StepDocument{},
	}
	for _, in := range a.Registers {
		d.Registers = append(d.Registers, in.document())
	}
	for _, s := range a.Steps {
		d.Lower = append(d.Lower, StepDocument{s.Register, s.What, s.From, s.To, s.Day.Persons, s.Month.Persons})
	}
	return d
}

func (in InRegister) document() RegisterDocument {
	parts := in.Reach.Novelty()
	d := RegisterDocument{
		Register: in.Register, Bound24h: in.Day.Persons, Term24h: in.Day.Term, Bound30d: in.Month.Persons, Term30d: in.Month.Term,
		Bound30dColluding: in.Colluding.Persons, Familiar: parts.Familiar, Reachable: in.Reach.Reachable,
		Total24h: bounded(in.Reach.Total()), New: bounded(parts.New), Emergency: bounded(parts.Emergencies),
	}
	if d.New != nil && parts.By != "" {
		d.NewBy, d.NewWindow = parts.By, "30d"
		if parts.Window == budget.Day {
			d.NewWindow = "24h"
		}
	}
	return d
}

// bounded is nil for what no budget bounds.
func bounded(n int) *int {
	if budget.Unbounded(n) {
		return nil
	}
	return &n
}
