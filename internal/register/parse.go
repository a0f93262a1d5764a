package register

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ecluse"
	"ecluse/internal/tomlfile"
)

// SchemaError is one thing that is wrong in a schema file, where, and what to do about it.
type SchemaError = tomlfile.Error

// schemaFile is the layout of the TOML file.
type schemaFile struct {
	Code                string           `toml:"code"`
	Version             int              `toml:"version"`
	MembershipSensitive bool             `toml:"membership_sensitive"`
	ExternalID          string           `toml:"external_id"`
	Territory           string           `toml:"territory"`
	Row                 []string         `toml:"row"`
	Retired             []int            `toml:"retired"`
	Label               Label            `toml:"label"`
	Controllers         []controllerFile `toml:"controllers"`
	Fields              []fieldFile      `toml:"fields"`
	Purposes            []purposeFile    `toml:"purposes"`
	Keys                []keyFile        `toml:"keys"`
	Motives             []motiveFile     `toml:"motives"`
}

type controllerFile struct {
	Code  string   `toml:"code"`
	Name  string   `toml:"name"`
	DPO   string   `toml:"dpo"`
	Roles []string `toml:"roles"`
	Rule  string   `toml:"rule"`
}

type fieldFile struct {
	Name     string `toml:"name"`
	Bit      *int   `toml:"bit"`
	Class    string `toml:"class"`
	About    About  `toml:"about"`
	Kind     Kind   `toml:"kind"`
	Required bool   `toml:"required"`
	Label    Label  `toml:"label"`
}

type purposeFile struct {
	ID     string   `toml:"id"`
	Fields []string `toml:"fields"`
	Label  Label    `toml:"label"`
}

type keyFile struct {
	ID     int64    `toml:"id"`
	Fields []string `toml:"fields"`
}

type motiveFile struct {
	ID    string `toml:"id"`
	Label Label  `toml:"label"`
}

// ParseSchema reads a schema. name is the file's name, for messages only. The error joins one
// *SchemaError for each thing that is wrong.
func ParseSchema(name string, data []byte) (*Schema, error) {
	var file schemaFile
	check, err := tomlfile.Decode(name, data, &file)
	if err != nil {
		return nil, err
	}
	c := &checker{Check: check, s: &Schema{}}
	c.head(file)
	c.controllers(file.Controllers)
	c.fields(file)
	c.row(file.Row)
	c.purposes(file.Purposes)
	c.keys(file.Keys)
	c.motives(file.Motives)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return c.s, nil
}

// checker fills a Schema from a schemaFile and collects everything that is wrong.
type checker struct {
	*tomlfile.Check
	s *Schema
}

var (
	namePattern  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	columnRunes  = "a name of at most 80 characters without line breaks"
	schemaRoles  = []string{"operates", "notifies", "answers"}
	emergencyIDs = []string{"danger", "minor_at_risk", "health", "missing"} // motives that the program fixes
)

func (c *checker) identifier(path, value string) {
	if !namePattern.MatchString(value) {
		c.Bad(path, fmt.Sprintf("%q is not an identifier", value), "use 1 to 40 of a-z, 0-9 and _, starting with a letter")
	}
}

// unique reports a value that stood before.
func unique[T comparable](c *checker, path string, what T, before []T) {
	if slices.Contains(before, what) {
		c.Bad(path, fmt.Sprintf("%v stands twice", what), "give each its own")
	}
}

func (c *checker) head(f schemaFile) {
	s := c.s
	s.Code, s.Version, s.MembershipSensitive = f.Code, f.Version, f.MembershipSensitive
	s.ExternalID, s.Territory, s.Label, s.Retired = f.ExternalID, f.Territory, f.Label, f.Retired
	c.Code("code", f.Code)
	if f.Version < 1 {
		c.Bad("version", "the version is missing or below 1", "start with version = 1 and count up")
	}
	if f.ExternalID == "" || len(f.ExternalID) > 80 || strings.ContainsAny(f.ExternalID, "\r\n") {
		c.Bad("external_id", "external_id is missing or odd", "name the import column that identifies a person: "+columnRunes)
	}
	if len(f.Territory) > 80 || strings.ContainsAny(f.Territory, "\r\n") {
		c.Bad("territory", "territory is odd", "name the import column of the territory: "+columnRunes)
	}
	c.Label("label", f.Label)
}

