package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/notice"
	"ecluse/internal/post"
)

const noticeColumns = `n.id, n.at, n.kind, n.controller_id, n.organisation_id, n.account_id, n.made_by, n.subject_id`

var (
	insertNotices = defineBulk("insert notices", `INSERT INTO notices (id, at, kind, controller_id, organisation_id, account_id, made_by,
		subject_id, spread_at) VALUES %s`, "(?,?,?,?,?,?,?,?,0)", 0)
	freshNotices   = define("fresh notices", `SELECT `+noticeColumns+` FROM notices n WHERE n.spread_at = 0 ORDER BY n.id LIMIT $1`)
	addressNotices = defineBulk("address notices", `UPDATE notices SET spread_at = $1 FROM (VALUES %s) v
		WHERE notices.id = v.column1 AND notices.spread_at = 0`, "(CAST(? AS BIGINT))", 1)
	insertDeliveries = defineBulk("insert deliveries", `INSERT INTO deliveries (account_id, notice_id, state, tries, next_at, sent_at, mail_id)
		VALUES %s ON CONFLICT (account_id, notice_id) DO NOTHING`, "(?,?,?,0,?,0,0)", 0)
	dueAccounts = define("accounts with due deliveries", `SELECT account_id, MIN(next_at) FROM deliveries WHERE next_at > 0 AND next_at <= $1
		GROUP BY account_id ORDER BY MIN(next_at), account_id LIMIT $2`)
	claimDue = define("claim deliveries", `UPDATE deliveries SET next_at = $3 WHERE account_id = $1 AND next_at > 0 AND next_at <= $2
		RETURNING notice_id, tries`)
	readNotice     = define("read notice", `SELECT `+noticeColumns+` FROM notices n WHERE n.id = $1`)
	holdDelivery   = define("hold delivery", `UPDATE deliveries SET next_at = $4 WHERE account_id = $1 AND notice_id = $2 AND next_at = $3`)
	settleDelivery = define("settle delivery", `UPDATE deliveries SET state = $4, next_at = $5, tries = tries + $6, sent_at = $7, mail_id = $8
		WHERE account_id = $1 AND notice_id = $2 AND next_at = $3`)
	mailedSince = define("mailed since", `SELECT d.mail_id, n.kind, MAX(d.sent_at) FROM deliveries d JOIN notices n ON n.id = d.notice_id
		WHERE d.account_id = $1 AND d.sent_at > $2 GROUP BY d.mail_id, n.kind`)
	waitingDeliveries = define("waiting deliveries", `SELECT COUNT(*) FROM deliveries WHERE next_at > 0`)
	newestDeliveries  = define("newest deliveries", `SELECT d.account_id, d.state, d.tries, d.sent_at, `+noticeColumns+`
		FROM deliveries d JOIN notices n ON n.id = d.notice_id WHERE d.account_id = $1 ORDER BY d.notice_id DESC LIMIT $2`)
	accountInvitations = define("invitations of account", `SELECT secret_hash, account_id, created, ends, used_at FROM invitations
		WHERE account_id = $1 AND used_at = 0 ORDER BY created DESC`)
)

// rowsAtOnce is how many rows one statement writes.
const rowsAtOnce = 500

// InsertNotices writes notices of the act whose transaction this is; it gives them number and instant.
// Errors: notice.ErrIncomplete.
func (t *Tx) InsertNotices(ctx context.Context, list []notice.Notice) error {
	for len(list) > 0 {
		some := list[:min(rowsAtOnce, len(list))]
		list = list[len(some):]
		args := make([]any, 0, 8*len(some))
		first := t.Allot(len(some))
		for i, n := range some {
			if err := n.Check(); err != nil {
				return err
			}
			args = append(args, first+int64(i), micros(t.head.At), string(n.Kind), int64(n.Controller), int64(n.Organisation), int64(n.To),
				int64(n.By), n.Subject)
		}
		if err := t.bulkExec(ctx, insertNotices, len(some), args); err != nil {
			return err
		}
	}
	return nil
}

// noticeInto are the places of noticeColumns; at is an instant in microseconds.
func noticeInto(n *notice.Notice, at *int64) []any {
	return []any{&n.ID, at, &n.Kind, &n.Controller, &n.Organisation, &n.To, &n.By, &n.Subject}
}

func scanNotice(s scanner) (n notice.Notice, err error) {
	var at int64
	err = s.Scan(noticeInto(&n, &at)...)
	n.At = fromMicros(at)
	return n, err
}

func scanDelivery(s scanner) (d post.Delivery, err error) {
	var at, sent int64
	err = s.Scan(append([]any{&d.Account, &d.State, &d.Tries, &sent}, noticeInto(&d.Notice, &at)...)...)
	d.Notice.At, d.SentAt = fromMicros(at), fromMicros(sent)
	return d, err
}

