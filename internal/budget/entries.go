package budget

import "time"

// What costs no budget is an entry of the ledger all the same: a refusal, a known person opened again, a
// page of one's own persons. So that nobody fills the ledger, an account has a bound of entries in a
// register too, far above what people and their programs do: an agent who opens 40 files ten times a day
// and pages through 400 persons ten times makes 4,400 entries. They are the same for every account, and no
// agreement changes them.
const (
	Entries24h    = 20_000
	Refusals24h   = 600 // acts that were refused, a caseload page being one
	Refusals10min = 120
)

// Count counts an entry of the account at an instant; refused, that the act it belongs to was refused.
func (m *Meter) Count(at time.Time, refused bool) {
	m.advance(m.at(at))
	m.add(entryHours, 1)
	if refused {
		m.add(refusalHours, 1)
		m.add(refusalMinutes, 1)
	}
}

// Flooded reports whether the account has so many entries, or refusals, that nothing more is written down
// for it, and so nothing happens, until they are past.
func (m *Meter) Flooded(at time.Time) bool {
	now := m.at(at)
	return m.sum(entryHours, now) >= Entries24h || m.sum(refusalHours, now) >= Refusals24h || m.sum(refusalMinutes, now) >= Refusals10min
}
