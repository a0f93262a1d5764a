package store

import (
	"context"
	"database/sql"
	"errors"
	"math/bits"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/register"
)

// Statements of registers. A person's visible version is the newest whose import is published.
const visibleVersion = `(SELECT MAX(x.version) FROM records x JOIN imports i ON i.id = x.version
	WHERE x.person_id = p.id AND i.state = 'published')`

var (
	listRegisters = defineScan("list registers", `SELECT id, code, schema, schema_digest, keyset, persons, mac FROM registers ORDER BY id`)
	// Small tables both.
	listControllers = defineScan("list controllers of registers", `SELECT rc.register_id, c.id, c.code, c.name, c.dpo, c.mac, rc.role, rc.rule
		FROM register_controllers rc JOIN controllers c ON c.id = rc.controller_id ORDER BY rc.register_id, c.id`)
	listPublished = defineScan("list published imports", `SELECT register_id, id FROM imports WHERE state = 'published' ORDER BY register_id, id`)
	sealRegister  = define("seal register", `UPDATE registers SET mac = $2 WHERE id = $1`)

	findRegister     = define("find register", `SELECT id FROM registers WHERE code = $1`)
	findController   = define("find controller", `SELECT id FROM controllers WHERE code = $1`)
	insertController = define("insert controller", `INSERT INTO controllers (id, code, name, dpo, mac) VALUES ($1, $2, $3, $4, $5)`)
	insertRegister   = define("insert register", `INSERT INTO registers (id, code, schema, schema_digest, keyset, persons, mac)
		VALUES ($1, $2, $3, $4, $5, 0, $6)`)
	insertRegisterController = define("insert register controller", `INSERT INTO register_controllers (register_id, controller_id, role, rule)
		VALUES ($1, $2, $3, $4)`)

	// The plus keeps SQLite from walking the whole register by its index where a list of ids is long.
	visibleRecords = defineBulk("read visible records", `SELECT r.person_id, r.version, r.sealed
		FROM persons p JOIN records r ON r.person_id = p.id
		WHERE +p.register_id = $1 AND p.id IN (%s) AND r.version = `+visibleVersion, "?", 1)
	readRecords = defineBulk("read records", `SELECT r.person_id, r.version, r.sealed
		FROM (VALUES %s) v JOIN records r ON r.person_id = v.column1 AND r.version = v.column2`,
		"(CAST(? AS BIGINT), CAST(? AS BIGINT))", 0)
	findLookup = define("find lookup", `SELECT p.id FROM lookups l JOIN persons p ON p.id = l.person_id AND p.register_id = l.register_id
		WHERE l.register_id = $1 AND l.kind = $2 AND l.key = $3 AND l.version = `+visibleVersion+` ORDER BY p.id LIMIT $4`)
)

