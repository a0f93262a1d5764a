package directory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
	"ecluse/internal/policy"
)

// textDomain seals the free text of a justification.
const textDomain = "review/text/v1"

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
	MAC          []byte
}

func (r Review) row() ledger.ReviewRow {
	return ledger.ReviewRow{
		ID: r.ID, Entry: r.Entry, At: r.At, Controller: r.Controller, Organisation: r.Organisation, Account: r.Account, Register: r.Register,
		Kind: r.Kind, Purpose: r.Purpose, Motive: r.Motive, Text: r.Text, State: r.State, DecidedBy: r.DecidedBy, DecidedAt: r.DecidedAt, MAC: r.MAC,
	}
}

// genuine reports whether a review is as the program wrote it; a dead one is reported.
func (d *Directory) genuine(r Review) bool {
	row := r.row()
	if row.Holds(d.keys) {
		return true
	}
	d.log.Error("dead row: written around the program, ignored", "table", "reviews", "row", int64(r.ID))
	return false
}

// States of a review.
const (
	ReviewPending   = ledger.ReviewPending
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
	Review(ctx context.Context, id ecluse.ReviewID) (Review, error)
	// MoveReview writes the decision on a review that is in a state: ErrDecided if it is in another.
	MoveReview(ctx context.Context, from string, r Review) error
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
// Never one's own; rows written around the program are left out of their page. ErrNotFound if the list is not for this account.
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
	p.Reviews = slices.DeleteFunc(p.Reviews, func(r Review) bool { return !d.genuine(r) })
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
	if !d.genuine(r) {
		return s, r, fmt.Errorf("review %d: %w", id, ErrDead)
	}
	return s, r, nil
}

// DecideReview accepts or contests a review. Contesting tells the security officers. Errors: ErrNotFound,
// ErrDecided, ErrDead.
func (d *Directory) DecideReview(ctx context.Context, by Actor, id ecluse.ReviewID, accept bool) error {
	state := ReviewContested
	if accept {
		state = ReviewAccepted
	}
	return d.moveReview(ctx, by, id, ReviewPending, state, nil)
}

// SettleReview takes a contested review off the list of the security officers, by one of them. Errors:
// ErrNotFound, ErrDecided, ErrDead.
func (d *Directory) SettleReview(ctx context.Context, by Actor, id ecluse.ReviewID) error {
	return d.moveReview(ctx, by, id, ReviewContested, ReviewSettled, func(s Standing) bool { return s.Has(ecluse.RoleSecurityOfficer) })
}

// moveReview takes a review from one state to another, if the one who asks may (nil: whoever is told of it).
func (d *Directory) moveReview(ctx context.Context, by Actor, id ecluse.ReviewID, from, to string, may func(Standing) bool) error {
	_, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, r, err := d.review(ctx, by, id)
		if err == nil && may != nil && !may(s) {
			err = ErrNotFound
		}
		return []ledger.Candidate{{
			Kind: ledger.KindApproval, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev,
			Detail: ledger.Detail{What: "review " + to, Subject: int64(id), Refers: int64(r.Entry)},
			Guard: func(ctx context.Context, tx ledger.Tx, _ time.Time) ([]ecluse.Reason, error) {
				r, err = d.reviewUnderLock(ctx, tx, id, from)
				return nil, err
			},
			Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error { return d.moved(ctx, tx, e, r, to) },
		}}, err
	})
	return err
}

// reviewUnderLock reads a review that is to leave a state: ErrDecided, ErrDead.
func (d *Directory) reviewUnderLock(ctx context.Context, tx ledger.Tx, id ecluse.ReviewID, from string) (Review, error) {
	r, err := tx.(ReviewTx).Review(ctx, id)
	switch {
	case err != nil:
		return r, err
	case !d.genuine(r):
		return r, fmt.Errorf("review %d: %w", id, ErrDead)
	case r.State != from:
		return r, ErrDecided
	}
	return r, nil
}

// moved writes a review's new state. Who answered it, and when, stays when it is settled.
func (d *Directory) moved(ctx context.Context, tx ledger.Tx, e *ledger.Entry, r Review, to string) error {
	from := r.State
	r.State = to
	if from == ReviewPending {
		r.DecidedBy, r.DecidedAt = e.Account, e.At
	}
	row := r.row()
	row.Seal(d.keys)
	r.MAC = row.MAC
	if err := tx.(ReviewTx).MoveReview(ctx, from, r); err != nil || to != ReviewContested {
		return err
	}
	return tx.(notice.Tx).InsertNotices(ctx, []notice.Notice{{
		Kind: notice.ReviewContested, Controller: r.Controller, Organisation: r.Organisation, By: e.Account, Subject: int64(r.ID),
	}})
}

// ReviewText opens the free text of a review; that reading is in the ledger before it is answered. Errors
// beyond ErrNotFound: ErrDead where the text is not the one that the review's entry commits to.
func (d *Directory) ReviewText(ctx context.Context, by Actor, id ecluse.ReviewID) (string, error) {
	var r Review
	_, err := d.ledger.AppendFresh(ctx, func() (_ []ledger.Candidate, err error) {
		var s Standing
		s, r, err = d.review(ctx, by, id)
		return []ledger.Candidate{{
			Kind: ledger.KindLedgerRead, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev,
			Detail: ledger.Detail{What: "review text", Subject: int64(id), Refers: int64(r.Entry)},
		}}, err
	})
	if err != nil {
		return "", fmt.Errorf("read a review: %w", err)
	}
	if len(r.Text) == 0 {
		return "", nil
	}
	return d.openText(ctx, r)
}

// openText unseals the text of a review, if it is the one that its entry commits to.
func (d *Directory) openText(ctx context.Context, r Review) (string, error) {
	e, err := d.ledger.Entry(ctx, r.Entry)
	if errors.Is(err, ledger.ErrAltered) {
		return "", fmt.Errorf("review %d: %w: %w", r.ID, ErrDead, err)
	}
	if err != nil {
		return "", err
	}
	detail, err := e.ReadDetail()
	if commitment := sha256.Sum256(r.Text); err != nil || !bytes.Equal(detail.Commitment, commitment[:]) {
		return "", fmt.Errorf("the text of review %d: %w", r.ID, errors.Join(ErrDead, err))
	}
	text, err := d.keys.Unseal(textDomain, r.Text, boundTo(r.Account, r.Register))
	return string(text), err
}

// SealText seals the free text of a justification for its review.
func (d *Directory) SealText(text string, of ecluse.AccountID, in ecluse.RegisterID) ([]byte, error) {
	return d.keys.Seal(textDomain, []byte(text), boundTo(of, in))
}

// boundTo is what the sealed text of a review belongs to. The entry commits to it besides.
func boundTo(a ecluse.AccountID, r ecluse.RegisterID) []byte {
	return fmt.Appendf(nil, "account %d register %d", a, r)
}
