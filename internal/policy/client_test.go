package policy

import (
	"slices"
	"testing"

	"ecluse"
	"ecluse/internal/budget"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func program(f *Facts) { f.Client.Asks = true }

func TestAProgramGetsAtExplainedPersonsAndNothingElse(t *testing.T) {
	type changes = []func(*Facts)
	for name, c := range map[string]struct {
		change changes
		want   []ecluse.Reason
	}{
		"an explained person":            {nil, nil},
		"a search":                       {changes{search}, nil},
		"a person of the site":           {changes{tier(ecluse.SameSite)}, []ecluse.Reason{ecluse.ReasonPersonUnavailable}},
		"with every justification":       {changes{tier(ecluse.Unexplained), justified}, []ecluse.Reason{ecluse.ReasonPersonUnavailable}},
		"an unknown person":              {changes{func(f *Facts) { f.Person.Found = false }}, []ecluse.Reason{ecluse.ReasonPersonUnavailable}},
		"an emergency":                   {changes{emergency, tier(ecluse.Explained)}, []ecluse.Reason{ecluse.ReasonClientAct}},
		"a link":                         {changes{link}, []ecluse.Reason{ecluse.ReasonClientAct}},
		"a program that is stopped":      {changes{func(f *Facts) { f.Client.Stopped = true }}, []ecluse.Reason{ecluse.ReasonAccountSuspended}},
		"an agent who does not agree":    {changes{func(f *Facts) { f.Client.DelegationEnded = true }}, []ecluse.Reason{ecluse.ReasonDelegationEnded}},
		"an agent who is suspended":      {changes{func(f *Facts) { f.AccountState = StateSuspended }}, []ecluse.Reason{ecluse.ReasonAccountSuspended}},
		"all of that, and an unknown":    {changes{emergency, func(f *Facts) { f.Client.Stopped, f.Client.DelegationEnded, f.Person.Found = true, true, false }}, []ecluse.Reason{ecluse.ReasonAccountSuspended, ecluse.ReasonDelegationEnded, ecluse.ReasonClientAct}},
		"a purpose that it has not":      {changes{func(f *Facts) { f.Mandates = Together(f.Mandates, []Mandate{{}}) }}, []ecluse.Reason{ecluse.ReasonPurposeNotCovered}},
		"fields of which it has none":    {changes{together(func(m *Mandate) { m.Fields = diagnosis })}, []ecluse.Reason{ecluse.ReasonFieldNotCovered}},
		"a territory that it has not":    {changes{together(func(m *Mandate) { m.Territory = ParseTerritory("75") })}, []ecluse.Reason{ecluse.ReasonPersonUnavailable}},
		"an agreement of its that ended": {changes{together(func(m *Mandate) { m.Ends = noon })}, []ecluse.Reason{ecluse.ReasonAgreementEnded}},
	} {
		f := facts()
		program(&f)
		for _, change := range c.change {
			change(&f)
		}
		d := Decide(f)
		if d.Allow != (c.want == nil) || !slices.Equal(d.Reasons, c.want) {
			t.Errorf("%s: %v %v, want %v", name, d.Allow, d.Reasons, c.want)
		}
	}
}

// together has the agent act through a program whose mandate differs.
func together(change func(*Mandate)) func(*Facts) {
	return func(f *Facts) {
		theirs := mandate()
		change(&theirs)
		f.Mandates = Together(f.Mandates, []Mandate{theirs})
	}
}

// TestAProgramNeverDoesForAnAgentWhatEitherMayNot decides three times: for both, and for each alone.
func TestAProgramNeverDoesForAnAgentWhatEitherMayNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		agent := drawFacts(t)
		agent.Client = Client{Asks: true}
		theirs := agent
		theirs.Mandates = append(rapid.SliceOfN(rapid.Custom(drawMandate), 0, 2).Draw(t, "its mandates"), mandate())
		both := agent
		both.Mandates = Together(agent.Mandates, theirs.Mandates)
		b, a, p := Decide(both), Decide(agent), Decide(theirs)
		if b.Allow && (!a.Allow || !p.Allow) {
			t.Fatalf("allowed together; the agent: %v, the program: %v", a.Reasons, p.Reasons)
		}
		if b.Allow && b.Fields != a.Fields&p.Fields {
			t.Fatalf("together %b, the agent %b, the program %b", b.Fields, a.Fields, p.Fields)
		}
		if !b.Allow && a.Allow && p.Allow && a.Fields&p.Fields != 0 {
			t.Fatalf("both may see %b and get %v", a.Fields&p.Fields, b.Reasons)
		}
	})
}

func TestATerritoryOfTwoIsWhatBothCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.SliceOfN(rapid.SampledFrom(append(territories, "93-008-12", "75-011-2")), 0, 4)
		one, other := Territory(draw.Draw(t, "one")), Territory(draw.Draw(t, "other"))
		both := one.and(other)
		for _, code := range append(territories, "93-008-12", "93-009", "75-011-2", "75-011-2-1") {
			if code == "*" { // not the code of a place
				continue
			}
			if want := one.Covers(code) && other.Covers(code); both.Covers(code) != want {
				t.Fatalf("%q and %q: %q covers %q: %v", one, other, both, code, !want)
			}
		}
		if slices.Contains(both, "") {
			t.Fatalf("%q covers nowhere", both)
		}
	})
}

func TestAProgramMandateIsAsOldAndAsRaisedAsTheAgents(t *testing.T) {
	agent, theirs := mandate(), mandate()
	agent.Limits.Total24h, agent.RaisedUntil = 77, noon.Add(budget.Day)
	theirs.Limits.Total24h, theirs.Installed, theirs.Since = 400, true, noon
	got := Together([]Mandate{agent}, []Mandate{theirs})
	if diff := cmp.Diff([]Mandate{agent}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
