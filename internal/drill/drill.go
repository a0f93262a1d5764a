// Package drill replays published attacks over HTTP against an instance of its own, beside the normal work
// of its agents, and says what they obtained.
//
// A scenario is one file: it makes its thieves, says what they do in each hour, and which act contains
// them. A measure is one column of Row. The thief has nothing but what was stolen: credentials, and name,
// birth date and number of everybody in the register, bought elsewhere. What was obtained is counted from
// the bodies of answers alone; the bound is what `exposure` promised before the attack; the scope is what
// the product says afterwards.
//
// The program of the attacked instance is the real one, with its real database, ledger and doors: the drill
// only moves the demo's clock, in whole hours. Each installation is made once and every scenario is played
// against a copy of its files. All that is sent goes to loopback. The same seed gives the same table, times
// aside.
package drill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"ecluse/internal/scope"
)

// Options say what is replayed. Now is required.
type Options struct {
	Scenarios []string // names; none = all
	Preset    string   // only scenarios of this preset; "" = all
	Seed      uint64
	Persons   int // of each register, 0 = the presets' demo scale
	Days      int // at most so many of each attack, 0 = as long as it took
	Now       func() time.Time
	Log       *slog.Logger
	Step      func(what string, done float64) // one call at a time

	weak map[string]weakness // by scenario; tests
}

// weakness is what a test breaks in the defence, to see that the drill notices.
type weakness struct {
	promised  func(context.Context, *ground) error // once the bound is promised
	attacked  func(context.Context, *ground) error // once the attack is over
	uncontain bool                                 // the recommended act is left out
	scope     func(*scope.Document)                // changes what the product says that left
}

// scenario is one published attack.
type scenario struct {
	name    string
	presets []string // of the instance; the first one's register is attacked
	wanted  int      // persons that the published attack took, or claimed
	from    string   // when it begins: a day and hour of the demo's own calendar, "15:04"
	length  time.Duration
	source  string // what is published, in one line
	// steal makes what the attack consists of.
	steal func(*ground) (*attack, error)
}

// attack is a scenario under way on a ground.
type attack struct {
	thieves []*thief // each stolen account first, then those whom it let in
	// hour is what the thieves do in one hour. It may do nothing.
	hour func(ctx context.Context, n int) error
	// asked are the addresses for which accounts were asked by a thief: none may come to be.
	asked []string
	// colluding: the bound is the one with an accomplice.
	colluding bool
	// discreet thieves never try what only makes noise.
	discreet bool
	// note says what the figures mean where they do not speak for themselves.
	note string
}

// roots are the logins of the stolen accounts: the recommended act is about each, with all that it made.
func (a *attack) roots() (list []string) {
	for _, t := range a.thieves {
		if t.root != "" && !slices.Contains(list, t.root) {
			list = append(list, t.root)
		}
	}
	return list
}

// scenarios in the order of the table.
var scenarios = []scenario{opuss, missionLocale2024, rgc, rgcDeceived, partner2024, partnerPortal2025, cirProvider, supplier, insiderOne, insiderTwo, insiderFive}

// unanswered are published cases that the product does not answer yet, and why.
var unanswered = [][2]string{
	{"espace-candidat", "the personal space is not built yet"},
	{"photos", "media are not built yet"},
	{"hand-overs", "shares are not built yet"},
	{"resold-leak", "tracing is not built yet"},
}

// ErrUnknown: there is no such scenario.
var ErrUnknown = errors.New("there is no such scenario")

// Names lists the scenarios.
func Names() (names []string) {
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return names
}

// atOnce is how many scenarios are played at the same time.
const atOnce = 2

// Run replays the scenarios, each on an instance of its own, two at a time. Table.Held says whether all
// promises held; an error means that a scenario could not be replayed. ErrUnknown.
func Run(ctx context.Context, o Options) (Table, error) {
	chosen, err := choose(o)
	if err != nil {
		return Table{}, err
	}
	m, err := newMoulds(o)
	if err != nil {
		return Table{}, err
	}
	t := Table{Seed: o.Seed, Rows: []Row{}}
	rows, played := make([]Row, len(chosen)), make([]bool, len(chosen))
	var mu sync.Mutex
	done := 0
	step := func(name string, more int) {
		mu.Lock()
		defer mu.Unlock()
		done += more
		o.Step(name, float64(done)/float64(len(chosen)))
	}
	field, ctx := errgroup.WithContext(ctx)
	field.SetLimit(atOnce)
	for i, s := range chosen {
		field.Go(func() (err error) {
			step(s.name, 0)
			if rows[i], err = replay(ctx, s, m); err != nil {
				return fmt.Errorf("replay %s: %w", s.name, err)
			}
			played[i] = true
			step(s.name, 1)
			return nil
		})
	}
	err = errors.Join(field.Wait(), m.close())
	for i, row := range rows {
		if played[i] {
			t.Rows = append(t.Rows, row)
		}
	}
	for _, u := range unanswered {
		t.Unanswered = append(t.Unanswered, Unanswered{Name: u[0], Why: u[1]})
	}
	return t, err
}

