package store

import (
	"context"

	"ecluse"
	"ecluse/internal/directory"
)

const trainingColumns = `account_id, register_id, exams, tries, since, ends, entry, mac`

// Statements of trainings.
var (
	readTrainings   = define("read trainings", `SELECT `+trainingColumns+` FROM trainings WHERE account_id = $1 ORDER BY register_id`)
	readTrainingsOf = define("read trainings of organisation", `SELECT `+trainingColumns+` FROM trainings
		WHERE account_id IN (SELECT id FROM accounts WHERE organisation_id = $1) ORDER BY account_id, register_id`)
	putTrainings = defineBulk("put trainings", `INSERT INTO trainings (`+trainingColumns+`) VALUES %s
		ON CONFLICT (account_id, register_id) DO UPDATE SET exams = excluded.exams, tries = excluded.tries, since = excluded.since,
		ends = excluded.ends, entry = excluded.entry, mac = excluded.mac`, "(?,?,?,?,?,?,?,?)", 0)
)

func scanTraining(s scanner) (directory.Training, error) {
	var t directory.Training
	var since, ends int64
	err := s.Scan(&t.Account, &t.Register, &t.Exams, &t.Tries, &since, &ends, &t.Entry, &t.MAC)
	t.Since, t.Ends = fromMicros(since), fromMicros(ends)
	return t, err
}

// Trainings are those of an account.
func (db *DB) Trainings(ctx context.Context, a ecluse.AccountID) ([]directory.Training, error) {
	return list(ctx, db, readTrainings, scanTraining, int64(a))
}

// TrainingsOf are those of an organisation's accounts.
func (db *DB) TrainingsOf(ctx context.Context, o ecluse.OrganisationID) ([]directory.Training, error) {
	return list(ctx, db, readTrainingsOf, scanTraining, int64(o))
}

// Trainings are those of an account, with those of this transaction.
func (t *Tx) Trainings(ctx context.Context, a ecluse.AccountID) ([]directory.Training, error) {
	return list(ctx, t, readTrainings, scanTraining, int64(a))
}

// PutTrainings writes those of accounts and registers, new or changed.
func (t *Tx) PutTrainings(ctx context.Context, trainings ...directory.Training) error {
	return putRows(ctx, t, putTrainings, trainings, func(one directory.Training) []any {
		return []any{
			int64(one.Account), int64(one.Register), one.Exams, one.Tries, micros(one.Since), micros(one.Ends), int64(one.Entry), one.MAC,
		}
	})
}
