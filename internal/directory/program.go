package directory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"ecluse"
)

// ClientIDP stands in the place of an identity provider in accounts of programs: their identifier
// (client_id) is the subject. No configured provider has this name.
const ClientIDP = "client"

// ErrProgram: an account of a program is not as such an account must be.
var ErrProgram = errors.New("a program is of an organisation, holds the role agent alone, under an agreement, and keeps an identifier of 3 to 64 of a-z, 0-9, dot and hyphen")

var clientID = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,62}[a-z0-9]$`)

// since reports whether something came into being during the present life of an account: what an ended
// one had does not come back with the next one of its identifier.
func (a Account) since(made time.Time) bool { return !made.Before(a.Starts) }

// NewClientID is an identifier for a new program.
func NewClientID() string { return "c-" + strings.ToLower(rand.Text()[:16]) }

// checkProgram: programs ask for, decide and manage nothing, whoever asks for that in whatever way.
func checkProgram(a Account, c AccountChange) error {
	if a.Kind != KindClient {
		return nil
	}
	if a.State == Ended {
		return nil
	}
	alone := slices.Equal(c.Roles, []ecluse.Role{ecluse.RoleAgent}) && len(c.Agreements) > 0
	if a.Organisation == 0 || !alone || c.Relink || c.StandIn || a.IDP != ClientIDP || !clientID.MatchString(a.Sub) {
		return fmt.Errorf("account %d: %w", a.ID, ErrProgram)
	}
	return nil
}

// Client is a program as those see it who look after it.
type Client struct {
	Account
	Place  string // its organisation's name
	Status string // at present
	Keys   []ClientKey
}

// Clients are the programs that the account looks after, by name: those of its own organisation, or all of
// its body. Rows written around the program are left out. Errors: ErrNotFound (it looks after none),
// ErrInactive, ErrWeak.
func (d *Directory) Clients(ctx context.Context, by Actor) ([]Client, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return nil, err
	}
	var found []Account
	switch staff := s.Has(ecluse.RoleAccessOfficer) || s.Has(ecluse.RoleAdmin) || s.Has(ecluse.RoleSecurityOfficer); {
	case s.Account.Organisation == 0 && staff:
		found, err = d.rows.BodyClients(ctx, s.Controller.ID)
	case s.Account.Organisation != 0 && s.Has(ecluse.RoleAccountManager):
		found, err = d.rows.ClientsOf(ctx, s.Account.Organisation)
	default:
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read the programs: %w", err)
	}
	var list []Client
	for _, a := range found {
		if d.checkAccount(a) != nil {
			continue
		}
		c := Client{Account: a, Status: a.StateAt(d.now())}
		if c.Place, err = d.NameOf(ctx, a.Organisation); err != nil && !errors.Is(err, ErrDead) {
			return nil, fmt.Errorf("read organisation %d: %w", a.Organisation, err)
		}
		keys, err := d.rows.ClientKeys(ctx, a.ID)
		if err != nil {
			return nil, fmt.Errorf("read the keys of account %d: %w", a.ID, err)
		}
		c.Keys = slices.DeleteFunc(keys, func(k ClientKey) bool { return !a.since(k.Created) || !d.validKey(k) })
		list = append(list, c)
	}
	return list, nil
}
