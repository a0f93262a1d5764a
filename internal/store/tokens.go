package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/signin"
)

var _ signin.TokenStore = (*DB)(nil)

// Statements of tokens, which are rows of sessions that a program holds.
var (
	tokenByHash = define("token by hash", `SELECT id, account_id, client_id, secret_hash, provider, acr, id_token, network, created, stepped_at,
		idle_ends, ends, revoked_at FROM sessions WHERE secret_hash = $1`)
	mayStart = define("token may start", `SELECT COUNT(*) FROM client_keys k JOIN accounts c ON c.id = k.account_id JOIN accounts a ON a.id = $3
		WHERE k.id = $1 AND k.account_id = $2 AND k.revoked_at = 0 AND k.ends > $4 AND c.state = 'active' AND a.state = 'active'
		AND (a.id = c.id OR EXISTS (SELECT 1 FROM delegations d WHERE d.client_id = $2 AND d.account_id = $3 AND d.ends > $4))`)
	startToken = define("start token", `INSERT INTO sessions (id, account_id, client_id, secret_hash, provider, acr, id_token, device, browser,
		network, invited, created, stepped_at, factor_at, factor, challenge, idle_ends, ends, revoked_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, '', '', $8, FALSE, $9, $10, 0, '', $11, $12, $13, 0) ON CONFLICT (secret_hash) DO NOTHING`)
	keyUsed = define("client key used", `UPDATE client_keys SET last_used_at = $2 WHERE id = $1`)
)

// TokenByHash implements signin.TokenStore.
func (db *DB) TokenByHash(ctx context.Context, hash []byte) (signin.Session, error) {
	var s signin.Session
	var created, stepped, idle, ends, revoked int64
	err := db.row(ctx, tokenByHash, []any{hash}, &s.ID, &s.Account, &s.Client, &s.Hash, &s.Provider, &s.ACR, &s.IDToken, &s.Network,
		&created, &stepped, &idle, &ends, &revoked)
	if errors.Is(err, sql.ErrNoRows) {
		err = signin.ErrNoSession
	}
	s.Created, s.SteppedAt, s.IdleEnds = fromMicros(created), fromMicros(stepped), fromMicros(idle)
	s.Ends, s.RevokedAt = fromMicros(ends), fromMicros(revoked)
	return s, err
}

// SaveToken implements signin.TokenStore. It holds the head lock, as whoever ends keys, agreements and
// accounts does.
func (db *DB) SaveToken(ctx context.Context, s signin.Session, key ecluse.ClientKeyID) error {
	err := db.Locked(ctx, time.Time{}, func(locked ledger.Tx) error {
		t, err := own(locked)
		if err != nil {
			return err
		}
		var may int
		if err := t.row(ctx, mayStart, []any{int64(key), int64(s.Client), int64(s.Account), micros(s.SteppedAt)}, &may); err != nil {
			return err
		}
		if may != 1 {
			return signin.ErrNoSession
		}
		err = t.execOne(ctx, startToken, t.Allot(1), int64(s.Account), int64(s.Client), s.Hash, s.Provider, s.ACR, s.IDToken, s.Network,
			micros(s.Created), micros(s.SteppedAt), []byte{}, micros(s.IdleEnds), micros(s.Ends))
		if errors.Is(err, errNotOne) {
			return signin.ErrReplayed
		}
		if err != nil {
			return err
		}
		if err := t.exec(ctx, keyUsed, int64(key), micros(s.SteppedAt)); err != nil {
			return err
		}
		return t.PutActivity(ctx, s.Client, s.SteppedAt, s.Activity)
	})
	if err != nil {
		return busyOr("save token", err)
	}
	return nil
}
