package generate

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"ecluse"
)

// body is an organisation while its persons are dealt out.
type body struct {
	index      int
	code       string
	department string
	communes   []place // where its persons live, if the département has several bodies
	seats      []*seat
	weight     int // of its sites
}

// seat is a site with the accounts that follow persons there.
type seat struct {
	code     string
	weight   int   // share of the body's persons
	accounts []int // indexes into Population.accounts
}

// Proportions of the network that the presets are modelled on, per 1,000 persons or in percent.
const (
	seatWeight      = 5   // the seat has as many persons as five other sites
	personsPerAgent = 100 // on average, those followed
)

// found draws organisations, their sites and agreements. Every département that has one has at least
// two, so that there are persons within a mandate whom another organisation follows.
func (p *Population) found() {
	r := p.random(forBodies, 0)
	g := p.preset
	n := max(6, p.settings.Persons/g.PerBody)
	departments := byDepartment()
	used := min(max(3, n/2), len(departments)-1)
	for _, places := range departments[used:] {
		p.elsewhere = append(p.elsewhere, places...)
	}
	for i := range n {
		places := departments[i%used]
		b := &body{index: i, code: fmt.Sprintf("%s-%03d", g.Prefix, i+1), department: places[0].department}
		b.communes = share(places, i/used, (n-i%used+used-1)/used)
		p.bodies = append(p.bodies, b)
		p.foundOne(r, b)
	}
}

// byDepartment groups the places, in the order of the file.
func byDepartment() (groups [][]place) {
	for i, pl := range words.places {
		if i == 0 || pl.department != words.places[i-1].department {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], pl)
	}
	return groups
}

// share deals the communes of a département out to its bodies; with more bodies than communes, several
// share one.
func share(places []place, nth, of int) (own []place) {
	for i, pl := range places {
		if i%of == nth%of || of > len(places) && i == nth%len(places) {
			own = append(own, pl)
		}
	}
	return own
}

// foundOne draws one organisation with its sites and agreement.
func (p *Population) foundOne(r *rand.Rand, b *body) {
	g := p.preset
	number := siren(b.index + g.Bodies)
	names := g.Names.Names
	name := names[b.index%len(names)]
	if round := b.index / len(names); round > 0 {
		name += fmt.Sprintf(" %d", round+1)
	}
	p.organisations = append(p.organisations, Organisation{
		Code: b.code, Kind: g.Names.Kind, SIRET: siret(number, 0), Name: name, Territory: b.department, Phone: landline(b.index + g.Bodies),
	})
	persons := p.settings.Persons / max(6, p.settings.Persons/g.PerBody)
	sites := max(2, persons/g.PerSite-seatWeight+1)
	for s := range sites {
		home := b.communes[s%len(b.communes)]
		st := &seat{code: fmt.Sprintf("%s-%02d", b.code, s+1), weight: 1}
		if s == 0 {
			st.weight = seatWeight
		}
		b.weight += st.weight
		b.seats = append(b.seats, st)
		labels := g.Names.Sites
		p.sites = append(p.sites, Site{
			Code: st.code, Organisation: b.code, Kind: "site", SIRET: siret(number, s+1),
			Name: labels[s%len(labels)] + ", " + home.town, Territory: home.territory(), Phone: landline(b.index*31 + s + g.Bodies),
		})
	}
	purposes := g.Purposes
	if b.index%5 == 4 { // some bodies have a narrower agreement
		purposes = purposes[:(len(purposes)+1)/2]
	}
	p.agreements = append(p.agreements, Agreement{
		Code: b.code + "-2025", Organisation: b.code, Register: p.Register(), Purposes: purposes,
		Territory: b.department, Limits: p.preset.limits, Starts: Starts, Ends: Ends,
	})
}

// staff draws the accounts: the controller's own, one person's, then those of each site.
func (p *Population) staff() {
	r := p.random(forAccounts, 0)
	for i, role := range []ecluse.Role{ecluse.RoleAccessOfficer, ecluse.RoleAccessOfficer, ecluse.RoleSecurityOfficer, ecluse.RoleDPO, ecluse.RoleAdmin} {
		a := p.account(r, i)
		a.Kind, a.Role = "officer", role
		p.accounts = append(p.accounts, a)
	}
	for person := range p.Persons() {
		a := p.account(r, len(p.accounts))
		a.Kind, a.Role, a.Person = "person", ecluse.RolePerson, person.ID
		a.GivenName, a.UsualName = person.Values["first_name"], person.Values["surname"]
		a.Login = p.login(a.GivenName, a.UsualName, len(p.accounts))
		p.accounts = append(p.accounts, a)
		break
	}
	for _, b := range p.bodies {
		p.staffOne(r, b)
	}
	p.desks, p.teams = map[string]int{}, map[string][]int{}
	for i, a := range p.accounts {
		if a.Caseload > 0 {
			p.desks[a.Login] = i
			p.teams[a.Site] = append(p.teams[a.Site], i)
		}
	}
}

// staffOne draws an organisation's accounts: its account manager at the seat; at each site as many
// agents as the persons followed there need; at every other site somebody at the reception, who follows
// nobody.
func (p *Population) staffOne(r *rand.Rand, b *body) {
	add := func(s *seat, role ecluse.Role, persons int) {
		a := p.account(r, len(p.accounts))
		a.Kind, a.Role, a.Organisation, a.Site, a.Agreement, a.Caseload = "agent", role, b.code, s.code, b.code+"-2025", persons
		if persons > 0 {
			s.accounts = append(s.accounts, len(p.accounts))
		}
		p.accounts = append(p.accounts, a)
	}
	persons := p.settings.Persons * (100 - p.preset.Elsewhere) / 100 / len(p.bodies)
	for i, s := range b.seats {
		if i == 0 {
			add(s, ecluse.RoleAccountManager, 0)
		}
		followed := persons * s.weight / b.weight * p.preset.Followed / 100
		agents := max(1, (followed+personsPerAgent/2)/personsPerAgent)
		if i == 0 {
			agents = max(2, agents)
		}
		for range agents {
			add(s, ecluse.RoleAgent, 110+r.IntN(41))
		}
		if i%2 == 0 {
			add(s, ecluse.RoleAgent, 0)
		}
	}
}

// account draws somebody of working age. number makes the login unique.
func (p *Population) account(r *rand.Rand, number int) Account {
	sex := "f"
	if r.IntN(100) < 35 {
		sex = "m"
	}
	a := Account{GivenName: firstName(r, sex, "a"), UsualName: surname(r), Starts: Starts}
	a.Login = p.login(a.GivenName, a.UsualName, number)
	return a
}

func (p *Population) login(given, usual string, number int) string {
	return fmt.Sprintf("%s.%s.%s%d@demo.ecluse.test", ascii(given), ascii(usual), strings.ToLower(p.preset.Prefix), number+1)
}
