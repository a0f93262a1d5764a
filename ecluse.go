// Package ecluse is the glossary: the typed identifiers and closed lists that every room of the
// program shares. It holds no behaviour beyond naming, imports only the standard library and never
// holds a value of anybody's record.
//
// The words are defined at length in docs/glossary.md.
package ecluse

import (
	"fmt"
	"math/bits"
	"strings"
)

// Identifiers are allotted by the program under the head lock (package store), never by the database
// engine, and are never shown outside the security desk. Zero means "none" for each of them.
type (
	ControllerID   int64 // a body that decides why and how a register is used (GDPR art. 4(7))
	OrganisationID int64 // a partner organisation, or one of its sites
	AgreementID    int64 // a convention between a controller and an organisation
	AccountID      int64 // one natural person's (or one program's) right to act for an organisation
	SessionID      int64 // one signed-in browser
	RegisterID     int64 // a set of records on persons under one schema
	PersonID       int64 // the data subject, inside one register
	LinkID         int64 // a relationship that explains an access
	VersionID      int64 // the import (or write) that a record's values come from
	ApprovalID     int64 // a request that waits for a second pair of eyes
	ReviewID       int64 // a disclosure that someone must be told of
	RaiseID        int64 // a soft limit that a second person raised for a day
	ContainmentID  int64 // an act that stopped accounts and ended what they gave
	ClientKeyID    int64 // what a program proves itself with
	FactorID       int64 // something that an account's owner proves herself with here
)

// EntryNumber numbers the entries of the ledger from 0 without a gap (RFC 6962 §2.1 leaf index).
type EntryNumber int64

// Purpose is the code of a purpose in a register's schema ("emploi"), GDPR art. 5(1)(b).
type Purpose string

// FieldSet is a set of fields of one register: bit i stands for the field whose schema says bit = i.
// Bit numbers are never used again, so that a set in an old entry keeps its meaning.
type FieldSet uint64

// Has reports whether bit is in the set.
func (s FieldSet) Has(bit int) bool { return s&(1<<uint(bit)) != 0 }

// With returns the set with bit added.
func (s FieldSet) With(bit int) FieldSet { return s | 1<<uint(bit) }

// Contains reports whether every field of o is in s.
func (s FieldSet) Contains(o FieldSet) bool { return s&o == o }

// Len is the number of fields in the set.
func (s FieldSet) Len() int { return bits.OnesCount64(uint64(s)) }

// FieldClass groups fields by what their loss would mean for the person.
type FieldClass uint8

// The closed list of field classes. The numbers are written into ledgers: never change one.
const (
	Identity   FieldClass = iota + 1 // names, birth date, nationality
	Identifier                       // NIR, identity document, file number
	Contact                          // e-mail, address, phone
	Case                             // situation, follow-up, dates, status
	Financial                        // bank data
	Health                           // GDPR art. 9
	Sensitive                        // reason of stay, and what else art. 9 or the schema calls so
	Image                            // photo
	Document                         // files
	FreeText                         // notes of an agent on a person
)

var classNames = [...]string{"", "identity", "identifier", "contact", "case", "financial", "health", "sensitive", "image", "document", "free_text"}

// String is the class's stable code, as schemas write it.
func (c FieldClass) String() string {
	if int(c) >= len(classNames) {
		return fmt.Sprintf("class(%d)", uint8(c))
	}
	return classNames[c]
}

// ParseFieldClass is the inverse of FieldClass.String.
func ParseFieldClass(s string) (FieldClass, error) {
	for i, name := range classNames {
		if i > 0 && name == s {
			return FieldClass(i), nil
		}
	}
	return 0, fmt.Errorf("unknown field class %q (one of %s)", s, strings.Join(classNames[1:], ", "))
}

// ClassSet is a set of field classes: bit i stands for FieldClass i.
type ClassSet uint16

// With returns the set with c added.
func (s ClassSet) With(c FieldClass) ClassSet { return s | 1<<c }

// Contains reports whether every class of o is in s.
func (s ClassSet) Contains(o ClassSet) bool { return s&o == o }

// Tier says how far a disclosure is from being explained. Only the gate computes it, from links.
type Tier uint8

// The four tiers.
const (
	Explained        Tier = 0 // a link that the caller did not make explains it
	SameSite         Tier = 1 // someone of the caller's site follows the person
	SameOrganisation Tier = 2 // someone of the caller's organisation does
	Unexplained      Tier = 3 // none of these, but within the mandate
)

// Channel is the door that a value left through.
type Channel string

// The closed list of channels.
const (
	ChannelPage     Channel = "page"
	ChannelAPI      Channel = "api"
	ChannelCaseload Channel = "caseload"
)

// Role is what a grant lets an account do.
type Role string

