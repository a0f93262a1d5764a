package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"ecluse/internal/ledger"
)

// Errors of restoring. Test with errors.Is.
var (
	// ErrNotEmpty: the database holds an installation already; a backup is restored into an empty one.
	ErrNotEmpty = errors.New("the database is not empty")
	// ErrRow: a row of a backup does not fit its table.
	ErrRow = errors.New("a row does not fit its table")
	// ErrUnfinished: a restore was interrupted; run it again.
	ErrUnfinished = errors.New("the database is half restored")
)

// ColumnKind is how a column's values travel in a backup.
type ColumnKind byte

// The four types of the schema.
const (
	Number  ColumnKind = 'n'
	Text    ColumnKind = 't'
	Bytes   ColumnKind = 'b'
	Boolean ColumnKind = 'o'
)

// Table is a table as backups copy it. Tables lists all, each after those that it refers to.
type Table struct {
	Name    string
	Columns []Column
	read    *statement
	write   *bulk
	wipe    *statement
}

// Column is a column of a Table.
type Column struct {
	Name string
	Kind ColumnKind
}

// Tables is the schema of migrations/ in the order in which it is restored. A test compares it with
// what the database says of itself. The row of heads comes last: without it a database opens nowhere.
var Tables = []*Table{
	table("controllers", "id", "id code:t name:t dpo:t mac:b"),
	table("registers", "id", "id code:t schema:t schema_digest:b keyset:b persons mac:b"),
	table("register_controllers", "register_id, controller_id", "register_id controller_id role:t rule:t"),
	table("organisations", "id", "id controller_id parent_id code:t kind:t siret:t name:t territory:t phone:t headcount state:t mac:b"),
	table("agreements", "id", "id organisation_id register_id code:t purposes:t fields territory:t limits:t starts ends state:t entry mac:b"),
	table("accounts", "id", `id controller_id organisation_id site_id kind:t state:t idp:t sub:t email:t given_name:t usual_name:t
		requested_by approved_by installed:o created starts ends standin_ends entry mac:b active_at active_mac:b`),
	table("identities", "idp, sub", "idp:t sub:t account_id since mac:b"),
	table("memberships", "organisation_id, account_id", "organisation_id account_id"),
	table("grants", "account_id, agreement_id, role", "account_id agreement_id role:t requested_by approved_by created ends entry mac:b"),
	table("invitations", "secret_hash", "secret_hash:b account_id created ends used_at"),
	table("approvals", "id", `id controller_id kind:t organisation_id subject_id body:t summary:t requested_by requester:t requested_at
		decided_by decided_at decided_entry state:t expires session_id device:t network:t mac:b`),
	table("raises", "id", "id account_id register_id made_by reason:t starts ends entry mac:b"),
	table("containments", "id", `id controller_id account_id tree:o since reason:b made_by approved_by requester:t at body:t entry undone_at
		undone_by undo_approved undo_entry mac:b`),
	table("observations", "register_id, controller_id", "register_id controller_id requested_by approved_by starts ends entry mac:b"),
	table("sessions", "id", `id account_id secret_hash:b provider:t acr:t id_token:b device:t browser:t network:t invited:o created stepped_at
		factor_at factor:t challenge:b client_id idle_ends ends revoked_at`),
	table("client_keys", "id", `id account_id kind:t material:b requested_by approved_by granted created ends replaced_by revoked_at
		last_used_at entry mac:b`),
	table("delegations", "client_id, account_id", "client_id account_id created ends entry mac:b"),
	table("factors", "id", "id account_id kind:t name:t state:t secret:b sign_count last_step session_id created used_at ended_at entry mac:b"),
	table("tries", "account_id, device", "account_id device:t failures last_at"),
	table("trainings", "account_id, register_id", "account_id register_id exams tries since ends entry mac:b"),
	table("imports", "id", "id register_id digest:b position rows rejected started beat state:t"),
	table("persons", "id", "id register_id ext:b territory:t seq last_n"),
	table("records", "person_id, version", "person_id version digest:b sealed:b"),
	table("lookups", "register_id, kind, key, person_id, version", "register_id kind key:b person_id version"),
	table("links", "id", `id register_id person_id account_id site_id organisation_id kind:t made_by made_at entry starts ends mac:b`),
	table("meters", "holder_id, register_id", "holder_id register_id seq last_n state:b mac:b"),
	table("seen", "account_id, person_id", "account_id person_id charged_at tier classes last_at mac:b"),
	table("entries", "n", `n at kind:t act register_id account_id aseq aprev organisation_id session_id person_id pseq pprev version fields
		purpose:t tier decision:t reasons:t detail:b format leaf:b`),
	table("tiles", "level, idx", "level idx data:b"),
	table("reviews", "id", `id entry at controller_id organisation_id account_id register_id kind:t purpose:t motive:t text:b state:t
		decided_by decided_at mac:b`),
	table("holds", "id", "id since reason:b made_by:t at ended_at ended_by:t end_entry mac:b"),
	table("notices", "id", "id at kind:t controller_id organisation_id account_id made_by subject_id spread_at"),
	table("deliveries", "account_id, notice_id", "account_id notice_id state:t tries next_at sent_at mail_id"),
	table("heads", "id", "id n at rev frontier:b next_id instance:t key_check:b demo:o clock_offset"),
}

