package drill

import (
	"context"
	"time"

	"ecluse"
)

// opuss: one user's account of a software product for dozens of federations, privilege escalation through a
// flaw, and a dispersed exfiltration that nobody noticed for months. The thief stays small every evening,
// tampers with whatever a request carries, and tries the other federation's register with the same session.
var opuss = scenario{
	name: "opuss", presets: []string{"sport-scolaire", "licences-sport"}, wanted: 7_000_000, from: "19:00", length: 30 * 24 * time.Hour,
	source: "school-sport licences, 2025: one account, 7 M licences and 889,000 photos, dispersed over November",
	steal: func(g *ground) (attack, error) {
		agents := g.accounts(0, ecluse.RoleAgent, follower)
		t, err := g.rob(context.Background(), agents[g.rng.IntN(len(agents))].Login, "", g.register(0))
		if err != nil {
			return attack{}, err
		}
		return attack{
			thieves: []*thief{t}, contain: t.login,
			hour: func(ctx context.Context, n int) error {
				if n%24 > 3 { // evenings only
					return nil
				}
				if err := t.greedy(ctx, 40); err != nil {
					return err
				}
				return t.tamper(ctx, g.register(1))
			},
		}, nil
	},
}

// tamper sends what no page would send: fields and purposes that are not the account's, tiers and roles that
// no request carries, handles that were never given, the other register.
func (t *thief) tamper(ctx context.Context, other string) error {
	purposes, err := t.purposes(ctx)
	if err != nil || len(purposes) == 0 {
		return err
	}
	_, list, err := t.ask(ctx, "GET", "/caseload", nil)
	if err != nil {
		return err
	}
	handle := "AAAA"
	if rows := objects(list, "persons"); len(rows) > 0 {
		handle = text(rows[0], "handle")
		for _, row := range rows {
			values := texts(object(row, "fields"))
			t.loot.take(t.ground.idOf(t.register, t.follows, values), values, nil)
		}
	}
	var every []string
	for _, f := range t.ground.census[t.register].schema.Fields {
		every = append(every, f.Name)
	}
	for _, body := range []map[string]any{
		{"purpose": purposes[0], "fields": every},
		{"purpose": "administration"},
		{"purpose": purposes[0], "tier": 0, "role": "admin", "account": 1},
	} {
		for _, h := range []string{handle, handle[:len(handle)-2] + "AA", "AAAA"} {
			for _, register := range []string{t.register, other} {
				home := t.register
				t.register = register
				_, answer, err := t.ask(ctx, "POST", "/persons/"+h+"/disclose", body)
				t.register = home
				if err != nil {
					return err
				}
				if values := texts(object(answer, "values")); len(values) > 0 {
					t.loot.take(t.ground.idOf(register, t.follows, values), values, nil)
				}
			}
		}
	}
	return nil
}
