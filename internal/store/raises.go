package store

import (
	"context"
	"database/sql"
	"time"

	"ecluse"
	"ecluse/internal/directory"
)

const (
	raiseColumns       = `id, account_id, register_id, made_by, reason, starts, ends, entry, mac`
	observationColumns = `register_id, controller_id, requested_by, approved_by, starts, ends, entry, mac`
)

var (
	readRaises = define("read raises", `SELECT `+raiseColumns+` FROM raises WHERE account_id = $1 AND ends > $2 ORDER BY id`)
	readAgents = define("read agents of organisation", `SELECT `+accountColumns+` FROM accounts a WHERE a.organisation_id = $1 AND a.state = 'active'
		AND EXISTS (SELECT 1 FROM grants g JOIN agreements c ON c.id = g.agreement_id
			WHERE g.account_id = a.id AND g.role = 'agent' AND c.organisation_id = $1 AND c.register_id = $2)
		ORDER BY a.usual_name, a.given_name, a.id`)
	readObservations = defineScan("read observations", `SELECT `+observationColumns+` FROM observations ORDER BY register_id, controller_id`)
	insertRaise      = define("insert raise", `INSERT INTO raises (`+raiseColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`)
	putObservation   = define("put observation", `INSERT INTO observations (`+observationColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (register_id, controller_id) DO UPDATE SET requested_by = excluded.requested_by,
		approved_by = excluded.approved_by, starts = excluded.starts, ends = excluded.ends, entry = excluded.entry, mac = excluded.mac`)
)

func scanRaise(s scanner) (directory.Raise, error) {
	var r directory.Raise
	var starts, ends int64
	err := s.Scan(&r.ID, &r.Account, &r.Register, &r.MadeBy, &r.Reason, &starts, &ends, &r.Entry, &r.MAC)
	r.Starts, r.Ends = fromMicros(starts), fromMicros(ends)
	return r, err
}

// Raises are an account's raises that end after an instant.
func (db *DB) Raises(ctx context.Context, a ecluse.AccountID, after time.Time) ([]directory.Raise, error) {
	return list(ctx, db, readRaises, scanRaise, int64(a), micros(after))
}

// Agents are an organisation's active accounts with a grant as agent on a register, by name.
func (db *DB) Agents(ctx context.Context, o ecluse.OrganisationID, r ecluse.RegisterID) ([]directory.Account, error) {
	return list(ctx, db, readAgents, scanAccount, int64(o), int64(r))
}

// Observations are those of all registers, ended ones included.
func (db *DB) Observations(ctx context.Context) ([]directory.Observation, error) {
	return list(ctx, db, readObservations, scanObservation)
}

func scanObservation(s scanner) (directory.Observation, error) {
	var o directory.Observation
	var starts, ends int64
	err := s.Scan(&o.Register, &o.Controller, &o.RequestedBy, &o.ApprovedBy, &starts, &ends, &o.Entry, &o.MAC)
	o.Starts, o.Ends = fromMicros(starts), fromMicros(ends)
	return o, err
}

// Raises are an account's raises that end after an instant, with those of this transaction.
func (t *Tx) Raises(ctx context.Context, a ecluse.AccountID, after time.Time) ([]directory.Raise, error) {
	var found []directory.Raise
	err := t.query(ctx, readRaises, func(rows *sql.Rows) error {
		r, err := scanRaise(rows)
		found = append(found, r)
		return err
	}, int64(a), micros(after))
	return found, err
}

// InsertRaise writes a raise.
func (t *Tx) InsertRaise(ctx context.Context, r directory.Raise) error {
	return t.exec(ctx, insertRaise, int64(r.ID), int64(r.Account), int64(r.Register), int64(r.MadeBy), r.Reason, micros(r.Starts), micros(r.Ends),
		int64(r.Entry), r.MAC)
}

// PutObservation writes the observation of a register and controller, new or changed.
func (t *Tx) PutObservation(ctx context.Context, o directory.Observation) error {
	return t.exec(ctx, putObservation, int64(o.Register), int64(o.Controller), int64(o.RequestedBy), int64(o.ApprovedBy), micros(o.Starts),
		micros(o.Ends), int64(o.Entry), o.MAC)
}
