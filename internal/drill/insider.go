package drill

import (
	"context"
	"fmt"
	"time"

	"ecluse"
)

// An insider opens a few persons a day beyond her own, with plausible reasons, for a month: the slowest
// theft there is. Nothing stops it below the budgets; the table shows it as what it is.
var (
	insiderOne  = insider(1)
	insiderTwo  = insider(2)
	insiderFive = insider(5)
)

func insider(perDay int) scenario {
	return scenario{
		name: fmt.Sprintf("insider-slow-%d", perDay), presets: []string{"mission-locale"}, wanted: perDay * 30, from: "10:00", length: 30 * 24 * time.Hour,
		source: "hypothesis: an agent who sells a few files a day, reasons included",
		steal: func(g *ground) (*attack, error) {
			agents := g.accounts(0, ecluse.RoleAgent, follower)
			t, err := g.rob(context.Background(), agents[g.rng.IntN(len(agents))].Login, "", g.register(0))
			if err != nil {
				return nil, err
			}
			return &attack{
				thieves: []*thief{t},
				note:    "Persons of her own caseload are hers to open and are not tried; what the budgets let pass is what she gets. Reviews and, later, detection are what can notice it.",
				hour: func(ctx context.Context, n int) error {
					if n%24 != 0 || !working(g.now()) {
						return nil
					}
					return t.pick(ctx, perDay)
				},
			}, nil
		},
	}
}

// pick opens so many persons of the list, the nearest first: those of the same territory, as a careful
// insider would.
func (t *thief) pick(ctx context.Context, most int) error {
	m, ok, err := t.enter(ctx)
	if err != nil || !ok {
		return err
	}
	before := len(t.loot.persons)
	for range 8 * most { // many of the list are out of her mandate
		if len(t.loot.persons)-before >= most {
			return nil
		}
		exhausted, err := t.hunt(ctx, m.purposes[0])
		if err != nil || exhausted {
			return err
		}
	}
	return nil
}
