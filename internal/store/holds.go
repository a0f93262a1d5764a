package store

import (
	"context"
	"time"

	"ecluse"
)

// Hold postpones retention: nothing that was written from Since on is removed while it is in force.
type Hold struct {
	ID       ecluse.EntryNumber // the entry that made it
	Since    time.Time          // zero = all that is there
	Reason   []byte             // sealed
	MadeBy   string             // cli:user@host
	At       time.Time
	EndedAt  time.Time // zero = in force
	EndedBy  string
	EndEntry ecluse.EntryNumber
	MAC      []byte
}

const holdColumns = `id, since, reason, made_by, at, ended_at, ended_by, end_entry, mac`

var (
	// Holds are few: one for each case that ever was.
	readHolds   = defineScan("read holds", `SELECT `+holdColumns+` FROM holds ORDER BY id`)
	holdEntries = defineScan("entries of holds", `SELECT n FROM entries WHERE kind = 'hold' ORDER BY n`)
	insertHold  = define("insert hold", `INSERT INTO holds (`+holdColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`)
	endHold     = define("end hold", `UPDATE holds SET ended_at = $2, ended_by = $3, end_entry = $4, mac = $5 WHERE id = $1 AND ended_at = 0`)
)

// Holds are all holds, ended ones included, oldest first.
func (db *DB) Holds(ctx context.Context) ([]Hold, error) {
	return list(ctx, db, readHolds, func(s scanner) (Hold, error) {
		var h Hold
		var since, at, ended int64
		err := s.Scan(&h.ID, &since, &h.Reason, &h.MadeBy, &at, &ended, &h.EndedBy, &h.EndEntry, &h.MAC)
		h.Since, h.At, h.EndedAt = fromMicros(since), fromMicros(at), fromMicros(ended)
		return h, err
	})
}

// HoldEntries are the numbers of the ledger's entries about holds. It reads the whole table.
func (db *DB) HoldEntries(ctx context.Context) ([]ecluse.EntryNumber, error) {
	return list(ctx, db, holdEntries, func(s scanner) (n ecluse.EntryNumber, err error) { return n, s.Scan(&n) })
}

// InsertHold writes a new hold.
func (t *Tx) InsertHold(ctx context.Context, h Hold) error {
	return t.exec(ctx, insertHold, int64(h.ID), micros(h.Since), h.Reason, h.MadeBy, micros(h.At), micros(h.EndedAt), h.EndedBy, int64(h.EndEntry), h.MAC)
}

// EndHold writes the end of a hold that is in force; of another it changes nothing.
func (t *Tx) EndHold(ctx context.Context, h Hold) error {
	return t.exec(ctx, endHold, int64(h.ID), micros(h.EndedAt), h.EndedBy, int64(h.EndEntry), h.MAC)
}
