package drill

import (
	"context"
	"time"

	"ecluse"
	"ecluse/internal/demo"
)

// missionLocale2024: an intrusion in one night, over the whole territory; the articles give no cause. The
// hypothesis is a password without second factor: the thief tries the weak means of sign-in first, then has
// a session all the same, and takes what it can until the morning.
var missionLocale2024 = scenario{
	name: "mission-locale-2024", presets: []string{"mission-locale"}, wanted: 1_100_000, from: "22:00", length: 10 * time.Hour,
	source: "missions locales, night of 23-24 October 2024: the whole territory at risk",
	steal: func(g *ground) (*attack, error) {
		ctx := context.Background()
		agents := g.accounts(0, ecluse.RoleAgent, follower)
		login := agents[g.rng.IntN(len(agents))].Login
		in, err := g.door().SignIn(ctx, demo.SignIn{Login: login, ACR: "eidas0"})
		if err != nil {
			return nil, err
		}
		t, err := g.rob(ctx, login, "", g.register(0))
		if err != nil {
			return nil, err
		}
		note := "Cause unknown in the articles; the hypothesis is a password without second factor. By password alone the sign-in is refused; the figures are of a thief who has a session all the same."
		if in {
			note = "The sign-in by password alone was NOT refused."
		}
		return &attack{
			thieves: []*thief{t}, note: note,
			hour: func(ctx context.Context, n int) error {
				if n == 0 {
					if err := t.race(ctx); err != nil {
						return err
					}
				}
				return t.greedy(ctx, 2000)
			},
		}, nil
	},
}
