package exposure

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/policy"
	"ecluse/internal/register"
)

// ground is what the reaches of one body's accounts stand on.
type ground struct {
	at        time.Time
	registers []ward           // that the body answers for
	caseload  map[Place]Linked // links of the accounts themselves
	site      map[Place]Linked // of their sites, but for the accounts' own
	sites     map[Site]int     // all links of sites
	known     map[Place]int
	followed  map[followed]int
}

// followed counts the persons who are linked to accounts of an organisation, each as often as she is.
type followed struct {
	organisation ecluse.OrganisationID
	register     ecluse.RegisterID
}

// ward is a register with its persons by territory.
type ward struct {
	*register.Register
	territories map[string]int
	unsettled   bool // territories may be ahead of the records
}

func (x *Exposures) ground(ctx context.Context, c directory.Controller) (*ground, error) {
	g := &ground{at: x.now(), caseload: map[Place]Linked{}, site: map[Place]Linked{}, known: map[Place]int{}, followed: map[followed]int{}}
	registers, err := x.registers.All(ctx)
	if err != nil {
		return nil, err
	}
	populations, err := x.rows.Populations(ctx)
	if err != nil {
		return nil, fmt.Errorf("count the persons of the registers: %w", err)
	}
	if g.sites, err = x.rows.LinkedToSites(ctx, windowAt(g.at)); err != nil {
		return nil, fmt.Errorf("count the persons linked to sites: %w", err)
	}
	unsettled, err := x.rows.Unsettled(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for unfinished imports: %w", err)
	}
	for _, r := range registers {
		if !slices.ContainsFunc(r.Controllers, func(o register.Controller) bool { return o.ID == c.ID }) {
			continue
		}
		w := ward{Register: r, territories: map[string]int{}, unsettled: slices.Contains(unsettled, r.ID)}
		for _, p := range populations {
			if p.Register == r.ID {
				w.territories[p.Territory] = p.Persons
			}
		}
		g.registers = append(g.registers, w)
	}
	return g, nil
}

// count counts whom the accounts know and are entrusted with.
func (x *Exposures) count(ctx context.Context, g *ground, outlooks []directory.Outlook) error {
	if len(outlooks) == 0 {
		return nil
	}
	all := Accounts{outlooks[0].Account.ID, outlooks[len(outlooks)-1].Account.ID}
	w := windowAt(g.at)
	own, site, err := x.rows.Linked(ctx, all, w)
	if err != nil {
		return fmt.Errorf("count the persons linked to accounts: %w", err)
	}
	for _, l := range own {
		g.caseload[l.Place] = l
	}
	for _, l := range site {
		g.site[l.Place] = l
	}
	for _, o := range outlooks {
		for _, w := range g.registers {
			place := Place{o.Account.ID, w.ID}
			g.followed[followed{o.Account.Organisation, w.ID}] += g.caseload[place].Persons + g.site[place].Persons
		}
	}
	if len(g.registers) > 1 {
		if g.known, err = x.rows.KnownPersonsByRegister(ctx, all, w); err != nil {
			return fmt.Errorf("count the persons whom accounts know: %w", err)
		}
		return nil
	}
	known, err := x.rows.KnownPersons(ctx, all, w)
	if err != nil {
		return fmt.Errorf("count the persons whom accounts know: %w", err)
	}
	for _, r := range g.registers {
		for account, n := range known {
			g.known[Place{account, r.ID}] = n
		}
	}
	return nil
}

// reach is what an account can get at in a register; ok is false if no mandate runs there within the
// horizon. More says how many links others are taken to make for it meanwhile.
func (g *ground) reach(s directory.Standing, w ward, more linksMade) (r budget.Reach, ok bool) {
	place := Place{s.Account.ID, w.ID}
	own, site := g.caseload[place], g.site[place]
	window := windowAt(g.at)
	mandates := slices.Clone(s.Mandates)
	for i := range mandates {
		if m := &mandates[i]; m.Follows {
			m.Limits.Total24h = budget.TotalLimit(own.Persons + more.direct)
		}
	}
	r = budget.Reach{
		Limits:             policy.LimitsWithin(mandates, w.ID, window.From, window.To),
		OrganisationNew24h: budget.OrganisationLimit(s.Colleagues),
		RegisterNew24h:     budget.RegisterLimit(max(w.Persons, int64(w.everybody()))),
		Familiar:           g.known[place] + own.Unknown + site.Unknown + more.direct + more.site,
		Idle:               own.Idle + site.Idle,
		Reachable:          w.covered(mandates, window),
		Observed: slices.ContainsFunc(s.Observations, func(o directory.Observation) bool {
			return o.Register == w.ID && o.Ends.After(window.From)
		}),
	}
	switch {
	case s.Account.Kind == directory.KindClient: // it acts for agents of its organisation, whoever agrees
		r.Explained, r.Idle, r.Familiar = true, 0, g.followed[followed{s.Account.Organisation, w.ID}]
	case s.Account.StandIn(): // whom it knows from before is of no use to it
		r.Explained, r.Familiar = true, own.Persons+site.Persons+more.direct+more.site
	}
	return r, r.Limits != budget.Limits{}
}

// covered counts the persons of a register in the territories of the mandates.
func (w ward) covered(mandates []policy.Mandate, window Window) int {
	running := slices.DeleteFunc(slices.Clone(mandates), func(m policy.Mandate) bool {
		return m.Register != w.ID || m.Role != ecluse.RoleAgent || !m.RunsWithin(window.From, window.To)
	})
	if w.unsettled && len(running) > 0 {
		return w.everybody()
	}
	n := 0
	for territory, persons := range w.territories {
		if slices.ContainsFunc(running, func(m policy.Mandate) bool { return m.Territory.Covers(territory) }) {
			n += persons
		}
	}
	return n
}

// everybody counts the persons of a register.
func (w ward) everybody() int {
	n := 0
	for _, persons := range w.territories {
		n += persons
	}
	return n
}
