package gate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"

	"pgregory.net/rapid"
)

// A sight is one record that left, as its reader counts: nothing here comes from the program's own
// meters. Instants are the ledger's, which never go back.
type sight struct {
	at        time.Time
	who       string
	person    int
	tier      ecluse.Tier
	classes   ecluse.ClassSet
	emergency bool
}

// A diary is all that the accounts of one world got out of it.
type diary struct {
	sights   []sight
	searches map[string][]time.Time // answered beyond the caller's own persons
	receipts []string
	refused  map[ecluse.Reason]int
}

// tierOf is what the links of nodetest explain, written here a second time.
func tierOf(who string, person int, at time.Time) ecluse.Tier {
	if !at.Before(nodetest.Start.AddDate(1, 0, 0)) || person > nodetest.Organisation || who == "dora" {
		return ecluse.Unexplained
	}
	owner, site := "anne", "A1"
	switch {
	case person > nodetest.Site:
		owner, site = "carl", "A2"
	case person > nodetest.Caseload:
		owner = "bob"
	}
	mine := map[string]string{"anne": "A1", "bob": "A1", "carl": "A2"}[who]
	switch {
	case who == owner:
		return ecluse.Explained
	case mine == site:
		return ecluse.SameSite
	}
	return ecluse.SameOrganisation
}

func organisationOf(who string) string {
	if who == "dora" {
		return "B"
	}
	return "A"
}

// isNew is the design's definition, by brute force: not disclosed to this account within 180 days at
// the same or a higher tier, for classes already obtained.
func (d *diary) isNew(i int) bool {
	s, sameTier, got := d.sights[i], false, ecluse.ClassSet(0)
	if s.emergency || s.tier == ecluse.Explained {
		return false
	}
	for _, p := range d.sights[:i] {
		if p.who == s.who && p.person == s.person && !p.emergency && p.tier != ecluse.Explained && s.at.Sub(p.at) < budget.Remembered {
			sameTier = sameTier || p.tier >= s.tier
			got |= p.classes
		}
	}
	return !sameTier || !got.Contains(s.classes)
}

// A promise is one budget as a reader of the design would count it.
type promise struct {
	name   string
	window time.Duration
	limit  int
	counts func(i int) bool // whether sight i counts
	pairs  func(s sight) string
}

// most is the largest number of distinct pairs in any window that ends with a sight.
func (d *diary) most(p promise) int {
	most := 0
	for last := range d.sights {
		pairs := map[string]bool{}
		for i := last; i >= 0 && d.sights[last].at.Sub(d.sights[i].at) <= p.window; i-- {
			if p.counts(i) {
				pairs[p.pairs(d.sights[i])] = true
			}
		}
		most = max(most, len(pairs))
	}
	return most
}

func mostOften(at []time.Time, window time.Duration) int {
	most := 0
	for last := range at {
		n := 0
		for i := last; i >= 0 && at[last].Sub(at[i]) <= window; i-- {
			n++
		}
		most = max(most, n)
	}
	return most
}

// promises of one account.
func (d *diary) promises(who string, l budget.Limits) []promise {
	fresh := make([]bool, len(d.sights))
	for i := range d.sights {
		fresh[i] = d.isNew(i)
	}
	mine := func(and func(i int) bool) func(int) bool {
		return func(i int) bool { return d.sights[i].who == who && and(i) }
	}
	person := func(s sight) string { return fmt.Sprint(s.person) }
	return []promise{
		{"total", budget.Day, l.Total24h, mine(func(int) bool { return true }), person},
		{"new in 24 h", budget.Day, l.New24h, mine(func(i int) bool { return fresh[i] }), person},
		{"new in 30 d", budget.Month, l.New30d, mine(func(i int) bool { return fresh[i] }), person},
		{"outside", budget.Day, l.Outside24h, mine(func(i int) bool { return fresh[i] && d.sights[i].tier >= ecluse.SameOrganisation }), person},
		{"unexplained", budget.Day, l.Unexplained24h, mine(func(i int) bool { return fresh[i] && d.sights[i].tier == ecluse.Unexplained }), person},
		{"emergency", budget.Day, l.Emergency24h, mine(func(i int) bool { return d.sights[i].emergency }), func(s sight) string { return fmt.Sprint(s.at, s.person) }},
	}
}

