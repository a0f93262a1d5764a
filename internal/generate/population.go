package generate

import (
	"encoding/csv"
	"io"
	"iter"
	"math/rand/v2"
	"slices"

	"ecluse"
	"ecluse/presets"
)

// reference is the day that ages are counted on. It is fixed, so that a seed gives the same bytes on
// any day.
var reference = date{2026, 9, 1}

// Reference is the day (yyyy-mm-dd) that ages are counted on; agreements and links run from a year
// before it to Ends.
const (
	Reference = "2026-09-01"
	Starts    = "2025-09-01"
	Ends      = "2031-08-31"
)

// Settings name a population. Seed 1 and the sizes of the presets are the demo's.
type Settings struct {
	Preset  string // a preset of the program, or the folder of another (presets.Open)
	Persons int    // 0 = the preset's demo scale, FullScale = its full one
	Seed    uint64
}

// FullScale is the number of persons that a preset is modelled on, as it says itself.
const FullScale = -1

// Person is one record: values by the names of the register's fields, only those that there are, each in
// the form that an import stores. Organisation, Site and Account say who follows her, "" = nobody.
type Person struct {
	ID           string // the register's own identifier (import column)
	Territory    string // import column
	Values       map[string]string
	Organisation string // code
	Site         string // code
	Account      string // login
}

// Organisation is a partner organisation.
type Organisation struct {
	Code, Kind, SIRET, Name, Territory, Phone string
}

// Site is a place of work of an organisation.
type Site struct {
	Code, Organisation, Kind, SIRET, Name, Territory, Phone string
}

// Agreement lets an organisation into the register, with all fields of its purposes.
type Agreement struct {
	Code, Organisation, Register string
	Purposes                     []ecluse.Purpose
	Territory                    string // codes, separated by spaces
	Limits                       string // JSON of budgets that are not the program's, "" = none
	Starts, Ends                 string
}

// Account is somebody who can sign in. Organisation and Site are "" for the controller's own staff and
// for a person; Agreement is the code of the agreement that the role rests on, "" for them too.
type Account struct {
	Login                string // also the e-mail address
	GivenName, UsualName string
	Kind                 string // agent, officer, person
	Role                 ecluse.Role
	Organisation, Site   string
	Agreement            string
	Person               string // ID of the record that a person's account is about
	Starts               string
	Caseload             int // persons that the account follows at most
}

// Link says that an account follows a person.
type Link struct {
	Register, Person                  string
	Account, Site, Organisation, Kind string
	Starts, Ends                      string
}

// Population is an invented population. Its methods give the same at every call and may be called from
// several goroutines.
type Population struct {
	settings      Settings
	preset        *preset
	bodies        []*body
	elsewhere     []place // communes of départements that have none
	organisations []Organisation
	sites         []Site
	agreements    []Agreement
	accounts      []Account
	desks         map[string]int   // place in accounts of whoever follows persons, by login
	teams         map[string][]int // the same, by site
}

// New prepares a population: its organisations, sites and accounts are drawn at once, its persons when
// they are asked for. Errors: *presets.UnknownError, ErrSettings.
func New(s Settings) (*Population, error) {
	folder, err := presets.Open(s.Preset)
	if err != nil {
		return nil, err
	}
	g, err := readPreset(s.Preset, folder)
	if err != nil {
		return nil, err
	}
	switch {
	case s.Persons == FullScale:
		s.Persons = max(g.Full, g.Persons)
	case s.Persons <= 0:
		s.Persons = g.Persons
	}
	p := &Population{settings: s, preset: g}
	p.found()
	p.staff()
	return p, nil
}

// random is a source of its own for each thing that is drawn and each preset, so that one draw more in
// one place changes nothing in another.
func (p *Population) random(what, i uint64) *rand.Rand {
	return rand.New(rand.NewPCG(p.settings.Seed, what<<56|p.preset.Source<<48|i))
}

// What sources are for.
const (
	forBodies uint64 = iota + 1
	forAccounts
	forHouseholds
	forFollowing
	forWork
	forLeave
	forSickness
)

// Register is the code of the register that the population is for.
func (p *Population) Register() string { return p.preset.register }

// Controller is the code of the controller that the organisations and accounts belong to.
func (p *Population) Controller() string { return p.preset.Controller }

// Size is the number of persons.
func (p *Population) Size() int { return p.settings.Persons }

// Columns are the columns of the file that WriteCSV writes: external identifier, territory, fields.
func (p *Population) Columns() []string {
	columns := []string{p.preset.External, "territory"}
	for _, f := range p.preset.Fields {
		columns = append(columns, f.Name)
	}
	return columns
}

// Organisations gives the partner organisations.
func (p *Population) Organisations() iter.Seq[Organisation] { return slices.Values(p.organisations) }

// Sites gives their sites; the first one of each organisation is its seat.
func (p *Population) Sites() iter.Seq[Site] { return slices.Values(p.sites) }

// Agreements gives one agreement for each organisation.
func (p *Population) Agreements() iter.Seq[Agreement] { return slices.Values(p.agreements) }

// Accounts gives the controller's own staff, a person's account, then the accounts of each organisation.
func (p *Population) Accounts() iter.Seq[Account] { return slices.Values(p.accounts) }

// Links gives the caseloads, in the order of Persons.
func (p *Population) Links() iter.Seq[Link] {
	return func(yield func(Link) bool) {
		for person := range p.Persons() {
			if link, ok := p.LinkOf(person); ok && !yield(link) {
				return
			}
		}
	}
}

// LinkOf is the link that explains why a person's account follows her; false if nobody does.
func (p *Population) LinkOf(person Person) (Link, bool) {
	return Link{
		Register: p.Register(), Person: person.ID, Account: person.Account, Site: person.Site,
		Organisation: person.Organisation, Kind: p.preset.Link, Starts: Starts, Ends: Ends,
	}, person.Account != ""
}

// WriteCSV writes all persons as a file that "ecluse import" reads: commas, UTF-8, one line of names.
func (p *Population) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	columns := p.Columns()
	if err := out.Write(columns); err != nil {
		return err
	}
	row := make([]string, len(columns))
	for person := range p.Persons() {
		row[0], row[1] = person.ID, person.Territory
		for i, f := range p.preset.Fields {
			row[i+2] = person.Values[f.Name]
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
