package drill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/node"
	"ecluse/internal/scope"
)

// operator is who reads exposure and scope: the machine's own command line, as it is written in the ledger.
const operator = "cli:drill@instance"

// row begins a scenario's row.
func (g *ground) row(s scenario, a attack) Row {
	for _, t := range a.thieves {
		g.shift.without(t.login)
	}
	return Row{
		Name: s.name, Preset: s.presets[0], Wanted: s.wanted, RegisterSize: len(g.census[g.register(0)].people), Source: s.source, Note: a.note,
	}
}

// bound is what exposure promises of the thieves together for the length of the attack: each of them has
// the bound of a day for every day of it, and never more than that of 30 days.
func (g *ground) bound(ctx context.Context, a attack, length time.Duration) (int, error) {
	report, err := g.demo.Node.Exposures.Examine(ctx, operator)
	if err != nil {
		return 0, fmt.Errorf("ask for the exposure: %w", err)
	}
	total := 0
	for _, t := range a.thieves {
		for _, e := range report.Accounts {
			if e.Email != t.login {
				continue
			}
			if length <= 24*time.Hour {
				total += e.Day.Persons
			} else {
				total += e.Month.Persons
			}
		}
	}
	return total, nil
}

// count fills in what the thieves have.
func (g *ground) count(row *Row, a attack) {
	all := together(a.thieves)
	row.Obtained = Obtained{Persons: len(all.persons), Records: all.records, Fields: all.fields()}
	row.Share = float64(len(all.persons)) / float64(max(1, row.RegisterSize))
	row.Refusals, row.Normal = all.refusals, g.shift.normal
}

// account finds an account by its login.
func (g *ground) account(ctx context.Context, login string) (ecluse.AccountID, error) {
	a, _, err := g.demo.Node.Directory.ByEmail(ctx, login)
	return a.ID, err
}

// examine asks for the scope of each thief's account and compares it with what the thief has: the fields of
// each person, as a multiset, since the scope names nobody.
func (g *ground) examine(ctx context.Context, row *Row, a attack) error {
	for _, t := range a.thieves {
		if t.login == "" {
			continue
		}
		id, err := g.account(ctx, t.login)
		if err != nil {
			return err
		}
		s, err := g.demo.Node.Scope.Read(ctx, directory.Actor{CLI: operator}, scope.Query{Account: id})
		if err != nil {
			return fmt.Errorf("ask for the scope: %w", err)
		}
		one := compare(told(s), t.loot)
		if row.Scope == nil {
			row.Scope = &one
			continue
		}
		row.Scope.Precision, row.Scope.Recall = min(row.Scope.Precision, one.Precision), min(row.Scope.Recall, one.Recall)
	}
	return nil
}

// told counts the persons of a scope by their sets of fields.
func told(s scope.Scope) map[string]int {
	counts := map[string]int{}
	for _, r := range s.Registers {
		for _, p := range r.People {
			var fields []string
			for _, use := range p.Fields {
				fields = append(fields, use.Field)
			}
			counts[signature(fields)]++
		}
	}
	return counts
}

func signature(fields []string) string {
	slices.Sort(fields)
	return strings.Join(fields, " ")
}

// compare says how much of what is told was obtained, and how much of what was obtained is told.
func compare(told map[string]int, l *loot) Scope {
	obtained := map[string]int{}
	for _, fields := range l.persons {
		var names []string
		for f := range fields {
			if f != membership {
				names = append(names, f)
			}
		}
		obtained[signature(names)]++
	}
	both, all, had := 0, 0, 0
	for s, n := range told {
		both += min(n, obtained[s])
		all += n
	}
	for _, n := range obtained {
		had += n
	}
	return Scope{Precision: ratio(both, all), Recall: ratio(both, had)}
}

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

// verify proves the ledger from the outside, as `ecluse verify --deep` does.
func (g *ground) verify(ctx context.Context) (bool, error) {
	a, err := node.Attach(ctx, node.Options{Config: g.demo.Node.Config, Now: g.now})
	if err != nil {
		return false, fmt.Errorf("verify the ledger: %w", err)
	}
	defer a.Close()
	report, err := a.Verify(ctx, true, nil)
	return err == nil && report.OK, err
}

// contain has a security officer contain an account with everything that it made, and tells how long that
// took from the request to the answer.
func (g *ground) contain(ctx context.Context, login string) (time.Duration, error) {
	officer := g.accounts(0, ecluse.RoleSecurityOfficer, nil)[0]
	d, err := newDoor(g.base)
	if err != nil {
		return 0, err
	}
	if _, err := d.signIn(ctx, officer.Login, ""); err != nil {
		return 0, err
	}
	began := g.watch()
	status, answer, err := d.call(ctx, "POST", "/containments", map[string]any{"account": login, "tree": true, "reason": "drill: the attack was noticed"})
	took := g.watch().Sub(began)
	if err == nil && status >= 300 {
		err = fmt.Errorf("status %d (%s)", status, strings.Join(codes(answer), " "))
	}
	if err != nil {
		return took, fmt.Errorf("contain: %w", err)
	}
	return took, nil
}
