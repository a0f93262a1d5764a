package demo

import (
	"context"
	"strings"

	"ecluse"
	"ecluse/internal/demoidp"
	"ecluse/internal/generate"
)

// people are whom the demo's provider can sign in: everybody with an account. Read-only after
// newPeople; newcomer is set before it serves.
type people struct {
	list     []demoidp.Person
	index    map[string]int
	newcomer func(login string) (demoidp.Person, bool) // somebody who was given an account since
}

func newPeople(populations []*generate.Population) *people {
	p := &people{index: map[string]int{}}
	for _, population := range populations {
		names, sirets := map[string]string{}, map[string]string{}
		for o := range population.Organisations() {
			names[o.Code], sirets[o.Code] = o.Name, o.SIRET
		}
		for a := range population.Accounts() {
			p.index[a.Login] = len(p.list)
			p.list = append(p.list, demoidp.Person{
				Login: a.Login, GivenName: a.GivenName, UsualName: a.UsualName, SIRET: sirets[a.Organisation],
				Organisation: names[a.Organisation], Preset: population.Register(), Role: string(a.Role),
			})
		}
	}
	return p
}

// Lookup implements demoidp.People.
func (p *people) Lookup(login string) (demoidp.Person, bool) {
	if i, ok := p.index[login]; ok {
		return p.list[i], true
	}
	if p.newcomer == nil || !strings.Contains(login, "@") {
		return demoidp.Person{}, false
	}
	return p.newcomer(login)
}

// newcomer is somebody whose account was asked for in the demo itself, under the address that it shows.
func (d *Demo) newcomer(login string) (demoidp.Person, bool) {
	a, body, err := d.Node.Directory.ByEmail(context.Background(), strings.ToLower(login))
	if err != nil {
		return demoidp.Person{}, false
	}
	return demoidp.Person{Login: a.Email, GivenName: a.GivenName, UsualName: a.UsualName, Organisation: body.Name, Preset: body.Name}, true
}

// List implements demoidp.People.
func (p *people) List() []demoidp.Person { return p.list }

// shown are the accounts that the first page and the ready file offer: of each register two agents of
// one site, one of another site, one of another organisation, and one of every other role but two
// access officers.
func shown(p *generate.Population) []generate.Account {
	var first *generate.Account
	var list []generate.Account
	have := map[string]int{}
	take := func(key string, most int, a generate.Account) {
		if have[key] < most {
			have[key]++
			list = append(list, a)
		}
	}
	for a := range p.Accounts() {
		switch {
		case a.Role == ecluse.RoleAccessOfficer:
			take(string(a.Role), 2, a)
		case a.Role != ecluse.RoleAgent:
			take(string(a.Role), 1, a)
		case a.Caseload == 0:
		case first == nil:
			first = &a
			take("first", 1, a)
		case a.Site == first.Site:
			take("site", 1, a)
		case a.Organisation == first.Organisation:
			take("organisation", 1, a)
		default:
			take("other", 1, a)
		}
	}
	return list
}

// lapsing are the two last agents of a population who follow persons: the first page offers them too, and the
// ready file apart, because the last of them opens nothing before she passes the exam.
func lapsing(p *generate.Population) []generate.Account {
	var last []generate.Account
	for a := range p.Accounts() {
		if a.Role == ecluse.RoleAgent && a.Caseload > 0 {
			last = append(last, a)
		}
	}
	return last[max(0, len(last)-2):]
}
