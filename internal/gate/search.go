package gate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/policy"
	"ecluse/internal/register"
)

// A search compares with the caller's own persons in pages, and looks at the links of the best matches.
const (
	ownPersons = 1000 // a page
	ownPages   = 10
	ownMatches = 50
)

// Search finds the person in front of the caller: tolerantly among the caller's own persons, for
// nothing (but see candidates); elsewhere exactly, at the cost of one search, and only if it is the single match within the
// mandate. What was typed is not kept.
//
// Nothing can be enumerated: exhausted searches are refused before anybody is looked up, and nobody,
// somebody outside the mandate and somebody unpublished get the same answer by the same store calls.
func (g *Gate) Search(ctx context.Context, r SearchRequest) (SearchOutcome, error) {
	reg, err := g.registers.ByCode(ctx, r.Register)
	if err != nil {
		return SearchOutcome{}, err
	}
	var s *search
	results, err := g.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		if s, err = g.look(ctx, r, reg); err != nil {
			return nil, err
		}
		return s.candidates(), nil
	})
	if err != nil {
		return SearchOutcome{}, fmt.Errorf("search: %w", err)
	}
	return g.found(s, results)
}

// search is one search under way.
type search struct {
	SearchRequest
	register *register.Register
	at       time.Time
	asker
	facts    policy.Facts // of the caller
	decision policy.Decision
	charged  bool            // looked beyond the caller's own persons
	refused  []ecluse.Reason // nobody can be shown
	hits     []found
}

type found struct {
	person  ecluse.PersonID
	version ecluse.VersionID
	tier    ecluse.Tier
	differs []string
}

// look decides whether the caller may search, and searches.
func (g *Gate) look(ctx context.Context, r SearchRequest, reg *register.Register) (*search, error) {
	s := &search{SearchRequest: r, register: reg, at: g.now()}
	var err error
	if s.asker, err = g.asker(ctx, r.Caller, s.at); err != nil {
		return nil, err
	}
	if err := g.maySearch(ctx, s); err != nil || !s.decision.Allow {
		s.refused = s.decision.Reasons
		return s, err
	}
	if !r.Beyond {
		if err := g.lookAmongOwn(ctx, s); err != nil || len(s.hits) > 0 || s.refused != nil {
			return s, err
		}
	}
	return s, g.lookBeyond(ctx, s)
}

// maySearch takes the caller-level decision, exhausted searches included.
func (g *Gate) maySearch(ctx context.Context, s *search) error {
	f := s.asker.facts(s.Caller, s.register, s.Channel, s.at)
	f.Act, f.Purpose, f.EmergencyMotive = budget.Search, s.Purpose, s.Emergency
	if p, ok := s.register.Schema.Purpose(s.Purpose); ok {
		f.PurposeFields = p.Fields
	}
	var err error
	if f.BudgetSpent, err = g.spent(ctx, s.asker, s.register, budget.Search, s.at); err != nil {
		return err
	}
	s.facts = f.Consulted()
	s.decision = policy.Decide(s.facts)
	return nil
}

// lookAmongOwn compares the caller's own persons with what was typed, inside the vault, page by page. The
// best matches among those whom a link explains are shown. ReasonSearchTooBroad if there are more persons
// than a search looks at and what was typed is no identifier.
func (g *Gate) lookAmongOwn(ctx context.Context, s *search) error {
	matches, all, err := g.compareOwn(ctx, s)
	if err != nil {
		return err
	}
	people, err := g.withinMandate(ctx, s, matches)
	if err != nil {
		return err
	}
	for _, m := range matches {
		// Links that stopped explaining meanwhile are beyond, and cost.
		if p, ok := people[m.Person]; ok && p.tier == ecluse.Explained && len(s.hits) < MaxHits {
			s.hits = append(s.hits, found{person: p.person, version: p.version, tier: p.tier, differs: m.Differs})
		}
	}
	if len(s.hits) == 0 && !all && !s.register.CanFind(s.Query) {
		s.refused = []ecluse.Reason{ecluse.ReasonSearchTooBroad}
	}
	return nil
}

// compareOwn answers the matches among the caller's own persons, the best first, and whether all of those
// were looked at.
func (g *Gate) compareOwn(ctx context.Context, s *search) (matches []register.Match, all bool, err error) {
	after := ecluse.PersonID(0)
	for range ownPages {
		own, err := g.links.OwnPersons(ctx, s.standing.Account, s.register.ID, s.at, after, ownPersons)
		if err != nil {
			return nil, false, fmt.Errorf("read the caller's own persons: %w", err)
		}
		some, err := g.registers.Compare(ctx, s.register, s.Query, own)
		if err != nil {
			return nil, false, err
		}
		matches = append(matches, some...)
		if len(own) < ownPersons {
			all = true
			break
		}
		after = own[len(own)-1]
	}
	slices.SortStableFunc(matches, func(a, b register.Match) int { return cmp.Compare(b.Weight, a.Weight) })
	return matches[:min(len(matches), ownMatches)], all, nil
}

func (g *Gate) withinMandate(ctx context.Context, s *search, matches []register.Match) (map[ecluse.PersonID]found, error) {
	if len(matches) == 0 {
		return nil, nil
	}
	ids := make([]ecluse.PersonID, len(matches))
	for i, m := range matches {
		ids[i] = m.Person
	}
	return g.covered(ctx, s, ids)
}

