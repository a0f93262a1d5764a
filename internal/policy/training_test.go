package policy

import (
	"slices"
	"testing"

	"ecluse"
)

func untrained(f *Facts) { f.Trained = false }

func motive(m string) func(*Facts) { return func(f *Facts) { f.EmergencyMotive = m } }

func TestWithoutACertificateOnlyAnEmergencyIsAllowed(t *testing.T) {
	type changes = []func(*Facts)
	type reasons = []ecluse.Reason
	for name, c := range map[string]struct {
		change changes
		want   reasons
	}{
		"no certificate":         {changes{untrained}, reasons{ecluse.ReasonTraining}},
		"search, no certificate": {changes{search, untrained}, reasons{ecluse.ReasonTraining}},
		"link, no certificate":   {changes{link, untrained}, reasons{ecluse.ReasonTraining}},
		"search, odd motive":     {changes{search, untrained, motive("curious")}, reasons{ecluse.ReasonTraining}},
		"motive, no emergency":   {changes{untrained, motive("danger")}, reasons{ecluse.ReasonTraining}},
		"untrained, unassured":   {changes{untrained, func(f *Facts) { f.Assured = false }}, reasons{ecluse.ReasonAssuranceTooLow, ecluse.ReasonTraining}},
		"untrained, unknown":     {changes{untrained, func(f *Facts) { f.Person.Found = false }}, reasons{ecluse.ReasonTraining}},
	} {
		f := facts()
		for _, change := range c.change {
			change(&f)
		}
		if d := Decide(f); d.Allow || !slices.Equal(d.Reasons, c.want) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
