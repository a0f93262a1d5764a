package demo

import (
	"context"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/demoidp"
	"ecluse/internal/directory"
	"ecluse/internal/generate"
	"ecluse/internal/register"
)

// How long the invented agents' certificates last from the day on which the demo is made.
const (
	certified = 150 * 24 * time.Hour
	lapsed    = -9 * 24 * time.Hour
	ending    = 12 * 24 * time.Hour
)

// certificates says until when an agent's certificate lasts; zero = the register asks for none.
func (d *Demo) certificates(reg *register.Register, p *generate.Population, o Options) func(generate.Account) time.Time {
	if reg.Definition.Training == nil {
		return func(generate.Account) time.Time { return time.Time{} }
	}
	today := d.Node.Clock.Now().UTC().Truncate(24 * time.Hour)
	last := lapsing(p)
	return func(a generate.Account) time.Time {
		i := slices.IndexFunc(last, func(l generate.Account) bool { return l.Login == a.Login })
		switch {
		case !o.Lapses || i < 0:
			return today.Add(certified)
		case i == len(last)-1:
			return today.Add(lapsed)
		}
		return today.Add(ending)
	}
}

// training is what the certificate of somebody who is shown is worth now.
func (d *Demo) training(p *generate.Population, a generate.Account) string {
	ctx := context.Background()
	reg, err := d.Node.Registers.ByCode(ctx, p.Register())
	if err != nil || reg.Definition.Training == nil || a.Role != ecluse.RoleAgent {
		return ""
	}
	account, err := d.Node.Directory.ByIdentity(ctx, ProviderID+"/"+demoidp.IDP, demoidp.Sub(clientID, a.Login))
	if err != nil {
		return directory.TrainingNone
	}
	s, err := d.Node.Directory.Standing(ctx, account.ID)
	if err != nil {
		return directory.TrainingNone
	}
	return s.Training(reg.ID).State(d.Node.Clock.Now())
}
