// Package notice says what somebody has to be told of, and who: one closed list of kinds, each with
// those who are told. A Notice is written in the transaction of the act itself, so that it exists if
// and only if its act does; the append neither looks anybody up nor waits for any mail. Package post
// finds out afterwards who is told by name, and sends.
//
// A notice holds numbers and a kind: no value of a record, no name, no free text, no address, no token.
//
// It imports the glossary only, so that every room can leave a notice.
//
// Tables: notices, deliveries (package post).
package notice

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"ecluse"
)

// Kind is what happened.
type Kind string

// The closed list of kinds.
const (
	ReviewOutside     Kind = "review.outside"     // tier 2: a file of the organisation, from outside its site
	ReviewUnexplained Kind = "review.unexplained" // tier 3: a file without any relation
	ReviewEmergency   Kind = "review.emergency"
	ReviewContested   Kind = "review.contested" // a manager does not accept the justification

	SessionNewDevice Kind = "session.new_device" // a sign-in from a browser or network not seen before
	FactorAdded      Kind = "factor.added"
	FactorLost       Kind = "factor.lost"     // removed, or declared lost
	FactorWaiting    Kind = "factor.waiting"  // somebody added one that another has to confirm
	FactorDoubtful   Kind = "factor.doubtful" // wrong codes in a row, or a key that may have been copied
	RaiseMade        Kind = "raise.made"

	AccountRequested  Kind = "account.requested"
	AccountDecided    Kind = "account.decided"
	AccountInvitation Kind = "account.invitation" // the mail carries the link, which is derived when it is sent
	StandinOpened     Kind = "standin.opened"

	ClientKeyRenewed Kind = "client_key.renewed" // a program put a new key in the place of its own
	ClientKeyEnded   Kind = "client_key.ended"
	DelegationMade   Kind = "delegation.made" // an agent lets a program act for her

	ContainmentMade      Kind = "containment.made"
	ContainmentConcerned Kind = "containment.concerned" // to the owner of an account that was contained
)

// Audience is a set of those who are told.
type Audience uint8

// Who may be told. Whoever acted (Notice.By) is never told of her own act, unless she is Herself.
const (
	Herself          Audience = 1 << iota // the account Notice.To
	Managers                              // account managers of Notice.Organisation
	AccessOfficers                        // of Notice.Controller
	SecurityOfficers                      // of Notice.Controller: the duty officer
)

// Manner is how notices of a kind reach people.
type Manner struct {
	Tells Audience
	// Together: the first is sent at once, those of the following hour are one mail. Others go one by one.
	Together bool
	Urgent   bool // sent before all that waits
	Bulk     bool // comes by the thousand: sent after all that waits
}

var manners = map[Kind]Manner{
	ReviewOutside:     {Tells: Managers, Together: true},
	ReviewUnexplained: {Tells: Managers | SecurityOfficers},
	ReviewEmergency:   {Tells: Managers | SecurityOfficers, Urgent: true},
	ReviewContested:   {Tells: SecurityOfficers},

	SessionNewDevice: {Tells: Herself},
	FactorAdded:      {Tells: Herself},
	FactorLost:       {Tells: Herself},
	FactorWaiting:    {Tells: Managers | AccessOfficers, Together: true},
	FactorDoubtful:   {Tells: Herself | SecurityOfficers},
	RaiseMade:        {Tells: Herself | Managers, Together: true},

	AccountRequested:  {Tells: AccessOfficers, Together: true},
	AccountDecided:    {Tells: Herself, Together: true},
	AccountInvitation: {Tells: Herself, Bulk: true},
	StandinOpened:     {Tells: Herself | Managers | AccessOfficers},

	ClientKeyRenewed: {Tells: Managers | AccessOfficers, Together: true},
	ClientKeyEnded:   {Tells: Managers | AccessOfficers, Together: true},
	DelegationMade:   {Tells: Herself},

	ContainmentMade:      {Tells: AccessOfficers | SecurityOfficers, Urgent: true},
	ContainmentConcerned: {Tells: Herself},
}

// Kinds are all kinds, sorted.
func Kinds() []Kind { return slices.Sorted(maps.Keys(manners)) }

// Manner is how notices of the kind reach people: zero for a kind that is none.
func (k Kind) Manner() Manner { return manners[k] }

// Notice is one thing that somebody is told of. The act's own transaction gives it its number and
// instant.
type Notice struct {
	ID   int64     // allotted by InsertNotices
	At   time.Time // set by InsertNotices: ledger time of the act
	Kind Kind

	Controller   ecluse.ControllerID   // of the officers who are told
	Organisation ecluse.OrganisationID // of the managers who are told; else the organisation concerned, or 0
	To           ecluse.AccountID      // who is told herself
	By           ecluse.AccountID      // who acted: never told of her own act; 0 = nobody in particular
	Subject      int64                 // the row meant (review, approval, session …), 0 = none
}

// Tx inserts notices in the transaction of their act. *store.Tx implements it, so that an Effect writes
//
//	tx.(notice.Tx).InsertNotices(ctx, []notice.Notice{{Kind: notice.AccountRequested, Controller: c, By: by}})
type Tx interface {
	InsertNotices(ctx context.Context, list []Notice) error
}

// ErrIncomplete: the notice's kind is none of the list, or it names nobody of those whom the kind tells.
var ErrIncomplete = errors.New("the notice does not say whom to tell")

// Check reports whether the notice names those whom its kind tells: ErrIncomplete. Staff of the body
// itself have no organisation, hence no manager: then the officers are enough.
func (n Notice) Check() error {
	tells := n.Kind.Manner().Tells
	officers := tells&(AccessOfficers|SecurityOfficers) != 0 && n.Controller != 0
	managers := tells&Managers != 0 && n.Organisation != 0
	herself := tells&Herself != 0
	if herself && n.To == 0 || !herself && !managers && !officers {
		return fmt.Errorf("%w (%s)", ErrIncomplete, n.Kind)
	}
	return nil
}
