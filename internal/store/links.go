package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
)

var (
	linksOf = defineBulk("links of persons", `SELECT l.id, l.register_id, l.person_id, l.account_id, l.site_id, l.organisation_id, l.kind,
		l.made_by, l.made_at, l.entry, l.starts, l.ends, l.mac
		FROM links l WHERE l.person_id IN (%s)`, "?", 0)
	// The place of person $3 in the order is found again, whether or not her link still runs.
	ownPersons = define("own persons", `SELECT person_id FROM links
		WHERE account_id = $1 AND register_id = $2 AND starts <= $4 AND ends > $4 AND made_by <> $1
		AND organisation_id = $6 AND made_at >= $7 GROUP BY person_id
		HAVING $3 = 0 OR MAX(made_at) < (SELECT MAX(made_at) FROM links WHERE account_id = $1 AND register_id = $2 AND person_id = $3)
		OR person_id > $3 AND MAX(made_at) = (SELECT MAX(made_at) FROM links WHERE account_id = $1 AND register_id = $2 AND person_id = $3)
		ORDER BY MAX(made_at) DESC, person_id LIMIT $5`)
	linksFor  = define("links for account", `SELECT `+linkColumns+` FROM links WHERE account_id = $1 ORDER BY id`)
	readMeter = define("read meter", `SELECT holder_id, register_id, seq, last_n, state, mac FROM meters WHERE holder_id = $1 AND register_id = $2`)
)

// LinksOf are all links of these persons in a register, ended ones included.
func (db *DB) LinksOf(ctx context.Context, r ecluse.RegisterID, persons []ecluse.PersonID) ([]directory.Link, error) {
	links, err := db.links.get(ctx, persons)
	return slices.DeleteFunc(links, func(l directory.Link) bool { return l.Register != r }), err
}

func (db *DB) fetchLinks(ctx context.Context, persons []ecluse.PersonID) (map[ecluse.PersonID][]directory.Link, error) {
	args := make([]any, len(persons))
	for i, p := range persons {
		args[i] = int64(p)
	}
	args = fill(args, 0, 1)
	links, err := list(ctx, db.looking(), linksOf.of(db.engine, len(args)), scanLink, args...)
	found := make(map[ecluse.PersonID][]directory.Link, len(persons))
	for _, l := range links {
		found[l.Person] = append(found[l.Person], l)
	}
	return found, err
}

func scanLink(s scanner) (directory.Link, error) {
	var l directory.Link
	var made, starts, ends int64
	err := s.Scan(&l.ID, &l.Register, &l.Person, &l.Account, &l.Site, &l.Organisation, &l.Kind, &l.MadeBy, &made, &l.Entry, &starts, &ends, &l.MAC)
	l.MadeAt, l.Starts, l.Ends = fromMicros(made), fromMicros(starts), fromMicros(ends)
	return l, err
}

// OwnPersons are the persons with a running link that entrusts them to an account and that it did not make
// itself, the newest link first. It reads the account's whole caseload, some hundreds of rows in an index.
func (db *DB) OwnPersons(ctx context.Context, a directory.Account, r ecluse.RegisterID, at time.Time, after ecluse.PersonID, limit int) ([]ecluse.PersonID, error) {
	return list(ctx, db, ownPersons, func(s scanner) (ecluse.PersonID, error) {
		var p ecluse.PersonID
		return p, s.Scan(&p)
	}, int64(a.ID), int64(r), int64(after), micros(at), limit, int64(a.Organisation), micros(a.Starts))
}

// LinksFor are the links that are for an account, ended ones included.
func (t *Tx) LinksFor(ctx context.Context, a ecluse.AccountID) ([]directory.Link, error) {
	return list(ctx, t, linksFor, scanLink, int64(a))
}

// Meter is a holder's meter in a register; the zero row if it has none.
func (db *DB) Meter(ctx context.Context, h ledger.Holder) (ledger.MeterRow, error) {
	found := map[ledger.Holder]ledger.MeterRow{}
	err := db.query(ctx, readMeter, each(meterInto(found)), h.ID, int64(h.Register))
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return found[h], err
}
