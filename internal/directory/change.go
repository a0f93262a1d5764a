package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"ecluse"
)

// Change is what a directory import asks for, by natural keys. It is the body of its approval, so
// that what takes effect is what was shown.
type Change struct {
	Controller    string               `json:"controller"` // code
	Installation  bool                 `json:"installation,omitempty"`
	Organisations []OrganisationChange `json:"organisations,omitempty"`
	Agreements    []AgreementChange    `json:"agreements,omitempty"`
	Accounts      []AccountChange      `json:"accounts,omitempty"`
	Links         []LinkChange         `json:"links,omitempty"`
}

// OrganisationChange is an organisation, or a site of Parent.
type OrganisationChange struct {
	Code      string `json:"code"`
	Parent    string `json:"parent,omitempty"`
	Kind      string `json:"kind"`
	SIRET     string `json:"siret,omitempty"`
	Name      string `json:"name"`
	Territory string `json:"territory"`
	Phone     string `json:"phone,omitempty"`
	Headcount int    `json:"headcount,omitempty"` // how many work there, 0 = unknown
	State     string `json:"state"`
}

// AgreementChange is a convention with an organisation on a register.
type AgreementChange struct {
	Code         string            `json:"code"`
	Organisation string            `json:"organisation"`
	Register     ecluse.RegisterID `json:"register"`
	RegisterCode string            `json:"register_code"`
	Purposes     []string          `json:"purposes"`
	Fields       ecluse.FieldSet   `json:"fields"`
	Territory    string            `json:"territory"`
	Limits       string            `json:"limits,omitempty"`
	Starts       time.Time         `json:"starts"`
	Ends         time.Time         `json:"ends"`
	State        string            `json:"state"`
}

// AccountChange is an account with its roles. IDP and Sub bind it at once; without them its owner
// gets an invitation.
type AccountChange struct {
	Email        string        `json:"email"`
	GivenName    string        `json:"given_name"`
	UsualName    string        `json:"usual_name"`
	Organisation string        `json:"organisation,omitempty"`
	Site         string        `json:"site,omitempty"`
	Roles        []ecluse.Role `json:"roles"`
	Agreements   []string      `json:"agreements,omitempty"` // codes, of the organisation
	IDP          string        `json:"idp,omitempty"`
	Sub          string        `json:"sub,omitempty"`
	Ends         time.Time     `json:"ends,omitzero"`
	State        string        `json:"state"`
	Relink       bool          `json:"relink,omitempty"`  // its owner comes with another identity: invite her again
	StandIn      bool          `json:"standin,omitempty"` // a replacement, for StandInLife unless it is confirmed
	// Trained are certificates that its owner obtained elsewhere. Only an account that the change makes takes
	// them; whoever has one takes the exam.
	Trained []TrainedChange `json:"trained,omitempty"`
}

// TrainedChange is a certificate.
type TrainedChange struct {
	Register ecluse.RegisterID `json:"register"`
	Until    time.Time         `json:"until"`
}

func (c AccountChange) subject() Subject { return Subject{c.IDP, c.Sub} }

// LinkChange are links of one receiver to persons on the same terms: a body links a million persons, and each
// costs its number here. Numbers are resolved at the request, so that no identifier of a person stands in
// the body.
type LinkChange struct {
	Register ecluse.RegisterID `json:"r"`
	Account  string            `json:"a,omitempty"` // e-mail
	Site     string            `json:"s,omitempty"` // for the whole site, without Account
	Kind     string            `json:"k"`
	Starts   time.Time         `json:"f,omitzero"`
	Ends     time.Time         `json:"e"`
	Persons  []ecluse.PersonID `json:"p"`
}

// LinkPlaces finds the LinkChange that a link joins. The zero value is of an empty Change.Links.
type LinkPlaces struct{ at map[linkTerms]int }

type linkTerms struct {
	register            ecluse.RegisterID
	account, site, kind string
	starts, ends        int64
}

