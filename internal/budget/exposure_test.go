package budget

import (
	"testing"
	"time"

	"ecluse"

	"pgregory.net/rapid"
)

func TestTheSmallestTermOfTheBoundBinds(t *testing.T) {
	l := Default()
	for _, c := range []struct {
		name   string
		reach  Reach
		day    Bound
		month  Bound
		anyhow bool // the month's bound holds whatever links others make
	}{
		{"a large register", Reach{l, 60, 1_100_000}, Bound{120, TermTotal}, Bound{60 + 300 + 90, TermNovelty}, false},
		{"a small register", Reach{l, 60, 100}, Bound{100, TermReachable}, Bound{100, TermReachable}, true},
		{"many familiar persons", Reach{l, 9_000, 1_100_000}, Bound{120, TermTotal}, Bound{3_600, TermTotal}, true},
		{"nothing within reach", Reach{l, 0, 0}, Bound{0, TermReachable}, Bound{0, TermReachable}, true},
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

// A thief who knows the rules takes whatever is admitted, in any order and at any pace.
func TestNoThiefObtainsMoreThanTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.limits.Total24h, w.orgLimit, w.registerLimit = 4+w.limits.Total24h, 1000, 1000
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
			if stolen.Sub(s.LastAt) < Remembered {
				familiar[pair[1]] = true
			}
		}
		reach := Reach{Limits: w.limits, Familiar: len(familiar), Reachable: persons}
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
