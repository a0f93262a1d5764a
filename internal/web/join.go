package web

import (
	"context"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/policy"
	"ecluse/internal/register"
)

// Source is the real rooms and what joins them to the pages.
type Source struct {
	Gate      *gate.Gate
	Directory *directory.Directory
	Registers *register.Registers
	Now       func() time.Time
	// Opaque names a row outside the desk of security: keyed, so that no number of the database is
	// shown and two nodes give the same name. kind keeps the kinds apart.
	Opaque func(kind string, id int64) string
	// Duty is how to reach the duty officer, "" = unknown.
	Duty string
}

// Join gives the pages the real gate and directory in the types that they ask for.
func Join(s Source) (Gate, Directory) { return joinedGate{s}, joinedDirectory{s} }

type joinedGate struct{ Source }

func (j joinedGate) Disclose(ctx context.Context, r Request) (Outcome, error) {
	out, err := j.Gate.Disclose(ctx, gate.Request{
		Caller: r.Caller, Register: r.Register, Handle: r.Handle, Purpose: r.Purpose, Motive: r.Motive, Text: r.Text,
		Emergency: r.Emergency, Channel: ecluse.ChannelPage,
	})
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{
		Allowed: out.Allowed, Reasons: out.Reasons, Receipt: out.Receipt, Values: out.Values, Relation: out.Relation,
		Readings: out.Readings, At: out.At,
	}, nil
}

func (j joinedGate) Search(ctx context.Context, r SearchRequest) (SearchOutcome, error) {
	out, err := j.Gate.Search(ctx, gate.SearchRequest{
		Caller: r.Caller, Register: r.Register, Purpose: r.Purpose, Query: r.Query, Beyond: r.Beyond, Channel: ecluse.ChannelPage,
	})
	if err != nil {
		return SearchOutcome{}, err
	}
	joined := SearchOutcome{Allowed: out.Allowed, Reasons: out.Reasons, Receipt: out.Receipt, Readings: out.Readings}
	for _, h := range out.Hits {
		joined.Hits = append(joined.Hits, Hit(h))
	}
	return joined, nil
}

func (j joinedGate) Caseload(ctx context.Context, r CaseloadRequest) (CaseloadOutcome, error) {
	out, err := j.Gate.Caseload(ctx, gate.CaseloadRequest{
		Caller: r.Caller, Register: r.Register, Purpose: r.Purpose, Cursor: r.Cursor, Channel: ecluse.ChannelCaseload,
	})
	if err != nil {
		return CaseloadOutcome{}, err
	}
	joined := CaseloadOutcome{Reasons: out.Reasons, Next: out.Next, Withheld: out.Withheld, Readings: out.Readings}
	for _, row := range out.Rows {
		joined.Rows = append(joined.Rows, Row{Handle: row.Handle, Values: row.Values, Receipt: row.Receipt})
	}
	return joined, nil
}

func (j joinedGate) Meters(ctx context.Context, c Caller, code string) ([]budget.Reading, error) {
	return j.Gate.Meters(ctx, c, code)
}

type joinedDirectory struct{ Source }

func actor(c Caller) directory.Actor {
	return directory.Actor{Account: c.Account, Session: c.Session, Device: c.Device, Assured: c.Assured, Strong: c.Strong}
}

func (j joinedDirectory) Standing(ctx context.Context, c Caller) (Standing, error) {
	s, err := j.Directory.Standing(ctx, c.Account)
	if err != nil {
		return Standing{}, err
	}
	standing := Standing{
		GivenName: s.Account.GivenName, UsualName: s.Account.UsualName, Organisation: s.Organisation.Name, Site: s.Site.Name,
		Controller: s.Controller.Name, State: s.Account.State, Roles: s.Roles, ManagerPhone: s.Organisation.Phone, Duty: j.Duty,
	}
	if standing.Observed, err = j.observed(ctx, s); err != nil {
		return Standing{}, err
	}
	for _, m := range s.Mandates {
		grant, err := j.grant(ctx, m)
		if err != nil {
			return Standing{}, err
		}
		standing.Grants = append(standing.Grants, grant)
	}
	for _, g := range s.Grants {
		if g.Agreement == 0 {
			running := g.Ends.IsZero() || j.Now().Before(g.Ends)
			standing.Grants = append(standing.Grants, Grant{Role: g.Role, Starts: g.Created, Ends: g.Ends, Running: running})
		}
	}
	return standing, nil
}

func (j joinedDirectory) grant(ctx context.Context, m policy.Mandate) (Grant, error) {
	reg, err := j.Registers.ByID(ctx, m.Register)
	if err != nil {
		return Grant{}, err
	}
	return Grant{
		Register: reg.Code, Role: m.Role, Purposes: m.Purposes, Fields: m.Fields, Starts: m.Starts, Ends: m.Ends, Running: m.Runs(j.Now()),
	}, nil
}

