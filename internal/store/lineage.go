package store

import (
	"context"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"
)

var (
	accountColumnsOfA = prefixed("a", accountColumns)

	// The recursive part is named p: what it scans is what it has found so far, never a table.
	ancestorsOf = define("ancestors of account", `WITH RECURSIVE p (id, requested_by, approved_by) AS (
			SELECT id, requested_by, approved_by FROM accounts WHERE id = $1
			UNION SELECT a.id, a.requested_by, a.approved_by FROM p JOIN accounts a ON a.id = p.requested_by OR a.id = p.approved_by)
		SELECT `+accountColumnsOfA+` FROM p JOIN accounts a ON a.id = p.id LIMIT $2`)
	descendantsOf = define("descendants of account", `WITH RECURSIVE p (id) AS (
			SELECT id FROM accounts WHERE id = $1
			UNION SELECT a.id FROM p JOIN accounts a ON (a.requested_by = p.id OR a.approved_by = p.id) AND a.created >= $2)
		SELECT `+accountColumnsOfA+` FROM p JOIN accounts a ON a.id = p.id LIMIT $3`)

	grantsBy = defineBulk("grants requested or approved by accounts", `SELECT `+prefixed("g", grantColumns)+` FROM (VALUES %s) v
		JOIN grants g ON (g.requested_by = v.column1 OR g.approved_by = v.column1) AND g.created >= $1 LIMIT $2`, "(CAST(? AS BIGINT))", 2)
	linksBy = defineBulk("links made by accounts", `SELECT `+prefixed("l", linkColumns)+` FROM (VALUES %s) v
		JOIN links l ON l.made_by = v.column1 AND l.made_by <> 0 AND l.made_at >= $1 ORDER BY l.id LIMIT $2`, "(CAST(? AS BIGINT))", 2)
	raisesBy = defineBulk("raises made by accounts", `SELECT `+prefixed("r", raiseColumns)+` FROM (VALUES %s) v
		JOIN raises r ON r.made_by = v.column1 AND r.starts >= $1 ORDER BY r.id LIMIT $2`, "(CAST(? AS BIGINT))", 2)

	keysBy = defineBulk("client keys requested or approved by accounts", `SELECT `+prefixed("k", clientKeyColumns)+` FROM (VALUES %s) v
		JOIN client_keys k ON (k.requested_by = v.column1 OR k.approved_by = v.column1) AND k.granted >= $1 LIMIT $2`, "(CAST(? AS BIGINT))", 2)

	putMemberships = defineBulk("put memberships", `INSERT INTO memberships (organisation_id, account_id) VALUES %s
		ON CONFLICT (organisation_id, account_id) DO NOTHING`, "(?,?)", 0)
)

const linkColumns = `id, register_id, person_id, account_id, site_id, organisation_id, kind, made_by, made_at, entry, starts, ends, mac`

// prefixed is a list of columns as those of one table of a join.
func prefixed(table, columns string) string {
	names := strings.FieldsFunc(columns, func(r rune) bool { return strings.ContainsRune(", \t\n", r) })
	return table + "." + strings.Join(names, ", "+table+".")
}

// Ancestors implements directory.LineageRows.
func (db *DB) Ancestors(ctx context.Context, id ecluse.AccountID, limit int) ([]directory.Account, error) {
	return list(ctx, db, ancestorsOf, scanAccount, int64(id), limit)
}

// Descendants implements directory.LineageRows.
func (db *DB) Descendants(ctx context.Context, id ecluse.AccountID, since time.Time, limit int) ([]directory.Account, error) {
	return list(ctx, db, descendantsOf, scanAccount, int64(id), micros(since), limit)
}

// Given implements directory.LineageRows.
func (db *DB) Given(ctx context.Context, by []ecluse.AccountID, since time.Time, limit int) (directory.Given, error) {
	return givenBy(ctx, db, db.engine, by, since, limit)
}

// Ancestors implements directory.LineageRows, with what the transaction wrote itself.
func (t *Tx) Ancestors(ctx context.Context, id ecluse.AccountID, limit int) ([]directory.Account, error) {
	return list(ctx, t, ancestorsOf, scanAccount, int64(id), limit)
}

// Descendants implements directory.LineageRows, with what the transaction wrote itself.
func (t *Tx) Descendants(ctx context.Context, id ecluse.AccountID, since time.Time, limit int) ([]directory.Account, error) {
	return list(ctx, t, descendantsOf, scanAccount, int64(id), micros(since), limit)
}

// Given implements directory.LineageRows, with what the transaction wrote itself.
func (t *Tx) Given(ctx context.Context, by []ecluse.AccountID, since time.Time, limit int) (directory.Given, error) {
	return givenBy(ctx, t, t.db.engine, by, since, limit)
}

// givenChunk is how many accounts one statement asks about.
const givenChunk = 200

func givenBy(ctx context.Context, from reading, e engine, by []ecluse.AccountID, since time.Time, limit int) (g directory.Given, err error) {
	for len(by) > 0 {
		some := by[:min(givenChunk, len(by))]
		by = by[len(some):]
		args := []any{micros(since), limit}
		for _, id := range some {
			args = append(args, int64(id))
		}
		grants, err := list(ctx, from, grantsBy.of(e, len(some)), scanGrant, args...)
		if err != nil {
			return g, err
		}
		links, err := list(ctx, from, linksBy.of(e, len(some)), scanLink, args...)
		if err != nil {
			return g, err
		}
		raises, err := list(ctx, from, raisesBy.of(e, len(some)), scanRaise, args...)
		if err != nil {
			return g, err
		}
		keys, err := list(ctx, from, keysBy.of(e, len(some)), scanClientKey, args...)
		if err != nil {
			return g, err
		}
		g.Grants, g.Links, g.Raises, g.Keys = append(g.Grants, grants...), append(g.Links, links...), append(g.Raises, raises...), append(g.Keys, keys...)
	}
	return g, nil
}
