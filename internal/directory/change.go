package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
)

// Change is what a directory import asks for, by natural keys. It is the body of its approval, so
// that what takes effect is what was shown.
type Change struct {
	Controller    string               `json:"controller"` // code
	Installation  bool                 `json:"installation,omitempty"`
	Organisations []OrganisationChange `json:"organisations,omitempty"`
	Agreements    []AgreementChange    `json:"agreements,omitempty"`
	Accounts      []AccountChange      `json:"accounts,omitempty"`
	Links         []LinkChange         `json:"links,omitempty"`
}

// OrganisationChange is an organisation, or a site of Parent.
type OrganisationChange struct {
	Code      string `json:"code"`
	Parent    string `json:"parent,omitempty"`
	Kind      string `json:"kind"`
	SIRET     string `json:"siret,omitempty"`
	Name      string `json:"name"`
	Territory string `json:"territory"`
	Phone     string `json:"phone,omitempty"`
	State     string `json:"state"`
}

// AgreementChange is a convention with an organisation on a register.
type AgreementChange struct {
	Code         string            `json:"code"`
	Organisation string            `json:"organisation"`
	Register     ecluse.RegisterID `json:"register"`
	RegisterCode string            `json:"register_code"`
	Purposes     []string          `json:"purposes"`
	Fields       ecluse.FieldSet   `json:"fields"`
	Territory    string            `json:"territory"`
	Limits       string            `json:"limits,omitempty"`
	Starts       time.Time         `json:"starts"`
	Ends         time.Time         `json:"ends"`
	State        string            `json:"state"`
}

// AccountChange is an account with its roles. IDP and Sub bind it at once; without them its owner
// gets an invitation.
type AccountChange struct {
	Email        string        `json:"email"`
	GivenName    string        `json:"given_name"`
	UsualName    string        `json:"usual_name"`
	Organisation string        `json:"organisation,omitempty"`
	Site         string        `json:"site,omitempty"`
	Roles        []ecluse.Role `json:"roles"`
	Agreements   []string      `json:"agreements,omitempty"` // codes, of the organisation
	IDP          string        `json:"idp,omitempty"`
	Sub          string        `json:"sub,omitempty"`
	Ends         time.Time     `json:"ends,omitzero"`
	State        string        `json:"state"`
}

// LinkChange is a link by person number (resolved at the request, so that no identifier of a person
// stands in the body).
type LinkChange struct {
	Register ecluse.RegisterID `json:"r"`
	Person   ecluse.PersonID   `json:"p"`
	Account  string            `json:"a,omitempty"` // e-mail
	Site     string            `json:"s,omitempty"` // for the whole site, without Account
	Kind     string            `json:"k"`
	Starts   time.Time         `json:"f,omitzero"`
	Ends     time.Time         `json:"e"`
}

// Summary is the diff that an approver is shown.
type Summary struct {
	Controller    string   `json:"controller"`
	Organisations []Line   `json:"organisations"`
	Agreements    []Line   `json:"agreements"`
	Accounts      []Line   `json:"accounts"`
	Links         int      `json:"links"`
	LinkedPersons int      `json:"linked_persons"`
	Warnings      []string `json:"warnings"` // codes with an argument, "new_domain example.org"
	// Observe is what a request of KindObserve asks for; nil for every other kind.
	Observe *ObserveChange `json:"observe,omitempty"`
}

// Line is one row of a diff.
type Line struct {
	Op     string `json:"op"` // new, changed, ended
	Name   string `json:"name"`
	Detail string `json:"detail"`
}

// plan compares a change with what is there.
func (d *Directory) plan(ctx context.Context, c Change) (Summary, error) {
	controller, err := d.controllerByCode(ctx, c.Controller)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{Controller: controller.Name, Links: len(c.Links), Organisations: []Line{}, Agreements: []Line{}, Accounts: []Line{}, Warnings: []string{}}
	have, err := d.snapshot(ctx, controller.ID)
	if err != nil {
		return s, err
	}
	for _, o := range c.Organisations {
		old, known := have.organisations[o.Code]
		s.Organisations = append(s.Organisations, diff(known, o.State, old.same(o), o.Name, o.Code+" · "+o.Kind+" · "+o.Territory)...)
	}
	for _, a := range c.Agreements {
		old, known := have.agreement(a)
		detail := fmt.Sprintf("%s · %s · %s · %s", a.RegisterCode, strings.Join(a.Purposes, " "), a.Territory, a.Ends.Format(time.DateOnly))
		s.Agreements = append(s.Agreements, diff(known, a.State, known && old.same(a), a.Organisation+" "+a.Code, detail)...)
		if a.Territory == "*" {
			s.Warnings = append(s.Warnings, "whole_territory "+a.Organisation)
		}
	}
	for _, a := range c.Accounts {
		old, known := have.accounts[a.Email]
		if !known && a.State == Ended {
			continue
		}
		detail := fmt.Sprintf("%s · %s · %s", a.Email, a.Organisation, joinRoles(a.Roles))
		s.Accounts = append(s.Accounts, diff(known, a.State, known && old.same(a), a.GivenName+" "+a.UsualName, detail)...)
	}
	if c.Installation {
		s.Warnings = append(s.Warnings, fmt.Sprintf("installation %d", len(c.Accounts)))
	}
	s.Warnings = append(s.Warnings, have.newDomains(c.Accounts)...)
	persons := map[ecluse.PersonID]bool{}
	for _, l := range c.Links {
		persons[l.Person] = true
	}
	s.LinkedPersons = len(persons)
	return s, nil
}

