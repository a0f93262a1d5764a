package drill

import (
	"context"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// tamper sends what no page would send: fields and purposes that are not the account's, tiers and roles that
// no request carries, handles that were never given, another register.
func (t *thief) tamper(ctx context.Context, other string) error {
	m, ok, err := t.enter(ctx)
	if err != nil || !ok {
		return err
	}
	handle := t.handle
	if len(handle) < 4 {
		handle = "AAAA"
	}
	for _, body := range []map[string]any{
		{"purpose": m.purposes[0], "fields": t.truth().fields()},
		{"purpose": "administration"},
		{"purpose": m.purposes[0], "tier": 0, "role": "admin", "account": 1},
	} {
		for _, h := range []string{handle, handle[:len(handle)-2] + "AA", "AAAA"} {
			for _, register := range []string{t.register, other} {
				_, answer, err := t.askOf(ctx, register, "POST", "/persons/"+h+"/disclose", body)
				if err != nil {
					return err
				}
				if values := texts(object(answer, "values")); len(values) > 0 {
					t.loot.take(t.ground.census[register].idOf(t.follows, values), values, nil)
				}
			}
		}
	}
	return nil
}

// racers is how many records are asked for at the same instant.
const racers = 12

// race collects persons of the list who can be found, and asks for all of them at the same instant, in
// the hope that a budget counts one after the other.
func (t *thief) race(ctx context.Context) error {
	m, ok, err := t.enter(ctx)
	if err != nil || !ok {
		return err
	}
	var hits []found
	for tries := 0; len(hits) < racers && tries < 5*racers; tries++ {
		more, exhausted, err := t.seek(ctx, m.purposes[0])
		if err != nil {
			return err
		}
		hits = append(hits, more...)
		if exhausted {
			break
		}
	}
	answers, statuses := make([]map[string]any, len(hits)), make([]int, len(hits))
	var field errgroup.Group
	for i, hit := range hits {
		body := t.forged(m.purposes[0])
		field.Go(func() (err error) {
			statuses[i], answers[i], err = t.Call(ctx, "POST", "/registers/"+t.register+"/persons/"+hit.handle+"/disclose", body)
			return err
		})
	}
	err = field.Wait()
	for i, hit := range hits {
		t.loot.take(hit.person, texts(object(answers[i], "values")), nil)
		if statuses[i] >= 400 {
			t.refused(codes(answers[i])...)
		}
	}
	return err
}

// otherBrowser is not what the session began in.
const otherBrowser = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"

// replay uses the session's cookies in another browser, as who buys them from an infostealer's log does.
func (t *thief) replay(ctx context.Context) error {
	bought := *t
	bought.Door = t.Replay(otherBrowser)
	return bought.old(ctx)
}

// old tries a session and a handle of before once more, without signing in again.
func (t *thief) old(ctx context.Context) error {
	status, answer, err := t.ask(ctx, "GET", "/caseload", nil)
	if err != nil {
		return err
	}
	if status == http.StatusOK {
		t.harvest(t.register, answer)
	}
	if t.handle == "" {
		return nil
	}
	_, answer, err = t.ask(ctx, "POST", "/persons/"+t.handle+"/disclose", t.forged(string(t.truth().schema.Purposes[0].ID)))
	t.harvest(t.register, answer)
	return err
}
