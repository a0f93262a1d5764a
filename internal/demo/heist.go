package demo

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"ecluse"
	"ecluse/internal/generate"
	"ecluse/internal/web"
)

// Bounds of one heist: it ends by itself, and keeps few lines.
const (
	heistLength = 20 * time.Minute
	heistPause  = 1500 * time.Millisecond // between two acts, so that one can look on
	heistEvents = 60
)

// heist is the thief of the guided tour: the session of an account manager was stolen, with everything
// that belongs to it. It acts over HTTP only, knows the names of everybody in the register, and reads the
// mailboxes of the addresses that it invents. It implements web.Tour.
type heist struct {
	demo *Demo
	end  context.Context // of the demo

	mu      sync.Mutex
	number  int
	seen    web.Seen
	persons map[string]bool // identifiers in answers
}

// newHeist is a thief who has not begun. ctx ends what it does.
func newHeist(ctx context.Context, d *Demo) *heist { return &heist{demo: d, end: ctx} }

// Seen implements web.Tour.
func (h *heist) Seen() web.Seen {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.seen
	s.Persons, s.Events = len(h.persons), slices.Clone(s.Events)
	return s
}

// Begin implements web.Tour.
func (h *heist) Begin() {
	victim, ok := h.victim()
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen.Running {
		return
	}
	h.number++
	h.seen = web.Seen{Begun: true, Running: true, Victim: victim.GivenName + " " + victim.UsualName + ", " + victim.Login}
	h.persons = map[string]bool{}
	go h.run(victim, h.number)
}

// victim is the account manager whom the first page names.
func (h *heist) victim() (generate.Account, bool) {
	list := shown(h.demo.Populations[0])
	i := slices.IndexFunc(list, func(a generate.Account) bool { return a.Role == ecluse.RoleAccountManager })
	if i < 0 {
		return generate.Account{}, false
	}
	return list[i], true
}

// note writes an event down, in one line with the one before if it is the same again.
func (h *heist) note(code, about string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.demo.Node.Clock.Now()
	if n := len(h.seen.Events); n > 0 && h.seen.Events[n-1].Code == code && h.seen.Events[n-1].About == about {
		h.seen.Events[n-1].Times++
		h.seen.Events[n-1].At = at
		return
	}
	if len(h.seen.Events) < heistEvents {
		h.seen.Events = append(h.seen.Events, web.TourEvent{At: at, Code: code, About: about, Times: 1})
	}
}

func (h *heist) run(victim generate.Account, number int) {
	ctx, cancel := context.WithTimeout(h.end, heistLength)
	defer cancel()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.seen.Running = false
	}()
	manager := h.visitor(victim.Login)
	if !manager.enter(ctx, "") {
		h.note("refused", victim.Login)
		return
	}
	h.note("stolen", victim.Login)
	var accomplices []*visitor
	for _, name := range []string{"un", "deux"} {
		email := fmt.Sprintf("voleur-%s-%d@demo.ecluse.test", name, number)
		if !h.recruit(ctx, manager, victim, email) {
			return
		}
		accomplices = append(accomplices, h.visitor(email))
	}
	h.plunder(ctx, manager, accomplices)
}

// recruit asks for an account, tries to approve it with the same session, and to sign in with it.
func (h *heist) recruit(ctx context.Context, manager *visitor, victim generate.Account, email string) bool {
	if !pause(ctx) {
		return false
	}
	status, answer := manager.call(ctx, http.MethodPost, "/accounts/requests", map[string]string{
		"email": email, "given_name": "Alix", "usual_name": "Nouvelle", "site": victim.Site, "role": string(ecluse.RoleAgent), "reason": "arrival",
	})
	if status != http.StatusAccepted {
		h.note("refused", victim.Login)
		return status != http.StatusUnauthorized
	}
	h.note("asked", email)
	if !pause(ctx) {
		return false
	}
	id, _ := answer["id"].(string)
	if status, _ = manager.call(ctx, http.MethodPost, "/accounts/requests/"+id+"/approve", nil); status >= http.StatusBadRequest {
		h.note("own_approval", email)
	}
	if !h.visitor(email).enter(ctx, "") {
		h.note("stranger", email)
	}
	return true
}