// broken names every promise that the diary shows broken.
func (d *diary) broken(accounts []string, l budget.Limits, persons int) (all []string) {
	fresh := make([]bool, len(d.sights))
	for i := range d.sights {
		fresh[i] = d.isNew(i)
	}
	pair := func(s sight) string { return fmt.Sprint(s.who, s.person) }
	org := budget.OrganisationLimit(4) // accounts of A; B has fewer: an upper bound all the same
	list := []promise{{"register", budget.Day, budget.RegisterLimit(int64(persons)), func(i int) bool { return fresh[i] }, pair}}
	for _, o := range []string{"A", "B"} {
		list = append(list, promise{"organisation " + o, budget.Day, org, func(i int) bool { return fresh[i] && organisationOf(d.sights[i].who) == o }, pair})
	}
	for _, who := range accounts {
		list = append(list, promise{"a third of the organisation, " + who, budget.Day, org / 3, func(i int) bool { return fresh[i] && d.sights[i].who == who }, pair})
		for _, p := range d.promises(who, l) {
			p.name += ", " + who
			list = append(list, p)
		}
		for window, limit := range map[time.Duration]int{budget.Day: l.Search24h, budget.TenMinutes: l.Search10min} {
			if n := mostOften(d.searches[who], window); n > limit {
				all = append(all, fmt.Sprintf("%d searches of %d in %s, %s", n, limit, window, who))
			}
		}
	}
	for _, p := range list {
		if n := d.most(p); n > p.limit {
			all = append(all, fmt.Sprintf("%d of %d, %s", n, p.limit, p.name))
		}
	}
	return all
}

// A play is one run of the property: a world, its accounts and what they got.
type play struct {
	*nodetest.World
	t        testing.TB
	callers  map[string]signin.Caller
	diary    diary
	accounts []string
}

func newPlay(t testing.TB, url string, extra int, limits string) *play {
	p := &play{World: nodetest.New(t, url, nil), t: t, callers: map[string]signin.Caller{}, accounts: []string{"anne", "bob", "carl", "dora"}}
	if extra > 0 {
		p.AddPersons(extra)
	}
	p.SetLimits(limits)
	for _, who := range append([]string{"rssi"}, p.accounts...) {
		p.callers[who] = p.SignIn(who)
	}
	p.diary.searches, p.diary.refused = map[string][]time.Time{}, map[ecluse.Reason]int{}
	p.Clock.Advance(time.Hour) // no step back goes before the accounts began
	p.Reopen()                 // headcounts are cached for ten minutes
	return p
}

// An act is one thing that an account does; acts of one burst run at the same time.
type act struct {
	who    string
	what   string // disclose, emergency, search, beyond, caseload
	person int
	bare   bool // without justification
	fields []string
	cursor int
}

func (p *play) do(a act, at func() time.Time) (note func(), err error) {
	c := p.callers[a.who]
	switch a.what {
	case "search", "beyond":
		r := gate.SearchRequest{Caller: c, Register: first, Purpose: "emploi", Query: query(p.World, a.person), Beyond: a.what == "beyond", Channel: ecluse.ChannelAPI}
		out, err := p.Gate.Search(context.Background(), r)
		return func() { p.noteSearch(a, out, at()) }, err
	case "caseload":
		r := gate.CaseloadRequest{Caller: c, Register: first, Purpose: "emploi", Channel: ecluse.ChannelCaseload}
		if a.cursor > 0 {
			r.Cursor = p.Gate.CursorOf(c, p.Register, p.Persons[nodetest.External(a.cursor)])
		}
		out, err := p.Gate.Caseload(context.Background(), r)
		return func() { p.noteRows(a, out, at()) }, err
	}
	r := to(p.World, c, a.person)
	r.Fields = a.fields
	if a.bare {
		r.Motive, r.Text = "", ""
	}
	if a.what == "emergency" {
		r.Emergency, r.Motive, r.Text = "danger", "", ""
	}
	out, err := p.Gate.Disclose(context.Background(), r)
	return func() { p.note(a, out) }, err
}

func (p *play) refusals(reasons []ecluse.Reason) {
	for _, r := range reasons {
		p.diary.refused[r]++
	}
}

