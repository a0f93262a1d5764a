package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
)

var (
	linksOf = defineBulk("links of persons", `SELECT l.id, l.register_id, l.person_id, l.account_id, l.site_id, l.organisation_id, l.kind,
		l.made_by, l.made_at, l.entry, l.starts, l.ends, l.mac
		FROM (VALUES %s) v JOIN links l ON l.person_id = v.column1 WHERE l.register_id = $1`, "(CAST(? AS BIGINT))", 1)
	ownPersons = define("own persons", `SELECT DISTINCT person_id FROM links
		WHERE account_id = $1 AND register_id = $2 AND person_id > $3 AND starts <= $4 AND ends > $4 AND made_by <> $1
		ORDER BY person_id LIMIT $5`)
	readMeter = define("read meter", `SELECT holder_id, register_id, seq, last_n, state FROM meters WHERE holder_id = $1 AND register_id = $2`)
)

// LinksOf are all links of these persons in a register, ended ones included: one statement.
func (db *DB) LinksOf(ctx context.Context, r ecluse.RegisterID, persons []ecluse.PersonID) ([]directory.Link, error) {
	if len(persons) == 0 {
		return nil, nil
	}
	args := make([]any, 0, len(persons)+1)
	args = append(args, int64(r))
	for _, p := range persons {
		args = append(args, int64(p))
	}
	return list(ctx, db, linksOf.of(db.engine, len(persons)), scanLink, args...)
}

func scanLink(s scanner) (directory.Link, error) {
	var l directory.Link
	var made, starts, ends int64
	err := s.Scan(&l.ID, &l.Register, &l.Person, &l.Account, &l.Site, &l.Organisation, &l.Kind, &l.MadeBy, &made, &l.Entry, &starts, &ends, &l.MAC)
	l.MadeAt, l.Starts, l.Ends = fromMicros(made), fromMicros(starts), fromMicros(ends)
	return l, err
}

// OwnPersons are the persons with a running link of an account that it did not make itself, by number.
func (db *DB) OwnPersons(ctx context.Context, a ecluse.AccountID, r ecluse.RegisterID, at time.Time, after ecluse.PersonID, limit int) ([]ecluse.PersonID, error) {
	return list(ctx, db, ownPersons, func(s scanner) (ecluse.PersonID, error) {
		var p ecluse.PersonID
		return p, s.Scan(&p)
	}, int64(a), int64(r), int64(after), micros(at), limit)
}

// Meter is a holder's meter in a register; the zero row if it has none.
func (db *DB) Meter(ctx context.Context, h ledger.Holder) (ledger.MeterRow, error) {
	found := map[ledger.Holder]ledger.MeterRow{}
	err := db.query(ctx, readMeter, meterInto(found), h.ID, int64(h.Register))
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return found[h], err
}
