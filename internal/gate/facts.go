package gate

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/policy"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// ask is a Request for one or more persons, with its register found and its handles opened.
type ask struct {
	Request
	register *register.Register
	act      budget.Act
	asked    ecluse.FieldSet
	persons  []ecluse.PersonID
}

// facts are what the decisions on an ask rest on, as of one revision.
type facts struct {
	ask
	asker
	at     time.Time
	people []register.Person
	policy []policy.Facts // one a person
}

// facts reads, in this order and whoever the persons are: the caller's standing, what is exhausted,
// the persons, their links, and the reviews that wait.
func (g *Gate) facts(ctx context.Context, a ask) (facts, error) {
	f := facts{ask: a, at: g.now()}
	var err error
	if f.asker, err = g.asker(ctx, a.Caller, f.at); err != nil {
		return f, err
	}
	if f.act == budget.Emergency && f.Purpose == "" {
		f.Purpose = anyPurpose(f.standing, f.register, f.at)
	}
	base, err := g.callerFacts(ctx, f)
	if err != nil {
		return f, err
	}
	if f.people, err = g.registers.People(ctx, a.register, a.persons); err != nil {
		return f, err
	}
	links, err := g.links.LinksOf(ctx, a.register.ID, a.persons)
	if err != nil {
		return f, fmt.Errorf("read the links: %w", err)
	}
	byPerson := map[ecluse.PersonID][]directory.Link{}
	for _, l := range g.directory.ValidLinks(links) {
		byPerson[l.Person] = append(byPerson[l.Person], l)
	}
	base = base.Consulted() // once for all of them
	for i, p := range f.people {
		one := base
		one.Person = policy.PersonFacts{Found: p.Found, Territory: p.Territory, Tier: directory.Explains(byPerson[a.persons[i]], f.standing.Account, f.at)}
		f.policy = append(f.policy, one)
	}
	return f, nil
}

// standing is where the caller stands, unless her session was ended: signin.ErrRevoked. It is a fact like
// the others: a session ended after it was read makes the decision stale.
func (g *Gate) standing(ctx context.Context, c signin.Caller) (directory.Standing, error) {
	s, err := g.directory.Standing(ctx, c.Account)
	if err == nil && s.Ended(c.Session) {
		err = signin.ErrRevoked
	}
	return s, err
}

// callerFacts are those that do not depend on the person.
func (g *Gate) callerFacts(ctx context.Context, f facts) (policy.Facts, error) {
	schema := f.register.Schema
	p := f.asker.facts(f.Caller, f.register, f.Channel, f.at)
	p.Act, p.Purpose, p.Asked = f.act, f.Purpose, f.asked
	if purpose, ok := schema.Purpose(f.Purpose); ok {
		p.PurposeFields = purpose.Fields
	}
	p.EmergencyFields, p.EmergencyMotive = schema.EmergencyFields(), f.Emergency
	p.Motive, p.TextRunes = f.Motive, utf8.RuneCountInString(f.Text)
	_, p.MotiveKnown = schema.Motive(f.Motive)
	var err error
	if f.act != budget.Disclose { // what is exhausted whoever the person may be is refused before anybody is looked up
		if p.BudgetSpent, err = g.spent(ctx, f.asker, f.register, f.act, f.at); err != nil {
			return p, err
		}
	}
	if f.Text == "" {
		return p, nil // tier 3, which alone may have to wait for reviews, needs a text anyway
	}
	if p.PendingReviews, err = g.directory.PendingReviews(ctx, f.Caller.Account, f.register.ID); err != nil {
		return p, fmt.Errorf("count the reviews: %w", err)
	}
	return p, nil
}

// mandates of an account in a register: none if the register is of other controllers, whatever
// agreement the account's own controller made on it.
func mandates(s directory.Standing, reg *register.Register) []policy.Mandate {
	if slices.ContainsFunc(reg.Controllers, func(c register.Controller) bool { return c.ID == s.Account.Controller }) {
		return s.Mandates
	}
	return nil
}

func decide(f facts) []policy.Decision {
	decisions := make([]policy.Decision, len(f.policy))
	for i, p := range f.policy {
		decisions[i] = policy.Decide(p)
	}
	return decisions
}

// candidate is the part of an entry that says who asks, what for.
func (f facts) candidate(kind ledger.Kind) ledger.Candidate {
	c := f.asker.candidate(kind, f.Caller, f.register, f.Channel)
	c.Purpose = known(f.register, f.Purpose)
	return c
}

// anyPurpose is a purpose that a running mandate covers: an emergency need not name one.
func anyPurpose(s directory.Standing, reg *register.Register, at time.Time) ecluse.Purpose {
	for _, m := range mandates(s, reg) {
		if m.Register == reg.ID && m.Runs(at) && len(m.Purposes) > 0 {
			return m.Purposes[0]
		}
	}
	return ""
}

