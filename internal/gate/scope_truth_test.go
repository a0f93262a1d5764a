package gate_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/register"
	"ecluse/internal/scope"
)

// truth is what a scope must say, recounted from what the readers hold.
type truth struct {
	Persons, Minors, Representatives, Records, Entries, Hits, HitsOnly int
	First, Last                                                        time.Time
	Fields, Controllers                                                map[string]int
	Days                                                               []string
	People                                                             []string
}

// asked reports whether an account's act is one that a query is about.
func (h *history) asked(q scope.Query, tree map[string][]string, who, organisation string, at time.Time) bool {
	if at.Before(q.From) || !q.To.IsZero() && !at.Before(q.To) || at.Before(h.purged) {
		return false
	}
	if q.Organisation != 0 {
		return h.organisation(organisation) == q.Organisation
	}
	for name, a := range h.Accounts {
		if a.ID == q.Account {
			return who == name || q.Tree && slices.Contains(tree[name], who)
		}
	}
	return false
}

func (h *history) organisation(code string) ecluse.OrganisationID {
	for _, a := range h.Accounts {
		o, err := h.Store.Organisation(context.Background(), a.Organisation)
		if err == nil && o.Code == code {
			return o.ID
		}
	}
	return 0
}

// recount counts by looking at every reading again and again.
func (h *history) recount(q scope.Query, tree map[string][]string, sensitive bool) truth {
	c := truth{Fields: map[string]int{}, Controllers: map[string]int{}}
	var mine []reading
	for _, r := range h.readings {
		if h.asked(q, tree, r.who, r.organisation, r.at) {
			mine = append(mine, r)
		}
	}
	slices.SortStableFunc(mine, func(a, b reading) int { return a.at.Compare(b.at) })
	var hits []glimpse
	for _, g := range h.glimpses {
		if h.asked(q, tree, g.who, g.organisation, g.at) {
			hits = append(hits, g)
		}
	}
	slices.SortStableFunc(hits, func(a, b glimpse) int { return a.at.Compare(b.at) })
	persons, records, days := map[ecluse.PersonID][]reading{}, map[string]bool{}, map[string][2]int{}
	for _, r := range mine {
		c.Entries++
		day := r.at.Format(time.DateOnly)
		d := days[day]
		d[0]++
		if len(persons[r.person]) == 0 {
			d[1]++
		}
		days[day] = d
		persons[r.person] = append(persons[r.person], r)
		records[fmt.Sprint(r.person, " ", r.version)] = true
		if c.First.IsZero() {
			c.First = r.at
		}
		c.Last = r.at
	}
	c.Persons, c.Records = len(persons), len(records)
	for _, list := range persons {
		h.countPerson(&c, list)
	}
	found := map[ecluse.PersonID]glimpse{}
	for _, g := range hits {
		if _, met := found[g.person]; !met {
			found[g.person] = g
		}
	}
	c.Hits = len(found)
	for p, g := range found {
		if persons[p] != nil {
			continue
		}
		c.HitsOnly++
		if sensitive && g.register == "licences-sport" {
			c.Persons++
			h.countControllers(&c, g.register)
			if minor(h.identityOf(g.register, g.number), g.at) {
				c.Minors++
			}
			c.People = append(c.People, fmt.Sprint(g.register, g.at, g.at, 0))
		}
	}
	for day, d := range days {
		c.Days = append(c.Days, fmt.Sprint(day, d))
	}
	slices.Sort(c.Days)
	slices.Sort(c.People)
	return c
}

func (h *history) identityOf(register string, number int) int {
	if register == "licences-sport" {
		return nodetest.SportIdentity(number)
	}
	return number
}

// minor: by the date of birth that nodetest gave.
func minor(identity int, at time.Time) bool {
	born, err := time.Parse(time.DateOnly, nodetest.Value(register.Field{Kind: register.KindDate}, identity))
	if err != nil {
		panic(err)
	}
	return at.Before(time.Date(born.Year()+18, born.Month(), born.Day(), 0, 0, 0, 0, time.UTC))
}

func (h *history) countControllers(c *truth, code string) {
	reg, err := h.Registers.ByCode(context.Background(), code)
	if err != nil {
		panic(err)
	}
	for _, one := range reg.Schema.Controllers {
		if one.Rule == "all" || slices.Contains(strings.Fields(one.Rule), "93") { // where everybody within the mandate is
			c.Controllers[one.Code]++
		}
	}
}

func (h *history) countPerson(c *truth, list []reading) {
	type span struct {
		first, last time.Time
		times       int
	}
	uses := map[string]span{}
	for _, r := range list {
		for _, f := range r.fields {
			u := uses[f]
			if u.times == 0 {
				u.first = r.at
			}
			uses[f] = span{u.first, r.at, u.times + 1}
		}
	}
	text := fmt.Sprint(list[0].register, list[0].at, list[len(list)-1].at, len(list))
	represented := false
	reg, err := h.Registers.ByCode(context.Background(), list[0].register)
	if err != nil {
		panic(err)
	}
	for _, f := range reg.Schema.Fields {
		if u, ok := uses[f.Name]; ok {
			c.Fields[f.Name]++
			text += fmt.Sprint(f.Name, u.first, u.last, u.times)
			represented = represented || f.About == register.AboutRepresentative
		}
	}
	if represented {
		c.Representatives++
	}
	if minor(h.identityOf(list[0].register, list[0].number), list[0].at) {
		c.Minors++
	}
	h.countControllers(c, list[0].register)
	c.People = append(c.People, text)
}

// spoken is a scope in the words of truth.
func spoken(s scope.Scope) truth {
	c := truth{
		Persons: s.Persons, Minors: s.Minors, Representatives: s.Representatives, Records: s.Records, Entries: s.Entries, Hits: s.Hits, HitsOnly: s.HitsOnly,
		First: s.First, Last: s.Last, Controllers: map[string]int{},
	}
	c.Fields, _ = s.FieldCounts()
	for code, n := range s.ControllerCounts() {
		if n > 0 {
			c.Controllers[code] = n
		}
	}
	days := map[string][2]int{}
	for _, r := range s.Registers {
		for _, d := range r.Days {
			n := days[d.Date]
			days[d.Date] = [2]int{n[0] + d.Entries, n[1] + d.Persons}
		}
		for _, p := range r.People {
			text := fmt.Sprint(r.Code, p.First, p.Last, p.Entries)
			for _, u := range p.Fields {
				text += fmt.Sprint(u.Field, u.First, u.Last, u.Times)
			}
			c.People = append(c.People, text)
		}
	}
	for day, d := range days {
		c.Days = append(c.Days, fmt.Sprint(day, d))
	}
	slices.Sort(c.Days)
	slices.Sort(c.People)
	return c
}
