package web

import (
	"time"

	"ecluse"
)

// Tour is the thief of a demo's guided tour, who acts over HTTP while the visitor looks. Safe for
// concurrent use.
type Tour interface {
	// Begin lets the thief act; it does nothing while one does.
	Begin()
	// Seen is what happened since.
	Seen() Seen
}

// Seen is what the thief of a tour did and holds.
type Seen struct {
	Begun, Running bool
	Victim         string // whose account was stolen
	Persons        int    // distinct persons in the answers that it got
	Opened         int    // records in them
	Events         []TourEvent
}

// TourEvent is one thing that the thief tried. Code names its text (tour.event.*): asked, own_approval,
// stranger, invited, trained, opened, budget, refused, ended, gave_up.
type TourEvent struct {
	At    time.Time
	Code  string
	About string // an address, "" = none
	Times int    // how often in a row
}

// tourEvents are the codes that have a text.
var tourEvents = []string{"stolen", "asked", "own_approval", "stranger", "invited", "trained", "opened", "budget", "refused", "ended", "gave_up"}

// tourPage leads a visitor through the roles in three minutes, beside a thief.
type tourPage struct {
	Seen  Seen
	Lines []tourLine
	Steps []tourStep
}

type tourLine struct {
	At    machineTime
	Code  string
	About string
	Times int
	Bad   bool // the thief got something
}

// tourStep is what the visitor does next, as whom. Code names its texts (tour.step.*).
type tourStep struct {
	Code   string
	Who    DemoIdentity // Name "" = nobody signs in
	Attack bool         // the step that lets the thief act
}

// tourSteps are the steps, with the role that takes them.
var tourSteps = []struct {
	code string
	role ecluse.Role // "" = nobody
	nth  int
}{
	{"agent", ecluse.RoleAgent, 0}, {"thief", "", 0}, {"officer", ecluse.RoleAccessOfficer, 1}, {"security", ecluse.RoleSecurityOfficer, 0}, {"proof", "", 0},
}

// tourTable is the guided tour, in a demo that has one.
func (s *Site) tourTable() []Route {
	if s.config.Demo == nil || s.config.Demo.Tour == nil {
		return nil
	}
	return []Route{
		{"GET", "/tour", everybody, s.tour, nil},
		{"POST", "/tour", everybody, s.beginTour, func(*query) string { return "/tour" }},
	}
}

func (s *Site) tour(*query) (answer, error) {
	page := tourPage{Seen: s.config.Demo.Tour.Seen()}
	for _, e := range page.Seen.Events {
		page.Lines = append(page.Lines, tourLine{At: machineTime{e.At}, Code: e.Code, About: e.About, Times: e.Times, Bad: e.Code == "opened" || e.Code == "invited"})
	}
	for _, step := range tourSteps {
		page.Steps = append(page.Steps, tourStep{Code: step.code, Who: s.identity(step.role, step.nth), Attack: step.code == "thief"})
	}
	return show("tour", page)
}

// beginTour lets the thief act.
func (s *Site) beginTour(*query) (answer, error) {
	s.config.Demo.Tour.Begin()
	return redirect("/tour#live")
}

// identity is the nth person of a role in the first register of the demo.
func (s *Site) identity(role ecluse.Role, nth int) DemoIdentity {
	for _, i := range s.config.Demo.Identities {
		if i.Role != role || i.Register != s.config.Demo.Identities[0].Register {
			continue
		}
		if nth == 0 {
			return i
		}
		nth--
	}
	return DemoIdentity{}
}
