package store

import (
	"context"
	"database/sql"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/exposure"
)

// A link counts for exposure if it entrusts (directory.Link), somebody else made it and it is in force at some
// instant from $3 to $4. Dead rows count too: they explain nothing, and make the bound larger, never smaller. $1 and $2 are the
// first and the last account, $5 since when a disclosure is remembered.
const (
	counting    = `l.starts <= $4 AND l.ends > $3`
	countLinked = `COUNT(DISTINCT l.person_id),
		COUNT(DISTINCT CASE WHEN s.person_id IS NULL OR s.tier = 0 OR s.charged_at <= $5 THEN l.person_id END),
		COUNT(DISTINCT CASE WHEN s.person_id IS NULL OR s.last_at <= $5 THEN l.person_id END)`
)

// Statements that read what exposure is made of, for all accounts or a few of them.
var (
	readPopulations = defineScan("read populations", `SELECT register_id, territory, COUNT(*) FROM persons GROUP BY register_id, territory`)
	readUnsettled   = defineScan("read unsettled registers", `SELECT DISTINCT i.register_id FROM imports i WHERE i.state <> 'published'
		AND i.id > (SELECT COALESCE(MAX(p.id), 0) FROM imports p WHERE p.register_id = i.register_id AND p.state = 'published')`)
	countOwnLinks = define("count linked persons", `SELECT l.account_id, l.register_id, `+countLinked+`
		FROM links l JOIN accounts a ON a.id = l.account_id AND a.organisation_id = l.organisation_id AND a.starts <= l.made_at
		LEFT JOIN seen s ON s.account_id = l.account_id AND s.person_id = l.person_id
		WHERE l.account_id BETWEEN $1 AND $2 AND l.account_id <> 0 AND l.made_by <> l.account_id AND `+counting+`
		GROUP BY l.account_id, l.register_id`)
	countSiteLinks = defineScan("count persons linked to sites", `SELECT a.id, l.register_id, `+countLinked+`
		FROM links l JOIN accounts a ON a.site_id = l.site_id LEFT JOIN seen s ON s.account_id = a.id AND s.person_id = l.person_id
		WHERE l.account_id = 0 AND l.site_id <> 0 AND a.kind <> 'client' AND a.id BETWEEN $1 AND $2 AND l.made_by <> a.id AND `+counting+`
		AND NOT EXISTS (SELECT 1 FROM links o WHERE o.account_id = a.id AND o.register_id = l.register_id AND o.person_id = l.person_id
			AND o.organisation_id = a.organisation_id AND o.made_at >= a.starts AND o.made_by <> a.id AND o.starts <= $4 AND o.ends > $3)
		GROUP BY a.id, l.register_id`)
	countSites = define("count persons linked to each site", `SELECT site_id, register_id, COUNT(DISTINCT person_id) FROM links
		WHERE account_id = 0 AND site_id <> 0 AND starts <= $2 AND ends > $1 GROUP BY site_id, register_id`)
	countKnown = define("count known persons", `SELECT account_id, COUNT(*) FROM seen
		WHERE account_id BETWEEN $1 AND $2 AND tier > 0 AND charged_at > $3 GROUP BY account_id`)
	countKnownByRegister = define("count known persons by register", `SELECT s.account_id, p.register_id, COUNT(*) FROM seen s JOIN persons p ON p.id = s.person_id
		WHERE s.account_id BETWEEN $1 AND $2 AND s.tier > 0 AND s.charged_at > $3 GROUP BY s.account_id, p.register_id`)
	readRunningRaises = defineScan("read running raises", `SELECT `+raiseColumns+` FROM raises WHERE ends > $1 ORDER BY id`)
)

// RunningRaises are all raises that end after an instant.
func (db *DB) RunningRaises(ctx context.Context, after time.Time) ([]directory.Raise, error) {
	return list(ctx, db, readRunningRaises, scanRaise, micros(after))
}

// Populations counts the persons of each register by territory, those of unpublished imports included.
// It reads the whole table of persons.
func (db *DB) Populations(ctx context.Context) ([]exposure.Population, error) {
	return list(ctx, db, readPopulations, func(s scanner) (exposure.Population, error) {
		var p exposure.Population
		return p, s.Scan(&p.Register, &p.Territory, &p.Persons)
	})
}

// Unsettled are the registers in which an import began after the newest published one and was not
// published: persons may stand in the table with a territory that is not, or not yet, their record's.
func (db *DB) Unsettled(ctx context.Context) ([]ecluse.RegisterID, error) {
	return list(ctx, db, readUnsettled, func(s scanner) (ecluse.RegisterID, error) {
		var id ecluse.RegisterID
		return id, s.Scan(&id)
	})
}

// Linked counts the persons whom links explain to accounts, those of its own and those of its site. A
// person of both is counted as the account's own.
func (db *DB) Linked(ctx context.Context, a exposure.Accounts, w exposure.Window) (own, site []exposure.Linked, err error) {
	args := []any{int64(a.First), int64(a.Last), micros(w.From), micros(w.To), micros(w.Remembered)}
	scan := func(s scanner) (exposure.Linked, error) {
		var l exposure.Linked
		return l, s.Scan(&l.Account, &l.Register, &l.Persons, &l.Unknown, &l.Idle)
	}
	if own, err = list(ctx, db, countOwnLinks, scan, args...); err != nil {
		return nil, nil, err
	}
	site, err = list(ctx, db, countSiteLinks, scan, args...)
	return own, site, err
}

// LinkedToSites counts the persons whom links explain to everybody of a site.
func (db *DB) LinkedToSites(ctx context.Context, w exposure.Window) (map[exposure.Site]int, error) {
	counts := map[exposure.Site]int{}
	err := db.query(ctx, countSites, func(rows *sql.Rows) error {
		var s exposure.Site
		var n int
		err := rows.Scan(&s.Site, &s.Register, &n)
		counts[s] = n
		return err
	}, micros(w.From), micros(w.To))
	return counts, err
}

// KnownPersons counts the persons whom accounts know, in whatever register.
func (db *DB) KnownPersons(ctx context.Context, a exposure.Accounts, w exposure.Window) (map[ecluse.AccountID]int, error) {
	known := map[ecluse.AccountID]int{}
	err := db.query(ctx, countKnown, func(rows *sql.Rows) error {
		var id ecluse.AccountID
		var n int
		err := rows.Scan(&id, &n)
		known[id] = n
		return err
	}, int64(a.First), int64(a.Last), micros(w.Remembered))
	return known, err
}

// KnownPersonsByRegister counts the persons whom accounts know, register by register: it looks every one of
// them up.
func (db *DB) KnownPersonsByRegister(ctx context.Context, a exposure.Accounts, w exposure.Window) (map[exposure.Place]int, error) {
	known := map[exposure.Place]int{}
	err := db.query(ctx, countKnownByRegister, func(rows *sql.Rows) error {
		var p exposure.Place
		var n int
		err := rows.Scan(&p.Account, &p.Register, &n)
		known[p] = n
		return err
	}, int64(a.First), int64(a.Last), micros(w.Remembered))
	return known, err
}
