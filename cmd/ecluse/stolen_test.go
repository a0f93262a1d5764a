package main

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/generate"
	"ecluse/internal/scope"

	"github.com/google/go-cmp/cmp"
)

// The published case: somebody holds the session of an account manager, has accounts opened in her
// organisation and reads with them. Two nodes serve, on one PostgreSQL.

// staff is somebody of a role, the nth.
func (p *pair) staff(role ecluse.Role, nth int) generate.Account {
	p.t.Helper()
	for a := range p.population.Accounts() {
		if a.Role == role {
			if nth == 0 {
				return a
			}
			nth--
		}
	}
	p.t.Fatalf("the demo has too few of role %s", role)
	return generate.Account{}
}

// askForAccount asks for an agent's account at a site, and answers the name of the request.
func (d *desk) askForAccount(email, site string) string {
	d.t.Helper()
	var pending struct{ ID, State string }
	d.call(http.StatusAccepted, http.MethodPost, "/api/v1/accounts/requests", map[string]string{
		"email": email, "given_name": "Nouvelle", "usual_name": "Venue", "site": site, "role": "agent", "reason": "arrival",
	}, &pending)
	if pending.State != "pending" {
		d.t.Fatalf("the request for %s is %q", email, pending.State)
	}
	return pending.ID
}

var invitationAddress = regexp.MustCompile(`/invitation/([A-Za-z0-9_-]+)`)

// joins follows the invitation that one of the nodes has mailed, and is signed in.
func (p *pair) joins(email string) *desk {
	p.t.Helper()
	d := newDesk(p.t, p.base())
	var token string
	p.a.await(email+" is invited", func() bool {
		for _, base := range []string{p.base(), p.other} {
			if m := invitationAddress.FindStringSubmatch(d.at(base).get("/demo/mail?to=" + url.QueryEscape(email)).body); m != nil {
				token = m[1]
			}
		}
		return token != ""
	})
	if got := d.get("/sign-in/proconnect?" + url.Values{"invitation": {token}, "login_hint": {email}}.Encode()); got.status != http.StatusOK || strings.Contains(got.path, "sign-in") {
		p.t.Fatalf("%s is not let in: %d at %s", email, got.status, got.path)
	}
	d.train(p.population.Register())
	return d
}

// loot is all that clients hold: what arrived, by person.
type loot struct {
	mu      sync.Mutex
	persons map[string]map[string]bool // identifier -> fields
	entries int
	ends    map[int]int // status of the last answer -> clients
}

func (l *loot) take(person string, body string) error {
	var answer struct{ Values map[string]json.RawMessage }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries++
	if l.persons[person] == nil {
		l.persons[person] = map[string]bool{}
	}
	for name := range answer.Values {
		l.persons[person][name] = true
	}
	return nil
}

func (l *loot) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries
}

// fields are the persons by field.
func (l *loot) fields() map[string]int {
	all := map[string]int{}
	for _, names := range l.persons {
		for name := range names {
			all[name]++
		}
	}
	return all
}

// find searches for a person of the site and answers the handle.
func (p *pair) find(d *desk, person generate.Person) string {
	p.t.Helper()
	var found struct {
		Hits []struct{ Handle string }
	}
	question := identity(person.Values["surname"], person.Values["first_name"], person.Values["birth_date"])
	question["beyond"] = true
	d.call(http.StatusOK, http.MethodPost, registerPath("search"), question, &found)
	if len(found.Hits) != 1 {
		p.t.Fatalf("%d persons found", len(found.Hits))
	}
	return found.Hits[0].Handle
}

// plunder opens a record over and over until it is turned away, and says how.
func (p *pair) plunder(ctx context.Context, d *desk, person, handle string, l *loot) {
	question := `{"purpose": "emploi", "fields": ["surname", "first_name", "birth_date", "phone"], "justification": {"motive": "walk_in", "text": "La personne est devant moi, sans rendez-vous."}}`
	for ctx.Err() == nil {
		answer, err := d.try(ctx, http.MethodPost, registerPath("persons/%s/disclose", handle), "application/json", strings.NewReader(question))
		switch {
		case err != nil || answer.status == http.StatusServiceUnavailable:
			continue
		case answer.status != http.StatusOK:
			l.mu.Lock()
			l.ends[answer.status]++
			l.mu.Unlock()
			return
		}
		if err := l.take(person, answer.body); err != nil {
			p.t.Errorf("%v in %.200s", err, answer.body)
			return
		}
		time.Sleep(100 * time.Millisecond) // the budget is to last
	}
}

