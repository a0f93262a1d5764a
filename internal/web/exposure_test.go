package web

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/exposure"
)

// fakeExposure is the room of exposure behind its page.
type fakeExposure struct {
	report exposure.Report
	reads  int
}

// exposures reads exposures, of which there are several readers among the fakes.
type exposures struct{ *fakeRooms }

func (e exposures) Read(ctx context.Context, by directory.Actor) (exposure.Report, error) {
	return e.fakeExposure.Read(ctx, by)
}

func (f *fakeExposure) Read(context.Context, directory.Actor) (exposure.Report, error) {
	f.reads++
	return f.report, nil
}

// exposedAccount is an account with a reach in one register.
func exposedAccount(name, organisation string, reach budget.Reach) exposure.Account {
	in := exposure.InRegister{Register: "mission-locale", Reach: reach, Day: budget.Bound24h(reach), Month: budget.Bound30d(reach)}
	given, usual, _ := strings.Cut(name, " ")
	a := exposure.Account{
		Account:      directory.Account{Email: strings.ToLower(given) + "@" + organisation + ".example", GivenName: given, UsualName: usual},
		Organisation: directory.Organisation{Code: organisation, Name: "Mission locale " + organisation}, Roles: []ecluse.Role{ecluse.RoleAgent},
		Registers: []exposure.InRegister{in}, Day: in.Day, Month: in.Month, Colluding: budget.Bound{Persons: in.Month.Persons + 1500, Term: in.Month.Term}, Observed: reach.Observed,
	}
	for _, s := range budget.Steps(reach) {
		if len(a.Steps) < 3 {
			a.Steps = append(a.Steps, exposure.Step{Register: "mission-locale", Step: s})
		}
	}
	return a
}

// asOverseer has 56 accounts of two organisations in front of an access officer.
func asOverseer(f *fakeRooms) {
	asOfficer(f)
	reach := func(familiar, reachable int) budget.Reach {
		return budget.Reach{Limits: budget.Default(), OrganisationNew24h: 119, RegisterNew24h: 440, Familiar: familiar, Idle: familiar / 3, Reachable: reachable}
	}
	f.report = exposure.Report{At: testNow}
	add := func(name, organisation string, r budget.Reach) {
		f.report.Accounts = append(f.report.Accounts, exposedAccount(name, organisation, r))
	}
	add("Nadia Ferrand", "lezarde", reach(9000, 22_000))
	for i := range 40 {
		add(fmt.Sprintf("Camille Agent-%d", i), "lezarde", reach(700-12*i, 22_000))
	}
	for i := range 14 {
		add(fmt.Sprintf("Hugo Agent-%d", i), "bievre", reach(60, 310-9*i))
	}
	add("Inès Colombe", "bievre", budget.Reach{Explained: true, Limits: budget.Default(), Familiar: 12, Reachable: 300})
	f.report.Accounts = append(f.report.Accounts, exposure.Account{Account: directory.Account{Email: "officer@body.example"}, Roles: []ecluse.Role{ecluse.RoleAccessOfficer}})
}

// asLooseOverseer: budgets are only observed for the first account, and it is the worst.
func asLooseOverseer(f *fakeRooms) {
	asOverseer(f)
	r := f.report.Accounts[0].Registers[0].Reach
	r.Observed = true
	f.report.Accounts[0] = exposedAccount("Nadia Ferrand", "lezarde", r)
}

func asOverseerOfNobody(f *fakeRooms) {
	asOfficer(f)
	f.report = exposure.Report{At: testNow}
}

// statesOfExposure are the states of the page.
func statesOfExposure() map[string]state {
	return map[string]state{
		"exposure": with(get("/exposure"), asOverseer), "exposure-one": with(get("/exposure?organisation=bievre"), asOverseer),
		"exposure-loose": with(get("/exposure"), asLooseOverseer), "exposure-empty": with(get("/exposure"), asOverseerOfNobody),
	}
}

func TestExposureShowsTheWorstTwentyWhatBindsThemAndWhatWouldHelp(t *testing.T) {
	for lang, want := range map[string][]string{
		"en": {"3,600", "In 30 days thirty times 120.", "Total of a day from 120 to 80:", "leaves 80 in 24 hours, 2,400 in 30 days.", "36 more accounts are less exposed.", ">766<"},
		"fr": {"3\u202f600", "En 30 jours, trente fois 120.", "Total d’un jour de 120 à 80", "ramène à 80 en 24 heures, 2\u202f400 en 30 jours.", "36 autres comptes sont moins exposés.", ">766<"},
	} {
		w, f := visit(t, with(get("/exposure"), asOverseer), lang)
		body := w.Body.String()
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("%s: the page does not say %q", lang, text)
			}
		}
		if n := strings.Count(body, `<li class="exposed`); n != 20 {
			t.Errorf("%s: %d accounts are listed", lang, n)
		}
		if f.reads != 1 || strings.Contains(body, "officer@body.example") {
			t.Errorf("%s: read %d times, or somebody who opens nothing is listed", lang, f.reads)
		}
	}
}

func TestExposureOfOneOrganisationLeavesTheOthersOut(t *testing.T) {
	w, _ := visit(t, with(get("/exposure?organisation=bievre"), asOverseer), "en")
	if body := w.Body.String(); strings.Contains(body, "Nadia") || !strings.Contains(body, "15 accounts can open files.") || !strings.Contains(body, "The 12 persons entrusted, and nobody else.") {
		t.Errorf("%s", body)
	}
	w, _ = visit(t, with(get("/exposure?organisation=nowhere"), asOverseer), "en")
	if !strings.Contains(w.Body.String(), "No account can open a file") {
		t.Error("an organisation that is not there has accounts")
	}
}

func TestTheHistogramCountsEveryAccountOnce(t *testing.T) {
	var accounts []exposure.Account
	for persons := range 120_000 / 7 {
		accounts = append(accounts, exposure.Account{Month: budget.Bound{Persons: persons * 7}})
	}
	h := newHistogram(accounts)
	total := 0
	for i, b := range h.Bars {
		total += b.Count
		if b.Y < 0 || b.Y+b.H != h.Base || b.X+b.W > h.Width || i > 0 && b.From != h.Bars[i-1].To+1 {
			t.Errorf("bar %d: %+v", i, b)
		}
	}
	if total != len(accounts) || h.Bars[len(h.Bars)-1].To != 0 {
		t.Errorf("%d of %d accounts", total, len(accounts))
	}
	if h := newHistogram(nil); h.Bars != nil {
		t.Errorf("of nobody: %+v", h)
	}
}
