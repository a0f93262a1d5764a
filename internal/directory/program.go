package directory

import (
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
