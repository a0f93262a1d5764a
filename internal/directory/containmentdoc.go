package directory

import (
	"time"

	"ecluse"
)

// ContainmentDocument is a containment, or what one would do, as the command and the API write it. Its
// member names are part of what scripts rely on (docs/operations.md).
type ContainmentDocument struct {
	DryRun       bool            `json:"dry_run"`
	Accounts     []string        `json:"accounts"` // e-mail addresses, the one named first
	Sessions     int             `json:"sessions"`
	Links        int             `json:"links"`  // that they made
	Grants       int             `json:"grants"` // that they gave to others
	Shares       int             `json:"shares"` // there are none yet
	Keys         int             `json:"keys"`   // of programs
	Observations int             `json:"observations"`
	PersonsSeen  int             `json:"persons_seen"` // since, within the 180 days that are remembered
	Dead         []string        `json:"dead"`         // of the tree, written around the program
	Left         int             `json:"left"`         // imports of theirs that took effect since and stay
	Refused      []ecluse.Reason `json:"refused"`      // why it may not be done so
	At           time.Time       `json:"at,omitzero"`
	Containment  string          `json:"containment,omitempty"` // its name, for the page that undoes it
	Receipt      string          `json:"receipt,omitempty"`
}

// Document is the preview as a dry run writes it.
func (p Preview) Document() ContainmentDocument {
	d := ContainmentDocument{
		DryRun: true, Accounts: []string{}, Dead: []string{}, Sessions: p.Sessions, Links: p.Links, Grants: p.Grants, Keys: p.Keys, Observations: p.Observations,
		PersonsSeen: p.PersonsSeen, Left: len(p.Left), Refused: append([]ecluse.Reason{}, p.Reasons...),
	}
	for _, k := range p.Accounts {
		d.Accounts = append(d.Accounts, k.Email)
	}
	for _, k := range p.Dead {
		d.Dead = append(d.Dead, k.Email)
	}
	return d
}

// Done is the document of what was really done, beside what the preview said.
func (d ContainmentDocument) Done(c Contained, name, receipt string) (ContainmentDocument, error) {
	what, err := c.Changed()
	d.DryRun, d.Sessions, d.Links, d.Grants, d.Keys, d.Observations = false, what.Sessions, len(what.Links), len(what.Grants), len(what.Keys), len(what.Observations)
	d.At, d.Containment, d.Receipt = c.At, name, receipt
	return d, err
}
