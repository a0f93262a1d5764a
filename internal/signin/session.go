package signin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/notice"
)

// Session is a row of sessions: one signed-in browser.
type Session struct {
	ID        ecluse.SessionID
	Account   ecluse.AccountID
	Client    ecluse.AccountID // of a token: the program that holds it, for Account
	Hash      []byte           // SHA-256 of the cookie's value, or of the token
	Provider  string
	ACR       string
	IDToken   []byte // sealed; id_token_hint of the federation's logout
	Device    string // number of the browser
	Browser   string // its family
	Network   string // prefix of the address
	Invited   bool   // begun by an invitation: the account's first
	Created   time.Time
	SteppedAt time.Time // last time the provider vouched
	FactorAt  time.Time // last time an own factor was proven in it, zero = never
	Factor    string    // its kind
	Challenge []byte    // sealed; what a factor has to answer
	IdleEnds  time.Time
	Ends      time.Time
	RevokedAt time.Time // zero = not
	Activity  []byte    // written only: proves SteppedAt to the directory, by which accounts become dormant
}

// Store keeps sessions; *store.DB is one. Errors by name below, anything else is internal.
type Store interface {
	// SessionByHash finds a session, whatever its state: ErrNoSession. One indexed query.
	SessionByHash(ctx context.Context, hash []byte) (Session, error)
	// SaveSession starts s (ID 0) or lets the session s.ID of s.Account go on under s.Hash (SteppedAt is
	// now), and revokes the session replaces (0 = none) with it. What was proven in it is forgotten; tell is
	// written in the same transaction. ErrReplayed if the hash has served; ErrNoSession if the session to
	// go on is not alive any more.
	SaveSession(ctx context.Context, s Session, replaces ecluse.SessionID, tell ...notice.Notice) (ecluse.SessionID, error)
	// TouchSession moves the idle limit of a session that is neither revoked nor idle at now.
	TouchSession(ctx context.Context, id ecluse.SessionID, now, idleEnds time.Time) error
	// RevokeSession ends a session of an account at its owner's sign-out. Whoever ends somebody's sessions
	// asks Accounts, which stops what they have under way.
	RevokeSession(ctx context.Context, account ecluse.AccountID, session ecluse.SessionID, now time.Time) error
	// AccountSessions lists the newest sessions of an account, the newest first.
	AccountSessions(ctx context.Context, account ecluse.AccountID, limit int) ([]Session, error)
	// KnownPlace counts the sessions of an account, and those from a browser and from a network.
	KnownPlace(ctx context.Context, account ecluse.AccountID, device, network string) (Place, error)
	// SetChallenge keeps what a factor of the session s has to answer, in place of what was there:
	// ErrNoSession if the session is over or has another secret. TakeChallenge removes s.Challenge, once on
	// however many nodes: ErrChallenge if it is not there any more.
	SetChallenge(ctx context.Context, s Session, challenge []byte) error
	TakeChallenge(ctx context.Context, s Session) error
	// Tries are the wrong codes of an account from a browser.
	Tries(ctx context.Context, account ecluse.AccountID, device string) (Tries, error)
}

// Place says how well an account's browser and network are known.
type Place struct{ Sessions, FromDevice, FromNetwork int }

// Errors of FromRequest and of Store. Test with errors.Is.
var (
	ErrNoSession = errors.New("no session")
	ErrExpired   = errors.New("the session reached its absolute limit")
	ErrRevoked   = directory.ErrSessionEnded
	// ErrLocked comes with a Caller whose Locked is set: show the lock, keep page and text (KeepDraft).
	ErrLocked = errors.New("the session is locked: nobody used it for a while")
	// ErrReplayed: the handshake has served.
	ErrReplayed = errors.New("the session's secret has served")
)

// touchEvery is how often a session's use is written down; a session may lock that much too early.
const touchEvery = time.Minute

