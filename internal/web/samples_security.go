package web

import (
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/register"
	"ecluse/internal/scope"
)

// sampleSecurity are the samples of the pages of the security desk.
func sampleSecurity(all map[string][]any, in input, faults []fault, at time.Time) {
	word := Label{FR: "x", EN: "x"}
	item := containmentView{Contained: directory.Contained{At: at, Since: at, Tree: true}, Name: "x", Href: "/", Accounts: 2, Others: 1}
	undone := item
	undone.UndoneAt, undone.Others = at, 0
	all["security"] = []any{securityPage{}, securityPage{Email: in, Organisation: in, MayScope: true, Faults: faults, InForce: []containmentView{item}, Undone: []containmentView{undone}}}

	var kin []kinView
	for _, state := range []string{directory.Invited, directory.Active, directory.Suspended, directory.Ended, directory.Dormant} {
		kin = append(kin, kinView{Kin: directory.Kin{Dead: true}, Href: "/", Now: state, Through: "x"})
	}
	tree := treePicture{Width: 10, Height: 10, Nodes: []treeNode{{Class: "self", Stopped: true, Dead: true, Name: "x"}}, Lines: []string{"M0 0"}, Above: 1, Below: 2, More: 3}
	page := lineagePage{Name: "x", State: directory.Active, Dead: true, Tree: tree, Above: kin, Below: kin, Truncated: true, Contain: "/", Scope: "/"}
	for _, role := range ecluse.Roles {
		page.Given = append(page.Given, givenView{What: "grant", Kind: string(role), Name: "x", Count: 1, Runs: true})
	}
	for kind := range directory.LinkKinds {
		page.Given = append(page.Given, givenView{What: "link", Kind: kind, Count: 1}, givenView{What: "link", Kind: kind, Count: 2})
	}
	page.Given = append(page.Given, givenView{What: "raise"})
	all["lineage"] = []any{lineagePage{State: directory.Suspended}, page}
	all["scope"] = sampleScopes(word, in, faults, at)
	sampleContainments(all, in, faults, at, tree, kin, item, undone)
}

func sampleScopes(word Label, in input, faults []fault, at time.Time) []any {
	list := []any{scopePage{From: in, To: in}, scopePage{Account: true, Tree: true, Faults: faults}, scopePage{Found: &scope.Scope{Totals: scope.Totals{}, Complete: true}}}
	for n := range 3 {
		r := scope.Register{
			Totals: scope.Totals{Persons: n, Entries: n}, Label: word, Controllers: []scope.Controller{{Name: "x", Persons: n}},
			Days:   []scope.Day{{Date: "2026-01-01", Entries: n, Persons: n}, {Date: "2026-12-31", Entries: 1}},
			People: []scope.Person{{Pseudonym: "x", First: at, Last: at, Fields: []scope.Use{{}}}},
		}
		for _, about := range []register.About{register.AboutPerson, register.AboutRepresentative, register.AboutThird} {
			r.Fields = append(r.Fields, scope.Field{Label: word, About: about, Persons: n})
		}
		part := newScopePart(r)
		part.More = n
		found := scope.Scope{Totals: scope.Totals{
			Persons: n, Minors: n, AgeUnknown: n, Unreadable: n, Entries: n, ByPrograms: n, Undelivered: n, Searches: n, First: at, Last: at,
		}, Accounts: n, PurgedUntil: at}
		list = append(list, scopePage{Found: &found, Parts: []scopePart{part}})
	}
	return list
}

func sampleContainments(all map[string][]any, in input, faults []fault, at time.Time, tree treePicture, kin []kinView, item, undone containmentView) {
	all["contain"] = []any{containPage{Since: in}, containPage{Since: in, Tree: true, Reason: "x", ReasonError: "x", Faults: faults}}
	preview := previewPage{Name: "x", Back: "/", Act: "/", Tree: true, Picture: tree, Accounts: kin, More: 1}
	for n := range 3 {
		preview.What = directory.Preview{Accounts: make([]directory.Kin, n), Dead: make([]directory.Kin, n), Left: make([]directory.Approval, n)}
		all["containpreview"] = append(all["containpreview"], preview)
	}
	for _, reason := range []ecluse.Reason{ecluse.ReasonContainmentOwn, ecluse.ReasonContainmentOfficers, ecluse.ReasonContainmentSecond} {
		preview.Act, preview.Refused, preview.More = "", []ecluse.Reason{reason}, 2
		if preview.Ask = ""; reason == ecluse.ReasonContainmentSecond {
			preview.Ask = "/"
		}
		all["containpreview"] = append(all["containpreview"], preview)
	}
	stopped := []stoppedView{{"x", "/", directory.Active}, {"x", "/", directory.Invited}}
	for n := range 3 {
		item.Accounts = n
		all["containment"] = append(all["containment"], containmentPage{Item: item, Accounts: stopped, More: n, Just: true, Scope: "/", Undo: "/"})
	}
	all["containment"] = append(all["containment"], containmentPage{Item: item, Asking: true}, containmentPage{Item: undone, UndoneBy: []string{"x", "x"}})
	for _, kind := range []string{directory.KindContain, directory.KindUncontain} {
		for n, decision := range []string{"", "approve", "refuse"} {
			c := &containView{ContainmentSummary: directory.ContainmentSummary{Since: at, At: at}, Others: n}
			if kind == directory.KindUncontain {
				c.Made, c.Since = "/", time.Time{}
			}
			asked := approvalView{Approval: directory.Approval{Kind: kind, State: "pending", RequestedAt: at, Expires: at}, Href: "/"}
			all["approval"] = append(all["approval"], approvalPage{Item: asked, Contains: c, Decision: decision})
		}
	}
	all["contained"] = []any{containedPage{Since: at}, containedPage{Since: at, Appeal: "x", AppealEmail: "x"}}
}
