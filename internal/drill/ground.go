package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/demo"
	"ecluse/internal/generate"
	"ecluse/internal/register"
)

// ground is a fresh instance that serves on loopback, with what the drill alone knows: who is who.
type ground struct {
	demo      *demo.Demo
	base      string
	stop      func() error
	rng       *rand.Rand
	census    map[string]*census // by register
	sensitive bool               // being in the attacked register tells something in itself
	shift     *shift
	watch     func() time.Time // the machine's clock
	operator  *door            // moves the clock
}

// census is the truth about a register's population.
type census struct {
	population *generate.Population
	schema     *register.Schema
	people     []generate.Person
	byID       map[string]int
	byRow      map[string][]int // by the values of a caseload row
}

// open starts the instance of a scenario.
func open(ctx context.Context, s scenario, o Options) (_ *ground, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	g := &ground{base: "http://" + address, rng: rand.New(rand.NewPCG(o.Seed, uint64(len(s.name)))), census: map[string]*census{}, watch: o.Now}
	if g.operator, err = newDoor(g.base); err != nil {
		return nil, err
	}
	g.demo, err = demo.Open(ctx, demo.Options{
		Presets: s.presets, Persons: o.Persons, Seed: o.Seed, Listen: address, Now: o.Now, Log: o.Log, Step: func(string, float64) {},
	})
	if err != nil {
		return nil, err
	}
	if err := g.serve(ctx); err != nil {
		return nil, err
	}
	for _, p := range g.demo.Populations {
		if err := g.learn(ctx, p); err != nil {
			return nil, errors.Join(err, g.stop())
		}
	}
	g.sensitive = g.census[g.register(0)].schema.MembershipSensitive
	g.shift = newShift(g)
	return g, nil
}

// serve starts serving; stop ends it and removes the instance.
func (g *ground) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	served, ready := make(chan error, 1), make(chan struct{})
	go func() { served <- g.demo.Serve(ctx, func(string) error { close(ready); return nil }) }()
	g.stop = func() error {
		cancel()
		err := <-served
		g.demo.Close()
		return err
	}
	select {
	case <-ready:
		return nil
	case err := <-served:
		cancel()
		g.demo.Close()
		return fmt.Errorf("serve the instance: %w", err)
	}
}

func (g *ground) close() error { return g.stop() }

// register is the code of the n-th preset's register.
func (g *ground) register(n int) string { return g.demo.Populations[n].Register() }

// learn takes a census.
func (g *ground) learn(ctx context.Context, p *generate.Population) error {
	reg, err := g.demo.Node.Registers.ByCode(ctx, p.Register())
	if err != nil {
		return err
	}
	c := &census{population: p, schema: reg.Schema, byID: map[string]int{}, byRow: map[string][]int{}}
	for person := range p.Persons() {
		i := len(c.people)
		c.people = append(c.people, person)
		c.byID[person.ID] = i
		key := c.rowOf(person.Values)
		c.byRow[key] = append(c.byRow[key], i)
	}
	g.census[p.Register()] = c
	return nil
}

func (c *census) rowOf(values map[string]string) string {
	var key strings.Builder
	for _, name := range c.schema.Names(c.schema.RowFields()) {
		key.WriteString(values[name] + "\n")
	}
	return key.String()
}

// idOf is whose values these are, as an account was shown them: of persons with the same row, the one that
// the account follows.
func (g *ground) idOf(code, login string, values map[string]string) string {
	c := g.census[code]
	if id := values[c.schema.ExternalID]; id != "" {
		return id
	}
	same := c.byRow[c.rowOf(values)]
	for _, i := range same {
		if c.people[i].Account == login {
			return c.people[i].ID
		}
	}
	if len(same) == 0 {
		return "?" + c.rowOf(values) // nobody of the register: it counts all the same
	}
	return c.people[same[0]].ID
}

func (g *ground) person(code string, i int) *generate.Person { return &g.census[code].people[i] }

// motive is one of the register's motives.
func (g *ground) motive(code string, r *rand.Rand) string {
	m := g.census[code].schema.Motives
	return m[r.IntN(len(m))].ID
}

// accounts are those of a register with a role, in the order of the population.
func (g *ground) accounts(n int, role ecluse.Role, fits func(generate.Account) bool) (list []generate.Account) {
	for a := range g.demo.Populations[n].Accounts() {
		if a.Role == role && (fits == nil || fits(a)) {
			list = append(list, a)
		}
	}
	return list
}

// follower is an agent who follows persons.
func follower(a generate.Account) bool { return a.Caseload > 0 }

// rob makes a thief of an account.
func (g *ground) rob(ctx context.Context, login, acr, code string) (*thief, error) {
	d, err := newDoor(g.base)
	if err != nil {
		return nil, err
	}
	t := g.thiefAt(d, login, code)
	t.acr = acr
	_, err = t.signIn(ctx, login, acr)
	return t, err
}

// thiefAt is a thief at a door, as an account.
func (g *ground) thiefAt(d *door, login, code string) *thief {
	t := &thief{door: d, ground: g, login: login, follows: login, register: code, rng: rand.New(rand.NewPCG(g.rng.Uint64(), 1)), loot: newLoot()}
	t.targets = t.rng.Perm(len(g.census[code].people))
	return t
}

// now is the instance's clock.
func (g *ground) now() time.Time { return g.demo.Node.Clock.Now() }

// advance moves the instance's clock.
func (g *ground) advance(ctx context.Context, by time.Duration) error {
	if by <= 0 {
		return nil
	}
	status, _, err := g.operator.do(ctx, http.MethodPost, "/demo/clock", "application/json", fmt.Appendf(nil, `{"advance": %q}`, by))
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("move the clock: status %d", status)
	}
	return err
}

// wait moves the clock to a working day, to an hour of it.
func (g *ground) wait(ctx context.Context, from string) error {
	hour, err := time.Parse("15:04", from)
	if err != nil {
		return err
	}
	now := g.now()
	at := time.Date(now.Year(), now.Month(), now.Day(), hour.Hour(), hour.Minute(), 0, 0, time.UTC)
	for !at.After(now) || !working(at) {
		at = at.AddDate(0, 0, 1)
	}
	return g.advance(ctx, at.Sub(now))
}

// hour lets one hour pass: the agents at work do what they do in it, and somebody else acts meanwhile.
func (g *ground) hour(ctx context.Context, meanwhile func() error) error {
	if err := errors.Join(meanwhile(), g.shift.work(ctx, g.now())); err != nil {
		return err
	}
	return g.advance(ctx, time.Hour)
}

// working reports whether a day is a working day.
func working(at time.Time) bool {
	return !slices.Contains([]time.Weekday{time.Saturday, time.Sunday}, at.Weekday())
}
