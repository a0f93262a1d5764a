package store

import (
	"context"

	"ecluse/internal/ledger"
)

// SaveRaw writes a batch in one transaction that takes no lock, reads nothing and decides nothing: the
// yardstick that `ecluse bench gate` measures the append against. It is for throw-away databases.
func (db *DB) SaveRaw(ctx context.Context, w ledger.Writes) error {
	tx, done, err := db.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	t := &Tx{db: db, tx: tx, pool: db.writer}
	if err := t.Save(ctx, w); err != nil {
		return err
	}
	return tx.Commit()
}