// lookBeyond looks in the whole register for the single match within the mandate. Where being in the
// register tells something in itself, a budget that would stop the opening of somebody without relation
// refuses before anybody is looked up, and again under the lock: otherwise that refusal would tell that
// there is somebody.
func (g *Gate) lookBeyond(ctx context.Context, s *search) (err error) {
	if s.register.Schema.MembershipSensitive {
		if s.refused, err = g.spentBy(ctx, s.standing, s.register, budget.Search, true, s.at); err != nil || len(s.refused) > 0 {
			return err
		}
	}
	s.charged = true
	if !s.register.CanFind(s.Query) {
		s.refused = []ecluse.Reason{ecluse.ReasonSearchTooBroad}
		return nil
	}
	ids, err := g.registers.Find(ctx, s.register, s.Query)
	if err != nil {
		return err
	}
	crowded := len(ids) >= MaxHits // there may be more whom nobody looked at
	for len(ids) < MaxHits {       // as many look-ups for nobody as for somebody
		ids = append(ids, 0)
	}
	people, err := g.covered(ctx, s, ids)
	if err != nil {
		return err
	}
	if err := g.keepExact(ctx, s, ids, people); err != nil {
		return err
	}
	switch {
	case len(people) == 0:
		s.refused = []ecluse.Reason{ecluse.ReasonPersonUnavailable}
	case len(people) == 1 && !crowded:
		for _, p := range people {
			s.hits = []found{p}
		}
	default:
		s.refused = []ecluse.Reason{ecluse.ReasonSearchAmbiguous}
	}
	return nil
}

// keepExact drops whoever is not who was typed, compared inside the vault: a row of the blind index that
// was written around the program finds nobody. One store call whatever comes of it.
func (g *Gate) keepExact(ctx context.Context, s *search, ids []ecluse.PersonID, people map[ecluse.PersonID]found) error {
	matches, err := g.registers.Compare(ctx, s.register, s.Query, ids)
	if err != nil {
		return err
	}
	exact := map[ecluse.PersonID]bool{}
	for _, m := range matches {
		exact[m.Person] = len(m.Differs) == 0
	}
	maps.DeleteFunc(people, func(p ecluse.PersonID, _ found) bool { return !exact[p] })
	return nil
}

// covered are those of the persons that the caller's mandate covers, with their tiers: two store calls
// whatever comes of it.
func (g *Gate) covered(ctx context.Context, s *search, ids []ecluse.PersonID) (map[ecluse.PersonID]found, error) {
	people, err := g.registers.People(ctx, s.register, ids)
	if err != nil {
		return nil, err
	}
	links, err := g.links.LinksOf(ctx, s.register.ID, ids)
	if err != nil {
		return nil, fmt.Errorf("read the links: %w", err)
	}
	links = g.directory.ValidLinks(links)
	out := map[ecluse.PersonID]found{}
	for _, p := range people {
		if !p.Found || !s.facts.Covers(p.Territory) {
			continue
		}
		theirs := slices.DeleteFunc(slices.Clone(links), func(l directory.Link) bool { return l.Person != p.ID })
		tier := directory.Explains(theirs, s.standing.Account, s.at)
		if s.facts.ExplainedOnly() && tier != ecluse.Explained {
			continue
		}
		out[p.ID] = found{person: p.ID, version: p.Version, tier: tier}
	}
	return out, nil
}

// candidates are the entries of a search: one for each person shown, or one for a search that shows
// nobody. A search beyond the caller's own persons costs one. Where being in the register tells something
// in itself, whoever is found counts as opened, the caller's own persons too: those count in total.
func (s *search) candidates() []ledger.Candidate {
	base := s.asker.candidate(ledger.KindSearch, s.Caller, s.register, s.Channel)
	base.Purpose, base.Decision, base.Detail.Hits = known(s.register, s.Purpose), ledger.Allow, len(s.hits)
	if slices.Contains(policy.EmergencyMotives[:], s.Emergency) {
		base.Detail.Motive = s.Emergency
	}
	if s.charged {
		ch := s.charge(s.register, budget.Search, s.at)
		ch.Opens = s.register.Schema.MembershipSensitive
		s.pays(&base, ch, s.register, s.at)
	}
	if len(s.hits) == 0 {
		base.Decision, base.Reasons = ledger.Deny, s.refused
		return []ledger.Candidate{base}
	}
	var list []ledger.Candidate
	opened := s.register.Schema.MembershipSensitive
	if opened && s.charged {
		list = append(list, base)
	}
	for _, h := range s.hits {
		c := base
		c.Follows = len(list) > 0
		c.Person, c.Version, c.Tier = h.person, h.version, h.tier
		if opened {
			ch := s.charge(s.register, budget.Disclose, s.at)
			ch.Tier, ch.Classes = h.tier, ecluse.ClassSet(0).With(ecluse.Identity)
			s.pays(&c, ch, s.register, s.at)
		}
		list = append(list, c)
	}
	return list
}

// found turns the committed results into what the caller is shown: everything, or nothing.
func (g *Gate) found(s *search, results []ledger.Result) (SearchOutcome, error) {
	out := SearchOutcome{Receipt: results[0].ID, Allowed: true}
	for _, r := range results {
		if out.Allowed { // what follows a refusal is refused, and has nothing to add
			out.Allowed, out.Readings, out.Reasons = r.Allowed, r.Readings, append(out.Reasons, r.Reasons...)
		}
	}
	if len(s.hits) == 0 && observed(s.standing, s.register, s.at) {
		out.Reasons = s.refused // without the budgets that stopped nobody
	}
	if !out.Allowed {
		return out, nil
	}
	out.Reasons = nil
	for _, h := range s.hits {
		handle, err := g.handle(s.Caller, s.register, h.person)
		if err != nil {
			return SearchOutcome{}, err
		}
		out.Hits = append(out.Hits, Hit{Handle: handle, Relation: relation(h.tier), Exact: len(h.differs) == 0, Differs: h.differs})
	}
	return out, nil
}
