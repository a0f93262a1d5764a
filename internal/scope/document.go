package scope

import (
	"time"
)

// Document is a scope as commands and the API write it. Its member names are part of what scripts rely
// on (docs/operations.md). It names nobody, and lists no person.
type Document struct {
	Counts
	FieldsAbsent []string           `json:"fields_absent"` // left for nobody
	AsOf         int64              `json:"as_of"`         // entry before which everything is counted
	Accounts     int                `json:"accounts"`
	From         time.Time          `json:"from,omitzero"`
	To           time.Time          `json:"to,omitzero"` // excluded
	Complete     bool               `json:"complete"`    // retention has removed nothing of the period
	PurgedUntil  time.Time          `json:"purged_until,omitzero"`
	Registers    []RegisterDocument `json:"registers"`
}

// Counts are the figures of all registers, or of one.
type Counts struct {
	Persons         int            `json:"persons"`
	Minors          int            `json:"minors"`
	AgeUnknown      int            `json:"age_unknown"`
	Unreadable      int            `json:"unreadable"`
	Representatives int            `json:"representatives"`
	Records         int            `json:"records"`
	Fields          map[string]int `json:"fields"`      // persons by field
	Controllers     map[string]int `json:"controllers"` // persons by the code of who answers for them
	First           time.Time      `json:"first,omitzero"`
	Last            time.Time      `json:"last,omitzero"`
	Entries         int            `json:"entries"`
	ByPrograms      int            `json:"by_programs"`
	Undelivered     int            `json:"undelivered"`
	Searches        int            `json:"searches"`
	Hits            int            `json:"hits"`
	HitsOnly        int            `json:"hits_only"`
}

// RegisterDocument is one register's part.
type RegisterDocument struct {
	Register string `json:"register"`
	Counts
	FieldsAbsent []string      `json:"fields_absent"`
	Days         []DayDocument `json:"days"`
}

// DayDocument is what left on a day.
type DayDocument struct {
	Date    string `json:"date"`
	Entries int    `json:"entries"`
	Persons int    `json:"persons"` // for the first time
}

// Document is the scope without its list of persons.
func (s *Scope) Document() Document {
	fields, absent := s.FieldCounts()
	d := Document{
		Counts: s.Totals.counts(fields, s.ControllerCounts()), FieldsAbsent: absent, AsOf: int64(s.AsOf), Accounts: s.Accounts,
		From: s.From, To: s.To, Complete: s.Complete, PurgedUntil: s.PurgedUntil, Registers: []RegisterDocument{},
	}
	for _, r := range s.Registers {
		one := Scope{Registers: []Register{r}}
		fields, absent := one.FieldCounts()
		doc := RegisterDocument{Register: r.Code, Counts: r.Totals.counts(fields, one.ControllerCounts()), FieldsAbsent: absent, Days: []DayDocument{}}
		for _, day := range r.Days {
			doc.Days = append(doc.Days, DayDocument(day))
		}
		d.Registers = append(d.Registers, doc)
	}
	return d
}

func (t Totals) counts(fields, controllers map[string]int) Counts {
	return Counts{
		Persons: t.Persons, Minors: t.Minors, AgeUnknown: t.AgeUnknown, Unreadable: t.Unreadable, Representatives: t.Representatives,
		Records: t.Records, Fields: fields, Controllers: controllers, First: t.First, Last: t.Last, Entries: t.Entries,
		ByPrograms: t.ByPrograms, Undelivered: t.Undelivered, Searches: t.Searches, Hits: t.Hits, HitsOnly: t.HitsOnly,
	}
}