// known is a purpose of the schema, or none: what a client sends otherwise may be anything, and the
// ledger keeps it for ever.
func known(reg *register.Register, p ecluse.Purpose) ecluse.Purpose {
	if _, ok := reg.Schema.Purpose(p); !ok {
		return ""
	}
	return p
}

// candidates are the entries of an ask, one a person.
func (g *Gate) candidates(f facts, decisions []policy.Decision) ([]ledger.Candidate, error) {
	list := make([]ledger.Candidate, len(decisions))
	for i, d := range decisions {
		var err error
		if d.Allow {
			list[i], err = g.allowed(f, i, d)
		} else {
			list[i], err = g.denied(f, i, d)
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// allowed is the entry of a disclosure that only a budget can still refuse.
func (g *Gate) allowed(f facts, i int, d policy.Decision) (ledger.Candidate, error) {
	c := f.candidate(ledger.KindDisclose)
	c.Decision, c.Person, c.Version, c.Fields, c.Tier = ledger.Allow, f.people[i].ID, f.people[i].Version, d.Fields, f.policy[i].Person.Tier
	act := f.policy[i].Act
	ch := f.charge(f.register, act, f.at)
	ch.Tier, ch.Classes = c.Tier, f.register.Schema.Classes(d.Fields)
	f.pays(&c, ch, f.register, f.at)
	if f.policy[i].MotiveKnown {
		c.Detail.Motive = f.Motive
	}
	if act == budget.Emergency {
		c.Detail.Motive = f.Emergency
	}
	if d.Review == "" {
		return c, nil
	}
	c.Review = &ledger.Review{Controller: f.standing.Account.Controller, Kind: d.Review, Motive: c.Detail.Motive}
	if d.Review == policy.ReviewUnexplained {
		c.Review.AtMost = policy.MaxPendingReviews
	}
	if f.Text == "" {
		return c, nil
	}
	sealed, err := g.directory.SealText(f.Text, f.Caller.Account, f.register.ID)
	if err != nil {
		return c, fmt.Errorf("seal the justification: %w", err)
	}
	commitment := sha256.Sum256(sealed)
	c.Review.Text, c.Detail.Commitment = sealed, commitment[:]
	return c, nil
}

// denied is the entry of a refusal by policy. Who was asked for, known or not, is a sealed number of
// constant size, for the security desk.
func (g *Gate) denied(f facts, i int, d policy.Decision) (ledger.Candidate, error) {
	c := f.candidate(ledger.KindRefuse)
	c.Decision, c.Reasons, c.Fields = ledger.Deny, d.Reasons, f.asked
	target, err := g.sealPerson("refused", f.persons[i], nil)
	c.Detail.Target = target
	return c, err
}

// charge is what an act costs, before person and tier are known.
func charge(s directory.Standing, reg *register.Register, act budget.Act, l budget.Limits, at time.Time) budget.Charge {
	return budget.Charge{
		Act: act, Limits: l, OrganisationNew24h: budget.OrganisationLimit(s.Colleagues), RegisterNew24h: budget.RegisterLimit(reg.Persons),
		Observe: observed(s, reg, at), RaisedUntil: policy.RaisedUntil(mandates(s, reg), reg.ID, at),
	}
}

// observed reports whether the register's budgets do not stop the account at an instant: its own body had
// that approved. An account of another body has no mandate there to begin with (mandates).
func observed(s directory.Standing, reg *register.Register, at time.Time) bool {
	return slices.ContainsFunc(s.Observations, func(o directory.Observation) bool { return o.Register == reg.ID && o.Runs(at) })
}

// limitsAt are the limits of an account in a register: the highest of its running mandates there, zero
// without any.
func limitsAt(s directory.Standing, reg *register.Register, at time.Time) budget.Limits {
	return policy.Limits(mandates(s, reg), reg.ID, at)
}

func outcomes(f facts, decisions []policy.Decision, results []ledger.Result, values []register.Values) []Outcome {
	list := make([]Outcome, len(results))
	for i, r := range results {
		o := Outcome{Allowed: r.Allowed, Reasons: r.Reasons, Receipt: r.ID, At: r.At, Purpose: f.Purpose, Readings: r.Readings}
		if r.Allowed {
			o.Reasons = nil // what observed budgets would have said stays in the entry
			o.Values, values = values[0], values[1:]
			o.Fields = decisions[i].Fields
		}
		if r.Allowed || mayKnowRelation(f.act, r.Reasons) {
			o.Relation = relation(f.policy[i].Person.Tier)
		}
		list[i] = o
	}
	return list
}

// mayKnowRelation: whoever is asked for a justification of a disclosure saw the relation in the search
// already. An emergency is asked for its motive before anybody is looked at.
func mayKnowRelation(act budget.Act, reasons []ecluse.Reason) bool {
	return act == budget.Disclose && slices.Contains(reasons, ecluse.ReasonJustificationRequired)
}
