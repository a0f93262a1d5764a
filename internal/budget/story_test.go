package budget

import (
	"testing"
	"time"

	"ecluse"

	"github.com/google/go-cmp/cmp"
)

const (
	names    = ecluse.ClassSet(1 << ecluse.Identity)
	contacts = ecluse.ClassSet(1 << ecluse.Contact)
)

// monday is when every story begins: 9:00, in the middle of nothing.
var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// A desk is one agent's account in one register, with a clock that the story moves.
type desk struct {
	t      *testing.T
	now    time.Time
	charge Charge // standing terms: limits, observe
	meters Meters
	seen   map[string]Seen
}

func newDesk(t *testing.T) *desk {
	return &desk{
		t: t, now: monday,
		charge: Charge{Limits: Default(), OrganisationNew24h: OrganisationLimit(60), RegisterNew24h: RegisterLimit(22_000)},
		meters: Meters{new(Meter), new(Meter), new(Meter)},
		seen:   map[string]Seen{},
	}
}

func (d *desk) act(a Act, person string, tier ecluse.Tier, classes ecluse.ClassSet) Verdict {
	c := d.charge
	c.Act, c.Tier, c.Classes = a, tier, classes
	v, seen := Admit(d.meters, d.seen[person], c, d.now)
	if person != "" {
		d.seen[person] = seen
	}
	return v
}

func (d *desk) admits(a Act, person string, tier ecluse.Tier, classes ecluse.ClassSet) Verdict {
	d.t.Helper()
	v := d.act(a, person, tier, classes)
	if !v.Admitted {
		d.t.Fatalf("%s: %q at tier %d refused: %v", d.now, person, tier, v.Reasons)
	}
	return v
}

func (d *desk) refuses(a Act, person string, tier ecluse.Tier, classes ecluse.ClassSet, want ...ecluse.Reason) {
	d.t.Helper()
	account, org, reg, seen := *d.meters.Account, *d.meters.Organisation, *d.meters.Register, d.seen[person]
	v := d.act(a, person, tier, classes)
	if diff := cmp.Diff(Verdict{Reasons: want}, v); diff != "" {
		d.t.Fatalf("%s: %q at tier %d: verdict (-want +got):\n%s", d.now, person, tier, diff)
	}
	if account != *d.meters.Account || org != *d.meters.Organisation || reg != *d.meters.Register || seen != d.seen[person] {
		d.t.Fatal("a refusal changed something")
	}
}

func (d *desk) passes(by time.Duration) { d.now = d.now.Add(by) }

func person(prefix string, i int) string {
	return prefix + string(rune('a'+i/26)) + string(rune('a'+i%26))
}

func TestTheSixthUnexplainedPersonOfADayIsRefusedAndTheNextDayIsNot(t *testing.T) {
	d := newDesk(t)
	for i := range 5 {
		d.admits(Disclose, person("p", i), ecluse.Unexplained, names)
		d.passes(time.Minute)
	}
	d.refuses(Disclose, "sixth", ecluse.Unexplained, names, ecluse.ReasonBudgetUnexplained)
	d.admits(Disclose, "sixth", ecluse.SameOrganisation, names) // a better explained one is another matter

	d.now = monday.Add(24*time.Hour + 59*time.Minute)
	d.refuses(Disclose, "seventh", ecluse.Unexplained, names, ecluse.ReasonBudgetUnexplained) // up to an hour early
	d.passes(time.Minute)
	d.admits(Disclose, "seventh", ecluse.Unexplained, names)
}

func TestARefusalTellsEveryReason(t *testing.T) {
	d := newDesk(t)
	d.charge.Limits = Limits{}
	d.charge.OrganisationNew24h, d.charge.RegisterNew24h = 0, 0
	d.refuses(Disclose, "p", ecluse.Unexplained, names, ecluse.ReasonBudgetUnexplained, ecluse.ReasonBudgetOutside,
		ecluse.ReasonBudgetNew, ecluse.ReasonBudgetTotal, ecluse.ReasonBudgetOrganisation, ecluse.ReasonBudgetBreaker)
	d.refuses(Disclose, "p", ecluse.Explained, names, ecluse.ReasonBudgetTotal)
	d.refuses(Search, "", 0, 0, ecluse.ReasonBudgetSearch)
	d.refuses(MakeLink, "", 0, 0, ecluse.ReasonBudgetLinks)
	d.refuses(Emergency, "p", ecluse.Unexplained, contacts, ecluse.ReasonBudgetTotal, ecluse.ReasonEmergencyLimit)
	d.refuses(Act(0), "p", 0, 0)
	d.refuses(Act(5), "p", 0, 0)
}

