package store

import (
	"context"
	"database/sql"
	"time"

	"ecluse"
	"ecluse/internal/scope"
)

var (
	actsOf = define("acts of account", `SELECT n, at, act, kind, organisation_id, person_id, version, fields, decision = 'allow', detail, aseq
		FROM entries WHERE account_id = $1 AND register_id = $2 AND aseq >= $3 AND kind IN ('disclose', 'search', 'undelivered')
		ORDER BY aseq LIMIT $4`)
	membersOf = define("members of organisation", `SELECT account_id FROM memberships WHERE organisation_id = $1
		UNION SELECT id FROM accounts WHERE organisation_id = $1 ORDER BY 1`)
)

// Acts implements scope.Store, in pages.
func (db *DB) Acts(ctx context.Context, a ecluse.AccountID, r ecluse.RegisterID, each func(*scope.Act) error) error {
	next := int64(0)
	for {
		rows := 0
		err := db.query(ctx, actsOf, func(r *sql.Rows) error {
			rows++
			act, seq, err := scanAct(r)
			next = seq + 1
			if err != nil {
				return err
			}
			return each(act)
		}, int64(a), int64(r), next, entriesPage)
		if err != nil || rows < entriesPage {
			return err
		}
	}
}

func scanAct(rows *sql.Rows) (*scope.Act, int64, error) {
	var a scope.Act
	var at, fields, seq int64
	var organisation, person sql.NullInt64
	var detail sql.RawBytes
	err := rows.Scan(&a.N, &at, &a.Act, &a.Kind, &organisation, &person, &a.Version, &fields, &a.Allowed, &detail, &seq)
	a.At, a.Fields, a.Detail = fromMicros(at), ecluse.FieldSet(fields), detail
	a.Organisation, a.Person = ecluse.OrganisationID(organisation.Int64), ecluse.PersonID(person.Int64)
	return &a, seq, err
}

// Members implements scope.Store.
func (db *DB) Members(ctx context.Context, o ecluse.OrganisationID) ([]ecluse.AccountID, error) {
	return list(ctx, db, membersOf, func(s scanner) (id ecluse.AccountID, err error) {
		err = s.Scan(&id)
		return id, err
	}, int64(o))
}

// Purged implements scope.Store.
func (db *DB) Purged(ctx context.Context) (time.Time, error) {
	first, _, err := db.PurgeBounds(ctx, time.Time{})
	if err != nil || first == 0 {
		return time.Time{}, err
	}
	var at int64
	var purged bool
	err = db.row(ctx, entryAt, []any{int64(first - 1)}, &at, &purged)
	return fromMicros(at), err
}