func (c *checker) controllers(list []controllerFile) {
	operates := false
	var codes []string
	for i, f := range list {
		path := fmt.Sprintf("controllers[%d]", i)
		c.Code(path+".code", f.Code)
		unique(c, path+".code", f.Code, codes)
		codes = append(codes, f.Code)
		if f.Name == "" || f.DPO == "" {
			c.Bad(path, "a controller has no name or no dpo", "say who it is and how to reach its data protection officer")
		}
		if len(f.Roles) == 0 {
			c.Bad(path, "a controller has no role", "give it some of "+strings.Join(schemaRoles, ", "))
		}
		for j, role := range f.Roles {
			if !slices.Contains(schemaRoles, role) {
				c.Bad(fmt.Sprintf("%s.roles[%d]", path, j), fmt.Sprintf("unknown role %q", role), "use some of "+strings.Join(schemaRoles, ", "))
			}
		}
		if strings.TrimSpace(f.Rule) == "" {
			c.Bad(path, "a controller has no rule", `say which persons it answers for: rule = "all" or territory codes`)
		}
		operates = operates || slices.Contains(f.Roles, "operates")
		c.s.Controllers = append(c.s.Controllers, Controller{Code: f.Code, Name: f.Name, DPO: f.DPO, Roles: f.Roles, Rule: f.Rule})
	}
	if !operates {
		c.Bad("controllers", "no controller operates the register", `give one of them roles = ["operates", …] (GDPR art. 4(7), 26)`)
	}
}

func (c *checker) fields(f schemaFile) {
	if len(f.Fields) == 0 {
		c.Bad("fields", "the register has no fields", "add a [[fields]] table for each")
	}
	var names []string
	var bits []int
	for i, bit := range f.Retired {
		c.bitRange(fmt.Sprintf("retired[%d]", i), bit)
		unique(c, fmt.Sprintf("retired[%d]", i), bit, f.Retired[:i])
	}
	for i, in := range f.Fields {
		path := fmt.Sprintf("fields[%d]", i)
		c.identifier(path+".name", in.Name)
		unique(c, path+".name", in.Name, names)
		names = append(names, in.Name)
		out := Field{Name: in.Name, About: in.About, Kind: in.Kind, Required: in.Required, Label: in.Label}
		if in.Bit == nil {
			c.Bad(path, fmt.Sprintf("field %q has no bit", in.Name), "give it a bit from 0 to 63 that no field ever had")
		} else {
			out.Bit = *in.Bit
			c.bit(path+".bit", in.Name, *in.Bit, bits, f.Retired)
			bits = append(bits, *in.Bit)
		}
		out.Class = c.kindOfField(path, in)
		c.Label(path+".label", in.Label)
		c.s.Fields = append(c.s.Fields, out)
		if out.Bit >= 0 && out.Bit < 64 && i < 64 {
			c.s.byBit[out.Bit] = int8(i + 1)
		}
	}
}

func (c *checker) bitRange(path string, bit int) {
	if bit < 0 || bit > 63 {
		c.Bad(path, fmt.Sprintf("bit %d is out of range", bit), "use 0 to 63")
	}
}

func (c *checker) bit(path, name string, bit int, taken, retired []int) {
	c.bitRange(path, bit)
	if slices.Contains(taken, bit) {
		c.Bad(path, fmt.Sprintf("field %q has bit %d, which another field has", name, bit), "give it one that no field ever had")
	}
	if slices.Contains(retired, bit) {
		c.Bad(path, fmt.Sprintf("field %q has bit %d, which is retired", name, bit), "old ledger entries mean another field by it: take one that no field ever had")
	}
}