func TestAStolenManagerOpensNoAccountAloneAndIsContainedOnEveryNodeAtOnce(t *testing.T) {
	p := newPair(t)
	manager := p.staff(ecluse.RoleAccountManager, 0)
	stolen := signIn(t, p.base(), manager.Login)
	site, officer, desk := p.ownSite(manager), signIn(t, p.other, p.staff(ecluse.RoleAccessOfficer, 1).Login), signIn(t, p.other, p.staff(ecluse.RoleSecurityOfficer, 0).Login)

	// Two requests by the stolen session alone open nothing.
	waiting := []string{"un@demo.ecluse.test", "deux@demo.ecluse.test"}
	for _, email := range waiting {
		id := stolen.askForAccount(email, site)
		stolen.call(http.StatusNotFound, http.MethodPost, "/api/v1/accounts/requests/"+id+"/approve", nil, nil)
		stranger := newDesk(t, p.base())
		stranger.get("/sign-in/proconnect?login_hint=" + url.QueryEscape(email))
		if got := stranger.get("/api/v1/me"); got.status != http.StatusUnauthorized {
			t.Fatalf("%s is let in: %d %s", email, got.status, got.body)
		}
	}
	// Two others deceive the access officer.
	l := &loot{persons: map[string]map[string]bool{}, ends: map[int]int{}}
	thieves := []string{"trois@demo.ecluse.test", "quatre@demo.ecluse.test"}
	var clients sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	targets := p.followedAt(site, len(thieves))
	for i, email := range thieves {
		officer.call(http.StatusOK, http.MethodPost, "/api/v1/accounts/requests/"+stolen.askForAccount(email, site)+"/approve", nil, nil)
		here := p.joins(email)
		person := targets[i] // a newcomer's budget in so small a register
		handle := p.find(here, person)
		for range 3 {
			clients.Go(func() { p.plunder(ctx, here.at(p.base()), person.ID, handle, l) })
			clients.Go(func() { p.plunder(ctx, here.at(p.other), person.ID, handle, l) })
		}
	}
	p.a.await("they read", func() bool { return l.count() >= 12 })

	var made struct {
		Accounts    []string
		Receipt     string
		PersonsSeen int `json:"persons_seen"`
	}
	before := l.count()
	desk.call(http.StatusCreated, http.MethodPost, "/api/v1/containments", map[string]any{"account": manager.Login, "tree": true, "reason": "Session volée, deux comptes ouverts par elle."}, &made)
	clients.Wait()
	t.Logf("%d records were opened before the officer acted, %d in all; then: %v", before, l.entries, l.ends)
	if want := append([]string{manager.Login}, thieves...); !cmp.Equal(slices.Sorted(slices.Values(made.Accounts)), slices.Sorted(slices.Values(want))) {
		t.Errorf("contained: %v, want %v", made.Accounts, want)
	}
	if made.PersonsSeen != len(targets) {
		t.Errorf("the preview told of %d persons seen, want %d", made.PersonsSeen, len(targets))
	}
	if l.ends[http.StatusUnauthorized] != 12 {
		t.Errorf("the clients ended with %v, want 12 times 401", l.ends)
	}
	p.nothingAfter()
	for _, base := range []string{p.base(), p.other} {
		stolen.at(base).call(http.StatusUnauthorized, http.MethodGet, "/api/v1/me", nil, nil)
	}
	p.scopeIs(desk, manager.Login, l, len(thieves)+1)
}

// nothingAfter wants no act of the contained accounts to be in the ledger after the containment.
func (p *pair) nothingAfter() {
	p.t.Helper()
	var contained, after, reads int
	const about = `WITH cut AS (SELECT n FROM entries WHERE kind = 'containment' AND decision <> 'deny'), tree AS (SELECT id FROM accounts WHERE state = 'suspended')
		SELECT (SELECT count(*) FROM tree),
			(SELECT count(*) FROM entries, cut WHERE account_id IN (SELECT id FROM tree) AND decision = 'allow' AND entries.n > cut.n),
			(SELECT count(*) FROM entries, cut WHERE account_id IN (SELECT id FROM tree) AND decision = 'allow' AND kind = 'disclose' AND entries.n < cut.n)`
	if err := p.watch.QueryRowContext(p.t.Context(), about).Scan(&contained, &after, &reads); err != nil {
		p.t.Fatal(err)
	}
	if contained != 3 || after != 0 || reads == 0 {
		p.t.Errorf("%d accounts contained, %d acts allowed after it, %d disclosures before", contained, after, reads)
	}
}

// scopeIs wants the scope of a tree to be exactly what clients hold.
func (p *pair) scopeIs(officer *desk, email string, l *loot, accounts int) {
	p.t.Helper()
	var got scope.Document
	officer.call(http.StatusOK, http.MethodGet, "/api/v1/scope?"+url.Values{"account": {email}, "tree": {"true"}}.Encode(), nil, &got)
	if got.Persons != len(l.persons) || got.Entries != l.entries || got.Accounts != accounts || !got.Complete || got.Undelivered != 0 {
		p.t.Errorf("scope: %d persons, %d entries, %d accounts, complete %v, undelivered %d; the clients hold %d persons in %d answers",
			got.Persons, got.Entries, got.Accounts, got.Complete, got.Undelivered, len(l.persons), l.entries)
	}
	if diff := cmp.Diff(l.fields(), got.Fields); diff != "" {
		p.t.Errorf("fields of the scope (clients -, scope +):\n%s", diff)
	}
	if out := done(p.t, "scope", "--config", p.dir+"/ecluse.toml", "--account", email, "--tree", "--json"); !strings.Contains(out, `"complete": true`) && !strings.Contains(out, `"complete":true`) {
		p.t.Errorf("the command says: %.300s", out)
	}
	if len(got.FieldsAbsent) == 0 || slices.Contains(slices.Collect(maps.Keys(got.Fields)), "nir") {
		p.t.Errorf("nobody asked for the other fields: %v", got.Fields)
	}
}

// ownSite is a site of an account's organisation where agents follow persons.
func (p *pair) ownSite(a generate.Account) string {
	p.t.Helper()
	for other := range p.population.Accounts() {
		if other.Organisation == a.Organisation && other.Caseload >= 8 {
			return other.Site
		}
	}
	p.t.Fatalf("nobody of %s follows anybody", a.Organisation)
	return ""
}

// followedAt are persons whom agents of a site follow.
func (p *pair) followedAt(site string, n int) (list []generate.Person) {
	p.t.Helper()
	for person := range p.population.Persons() {
		if person.Account != "" && person.Site == site && len(list) < n {
			list = append(list, person)
		}
	}
	if len(list) < n {
		p.t.Fatalf("%d persons are followed at %s, want %d", len(list), site, n)
	}
	return list
}
