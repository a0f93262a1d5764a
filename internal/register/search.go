package register

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
)

// Query is what an agent typed to find the person in front of her: an identifier, or an identity.
// Everything is as typed and is normalised inside.
type Query struct {
	Identifier         string
	Surname, FirstName string
	BirthDate          string // yyyy-mm-dd or dd/mm/yyyy
}

// Empty reports whether nothing usable was typed.
func (q Query) Empty() bool {
	return len(words(q.Identifier))+len(words(q.Surname))+len(words(q.FirstName))+len(words(q.BirthDate)) == 0
}

func (q Query) part(p part) string {
	switch p {
	case surnamePart:
		return q.Surname
	case firstNamePart:
		return q.FirstName
	case birthDatePart:
		return q.BirthDate
	}
	return ""
}

// maxFound is how many persons Find returns at most: more than one is ambiguous anyway.
const maxFound = 5

// CanFind reports whether the query fills a search key of the register, so that Find can find
// anything; otherwise it is too broad.
func (r *Register) CanFind(q Query) bool { return len(r.probes(q)) > 0 }

// probes are the keyed hashes of every search key that the query fills.
func (r *Register) probes(q Query) []Probe {
	x := r.indexer()
	var probes []Probe
	for _, key := range r.Schema.Keys {
		k, ok := x.lookup(key, func(f Field) string {
			if key.Identifier() {
				return q.Identifier
			}
			return q.part(f.part())
		})
		if ok {
			probes = append(probes, Probe{Kind: key.ID, Key: k[:]})
		}
	}
	return probes
}

// Find finds persons by an exact search key, once normalised: one store call, at most 5 ids in no
// telling order. A query that fills no key (CanFind) finds nobody.
func (s *Registers) Find(ctx context.Context, reg *Register, q Query) ([]ecluse.PersonID, error) {
	probes := reg.probes(q)
	if len(probes) == 0 {
		return nil, nil
	}
	ids, err := s.store.Lookup(ctx, reg.ID, probes, maxFound)
	if err != nil {
		return nil, fmt.Errorf("search register %d: %w", reg.ID, err)
	}
	return ids, nil
}

// Match is a person who may be the one searched for. It holds no value.
type Match struct {
	Person  ecluse.PersonID
	Weight  float64 // bits of evidence that it is the same person (Fellegi & Sunter, JASA 1969)
	Version ecluse.VersionID
	Differs []string // fields in which what was typed departs, in schema order; empty = exact
}

// Evidence in bits, from the design's measures: a surname carries 12.8, a first name 8.2, a birth date
// about 12. Parts that were not typed or that the record lacks count nothing.
const (
	identifierWeight = 40
	minimumWeight    = 12 // about a surname alone: enough among the caller's own persons
	swappedPenalty   = 1  // names typed in each other's place
)

// agreement is how one part of an identity compares.
type agreement uint8

const (
	partAbsent agreement = iota // not typed, or not in the record
	partSame
	partClose // a typo, a particle, part of a compound, a day off
	partVague // an unknown day of birth, 01/01 of the same year
	partOther
)

var evidence = map[part][5]float64{
	surnamePart:   {partAbsent: 0, partSame: 12.8, partClose: 9, partVague: 6, partOther: -6},
	firstNamePart: {partAbsent: 0, partSame: 8.2, partClose: 5.5, partVague: 4, partOther: -5},
	birthDatePart: {partAbsent: 0, partSame: 12, partClose: 9, partVague: 6, partOther: -8},
}

// Compare weighs each of ids against a query, tolerantly: accents, particles, swapped names, small
// typos, a birth date a day off, day and month swapped, an unknown day, a missing first name. It is for
// persons whom the caller knows already: it tells which parts differ, never a value. One store call for
// all; unknown ids and poor matches are left out; the best come first.
func (s *Registers) Compare(ctx context.Context, reg *Register, q Query, ids []ecluse.PersonID) ([]Match, error) {
	if len(ids) == 0 || q.Empty() {
		return nil, nil
	}
	rows, err := s.store.Visible(ctx, reg.ID, ids)
	if err != nil {
		return nil, fmt.Errorf("compare %d persons: %w", len(ids), err)
	}
	v, m := reg.vault(), newMatcher(reg.Schema, q)
	var found []Match
	for _, row := range rows {
		match, err := m.compare(v, reg.place(row.Person, row.Version), row.Sealed)
		if err != nil {
			return nil, err
		}
		if match.Weight >= minimumWeight {
			found = append(found, match)
		}
	}
	slices.SortFunc(found, func(a, b Match) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.Person, b.Person))
	})
	return found, nil
}

// matcher is a query made ready to be compared with many records.
type matcher struct {
	schema      *Schema
	typed       Query
	identifiers []Field
	parts       []Field // surname, first name, birth date; several surnames are alternatives
}

func newMatcher(s *Schema, q Query) *matcher {
	m := &matcher{schema: s, typed: q}
	for _, k := range s.Keys {
		if k.Identifier() {
			m.identifiers = append(m.identifiers, k.Fields[0])
		}
	}
	for _, f := range s.Fields {
		if f.part() != noPart {
			m.parts = append(m.parts, f)
		}
	}
	return m
}

