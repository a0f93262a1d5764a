package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ecluse"
)

// MissingError names what a change refers to and neither the directory nor the change itself has: it
// could be asked for, and would fail when somebody approves it.
type MissingError struct {
	// Names are sentences such as "account a@example.org: organisation NORD", at most maxMissing.
	Names []string
}

func (e *MissingError) Error() string { return "these do not exist: " + strings.Join(e.Names, "; ") }

const maxMissing = 20

// Missing checks that everything a change refers to will be there when it is applied: *MissingError
// if not. It changes nothing.
func (d *Directory) Missing(ctx context.Context, c Change) error {
	controller, err := d.controllerByCode(ctx, c.Controller)
	if err != nil {
		return err
	}
	have, err := d.snapshot(ctx, d.rows, controller.ID, Change{})
	if err != nil {
		return err
	}
	m := &missing{parents: map[string]string{}, agreements: map[string]bool{}, accounts: map[string]bool{}}
	for code, o := range have.organisations {
		m.parents[code] = have.byID[o.Parent].Code
	}
	for _, a := range have.agreements {
		m.agreements[have.byID[a.Organisation].Code+" "+a.Code] = true
	}
	for email := range have.accounts {
		m.accounts[email] = true
	}
	return m.check(c)
}

// missing knows what there will be, in the order in which a change is applied.
type missing struct {
	parents    map[string]string // organisation or site -> the organisation of a site, ""
	agreements map[string]bool   // organisation and code
	accounts   map[string]bool   // e-mail
	names      []string
}

func (m *missing) want(there bool, format string, a ...any) {
	if text := fmt.Sprintf(format, a...); !there && len(m.names) < maxMissing && !slices.Contains(m.names, text) {
		m.names = append(m.names, text)
	}
}

func (m *missing) organisation(code string) bool {
	parent, ok := m.parents[code]
	return ok && parent == ""
}

func (m *missing) check(c Change) error {
	for _, o := range c.Organisations {
		m.want(o.Parent == "" || m.organisation(o.Parent), "site %s: organisation %s", o.Code, o.Parent)
		m.parents[o.Code] = o.Parent
	}
	for _, a := range c.Agreements {
		_, ok := m.parents[a.Organisation]
		m.want(ok, "agreement %s: organisation %s", a.Code, a.Organisation)
		m.agreements[a.Organisation+" "+a.Code] = true
	}
	for _, a := range c.Accounts {
		m.account(a)
	}
	for _, l := range c.Links {
		m.want(l.Account == "" || m.accounts[l.Account], "link: account %s", l.Account)
		m.want(l.Site == "" || m.parents[l.Site] != "", "link: site %s", l.Site)
	}
	if len(m.names) > 0 {
		return &MissingError{m.names}
	}
	return nil
}

func (m *missing) account(a AccountChange) {
	if a.State != Ended {
		m.accounts[a.Email] = true
	}
	if a.Organisation == "" {
		return
	}
	m.want(m.organisation(a.Organisation), "account %s: organisation %s", a.Email, a.Organisation)
	m.want(a.Site == "" || a.Organisation != "" && m.parents[a.Site] == a.Organisation, "account %s: site %s of %s", a.Email, a.Site, a.Organisation)
	if !slices.Contains(a.Roles, ecluse.RoleAgent) {
		return
	}
	for _, code := range a.Agreements {
		m.want(m.agreements[a.Organisation+" "+code], "account %s: agreement %s of %s", a.Email, code, a.Organisation)
	}
}
