package web

import (
	"net/url"

	"ecluse/internal/register"
)

// mentionsPage names who answers for the registers, who works for them, and what is logged
// (GDPR art. 13 and 26; CNIL délib. 2021-122: users are told of the log first).
type mentionsPage struct {
	Registers []mentionedRegister
	Suppliers []Supplier
	Hosting   string
	Demo      bool
}

type mentionedRegister struct {
	Label       Label
	Controllers []register.Controller
	Rights      Label // in the body's words; "" = they say nothing
}

var controllerRoles = []string{"operates", "notifies", "answers"}

// mentions is public: whoever is in a register may want to know.
func (s *Site) mentions(q *query) (answer, error) {
	all, err := s.rooms.Registers.All(q.Context())
	if err != nil {
		return answer{}, err
	}
	page := mentionsPage{Suppliers: s.config.Mentions.Suppliers, Hosting: s.config.Mentions.Hosting, Demo: s.config.Demo != nil}
	for _, reg := range all {
		page.Registers = append(page.Registers, mentionedRegister{Label: reg.Schema.Label, Controllers: withKnownRoles(reg.Controllers), Rights: reg.Definition.Texts.Rights})
	}
	return show("mentions", page)
}

func withKnownRoles(all []register.Controller) []register.Controller {
	list := make([]register.Controller, len(all))
	for i, c := range all {
		var roles []string
		for _, r := range c.Roles {
			if known(controllerRoles, r) {
				roles = append(roles, r)
			}
		}
		c.Roles = roles
		list[i] = c
	}
	return list
}

func escape(s string) string { return url.QueryEscape(s) }
