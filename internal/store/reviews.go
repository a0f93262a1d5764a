package store

import (
	"context"

	"ecluse"
	"ecluse/internal/directory"
)

const (
	reviewColumns = `r.id, r.entry, r.at, r.controller_id, r.organisation_id, r.account_id, a.given_name || ' ' || a.usual_name,
		r.register_id, r.kind, r.purpose, r.motive, r.text, r.state, r.decided_by, r.decided_at, r.mac FROM reviews r JOIN accounts a ON a.id = r.account_id`
	reviewsFirst   = ` ORDER BY CASE r.kind WHEN 'emergency' THEN 0 ELSE 1 END, r.id DESC LIMIT $4 OFFSET $5`
	ofOrganisation = `r.organisation_id = $1 AND r.state = 'pending' AND (r.kind = 'outside') = $2 AND r.account_id <> $3`
	ofController   = `r.controller_id = $1 AND r.state = $2 AND (r.state = 'contested' OR r.kind <> 'outside') AND r.account_id <> $3`
	countReviewsOf = `SELECT COUNT(*) FROM reviews r WHERE `
)

var (
	reviewsOfOrganisation = define("reviews of organisation", `SELECT `+reviewColumns+` WHERE `+ofOrganisation+reviewsFirst)
	reviewsOfController   = define("reviews of controller", `SELECT `+reviewColumns+` WHERE `+ofController+reviewsFirst)
	countOfOrganisation   = define("count reviews of organisation", countReviewsOf+ofOrganisation)
	countOfController     = define("count reviews of controller", countReviewsOf+ofController)
	readReview            = define("read review", `SELECT `+reviewColumns+` WHERE r.id = $1`)
	countReviews          = define("count pending reviews", `SELECT COUNT(*) FROM reviews WHERE account_id = $1 AND register_id = $2 AND state = 'pending' AND kind = 'unexplained'`)
	moveReview            = define("move review", `UPDATE reviews SET decided_by = $3, decided_at = $4, state = $5, mac = $6 WHERE id = $1 AND state = $2`)
)

func scanReview(s scanner) (directory.Review, error) {
	var r directory.Review
	var at, decided int64
	err := s.Scan(&r.ID, &r.Entry, &at, &r.Controller, &r.Organisation, &r.Account, &r.AccountName, &r.Register, &r.Kind, &r.Purpose,
		&r.Motive, &r.Text, &r.State, &r.DecidedBy, &decided, &r.MAC)
	r.At, r.DecidedAt = fromMicros(at), fromMicros(decided)
	return r, err
}

// ReviewsOfOrganisation are pending reviews of an organisation, without those of one account.
func (db *DB) ReviewsOfOrganisation(ctx context.Context, o ecluse.OrganisationID, outside bool, but ecluse.AccountID, from, limit int) ([]directory.Review, int, error) {
	return db.reviews(ctx, reviewsOfOrganisation, countOfOrganisation, []any{int64(o), outside, int64(but)}, from, limit)
}

// ReviewsOfController are pending reviews of tier 3 and of emergencies, or contested ones of every kind,
// without those of one account.
func (db *DB) ReviewsOfController(ctx context.Context, c ecluse.ControllerID, state string, but ecluse.AccountID, from, limit int) ([]directory.Review, int, error) {
	return db.reviews(ctx, reviewsOfController, countOfController, []any{int64(c), state, int64(but)}, from, limit)
}

// reviews reads one page and counts all.
func (db *DB) reviews(ctx context.Context, page, count *statement, args []any, from, limit int) (found []directory.Review, all int, err error) {
	if err = db.row(ctx, count, args, &all); err != nil || all <= from {
		return nil, all, err
	}
	found, err = list(ctx, db, page, scanReview, append(args, limit, from)...)
	return found, all, err
}

// Review is one review: directory.ErrNotFound.
func (db *DB) Review(ctx context.Context, id ecluse.ReviewID) (directory.Review, error) {
	return one(ctx, db, readReview, scanReview, directory.ErrNotFound, int64(id))
}

// PendingReviews counts an account's tier-3 disclosures that wait for a review.
func (db *DB) PendingReviews(ctx context.Context, a ecluse.AccountID, r ecluse.RegisterID) (int, error) {
	var n int
	return n, db.row(ctx, countReviews, []any{int64(a), int64(r)}, &n)
}

// Review is one review: directory.ErrNotFound.
func (t *Tx) Review(ctx context.Context, id ecluse.ReviewID) (directory.Review, error) {
	return one(ctx, t, readReview, scanReview, directory.ErrNotFound, int64(id))
}

// MoveReview writes the decision on a review that is in a state: directory.ErrDecided if it is in another.
func (t *Tx) MoveReview(ctx context.Context, from string, r directory.Review) error {
	return decided(t.execOne(ctx, moveReview, int64(r.ID), from, int64(r.DecidedBy), micros(r.DecidedAt), r.State, r.MAC))
}
