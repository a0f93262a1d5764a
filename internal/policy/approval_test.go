package policy

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"ecluse"
)

// toDecide is a request of account 1 that account 2 may decide: both are founding staff.
func toDecide() ApprovalFacts {
	return ApprovalFacts{
		Requester: Party{Account: 1, Identity: "idp one", Session: 11, Device: "d1", Organisation: 7},
		Approver:  Party{Account: 2, Identity: "idp two", Session: 12, Device: "d2"},
		Concerns:  7, Approves: true, Assured: true, Strong: true, Officers: 2,
	}
}

func TestWhoMayNotDecideARequest(t *testing.T) {
	type change = func(*ApprovalFacts)
	mother := func(id ecluse.AccountID) []Ancestor {
		return []Ancestor{{Account: id, Identity: fmt.Sprint("idp ", id)}}
	}
	for what, c := range map[string]struct {
		change change
		want   []ecluse.Reason
	}{
		"nothing against it":                     {func(*ApprovalFacts) {}, nil},
		"nothing at all":                         {func(f *ApprovalFacts) { *f = ApprovalFacts{} }, []ecluse.Reason{ecluse.ReasonAssuranceTooLow, ecluse.ReasonDualOfficers}},
		"a request of nobody, approved":          {func(f *ApprovalFacts) { f.Requester = Party{} }, []ecluse.Reason{ecluse.ReasonDualControl}},
		"a request of nobody, refused":           {func(f *ApprovalFacts) { f.Requester, f.Approves = Party{}, false }, nil},
		"one account":                            {func(f *ApprovalFacts) { f.Approver.Account = 1 }, []ecluse.Reason{ecluse.ReasonDualControl}},
		"one identity":                           {func(f *ApprovalFacts) { f.Approver.Identity = f.Requester.Identity }, []ecluse.Reason{ecluse.ReasonDualControl}},
		"one session":                            {func(f *ApprovalFacts) { f.Approver.Session = 11 }, []ecluse.Reason{ecluse.ReasonDualDevice}},
		"one browser":                            {func(f *ApprovalFacts) { f.Approver.Device = "d1" }, []ecluse.Reason{ecluse.ReasonDualDevice}},
		"no browser":                             {func(f *ApprovalFacts) { f.Approver.Device = "" }, []ecluse.Reason{ecluse.ReasonDualDevice}},
		"she asked for the requester":            {func(f *ApprovalFacts) { f.Requester.Lineage = mother(2) }, []ecluse.Reason{ecluse.ReasonDualLineage}},
		"the requester asked for her":            {func(f *ApprovalFacts) { f.Approver.Lineage = mother(1) }, []ecluse.Reason{ecluse.ReasonDualLineage}},
		"her former account asked":               {func(f *ApprovalFacts) { f.Requester.Lineage = []Ancestor{{Account: 9, Identity: "idp two"}} }, []ecluse.Reason{ecluse.ReasonDualLineage}},
		"one asked for both":                     {func(f *ApprovalFacts) { f.Requester.Lineage, f.Approver.Lineage = mother(5), mother(5) }, []ecluse.Reason{ecluse.ReasonDualLineage}},
		"two asked for them":                     {func(f *ApprovalFacts) { f.Requester.Lineage, f.Approver.Lineage = mother(5), mother(6) }, nil},
		"she is suspended":                       {func(f *ApprovalFacts) { f.Approver.Contained = true }, []ecluse.Reason{ecluse.ReasonDualContained}},
		"whoever asked for the requester is":     {func(f *ApprovalFacts) { f.Requester.Lineage = []Ancestor{{Account: 5, Contained: true}} }, []ecluse.Reason{ecluse.ReasonDualContained}},
		"her own organisation":                   {func(f *ApprovalFacts) { f.Approver.Organisation = 7 }, []ecluse.Reason{ecluse.ReasonDualOwn}},
		"a colleague's wish for another":         {func(f *ApprovalFacts) { f.Approver.Organisation, f.Concerns = 7, 8 }, []ecluse.Reason{ecluse.ReasonDualOwn}},
		"the whole body, by an organisation":     {func(f *ApprovalFacts) { f.Approver.Organisation, f.Concerns, f.Requester.Organisation = 8, 0, 0 }, []ecluse.Reason{ecluse.ReasonDualOwn}},
		"another organisation":                   {func(f *ApprovalFacts) { f.Approver.Organisation = 8 }, nil},
		"a colleague, of what colleagues decide": {func(f *ApprovalFacts) { f.Within, f.Approver.Organisation = true, 7 }, nil},
		"a colleague of the same mother":         {func(f *ApprovalFacts) { f.Within, f.Requester.Lineage, f.Approver.Lineage = true, mother(5), mother(5) }, nil},
		"a colleague whom she asked for lately":  {func(f *ApprovalFacts) { f.Within, f.Approver.Lineage = true, mother(1) }, []ecluse.Reason{ecluse.ReasonDualLineage}},
		"a colleague whom she asked for long ago": {func(f *ApprovalFacts) {
			f.Within, f.Approver.Lineage = true, []Ancestor{{Account: 1, Old: true}}
		}, nil},
		"an officer whom she asked for long ago": {func(f *ApprovalFacts) { f.Approver.Lineage = []Ancestor{{Account: 1, Old: true}} }, []ecluse.Reason{ecluse.ReasonDualLineage}},
		"a weak session":                         {func(f *ApprovalFacts) { f.Strong = false }, []ecluse.Reason{ecluse.ReasonAssuranceTooLow}},
		"a single officer":                       {func(f *ApprovalFacts) { f.Officers = 1 }, []ecluse.Reason{ecluse.ReasonDualOfficers}},
		"twenty today":                           {func(f *ApprovalFacts) { f.Approved24h = MaxApprovals }, []ecluse.Reason{ecluse.ReasonDualDaily}},
		"twenty today, and a refusal":            {func(f *ApprovalFacts) { f.Approved24h, f.Approves = MaxApprovals, false }, nil},
	} {
		f := toDecide()
		c.change(&f)
		if got := DecideApproval(f); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, not %v", what, got, c.want)
		}
	}
}

