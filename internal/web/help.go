package web

import (
	"slices"

	"ecluse"
)

// helpPage is the short help, for the reader's roles first.
type helpPage struct {
	Topics      []helpTopic
	Idle        int // minutes
	Phone, Duty string
}

// helpTopic is one question and its answer: help.<Code>.{question,answer}.
type helpTopic struct {
	Code string
	Mine bool
}

// helpTopics lists the questions with the roles they are for; no role = everybody.
var helpTopics = []struct {
	code  string
	roles []ecluse.Role
}{
	{"find", []ecluse.Role{ecluse.RoleAgent}},
	{"reason", []ecluse.Role{ecluse.RoleAgent}},
	{"refused", []ecluse.Role{ecluse.RoleAgent}},
	{"meter", []ecluse.Role{ecluse.RoleAgent}},
	{"urgent", []ecluse.Role{ecluse.RoleAgent}},
	{"review", []ecluse.Role{ecluse.RoleAccountManager, ecluse.RoleSecurityOfficer}},
	{"approve", []ecluse.Role{ecluse.RoleAccessOfficer}},
	{"lock", nil},
	{"log", nil},
	{"keys", nil},
}

// help is public: somebody who cannot sign in needs it most.
func (s *Site) help(q *query) (answer, error) {
	page := helpPage{Idle: int(s.config.Idle.Minutes()), Phone: q.standing.Organisation.Phone, Duty: s.config.Duty}
	if page.Idle == 0 {
		page.Idle = 15
	}
	var later []helpTopic
	for _, t := range helpTopics {
		switch {
		case slices.ContainsFunc(t.roles, q.standing.Has):
			page.Topics = append(page.Topics, helpTopic{t.code, true})
		case t.roles == nil || !q.signedIn:
			later = append(later, helpTopic{t.code, false})
		}
	}
	page.Topics = append(page.Topics, later...)
	return show("help", page)
}
