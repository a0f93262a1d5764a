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
// receiver within a day, or more than others may explain to it in a month, need a second person: reason
// dual_control.required. Errors beyond those of all acts: ErrLink, for what no receiver could be linked by.
//
// The receiver is looked up last, by whoever may make the link; one who cannot be linked costs a link and
// is a refusal, so that nobody learns for nothing which addresses exist.
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
	var link directory.Link
	results, err := g.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		f, err := g.facts(ctx, a)
		if err != nil {
			return nil, err
		}
		if link, err = linkOf(r, f); err != nil {
			return nil, err
		}
		c, err := g.linkCandidate(ctx, r, f, &link)
		return []ledger.Candidate{c}, err
	})
	if err != nil {
		return LinkOutcome{}, fmt.Errorf("make a link: %w", err)
	}
	res := results[0]
	if res.Allowed {
		res.Reasons = nil
	}
	return LinkOutcome{Allowed: res.Allowed, Reasons: res.Reasons, Receipt: res.ID, Ends: link.Ends, Readings: res.Readings}, nil
}

// linkOf checks the shape of what was asked, kind and dates, without looking anybody up: ErrLink.
func linkOf(r LinkRequest, f facts) (directory.Link, error) {
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
	if (r.Receiver == "") == (r.Site == "") {
		return directory.Link{}, fmt.Errorf("%w: it is for one account or for one site", ErrLink)
	}
	return directory.Link{Register: f.register.ID, Person: f.persons[0], Kind: r.Kind, MadeBy: r.Caller.Account, Ends: r.Ends}, nil
}

// receive completes a link with its receiver: false if nobody can be linked so.
func (g *Gate) receive(ctx context.Context, r LinkRequest, f facts, l *directory.Link) (bool, error) {
	if r.Site != "" {
		site, err := g.directory.ReceivingSite(ctx, f.standing.Account.Controller, r.Site, f.register.ID)
		if err != nil {
			return false, unlessNotFound(err)
		}
		l.Site, l.Organisation = site.ID, site.Parent
		return true, nil
	}
	receiver, err := g.directory.Receiver(ctx, f.standing.Account.Controller, r.Receiver)
	if err != nil || receiver.ID == r.Caller.Account {
		return false, unlessNotFound(err)
	}
	s, err := g.directory.Standing(ctx, receiver.ID)
	if err != nil {
		return false, fmt.Errorf("read the receiver's standing: %w", err)
	}
	l.Account, l.Site, l.Organisation = receiver.ID, receiver.Site, receiver.Organisation
	return limitsAt(s, f.register, f.at) != (budget.Limits{}), nil
}

func unlessNotFound(err error) error {
	if errors.Is(err, directory.ErrNotFound) || errors.Is(err, directory.ErrDead) {
		return nil
	}
	return err
}

// linkCandidate is the entry of a link: allowed to whoever is of the person's own organisation.
func (g *Gate) linkCandidate(ctx context.Context, r LinkRequest, f facts, l *directory.Link) (ledger.Candidate, error) {
	c := f.candidate(ledger.KindDirectory)
	c.Detail.What = "link " + l.Kind
	p := f.policy[0]
	d := policy.Decide(p)
	if d.Allow && p.Person.Tier > ecluse.SameOrganisation {
		d.Allow, d.Reasons = false, []ecluse.Reason{ecluse.ReasonJustificationRequired}
	}
	if !d.Allow {
		c.Decision, c.Reasons = ledger.Deny, d.Reasons
		return c, nil
	}
	f.pays(&c, f.charge(f.register, budget.MakeLink, f.at), f.register, f.at)
	found, err := g.receive(ctx, r, f, l)
	if err != nil || !found {
		c.Decision, c.Reasons = ledger.Deny, []ecluse.Reason{ecluse.ReasonReceiver}
		return c, err
	}
	c.Decision, c.Person, c.Tier = ledger.Allow, l.Person, p.Person.Tier
	c.Detail.Subject = cmp.Or(int64(l.Account), int64(l.Site))
	c.Guard, c.Effect = g.directory.Linking(*l)
	return c, nil
}
