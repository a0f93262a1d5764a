package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/signin"
)

var (
	_ directory.FactorTx = (*Tx)(nil)
	_ signin.Tx          = (*Tx)(nil)
)

const factorColumns = `id, account_id, kind, name, state, secret, sign_count, last_step, session_id, created, used_at, ended_at, entry, mac`

// Statements of own factors, of the sessions that they are proven in, and of wrong codes.
var (
	readFactors = define("read factors", `SELECT `+factorColumns+` FROM factors WHERE account_id = $1 AND state <> 'ended' ORDER BY id`)
	putFactor   = define("put factor", `INSERT INTO factors (`+factorColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, secret = excluded.secret, sign_count = excluded.sign_count,
		last_step = excluded.last_step, used_at = excluded.used_at, ended_at = excluded.ended_at, entry = excluded.entry, mac = excluded.mac`)

	sessionByID   = define("session by id", `SELECT `+sessionColumns+` FROM sessions WHERE id = $1`)
	stepUpSession = define("step up session", `UPDATE sessions SET secret_hash = $3, id_token = $4, factor_at = $5, factor = $6, challenge = $7
		WHERE id = $1 AND secret_hash = $2 AND revoked_at = 0`)
	setChallenge  = define("set challenge", `UPDATE sessions SET challenge = $3 WHERE id = $1 AND secret_hash = $2 AND revoked_at = 0`)
	takeChallenge = define("take challenge", `UPDATE sessions SET challenge = $3 WHERE id = $1 AND challenge = $2`)
	endSession    = define("end session", `UPDATE sessions SET revoked_at = $3 WHERE id = $2 AND account_id = $1 AND revoked_at = 0 AND ends > $3`)
	endOthers     = define("end other sessions", `UPDATE sessions SET revoked_at = $3 WHERE account_id = $1 AND id <> $2 AND revoked_at = 0 AND ends > $3`)
	endedSessions = define("ended sessions", `SELECT id FROM sessions WHERE account_id = $1 AND created > $2 AND revoked_at <> 0`)
	knownPlace    = define("known place", `SELECT COUNT(*), COALESCE(SUM(CASE WHEN device = $2 THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN network = $3 THEN 1 ELSE 0 END), 0) FROM sessions WHERE account_id = $1 AND client_id = 0 AND device <> ''`)
	provenDevice = define("proven device", `SELECT COUNT(*) FROM sessions WHERE account_id = $1 AND device = $2 AND factor_at > 0`)

	readTries = define("read tries", `SELECT failures, last_at FROM tries WHERE account_id = $1 AND device = $2`)
	putTries  = define("put tries", `INSERT INTO tries (account_id, device, failures, last_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id, device) DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at`)
)

func scanFactor(s scanner) (directory.Factor, error) {
	var f directory.Factor
	var created, used, ended int64
	err := s.Scan(&f.ID, &f.Account, &f.Kind, &f.Name, &f.State, &f.Secret, &f.SignCount, &f.LastStep, &f.Session, &created, &used, &ended,
		&f.Entry, &f.MAC)
	f.Created, f.UsedAt, f.EndedAt = fromMicros(created), fromMicros(used), fromMicros(ended)
	return f, err
}

// Factors implements directory.FactorRows.
func (db *DB) Factors(ctx context.Context, account ecluse.AccountID) ([]directory.Factor, error) {
	return list(ctx, db, readFactors, scanFactor, int64(account))
}

// Factors implements directory.FactorTx.
func (t *Tx) Factors(ctx context.Context, account ecluse.AccountID) ([]directory.Factor, error) {
	return list(ctx, t, readFactors, scanFactor, int64(account))
}

// PutFactor implements directory.FactorTx.
func (t *Tx) PutFactor(ctx context.Context, f directory.Factor) error {
	return t.exec(ctx, putFactor, int64(f.ID), int64(f.Account), f.Kind, f.Name, f.State, f.Secret, f.SignCount, f.LastStep, int64(f.Session),
		micros(f.Created), micros(f.UsedAt), micros(f.EndedAt), int64(f.Entry), f.MAC)
}

// EndSession implements directory.FactorTx.
func (t *Tx) EndSession(ctx context.Context, account ecluse.AccountID, session ecluse.SessionID, at time.Time) (int, error) {
	return t.count(ctx, endSession, int64(account), int64(session), micros(at))
}

// EndOtherSessions implements directory.FactorTx.
func (t *Tx) EndOtherSessions(ctx context.Context, account ecluse.AccountID, but ecluse.SessionID, at time.Time) (int, error) {
	return t.count(ctx, endOthers, int64(account), int64(but), micros(at))
}

// count runs a change and says how many rows it hit.
func (t *Tx) count(ctx context.Context, s *statement, args ...any) (int, error) {
	res, err := t.result(ctx, s, args)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// EndedSessions implements directory.FactorRows.
func (db *DB) EndedSessions(ctx context.Context, account ecluse.AccountID, since time.Time) ([]ecluse.SessionID, error) {
	return list(ctx, db, endedSessions, func(s scanner) (id ecluse.SessionID, err error) { return id, s.Scan(&id) }, int64(account), micros(since))
}

// KnownPlace implements signin.Store.
func (db *DB) KnownPlace(ctx context.Context, account ecluse.AccountID, device, network string) (p signin.Place, err error) {
	return p, db.row(ctx, knownPlace, []any{int64(account), device, network}, &p.Sessions, &p.FromDevice, &p.FromNetwork)
}

// SetChallenge implements signin.Store.
func (db *DB) SetChallenge(ctx context.Context, s signin.Session, challenge []byte) error {
	err := db.short(ctx, func(t *Tx) error { return t.execOne(ctx, setChallenge, int64(s.ID), s.Hash, challenge) })
	return goneOr("set challenge", err, signin.ErrNoSession)
}

// TakeChallenge implements signin.Store.
func (db *DB) TakeChallenge(ctx context.Context, s signin.Session) error {
	err := db.short(ctx, func(t *Tx) error { return t.execOne(ctx, takeChallenge, int64(s.ID), s.Challenge, []byte{}) })
	return goneOr("take challenge", err, signin.ErrChallenge)
}

// Tries implements signin.Store.
func (db *DB) Tries(ctx context.Context, account ecluse.AccountID, device string) (signin.Tries, error) {
	return tries(ctx, db, account, device)
}

// Tries implements signin.Tx.
func (t *Tx) Tries(ctx context.Context, account ecluse.AccountID, device string) (signin.Tries, error) {
	return tries(ctx, t, account, device)
}

// tries reads the wrong codes of a browser, or of all browsers that have proven nothing.
func tries(ctx context.Context, from reading, account ecluse.AccountID, device string) (got signin.Tries, err error) {
	var proven int
	if err := single(ctx, from, provenDevice, []any{int64(account), device}, []any{&proven}); err != nil {
		return got, err
	}
	if proven > 0 && device != "" {
		got.Device = device
	}
	err = from.query(ctx, readTries, func(rows *sql.Rows) error {
		var last int64
		err := rows.Scan(&got.Failures, &last)
		got.Last = fromMicros(last)
		return err
	}, int64(account), got.Device)
	return got, err
}

// PutTries implements signin.Tx.
func (t *Tx) PutTries(ctx context.Context, account ecluse.AccountID, tries signin.Tries) error {
	return t.exec(ctx, putTries, int64(account), tries.Device, tries.Failures, micros(tries.Last))
}

// Session implements signin.Tx.
func (t *Tx) Session(ctx context.Context, id ecluse.SessionID) (signin.Session, error) {
	found := signin.Session{}
	err := t.query(ctx, sessionByID, func(rows *sql.Rows) error { return scanSession(rows, &found) }, int64(id))
	if err == nil && found.ID == 0 {
		err = signin.ErrNoSession
	}
	return found, err
}

// StepUp implements signin.Tx.
func (t *Tx) StepUp(ctx context.Context, before []byte, s signin.Session) error {
	err := t.execOne(ctx, stepUpSession, int64(s.ID), before, s.Hash, s.IDToken, micros(s.FactorAt), s.Factor, []byte{})
	return goneOr("step up session", err, signin.ErrNoSession)
}

// goneOr answers gone where the row was not in the state that the change asked for.
func goneOr(what string, err, gone error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNotOne):
		return gone
	}
	return busyOr(what, err)
}
