package drill

import (
	"context"
	"time"

	"ecluse"
)

// opuss: one user's account of a software product for dozens of federations, privilege escalation through a
// flaw, and a dispersed exfiltration that nobody noticed for months. The thief stays below four fifths of every
// budget each evening,
// tampers with whatever a request carries, and tries the other federation's register with the same session.
var opuss = scenario{
	name: "opuss", presets: []string{"sport-scolaire", "licences-sport"}, wanted: 7_000_000, from: "19:00", length: 30 * 24 * time.Hour,
	source: "school-sport licences, 2025: one account, 7 M licences and 889,000 photos, dispersed over November",
	steal: func(g *ground) (*attack, error) {
		agents := g.accounts(0, ecluse.RoleAgent, follower)
		t, err := g.rob(context.Background(), agents[g.rng.IntN(len(agents))].Login, "", g.register(0))
		if err != nil {
			return nil, err
		}
		return &attack{
			thieves: []*thief{t},
			hour: func(ctx context.Context, n int) error {
				if n%24 > 3 { // evenings only
					return nil
				}
				if n%24 == 0 {
					if err := t.tamper(ctx, g.register(1)); err != nil {
						return err
					}
				}
				return t.quiet(ctx, 40)
			},
		}, nil
	},
}
