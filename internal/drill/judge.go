package drill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/demo"
	"ecluse/internal/directory"
	"ecluse/internal/exposure"
	"ecluse/internal/node"
	"ecluse/internal/scope"
)

// operator is who reads the scope person by person: the machine's own command line, as it is written in the ledger.
const operator = "cli:drill@instance"

// row begins a scenario's row.
func (g *ground) row(s scenario, a *attack) Row {
	for _, t := range a.thieves {
		g.shift.without(t.login)
	}
	g.stolen = a.roots()
	return Row{
		Name: s.name, Preset: s.presets[0], Wanted: s.wanted, RegisterSize: len(g.census[g.register(0)].people), Source: s.source, Note: a.note,
	}
}

// officer is the body's security officer, signed in.
func (g *ground) officer(ctx context.Context) (*demo.Door, error) {
	d := g.door()
	in, err := d.SignIn(ctx, demo.SignIn{Login: g.accounts(0, ecluse.RoleSecurityOfficer, nil)[0].Login})
	if err == nil && !in {
		err = errors.New("the security officer is not let in")
	}
	return d, err
}

// bound is what exposure promises of the thieves together for the length of the attack: for more than a day,
// what it promises for 30 days.
func (g *ground) bound(ctx context.Context, a *attack, length time.Duration) (int, error) {
	d, err := g.officer(ctx)
	if err != nil {
		return 0, err
	}
	var report exposure.Document
	if err := d.Read(ctx, "/exposure", &report); err != nil {
		return 0, fmt.Errorf("ask for the exposure: %w", err)
	}
	total := 0
	for _, login := range a.roots() {
		i := slices.IndexFunc(report.Accounts, func(e exposure.AccountDocument) bool { return e.Account == login })
		switch {
		case i < 0: // it opens nothing, so exposure does not list it
		case a.colluding:
			total += report.Accounts[i].Bound30dColluding
		case length <= 24*time.Hour:
			total += report.Accounts[i].Bound24h
		default:
			total += report.Accounts[i].Bound30d
		}
	}
	return total, nil
}

// count fills in what the thieves have.
func (g *ground) count(row *Row, a *attack) {
	all := together(a.thieves)
	row.Obtained = Obtained{Persons: len(all.persons), Records: all.records, Fields: all.fields()}
	row.Share = float64(len(all.persons)) / float64(max(1, row.RegisterSize))
	row.Refusals, row.Normal = all.refusals, g.shift.done()
	for _, t := range a.thieves {
		if t.noticed.IsZero() {
			continue
		}
		if hours := t.noticed.Sub(g.began).Hours(); row.RefusedAfterH == nil || hours < *row.RefusedAfterH {
			row.RefusedAfterH = &hours
		}
	}
}

// created counts the accounts that a thief asked for and that came to be.
func (g *ground) created(ctx context.Context, a *attack) (n int, err error) {
	for _, email := range a.asked {
		_, err := g.account(ctx, email)
		switch {
		case err == nil:
			n++
		case !errors.Is(err, directory.ErrNotFound):
			return n, err
		}
	}
	return n, nil
}

// account finds an account by its login.
func (g *ground) account(ctx context.Context, login string) (ecluse.AccountID, error) {
	a, _, err := g.demo.Node.Directory.ByEmail(ctx, login)
	return a.ID, err
}

// examine asks for the scope of each stolen account with all that it made, and compares it with what the
// thieves have: by the API, persons and persons by field; and, since an answer names nobody, by the same
// service the sets of fields of the persons one by one. The worse of both counts.
func (g *ground) examine(ctx context.Context, row *Row, a *attack, change func(*scope.Document)) error {
	roots := a.roots()
	if len(roots) == 0 {
		return nil
	}
	d, err := g.officer(ctx)
	if err != nil {
		return err
	}
	row.Scope = &Scope{1, 1}
	for _, root := range roots {
		var told scope.Document
		if err := d.Read(ctx, "/scope?tree=true&account="+url.QueryEscape(root), &told); err != nil {
			return fmt.Errorf("ask for the scope: %w", err)
		}
		if change != nil {
			change(&told)
		}
		id, err := g.account(ctx, root)
		if err != nil {
			return err
		}
		listed, err := g.demo.Node.Scope.Read(ctx, directory.Actor{CLI: operator}, scope.Query{Account: id, Tree: true})
		if err != nil {
			return fmt.Errorf("read the scope: %w", err)
		}
		had := together(slices.DeleteFunc(slices.Clone(a.thieves), func(t *thief) bool { return t.root != root }))
		row.Scope.worse(compare(totals(told), had.totals()))
		row.Scope.worse(compare(each(listed), had.each()))
	}
	return nil
}

// totals are the persons of a scope, by field and together.
func totals(d scope.Document) map[string]int {
	counts := map[string]int{"": d.Persons}
	maps.Copy(counts, d.Fields)
	return counts
}

// each counts the persons of a scope by their sets of fields.
func each(s scope.Scope) map[string]int {
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
func compare(told, obtained map[string]int) Scope {
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

// contain has a security officer contain each account with everything that it made since the attack began,
// and tells how long that took, from the first request to the last answer: nothing is allowed to any of them
// after that.
func (g *ground) contain(ctx context.Context, logins []string) (time.Duration, error) {
	d, err := g.officer(ctx)
	if err != nil {
		return 0, err
	}
	g.over = true
	began := g.watch()
	for _, login := range logins {
		status, answer, err := d.Call(ctx, "POST", "/containments", map[string]any{
			"account": login, "tree": true, "since": g.began.Format(time.RFC3339), "reason": "drill: the attack was noticed",
		})
		if err == nil && status != http.StatusCreated {
			err = fmt.Errorf("status %d (%s)", status, strings.Join(codes(answer), " "))
		}
		if err != nil {
			return 0, fmt.Errorf("contain: %w", err)
		}
	}
	return g.watch().Sub(began), nil
}
