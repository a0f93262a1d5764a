package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strings"

	"ecluse"
	"ecluse/internal/keys"
)

// openedReview is what an entry says of the review that it opened.
type openedReview struct {
	account    ecluse.AccountID
	register   ecluse.RegisterID
	kind       string
	commitment []byte
}

// review notes what an entry says of reviews.
func (r *replay) review(e *Entry, d Detail) {
	if d.Review != "" {
		r.reviews[e.N] = openedReview{e.Account, e.Register, d.Review, d.Commitment}
	}
	if state, ok := strings.CutPrefix(d.What, "review "); ok && e.Kind == KindApproval && state != "text" {
		r.decided[ecluse.ReviewID(d.Subject)] = state
	}
}

// compareReviews holds the rows of reviews against the entries that opened and decided them. Rows of
// purged entries go with them.
func (r *replay) compareReviews(ctx context.Context, report *Report, tables StateReader, k *keys.Keys) error {
	err := tables.AllReviews(ctx, func(row ReviewRow) error {
		if !row.Holds(k) {
			report.problem("review %d was written around the program", row.ID)
		}
		want, ok := r.reviews[row.Entry]
		delete(r.reviews, row.Entry)
		if !ok {
			if row.Entry >= r.gone {
				report.problem("review %d belongs to no entry that opened one", row.ID)
			}
			return nil
		}
		r.compareReview(report, row, want)
		return nil
	})
	for n := range r.reviews {
		report.problem("the review that entry %d opened is missing", n)
	}
	return err
}

func (r *replay) compareReview(report *Report, row ReviewRow, want openedReview) {
	state := r.decided[row.ID]
	if state == "" {
		state = ReviewPending
	}
	commitment := sha256.Sum256(row.Text)
	switch {
	case row.Account != want.account || row.Register != want.register || row.Kind != want.kind:
		report.problem("review %d is not the one that entry %d opened", row.ID, row.Entry)
	case row.State != state:
		report.problem("review %d is %s, its entries say %s", row.ID, row.State, state)
	case len(row.Text) > 0 && !bytes.Equal(commitment[:], want.commitment), len(row.Text) == 0 && len(want.commitment) > 0 && state == ReviewPending:
		report.problem("the text of review %d is not the one that entry %d commits to", row.ID, row.Entry)
	}
}
