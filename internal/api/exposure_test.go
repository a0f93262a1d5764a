package api

import (
	"encoding/json"
	"net/http"
	"testing"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/exposure"

	"github.com/google/go-cmp/cmp"
)

const exposurePath = "/api/v1/exposure"

// exposedRooms know one account of each of two organisations, one of them without enforced budgets, and
// an officer.
func exposedRooms(t *testing.T) *rooms {
	r := newRooms(t)
	reach := budget.Reach{Limits: budget.Default(), OrganisationNew24h: 1000, RegisterNew24h: 1000, Familiar: 60, Idle: 50, Reachable: 9000}
	loose := reach
	loose.Observed = true
	account := func(email, organisation string, reach budget.Reach) exposure.Account {
		in := exposure.InRegister{Register: "mission-locale", Reach: reach, Day: budget.Bound24h(reach), Month: budget.Bound30d(reach), Colluding: budget.Bound30d(reach)}
		a := exposure.Account{
			Account: directory.Account{Email: email}, Organisation: directory.Organisation{Code: organisation}, Roles: []ecluse.Role{ecluse.RoleAgent},
			Registers: []exposure.InRegister{in}, Day: in.Day, Month: in.Month, Colluding: in.Colluding, Observed: reach.Observed,
		}
		for _, s := range budget.Steps(reach) {
			a.Steps = append(a.Steps, exposure.Step{Register: "mission-locale", Step: s})
		}
		return a
	}
	r.exposed = exposure.Report{At: now, Accounts: []exposure.Account{
		account("loose@a.example", "ml-75", loose), account("agent@a.example", "ml-93", reach),
		{Account: directory.Account{Email: "officer@body.example"}, Roles: []ecluse.Role{ecluse.RoleAccessOfficer}},
	}}
	return r
}

func TestExposureListsTheBoundsThatTheRoomComputed(t *testing.T) {
	r := exposedRooms(t)
	for path, accounts := range map[string][]string{
		exposurePath:                           {"loose@a.example", "agent@a.example", "officer@body.example"},
		exposurePath + "?top=1":                {"loose@a.example"},
		exposurePath + "?organisation=ml-93":   {"agent@a.example"},
		exposurePath + "?organisation=nowhere": nil,
	} {
		got := r.ask(path, "")
		var d exposure.Document
		if err := json.Unmarshal(got.body, &d); err != nil || got.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", path, got.StatusCode, got.body)
		}
		var listed []string
		for _, a := range d.Accounts {
			listed = append(listed, a.Account)
		}
		if diff := cmp.Diff(accounts, listed); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
		if d.Openers != 2 || d.NotEnforced != 1 || d.Max24h != 9000 || d.Median30d != 60+300+90 {
			t.Errorf("%s: %+v", path, d)
		}
	}
	if by, ok := r.lastRequest.(directory.Actor); !ok || by != caller.Actor() {
		t.Errorf("asked as %+v", r.lastRequest)
	}
}

func TestExposureIsRefusedInItsOwnWords(t *testing.T) {
	for err, want := range map[error]struct {
		status int
		code   string
	}{
		exposure.ErrNotYours:  {http.StatusForbidden, "role.required"},
		directory.ErrWeak:     {http.StatusForbidden, "assurance.too_low"},
		directory.ErrInactive: {http.StatusForbidden, "account.suspended"},
	} {
		r := newRooms(t)
		r.err = err
		if p := r.ask(exposurePath, "").problem(t); p.Status != want.status || p.Code != want.code {
			t.Errorf("%v: %+v", err, p)
		}
	}
	r := newRooms(t)
	for _, query := range []string{"?top=0", "?top=x", "?account=1", "?top=1&top=2"} {
		if p := r.ask(exposurePath+query, "").problem(t); p.Status != http.StatusBadRequest {
			t.Errorf("%s: %+v", query, p)
		}
	}
	crossSite := func(q *http.Request) { q.Header.Set("Sec-Fetch-Site", "cross-site") }
	if p := r.ask(exposurePath, "", crossSite).problem(t); p.Code != "origin.refused" || r.lastRequest != nil {
		t.Errorf("from a page of another site: %+v", p)
	}
}
