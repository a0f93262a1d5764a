package policy

import (
	"slices"
	"time"

	"ecluse"
)

// MaxApprovals is how many requests one account approves in 24 h: what is looked at, not clicked through.
const MaxApprovals = 20

// KinFades is how long colleagues stay related by who asked for whose account: an account manager asks for
// everybody's.
const KinFades = 30 * 24 * time.Hour

// MinOfficers is how many access officers, by identity, must have signed in before anything is approved.
const MinOfficers = 2

// Party is one of the two who make a change together. A request of the command line has no session and
// no device until somebody confirms it.
type Party struct {
	Account      ecluse.AccountID
	Identity     string                // who it is bound to, "" = nobody yet
	Organisation ecluse.OrganisationID // 0 = the body's own staff
	Session      ecluse.SessionID
	Device       string
	// Lineage is who asked for the account, who asked for them, and so on, the account itself left out.
	Lineage   []Ancestor
	Contained bool // the account is suspended
}

// Ancestor is an account in a lineage.
type Ancestor struct {
	Account   ecluse.AccountID
	Identity  string
	Contained bool
	Old       bool // the account asked for is older than KinFades: between colleagues that counts no more
}

// ApprovalFacts is everything that deciding a request rests on, beside the roles that its kind asks for.
// The zero value is refused.
type ApprovalFacts struct {
	Requester, Approver Party
	Concerns            ecluse.OrganisationID // whom it concerns, 0 = the whole body
	Within              bool                  // a kind that a colleague of the requester decides
	Approves            bool                  // false: refuses, which nothing limits in number
	Assured, Strong     bool                  // how the approver's session was proven
	Officers            int                   // access officers who have signed in, by identity
	Approved24h         int                   // requests that the approver approved within 24 h
}

// approvalRules are the four eyes (invariant 4). All of them are asked, and every reason is told.
var approvalRules = [...]struct {
	reason ecluse.Reason
	broken func(*ApprovalFacts) bool
}{
	{ecluse.ReasonDualControl, (*ApprovalFacts).samePerson},
	{ecluse.ReasonDualDevice, (*ApprovalFacts).sameDesk},
	{ecluse.ReasonDualLineage, (*ApprovalFacts).related},
	{ecluse.ReasonDualContained, (*ApprovalFacts).contained},
	{ecluse.ReasonDualOwn, (*ApprovalFacts).ownOrganisation},
	{ecluse.ReasonAssuranceTooLow, (*ApprovalFacts).weak},
	{ecluse.ReasonDualOfficers, func(f *ApprovalFacts) bool { return f.Officers < MinOfficers }},
	{ecluse.ReasonDualDaily, func(f *ApprovalFacts) bool { return f.Approves && f.Approved24h >= MaxApprovals }},
}

// DecideApproval says why the approver may not decide the request; nil if they may. It is a pure function
// of its argument.
func DecideApproval(f ApprovalFacts) (reasons []ecluse.Reason) {
	for _, r := range approvalRules {
		if r.broken(&f) {
			reasons = append(reasons, r.reason)
		}
	}
	return reasons
}

// samePerson: one account, or one identity under two accounts. What nobody in particular asked for, a
// command, nobody approves before somebody takes it up; it can be refused.
func (f *ApprovalFacts) samePerson() bool {
	r, a := &f.Requester, &f.Approver
	return r.Account == 0 && f.Approves || r.Account != 0 && r.Account == a.Account || r.Identity != "" && r.Identity == a.Identity
}

// sameDesk: one session, or one browser. Whoever decides at no browser decides nothing that was asked at
// one.
func (f *ApprovalFacts) sameDesk() bool {
	r, a := &f.Requester, &f.Approver
	return r.Session != 0 && r.Session == a.Session || r.Device != "" && (a.Device == "" || a.Device == r.Device)
}

// related: one is in the lineage of the other, or one account asked for both. Between colleagues, whom one
// account manager may all have asked for, only a young lineage counts.
func (f *ApprovalFacts) related() bool {
	r, a := &f.Requester, &f.Approver
	siblings := !f.Within && len(r.Lineage) > 0 && len(a.Lineage) > 0 && r.Lineage[0].Account == a.Lineage[0].Account
	return siblings || r.descends(a, !f.Within) || a.descends(r, !f.Within)
}

// descends reports whether another is among those who asked for the account, if old long ago.
func (p *Party) descends(o *Party, old bool) bool {
	return slices.ContainsFunc(p.Lineage, func(a Ancestor) bool {
		return (old || !a.Old) && (a.Account == o.Account || a.Identity != "" && a.Identity == o.Identity)
	})
}

func (f *ApprovalFacts) contained() bool { return f.Requester.stopped() || f.Approver.stopped() }

func (p *Party) stopped() bool {
	return p.Contained || slices.ContainsFunc(p.Lineage, func(a Ancestor) bool { return a.Contained })
}

// ownOrganisation: an officer of an organisation decides for others only, but for what colleagues decide.
func (f *ApprovalFacts) ownOrganisation() bool {
	own := f.Approver.Organisation
	return own != 0 && !f.Within && (f.Concerns == 0 || f.Concerns == own || f.Requester.Organisation == own)
}

func (f *ApprovalFacts) weak() bool { return !f.Assured || !f.Strong }