// Statements of imports.
var (
	staleImports = defineScan("give up stale imports", `UPDATE imports SET state = 'abandoned'
		WHERE register_id = $1 AND state = 'running' AND beat < $2`)
	runningImports = defineScan("count running imports", `SELECT COUNT(*) FROM imports WHERE register_id = $1 AND state = 'running'`)
	anyPerson      = define("is a register empty", `SELECT COUNT(*) FROM (SELECT 1 FROM persons WHERE register_id = $1 LIMIT 1) p`)
	insertImport   = define("insert import", `INSERT INTO imports (id, register_id, digest, position, rows, rejected, started, beat, state)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 'running')`)
	beatImport = define("beat import", `UPDATE imports SET position = $2, rows = $3, rejected = $4, beat = $5
		WHERE id = $1 AND state = 'running'`)
	endImport  = define("end import", `UPDATE imports SET state = $2 WHERE id = $1 AND state = 'running'`)
	addPersons = define("count persons", `UPDATE registers SET persons = persons + $2 WHERE id = $1`)

	knownPersons = defineBulk("read known persons", `SELECT p.ext, p.id, p.territory, r.version, r.digest
		FROM persons p LEFT JOIN records r ON r.person_id = p.id AND r.version = `+visibleVersion+`
		WHERE p.register_id = $1 AND p.ext IN (%s)`, "?", 1)
	insertPersons = defineBulk("insert persons", `INSERT INTO persons (id, register_id, ext, territory, seq, last_n) VALUES %s
		ON CONFLICT (register_id, ext) DO NOTHING`, "(?,?,?,?,0,-1)", 0)
	insertRecords = defineBulk("insert records", `INSERT INTO records (person_id, version, digest, sealed) VALUES %s
		ON CONFLICT (person_id, version) DO NOTHING`, "(?,?,?,?)", 0)
	insertLookups = defineBulk("insert lookups", `INSERT INTO lookups (register_id, kind, key, person_id, version) VALUES %s
		ON CONFLICT (register_id, kind, key, person_id, version) DO NOTHING`, "(?,?,?,?,?)", 0)
	movePerson = define("move person", `UPDATE persons SET territory = $2 WHERE id = $1`)

	abandonedImports = defineScan("list abandoned imports", `SELECT id FROM imports WHERE register_id = $1 AND state = 'abandoned'`)
	sweptImport      = define("mark import swept", `UPDATE imports SET state = 'swept' WHERE id = $1 AND state = 'abandoned'`)
	pageRecords      = define("page through records", `SELECT person_id, version FROM records WHERE (person_id, version) > ($1, $2)
		ORDER BY person_id, version LIMIT $3`)
	deleteRecord = define("delete record", `DELETE FROM records WHERE person_id = $1 AND version = $2`)
	pageLookups  = define("page through lookups", `SELECT kind, key, person_id, version FROM lookups
		WHERE register_id = $1 AND (kind, key, person_id, version) > ($2, $3, $4, $5)
		ORDER BY kind, key, person_id, version LIMIT $6`)
	deleteLookup = define("delete lookup", `DELETE FROM lookups WHERE register_id = $1 AND kind = $2 AND key = $3
		AND person_id = $4 AND version = $5`)
)

// CreateRegister writes a register with its controllers: register.ErrRegisterExists. It implements
// register.Store, like all that follows.
func (db *DB) CreateRegister(ctx context.Context, now time.Time, row register.StoredRegister, s register.Seals) (register.StoredRegister, error) {
	err := db.Locked(ctx, now, func(locked ledger.Tx) error {
		t, err := own(locked)
		if err != nil {
			return err
		}
		var there int64
		switch err := t.row(ctx, findRegister, []any{row.Code}, &there); {
		case err == nil:
			return register.ErrRegisterExists
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		row.ID = ecluse.RegisterID(t.Allot(1))
		t.head.Rev++
		return t.createRegister(ctx, &row, s)
	})
	return row, err
}

func (t *Tx) createRegister(ctx context.Context, row *register.StoredRegister, s register.Seals) error {
	if err := t.exec(ctx, insertRegister, int64(row.ID), row.Code, string(row.Definition), row.Digest, row.Keyset, []byte{}); err != nil {
		return err
	}
	for i := range row.Controllers {
		c := &row.Controllers[i]
		err := t.row(ctx, findController, []any{c.Code}, &c.ID)
		if errors.Is(err, sql.ErrNoRows) {
			c.ID = ecluse.ControllerID(t.Allot(1))
			err = t.exec(ctx, insertController, int64(c.ID), c.Code, c.Name, c.DPO, s.Controller(c.Controller))
		}
		if err != nil {
			return err
		}
		if err := t.exec(ctx, insertRegisterController, int64(row.ID), int64(c.ID), strings.Join(c.Roles, " "), c.Rule); err != nil {
			return err
		}
	}
	return t.sealRegister(ctx, row.ID, s, func(r register.StoredRegister) register.StoredRegister {
		r.MAC = nil // it is new
		return r
	})
}

// sealRegister gives a register's row the MAC of what it is by now in this transaction.
func (t *Tx) sealRegister(ctx context.Context, id ecluse.RegisterID, s register.Seals, before func(register.StoredRegister) register.StoredRegister) error {
	all, err := registersOf(ctx, t)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.ID != id {
			continue
		}
		mac, err := s.Register(before(r), r)
		if err != nil {
			return err
		}
		return t.execOne(ctx, sealRegister, int64(id), mac)
	}
	return register.ErrUnknownRegister
}