func choose(o Options) ([]scenario, error) {
	for _, name := range o.Scenarios {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("%q: %w (there are %v)", name, ErrUnknown, Names())
		}
	}
	var chosen []scenario
	for _, s := range scenarios {
		if (len(o.Scenarios) == 0 || slices.Contains(o.Scenarios, s.name)) && (o.Preset == "" || o.Preset == s.presets[0]) {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("of preset %q: %w", o.Preset, ErrUnknown)
	}
	return chosen, nil
}

// afterContainment is how long the thieves go on once they are contained.
const afterContainment = 3

// replay plays one scenario from beginning to end.
func replay(ctx context.Context, s scenario, m *moulds) (row Row, err error) {
	if days := m.options.Days; days > 0 {
		s.length = min(s.length, time.Duration(days)*24*time.Hour)
	}
	g, err := open(ctx, s, m)
	if err != nil {
		return Row{}, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	if err := g.wait(ctx, s.from); err != nil {
		return Row{}, err
	}
	a, err := s.steal(g)
	if err != nil {
		return Row{}, fmt.Errorf("steal: %w", err)
	}
	row = g.row(s, a)
	if row.Bound, err = g.bound(ctx, a, s.length); err != nil {
		return row, err
	}
	weak := m.options.weak[s.name]
	if weak.promised != nil {
		if err := weak.promised(ctx, g); err != nil {
			return row, err
		}
	}
	if err := g.attack(ctx, a, s.length); err != nil {
		return row, err
	}
	if weak.attacked != nil {
		if err := weak.attacked(ctx, g); err != nil {
			return row, err
		}
	}
	if err := g.end(ctx, &row, a, !weak.uncontain); err != nil {
		return row, err
	}
	g.count(&row, a)
	if err := g.examine(ctx, &row, a, weak.scope); err != nil {
		return row, err
	}
	if row.Created, err = g.created(ctx, a); err != nil {
		return row, err
	}
	row.LedgerOK, err = g.verify(ctx)
	return row, err
}

// attack lets the thieves act hour after hour. In the last one they try what makes the most noise, unless
// they are discreet: the session in another browser, and every route with other people's identifiers.
func (g *ground) attack(ctx context.Context, a *attack, length time.Duration) error {
	g.began = g.now()
	hours := int(length / time.Hour)
	for n := range hours {
		err := g.hour(ctx, func() error {
			if err := a.hour(ctx, n); err != nil || n < hours-1 {
				return err
			}
			for _, t := range a.thieves {
				if t.root == "" || a.discreet {
					continue
				}
				if err := errors.Join(t.replay(ctx), t.crawl(ctx)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("hour %d: %w", n, err)
		}
	}
	return nil
}

// end contains the thieves and lets them try on: with their old sessions, tokens and handles, and by
// signing in again.
func (g *ground) end(ctx context.Context, row *Row, a *attack, contain bool) error {
	if len(a.roots()) == 0 {
		return nil
	}
	if contain {
		took, err := g.contain(ctx, a.roots())
		if err != nil {
			return err
		}
		seconds := took.Seconds()
		row.ContainedS = &seconds
	}
	before := 0
	for _, t := range a.thieves {
		before += t.loot.records
	}
	for n := range afterContainment {
		err := g.hour(ctx, func() error {
			for _, t := range a.thieves {
				if err := errors.Join(t.old(ctx), t.replay(ctx), t.greedy(ctx, 20), t.old(ctx)); err != nil {
					return err
				}
			}
			return a.hour(ctx, n)
		})
		if err != nil {
			return fmt.Errorf("hour %d after containment: %w", n, err)
		}
	}
	for _, t := range a.thieves {
		row.ServedAfter += t.loot.records
	}
	row.ServedAfter -= before
	return nil
}
