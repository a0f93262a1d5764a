package register

import (
	"slices"
	"strings"

	"ecluse"
	"ecluse/internal/tomlfile"
)

// Schema says what a register holds on a person and who may see what of it for which purpose. It is
// read from a TOML file by ParseSchema, which refuses whatever is not as promised here, and never
// changes afterwards. Safe for concurrent use.
type Schema struct {
	Code    string // of the register, in URLs and file names
	Version int    // counts up; a change is an act under four eyes
	// MembershipSensitive says that being in the register tells something in itself (a foreigner's
	// integration contract): a search hit then counts as an opened file.
	MembershipSensitive bool
	ExternalID          string // import column that holds the register's own identifier of a person
	Territory           string // import column that holds the person's territory code; "" = none
	Label               Label
	Controllers         []Controller
	Fields              []Field // in the order in which pages show them
	Purposes            []Purpose
	Keys                []Key
	Motives             []Motive // pick-list of justifications at tiers 2 and 3
	Retired             []int    // bits of fields that are no more

	row   ecluse.FieldSet
	byBit [64]int8 // index into Fields + 1
}

// Label is a text for people in the two languages of the program.
type Label = tomlfile.Label

// Controller is one of the bodies that answer jointly for a register (GDPR art. 26).
type Controller struct {
	ID    ecluse.ControllerID // 0 in a schema that is not in the database yet
	Code  string
	Name  string
	DPO   string   // how to reach the data protection officer
	Roles []string // of operates, notifies, answers
	Rule  string   // which persons: "all", or territory codes separated by spaces
}

// Has reports whether the controller has a role: "operates", "notifies" or "answers".
func (c Controller) Has(role string) bool { return slices.Contains(c.Roles, role) }

// Covers reports whether the controller answers for the persons of a territory: "93" in the rule
// covers "93" and "93-008", not "930".
func (c Controller) Covers(territory string) bool {
	if c.Rule == "all" {
		return true
	}
	for code := range strings.FieldsSeq(c.Rule) {
		if rest, found := strings.CutPrefix(territory, code); found && (rest == "" || rest[0] == '-') {
			return true
		}
	}
	return false
}

// About says whose data a field is.
type About string

// The closed list of whom a field may be about.
const (
	AboutPerson         About = "person"
	AboutRepresentative About = "representative" // legal representative of a minor or protected adult
	AboutThird          About = "third"          // somebody else: an employer, a relative
)

var abouts = []About{AboutPerson, AboutRepresentative, AboutThird}

// Kind says how a field's values are written, checked on import, normalised for search and shown.
type Kind string

// The closed list of kinds.
const (
	KindName    Kind = "name"
	KindDate    Kind = "date"   // stored as yyyy-mm-dd
	KindNIR     Kind = "nir"    // social security number (décret 2019-341)
	KindSIRET   Kind = "siret"  // establishment
	KindPhone   Kind = "phone"  //
	KindEmail   Kind = "email"  //
	KindText    Kind = "text"   // free or long text
	KindCode    Kind = "code"   // any other identifier or code
	KindUAI     Kind = "uai"    // school
	KindINE     Kind = "ine"    // pupil or student
	KindAGDREF  Kind = "agdref" // foreign national's file
	KindAddress Kind = "address"
)

// kindBits is how many bits a value of a kind carries at least when it is known whose list it is in
// (design "Trace": surname 12.8, first name 8.2, birth date about 12). A search key needs 20, so that
// a keyed hash that got out with its key could not be turned back by trying every value in an hour.
var kindBits = map[Kind]float64{
	KindName: 8.2, KindDate: 12, KindNIR: 40, KindSIRET: 40, KindPhone: 26, KindEmail: 25, KindText: 0,
	KindCode: 23, KindUAI: 0, KindINE: 33, KindAGDREF: 30, KindAddress: 0,
}

const (
	surnameBits = 12.8
	keyBits     = 20 // what a search key must carry
)

// Field is one field of a record.
type Field struct {
	Name     string // stable, in the API and in import files
	Bit      int    // 0 to 63; never used again for another field
	Class    ecluse.FieldClass
	About    About
	Kind     Kind
	Required bool // an import row without it is refused
	Label    Label
}

// part says which part of an identity search a field answers to, if any.
func (f Field) part() part {
	if f.About != AboutPerson {
		return noPart
	}
	return partOf[f.Name]
}

func (f Field) bits() float64 {
	if f.part() == surnamePart {
		return surnameBits
	}
	return kindBits[f.Kind]
}

// part is a part of an identity search.
type part uint8