func TestReopeningAKnownPersonIsFreeForAHundredAndEightyDays(t *testing.T) {
	d := newDesk(t)
	d.charge.Limits.New24h = 1
	if v := d.admits(Disclose, "p", ecluse.SameSite, names); !v.New {
		t.Error("the first disclosure was not charged as new")
	}
	d.passes(time.Hour)
	if v := d.admits(Disclose, "p", ecluse.SameSite, names); v.New {
		t.Error("a known person was charged as new")
	}
	d.passes(179 * Day) // the reopening prolongs the memory
	if v := d.admits(Disclose, "p", ecluse.SameSite, names); v.New {
		t.Error("a person seen 179 days ago was charged as new")
	}
	d.passes(180 * Day)
	if v := d.admits(Disclose, "p", ecluse.SameSite, names); !v.New {
		t.Error("a person not seen for 180 days was free")
	}
}

func TestARiseInTierOrANewFieldClassIsChargedAgain(t *testing.T) {
	d := newDesk(t)
	for _, step := range []struct {
		tier    ecluse.Tier
		classes ecluse.ClassSet
		charged bool
	}{
		{ecluse.Explained, names | contacts, false}, // an explained look makes nobody known
		{ecluse.SameSite, names, true},
		{ecluse.SameSite, names, false},
		{ecluse.SameSite, contacts, true},
		{ecluse.SameSite, names | contacts, false},
		{ecluse.Unexplained, names, true},
		{ecluse.SameOrganisation, contacts, false},
	} {
		if v := d.admits(Disclose, "p", step.tier, step.classes); v.New != step.charged {
			t.Errorf("tier %d, classes %b: charged %v, want %v", step.tier, step.classes, v.New, step.charged)
		}
		d.passes(time.Minute)
	}
}

func TestANarrowLookDoesNotProlongTheMemoryOfAWideOne(t *testing.T) {
	for name, narrow := range map[string]struct {
		tier    ecluse.Tier
		classes ecluse.ClassSet
	}{
		"a lower tier":  {ecluse.SameSite, names | contacts},
		"fewer classes": {ecluse.Unexplained, names},
	} {
		d := newDesk(t)
		d.admits(Disclose, "p", ecluse.Unexplained, names|contacts)
		d.passes(100 * Day)
		d.admits(Disclose, "p", narrow.tier, narrow.classes) // free, and remembered only as part of the first
		d.passes(100 * Day)
		if v := d.admits(Disclose, "p", ecluse.Unexplained, contacts); !v.New {
			t.Errorf("%s: a disclosure of 200 days ago still made one free", name)
		}
	}
}

func TestWhatIsSeenCanBeStoredAndCompared(t *testing.T) {
	d := newDesk(t)
	d.now = d.now.Add(1234567 * time.Nanosecond).In(time.FixedZone("Paris", 3600))
	d.admits(Disclose, "p", ecluse.SameSite, names)
	seen, at := d.seen["p"], monday.Add(1234*time.Microsecond)
	if want := (Seen{ChargedAt: at, Tier: ecluse.SameSite, Classes: names, LastAt: at}); seen != want {
		t.Fatalf("seen %+v, want %+v", seen, want)
	}
	meter := *d.meters.Account
	d.passes(time.Minute)
	d.admits(Disclose, "p", ecluse.SameSite, names)
	if d.seen["p"] != seen || *d.meters.Account != meter {
		t.Error("a second look within the hour left something to write")
	}
}