// table reads "name" (a number) or "name:kind" of each column.
func table(name, key, columns string) *Table {
	t := &Table{Name: name}
	var names []string
	for c := range strings.FieldsSeq(columns) {
		column, kind, typed := strings.Cut(c, ":")
		if !typed {
			kind = string(Number)
		}
		t.Columns = append(t.Columns, Column{column, ColumnKind(kind[0])})
		names = append(names, column)
	}
	list := strings.Join(names, ", ")
	t.read = defineScan("back up "+name, "SELECT "+list+" FROM "+name+" ORDER BY "+key)
	t.write = defineBulk("restore "+name, "INSERT INTO "+name+" ("+list+") VALUES %s", "("+strings.Repeat("?,", len(names)-1)+"?)", 0)
	t.wipe = defineScan("wipe "+name, "DELETE FROM "+name)
	return t
}

// Each reads a table of the snapshot row by row, by primary key: int64, string, []byte, bool or nil.
// The row is valid during the call only.
func (s *Snapshot) Each(ctx context.Context, t *Table, each func(row []any) error) error {
	row, into := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	for i, c := range t.Columns {
		switch c.Kind {
		case Number:
			into[i] = new(sql.NullInt64)
		case Text:
			into[i] = new(sql.NullString)
		case Bytes:
			into[i] = new([]byte)
		case Boolean:
			into[i] = new(sql.NullBool)
		}
	}
	return s.t.query(ctx, t.read, func(rows *sql.Rows) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i := range into {
			row[i] = plain(into[i])
		}
		return each(row)
	})
}

func plain(scanned any) any {
	switch v := scanned.(type) {
	case *sql.NullInt64:
		if v.Valid {
			return v.Int64
		}
	case *sql.NullString:
		if v.Valid {
			return v.String
		}
	case *sql.NullBool:
		if v.Valid {
			return v.Bool
		}
	case *[]byte:
		if *v == nil {
			return []byte{}
		}
		return *v
	}
	return nil
}

var anyInstance = define("is there an instance", `SELECT instance FROM heads WHERE id = 1`)

// restoring marks the instance of a database between its last row and its restore entry.
const restoring = "restoring:"

// Empty prepares a migrated database for a restore: ErrNotEmpty if it holds an installation. What an
// interrupted restore left is removed.
func (db *DB) Empty(ctx context.Context) error {
	var instance string
	err := db.row(ctx, anyInstance, nil, &instance)
	if err == nil && !strings.HasPrefix(instance, restoring) {
		return ErrNotEmpty
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return db.unhurried(ctx, func(t *Tx) error {
		for i := len(Tables) - 1; i >= 0; i-- {
			if err := t.exec(ctx, Tables[i].wipe); err != nil {
				return err
			}
		}
		return nil
	})
}

// unhurried is short without the server's time limits, for a database that nobody uses yet.
func (db *DB) unhurried(ctx context.Context, fn func(*Tx) error) error {
	return db.short(ctx, func(t *Tx) error {
		if db.engine == postgresEngine {
			for _, setting := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
				t.later(call{statement: &statement{name: "set " + setting, text: "SET LOCAL " + setting + " = 0"}})
			}
		}
		return fn(t)
	})
}

// RestoreRows is how many rows Restore takes at most.
const RestoreRows = 4000

