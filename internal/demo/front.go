package demo

import (
	"context"
	"net/url"
	"slices"
	"sync"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/generate"
	"ecluse/internal/node"
	"ecluse/internal/web"
)

// Serve opens the demo's doors until ctx ends; ready is called once they answer.
func (d *Demo) Serve(ctx context.Context, ready func(url string) error) error {
	extra, err := d.Handler()
	if err != nil {
		return err
	}
	front, err := d.front(ctx)
	if err != nil {
		return err
	}
	return d.Node.Serve(ctx, node.ServeOptions{Ready: ready, Demo: front, Extra: extra})
}

// front is what the first page shows of the demo.
func (d *Demo) front(ctx context.Context) (*web.Demo, error) {
	front := &web.Demo{Tour: newHeist(ctx, d)}
	for _, p := range d.Populations {
		reg, err := d.Node.Registers.ByCode(ctx, p.Register())
		if err != nil {
			return nil, err
		}
		names := structure(p)
		lapses := slices.DeleteFunc(lapsing(p), func(a generate.Account) bool {
			state := d.training(p, a)
			return state == "" || state == directory.TrainingValid
		})
		for _, a := range slices.Concat(shown(p), lapses) {
			front.Identities = append(front.Identities, web.DemoIdentity{
				Role: a.Role, Name: a.GivenName + " " + a.UsualName, Organisation: names[a.Organisation], Site: names[a.Site],
				Register: reg.Schema.Label, Training: d.training(p, a), SignIn: "/sign-in/" + ProviderID + "?login_hint=" + url.QueryEscape(a.Login),
			})
		}
	}
	front.Samples = d.samplesFor()
	return front, nil
}

func structure(p *generate.Population) map[string]string {
	names := map[string]string{}
	for o := range p.Organisations() {
		names[o.Code] = o.Name
	}
	for s := range p.Sites() {
		names[s.Code] = s.Name
	}
	return names
}

// hints is how many persons of each relation the desk suggests to look for.
const hints = 2

// samplesFor answers with persons to look for as an agent of the demo. The first question of each
// account walks through the population.
func (d *Demo) samplesFor() func(register string, account ecluse.AccountID) []web.DemoSample {
	var mu sync.Mutex
	known := map[ecluse.AccountID][]web.DemoSample{}
	return func(register string, account ecluse.AccountID) []web.DemoSample {
		mu.Lock()
		defer mu.Unlock()
		if list, ok := known[account]; ok {
			return list
		}
		s, err := d.Node.Directory.Standing(context.Background(), account)
		if err != nil {
			return nil
		}
		var list []web.DemoSample
		for _, p := range d.Populations {
			for a := range p.Accounts() {
				if p.Register() != register || a.Login != s.Account.Email {
					continue
				}
				for _, sample := range samplesFor(p, a, hints) {
					list = append(list, web.DemoSample{
						Relation: sample.Relation, Surname: sample.Surname, FirstName: sample.FirstName, BirthDate: sample.BirthDate, Identifier: sample.Identifier,
					})
				}
			}
		}
		known[account] = list
		return list
	}
}