func TestTotalCountsPersonsByTheirLastLook(t *testing.T) {
	d := newDesk(t)
	d.charge.Limits.Total24h = 2
	d.admits(Disclose, "p", ecluse.Explained, names)
	d.admits(Disclose, "q", ecluse.Explained, names)
	d.refuses(Disclose, "r", ecluse.Explained, names, ecluse.ReasonBudgetTotal)
	d.passes(20 * time.Hour)
	d.admits(Disclose, "p", ecluse.Explained, names) // within the window: free, and now last seen at 5:00
	d.passes(5 * time.Hour)                          // q is out of the window, p is not
	d.admits(Disclose, "r", ecluse.Explained, names)
	d.refuses(Disclose, "q", ecluse.Explained, names, ecluse.ReasonBudgetTotal)
}

func TestAnEmergencyPassesTheBreakerAndMakesNobodyKnown(t *testing.T) {
	d := newDesk(t)
	d.charge.RegisterNew24h, d.charge.OrganisationNew24h = 0, 0
	for i := range 3 {
		d.admits(Emergency, person("p", i), ecluse.Unexplained, contacts)
	}
	d.refuses(Emergency, "fourth", ecluse.Unexplained, contacts, ecluse.ReasonEmergencyLimit)
	if *d.meters.Organisation != (Meter{}) || *d.meters.Register != (Meter{}) {
		t.Error("an emergency was charged to the organisation or the register")
	}
	d.charge.RegisterNew24h, d.charge.OrganisationNew24h = 100, 100
	if v := d.admits(Disclose, person("p", 0), ecluse.SameSite, contacts); !v.New {
		t.Error("an emergency made a person known")
	}
}

func TestSearchesAreLimitedByTheMinuteAndByTheDay(t *testing.T) {
	d := newDesk(t)
	for range 15 {
		d.admits(Search, "", 0, 0)
	}
	d.refuses(Search, "", 0, 0, ecluse.ReasonBudgetSearch)
	d.passes(10*time.Minute + 59*time.Second) // up to a minute early
	d.refuses(Search, "", 0, 0, ecluse.ReasonBudgetSearch)
	d.passes(time.Second)
	for range 3 {
		for range 15 {
			d.admits(Search, "", 0, 0)
		}
		d.passes(11 * time.Minute)
	}
	d.refuses(Search, "", 0, 0, ecluse.ReasonBudgetSearch) // 60 in the day
	if got := Spent(d.meters.Account, Charge{Act: Search, Limits: Default()}, d.now); !cmp.Equal(got, []ecluse.Reason{ecluse.ReasonBudgetSearch}) {
		t.Errorf("before lookup: %v", got)
	}
	if got := Spent(d.meters.Account, Charge{Act: Disclose, Limits: Default()}, d.now); got != nil {
		t.Errorf("a disclosure was refused before lookup: %v", got)
	}
	if got := Spent(d.meters.Account, Charge{Act: Search, Limits: Default(), Observe: true}, d.now); got != nil {
		t.Errorf("refused before lookup while budgets are observed: %v", got)
	}
}

func TestOneAccountTakesAtMostAThirdOfItsOrganisationsBudget(t *testing.T) {
	d := newDesk(t)
	d.charge.OrganisationNew24h = 12
	for i := range 4 {
		d.admits(Disclose, person("p", i), ecluse.SameSite, names)
	}
	d.refuses(Disclose, "fifth", ecluse.SameSite, names, ecluse.ReasonBudgetOrganisation)

	for colleague := range 2 {
		d.meters.Account, d.seen = new(Meter), map[string]Seen{}
		for i := range 4 {
			d.admits(Disclose, person("p", colleague+i), ecluse.SameSite, names)
		}
	}
	d.meters.Account, d.seen = new(Meter), map[string]Seen{}
	d.refuses(Disclose, "p", ecluse.SameSite, names, ecluse.ReasonBudgetOrganisation) // 12 pairs
	d.admits(Disclose, "p", ecluse.Explained, names)
}

