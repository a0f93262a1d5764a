package store

import (
	"context"
	"errors"

	"ecluse"
	"ecluse/internal/ledger"
)

var (
	dropRawEntries = define("drop raw entries", `DELETE FROM entries WHERE n >= $1`)
	dropRawMeters  = define("drop raw meters", `DELETE FROM meters WHERE holder_id >= $1`)
	dropRawSeen    = define("drop raw seen", `DELETE FROM seen WHERE account_id >= $1`)
)

// SaveRaw writes a batch in one transaction that takes no lock, reads nothing and decides nothing: the
// yardstick that `ecluse bench gate` measures the append against. It is for throw-away databases.
func (db *DB) SaveRaw(ctx context.Context, w ledger.Writes) error {
	return db.short(ctx, func(t *Tx) error { return t.Save(ctx, w) })
}

// DropRaw deletes what SaveRaw wrote: entries from n on, meters and seen of holders from a number on.
func (db *DB) DropRaw(ctx context.Context, n ecluse.EntryNumber, holder int64) error {
	return db.short(ctx, func(t *Tx) error {
		return errors.Join(t.exec(ctx, dropRawEntries, int64(n)), t.exec(ctx, dropRawMeters, holder), t.exec(ctx, dropRawSeen, holder))
	})
}
