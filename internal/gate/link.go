package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/policy"
	"ecluse/internal/signin"
)

// LinkRequest makes a link for a colleague: an appointment, a prescription, a stand-in, a presence at
// reception. It opens the person to the receiver, never to its maker.
type LinkRequest struct {
	Caller   signin.Caller
	Register string
	Handle   string
	Purpose  ecluse.Purpose // for which the maker may see the person
	Kind     string         // one of directory.MadeByAgents
	Receiver string         // e-mail of the account, "" = the whole site
	Site     string         // code of the site concerned, "" = the receiver alone
	Ends     time.Time      // at most as far as the kind allows
	Channel  ecluse.Channel
}

// LinkOutcome answers a LinkRequest.
type LinkOutcome struct {
	Allowed  bool
	Reasons  []ecluse.Reason
	Receipt  string
	Ends     time.Time
	Readings []budget.Reading
}

// MakeLink makes a link if the caller may see the person for the purpose, the receiver has a running
// mandate on the register, and the caller's budget of links is not exhausted. More than five for one
// receiver within a day need a second person: reason dual_control.required.
func (g *Gate) MakeLink(ctx context.Context, r LinkRequest) (LinkOutcome, error) {
	reg, err := g.registers.ByCode(ctx, r.Register)
	if err != nil {
		return LinkOutcome{}, err
	}
	person, err := g.openHandle(r.Caller, reg, r.Handle)
	if err != nil {
		return LinkOutcome{}, err
	}
	a := ask{
		Request:  Request{Caller: r.Caller, Register: r.Register, Purpose: r.Purpose, Channel: r.Channel},
		register: reg, act: budget.MakeLink, persons: []ecluse.PersonID{person},
	}
	var f facts
	var link directory.Link
	results, err := g.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		if f, err = g.facts(ctx, a); err != nil {
			return nil, err
		}
		if link, err = g.linkOf(ctx, r, f); err != nil {
			return nil, err
		}
		return []ledger.Candidate{g.linkCandidate(f, link)}, nil
	})
	switch {
	case errors.Is(err, directory.ErrTooManyLinks):
		return g.refuseLink(ctx, f)
	case err != nil:
		return LinkOutcome{}, fmt.Errorf("make a link: %w", err)
	}
	res := results[0]
	if res.Allowed {
		res.Reasons = nil
	}
	return LinkOutcome{Allowed: res.Allowed, Reasons: res.Reasons, Receipt: res.ID, Ends: link.Ends, Readings: res.Readings}, nil
}

// linkOf checks what was asked against kind, receiver and dates: ErrLink.
func (g *Gate) linkOf(ctx context.Context, r LinkRequest, f facts) (directory.Link, error) {
	longest, known := directory.LinkKinds[r.Kind]
	if !known || !slices.Contains(directory.MadeByAgents, r.Kind) {
		return directory.Link{}, fmt.Errorf("%w: its kind must be one of %s", ErrLink, strings.Join(directory.MadeByAgents, ", "))
	}
	if r.Ends.IsZero() {
		r.Ends = f.at.Add(longest)
	}
	if !r.Ends.After(f.at) || r.Ends.After(f.at.Add(longest)) {
		return directory.Link{}, fmt.Errorf("%w: it must end within %d days", ErrLink, int(longest.Hours()/24))
	}
	link := directory.Link{Register: f.register.ID, Person: f.persons[0], Kind: r.Kind, MadeBy: r.Caller.Account, Ends: r.Ends}
	if (r.Receiver == "") == (r.Site == "") {
		return directory.Link{}, fmt.Errorf("%w: it is for one account or for one site", ErrLink)
	}
	if r.Site != "" {
		site, err := g.directory.ReceivingSite(ctx, f.standing.Account.Controller, r.Site, f.register.ID)
		if err != nil {
			return directory.Link{}, notFoundIsLink(err, "the site must be one of the same body that has a running agreement on this register")
		}
		link.Site, link.Organisation = site.ID, site.Parent
		return link, nil
	}
	receiver, err := g.directory.Receiver(ctx, f.standing.Account.Controller, r.Receiver)
	if err != nil || receiver.ID == r.Caller.Account {
		return directory.Link{}, fmt.Errorf("%w: the receiver must be another account of the same body", ErrLink)
	}
	s, err := g.directory.Standing(ctx, receiver.ID)
	if err != nil {
		return directory.Link{}, fmt.Errorf("read the receiver's standing: %w", err)
	}
	if limitsAt(s, f.register, f.at) == (budget.Limits{}) {
		return directory.Link{}, fmt.Errorf("%w: the receiver has no running agreement on this register", ErrLink)
	}
	link.Account, link.Site, link.Organisation = receiver.ID, receiver.Site, receiver.Organisation
	return link, nil
}

func notFoundIsLink(err error, what string) error {
	if errors.Is(err, directory.ErrNotFound) {
		return fmt.Errorf("%w: %s", ErrLink, what)
	}
	return err
}

// linkCandidate is the entry of a link: allowed to whoever is of the person's own organisation.
func (g *Gate) linkCandidate(f facts, l directory.Link) ledger.Candidate {
	c := f.candidate(ledger.KindDirectory)
	c.Detail.What, c.Detail.Subject = "link "+l.Kind, cmp.Or(int64(l.Account), int64(l.Site))
	p := f.policy[0]
	d := policy.Decide(p)
	if d.Allow && p.Person.Tier > ecluse.SameOrganisation {
		d.Allow, d.Reasons = false, []ecluse.Reason{ecluse.ReasonJustificationRequired}
	}
	if !d.Allow {
		c.Decision, c.Reasons = ledger.Deny, d.Reasons
		return c
	}
	c.Decision, c.Person, c.Tier = ledger.Allow, l.Person, p.Person.Tier
	f.pays(&c, f.charge(f.register, budget.MakeLink, f.at), f.register, f.at)
	c.Effect = g.directory.Linking(l)
	return c
}

// refuseLink writes down that a second person is needed.
func (g *Gate) refuseLink(ctx context.Context, f facts) (LinkOutcome, error) {
	c := f.candidate(ledger.KindRefuse)
	c.Revision, c.Decision, c.Reasons = ledger.AnyRevision, ledger.Deny, []ecluse.Reason{ecluse.ReasonDualControl}
	results, err := g.ledger.Append(ctx, c)
	if err != nil {
		return LinkOutcome{}, fmt.Errorf("write the refusal down: %w", err)
	}
	return LinkOutcome{Reasons: c.Reasons, Receipt: results[0].ID}, nil
}