// kindOfField checks class, about and kind, and what each asks of the others.
func (c *checker) kindOfField(path string, in fieldFile) ecluse.FieldClass {
	class, err := ecluse.ParseFieldClass(in.Class)
	if err != nil {
		c.Bad(path+".class", err.Error(), "say what the loss of the field would mean for the person")
	}
	if !slices.Contains(abouts, in.About) {
		c.Bad(path+".about", fmt.Sprintf("unknown about %q", in.About), "say whose data it is: person, representative or third")
	}
	if _, known := kindBits[in.Kind]; !known {
		c.Bad(path+".kind", fmt.Sprintf("unknown kind %q", in.Kind), "use name, date, nir, siret, phone, email, text, code, uai, ine, agdref or address")
	}
	switch in.Kind {
	case KindNIR, KindINE, KindAGDREF:
		if err == nil && class != ecluse.Identifier {
			c.Bad(path+".class", fmt.Sprintf("a field of kind %q has class %q", in.Kind, in.Class), "such numbers are identifiers")
		}
	}
	if want := wantKind[partOf[in.Name]]; want != "" && in.About == AboutPerson && in.Kind != want {
		c.Bad(path+".kind", fmt.Sprintf("field %q has kind %q", in.Name, in.Kind), fmt.Sprintf("people are searched by it: its kind is %q", want))
	}
	return class
}

var wantKind = map[part]Kind{surnamePart: KindName, firstNamePart: KindName, birthDatePart: KindDate}

// set collects the named fields and reports those that do not exist.
func (c *checker) set(path string, names []string) []Field {
	var found []Field
	for i, name := range names {
		f, ok := c.s.Field(name)
		if !ok {
			c.Bad(fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("there is no field %q", name), "name a field of this schema")
			continue
		}
		if slices.Contains(names[:i], name) {
			c.Bad(fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("field %q stands twice", name), "name each field once")
			continue
		}
		found = append(found, f)
	}
	return found
}

func (c *checker) row(names []string) {
	fields := c.set("row", names)
	if len(names) == 0 {
		c.Bad("row", "the caseload row has no field", `say what a row of "my persons" shows, such as surname and first_name`)
	}
	for _, f := range fields {
		if f.Class != ecluse.Identity || f.About != AboutPerson {
			c.Bad("row", fmt.Sprintf("the caseload row shows field %q", f.Name), "a list shows identity fields of the person, nothing else")
		}
		c.s.row = c.s.row.With(f.Bit)
	}
}

func (c *checker) purposes(list []purposeFile) {
	if len(list) == 0 {
		c.Bad("purposes", "the register has no purpose", "add a [[purposes]] table for each (GDPR art. 5(1)(b))")
	}
	var ids []string
	for i, in := range list {
		path := fmt.Sprintf("purposes[%d]", i)
		c.identifier(path+".id", in.ID)
		unique(c, path+".id", in.ID, ids)
		ids = append(ids, in.ID)
		c.Label(path+".label", in.Label)
		if len(in.Fields) == 0 {
			c.Bad(path, fmt.Sprintf("purpose %q shows no field", in.ID), "name the fields that it needs, no more (GDPR art. 5(1)(c))")
		}
		var set ecluse.FieldSet
		for _, f := range c.set(path+".fields", in.Fields) {
			if f.Class == ecluse.FreeText {
				c.Bad(path+".fields", fmt.Sprintf("purpose %q shows the free text %q", in.ID, f.Name), "what agents note freely on a person is never for a partner: take it out")
			}
			set = set.With(f.Bit)
		}
		c.s.Purposes = append(c.s.Purposes, Purpose{ID: ecluse.Purpose(in.ID), Fields: set, Label: in.Label})
	}
}