// plunder waits for invitations, and takes what whoever got in can take, until every session of the thief
// is dead.
func (h *heist) plunder(ctx context.Context, manager *visitor, accomplices []*visitor) {
	next := h.names()
	for pause(ctx) {
		if status, _ := manager.call(ctx, http.MethodGet, "/me", nil); status == http.StatusUnauthorized && !manager.cut {
			manager.cut = true
			h.note("ended", manager.login)
		}
		alive := !manager.cut
		for _, v := range accomplices {
			switch {
			case v.cut:
			case v.in:
				alive = h.open(ctx, v, next) || alive
			default:
				if token := h.demo.shelf.invitation(v.login); token != "" && v.enter(ctx, token) {
					h.note("invited", v.login)
					h.train(ctx, v)
					alive = true
				}
			}
		}
		if !alive {
			return
		}
	}
	h.note("gave_up", "")
}

// train passes the exam that the first register asks for.
func (h *heist) train(ctx context.Context, v *visitor) {
	passed, err := h.demo.PassExam(ctx, v.Door, h.demo.Populations[0].Register())
	switch {
	case err != nil:
		h.note("refused", v.login)
	case passed:
		h.note("trained", v.login)
	}
}

// names yields persons of the register, one after the other, as somebody has bought them.
func (h *heist) names() func() generate.Person {
	var list []generate.Person
	for p := range h.demo.Populations[0].Persons() {
		if p.Values["birth_date"] != "" && len(list) < 2000 {
			list = append(list, p)
		}
	}
	i := -1
	return func() generate.Person { i++; return list[i%len(list)] }
}

// open looks the next person up and opens her. It reports whether the session lives.
func (h *heist) open(ctx context.Context, v *visitor, next func() generate.Person) bool {
	population := h.demo.Populations[0]
	person, purpose := next(), v.purpose
	path := "/registers/" + population.Register()
	status, answer := v.call(ctx, http.MethodPost, path+"/search", map[string]any{"purpose": purpose, "beyond": true, "query": map[string]string{
		"surname": person.Values["surname"], "first_name": person.Values["first_name"], "birth_date": person.Values["birth_date"],
	}})
	if hits, _ := answer["hits"].([]any); status == http.StatusOK && len(hits) == 1 {
		hit, _ := hits[0].(map[string]any)
		handle, _ := hit["handle"].(string)
		status, answer = v.call(ctx, http.MethodPost, path+"/persons/"+url.PathEscape(handle)+"/disclose", map[string]any{
			"purpose": purpose, "justification": map[string]string{"motive": "walk_in", "text": "La personne est devant moi, sans rendez-vous."},
		})
		if _, ok := answer["values"].(map[string]any); status == http.StatusOK && ok {
			h.take(person.ID)
			h.note("opened", v.login)
			return true
		}
	}
	code, _ := answer["code"].(string)
	switch {
	case status == http.StatusUnauthorized:
		v.cut = true
		h.note("ended", v.login)
		return false
	case strings.HasPrefix(code, "budget."):
		h.note("budget", v.login)
	case status >= http.StatusBadRequest:
		h.note("refused", v.login)
	}
	return true
}

func (h *heist) take(person string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.persons[person] = true
	h.seen.Opened++
}

// pause waits between two acts; false: it is over.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(heistPause):
		return true
	}
}

var invitationPath = regexp.MustCompile(`/invitation/([A-Za-z0-9_-]+)`)

// invitation is the token of the newest invitation to an address, "" for none: its owner reads her mail.
func (s *shelf) invitation(to string) string {
	for _, m := range s.newest(to) {
		if found := invitationPath.FindStringSubmatch(m.Text); found != nil {
			return found[1]
		}
	}
	return ""
}

// visitor is the thief in front of the demo, as an account.
type visitor struct {
	*Door
	login   string
	in, cut bool
	purpose string // the first that the account may look up for
}

func (h *heist) visitor(login string) *visitor {
	return &visitor{Door: NewDoor(h.demo.Node.Config.Instance.PublicURL, nil), login: login}
}

// enter signs in, with an invitation or without, and reports whether there is a session. No answer is none.
func (v *visitor) enter(ctx context.Context, invitation string) bool {
	v.in, _ = v.SignIn(ctx, SignIn{Login: v.login, Invitation: invitation})
	var me struct {
		Grants []struct {
			Purposes []struct{ ID string }
		}
	}
	_ = v.Read(ctx, "/me", &me)
	for _, g := range me.Grants {
		for _, p := range g.Purposes {
			v.purpose = cmp.Or(v.purpose, p.ID)
		}
	}
	return v.in
}

// call asks the API; status 0 is no answer.
func (v *visitor) call(ctx context.Context, method, path string, body any) (int, map[string]any) {
	status, answer, _ := v.Call(ctx, method, path, body)
	return status, answer
}
