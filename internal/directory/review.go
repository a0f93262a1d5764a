package directory

import (
	"context"
	"fmt"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/policy"
)

// textDomain seals the free text of a justification.
const textDomain = "review/text"

// Review is a disclosure that someone is told of. It names the account and the purpose, not the person.
type Review struct {
	ID           ecluse.ReviewID
	Entry        ecluse.EntryNumber
	At           time.Time
	Controller   ecluse.ControllerID
	Organisation ecluse.OrganisationID
	Account      ecluse.AccountID
	AccountName  string
	Register     ecluse.RegisterID
	Kind         string // policy.ReviewOutside …
	Purpose      ecluse.Purpose
	Motive       string
	Text         []byte // sealed
	State        string // pending, accepted, contested
	DecidedBy    ecluse.AccountID
	DecidedAt    time.Time
}

// ReviewRows reads reviews.
type ReviewRows interface {
	ReviewsOfOrganisation(ctx context.Context, o ecluse.OrganisationID) ([]Review, error)
	ReviewsOfController(ctx context.Context, c ecluse.ControllerID) ([]Review, error) // tier 3 and emergencies
	Review(ctx context.Context, id ecluse.ReviewID) (Review, error)
	PendingReviews(ctx context.Context, a ecluse.AccountID, r ecluse.RegisterID) (int, error) // of tier 3
}

// ReviewTx is what deciding needs of its transaction.
type ReviewTx interface {
	// DecideReview moves a pending review on: ErrDecided otherwise.
	DecideReview(ctx context.Context, id ecluse.ReviewID, by ecluse.AccountID, state string, at time.Time) error
}

// PendingReviews is how many tier-3 disclosures of an account wait for a review.
func (d *Directory) PendingReviews(ctx context.Context, a ecluse.AccountID, r ecluse.RegisterID) (int, error) {
	return d.rows.PendingReviews(ctx, a, r)
}

// Reviews are the pending reviews that an account is told of: account managers those of their
// organisation, security officers tier 3 and emergencies of their controller. Never one's own.
func (d *Directory) Reviews(ctx context.Context, by Actor) ([]Review, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return nil, err
	}
	var list []Review
	switch {
	case s.Has(ecluse.RoleAccountManager):
		list, err = d.rows.ReviewsOfOrganisation(ctx, s.Organisation.ID)
	case s.Has(ecluse.RoleSecurityOfficer):
		list, err = d.rows.ReviewsOfController(ctx, s.Controller.ID)
	default:
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read the reviews: %w", err)
	}
	kept := list[:0]
	for _, r := range list {
		if r.Account != by.Account {
			kept = append(kept, r)
		}
	}
	return kept, nil
}

func (d *Directory) review(ctx context.Context, by Actor, id ecluse.ReviewID) (Standing, Review, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return s, Review{}, err
	}
	r, err := d.rows.Review(ctx, id)
	if err != nil {
		return s, r, ErrNotFound
	}
	manager := s.Has(ecluse.RoleAccountManager) && r.Organisation == s.Organisation.ID
	officer := s.Has(ecluse.RoleSecurityOfficer) && r.Controller == s.Controller.ID && r.Kind != policy.ReviewOutside
	if r.Account == by.Account || !manager && !officer {
		return s, r, ErrNotFound
	}
	return s, r, nil
}

// DecideReview accepts or contests a review. Errors: ErrNotFound, ErrDecided.
func (d *Directory) DecideReview(ctx context.Context, by Actor, id ecluse.ReviewID, accept bool) error {
	state := "contested"
	if accept {
		state = "accepted"
	}
	_, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, r, err := d.review(ctx, by, id)
		return []ledger.Candidate{{
			Kind: ledger.KindApproval, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev,
			Detail: ledger.Detail{What: "review " + state, Subject: int64(id), Refers: int64(r.Entry)},
			Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
				return tx.(ReviewTx).DecideReview(ctx, id, by.Account, state, e.At)
			},
		}}, err
	})
	return err
}

// ReviewText opens the free text of a review; that reading is in the ledger before it is answered.
func (d *Directory) ReviewText(ctx context.Context, by Actor, id ecluse.ReviewID) (string, error) {
	var sealed []byte
	_, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, r, err := d.review(ctx, by, id)
		sealed = r.Text
		return []ledger.Candidate{{
			Kind: ledger.KindLedgerRead, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev,
			Detail: ledger.Detail{What: "review text", Subject: int64(id), Refers: int64(r.Entry)},
		}}, err
	})
	if err != nil {
		return "", fmt.Errorf("read a review: %w", err)
	}
	if len(sealed) == 0 {
		return "", nil
	}
	text, err := d.keys.Unseal(textDomain, sealed, []byte("review"))
	return string(text), err
}

// SealText seals the free text of a justification for its review.
func (d *Directory) SealText(text string) ([]byte, error) {
	return d.keys.Seal(textDomain, []byte(text), []byte("review"))
}
