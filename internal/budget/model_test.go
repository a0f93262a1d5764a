package budget

import (
	"testing"
	"time"

	"ecluse"

	"pgregory.net/rapid"
)

// An event is an act that was admitted. The model knows nothing but the list of them, and counts.
type event struct {
	at      time.Time
	account int
	person  int
	charge  Charge
}

// The model's world: two organisations of one register, the first with two accounts.
var organisationOf = [...]int{0, 0, 1}

type world struct {
	now           time.Time
	limits        Limits
	orgLimit      int
	registerLimit int
	accounts      [3]*Meter
	organisations [2]*Meter
	register      *Meter
	seen          map[[2]int]Seen
	events        []event
}

func drawWorld(t *rapid.T) *world {
	few := func(name string) int { return rapid.IntRange(0, 5).Draw(t, name) }
	w := emptyWorld()
	w.now = monday.Add(time.Duration(rapid.IntRange(0, 3600*24).Draw(t, "begin")) * time.Second)
	w.limits = Limits{
		Unexplained24h: few("unexplained"), Outside24h: few("outside"), New24h: few("new"), New30d: 2 * few("new30"),
		Total24h: 1 + few("total"), Search24h: 2 * few("search"), Search10min: few("search10"), Emergency24h: few("emergency"), Links24h: few("links"),
	}
	w.orgLimit, w.registerLimit = 3*few("organisation"), 4*few("register")
	return w
}

func emptyWorld() *world {
	w := &world{register: new(Meter), seen: map[[2]int]Seen{}}
	for i := range w.accounts {
		w.accounts[i] = new(Meter)
	}
	for i := range w.organisations {
		w.organisations[i] = new(Meter)
	}
	return w
}

func (w *world) meters(account int) Meters {
	return Meters{w.accounts[account], w.organisations[organisationOf[account]], w.register}
}

// admit asks for an act and lists it if it was admitted.
func (w *world) admit(account, person int, c Charge) Verdict {
	c.Limits, c.OrganisationNew24h, c.RegisterNew24h = w.limits, w.orgLimit, w.registerLimit
	pair := [2]int{account, person}
	v, seen := Admit(w.meters(account), w.seen[pair], c, w.now)
	if seen != (Seen{}) {
		w.seen[pair] = seen
	}
	if v.Admitted {
		w.events = append(w.events, event{w.now, account, person, c})
	}
	return v
}

// jump moves the clock forward by an awkward amount.
func (w *world) jump(t *rapid.T) {
	jump := rapid.OneOf(
		rapid.Map(rapid.IntRange(0, 90), func(n int) time.Duration { return time.Duration(n) * time.Second }),
		rapid.Map(rapid.IntRange(0, 90), func(n int) time.Duration { return time.Duration(n) * time.Minute }),
		rapid.Map(rapid.IntRange(0, 30), func(n int) time.Duration { return time.Duration(n) * time.Hour }),
		rapid.Map(rapid.IntRange(0, 32), func(n int) time.Duration { return time.Duration(n) * Day }),
		rapid.Map(rapid.IntRange(-70, 70), func(n int) time.Duration { return 180*Day + time.Duration(n)*time.Minute }),
		rapid.SampledFrom([]time.Duration{0, 0, TenMinutes, Day, Month, Day - time.Microsecond, time.Hour}),
	).Draw(t, "jump")
	w.now = w.now.Add(jump)
}

// isNew is the definition in the glossary, by brute force: not disclosed to this account within the
// memory at the same or a higher tier, or for a field class not obtained within it.
func (w *world) isNew(i int, memory time.Duration) bool {
	e, sameTier, got := w.events[i], false, ecluse.ClassSet(0)
	if e.charge.Act != Disclose || e.charge.Tier == ecluse.Explained {
		return false
	}
	for _, p := range w.events[:i] {
		if p.account != e.account || p.person != e.person || p.charge.Act != Disclose ||
			p.charge.Tier == ecluse.Explained || e.at.Sub(p.at) >= memory {
			continue
		}
		sameTier = sameTier || p.charge.Tier >= e.charge.Tier
		got |= p.charge.Classes
	}
	return !sameTier || !got.Contains(e.charge.Classes)
}

