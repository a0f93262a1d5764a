package policy

import (
	"slices"

	"ecluse"
	"ecluse/internal/budget"
)

// A rule gives its reason when the facts break it.
type rule struct {
	reason ecluse.Reason
	broken func(*Facts) bool
}

// callerRules concern the caller alone. All of them are asked, and every reason is told.
var callerRules = [...]rule{
	{ecluse.ReasonAccountSuspended, (*Facts).accountStopped},
	{ecluse.ReasonAccountPending, (*Facts).accountPending},
	{ecluse.ReasonDelegationEnded, (*Facts).delegationEnded},
	{ecluse.ReasonClientAct, (*Facts).actOfPeople},
	{ecluse.ReasonStandInAct, (*Facts).actOfMembers},
	{ecluse.ReasonAssuranceTooLow, (*Facts).notAssured},
	{ecluse.ReasonTraining, (*Facts).notTrained},
	{ecluse.ReasonAgreementEnded, (*Facts).mandateOver},
	{ecluse.ReasonPurposeNotCovered, (*Facts).purposeNotCovered},
	{ecluse.ReasonFieldNotCovered, (*Facts).fieldNotCovered},
	{ecluse.ReasonJustificationRequired, (*Facts).emergencyWithoutMotive},
}

// personRules concern the person. They are asked in this order once the caller is in order, and only
// the first broken one is told: each may say what the ones before it have already given away, and no
// more. Tiers 2 and 3 are not told before a justification that will be recorded. The register's policies on the
// person come last, for the same reason.
var personRules = [...]rule{
	{ecluse.ReasonPersonUnavailable, (*Facts).personUnavailable},
	{ecluse.ReasonJustificationRequired, (*Facts).notJustified},
	{ecluse.ReasonAssuranceTooLow, (*Facts).weakForTier},
	{ecluse.ReasonReviewPending, (*Facts).reviewsPending},
}

// Decide allows what no rule forbids, or says why not. It is a pure function of its argument.
func Decide(f Facts) Decision {
	f = f.Consulted()
	d := Decision{Limits: Limits(f.Mandates, f.Register, f.At)}
	for _, r := range callerRules {
		if r.broken(&f) {
			d.Reasons = append(d.Reasons, r.reason)
		}
	}
	d.Reasons = append(d.Reasons, f.forbidden...)
	d.Reasons = append(d.Reasons, f.BudgetSpent...)
	if len(d.Reasons) > 0 {
		return d
	}
	if f.Act == budget.Search {
		d.Allow, d.Fields = true, f.fields(Territory.any)
		return d
	}
	for _, r := range personRules {
		if r.broken(&f) {
			d.Reasons = []ecluse.Reason{r.reason}
			return d
		}
	}
	if forbidden := f.forbiddenPerson(); len(forbidden) > 0 {
		d.Reasons = forbidden[:1]
		return d
	}
	d.Allow, d.Fields, d.Review = true, f.fields(covering(f.Person.Territory)), f.review()
	return d
}

// Covers reports whether what is asked may leave for persons of a territory, as far as the running
// mandates go: a search shows nobody, and a caseload no row, of which this is not true.
func (f *Facts) Covers(territory string) bool {
	consulted := f.Consulted()
	return consulted.fields(covering(territory)) != 0
}

// Caller-level rules.

func (f *Facts) accountStopped() bool {
	return f.Client.Stopped || f.AccountState != StateActive && f.AccountState != StateInvited
}

func (f *Facts) accountPending() bool { return f.AccountState == StateInvited }

func (f *Facts) delegationEnded() bool { return f.Client.Asks && f.Client.DelegationEnded }

// actOfPeople: a program finds and opens persons, and nothing else.
func (f *Facts) actOfPeople() bool { return f.Client.Asks && !f.finds() }

// actOfMembers: so does a replacement that nobody has confirmed.
func (f *Facts) actOfMembers() bool { return f.StandIn && !f.finds() }

func (f *Facts) finds() bool { return f.Act == budget.Disclose || f.Act == budget.Search }

