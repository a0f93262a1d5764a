package directory

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
)

// Kinds of requests about own factors.
const (
	// KindFactor confirms a factor that waits. It is asked by adding the factor.
	KindFactor = "account.factor"
	// KindRecovery ends all factors of an account whose owner lost hers, and confirms the one that waits.
	KindRecovery = "account.recovery"
)

// FactorRequest is the body of both: what takes effect.
type FactorRequest struct {
	Account ecluse.AccountID `json:"account"`
	Digest  string           `json:"digest,omitempty"` // of the factor that waits, "" = none
	Ends    bool             `json:"ends,omitempty"`   // those that are active end
}

// FactorSummary is what whoever confirms a factor is shown.
type FactorSummary struct {
	Account      ecluse.AccountID `json:"account"`
	Name         string           `json:"name"` // of its owner
	Email        string           `json:"email"`
	Organisation string           `json:"organisation"`
	Kind         string           `json:"kind,omitempty"`
	Factor       string           `json:"factor,omitempty"` // its name
	Word         string           `json:"word,omitempty"`   // to compare with its owner's
	Since        time.Time        `json:"since,omitzero"`
	Ends         int              `json:"ends,omitempty"` // how many active ones end
}

// factorQuestion asks to confirm a factor that its owner has just added.
func factorQuestion(a Account, f Factor, organisation string) question {
	return question{
		Concerns: a.Organisation, Body: FactorRequest{Account: a.ID, Digest: hex.EncodeToString(f.digest())},
		Summary: Summary{Factor: &FactorSummary{
			Account: a.ID, Name: a.Name(), Email: a.Email, Organisation: organisation, Kind: f.Kind, Factor: f.Name, Word: f.Word(),
		}},
	}
}

// RequestRecovery asks to end all factors of an account whose owner lost hers, and to let the one that she
// has added since, and that waits, take their place: factor is its number, 0 = none yet. Account managers
// ask for accounts of their organisation, access officers for any of their body; an access officer
// decides. Errors: ErrNotFound, ErrDualControl (one's own account), ErrInactive, ErrWeak.
func (d *Directory) RequestRecovery(ctx context.Context, by Actor, account ecluse.AccountID, factor ecluse.FactorID) (Approval, error) {
	return d.ask(ctx, by, KindRecovery, func(s Standing) (question, error) {
		if account == by.Account {
			return question{}, ErrDualControl
		}
		of, err := d.Standing(ctx, account)
		if err != nil {
			return question{}, unknownIsNotFound(err)
		}
		if !s.recovers(of.Account) {
			return question{}, ErrNotFound
		}
		have, err := d.Factors(ctx, account)
		if err != nil {
			return question{}, err
		}
		return recoveryQuestion(of, have, factor)
	})
}

func recoveryQuestion(of Standing, have []Factor, factor ecluse.FactorID) (question, error) {
	q := factorQuestion(of.Account, Factor{}, of.Organisation.Name)
	request, shown := FactorRequest{Account: of.Account.ID, Ends: true}, q.Summary.Factor
	shown.Word = ""
	for _, f := range have {
		switch {
		case f.State == Active:
			shown.Ends++
		case f.ID == factor:
			request.Digest = hex.EncodeToString(f.digest())
			shown.Kind, shown.Factor, shown.Word, shown.Since = f.Kind, f.Name, f.Word(), f.Created
		}
	}
	if factor != 0 && request.Digest == "" || factor == 0 && shown.Ends == 0 {
		return q, ErrNotFound
	}
	q.Body = request
	return q, nil
}

// Recoverable is the account that shows an e-mail address, for whoever may ask for its recovery:
// ErrNotFound, ErrDualControl (one's own account), ErrInactive, ErrWeak.
func (d *Directory) Recoverable(ctx context.Context, by Actor, email string) (Account, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return Account{}, err
	}
	found, _, err := d.ByEmail(ctx, strings.TrimSpace(email))
	switch {
	case err != nil:
		return Account{}, err
	case !s.recovers(found):
		return Account{}, ErrNotFound
	case found.ID == by.Account:
		return Account{}, ErrDualControl
	}
	return found, nil
}