func TestTheBreakerStopsARegisterEvenWhenBudgetsAreOnlyObserved(t *testing.T) {
	d := newDesk(t)
	d.charge.Observe, d.charge.RegisterNew24h, d.charge.Limits = true, 4, Limits{}
	for i := range 2 {
		v := d.admits(Disclose, person("p", i), ecluse.SameSite, names)
		if diff := cmp.Diff([]ecluse.Reason{ecluse.ReasonBudgetNew, ecluse.ReasonBudgetTotal}, v.Reasons); diff != "" {
			t.Errorf("what would have stopped it (-want +got):\n%s", diff)
		}
	}
	d.refuses(Disclose, "third", ecluse.SameSite, names, ecluse.ReasonBudgetNew, ecluse.ReasonBudgetTotal, ecluse.ReasonBudgetBreaker)
	d.meters.Account = new(Meter)
	for i := range 2 {
		d.admits(Disclose, person("q", i), ecluse.SameSite, names)
	}
	d.meters.Account = new(Meter)
	d.refuses(Disclose, "fifth", ecluse.SameSite, names, ecluse.ReasonBudgetNew, ecluse.ReasonBudgetTotal, ecluse.ReasonBudgetBreaker)
	d.admits(Disclose, "fifth", ecluse.Explained, names) // tier 0 always passes
}

func TestAClockThatGoesBackLosesNoCharge(t *testing.T) {
	d := newDesk(t)
	d.charge.Limits.New24h, d.charge.Limits.Total24h = 2, 2
	d.admits(Disclose, "p", ecluse.SameSite, names)
	d.passes(-72 * time.Hour)
	d.admits(Disclose, "q", ecluse.SameSite, names)
	d.refuses(Disclose, "r", ecluse.SameSite, names, ecluse.ReasonBudgetNew, ecluse.ReasonBudgetTotal)
	d.now = monday.Add(24 * time.Hour)
	d.refuses(Disclose, "r", ecluse.SameSite, names, ecluse.ReasonBudgetNew, ecluse.ReasonBudgetTotal)
	d.admits(Disclose, "q", ecluse.SameSite, names)
	d.passes(time.Hour)
	d.admits(Disclose, "r", ecluse.SameSite, names)
}

func TestAFilledMeterAdmitsNothingForADay(t *testing.T) {
	d := newDesk(t)
	d.meters.Account.Fill(d.now)
	d.refuses(Disclose, "p", ecluse.Explained, names, ecluse.ReasonBudgetTotal)
	d.refuses(Search, "", 0, 0, ecluse.ReasonBudgetSearch)
	for _, r := range Readings(d.meters.Account, d.charge, d.now) {
		if want := r.Limit; r.Window != Month && r.Used != want {
			t.Errorf("%s: %d used of %d", r.Code, r.Used, r.Limit)
		}
	}
	d.passes(25 * time.Hour)
	d.admits(Disclose, "p", ecluse.SameSite, names)
}

func TestTheMeterShownToAnAgentHoldsWhatWouldStopItFirst(t *testing.T) {
	d := newDesk(t)
	d.admits(Disclose, "p", ecluse.Unexplained, names)
	d.admits(Disclose, "q", ecluse.Explained, names)
	d.admits(Search, "", 0, 0)
	d.charge.OrganisationNew24h = OrganisationLimit(1)
	want := []Reading{
		{ecluse.ReasonBudgetUnexplained, 1, 5, Day, time.Time{}},
		{ecluse.ReasonBudgetOutside, 1, 10, Day, time.Time{}},
		{ecluse.ReasonBudgetNew, 1, 7, Day, time.Time{}}, // a third of 23
		{ecluse.ReasonBudgetNew, 1, 300, Month, time.Time{}},
		{ecluse.ReasonBudgetTotal, 2, 120, Day, time.Time{}},
		{ecluse.ReasonBudgetSearch, 1, 60, Day, time.Time{}},
		{ecluse.ReasonBudgetSearch, 1, 15, TenMinutes, time.Time{}},
		{ecluse.ReasonEmergencyLimit, 0, 3, Day, time.Time{}},
		{ecluse.ReasonBudgetLinks, 0, 20, Day, time.Time{}},
	}
	if diff := cmp.Diff(want, Readings(d.meters.Account, d.charge, d.now)); diff != "" {
		t.Errorf("readings (-want +got):\n%s", diff)
	}
	for _, r := range Readings(d.meters.Account, d.charge, d.now.Add(31*Day)) {
		if r.Used != 0 {
			t.Errorf("%s is still %d after 31 days", r.Code, r.Used)
		}
	}
}
