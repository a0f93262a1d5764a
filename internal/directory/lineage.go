package directory

import (
	"context"

	"ecluse"
)

// apart reports whether two accounts are different people as far as the directory can tell: different
// accounts and identities, neither in the other's lineage, no ancestor contained.
func (d *Directory) apart(ctx context.Context, one, other ecluse.AccountID) (bool, error) {
	mine, err := d.lineage(ctx, one)
	if err != nil {
		return false, err
	}
	theirs, err := d.lineage(ctx, other)
	if err != nil {
		return false, err
	}
	return distinct(mine[0], theirs) && distinct(theirs[0], mine) && !contained(mine) && !contained(theirs), nil
}

func distinct(a Account, line []Account) bool {
	for _, o := range line {
		if o.ID == a.ID || o.Sub != "" && o.IDP == a.IDP && o.Sub == a.Sub {
			return false
		}
	}
	return true
}

func contained(line []Account) bool {
	for _, a := range line {
		if a.State == Suspended {
			return true
		}
	}
	return false
}
