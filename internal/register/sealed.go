package register

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ecluse"
	"ecluse/internal/keys"
)

// ErrDead: the row of a register, of one of its controllers or of its imports was written around the
// program. Nothing of the register opens.
var ErrDead = errors.New("a register was altered around the program: its MAC does not hold")

// Seals make the MACs of rows that only the database can complete. A Store calls them inside its
// transaction.
type Seals struct {
	// Controller is the MAC of a controller's row.
	Controller func(Controller) []byte
	// Register is the MAC of a register's row as it is now. before is the row as it was when its last MAC
	// was made; it is checked, unless the row is new (MAC empty): ErrDead.
	Register func(before, now StoredRegister) ([]byte, error)
}

func seals(k *keys.Keys) Seals {
	return Seals{
		Controller: func(c Controller) []byte { return controllerMAC(k, c) },
		Register: func(before, now StoredRegister) ([]byte, error) {
			if len(before.MAC) > 0 {
				if err := authentic(k, before); err != nil {
					return nil, err
				}
			}
			return registerMAC(k, now), nil
		},
	}
}

func controllerMAC(k *keys.Keys, c Controller) []byte {
	return k.ControllerMAC(int64(c.ID), c.Code, c.Name, c.DPO)
}

// registerMAC covers all that a register's rows say: the definition, the keyset, how many persons there are
// (the breaker is a share of them), the controllers, and which imports are published.
func registerMAC(k *keys.Keys, r StoredRegister) []byte {
	values := []any{int64(r.ID), r.Code, r.Definition, r.Digest, r.Keyset, r.Persons, int64(len(r.Controllers))}
	for _, c := range r.Controllers {
		values = append(values, int64(c.ID), c.Code, c.Name, c.DPO, strings.Join(c.Roles, " "), c.Rule)
	}
	for _, v := range r.Published {
		values = append(values, int64(v))
	}
	return k.MAC("register/registers/v1", keys.Canonical(values...))
}

// authentic checks a register's rows: ErrDead.
func authentic(k *keys.Keys, r StoredRegister) error {
	dead := !hmac.Equal(r.MAC, registerMAC(k, r)) || slices.ContainsFunc(r.Controllers, func(c StoredController) bool {
		return !hmac.Equal(c.MAC, controllerMAC(k, c.Controller))
	})
	if dead {
		return fmt.Errorf("register %d: %w", r.ID, ErrDead)
	}
	return nil
}

// Before is the register as it was before an import was published and created so many persons.
func (r StoredRegister) Before(published ecluse.VersionID, created int64) StoredRegister {
	r.Persons -= created
	r.Published = slices.DeleteFunc(slices.Clone(r.Published), func(v ecluse.VersionID) bool { return v == published })
	return r
}
