package store

import (
	"context"
	"errors"
	"time"

	"ecluse"
	"ecluse/internal/directory"
)

const (
	clientKeyColumns = `id, account_id, kind, material, requested_by, approved_by, granted, created, ends, replaced_by, revoked_at,
		last_used_at, entry, mac`
	delegationColumns = `client_id, account_id, created, ends, entry, mac`
)

// Statements of programs, their keys and those who let them act.
var (
	readClientKeys = define("read client keys", `SELECT `+clientKeyColumns+` FROM client_keys WHERE account_id = $1 ORDER BY id`)
	putClientKey   = define("put client key", `INSERT INTO client_keys (`+clientKeyColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13)
		ON CONFLICT (id) DO UPDATE SET ends = excluded.ends, replaced_by = excluded.replaced_by, revoked_at = excluded.revoked_at,
		entry = excluded.entry, mac = excluded.mac`)
	readClients = define("read programs of organisation", `SELECT `+accountColumns+` FROM accounts
		WHERE organisation_id = $1 AND kind = 'client' ORDER BY usual_name, given_name, id`)
	readBodyClients = defineScan("read programs of body", `SELECT `+accountColumns+` FROM accounts
		WHERE controller_id = $1 AND kind = 'client' ORDER BY usual_name, given_name, id`)
	readDelegation  = define("read delegation", `SELECT `+delegationColumns+` FROM delegations WHERE client_id = $1 AND account_id = $2`)
	readDelegations = define("read delegations of agent", `SELECT `+delegationColumns+` FROM delegations WHERE account_id = $1 ORDER BY client_id`)
	putDelegation   = define("put delegation", `INSERT INTO delegations (`+delegationColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (client_id, account_id) DO UPDATE SET created = excluded.created, ends = excluded.ends, entry = excluded.entry, mac = excluded.mac`)
	revokeTokens = define("revoke tokens", `UPDATE sessions SET revoked_at = $2
		WHERE client_id = $1 AND client_id <> 0 AND revoked_at = 0 AND ends > $2`)
	revokeTokensFor = define("revoke tokens for agent", `UPDATE sessions SET revoked_at = $2
		WHERE client_id = $1 AND client_id <> 0 AND account_id = $3 AND revoked_at = 0 AND ends > $2`)
)

func scanClientKey(s scanner) (directory.ClientKey, error) {
	var k directory.ClientKey
	var granted, created, ends, revoked, used int64
	err := s.Scan(&k.ID, &k.Account, &k.Kind, &k.Material, &k.RequestedBy, &k.ApprovedBy, &granted, &created, &ends, &k.ReplacedBy, &revoked,
		&used, &k.Entry, &k.MAC)
	k.Granted, k.Created, k.Ends = fromMicros(granted), fromMicros(created), fromMicros(ends)
	k.RevokedAt, k.LastUsed = fromMicros(revoked), fromMicros(used)
	return k, err
}

// ClientKeys are a program's keys, ended ones included, the oldest first.
func (db *DB) ClientKeys(ctx context.Context, a ecluse.AccountID) ([]directory.ClientKey, error) {
	return list(ctx, db, readClientKeys, scanClientKey, int64(a))
}

// ClientKeys are a program's keys as of this transaction.
func (t *Tx) ClientKeys(ctx context.Context, a ecluse.AccountID) ([]directory.ClientKey, error) {
	return list(ctx, t, readClientKeys, scanClientKey, int64(a))
}

// PutClientKey writes a key, new or changed; when it was used last stays as it is.
func (t *Tx) PutClientKey(ctx context.Context, k directory.ClientKey) error {
	return t.exec(ctx, putClientKey, int64(k.ID), int64(k.Account), k.Kind, k.Material, int64(k.RequestedBy), int64(k.ApprovedBy),
		micros(k.Granted), micros(k.Created), micros(k.Ends), int64(k.ReplacedBy), micros(k.RevokedAt), int64(k.Entry), k.MAC)
}

// ClientsOf are the programs of an organisation, by name.
func (db *DB) ClientsOf(ctx context.Context, o ecluse.OrganisationID) ([]directory.Account, error) {
	return list(ctx, db, readClients, scanAccount, int64(o))
}

// BodyClients are the programs of a body, by name.
func (db *DB) BodyClients(ctx context.Context, c ecluse.ControllerID) ([]directory.Account, error) {
	return list(ctx, db, readBodyClients, scanAccount, int64(c))
}

func scanDelegation(s scanner) (directory.Delegation, error) {
	var g directory.Delegation
	var created, ends int64
	err := s.Scan(&g.Client, &g.Agent, &created, &ends, &g.Entry, &g.MAC)
	g.Created, g.Ends = fromMicros(created), fromMicros(ends)
	return g, err
}

// Delegation is the one of a program and an agent, the zero one if there is none.
func (db *DB) Delegation(ctx context.Context, client, agent ecluse.AccountID) (directory.Delegation, error) {
	return delegation(ctx, db, client, agent)
}

// Delegation is the one of a program and an agent as of this transaction.
func (t *Tx) Delegation(ctx context.Context, client, agent ecluse.AccountID) (directory.Delegation, error) {
	return delegation(ctx, t, client, agent)
}

func delegation(ctx context.Context, from reading, client, agent ecluse.AccountID) (directory.Delegation, error) {
	g, err := one(ctx, from, readDelegation, scanDelegation, errNone, int64(client), int64(agent))
	if errors.Is(err, errNone) {
		err = nil
	}
	return g, err
}

var errNone = errors.New("no row")

// DelegationsOf are an agent's, ended ones included.
func (db *DB) DelegationsOf(ctx context.Context, agent ecluse.AccountID) ([]directory.Delegation, error) {
	return list(ctx, db, readDelegations, scanDelegation, int64(agent))
}

// PutDelegation writes the one of a program and an agent, new or changed.
func (t *Tx) PutDelegation(ctx context.Context, g directory.Delegation) error {
	return t.exec(ctx, putDelegation, int64(g.Client), int64(g.Agent), micros(g.Created), micros(g.Ends), int64(g.Entry), g.MAC)
}

// RevokeTokens ends the tokens of a program, those for one agent or all of them (0).
func (t *Tx) RevokeTokens(ctx context.Context, client, agent ecluse.AccountID, at time.Time) error {
	if agent == 0 {
		return t.exec(ctx, revokeTokens, int64(client), micros(at))
	}
	return t.exec(ctx, revokeTokensFor, int64(client), micros(at), int64(agent))
}
