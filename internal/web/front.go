package web

import (
	"net/http"

	"ecluse"
)

// frontPage is the first page of a demo: what this is, which published cases it answers, who can log in.
type frontPage struct {
	Cases    []frontCase
	Steps    []string
	Groups   []demoGroup
	SignedIn bool
	Tour     bool // there is a guided tour
}

// frontCase is one published case; Answered is false while nothing here answers it yet.
type frontCase struct {
	Code     string
	Answered bool
}

// demoGroup is the people of one register who can log in.
type demoGroup struct {
	Register Label
	Roles    []demoRole
}

type demoRole struct {
	Role   ecluse.Role
	People []DemoIdentity
}

// entryPage is the first page of a real installation.
type entryPage struct{ Providers []Provider }

// plainText is an answer that is not a page.
type plainText string

// frontCases are the five published cases, in the order of the mission. The last is about people's
// own space, which no part of the program serves yet.
var frontCases = []frontCase{{"licences", true}, {"missions", true}, {"partners", true}, {"integration", true}, {"candidates", false}}

var frontSteps = []string{"ask", "decide", "write", "show"}

// front answers "/": the desk for whoever is signed in, else the first page. In a demo the first
// page stays reachable after sign-in under ?presentation.
func (s *Site) front(q *query) (answer, error) {
	if q.signedIn && (s.config.Demo == nil || !q.URL.Query().Has("presentation")) {
		return redirect(s.start(q.standing))
	}
	if s.config.Demo == nil {
		return show("entry", entryPage{Providers: s.config.Providers})
	}
	return show("front", frontPage{Cases: frontCases, Steps: frontSteps, Groups: demoGroups(s.config.Demo.Identities), SignedIn: q.signedIn, Tour: s.config.Demo.Tour != nil})
}

// demoGroups sorts identities by register, then by role in the glossary's order.
func demoGroups(all []DemoIdentity) []demoGroup {
	var groups []demoGroup
	for _, register := range registersOf(all) {
		group := demoGroup{Register: register}
		for _, role := range ecluse.Roles {
			var people []DemoIdentity
			for _, i := range all {
				if i.Register == register && i.Role == role {
					people = append(people, i)
				}
			}
			if len(people) > 0 {
				group.Roles = append(group.Roles, demoRole{Role: role, People: people})
			}
		}
		groups = append(groups, group)
	}
	return groups
}

func registersOf(all []DemoIdentity) []Label {
	var list []Label
	seen := map[Label]bool{}
	for _, i := range all {
		if !seen[i.Register] {
			seen[i.Register] = true
			list = append(list, i.Register)
		}
	}
	return list
}

// robots keeps search engines out of everything.
func (s *Site) robots(*query) (answer, error) {
	return answer{status: http.StatusOK, data: plainText("User-agent: *\nDisallow: /\n")}, nil
}

// favicon sends browsers that ask for the old name to the fingerprinted picture.
func (s *Site) favicon(*query) (answer, error) { return redirect(s.assets.url["favicon.svg"]) }
