package drill

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"ecluse/internal/demo"
)

// thief is who holds a stolen account, with everything that belongs to it: password, session, second
// factor. It knows name, birth date and number of everybody, and reads its own budgets.
type thief struct {
	*demo.Door
	ground   *ground
	login    string
	follows  string // login of whom the persons of its list are followed by
	root     string // login of the account that was stolen, which this one descends from
	acr      string // means of sign-in that was stolen, "" = the strongest
	register string
	rng      *rand.Rand
	loot     *loot
	targets  []int // persons of the register, in the order in which they are tried
	tried    int
	swept    time.Time // when it last read its list
	noticed  time.Time // when something was first refused to it before its containment, but for everyday refusals
	handle   string    // the first that it was given
	// renew gets a program's next token. nil = it signs in.
	renew func(context.Context) error
}

// membership is what a hit tells where being in the register tells something in itself.
const membership = "membership"

// reason is what it writes where a justification is asked for: as good as any agent's.
const reason = "La personne est à l'accueil, elle a perdu son courrier et demande où en est son dossier."

// means is what the account may do, as it is told itself.
type means struct {
	in       bool // there is a session, or a token
	purposes []string
	used     map[string]int // of budgets, by code
	limit    map[string]int
}

// room is how many acts a budget still allows when it is kept below a share of its limit.
func (m means) room(code string, percent int) int {
	if m.limit[code] == 0 {
		return 1 << 20 // it has none
	}
	return m.limit[code]*percent/100 - m.used[code]
}

// enter signs in again if the session is gone, as whoever holds the credentials can, and reads what the
// account may do. It reports whether it may open anything.
func (t *thief) enter(ctx context.Context) (m means, ok bool, err error) {
	if t.renew != nil {
		if err := t.renew(ctx); err != nil {
			return m, false, err
		}
	}
	status, me, err := t.Call(ctx, "GET", "/me", nil)
	if err != nil {
		return m, false, err
	}
	if status != http.StatusOK && t.renew == nil {
		in, err := t.SignIn(ctx, demo.SignIn{Login: t.login, ACR: t.acr})
		if err != nil || !in {
			t.refused("sign-in")
			return m, false, err
		}
		if status, me, err = t.Call(ctx, "GET", "/me", nil); err != nil {
			return m, false, err
		}
	}
	m.in = status == http.StatusOK
	m.used, m.limit = map[string]int{}, map[string]int{}
	for _, g := range objects(me, "grants") {
		if text(g, "register") == t.register {
			for _, p := range objects(g, "purposes") {
				m.purposes = append(m.purposes, text(p, "id"))
			}
		}
	}
	for _, b := range objects(me, "budgets") {
		if text(b, "register") == t.register && text(b, "window") != "10min" {
			m.used[text(b, "code")], m.limit[text(b, "code")] = number(b, "used"), number(b, "limit")
		}
	}
	return m, m.in && len(m.purposes) > 0, nil
}

// everyday are refusals that every agent meets: a question to answer, a session that is over.
var everyday = []string{"tier.justification_required", "session.expired"}

// refused notes why something was refused.
func (t *thief) refused(codes ...string) {
	for _, code := range codes {
		t.loot.refusals[code]++
		if t.noticed.IsZero() && !t.ground.over && !slices.Contains(everyday, code) {
			t.noticed = t.ground.now()
		}
	}
}

// ask sends one act about the register and counts what is refused.
func (t *thief) ask(ctx context.Context, method, path string, body any) (int, map[string]any, error) {
	return t.askOf(ctx, t.register, method, path, body)
}

func (t *thief) askOf(ctx context.Context, register, method, path string, body any) (int, map[string]any, error) {
	status, answer, err := t.Call(ctx, method, "/registers/"+register+path, body)
	if err == nil && status >= 400 {
		t.refused(codes(answer)...)
	}
	return status, answer, err
}

// truth is the census of the register that is attacked.
func (t *thief) truth() *census { return t.ground.census[t.register] }

// greedy takes all it can get in an hour: once a day its whole caseload, then one name after the other
// until the budgets have refused a few times, at most so many names.
func (t *thief) greedy(ctx context.Context, most int) error {
	m, ok, err := t.enter(ctx)
	if err != nil || !ok {
		return err
	}
	if err := t.sweep(ctx, m.purposes); err != nil {
		return err
	}
	if m.room("budget.account.search", 100) <= 0 {
		most = min(most, 1) // the meter says that it is in vain: once, to see whether that is true
	}
	for refused := 0; refused < 4 && most > 0; most-- {
		exhausted, err := t.hunt(ctx, m.purposes[t.rng.IntN(len(m.purposes))])
		if err != nil {
			return err
		}
		if exhausted {
			refused++
		}
	}
	return nil
}

