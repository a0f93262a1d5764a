package ledger

import (
	"context"
	"time"

	"ecluse"
	"ecluse/internal/keys"

	"golang.org/x/mod/sumdb/tlog"
)

// Preload appends made-up entries, hashed into the tree like all others, so that `ecluse bench` can
// measure a ledger of some age. It charges nothing and moves no chain: the accounts and persons of its
// entries must not exist. It is for throw-away databases.
func Preload(ctx context.Context, store Store, k *keys.Keys, now time.Time, count int, entry func(n ecluse.EntryNumber, at time.Time) Entry) error {
	return store.Loaded(ctx, now, LoadKeys{}, func(tx Tx, _ State) error {
		head := tx.Head()
		period, err := k.Period(head.At)
		if err != nil {
			return err
		}
		before := head.Frontier.Size()
		var w Writes
		var leaves []tlog.Hash
		for range count {
			e := entry(head.N, head.At)
			e.Format = Format
			e.Leaf = leafOf(&e, period)
			leaves = append(leaves, e.Leaf)
			head.Frontier.add(e.Leaf)
			head.N++
			w.Entries = append(w.Entries, e)
		}
		if w.Tiles, err = completeTiles(ctx, tx, before, leaves); err != nil {
			return err
		}
		return tx.Save(ctx, w)
	})
}
