package register

import (
	"context"
	"fmt"
	"time"

	"ecluse"
)

// Opened is a person whose record was opened in a version, first at an instant.
type Opened struct {
	Person  ecluse.PersonID
	Version ecluse.VersionID
	At      time.Time
}

// Count is what may be known of many persons without a value of any of them.
type Count struct {
	Minors int // under 18 on that day (UTC)
	// AgeUnknown: no date of birth in the record, or in the schema.
	AgeUnknown int
	// Unreadable: the record is gone or was altered. They are in no other figure.
	Unreadable int
	// Controllers are the persons that each controller answers for, by its code. Joint ones count the same
	// person each.
	Controllers map[string]int
}

// majority is the age from which nobody is a minor.
const majority = 18

// countChunk is how many records are in memory at once.
const countChunk = 512

// Count opens the dates of birth and territories of records inside the vault and answers numbers alone.
// It is for the security desk, whose every question is in the ledger: asked about one person it tells
// whether she is a minor, so doors never give it lists of their own. One store call for countChunk
// records.
func (s *Registers) Count(ctx context.Context, reg *Register, all []Opened) (Count, error) {
	c := Count{Controllers: map[string]int{}}
	birth, dated := reg.birthDate()
	for len(all) > 0 {
		some := all[:min(len(all), countChunk)]
		all = all[len(some):]
		versions := make([]PersonVersion, len(some))
		for i, o := range some {
			versions[i] = PersonVersion{o.Person, o.Version}
		}
		rows, err := s.store.Records(ctx, versions)
		if err != nil {
			return c, fmt.Errorf("count %d persons: %w", len(versions), err)
		}
		sealed := make(map[PersonVersion][]byte, len(rows))
		for _, row := range rows {
			sealed[PersonVersion{row.Person, row.Version}] = row.Sealed
		}
		v := reg.vault()
		for _, o := range some {
			c.add(v, reg, o, sealed[PersonVersion{o.Person, o.Version}], birth, dated)
		}
	}
	return c, nil
}

// add counts one person.
func (c *Count) add(v *vault, reg *Register, p Opened, blob []byte, birth Field, dated bool) {
	o, err := v.open(reg.place(p.Person, p.Version), blob)
	var text string
	if err == nil && dated {
		text, err = v.value(o, birth.Bit)
	}
	if err != nil {
		c.Unreadable++
		return
	}
	for _, controller := range reg.Schema.ControllersOf(o.territory) {
		c.Controllers[controller.Code]++
	}
	born, err := time.Parse(time.DateOnly, text)
	switch {
	case err != nil:
		c.AgeUnknown++
	case p.At.UTC().Before(born.AddDate(majority, 0, 0)):
		c.Minors++
	}
}

// birthDate is the field that holds the person's own date of birth, if the schema has one.
func (r *Register) birthDate() (Field, bool) {
	for _, f := range r.Schema.Fields {
		if f.part() == birthDatePart {
			return f, true
		}
	}
	return Field{}, false
}
