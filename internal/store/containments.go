package store

import (
	"context"
	"time"

	"ecluse"
	"ecluse/internal/directory"
)

const containmentColumns = `id, controller_id, account_id, tree, since, reason, made_by, approved_by, requester, at, body, entry, undone_at,
	undone_by, undo_approved, undo_entry, mac`

var (
	readContainments    = define("read containments", `SELECT `+containmentColumns+` FROM containments WHERE controller_id = $1 ORDER BY id DESC`)
	readContainment     = define("read containment", `SELECT `+containmentColumns+` FROM containments WHERE id = $1`)
	containmentsInForce = define("read containments in force", `SELECT `+containmentColumns+` FROM containments
		WHERE controller_id = $1 AND undone_at = 0 ORDER BY id DESC`)
	containmentsOf = define("read containments of officer", `SELECT `+containmentColumns+` FROM containments WHERE made_by = $1 AND at > $2`)
	putContainment = define("put containment", `INSERT INTO containments (`+containmentColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
		ON CONFLICT (id) DO UPDATE SET undone_at = excluded.undone_at, undone_by = excluded.undone_by, undo_approved = excluded.undo_approved,
		undo_entry = excluded.undo_entry, mac = excluded.mac`)
	openSessions = defineBulk("open sessions of accounts", `SELECT COUNT(*) FROM (VALUES %s) v JOIN sessions s
		ON s.account_id = v.column1 OR s.client_id = v.column1 AND s.client_id <> 0 WHERE s.revoked_at = 0 AND s.ends > $1`, "(CAST(? AS BIGINT))", 1)
	personsSeen = defineBulk("persons seen by accounts", `SELECT DISTINCT s.person_id FROM (VALUES %s) v
		JOIN seen s ON s.account_id = v.column1 WHERE s.last_at >= $1`, "(CAST(? AS BIGINT))", 1)
	approvedFor = defineBulk("requests of accounts that took effect", `SELECT `+prefixed("a", approvalColumns)+` FROM (VALUES %s) v
		JOIN approvals a ON (a.requested_by = v.column1 OR a.decided_by = v.column1 AND a.decided_by <> 0) AND a.decided_at >= $1
		WHERE a.state = 'approved'`, "(CAST(? AS BIGINT))", 1)
	endSessionsOf = define("end sessions of account", `UPDATE sessions SET revoked_at = $2 WHERE account_id = $1 AND revoked_at = 0 AND ends > $2`)
	linksByID     = defineBulk("links by number", `SELECT `+prefixed("l", linkColumns)+` FROM (VALUES %s) v JOIN links l ON l.id = v.column1`,
		"(CAST(? AS BIGINT))", 0)
	putLinkEnds = defineBulk("put ends of links", `INSERT INTO links (`+linkColumns+`) VALUES %s
		ON CONFLICT (id) DO UPDATE SET ends = excluded.ends, entry = excluded.entry, mac = excluded.mac`, "(?,?,?,?,?,?,?,?,?,?,?,?,?)", 0)
)

func scanContainment(s scanner) (directory.Contained, error) {
	var c directory.Contained
	var since, at, undone int64
	err := s.Scan(&c.ID, &c.Controller, &c.Account, &c.Tree, &since, &c.Reason, &c.MadeBy, &c.ApprovedBy, &c.Requester, &at, &c.Body, &c.Entry,
		&undone, &c.UndoneBy, &c.UndoApproved, &c.UndoEntry, &c.MAC)
	c.Since, c.At, c.UndoneAt = fromMicros(since), fromMicros(at), fromMicros(undone)
	return c, err
}

func containments(ctx context.Context, from reading, c ecluse.ControllerID, inForce bool) ([]directory.Contained, error) {
	s := readContainments
	if inForce {
		s = containmentsInForce
	}
	return list(ctx, from, s, scanContainment, int64(c))
}

// Containments implements directory.ContainmentRows.
func (db *DB) Containments(ctx context.Context, c ecluse.ControllerID, inForce bool) ([]directory.Contained, error) {
	return containments(ctx, db, c, inForce)
}

// Containments are the same, with what the transaction wrote itself.
func (t *Tx) Containments(ctx context.Context, c ecluse.ControllerID, inForce bool) ([]directory.Contained, error) {
	return containments(ctx, t, c, inForce)
}

// Containment is one containment: directory.ErrNotFound.
func (db *DB) Containment(ctx context.Context, id ecluse.ContainmentID) (directory.Contained, error) {
	return one(ctx, db, readContainment, scanContainment, directory.ErrNotFound, int64(id))
}

// ContainmentsBy implements directory.ContainmentRows.
func (db *DB) ContainmentsBy(ctx context.Context, by ecluse.AccountID, since time.Time) ([]directory.Contained, error) {
	return list(ctx, db, containmentsOf, scanContainment, int64(by), micros(since))
}

// ContainmentsBy are the same, with what the transaction wrote itself.
func (t *Tx) ContainmentsBy(ctx context.Context, by ecluse.AccountID, since time.Time) ([]directory.Contained, error) {
	return list(ctx, t, containmentsOf, scanContainment, int64(by), micros(since))
}

// PutContainment writes a containment, new or undone.
func (t *Tx) PutContainment(ctx context.Context, c directory.Contained) error {
	return t.exec(ctx, putContainment, int64(c.ID), int64(c.Controller), int64(c.Account), c.Tree, micros(c.Since), c.Reason, int64(c.MadeBy),
		int64(c.ApprovedBy), c.Requester, micros(c.At), c.Body, int64(c.Entry), micros(c.UndoneAt), int64(c.UndoneBy), int64(c.UndoApproved),
		int64(c.UndoEntry), c.MAC)
}

// inChunks asks about accounts, some hundred at a time.
func inChunks(ids []ecluse.AccountID, first []any, ask func(count int, args []any) error) error {
	for len(ids) > 0 {
		some := ids[:min(givenChunk, len(ids))]
		ids = ids[len(some):]
		args := append([]any{}, first...)
		for _, id := range some {
			args = append(args, int64(id))
		}
		if err := ask(len(some), args); err != nil {
			return err
		}
	}
	return nil
}

// OpenSessions implements directory.ContainmentRows.
func (db *DB) OpenSessions(ctx context.Context, of []ecluse.AccountID, at time.Time) (total int, err error) {
	err = inChunks(of, []any{micros(at)}, func(count int, args []any) error {
		var n int
		err := db.row(ctx, openSessions.of(db.engine, count), args, &n)
		total += n
		return err
	})
	return total, err
}

// PersonsSeen implements directory.ContainmentRows.
func (db *DB) PersonsSeen(ctx context.Context, by []ecluse.AccountID, since time.Time) (int, error) {
	persons := map[int64]bool{}
	err := inChunks(by, []any{micros(since)}, func(count int, args []any) error {
		found, err := list(ctx, db, personsSeen.of(db.engine, count), func(s scanner) (p int64, err error) { return p, s.Scan(&p) }, args...)
		for _, p := range found {
			persons[p] = true
		}
		return err
	})
	return len(persons), err
}

func requestsFor(ctx context.Context, from reading, e engine, by []ecluse.AccountID, since time.Time) (all []directory.Approval, err error) {
	met := map[ecluse.ApprovalID]bool{}
	err = inChunks(by, []any{micros(since)}, func(count int, args []any) error {
		found, err := list(ctx, from, approvedFor.of(e, count), scanApproval, args...)
		for _, a := range found {
			if !met[a.ID] {
				met[a.ID] = true
				all = append(all, a)
			}
		}
		return err
	})
	return all, err
}

// ApprovedFor implements directory.ContainmentRows.
func (db *DB) ApprovedFor(ctx context.Context, by []ecluse.AccountID, since time.Time) ([]directory.Approval, error) {
	return requestsFor(ctx, db, db.engine, by, since)
}

// ApprovedFor are the same, with what the transaction wrote itself.
func (t *Tx) ApprovedFor(ctx context.Context, by []ecluse.AccountID, since time.Time) ([]directory.Approval, error) {
	return requestsFor(ctx, t, t.db.engine, by, since)
}

// RevokeAll ends every session of accounts and every token of programs among them, and counts them.
func (t *Tx) RevokeAll(ctx context.Context, of []ecluse.AccountID, at time.Time) (ended int, err error) {
	for _, id := range of {
		for _, s := range []*statement{endSessionsOf, revokeTokens} {
			result, err := t.result(ctx, s, []any{int64(id), micros(at)})
			if err != nil {
				return ended, err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return ended, err
			}
			ended += int(n)
		}
	}
	return ended, nil
}

// Observations are those of all registers, with what the transaction wrote itself.
func (t *Tx) Observations(ctx context.Context) ([]directory.Observation, error) {
	return list(ctx, t, readObservations, scanObservation)
}

// Grants are an account's grants, ended ones included, with what the transaction wrote itself.
func (t *Tx) Grants(ctx context.Context, id ecluse.AccountID) ([]directory.Grant, error) {
	return list(ctx, t, readGrants, scanGrant, int64(id))
}

// LinksByID are links by their numbers.
func (t *Tx) LinksByID(ctx context.Context, ids []ecluse.LinkID) (all []directory.Link, err error) {
	for len(ids) > 0 {
		some := ids[:min(givenChunk, len(ids))]
		ids = ids[len(some):]
		var args []any
		for _, id := range some {
			args = append(args, int64(id))
		}
		found, err := list(ctx, t, linksByID.of(t.db.engine, len(some)), scanLink, args...)
		if err != nil {
			return all, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// PutLinkEnds writes when links end, that are there.
func (t *Tx) PutLinkEnds(ctx context.Context, links []directory.Link) error {
	return putRows(ctx, t, putLinkEnds, links, linkRow)
}
