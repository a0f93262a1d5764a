package policy

import (
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"

	"pgregory.net/rapid"
)

// What exposure counts with is never below what a decision gives within the time.
func TestLimitsWithinAreNeverBelowTheLimitsOfAnInstantWithin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
		instant := func(name string) time.Time {
			return start.Add(time.Duration(rapid.IntRange(-40*24, 80*24).Draw(t, name)) * time.Hour)
		}
		mandates := make([]Mandate, rapid.IntRange(0, 3).Draw(t, "mandates"))
		for i := range mandates {
			mandates[i] = Mandate{
				Register: ecluse.RegisterID(rapid.IntRange(1, 2).Draw(t, "register")), Role: ecluse.RoleAgent, Running: rapid.IntRange(0, 3).Draw(t, "running") > 0,
				Starts: instant("starts"), Ends: instant("ends"), Since: instant("since"), Installed: rapid.Bool().Draw(t, "installed"),
				Limits: budget.Limits{New24h: rapid.IntRange(0, 50).Draw(t, "new"), New30d: rapid.IntRange(0, 50).Draw(t, "new30"), Total24h: rapid.IntRange(0, 50).Draw(t, "total")},
			}
			if rapid.Bool().Draw(t, "raised") {
				mandates[i].RaisedUntil = instant("raised until")
			}
		}
		from := instant("from")
		to := from.Add(time.Duration(rapid.IntRange(0, 30*24).Draw(t, "hours")) * time.Hour)
		within := LimitsWithin(mandates, 1, from, to)
		for at := from; !at.After(to); at = at.Add(time.Hour) {
			if l := Limits(mandates, 1, at); l.Max(within) != within {
				t.Fatalf("%v at %s, but at most %v", l, at, within)
			}
		}
	})
}
