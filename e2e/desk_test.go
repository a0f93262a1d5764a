//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

func TestTheAccountManagerReadsAndDecidesReviews(t *testing.T) {
	agent := open(t, wide)
	agent.signIn(who(t, "agent", 0))
	agent.find(someone(t, "other"))
	agent.press(".hit-acts button:not(.urgent)")
	agent.choose("form.reason .option label[for^=motive]")
	agent.fill("text", reason)
	agent.press("form.reason .actions button:not(.urgent)")
	agent.want("article.case")

	p := open(t, wide)
	p.signIn(who(t, "account_manager", 0))
	p.visit(world.Base + "/reviews")
	p.want("a.review-link")
	p.inspect("reviews")
	p.press("section[aria-labelledby=waiting] a.review-link")
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
}

func TestASecondAccessOfficerApprovesWhatTheFirstOneAskedFor(t *testing.T) {
	first, second := who(t, "access_officer", 0), who(t, "access_officer", 1)
	p := open(t, wide)
	p.signIn(first) // officers must have signed in before they ask
	request(t, first, "nina.aubert@demo.ecluse.test")
	p.visit(world.Base + "/approvals")
	p.press("section[aria-labelledby=waiting] a.review-link")
	if p.has("form.decide") {
		t.Error("the officer who asked is offered to decide")
	}
	p.inspect("approval-own")

	q := open(t, wide)
	q.signIn(second)
	q.visit(world.Base + "/approvals")
	q.inspect("approvals")
	q.press("section[aria-labelledby=waiting] a.review-link")
	q.read("Nina Aubert")
	q.inspect("approval")
	q.press("form.decide button[value=approve]")
	q.inspect("approval-confirm")
	q.press("form.actions button[value=approve]")
	q.want(".notice.done")
	if !strings.HasSuffix(q.path(), "/approvals") {
		t.Errorf("it ends at %s", q.path())
	}
}
