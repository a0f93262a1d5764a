package drill

import (
	"context"
	"math/rand/v2"
	"strings"

	"ecluse/internal/demo"
	"ecluse/internal/generate"
	"ecluse/internal/register"
)

// census is the truth about a register's population. Read-only once it is taken.
type census struct {
	population *generate.Population
	schema     *register.Schema
	people     []generate.Person
	byRow      map[string][]int // by the values of a caseload row
	own        map[string][]int // persons that an account follows
	only       map[string]hers  // values that one person alone has
}

// hers is a value of one person alone.
type hers struct {
	person int // -1 = several have it
	field  string
}

// telling is how long a value is at least that can name a person by itself.
const telling = 7

// takeCensus learns who is in the n-th register of an instance.
func takeCensus(ctx context.Context, d *demo.Demo, n int) (*census, error) {
	p := d.Populations[n]
	reg, err := d.Node.Registers.ByCode(ctx, p.Register())
	if err != nil {
		return nil, err
	}
	return countPeople(p, reg.Schema), nil
}

func countPeople(p *generate.Population, schema *register.Schema) *census {
	c := &census{population: p, schema: schema, byRow: map[string][]int{}, own: map[string][]int{}, only: map[string]hers{}}
	for person := range p.Persons() {
		i := len(c.people)
		c.people = append(c.people, person)
		key := c.rowOf(person.Values)
		c.byRow[key] = append(c.byRow[key], i)
		if person.Account != "" {
			c.own[person.Account] = append(c.own[person.Account], i)
		}
		for field, value := range person.Values {
			if len(value) < telling {
				continue
			}
			if _, there := c.only[value]; there {
				c.only[value] = hers{person: -1}
			} else {
				c.only[value] = hers{i, field}
			}
		}
	}
	return c
}

func (c *census) rowOf(values map[string]string) string {
	var key strings.Builder
	for _, name := range c.schema.Names(c.schema.RowFields()) {
		key.WriteString(values[name] + "\n")
	}
	return key.String()
}

// idOf is whose values these are, as an account was shown them: of persons with the same row, the one that
// the account follows.
func (c *census) idOf(login string, values map[string]string) string {
	if id := values[c.schema.ExternalID]; id != "" {
		return id
	}
	same := c.byRow[c.rowOf(values)]
	for _, i := range same {
		if c.people[i].Account == login {
			return c.people[i].ID
		}
	}
	if len(same) == 0 {
		return "?" + c.rowOf(values) // nobody of the register: it counts all the same
	}
	return c.people[same[0]].ID
}

// motive is one of the register's motives.
func (c *census) motive(r *rand.Rand) string {
	return c.schema.Motives[r.IntN(len(c.schema.Motives))].ID
}

// fields are the names of all fields.
func (c *census) fields() (names []string) {
	for _, f := range c.schema.Fields {
		names = append(names, f.Name)
	}
	return names
}
