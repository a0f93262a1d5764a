package policy

import "ecluse"

// How much one officer may contain without a second one. Containment takes rights away, so that it must
// not wait; but whoever stole an officer's account could stop a whole body with it.
const (
	MaxContainedAlone    = 20 // accounts in one act
	MaxContainedAloneDay = 40 // accounts in 24 h, undone or not
)

// ContainmentFacts is everything that containing accounts rests on, beside the role.
type ContainmentFacts struct {
	Operator  bool // a command of a node: who runs it holds database and keys anyway
	Second    bool // a second officer approved it
	Own       bool // one of those who decide it is among the accounts
	Accounts  int  // that it would stop
	Staff     int  // of them, officers and others of the body's own staff
	AloneDay  int  // accounts that the officer stopped alone within 24 h
	PairRests bool // two officers would be left who may undo it together
}

// containmentRules: all of them are asked, and every reason is told.
var containmentRules = [...]struct {
	reason ecluse.Reason
	broken func(*ContainmentFacts) bool
}{
	{ecluse.ReasonContainmentOwn, func(f *ContainmentFacts) bool { return f.Own }},
	{ecluse.ReasonContainmentOfficers, func(f *ContainmentFacts) bool { return !f.PairRests }},
	{ecluse.ReasonContainmentSecond, (*ContainmentFacts).needsSecond},
}

// DecideContainment says why accounts may not be contained so; nil if they may. It is a pure function of
// its argument.
func DecideContainment(f ContainmentFacts) (reasons []ecluse.Reason) {
	for _, r := range containmentRules {
		if r.broken(&f) {
			reasons = append(reasons, r.reason)
		}
	}
	return reasons
}

// needsSecond: an officer stops officers, or many at once or in a day, only with another officer.
func (f *ContainmentFacts) needsSecond() bool {
	return !f.Operator && !f.Second && (f.Staff > 0 || f.Accounts > MaxContainedAlone || f.AloneDay+f.Accounts > MaxContainedAloneDay)
}
