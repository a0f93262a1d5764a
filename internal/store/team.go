package store

import (
	"context"
	"database/sql"
	"time"

	"ecluse"
	"ecluse/internal/directory"
)

var _ directory.TeamRows = (*DB)(nil)

var (
	readAccountsOfOrganisation = define("read accounts of organisation", `SELECT `+accountColumns+` FROM accounts WHERE organisation_id = $1 ORDER BY id`)
	readGrantsOfOrganisation   = define("read grants of organisation", `SELECT `+prefixed("g", grantColumns)+` FROM accounts a
		JOIN grants g ON g.account_id = a.id WHERE a.organisation_id = $1 ORDER BY g.account_id, g.agreement_id, g.role`)
	countDirectoryActs = define("count directory acts of account", `SELECT COUNT(*) FROM entries
		WHERE account_id = $1 AND register_id = 0 AND at > $2 AND kind = 'directory'`)
	countAsked = define("count requests of account", `SELECT COUNT(*), COALESCE(SUM(CASE WHEN state = 'pending' THEN 1 ELSE 0 END), 0) FROM approvals
		WHERE requested_by = $1 AND requested_by <> 0 AND requested_at > $2`)
	readDesks         = define("read desks of account", `SELECT DISTINCT device, browser, network FROM sessions WHERE account_id = $1 AND id < $2`)
	countLinksOfEnded = defineScan("count links of ended accounts", `SELECT l.account_id, COUNT(*) FROM accounts a
		JOIN links l ON l.account_id = a.id WHERE a.controller_id = $1 AND a.state = 'ended' AND l.ends > $2 GROUP BY l.account_id`)
	readDesk = define("read desk of session", `SELECT device, browser, network FROM sessions WHERE id = $1 AND account_id = $2`)
)

// AccountsOf implements directory.TeamRows.
func (db *DB) AccountsOf(ctx context.Context, o ecluse.OrganisationID) ([]directory.Account, error) {
	return list(ctx, db, readAccountsOfOrganisation, scanAccount, int64(o))
}

// GrantsOf implements directory.TeamRows.
func (db *DB) GrantsOf(ctx context.Context, o ecluse.OrganisationID) ([]directory.Grant, error) {
	return list(ctx, db, readGrantsOfOrganisation, scanGrant, int64(o))
}

// DirectoryActs implements directory.TeamRows.
func (db *DB) DirectoryActs(ctx context.Context, a ecluse.AccountID, since time.Time) (int, error) {
	var n int
	err := db.row(ctx, countDirectoryActs, []any{int64(a), micros(since)}, &n)
	return n, err
}

// Asked implements directory.TeamRows.
func (db *DB) Asked(ctx context.Context, a ecluse.AccountID, since time.Time) (asked, waiting int, err error) {
	err = db.row(ctx, countAsked, []any{int64(a), micros(since)}, &asked, &waiting)
	return asked, waiting, err
}

// LinksOfEnded implements directory.OrphanRows.
func (db *DB) LinksOfEnded(ctx context.Context, c ecluse.ControllerID, at time.Time) (map[ecluse.AccountID]int, error) {
	out := map[ecluse.AccountID]int{}
	err := db.query(ctx, countLinksOfEnded, func(rows *sql.Rows) error {
		var a ecluse.AccountID
		var n int
		err := rows.Scan(&a, &n)
		out[a] = n
		return err
	}, int64(c), micros(at))
	return out, err
}

// Desks implements directory.TeamRows.
func (db *DB) Desks(ctx context.Context, a ecluse.AccountID, before ecluse.SessionID) ([]directory.Desk, error) {
	return list(ctx, db, readDesks, scanDesk, int64(a), int64(before))
}

// Desk implements directory.TeamRows.
func (db *DB) Desk(ctx context.Context, a ecluse.AccountID, session ecluse.SessionID) (directory.Desk, error) {
	return one(ctx, db, readDesk, scanDesk, directory.ErrNotFound, int64(session), int64(a))
}

func scanDesk(s scanner) (directory.Desk, error) {
	var d directory.Desk
	err := s.Scan(&d.Device, &d.Browser, &d.Network)
	return d, err
}
