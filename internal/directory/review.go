package directory

import (
	"context"
	"fmt"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
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

// States of a review.
const (
	ReviewPending   = "pending"
	ReviewAccepted  = "accepted"
	ReviewContested = "contested" // waits for a security officer
	ReviewSettled   = "settled"   // contested, and a security officer has done what it took
)

// ReviewRows reads reviews: emergencies first, the newest first; how many there are beside the page.
type ReviewRows interface {
	// ReviewsOfOrganisation are pending ones: of tier 2 (outside), or of tier 3 and emergencies.
	ReviewsOfOrganisation(ctx context.Context, o ecluse.OrganisationID, outside bool, but ecluse.AccountID, from, limit int) ([]Review, int, error)
	// ReviewsOfController are pending ones of tier 3 and emergencies, or contested ones of every kind.
	ReviewsOfController(ctx context.Context, c ecluse.ControllerID, state string, but ecluse.AccountID, from, limit int) ([]Review, int, error)
	Review(ctx context.Context, id ecluse.ReviewID) (Review, error)
	PendingReviews(ctx context.Context, a ecluse.AccountID, r ecluse.RegisterID) (int, error) // of tier 3
}

// ReviewTx is what deciding needs of its transaction.
type ReviewTx interface {
	// DecideReview moves a pending review on: ErrDecided otherwise.
	DecideReview(ctx context.Context, id ecluse.ReviewID, by ecluse.AccountID, state string, at time.Time) error
	// SettleReview takes a contested review off the list: ErrDecided otherwise.
	SettleReview(ctx context.Context, id ecluse.ReviewID) error
}

// PendingReviews is how many tier-3 disclosures of an account wait for a review.
func (d *Directory) PendingReviews(ctx context.Context, a ecluse.AccountID, r ecluse.RegisterID) (int, error) {
	return d.rows.PendingReviews(ctx, a, r)
}

// ReviewList is one of the lists of reviews.
type ReviewList string

// The lists.
const (
	ReviewsWaiting   ReviewList = "waiting"   // tier 3 and emergencies that nobody has answered
	ReviewsTold      ReviewList = "told"      // tier 2, for information
	ReviewsContested ReviewList = "contested" // for the security officer
)

// ReviewLists are all lists.
var ReviewLists = []ReviewList{ReviewsWaiting, ReviewsTold, ReviewsContested}

// ReviewPageSize is how many reviews a page of a list holds.
const ReviewPageSize = 25

// ReviewPage is a page of a list: emergencies first, the newest first.
type ReviewPage struct {
	Reviews []Review
	Count   int // of the whole list
}

// Reviews are a page (from 0) of a list of reviews that an account is told of: account managers see what
// waits in their organisation, security officers what waits and what is contested at their controller.
// Never one's own. ErrNotFound if the list is not for this account.
func (d *Directory) Reviews(ctx context.Context, by Actor, list ReviewList, page int) (p ReviewPage, err error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return p, err
	}
	manager, officer := s.Has(ecluse.RoleAccountManager), s.Has(ecluse.RoleSecurityOfficer)
	from := max(0, page) * ReviewPageSize
	switch {
	case list == ReviewsContested && officer:
		p.Reviews, p.Count, err = d.rows.ReviewsOfController(ctx, s.Controller.ID, ReviewContested, by.Account, from, ReviewPageSize)
	case (list == ReviewsWaiting || list == ReviewsTold) && manager:
		p.Reviews, p.Count, err = d.rows.ReviewsOfOrganisation(ctx, s.Organisation.ID, list == ReviewsTold, by.Account, from, ReviewPageSize)
	case list == ReviewsWaiting && officer:
		p.Reviews, p.Count, err = d.rows.ReviewsOfController(ctx, s.Controller.ID, ReviewPending, by.Account, from, ReviewPageSize)
	default:
		return p, ErrNotFound
	}
	if err != nil {
		return p, fmt.Errorf("read the reviews: %w", err)
	}
	return p, nil
}

// Review is one review that an account is told of, whatever its state: ErrNotFound.
func (d *Directory) Review(ctx context.Context, by Actor, id ecluse.ReviewID) (Review, error) {
	_, r, err := d.review(ctx, by, id)
	return r, err
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
	contested := r.State == ReviewContested || r.State == ReviewSettled
	officer := s.Has(ecluse.RoleSecurityOfficer) && r.Controller == s.Controller.ID && (contested || r.Kind != policy.ReviewOutside)
	if r.Account == by.Account || !manager && !officer {
		return s, r, ErrNotFound
	}
	return s, r, nil
}

// DecideReview accepts or contests a review. Contesting tells the security officers. Errors: ErrNotFound,
// ErrDecided.
func (d *Directory) DecideReview(ctx context.Context, by Actor, id ecluse.ReviewID, accept bool) error {
	state := ReviewContested
	if accept {
		state = ReviewAccepted
	}
	_, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, r, err := d.review(ctx, by, id)
		return []ledger.Candidate{{
			Kind: ledger.KindApproval, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev,
			Detail: ledger.Detail{What: "review " + state, Subject: int64(id), Refers: int64(r.Entry)},
			Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
				if err := tx.(ReviewTx).DecideReview(ctx, id, by.Account, state, e.At); err != nil || accept {
					return err
				}
				return tx.(notice.Tx).InsertNotices(ctx, []notice.Notice{{
					Kind: notice.ReviewContested, Controller: r.Controller, Organisation: r.Organisation, By: by.Account, Subject: int64(id),
				}})
			},
		}}, err
	})
	return err
}

// SettleReview takes a contested review off the list of the security officers, by one of them. Errors:
// ErrNotFound, ErrDecided.
func (d *Directory) SettleReview(ctx context.Context, by Actor, id ecluse.ReviewID) error {
	_, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, r, err := d.review(ctx, by, id)
		if err == nil && !s.Has(ecluse.RoleSecurityOfficer) {
			err = ErrNotFound
		}
		return []ledger.Candidate{{
			Kind: ledger.KindApproval, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev,
			Detail: ledger.Detail{What: "review settled", Subject: int64(id), Refers: int64(r.Entry)},
			Effect: func(ctx context.Context, tx ledger.Tx, _ *ledger.Entry) error {
				return tx.(ReviewTx).SettleReview(ctx, id)
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
