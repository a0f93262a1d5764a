package directory

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"ecluse"
)

// ClientIDP stands in the place of an identity provider in accounts of programs: their identifier
// (client_id) is the subject. No configured provider has this name.
const ClientIDP = "client"

// ErrProgram: an account of a program is not as such an account must be.
var ErrProgram = errors.New("a program is of an organisation, holds the role agent alone, under an agreement, and keeps an identifier of 3 to 64 of a-z, 0-9, dot and hyphen")

var clientID = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,62}[a-z0-9]$`)

// checkProgram: programs ask for, decide and manage nothing, whoever asks for that in whatever way.
func checkProgram(a Account, c AccountChange) error {
	if a.Kind != KindClient {
		return nil
	}
	if a.State == Ended {
		return nil
	}
	alone := slices.Equal(c.Roles, []ecluse.Role{ecluse.RoleAgent}) && len(c.Agreements) > 0
	if a.Organisation == 0 || !alone || a.IDP != ClientIDP || !clientID.MatchString(a.Sub) {
		return fmt.Errorf("account %d: %w", a.ID, ErrProgram)
	}
	return nil
}
