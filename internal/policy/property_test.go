package policy

import (
	"slices"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var territories = []string{"93-008", "93", "", "930", "75", "75-011", "*"}

// usually is true nine times out of ten. (Integers drawn from a range would favour its ends.)
func usually(t *rapid.T, name string) bool {
	return rapid.SampledFrom([]bool{true, true, true, true, true, true, true, true, true, false}).Draw(t, name)
}

func drawMandate(t *rapid.T) Mandate {
	m := mandate()
	m.Register = lock + rapid.SampledFrom([]ecluse.RegisterID{0, 0, 0, 1}).Draw(t, "register")
	m.Purposes = rapid.SampledFrom([][]ecluse.Purpose{{jobs}, {jobs, housing}, {housing}, nil}).Draw(t, "purposes")
	m.Fields = drawFields(t, "mandate fields")
	m.Territory = rapid.SliceOfN(rapid.SampledFrom(territories), 0, 3).Draw(t, "territory")
	m.Running = usually(t, "running")
	m.Role = rapid.SampledFrom([]ecluse.Role{ecluse.RoleAgent, ecluse.RoleAgent, ecluse.RoleAgent, ecluse.RoleDPO, ""}).Draw(t, "role")
	m.Ends = rapid.SampledFrom([]time.Time{{}, m.Ends, m.Ends, noon}).Draw(t, "ends")
	m.Since = rapid.SampledFrom([]time.Time{{}, m.Since, noon}).Draw(t, "since")
	return m
}

func drawFields(t *rapid.T, name string) ecluse.FieldSet {
	return rapid.SampledFrom([]ecluse.FieldSet{0, phone, surname | phone, surname | phone | nir, 15, 15, 15, 15}).Draw(t, name)
}

// drawFacts draws facts of which about a quarter are allowed.
func drawFacts(t *rapid.T) Facts {
	f := facts()
	f.AccountState = rapid.SampledFrom([]string{StateActive, StateInvited, StateSuspended, ""}).Draw(t, "state")
	if usually(t, "active") {
		f.AccountState = StateActive
	}
	f.Assured, f.Strong, f.Trained = usually(t, "assured"), usually(t, "strong"), usually(t, "trained")
	f.Mandates = rapid.SliceOfN(rapid.Custom(drawMandate), 0, 3).Draw(t, "mandates")
	if usually(t, "a good mandate") {
		f.Mandates = append(f.Mandates, mandate())
	}
	f.PurposeFields, f.EmergencyFields = drawFields(t, "purpose fields"), drawFields(t, "emergency fields")
	f.Asked = rapid.SampledFrom([]ecluse.FieldSet{0, 0, 0, 0, surname, phone, phone, 15}).Draw(t, "asked")
	f.Act = rapid.SampledFrom([]budget.Act{budget.Disclose, budget.Disclose, budget.Disclose, budget.Disclose, budget.Search, budget.MakeLink, budget.Emergency, 0}).Draw(t, "act")
	f.EmergencyMotive = rapid.SampledFrom([]string{"", "danger", "missing", "danger"}).Draw(t, "emergency motive")
	f.Client = Client{Asks: rapid.Bool().Draw(t, "program"), Stopped: !usually(t, "program acts"), DelegationEnded: !usually(t, "delegation runs")}
	if !usually(t, "not spent") {
		f.BudgetSpent = []ecluse.Reason{ecluse.ReasonBudgetSearch}
	}
	drawPerson(t, &f)
	return f
}

// drawPerson draws all that is about the person: what no caller-level reason may depend on.
func drawPerson(t *rapid.T, f *Facts) {
	f.Person = PersonFacts{
		Found:     usually(t, "found"),
		Territory: rapid.SampledFrom(append(territories, "93-008", "93-008", "93-009")).Draw(t, "person's territory"),
		Tier:      ecluse.Tier(rapid.IntRange(0, 3).Draw(t, "tier")),
	}
	f.Motive = rapid.SampledFrom([]string{"", "walk_in", "walk_in"}).Draw(t, "motive")
	f.MotiveKnown = usually(t, "motive known")
	f.TextRunes = rapid.SampledFrom([]int{0, 19, 20, 100, 100, 100, 500, 501}).Draw(t, "text")
	f.PendingReviews = rapid.SampledFrom([]int{0, 0, 0, 3, 4, 5, 6}).Draw(t, "pending")
}

// restrictions each take something away from the caller or demand more of them.
var restrictions = map[string]func(*rapid.T, *Facts){
	"suspend":       func(_ *rapid.T, f *Facts) { f.AccountState = StateSuspended },
	"end":           func(_ *rapid.T, f *Facts) { f.AccountState = StateEnded },
	"only replace":  func(_ *rapid.T, f *Facts) { f.StandIn = true },
	"untrain":       func(_ *rapid.T, f *Facts) { f.Trained = false },
	"weaken":        func(_ *rapid.T, f *Facts) { f.Assured = false },
	"no own factor": func(_ *rapid.T, f *Facts) { f.Strong = false },
	"spend":         func(_ *rapid.T, f *Facts) { f.BudgetSpent = append(f.BudgetSpent, ecluse.ReasonBudgetLinks) },
	"lose person":   func(_ *rapid.T, f *Facts) { f.Person.Found = false },
	"raise tier":    func(_ *rapid.T, f *Facts) { f.Person.Tier = min(3, f.Person.Tier+1) },
	"no motive":     func(_ *rapid.T, f *Facts) { f.Motive = "" },
	"motive gone":   func(_ *rapid.T, f *Facts) { f.MotiveKnown = false },
	"no text":       func(_ *rapid.T, f *Facts) { f.TextRunes = 0 },
	"one review":    func(_ *rapid.T, f *Facts) { f.PendingReviews++ },
	"no emergency":  func(_ *rapid.T, f *Facts) { f.EmergencyMotive = "" },
	"purpose sees":  func(t *rapid.T, f *Facts) { f.PurposeFields &= drawFields(t, "left") },
	"emergency see": func(t *rapid.T, f *Facts) { f.EmergencyFields &= drawFields(t, "left") },
	"drop mandate":  func(_ *rapid.T, f *Facts) { f.Mandates = f.Mandates[:max(0, len(f.Mandates)-1)] },
	"stop mandate":  onLast(func(_ *rapid.T, m *Mandate) { m.Running = false }),
	"end mandate":   onLast(func(_ *rapid.T, m *Mandate) { m.Ends = noon }),
	"less fields":   onLast(func(t *rapid.T, m *Mandate) { m.Fields &= drawFields(t, "left") }),
	"less purposes": onLast(func(_ *rapid.T, m *Mandate) { m.Purposes = m.Purposes[:max(0, len(m.Purposes)-1)] }),
	"less land":     onLast(func(_ *rapid.T, m *Mandate) { m.Territory = m.Territory[:max(0, len(m.Territory)-1)] }),
	"a program":     func(_ *rapid.T, f *Facts) { f.Client.Asks = true },
	"its end":       func(_ *rapid.T, f *Facts) { f.Client.Stopped = true },
	"no agreement":  func(_ *rapid.T, f *Facts) { f.Client.Asks, f.Client.DelegationEnded = true, true },
	"rejuvenate":    onLast(func(_ *rapid.T, m *Mandate) { m.Since = noon }),
}

func onLast(change func(*rapid.T, *Mandate)) func(*rapid.T, *Facts) {
	return func(t *rapid.T, f *Facts) {
		if len(f.Mandates) > 0 {
			f.Mandates = slices.Clone(f.Mandates)
			change(t, &f.Mandates[len(f.Mandates)-1])
		}
	}
}

func TestNoRestrictionEverTurnsADenialIntoAnAllowance(t *testing.T) {
	var names []string
	for name := range restrictions {
		names = append(names, name)
	}
	slices.Sort(names)
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		before := Decide(f)
		for range rapid.IntRange(1, 3).Draw(t, "restrictions") {
			restrictions[rapid.SampledFrom(names).Draw(t, "restriction")](t, &f)
		}
		after := Decide(f)
		if after.Allow && !before.Allow {
			t.Fatalf("denied for %v, then allowed", before.Reasons)
		}
		if after.Allow && !before.Fields.Contains(after.Fields) {
			t.Fatalf("fields grew from %b to %b", before.Fields, after.Fields)
		}
		if before.Limits.Max(after.Limits) != before.Limits {
			t.Fatalf("limits grew from %+v to %+v", before.Limits, after.Limits)
		}
	})
}

