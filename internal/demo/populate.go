package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/demoidp"
	"ecluse/internal/directory"
	"ecluse/internal/generate"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// batch is how many rows an import takes at once.
const batch = 2000

// populate imports the records of a population and has its directory approved.
func (d *Demo) populate(ctx context.Context, p *generate.Population, o Options) error {
	reg, err := d.Node.Registers.ByCode(ctx, p.Register())
	if err != nil {
		return err
	}
	if err := d.importRecords(ctx, reg, p, o); err != nil {
		return err
	}
	o.step(p.Register()+": directory", -1)
	officers, err := d.found(ctx, p)
	if err != nil {
		return err
	}
	change, err := d.change(ctx, reg, p, o)
	if err != nil {
		return err
	}
	approval, err := d.Node.Directory.Request(ctx, directory.Actor{Account: officers[0], CLI: "demo", Assured: true, Strong: true}, change)
	if err != nil {
		return err
	}
	if err := d.Node.Directory.Decide(ctx, directory.Actor{Account: officers[1], CLI: "demo", Assured: true, Strong: true}, approval.ID, true); err != nil {
		return err
	}
	if err := d.openClient(ctx, p, officers, o.Dir); err != nil {
		return err
	}
	return d.addCodes(ctx, p)
}

func (o Options) step(what string, done float64) {
	if o.Step != nil {
		o.Step(what, done)
	}
}