// The closed list of roles.
const (
	RoleAgent           Role = "agent"
	RoleAccountManager  Role = "account_manager"
	RoleAccessOfficer   Role = "access_officer"
	RoleSecurityOfficer Role = "security_officer"
	RoleDPO             Role = "dpo"
	RolePerson          Role = "person"
	RoleAdmin           Role = "admin"
)

// Roles lists every role, in the order in which pages show them.
var Roles = []Role{RoleAgent, RoleAccountManager, RoleAccessOfficer, RoleSecurityOfficer, RoleDPO, RolePerson, RoleAdmin}

// Reason is the stable code of one ground of a refusal. The list is closed, documented in
// internal/api/openapi.yaml and translated in internal/web/locale.
type Reason string

// Caller-level reasons concern the caller alone and are always shown.
const (
	ReasonTraining           Reason = "training.expired" // of the account in the register, or never passed
	ReasonAssuranceTooLow    Reason = "assurance.too_low"
	ReasonAgreementEnded     Reason = "agreement.ended"
	ReasonPurposeNotCovered  Reason = "purpose.not_covered"
	ReasonFieldNotCovered    Reason = "field.not_covered"
	ReasonAccountSuspended   Reason = "account.suspended"
	ReasonAccountPending     Reason = "account.pending"
	ReasonSessionExpired     Reason = "session.expired"
	ReasonBudgetSearch       Reason = "budget.account.search"
	ReasonBudgetTotal        Reason = "budget.account.total"
	ReasonBudgetNew          Reason = "budget.account.new"
	ReasonBudgetOutside      Reason = "budget.account.outside"
	ReasonBudgetUnexplained  Reason = "budget.account.unexplained"
	ReasonBudgetOrganisation Reason = "budget.organisation.new"
	ReasonBudgetBreaker      Reason = "budget.register.breaker"
	ReasonBudgetLinks        Reason = "budget.account.links"
	ReasonClientTotal        Reason = "budget.client.total"
	ReasonClientSearch       Reason = "budget.client.search"
	ReasonStandInAct         Reason = "standin.act_refused"
	ReasonClientAct          Reason = "client.act_refused"
	ReasonDelegationEnded    Reason = "delegation.ended"
	ReasonBudgetEntries      Reason = "budget.account.refused" // so many refusals, or entries of any kind, that no more are written
	ReasonReceiver           Reason = "receiver.unavailable"   // of a link: nobody, or nobody whom it would serve: the same
	ReasonEmergencyLimit     Reason = "emergency.limit"
	ReasonSearchAmbiguous    Reason = "search.ambiguous"
	ReasonSearchTooBroad     Reason = "search.too_broad"
	ReasonHandleExpired      Reason = "handle.expired"
	ReasonDualControl        Reason = "dual_control.required"
)

// Reasons why a request may not be decided by somebody, or not now, beside ReasonDualControl (it takes a
// different person) and ReasonAssuranceTooLow.
const (
	ReasonDualDevice    Reason = "dual_control.same_device"
	ReasonDualLineage   Reason = "dual_control.lineage"
	ReasonDualContained Reason = "dual_control.contained"
	ReasonDualOwn       Reason = "dual_control.own_organisation"
	ReasonDualOfficers  Reason = "dual_control.officers"
	ReasonDualDaily     Reason = "dual_control.daily_limit"
)

// Reasons why accounts may not be contained so.
const (
	ReasonContainmentOwn      Reason = "containment.own"            // one of those who decide it is among them
	ReasonContainmentOfficers Reason = "containment.officers_left"  // nobody would be left to undo it
	ReasonContainmentSecond   Reason = "containment.second_officer" // it takes a second officer
)

// Person-level reasons would tell something about a person: shown only at tiers 0 and 1, or after a
// recorded justification. PersonUnavailable covers the unknown and the out-of-mandate alike.
const (
	ReasonPersonUnavailable     Reason = "person.unavailable"
	ReasonJustificationRequired Reason = "tier.justification_required" // of an emergency without motive: caller-level
	ReasonReviewPending         Reason = "tier.review_pending"
	ReasonForbiddenByPreset     Reason = "policy.forbidden" // ForbiddenBy names the policy
)

// ForbiddenBy is ReasonForbiddenByPreset with the policy of the register that forbids.
func ForbiddenBy(policy string) Reason { return ReasonForbiddenByPreset + ":" + Reason(policy) }

// Policy is the reason without the policy that it names, and that policy, "" for any other reason.
func (r Reason) Policy() (code Reason, policy string) {
	if policy, found := strings.CutPrefix(string(r), string(ReasonForbiddenByPreset)+":"); found {
		return ReasonForbiddenByPreset, policy
	}
	return r, ""
}
