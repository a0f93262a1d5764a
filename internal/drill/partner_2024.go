package drill

import (
	"context"
	"time"

	"ecluse"
)

// partner2024: advisers' accounts of partners, 29 days, 36.8 M persons and 25 GB: 14.7 requests a second,
// in the evenings and at week-ends too. Two thieves share the list and never rest.
var partner2024 = scenario{
	name: "partner-2024", presets: []string{"emploi-partenaires"}, wanted: 36_820_828, from: "09:00", length: 29 * 24 * time.Hour,
	source: "employment body, early 2024: two advisers' accounts, 29 days, 36.8 M persons, 14.7 requests a second",
	steal: func(g *ground) (*attack, error) {
		agents := g.accounts(0, ecluse.RoleAgent, follower)
		first := g.rng.IntN(len(agents))
		a := &attack{note: "Two accounts that share nothing; both are contained, one after the other, by one officer."}
		for i := range 2 {
			t, err := g.rob(context.Background(), agents[(first+i*len(agents)/2)%len(agents)].Login, "", g.register(0))
			if err != nil {
				return nil, err
			}
			a.thieves = append(a.thieves, t)
		}
		a.hour = func(ctx context.Context, n int) error {
			for i, t := range a.thieves {
				if n%6 != i*3 { // four times a day each: budgets refuse the rest anyway
					continue
				}
				if err := t.greedy(ctx, 300); err != nil {
					return err
				}
			}
			return nil
		}
		return a, nil
	},
}
