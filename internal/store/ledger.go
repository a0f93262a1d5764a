package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"ecluse"
	"ecluse/internal/ledger"
)

const reviewRow = `id, entry, at, controller_id, organisation_id, account_id, register_id, kind, purpose, motive, text, state, decided_by, decided_at, mac`

// Statements of the append transaction, in the order in which they run.
var (
	loadMeters = defineBulk("load meters", `SELECT m.holder_id, m.register_id, m.seq, m.last_n, m.state, m.mac
		FROM (VALUES %s) v JOIN meters m ON m.holder_id = v.column1 AND m.register_id = v.column2`,
		"(CAST(? AS BIGINT), CAST(? AS BIGINT))", 0)
	loadSeen = defineBulk("load seen", `SELECT s.account_id, s.person_id, s.charged_at, s.tier, s.classes, s.last_at, s.mac
		FROM (VALUES %s) v JOIN seen s ON s.account_id = v.column1 AND s.person_id = v.column2`,
		"(CAST(? AS BIGINT), CAST(? AS BIGINT))", 0)
	loadPersons = defineBulk("load person chains", `SELECT p.id, p.seq, p.last_n
		FROM (VALUES %s) v JOIN persons p ON p.id = v.column1`, "(CAST(? AS BIGINT))", 0)
	loadReviews   = define("load reviews", `SELECT `+reviewRow+` FROM reviews WHERE account_id = $1 AND register_id = $2 AND kind = $3 ORDER BY id DESC LIMIT $4`)
	leavesBetween = define("leaves between", `SELECT n, leaf FROM entries WHERE n >= $1 AND n < $2 ORDER BY n`)
	readTile      = define("read tile", `SELECT data FROM tiles WHERE level = $1 AND idx = $2`)

	insertEntries = defineBulk("insert entries", `INSERT INTO entries (n, at, kind, act, register_id, account_id, aseq, aprev,
		organisation_id, session_id, person_id, pseq, pprev, version, fields, purpose, tier, decision, reasons, detail, format, leaf)
		VALUES %s`, "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", 0)
	upsertMeters = defineBulk("upsert meters", `INSERT INTO meters (holder_id, register_id, seq, last_n, state, mac) VALUES %s
		ON CONFLICT (holder_id, register_id) DO UPDATE SET seq = excluded.seq, last_n = excluded.last_n, state = excluded.state,
		mac = excluded.mac`, "(?,?,?,?,?,?)", 0)
	upsertSeen = defineBulk("upsert seen", `INSERT INTO seen (account_id, person_id, charged_at, tier, classes, last_at, mac) VALUES %s
		ON CONFLICT (account_id, person_id) DO UPDATE SET charged_at = excluded.charged_at, tier = excluded.tier,
		classes = excluded.classes, last_at = excluded.last_at, mac = excluded.mac`, "(?,?,?,?,?,?,?)", 0)
	updatePersons = defineBulk("update person chains", `UPDATE persons SET seq = v.column2, last_n = v.column3
		FROM (VALUES %s) v WHERE persons.id = v.column1`, "(CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT))", 0)
	insertTile   = define("insert tile", `INSERT INTO tiles (level, idx, data) VALUES ($1, $2, $3)`)
	insertReview = define("insert review", `INSERT INTO reviews (id, entry, at, controller_id, organisation_id, account_id,
		register_id, kind, purpose, motive, text, state, decided_by, decided_at, mac)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`)
)

// Statements that read the ledger.
var (
	readHead    = define("read head", `SELECT n, at, rev, frontier, next_id FROM heads WHERE id = 1`)
	readEntries = define("read entries", `SELECT n, at, kind, act, register_id, account_id, aseq, aprev, organisation_id,
		session_id, person_id, pseq, pprev, version, fields, purpose, tier, decision, reasons, detail, format, leaf
		FROM entries WHERE n >= $1 AND n < $2 ORDER BY n LIMIT $3`)
	countEntries = defineScan("count entries", `SELECT COUNT(*) FROM entries`)
	allMeters    = defineScan("all meters", `SELECT holder_id, register_id, seq, last_n, state, mac FROM meters`)
	allSeen      = defineScan("all seen", `SELECT account_id, person_id, charged_at, tier, classes, last_at, mac FROM seen`)
	allReviews   = defineScan("all reviews", `SELECT `+reviewRow+` FROM reviews ORDER BY id`)
	allChains    = defineScan("all person chains", `SELECT id, seq, last_n FROM persons WHERE seq > 0`)
)