func (c *checker) keys(list []keyFile) {
	if len(list) == 0 {
		c.Bad("keys", "the register has no search key", "add [[keys]], or nobody will ever be found")
	}
	var ids []int64
	for i, in := range list {
		path := fmt.Sprintf("keys[%d]", i)
		if in.ID < 1 {
			c.Bad(path+".id", "a search key has no id or one below 1", "number the keys from 1")
		}
		unique(c, path+".id", in.ID, ids)
		ids = append(ids, in.ID)
		fields := c.set(path+".fields", in.Fields)
		c.key(path+".fields", fields)
		c.s.Keys = append(c.s.Keys, Key{ID: in.ID, Fields: fields})
	}
}

func (c *checker) key(path string, fields []Field) {
	total := 0.0
	for _, f := range fields {
		total += f.bits()
		if f.About != AboutPerson {
			c.Bad(path, fmt.Sprintf("a search key holds field %q, which is not about the person", f.Name), "search people by their own data")
		}
		if len(fields) > 1 && f.part() == noPart {
			c.Bad(path, fmt.Sprintf("a search key of several fields holds %q", f.Name), "such a key is an identity: surname, first_name, birth_date")
		}
	}
	if total < keyBits {
		c.Bad(path, fmt.Sprintf("a search key carries %.1f bits, below %d", total, keyBits), "add fields: the keyed hash of one weak attribute is as good as the attribute")
	}
}

func (c *checker) motives(list []motiveFile) {
	if len(list) == 0 {
		c.Bad("motives", "the register has no motive", "add [[motives]]: the pick-list of justifications")
	}
	var ids []string
	for i, in := range list {
		path := fmt.Sprintf("motives[%d]", i)
		c.identifier(path+".id", in.ID)
		unique(c, path+".id", in.ID, ids)
		ids = append(ids, in.ID)
		if slices.Contains(emergencyIDs, in.ID) {
			c.Bad(path+".id", fmt.Sprintf("motive %q is one of the emergency's", in.ID), "the program fixes those: choose another id")
		}
		c.Label(path+".label", in.Label)
		c.s.Motives = append(c.s.Motives, Motive(in))
	}
}

// Succeeds reports why the schema may not take the place of an older one of the same register: old
// ledger entries, blind indexes and sealed records keep their meaning only if bits and key ids do.
func (s *Schema) Succeeds(old *Schema) error {
	var errs []error
	bad := func(problem, remedy string) {
		errs = append(errs, &SchemaError{File: s.Code, Problem: problem, Remedy: remedy})
	}
	if s.Code != old.Code || s.Version <= old.Version {
		bad("it is not a later version of the same register", "keep the code and count the version up")
	}
	for _, f := range old.Fields {
		now, ok := s.FieldByBit(f.Bit)
		switch {
		case !ok && !slices.Contains(s.Retired, f.Bit):
			bad(fmt.Sprintf("bit %d (%s) is gone", f.Bit, f.Name), fmt.Sprintf("write it into retired = [%d]", f.Bit))
		case ok && (now.Name != f.Name || now.Kind != f.Kind || now.About != f.About):
			bad(fmt.Sprintf("bit %d meant %s", f.Bit, f.Name), "give the new field a bit that no field ever had")
		}
	}
	for _, bit := range old.Retired {
		if !slices.Contains(s.Retired, bit) {
			bad(fmt.Sprintf("bit %d is no longer retired", bit), "a retired bit stays retired")
		}
	}
	for _, k := range old.Keys {
		for _, now := range s.Keys {
			if now.ID == k.ID && !slices.EqualFunc(now.Fields, k.Fields, func(a, b Field) bool { return a.Bit == b.Bit }) {
				bad(fmt.Sprintf("search key %d has other fields", k.ID), "give the new key an id that no key ever had")
			}
		}
	}
	return errors.Join(errs...)
}
