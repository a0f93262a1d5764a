package budget

// Term says which part of a bound is the smallest, and so holds.
type Term string

// The terms of Bound24h and Bound30d.
const (
	TermTotal     Term = "total"     // total_24h, or thirty times that
	TermNovelty   Term = "novelty"   // |K u L0| + new_30d + 30 x emergency_24h
	TermReachable Term = "reachable" // R
)

// Unconditional reports whether the bound holds whatever others do. TermNovelty rests on L0, which
// grows when others make links for the account.
func (t Term) Unconditional() bool { return t != TermNovelty }

// Bound is a proven upper bound of the distinct persons that an account can be shown, counted from
// its limits and never from what it has left of them, and the term that binds.
type Bound struct {
	Persons int
	Term    Term
}

// Reach is what an account can get at.
type Reach struct {
	// Limits are the highest in force within the horizon: InForce at its end.
	Limits Limits
	// Familiar is |K u L0|: persons whom the account has seen within Remembered (K, any tier) or who
	// are linked to it at tier 0 (L0). Those may be opened without being new.
	Familiar int
	// Reachable is R: persons that the account's grants cover.
	Reachable int
}

// Bound24h is the most distinct persons within any 24 h:
//
//	min(total_24h, R)
//
// Proof: total counts every person once, by the last look, in a window that contains the 24 h.
func Bound24h(r Reach) Bound {
	return least(Bound{r.Reachable, TermReachable}, Bound{r.Limits.Total24h, TermTotal})
}

// Bound30d is the most distinct persons within the next 30 days:
//
//	min(30 x total_24h, |K u L0| + new_30d + 30 x emergency_24h, R)
//
// Proof: 30 d are thirty times 24 h, hence the first term. For the second, take anybody's first look:
// it is explained (in L0), or known (then an earlier look is within Remembered: in K), or charged to
// new (at most new_30d, whose window contains the 30 d), or an emergency. Only the first and the last
// term hold whatever links others make (Term.Unconditional).
func Bound30d(r Reach) Bound {
	l := r.Limits
	return least(
		Bound{r.Reachable, TermReachable},
		Bound{30 * l.Total24h, TermTotal},
		Bound{r.Familiar + l.New30d + 30*l.Emergency24h, TermNovelty},
	)
}

// least is the smallest bound; of equal ones the first, so that unconditional terms come first.
func least(bounds ...Bound) Bound {
	best := bounds[0]
	for _, b := range bounds[1:] {
		if b.Persons < best.Persons {
			best = b
		}
	}
	return best
}
