package drill

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"ecluse"
	"ecluse/internal/demo"
	"ecluse/internal/generate"
)

// shift is the normal work of the agents of the attacked register. In each hour of a working day a few of
// them are at their desks: they sign in, read their list, open persons whom they follow and look some of
// them up by name; everybody has their turn, one after the other. What is refused to them is counted.
type shift struct {
	ground *ground
	agents []generate.Account
	worked map[string]bool
	next   int
	seed   uint64

	mu     sync.Mutex
	normal Normal
}

const (
	opensAt, closesAt = 8, 18 // hours of work, UTC
	desksAnHour       = 2
	personsADesk      = 6
)

func newShift(g *ground) *shift {
	s := &shift{ground: g, agents: g.accounts(0, ecluse.RoleAgent, follower), worked: map[string]bool{}, seed: g.rng.Uint64()}
	return s
}

// without leaves accounts out that others hold now: what happens to them is not normal work.
func (s *shift) without(logins ...string) {
	s.agents = slices.DeleteFunc(s.agents, func(a generate.Account) bool { return slices.Contains(logins, a.Login) })
}

// work is the normal work of an hour.
func (s *shift) work(ctx context.Context, at time.Time) error {
	if !working(at) || at.Hour() < opensAt || at.Hour() >= closesAt || len(s.agents) == 0 {
		return nil
	}
	var desks errgroup.Group
	for range min(desksAnHour, len(s.agents)) {
		a, r := s.agents[s.next%len(s.agents)], rand.New(rand.NewPCG(s.seed, uint64(s.next)))
		s.next++
		s.worked[a.Login] = true
		desks.Go(func() error { return s.desk(ctx, a, r) })
	}
	return desks.Wait()
}

// desk is one agent's hour.
func (s *shift) desk(ctx context.Context, a generate.Account, r *rand.Rand) error {
	d, c := s.ground.door(), s.ground.census[s.ground.register(0)]
	ok, err := d.SignIn(ctx, demo.SignIn{Login: a.Login})
	if err != nil {
		return err
	}
	s.met(ok, nil)
	code := s.ground.register(0)
	list := "/registers/" + code
	status, answer, err := d.Call(ctx, "GET", list+"/caseload", nil)
	if err != nil {
		return err
	}
	s.met(status == http.StatusOK && number(answer, "withheld") == 0, answer)
	purpose := string(c.schema.Purposes[0].ID)
	for range personsADesk {
		own := c.own[a.Login]
		if len(own) == 0 {
			return nil
		}
		p := &c.people[own[r.IntN(len(own))]]
		status, answer, err := d.Call(ctx, "POST", list+"/search", map[string]any{"purpose": purpose, "query": map[string]string{
			"surname": p.Values["surname"], "first_name": p.Values["first_name"], "birth_date": p.Values["birth_date"],
		}})
		if err != nil {
			return err
		}
		s.met(status == http.StatusOK, answer)
		for _, hit := range objects(answer, "hits") {
			if text(hit, "relation") != "caseload" {
				continue
			}
			status, answer, err := d.Call(ctx, "POST", list+"/persons/"+text(hit, "handle")+"/disclose", map[string]any{"purpose": purpose})
			if err != nil {
				return err
			}
			s.met(status == http.StatusOK, answer)
			break
		}
	}
	return nil
}

// met counts one act of somebody at work.
func (s *shift) met(ok bool, answer map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.normal.Acts++
	switch {
	case ok:
	case slices.Contains(codes(answer), string(ecluse.ReasonAssuranceTooLow)):
		s.normal.StepUps++
	default:
		s.normal.Refused++
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
