// Package budget counts distinct persons and says when to stop. It is pure: no clock, no database,
// no network; the ledger calls it inside the append transaction, exposure calls it to prove bounds.
//
// The invariant (docs: docs/decisions, design "Windows"): over every interval of length W the number
// of distinct persons disclosed never exceeds the limit. Windows are sums of whole buckets that cover
// at least W (24-25 h of hour buckets, 30-31 d of day buckets, 10-11 min of minute buckets), so a
// refusal may come up to one bucket early, an admission never too late.
package budget

import (
	"time"

	"ecluse"
)

// Limits are the hard limits of one account in one register, in distinct persons (searches and links:
// in acts) per window. A zero limit admits nothing.
type Limits struct {
	Unexplained24h int `json:"unexplained_24h"` // tier 3
	Outside24h     int `json:"outside_24h"`     // tiers 2 and 3
	New24h         int `json:"new_24h"`         // tiers 1 to 3
	New30d         int `json:"new_30d"`
	Total24h       int `json:"total_24h"` // every tier, known persons included
	Search24h      int `json:"search_24h"`
	Search10min    int `json:"search_10min"`
	Emergency24h   int `json:"emergency_24h"`
	Links24h       int `json:"links_24h"`
}

// Act is what is asked for.
type Act uint8

// The acts that budgets know.
const (
	Disclose  Act = iota + 1 // values of one person leave
	Search                   // a search that shows no hit among the caller's own persons
	MakeLink                 // a link for somebody
	Emergency                // contact and representative of one person, in an emergency
)

// Charge is one act with everything that Admit needs to know about it.
type Charge struct {
	Act     Act
	Tier    ecluse.Tier
	Classes ecluse.ClassSet // field classes that would leave
	Limits  Limits          // of the account
	// OrganisationNew24h is the organisation's limit of (account, person) pairs newly disclosed in
	// 24 h; one account takes at most a third of it. RegisterNew24h is the circuit breaker; one
	// account takes at most half of it.
	OrganisationNew24h int
	RegisterNew24h     int
	// Observe admits in spite of the account's and the organisation's budgets (never the breaker);
	// everything is still charged and the reasons are still returned.
	Observe bool
}

// Seen is what an account has already had of a person. The zero value means nothing.
type Seen struct {
	ChargedAt time.Time       // last time that a budget of new persons was charged
	Tier      ecluse.Tier     // highest tier within Remembered
	Classes   ecluse.ClassSet // field classes obtained within Remembered
	LastAt    time.Time       // last look of any tier
}

// Remembered is how long a disclosed person stays known to an account.
const Remembered = 180 * 24 * time.Hour

// Meters are the three meters that an act in a register is charged to. None may be nil.
type Meters struct {
	Account, Organisation, Register *Meter
}
