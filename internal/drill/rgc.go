package drill

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"ecluse"
)

// rgc: the account of an account manager, stolen with session and second factor, was used to create two
// accounts through the federation, which opened 1.6 M files. Here it asks for two accounts, tries to approve
// them itself, and to sign in as them; then all of them take what they can.
var rgc = scenario{
	name: "rgc", presets: []string{"emploi-partenaires"}, wanted: 1_600_000, from: "08:00", length: 3 * 24 * time.Hour,
	source: "employment body's partner system, December 2025: one manager, two accounts created, 1.6 M persons",
	steal: func(g *ground) (*attack, error) {
		managers := g.accounts(0, ecluse.RoleAccountManager, nil)
		m := managers[g.rng.IntN(len(managers))]
		t, err := g.rob(context.Background(), m.Login, "", g.register(0))
		if err != nil {
			return nil, err
		}
		a := &attack{
			thieves: []*thief{t},
			note: "It asks for two accounts and tries to approve them itself. Both requests wait for an access officer for ever: " +
				"neither account signs in, and the manager's own account opens no record.",
		}
		a.hour = func(ctx context.Context, n int) error {
			if n < accomplices {
				if err := t.recruit(ctx, a, n, m.Site); err != nil {
					return err
				}
			}
			for _, one := range a.thieves {
				if err := one.greedy(ctx, 200); err != nil {
					return err
				}
			}
			return nil
		}
		return a, nil
	},
}

// accomplices are how many accounts the manager wants.
const accomplices = 2

// recruit asks for an account, approves it, and signs in as it, all with one account. Whoever gets in is a
// thief more.
func (t *thief) recruit(ctx context.Context, a *attack, n int, site string) error {
	if m, _, err := t.enter(ctx); err != nil || !m.in {
		return err
	}
	email := fmt.Sprintf("accomplice%d@demo.ecluse.test", n)
	status, answer, err := t.call(ctx, "POST", "/accounts/requests", map[string]any{
		"email": email, "given_name": "Alix", "usual_name": "Complice", "site": site, "role": "agent", "reason": "arrival",
	})
	if err != nil {
		return err
	}
	if status != http.StatusAccepted {
		return fmt.Errorf("the manager cannot even ask for an account: status %d (%v)", status, codes(answer))
	}
	_, answer, err = t.call(ctx, "POST", "/accounts/requests/"+text(answer, "id")+"/approve", nil)
	if err != nil {
		return err
	}
	t.refused(codes(answer)...)
	accomplice := t.ground.thiefAt(t.ground.door(), email, t.register)
	accomplice.root = t.login
	in, err := accomplice.signIn(ctx, email, "")
	if in {
		a.thieves = append(a.thieves, accomplice)
	} else {
		t.refused("sign-in")
	}
	a.asked = append(a.asked, email)
	return err
}
