package drill

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/generate"
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
			insider := agents[g.rng.IntN(len(agents))]
			t, err := g.rob(context.Background(), insider.Login, "", g.register(0))
			if err != nil {
				return nil, err
			}
			t.nearest(insider)
			return &attack{
				thieves: []*thief{t}, discreet: true,
				note: "Persons of her own caseload are hers to open and are not tried. Nothing stops it below the budgets: the account managers' reviews of what she justified, the persons' own questions and, later, detection are what can notice it.",
				hour: func(ctx context.Context, n int) error {
					if n%24 != 0 || !generate.WorkingDay(g.now()) {
						return nil
					}
					return t.pick(ctx, perDay)
				},
			}, nil
		},
	}
}

// nearest puts persons whom colleagues of the same site follow first, then those of the same organisation,
// then the others: what needs the fewest words. Her own persons are left out.
func (t *thief) nearest(insider generate.Account) {
	people := t.truth().people
	far := func(i int) int {
		switch p := people[i]; {
		case p.Account != "" && p.Site == insider.Site:
			return 0
		case p.Account != "" && p.Organisation == insider.Organisation:
			return 1
		}
		return 2
	}
	t.targets = slices.DeleteFunc(t.targets, func(i int) bool { return people[i].Account == insider.Login })
	slices.SortStableFunc(t.targets, func(a, b int) int { return far(a) - far(b) })
}

// pick opens so many persons of the list.
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
