package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"ecluse"
	"ecluse/internal/demo"
)

// rgc: the account of an account manager, stolen with session and second factor, was used to create two
// accounts through the federation, which opened 1.6 M files. Here it asks for two accounts, tries to approve
// them itself, and to sign in as them; then all of them take what they can.
var rgc = scenario{
	name: "rgc", presets: []string{"emploi-partenaires"}, wanted: 1_600_000, from: "08:00", length: 3 * 24 * time.Hour,
	source: "employment body's partner system, December 2025: one manager, two accounts created, 1.6 M persons",
	steal: func(g *ground) (*attack, error) {
		return stolenManager(g, &attack{note: "It asks for two accounts and tries to approve them itself. Both requests wait for an access officer for ever: " +
			"neither account signs in, and the manager's own account opens no record."}, nil)
	},
}

// rgcDeceived is the same where an access officer is deceived and approves both: what two people together
// can do.
var rgcDeceived = scenario{
	name: "rgc-deceived", presets: []string{"emploi-partenaires"}, wanted: 1_600_000, from: "08:00", length: 3 * 24 * time.Hour,
	source: "the same, with the hypothesis that whoever approves is deceived",
	steal: func(g *ground) (*attack, error) {
		return stolenManager(g, &attack{colluding: true, note: "An access officer approves both accounts in good faith. The bound is the one that exposure gives for the manager " +
			"with an accomplice; the new accounts are young, with a quarter of the budgets; one act contains all three."}, deceive)
	},
}

// accomplices are how many accounts the manager wants.
const accomplices = 2

// stolenManager is the attack of a manager who asks for accounts, and of those who get in.
func stolenManager(g *ground, a *attack, approve func(context.Context, *thief, string) error) (*attack, error) {
	managers := g.accounts(0, ecluse.RoleAccountManager, nil)
	m := managers[g.rng.IntN(len(managers))]
	t, err := g.rob(context.Background(), m.Login, "", g.register(0))
	if err != nil {
		return nil, err
	}
	a.thieves = []*thief{t}
	a.hour = func(ctx context.Context, n int) error {
		if n < accomplices {
			if err := t.recruit(ctx, a, fmt.Sprintf("accomplice%d@demo.ecluse.test", n), m.Site, approve); err != nil {
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
}

// recruit asks for an account, approves it, and signs in as it, all with one account; if somebody else
// approves it, with her help. Whoever gets in is a thief more.
func (t *thief) recruit(ctx context.Context, a *attack, email, site string, approve func(context.Context, *thief, string) error) error {
	if m, _, err := t.enter(ctx); err != nil || !m.in {
		return err
	}
	status, answer, err := t.Call(ctx, "POST", "/accounts/requests", map[string]any{
		"email": email, "given_name": "Alix", "usual_name": "Complice", "site": site, "role": "agent", "reason": "arrival",
	})
	if err != nil {
		return err
	}
	if status != http.StatusAccepted {
		return fmt.Errorf("the manager cannot even ask for an account: status %d (%v)", status, codes(answer))
	}
	request := text(answer, "id")
	if _, answer, err = t.Call(ctx, "POST", "/accounts/requests/"+request+"/approve", nil); err != nil {
		return err
	}
	t.refused(codes(answer)...)
	accomplice := t.ground.thiefAt(t.ground.door(), email, t.register)
	accomplice.root = t.login
	in, err := accomplice.SignIn(ctx, demo.SignIn{Login: email})
	if err != nil {
		return err
	}
	if !in && approve != nil {
		t.refused("sign-in")
		if err := approve(ctx, t, request); err != nil {
			return err
		}
		in, err = accomplice.join(ctx)
	}
	switch {
	case in:
		a.thieves = append(a.thieves, accomplice)
	case approve == nil:
		t.refused("sign-in")
	default:
		err = errors.Join(err, errors.New("an approved account is not let in"))
	}
	if approve == nil {
		a.asked = append(a.asked, email)
	}
	return err
}

// deceive has an access officer approve a request.
func deceive(ctx context.Context, t *thief, request string) error {
	d := t.ground.door()
	if _, err := d.SignIn(ctx, demo.SignIn{Login: t.ground.accounts(0, ecluse.RoleAccessOfficer, nil)[1].Login}); err != nil {
		return err
	}
	status, answer, err := d.Call(ctx, "POST", "/accounts/requests/"+request+"/approve", nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the access officer may not approve: status %d (%v)", status, codes(answer))
	}
	return err
}

var invitation = regexp.MustCompile(`/invitation/([A-Za-z0-9_-]+)`)

// mailTries and mailPause are how often and how far apart the mailbox is looked into.
const (
	mailTries = 400
	mailPause = 50 * time.Millisecond
)

// join follows the invitation in the mailbox of the new account, and is signed in.
func (t *thief) join(ctx context.Context) (bool, error) {
	for range mailTries {
		_, page, err := t.Do(ctx, "GET", "/demo/mail?to="+url.QueryEscape(t.login), "", nil)
		if err != nil {
			return false, err
		}
		if m := invitation.FindSubmatch(page); m != nil {
			path := "/sign-in/proconnect?" + url.Values{"invitation": {string(m[1])}, "login_hint": {t.login}}.Encode()
			if _, _, err := t.Do(ctx, "GET", path, "", nil); err != nil {
				return false, err
			}
			status, _, err := t.Call(ctx, "GET", "/me", nil)
			if err != nil || status != http.StatusOK {
				return false, err
			}
			_, err = t.ground.demo.PassExam(ctx, t.Door, t.register)
			return true, err
		}
		time.Sleep(mailPause)
	}
	return false, errors.New("no invitation came")
}
