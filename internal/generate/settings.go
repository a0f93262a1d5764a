package generate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/presets"
)

// SettingsFile is the file of a preset's folder that says how its population is invented.
const SettingsFile = "population.toml"

// ErrSettings: a preset's population.toml says something that cannot be followed.
var ErrSettings = errors.New("the population cannot be invented as its settings say")

// preset is what population.toml says. Percentages are of persons.
type preset struct {
	Controller string           `toml:"controller"` // code, as the schema has it
	Prefix     string           `toml:"prefix"`     // of codes
	Source     uint64           `toml:"source"`     // of its own randomness, 1 to 255, unlike any other preset's
	Bodies     int              `toml:"bodies"`     // where the bodies' made-up numbers begin
	External   string           `toml:"external"`   // import column with the register's own identifier
	Number     string           `toml:"number"`     // maker of that identifier
	Before     string           `toml:"before"`     // written before it
	Persons    int              `toml:"persons"`    // demo scale
	Full       int              `toml:"full"`       // full scale
	PerBody    int              `toml:"persons_per_organisation"`
	PerSite    int              `toml:"persons_per_site"` // other than the seat
	Ages       [2]int           `toml:"ages"`             // years, on Reference
	Communes   bool             `toml:"communes"`         // territories name the commune, not the département alone
	Elsewhere  int              `toml:"elsewhere"`        // percent who live where no organisation has a mandate
	Followed   int              `toml:"followed"`         // percent of the others whom an account follows
	Link       string           `toml:"link"`             // kind of link that says so
	Purposes   []ecluse.Purpose `toml:"purposes"`
	Limits     map[string]int   `toml:"limits"` // of the agreements' budgets; those not named are the program's
	Names      struct {
		Kind  string   `toml:"kind"`
		Names []string `toml:"names"`
		Sites []string `toml:"sites"`
	} `toml:"organisation"`
	Fields []field `toml:"fields"`

	register string // code of the schema
	number   maker
	limits   string // Limits as an agreement writes them
}

// field says how the values of a field are made: the maker, and for whom.
type field struct {
	Name   string   `toml:"name"`
	Make   string   `toml:"make"`
	From   []string `toml:"from"`   // words to choose from; of a maker that takes words
	With   []string `toml:"with"`   // words put into those of From, for %s
	First  int      `toml:"first"`  // percent who get the first word of From
	Chance int      `toml:"chance"` // percent who have the field; 0 = all
	When   string   `toml:"when"`   // minor, adult; "" = both
	If     string   `toml:"if"`     // another field, before this one, without which there is none
	Days   [2]int   `toml:"days"`   // of a date: how many days before Reference, at least and at most
	Before string   `toml:"before"` // written before a number

	maker maker
}

// readPreset reads population.toml of a preset's folder: ErrSettings, with line and column where there
// is one.
func readPreset(name string, folder fs.FS) (*preset, error) {
	text, err := fs.ReadFile(folder, SettingsFile)
	if err != nil {
		return nil, fmt.Errorf("read the population of preset %s: %w", name, err)
	}
	p := &preset{}
	in := toml.NewDecoder(strings.NewReader(string(text))).DisallowUnknownFields()
	if err := in.Decode(p); err != nil {
		return nil, fmt.Errorf("%s/%s: %w: %w", name, SettingsFile, ErrSettings, placed(err))
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("%s/%s: %w: %w", name, SettingsFile, ErrSettings, err)
	}
	return p, p.readRegister(name, folder)
}

// readRegister reads the register's code, which only the schema says.
func (p *preset) readRegister(name string, folder fs.FS) error {
	text, err := fs.ReadFile(folder, presets.SchemaFile)
	if err != nil {
		return fmt.Errorf("read the schema of preset %s: %w", name, err)
	}
	var schema struct {
		Code string `toml:"code"`
	}
	if err := toml.Unmarshal(text, &schema); err != nil {
		return fmt.Errorf("%s/%s: %w", name, presets.SchemaFile, placed(err))
	}
	p.register = schema.Code
	return nil
}

// placed says where in the file an error is, if the parser knows.
func placed(err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		line, column := strict.Errors[0].Position()
		return fmt.Errorf("line %d, column %d: there is no setting %q", line, column, strings.Join(strict.Errors[0].Key(), "."))
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, column := decode.Position()
		return fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	return err
}

// writeLimits writes the limits as JSON, "" without any.
func (p *preset) writeLimits() (string, error) {
	if len(p.Limits) == 0 {
		return "", nil
	}
	text, err := json.Marshal(p.Limits)
	if err == nil {
		_, err = budget.Default().Override(text)
	}
	return string(text), err
}

func (p *preset) check() error {
	for _, c := range []struct {
		ok   bool
		what string
	}{
		{p.Controller != "" && p.Prefix != "" && p.External != "", "controller, prefix and external are needed"},
		{p.Source > 0 && p.Source < 256, "source must be from 1 to 255"},
		{p.Persons > 0 && p.PerBody > 0 && p.PerSite > 0, "persons, persons_per_organisation and persons_per_site must be above 0"},
		{p.Ages[0] >= 0 && p.Ages[1] >= p.Ages[0], "ages must be two numbers of years, the lower one first"},
		{percent(p.Elsewhere) && percent(p.Followed), "elsewhere and followed are percentages"},
		{len(p.Purposes) > 0 && p.Link != "", "purposes and link are needed"},
		{len(p.Names.Names) > 0 && len(p.Names.Sites) > 0, "organisation.names and organisation.sites are needed"},
	} {
		if !c.ok {
			return errors.New(c.what)
		}
	}
	var err error
	if p.limits, err = p.writeLimits(); err != nil {
		return err
	}
	if p.number, err = makerOf(&field{Name: p.External, Make: p.Number, Before: p.Before}); err != nil {
		return err
	}
	for i := range p.Fields {
		if err := p.checkField(i); err != nil {
			return err
		}
	}
	return nil
}

func (p *preset) checkField(i int) (err error) {
	f := &p.Fields[i]
	earlier := func(name string) bool {
		return slices.ContainsFunc(p.Fields[:i], func(o field) bool { return o.Name == name })
	}
	switch {
	case f.Name == "" || f.Name == p.External || earlier(f.Name):
		return fmt.Errorf("field %d: its name %q is missing or taken", i+1, f.Name)
	case !percent(f.Chance) || !percent(f.First):
		return fmt.Errorf("field %s: chance and first are percentages", f.Name)
	case f.When != "" && f.When != "minor" && f.When != "adult":
		return fmt.Errorf("field %s: when is minor or adult", f.Name)
	case f.If != "" && !earlier(f.If):
		return fmt.Errorf("field %s: the field %q that it depends on must stand before it", f.Name, f.If)
	}
	f.maker, err = makerOf(f)
	return err
}

func percent(n int) bool { return n >= 0 && n <= 100 }
