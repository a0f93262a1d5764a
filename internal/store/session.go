package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/signin"
)

var _ signin.Store = (*DB)(nil)

const sessionColumns = `id, account_id, secret_hash, provider, acr, id_token, device, network, created, stepped_at, idle_ends, ends, revoked_at`

// Statements of sessions. A secret's hash is taken once: that is what makes a sign-in serve once.
var (
	sessionsByHash = defineBulk("sessions by hash", `SELECT `+sessionColumns+` FROM sessions WHERE secret_hash IN (%s)`, "?", 0)
	startSession   = define("start session", `INSERT INTO sessions (`+sessionColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0) ON CONFLICT (secret_hash) DO NOTHING`)
	resumeSession = define("resume session", `UPDATE sessions SET secret_hash = $3, provider = $4, acr = $5, id_token = $6, device = $7,
		network = $8, stepped_at = $9, idle_ends = $10
		WHERE id = $1 AND account_id = $2 AND revoked_at = 0 AND ends > $9
		AND NOT EXISTS (SELECT 1 FROM sessions taken WHERE taken.secret_hash = $3)`)
	touchSession = define("touch session", `UPDATE sessions SET idle_ends = $2
		WHERE id = $1 AND revoked_at = 0 AND idle_ends > $3 AND ends > $3 AND idle_ends < $2`)
	revokeSession = define("revoke session", `UPDATE sessions SET revoked_at = $3
		WHERE id = $1 AND account_id = $2 AND revoked_at = 0 AND ends > $3`)
	replaceSession  = define("replace session", `UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at = 0`)
	revokeSessions  = define("revoke sessions", `UPDATE sessions SET revoked_at = $2 WHERE account_id = $1 AND revoked_at = 0 AND ends > $2`)
	accountSessions = define("account sessions", `SELECT `+sessionColumns+` FROM sessions WHERE account_id = $1
		ORDER BY created DESC LIMIT $2`)
	signedIn = define("account signed in", `UPDATE accounts SET active_at = $2 WHERE id = $1 AND active_at < $2`)
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
	err := db.query(ctx, sessionsByHash.of(db.engine, len(args)), func(rows *sql.Rows) error {
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

// scanSession reads sessionColumns. The column device is the browser's number, a space and its family.
func scanSession(rows *sql.Rows, s *signin.Session) error {
	var device string
	var created, stepped, idle, ends, revoked int64
	err := rows.Scan(&s.ID, &s.Account, &s.Hash, &s.Provider, &s.ACR, &s.IDToken, &device, &s.Network, &created, &stepped, &idle, &ends, &revoked)
	s.Device, s.Browser, _ = strings.Cut(device, " ")
	s.Created, s.SteppedAt, s.IdleEnds = fromMicros(created), fromMicros(stepped), fromMicros(idle)
	s.Ends, s.RevokedAt = fromMicros(ends), fromMicros(revoked)
	return err
}

// SaveSession implements signin.Store. Its first statement touches the row of heads, hence holds the
// lock that whoever writes accounts holds.
func (db *DB) SaveSession(ctx context.Context, s signin.Session, replaces ecluse.SessionID) (ecluse.SessionID, error) {
	id := s.ID
	err := db.short(ctx, func(t *Tx) error {
		var first int64
		if err := t.row(ctx, allotIDs, []any{1}, &first); err != nil {
			return err
		}
		if s.ID == 0 {
			id = ecluse.SessionID(first)
		}
		if err := t.putSession(ctx, s, id); err != nil {
			return err
		}
		if replaces != 0 {
			if err := t.exec(ctx, replaceSession, int64(replaces), micros(s.SteppedAt)); err != nil {
				return err
			}
		}
		return t.exec(ctx, signedIn, int64(s.Account), micros(s.SteppedAt))
	})
	if err != nil {
		return 0, busyOr("save session", err)
	}
	return id, nil
}

// putSession inserts s as id, or lets it go on under its new hash.
func (t *Tx) putSession(ctx context.Context, s signin.Session, id ecluse.SessionID) error {
	device := s.Device + " " + s.Browser
	if s.ID == 0 {
		err := t.execOne(ctx, startSession, int64(id), int64(s.Account), s.Hash, s.Provider, s.ACR, s.IDToken, device, s.Network,
			micros(s.Created), micros(s.SteppedAt), micros(s.IdleEnds), micros(s.Ends))
		if errors.Is(err, errNotOne) {
			return signin.ErrReplayed
		}
		return err
	}
	err := t.execOne(ctx, resumeSession, int64(id), int64(s.Account), s.Hash, s.Provider, s.ACR, s.IDToken, device, s.Network,
		micros(s.SteppedAt), micros(s.IdleEnds))
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

// RevokeSessions implements signin.Store. All of an account's sessions end under the head lock: no
// entry that is numbered afterwards comes from one of them unless it was asked for before.
func (db *DB) RevokeSessions(ctx context.Context, account ecluse.AccountID, session ecluse.SessionID, now time.Time) (int, error) {
	var n int64
	revoke := func(t *Tx) error {
		s, args := revokeSessions, []any{int64(account), micros(now)}
		if session != 0 {
			s, args = revokeSession, []any{int64(session), int64(account), micros(now)}
		}
		result, err := t.result(ctx, s, args)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	}
	var err error
	if session != 0 {
		err = db.short(ctx, revoke)
	} else {
		err = db.Locked(ctx, now, func(tx ledger.Tx) error { return revoke(tx.(*Tx)) })
	}
	if err != nil {
		return 0, busyOr("revoke sessions", err)
	}
	return int(n), nil
}