// loads are the calls that read what a batch rests on into a state: meters, what accounts have seen, the
// persons' chains, and queues of reviews.
func (t *Tx) loads(k ledger.LoadKeys) (ledger.State, []call) {
	state := ledger.State{
		Meters:  make(map[ledger.Holder]ledger.MeterRow, len(k.Holders)),
		Seen:    make(map[ledger.Pair]ledger.SeenRow, len(k.Pairs)),
		Persons: make(map[ecluse.PersonID]ledger.Chain, len(k.Persons)), Reviews: map[ledger.Queue][]ledger.ReviewRow{},
	}
	args := make([]any, 0, 2*len(k.Holders))
	for _, h := range k.Holders {
		args = append(args, h.ID, int64(h.Register))
	}
	meters := t.lookup(loadMeters, args, meterInto(state.Meters))
	args = make([]any, 0, 2*len(k.Pairs))
	for _, p := range k.Pairs {
		args = append(args, int64(p.Account), int64(p.Person))
	}
	seen := t.lookup(loadSeen, args, seenInto(state.Seen))
	args = make([]any, 0, len(k.Persons))
	for _, p := range k.Persons {
		args = append(args, int64(p))
	}
	persons := t.lookup(loadPersons, args, chainInto(state.Persons))
	var queues []call
	for _, q := range k.Queues {
		queues = append(queues, call{
			statement: loadReviews, args: []any{int64(q.Account), int64(q.Register), q.Kind, ledger.ReviewsLoaded}, each: reviewInto(state.Reviews, q),
		})
	}
	return state, slices.Concat(meters, seen, persons, queues)
}

// lookup is a bulk's call for keys, padded so that few texts are ever prepared; none for no keys.
func (t *Tx) lookup(b *bulk, keys []any, each func(scanner) error) []call {
	if len(keys) == 0 {
		return nil
	}
	keys = fill(keys, 0, b.width)
	return []call{{statement: b.of(t.db.engine, len(keys)/b.width), args: keys, each: each}}
}

func (t *Tx) bulkExec(ctx context.Context, b *bulk, rows int, args []any) error {
	if rows == 0 {
		return nil
	}
	return t.exec(ctx, b.of(t.db.engine, rows), args...)
}

// meterInto reads meters. What no meter wrote gets no MAC: it is dead.
func meterInto(into map[ledger.Holder]ledger.MeterRow) func(scanner) error {
	return func(row scanner) error {
		var h ledger.Holder
		var m ledger.MeterRow
		var state, mac []byte
		if err := row.Scan(&h.ID, &h.Register, &m.Seq, &m.LastN, &state, &mac); err != nil {
			return err
		}
		if m.Meter.UnmarshalBinary(state) == nil && len(mac) == len(m.MAC) {
			copy(m.MAC[:], mac)
		}
		into[h] = m
		return nil
	}
}

func seenInto(into map[ledger.Pair]ledger.SeenRow) func(scanner) error {
	return func(row scanner) error {
		var p ledger.Pair
		var s ledger.SeenRow
		var charged, last int64
		var mac []byte
		if err := row.Scan(&p.Account, &p.Person, &charged, &s.Tier, &s.Classes, &last, &mac); err != nil {
			return err
		}
		if len(mac) == len(s.MAC) {
			copy(s.MAC[:], mac)
		}
		s.ChargedAt, s.LastAt = fromMicros(charged), fromMicros(last)
		into[p] = s
		return nil
	}
}

func reviewInto(into map[ledger.Queue][]ledger.ReviewRow, q ledger.Queue) func(scanner) error {
	return func(row scanner) error {
		r, err := scanReviewRow(row)
		into[q] = append(into[q], r)
		return err
	}
}

// scanReviewRow reads the columns of reviewRow.
func scanReviewRow(row scanner) (ledger.ReviewRow, error) {
	var r ledger.ReviewRow
	var at, decided int64
	err := row.Scan(&r.ID, &r.Entry, &at, &r.Controller, &r.Organisation, &r.Account, &r.Register, &r.Kind, &r.Purpose, &r.Motive, &r.Text,
		&r.State, &r.DecidedBy, &decided, &r.MAC)
	r.At, r.DecidedAt = fromMicros(at), fromMicros(decided)
	return r, err
}

func chainInto(into map[ecluse.PersonID]ledger.Chain) func(scanner) error {
	return func(row scanner) error {
		var id ecluse.PersonID
		var c ledger.Chain
		if err := row.Scan(&id, &c.Seq, &c.LastN); err != nil {
			return err
		}
		into[id] = c
		return nil
	}
}

// Save writes what a batch changes, at the latest when the transaction ends.
func (t *Tx) Save(ctx context.Context, w ledger.Writes) error {
	if err := t.saveMeters(w.Meters); err != nil {
		return err
	}
	args := make([]any, 0, 7*len(w.Seen))
	for p, s := range w.Seen {
		args = append(args, int64(p.Account), int64(p.Person), micros(s.ChargedAt), int64(s.Tier), int64(s.Classes), micros(s.LastAt), s.MAC[:])
	}
	t.bulkLater(upsertSeen, args)
	args = make([]any, 0, 3*len(w.Persons))
	for id, c := range w.Persons {
		args = append(args, int64(id), c.Seq, int64(c.LastN))
	}
	t.bulkLater(updatePersons, args)
	args = make([]any, 0, 22*len(w.Entries))
	for i := range w.Entries {
		args = appendEntry(args, &w.Entries[i])
	}
	t.bulkLater(insertEntries, args)
	return t.saveRest(ctx, w)
}

