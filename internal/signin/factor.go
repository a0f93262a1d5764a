package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"

	"github.com/go-webauthn/webauthn/webauthn"
)

// Own factors. An own factor is asked after the sign-in and never instead of it: what it proves is that
// whoever holds this session is still the account's owner. Proving one makes the session strong for
// StepUpLife and gives it a new secret, so that a copy of the old cookie is worth nothing.
//
// What a factor has to answer (Challenge) is kept in the session's row, sealed to the session and its
// secret, and is taken once, on however many nodes. What decides is looked at under the head lock, in the
// transaction that writes it down: the newest step of a code, the newest counter of a key, the number of
// wrong codes.

// How long things of own factors last.
const (
	StepUpLife    = 15 * time.Minute // a session is strong after an own factor was proven
	FreshFor      = 10 * time.Minute // after the provider vouched, a factor may be added
	ChallengeLife = 5 * time.Minute
)

// Errors of own factors, beside directory.ErrFresh, ErrTooManyFactors, ErrFactorName and ErrWeak. Test with
// errors.Is.
var (
	// ErrNoFactor: the account has none of this kind that counts.
	ErrNoFactor = errors.New("the account has no such factor")
	// ErrWrong: the answer is not the factor's: a wrong code, one that has served, a key's answer to
	// something else. One error for all, and nothing was proven.
	ErrWrong = errors.New("the second factor was not proven")
	// ErrChallenge: there is nothing to answer any more: too late, answered before, asked in another
	// session. Begin again.
	ErrChallenge = errors.New("there is nothing to answer: begin again")
	// ErrCounter: a key counted backwards. Perhaps it was copied; the owner and the security officers are told.
	ErrCounter = errors.New("the key counted backwards")
	// ErrNoKeys: keys cannot be used here, because the public address is a number.
	ErrNoKeys = errors.New("keys need an address with a name")
)

// Tx is what proving a factor needs of its transaction. *store.Tx implements it.
type Tx interface {
	// Session is a session as it is now: ErrNoSession.
	Session(ctx context.Context, id ecluse.SessionID) (Session, error)
	// StepUp gives the session s.ID a new secret and ID token, and says what was proven, if its secret's
	// hash is still the one before: ErrNoSession.
	StepUp(ctx context.Context, before []byte, s Session) error
	Tries(ctx context.Context, account ecluse.AccountID, device string) (Tries, error)
	PutTries(ctx context.Context, account ecluse.AccountID, tries Tries) error
	notice.Tx
}

// The purposes of a Challenge.
const (
	proveKey   = "prove key"
	enrolKey   = "enrol key"
	enrolCode  = "enrol code"
	maxAnswers = 5 // wrong codes while adding an application
)

const (
	challengeDomain = "signin.challenge"
	factorDomain    = "signin.factor"
)

// challenge is what a factor has to answer, as it is kept with the session.
type challenge struct {
	Purpose string               `json:"p"`
	Name    string               `json:"n,omitempty"` // of the factor to be
	Seed    []byte               `json:"s,omitempty"` // enrolCode
	Wrong   int                  `json:"w,omitempty"` // enrolCode
	Key     webauthn.SessionData `json:"k,omitzero"`
	Ends    int64                `json:"e"` // Unix seconds
}

// pose keeps a challenge with a session.
func (s *Service) pose(ctx context.Context, row *Session, c challenge) error {
	if c.Ends == 0 {
		c.Ends = s.now().Add(ChallengeLife).Unix()
	}
	plain, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write the challenge: %w", err)
	}
	sealed, err := s.sealer.Seal(challengeDomain, plain, row.binding())
	if err != nil {
		return fmt.Errorf("seal the challenge: %w", err)
	}
	return s.store.SetChallenge(ctx, *row, sealed)
}

// peek is the challenge of a session, which stays: ErrChallenge if there is none for the purpose.
func (s *Service) peek(row *Session, purpose string) (c challenge, err error) {
	plain, err := s.sealer.Unseal(challengeDomain, row.Challenge, row.binding())
	if err != nil || json.Unmarshal(plain, &c) != nil || c.Purpose != purpose || s.now().Unix() >= c.Ends {
		return challenge{}, ErrChallenge
	}
	return c, nil
}

// take removes the challenge of a session and answers it: ErrChallenge if there is none for the purpose.
func (s *Service) take(ctx context.Context, row *Session, purpose string) (c challenge, err error) {
	if c, err = s.peek(row, purpose); err != nil {
		return c, err
	}
	return c, s.store.TakeChallenge(ctx, *row)
}

// mine is the row of the caller's own session, alive and unlocked: ErrNoSession.
func (s *Service) mine(r *http.Request, c Caller) (*Session, error) {
	row, err := s.held(r)
	if err != nil {
		return nil, err
	}
	if row == nil || row.ID != c.Session || row.Account != c.Account || !row.alive(s.now()) || row.locked(s.now()) {
		return nil, ErrNoSession
	}
	return row, nil
}