// distinct counts (account, person) pairs of the events from an instant that counts picks.
func (w *world) distinct(from time.Time, counts func(i int, e event) bool) int {
	pairs := map[[2]int]bool{}
	for i, e := range w.events {
		if !e.at.Before(from) && counts(i, e) {
			pairs[[2]int{e.account, e.person}] = true
		}
	}
	return len(pairs)
}

// A promise is one budget as a reader of the design would count it.
type promise struct {
	code   ecluse.Reason
	window time.Duration
	bucket time.Duration
	limit  int
	counts func(w *world, i int, e event) bool
}

func (w *world) promises(account int, memory time.Duration) []promise {
	fresh := func(tier ecluse.Tier, of func(e event) bool) func(*world, int, event) bool {
		return func(w *world, i int, e event) bool { return of(e) && e.charge.Tier >= tier && w.isNew(i, memory) }
	}
	mine := func(e event) bool { return e.account == account }
	ours := func(e event) bool { return organisationOf[e.account] == organisationOf[account] }
	all := func(event) bool { return true }
	l := w.limits
	return []promise{
		{ecluse.ReasonBudgetUnexplained, Day, time.Hour, l.Unexplained24h, fresh(ecluse.Unexplained, mine)},
		{ecluse.ReasonBudgetOutside, Day, time.Hour, l.Outside24h, fresh(ecluse.SameOrganisation, mine)},
		{ecluse.ReasonBudgetNew, Day, time.Hour, l.New24h, fresh(ecluse.SameSite, mine)},
		{ecluse.ReasonBudgetNew, Month, Day, l.New30d, fresh(ecluse.SameSite, mine)},
		{ecluse.ReasonBudgetOrganisation, Day, time.Hour, w.orgLimit, fresh(ecluse.SameSite, ours)},
		{ecluse.ReasonBudgetOrganisation, Day, time.Hour, w.orgLimit / 3, fresh(ecluse.SameSite, mine)},
		{ecluse.ReasonBudgetBreaker, Day, time.Hour, w.registerLimit, fresh(ecluse.SameSite, all)},
		{ecluse.ReasonBudgetBreaker, Day, time.Hour, w.registerLimit / 2, fresh(ecluse.SameSite, mine)},
		{ecluse.ReasonBudgetTotal, Day, time.Hour, l.Total24h, func(_ *world, _ int, e event) bool {
			return mine(e) && (e.charge.Act == Disclose || e.charge.Act == Emergency)
		}},
		{ecluse.ReasonEmergencyLimit, Day, time.Hour, l.Emergency24h, func(_ *world, _ int, e event) bool {
			return mine(e) && e.charge.Act == Emergency
		}},
	}
}

func (w *world) checkNothingExceeded(t *rapid.T, account int) {
	for _, p := range w.promises(account, Remembered) {
		n := w.distinct(w.now.Add(-p.window), func(i int, e event) bool { return p.counts(w, i, e) })
		if n > p.limit {
			t.Fatalf("%s: %d distinct persons within %s, limit %d", p.code, n, p.window, p.limit)
		}
	}
	for _, p := range []promise{
		{code: ecluse.ReasonBudgetSearch, window: Day, limit: w.limits.Search24h},
		{code: ecluse.ReasonBudgetSearch, window: TenMinutes, limit: w.limits.Search10min},
	} {
		n := 0
		for _, e := range w.events {
			if e.account == account && e.charge.Act == Search && !e.at.Before(w.now.Add(-p.window)) {
				n++
			}
		}
		if n > p.limit {
			t.Fatalf("%d searches within %s, limit %d", n, p.window, p.limit)
		}
	}
}

// restart stores every meter and reads it again.
func (w *world) restart(t *rapid.T) {
	for _, m := range append(append([]*Meter{w.register}, w.accounts[:]...), w.organisations[:]...) {
		b, err := m.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var again Meter
		if err := again.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if again != *m {
			t.Fatalf("a meter came back different from its %d bytes", len(b))
		}
		*m = again
	}
}