// Restore writes rows of a table: ErrRow if one does not fit. The instance is marked as being
// restored, so that nothing opens the database before FinishRestore.
func (db *DB) Restore(ctx context.Context, t *Table, rows [][]any) error {
	for _, row := range rows {
		if err := t.fits(row); err != nil {
			return err
		}
		if t.Name == "heads" {
			name, _ := row[t.column("instance")].(string)
			row[t.column("instance")] = restoring + name
		}
	}
	const most = 32000 // parameters of one statement
	step := most / len(t.Columns)
	return db.unhurried(ctx, func(tx *Tx) error {
		for len(rows) > 0 {
			some := rows[:min(step, len(rows))]
			rows = rows[len(some):]
			args := make([]any, 0, len(some)*len(t.Columns))
			for _, row := range some {
				args = append(args, row...)
			}
			if err := tx.bulkExec(ctx, t.write, len(some), args); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *Table) fits(row []any) error {
	if len(row) != len(t.Columns) {
		return fmt.Errorf("%w (%s)", ErrRow, t.Name)
	}
	for i, c := range t.Columns {
		ok := row[i] == nil
		switch row[i].(type) {
		case int64:
			ok = c.Kind == Number
		case string:
			ok = c.Kind == Text
		case []byte:
			ok = c.Kind == Bytes
		case bool:
			ok = c.Kind == Boolean
		}
		if !ok {
			return fmt.Errorf("%w (%s.%s)", ErrRow, t.Name, c.Name)
		}
	}
	return nil
}

func (t *Table) column(name string) int {
	for i, c := range t.Columns {
		if c.Name == name {
			return i
		}
	}
	panic("store: no column " + name)
}

// idGap is left between the identifiers of a backup and those allotted after its restore, so that none
// that was allotted after the backup, and lost, ever means something else.
const idGap = 1_000_000_000

var (
	skipIDs    = define("skip ids", `UPDATE heads SET next_id = next_id + $1 WHERE id = 1 RETURNING next_id`)
	pageMeters = define("page through meters", `SELECT holder_id, register_id, seq, last_n, state, mac FROM meters WHERE (holder_id, register_id) > ($1, $2)
		ORDER BY holder_id, register_id LIMIT $3`)
	metersWanted = defineScan("meters that a restore fills", `SELECT h.holder_id, h.register_id FROM (
			SELECT a.id AS holder_id, r.id AS register_id FROM accounts a CROSS JOIN (SELECT id FROM registers UNION ALL SELECT 0) r
			UNION ALL SELECT o.id, r.id FROM organisations o CROSS JOIN registers r
			UNION ALL SELECT r.id, r.id FROM registers r
			UNION ALL SELECT 0, r.id FROM (SELECT id FROM registers UNION ALL SELECT 0) r) h
		WHERE NOT EXISTS (SELECT 1 FROM meters m WHERE m.holder_id = h.holder_id AND m.register_id = h.register_id)`)
	revokeAll      = defineScan("revoke all sessions", `UPDATE sessions SET revoked_at = $1 WHERE revoked_at = 0`)
	finishInstance = define("finish instance", `UPDATE heads SET instance = substr(instance, $1) WHERE id = 1`)
)

// FillMeters exhausts the budgets of every holder for the 24 h after at (budget.Meter.Fill), with or
// without a meter so far, revokes every session, and skips identifiers. It returns the first
// identifier that is left, the meters filled and the sessions revoked. It serves a database that is
// being restored: nobody else is there. seal makes a row's MAC; a meter that was dead stays so.
func (db *DB) FillMeters(ctx context.Context, at time.Time, seal func(ledger.Holder, *ledger.MeterRow) ledger.RowMAC) (nextID, meters, sessions int64, err error) {
	err = db.unhurried(ctx, func(t *Tx) error {
		if err := t.row(ctx, skipIDs, []any{idGap}, &nextID); err != nil {
			return err
		}
		res, err := t.result(ctx, revokeAll, []any{micros(at)})
		if err != nil {
			return err
		}
		if sessions, err = res.RowsAffected(); err != nil {
			return err
		}
		if err := t.addMeters(ctx, seal); err != nil {
			return err
		}
		meters, err = t.fillMeters(ctx, at, seal)
		return err
	})
	return nextID, meters, sessions, err
}

// addMeters gives every holder a meter that was never charged.
func (t *Tx) addMeters(ctx context.Context, seal func(ledger.Holder, *ledger.MeterRow) ledger.RowMAC) error {
	missing := map[ledger.Holder]ledger.MeterRow{}
	err := t.query(ctx, metersWanted, func(rows *sql.Rows) error {
		var h ledger.Holder
		err := rows.Scan(&h.ID, &h.Register)
		m := ledger.MeterRow{Chain: ledger.Chain{LastN: -1}}
		m.MAC = seal(h, &m)
		missing[h] = m
		return err
	})
	if err != nil {
		return err
	}
	return t.saveMeters(missing)
}

func (t *Tx) fillMeters(ctx context.Context, at time.Time, seal func(ledger.Holder, *ledger.MeterRow) ledger.RowMAC) (filled int64, err error) {
	after := ledger.Holder{ID: -1, Register: -1}
	for {
		page, read := map[ledger.Holder]ledger.MeterRow{}, 0
		err := t.query(ctx, pageMeters, func(rows *sql.Rows) error {
			one := map[ledger.Holder]ledger.MeterRow{}
			err := meterInto(one)(rows)
			read++
			for h, m := range one {
				after = h
				if m.MAC == seal(h, &m) {
					m.Meter.Fill(at)
					m.MAC = seal(h, &m)
					page[h] = m
				}
			}
			return err
		}, after.ID, int64(after.Register), RestoreRows)
		if err != nil {
			return filled, err
		}
		if err := t.saveMeters(page); err != nil {
			return filled, err
		}
		if filled += int64(len(page)); read < RestoreRows {
			return filled, nil
		}
	}
}

// FinishRestore takes the mark off the instance: the effect of the restore entry.
func (t *Tx) FinishRestore(ctx context.Context) error {
	return t.execOne(ctx, finishInstance, len(restoring)+1)
}
