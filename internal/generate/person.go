package generate

import (
	"fmt"
	"iter"
	"math/rand/v2"
)

// household is some persons who share a home: mostly one, sometimes brothers and sisters.
type household struct {
	surname string
	address string
	home    place
	body    *body // that follows them, nil = none has a mandate there
	seat    *seat
	sex     string // of the parent
	parent  string // first name
	phone   string // of the parent
}

// someone is a person while her record is filled.
type someone struct {
	index   int
	sex     string
	surname string
	first   string
	born    date
	house   *household
}

// minor says that a representative acts for her.
func (s *someone) minor() bool { return s.born.age() < 18 }

// identity is what homonyms share.
type identity struct {
	surname, first, sex string
	born                date
}

// Persons gives the persons, household after household.
func (p *Population) Persons() iter.Seq[Person] {
	return func(yield func(Person) bool) {
		d := &dealer{p: p, room: map[int]int{}}
		for i, h := 0, uint64(0); i < p.settings.Persons; h++ {
			r := p.random(forHouseholds, h)
			house := p.household(r, i)
			for n := min(householdSize(r), p.settings.Persons-i); n > 0; n-- {
				person := p.person(r, i, house, d)
				if !yield(person) {
					return
				}
				i++
			}
		}
	}
}

func householdSize(r *rand.Rand) int {
	switch n := r.IntN(100); {
	case n < 82:
		return 1
	case n < 97:
		return 2
	default:
		return 3
	}
}

// household draws a home and who follows those who live there.
func (p *Population) household(r *rand.Rand, i int) *household {
	h := &household{surname: surname(r), sex: "f", phone: mobile(i + 5000)}
	if r.IntN(100) < p.preset.Elsewhere {
		h.home = p.elsewhere[r.IntN(len(p.elsewhere))]
	} else {
		h.body = p.bodies[r.IntN(len(p.bodies))]
		h.home = h.body.communes[r.IntN(len(h.body.communes))]
		h.seat = h.body.draw(r)
	}
	if r.IntN(100) < 30 {
		h.sex = "m"
	}
	h.parent = firstName(r, h.sex, "a")
	h.address = fmt.Sprintf("%d %s, %s %s", 1+r.IntN(120), words.streets[r.IntN(len(words.streets))], h.home.postcode, h.home.town)
	return h
}

// draw draws one of the body's sites, the seat five times as often as another.
func (b *body) draw(r *rand.Rand) *seat {
	n := r.IntN(b.weight)
	for _, s := range b.seats {
		if n -= s.weight; n < 0 {
			return s
		}
	}
	return b.seats[0]
}

// dealer deals persons out to accounts and remembers the last identities for homonyms.
type dealer struct {
	p       *Population
	room    map[int]int // persons that an account follows already
	recent  [512]identity
	twinned date
	of      *household
}

// person draws one member of a household.
func (p *Population) person(r *rand.Rand, i int, h *household, d *dealer) Person {
	s := someone{index: i, house: h, surname: h.surname, sex: "f"}
	if r.IntN(100) < 52 {
		s.sex = "m"
	}
	s.first = firstName(r, s.sex, "y")
	if r.IntN(100) < 10 {
		s.surname = surname(r) // another father, or a married name
	}
	s.born = birth(r, p.preset.Ages[0], p.preset.Ages[1])
	if d.of == h && r.IntN(100) < 12 {
		s.born = d.twinned
	}
	d.of, d.twinned = h, s.born
	d.homonym(r, &s)
	person := Person{ID: p.preset.number(r, &s), Territory: h.home.territory(), Values: map[string]string{}}
	if !p.preset.Communes {
		person.Territory = h.home.department
	}
	p.preset.fill(r, &s, person.Values)
	person.Values[p.preset.External] = person.ID
	if h.body != nil {
		person.Organisation, person.Site = h.body.code, h.seat.code
		person.Account = d.deal(r, h.seat)
	}
	return person
}

// homonym gives three persons in a thousand the names and birth date of somebody who came before.
func (d *dealer) homonym(r *rand.Rand, s *someone) {
	if r.IntN(1000) < 3 {
		if old := d.recent[r.IntN(len(d.recent))]; old.first != "" {
			s.surname, s.first, s.sex, s.born = old.surname, old.first, old.sex, old.born
		}
	}
	d.recent[s.index%len(d.recent)] = identity{s.surname, s.first, s.sex, s.born}
}

// deal finds an account of the site that has room; "" if nobody follows the person.
func (d *dealer) deal(r *rand.Rand, s *seat) string {
	if r.IntN(100) >= d.p.preset.Followed || len(s.accounts) == 0 {
		return ""
	}
	first := r.IntN(len(s.accounts))
	for n := range s.accounts {
		a := s.accounts[(first+n)%len(s.accounts)]
		if d.room[a] < d.p.accounts[a].Caseload {
			d.room[a]++
			return d.p.accounts[a].Login
		}
	}
	return ""
}
