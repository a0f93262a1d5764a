package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/generate"
	"ecluse/internal/keys"
	"ecluse/internal/policy"
)

// Ready is the file that tells scripts where the demo is and who can log in (design, interfaces).
type Ready struct {
	Version    int         `json:"version"`
	BaseURL    string      `json:"base_url"`
	ClockURL   string      `json:"clock_url"`
	Database   string      `json:"database"`
	Identities []Identity  `json:"identities"`
	Lapsing    []Identity  `json:"lapsing"` // whose training is over, or soon is
	APIClients []APIClient `json:"api_clients"`
	Samples    []Sample    `json:"samples"`
}

// Identity is somebody who can log in.
type Identity struct {
	Preset       string      `json:"preset"`
	Register     string      `json:"register"`
	Role         ecluse.Role `json:"role"`
	Account      string      `json:"account"`
	Name         string      `json:"name"`
	Organisation string      `json:"organisation"`
	Site         string      `json:"site"`
	Login        string      `json:"login"`
	ACR          string      `json:"acr"`
	TOTPSecret   string      `json:"totp_secret"`
	Training     string      `json:"training,omitzero"` // none, valid, due, expired; "" = none is asked for
}

// Sample is an invented person and what the first agent of the register has to do with her.
type Sample struct {
	Register   string `json:"register"`
	Login      string `json:"login"`
	Relation   string `json:"relation"`
	Surname    string `json:"surname"`
	FirstName  string `json:"first_name"`
	BirthDate  string `json:"birth_date"`
	Identifier string `json:"identifier"`
}

// samplesPerRelation is how many samples of each relation there are for the first agent.
const samplesPerRelation = 20

// Ready describes the demo once it listens at baseURL.
func (d *Demo) Ready(baseURL string) Ready {
	r := Ready{
		Version: 1, BaseURL: baseURL, ClockURL: baseURL + clockPath, Database: d.Node.Store.Engine(),
		Identities: []Identity{}, Lapsing: []Identity{}, APIClients: d.clients, Samples: []Sample{},
	}
	for _, p := range d.Populations {
		for _, a := range shown(p) {
			r.Identities = append(r.Identities, d.identity(p, a))
		}
		for _, a := range lapsing(p) {
			if i := d.identity(p, a); i.Training != "" && i.Training != directory.TrainingValid {
				r.Lapsing = append(r.Lapsing, i)
			}
		}
		r.Samples = append(r.Samples, samples(p)...)
	}
	return r
}

func (d *Demo) identity(p *generate.Population, a generate.Account) Identity {
	return Identity{
		Preset: p.Register(), Register: p.Register(), Role: a.Role, Account: a.Login, Name: a.GivenName + " " + a.UsualName,
		Organisation: a.Organisation, Site: a.Site, Login: a.Login, ACR: "eidas2", TOTPSecret: d.CodeSecret(a), Training: d.training(p, a),
	}
}

// Write writes the file whole or not at all.
func (r Ready) Write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return keys.WriteFile(path, append(text, '\n'), 0o644)
}

// ErrReady: it is no file that a demo wrote.
var ErrReady = errors.New("this is no file that a demo wrote")

// ReadReady reads the file of a demo that runs: ErrReady.
func ReadReady(path string) (r Ready, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return r, fmt.Errorf("read what a demo wrote: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil || r.BaseURL == "" {
		return r, ErrReady
	}
	return r, nil
}

// samples are persons of every relation to the first agent of a population.
func samples(p *generate.Population) []Sample {
	list := shown(p)
	i := slices.IndexFunc(list, func(a generate.Account) bool { return a.Role == ecluse.RoleAgent })
	if i < 0 {
		return nil
	}
	return samplesFor(p, list[i], samplesPerRelation)
}

// relationOrder is how samples are listed.
var relationOrder = []string{"caseload", "site", "organisation", "other", "outside"}

// samplesFor are some persons of every relation to an agent.
func samplesFor(p *generate.Population, agent generate.Account, each int) []Sample {
	mandate := policy.Territory{}
	for a := range p.Agreements() {
		if a.Code == agent.Agreement && a.Organisation == agent.Organisation {
			mandate = policy.ParseTerritory(a.Territory)
		}
	}
	have := map[string]int{}
	var out []Sample
	for person := range p.Persons() {
		relation := relationTo(agent, mandate, person)
		if have[relation] == each || person.Values["birth_date"] == "" {
			continue
		}
		have[relation]++
		out = append(out, Sample{
			Register: p.Register(), Login: agent.Login, Relation: relation, Surname: person.Values["surname"],
			FirstName: person.Values["first_name"], BirthDate: person.Values["birth_date"], Identifier: identifier(person),
		})
		if len(out) == each*len(relationOrder) {
			break
		}
	}
	slices.SortStableFunc(out, func(a, b Sample) int {
		return slices.Index(relationOrder, a.Relation) - slices.Index(relationOrder, b.Relation)
	})
	return out
}

// identifier is what the register's identifier search takes.
func identifier(p generate.Person) string {
	if nir := p.Values["nir"]; nir != "" {
		return nir
	}
	return p.ID
}

func relationTo(a generate.Account, mandate policy.Territory, p generate.Person) string {
	switch {
	case !mandate.Covers(p.Territory):
		return "outside"
	case p.Account == a.Login:
		return "caseload"
	case p.Account != "" && p.Site == a.Site:
		return "site"
	case p.Account != "" && p.Organisation == a.Organisation:
		return "organisation"
	default:
		return "other"
	}
}