// FromRequest tells who asks. It reads the session's row each time (one indexed query), so that a
// revoked session is dead at once on every node. Errors: ErrNoSession, ErrExpired, ErrRevoked with the
// zero Caller; ErrLocked with a Caller that is Locked; anything else is internal.
func (s *Service) FromRequest(r *http.Request) (Caller, error) {
	row, err := s.held(r)
	switch {
	case err != nil:
		return Caller{}, err
	case row == nil:
		return Caller{}, ErrNoSession
	}
	now := s.now()
	switch {
	case !row.RevokedAt.IsZero():
		return Caller{}, ErrRevoked
	case !now.Before(row.Ends):
		return Caller{}, ErrExpired
	case row.locked(now):
		c := s.caller(row)
		c.Locked = true
		return c, ErrLocked
	}
	if next := now.Add(s.idle); next.Sub(row.IdleEnds) >= touchEvery {
		if err := s.store.TouchSession(r.Context(), row.ID, now, next); err != nil {
			return Caller{}, fmt.Errorf("write the session's use: %w", err)
		}
	}
	return s.caller(row), nil
}

// locked: nobody used the session for the idle time. It can still go on, under a new secret.
func (s *Session) locked(now time.Time) bool { return !now.Before(s.IdleEnds) }

func (s *Session) alive(now time.Time) bool { return s.RevokedAt.IsZero() && now.Before(s.Ends) }

// caller states what a session proves by the configuration of now: an acr that left the list no longer
// counts.
func (s *Service) caller(row *Session) Caller {
	c := Caller{
		Account: row.Account, Session: row.ID, Provider: row.Provider, ACR: row.ACR, SignedAt: row.SteppedAt, Device: row.Device, Network: row.Network,
		ProvenAt: row.FactorAt,
	}
	if p := s.providers[row.Provider]; p != nil {
		c.Assured = slices.Contains(p.ACRAccepted, row.ACR)
		c.Strong = c.Assured && (row.proven(s.now()) || slices.Contains(p.ACRStrong, row.ACR))
	}
	return c
}

// proven: an own factor was proven in this session a moment ago.
func (s *Session) proven(now time.Time) bool {
	return !s.FactorAt.IsZero() && now.Before(s.FactorAt.Add(StepUpLife))
}

// held is the row of the session whose cookie the browser holds, in whatever state; nil = none.
func (s *Service) held(r *http.Request) (*Session, error) {
	value, ok := s.get(r, sessionCookie)
	if !ok || !wellFormed(value) {
		return nil, nil
	}
	row, err := s.store.SessionByHash(r.Context(), hashOf(value))
	if errors.Is(err, ErrNoSession) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the session: %w", err)
	}
	if _, err := s.sealer.Unseal(idTokenDomain, row.IDToken, row.binding()); err != nil {
		s.log.Error("dead row: written around the program, ignored", "table", "sessions", "row", int64(row.ID))
		return nil, nil
	}
	if device, ok := s.knownDevice(r); !ok || device != row.Device {
		s.log.Warn("the cookie of a session came from another browser, ignored", "session", int64(row.ID))
		return nil, nil
	}
	return &row, nil
}

// binding is what the sealed ID token is bound to: whoever can write the database but has no key can
// neither make a session nor turn one into somebody else's, or into a stronger or longer one.
func (s *Session) binding() []byte {
	var proven int64
	if !s.FactorAt.IsZero() {
		proven = s.FactorAt.UnixMicro()
	}
	return fmt.Appendf(nil, "%x client %d account %d provider %q acr %q device %q invited %t from %d vouched %d until %d proven %d %q",
		s.Hash, s.Client, s.Account, s.Provider, s.ACR, s.Device, s.Invited, s.Created.UnixMicro(), s.SteppedAt.UnixMicro(), s.Ends.UnixMicro(), proven, s.Factor)
}

// wellFormed reports whether value could be a secret of ours, before the database is asked.
func wellFormed(value string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(value)
	return err == nil && len(b) == 32
}

func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

const idTokenDomain = "signin.id_token"

