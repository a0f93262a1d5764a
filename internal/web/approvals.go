package web

import (
	"errors"

	"ecluse/internal/directory"
)

// approvalsPage lists what waits for a second pair of eyes, and what was decided lately.
type approvalsPage struct {
	Waiting, Done []approvalView
	Notice        string // approved, refused
}

type approvalView struct {
	Approval
	Href string
}

// approvalPage shows the diff that is approved; with Decision set it asks to confirm.
type approvalPage struct {
	Item     approvalView
	Decision string // "", approve, refuse
	Confirm  string // POST: the confirmation page
	Decide   string // POST: the decision
	Total    int
}

// Kinds and warnings of a diff that have a text of their own.
var (
	approvalKinds = []string{directory.KindImport, directory.KindObserve}
	diffKinds     = []string{"organisations", "agreements", "accounts", "links", "other"}
	diffWarnings  = []string{"installation", "whole_territory", "new_domain", "ends_access", "other"}
)

// approvals lists them.
func (s *Site) approvals(q *query) (answer, error) {
	all, err := s.rooms.Directory.Approvals(q.Context(), q.caller)
	if err != nil {
		return answer{}, err
	}
	page := approvalsPage{}
	if done := q.URL.Query().Get("done"); done == "approved" || done == "refused" {
		page.Notice = done
	}
	for _, a := range all {
		a.Kind = orDefault(approvalKinds, a.Kind, approvalKinds[0])
		v := approvalView{Approval: a, Href: localPath("approvals", a.ID)}
		if a.State == "pending" {
			page.Waiting = append(page.Waiting, v)
		} else {
			page.Done = append(page.Done, v)
		}
	}
	return show("approvals", page)
}

// approval shows one with its diff.
func (s *Site) approval(q *query) (answer, error) { return s.approvalStep(q, "") }

// confirmApproval shows the same once more with one question: are you sure?
func (s *Site) confirmApproval(q *query) (answer, error) {
	decision := q.field("decision")
	if decision != "approve" && decision != "refuse" {
		return answer{}, errForm{errors.New("no decision")}
	}
	return s.approvalStep(q, decision)
}

func (s *Site) approvalStep(q *query, decision string) (answer, error) {
	item, err := s.rooms.Directory.Approval(q.Context(), q.caller, q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if decision != "" && item.Own {
		return answer{}, directory.ErrDualControl
	}
	if decision != "" && item.State != "pending" {
		return answer{}, directory.ErrDecided
	}
	page := approvalPage{
		Item: approvalView{Approval: worded(item), Href: localPath("approvals", item.ID)}, Decision: decision,
		Confirm: localPath("approvals", item.ID, "confirm"), Decide: localPath("approvals", item.ID, "decision"),
	}
	for _, section := range item.Diff.Sections {
		page.Total += section.Total()
	}
	a, err := show("approval", page)
	a.back = page.Item.Href
	return a, err
}

// worded replaces codes that have no text by "other", so that the page shows the data all the same.
func worded(a Approval) Approval {
	a.Kind = orDefault(approvalKinds, a.Kind, approvalKinds[0])
	sections := make([]DiffSection, len(a.Diff.Sections))
	for i, section := range a.Diff.Sections {
		section.Kind = orOther(diffKinds, section.Kind)
		rows := make([]DiffRow, len(section.Rows))
		for j, row := range section.Rows {
			row.Change = orDefault([]string{"added", "changed", "ended"}, row.Change, "changed")
			rows[j] = row
		}
		section.Rows = rows
		sections[i] = section
	}
	warnings := make([]DiffWarning, len(a.Diff.Warnings))
	for i, w := range a.Diff.Warnings {
		w.Code = orOther(diffWarnings, w.Code)
		warnings[i] = w
	}
	a.Diff = Diff{Sections: sections, Warnings: warnings}
	return a
}

func orOther(list []string, code string) string { return orDefault(list, code, "other") }

func orDefault(list []string, code, otherwise string) string {
	if known(list, code) {
		return code
	}
	return otherwise
}

// decideApproval makes the request take effect, or refuses it.
func (s *Site) decideApproval(q *query) (answer, error) {
	decision := q.field("decision")
	if decision != "approve" && decision != "refuse" {
		return answer{}, errForm{errors.New("no decision")}
	}
	if err := s.rooms.Directory.DecideApproval(q.Context(), q.caller, q.PathValue("id"), decision == "approve"); err != nil {
		return answer{}, err
	}
	if decision == "approve" {
		return redirect("/approvals?done=approved")
	}
	return redirect("/approvals?done=refused")
}
