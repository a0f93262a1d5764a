package store

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// SQLite copies its write-ahead log back into the database file at a checkpoint. Left to itself it does
// so inside the COMMIT that makes the log too long, which then takes ten times as long as others; so a
// goroutine does it beside the writer.
const (
	checkpointPeriod = 200 * time.Millisecond
	walPages         = 16_384 // 64 MB: then the writer waits, once, until the log starts anew
)

// checkpointer copies the log back until stop.
type checkpointer struct {
	stop func()
	done sync.WaitGroup
}

func (db *DB) startCheckpoints() *checkpointer {
	ctx, cancel := context.WithCancel(context.Background())
	c := &checkpointer{stop: cancel}
	c.done.Go(func() {
		tick := time.NewTicker(checkpointPeriod)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				db.checkpoint(ctx)
			}
		}
	})
	return c
}

// checkpoint copies what it can without disturbing anybody, and lets the log start anew when it has
// grown too long. What fails now is tried again at the next tick; nothing depends on it but the size of
// the log.
func (db *DB) checkpoint(ctx context.Context) {
	log, err := walCheckpoint(ctx, db.checkpoints, "PRAGMA wal_checkpoint(PASSIVE)")
	if err != nil || log < walPages {
		return
	}
	select {
	case <-db.turn:
		defer db.pass()
		_, _ = walCheckpoint(ctx, db.checkpoints, "PRAGMA wal_checkpoint(RESTART)")
	case <-ctx.Done():
	}
}

// walCheckpoint answers how many pages the log holds.
func walCheckpoint(ctx context.Context, db *sql.DB, pragma string) (log int, err error) {
	var busy, copied int
	err = db.QueryRowContext(ctx, pragma).Scan(&busy, &log, &copied)
	return log, err
}
