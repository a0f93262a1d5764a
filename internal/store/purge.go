package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sort"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
)

// purgePage is how many rows one transaction of a purge touches: under 20 ms on SQLite.
const purgePage = 500

// Statements of retention. Whatever is purged is found page by page along a primary key.
var (
	entryAt      = define("entry instant", `SELECT at, account_id IS NULL FROM entries WHERE n = $1`)
	purgeEntries = define("purge entries", `UPDATE entries SET kind = '', act = 0, account_id = NULL, aseq = NULL, aprev = NULL,
		organisation_id = NULL, session_id = NULL, person_id = NULL, pseq = NULL, pprev = NULL, version = 0, fields = 0,
		purpose = '', tier = 0, decision = '', reasons = '', detail = $3
		WHERE n >= $1 AND n < $2 AND account_id IS NOT NULL`)

	pageReviews = define("page through reviews", `SELECT id, at, decided_at, state = 'pending', length(text) FROM reviews WHERE id > $1 ORDER BY id LIMIT $2`)
	purgeText   = define("purge justification", `UPDATE reviews SET text = $2 WHERE id = $1 AND state <> 'pending'`)
	purgeReview = define("purge review", `DELETE FROM reviews WHERE id = $1`)

	pageSessions = define("page through sessions", `SELECT id, created, ends, network <> '' OR device <> '' OR length(id_token) > 0
		FROM sessions WHERE id > $1 ORDER BY id LIMIT $2`)
	blankSession = define("blank session", `UPDATE sessions SET network = '', device = '', browser = '', id_token = $2, challenge = $2 WHERE id = $1`)
	purgeSession = define("purge session", `DELETE FROM sessions WHERE id = $1`)

	pageSeen = define("page through seen", `SELECT account_id, person_id, last_at FROM seen WHERE (account_id, person_id) > ($1, $2)
		ORDER BY account_id, person_id LIMIT $3`)
	purgeSeen = define("purge seen", `DELETE FROM seen WHERE account_id = $1 AND person_id = $2 AND last_at < $3`)

	pageLinks = define("page through links", `SELECT id, ends FROM links WHERE id > $1 ORDER BY id LIMIT $2`)
	purgeLink = define("purge link", `DELETE FROM links WHERE id = $1 AND ends < $2`)

	pageRaises = define("page through raises", `SELECT id, ends FROM raises WHERE id > $1 ORDER BY id LIMIT $2`)
	purgeRaise = define("purge raise", `DELETE FROM raises WHERE id = $1`)

	pageFactors = define("page through factors", `SELECT id, ended_at FROM factors WHERE id > $1 ORDER BY id LIMIT $2`)
	purgeFactor = define("purge factor", `DELETE FROM factors WHERE id = $1 AND state = 'ended'`)

	pageTries = define("page through tries", `SELECT account_id, device, last_at FROM tries WHERE (account_id, device) > ($1, $2)
		ORDER BY account_id, device LIMIT $3`)
	purgeTries = define("purge tries", `DELETE FROM tries WHERE account_id = $1 AND device = $2 AND last_at < $3`)

	pageTrainings = define("page through trainings", `SELECT account_id, register_id, since, ends FROM trainings WHERE (account_id, register_id) > ($1, $2)
		ORDER BY account_id, register_id LIMIT $3`)
	purgeTraining = define("purge training", `DELETE FROM trainings WHERE account_id = $1 AND register_id = $2 AND since < $3 AND ends < $3`)

	pageKeys = define("page through client keys", `SELECT id, ends FROM client_keys WHERE id > $1 ORDER BY id LIMIT $2`)
	purgeKey = define("purge client key", `DELETE FROM client_keys WHERE id = $1 AND ends < $2`)

	pageDelegations = define("page through delegations", `SELECT client_id, account_id, ends FROM delegations WHERE (client_id, account_id) > ($1, $2)
		ORDER BY client_id, account_id LIMIT $3`)
	purgeDelegation = define("purge delegation", `DELETE FROM delegations WHERE client_id = $1 AND account_id = $2 AND ends < $3`)

	pageApprovals = define("page through approvals", `SELECT id, requested_at, decided_at, expires FROM approvals WHERE id > $1 ORDER BY id LIMIT $2`)
	purgeApproval = define("purge approval", `DELETE FROM approvals WHERE id = $1`)

	pageInvitations = define("page through invitations", `SELECT secret_hash, ends, used_at FROM invitations WHERE secret_hash > $1
		ORDER BY secret_hash LIMIT $2`)
	purgeInvitation = define("purge invitation", `DELETE FROM invitations WHERE secret_hash = $1`)

	pageHolds = define("page through holds", `SELECT id, ended_at FROM holds WHERE id > $1 ORDER BY id LIMIT $2`)
	purgeHold = define("purge hold", `DELETE FROM holds WHERE id = $1 AND ended_at > 0`)

	pageNotices = define("page through notices", `SELECT id, at FROM notices WHERE id > $1 ORDER BY id LIMIT $2`)
	purgeNotice = define("purge notice", `DELETE FROM notices WHERE id = $1`) // its deliveries go with it
)

