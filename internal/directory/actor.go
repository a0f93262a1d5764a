package directory

import (
	"context"
	"errors"

	"ecluse"
)

// Errors of whoever acts.
var (
	// ErrInactive: the account is suspended or ended.
	ErrInactive = errors.New("this account may not act at present")
	// ErrWeak: the session was not opened with a means of sign-in strong enough for this.
	ErrWeak = errors.New("this needs a stronger means of sign-in")
	// ErrSessionEnded: the session that somebody acts in was ended meanwhile.
	ErrSessionEnded = errors.New("the session was ended")
)

// Actor is who asks for or decides something, and how they proved themselves.
type Actor struct {
	Account ecluse.AccountID
	Session ecluse.SessionID
	CLI     string // cli:user@host, for commands
	Device  string // number of the browser, "" for commands
	Network string // prefix of the address, "" for commands
	Assured bool   // signed in by a means that the provider's configuration accepts
	Strong  bool   // by one that it calls strong, or with an own second factor a moment ago
}

// proof is how well an act wants its actor proven.
type proof int

const (
	assured   proof = iota // signed in as the configuration wants it
	sensitive              // strongly besides: to ask for, approve, raise, contain
)

// actor is the standing of whoever acts: the one place where it is checked that they may, at present and
// in this session. Errors: ErrInactive, ErrSessionEnded, ErrWeak.
func (d *Directory) actor(ctx context.Context, by Actor, want proof) (Standing, error) {
	s, err := d.Standing(ctx, by.Account)
	switch {
	case err != nil:
		return s, err
	case s.over(d.now()):
		return s, ErrInactive
	case s.Ended(by.Session):
		return s, ErrSessionEnded
	case !by.Assured, want == sensitive && !by.Strong:
		return s, ErrWeak
	}
	return s, nil
}
