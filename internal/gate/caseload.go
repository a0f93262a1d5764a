package gate

import (
	"context"
	"fmt"
	"slices"

	"ecluse"
	"ecluse/internal/budget"
)

// Caseload opens the rows of one page of the caller's own persons: 25 disclosures of the schema's row
// fields, each decided, written down and revealed like any other.
func (g *Gate) Caseload(ctx context.Context, r CaseloadRequest) (CaseloadOutcome, error) {
	reg, err := g.registers.ByCode(ctx, r.Register)
	if err != nil {
		return CaseloadOutcome{}, err
	}
	var after ecluse.PersonID
	if r.Cursor != "" {
		if after, err = g.openToken("cursor", r.Caller, reg, r.Cursor); err != nil {
			return CaseloadOutcome{}, err
		}
	}
	s, err := g.standing(ctx, r.Caller)
	if err != nil {
		return CaseloadOutcome{}, fmt.Errorf("read the caller's standing: %w", err)
	}
	own, err := g.links.OwnPersons(ctx, s.Account, reg.ID, g.now(), after, PageSize+1)
	if err != nil {
		return CaseloadOutcome{}, fmt.Errorf("read the caller's own persons: %w", err)
	}
	var out CaseloadOutcome
	if len(own) > PageSize {
		own = own[:PageSize]
		if out.Next, err = g.token("cursor", r.Caller, reg, own[PageSize-1]); err != nil {
			return out, err
		}
	}
	if len(own) == 0 {
		out.Readings, err = g.Meters(ctx, r.Caller, r.Register)
		return out, err
	}
	return out, g.rows(ctx, r, ask{
		Request:  Request{Caller: r.Caller, Register: r.Register, Purpose: r.Purpose, Channel: ecluse.ChannelCaseload},
		register: reg, act: budget.Disclose, asked: reg.Schema.RowFields(), persons: own,
	}, &out)
}

// rows passes a page through the gate.
func (g *Gate) rows(ctx context.Context, r CaseloadRequest, a ask, out *CaseloadOutcome) error {
	outcomes, err := g.pass(ctx, a)
	if err != nil {
		return err
	}
	for i, o := range outcomes {
		out.Readings = o.Readings
		if !o.Allowed {
			out.Withheld++
			out.Reasons = append(out.Reasons, o.Reasons...)
			continue
		}
		handle, err := g.handle(r.Caller, a.register, a.persons[i])
		if err != nil {
			return err
		}
		out.Rows = append(out.Rows, Row{Handle: handle, Values: o.Values, Receipt: o.Receipt})
	}
	slices.Sort(out.Reasons)
	out.Reasons = slices.Compact(out.Reasons)
	return nil
}
