package register

import (
	"slices"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/policy"
	"ecluse/presets"
)

// forbidden is one policy of a preset, and what it forbids: an agent who asks for it is refused, and is not when
// the change is taken back.
type forbidden struct {
	preset, policy string
	purpose        ecluse.Purpose
	asked          string // a field by name, "" = all
	change         func(*policy.Facts)
}

// Each policy of each preset, once.
var forbiddenByPresets = []forbidden{
	{"emploi-partenaires", "nir-by-software", "inscription", "nir", func(f *policy.Facts) { f.Client.Asks = true }},
	{"emploi-partenaires", "health-near", "maintien", "disability_worker", far},
	{"formation", "contact-of-prescribed", "prescription", "phone", far},
	{"formation", "prescription-hours", "prescription", "", func(f *policy.Facts) { f.Act = budget.MakeLink; night(f) }},
	{"integration", "contact-outside-hours", "cours", "email", func(f *policy.Facts) { f.At = f.At.AddDate(0, 0, 5); f.Person.Tier = ecluse.SameSite }},
	{"integration", "unassigned-at-night", "cours", "", func(f *policy.Facts) { far(f); f.Person.Tier = ecluse.Unexplained; night(f) }},
	{"licences-sport", "representative-near", "encadrement", "rep_phone", far},
	{"mission-locale", "nir-near", "sante", "nir", far},
	{"mission-locale", "id-document-near", "logement", "id_document", far},
	{"sport-scolaire", "representative-near", "licence", "rep_email", far},
}

func far(f *policy.Facts) {
	f.Person.Tier = ecluse.SameOrganisation
	f.Motive, f.MotiveKnown, f.TextRunes = "walk_in", true, policy.MinTextRunes
}

func night(f *policy.Facts) { f.At = f.At.Add(11 * time.Hour) }

// atWork are the facts of an agent who opens her own person on a Monday at noon in Paris.
func (c forbidden) atWork(t *testing.T, d *Definition) policy.Facts {
	t.Helper()
	purpose, ok := d.Schema.Purpose(c.purpose)
	if !ok {
		t.Fatalf("%s has no purpose %s", c.preset, c.purpose)
	}
	f := policy.Facts{
		At: time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC), AccountState: policy.StateActive, Assured: true, Strong: true, Trained: true,
		Register: 1, Purpose: c.purpose, PurposeFields: purpose.Fields, EmergencyFields: d.Schema.EmergencyFields(), Act: budget.Disclose,
		Person: policy.PersonFacts{Found: true, Territory: "93"}, Forbids: d.Forbids,
		Mandates: []policy.Mandate{{
			Register: 1, Purposes: []ecluse.Purpose{c.purpose}, Fields: d.Schema.AllFields(), Territory: policy.ParseTerritory("93"), Running: true,
			Role: ecluse.RoleAgent, Limits: budget.Default(),
		}},
	}
	if c.asked != "" {
		asked, err := d.Schema.Set(c.asked)
		if err != nil {
			t.Fatal(err)
		}
		f.Asked = asked
	}
	return f
}

func TestEachPolicyOfAPresetForbidsWhatItSays(t *testing.T) {
	tried := map[string][]string{}
	for _, c := range forbiddenByPresets {
		d := definitionOf(t, c.preset)
		f := c.atWork(t, d)
		if allowed := policy.Decide(f); !allowed.Allow {
			t.Errorf("%s: %s disturbs an agent at work: %v", c.preset, c.policy, allowed.Reasons)
		}
		c.change(&f)
		refused := policy.Decide(f)
		if want := []ecluse.Reason{ecluse.ForbiddenBy(c.policy)}; refused.Allow || !slices.Equal(refused.Reasons, want) {
			t.Errorf("%s: %s does not forbid: %+v", c.preset, c.policy, refused)
		}
		if f.Forbids = nil; !policy.Decide(f).Allow {
			t.Errorf("%s: %s is refused without the policy too", c.preset, c.policy)
		}
		tried[c.preset] = append(tried[c.preset], c.policy)
	}
	for _, name := range presets.Names() {
		for _, id := range definitionOf(t, name).Forbids.IDs() {
			if !slices.Contains(tried[name], id) {
				t.Errorf("nothing shows that the policy %s of %s can forbid: add it to forbiddenByPresets", id, name)
			}
		}
	}
}

// A preset's policies on fields keep from an agent who names no field what they withhold, and no more.
func TestWhatAPolicyOfAPresetWithholdsIsLeftOut(t *testing.T) {
	for _, c := range forbiddenByPresets {
		if c.asked == "" {
			continue
		}
		d := definitionOf(t, c.preset)
		f := c.atWork(t, d)
		withheld := f.Asked
		f.Asked = 0
		before := policy.Decide(f)
		c.change(&f)
		after := policy.Decide(f)
		if !before.Fields.Contains(withheld) || !after.Allow || after.Fields&withheld != 0 || !before.Fields.Contains(after.Fields) {
			t.Errorf("%s: %s leaves %v of %v", c.preset, c.policy, d.Schema.Names(after.Fields), d.Schema.Names(before.Fields))
		}
	}
}

func definitionOf(t *testing.T, name string) *Definition {
	t.Helper()
	from, err := presets.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ReadDefinition(name, from)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