func (d *Demo) importRecords(ctx context.Context, reg *register.Register, p *generate.Population, o Options) error {
	w, err := d.Node.Registers.Import(ctx, reg, []byte("demo "+rand.Text()))
	if err != nil {
		return err
	}
	defer w.Abandon(context.WithoutCancel(ctx))
	rows := make([]register.Row, 0, batch)
	done := 0
	flush := func() error {
		_, err := w.Put(ctx, rows)
		done += len(rows)
		rows = rows[:0]
		o.step(reg.Code+": records", float64(done)/float64(p.Size()))
		return err
	}
	for person := range p.Persons() {
		values := make([]string, len(reg.Schema.Fields))
		for i, f := range reg.Schema.Fields {
			values[i] = person.Values[f.Name]
		}
		rows = append(rows, register.Row{External: person.ID, Territory: person.Territory, Values: values})
		if len(rows) == batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	_, err = w.PublishEntry(ctx, d.Node.Ledger, "demo")
	return err
}

// found writes the controller's own staff and signs its two access officers in once, so that they can
// approve. It answers their accounts.
func (d *Demo) found(ctx context.Context, p *generate.Population) ([]ecluse.AccountID, error) {
	var staff []directory.AccountChange
	for a := range p.Accounts() {
		if a.Organisation == "" {
			c := accountChange(a)
			c.Organisation = p.Controller()
			staff = append(staff, c)
		}
	}
	if err := d.Node.Directory.Found(ctx, staff); err != nil {
		return nil, err
	}
	var officers []ecluse.AccountID
	for _, s := range staff {
		if !slices.Contains(s.Roles, ecluse.RoleAccessOfficer) {
			continue
		}
		account, err := d.Node.Directory.ByIdentity(ctx, s.IDP, s.Sub)
		if err != nil {
			return nil, err
		}
		officers = append(officers, account.ID)
		if err := d.signInOnce(ctx, account.ID); err != nil {
			return nil, err
		}
	}
	return officers, nil
}

// signInOnce notes a sign-in whose session is over at once.
func (d *Demo) signInOnce(ctx context.Context, a ecluse.AccountID) error {
	at := d.Node.Clock.Now()
	_, err := d.Node.Store.SaveSession(ctx, signin.Session{
		Account: a, Hash: []byte(rand.Text()), Provider: ProviderID, ACR: demoidp.DefaultACR, IDToken: []byte{},
		Created: at, SteppedAt: at, IdleEnds: at, Ends: at, Activity: d.Node.Directory.Activity(a, at),
	}, 0)
	return err
}

func accountChange(a generate.Account) directory.AccountChange {
	c := directory.AccountChange{
		Email: a.Login, GivenName: a.GivenName, UsualName: a.UsualName, Organisation: a.Organisation, Site: a.Site,
		Roles: []ecluse.Role{a.Role}, IDP: ProviderID + "/" + demoidp.IDP, Sub: demoidp.Sub(clientID, a.Login), State: directory.Active,
	}
	if a.Agreement != "" {
		c.Agreements = []string{a.Agreement}
	}
	return c
}

// change is the directory of a population, as an installation batch.
func (d *Demo) change(ctx context.Context, reg *register.Register, p *generate.Population, o Options) (directory.Change, error) {
	c := directory.Change{Controller: p.Controller(), Installation: true}
	for o := range p.Organisations() {
		c.Organisations = append(c.Organisations, directory.OrganisationChange{
			Code: o.Code, Kind: o.Kind, SIRET: o.SIRET, Name: o.Name, Territory: o.Territory, Phone: o.Phone, State: directory.Active,
		})
	}
	for s := range p.Sites() {
		c.Organisations = append(c.Organisations, directory.OrganisationChange{
			Code: s.Code, Parent: s.Organisation, Kind: s.Kind, SIRET: s.SIRET, Name: s.Name, Territory: s.Territory, Phone: s.Phone, State: directory.Active,
		})
	}
	for a := range p.Agreements() {
		change, err := agreementChange(reg, a)
		if err != nil {
			return c, err
		}
		c.Agreements = append(c.Agreements, change)
	}
	until := d.certificates(reg, p, o)
	for a := range p.Accounts() {
		if a.Organisation == "" {
			continue
		}
		change := accountChange(a)
		if ends := until(a); a.Agreement != "" && !ends.IsZero() {
			change.Trained = []directory.TrainedChange{{Register: reg.ID, Until: ends}}
		}
		c.Accounts = append(c.Accounts, change)
	}
	err := d.links(ctx, reg, p, &c)
	addClient(p, &c)
	return c, err
}

func agreementChange(reg *register.Register, a generate.Agreement) (directory.AgreementChange, error) {
	c := directory.AgreementChange{
		Code: a.Code, Organisation: a.Organisation, Register: reg.ID, RegisterCode: reg.Code, Territory: a.Territory, Limits: a.Limits, State: directory.Active,
	}
	for _, id := range a.Purposes {
		purpose, ok := reg.Schema.Purpose(id)
		if !ok {
			return c, fmt.Errorf("the population's agreement %s names an unknown purpose", a.Code)
		}
		c.Purposes = append(c.Purposes, string(id))
		c.Fields |= purpose.Fields
	}
	var err error
	if c.Starts, err = time.Parse(time.DateOnly, a.Starts); err != nil {
		return c, err
	}
	c.Ends, err = time.Parse(time.DateOnly, a.Ends)
	return c, err
}

// links resolves the caseloads, in batches.
func (d *Demo) links(ctx context.Context, reg *register.Register, p *generate.Population, c *directory.Change) error {
	var places directory.LinkPlaces
	for links := range chunks(p.Links(), batch) {
		names := make([]string, len(links))
		for i, l := range links {
			names[i] = l.Person
		}
		ids, err := d.Node.Registers.Resolve(ctx, reg, names)
		if err != nil {
			return err
		}
		for i, l := range links {
			ends, err := time.Parse(time.DateOnly, l.Ends)
			if err != nil {
				return err
			}
			if last := d.Node.Clock.Now().Add(directory.LinkKinds[l.Kind]).Truncate(24 * time.Hour); ends.After(last) {
				ends = last
			}
			at := places.Of(c, directory.LinkChange{Register: reg.ID, Account: l.Account, Kind: l.Kind, Ends: ends})
			c.Links[at].Persons = append(c.Links[at].Persons, ids[i])
		}
	}
	return nil
}

func chunks[T any](seq func(func(T) bool), size int) func(func([]T) bool) {
	return func(yield func([]T) bool) {
		var chunk []T
		for v := range seq {
			if chunk = append(chunk, v); len(chunk) == size {
				if !yield(chunk) {
					return
				}
				chunk = nil
			}
		}
		if len(chunk) > 0 {
			yield(chunk)
		}
	}
}