// Cutoffs says what has become too old: everything before each instant. A zero instant keeps all.
type Cutoffs struct {
	Entries        time.Time // references of entries; rows of reviews, sessions, ended links, factors, raises, approvals, programs' keys and delegations, ended holds, certificates that ended
	Justifications time.Time // free texts of reviews decided before
	Network        time.Time // network, device and id_token of sessions begun before; wrong codes
	Seen           time.Time // what accounts have seen and did not look at since
	Invitations    time.Time // used or lapsed before
	Notices        time.Time // who was told of what before
}

// The kinds of rows that Overdue counts and Purge removes; they are also the keys of the purge entry.
const (
	PurgedEntries        = "entries"
	PurgedJustifications = "justifications"
	PurgedReviews        = "reviews"
	PurgedSessions       = "sessions"
	PurgedNetwork        = "network"
	PurgedSeen           = "seen"
	PurgedLinks          = "links"
	PurgedRaises         = "raises"
	PurgedFactors        = "factors"
	PurgedTries          = "tries"
	PurgedTrainings      = "trainings"
	PurgedClientKeys     = "client_keys"
	PurgedDelegations    = "delegations"
	PurgedApprovals      = "approvals"
	PurgedInvitations    = "invitations"
	PurgedNotices        = "notices"
	PurgedHolds          = "holds"
)

// PurgeBounds are the first entry that still has references, and the first one not before an instant:
// retention removes what lies between. O(log n) reads, for references go from the oldest on and time
// never goes back.
func (db *DB) PurgeBounds(ctx context.Context, before time.Time) (first, to ecluse.EntryNumber, err error) {
	head, err := db.Head(ctx)
	if err != nil {
		return 0, 0, err
	}
	search := func(keep func(at time.Time, purged bool) bool) ecluse.EntryNumber {
		return ecluse.EntryNumber(sort.Search(int(head.N), func(n int) bool {
			var at int64
			var purged bool
			if e := db.row(ctx, entryAt, []any{int64(n)}, &at, &purged); e != nil {
				err = errors.Join(err, e)
			}
			return keep(fromMicros(at), purged)
		}))
	}
	first = search(func(_ time.Time, purged bool) bool { return !purged })
	to = search(func(at time.Time, _ bool) bool { return !at.Before(before) })
	return first, max(first, to), err
}

// PurgeEntries removes the references of the entries from (included) to (excluded), in short
// transactions under the head lock; done is told how many are behind. Number, instant, register and
// leaf stay: the tree proves itself as before.
func (db *DB) PurgeEntries(ctx context.Context, now time.Time, from, to ecluse.EntryNumber, done func(int64)) error {
	for from < to {
		next := min(from+purgePage, to)
		err := db.patiently(ctx, func() error {
			return db.Locked(ctx, now, func(locked ledger.Tx) error {
				t, err := own(locked)
				if err != nil {
					return err
				}
				return t.exec(ctx, purgeEntries, int64(from), int64(next), []byte{})
			})
		})
		if err != nil {
			return fmt.Errorf("purge the entries from %d: %w", from, err)
		}
		done(int64(next - from))
		from = next
	}
	return nil
}

// patiently tries a short write again while the database is busy, at most ten times of two seconds.
func (db *DB) patiently(ctx context.Context, write func() error) error {
	for try := 1; ; try++ {
		err := write()
		if err == nil || try == 10 || ctx.Err() != nil || !errors.Is(err, ledger.ErrBusy) && !isBusy(err) {
			return err
		}
	}
}

// Overdue counts what Purge would remove beside the entries, without changing anything.
func (db *DB) Overdue(ctx context.Context, c Cutoffs) (map[string]int64, error) {
	return db.purgeRest(ctx, c, nil, func(int64) {})
}

// Purge removes what is too old beside the entries, page by page. done is told of the rows removed.
func (db *DB) Purge(ctx context.Context, now time.Time, c Cutoffs, done func(int64)) (map[string]int64, error) {
	return db.purgeRest(ctx, c, &now, done)
}

// dead is a row found too old, and what is done to it.
type dead struct {
	kind string
	do   *statement
	args []any
}

// sweepable is one table along its primary key: page reads the rows after the key and gives those to
// change.
type sweepable struct {
	page   *statement
	key    []any // of the row before the page
	locked bool  // rows are changed under the head lock
	read   func(rows *sql.Rows, key []any) (dead, error)
}

