package scope

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/register"
)

// count reads the chains and adds them up.
func (s *Service) count(ctx context.Context, a *about) (Scope, error) {
	registers, err := s.registers.All(ctx)
	if err != nil {
		return Scope{}, err
	}
	out := newScope(a)
	if out.PurgedUntil, err = s.store.Purged(ctx); err != nil {
		return out, fmt.Errorf("read how far retention went: %w", err)
	}
	out.Complete = out.PurgedUntil.IsZero() || out.PurgedUntil.Before(a.From)
	for _, reg := range registers {
		t := newTally(a, reg)
		for _, id := range a.chains {
			if err := s.store.Acts(ctx, id, reg.ID, t.chain(id)); err != nil {
				return out, fmt.Errorf("read the entries of account %d: %w", id, err)
			}
			if err := t.endChain(); err != nil {
				return out, err
			}
		}
		if !t.any() {
			continue
		}
		numbers, err := s.registers.Count(ctx, reg, t.opened())
		if err != nil {
			return out, err
		}
		out.add(s.result(a, t, numbers))
	}
	return out, nil
}

// disclosure is one allowed disclosure on its way into a tally, as long as nothing takes it back.
type disclosure struct {
	n       ecluse.EntryNumber
	at      time.Time
	person  ecluse.PersonID
	version ecluse.VersionID
	fields  ecluse.FieldSet
	program bool
}

// tally is what left of one register.
type tally struct {
	about    *about
	register *register.Register
	persons  map[ecluse.PersonID]*person
	records  map[register.PersonVersion]bool
	hits     map[ecluse.PersonID]hit // whom searches showed, first
	days     map[string]*Day
	out      Register

	// of the chain that is being read
	account     ecluse.AccountID
	waiting     []disclosure
	undelivered map[ecluse.EntryNumber]bool
	search      searchAct
}

// person is what left of one person.
type person struct {
	first, last time.Time
	version     ecluse.VersionID // opened first
	fields      [64]uses
	seen        ecluse.FieldSet
	entries     int
}

// uses is when a field left, and how often.
type uses struct {
	first, last time.Time
	times       int
}

// searchAct is a search under way: everybody it found is shown, or nobody.
type searchAct struct {
	act     int64
	at      time.Time
	refused bool
	shown   []hit
}

// hit is somebody whom a search showed, in the version that it looked at.
type hit struct {
	person  ecluse.PersonID
	version ecluse.VersionID
	at      time.Time
}

func newTally(a *about, reg *register.Register) *tally {
	return &tally{
		about: a, register: reg, persons: map[ecluse.PersonID]*person{}, records: map[register.PersonVersion]bool{},
		hits: map[ecluse.PersonID]hit{}, days: map[string]*Day{}, undelivered: map[ecluse.EntryNumber]bool{},
	}
}

func (t *tally) any() bool { return len(t.persons)+len(t.hits)+t.out.Searches+t.out.Undelivered > 0 }

// chain takes the acts of one account, in order.
func (t *tally) chain(id ecluse.AccountID) func(*Act) error {
	t.account = id
	return func(a *Act) error {
		if a.N >= t.about.asOf {
			return nil
		}
		switch a.Kind {
		case ledger.KindDisclose:
			return t.disclosed(a)
		case ledger.KindUndelivered:
			d, err := detailOf(a)
			t.undelivered[ecluse.EntryNumber(d.Refers)] = true
			return err
		case ledger.KindSearch:
			return t.searched(a)
		}
		return nil
	}
}

func (t *tally) disclosed(a *Act) error {
	asked, program, err := t.asks(a)
	if err != nil || !asked || !a.Allowed || !t.about.within(a.At) {
		return err
	}
	t.waiting = append(t.waiting, disclosure{a.N, a.At, a.Person, a.Version, a.Fields, program})
	return nil
}

// clientKey begins, in the JSON of a detail, the program that an account's entry was asked for by.
var clientKey = []byte(`"cl":`)

// asks reports whether an entry is one of those asked about, and whether a program made it.
func (t *tally) asks(a *Act) (asked, program bool, err error) {
	var client ecluse.AccountID
	if bytes.Contains(a.Detail, clientKey) { // it may be in a text: look
		d, err := detailOf(a)
		if err != nil {
			return false, false, err
		}
		client = d.Client
	}
	if o := t.about.Organisation; o != 0 {
		return a.Organisation == o, client != 0, nil
	}
	return t.about.accounts[t.account] || t.about.programs[client], client != 0, nil
}

// searched gathers the entries of one search.
func (t *tally) searched(a *Act) error {
	asked, _, err := t.asks(a)
	if err != nil || !asked || !t.about.within(a.At) {
		return err
	}
	if t.search.act != a.Act || t.search.at.IsZero() {
		t.endSearch()
		t.search = searchAct{act: a.Act, at: a.At, shown: t.search.shown[:0]}
	}
	t.search.refused = t.search.refused || !a.Allowed
	if a.Person != 0 {
		t.search.shown = append(t.search.shown, hit{a.Person, a.Version, a.At})
	}
	return nil
}

func (t *tally) endSearch() {
	if t.search.at.IsZero() {
		return
	}
	t.out.Searches++
	for _, h := range t.search.shown {
		if first, met := t.hits[h.person]; !t.search.refused && (!met || h.at.Before(first.at)) {
			t.hits[h.person] = h
		}
	}
	t.search = searchAct{shown: t.search.shown[:0]}
}

