package node

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ecluse"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/store"
)

// Errors of holds. Test with errors.Is.
var (
	// ErrReason: a hold takes a reason of 10 to 500 characters.
	ErrReason = errors.New("a reason of 10 to 500 characters is needed")
	// ErrSince: a hold begins in the past.
	ErrSince = errors.New("a hold begins before the present")
	// ErrNoHold: there is no such hold, or it has ended.
	ErrNoHold = errors.New("there is no such hold in force")
	// ErrSameHand: whoever made a hold does not end it.
	ErrSameHand = errors.New("whoever made a hold does not end it: somebody else has to")
	// ErrHoldAltered: a hold was altered, ended or removed around the program. Nothing is removed meanwhile.
	ErrHoldAltered = errors.New("a hold was altered, ended or removed around the program")
)

const (
	holdDomain    = "node/holds/v1"
	holdSealed    = "node/hold"
	maxHoldReason = 500
	minHoldReason = 10
)

// Hold is a hold as it is shown.
type Hold struct {
	ID      int64     `json:"id"` // the entry that made it
	Since   time.Time `json:"since,omitzero"`
	Reason  string    `json:"reason"`
	MadeBy  string    `json:"made_by"`
	At      time.Time `json:"at"`
	EndedAt time.Time `json:"ended_at,omitzero"`
	EndedBy string    `json:"ended_by,omitempty"`
}

func holdMAC(k *keys.Keys, h store.Hold) []byte {
	return k.MAC(holdDomain, keys.Canonical(int64(h.ID), h.Since, h.Reason, h.MadeBy, h.At, h.EndedAt, h.EndedBy, int64(h.EndEntry)))
}

// Hold keeps all that was written from an instant on (zero: all that is there) from retention until it is
// ended, for a case that is open: an incident, a contest, a request of a court. The reason is sealed; the
// entry commits to it. Errors: ErrReason, ErrSince.
func (n *Node) Hold(ctx context.Context, since time.Time, reason, by string) (Hold, error) {
	reason = strings.TrimSpace(reason)
	if l := utf8.RuneCountInString(reason); l < minHoldReason || l > maxHoldReason {
		return Hold{}, ErrReason
	}
	if since.After(n.Clock.Now()) {
		return Hold{}, ErrSince
	}
	sealed, err := n.Keys.Seal(holdSealed, []byte(reason), []byte(by))
	if err != nil {
		return Hold{}, fmt.Errorf("seal the reason: %w", err)
	}
	commitment := sha256.Sum256(sealed)
	row := store.Hold{Since: since, Reason: sealed, MadeBy: by}
	_, err = n.Ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindHold, Revision: ledger.AnyRevision, Detail: ledger.Detail{What: "made", Commitment: commitment[:], By: by},
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			row.ID, row.At = e.N, e.At
			row.MAC = holdMAC(n.Keys, row)
			return tx.(*store.Tx).InsertHold(ctx, row)
		},
	})
	if err != nil {
		return Hold{}, fmt.Errorf("write the hold down: %w", err)
	}
	return n.shownHold(row)
}

// EndHold ends a hold; by must be another operator than made it. Errors: ErrNoHold, ErrSameHand,
// ErrHoldAltered.
func (n *Node) EndHold(ctx context.Context, id int64, by string) error {
	rows, err := holdRows(ctx, n.Store, n.Keys)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(rows, func(h store.Hold) bool { return h.ID == ecluse.EntryNumber(id) && h.EndedAt.IsZero() })
	if i < 0 {
		return ErrNoHold
	}
	row := rows[i]
	if row.MadeBy == by {
		return ErrSameHand
	}
	_, err = n.Ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindHold, Revision: ledger.AnyRevision, Detail: ledger.Detail{What: "ended", Refers: id, By: by},
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			row.EndedAt, row.EndedBy, row.EndEntry = e.At, by, e.N
			row.MAC = holdMAC(n.Keys, row)
			return tx.(*store.Tx).EndHold(ctx, row)
		},
	})
	if err != nil {
		return fmt.Errorf("write the end of the hold down: %w", err)
	}
	return nil
}

// Holds are all holds, ended ones included: ErrHoldAltered.
func (n *Node) Holds(ctx context.Context) ([]Hold, error) {
	rows, err := holdRows(ctx, n.Store, n.Keys)
	if err != nil {
		return nil, err
	}
	all := make([]Hold, len(rows))
	for i, row := range rows {
		if all[i], err = n.shownHold(row); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (n *Node) shownHold(row store.Hold) (Hold, error) {
	reason, err := n.Keys.Unseal(holdSealed, row.Reason, []byte(row.MadeBy))
	if err != nil {
		return Hold{}, ErrHoldAltered
	}
	return Hold{int64(row.ID), row.Since, string(reason), row.MadeBy, row.At, row.EndedAt, row.EndedBy}, nil
}

// holdRows are the holds, if they are what the ledger says of them: ErrHoldAltered. The entry of a hold in
// force is kept by that very hold, so that none can be deleted, or put back as it was before its end, unseen.
func holdRows(ctx context.Context, db *store.DB, k *keys.Keys) ([]store.Hold, error) {
	rows, err := db.Holds(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the holds: %w", err)
	}
	said, err := holdsSaid(ctx, db, k)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if !hmac.Equal(row.MAC, holdMAC(k, row)) || row.EndedAt.IsZero() != said[row.ID] {
			return nil, ErrHoldAltered
		}
		delete(said, row.ID)
	}
	if len(said) > 0 {
		return nil, ErrHoldAltered
	}
	return rows, nil
}

// holdsSaid are the holds that are in force by the ledger.
func holdsSaid(ctx context.Context, db *store.DB, k *keys.Keys) (map[ecluse.EntryNumber]bool, error) {
	numbers, err := db.HoldEntries(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the entries of holds: %w", err)
	}
	said := map[ecluse.EntryNumber]bool{}
	for _, number := range numbers {
		e, err := ledger.ReadEntry(ctx, db, k, number)
		if err != nil {
			return nil, fmt.Errorf("read what the ledger says of holds: %w", err)
		}
		d, err := e.ReadDetail()
		if err != nil {
			return nil, fmt.Errorf("read entry %d: %w", number, err)
		}
		if d.What == "made" {
			said[number] = true
		} else {
			delete(said, ecluse.EntryNumber(d.Refers))
		}
	}
	return said, nil
}

// heldFrom is the instant from which on holds in force keep everything; ok is false without any.
func (n *Node) heldFrom(ctx context.Context) (from time.Time, ok bool, err error) {
	rows, err := holdRows(ctx, n.Store, n.Keys)
	for _, row := range rows {
		if row.EndedAt.IsZero() && (!ok || row.Since.Before(from)) {
			from, ok = row.Since, true
		}
	}
	return from, ok, err
}

// hold takes back every cutoff to what is held.
func hold(c store.Cutoffs, from time.Time) store.Cutoffs {
	for _, at := range []*time.Time{&c.Entries, &c.Justifications, &c.Network, &c.Seen, &c.Invitations, &c.Notices} {
		if from.Before(*at) {
			*at = from
		}
	}
	return c
}
