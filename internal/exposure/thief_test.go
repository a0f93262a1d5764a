package exposure_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ecluse/internal/node/nodetest"
)

// A thief has one account with everything that belongs to it, knows the name, birth date and number of
// everybody in the registers, and does whatever the doors let be sent. What it obtained is counted from
// the bodies of the answers, and from nothing else.
type thief struct {
	*street
	house  *house
	rng    *rand.Rand
	greedy bool
	client *http.Client
	at     time.Time // of the present acts: never goes back, like the ledger's

	mu      sync.Mutex
	sights  []sight
	handles map[string]given
	cursors []string
	mistake string // what must never be, the first one
	sent    int
}

// given is what a handle stands for. Person is 0 if the thief does not know whom yet.
type given struct {
	person   int
	register string
}

// sight is one person in one answer.
type sight struct {
	at     time.Time
	person int
}

// do sends a request and counts whoever is in the answer and was not in the question.
func (t *thief) do(method, path, kind, body string) (status int, answer string) {
	status, answer = ask(t.client, method, path, []byte(body), kind)
	question := path
	if unescaped, err := url.QueryUnescape(path + " " + body); err == nil {
		question = unescaped
	}
	t.saw(minus(peopleIn(answer), peopleIn(question+" "+body))...)
	t.mu.Lock()
	t.sent++
	t.mu.Unlock()
	return status, answer
}

func (t *thief) post(path string, body any) (int, string) {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return t.do("POST", path, "application/json", string(b))
}

func (t *thief) saw(persons ...int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range persons {
		t.sights = append(t.sights, sight{t.at, p})
	}
}

func (t *thief) err(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mistake == "" {
		t.mistake = fmt.Sprintf(format, args...)
	}
}

// marks are the values of nodetest.Value that belong to one person alone, with what surrounds them: a
// handle or a receipt must not look like one by chance.
var marks = regexp.MustCompile(` Zq[b-z]+x|zq[0-9]{3,}[ .]|\+3363998[0-9]{4}|26[0-9]{13}`)

// peopleIn are the persons whose values are in a text.
func peopleIn(text string) (people []int) {
	for _, mark := range marks.FindAllString(text, -1) {
		if i := personOf(mark); i > 0 && !slices.Contains(people, i) {
			people = append(people, i)
		}
	}
	return people
}

func personOf(mark string) (i int) {
	mark = strings.Trim(mark, " .")
	switch {
	case strings.HasPrefix(mark, "Zq"): // letters, the least significant first
		for _, letter := range slices.Backward([]byte(mark[2 : len(mark)-1])) {
			i = i*20 + strings.IndexByte("bcdfghjklmnpqrstvwxz", letter)
		}
		return i
	case strings.HasPrefix(mark, "zq"):
		mark = mark[2:]
	case strings.HasPrefix(mark, "+"):
		mark = mark[8:]
	default:
		i, _ = strconv.Atoi(mark[:13])
		return i - 2690549588000
	}
	i, _ = strconv.Atoi(mark)
	return i
}

func minus(all, some []int) []int {
	return slices.DeleteFunc(all, func(i int) bool { return slices.Contains(some, i) })
}

// text is a member of a JSON object, "" if there is none.
func text(body, member string) string {
	var o map[string]any
	if json.Unmarshal([]byte(body), &o) != nil {
		return ""
	}
	s, _ := o[member].(string)
	return s
}