// endChain counts what of a chain was delivered.
func (t *tally) endChain() error {
	t.endSearch()
	for i := range t.waiting {
		d := &t.waiting[i]
		if t.undelivered[d.n] {
			t.out.Undelivered++
			continue
		}
		t.add(d)
	}
	t.waiting = t.waiting[:0]
	clear(t.undelivered)
	return nil
}

func (t *tally) add(d *disclosure) {
	t.out.Entries++
	if d.program {
		t.out.ByPrograms++
	}
	t.records[register.PersonVersion{Person: d.person, Version: d.version}] = true
	p := t.persons[d.person]
	if p == nil {
		p = &person{first: d.at, version: d.version}
		t.persons[d.person] = p
	}
	if d.at.Before(p.first) {
		p.first, p.version = d.at, d.version
	}
	p.last = later(p.last, d.at)
	p.entries++
	p.seen |= d.fields
	for set := uint64(d.fields); set != 0; set &= set - 1 {
		p.fields[bits.TrailingZeros64(set)].add(d.at)
	}
	day := d.at.In(t.about.Location).Format(time.DateOnly)
	if t.days[day] == nil {
		t.days[day] = &Day{Date: day}
	}
	t.days[day].Entries++
}

func (u *uses) add(at time.Time) {
	if u.times == 0 || at.Before(u.first) {
		u.first = at
	}
	u.last = later(u.last, at)
	u.times++
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// earlier is the first of two instants; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// concerned reports whether somebody whom only searches showed is concerned.
func (t *tally) concerned() bool { return t.register.Schema.MembershipSensitive }

// opened are the persons concerned, by number, in the version that was opened first.
func (t *tally) opened() []register.Opened {
	var all []register.Opened
	for id, p := range t.persons {
		all = append(all, register.Opened{Person: id, Version: p.version, At: p.first})
	}
	for _, h := range t.onlyFound() {
		if t.concerned() {
			all = append(all, register.Opened{Person: h.person, Version: h.version, At: h.at})
		}
	}
	slices.SortFunc(all, func(a, b register.Opened) int { return cmp.Compare(a.Person, b.Person) })
	return all
}

// onlyFound are those whom searches showed and of whom no value left.
func (t *tally) onlyFound() (all []hit) {
	for id, h := range t.hits {
		if t.persons[id] == nil {
			all = append(all, h)
		}
	}
	return all
}

// result is the tally in words, without numbers of persons.
func (s *Service) result(a *about, t *tally, numbers register.Count) Register {
	out := t.out
	out.Code, out.Label = t.register.Code, t.register.Schema.Label
	out.Records, out.Hits, out.HitsOnly = len(t.records), len(t.hits), len(t.onlyFound())
	out.Persons = len(t.persons)
	if t.concerned() {
		out.Persons += out.HitsOnly
	}
	out.Minors, out.AgeUnknown, out.Unreadable = numbers.Minors, numbers.AgeUnknown, numbers.Unreadable
	s.people(a, t, &out)
	out.fieldsOf(t)
	out.Days = t.sortedDays()
	out.Controllers = controllersOf(t.register, numbers)
	return out
}

// people gives everybody a pseudonym, in the order of first openings.
func (s *Service) people(a *about, t *tally, out *Register) {
	for id, p := range t.persons {
		one := Person{Pseudonym: s.pseudonym(a.subject, t.register, id), First: p.first, Last: p.last, Entries: p.entries}
		for _, f := range t.register.Schema.Fields {
			if p.seen.Has(f.Bit) {
				u := p.fields[f.Bit]
				one.Fields = append(one.Fields, Use{f.Name, u.first, u.last, u.times})
			}
			if p.seen.Has(f.Bit) && f.About == register.AboutRepresentative {
				one.represented = true
			}
		}
		if one.represented {
			out.Representatives++
		}
		out.First, out.Last = earlier(out.First, p.first), later(out.Last, p.last)
		t.days[p.first.In(a.Location).Format(time.DateOnly)].Persons++
		out.People = append(out.People, one)
	}
	if t.concerned() {
		for _, h := range t.onlyFound() {
			out.People = append(out.People, Person{Pseudonym: s.pseudonym(a.subject, t.register, h.person), First: h.at, Last: h.at})
		}
	}
	slices.SortFunc(out.People, func(x, y Person) int {
		return cmp.Or(x.First.Compare(y.First), cmp.Compare(x.Pseudonym, y.Pseudonym))
	})
}

// fieldsOf counts the persons of each field, in schema order, fields that left for nobody included.
func (r *Register) fieldsOf(t *tally) {
	for _, f := range t.register.Schema.Fields {
		field := Field{Name: f.Name, Label: f.Label, Class: f.Class, About: f.About}
		for _, p := range t.persons {
			if p.seen.Has(f.Bit) {
				field.Persons++
			}
		}
		r.Fields = append(r.Fields, field)
	}
}

func (t *tally) sortedDays() []Day {
	var all []Day
	for _, day := range slices.Sorted(maps.Keys(t.days)) {
		all = append(all, *t.days[day])
	}
	return all
}

func controllersOf(reg *register.Register, numbers register.Count) (all []Controller) {
	for _, c := range reg.Schema.Controllers {
		all = append(all, Controller{Code: c.Code, Name: c.Name, DPO: c.DPO, Roles: c.Roles, Persons: numbers.Controllers[c.Code]})
	}
	return all
}

func detailOf(a *Act) (ledger.Detail, error) {
	e := ledger.Entry{Detail: a.Detail}
	d, err := e.ReadDetail()
	if err != nil {
		err = errors.Join(fmt.Errorf("read entry %d", a.N), err)
	}
	return d, err
}
