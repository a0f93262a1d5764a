package policy

import (
	"slices"
	"testing"

	"ecluse"

	"pgregory.net/rapid"
)

func TestOneOfficerContainsNeitherManyNorOfficers(t *testing.T) {
	own, officers, second := ecluse.ReasonContainmentOwn, ecluse.ReasonContainmentOfficers, ecluse.ReasonContainmentSecond
	cases := map[string]struct {
		facts ContainmentFacts
		want  []ecluse.Reason
	}{
		"a few agents":                      {ContainmentFacts{Accounts: MaxContainedAlone, PairRests: true}, nil},
		"one too many":                      {ContainmentFacts{Accounts: MaxContainedAlone + 1, PairRests: true}, []ecluse.Reason{second}},
		"the last ones of a day":            {ContainmentFacts{Accounts: 2, AloneDay: MaxContainedAloneDay - 2, PairRests: true}, nil},
		"one too many of a day":             {ContainmentFacts{Accounts: 3, AloneDay: MaxContainedAloneDay - 2, PairRests: true}, []ecluse.Reason{second}},
		"an officer":                        {ContainmentFacts{Accounts: 1, Staff: 1, PairRests: true}, []ecluse.Reason{second}},
		"an officer, by two":                {ContainmentFacts{Accounts: 1, Staff: 1, Second: true, PairRests: true}, nil},
		"an officer, by a command":          {ContainmentFacts{Accounts: 1, Staff: 1, Operator: true, PairRests: true}, nil},
		"many, by a command":                {ContainmentFacts{Accounts: 900, Operator: true, PairRests: true}, nil},
		"oneself":                           {ContainmentFacts{Accounts: 1, Own: true, PairRests: true}, []ecluse.Reason{own}},
		"oneself, by two":                   {ContainmentFacts{Accounts: 1, Own: true, Second: true, PairRests: true}, []ecluse.Reason{own}},
		"the last pair":                     {ContainmentFacts{Accounts: 1, Staff: 1, Second: true}, []ecluse.Reason{officers}},
		"the last pair, by a command":       {ContainmentFacts{Accounts: 1, Staff: 1, Operator: true}, []ecluse.Reason{officers}},
		"everything at once, in this order": {ContainmentFacts{Accounts: 50, Staff: 9, Own: true}, []ecluse.Reason{own, officers, second}},
	}
	for name, c := range cases {
		if got := DecideContainment(c.facts); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Whatever is asked, nobody stops herself, a pair of officers stays, and an officer alone stops at most so
// many within a day, none of whom is staff.
func TestNoFactsLetAContainmentTakeTheDeskAway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := ContainmentFacts{
			Operator: rapid.Bool().Draw(t, "operator"), Second: rapid.Bool().Draw(t, "second"), Own: rapid.Bool().Draw(t, "own"), PairRests: rapid.Bool().Draw(t, "pair"),
			Accounts: rapid.IntRange(0, 60).Draw(t, "accounts"), Staff: rapid.IntRange(0, 3).Draw(t, "staff"), AloneDay: rapid.IntRange(0, 60).Draw(t, "day"),
		}
		if len(DecideContainment(f)) > 0 {
			return
		}
		alone := !f.Operator && !f.Second
		if f.Own || !f.PairRests || alone && (f.Staff > 0 || f.Accounts > 20 || f.AloneDay+f.Accounts > 40) {
			t.Errorf("allowed: %+v", f)
		}
	})
}
