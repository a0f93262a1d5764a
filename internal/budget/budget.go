// Package budget counts distinct persons and says when to stop. It is pure: no clock, no database,
// no network; the ledger calls Admit inside the append transaction, verification replays Apply, and
// exposure proves its bounds from the same limits.
//
// The invariant: over every closed interval of length W, the number of distinct persons disclosed
// never exceeds the limit. A window is a sum of whole buckets that covers at least W (24-25 h of hour
// buckets, 30-31 d of day buckets, 10-11 min of minute buckets), and each person is in the bucket of
// the act that is counted, so the sum is an upper bound of every true count. The price: a refusal may
// come up to one bucket early, an admission never too late.
//
// budget.go holds the words, limits.go the limits, meter.go the counters, seen.go the memory of
// persons, admit.go the table of budgets and the decision, exposure.go the worst case.
package budget

import (
	"time"

	"ecluse"
)

// Act is what is asked for. The numbers are written into ledgers: never change one.
type Act uint8

// The acts that budgets know.
const (
	Disclose  Act = iota + 1 // values of one person leave
	Search                   // a search that shows no hit among the caller's own persons
	MakeLink                 // a link for somebody
	Emergency                // contact and representative of one person, in an emergency
)

// Charge is one act with everything that Admit needs to know about it. Apply reads only Act, Tier and
// Classes, so that an entry of the ledger is enough to charge it again.
type Charge struct {
	Act     Act
	Tier    ecluse.Tier
	Classes ecluse.ClassSet // field classes that would leave
	Limits  Limits          // of the account
	// OrganisationNew24h is the organisation's limit of (account, person) pairs newly disclosed in
	// 24 h; one account takes at most a third of it. RegisterNew24h is the circuit breaker; one
	// account takes at most half of it. See OrganisationLimit and RegisterLimit.
	OrganisationNew24h int
	RegisterNew24h     int
	// Observe admits in spite of the account's and the organisation's budgets (never the breaker);
	// everything is still charged and the reasons are still returned.
	Observe bool
	// Opens, of a Search: being found tells something in itself, so that it is refused wherever a new person
	// without relation could not be opened, whoever is found, or nobody: the answer tells nothing then.
	Opens bool
	// RaisedUntil is when Limits.New24h ends to be a raised one; zero if it is none. Only Readings reads it.
	RaisedUntil time.Time
}

// Meters are the three meters that an act in a register is charged to. They are three distinct
// meters and Account is never nil; Organisation and Register are touched only when a new person is
// disclosed, and may be nil for any other Act than Disclose.
type Meters struct {
	Account, Organisation, Register *Meter
}

// Verdict is the answer to a Charge. The zero value refuses.
type Verdict struct {
	Admitted bool
	// New says that the act was charged as the disclosure of a new person (tiers 1 to 3, not known).
	New bool
	// Reasons holds every exhausted budget, each code once, in the order of the table of budgets. It
	// is nil if there is none; with Charge.Observe an admitted act may have some.
	Reasons []ecluse.Reason
}

// Reading is one line of the meter that an agent is shown: Used of Limit over Window.
type Reading struct {
	Code   ecluse.Reason // the reason of a refusal once Used reaches Limit
	Used   int
	Limit  int
	Window time.Duration
	// RaisedUntil is when the limit falls back to half of what a colleague raised it to; zero = it is not raised.
	RaisedUntil time.Time
}

// The windows' nominal lengths. What is counted covers each of them and up to one bucket more.
const (
	TenMinutes = 10 * time.Minute
	Day        = 24 * time.Hour
	Month      = 30 * Day
)