func (m *matcher) compare(v *vault, p place, blob []byte) (Match, error) {
	o, err := v.open(p, blob)
	if err != nil {
		return Match{}, err
	}
	match := Match{Person: p.person, Version: p.version}
	if strings.TrimSpace(m.typed.Identifier) != "" {
		return m.identifier(v, o, match)
	}
	values := make([]string, len(m.parts))
	for i, f := range m.parts {
		if values[i], err = v.value(o, f.Bit); err != nil {
			return Match{}, err
		}
	}
	straight := m.weigh(m.typed, values)
	swapped := m.typed
	swapped.Surname, swapped.FirstName = m.typed.FirstName, m.typed.Surname
	if crossed := m.weigh(swapped, values); crossed.Weight-swappedPenalty > straight.Weight {
		straight = crossed
		straight.Weight -= swappedPenalty
		straight.Differs = m.nameFields()
	}
	match.Weight, match.Differs = straight.Weight, straight.Differs
	return match, nil
}

func (m *matcher) identifier(v *vault, o *opened, match Match) (Match, error) {
	for _, f := range m.identifiers {
		value, err := v.value(o, f.Bit)
		if err != nil {
			return Match{}, err
		}
		if typed := Normalise(f.Kind, m.typed.Identifier); typed != "" && typed == Normalise(f.Kind, value) {
			match.Weight = identifierWeight
		}
	}
	return match, nil
}

// weigh adds the evidence of each part; of several surnames the best one counts.
func (m *matcher) weigh(q Query, values []string) Match {
	var best [birthDatePart + 1]struct {
		weight float64
		found  bool
		field  string
		differ bool
	}
	for i, f := range m.parts {
		p := f.part()
		a := agree(p, q.part(p), values[i])
		if w := evidence[p][a]; !best[p].found || w > best[p].weight {
			best[p].weight, best[p].found, best[p].field = w, true, f.Name
			best[p].differ = a != partSame && a != partAbsent
		}
	}
	var match Match
	for _, f := range m.parts {
		if b := best[f.part()]; b.field == f.Name {
			match.Weight += b.weight
			if b.differ {
				match.Differs = append(match.Differs, f.Name)
			}
		}
	}
	return match
}

func (m *matcher) nameFields() []string {
	var names []string
	for _, f := range m.parts {
		if f.part() != birthDatePart {
			names = append(names, f.Name)
		}
	}
	return names
}

func agree(p part, typed, value string) agreement {
	if p == birthDatePart {
		return agreeDates(normaliseDate(typed), normaliseDate(value))
	}
	return agreeNames(typed, value)
}

// typo is the Jaro-Winkler similarity from which two names are taken for spellings of one.
const typo = 0.92

func agreeNames(typed, value string) agreement {
	a, b := significant(words(typed)), significant(words(value))
	whole, stored := strings.Join(a, ""), strings.Join(b, "")
	switch {
	case whole == "" || stored == "":
		return partAbsent
	case whole == stored:
		return partSame
	case jaroWinkler(whole, stored) >= typo, sharesWords(a, b):
		return partClose
	case strings.Join(words(typed), "") == strings.Join(words(value), ""):
		return partClose
	}
	return partOther
}

// sharesWords reports whether all words of the shorter name stand in the longer: "Marie" for
// "Marie Claire", "Martin" for "Martin Durand".
func sharesWords(a, b []string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	for _, w := range a {
		if len(w) < 3 || !slices.Contains(b, w) {
			return false
		}
	}
	return true
}

// agreeDates compares two yyyy-mm-dd. A first of January stands for an unknown day in many registers.
func agreeDates(typed, value string) agreement {
	a, errA := time.Parse(time.DateOnly, typed)
	b, errB := time.Parse(time.DateOnly, value)
	switch {
	case errA != nil || errB != nil:
		return partAbsent
	case a.Equal(b):
		return partSame
	case a.Sub(b).Abs() == 24*time.Hour:
		return partClose
	case a.Year() == b.Year() && a.Day() == int(b.Month()) && int(a.Month()) == b.Day():
		return partClose
	case a.Year() == b.Year() && (a.YearDay() == 1 || b.YearDay() == 1):
		return partVague
	}
	return partOther
}

// jaroWinkler is the Jaro-Winkler similarity of two words, 0 to 1 (Winkler 1990; prefix scale 0.1, at
// most 4 letters).
func jaroWinkler(s, t string) float64 {
	a, b := []rune(s), []rune(t)
	if len(a) > maxCompared || len(b) > maxCompared || len(a) == 0 || len(b) == 0 {
		return 0
	}
	j := jaro(a, b)
	prefix := 0
	for prefix < min(4, len(a), len(b)) && a[prefix] == b[prefix] {
		prefix++
	}
	return j + float64(prefix)*0.1*(1-j)
}

// maxCompared bounds the cost of comparing what somebody typed.
const maxCompared = 100

func jaro(a, b []rune) float64 {
	window := max(max(len(a), len(b))/2-1, 0)
	var usedA, usedB [maxCompared]bool
	common := 0
	for i, r := range a {
		for j := max(0, i-window); j < min(len(b), i+window+1); j++ {
			if !usedB[j] && b[j] == r {
				usedA[i], usedB[j] = true, true
				common++
				break
			}
		}
	}
	if common == 0 {
		return 0
	}
	transposed, j := 0, 0
	for i := range a {
		if !usedA[i] {
			continue
		}
		for !usedB[j] {
			j++
		}
		if a[i] != b[j] {
			transposed++
		}
		j++
	}
	m := float64(common)
	return (m/float64(len(a)) + m/float64(len(b)) + (m-float64(transposed)/2)/m) / 3
}
