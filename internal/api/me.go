package api

import (
	"net/http"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/policy"
	"ecluse/internal/register"
)

// meAnswer is who the caller is and what is open to the caller.
type meAnswer struct {
	Account          string             `json:"account"`
	Name             string             `json:"name"`
	Organisation     string             `json:"organisation"`
	OrganisationName string             `json:"organisation_name"`
	Site             string             `json:"site"`
	SiteName         string             `json:"site_name"`
	Roles            []ecluse.Role      `json:"roles"`
	Grants           []grantAnswer      `json:"grants"`
	Training         []trainingAnswer   `json:"training"` // of the registers that ask for one
	Budgets          []budgetAnswer     `json:"budgets"`
	Connections      []connectionAnswer `json:"connections"` // the last three (CNIL logging guide)
	Client           *clientAnswer      `json:"client,omitempty"`
}

// trainingAnswer is what the account's certificate of a register is worth.
type trainingAnswer struct {
	Register   string    `json:"register"`
	State      string    `json:"state"` // none, valid, due, expired
	ValidUntil time.Time `json:"valid_until,omitzero"`
}

// clientAnswer is the program that asks, for the account or for itself.
type clientAnswer struct {
	ID   string `json:"client_id"`
	Name string `json:"name"`
}

type grantAnswer struct {
	Register string          `json:"register"`
	Label    string          `json:"label"`
	Purposes []purposeAnswer `json:"purposes"`
	Fields   []string        `json:"fields"`
}

type purposeAnswer struct {
	ID     ecluse.Purpose `json:"id"`
	Label  string         `json:"label"`
	Fields []string       `json:"fields"` // what this purpose may show under the grant
}

// budgetAnswer is one line of a meter. Register is set where several registers are listed.
type budgetAnswer struct {
	Register string        `json:"register,omitzero"`
	Code     ecluse.Reason `json:"code"`
	Used     int           `json:"used"`
	Limit    int           `json:"limit"`
	Window   string        `json:"window"` // 10min, 24h or 30d
}

type connectionAnswer struct {
	At      time.Time `json:"at"`
	Browser string    `json:"browser"`
	Network string    `json:"network"`
	Current bool      `json:"current"`
}

func (a *API) me(c *call) (reply, error) {
	if err := c.parameters(); err != nil {
		return reply{}, err
	}
	standing, err := a.rooms.Directory.Standing(c.Context(), c.caller.Account)
	if err != nil {
		return reply{}, err
	}
	answer := meAnswer{
		Account: standing.Account.Email, Name: standing.Account.Name(), Roles: append([]ecluse.Role{}, standing.Roles...),
		Organisation: standing.Organisation.Code, OrganisationName: standing.Organisation.Name,
		Site: standing.Site.Code, SiteName: standing.Site.Name,
		Grants: []grantAnswer{}, Training: []trainingAnswer{}, Budgets: []budgetAnswer{}, Connections: []connectionAnswer{},
	}
	mandates, err := a.mandates(c, standing, &answer)
	if err != nil {
		return reply{}, err
	}
	for _, m := range mandates {
		if err := a.addGrant(c, &answer, m, standing); err != nil {
			return reply{}, err
		}
	}
	if c.caller.Client != 0 {
		return reply{status: http.StatusOK, body: answer}, nil
	}
	connections, err := a.rooms.Sessions.Connections(c.Context(), c.caller, 3)
	if err != nil {
		return reply{}, err
	}
	for _, n := range connections {
		answer.Connections = append(answer.Connections, connectionAnswer{n.At.UTC().Truncate(time.Second), n.Browser, n.Network, n.Current})
	}
	return reply{status: http.StatusOK, body: answer}, nil
}

// mandates are those that open records for the caller today: of a program that acts for somebody, what
// both may. answer, if there is one, is told of the program.
func (a *API) mandates(c *call, s directory.Standing, answer *meAnswer) ([]policy.Mandate, error) {
	mandates := s.Mandates
	if c.caller.Client != 0 {
		program, err := a.rooms.Directory.Standing(c.Context(), c.caller.Client)
		if err != nil {
			return nil, err
		}
		if answer != nil {
			answer.Client = &clientAnswer{program.Account.Sub, program.Account.Name()}
		}
		if c.caller.Client != c.caller.Account {
			mandates = policy.Together(mandates, program.Mandates)
		}
	}
	return a.running(mandates), nil
}

func (a *API) running(mandates []policy.Mandate) []policy.Mandate {
	now := a.rooms.Now()
	return slices.DeleteFunc(slices.Clone(mandates), func(m policy.Mandate) bool {
		return !m.Running || m.Role != ecluse.RoleAgent || now.Before(m.Starts) || !m.Ends.IsZero() && !now.Before(m.Ends)
	})
}

// addGrant adds a mandate, and the meters of its register if they are not there yet.
func (a *API) addGrant(c *call, answer *meAnswer, m policy.Mandate, s directory.Standing) error {
	reg, err := a.rooms.Registers.ByID(c.Context(), m.Register)
	if err != nil {
		return err
	}
	counted := slices.ContainsFunc(answer.Grants, func(other grantAnswer) bool { return other.Register == reg.Code })
	answer.Grants = append(answer.Grants, newGrant(reg, m, c.lang))
	if counted {
		return nil
	}
	a.addTraining(answer, reg, s)
	readings, err := a.rooms.Gate.Meters(c.Context(), c.caller, reg.Code)
	if err != nil {
		return err
	}
	for _, b := range newBudgets(readings) {
		b.Register = reg.Code
		answer.Budgets = append(answer.Budgets, b)
	}
	return nil
}

// addTraining says what the certificate of a register is worth. A program needs none of its own.
func (a *API) addTraining(answer *meAnswer, reg *register.Register, s directory.Standing) {
	if reg.Definition.Training == nil || s.Account.Kind == directory.KindClient {
		return
	}
	t := s.Training(reg.ID)
	answer.Training = append(answer.Training, trainingAnswer{reg.Code, t.State(a.rooms.Now()), t.Ends.UTC()})
}

func newGrant(reg *register.Register, m policy.Mandate, lang string) grantAnswer {
	s := reg.Schema
	answer := grantAnswer{Register: reg.Code, Label: s.Label.In(lang), Purposes: []purposeAnswer{}, Fields: names(s, m.Fields)}
	for _, id := range m.Purposes {
		purpose, found := s.Purpose(id)
		if !found { // an agreement of an older schema
			continue
		}
		answer.Purposes = append(answer.Purposes, purposeAnswer{id, purpose.Label.In(lang), names(s, purpose.Fields&m.Fields)})
	}
	return answer
}

func names(s *register.Schema, set ecluse.FieldSet) []string {
	return append([]string{}, s.Names(set)...)
}

func newBudgets(readings []budget.Reading) []budgetAnswer {
	answers := []budgetAnswer{}
	for _, r := range readings {
		answers = append(answers, budgetAnswer{Code: r.Code, Used: r.Used, Limit: r.Limit, Window: window(r.Window)})
	}
	return answers
}

// window names the windows that budgets have.
func window(d time.Duration) string {
	switch d {
	case 10 * time.Minute:
		return "10min"
	case 24 * time.Hour:
		return "24h"
	case 30 * 24 * time.Hour:
		return "30d"
	}
	return d.String()
}
