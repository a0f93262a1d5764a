package web

import (
	"errors"
	"slices"

	"ecluse"
	"ecluse/internal/directory"
)

// homePage is where everybody but an agent starts: what waits for an answer, then what one may do.
type homePage struct {
	Name    string
	Waiting []homeDoor
	Others  []homeDoor
}

// homeDoor is a place that the caller's roles open. Its texts are home.<Code>.{title,text} and, with
// something that waits, home.<Code>.waits.
type homeDoor struct {
	Code, Href string
	Waits      int
}

// doorway is a place of the home page: its route says who may go there, waits what waits there.
type doorway struct {
	code, href string
	waits      func(*query) (int, error) // nil: nothing ever does
}

// doorways lists the places in the order in which the home page shows them.
func (s *Site) doorways() []doorway {
	return []doorway{
		{"desk", "/desk", nil},
		{"approvals", "/approvals", s.waitingApprovals},
		{"reviews", "/reviews", s.waitingReviews},
		{"replacements", "/replacements", s.waitingReplacements},
		{"security", "/security", nil},
		{"colleagues", "/colleagues", nil},
		{"exposure", "/exposure", nil},
		{"raises", "/raises", nil},
		{"recovery", "/recovery", nil},
		{"programs", "/programs", nil},
	}
}

// places are the main navigation: each is there for whom its route admits.
var places = []struct{ href, key string }{
	{"/home", "nav.home"}, {"/desk", "nav.desk"}, {"/approvals", "nav.approvals"}, {"/reviews", "nav.reviews"},
	{"/colleagues", "nav.colleagues"}, {"/security", "nav.security"}, {"/exposure", "nav.exposure"}, {"/me", "nav.me"}, {"/aide", "nav.help"},
}

// home shows it.
func (s *Site) home(q *query) (answer, error) {
	page := homePage{Name: q.standing.Account.GivenName}
	for _, d := range s.doorways() {
		if !s.opens(d.href, q.standing) {
			continue
		}
		door := homeDoor{Code: d.code, Href: d.href}
		if d.waits != nil {
			var err error
			if door.Waits, err = d.waits(q); err != nil {
				return answer{}, err
			}
		}
		if door.Waits > 0 {
			page.Waiting = append(page.Waiting, door)
		} else {
			page.Others = append(page.Others, door)
		}
	}
	return show("home", page)
}

// waitingApprovals counts what somebody else asked for.
func (s *Site) waitingApprovals(q *query) (n int, err error) {
	all, err := s.rooms.Directory.Approvals(q.Context(), q.actor())
	for _, a := range all {
		if a.RequestedBy != q.caller.Account && a.Kind != directory.KindStandIn {
			n++
		}
	}
	return n, err
}

// waitingReplacements counts what a colleague asked for.
func (s *Site) waitingReplacements(q *query) (n int, err error) {
	all, err := s.rooms.Directory.Approvals(q.Context(), q.actor())
	for _, a := range all {
		if a.Kind == directory.KindStandIn && a.RequestedBy != q.caller.Account {
			n++
		}
	}
	return n, err
}

// waitingReviews counts what is asked of the caller, not what she is only told.
func (s *Site) waitingReviews(q *query) (n int, err error) {
	for _, list := range []directory.ReviewList{directory.ReviewsWaiting, directory.ReviewsContested} {
		p, err := s.rooms.Directory.Reviews(q.Context(), q.actor(), list, 0)
		if err != nil && !errors.Is(err, directory.ErrNotFound) {
			return 0, err
		}
		n += p.Count
	}
	return n, nil
}

// opens reports whether a caller may read the page of an address.
func (s *Site) opens(href string, st directory.Standing) bool {
	return slices.ContainsFunc(s.routes, func(r Route) bool { return r.Method == "GET" && r.Pattern == href && r.Access.admits(st) })
}

// start is where a signed-in caller begins: an agent with the person in front of her.
func (s *Site) start(st directory.Standing) string {
	switch {
	case slices.Equal(st.Roles, []ecluse.Role{ecluse.RoleAgent}):
		return "/desk"
	case s.opens("/home", st):
		return "/home"
	}
	return "/me"
}
