package budget

import (
	"time"

	"ecluse"
)

// Seen is what an account has already had of a person: the table seen, one row for each pair. The
// zero value means nothing. Instants are UTC; a zero instant means never.
//
// Tier and Classes were all obtained at or after ChargedAt, by disclosures at tiers 1 to 3: that makes
// the memory safe to rely on. It errs by forgetting early, never late: a narrower look than what is
// remembered does not prolong it.
type Seen struct {
	ChargedAt time.Time       // the memory runs from here: see above
	Tier      ecluse.Tier     // highest tier within Remembered
	Classes   ecluse.ClassSet // field classes obtained within Remembered
	LastAt    time.Time       // last look of any tier, to the hour: its bucket in total
}

// Remembered is how long a disclosed person stays known to an account. A row whose LastAt is that
// old changes no verdict any more and may be deleted.
const Remembered = 180 * Day

// Knows reports whether showing classes at tier would be free at an instant: they were disclosed to
// the account within Remembered, at the same or a higher tier. Tier 0 is free in any case.
func (s Seen) Knows(tier ecluse.Tier, classes ecluse.ClassSet, at time.Time) bool {
	return tier == ecluse.Explained || s.lives(at) && tier <= s.Tier && s.Classes.Contains(classes)
}

// lives reports whether the memory has not lapsed.
func (s Seen) lives(at time.Time) bool { return at.Sub(s.ChargedAt) < Remembered }

// Familiar reports whether some look at the person could be free at tiers 1 to 3, at that instant or
// later: K of the exposure.
func (s Seen) Familiar(at time.Time) bool { return s.Tier > ecluse.Explained && s.lives(at) }

// after is what is remembered once c has been admitted. A look that adds nothing within the same hour
// changes nothing, so that it need not be written.
func (s Seen) after(c *Charge, at time.Time) Seen {
	if s.Tier > ecluse.Explained && !s.lives(at) {
		s.ChargedAt, s.Tier, s.Classes = time.Time{}, 0, 0
	}
	if !sameHour(s.LastAt, at) {
		s.LastAt = at
	}
	if c.Act != Disclose || c.Tier == ecluse.Explained {
		return s // an emergency or an explained look makes nobody known
	}
	asWide := c.Tier >= s.Tier && c.Classes.Contains(s.Classes)
	if asWide && !sameHour(s.ChargedAt, at) {
		s.ChargedAt = at
	}
	s.Tier = max(s.Tier, c.Tier)
	s.Classes |= c.Classes
	return s
}

func sameHour(a, b time.Time) bool { return !a.IsZero() && minuteOf(a)/60 == minuteOf(b)/60 }
