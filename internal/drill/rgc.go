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
// them itself, and to sign in as them; then it takes what it can as itself.
var rgc = scenario{
	name: "rgc", presets: []string{"emploi-partenaires"}, wanted: 1_600_000, from: "08:00", length: 3 * 24 * time.Hour,
	source: "employment body's partner system, December 2025: one manager, two accounts created, 1.6 M persons",
	steal: func(g *ground) (attack, error) {
		managers := g.accounts(0, ecluse.RoleAccountManager, nil)
		m := managers[g.rng.IntN(len(managers))]
		t, err := g.rob(context.Background(), m.Login, "", g.register(0))
		if err != nil {
			return attack{}, err
		}
		accounts := []*thief{t}
		a := attack{
			thieves: accounts, contain: t.login,
			note: "Both requests stayed pending: neither account ever signed in, and the manager's own account opens no record.",
		}
		a.hour = func(ctx context.Context, n int) error {
			if err := t.recruit(ctx, n, m.Organisation, m.Site); err != nil {
				return err
			}
			return t.greedy(ctx, 200)
		}
		return a, nil
	},
}

// recruit asks for an account, approves it, and signs in as it, all with one account.
func (t *thief) recruit(ctx context.Context, n int, organisation, site string) error {
	if ok, err := t.reenter(ctx); err != nil || !ok {
		return err
	}
	email := fmt.Sprintf("accomplice%d@demo.ecluse.test", n%2)
	status, answer, err := t.call(ctx, "POST", "/accounts/requests", map[string]any{
		"email": email, "given_name": "Alix", "usual_name": "Complice", "organisation": organisation, "site": site, "role": "agent",
		"reason": "Renfort pour la rentrée",
	})
	if err != nil {
		return err
	}
	t.sent++
	if status != http.StatusAccepted {
		for _, code := range codes(answer) {
			t.loot.refusals[code]++
		}
		return nil
	}
	status, answer, err = t.call(ctx, "POST", "/accounts/requests/"+text(answer, "id")+"/approve", map[string]any{})
	if err != nil {
		return err
	}
	t.sent++
	for _, code := range codes(answer) {
		t.loot.refusals[code]++
	}
	accomplice, err := newDoor(t.base)
	if err != nil {
		return err
	}
	in, err := accomplice.signIn(ctx, email, "")
	if err == nil && (in || status < 300) {
		err = fmt.Errorf("the thief got a second account: approved with status %d, signed in %v", status, in)
	}
	return err
}