func (j joinedDirectory) Reviews(ctx context.Context, c Caller) ([]Review, error) {
	list, err := j.Directory.Reviews(ctx, actor(c))
	if err != nil {
		return nil, err
	}
	joined := make([]Review, 0, len(list))
	for _, r := range list {
		reg, err := j.Registers.ByID(ctx, r.Register)
		if err != nil {
			return nil, err
		}
		joined = append(joined, Review{
			ID: j.Opaque("review", int64(r.ID)), At: r.At, Kind: r.Kind, Account: r.AccountName, Purpose: r.Purpose, Motive: r.Motive,
			HasText: len(r.Text) > 0, State: r.State, Decided: r.DecidedAt, Own: r.Account == c.Account, Register: reg.Code,
		})
	}
	return joined, nil
}

// reviewID finds the row behind an opaque name among those that the caller is told of.
func (j joinedDirectory) reviewID(ctx context.Context, c Caller, name string) (ecluse.ReviewID, error) {
	list, err := j.Directory.Reviews(ctx, actor(c))
	if err != nil {
		return 0, err
	}
	for _, r := range list {
		if j.Opaque("review", int64(r.ID)) == name {
			return r.ID, nil
		}
	}
	return 0, directory.ErrNotFound
}

func (j joinedDirectory) ReviewText(ctx context.Context, c Caller, name string) (string, error) {
	id, err := j.reviewID(ctx, c, name)
	if err != nil {
		return "", err
	}
	return j.Directory.ReviewText(ctx, actor(c), id)
}

func (j joinedDirectory) DecideReview(ctx context.Context, c Caller, name string, accept bool) error {
	id, err := j.reviewID(ctx, c, name)
	if err != nil {
		return err
	}
	return j.Directory.DecideReview(ctx, actor(c), id, accept)
}

func (j joinedDirectory) Approvals(ctx context.Context, c Caller) ([]Approval, error) {
	list, err := j.Directory.Approvals(ctx, actor(c))
	if err != nil {
		return nil, err
	}
	joined := make([]Approval, 0, len(list))
	for _, a := range list {
		joined = append(joined, j.approval(c, a))
	}
	return joined, nil
}

func (j joinedDirectory) approval(c Caller, a directory.Approval) Approval {
	return Approval{
		ID: j.Opaque("approval", int64(a.ID)), Kind: a.Kind, Requester: strings.TrimSpace(a.Requester), RequestedAt: a.RequestedAt,
		Expires: a.Expires, State: a.State, DecidedAt: a.DecidedAt, Own: a.RequestedBy == c.Account,
	}
}

// approvalID finds the row behind an opaque name among the pending ones.
func (j joinedDirectory) approvalID(ctx context.Context, c Caller, name string) (ecluse.ApprovalID, error) {
	list, err := j.Directory.Approvals(ctx, actor(c))
	if err != nil {
		return 0, err
	}
	for _, a := range list {
		if j.Opaque("approval", int64(a.ID)) == name {
			return a.ID, nil
		}
	}
	return 0, directory.ErrNotFound
}

func (j joinedDirectory) Approval(ctx context.Context, c Caller, name string) (Approval, error) {
	id, err := j.approvalID(ctx, c, name)
	if err != nil {
		return Approval{}, err
	}
	a, err := j.Directory.Approval(ctx, actor(c), id)
	if err != nil {
		return Approval{}, err
	}
	summary, err := a.Diff()
	if err != nil {
		return Approval{}, err
	}
	joined := j.approval(c, a)
	if o := summary.Observe; o != nil {
		reg, err := j.Registers.ByID(ctx, o.Register)
		if err != nil {
			return Approval{}, err
		}
		joined.Observe = &ObserveRequest{Register: reg.Schema.Label, Days: o.Days}
		return joined, nil
	}
	joined.Diff = joinDiff(summary)
	return joined, nil
}

func (j joinedDirectory) DecideApproval(ctx context.Context, c Caller, name string, approve bool) error {
	id, err := j.approvalID(ctx, c, name)
	if err != nil {
		return err
	}
	return j.Directory.Decide(ctx, actor(c), id, approve)
}

// maxDiffRows is how many rows of one kind the page lists; the totals are always whole.
const maxDiffRows = 2000

func joinDiff(s directory.Summary) Diff {
	d := Diff{Sections: []DiffSection{
		joinSection("organisations", s.Organisations), joinSection("agreements", s.Agreements), joinSection("accounts", s.Accounts),
	}}
	if s.Links > 0 {
		links := joinSection("links", s.Receivers)
		links.Added = s.Links
		d.Sections = append(d.Sections, links)
	}
	for _, w := range s.Warnings {
		code, detail, _ := strings.Cut(w, " ")
		if !known(diffWarnings, code) {
			detail = w // a code without a text is shown whole
		}
		d.Warnings = append(d.Warnings, DiffWarning{Code: code, Detail: detail})
	}
	return d
}

func joinSection(kind string, lines []directory.Line) DiffSection {
	section := DiffSection{Kind: kind}
	for _, line := range lines {
		change := line.Op
		switch line.Op {
		case "new":
			change = "added"
			section.Added++
		case "ended":
			section.Ended++
		default:
			section.Changed++
		}
		if len(section.Rows) == maxDiffRows {
			section.More++
			continue
		}
		section.Rows = append(section.Rows, DiffRow{Change: change, Name: line.Name, Note: line.Detail})
	}
	return section
}
