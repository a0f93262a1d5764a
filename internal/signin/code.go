package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
)

// Codes of an application (TOTP, RFC 6238): SHA-1, six digits, steps of 30 s, which every application
// understands. One step earlier and later counts too; each step serves once.
const (
	codeStep   = 30 // seconds
	codeSkew   = 1  // steps
	codeDigits = otp.DigitsSix
	seedBytes  = 20
)

// ErrCodeForm: what was typed is not six digits. It does not count as a try.
var ErrCodeForm = errors.New("a code has six digits")

// errServed: the code's step, or a later one, has served.
var errServed = errors.New("the code has served")

// CodeSeed is what an application makes codes of, to be shown once to its owner.
type CodeSeed struct {
	Secret string // base32, in groups of four
	URL    string // otpauth://…, for a picture
}

// BeginCode begins to add an application: its seed waits with the session until FinishCode. name is what
// the owner calls it, account how the application shows it.
func (s *Service) BeginCode(r *http.Request, c Caller, name, account string) (CodeSeed, error) {
	row, _, err := s.mayEnrol(r, c, name)
	if err != nil {
		return CodeSeed{}, err
	}
	seed := make([]byte, seedBytes)
	_, _ = rand.Read(seed) // never fails since Go 1.24
	if err := s.pose(r.Context(), row, challenge{Purpose: enrolCode, Name: name, Seed: seed}); err != nil {
		return CodeSeed{}, err
	}
	return s.showSeed(seed, account)
}

// PendingCode is the seed that waits with the caller's session, to be shown again after a mistyped code:
// ErrChallenge if none does.
func (s *Service) PendingCode(r *http.Request, c Caller, account string) (CodeSeed, string, error) {
	row, err := s.mine(r, c)
	if err != nil {
		return CodeSeed{}, "", err
	}
	waiting, err := s.peek(row, enrolCode)
	if err != nil {
		return CodeSeed{}, "", err
	}
	shown, err := s.showSeed(waiting.Seed, account)
	return shown, waiting.Name, err
}

func (s *Service) showSeed(seed []byte, account string) (CodeSeed, error) {
	key, err := totp.Generate(totp.GenerateOpts{
		Issuer: s.name, AccountName: account, Secret: seed, Period: codeStep, Digits: codeDigits, Algorithm: otp.AlgorithmSHA1,
	})
	if err != nil {
		return CodeSeed{}, fmt.Errorf("describe the seed: %w", err)
	}
	return CodeSeed{Secret: inGroups(key.Secret()), URL: key.URL()}, nil
}

func inGroups(text string) string {
	var groups []string
	for part := range slices.Chunk([]byte(text), 4) {
		groups = append(groups, string(part))
	}
	return strings.Join(groups, " ")
}

// FinishCode adds the application that BeginCode described, if code is its present one. After a wrong code
// (ErrWrong) the same seed goes on waiting, at most maxAnswers times.
func (s *Service) FinishCode(w http.ResponseWriter, r *http.Request, c Caller, code string) (directory.Factor, error) {
	code, err := codeOf(code)
	if err != nil {
		return directory.Factor{}, err
	}
	row, err := s.mine(r, c)
	if err != nil {
		return directory.Factor{}, err
	}
	asked, err := s.take(r.Context(), row, enrolCode)
	if err != nil {
		return directory.Factor{}, err
	}
	step, ok := matchCode(asked.Seed, code, s.deviceNow())
	if !ok {
		if asked.Wrong++; asked.Wrong >= maxAnswers {
			return directory.Factor{}, ErrChallenge
		}
		return directory.Factor{}, errors.Join(ErrWrong, s.pose(r.Context(), row, asked))
	}
	f, err := SealCode(s.sealer, row.Account, asked.Name, asked.Seed)
	if err != nil {
		return f, err
	}
	f.LastStep = step
	return s.enrol(w, r, c, row, f)
}

// SealCode makes a factor of a seed, sealed for its account. Nothing is added yet.
func SealCode(sealer Sealer, account ecluse.AccountID, name string, seed []byte) (directory.Factor, error) {
	f := directory.Factor{Account: account, Kind: directory.FactorCode, Name: name}
	var err error
	if f.Secret, err = sealer.Seal(factorDomain, seed, factorBinding(account, f.Kind)); err != nil {
		return f, fmt.Errorf("seal a factor: %w", err)
	}
	return f, nil
}

// factorBinding is what a sealed secret is bound to. The row's MAC binds the rest.
func factorBinding(a ecluse.AccountID, kind string) []byte {
	return fmt.Appendf(nil, "account %d %s", a, kind)
}

func (s *Service) openSecret(f directory.Factor) ([]byte, error) {
	plain, err := s.sealer.Unseal(factorDomain, f.Secret, factorBinding(f.Account, f.Kind))
	if err != nil {
		return nil, fmt.Errorf("open factor %d: %w", f.ID, err)
	}
	return plain, nil
}