func (db *DB) purgeRest(ctx context.Context, c Cutoffs, now *time.Time, done func(int64)) (map[string]int64, error) {
	counts := map[string]int64{}
	for _, s := range sweepables(c) {
		if err := db.sweepTable(ctx, s, now, counts, done); err != nil {
			return counts, err
		}
	}
	return counts, nil
}

// sweepTable walks one table; with now it also does what it finds.
func (db *DB) sweepTable(ctx context.Context, s sweepable, now *time.Time, counts map[string]int64, done func(int64)) error {
	for {
		var found []dead
		seen := 0
		err := db.query(ctx, s.page, func(rows *sql.Rows) error {
			d, err := s.read(rows, s.key)
			if seen++; d.do != nil {
				found = append(found, d)
			}
			return err
		}, append(append([]any{}, s.key...), purgePage)...)
		if err != nil {
			return err
		}
		if now != nil && len(found) > 0 {
			if err := db.patiently(ctx, func() error { return db.removeAll(ctx, *now, s.locked, found) }); err != nil {
				return err
			}
		}
		for _, d := range found {
			counts[d.kind]++
		}
		done(int64(len(found)))
		if seen < purgePage {
			return nil
		}
	}
}

func (db *DB) removeAll(ctx context.Context, now time.Time, locked bool, rows []dead) error {
	remove := func(t *Tx) error {
		for _, d := range rows {
			if err := t.exec(ctx, d.do, d.args...); err != nil {
				return err
			}
		}
		return nil
	}
	if !locked {
		return db.short(ctx, remove)
	}
	return db.Locked(ctx, now, func(tx ledger.Tx) error {
		t, err := own(tx)
		if err != nil {
			return err
		}
		return remove(t)
	})
}

func sweepables(c Cutoffs) []sweepable {
	return []sweepable{sweepReviews(c), sweepSessions(c), sweepSeen(c), sweepLinks(c), sweepRaises(c), sweepApprovals(c), sweepInvitations(c), sweepFactors(c), sweepTries(c), sweepNotices(c),
		sweepClientKeys(c), sweepDelegations(c), sweepHolds(c), sweepTrainings(c)}
}

func sweepReviews(c Cutoffs) sweepable {
	return sweepable{page: pageReviews, key: []any{int64(0)}, read: func(rows *sql.Rows, key []any) (dead, error) {
		var id, at, decided, length int64
		var pending bool
		err := rows.Scan(&id, &at, &decided, &pending, &length)
		key[0] = id
		switch {
		case at < micros(c.Entries): // nobody decides on it any more: its entry says nothing
			return dead{PurgedReviews, purgeReview, []any{id}}, err
		case !pending && decided < micros(c.Justifications) && length > 0:
			return dead{PurgedJustifications, purgeText, []any{id, []byte{}}}, err
		}
		return dead{}, err
	}}
}

func sweepSessions(c Cutoffs) sweepable {
	return sweepable{page: pageSessions, key: []any{int64(0)}, locked: true, read: func(rows *sql.Rows, key []any) (dead, error) {
		var id, created, ends int64
		var told bool
		err := rows.Scan(&id, &created, &ends, &told)
		key[0] = id
		switch {
		case ends < micros(c.Entries):
			return dead{PurgedSessions, purgeSession, []any{id}}, err
		case ends < micros(c.Network) && told:
			return dead{PurgedNetwork, blankSession, []any{id, []byte{}}}, err
		}
		return dead{}, err
	}}
}

func sweepSeen(c Cutoffs) sweepable {
	return sweepable{page: pageSeen, key: []any{int64(0), int64(0)}, locked: true, read: func(rows *sql.Rows, key []any) (dead, error) {
		var account, person, last int64
		err := rows.Scan(&account, &person, &last)
		key[0], key[1] = account, person
		if last < micros(c.Seen) {
			return dead{PurgedSeen, purgeSeen, []any{account, person, micros(c.Seen)}}, err
		}
		return dead{}, err
	}}
}

func sweepLinks(c Cutoffs) sweepable {
	return sweepable{page: pageLinks, key: []any{int64(0)}, locked: true, read: func(rows *sql.Rows, key []any) (dead, error) {
		var id, ends int64
		err := rows.Scan(&id, &ends)
		key[0] = id
		if ends < micros(c.Entries) {
			return dead{PurgedLinks, purgeLink, []any{id, micros(c.Entries)}}, err
		}
		return dead{}, err
	}}
}