func diff(known bool, state string, same bool, name, detail string) []Line {
	switch {
	case !known:
		return []Line{{"new", name, detail}}
	case state == Ended:
		return []Line{{"ended", name, detail}}
	case same:
		return nil
	}
	return []Line{{"changed", name, detail}}
}

func joinRoles(roles []ecluse.Role) string {
	parts := make([]string, len(roles))
	for i, r := range roles {
		parts[i] = string(r)
	}
	return strings.Join(parts, ", ")
}

func (o Organisation) same(c OrganisationChange) bool {
	return o.Name == c.Name && o.Kind == c.Kind && o.SIRET == c.SIRET && o.Territory == c.Territory && o.Phone == c.Phone && o.State == c.State
}

func (a Agreement) same(c AgreementChange) bool {
	return a.Purposes == strings.Join(c.Purposes, " ") && a.Fields == c.Fields && a.Territory == c.Territory && a.Limits == c.Limits &&
		a.Starts.Equal(c.Starts) && a.Ends.Equal(c.Ends) && a.State == c.State
}

func (a Account) same(c AccountChange) bool {
	return a.GivenName == c.GivenName && a.UsualName == c.UsualName && a.Ends.Equal(c.Ends) && a.State != Ended && c.State != Ended
}

// snapshot is what a controller has, by natural key.
type snapshot struct {
	organisations map[string]Organisation // by code
	byID          map[ecluse.OrganisationID]Organisation
	agreements    []Agreement
	accounts      map[string]Account // by e-mail; ended ones left out
}

func (d *Directory) snapshot(ctx context.Context, c ecluse.ControllerID) (snapshot, error) {
	s := snapshot{organisations: map[string]Organisation{}, byID: map[ecluse.OrganisationID]Organisation{}, accounts: map[string]Account{}}
	organisations, err := d.rows.Organisations(ctx, c)
	if err != nil {
		return s, fmt.Errorf("read the organisations: %w", err)
	}
	for _, o := range organisations {
		s.organisations[o.Code], s.byID[o.ID] = o, o
	}
	if s.agreements, err = d.rows.AllAgreements(ctx, c); err != nil {
		return s, fmt.Errorf("read the agreements: %w", err)
	}
	accounts, err := d.rows.Accounts(ctx, c)
	if err != nil {
		return s, fmt.Errorf("read the accounts: %w", err)
	}
	for _, a := range accounts {
		if a.State != Ended {
			s.accounts[a.Email] = a
		}
	}
	return s, nil
}

func (s snapshot) agreement(c AgreementChange) (Agreement, bool) {
	o, known := s.organisations[c.Organisation]
	i := slices.IndexFunc(s.agreements, func(a Agreement) bool {
		return known && a.Organisation == o.ID && a.Register == c.Register && a.Code == c.Code
	})
	if i < 0 {
		return Agreement{}, false
	}
	return s.agreements[i], true
}

// newDomains warns of e-mail domains that an organisation had no account of.
func (s snapshot) newDomains(accounts []AccountChange) []string {
	known := map[string]bool{}
	for _, a := range s.accounts {
		known[domain(a.Email)] = true
	}
	var warnings []string
	for _, a := range accounts {
		if d := domain(a.Email); len(s.accounts) > 0 && !known[d] {
			known[d] = true
			warnings = append(warnings, "new_domain "+d)
		}
	}
	return warnings
}

func domain(email string) string {
	_, d, _ := strings.Cut(email, "@")
	return d
}

func (d *Directory) controllerByCode(ctx context.Context, code string) (Controller, error) {
	all, err := d.rows.Controllers(ctx)
	if err != nil {
		return Controller{}, fmt.Errorf("read the controllers: %w", err)
	}
	i := slices.IndexFunc(all, func(c Controller) bool { return c.Code == code })
	if i < 0 {
		return Controller{}, fmt.Errorf("controller %q: %w", code, ErrNotFound)
	}
	return all[i], nil
}

func encode(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}