// quiet takes what it can get without a budget ever refusing: it stops at four fifths of each, which is
// where meters begin to warn.
func (t *thief) quiet(ctx context.Context, most int) error {
	m, ok, err := t.enter(ctx)
	if err != nil || !ok {
		return err
	}
	if err := t.sweep(ctx, m.purposes); err != nil {
		return err
	}
	for code := range m.limit {
		most = min(most, m.room(code, 80))
	}
	for ; most > 0; most-- {
		if exhausted, err := t.hunt(ctx, m.purposes[t.rng.IntN(len(m.purposes))]); err != nil || exhausted {
			return err
		}
	}
	return nil
}

// sweep reads the caseload, page after page, and opens some of those in it.
func (t *thief) sweep(ctx context.Context, purposes []string) error {
	if !t.swept.IsZero() && t.ground.now().Sub(t.swept) < 24*time.Hour {
		return nil
	}
	t.swept = t.ground.now()
	cursor := ""
	for page := 0; page < 40; page++ {
		status, answer, err := t.ask(ctx, "GET", "/caseload?cursor="+cursor, nil)
		if err != nil || status != http.StatusOK {
			return err
		}
		rows := objects(answer, "persons")
		for _, row := range rows {
			values := texts(object(row, "fields"))
			t.loot.take(t.truth().idOf(t.follows, values), values, nil)
			t.keep(text(row, "handle"))
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

// keep keeps the first handle, for later.
func (t *thief) keep(handle string) {
	if t.handle == "" {
		t.handle = handle
	}
}

// found is a hit: a handle and whose it is.
type found struct{ handle, person string }

// seek looks the next person of the list up, by name or by number.
func (t *thief) seek(ctx context.Context, purpose string) (hits []found, exhausted bool, err error) {
	p := &t.truth().people[t.targets[t.tried%len(t.targets)]]
	t.tried++
	query := map[string]string{"surname": p.Values["surname"], "first_name": p.Values["first_name"], "birth_date": p.Values["birth_date"]}
	if t.rng.IntN(2) == 0 {
		query = map[string]string{"identifier": p.ID}
	}
	return t.lookUp(ctx, t.register, purpose, p.ID, query)
}

// lookUp searches a register for a person.
func (t *thief) lookUp(ctx context.Context, register, purpose, id string, query map[string]string) (hits []found, exhausted bool, err error) {
	status, answer, err := t.askOf(ctx, register, "POST", "/search", map[string]any{"purpose": purpose, "beyond": true, "query": query})
	if err != nil || status != http.StatusOK {
		return nil, spent(answer), err
	}
	for _, hit := range objects(answer, "hits") {
		t.loot.take(id, texts(object(hit, "fields")), query) // a hit shows what was typed, and nothing more
		if t.ground.sensitive {
			t.loot.take(id, map[string]string{membership: "yes"}, nil)
		}
		t.keep(text(hit, "handle"))
		hits = append(hits, found{text(hit, "handle"), id})
	}
	return hits, false, nil
}

// hunt looks the next person of the list up and opens her. It reports whether a budget is exhausted.
func (t *thief) hunt(ctx context.Context, purpose string) (exhausted bool, err error) {
	hits, exhausted, err := t.seek(ctx, purpose)
	if err != nil || exhausted {
		return exhausted, err
	}
	for _, hit := range hits {
		exhausted, err := t.openWith(ctx, hit.handle, purpose, &hit.person)
		if err == nil && exhausted {
			err = t.emergency(ctx, hit.handle, purpose, hit.person)
		}
		if err != nil || exhausted {
			return exhausted, err
		}
	}
	return false, nil
}

// forged is the body that opens a record where a justification is asked for.
func (t *thief) forged(purpose string) map[string]any {
	return map[string]any{"purpose": purpose, "justification": map[string]string{"motive": t.truth().motive(t.rng), "text": reason}}
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
			who := t.truth().idOf(t.follows, values)
			if id != nil {
				who = *id
			}
			t.loot.take(who, values, nil)
			return false, nil
		}
		if try > 0 || !slices.Contains(codes(answer), "tier.justification_required") {
			return spent(answer), nil
		}
		body = t.forged(purpose)
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
