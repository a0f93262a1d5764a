package ledger

import (
	"cmp"
	"sync/atomic"
	"time"

	"ecluse"
	"ecluse/internal/budget"
)

// Candidate is an entry that asks to be written. The append gives it its number, instant and places
// in the chains, and may turn an allowed disclosure into a refusal.
type Candidate struct {
	Kind         Kind
	Register     ecluse.RegisterID
	Account      ecluse.AccountID
	Organisation ecluse.OrganisationID
	Session      ecluse.SessionID
	Person       ecluse.PersonID // 0 = about no person
	Version      ecluse.VersionID
	Fields       ecluse.FieldSet // allowed: what leaves; denied: what was asked
	Purpose      ecluse.Purpose
	Tier         ecluse.Tier
	Decision     Decision
	Reasons      []ecluse.Reason
	Detail       Detail

	// Revision of heads that the facts rest on; AnyRevision if they are checked by the Effect.
	Revision int64
	// Charge is admitted against the meters of Account, Organisation and Register; nil charges nothing.
	Charge *budget.Charge
	// ClientCharge is admitted together with Charge against the meter of Detail.Client: both or none.
	// For what is explained only, which no meter of organisation or register counts.
	ClientCharge *budget.Charge
	// Review is opened with the entry if it is allowed.
	Review *Review
	// Follows has it refused if the candidate before it in its submission was, for the same reasons.
	Follows bool
	// Guard decides under the lock, before anything of the submission is numbered, on what nobody can
	// change any more; nil has no objection.
	Guard Guard
	// Effect takes place in the entry's own transaction; nil has none.
	Effect Effect
	// NewRevision makes every decision taken on older facts stale.
	NewRevision bool
}

// AnyRevision is the Revision of a candidate whose facts are checked in the transaction itself.
const AnyRevision = -1

// Result answers one Candidate.
type Result struct {
	N        ecluse.EntryNumber
	At       time.Time
	Allowed  bool
	Reasons  []ecluse.Reason // why not, or what Observe let pass
	ID       string          // opaque, for people and for ecluse verify --receipts
	Receipt  Receipt         // opens the record, once; zero unless an allowed disclosure
	Readings []budget.Reading
	leaf     [32]byte
	passage  Passage
}

// submission is one call of Append on its way through the queue.
type submission struct {
	candidates []Candidate
	answer     chan answer
	state      atomic.Int32 // waiting, taken or withdrawn
}

type answer struct {
	results []Result
	err     error
}

const (
	waiting int32 = iota
	taken
	withdrawn
)

// place is whose places of the queue it takes: a program the same ones for whomever it acts. What an account
// does outside every register, ending a stolen session first, does not wait behind what is read with it.
func (s *submission) place() Holder {
	if len(s.candidates) == 0 {
		return Holder{}
	}
	c := &s.candidates[0]
	return Holder{int64(cmp.Or(c.Detail.Client, c.Account)), c.Register}
}

func (s *submission) take() bool     { return s.state.CompareAndSwap(waiting, taken) }
func (s *submission) untake()        { s.state.Store(waiting) }
func (s *submission) withdraw() bool { return s.state.CompareAndSwap(waiting, withdrawn) }

// issue makes the receipts of an answer whose transaction is durable.
func (a *answer) issue(l *Ledger, committed time.Time) {
	for i := range a.results {
		r := &a.results[i]
		r.ID = l.receiptID(r.N, r.leaf)
		if r.Allowed && r.passage.Person != 0 && r.passage.Fields != 0 {
			r.Receipt = newReceipt(r.passage, r.ID, committed)
		}
	}
}
