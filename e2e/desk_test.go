//go:build e2e

package e2e

import (
	"testing"
)

func TestTheAccountManagerReadsAndDecidesReviews(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		agent := p.another(p.who("agent", 0))
		agent.find(p.someone("other"))
		agent.press(".hit-acts button:not(.urgent)")
		agent.choose("form.reason .option label[for^=motive]")
		agent.fill("text", reason)
		agent.press("form.reason .actions button:not(.urgent)")
		agent.want("article.case")

		p.signIn(p.who("account_manager", 0))
		p.visit("/reviews")
		p.want("a.review-link")
		p.inspect("reviews")
		p.press("li.review.unexplained a.review-link")
		p.inspect("review")
		p.press("form[action$='/text'] button")
		p.read(reason)
		p.press("form.decide button[value=accepted]")
		p.want(".notice.done")
		p.inspect("reviews-decided")
		p.visit("/desk/" + register)
		if p.has("form.find") {
			t.Error("an account manager searches in the register")
		}
	})
}

func TestTheAccountManagerContestsAnEmergency(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		agent := p.another(p.who("agent", 0))
		agent.find(p.someone("other"))
		agent.press(".hit-acts button.urgent")
		agent.choose("form.reason .option label")
		agent.press("button.urgent-go")
		agent.want("article.case")

		p.signIn(p.who("account_manager", 0))
		p.visit("/reviews")
		p.press("li.review.emergency a.review-link")
		p.inspect("review-emergency")
		p.press("form.decide button[value=contested]")
		p.want(".notice.done")
		p.inspect("reviews-contest")

		officer := p.another(p.who("security_officer", 0))
		officer.visit("/reviews?list=contested")
		officer.inspect("reviews-contested")
		officer.press("li.review.emergency a.review-link")
		officer.inspect("review-contested")
		officer.press("form.decide button[value=settled]")
		officer.want(".notice.done")
	})
}

func TestWhatACommandAskedForIsTakenUpByOneOfficerAndApprovedByAnother(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.request()
		asking := p.another(p.who("access_officer", 0))
		asking.newest()
		asking.read("Nina Aubert")
		asking.inspect("approval-command")
		if asking.has("button[value=approve]") {
			t.Error("what nobody asked for can be approved")
		}
		asking.press("form[action$='/take-up'] button")
		if asking.has("form.decide") {
			t.Error("the officer who asked is offered to decide")
		}
		asking.inspect("approval-own")

		p.signIn(p.who("access_officer", 1))
		p.visit("/approvals")
		p.inspect("approvals")
		p.newest()
		p.read("Nina Aubert")
		p.inspect("approval")
		p.press("form.decide button[value=approve]")
		p.inspect("approval-confirm")
		p.press("form.actions button[value=approve]")
		p.want(".notice.done")
		p.want(".state.approved")
		p.inspect("approval-decided")
		asking.visit(p.path())
		asking.want(".state.approved")
	})
}

func TestARefusedRequestChangesNothing(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.request()
		p.takenUp()
		p.signIn(p.who("access_officer", 1))
		p.newest()
		p.press("form.decide button[value=refuse]")
		p.inspect("approval-refuse")
		p.press("form.actions button[value=refuse]")
		p.want(".notice.done")
		p.want(".state.refused")
		p.inspect("approval-refused")
	})
}

func TestBudgetsAreObservedOnceTwoOfficersAgreeAndEveryPageSaysSo(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		p.command("budgets", "observe", "--register", register, "--body", body, "--days", "12")
		p.takenUp()
		p.signIn(p.who("access_officer", 1))
		p.newest()
		p.inspect("approval-observe")
		p.press("form.decide button[value=approve]")
		p.inspect("approval-observe-confirm")
		p.press("form.actions button[value=approve]")
		p.want(".state.approved")
		agent := p.another(p.who("agent", 0))
		agent.desk()
		agent.want("aside.observed")
		agent.inspect("desk-observed")
		p.command("budgets", "enforce", "--register", register)
		agent.find(p.someone("caseload")) // what another process did counts from the next entry on
		agent.desk()
		if agent.has("aside.observed") {
			t.Error("the banner is still there though budgets are enforced")
		}
	})
}

func TestEverybodyStartsWhereTheirWorkIs(t *testing.T) {
	journeys(t, []way{inFrench, inEnglish}, func(t *testing.T, p *tab) {
		for role, want := range map[string]string{"agent": "/desk/" + register, "account_manager": "/home", "access_officer": "/home", "security_officer": "/home"} {
			mine := p.another(p.who(role, 0))
			mine.visit("/")
			if mine.path() != want {
				t.Errorf("%s starts at %s, want %s", role, mine.path(), want)
			}
			mine.inspect("home-" + role)
		}
	})
}
