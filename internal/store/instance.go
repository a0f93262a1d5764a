package store

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors of an installation's identity.
var (
	// ErrNoInstance: the database is migrated but holds no installation; run `ecluse init`.
	ErrNoInstance = errors.New("the database holds no installation")
	// ErrInstanceExists: the database holds an installation already.
	ErrInstanceExists = errors.New("the database holds an installation already")
	// ErrWrongKeys: the key file belongs to another installation.
	ErrWrongKeys = errors.New("the key file is not the one that this database was made with")
	// ErrDemo: a demo database where a real one is expected, or the reverse.
	ErrDemo = errors.New("demo databases are for ecluse demo only, and real ones for ecluse serve")
)

// Instance is what a database says of the installation it belongs to.
type Instance struct {
	Name        string // random, written at creation
	Demo        bool
	ClockOffset time.Duration // by which the demo's clock runs ahead
	keyCheck    []byte
}

var (
	createInstance = define("create instance", `INSERT INTO heads (id, n, at, rev, frontier, next_id, instance, key_check, demo, clock_offset)
		VALUES (1, 0, $1, 1, $2, 1, $3, $4, $5, 0)`)
	readInstance = define("read instance", `SELECT instance, key_check, demo, clock_offset FROM heads WHERE id = 1`)
	advanceClock = define("advance demo clock", `UPDATE heads SET clock_offset = clock_offset + $1 WHERE id = 1 AND demo`)
)

// CreateInstance writes the one row of heads. keyCheck is keys.Keys.Check.
func (db *DB) CreateInstance(ctx context.Context, now time.Time, keyCheck []byte, demo bool) error {
	if _, err := db.Instance(ctx); err == nil {
		return ErrInstanceExists
	} else if !errors.Is(err, ErrNoInstance) {
		return err // an unfinished restore among them
	}
	return db.short(ctx, func(t *Tx) error {
		return t.exec(ctx, createInstance, micros(now), []byte{}, rand.Text(), keyCheck, demo)
	})
}

// Instance reads it back: ErrNoInstance; ErrUnfinished, with the instance, while it is being restored.
func (db *DB) Instance(ctx context.Context) (Instance, error) {
	var i Instance
	var offset int64
	err := db.row(ctx, readInstance, nil, &i.Name, &i.keyCheck, &i.Demo, &offset)
	if errors.Is(err, sql.ErrNoRows) {
		return i, ErrNoInstance
	}
	i.ClockOffset = time.Duration(offset) * time.Microsecond
	if err == nil && strings.HasPrefix(i.Name, restoring) {
		i.Name, err = strings.TrimPrefix(i.Name, restoring), ErrUnfinished
	}
	return i, err
}

// Belongs checks that a key file and the kind of use are the instance's: ErrWrongKeys, ErrDemo.
func (i Instance) Belongs(keyCheck []byte, demo bool) error {
	if subtle.ConstantTimeCompare(i.keyCheck, keyCheck) != 1 {
		return ErrWrongKeys
	}
	if i.Demo != demo {
		return ErrDemo
	}
	return nil
}

// AdvanceClock moves a demo's clock; a real installation has none to move.
func (db *DB) AdvanceClock(ctx context.Context, by time.Duration) error {
	if by < 0 {
		return fmt.Errorf("advance the demo's clock: %w", errNotOne)
	}
	return db.short(ctx, func(t *Tx) error { return t.execOne(ctx, advanceClock, by.Microseconds()) })
}