func (p *play) note(a act, out gate.Outcome) {
	p.diary.receipts = append(p.diary.receipts, out.Receipt)
	p.refusals(out.Reasons)
	if shows(out) {
		p.saw(a.who, a.person, out.At, out.Values.Fields(), a.what == "emergency")
	}
}

func (p *play) saw(who string, person int, at time.Time, fields ecluse.FieldSet, emergency bool) {
	p.diary.sights = append(p.diary.sights, sight{
		at: at, who: who, person: person, tier: tierOf(who, person, at), classes: p.Register.Schema.Classes(fields), emergency: emergency,
	})
}

func (p *play) noteRows(a act, out gate.CaseloadOutcome, at time.Time) {
	p.refusals(out.Reasons)
	f, _ := p.Register.Schema.Field("first_name")
	for _, row := range out.Rows {
		p.diary.receipts = append(p.diary.receipts, row.Receipt)
		got, ok := row.Values.Get("first_name")
		i := -1
		for k := 1; ok && k <= nodetest.PersonCount; k++ {
			if nodetest.Value(f, k) == got {
				i = k
			}
		}
		if i < 0 {
			p.t.Error("a row shows nobody of this world")
			continue
		}
		p.saw(a.who, i, at, row.Values.Fields(), false)
	}
}

func (p *play) noteSearch(a act, out gate.SearchOutcome, at time.Time) {
	p.diary.receipts = append(p.diary.receipts, out.Receipt)
	p.refusals(out.Reasons)
	own := len(out.Hits) > 0 && out.Hits[0].Relation == "caseload" && a.what == "search"
	answered := len(out.Hits) > 0 || slices.ContainsFunc(out.Reasons, func(r ecluse.Reason) bool {
		return r == ecluse.ReasonPersonUnavailable || r == ecluse.ReasonSearchAmbiguous || r == ecluse.ReasonSearchTooBroad
	})
	if answered && !own {
		p.diary.searches[a.who] = append(p.diary.searches[a.who], at)
	}
}

// burst does all acts at the same time. Outcomes that nobody got (busy) are done again.
func (p *play) burst(acts []act) {
	var wg sync.WaitGroup
	var notes []func()
	var mu sync.Mutex
	at := func() time.Time {
		head, err := p.Store.Head(context.Background())
		if err != nil {
			p.t.Fatal(err)
		}
		return head.At
	}
	for _, a := range acts {
		wg.Go(func() {
			for {
				note, err := p.do(a, at)
				if errors.Is(err, ledger.ErrBusy) {
					continue
				}
				if err != nil {
					p.t.Error(err)
					return
				}
				mu.Lock()
				notes = append(notes, note)
				mu.Unlock()
				return
			}
		})
	}
	wg.Wait()
	// Within one burst the clock stands still, so all of it has one instant of the ledger.
	for _, note := range notes {
		note()
	}
}