// ExplainedOnly: to a program, and to a replacement, everybody whom no link explains is outside the mandate.
func (f *Facts) ExplainedOnly() bool { return f.Client.Asks || f.StandIn }

func (f *Facts) notAssured() bool { return !f.Assured }

// notTrained: an emergency does not wait for an exam.
func (f *Facts) notTrained() bool { return !f.Trained && !f.urgent() }

// urgent: an emergency, or the search for whom it concerns.
func (f *Facts) urgent() bool {
	return f.Act == budget.Emergency || f.Act == budget.Search && slices.Contains(EmergencyMotives[:], f.EmergencyMotive)
}

// mandateOver: there was, or will be, a mandate for this purpose, but none is running.
func (f *Facts) mandateOver() bool {
	return !f.purposeNotCovered() && !f.hasMandate(func(m *Mandate) bool { return m.Runs(f.At) })
}

// purposeNotCovered: the purpose or the act does not exist, or no mandate was ever given for it.
func (f *Facts) purposeNotCovered() bool {
	return f.PurposeFields == 0 || f.Act < budget.Disclose || f.Act > budget.Emergency ||
		!f.hasMandate(func(*Mandate) bool { return true })
}

// fieldNotCovered: more is asked than the purpose and the running mandates allow together, or they
// allow nothing. Without a running mandate there is nothing to say on fields.
func (f *Facts) fieldNotCovered() bool {
	return f.asks(f.covered(Territory.any)) == 0 && !f.purposeNotCovered() && !f.mandateOver()
}

// emergencyWithoutMotive is asked of every emergency alike, so it tells nothing of the person.
func (f *Facts) emergencyWithoutMotive() bool {
	return f.Act == budget.Emergency && !slices.Contains(EmergencyMotives[:], f.EmergencyMotive)
}

// Person-level rules.

// personUnavailable: unknown, or outside the mandate. Fields that only a mandate for another territory
// covers are outside the mandate too.
func (f *Facts) personUnavailable() bool {
	covered := f.Covers(f.Person.Territory) // asked even for the unknown: the same work for both
	return !f.Person.Found || !covered || f.ExplainedOnly() && f.Person.Tier != ecluse.Explained
}

// notJustified: tier 2 needs a motive, tier 3 a text besides. An emergency has its own motive, and a
// link shows nothing.
func (f *Facts) notJustified() bool {
	if f.Act != budget.Disclose || f.Person.Tier <= ecluse.SameSite {
		return false
	}
	motive := f.MotiveKnown && f.Motive != ""
	text := f.TextRunes >= MinTextRunes && f.TextRunes <= MaxTextRunes
	return !motive || f.Person.Tier >= ecluse.Unexplained && !text
}

// weakForTier: whoever opens a file without any relation proves that it is still she: by the sign-in or by
// an own factor. An emergency waits for neither.
func (f *Facts) weakForTier() bool {
	return f.Act == budget.Disclose && f.Person.Tier >= ecluse.Unexplained && !f.Strong
}

// reviewsPending: too many disclosures at tier 3 that nobody has looked at yet.
func (f *Facts) reviewsPending() bool {
	return f.Act == budget.Disclose && f.Person.Tier >= ecluse.Unexplained && f.PendingReviews >= MaxPendingReviews
}

// What follows from the mandates.

// concerns reports whether m is, or was, a mandate to open records of the register for the purpose.
func (f *Facts) concerns(m *Mandate) bool {
	return m.opens(f.Register) && slices.Contains(m.Purposes, f.Purpose)
}

func (f *Facts) hasMandate(that func(*Mandate) bool) bool {
	for i := range f.Mandates {
		if m := &f.Mandates[i]; f.concerns(m) && that(m) {
			return true
		}
	}
	return false
}

func (f *Facts) review() string {
	switch {
	case f.Act == budget.Emergency:
		return ReviewEmergency
	case f.Act != budget.Disclose:
		return ""
	case f.Person.Tier >= ecluse.Unexplained:
		return ReviewUnexplained
	case f.Person.Tier == ecluse.SameOrganisation:
		return ReviewOutside
	default:
		return ""
	}
}
