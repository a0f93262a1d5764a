package scope

import (
	"encoding/base32"
	"encoding/binary"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/register"
)

// Totals are what is counted, of one register or of all: a person is one in each register.
type Totals struct {
	Persons int // whose values left; also those only found, where membership tells something in itself
	Minors  int // of them, under 18 when their record was first opened
	// AgeUnknown have no date of birth; Unreadable have a record that is gone or was altered. Nobody can say
	// whether they are minors.
	AgeUnknown, Unreadable int
	Representatives        int // persons of whose representative something left
	Records                int // different versions of records
	Entries                int // disclosures
	ByPrograms             int // of them, made by a program that acted for the account
	Undelivered            int // disclosures that an undelivered entry takes back: counted nowhere else
	Searches               int
	Hits                   int // persons that searches showed: that they are in the register left, no value
	HitsOnly               int // of them, those of whom no value left
	First, Last            time.Time
}

// Scope is whose data left, which fields and when.
type Scope struct {
	Totals
	AsOf     ecluse.EntryNumber // the reading's own entry: everything before it is counted
	Accounts int                // asked about
	From, To time.Time
	// Complete: no entry of the period has lost its references to retention, which went to PurgedUntil.
	Complete    bool
	PurgedUntil time.Time
	Registers   []Register // that something left of, by code
}

// Register is the scope within one register.
type Register struct {
	Totals
	Code        string
	Label       register.Label
	Fields      []Field // all of the schema, in its order
	Controllers []Controller
	Days        []Day
	People      []Person // by first opening
}

// Field is a field of the schema with the persons of whom it left.
type Field struct {
	Name    string
	Label   register.Label
	Class   ecluse.FieldClass
	About   register.About
	Persons int
}

// Controller is a body that answers for some of the persons.
type Controller struct {
	Code, Name, DPO string
	Roles           []string
	Persons         int
}

// Day is what left on a day.
type Day struct {
	Date    string // yyyy-mm-dd
	Entries int
	Persons int // for the first time
}

// Person is somebody concerned.
type Person struct {
	Pseudonym   string
	First, Last time.Time
	Entries     int
	Fields      []Use // in schema order; none = only found
	represented bool
}

// Use is when a field of somebody left, and how often.
type Use struct {
	Field       string
	First, Last time.Time
	Times       int
}

func newScope(a *about) Scope {
	return Scope{AsOf: a.asOf, Accounts: len(a.accounts), From: a.From, To: a.To}
}

func (s *Scope) add(r Register) {
	s.Registers = append(s.Registers, r)
	s.Persons += r.Persons
	s.Minors += r.Minors
	s.AgeUnknown += r.AgeUnknown
	s.Unreadable += r.Unreadable
	s.Representatives += r.Representatives
	s.Records += r.Records
	s.Entries += r.Entries
	s.ByPrograms += r.ByPrograms
	s.Undelivered += r.Undelivered
	s.Searches += r.Searches
	s.Hits += r.Hits
	s.HitsOnly += r.HitsOnly
	s.First, s.Last = earlier(s.First, r.First), later(s.Last, r.Last)
}

// FieldCounts are the persons by field name, and the names of fields that left for nobody, both over all
// registers; a field of the same name in two registers is one.
func (s *Scope) FieldCounts() (fields map[string]int, absent []string) {
	fields, absent = map[string]int{}, []string{}
	for _, r := range s.Registers {
		for _, f := range r.Fields {
			if f.Persons > 0 {
				fields[f.Name] += f.Persons
			}
		}
	}
	for _, r := range s.Registers {
		for _, f := range r.Fields {
			if fields[f.Name] == 0 && !slices.Contains(absent, f.Name) {
				absent = append(absent, f.Name)
			}
		}
	}
	return fields, absent
}

// ControllerCounts are the persons that each controller answers for, by its code.
func (s *Scope) ControllerCounts() map[string]int {
	counts := map[string]int{}
	for _, r := range s.Registers {
		for _, c := range r.Controllers {
			counts[c.Code] += c.Persons
		}
	}
	return counts
}

// pseudonym names a person within one subject: the same whatever the period, another in every other
// subject, so that two lists cannot be joined. 50 bits, written with ten letters and digits.
func (s *Service) pseudonym(subject string, reg *register.Register, p ecluse.PersonID) string {
	mac := s.keys.MAC("scope/pseudonym/v1", []byte(subject), []byte(reg.Code), binary.BigEndian.AppendUint64(nil, uint64(p)))
	return "P-" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac)[:10]
}
