package drill

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"ecluse"
	"ecluse/internal/generate"
)

// cirProvider: a course provider's legitimate access to integration contracts; up to 2 M rows claimed, with
// nature and reason of stay. The thief holds the secret of the provider's software, and is the software.
var cirProvider = scenario{
	name: "cir-provider", presets: []string{"integration"}, wanted: 2_000_000, from: "02:00", length: 7 * 24 * time.Hour,
	source: "integration contracts, 2026: a provider's access, up to 2 M rows claimed, reason of stay among them",
	steal: func(g *ground) (*attack, error) {
		clients := g.demo.Ready(g.base).APIClients
		if len(clients) == 0 {
			return nil, errors.New("the demo has no program")
		}
		c := clients[0]
		agents := g.accounts(0, ecluse.RoleAgent, func(a generate.Account) bool { return follower(a) && a.Login != c.ActAs })
		t := g.thiefAt(g.door(), c.ClientID+"@demo.ecluse.test", g.register(0))
		t.follows = c.ActAs // the demo entrusts the program with persons of this agent's
		visits := 0
		t.renew = func(ctx context.Context) error {
			visits++
			return t.token(ctx, c.ClientID, c.ClientSecret, agents[visits%len(agents)].Login)
		}
		return &attack{
			thieves: []*thief{t},
			note:    "The program gets the persons assigned to it and nobody else; reason and nature of stay and the foreign national number are in no purpose.",
			hour: func(ctx context.Context, n int) error {
				if n%3 != 0 {
					return nil
				}
				if err := t.greedy(ctx, 300); err != nil || n%24 != 0 {
					return err
				}
				return t.tamper(ctx, t.register)
			},
		}, nil
	},
}

// token asks for a token, first one to act as somebody who never agreed.
func (t *thief) token(ctx context.Context, id, secret, victim string) error {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "act_as": {victim}}
	for _, actAs := range []string{victim, ""} {
		if actAs == "" {
			form.Del("act_as")
		}
		status, answer, err := t.Form(ctx, "/oauth/token", form)
		if err != nil {
			return err
		}
		t.Bearer = text(answer, "access_token")
		if status != http.StatusOK {
			t.refused("oauth." + text(answer, "error"))
		} else if actAs != "" {
			return errors.New("a program got a token to act as an agent who never agreed")
		}
	}
	return nil
}
