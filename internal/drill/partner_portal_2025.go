package drill

import (
	"context"
	"time"

	"ecluse"
)

// partnerPortal2025: one user of a training body, an infostealer, no second factor; 340,000 persons of a
// partner portal over weeks.
var partnerPortal2025 = scenario{
	name: "partner-portal-2025", presets: []string{"formation"}, wanted: 340_000, from: "09:00", length: 14 * 24 * time.Hour,
	source: "partner portal, July 2025: one training-body user, infostealer, 340,000 persons",
	steal: func(g *ground) (*attack, error) {
		agents := g.accounts(0, ecluse.RoleAgent, follower)
		t, err := g.rob(context.Background(), agents[g.rng.IntN(len(agents))].Login, "", g.register(0))
		if err != nil {
			return nil, err
		}
		return &attack{
			thieves: []*thief{t},
			hour: func(ctx context.Context, n int) error {
				if n%4 != 0 {
					return nil
				}
				if n == 0 {
					if err := t.race(ctx); err != nil {
						return err
					}
				}
				return t.greedy(ctx, 400)
			},
		}, nil
	},
}
