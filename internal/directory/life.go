package directory

import (
	"time"

	"ecluse"
	"ecluse/internal/policy"
)

// States of an account. The first four are stored; whatever ends by itself is computed at each reading,
// from columns that a MAC covers, so that no job can be late.
const (
	Invited   = policy.StateInvited
	Active    = policy.StateActive
	Suspended = policy.StateSuspended
	Ended     = policy.StateEnded
	Dormant   = policy.StateDormant
)

// DormantAfter is how long an account lives on without a sign-in. It comes back by a request only.
const DormantAfter = 60 * 24 * time.Hour

// StateAt is what an account is at an instant. An access officer does not become dormant: they open no
// record, and if all of them did, nobody could open anybody's account again.
func (a Account) StateAt(at time.Time) string {
	switch {
	case a.State != Active && a.State != Invited:
		return a.State
	case !a.Ends.IsZero() && !at.Before(a.Ends), !a.StandInEnds.IsZero() && !at.Before(a.StandInEnds):
		return Ended
	case a.State == Active && a.Organisation != 0 && !at.Before(a.lastUse().Add(DormantAfter)):
		return Dormant
	}
	return a.State
}

// lastUse is the last sign-in; of an account that nobody has used, its beginning.
func (a Account) lastUse() time.Time {
	if a.ActiveAt.After(a.Starts) {
		return a.ActiveAt
	}
	return a.Starts
}

// Acts reports whether the account may act at an instant.
func (a Account) Acts(at time.Time) bool { return a.StateAt(at) == Active && !at.Before(a.Starts) }

// StateAt is what the account is at an instant, its organisation considered.
func (s Standing) StateAt(at time.Time) string {
	state := s.Account.StateAt(at)
	if s.Organisation.State == Ended && (state == Active || state == Invited) {
		return Ended
	}
	return state
}

// over reports whether the account is anything but active. It says nothing of the beginning, which is the
// instant of creation: a clock one step behind shuts no page.
func (s Standing) over(at time.Time) bool { return s.StateAt(at) != Active }

// StandIn reports whether the account is a replacement that nobody has confirmed yet: it opens persons
// whom a link entrusts to it and does nothing else.
func (a Account) StandIn() bool { return !a.StandInEnds.IsZero() }

// Activity proves when an account was last signed in with.
func (d *Directory) Activity(a ecluse.AccountID, at time.Time) []byte {
	return d.keys.MAC(activityDomain, Account{ID: a, ActiveAt: at}.activity())
}

func (a Account) activity() []byte { return row(int64(a.ID), a.ActiveAt) }

// Subject is who somebody is to a provider: what accounts are keyed on.
type Subject struct{ IDP, Sub string }

// Binding is a subject with the account that it was first bound to, whatever became of that account: its
// meters and what it has seen follow the subject.
type Binding struct {
	Subject
	Account ecluse.AccountID
	Since   time.Time
	MAC     []byte
}

func (b Binding) canonical() []byte { return row(b.IDP, b.Sub, int64(b.Account), b.Since) }

// binding is the row for the subject that an account is bound to.
func (d *Directory) binding(a Account, at time.Time) Binding {
	b := Binding{Subject: Subject{a.IDP, a.Sub}, Account: a.ID, Since: at}
	b.MAC = d.keys.MAC(bindingDomain, b.canonical())
	return b
}
