package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"

	"ecluse/internal/generate"
	"ecluse/internal/policy"
)

// act is a request of a besieger and what came back, whole or cut off.
type act struct {
	agent      string // login
	kind       string // search, disclose, caseload
	target     string // identifier of the person asked for, "" = nobody
	day, epoch int
	status     int // 0 = no header arrived
	body       string
	whole      bool
}

// besieger is an agent with several clients on one session.
type besieger struct {
	account  generate.Account
	relation map[string]string            // person -> caseload, site, organisation, other, outside
	targets  map[string][]generate.Person // by relation
	desk     *desk
	hoards   bool // pages through the caseload, until the total is used up

	mu      sync.Mutex
	handles map[string]string // person -> handle of this session
	cursors []string
}

func newBesieger(p *generate.Population, a generate.Account, persons []generate.Person) *besieger {
	b := &besieger{account: a, relation: map[string]string{}, targets: map[string][]generate.Person{}, handles: map[string]string{}}
	mandate := policy.Territory{}
	for g := range p.Agreements() {
		if g.Code == a.Agreement && g.Organisation == a.Organisation {
			mandate = policy.ParseTerritory(g.Territory)
		}
	}
	for _, person := range persons {
		r := "other"
		switch {
		case !mandate.Covers(person.Territory):
			r = "outside"
		case person.Account == a.Login:
			r = "caseload"
		case person.Account != "" && person.Site == a.Site:
			r = "site"
		case person.Account != "" && person.Organisation == a.Organisation:
			r = "organisation"
		}
		b.relation[person.ID] = r
		b.targets[r] = append(b.targets[r], person)
	}
	return b
}

// arrive signs in. On a new day the agent turns to persons whom nobody of this test has seen yet:
// whoever is known is free, and one whose disclosure was written down but never arrived would be.
func (b *besieger) arrive(t *testing.T, base string, newDay bool) {
	t.Helper()
	b.desk = signIn(t, base, b.account.Login)
	b.desk.http.Transport = &http.Transport{MaxIdleConnsPerHost: killClients}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handles, b.cursors = map[string]string{}, []string{""}
	if !newDay {
		return
	}
	for r, list := range b.targets {
		if n := dayPortion[r]; len(list) > 2*n {
			b.targets[r] = list[n:]
		}
	}
}

// dayPortion is how many persons of a relation an agent looks for on one day.
var dayPortion = map[string]int{"site": 25, "organisation": 12, "other": 12, "outside": 4}

// act does one thing, at random.
func (b *besieger) act(ctx context.Context) (act, error) {
	switch n := rand.IntN(20); {
	case n < 9:
		if person, handle, ok := b.anyHandle(); ok {
			return b.disclose(ctx, person, handle)
		}
		return b.search(ctx)
	case n < 12 && b.hoards:
		return b.caseload(ctx)
	default:
		return b.search(ctx)
	}
}

func (b *besieger) anyHandle() (person, handle string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for person, handle := range b.handles { // in an order of its own each time
		return person, handle, true
	}
	return "", "", false
}

func (b *besieger) disclose(ctx context.Context, person, handle string) (act, error) {
	question := map[string]any{"purpose": "emploi", "justification": map[string]string{"motive": "walk_in", "text": "La personne est devant moi, sans rendez-vous."}}
	if rand.IntN(4) == 0 {
		question["fields"] = []string{"surname", "first_name", "birth_date", "dossier"}
	}
	return b.send(ctx, act{kind: "disclose", target: person}, http.MethodPost, registerPath("persons/%s/disclose", handle), question)
}

func (b *besieger) caseload(ctx context.Context) (act, error) {
	b.mu.Lock()
	cursor := b.cursors[rand.IntN(len(b.cursors))]
	b.mu.Unlock()
	path := registerPath("caseload?purpose=emploi")
	if cursor != "" {
		path += "&cursor=" + cursor
	}
	made, err := b.send(ctx, act{kind: "caseload"}, http.MethodGet, path, nil)
	var answer struct{ Next string }
	if made.status == http.StatusOK && made.whole && json.Unmarshal([]byte(made.body), &answer) == nil && answer.Next != "" {
		b.mu.Lock()
		if !slices.Contains(b.cursors, answer.Next) && len(b.cursors) < 4 {
			b.cursors = append(b.cursors, answer.Next)
		}
		b.mu.Unlock()
	}
	return made, err
}

func (b *besieger) search(ctx context.Context) (act, error) {
	relations := []string{"caseload", "site", "site", "site", "organisation", "other", "outside"}
	r := relations[rand.IntN(len(relations))]
	list := b.targets[r]
	if n := dayPortion[r]; n > 0 {
		list = list[:min(n, len(list))]
	}
	if len(list) == 0 {
		return act{agent: b.account.Login, kind: "search", whole: true}, nil
	}
	p := list[rand.IntN(len(list))]
	question := identity(p.Values["surname"], p.Values["first_name"], p.Values["birth_date"])
	question["beyond"] = r != "caseload"
	made, err := b.send(ctx, act{kind: "search", target: p.ID}, http.MethodPost, registerPath("search"), question)
	var answer struct {
		Hits []struct{ Handle, Relation string }
	}
	if made.status == http.StatusOK && made.whole && json.Unmarshal([]byte(made.body), &answer) == nil && len(answer.Hits) == 1 {
		b.mu.Lock()
		b.handles[p.ID] = answer.Hits[0].Handle
		b.mu.Unlock()
	}
	return made, err
}

func (b *besieger) send(ctx context.Context, made act, method, path string, question map[string]any) (act, error) {
	made.agent = b.account.Login
	var body []byte
	if question != nil {
		var err error
		if body, err = json.Marshal(question); err != nil {
			return made, err
		}
	}
	p, err := b.desk.try(ctx, method, path, "application/json", bytes.NewReader(body))
	made.status, made.body, made.whole = p.status, p.body, err == nil && p.status != 0
	return made, err
}
