package drill

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
)

// thief is who holds a stolen account, with everything that belongs to it: password, session, second
// factor. It knows name, birth date and number of everybody, and reads its own budgets in every answer.
type thief struct {
	*door
	ground   *ground
	login    string
	follows  string // login of whom the persons of its list are followed by
	acr      string // means of sign-in that was stolen, "" = the strongest
	register string
	rng      *rand.Rand
	loot     *loot
	targets  []int // persons of the register, in the order in which they are tried
	tried    int
	sent     int
}

// membership is what a hit tells where being in the register tells something in itself.
const membership = "membership"

// reason is what it writes where a justification is asked for: as good as any agent's.
const reason = "La personne est à l'accueil, elle a perdu son courrier et demande où en est son dossier."

// reenter signs in again if the session is gone, as whoever holds the credentials can.
func (t *thief) reenter(ctx context.Context) (bool, error) {
	status, _, err := t.call(ctx, "GET", "/me", nil)
	if err != nil || status == http.StatusOK || t.bearer != "" {
		return err == nil && status == http.StatusOK, err
	}
	return t.signIn(ctx, t.login, t.acr)
}

// ask sends one act and counts what is refused.
func (t *thief) ask(ctx context.Context, method, path string, body any) (int, map[string]any, error) {
	status, answer, err := t.call(ctx, method, "/registers/"+t.register+path, body)
	t.sent++
	if err == nil && status >= 400 {
		for _, code := range codes(answer) {
			t.loot.refusals[code]++
		}
	}
	return status, answer, err
}

// greedy takes all it can get in an hour: its whole caseload, then one name after the other until the
// budgets have refused a few times, at most so many names.
func (t *thief) greedy(ctx context.Context, most int) error {
	ok, err := t.reenter(ctx)
	if err != nil || !ok {
		return err
	}
	purposes, err := t.purposes(ctx)
	if err != nil || len(purposes) == 0 {
		return err
	}
	if err := t.sweep(ctx, purposes); err != nil {
		return err
	}
	for refused := 0; refused < 4 && most > 0; most-- {
		exhausted, err := t.hunt(ctx, purposes[t.rng.IntN(len(purposes))])
		if err != nil {
			return err
		}
		if exhausted {
			refused++
		}
	}
	return nil
}

// purposes are what the account may say that it acts for.
func (t *thief) purposes(ctx context.Context) (list []string, err error) {
	_, me, err := t.call(ctx, "GET", "/me", nil)
	for _, g := range objects(me, "grants") {
		if text(g, "register") == t.register {
			for _, p := range objects(g, "purposes") {
				list = append(list, text(p, "id"))
			}
		}
	}
	return list, err
}

// sweep reads the caseload, page after page, and opens everybody in it for every purpose.
func (t *thief) sweep(ctx context.Context, purposes []string) error {
	cursor := ""
	for page := 0; page < 20; page++ {
		status, answer, err := t.ask(ctx, "GET", "/caseload?cursor="+cursor, nil)
		if err != nil || status != http.StatusOK {
			return err
		}
		rows := objects(answer, "persons")
		for _, row := range rows {
			t.loot.take(t.ground.idOf(t.register, t.follows, texts(object(row, "fields"))), texts(object(row, "fields")), nil)
			if t.rng.IntN(10) > 0 { // the row was enough for most
				continue
			}
			if _, err := t.openWith(ctx, text(row, "handle"), purposes[t.rng.IntN(len(purposes))], nil); err != nil {
				return err
			}
		}
		if cursor = text(answer, "next"); cursor == "" || len(rows) == 0 {
			return nil
		}
	}
	return nil
}

// hunt looks the next person of the list up, by name or by number, and opens her. It reports whether a
// budget is exhausted.
func (t *thief) hunt(ctx context.Context, purpose string) (exhausted bool, err error) {
	if len(t.targets) == 0 {
		return true, nil
	}
	p := t.ground.person(t.register, t.targets[t.tried%len(t.targets)])
	t.tried++
	query := map[string]string{"surname": p.Values["surname"], "first_name": p.Values["first_name"], "birth_date": p.Values["birth_date"]}
	if t.rng.IntN(2) == 0 {
		query = map[string]string{"identifier": p.ID}
	}
	status, answer, err := t.ask(ctx, "POST", "/search", map[string]any{"purpose": purpose, "beyond": true, "query": query})
	if err != nil || status != http.StatusOK {
		return spent(answer), err
	}
	for _, hit := range objects(answer, "hits") {
		shown := texts(object(hit, "fields"))
		t.loot.take(p.ID, shown, query) // a hit shows what was typed, and nothing more
		if t.ground.sensitive {
			t.loot.take(p.ID, map[string]string{membership: "yes"}, nil)
		}
		exhausted, err := t.openWith(ctx, text(hit, "handle"), purpose, &p.ID)
		if err == nil && exhausted {
			err = t.emergency(ctx, text(hit, "handle"), purpose, p.ID)
		}
		if err != nil || exhausted {
			return exhausted, err
		}
	}
	return false, nil
}

// openWith opens a handle, with a forged reason if one is asked for.
func (t *thief) openWith(ctx context.Context, handle, purpose string, id *string) (exhausted bool, err error) {
	body := map[string]any{"purpose": purpose}
	for try := range 2 {
		status, answer, err := t.ask(ctx, "POST", "/persons/"+handle+"/disclose", body)
		if err != nil {
			return false, err
		}
		if status == http.StatusOK {
			values := texts(object(answer, "values"))
			who := t.ground.idOf(t.register, t.follows, values)
			if id != nil {
				who = *id
			}
			t.loot.take(who, values, nil)
			return false, nil
		}
		if try > 0 || !slices.Contains(codes(answer), "tier.justification_required") {
			return spent(answer), nil
		}
		body["justification"] = map[string]string{"motive": t.ground.motive(t.register, t.rng), "text": reason}
	}
	return false, nil
}

// emergency opens a handle by the emergency button.
func (t *thief) emergency(ctx context.Context, handle, purpose, id string) error {
	_, answer, err := t.ask(ctx, "POST", "/persons/"+handle+"/disclose", map[string]any{"purpose": purpose, "emergency": "danger"})
	t.loot.take(id, texts(object(answer, "values")), nil)
	return err
}

// spent reports whether a budget refused.
func spent(answer map[string]any) bool {
	return slices.ContainsFunc(codes(answer), func(c string) bool { return strings.HasPrefix(c, "budget.") })
}
