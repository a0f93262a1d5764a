package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	"ecluse"
	"ecluse/internal/demo"
	"ecluse/internal/generate"
)

// ground is a fresh instance that serves on loopback, with what the drill alone knows: who is who.
type ground struct {
	demo      *demo.Demo
	dir       string
	base      string
	transport *http.Transport
	stop      func() error
	rng       *rand.Rand
	census    map[string]*census // by register
	sensitive bool               // being in the attacked register tells something in itself
	shift     *shift
	watch     func() time.Time // the machine's clock
	operator  *demo.Door       // moves the clock
	began     time.Time        // the attack, on the instance's clock
	stolen    []string         // logins of the stolen accounts
	over      bool             // containment has begun
}

// open starts the instance of a scenario.
func open(ctx context.Context, s scenario, m *moulds) (*ground, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	g := &ground{
		base: "http://" + address, transport: &http.Transport{MaxIdleConnsPerHost: 32},
		rng: rand.New(rand.NewPCG(m.options.Seed, uint64(len(s.name)))), watch: m.options.Now,
	}
	g.operator = g.door()
	var one *mould
	if g.demo, one, g.dir, err = m.cast(ctx, s, address); err != nil {
		return nil, err
	}
	g.census = one.census
	if err := g.serve(ctx); err != nil {
		return nil, err
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

// close stops the instance and removes it.
func (g *ground) close() error {
	g.transport.CloseIdleConnections()
	return errors.Join(g.stop(), os.RemoveAll(g.dir))
}

// door is a new browser, or program, in front of the instance.
func (g *ground) door() *demo.Door { return demo.NewDoor(g.base, g.transport) }

// register is the code of the n-th preset's register.
func (g *ground) register(n int) string { return g.demo.Populations[n].Register() }

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
	t := g.thiefAt(g.door(), login, code)
	t.acr = acr
	_, err := t.SignIn(ctx, demo.SignIn{Login: login, ACR: acr})
	return t, err
}

// thiefAt is a thief at a door, as an account.
func (g *ground) thiefAt(d *demo.Door, login, code string) *thief {
	t := &thief{Door: d, ground: g, login: login, follows: login, root: login, register: code, rng: rand.New(rand.NewPCG(g.rng.Uint64(), 1)), loot: newLoot()}
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
	status, _, err := g.operator.Do(ctx, http.MethodPost, "/demo/clock", "application/json", fmt.Appendf(nil, `{"advance": %q}`, by))
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
	for !at.After(now) || !generate.WorkingDay(at) {
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