// TestNoRestrictionMakesADecisionPossible adds one more thing against a decision to facts at random.
func TestNoRestrictionMakesADecisionPossible(t *testing.T) {
	worse := map[string]func(*ApprovalFacts){
		"contained": func(f *ApprovalFacts) { f.Approver.Contained = true },
		"related": func(f *ApprovalFacts) {
			f.Approver.Lineage = append(f.Approver.Lineage, Ancestor{Account: f.Requester.Account})
		},
		"same person":  func(f *ApprovalFacts) { f.Approver.Account = f.Requester.Account },
		"same session": func(f *ApprovalFacts) { f.Approver.Session = f.Requester.Session },
		"weak":         func(f *ApprovalFacts) { f.Strong = false },
		"busy":         func(f *ApprovalFacts) { f.Approved24h += MaxApprovals },
		"alone":        func(f *ApprovalFacts) { f.Officers = 1 },
	}
	rapid.Check(t, func(t *rapid.T) {
		f := toDecide()
		f.Within, f.Approves = rapid.Bool().Draw(t, "within"), rapid.Bool().Draw(t, "approves")
		f.Approver.Organisation = ecluse.OrganisationID(rapid.SampledFrom([]int{0, 7, 8}).Draw(t, "organisation"))
		f.Approved24h = rapid.IntRange(0, 30).Draw(t, "approved")
		f.Officers = rapid.IntRange(0, 3).Draw(t, "officers")
		before := DecideApproval(f)
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(slices.Sorted(maps.Keys(worse))), 1, 3).Draw(t, "worse") {
			worse[name](&f)
		}
		if after := DecideApproval(f); len(before) > 0 && len(after) == 0 {
			t.Fatalf("refused for %v, then allowed", before)
		}
	})
}
