package node

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/signin"
	"ecluse/internal/web"
)

// deskGate gives the pages the gate in their own words.
type deskGate struct{ *gate.Gate }

// Disclose implements web.Gate.
func (g deskGate) Disclose(ctx context.Context, r web.Request) (web.Outcome, error) {
	o, err := g.Gate.Disclose(ctx, gate.Request{
		Caller: r.Caller, Register: r.Register, Handle: r.Handle, Purpose: r.Purpose, Motive: r.Motive, Text: r.Text,
		Emergency: r.Emergency, Channel: ecluse.ChannelPage,
	})
	return web.Outcome{
		Allowed: o.Allowed, Reasons: o.Reasons, Receipt: o.Receipt, Values: o.Values, Relation: o.Relation, Readings: o.Readings, At: o.At,
	}, err
}

// Search implements web.Gate.
func (g deskGate) Search(ctx context.Context, r web.SearchRequest) (web.SearchOutcome, error) {
	o, err := g.Gate.Search(ctx, gate.SearchRequest{
		Caller: r.Caller, Register: r.Register, Purpose: r.Purpose, Query: r.Query, Beyond: r.Beyond, Channel: ecluse.ChannelPage,
	})
	out := web.SearchOutcome{Allowed: o.Allowed, Reasons: o.Reasons, Receipt: o.Receipt, Readings: o.Readings}
	for _, h := range o.Hits {
		out.Hits = append(out.Hits, web.Hit(h))
	}
	return out, err
}

// Caseload implements web.Gate.
func (g deskGate) Caseload(ctx context.Context, r web.CaseloadRequest) (web.CaseloadOutcome, error) {
	o, err := g.Gate.Caseload(ctx, gate.CaseloadRequest{Caller: r.Caller, Register: r.Register, Purpose: r.Purpose, Cursor: r.Cursor, Channel: ecluse.ChannelPage})
	out := web.CaseloadOutcome{Reasons: o.Reasons, Next: o.Next, Withheld: o.Withheld, Readings: o.Readings}
	for _, row := range o.Rows {
		out.Rows = append(out.Rows, web.Row{Handle: row.Handle, Values: row.Values, Receipt: row.Receipt})
	}
	return out, err
}

// deskDirectory gives the pages the directory in their own words.
type deskDirectory struct{ *Node }

func actor(c signin.Caller) directory.Actor {
	return directory.Actor{Account: c.Account, Session: c.Session}
}

// Standing implements web.Directory.
func (d deskDirectory) Standing(ctx context.Context, c signin.Caller) (web.Standing, error) {
	s, err := d.Directory.Standing(ctx, c.Account)
	if err != nil {
		return web.Standing{}, err
	}
	out := web.Standing{
		GivenName: s.Account.GivenName, UsualName: s.Account.UsualName, Organisation: s.Organisation.Name, Site: s.Site.Name,
		Controller: s.Controller.Name, State: s.Account.State, Roles: s.Roles, ManagerPhone: s.Organisation.Phone, Duty: s.Controller.DPO,
	}
	now := d.Clock.Now()
	for _, m := range s.Mandates {
		reg, err := d.Registers.ByID(ctx, m.Register)
		if err != nil {
			return out, err
		}
		out.Grants = append(out.Grants, web.Grant{
			Register: reg.Code, Role: m.Role, Purposes: m.Purposes, Fields: m.Fields, Starts: m.Starts, Ends: m.Ends, Running: m.Runs(now),
		})
	}
	return out, nil
}

// Reviews implements web.Directory.
func (d deskDirectory) Reviews(ctx context.Context, c signin.Caller) ([]web.Review, error) {
	list, err := d.Directory.Reviews(ctx, actor(c))
	if errors.Is(err, directory.ErrNotFound) {
		return nil, web.ErrForbidden
	}
	var out []web.Review
	for _, r := range list {
		reg, err := d.Registers.ByID(ctx, r.Register)
		if err != nil {
			return nil, err
		}
		out = append(out, web.Review{
			ID: opaque(int64(r.ID)), At: r.At, Kind: r.Kind, Account: r.AccountName, Purpose: r.Purpose, Motive: r.Motive,
			HasText: len(r.Text) > 0, State: r.State, Decided: r.DecidedAt, Own: r.Account == c.Account, Register: reg.Code,
		})
	}
	return out, err
}

