package drill

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/demo"
	"ecluse/internal/generate"
)

// shift is the normal work of the agents of the attacked register (generate.Population.Workday): sign in, open
// one's own persons from the list or by name, those of a colleague who is away, hand somebody on. Of those who
// are at work on a day, so many as there are desks are replayed, and everybody has their turn. What is refused
// to them is counted.
type shift struct {
	ground *ground
	agents []generate.Account
	worked map[string]bool
	next   int // in agents, for the coming day
	seed   uint64

	day   string                     // that turns are of
	turns map[string][]generate.Turn // by login

	handed map[string][]int // persons handed on to an account, whom it has not seen yet
	normal Normal
}

// desks is how many agents' days are replayed in full on each working day.
const desks = 16

func newShift(g *ground) *shift {
	return &shift{ground: g, agents: g.accounts(0, ecluse.RoleAgent, follower), worked: map[string]bool{}, handed: map[string][]int{}, seed: g.rng.Uint64(), normal: Normal{Refusals: map[string]int{}}}
}

// without leaves accounts out that others hold now: what happens to them is not normal work.
func (s *shift) without(logins ...string) {
	s.agents = slices.DeleteFunc(s.agents, func(a generate.Account) bool { return slices.Contains(logins, a.Login) })
}

// begin plans a day: the next agents who are at work.
func (s *shift) begin(at time.Time) {
	s.day, s.turns = at.Format(time.DateOnly), map[string][]generate.Turn{}
	for range s.agents {
		if len(s.turns) == desks {
			return
		}
		a := s.agents[s.next%len(s.agents)]
		s.next++
		if turns := s.ground.demo.Populations[0].Workday(a.Login, at); turns != nil {
			s.turns[a.Login] = turns
		}
	}
}

// work is the normal work of an hour, desk after desk: the same every time.
func (s *shift) work(ctx context.Context, at time.Time) error {
	if s.day != at.Format(time.DateOnly) {
		s.begin(at)
	}
	for _, a := range s.agents {
		var turns []generate.Turn
		for _, t := range s.turns[a.Login] {
			if t.Hour == at.Hour() {
				turns = append(turns, t)
			}
		}
		if len(turns) == 0 {
			continue
		}
		s.worked[a.Login] = true
		r := rand.New(rand.NewPCG(s.seed, uint64(turns[0].Nth)))
		if err := s.desk(ctx, a, turns, r); err != nil {
			return err
		}
	}
	return nil
}

// desk is an agent's hour.
func (s *shift) desk(ctx context.Context, a generate.Account, turns []generate.Turn, r *rand.Rand) error {
	d, c := s.ground.door(), s.ground.census[s.ground.register(0)]
	ok, err := d.SignIn(ctx, demo.SignIn{Login: a.Login})
	if err != nil {
		return err
	}
	s.met(ok, nil)
	w := &atWork{s, d, "/registers/" + s.ground.register(0), string(c.schema.Purposes[0].ID)}
	list, err := w.act(ctx, "GET", "/caseload", nil)
	if err != nil {
		return err
	}
	listed := objects(list, "persons")
	for _, i := range s.takeOver(a.Login) {
		if _, err := w.find(ctx, c.people[i], "caseload"); err != nil {
			return err
		}
	}
	for _, t := range turns {
		handle := ""
		if t.Listed && len(listed) > 0 {
			handle = text(listed[r.IntN(len(listed))], "handle")
			err = w.open(ctx, handle)
		} else if own := c.own[t.Of]; len(own) > 0 {
			relation := "site"
			if t.Of == a.Login {
				relation = "caseload"
			}
			i := own[t.Nth%len(own)]
			if handle, err = w.find(ctx, c.people[i], relation); err == nil && handle != "" && t.PassTo != "" {
				err = s.handOn(ctx, w, handle, i, t.PassTo)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// handOn makes an appointment of a person with a colleague.
func (s *shift) handOn(ctx context.Context, w *atWork, handle string, person int, to string) error {
	answer, err := w.act(ctx, "POST", "/links", map[string]any{"kind": "appointment", "handle": handle, "purpose": w.purpose, "account": to})
	if err == nil && text(answer, "decision") == "allow" {
		s.handed[to] = append(s.handed[to], person)
	}
	return err
}

// takeOver are the persons handed on to an account since it last asked.
func (s *shift) takeOver(login string) []int {
	list := s.handed[login]
	delete(s.handed, login)
	return list
}

// atWork is an agent signed in.
type atWork struct {
	shift    *shift
	door     *demo.Door
	register string // path
	purpose  string
}

// act sends a request and counts what comes of it.
func (w *atWork) act(ctx context.Context, method, path string, body map[string]any) (map[string]any, error) {
	var send any
	if body != nil {
		send = body
	}
	status, answer, err := w.door.Call(ctx, method, w.register+path, send)
	if err == nil {
		w.shift.met((status == http.StatusOK || status == http.StatusCreated) && number(answer, "withheld") == 0, answer)
	}
	return answer, err
}

// find looks a person up by name and birth date and opens her if she is there in that relation; the handle is "" otherwise.
func (w *atWork) find(ctx context.Context, p generate.Person, relation string) (handle string, err error) {
	answer, err := w.act(ctx, "POST", "/search", map[string]any{"purpose": w.purpose, "query": map[string]string{
		"surname": p.Values["surname"], "first_name": p.Values["first_name"], "birth_date": p.Values["birth_date"],
	}})
	if err != nil {
		return "", err
	}
	for _, hit := range objects(answer, "hits") {
		if text(hit, "relation") == relation {
			return text(hit, "handle"), w.open(ctx, text(hit, "handle"))
		}
	}
	return "", nil
}

func (w *atWork) open(ctx context.Context, handle string) error {
	_, err := w.act(ctx, "POST", "/persons/"+handle+"/disclose", map[string]any{"purpose": w.purpose})
	return err
}

// met counts one act of somebody at work.
func (s *shift) met(ok bool, answer map[string]any) {
	s.normal.Acts++
	switch {
	case ok:
	case slices.Contains(codes(answer), string(ecluse.ReasonAssuranceTooLow)):
		s.normal.StepUps++
	default:
		s.normal.Refused++
		for _, code := range codes(answer) {
			s.normal.Refusals[code]++
		}
	}
}

// done is what the agents met so far.
func (s *shift) done() Normal {
	n := s.normal
	n.Agents, n.Worked = len(s.agents), len(s.worked)
	if n.Acts > 0 {
		n.Share = float64(n.Refused+n.StepUps) / float64(n.Acts)
	}
	return n
}
