package web

import (
	"net/http"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// refusalPage says no, why, what one may do now and whom to call. The texts are
// reason.<code>.{title,message,remedy}; unknown and out of mandate read the same.
type refusalPage struct {
	Desk    deskHead
	Reasons []ecluse.Reason
	Rules   []string // what the register's policies say, where one of them is the reason
	Receipt string
	At      machineTime
	Phone   string // the account manager's organisation
	Duty    string // the duty officer
	Help    register.Help
	Call    string // whom the reasons point to: manager, duty, officer, nobody
	Urgent  string // path of the emergency page, "" when it cannot help
	Purpose string
	Raise   string // a colleague could raise the limit: yes; one did: done; that would not help: ""
	StepUp  string // path of the page that asks for an own factor and comes back, "" when it cannot help
	Mend    string // path of the form whose receiver cannot be, with what was typed; "" = another reason
	Entrust string // path of the page that entrusts the person to a colleague, "" when it cannot help
	Train   string // path of the training, "" when it cannot help
	Find    string // POST: the same search for an emergency, "" when it cannot help
	Typed   typed
	Motives options
	Meter   meterBox
}

// refusal is what the gate said no with.
type refusal struct {
	reasons   []ecluse.Reason
	receipt   string
	readings  []budget.Reading
	handle    string
	emergency bool
	typed     *typed // of a search
}

// machineTime is an instant that templates show for people and for machines.
type machineTime struct{ time.Time }

// refuse shows a refusal. The status is always 403: it says nothing about the person.
func (s *Site) refuse(q *query, p place, no refusal) (answer, error) {
	page := refusalPage{
		Desk: p.head(), Reasons: known403(no.reasons), Rules: rules(p.register, no.reasons, q.lang), Receipt: no.receipt, At: machineTime{s.now()}, Purpose: string(p.purpose.ID),
		Phone: q.standing.Organisation.Phone, Duty: s.config.Duty, Help: p.register.Definition.Texts.Help, Meter: newMeter(no.readings),
	}
	page.Call, page.Raise = whomToCall(page.Reasons), raiseHelps(no.reasons, no.readings)
	if no.handle != "" && linkHelps(no.reasons) {
		page.Entrust = personPath(p.register.Code, no.handle, "link", page.Purpose)
	}
	if slices.Contains(no.reasons, ecluse.ReasonAssuranceTooLow) && q.caller.Assured && !q.caller.Strong && q.route.back != nil {
		back := q.route.back(q)
		s.keepTyped(q, back)
		page.StepUp = signin.StepUpLink(back)
	}
	if slices.Contains(no.reasons, ecluse.ReasonReceiver) && q.route.back != nil {
		page.Mend = q.route.back(q)
		s.keepTyped(q, page.Mend)
	}
	if slices.Contains(no.reasons, ecluse.ReasonTraining) {
		page.Train = localPath("training", p.register.Code)
		if no.typed != nil {
			page.Find, page.Typed, page.Motives = deskPath(p.register.Code, "search", ""), *no.typed, emergencyChoices(q)
		}
	}
	if no.handle != "" && !no.emergency {
		page.Urgent = personPath(p.register.Code, no.handle, "emergency", "")
	}
	return answer{status: http.StatusForbidden, page: "refusal", data: page, failed: true, back: page.Desk.Home}, nil
}

// reasonsWithText are the reasons that have a page text.
var reasonsWithText = []ecluse.Reason{
	ecluse.ReasonTraining, ecluse.ReasonAssuranceTooLow, ecluse.ReasonAgreementEnded, ecluse.ReasonPurposeNotCovered, ecluse.ReasonFieldNotCovered,
	ecluse.ReasonAccountSuspended, ecluse.ReasonAccountPending, ecluse.ReasonSessionExpired, ecluse.ReasonReviewPending,
	ecluse.ReasonBudgetSearch, ecluse.ReasonBudgetEntries, ecluse.ReasonBudgetTotal, ecluse.ReasonBudgetNew, ecluse.ReasonBudgetOutside,
	ecluse.ReasonBudgetUnexplained, ecluse.ReasonBudgetOrganisation, ecluse.ReasonBudgetBreaker, ecluse.ReasonBudgetLinks,
	ecluse.ReasonEmergencyLimit, ecluse.ReasonSearchAmbiguous, ecluse.ReasonSearchTooBroad, ecluse.ReasonHandleExpired,
	ecluse.ReasonDualControl, ecluse.ReasonDualDevice, ecluse.ReasonDualLineage, ecluse.ReasonDualContained, ecluse.ReasonDualOwn,
	ecluse.ReasonDualOfficers, ecluse.ReasonDualDaily, ecluse.ReasonContainmentOwn, ecluse.ReasonContainmentOfficers, ecluse.ReasonContainmentSecond, ecluse.ReasonPersonUnavailable, ecluse.ReasonJustificationRequired, ecluse.ReasonForbiddenByPreset,
	ecluse.ReasonClientTotal, ecluse.ReasonClientSearch, ecluse.ReasonStandInAct, ecluse.ReasonReceiver, ecluse.ReasonClientAct, ecluse.ReasonDelegationEnded,
	reasonLinkDual, reasonLinkStranger,
}

// known403 keeps the reasons that have a text; one that has none reads as person.unavailable, which
// says the least.
func known403(reasons []ecluse.Reason) []ecluse.Reason {
	var list []ecluse.Reason
	for _, r := range reasons {
		r, _ = r.Policy()
		if !slices.Contains(reasonsWithText, r) {
			r = ecluse.ReasonPersonUnavailable
		}
		if !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	if len(list) == 0 {
		list = []ecluse.Reason{ecluse.ReasonPersonUnavailable}
	}
	return list
}

// rules are what the policies that forbid say, each once.
func rules(reg *register.Register, reasons []ecluse.Reason, lang string) (list []string) {
	for _, r := range reasons {
		_, policy := r.Policy()
		if rule := reg.Definition.Forbids.Message(policy, lang); rule != "" && !slices.Contains(list, rule) {
			list = append(list, rule)
		}
	}
	return list
}

// whomToCall says who can change the first reason that somebody can change.
func whomToCall(reasons []ecluse.Reason) string {
	for _, r := range reasons {
		switch r {
		case ecluse.ReasonAgreementEnded, ecluse.ReasonPurposeNotCovered, ecluse.ReasonFieldNotCovered, ecluse.ReasonAccountPending,
			ecluse.ReasonReviewPending, ecluse.ReasonBudgetTotal, ecluse.ReasonBudgetNew, ecluse.ReasonBudgetOutside,
			ecluse.ReasonBudgetUnexplained, ecluse.ReasonBudgetOrganisation, ecluse.ReasonPersonUnavailable, ecluse.ReasonForbiddenByPreset,
			ecluse.ReasonBudgetLinks, reasonLinkDual:
			return "manager"
		case ecluse.ReasonAccountSuspended, ecluse.ReasonBudgetBreaker, ecluse.ReasonEmergencyLimit:
			return "duty"
		}
	}
	return "nobody"
}