// recovers reports whether an account is one that this one may ask to recover.
func (s Standing) recovers(a Account) bool {
	return recoverer(s) && a.Controller == s.Controller.ID && (s.Account.Organisation == 0 || a.Organisation == s.Account.Organisation)
}

// WaitingFactors are the waiting factors of an account, for whoever may ask for its recovery:
// ErrNotFound.
func (d *Directory) WaitingFactors(ctx context.Context, by Actor, account ecluse.AccountID) (list []Factor, active int, err error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return nil, 0, err
	}
	of, err := d.Standing(ctx, account)
	if err != nil {
		return nil, 0, unknownIsNotFound(err)
	}
	if !s.recovers(of.Account) {
		return nil, 0, ErrNotFound
	}
	have, err := d.Factors(ctx, account)
	for _, f := range have {
		if f.State == Active {
			active++
		} else {
			list = append(list, f)
		}
	}
	return list, active, err
}

// recoverer: an account manager, for its own organisation, or an access officer of the body.
func recoverer(s Standing) bool {
	return s.Has(ecluse.RoleAccountManager) && s.Account.Organisation != 0 || s.Has(ecluse.RoleAccessOfficer) && s.Account.Organisation == 0
}

// nobody asks for a kind that is filed by something else.
func nobody(Standing) bool { return false }

// confirms: an access officer of the body or an account manager of the owner's organisation, not the owner.
func confirms(s Standing, a Approval) bool {
	manager := s.Has(ecluse.RoleAccountManager) && a.Organisation != 0 && s.Account.Organisation == a.Organisation
	return (manager || bodyOfficer(s, a)) && concernsAnother(s, a)
}

// recovers: an access officer of the body, not the owner.
func recovers(s Standing, a Approval) bool { return bodyOfficer(s, a) && concernsAnother(s, a) }

func concernsAnother(s Standing, a Approval) bool {
	shown, err := a.Diff()
	return err == nil && shown.Factor != nil && shown.Factor.Account != s.Account.ID
}

// confirming is the effect of approving either kind. It is refused (ErrChanged) where the factor does not
// wait any more, or where one is active meanwhile that nobody asked to end.
func (d *Directory) confirming(_ context.Context, r *decision) (ledger.Effect, error) {
	var c FactorRequest
	if err := r.read(&c); err != nil {
		return nil, err
	}
	digest, err := hex.DecodeString(c.Digest)
	if err != nil {
		return nil, err
	}
	return d.changing(c.Account, func(ctx context.Context, tx ledger.Tx, e *ledger.Entry, have []Factor) ([]Factor, error) {
		changed, err := confirmed(have, digest, c.Ends, e.At)
		if err != nil {
			return nil, err
		}
		t, tell := tx.(FactorTx), notice.FactorAdded
		if c.Ends {
			tell = notice.FactorLost
			_, err = t.EndOtherSessions(ctx, c.Account, 0, e.At)
		}
		return changed, errors.Join(err, t.InsertNotices(ctx, []notice.Notice{{Kind: tell, To: c.Account, By: r.approver}}))
	}), nil
}

// confirmed are the factors as they are once the one with the digest counts: others that wait end with it,
// since one of them may be somebody else's.
func confirmed(have []Factor, digest []byte, ends bool, at time.Time) (changed []Factor, err error) {
	found := len(digest) == 0
	for _, f := range have {
		switch {
		case f.State == Waiting && len(digest) > 0 && equalDigest(f, digest):
			f.State, found = Active, true
			changed = append(changed, f)
		case f.State == Active && !ends:
			return nil, ErrChanged
		case f.State == Active || len(digest) > 0:
			changed = append(changed, f.ended(at))
		}
	}
	if !found {
		return nil, ErrChanged
	}
	return changed, nil
}
