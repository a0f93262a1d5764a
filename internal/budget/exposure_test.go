package budget

import (
	"testing"
	"time"

	"ecluse"

	"pgregory.net/rapid"
)

// large is the reach of an agent who follows 60 of 1.1 million persons, with the default limits.
func large(change func(*Reach)) Reach {
	r := Reach{Limits: Default(), OrganisationNew24h: OrganisationLimit(100), RegisterNew24h: RegisterLimit(1_100_000), Familiar: 60, Reachable: 1_100_000}
	if change != nil {
		change(&r)
	}
	return r
}

func TestTheSmallestTermOfTheBoundBinds(t *testing.T) {
	for _, c := range []struct {
		name   string
		reach  Reach
		day    Bound
		month  Bound
		anyhow bool // the month's bound holds whatever links others make
	}{
		{"a large register", large(nil), Bound{120, TermTotal}, Bound{60 + 300 + 90, TermNovelty}, false},
		{"a small mandate", large(func(r *Reach) { r.Reachable = 100 }), Bound{100, TermReachable}, Bound{100, TermReachable}, true},
		{"many familiar persons", large(func(r *Reach) { r.Familiar = 9_000 }), Bound{120, TermTotal}, Bound{3_600, TermTotal}, true},
		{"nothing within reach", large(func(r *Reach) { r.Reachable = 0 }), Bound{0, TermReachable}, Bound{0, TermReachable}, true},
		{"two colleagues", large(func(r *Reach) { r.OrganisationNew24h = OrganisationLimit(2) }), Bound{120, TermTotal}, Bound{60 + 30*8 + 90, TermNovelty}, false},
		{"a small register", large(func(r *Reach) { r.RegisterNew24h = RegisterLimit(700) }), Bound{120, TermTotal}, Bound{60 + 30*7 + 90, TermNovelty}, false},
		{"next to nothing new", large(func(r *Reach) { r.Limits.New30d, r.Limits.Emergency24h = 5, 0 }), Bound{65, TermNovelty}, Bound{65, TermNovelty}, false},
		{"explained persons only", large(func(r *Reach) { r.Explained = true }), Bound{60, TermNovelty}, Bound{60, TermNovelty}, false},
		{"budgets are only observed", large(func(r *Reach) { r.Observed = true }), Bound{1_100_000, TermReachable}, Bound{1_100_000, TermReachable}, true},
	} {
		if got := Bound24h(c.reach); got != c.day {
			t.Errorf("%s: 24 h: %+v, want %+v", c.name, got, c.day)
		}
		got := Bound30d(c.reach)
		if got != c.month || got.Term.Unconditional() != c.anyhow {
			t.Errorf("%s: 30 d: %+v, want %+v", c.name, got, c.month)
		}
	}
}

func TestEveryStepIsWhatTheSameBoundSaysOfTheChange(t *testing.T) {
	for _, c := range []struct {
		name  string
		reach Reach
		first Step // the most helpful one
	}{
		{"few new ones", large(nil), Step{"new_30d", 300, 200, Bound{120, TermTotal}, Bound{60 + 200 + 90, TermNovelty}}},
		{"unused links", large(func(r *Reach) { r.Familiar, r.Idle = 460, 450 }), Step{StepIdle, 460, 10, Bound{120, TermTotal}, Bound{10 + 300 + 90, TermNovelty}}},
		{"observed", large(func(r *Reach) { r.Observed = true }), Step{StepEnforce, 0, 0, Bound{120, TermTotal}, Bound{450, TermNovelty}}},
		{"a caseload beyond all", large(func(r *Reach) { r.Familiar = 9_000 }), Step{"total_24h", 120, 80, Bound{80, TermTotal}, Bound{2_400, TermTotal}}},
	} {
		if got := Steps(c.reach); len(got) == 0 || got[0] != c.first {
			t.Errorf("%s: %+v, want %+v first", c.name, got, c.first)
		}
	}
	if got := Steps(large(func(r *Reach) { r.Reachable = 3 })); got != nil {
		t.Errorf("three persons are within reach, and yet %+v would help", got)
	}
}

func TestNoStepTakesABudgetAway(t *testing.T) {
	for from, to := range map[int]int{0: 0, 1: 1, 2: 1, 3: 2, 20: 13, 40: 25, 120: 80, 300: 200, 400: 265} {
		if got := thirdLess(from); got != to {
			t.Errorf("a third less than %d: %d, want %d", from, got, to)
		}
	}
}

// A thief who knows the rules takes whatever is admitted, in any order and at any pace.
func TestNoThiefObtainsMoreThanTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.limits.Total24h = 4 + w.limits.Total24h
		if rapid.Bool().Draw(t, "alone") { // nothing but the account's own budgets stops it
			w.orgLimit, w.registerLimit = 1000, 1000
		}
		const persons = 40
		linked := rapid.IntRange(0, 6).Draw(t, "linked") // persons 0 to linked-1 are explained
		tierOf := func(p int) ecluse.Tier {
			if p < linked {
				return ecluse.Explained
			}
			return ecluse.Tier(1 + p%3)
		}
		look := func(act Act) {
			p := rapid.IntRange(0, persons-1).Draw(t, "person")
			w.admit(0, p, Charge{Act: act, Tier: tierOf(p), Classes: names})
		}
		for range rapid.IntRange(0, 30).Draw(t, "honest work") {
			look(Disclose)
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "hours")) * time.Hour)
		}

		stolen, familiar := w.now, map[int]bool{}
		for p := range linked {
			familiar[p] = true
		}
		for pair, s := range w.seen {
			if s.Familiar(stolen) {
				familiar[pair[1]] = true
			}
		}
		reach := Reach{
			Limits: w.limits, OrganisationNew24h: w.orgLimit, RegisterNew24h: w.registerLimit, Familiar: len(familiar), Reachable: persons,
		}
		w.events = nil
		for w.now.Sub(stolen) < Month {
			for range rapid.IntRange(0, 8).Draw(t, "looks") {
				look(rapid.SampledFrom([]Act{Disclose, Disclose, Disclose, Emergency}).Draw(t, "act"))
			}
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 48*60).Draw(t, "minutes")) * time.Minute)
		}
		all := func(int, event) bool { return true }
		if got, bound := w.distinct(stolen, all), Bound30d(reach); got > bound.Persons {
			t.Fatalf("%d persons in 30 d, bound %+v", got, bound)
		}
		for len(w.events) > 0 {
			last := w.events[len(w.events)-1].at
			if got, bound := w.distinct(last.Add(-Day), all), Bound24h(reach); got > bound.Persons {
				t.Fatalf("%d persons in 24 h, bound %+v", got, bound)
			}
			w.events = w.events[:len(w.events)-1]
		}
	})
}