// ReviewText implements web.Directory.
func (d deskDirectory) ReviewText(ctx context.Context, c signin.Caller, id string) (string, error) {
	text, err := d.Directory.ReviewText(ctx, actor(c), ecluse.ReviewID(number(id)))
	return text, err
}

// DecideReview implements web.Directory.
func (d deskDirectory) DecideReview(ctx context.Context, c signin.Caller, id string, accept bool) error {
	return d.Directory.DecideReview(ctx, actor(c), ecluse.ReviewID(number(id)), accept)
}

// Approvals implements web.Directory.
func (d deskDirectory) Approvals(ctx context.Context, c signin.Caller) ([]web.Approval, error) {
	list, err := d.Directory.Approvals(ctx, actor(c))
	if errors.Is(err, directory.ErrNotFound) {
		return nil, web.ErrForbidden
	}
	var out []web.Approval
	for _, a := range list {
		shown, err := approval(a, c)
		if err != nil {
			return nil, err
		}
		out = append(out, shown)
	}
	return out, err
}

// Approval implements web.Directory.
func (d deskDirectory) Approval(ctx context.Context, c signin.Caller, id string) (web.Approval, error) {
	a, err := d.Directory.Approval(ctx, actor(c), ecluse.ApprovalID(number(id)))
	if err != nil {
		return web.Approval{}, err
	}
	return approval(a, c)
}

// DecideApproval implements web.Directory.
func (d deskDirectory) DecideApproval(ctx context.Context, c signin.Caller, id string, approve bool) error {
	return d.Directory.Decide(ctx, actor(c), ecluse.ApprovalID(number(id)), approve)
}

func approval(a directory.Approval, c signin.Caller) (web.Approval, error) {
	diff, err := a.Diff()
	if err != nil {
		return web.Approval{}, err
	}
	out := web.Approval{
		ID: opaque(int64(a.ID)), Kind: a.Kind, Requester: a.Requester, RequestedAt: a.RequestedAt, Expires: a.Expires, State: a.State,
		DecidedAt: a.DecidedAt, Own: a.RequestedBy == c.Account,
	}
	for _, part := range []struct {
		kind  string
		lines []directory.Line
	}{{"organisations", diff.Organisations}, {"agreements", diff.Agreements}, {"accounts", diff.Accounts}} {
		out.Diff.Sections = append(out.Diff.Sections, section(part.kind, part.lines))
	}
	out.Diff.Sections = append(out.Diff.Sections, web.DiffSection{Kind: "links", Added: diff.Links})
	out.Diff.Warnings = warnings(diff.Warnings)
	return out, nil
}

// maxLines is how many lines of one kind an approver is shown; the counts are of all.
const maxLines = 500

func section(kind string, lines []directory.Line) web.DiffSection {
	s := web.DiffSection{Kind: kind, More: max(0, len(lines)-maxLines)}
	for i, l := range lines {
		change := l.Op
		switch l.Op {
		case "new":
			s.Added++
			change = "added"
		case "changed":
			s.Changed++
		case "ended":
			s.Ended++
		}
		if i < maxLines {
			s.Rows = append(s.Rows, web.DiffRow{Change: change, Name: l.Name, Note: l.Detail})
		}
	}
	return s
}

func warnings(codes []string) []web.DiffWarning {
	var out []web.DiffWarning
	for _, c := range codes {
		code, detail, _ := strings.Cut(c, " ")
		out = append(out, web.DiffWarning{Code: code, Detail: detail})
	}
	return out
}

func opaque(id int64) string { return strconv.FormatInt(id, 36) }

func number(id string) int64 {
	n, err := strconv.ParseInt(id, 36, 64)
	if err != nil {
		return 0
	}
	return n
}