// Factors are the caller's own factors, the oldest first, those that wait among them.
func (s *Service) Factors(ctx context.Context, c Caller) ([]directory.Factor, error) {
	return s.accounts.Factors(ctx, c.Account)
}

// active are the factors of an account that count, of one kind or of any ("").
func (s *Service) active(ctx context.Context, a ecluse.AccountID, kind string) ([]directory.Factor, error) {
	all, err := s.accounts.Factors(ctx, a)
	return slices.DeleteFunc(all, func(f directory.Factor) bool { return f.State != directory.Active || kind != "" && f.Kind != kind }), err
}

// EndFactor ends one of the caller's factors, and every other session of hers. Errors: as
// directory.Directory.EndFactor.
func (s *Service) EndFactor(ctx context.Context, c Caller, id ecluse.FactorID) error {
	return s.accounts.EndFactor(ctx, c.Actor(), id)
}

// enrolment is a factor that is added in a session, and how well that session is proven.
func (s *Service) enrolment(row *Session, f directory.Factor) directory.Enrolment {
	now, p := s.now(), s.providers[row.Provider]
	return directory.Enrolment{
		Factor: f, Proven: row.proven(now), Fresh: now.Before(row.SteppedAt.Add(FreshFor)),
		Strong: row.Invited || p != nil && slices.Contains(p.ACRStrong, row.ACR),
	}
}

// mayEnrol is the caller's session and her factors, if one of a name could be added in it: it is asked
// before anybody reaches for a key, and again when it is added.
func (s *Service) mayEnrol(r *http.Request, c Caller, name string) (*Session, []directory.Factor, error) {
	row, err := s.mine(r, c)
	if err != nil {
		return nil, nil, err
	}
	have, err := s.accounts.Factors(r.Context(), row.Account)
	if err != nil {
		return nil, nil, err
	}
	if _, err = s.enrolment(row, directory.Factor{}).Outcome(have); err == nil {
		_, err = directory.FactorName(name)
	}
	return row, have, err
}

// enrol adds a factor to the account of a session. If it counts at once the session is stepped up with it.
func (s *Service) enrol(w http.ResponseWriter, r *http.Request, c Caller, row *Session, f directory.Factor) (directory.Factor, error) {
	n := s.enrolment(row, f)
	up, err := s.stepUp(row, f.Kind)
	if err != nil {
		return f, err
	}
	added, err := s.accounts.AddFactor(r.Context(), c.Actor(), n, up.effect)
	if err == nil && added.State == directory.Active {
		up.done(w)
	}
	return added, err
}

// step is a session on its way to a new secret.
type step struct {
	service *Service
	row     Session
	before  []byte
	secret  string
	idToken []byte // in clear
}

// stepUp prepares the new secret of a session that an own factor is proven in.
func (s *Service) stepUp(row *Session, kind string) (*step, error) {
	idToken, err := s.sealer.Unseal(idTokenDomain, row.IDToken, row.binding())
	if err != nil {
		return nil, fmt.Errorf("open the ID token: %w", err)
	}
	up := &step{service: s, row: *row, before: row.Hash, secret: random(), idToken: idToken}
	up.row.Hash, up.row.Factor = hashOf(up.secret), kind
	return up, nil
}

// effect gives the session its new secret in the transaction of an entry: ErrNoSession if it was ended,
// or has another one, meanwhile.
func (u *step) effect(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
	row := u.row
	row.FactorAt = e.At
	var err error
	if row.IDToken, err = u.service.sealer.Seal(idTokenDomain, u.idToken, row.binding()); err != nil {
		return fmt.Errorf("seal the ID token: %w", err)
	}
	return tx.(Tx).StepUp(ctx, u.before, row)
}

// done hands the browser the new secret.
func (u *step) done(w http.ResponseWriter) { u.service.set(w, sessionCookie, u.secret, 0) }

// lookAround says who is told of a sign-in from a browser or a network that the account was never used
// from, and whether an own factor is asked right after it: where the account has one and the sign-in is
// not strong in itself. Nothing is withheld that a weak session may see anyway.
func (s *Service) lookAround(ctx context.Context, h *handshake, a directory.Account, row Session) ([]notice.Notice, error) {
	known, err := s.store.KnownPlace(ctx, a.ID, row.Device, row.Network)
	if err != nil {
		return nil, fmt.Errorf("look for earlier sign-ins: %w", err)
	}
	if known.Sessions == 0 || known.FromDevice > 0 && known.FromNetwork > 0 {
		return nil, nil
	}
	if p := s.providers[row.Provider]; p != nil && !slices.Contains(p.ACRStrong, row.ACR) {
		factors, err := s.active(ctx, a.ID, "")
		if err != nil {
			return nil, err
		}
		h.stepUp = len(factors) > 0
	}
	return []notice.Notice{{Kind: notice.SessionNewDevice, To: a.ID, Organisation: a.Organisation}}, nil
}
