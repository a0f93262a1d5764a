package web

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"
)

// approver is what these pages ask of the directory.
type approver interface {
	Approvals(ctx context.Context, by directory.Actor) ([]directory.Approval, error)
	Approval(ctx context.Context, by directory.Actor, id ecluse.ApprovalID) (directory.Approval, error)
	// Decide answers ErrDualControl to the requester and ErrDecided the second time.
	Decide(ctx context.Context, by directory.Actor, id ecluse.ApprovalID, approve bool) error
	Decided(ctx context.Context, by directory.Actor) ([]directory.Approval, error)
	Receipt(ctx context.Context, a directory.Approval) (string, error)
	Owner(ctx context.Context, id ecluse.AccountID) (directory.Account, error) // ErrUnknownAccount
}

// approvalsPage lists what waits for a second pair of eyes.
type approvalsPage struct{ Waiting, Done []approvalView }

// approvalView is one request. Own: the caller asked for it.
type approvalView struct {
	directory.Approval
	Href      string
	Requester string
	Command   string // where the command ran that asked, "" = it was asked in a browser
	Own       bool
}

// approvalPage shows what is approved; with Decision set it asks to confirm.
type approvalPage struct {
	Item     approvalView
	Decider  string                   // "" = nobody yet
	Receipt  string                   // of the decision
	Just     bool                     // it was decided a moment ago, by the reader
	Observe  *observeView             // of the kind budgets.observe, which has no diff
	Factor   *directory.FactorSummary // of the kinds account.factor and account.recovery, which have none either
	Key      *directory.ClientKeyChange
	Account  *directory.AccountSummary // of requests for one account, beside the diff
	Contains *containView              // of the kinds containment.make and containment.undo
	Behind   *backgroundView           // of those that open accounts
	Progress *progressView             // of a batch whose rest follows its approval
	Sections []diffSection
	Warnings []diffWarning
	Total    int
	Decision string // "", approve, refuse
	Confirm  string // POST: the confirmation page
	Decide   string // POST: the decision
	TakeUp   string // POST: it was a command, and waits for somebody who asks; "" = somebody does
}

// observeView asks to have the budgets of a register observed, from the approval on.
type observeView struct {
	Register Label
	Days     int
}

// diffWarning draws the approver's eye to something. Code is translated, Detail is data.
type diffWarning struct{ Code, Detail string }

// Codes that have a text of their own.
var (
	approvalKinds = []string{directory.KindImport, directory.KindObserve, directory.KindContain, directory.KindUncontain, directory.KindAccount, directory.KindStandIn, directory.KindStandInConfirm,
		directory.KindFactor, directory.KindRecovery, directory.KindClientKey}
	diffWarnings = []string{"installation", "whole_territory", "new_domain", "ends_access", "other"}
)

// doneShown is how many requests are listed that wait no more.
const doneShown = 20

// approvals lists them.
func (s *Site) approvals(q *query) (answer, error) {
	all, err := s.rooms.Directory.Approvals(q.Context(), q.actor())
	if err != nil {
		return answer{}, err
	}
	done, err := s.rooms.Directory.Decided(q.Context(), q.actor())
	if err != nil {
		return answer{}, err
	}
	page := approvalsPage{}
	for _, a := range slices.Concat(all, done) {
		switch v := s.viewApproval(q, a); v.State {
		case "pending":
			page.Waiting = append(page.Waiting, v)
		default: // decided, or nobody did in time
			page.Done = append(page.Done, v)
		}
	}
	over := func(v approvalView) time.Time {
		if v.State == "expired" {
			return v.Expires
		}
		return v.DecidedAt
	}
	slices.SortStableFunc(page.Done, func(a, b approvalView) int { return over(b).Compare(over(a)) })
	page.Done = page.Done[:min(len(page.Done), doneShown)]
	return show("approvals", page)
}