// Registers reads all registers with their controllers and published imports, as of one instant.
func (db *DB) Registers(ctx context.Context) (all []register.StoredRegister, err error) {
	err = db.Snapshot(ctx, func(s *Snapshot) error {
		all, err = registersOf(ctx, s.t)
		return err
	})
	return all, err
}

func registersOf(ctx context.Context, t *Tx) ([]register.StoredRegister, error) {
	var all []register.StoredRegister
	of := func(id ecluse.RegisterID) *register.StoredRegister {
		for i := range all {
			if all[i].ID == id {
				return &all[i]
			}
		}
		return new(register.StoredRegister) // of none
	}
	err := t.query(ctx, listRegisters, func(rows *sql.Rows) error {
		var r register.StoredRegister
		var definition string
		err := rows.Scan(&r.ID, &r.Code, &definition, &r.Digest, &r.Keyset, &r.Persons, &r.MAC)
		r.Definition = []byte(definition)
		all = append(all, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = t.query(ctx, listControllers, func(rows *sql.Rows) error {
		var id ecluse.RegisterID
		var c register.StoredController
		var roles string
		err := rows.Scan(&id, &c.ID, &c.Code, &c.Name, &c.DPO, &c.MAC, &roles, &c.Rule)
		c.Roles = strings.Fields(roles)
		r := of(id)
		r.Controllers = append(r.Controllers, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, t.query(ctx, listPublished, func(rows *sql.Rows) error {
		var id ecluse.RegisterID
		var v ecluse.VersionID
		err := rows.Scan(&id, &v)
		r := of(id)
		r.Published = append(r.Published, v)
		return err
	})
}

// personKey is a person of a register.
type personKey struct {
	register ecluse.RegisterID
	person   ecluse.PersonID
}

// Visible reads visible records: few of them together with those of other requests.
func (db *DB) Visible(ctx context.Context, reg ecluse.RegisterID, persons []ecluse.PersonID) ([]register.StoredRecord, error) {
	if len(persons) > coalesced {
		return db.recordsOf(ctx, reg, persons)
	}
	keys := make([]personKey, len(persons))
	for i, p := range persons {
		keys[i] = personKey{reg, p}
	}
	return db.records.get(ctx, keys)
}

// fetchRecords answers many Visible: one statement a register.
func (db *DB) fetchRecords(ctx context.Context, keys []personKey) (map[personKey][]register.StoredRecord, error) {
	byRegister := map[ecluse.RegisterID][]ecluse.PersonID{}
	for _, k := range keys {
		byRegister[k.register] = append(byRegister[k.register], k.person)
	}
	found := make(map[personKey][]register.StoredRecord, len(keys))
	for reg, persons := range byRegister {
		rows, err := db.recordsOf(ctx, reg, persons)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			found[personKey{reg, r.Person}] = []register.StoredRecord{r}
		}
	}
	return found, nil
}

// inList is how many values a list holds at most; lists are filled up to a power of two with their
// first value, so that there are few statements to prepare.
const inList = 512

func (db *DB) recordsOf(ctx context.Context, reg ecluse.RegisterID, persons []ecluse.PersonID) ([]register.StoredRecord, error) {
	found := make([]register.StoredRecord, 0, len(persons))
	for chunk := range slices.Chunk(persons, inList) {
		args := make([]any, 1, 1+inList)
		args[0] = int64(reg)
		for _, id := range chunk {
			args = append(args, int64(id))
		}
		args = fill(args, 1, 1)
		if err := db.looking().query(ctx, visibleRecords.of(db.engine, len(args)-1), recordInto(&found), args...); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// fill repeats the first item behind fixed arguments until there is a power of two of them.
func fill(args []any, fixed, width int) []any {
	n := (len(args) - fixed) / width
	for want := 1 << bits.Len(uint(n-1)); n < want; n++ {
		args = append(args, args[fixed:fixed+width]...)
	}
	return args
}

func recordInto(found *[]register.StoredRecord) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var r register.StoredRecord
		err := rows.Scan(&r.Person, &r.Version, &r.Sealed)
		*found = append(*found, r)
		return err
	}
}

// Records reads exactly these versions.
func (db *DB) Records(ctx context.Context, versions []register.PersonVersion) ([]register.StoredRecord, error) {
	var found []register.StoredRecord
	for chunk := range slices.Chunk(versions, inList) {
		args := make([]any, 0, 2*inList)
		for _, v := range chunk {
			args = append(args, int64(v.Person), int64(v.Version))
		}
		args = fill(args, 0, 2)
		if err := db.query(ctx, readRecords.of(db.engine, len(args)/2), recordInto(&found), args...); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Lookup finds persons by keyed hashes, one statement a probe whether or not it finds anybody.
func (db *DB) Lookup(ctx context.Context, reg ecluse.RegisterID, probes []register.Probe, limit int) ([]ecluse.PersonID, error) {
	var ids []ecluse.PersonID
	for _, p := range probes {
		err := db.query(ctx, findLookup, func(rows *sql.Rows) error {
			var id ecluse.PersonID
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		}, int64(reg), p.Kind, p.Key, limit)
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(len(ids), limit)], nil
}

// BeginImport writes a running import: register.ErrImportRunning if there is one that lives.
func (db *DB) BeginImport(ctx context.Context, imp register.StoredImport, stale time.Time) (ecluse.VersionID, bool, error) {
	var id, running, persons int64
	err := db.short(ctx, func(t *Tx) error {
		// The head lock comes first here too: of two that begin at once one waits, and then sees the other.
		if err := t.row(ctx, allotIDs, []any{1}, &id); err != nil {
			return err
		}
		if err := t.exec(ctx, staleImports, int64(imp.Register), micros(stale)); err != nil {
			return err
		}
		if err := t.row(ctx, runningImports, []any{int64(imp.Register)}, &running); err != nil {
			return err
		}
		if running > 0 {
			return register.ErrImportRunning
		}
		if err := t.row(ctx, anyPerson, []any{int64(imp.Register)}, &persons); err != nil {
			return err
		}
		return t.exec(ctx, insertImport, id, int64(imp.Register), imp.Digest, imp.Position, imp.Rows, imp.Rejected, micros(imp.At))
	})
	return ecluse.VersionID(id), persons == 0, err
}

// Known finds persons by keyed hash.
func (db *DB) Known(ctx context.Context, reg ecluse.RegisterID, externals [][]byte) ([]register.KnownPerson, error) {
	known := make([]register.KnownPerson, 0, len(externals))
	for chunk := range slices.Chunk(externals, inList) {
		args := make([]any, 1, 1+inList)
		args[0] = int64(reg)
		for _, e := range chunk {
			args = append(args, e)
		}
		args = fill(args, 1, 1)
		err := db.query(ctx, knownPersons.of(db.engine, len(args)-1), func(rows *sql.Rows) error {
			var p register.KnownPerson
			var version sql.NullInt64
			err := rows.Scan(&p.External, &p.Person, &p.Territory, &version, &p.Digest)
			p.Version = ecluse.VersionID(version.Int64)
			known = append(known, p)
			return err
		}, args...)
		if err != nil {
			return nil, err
		}
	}
	return known, nil
}

// importPause is how long the SQLite writer is left alone after each batch of an import. Another process
// that waits for it only looks now and then, and would starve beside a writer that never pauses.
const importPause = 2 * time.Millisecond

// PutImport writes a batch of a running import: register.ErrImportLost if it no longer runs.
func (db *DB) PutImport(ctx context.Context, imp register.StoredImport, batch register.ImportBatch) error {
	if db.engine == sqliteEngine {
		defer time.Sleep(importPause)
	}
	return db.short(ctx, func(t *Tx) error {
		err := t.execOne(ctx, beatImport, int64(imp.ID), imp.Position, imp.Rows, imp.Rejected, micros(imp.At))
		if errors.Is(err, errNotOne) {
			return register.ErrImportLost
		}
		if err != nil {
			return err
		}
		return t.putImport(ctx, imp, batch)
	})
}

func (t *Tx) putImport(ctx context.Context, imp register.StoredImport, batch register.ImportBatch) error {
	reg, version := int64(imp.Register), int64(imp.ID)
	for _, p := range batch.Territories {
		if err := t.exec(ctx, movePerson, int64(p.ID), p.Territory); err != nil {
			return err
		}
	}
	err := pieces(batch.Persons, func(some []register.NewPerson) error {
		args := make([]any, 0, 4*len(some))
		for i := range some {
			args = append(args, int64(some[i].ID), reg, some[i].External[:], some[i].Territory)
		}
		return t.bulkExec(ctx, insertPersons, len(some), args)
	})
	if err != nil {
		return err
	}
	err = pieces(batch.Records, func(some []register.NewRecord) error {
		args := make([]any, 0, 4*len(some))
		for i := range some {
			args = append(args, int64(some[i].Person), version, some[i].Digest[:], some[i].Sealed)
		}
		return t.bulkExec(ctx, insertRecords, len(some), args)
	})
	if err != nil {
		return err
	}
	return pieces(batch.Lookups, func(some []register.NewLookup) error {
		args := make([]any, 0, 5*len(some))
		for i := range some {
			args = append(args, reg, some[i].Kind, some[i].Key[:], int64(some[i].Person), version)
		}
		return t.bulkExec(ctx, insertLookups, len(some), args)
	})
}

// pieceRows is how many rows one statement of an import writes.
const pieceRows = 64

// pieces cuts rows into powers of two, so that there are few statements to prepare.
func pieces[T any](rows []T, do func([]T) error) error {
	for len(rows) > 0 {
		n := min(pieceRows, 1<<(bits.Len(uint(len(rows)))-1))
		if err := do(rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// AbandonImport gives a running import up: register.ErrImportLost if it no longer runs.
func (db *DB) AbandonImport(ctx context.Context, imp register.StoredImport) error {
	return db.short(ctx, func(t *Tx) error { return t.endImport(ctx, imp, "abandoned") })
}

// PublishImport publishes a running import, in the transaction of a ledger entry if there is one:
// register.ErrImportLost, register.ErrDead.
func (db *DB) PublishImport(ctx context.Context, tx ledger.Tx, imp register.StoredImport, created int64, s register.Seals) error {
	if tx == nil {
		return db.short(ctx, func(t *Tx) error { return t.publishImport(ctx, imp, created, s) })
	}
	t, err := own(tx)
	if err != nil {
		return err
	}
	return t.publishImport(ctx, imp, created, s)
}

func (t *Tx) publishImport(ctx context.Context, imp register.StoredImport, created int64, s register.Seals) error {
	if err := t.endImport(ctx, imp, "published"); err != nil {
		return err
	}
	if err := t.exec(ctx, addPersons, int64(imp.Register), created); err != nil {
		return err
	}
	return t.sealRegister(ctx, imp.Register, s, func(r register.StoredRegister) register.StoredRegister { return r.Before(imp.ID, created) })
}

func (t *Tx) endImport(ctx context.Context, imp register.StoredImport, state string) error {
	err := t.execOne(ctx, beatImport, int64(imp.ID), imp.Position, imp.Rows, imp.Rejected, micros(imp.At))
	if errors.Is(err, errNotOne) {
		return register.ErrImportLost
	}
	if err != nil {
		return err
	}
	return t.execOne(ctx, endImport, int64(imp.ID), state)
}

var errForeignTx = errors.New("not a transaction of this store")

// own is a ledger's transaction as ours.
func own(tx ledger.Tx) (*Tx, error) {
	t, ok := tx.(*Tx)
	if !ok {
		return nil, errForeignTx
	}
	return t, nil
}