func TestUnknownPersonsAndThoseOutsideTheMandateAreTreatedAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unknown := drawFacts(t)
		outside := unknown
		unknown.Person.Found = false
		outside.Person = PersonFacts{Found: true, Territory: "2A-004", Tier: ecluse.Tier(rapid.IntRange(0, 3).Draw(t, "its tier"))}
		outside.Mandates = slices.Clone(outside.Mandates)
		for i, m := range outside.Mandates { // nobody's mandate covers the whole country here
			outside.Mandates[i].Territory = slices.DeleteFunc(slices.Clone(m.Territory), func(s string) bool { return s == "*" })
		}
		unknown.Mandates = outside.Mandates
		if diff := cmp.Diff(Decide(unknown), Decide(outside)); diff != "" {
			t.Fatalf("an oracle (-unknown +outside):\n%s", diff)
		}
	})
}

var callerReasons = func() map[ecluse.Reason]bool {
	set := map[ecluse.Reason]bool{ecluse.ReasonBudgetSearch: true, ecluse.ReasonBudgetLinks: true}
	for _, r := range callerRules {
		set[r.reason] = true
	}
	return set
}()

func TestWhileTheCallerIsAtFaultNothingDependsOnThePerson(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		g := f
		drawPerson(t, &g)
		a, b := Decide(f), Decide(g)
		callerAtFault := func(d Decision, f Facts) bool {
			return !d.Allow && callerReasons[d.Reasons[0]] &&
				(d.Reasons[0] != ecluse.ReasonJustificationRequired || f.Act == budget.Emergency) &&
				(d.Reasons[0] != ecluse.ReasonAssuranceTooLow || !f.Assured || len(d.Reasons) > 1) // tier 3 takes a strong session
		}
		if f.Act == budget.Search || callerAtFault(a, f) || callerAtFault(b, g) {
			if diff := cmp.Diff(a, b); diff != "" {
				t.Fatalf("an oracle:\n%s", diff)
			}
		} else if !a.Allow && len(a.Reasons) != 1 {
			t.Fatalf("more than one person-level reason: %v", a.Reasons)
		}
	})
}

func TestADecisionIsConsistent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		d := Decide(f)
		switch {
		case d.Allow && (d.Reasons != nil || d.Fields == 0):
			t.Fatalf("allowed with %v, fields %b", d.Reasons, d.Fields)
		case !d.Allow && (len(d.Reasons) == 0 || d.Fields != 0 || d.Review != ""):
			t.Fatalf("denied with %+v", d)
		case d.Allow && f.Asked != 0 && d.Fields != f.Asked:
			t.Fatalf("asked %b, got %b", f.Asked, d.Fields)
		case d.Allow && f.Act == budget.Disclose && f.Person.Tier >= 2 && d.Review == "":
			t.Fatal("nobody is told of it")
		case !slices.Equal(d.Reasons, slices.Compact(slices.Clone(d.Reasons))):
			t.Fatalf("a reason twice: %v", d.Reasons)
		}
	})
}