func (s *Site) viewApproval(q *query, a directory.Approval) approvalView {
	if !known(approvalKinds, a.Kind) {
		a.Kind = approvalKinds[0]
	}
	if a.State == "pending" && !s.now().Before(a.Expires) {
		a.State = "expired"
	}
	requester, command, _ := strings.Cut(" "+a.Requester, " cli:")
	return approvalView{
		Approval: a, Requester: strings.TrimSpace(requester), Command: command, Own: a.RequestedBy == q.caller.Account,
		Href: localPath("approvals", s.rooms.Names.Name("approval", int64(a.ID))),
	}
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
	id, err := s.number("approval", q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	a, err := s.rooms.Directory.Approval(q.Context(), q.actor(), ecluse.ApprovalID(id))
	if err != nil {
		return answer{}, err
	}
	item := s.viewApproval(q, a)
	if decision != "" && item.Own {
		return answer{}, directory.ErrDualControl
	}
	if decision != "" && item.State != "pending" {
		return answer{}, directory.ErrDecided
	}
	page := approvalPage{Item: item, Decision: decision, Confirm: item.Href + "/confirm", Decide: item.Href + "/decision"}
	page.Just = q.URL.Query().Has("done")
	if a.RequestedBy == 0 && item.State == "pending" {
		page.TakeUp = item.Href + "/take-up"
	}
	if err := errors.Join(s.fillDecision(q, &page), s.fillDiff(q, &page)); err != nil {
		return answer{}, err
	}
	shown, err := show("approval", page)
	shown.back = item.Href
	return shown, err
}

// fillDecision says who decided, and under which receipt.
func (s *Site) fillDecision(q *query, page *approvalPage) error {
	a := page.Item.Approval
	if a.DecidedBy == 0 {
		return nil
	}
	decider, err := s.rooms.Directory.Owner(q.Context(), a.DecidedBy)
	if err != nil && !errors.Is(err, directory.ErrUnknownAccount) {
		return err
	}
	page.Decider = cmp.Or(strings.TrimSpace(decider.Name()), q.t("approvals.gone"))
	page.Receipt, err = s.rooms.Directory.Receipt(q.Context(), a)
	return err
}

// fillDiff puts what approving would do on the page.
func (s *Site) fillDiff(q *query, page *approvalPage) error {
	summary, err := page.Item.Diff()
	if err != nil {
		return err
	}
	if page.Factor = summary.Factor; page.Factor != nil {
		return nil
	}
	if page.Contains = s.viewContains(summary.Containment); page.Contains != nil {
		return nil
	}
	if page.Account = summary.Account; page.Account != nil && page.Item.Kind == directory.KindStandInConfirm {
		stays := *summary.Account
		stays.Op = "stay"
		page.Account = &stays
	}
	if page.Progress, err = s.progress(q, page.Item.Approval); err != nil {
		return err
	}
	if page.Behind, err = s.background(q, page.Item.Approval); err != nil {
		return err
	}
	if page.Key = summary.ClientKey; page.Key != nil {
		return nil
	}
	if o := summary.Observe; o != nil {
		reg, err := s.rooms.Registers.ByID(q.Context(), o.Register)
		if err != nil {
			return err
		}
		page.Observe = &observeView{Register: reg.Schema.Label, Days: o.Days}
		return nil
	}
	registers, err := s.rooms.Registers.All(q.Context())
	if err != nil {
		return err
	}
	page.Sections = diffWords{q, registers, s.config.Location}.sections(summary)
	for _, section := range page.Sections {
		page.Total += section.Total()
	}
	for _, w := range summary.Warnings {
		page.Warnings = append(page.Warnings, newWarning(w))
	}
	return nil
}

// newWarning takes a code and its argument apart; a code without a text is shown whole.
func newWarning(text string) diffWarning {
	code, detail, _ := strings.Cut(text, " ")
	if !known(diffWarnings, code) {
		return diffWarning{"other", text}
	}
	return diffWarning{code, detail}
}

// decideApproval makes the request take effect, or refuses it.
func (s *Site) decideApproval(q *query) (answer, error) {
	decision := q.field("decision")
	if decision != "approve" && decision != "refuse" {
		return answer{}, errForm{errors.New("no decision")}
	}
	id, err := s.number("approval", q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if err := s.rooms.Directory.Decide(q.Context(), q.actor(), ecluse.ApprovalID(id), decision == "approve"); err != nil {
		return answer{}, err
	}
	return redirect(localPath("approvals", q.PathValue("id")) + "?done")
}