const (
	noPart part = iota
	surnamePart
	firstNamePart
	birthDatePart
)

// partOf names the fields that people are searched by.
var partOf = map[string]part{
	"surname": surnamePart, "birth_name": surnamePart, "usual_name": surnamePart,
	"first_name": firstNamePart, "birth_date": birthDatePart,
}

// Purpose is a purpose of processing with the most that it lets anyone see (GDPR art. 5(1)(b)-(c)).
type Purpose struct {
	ID     ecluse.Purpose
	Fields ecluse.FieldSet
	Label  Label
}

// Key is a search key: what is typed must equal all its fields, once normalised.
type Key struct {
	ID     int64 // lookups.kind; never used again for other fields
	Fields []Field
}

// Identifier reports whether the key is one identifier, rather than a person's identity.
func (k Key) Identifier() bool { return len(k.Fields) == 1 }

// Motive is one line of the pick-list of justifications.
type Motive struct {
	ID    string
	Label Label
}

// Field finds a field by name.
func (s *Schema) Field(name string) (Field, bool) {
	i := slices.IndexFunc(s.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return s.Fields[i], true
}

// FieldByBit finds a field by its bit.
func (s *Schema) FieldByBit(bit int) (Field, bool) {
	if bit < 0 || bit > 63 || s.byBit[bit] == 0 {
		return Field{}, false
	}
	return s.Fields[s.byBit[bit]-1], true
}

// AllFields is the set of every field.
func (s *Schema) AllFields() ecluse.FieldSet {
	return s.where(func(Field) bool { return true })
}

// UnknownFieldError names a field that a schema does not have. The name was typed by the caller.
type UnknownFieldError struct{ Register string }

func (e *UnknownFieldError) Error() string { return "register " + e.Register + " has no such field" }

// Set is the set of the named fields; *UnknownFieldError if one does not exist.
func (s *Schema) Set(names ...string) (ecluse.FieldSet, error) {
	var set ecluse.FieldSet
	for _, name := range names {
		f, ok := s.Field(name)
		if !ok {
			return 0, &UnknownFieldError{Register: s.Code}
		}
		set = set.With(f.Bit)
	}
	return set, nil
}

// Names lists the fields of a set in schema order; bits that the schema does not know are left out.
func (s *Schema) Names(set ecluse.FieldSet) []string {
	names := make([]string, 0, set.Len())
	for _, f := range s.Fields {
		if set.Has(f.Bit) {
			names = append(names, f.Name)
		}
	}
	return names
}

// Purpose finds a purpose by its code.
func (s *Schema) Purpose(id ecluse.Purpose) (Purpose, bool) {
	i := slices.IndexFunc(s.Purposes, func(p Purpose) bool { return p.ID == id })
	if i < 0 {
		return Purpose{}, false
	}
	return s.Purposes[i], true
}

// Motive finds a motive by its code.
func (s *Schema) Motive(id string) (Motive, bool) {
	i := slices.IndexFunc(s.Motives, func(m Motive) bool { return m.ID == id })
	if i < 0 {
		return Motive{}, false
	}
	return s.Motives[i], true
}

// Classes is the set of the classes of the fields in set.
func (s *Schema) Classes(set ecluse.FieldSet) ecluse.ClassSet {
	var classes ecluse.ClassSet
	for _, f := range s.Fields {
		if set.Has(f.Bit) {
			classes = classes.With(f.Class)
		}
	}
	return classes
}

// EmergencyFields is what an emergency opens: how to reach the person, who her representative is and
// how to reach him. A mandate may reduce it further.
func (s *Schema) EmergencyFields() ecluse.FieldSet {
	return s.where(func(f Field) bool {
		switch f.About {
		case AboutPerson:
			return f.Class == ecluse.Contact
		case AboutRepresentative:
			return f.Class == ecluse.Contact || f.Class == ecluse.Identity
		}
		return false
	})
}

// RowFields is what a row of a caseload shows: fields of class identity, about the person.
func (s *Schema) RowFields() ecluse.FieldSet { return s.row }

// ControllersOf lists the controllers that answer for a person of a territory.
func (s *Schema) ControllersOf(territory string) []Controller {
	var found []Controller
	for _, c := range s.Controllers {
		if c.Covers(territory) {
			found = append(found, c)
		}
	}
	return found
}

func (s *Schema) where(keep func(Field) bool) ecluse.FieldSet {
	var set ecluse.FieldSet
	for _, f := range s.Fields {
		if keep(f) {
			set = set.With(f.Bit)
		}
	}
	return set
}
