package ledger

import "ecluse/internal/budget"

// floods reports whether a submission would be entered for an account that has too many entries already.
// An emergency never waits for that, nor the search before it, which has a budget of its own; nor does a
// containment, nor what the program does by itself.
func (b *batchWriter) floods(s *submission) bool {
	for i := range s.candidates {
		c := &s.candidates[i]
		switch {
		case c.Account == 0, c.Kind == KindContainment, c.Charge != nil && (c.Charge.Act == budget.Emergency || c.Charge.Act == budget.Search):
			continue
		}
		if m := b.meter(Holder{int64(c.Account), c.Register}); m.Meter.Flooded(b.at) {
			return true
		}
	}
	return false
}

// refusedActs remembers, for each account's meter, the newest act that a refusal was counted of: the
// entries of an act stand together, and count as one refusal.
type refusedActs map[Holder]int64

// first reports whether e is the first refused entry of its act.
func (r refusedActs) first(h Holder, e *Entry) bool {
	if e.Decision != Deny {
		return false
	}
	if act, ok := r[h]; ok && act == e.Act {
		return false
	}
	r[h] = e.Act
	return true
}
