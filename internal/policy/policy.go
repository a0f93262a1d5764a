// Package policy decides: Decide(Facts) is a table of small named rules that allows, or denies with
// every reason that the caller may be told. It is pure (no clock, database, network or randomness) and
// holds no state; whatever it knows is in the Facts, and a denial is a value, not an error.
//
// The invariants: nothing is allowed unless every rule agrees; adding a restriction to the facts never
// turns a denial into an allowance; and while a reason concerns the caller, nothing in the Decision
// depends on the person, so that refusals are no oracle. An unknown person and one outside the mandate
// get deeply equal Decisions.
//
// A register may forbid more, in Cedar: its policies see the same Facts, and can only take away.
//
// policy.go holds the words, decide.go the rules, mandate.go mandates and territories, cedar.go reads policies,
// forbid.go asks them.
package policy

import (
	"time"

	"ecluse"
	"ecluse/internal/budget"
)

// The states of an account. Any other state is as good as suspended.
const (
	StateActive    = "active"
	StateInvited   = "invited" // not yet bound to an identity
	StateSuspended = "suspended"
	StateEnded     = "ended"   // by an act, by date, with its organisation, or a replacement that nobody confirmed
	StateDormant   = "dormant" // nobody signed in for long
)

// What a justification must hold. Tier 2 asks for a motive of the register's pick-list, tier 3 also
// for a text of MinTextRunes to MaxTextRunes; an account with MaxPendingReviews disclosures at tier 3
// that nobody has looked at yet must wait.
const (
	MinTextRunes      = 20
	MaxTextRunes      = 500
	MaxPendingReviews = 5
)

// EmergencyMotives are the motives of an emergency, in the order in which pages show them. They are
// the same in every register.
var EmergencyMotives = [...]string{"danger", "minor_at_risk", "health", "missing"}

// The reviews that an allowed disclosure opens (Decision.Review).
const (
	ReviewOutside     = "outside"     // tier 2: the account manager is told
	ReviewUnexplained = "unexplained" // tier 3: somebody must look at it
	ReviewEmergency   = "emergency"   // the account manager and the duty officer are told at once
)

// PersonFacts is what is known of the person that is asked for.
type PersonFacts struct {
	Found     bool
	Territory string      // code, "" = none: then only a mandate for every territory covers it
	Tier      ecluse.Tier // from links alone, computed by the gate
}

// Client is what is known of the program that asks, for itself or for the account. Whatever asks, it gets
// at explained persons only.
type Client struct {
	Asks            bool
	Stopped         bool // its own account may not act
	DelegationEnded bool // it asks for an account that does not let it, or no more
}

// Facts is everything that a decision rests on. The zero value is denied.
type Facts struct {
	At           time.Time
	AccountState string    // at that instant: whatever ends by itself is over
	StandIn      bool      // a replacement that nobody has confirmed: explained persons only, and no act but opening
	Assured      bool      // the identity was proven strongly enough in this session
	Strong       bool      // so strongly that she may open what nothing explains
	Trained      bool      // the certificate that the register asks of her runs, or it asks for none
	Mandates     []Mandate // all of this account, running or not, of any register and role; Together with a program's
	Client       Client    // the program that asks; zero = a person asks

	Register        ecluse.RegisterID
	Purpose         ecluse.Purpose
	PurposeFields   ecluse.FieldSet // what the schema lets this purpose see; empty = no such purpose
	EmergencyFields ecluse.FieldSet // what the schema lets an emergency see
	Asked           ecluse.FieldSet // empty = whatever the purpose and the mandate allow

	Act             budget.Act
	EmergencyMotive string

	Person PersonFacts // ignored for a search

	Motive         string // of the justification, "" = none
	MotiveKnown    bool   // it is in the register's pick-list
	TextRunes      int    // length of its free text
	PendingReviews int    // disclosures of this account at tier 3 that nobody has looked at

	BudgetSpent []ecluse.Reason // budget.Spent: exhausted whoever the person is

	Forbids *Forbids // of the register; nil = none
	Caller  Caller   // for them alone

	consulted bool // Consulted: what follows is what Forbids were asked of the caller, and say
	question  *question
	forbidden []ecluse.Reason
	withheld  ecluse.FieldSet
}

// Caller is what policies see of the account that asks, beside what rules do.
type Caller struct {
	Organisation string // code
	Kind         string // of the organisation
	Site         string // code
	Channel      ecluse.Channel
}

// Decision is the answer. The zero value denies.
type Decision struct {
	Allow bool
	// Reasons of a denial, never empty then: all that concern the caller, or else the first one that
	// concerns the person. Nil if allowed.
	Reasons []ecluse.Reason
	// Fields that may leave, empty if denied. For a search and a link, by which none leaves: those that
	// could.
	Fields ecluse.FieldSet
	// Limits of the account in the register (func Limits). They depend on the caller alone.
	Limits budget.Limits
	// Review that an allowed disclosure opens, "" = none.
	Review string
}