// restart opens the node again. It refuses a clock that is far behind its ledger: several small steps
// back are then set right first, as an operator would.
func (p *play) restart() {
	head, err := p.Store.Head(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	if behind := head.At.Sub(p.Clock.Now()); behind > 4*time.Second {
		p.Clock.Advance(behind)
	}
	p.Reopen()
}

// accept has the security officer accept whatever waits.
func (p *play) accept() {
	by := p.Actor("rssi")
	for _, r := range p.Reviews("rssi") {
		if err := p.Directory.DecideReview(context.Background(), by, r.ID, true); err != nil {
			p.t.Fatal(err)
		}
	}
}

func drawAct(t *rapid.T, persons int) act {
	return act{
		who:    rapid.SampledFrom([]string{"anne", "anne", "anne", "bob", "carl", "dora"}).Draw(t, "who"),
		what:   rapid.SampledFrom([]string{"disclose", "disclose", "disclose", "disclose", "emergency", "search", "beyond", "caseload"}).Draw(t, "what"),
		person: rapid.SampledFrom([]int{1, 2, 3, 4, 5, 40, 41, 42, 43, 44, 45, 81, 82, 83, 84, 121, 122, 123, 124, 125, 126, 127, 128, 201}).Draw(t, "person"),
		bare:   rapid.IntRange(0, 9).Draw(t, "bare") == 0,
		fields: rapid.SampledFrom([][]string{nil, {"surname"}, {"surname", "email"}, {"phone"}}).Draw(t, "fields"),
		cursor: rapid.SampledFrom([]int{0, 0, 25, 60, 100}).Draw(t, "cursor"),
	}
}

func drawLimits(t *rapid.T) (budget.Limits, string) {
	l := budget.Limits{
		Unexplained24h: rapid.IntRange(0, 4).Draw(t, "unexplained"), Outside24h: rapid.IntRange(1, 3).Draw(t, "outside"),
		New24h: rapid.IntRange(1, 7).Draw(t, "new"), New30d: rapid.IntRange(2, 12).Draw(t, "new30"), Total24h: rapid.IntRange(2, 30).Draw(t, "total"),
		Search24h: rapid.IntRange(1, 6).Draw(t, "search"), Search10min: rapid.IntRange(1, 4).Draw(t, "search10"), Emergency24h: rapid.IntRange(0, 2).Draw(t, "emergency"),
	}
	return l, fmt.Sprintf(`{"unexplained_24h":%d,"outside_24h":%d,"new_24h":%d,"new_30d":%d,"total_24h":%d,"search_24h":%d,"search_10min":%d,"emergency_24h":%d}`,
		l.Unexplained24h, l.Outside24h, l.New24h, l.New30d, l.Total24h, l.Search24h, l.Search10min, l.Emergency24h)
}

// move moves the clock, mostly forward; not so far that an agreement ends.
func (p *play) move(t *rapid.T) {
	by := rapid.OneOf(
		rapid.Map(rapid.IntRange(1, 90), func(n int) time.Duration { return time.Duration(n) * time.Minute }),
		rapid.Map(rapid.IntRange(1, 30), func(n int) time.Duration { return time.Duration(n) * time.Hour }),
		rapid.Map(rapid.IntRange(1, 33), func(n int) time.Duration { return time.Duration(n) * budget.Day }),
		rapid.SampledFrom([]time.Duration{budget.TenMinutes, budget.Day, budget.Month, budget.Day - time.Microsecond, time.Hour - time.Second, 180 * budget.Day}),
		rapid.Map(rapid.IntRange(1, 4000), func(n int) time.Duration { return -time.Duration(n) * time.Millisecond }),
	).Draw(t, "by")
	if p.Clock.Now().Add(by).Before(nodetest.Start.AddDate(1, 11, 0)) {
		p.Clock.Advance(by)
	}
}

func TestNoInterleavingEverExceedsABudget(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		runs(t, url, 25, 6)
		hit := map[ecluse.Reason]int{}
		rapid.Check(t, func(rt *rapid.T) {
			l, text := drawLimits(rt)
			extra := rapid.SampledFrom([]int{0, 600}).Draw(rt, "extra")
			p := newPlay(t, fresh(t, url), extra, text)
			defer p.Node.Close()
			for range rapid.IntRange(10, 40).Draw(rt, "steps") {
				switch rapid.IntRange(0, 9).Draw(rt, "step") {
				case 0, 1, 2:
					p.move(rt)
				case 3:
					p.restart()
				case 4:
					p.accept()
				default:
					acts := make([]act, rapid.IntRange(1, 6).Draw(rt, "burst"))
					for i := range acts {
						acts[i] = drawAct(rt, nodetest.PersonCount)
					}
					p.burst(acts)
				}
			}
			for _, b := range p.diary.broken(p.accounts, l, nodetest.PersonCount+extra) {
				rt.Error(b)
			}
			verified(t, p.World, p.diary.receipts...)
			for r, n := range p.diary.refused {
				hit[r] += n
			}
		})
		met := 0
		for _, r := range []ecluse.Reason{
			ecluse.ReasonBudgetTotal, ecluse.ReasonBudgetNew, ecluse.ReasonBudgetOutside, ecluse.ReasonBudgetUnexplained, ecluse.ReasonEmergencyLimit,
			ecluse.ReasonBudgetSearch, ecluse.ReasonBudgetBreaker,
		} {
			if hit[r] > 0 {
				met++
			}
		}
		if met < 4 {
			t.Errorf("the runs met %d of 7 budgets: the property proves too little", met)
		}
		t.Log(hit)
	})
}

// fresh is the URL of another empty database of the same engine.
func fresh(t testing.TB, url string) string {
	if strings.HasPrefix(url, "sqlite:") {
		return storetest.SQLite(t)
	}
	return storetest.Postgres(t)
}
