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
)

// Session is a row of sessions: one signed-in browser.
type Session struct {
	ID        ecluse.SessionID
	Account   ecluse.AccountID
	Hash      []byte // SHA-256 of the cookie's value
	Provider  string
	ACR       string
	IDToken   []byte // sealed; id_token_hint of the federation's logout
	Device    string // number of the browser
	Browser   string // its family
	Network   string // prefix of the address
	Created   time.Time
	SteppedAt time.Time // last time the provider vouched
	IdleEnds  time.Time
	Ends      time.Time
	RevokedAt time.Time // zero = not
}

// Store keeps sessions; *store.DB is one. Errors by name below, anything else is internal.
type Store interface {
	// SessionByHash finds a session, whatever its state: ErrNoSession. One indexed query.
	SessionByHash(ctx context.Context, hash []byte) (Session, error)
	// SaveSession starts s (ID 0) or lets the session s.ID of s.Account go on under s.Hash (SteppedAt is
	// now), and revokes the session replaces (0 = none) with it. ErrReplayed if the hash has served;
	// ErrNoSession if the session to go on is not alive any more.
	SaveSession(ctx context.Context, s Session, replaces ecluse.SessionID) (ecluse.SessionID, error)
	// TouchSession moves the idle limit of a session that is neither revoked nor idle at now.
	TouchSession(ctx context.Context, id ecluse.SessionID, now, idleEnds time.Time) error
	// RevokeSessions ends one session of an account, or all of them (0), and counts those that were
	// alive at now.
	RevokeSessions(ctx context.Context, account ecluse.AccountID, session ecluse.SessionID, now time.Time) (int, error)
	// AccountSessions lists the newest sessions of an account, the newest first.
	AccountSessions(ctx context.Context, account ecluse.AccountID, limit int) ([]Session, error)
}

// Errors of FromRequest and of Store. Test with errors.Is.
var (
	ErrNoSession = errors.New("no session")
	ErrExpired   = errors.New("the session reached its absolute limit")
	ErrRevoked   = errors.New("the session was ended")
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
	c := Caller{Account: row.Account, Session: row.ID, Provider: row.Provider, ACR: row.ACR, SignedAt: row.SteppedAt, Device: row.Device, Network: row.Network}
	if p := s.providers[row.Provider]; p != nil {
		c.Assured = slices.Contains(p.ACRAccepted, row.ACR)
		c.Strong = c.Assured && slices.Contains(p.ACRStrong, row.ACR)
	}
	return c
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
	return &row, nil
}

// binding is what the sealed ID token is bound to: whoever can write the database but has no key can
// neither make a session nor turn one into somebody else's, or into a stronger or longer one.
func (s *Session) binding() []byte {
	return fmt.Appendf(nil, "%x account %d provider %q acr %q device %q from %d vouched %d until %d",
		s.Hash, s.Account, s.Provider, s.ACR, s.Device, s.Created.UnixMicro(), s.SteppedAt.UnixMicro(), s.Ends.UnixMicro())
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
func (s *Service) open(w http.ResponseWriter, r *http.Request, h *handshake, account ecluse.AccountID, v *vouched) error {
	now := s.now()
	row := Session{
		Account: account, Hash: hashOf(h.Secret), Provider: h.Provider, ACR: v.identity.ACR,
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
		if before.Account == account && before.alive(now) && before.locked(now) {
			row.ID, row.Created, row.Ends, replaces = before.ID, before.Created, before.Ends, 0
		}
	}
	err = s.save(r.Context(), row, v, replaces)
	if errors.Is(err, ErrNoSession) { // revoked a moment ago: start anew
		row.ID, row.Created, row.Ends = 0, now, now.Add(s.absolute)
		err = s.save(r.Context(), row, v, 0)
	}
	switch {
	case errors.Is(err, ErrReplayed):
		return &refusal{CodeStateReplayed, "session", h}
	case err != nil:
		return fmt.Errorf("start the session: %w", err)
	}
	s.set(w, sessionCookie, h.Secret, 0)
	return nil
}

// save seals the ID token to the row and writes it.
func (s *Service) save(ctx context.Context, row Session, v *vouched, replaces ecluse.SessionID) error {
	var err error
	if row.IDToken, err = s.sealer.Seal(idTokenDomain, []byte(v.idToken), row.binding()); err != nil {
		return fmt.Errorf("seal the ID token: %w", err)
	}
	_, err = s.store.SaveSession(ctx, row, replaces)
	return err
}

// Revoke ends one session of an account; false if there was none alive.
func (s *Service) Revoke(ctx context.Context, account ecluse.AccountID, session ecluse.SessionID) (bool, error) {
	if account == 0 || session == 0 {
		return false, nil
	}
	n, err := s.store.RevokeSessions(ctx, account, session, s.now())
	return n > 0, err
}

// RevokeAccount ends every session of an account and counts them.
func (s *Service) RevokeAccount(ctx context.Context, account ecluse.AccountID) (int, error) {
	if account == 0 {
		return 0, nil
	}
	return s.store.RevokeSessions(ctx, account, 0, s.now())
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
