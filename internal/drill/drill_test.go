package drill

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/demo"
	"ecluse/internal/directory"
	"ecluse/internal/scope"
)

// small is a drill that a test can afford.
func small(names ...string) Options {
	return Options{
		Scenarios: names, Seed: 1, Persons: 500, Days: 1, Now: time.Now, Step: func(string, float64) {},
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}
}

// entrust has two deceived officers entrust an account with everybody in the register.
func entrust(account func(*ground) string) func(context.Context, *ground) error {
	return func(ctx context.Context, g *ground) error {
		c := g.census[g.register(0)]
		reg, err := g.demo.Node.Registers.ByCode(ctx, g.register(0))
		if err != nil {
			return err
		}
		names := make([]string, len(c.people))
		for i, p := range c.people {
			names[i] = p.ID
		}
		ids, err := g.demo.Node.Registers.Resolve(ctx, reg, names)
		if err != nil {
			return err
		}
		change := directory.Change{Controller: c.population.Controller()}
		for _, id := range ids {
			change.Links = append(change.Links, directory.LinkChange{
				Register: reg.ID, Persons: []ecluse.PersonID{id}, Account: account(g), Kind: "caseload", Ends: g.now().AddDate(0, 1, 0).Truncate(24 * time.Hour),
			})
		}
		var by []directory.Actor
		for _, officer := range g.accounts(0, ecluse.RoleAccessOfficer, nil)[:2] {
			id, err := g.account(ctx, officer.Login)
			if err != nil {
				return err
			}
			by = append(by, directory.Actor{Account: id, CLI: "test", Assured: true, Strong: true})
		}
		approval, err := g.demo.Node.Directory.Request(ctx, by[0], change)
		if err != nil {
			return err
		}
		return g.demo.Node.Directory.Decide(ctx, by[1], approval.ID, true)
	}
}

// approveAll has a careless officer approve whatever waits.
func approveAll(ctx context.Context, g *ground) error {
	d := g.door()
	if _, err := d.SignIn(ctx, demo.SignIn{Login: g.accounts(0, ecluse.RoleAccessOfficer, nil)[1].Login}); err != nil {
		return err
	}
	_, answer, err := d.Call(ctx, "GET", "/accounts/requests", nil)
	for _, r := range objects(answer, "requests") {
		if err == nil {
			_, _, err = d.Call(ctx, "POST", "/accounts/requests/"+text(r, "id")+"/approve", nil)
		}
	}
	return err
}

// alter changes an entry of the ledger around the program.
func alter(ctx context.Context, g *ground) error {
	db, err := sql.Open("sqlite", filepath.Join(g.dir, "ecluse.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "UPDATE entries SET decision = 'deny' WHERE n = (SELECT max(n) FROM entries WHERE kind = 'disclose' AND decision = 'allow')")
	return err
}

// spill leaves a file with a person's values beside the database.
func spill(_ context.Context, g *ground) error {
	p := g.census[g.register(0)].people[0]
	return os.WriteFile(filepath.Join(g.dir, "export.backup"), []byte(p.Values["email"]+p.Values["dossier"]), 0o600)
}

func TestEveryScenarioIsRedWhereTheDefenceIsWeak(t *testing.T) {
	stolen := func(g *ground) string { return g.stolen[0] }
	weak := map[string]struct {
		weakness
		want string // the only promise that is broken
	}{
		"opuss":               {weakness{scope: func(d *scope.Document) { d.Persons-- }}, "the scope is not exact"},
		"mission-locale-2024": {weakness{uncontain: true}, "records served after containment"},
		"rgc":                 {weakness{attacked: approveAll}, "2 accounts were made by one"},
		"rgc-deceived":        {weakness{scope: func(d *scope.Document) { d.Persons++ }}, "the scope is not exact"},
		"partner-2024":        {weakness{attacked: alter}, "the ledger does not verify"},
		"partner-portal-2025": {weakness{promised: entrust(stolen)}, "persons obtained"},
		"cir-provider":        {weakness{promised: entrust(stolen)}, "persons obtained"},
		"supplier":            {weakness{promised: spill}, "1 persons obtained, 0 promised"},
		"insider-slow-1":      {weakness{scope: func(d *scope.Document) { d.Fields["surname"]++ }}, "the scope is not exact"},
		"insider-slow-2":      {weakness{uncontain: true}, "records served after containment"},
		"insider-slow-5":      {weakness{attacked: alter}, "the ledger does not verify"},
	}
	o := small()
	o.weak = map[string]weakness{}
	for _, name := range Names() {
		o.weak[name] = weak[name].weakness
		if weak[name].want == "" {
			t.Errorf("%s: no weakness shows that it can fail", name)
		}
	}
	table, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if table.Held() {
		t.Error("the table holds")
	}
	for _, row := range table.Rows {
		if broken := row.Broken(); len(broken) != 1 || !strings.Contains(broken[0], weak[row.Name].want) {
			t.Errorf("%s: broken %q, want %q alone", row.Name, broken, weak[row.Name].want)
		}
	}
}

func TestTheSameSeedGivesTheSameTable(t *testing.T) {
	var tables []string
	for range 2 {
		table, err := Run(t.Context(), small("mission-locale-2024", "rgc"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range table.Rows {
			table.Rows[i].ContainedS = nil // the machine's time
		}
		var b strings.Builder
		if err := table.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		if tables = append(tables, b.String()); !table.Held() {
			t.Error("a promise is broken:\n", b.String())
		}
	}
	if tables[0] != tables[1] {
		t.Errorf("two tables:\n%s\n%s", tables[0], tables[1])
	}
}
