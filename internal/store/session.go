package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
	"ecluse/internal/signin"
)

var _ signin.Store = (*DB)(nil)

const sessionColumns = `id, account_id, secret_hash, provider, acr, id_token, device, browser, network, invited, created, stepped_at,
	factor_at, factor, challenge, idle_ends, ends, revoked_at`

// Statements of sessions. A secret's hash is taken once: that is what makes a sign-in serve once.
var (
	sessionsByHash = defineBulk("sessions by hash", `SELECT `+sessionColumns+` FROM sessions WHERE secret_hash IN (%s)`, "?", 0)
	startSession   = define("start session", `INSERT INTO sessions (`+sessionColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, '', $13, $14, $15, 0) ON CONFLICT (secret_hash) DO NOTHING`)
	resumeSession = define("resume session", `UPDATE sessions SET secret_hash = $3, provider = $4, acr = $5, id_token = $6, device = $7,
		browser = $8, network = $9, stepped_at = $10, factor_at = 0, factor = '', challenge = $11, idle_ends = $12
		WHERE id = $1 AND account_id = $2 AND revoked_at = 0 AND ends > $10
		AND NOT EXISTS (SELECT 1 FROM sessions taken WHERE taken.secret_hash = $3)`)
	touchSession = define("touch session", `UPDATE sessions SET idle_ends = $2
		WHERE id = $1 AND revoked_at = 0 AND idle_ends > $3 AND ends > $3 AND idle_ends < $2`)
	revokeSession = define("revoke session", `UPDATE sessions SET revoked_at = $3
		WHERE id = $1 AND account_id = $2 AND revoked_at = 0 AND ends > $3`)
	replaceSession  = define("replace session", `UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at = 0`)
	accountSessions = define("account sessions", `SELECT `+sessionColumns+` FROM sessions WHERE account_id = $1 AND client_id = 0
		ORDER BY created DESC LIMIT $2`)
)

// SessionByHash implements signin.Store.
func (db *DB) SessionByHash(ctx context.Context, hash []byte) (signin.Session, error) {
	found, err := db.sessions.get(ctx, []string{string(hash)})
	if err == nil && len(found) == 0 {
		err = signin.ErrNoSession
	}
	if err != nil {
		return signin.Session{}, err
	}
	return found[0], nil
}

func (db *DB) fetchSessions(ctx context.Context, hashes []string) (map[string][]signin.Session, error) {
	args := make([]any, len(hashes))
	for i, h := range hashes {
		args[i] = []byte(h)
	}
	args = fill(args, 0, 1)
	found := make(map[string][]signin.Session, len(hashes))
	err := db.looking().query(ctx, sessionsByHash.of(db.engine, len(args)), func(rows *sql.Rows) error {
		var s signin.Session
		err := scanSession(rows, &s)
		found[string(s.Hash)] = []signin.Session{s}
		return err
	}, args...)
	return found, err
}

// AccountSessions implements signin.Store.
func (db *DB) AccountSessions(ctx context.Context, account ecluse.AccountID, limit int) ([]signin.Session, error) {
	var all []signin.Session
	err := db.query(ctx, accountSessions, func(rows *sql.Rows) error {
		all = append(all, signin.Session{})
		return scanSession(rows, &all[len(all)-1])
	}, int64(account), limit)
	return all, err
}

// scanSession reads sessionColumns.
func scanSession(rows *sql.Rows, s *signin.Session) error {
	var created, stepped, factor, idle, ends, revoked int64
	err := rows.Scan(&s.ID, &s.Account, &s.Hash, &s.Provider, &s.ACR, &s.IDToken, &s.Device, &s.Browser, &s.Network, &s.Invited, &created, &stepped,
		&factor, &s.Factor, &s.Challenge, &idle, &ends, &revoked)
	s.Created, s.SteppedAt, s.FactorAt, s.IdleEnds = fromMicros(created), fromMicros(stepped), fromMicros(factor), fromMicros(idle)
	s.Ends, s.RevokedAt = fromMicros(ends), fromMicros(revoked)
	return err
}

// SaveSession implements signin.Store. It holds the head lock, as whoever writes accounts or notices
// does, and leaves ledger time as it is: a sign-in admits nothing.
func (db *DB) SaveSession(ctx context.Context, s signin.Session, replaces ecluse.SessionID, tell ...notice.Notice) (ecluse.SessionID, error) {
	id := s.ID
	err := db.Locked(ctx, time.Time{}, func(locked ledger.Tx) error {
		t, err := own(locked)
		if err != nil {
			return err
		}
		if id = s.ID; id == 0 {
			id = ecluse.SessionID(t.Allot(1))
		}
		if err := t.putSession(ctx, s, id); err != nil {
			return err
		}
		if replaces != 0 {
			if err := t.exec(ctx, replaceSession, int64(replaces), micros(s.SteppedAt)); err != nil {
				return err
			}
		}
		for i := range tell {
			tell[i].Subject = int64(id)
		}
		if err := t.InsertNotices(ctx, tell); err != nil {
			return err
		}
		return t.PutActivity(ctx, s.Account, s.SteppedAt, s.Activity)
	})
	if err != nil {
		return 0, busyOr("save session", err)
	}
	return id, nil
}

// putSession inserts s as id, or lets it go on under its new hash.
func (t *Tx) putSession(ctx context.Context, s signin.Session, id ecluse.SessionID) error {
	if s.ID == 0 {
		err := t.execOne(ctx, startSession, int64(id), int64(s.Account), s.Hash, s.Provider, s.ACR, s.IDToken, s.Device, s.Browser, s.Network,
			s.Invited, micros(s.Created), micros(s.SteppedAt), []byte{}, micros(s.IdleEnds), micros(s.Ends))
		if errors.Is(err, errNotOne) {
			return signin.ErrReplayed
		}
		return err
	}
	err := t.execOne(ctx, resumeSession, int64(id), int64(s.Account), s.Hash, s.Provider, s.ACR, s.IDToken, s.Device, s.Browser, s.Network,
		micros(s.SteppedAt), []byte{}, micros(s.IdleEnds))
	if !errors.Is(err, errNotOne) {
		return err
	}
	taken := signin.ErrNoSession
	if err := t.query(ctx, sessionsByHash.of(t.db.engine, 1), func(*sql.Rows) error { taken = signin.ErrReplayed; return nil }, s.Hash); err != nil {
		return err
	}
	return taken
}

// TouchSession implements signin.Store.
func (db *DB) TouchSession(ctx context.Context, id ecluse.SessionID, now, idleEnds time.Time) error {
	err := db.short(ctx, func(t *Tx) error { return t.exec(ctx, touchSession, int64(id), micros(idleEnds), micros(now)) })
	if err != nil {
		return busyOr("touch session", err)
	}
	return nil
}

// RevokeSession implements signin.Store: a sign-out, without the head lock. Whoever ends somebody's
// sessions uses EndSessions.
func (db *DB) RevokeSession(ctx context.Context, account ecluse.AccountID, session ecluse.SessionID, now time.Time) error {
	err := db.short(ctx, func(t *Tx) error { return t.exec(ctx, revokeSession, int64(session), int64(account), micros(now)) })
	if err != nil {
		return busyOr("revoke session", err)
	}
	return nil
}