// FreshNotices are the oldest notices that were not addressed yet.
func (db *DB) FreshNotices(ctx context.Context, limit int) ([]notice.Notice, error) {
	return list(ctx, db, freshNotices, scanNotice, limit)
}

// Address makes the deliveries of notices.
func (db *DB) Address(ctx context.Context, addressed []post.Addressed, state string, at time.Time) error {
	return db.short(ctx, func(t *Tx) error {
		ids, rows := []any{micros(at)}, []any{}
		for _, a := range addressed {
			ids = append(ids, a.Notice)
			due := int64(0)
			if state == post.Waiting {
				due = micros(a.Due)
			}
			for _, to := range a.To {
				rows = append(rows, int64(to), a.Notice, state, due)
			}
		}
		if err := t.bulkExec(ctx, addressNotices, len(addressed), ids); err != nil {
			return err
		}
		for len(rows) > 0 {
			some := rows[:min(4*rowsAtOnce, len(rows))]
			rows = rows[len(some):]
			if err := t.bulkExec(ctx, insertDeliveries, len(some)/4, some); err != nil {
				return err
			}
		}
		return nil
	})
}

// DueAccounts are accounts with deliveries that are due, the longest due first.
func (db *DB) DueAccounts(ctx context.Context, at time.Time, limit int) ([]ecluse.AccountID, error) {
	return list(ctx, db, dueAccounts, func(s scanner) (id ecluse.AccountID, err error) {
		var next int64
		return id, s.Scan(&id, &next)
	}, micros(at), limit)
}

// ClaimDue gives an account's due deliveries to the caller until an instant, which is also what the claim
// is known by.
func (db *DB) ClaimDue(ctx context.Context, a ecluse.AccountID, at, until time.Time) (due []post.Delivery, err error) {
	err = db.short(ctx, func(t *Tx) error {
		due, err = list(ctx, t, claimDue, func(s scanner) (post.Delivery, error) {
			d := post.Delivery{Account: a, State: post.Waiting}
			return d, s.Scan(&d.Notice.ID, &d.Tries)
		}, int64(a), micros(at), micros(until))
		if err != nil {
			return err
		}
		for i := range due {
			if due[i].Notice, err = one(ctx, t, readNotice, scanNotice, directory.ErrNotFound, due[i].Notice.ID); err != nil {
				return err
			}
		}
		slices.SortFunc(due, func(a, b post.Delivery) int { return cmp.Compare(a.Notice.ID, b.Notice.ID) })
		return nil
	})
	return due, err
}

// Hold prolongs a claim, and reports whether all of it was still the caller's; otherwise nothing changes.
func (db *DB) Hold(ctx context.Context, a ecluse.AccountID, notices []int64, claimed, until time.Time) (bool, error) {
	err := db.short(ctx, func(t *Tx) error {
		for _, id := range notices {
			if err := t.execOne(ctx, holdDelivery, int64(a), id, micros(claimed), micros(until)); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errNotOne) {
		return false, nil
	}
	return err == nil, err
}

// Settle ends a claim. What is no longer the caller's stays as it is.
func (db *DB) Settle(ctx context.Context, a ecluse.AccountID, notices []int64, claimed time.Time, o post.Outcome) error {
	tries := 0
	if o.Failed {
		tries = 1
	}
	err := db.short(ctx, func(t *Tx) error {
		for _, id := range notices {
			err := t.exec(ctx, settleDelivery, int64(a), id, micros(claimed), o.State, micros(o.Next), tries, micros(o.Sent), o.Mail)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("settle deliveries: %w", err)
	}
	return nil
}

// MailedSince are the mails that an account was sent since an instant, one for each kind in a mail.
func (db *DB) MailedSince(ctx context.Context, a ecluse.AccountID, since time.Time) ([]post.Mailed, error) {
	return list(ctx, db, mailedSince, func(s scanner) (m post.Mailed, err error) {
		var at int64
		err = s.Scan(&m.Mail, &m.Kind, &at)
		m.At = fromMicros(at)
		return m, err
	}, int64(a), micros(since))
}

// WaitingDeliveries counts what has still to be sent.
func (db *DB) WaitingDeliveries(ctx context.Context) (int, error) {
	var n int
	return n, db.row(ctx, waitingDeliveries, nil, &n)
}

// Deliveries are an account's newest.
func (db *DB) Deliveries(ctx context.Context, a ecluse.AccountID, limit int) ([]post.Delivery, error) {
	return list(ctx, db, newestDeliveries, scanDelivery, int64(a), limit)
}

// InvitationsOf are an account's unused invitations, the newest first.
func (db *DB) InvitationsOf(ctx context.Context, a ecluse.AccountID) ([]directory.Invitation, error) {
	return list(ctx, db, accountInvitations, scanInvitation, int64(a))
}
