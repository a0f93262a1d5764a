package web

import (
	"strconv"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/policy"
	"ecluse/internal/signin"
)

// mePage is what the caller may do, where she is signed in and what is written down about her.
type mePage struct {
	Name, Structure, Controller string
	Roles                       []ecluse.Role
	Rights                      []rightView
	Last                        []signin.Connection
	Open                        []sessionView
	Notice                      string // revoked, others
	Recover                     bool   // the caller may ask to replace a colleague's lost key
	Programs                    bool   // programs may act for the caller
	Raise                       string // page that raises a colleague's limit, "" = not the caller's to do
}

// rightView is one grant in words.
type rightView struct {
	Register     Label
	Role         ecluse.Role
	Purposes     []Label
	Fields       []Label
	Starts, Ends machineTime
	Running      bool
	Meter        meterBox
	Course       courseView
	Raised       machineTime // until when a colleague raised the soft limit
}

type sessionView struct {
	signin.Connection
	Revoke string // POST
}

// shownConnections is how many sign-ins are looked through for the three last and those still open.
const shownConnections = 30

// me shows it.
func (s *Site) me(q *query) (answer, error) {
	all, err := s.rooms.Sessions.Connections(q.Context(), q.caller, shownConnections)
	if err != nil {
		return answer{}, err
	}
	f := s.frame(q, answer{})
	page := mePage{Name: f.Who.Name, Structure: f.Who.Structure, Controller: f.Who.Controller, Roles: q.standing.Roles}
	page.Last = all[:min(3, len(all))]
	for _, c := range all {
		if c.Open {
			page.Open = append(page.Open, sessionView{Connection: c, Revoke: localPath("me", "sessions", sessionStamp(c), "revoke")})
		}
	}
	page.Recover = recoverers.admits(q.standing)
	page.Programs = agents.admits(q.standing) && f.Who.Structure != ""
	if raisers.admits(q.standing) && f.Who.Structure != "" {
		page.Raise = "/raises"
	}
	if done := q.URL.Query().Get("done"); done == "revoked" || done == "others" {
		page.Notice = done
	}
	for _, m := range q.standing.Mandates {
		right, err := s.viewMandate(q, m)
		if err != nil {
			return answer{}, err
		}
		page.Rights = append(page.Rights, right)
	}
	for _, g := range q.standing.Grants {
		if g.Role != ecluse.RoleAgent { // an agent's rights are the mandates
			page.Rights = append(page.Rights, rightView{Role: g.Role, Starts: machineTime{g.Created}, Ends: machineTime{g.Ends}, Running: true})
		}
	}
	return show("me", page)
}

// viewMandate puts an agent's right into the schema's words.
func (s *Site) viewMandate(q *query, m policy.Mandate) (rightView, error) {
	v := rightView{Role: m.Role, Starts: machineTime{m.Starts}, Ends: machineTime{m.Ends}, Running: m.Runs(s.now())}
	reg, err := s.rooms.Registers.ByID(q.Context(), m.Register)
	if err != nil {
		return v, err
	}
	v.Register, v.Course = reg.Schema.Label, s.viewCourse(reg, q.standing.Training(reg.ID))
	for _, id := range m.Purposes {
		label := Label{FR: string(id), EN: string(id)}
		if p, ok := reg.Schema.Purpose(id); ok {
			label = p.Label
		}
		v.Purposes = append(v.Purposes, label)
	}
	v.Fields = labels(reg.Schema, m.Fields)
	if !v.Running {
		return v, nil
	}
	readings, err := s.rooms.Gate.Meters(q.Context(), q.caller, reg.Code)
	if err != nil {
		return v, err
	}
	v.Meter = newMeter(readings)
	for _, r := range readings {
		if !r.RaisedUntil.IsZero() {
			v.Raised = machineTime{r.RaisedUntil}
		}
	}
	return v, nil
}

// revokeSession ends one of the caller's own sessions. The address names it by the instant of its
// sign-in: session numbers are shown nowhere.
func (s *Site) revokeSession(q *query) (answer, error) {
	all, err := s.rooms.Sessions.Connections(q.Context(), q.caller, shownConnections)
	if err != nil {
		return answer{}, err
	}
	for _, c := range all {
		if sessionStamp(c) == q.PathValue("key") {
			if _, err := s.rooms.Sessions.Revoke(q.Context(), q.caller, c.Session); err != nil {
				return answer{}, err
			}
			return redirect("/me?done=revoked")
		}
	}
	return answer{}, directory.ErrNotFound
}

func sessionStamp(c signin.Connection) string { return strconv.FormatInt(c.At.UnixMicro(), 36) }