// replay rebuilds everything from the events, as verification does.
func (w *world) replay(t *rapid.T) {
	r := emptyWorld()
	for _, e := range w.events {
		pair := [2]int{e.account, e.person}
		seen := Apply(r.meters(e.account), r.seen[pair], Charge{Act: e.charge.Act, Tier: e.charge.Tier, Classes: e.charge.Classes}, e.at)
		if seen != (Seen{}) {
			r.seen[pair] = seen
		}
	}
	for i := range w.accounts {
		if *r.accounts[i] != *w.accounts[i] {
			t.Fatalf("the meter of account %d is not rebuilt from its entries", i)
		}
	}
	if *r.organisations[0] != *w.organisations[0] || *r.organisations[1] != *w.organisations[1] || *r.register != *w.register {
		t.Fatal("a collective meter is not rebuilt from its entries")
	}
	for pair, s := range w.seen {
		if r.seen[pair] != s {
			t.Fatalf("seen is not rebuilt: %+v, want %+v", r.seen[pair], s)
		}
	}
}

func TestNoTrueWindowEverExceedsALimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"act": func(t *rapid.T) {
				w.jump(t)
				account := rapid.IntRange(0, 2).Draw(t, "account")
				w.admit(account, rapid.IntRange(0, 7).Draw(t, "person"), Charge{
					Act:     rapid.SampledFrom([]Act{Disclose, Disclose, Disclose, Disclose, Search, MakeLink, Emergency}).Draw(t, "act"),
					Tier:    ecluse.Tier(rapid.IntRange(0, 3).Draw(t, "tier")),
					Classes: ecluse.ClassSet(rapid.IntRange(1, 7).Draw(t, "classes") << 1),
				})
				w.checkNothingExceeded(t, account)
			},
			"restart": w.restart,
			"purge": func(t *rapid.T) { // the known set is deleted after 180 days: no budget is reset by it
				for pair, s := range w.seen {
					if w.now.Sub(s.LastAt) >= Remembered {
						delete(w.seen, pair)
					}
				}
			},
		})
		w.replay(t)
	})
}

func TestNoRefusalComesMoreThanOneBucketEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.orgLimit, w.registerLimit = max(3, w.orgLimit), max(2, w.registerLimit) // a share is never below one
		t.Repeat(map[string]func(*rapid.T){
			"act": func(t *rapid.T) {
				w.jump(t)
				account, person := rapid.IntRange(0, 2).Draw(t, "account"), rapid.IntRange(0, 11).Draw(t, "person")
				c := Charge{Act: Disclose, Tier: ecluse.Tier(person % 4), Classes: names} // neither rises nor new classes
				v := w.admit(account, person, c)
				for _, code := range v.Reasons {
					if !w.nearlyExhausted(account, code) {
						t.Fatalf("refused for %s, yet a window of one bucket more has room", code)
					}
				}
			},
			"restart": w.restart,
		})
	})
}

// nearlyExhausted reports whether a budget of that code is used up over the window lengthened to the
// beginning of its oldest bucket. Memory is counted to the hour.
func (w *world) nearlyExhausted(account int, code ecluse.Reason) bool {
	for _, p := range w.promises(account, Remembered-time.Hour) {
		from := w.now.Truncate(p.bucket).Add(-p.window)
		if p.code == code && w.distinct(from, func(i int, e event) bool { return p.counts(w, i, e) }) >= p.limit {
			return true
		}
	}
	return false
}

func TestAnEmergencyOrAnExplainedLookNeverMakesLaterOnesCheaper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Charge{Act: Disclose, Tier: ecluse.Tier(rapid.IntRange(1, 3).Draw(t, "tier")), Classes: names,
			Limits: Default(), OrganisationNew24h: 100, RegisterNew24h: 100}
		m := Meters{new(Meter), new(Meter), new(Meter)}
		seen := Seen{}
		for range rapid.IntRange(0, 3).Draw(t, "looks") {
			_, seen = Admit(m, seen, Charge{Act: Emergency, Tier: 3, Classes: names, Limits: Default()}, monday)
			_, seen = Admit(m, seen, Charge{Act: Disclose, Tier: 0, Classes: names, Limits: Default()}, monday)
		}
		if v, _ := Admit(m, seen, c, monday.Add(time.Hour)); !v.New {
			t.Fatal("the disclosure was free")
		}
	})
}