// search looks a person up and keeps the handle. Where to be in the register tells something, a hit is a
// person obtained.
func (t *thief) search(i int, byNumber, beyond bool) (handle, answer string) {
	who := t.house.persons[i]
	query := map[string]string{"surname": who.surname, "first_name": who.firstName, "birth_date": who.birthDate}
	if byNumber {
		query = map[string]string{"identifier": who.identifier}
	}
	_, answer = t.post("/api/v1/registers/"+who.register+"/search", map[string]any{"purpose": t.purpose(who.register), "query": query, "beyond": beyond})
	var found struct {
		Hits []struct {
			Handle string
			Exact  bool
		}
	}
	if json.Unmarshal([]byte(answer), &found) != nil || len(found.Hits) == 0 {
		return "", answer
	}
	hit := found.Hits[0]
	if !hit.Exact { // somebody of the own persons, who is like her
		i = 0
	} else if who.register == t.house.second.Code {
		t.saw(i)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.handles[hit.Handle] = given{i, who.register}
	return hit.Handle, answer
}

func (t *thief) purpose(register string) string {
	if register == t.house.second.Code {
		return "encadrement"
	}
	return []string{"emploi", "formation", "sante", "logement"}[t.rng.IntN(4)]
}

// question is the body of a disclosure, with all justification that there is or, bare, with none.
func (t *thief) question(register string, fields []string, emergency string, bare bool) map[string]any {
	q := map[string]any{"purpose": t.purpose(register)}
	if len(fields) > 0 {
		q["fields"] = fields
	}
	switch {
	case emergency != "":
		q["emergency"] = emergency
	case !bare:
		motive := "walk_in"
		if register == t.house.second.Code {
			motive = "event"
		}
		q["justification"] = map[string]string{"motive": motive, "text": "She came to the desk this morning without an appointment."}
	}
	return q
}

// disclose opens a handle. Whoever is allowed is obtained, whatever the fields show.
func (t *thief) disclose(handle string, question map[string]any) (answer string) {
	t.mu.Lock()
	who := t.handles[handle]
	t.mu.Unlock()
	if who.person == 0 {
		delete(question, "fields") // for the answer to say who she is
	}
	status, answer := t.post("/api/v1/registers/"+who.register+"/persons/"+url.PathEscape(handle)+"/disclose", question)
	if status == http.StatusOK && who.person != 0 {
		t.saw(who.person)
	}
	return answer
}

// open looks a person up and opens her.
func (t *thief) open(i int, fields []string, emergency string, bare bool) (answer string) {
	handle, answer := t.search(i, t.rng.IntN(3) == 0, t.rng.IntN(4) == 0)
	if handle == "" {
		return answer
	}
	return t.disclose(handle, t.question(t.house.persons[i].register, fields, emergency, bare))
}

// caseload asks for a page of the thief's own persons.
func (t *thief) caseload(register, cursor string) {
	path := "/api/v1/registers/" + register + "/caseload"
	if cursor != "" {
		path += "?cursor=" + url.QueryEscape(cursor)
	}
	_, body := t.do("GET", path, "", "")
	var page struct {
		Persons []struct{ Handle string }
		Next    string
	}
	if json.Unmarshal([]byte(body), &page) != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, p := range page.Persons {
		t.handles[p.Handle] = given{peopleIn(body)[k], register}
	}
	if page.Next != "" {
		t.cursors = append(t.cursors, page.Next)
	}
}

// greed takes as much as it can today: own persons, new ones, emergencies. It rests now and then.
func (t *thief) greed() {
	for r, has := range t.registers {
		if !has {
			continue
		}
		t.caseload(t.house.register(r).Code, "")
		if t.rng.IntN(4) > 0 {
			t.take(r, "", 40)
		}
		if t.rng.IntN(4) > 0 {
			t.take(r, "danger", 3)
		}
	}
}

// take opens residents that were not seen yet, at most so many, until a budget says no.
func (t *thief) take(r int, emergency string, most int) {
	seen := map[int]bool{}
	for _, s := range t.sights {
		seen[s.person] = true
	}
	start := 0
	if emergency != "" { // not those whom tomorrow's new ones will be
		start = len(t.residents[r]) / 2
	}
	for k := range t.residents[r] {
		i := t.residents[r][(k+start)%len(t.residents[r])]
		if seen[i] {
			continue
		}
		if most--; most < 0 {
			return
		}
		answer := t.open(i, nil, emergency, false)
		if strings.Contains(answer, "budget.") || strings.Contains(answer, "emergency.limit") {
			return
		}
	}
}

// whim does one thing, whatever.
func (t *thief) whim() {
	whims := []func(*thief, int){
		(*thief).openSomehow, (*thief).openSomehow, (*thief).openSomehow, (*thief).openSomehow, (*thief).walk, (*thief).openAgain, (*thief).openAgain, (*thief).burst,
		(*thief).makeLink, (*thief).tamper, (*thief).askForAccounts, (*thief).impersonate, (*thief).usePages, (*thief).usePages, (*thief).visitOffices,
		func(t *thief, _ int) { t.greed() }, (*thief).signInAgain,
	}
	whims[t.rng.IntN(len(whims))](t, t.someone())
}

// someone is mostly a resident of the own street, else of another one.
func (t *thief) someone() int {
	s := t.street
	if t.rng.IntN(6) == 0 {
		s = pick(t.rng, t.house.streets)
	}
	return pick(t.rng, s.residents[t.rng.IntN(2)])
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

func (t *thief) fields() []string {
	return pick(t.rng, [][]string{nil, nil, nil, {"surname"}, {"birth_date"}, {"phone"}, {"surname", "email"}, {"nir"}, {"no_such_field"}})
}

func (t *thief) emergency() string { return pick(t.rng, []string{"", "", "", "danger", "nonsense"}) }

func (t *thief) openSomehow(i int) { t.open(i, t.fields(), t.emergency(), t.rng.IntN(8) == 0) }

// walk asks for a page of the caseload, with a cursor that was given or with one that was not.
func (t *thief) walk(int) {
	cursor := ""
	if len(t.cursors) > 0 && t.rng.IntN(2) == 0 {
		cursor = pick(t.rng, t.cursors) + pick(t.rng, []string{"", "", "A"})
	}
	t.caseload(t.house.register(t.rng.IntN(2)).Code, cursor)
}

// handle is one that the thief was given before, in this session or in an earlier one.
func (t *thief) handle() string {
	if len(t.handles) == 0 {
		return "none"
	}
	return pick(t.rng, slices.Sorted(maps.Keys(t.handles)))
}

func (t *thief) openAgain(int) {
	handle := t.handle()
	t.disclose(handle, t.question(t.handles[handle].register, t.fields(), t.emergency(), false))
}

// burst sends several requests at the same time: one person several times, or several persons.
func (t *thief) burst(i int) {
	var together []func()
	for range 3 {
		register := t.house.persons[i].register
		if handle, _ := t.search(i, false, false); handle != "" {
			emergency := t.emergency()
			for range 2 {
				question := t.question(register, nil, emergency, false)
				together = append(together, func() { t.disclose(handle, question) })
			}
		}
		if t.rng.IntN(2) == 0 {
			i = t.someone()
		}
	}
	together = append(together, func() { t.caseload(t.house.register(0).Code, "") })
	var wg sync.WaitGroup
	for _, do := range together {
		wg.Go(do)
	}
	wg.Wait()
}

// makeLink makes links: for the thief's own account and site, which open nothing to it, and for colleagues.
func (t *thief) makeLink(i int) {
	handle := t.handle()
	if t.rng.IntN(2) == 0 {
		if found, _ := t.search(i, false, false); found != "" {
			handle = found
		}
	}
	register := t.handles[handle].register
	link := map[string]any{"kind": pick(t.rng, []string{"appointment", "prescription", "standin", "caseload"}), "handle": handle, "purpose": t.purpose(register)}
	switch t.rng.IntN(4) {
	case 0:
		link["account"] = nodetest.Email(t.street.thief)
	case 1:
		link["site"] = t.sites[0]
	case 2:
		link["site"] = t.sites[1]
	default:
		link["account"] = nodetest.Email("mate" + t.code[1:])
	}
	t.post("/api/v1/registers/"+register+"/"+pick(t.rng, []string{"links", "links", "presence", "transfers"}), link)
	if t.rng.IntN(2) == 0 { // and now?
		t.disclose(handle, t.question(register, nil, "", false))
	}
}

// tamper sends what is not quite right: handles that were altered, of another register or of nobody,
// members that do not exist, other methods.
func (t *thief) tamper(i int) {
	handle := t.handle()
	register := t.handles[handle].register
	bad := []byte(handle)
	bad[t.rng.IntN(len(bad))] = "ABCDEFGHabcdefgh01234567-_"[t.rng.IntN(26)]
	other := t.house.register(t.rng.IntN(2)).Code
	question := t.question(register, nil, t.emergency(), false)
	send := func(register, handle string, question map[string]any) {
		t.post("/api/v1/registers/"+register+"/persons/"+url.PathEscape(handle)+"/disclose", question)
	}
	switch t.rng.IntN(6) {
	case 0:
		send(register, string(bad), question)
	case 1:
		send(other, handle, question)
	case 2:
		question["tier"], question["account"] = 0, nodetest.Email("mate"+t.code[1:])
		send(register, handle, question)
	case 3:
		question["fields"] = []any{"surname", 7}
		send(register, handle, question)
	case 4:
		t.do(pick(t.rng, []string{"GET", "PUT", "HEAD", "PATCH"}), "/api/v1/registers/"+register+"/persons/"+url.PathEscape(handle)+"/disclose", "", "")
	default:
		t.do("POST", "/api/v1/registers/"+register+"/search", "application/json", `{"purpose":"emploi","query":{"surname":"`+strings.Repeat("a", t.rng.IntN(300))+`%"}}`)
	}
}

// askForAccounts asks for accounts, replacements, programs and their keys, decides on whatever it is shown
// or guesses, and tries invitations.
func (t *thief) askForAccounts(int) {
	name := fmt.Sprintf("puppet%02d", t.rng.IntN(puppets))
	somebody := url.Values{
		"email": {nodetest.Email(name)}, "given_name": {name}, "usual_name": {"Test"}, "organisation": {t.code}, "site": {t.sites[0]}, "name": {name},
		"role": {pick(t.rng, []string{"agent", "account_manager", "agent account_manager", "access_officer"})}, "reason": {"arrival"}, "sure": {"yes"},
	}.Encode()
	for _, path := range []string{"/colleagues", "/replacements", "/programs"} {
		t.do("POST", path, form, somebody)
	}
	t.post("/api/v1/accounts/requests", map[string]any{
		"email": nodetest.Email(name), "given_name": name, "usual_name": "Test", "organisation": t.code, "site": t.sites[0], "role": "agent", "reason": "arrival",
	})
	for _, path := range []string{"/colleagues", "/replacements", "/approvals", "/programs"} {
		_, page := t.do("GET", path, "", "")
		for _, link := range linkOnPage.FindAllStringSubmatch(page, 6) {
			t.do("POST", "/approvals/"+link[2]+"/confirm", form, "decision=approve")
			t.do("POST", "/approvals/"+link[2]+"/decision", form, "decision=approve")
			t.do("POST", "/"+link[1]+"/"+link[2]+"/"+pick(t.rng, []string{"invite", "relink", "change", "key", "take-up"}), form, somebody)
		}
	}
	t.do("POST", "/invitation/"+fmt.Sprintf("%032x", t.rng.Uint64()), form, "provider=test")
}

var linkOnPage = regexp.MustCompile(`/(approvals|colleagues|programs)/([A-Za-z0-9_-]{12,})`)

const form = "application/x-www-form-urlencoded"

// impersonate signs in as somebody who has no account, and as one that was asked for.
func (t *thief) impersonate(int) {
	for _, name := range []string{outsider, fmt.Sprintf("puppet%02d", t.rng.IntN(puppets))} {
		if got := signIn(t.house.browser(), nodetest.Email(name)); got != "" {
			t.err("%s has an account now: %s", name, got)
		}
	}
}

// visitOffices asks for what is not the thief's: exposure, scope, lineage, containment, reviews, recovery,
// and raises of its own limit.
func (t *thief) visitOffices(int) {
	own := t.account()
	t.do("GET", pick(t.rng, []string{
		"/api/v1/exposure", "/api/v1/scope?account=" + own, "/api/v1/alerts", "/api/v1/accounts/1/lineage", "/exposure", "/security", "/reviews", "/approvals",
		"/raises", "/orphans", "/recovery", "/me", "/me/programs", "/api/v1/me", "/tlog/checkpoint", "/tlog/tile/0/000", "/metrics", "/desk",
	}), "", "")
	t.post("/api/v1/containments", map[string]any{"account": nodetest.Email("mate" + t.code[1:]), "reason": "none"})
	register := t.house.register(t.rng.IntN(2)).Code
	raise := url.Values{"register": {register}, "email": {own}, "reason": {"busy_day"}}.Encode()
	_, page := t.do("POST", "/raises/confirm", form, raise)
	for _, colleague := range colleagueOnPage.FindAllStringSubmatch(page, 2) {
		t.do("POST", "/raises", form, url.Values{"register": {register}, "colleague": {colleague[1]}, "reason": {"busy_day"}}.Encode())
	}
	t.do("POST", "/recovery", form, url.Values{"email": {own}, "account": {own}, "factor": {"none"}}.Encode())
	t.do("POST", "/oauth/token", form, url.Values{"grant_type": {"client_credentials"}, "client_id": {own}, "client_secret": {"guess"}, "act_as": {own}}.Encode())
}

var colleagueOnPage = regexp.MustCompile(`name="colleague" value="([A-Za-z0-9_-]+)"`)

// usePages takes the other door: the pages.
func (t *thief) usePages(i int) {
	who := t.house.persons[i]
	desk := "/desk/" + who.register
	typed := url.Values{"purpose": {t.purpose(who.register)}, "surname": {who.surname}, "first_name": {who.firstName}, "birth_date": {who.birthDate}, "identifier": {""}}
	t.do("GET", desk+"/persons", "", "")
	_, page := t.do("POST", desk+"/search", form, typed.Encode())
	if who.register == t.house.second.Code && handleOnPage.MatchString(page) {
		t.saw(i)
	}
	for _, found := range handleOnPage.FindAllStringSubmatch(page, 2) {
		motive := "walk_in"
		if who.register == t.house.second.Code {
			motive = "event"
		}
		typed.Set("motive", motive)
		typed.Set("text", "She came to the desk this morning without an appointment.")
		typed.Set("relation", pick(t.rng, []string{"caseload", "site", "other"}))
		if t.rng.IntN(3) == 0 {
			typed.Set("emergency", "danger")
			t.openPage(i, desk+"/persons/"+found[1]+"/emergency/open", typed)
			continue
		}
		t.openPage(i, desk+"/persons/"+found[1], typed)
	}
}

var handleOnPage = regexp.MustCompile(`/desk/[a-z-]+/persons/([A-Za-z0-9_-]{20,})["/?]`)

// openPage opens a file on a page. It shows what was typed, too; whatever else it shows of the person
// tells that she was obtained.
func (t *thief) openPage(i int, path string, typed url.Values) {
	_, page := ask(t.client, "POST", path, []byte(typed.Encode()), form)
	t.saw(minus(peopleIn(page), []int{i})...)
	who := t.house.persons[i]
	for _, mark := range marks.FindAllString(page, -1) {
		if personOf(mark) == i && !strings.Contains(who.surname+" "+who.firstName, strings.TrimSpace(mark)) {
			t.saw(i)
			return
		}
	}
}

func (t *thief) signInAgain(int) {
	if t.rng.IntN(4) > 0 {
		return
	}
	t.do("POST", "/sign-out", form, "")
	if got := signIn(t.client, t.account()); got != t.account() {
		t.err("after a new sign-in the session is %q's", got)
	}
}

func (t *thief) account() string { return nodetest.Email(t.street.thief) }
