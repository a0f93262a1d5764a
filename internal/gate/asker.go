package gate

import (
	"context"
	"fmt"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/policy"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// asker is who asks, as of one revision: the account that is decided on, and the program that asks for it
// if there is one. Both must be allowed what is asked, and both are charged.
type asker struct {
	standing directory.Standing // of Caller.Account
	program  directory.Standing // of Caller.Client where it asks for another account; else zero
	client   policy.Client
}

// asker reads who asks. What changes after it was read makes the append stale.
func (g *Gate) asker(ctx context.Context, c signin.Caller, at time.Time) (a asker, err error) {
	if a.standing, err = g.standing(ctx, c); err != nil {
		return a, fmt.Errorf("read the caller's standing: %w", err)
	}
	a.client.Asks = c.Client != 0
	if c.Client == 0 || c.Client == c.Account {
		return a, nil
	}
	if a.program, err = g.directory.Standing(ctx, c.Client); err != nil {
		return a, fmt.Errorf("read the program's standing: %w", err)
	}
	delegated, err := g.directory.Delegated(ctx, a.program, a.standing, at)
	a.client.Stopped, a.client.DelegationEnded = a.program.StateAt(at) != directory.Active, !delegated
	return a, err
}

// forAnother reports whether a program asks for somebody.
func (a asker) forAnother() bool { return a.program.Account.ID != 0 }

// revision that all of it rests on: the older of the two.
func (a asker) revision() int64 {
	if a.forAnother() {
		return min(a.standing.Rev, a.program.Rev)
	}
	return a.standing.Rev
}

// facts are the caller's part of a decision's.
func (a asker) facts(c signin.Caller, reg *register.Register, channel ecluse.Channel, at time.Time) policy.Facts {
	f := policy.Facts{
		At: at, AccountState: a.standing.StateAt(at), StandIn: a.standing.Account.StandIn(), Assured: c.Assured, Strong: c.Strong,
		Mandates: mandates(a.standing, reg), Register: reg.ID, Client: a.client, Trained: trained(a.standing, reg, at), Forbids: reg.Definition.Forbids,
		Caller: policy.Caller{
			Organisation: a.standing.Organisation.Code, Kind: a.standing.Organisation.Kind, Site: a.standing.Site.Code, Channel: channel,
		},
	}
	if a.forAnother() {
		f.Mandates = policy.Together(f.Mandates, mandates(a.program, reg))
	}
	return f
}

// trained reports whether the account passed the register's training, if it has one.
func trained(s directory.Standing, reg *register.Register, at time.Time) bool {
	return reg.Definition.Training == nil || s.Trained(reg.ID, at)
}

// candidate is the part of an entry that says who asks.
func (a asker) candidate(kind ledger.Kind, c signin.Caller, reg *register.Register, channel ecluse.Channel) ledger.Candidate {
	return ledger.Candidate{
		Kind: kind, Register: reg.ID, Account: c.Account, Organisation: a.standing.Account.Organisation, Session: c.Session,
		Revision: a.revision(), Detail: ledger.Detail{Channel: channel, Client: a.program.Account.ID},
	}
}

// charge is what an act costs the account, before person and tier are known.
func (a asker) charge(reg *register.Register, act budget.Act, at time.Time) budget.Charge {
	return charge(a.standing, reg, act, limitsAt(a.standing, reg, at), at)
}

// pays has an entry charged: to the account, and to the program that asks for it.
func (a asker) pays(c *ledger.Candidate, ch budget.Charge, reg *register.Register, at time.Time) {
	c.Charge = &ch
	if !a.forAnother() {
		return
	}
	theirs := charge(a.program, reg, ch.Act, limitsAt(a.program, reg, at), at)
	theirs.Tier, theirs.Classes = ch.Tier, ch.Classes
	c.ClientCharge = &theirs
}

// spent are the budgets that refuse an act whoever the person may be.
func (g *Gate) spent(ctx context.Context, a asker, reg *register.Register, act budget.Act, at time.Time) ([]ecluse.Reason, error) {
	codes, err := g.spentBy(ctx, a.standing, reg, act, false, at)
	if err != nil || !a.forAnother() {
		return codes, err
	}
	theirs, err := g.spentBy(ctx, a.program, reg, act, false, at)
	for _, code := range theirs {
		codes = append(codes, budget.OfClient(code))
	}
	return codes, err
}

// spentBy are the exhausted budgets of one account. opens: whoever is found will be opened.
func (g *Gate) spentBy(ctx context.Context, s directory.Standing, reg *register.Register, act budget.Act, opens bool, at time.Time) ([]ecluse.Reason, error) {
	row, err := g.links.Meter(ctx, ledger.Holder{ID: int64(s.Account.ID), Register: reg.ID})
	if err != nil {
		return nil, fmt.Errorf("read the meter: %w", err)
	}
	limits := limitsAt(s, reg, at)
	if limits == (budget.Limits{}) {
		return nil, nil // no running mandate: that is the reason, not a budget of nothing
	}
	ch := charge(s, reg, act, limits, at)
	ch.Opens = opens
	return budget.Spent(&row.Meter, ch, at), nil
}