// open starts the session of an account that has just proven itself, or lets its locked one go on, and
// hands the browser its secret. Whatever session the browser held before is over.
func (s *Service) open(w http.ResponseWriter, r *http.Request, h *handshake, account directory.Account, v *vouched) error {
	now := s.now()
	row := Session{
		Account: account.ID, Hash: hashOf(h.Secret), Provider: h.Provider, ACR: v.identity.ACR, Invited: v.invited,
		Device: s.device(w, r), Browser: browserFamily(r.UserAgent()), Network: networkPrefix(s.clientIP(r)),
		Created: now, SteppedAt: now, IdleEnds: now.Add(s.idle), Ends: now.Add(s.absolute),
	}
	before, err := s.held(r)
	if err != nil {
		return err
	}
	var replaces ecluse.SessionID
	if before != nil {
		replaces = before.ID
		if before.Account == row.Account && before.alive(now) && before.locked(now) {
			row.ID, row.Created, row.Ends, row.Invited, replaces = before.ID, before.Created, before.Ends, before.Invited, 0
		}
	}
	tell, err := s.lookAround(r.Context(), h, account, row)
	if err != nil {
		return err
	}
	err = s.save(r.Context(), row, v, replaces, tell)
	if errors.Is(err, ErrNoSession) { // revoked a moment ago: start anew
		row.ID, row.Created, row.Ends, row.Invited = 0, now, now.Add(s.absolute), v.invited
		err = s.save(r.Context(), row, v, 0, tell)
	}
	switch {
	case errors.Is(err, ErrReplayed):
		return &refusal{code: CodeStateReplayed, stage: "session", h: h}
	case err != nil:
		return fmt.Errorf("start the session: %w", err)
	}
	s.set(w, sessionCookie, h.Secret, 0)
	return nil
}

// save seals the ID token to the row and writes it.
func (s *Service) save(ctx context.Context, row Session, v *vouched, replaces ecluse.SessionID, tell []notice.Notice) error {
	row.Activity = s.accounts.Activity(row.Account, row.SteppedAt)
	var err error
	if row.IDToken, err = s.sealer.Seal(idTokenDomain, []byte(v.idToken), row.binding()); err != nil {
		return fmt.Errorf("seal the ID token: %w", err)
	}
	_, err = s.store.SaveSession(ctx, row, replaces, tell...)
	return err
}

// Revoke ends one session of the caller's account; false if there was none alive. What it has under way
// is not answered any more.
func (s *Service) Revoke(ctx context.Context, c Caller, session ecluse.SessionID) (bool, error) {
	if c.Account == 0 || session == 0 {
		return false, nil
	}
	n, err := s.accounts.EndSessions(ctx, c.Actor(), session)
	return n > 0, err
}

// RevokeOthers ends every session of the caller's account but the caller's, and counts them.
func (s *Service) RevokeOthers(ctx context.Context, c Caller) (int, error) {
	if c.Account == 0 {
		return 0, nil
	}
	return s.accounts.EndSessions(ctx, c.Actor(), 0)
}

// Connection is one sign-in as its owner sees it.
type Connection struct {
	Session ecluse.SessionID
	At      time.Time
	Browser string // "Firefox, Windows", "" = unknown
	Network string // "192.0.2.0/24", "" = unknown
	Open    bool   // could still be used
	Current bool   // the one that asks
}

// Connections are the caller's last limit sign-ins, the newest first (CNIL logging guide: show the last
// three).
func (s *Service) Connections(ctx context.Context, c Caller, limit int) ([]Connection, error) {
	rows, err := s.store.AccountSessions(ctx, c.Account, limit)
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	out := make([]Connection, 0, len(rows))
	for _, row := range rows {
		out = append(out, Connection{
			Session: row.ID, At: row.Created, Browser: row.Browser, Network: row.Network,
			Open: row.alive(s.now()), Current: row.ID == c.Session,
		})
	}
	return out, nil
}