// Of is the index in c.Links of the links on the terms of l; they are appended if they are the first. Whoever
// calls it appends the person there.
func (p *LinkPlaces) Of(c *Change, l LinkChange) int {
	terms := linkTerms{l.Register, l.Account, l.Site, l.Kind, l.Starts.UnixMicro(), l.Ends.UnixMicro()}
	i, known := p.at[terms]
	if !known {
		if p.at == nil {
			p.at = map[linkTerms]int{}
		}
		i, l.Persons = len(c.Links), nil
		p.at[terms], c.Links = i, append(c.Links, l)
	}
	return i
}

// linkCount is how many links the change asks for.
func (c Change) linkCount() (n int) {
	for _, l := range c.Links {
		n += len(l.Persons)
	}
	return n
}

// linksFrom are the links from one place on to another, counted through.
func (c Change) linksFrom(from, to int) (part []LinkChange) {
	for _, l := range c.Links {
		n := len(l.Persons)
		if first, last := max(0, from), min(n, to); first < last {
			l.Persons = l.Persons[first:last]
			part = append(part, l)
		}
		from, to = from-n, to-n
	}
	return part
}

// Summary is the diff that an approver is shown.
type Summary struct {
	Controller    string   `json:"controller"`
	Organisations []Line   `json:"organisations"`
	Agreements    []Line   `json:"agreements"`
	Accounts      []Line   `json:"accounts"`
	Receivers     []Line   `json:"receivers"` // who gets links: how many persons, of which kinds, until when
	Links         int      `json:"links"`
	LinkedPersons int      `json:"linked_persons"`
	Warnings      []string `json:"warnings"` // codes with an argument, "new_domain example.org"
	// Observe is what a request of KindObserve asks for; nil for every other kind.
	Observe *ObserveChange `json:"observe,omitempty"`
	// Batch is what a row of KindLinks follows; nil for every other kind.
	Batch *BatchSummary `json:"batch,omitempty"`
	// Account is what a request for one account, or for a replacement, asks for; nil for every other kind.
	Account *AccountSummary `json:"account,omitempty"`
	// Factor is what a request of KindFactor or KindRecovery asks for; nil for every other kind.
	Factor *FactorSummary `json:"factor,omitempty"`
	// ClientKey is what a request of KindClientKey asks for; nil for every other kind.
	ClientKey *ClientKeyChange `json:"client_key,omitempty"`
	// Containment is what a request of KindContain or KindUncontain is about; nil for every other kind.
	Containment *ContainmentSummary `json:"containment,omitempty"`
}

// Line is one row of a diff. Pages put its codes into words; Text does not.
type Line struct {
	Op    string      `json:"op"` // new, changed, ended
	Name  string      `json:"name"`
	Cells []Cell      `json:"cells"`           // every column that changes; of a new row, that holds something
	Links []LinkCount `json:"links,omitempty"` // of a receiver of links
}

// Cell is one column of a row. Old is "" in a new row.
type Cell struct {
	Name string `json:"name"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// LinkCount is what a receiver gets of one kind in one register. No person is named: nobody could judge
// by a number.
type LinkCount struct {
	Register string `json:"register"`
	Kind     string `json:"kind"`
	Persons  int    `json:"persons"`
	Links    int    `json:"links"`
	From     string `json:"from"` // "" = the approval
	Until    string `json:"until"`
}

// plan is the diff of a change with what is there: what apply would do, without doing it.
func (d *Directory) plan(ctx context.Context, c Change) (Summary, error) {
	controller, err := d.controllerByCode(ctx, c.Controller)
	if err != nil {
		return Summary{}, err
	}
	have, err := d.snapshot(ctx, d.rows, controller.ID, c)
	if err != nil {
		return Summary{}, err
	}
	w := &writer{directory: d, at: d.now(), change: applied{Change: c, approval: Approval{Controller: controller.ID}}, have: have}
	return w.run(ctx, controller)
}

func (d *Directory) controllerByCode(ctx context.Context, code string) (Controller, error) {
	all, err := d.rows.Controllers(ctx)
	if err != nil {
		return Controller{}, fmt.Errorf("read the controllers: %w", err)
	}
	i := slices.IndexFunc(all, func(c Controller) bool { return c.Code == code })
	if i < 0 {
		return Controller{}, fmt.Errorf("controller %q: %w", code, ErrNotFound)
	}
	return all[i], nil
}

func encode(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}