func sweepRaises(c Cutoffs) sweepable {
	return sweepable{page: pageRaises, key: []any{int64(0)}, locked: true, read: func(rows *sql.Rows, key []any) (dead, error) {
		var id, ends int64
		err := rows.Scan(&id, &ends)
		key[0] = id
		if ends < micros(c.Entries) {
			return dead{PurgedRaises, purgeRaise, []any{id}}, err
		}
		return dead{}, err
	}}
}

func sweepApprovals(c Cutoffs) sweepable {
	return sweepable{page: pageApprovals, key: []any{int64(0)}, locked: true, read: func(rows *sql.Rows, key []any) (dead, error) {
		var id, requested, decided, expires int64
		err := rows.Scan(&id, &requested, &decided, &expires)
		key[0] = id
		if max(requested, decided, expires) < micros(c.Entries) {
			return dead{PurgedApprovals, purgeApproval, []any{id}}, err
		}
		return dead{}, err
	}}
}

func sweepInvitations(c Cutoffs) sweepable {
	return sweepable{page: pageInvitations, key: []any{[]byte{}}, read: func(rows *sql.Rows, key []any) (dead, error) {
		var hash []byte
		var ends, used int64
		err := rows.Scan(&hash, &ends, &used)
		key[0] = append([]byte{}, hash...)
		if ends < micros(c.Invitations) || used > 0 && used < micros(c.Invitations) {
			return dead{PurgedInvitations, purgeInvitation, []any{key[0]}}, err
		}
		return dead{}, err
	}}
}

func sweepNotices(c Cutoffs) sweepable {
	return sweepable{page: pageNotices, key: []any{int64(0)}, read: func(rows *sql.Rows, key []any) (dead, error) {
		var id, at int64
		err := rows.Scan(&id, &at)
		key[0] = id
		if at < micros(c.Notices) {
			return dead{PurgedNotices, purgeNotice, []any{id}}, err
		}
		return dead{}, err
	}}
}

func sweepHolds(c Cutoffs) sweepable {
	return sweepable{page: pageHolds, key: []any{int64(0)}, locked: true, read: func(rows *sql.Rows, key []any) (dead, error) {
		var id, ended int64
		err := rows.Scan(&id, &ended)
		key[0] = id
		if ended > 0 && ended < micros(c.Entries) {
			return dead{PurgedHolds, purgeHold, []any{id}}, err
		}
		return dead{}, err
	}}
}

func sweepFactors(c Cutoffs) sweepable {
	return sweepable{page: pageFactors, key: []any{int64(0)}, locked: true, read: func(rows *sql.Rows, key []any) (dead, error) {
		var id, ended int64
		err := rows.Scan(&id, &ended)
		key[0] = id
		if ended > 0 && ended < micros(c.Entries) {
			return dead{PurgedFactors, purgeFactor, []any{id}}, err
		}
		return dead{}, err
	}}
}

func sweepTries(c Cutoffs) sweepable {
	return sweepable{page: pageTries, key: []any{int64(0), ""}, locked: true, read: func(rows *sql.Rows, key []any) (dead, error) {
		var account, last int64
		var device string
		err := rows.Scan(&account, &device, &last)
		key[0], key[1] = account, device
		if last < micros(c.Network) {
			return dead{PurgedTries, purgeTries, []any{account, device, micros(c.Network)}}, err
		}
		return dead{}, err
	}}
}

func sweepTrainings(c Cutoffs) sweepable {
	return sweepable{page: pageTrainings, key: []any{int64(0), int64(0)}, locked: true, read: func(rows *sql.Rows, key []any) (dead, error) {
		var account, register, since, ends int64
		err := rows.Scan(&account, &register, &since, &ends)
		key[0], key[1] = account, register
		if max(since, ends) < micros(c.Entries) {
			return dead{PurgedTrainings, purgeTraining, []any{account, register, micros(c.Entries)}}, err
		}
		return dead{}, err
	}}
}

func sweepClientKeys(c Cutoffs) sweepable {
	return sweepable{page: pageKeys, key: []any{int64(0)}, locked: true, read: func(rows *sql.Rows, key []any) (dead, error) {
		var id, ends int64
		err := rows.Scan(&id, &ends)
		key[0] = id
		if ends < micros(c.Entries) {
			return dead{PurgedClientKeys, purgeKey, []any{id, micros(c.Entries)}}, err
		}
		return dead{}, err
	}}
}

func sweepDelegations(c Cutoffs) sweepable {
	return sweepable{page: pageDelegations, key: []any{int64(0), int64(0)}, locked: true, read: func(rows *sql.Rows, key []any) (dead, error) {
		var client, account, ends int64
		err := rows.Scan(&client, &account, &ends)
		key[0], key[1] = client, account
		if ends < micros(c.Entries) {
			return dead{PurgedDelegations, purgeDelegation, []any{client, account, micros(c.Entries)}}, err
		}
		return dead{}, err
	}}
}
