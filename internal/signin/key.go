package signin

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Security keys and passkeys (WebAuthn level 3). The relying party is the host of the public address, its
// origin the only one; user verification (PIN, finger) is required; no attestation is asked for: which
// make of key somebody has is nobody's business.

// maxKeyAnswer bounds what a browser may answer for a key.
const maxKeyAnswer = 32 << 10

// newKeys makes the relying party of an address, nil where keys cannot be used: browsers want a name.
func newKeys(public *url.URL, name string) (*webauthn.WebAuthn, error) {
	if protocol.ValidateRPID(public.Hostname()) != nil {
		return nil, nil
	}
	rp, err := webauthn.New(&webauthn.Config{
		RPID: public.Hostname(), RPDisplayName: name, RPOrigins: []string{public.String()}, AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{UserVerification: protocol.VerificationRequired, ResidentKey: protocol.ResidentKeyRequirementPreferred},
		Timeouts: webauthn.TimeoutsConfig{
			Login:        webauthn.TimeoutConfig{Timeout: ChallengeLife, TimeoutUVD: ChallengeLife},
			Registration: webauthn.TimeoutConfig{Timeout: ChallengeLife, TimeoutUVD: ChallengeLife},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("signin: keys: %w", err)
	}
	return rp, nil
}

// KeysWork reports whether keys can be used at the public address.
func (s *Service) KeysWork() bool { return s.keys != nil }

// owner is an account as the library asks for it.
type owner struct {
	handle      []byte
	name        string
	credentials []webauthn.Credential
	factors     []directory.Factor // in the same order
}

func (o *owner) WebAuthnID() []byte                         { return o.handle }
func (o *owner) WebAuthnName() string                       { return o.name }
func (o *owner) WebAuthnDisplayName() string                { return o.name }
func (o *owner) WebAuthnCredentials() []webauthn.Credential { return o.credentials }

// owner reads the keys of an account. Its handle says nothing of the account and is the same each time.
func (s *Service) owner(list []directory.Factor, a ecluse.AccountID, name string) (*owner, error) {
	o := &owner{handle: s.sealer.MAC("signin/owner/v1", binary.BigEndian.AppendUint64(nil, uint64(a))), name: name}
	for _, f := range list {
		if f.Kind != directory.FactorKey {
			continue
		}
		plain, err := s.openSecret(f)
		if err != nil {
			return nil, err
		}
		var c webauthn.Credential
		if err := json.Unmarshal(plain, &c); err != nil {
			return nil, fmt.Errorf("read factor %d: %w", f.ID, err)
		}
		c.Authenticator.SignCount = uint32(f.SignCount)
		o.credentials, o.factors = append(o.credentials, c), append(o.factors, f)
	}
	return o, nil
}

// BeginKey begins to add a key: what it answers goes to navigator.credentials.create. name is what the
// owner calls it, account how the browser shows whose it is. Errors: as AddFactor.
func (s *Service) BeginKey(r *http.Request, c Caller, name, account string) (json.RawMessage, error) {
	if s.keys == nil {
		return nil, ErrNoKeys
	}
	row, all, err := s.mayEnrol(r, c, name)
	if err != nil {
		return nil, err
	}
	o, err := s.owner(all, row.Account, account)
	if err != nil {
		return nil, err
	}
	options, session, err := s.keys.BeginRegistration(o, webauthn.WithExclusions(webauthn.Credentials(o.credentials).CredentialDescriptors()))
	if err != nil {
		return nil, fmt.Errorf("begin to add a key: %w", err)
	}
	if err := s.pose(r.Context(), row, challenge{Purpose: enrolKey, Name: name, Key: *session}); err != nil {
		return nil, err
	}
	return json.Marshal(options)
}

// FinishKey adds the key that answers BeginKey. Errors: ErrWrong, ErrChallenge, those of AddFactor.
func (s *Service) FinishKey(w http.ResponseWriter, r *http.Request, c Caller, answer []byte) (directory.Factor, error) {
	row, asked, err := s.answered(r, c, enrolKey)
	if err != nil {
		return directory.Factor{}, err
	}
	o, err := s.owner(nil, row.Account, "")
	if err != nil {
		return directory.Factor{}, err
	}
	made, err := s.register(o, asked.Key, answer)
	if err != nil {
		s.log.InfoContext(r.Context(), "a key was not added", "cause", causeOf(err))
		return directory.Factor{}, ErrWrong
	}
	f := directory.Factor{Account: row.Account, Kind: directory.FactorKey, Name: asked.Name, SignCount: int64(made.Authenticator.SignCount)}
	made.Attestation = webauthn.CredentialAttestation{}
	plain, err := json.Marshal(made)
	if err != nil {
		return f, fmt.Errorf("write a factor: %w", err)
	}
	if f.Secret, err = s.sealer.Seal(factorDomain, plain, factorBinding(row.Account, f.Kind)); err != nil {
		return f, fmt.Errorf("seal a factor: %w", err)
	}
	return s.enrol(w, r, c, row, f)
}

func (s *Service) register(o *owner, session webauthn.SessionData, answer []byte) (*webauthn.Credential, error) {
	if len(answer) > maxKeyAnswer {
		return nil, errors.New("the answer is too long")
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, err
	}
	return s.keys.CreateCredential(o, session, parsed)
}

// answered takes the challenge that a key answers.
func (s *Service) answered(r *http.Request, c Caller, purpose string) (*Session, challenge, error) {
	if s.keys == nil {
		return nil, challenge{}, ErrNoKeys
	}
	row, err := s.mine(r, c)
	if err != nil {
		return nil, challenge{}, err
	}
	asked, err := s.take(r.Context(), row, purpose)
	return row, asked, err
}

// AskKey begins to prove a key: what it answers goes to navigator.credentials.get. ErrNoFactor if the
// account has no key that counts.
func (s *Service) AskKey(r *http.Request, c Caller) (json.RawMessage, error) {
	if s.keys == nil {
		return nil, ErrNoKeys
	}
	row, err := s.mine(r, c)
	if err != nil {
		return nil, err
	}
	o, err := s.activeKeys(r.Context(), row.Account)
	if err != nil {
		return nil, err
	}
	options, session, err := s.keys.BeginLogin(o, webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, fmt.Errorf("begin to prove a key: %w", err)
	}
	if err := s.pose(r.Context(), row, challenge{Purpose: proveKey, Key: *session}); err != nil {
		return nil, err
	}
	return json.Marshal(options)
}

func (s *Service) activeKeys(ctx context.Context, a ecluse.AccountID) (*owner, error) {
	list, err := s.active(ctx, a, directory.FactorKey)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, ErrNoFactor
	}
	return s.owner(list, a, "")
}

// ProveKey proves an own factor by a key's answer to AskKey, makes the session strong and gives it a new
// secret. There is nothing to guess in a key's answer, so a wrong one makes nobody wait. Errors: ErrWrong,
// ErrChallenge, ErrNoFactor, ErrCounter.
func (s *Service) ProveKey(w http.ResponseWriter, r *http.Request, c Caller, answer []byte) error {
	row, asked, err := s.answered(r, c, proveKey)
	if err != nil {
		return err
	}
	o, err := s.activeKeys(r.Context(), row.Account)
	if err != nil {
		return err
	}
	proven, count, err := s.verify(o, asked.Key, answer)
	if err != nil {
		s.log.InfoContext(r.Context(), "a key was not proven", "cause", causeOf(err))
		return ErrWrong
	}
	return s.useKey(w, r, c, row, o.factors[proven].ID, count)
}

// verify checks a key's answer: which of the owner's keys it is of, and its counter.
func (s *Service) verify(o *owner, session webauthn.SessionData, answer []byte) (key int, count int64, err error) {
	if len(answer) > maxKeyAnswer {
		return 0, 0, errors.New("the answer is too long")
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return 0, 0, err
	}
	used, err := s.keys.ValidateLogin(o, session, parsed)
	if err != nil {
		return 0, 0, err
	}
	key = slices.IndexFunc(o.credentials, func(c webauthn.Credential) bool { return string(c.ID) == string(used.ID) })
	return key, int64(parsed.Response.AuthenticatorData.Counter), nil
}

// useKey writes down that a key was proven. Its counter is compared under the lock: one that does not go on
// is refused and told (WebAuthn §6.1.1), unless the key counts nothing.
func (s *Service) useKey(w http.ResponseWriter, r *http.Request, c Caller, row *Session, id ecluse.FactorID, count int64) error {
	up, err := s.stepUp(row, directory.FactorKey)
	if err != nil {
		return err
	}
	err = s.accounts.UseFactor(r.Context(), c.Actor(), "factor proven",
		func(ctx context.Context, tx ledger.Tx, e *ledger.Entry, have []directory.Factor) ([]directory.Factor, error) {
			i := slices.IndexFunc(have, func(f directory.Factor) bool { return f.ID == id && f.State == directory.Active })
			if i < 0 {
				return nil, ErrNoFactor
			}
			f := have[i]
			if count <= f.SignCount && (count != 0 || f.SignCount != 0) {
				return nil, ErrCounter
			}
			f.SignCount, f.UsedAt = count, e.At
			return []directory.Factor{f}, up.effect(ctx, tx, e)
		})
	switch {
	case err == nil:
		up.done(w)
	case errors.Is(err, ErrCounter):
		return errors.Join(err, s.doubt(r.Context(), c, row, id))
	}
	return err
}

// doubt writes down that a key counted backwards, and tells its owner and the security officers.
func (s *Service) doubt(ctx context.Context, c Caller, row *Session, id ecluse.FactorID) error {
	s.log.WarnContext(ctx, "a key counted backwards", "factor", int64(id))
	return s.accounts.UseFactor(ctx, c.Actor(), "factor doubtful",
		func(ctx context.Context, tx ledger.Tx, _ *ledger.Entry, _ []directory.Factor) ([]directory.Factor, error) {
			return nil, tx.(Tx).InsertNotices(ctx, []notice.Notice{{Kind: notice.FactorDoubtful, To: row.Account, Subject: int64(id)}})
		})
}

// causeOf is what the library says was wrong, without what the browser sent.
func causeOf(err error) string {
	var known *protocol.Error
	if errors.As(err, &known) {
		return known.Type
	}
	return "not understood"
}
