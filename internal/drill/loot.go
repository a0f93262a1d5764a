package drill

import "maps"

// loot is what a thief obtained, counted from bodies of answers: values that it had not typed itself.
type loot struct {
	persons  map[string]map[string]bool // by the register's own identifier: which fields
	records  int                        // answers that held a person's values
	refusals map[string]int             // by code
}

func newLoot() *loot {
	return &loot{persons: map[string]map[string]bool{}, refusals: map[string]int{}}
}

// take notes values of a person; what was typed is no loot. That a field is empty is a value too.
func (l *loot) take(id string, values, typed map[string]string) {
	obtained := false
	for field, value := range values {
		if known, ok := typed[field]; ok && known == value || value != "" && typed["identifier"] == value {
			continue
		}
		if l.persons[id] == nil {
			l.persons[id] = map[string]bool{}
		}
		l.persons[id][field], obtained = true, true
	}
	if obtained {
		l.records++
	}
}

// fields are how many persons each field was obtained of.
func (l *loot) fields() map[string]int {
	counts := map[string]int{}
	for _, fields := range l.persons {
		for f := range fields {
			counts[f]++
		}
	}
	return counts
}

// together is what several thieves have: each person once.
func together(thieves []*thief) *loot {
	all := newLoot()
	for _, t := range thieves {
		for id, fields := range t.loot.persons {
			if all.persons[id] == nil {
				all.persons[id] = map[string]bool{}
			}
			maps.Copy(all.persons[id], fields)
		}
		all.records += t.loot.records
		for code, n := range t.loot.refusals {
			all.refusals[code] += n
		}
	}
	return all
}

// totals are the persons, by field and together.
func (l *loot) totals() map[string]int {
	counts := l.fields()
	delete(counts, membership)
	counts[""] = len(l.persons)
	return counts
}

// each counts the persons by their sets of fields.
func (l *loot) each() map[string]int {
	counts := map[string]int{}
	for _, fields := range l.persons {
		var names []string
		for f := range fields {
			if f != membership {
				names = append(names, f)
			}
		}
		counts[signature(names)]++
	}
	return counts
}
