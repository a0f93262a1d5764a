// Package drill replays published attacks over HTTP against an instance of its own, beside the normal work
// of its agents, and says what they obtained.
//
// A scenario is one file: it makes its thieves, says what they do in each hour, and which act contains
// them. A measure is one column of Row. The thief has nothing but what was stolen: credentials, and name,
// birth date and number of everybody in the register, bought elsewhere. What was obtained is counted from
// the bodies of answers alone; the bound is what `exposure` promised before the attack; the scope is what
// the product says afterwards.
//
// The program of the attacked instance is the real one: the drill only moves the demo's clock. Nothing
// here serves; all it sends goes to loopback. The same seed gives the same table, times aside.
package drill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Options say what is replayed. Now is required.
type Options struct {
	Scenarios []string // names; none = all
	Preset    string   // only scenarios of this preset; "" = all
	Seed      uint64
	Persons   int // of each register, 0 = the presets' demo scale
	Now       func() time.Time
	Log       *slog.Logger
	Step      func(what string, done float64)
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
	steal func(*ground) (attack, error)
}

// attack is a scenario under way on a ground.
type attack struct {
	thieves []*thief
	// hour is what the thieves do in one hour. It may do nothing.
	hour func(ctx context.Context, n int) error
	// contain is whom the recommended act is about, by login; with everything that it made. "" = nothing is
	// to be contained.
	contain string
	// note says what the figures mean where they do not speak for themselves.
	note string
}

// scenarios in the order of the table.
var scenarios = []scenario{opuss, missionLocale2024, rgc, partner2024, partnerPortal2025, cirProvider, supplier, insiderOne, insiderTwo, insiderFive}

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

// Run replays the scenarios, each on an instance of its own. Table.Held says whether all promises held;
// an error means that a scenario could not be replayed. ErrUnknown.
func Run(ctx context.Context, o Options) (Table, error) {
	chosen, err := choose(o)
	if err != nil {
		return Table{}, err
	}
	t := Table{Seed: o.Seed, Rows: []Row{}}
	for i, s := range chosen {
		o.Step(s.name, float64(i)/float64(len(chosen)))
		row, err := replay(ctx, s, o)
		if err != nil {
			return t, fmt.Errorf("replay %s: %w", s.name, err)
		}
		t.Rows = append(t.Rows, row)
	}
	for _, u := range unanswered {
		t.Unanswered = append(t.Unanswered, Unanswered{Name: u[0], Why: u[1]})
	}
	return t, nil
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
func replay(ctx context.Context, s scenario, o Options) (row Row, err error) {
	g, err := open(ctx, s, o)
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
	for n := range int(s.length / time.Hour) {
		if err := g.hour(ctx, func() error { return a.hour(ctx, n) }); err != nil {
			return row, fmt.Errorf("hour %d: %w", n, err)
		}
	}
	g.count(&row, a)
	if err := g.examine(ctx, &row, a); err != nil {
		return row, err
	}
	if err := g.end(ctx, &row, a); err != nil {
		return row, err
	}
	row.LedgerOK, err = g.verify(ctx)
	return row, err
}

// end contains the thieves and lets them try on.
func (g *ground) end(ctx context.Context, row *Row, a attack) error {
	if a.contain == "" {
		return nil
	}
	took, err := g.contain(ctx, a.contain)
	if err != nil {
		return err
	}
	seconds := took.Seconds()
	row.ContainedS = &seconds
	before := 0
	for _, t := range a.thieves {
		before += t.loot.records
	}
	for n := range afterContainment {
		if err := g.hour(ctx, func() error { return a.hour(ctx, n) }); err != nil {
			return fmt.Errorf("hour %d after containment: %w", n, err)
		}
	}
	for _, t := range a.thieves {
		row.ServedAfter += t.loot.records
	}
	row.ServedAfter -= before
	return nil
}