// ProveCode proves an own factor by a code, makes the session strong and gives it a new secret. Errors:
// ErrCodeForm, ErrNoFactor, ErrWrong, *WaitError.
func (s *Service) ProveCode(w http.ResponseWriter, r *http.Request, c Caller, code string) error {
	code, err := codeOf(code)
	if err != nil {
		return err
	}
	row, err := s.mine(r, c)
	if err != nil {
		return err
	}
	list, err := s.active(r.Context(), row.Account, directory.FactorCode)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return ErrNoFactor
	}
	tries, err := s.store.Tries(r.Context(), row.Account, row.Device)
	if err != nil {
		return fmt.Errorf("read the tries: %w", err)
	}
	if err := tries.may(s.now()); err != nil { // asked again under the lock; here it costs nobody else anything
		return err
	}
	id, step, err := s.whose(list, code)
	if err != nil {
		return err
	}
	if id != 0 {
		if err = s.useCode(w, r, c, row, id, step); !errors.Is(err, errServed) {
			return err
		}
	}
	return s.failCode(r.Context(), c, row)
}

// whose is the factor that a code is of, and its step; 0 = none. Every factor is tried whatever the others say.
func (s *Service) whose(list []directory.Factor, code string) (id ecluse.FactorID, step int64, err error) {
	for _, f := range list {
		seed, err := s.openSecret(f)
		if err != nil {
			return 0, 0, err
		}
		if at, ok := matchCode(seed, code, s.deviceNow()); ok {
			id, step = f.ID, at
		}
	}
	return id, step, nil
}

// useCode writes down that a code was proven, unless it has served or too many were wrong meanwhile.
func (s *Service) useCode(w http.ResponseWriter, r *http.Request, c Caller, row *Session, id ecluse.FactorID, step int64) error {
	up, err := s.stepUp(row, directory.FactorCode)
	if err != nil {
		return err
	}
	err = s.accounts.UseFactor(r.Context(), c.Actor(), "factor proven",
		func(ctx context.Context, tx ledger.Tx, e *ledger.Entry, have []directory.Factor) ([]directory.Factor, error) {
			tries, err := s.tryNow(ctx, tx, e, row)
			if err != nil {
				return nil, err
			}
			i := slices.IndexFunc(have, func(f directory.Factor) bool { return f.ID == id && f.State == directory.Active })
			if i < 0 || have[i].LastStep >= step {
				return nil, errServed
			}
			if tries.Device != "" { // the count of the others goes on: a thief must not have it cleared
				if err := tx.(Tx).PutTries(ctx, row.Account, Tries{Device: tries.Device}); err != nil {
					return nil, err
				}
			}
			f := have[i]
			f.LastStep, f.UsedAt = step, e.At
			return []directory.Factor{f}, up.effect(ctx, tx, e)
		})
	if err == nil {
		up.done(w)
	}
	return err
}

// failCode writes a wrong code down and counts it: ErrWrong, or *WaitError if it was one too many.
func (s *Service) failCode(ctx context.Context, c Caller, row *Session) error {
	err := s.accounts.UseFactor(ctx, c.Actor(), "factor failed",
		func(ctx context.Context, tx ledger.Tx, e *ledger.Entry, _ []directory.Factor) ([]directory.Factor, error) {
			tries, err := s.tryNow(ctx, tx, e, row)
			if err != nil {
				return nil, err
			}
			if tries = tries.failed(e.At); tries.Failures == lockedAt {
				err = tx.(Tx).InsertNotices(ctx, []notice.Notice{{Kind: notice.FactorDoubtful, To: row.Account, Subject: int64(row.ID)}})
			}
			return nil, errors.Join(err, tx.(Tx).PutTries(ctx, row.Account, tries))
		})
	if err != nil {
		return err
	}
	return ErrWrong
}

// tryNow checks, under the lock, that the session is as it was and that a code may be tried.
func (s *Service) tryNow(ctx context.Context, tx ledger.Tx, e *ledger.Entry, row *Session) (Tries, error) {
	now, err := tx.(Tx).Session(ctx, row.ID)
	if err != nil {
		return Tries{}, err
	}
	if !now.alive(e.At) || string(now.Hash) != string(row.Hash) {
		return Tries{}, ErrNoSession
	}
	tries, err := tx.(Tx).Tries(ctx, row.Account, row.Device)
	if err != nil {
		return tries, err
	}
	return tries, tries.may(e.At)
}

// codeOf is a code as it was typed, without blanks: ErrCodeForm.
func codeOf(typed string) (string, error) {
	code := strings.Join(strings.Fields(typed), "")
	if len(code) != codeDigits.Length() || strings.Trim(code, "0123456789") != "" {
		return "", ErrCodeForm
	}
	return code, nil
}

// matchCode is the step that a code is of, near an instant.
func matchCode(seed []byte, code string, at time.Time) (step int64, ok bool) {
	secret := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(seed)
	present := at.Unix() / codeStep
	for candidate := present - codeSkew; candidate <= present+codeSkew; candidate++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(candidate), hotp.ValidateOpts{Digits: codeDigits, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = candidate, true
		}
	}
	return step, ok
}
