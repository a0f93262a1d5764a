//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

func TestTheAccountManagerReadsAndDecidesReviews(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		advance(t, 25*time.Hour) // budgets are free again
		agent := open(t, wide)
		agent.signIn(who(t, "agent", 0))
		agent.find(someone(t, "other"))
		agent.press(".hit-acts button:not(.urgent)")
		agent.choose("form.reason .option label[for^=motive]")
		agent.fill("text", reason)
		agent.press("form.reason .actions button:not(.urgent)")
		agent.want("article.case")

		p.signIn(who(t, "account_manager", 0))
		p.visit(world.Base + "/reviews")
		p.want("a.review-link")
		p.inspect("reviews")
		p.press("li.review.unexplained a.review-link")
		p.inspect("review")
		p.press("form[action$='/text'] button")
		p.read(reason)
		p.press("form.decide button[value=accepted]")
		p.want(".notice.done")
		p.inspect("reviews-decided")
		p.visit(world.Base + "/desk/" + register)
		if p.has("form.find") {
			t.Error("an account manager searches in the register")
		}
	})
}

func TestTheAccountManagerContestsAnEmergency(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		advance(t, 25*time.Hour) // emergencies are free again
		agent := open(t, wide)
		agent.signIn(who(t, "agent", 0))
		agent.find(someone(t, "other"))
		agent.press(".hit-acts button.urgent")
		agent.choose("form.reason .option label")
		agent.press("button.urgent-go")
		agent.want("article.case")

		p.signIn(who(t, "account_manager", 0))
		p.visit(world.Base + "/reviews")
		p.press("li.review.emergency a.review-link")
		p.inspect("review-emergency")
		p.press("form.decide button[value=contested]")
		p.want(".notice.done")
		p.inspect("reviews-contest")

		officer := open(t, wide)
		officer.visit(world.Base + "/")
		officer.speak(ask(p, chromedp.Evaluate[string]("document.documentElement.lang")))
		officer.signIn(who(t, "security_officer", 0))
		officer.visit(world.Base + "/reviews?list=contested")
		officer.inspect("reviews-contested")
		officer.press("li.review.emergency a.review-link")
		officer.inspect("review-contested")
		officer.press("form.decide button[value=settled]")
		officer.want(".notice.done")
	})
}

func TestASecondAccessOfficerApprovesWhatTheFirstOneAskedFor(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		first, second := who(t, "access_officer", 0), who(t, "access_officer", 1)
		asking := open(t, wide)
		asking.signIn(first) // officers must have signed in before they ask
		request(t, first)
		asking.visit(world.Base + "/approvals")
		asking.press("section[aria-labelledby=waiting] a.review-link")
		if asking.has("form.decide") {
			t.Error("the officer who asked is offered to decide")
		}
		asking.inspect("approval-own")

		p.signIn(second)
		p.visit(world.Base + "/approvals")
		p.inspect("approvals")
		p.press("section[aria-labelledby=waiting] a.review-link")
		p.read("Nina Aubert")
		p.inspect("approval")
		p.press("form.decide button[value=approve]")
		p.inspect("approval-confirm")
		p.press("form.actions button[value=approve]")
		p.want(".notice.done")
		p.want(".state.approved")
		p.inspect("approval-decided")
		asking.visit(world.Base + p.path())
		asking.want(".state.approved")
	})
}

func TestARefusedRequestChangesNothing(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		first, second := who(t, "access_officer", 0), who(t, "access_officer", 1)
		open(t, wide).signIn(first)
		request(t, first)
		p.signIn(second)
		p.visit(world.Base + "/approvals")
		p.press("section[aria-labelledby=waiting] a.review-link")
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
		first, second := who(t, "access_officer", 0), who(t, "access_officer", 1)
		open(t, wide).signIn(first)
		budgets(t, "observe", "--days", "12", "--account", first)
		p.signIn(second)
		p.visit(world.Base + "/approvals")
		p.press("section[aria-labelledby=waiting] a.review-link")
		p.inspect("approval-observe")
		p.press("form.decide button[value=approve]")
		p.inspect("approval-observe-confirm")
		p.press("form.actions button[value=approve]")
		p.want(".state.approved")
		agent := open(t, wide)
		agent.signIn(who(t, "agent", 0))
		agent.desk()
		agent.want("aside.observed")
		agent.inspect("desk-observed")
		budgets(t, "enforce", "--account", first)
		agent.find(someone(t, "caseload")) // what another process did counts from the next entry on
		agent.desk()
		if agent.has("aside.observed") {
			t.Error("the banner is still there though budgets are enforced")
		}
	})
}

func TestEverybodyStartsWhereTheirWorkIs(t *testing.T) {
	journeys(t, []way{inFrench, inEnglish}, func(t *testing.T, p *tab) {
		for role, want := range map[string]string{"agent": "/desk/" + register, "account_manager": "/home", "access_officer": "/home", "security_officer": "/home"} {
			mine := open(t, wide)
			mine.visit(world.Base + "/")
			mine.speak(ask(p, chromedp.Evaluate[string]("document.documentElement.lang")))
			mine.signIn(who(t, role, 0))
			mine.visit(world.Base + "/")
			if mine.path() != want {
				t.Errorf("%s starts at %s, want %s", role, mine.path(), want)
			}
			mine.inspect("home-" + role)
		}
	})
}
