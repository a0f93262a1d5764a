package store

import (
	"context"
	"database/sql"
	"slices"

	"ecluse"
)

// sweepPage is how many rows a sweep looks at before it deletes some of them in one transaction.
const sweepPage = 512

// Sweep deletes the records and blind indexes of a register's abandoned imports, page by page in short
// transactions. Nobody ever saw these rows. It reads whole tables, so it runs only after a failure.
func (db *DB) Sweep(ctx context.Context, reg ecluse.RegisterID) error {
	var abandoned []int64
	err := db.query(ctx, abandonedImports, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		abandoned = append(abandoned, id)
		return err
	}, int64(reg))
	if err != nil || len(abandoned) == 0 {
		return err
	}
	if err := db.sweepRecords(ctx, abandoned); err != nil {
		return err
	}
	if err := db.sweepLookups(ctx, reg, abandoned); err != nil {
		return err
	}
	return db.short(ctx, func(t *Tx) error {
		for _, id := range abandoned {
			if err := t.exec(ctx, sweptImport, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (db *DB) sweepRecords(ctx context.Context, abandoned []int64) error {
	var person, version int64
	for {
		var dead [][]any
		seen := 0
		err := db.query(ctx, pageRecords, func(rows *sql.Rows) error {
			err := rows.Scan(&person, &version)
			if slices.Contains(abandoned, version) {
				dead = append(dead, []any{person, version})
			}
			seen++
			return err
		}, person, version, sweepPage)
		if err != nil {
			return err
		}
		if err := db.deleteAll(ctx, deleteRecord, dead); err != nil || seen < sweepPage {
			return err
		}
	}
}

func (db *DB) sweepLookups(ctx context.Context, reg ecluse.RegisterID, abandoned []int64) error {
	var kind, person, version int64
	key := []byte{}
	for {
		var dead [][]any
		seen := 0
		err := db.query(ctx, pageLookups, func(rows *sql.Rows) error {
			err := rows.Scan(&kind, &key, &person, &version)
			if slices.Contains(abandoned, version) {
				dead = append(dead, []any{int64(reg), kind, slices.Clone(key), person, version})
			}
			seen++
			return err
		}, int64(reg), kind, key, person, version, sweepPage)
		if err != nil {
			return err
		}
		if err := db.deleteAll(ctx, deleteLookup, dead); err != nil || seen < sweepPage {
			return err
		}
	}
}

func (db *DB) deleteAll(ctx context.Context, s *statement, dead [][]any) error {
	if len(dead) == 0 {
		return nil
	}
	return db.short(ctx, func(t *Tx) error {
		for _, args := range dead {
			if err := t.exec(ctx, s, args...); err != nil {
				return err
			}
		}
		return nil
	})
}