func (t *Tx) saveMeters(meters map[ledger.Holder]ledger.MeterRow) error {
	args := make([]any, 0, 6*len(meters))
	for h, m := range meters {
		state, err := m.Meter.MarshalBinary()
		if err != nil {
			return fmt.Errorf("encode the meter of holder %d: %w", h.ID, err)
		}
		args = append(args, h.ID, int64(h.Register), m.Seq, int64(m.LastN), state, m.MAC[:])
	}
	t.bulkLater(upsertMeters, args)
	return nil
}

func (t *Tx) saveRest(ctx context.Context, w ledger.Writes) error {
	for _, tile := range w.Tiles {
		t.later(call{statement: insertTile, args: []any{tile.Level, tile.Index, tile.Data}})
	}
	for _, r := range w.Reviews {
		text := r.Text
		if text == nil {
			text = []byte{}
		}
		t.later(call{statement: insertReview, args: []any{int64(r.ID), int64(r.Entry), micros(r.At), int64(r.Controller), int64(r.Organisation),
			int64(r.Account), int64(r.Register), r.Kind, string(r.Purpose), r.Motive, text, r.State, int64(r.DecidedBy), micros(r.DecidedAt), r.MAC}})
	}
	return t.InsertNotices(ctx, w.Notices)
}

// appendEntry lists an entry's columns. Entries about nobody leave the person's columns NULL, so that
// the unique index of person chains does not see them.
func appendEntry(args []any, e *ledger.Entry) []any {
	var person, pseq, pprev any
	if e.Person != 0 {
		person, pseq, pprev = int64(e.Person), e.PSeq, e.PPrev
	}
	return append(args, int64(e.N), micros(e.At), string(e.Kind), e.Act, int64(e.Register), int64(e.Account), e.ASeq, e.APrev,
		int64(e.Organisation), int64(e.Session), person, pseq, pprev, int64(e.Version), int64(e.Fields), string(e.Purpose),
		int64(e.Tier), string(e.Decision), e.Reasons, e.Detail, e.Format, e.Leaf[:])
}

// scanEntry reads what appendEntry wrote. An entry without account was purged. What no entry can hold
// gets the zero hash for a leaf, so that verification names it.
func scanEntry(rows *sql.Rows) (*ledger.Entry, error) {
	var e ledger.Entry
	var at, fields, tier int64
	var account, aseq, aprev, organisation, session, person, pseq, pprev sql.NullInt64
	var leaf []byte
	err := rows.Scan(&e.N, &at, &e.Kind, &e.Act, &e.Register, &account, &aseq, &aprev, &organisation, &session, &person, &pseq, &pprev,
		&e.Version, &fields, &e.Purpose, &tier, &e.Decision, &e.Reasons, &e.Detail, &e.Format, &leaf)
	if err != nil {
		return nil, err
	}
	e.Tier = ecluse.Tier(tier)
	whole := !account.Valid || aseq.Valid && aprev.Valid && organisation.Valid && session.Valid && person.Valid == pseq.Valid && pseq.Valid == pprev.Valid
	if whole && len(leaf) == len(e.Leaf) && int64(e.Tier) == tier {
		copy(e.Leaf[:], leaf)
	}
	e.At, e.Fields, e.Purged = fromMicros(at), ecluse.FieldSet(fields), !account.Valid
	e.Account, e.ASeq, e.APrev = ecluse.AccountID(account.Int64), aseq.Int64, aprev.Int64
	e.Organisation, e.Session = ecluse.OrganisationID(organisation.Int64), ecluse.SessionID(session.Int64)
	e.Person, e.PSeq, e.PPrev = ecluse.PersonID(person.Int64), -1, -1
	if pseq.Valid {
		e.PSeq = pseq.Int64
	}
	if pprev.Valid {
		e.PPrev = pprev.Int64
	}
	return &e, nil
}

// LeavesIn are the leaf hashes from (included) to (excluded), joined.
func (t *Tx) LeavesIn(ctx context.Context, from, to int64) ([]byte, error) {
	if from == to {
		return nil, nil
	}
	return leaves(from, to, func(each func(*sql.Rows) error, from, to int64) error {
		return t.query(ctx, leavesBetween, each, from, to)
	})
}

// TileIn is a complete tile's data, nil if there is none.
func (t *Tx) TileIn(ctx context.Context, level int, index int64) ([]byte, error) {
	return tileOf(ctx, t, level, index)
}

func leaves(from, to int64, query func(each func(*sql.Rows) error, from, to int64) error) ([]byte, error) {
	var out []byte
	next := from
	err := query(func(rows *sql.Rows) error {
		var n int64
		var leaf []byte
		if err := rows.Scan(&n, &leaf); err != nil {
			return err
		}
		if n != next || len(leaf) != 32 {
			return fmt.Errorf("the leaf of entry %d is missing or malformed", next)
		}
		next++
		out = append(out, leaf...)
		return nil
	}, from, to)
	return out, err
}
