package web

import (
	"context"
	"slices"

	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/register"

	"ecluse"
)

// This file joins the pages of raises, observation and links to the real rooms (join.go).

func (j joinedGate) MakeLink(ctx context.Context, r LinkRequest) (LinkOutcome, error) {
	out, err := j.Gate.MakeLink(ctx, gate.LinkRequest{
		Caller: r.Caller, Register: r.Register, Handle: r.Handle, Purpose: r.Purpose, Kind: r.Kind, Receiver: r.Receiver, Site: r.Site,
		Ends: r.Ends, Channel: ecluse.ChannelPage,
	})
	return LinkOutcome{Allowed: out.Allowed, Reasons: out.Reasons, Receipt: out.Receipt, Ends: out.Ends, Readings: out.Readings}, err
}

// observed are the registers of the caller's own body whose budgets stop none of its accounts.
func (j joinedDirectory) observed(ctx context.Context, s directory.Standing) ([]Observed, error) {
	var list []Observed
	for _, o := range s.Observations {
		if !o.Runs(j.Now()) {
			continue
		}
		reg, err := j.Registers.ByID(ctx, o.Register)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(reg.Controllers, func(c register.Controller) bool { return c.ID == s.Account.Controller }) {
			list = append(list, Observed{Register: reg.Schema.Label, Until: o.Ends})
		}
	}
	return list, nil
}

func (j joinedDirectory) RaisableRegisters(ctx context.Context, c Caller) ([]string, error) {
	ids, err := j.Directory.RaisableRegisters(ctx, actor(c))
	if err != nil {
		return nil, err
	}
	codes := make([]string, 0, len(ids))
	for _, id := range ids {
		reg, err := j.Registers.ByID(ctx, id)
		if err != nil {
			return nil, err
		}
		codes = append(codes, reg.Code)
	}
	return codes, nil
}

func (j joinedDirectory) Colleagues(ctx context.Context, c Caller, code string) ([]Colleague, error) {
	reg, err := j.Registers.ByCode(ctx, code)
	if err != nil {
		return nil, err
	}
	list, err := j.Directory.Colleagues(ctx, actor(c), reg.ID)
	if err != nil {
		return nil, err
	}
	joined := make([]Colleague, 0, len(list))
	for _, l := range list {
		joined = append(joined, Colleague{ID: j.Opaque("colleague", int64(l.ID)), Name: l.Name(), Email: l.Email, RaisedUntil: l.RaisedUntil})
	}
	return joined, nil
}

// colleague finds the account behind an opaque name among the caller's colleagues.
func (j joinedDirectory) colleague(ctx context.Context, c Caller, code, name string) (ecluse.AccountID, ecluse.RegisterID, error) {
	reg, err := j.Registers.ByCode(ctx, code)
	if err != nil {
		return 0, 0, err
	}
	list, err := j.Directory.Colleagues(ctx, actor(c), reg.ID)
	if err != nil {
		return 0, 0, err
	}
	for _, l := range list {
		if j.Opaque("colleague", int64(l.ID)) == name {
			return l.ID, reg.ID, nil
		}
	}
	return 0, 0, directory.ErrNotFound
}

func (j joinedDirectory) Raisable(ctx context.Context, c Caller, register, colleague string) error {
	account, reg, err := j.colleague(ctx, c, register, colleague)
	if err != nil {
		return err
	}
	return j.Directory.Raisable(ctx, actor(c), account, reg)
}

func (j joinedDirectory) Raise(ctx context.Context, c Caller, register, colleague, reason string) error {
	if !c.Assured {
		return ErrForbidden // an identity proven too weakly opens nothing, and raises nothing
	}
	account, reg, err := j.colleague(ctx, c, register, colleague)
	if err != nil {
		return err
	}
	_, _, err = j.Directory.Raise(ctx, actor(c), account, reg, reason)
	return err
}

func (j joinedDirectory) Sites(ctx context.Context, c Caller) ([]Place, error) {
	s, err := j.Directory.Standing(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	sites, err := j.Directory.Sites(ctx, s.Organisation)
	if err != nil {
		return nil, err
	}
	var list []Place
	for _, site := range sites {
		list = append(list, Place{Code: site.Code, Name: site.Name})
	}
	return list, nil
}
