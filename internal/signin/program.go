package signin

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"
)

// TokenLife is how long a token serves.
const TokenLife = 10 * time.Minute

// ProviderProgram stands in a token's row of sessions where a browser's has its provider. No configured
// provider has this name.
const ProviderProgram = directory.ClientIDP

// Addresses of what programs ask, below the public address. Assertions are addressed to the first, or to
// the public address itself.
const (
	TokenPath    = "/oauth/token"
	KeysPath     = "/oauth/keys"
	MetadataPath = "/.well-known/oauth-authorization-server" // RFC 8414
)

// ProgramDirectory is what Programs asks of the directory; *directory.Directory is one.
type ProgramDirectory interface {
	// Program is a program by its identifier, with the keys that prove it now; the same reads and no error
	// for one that nobody has.
	Program(ctx context.Context, clientID string) (directory.Account, []directory.ClientKey, error)
	// Agent is the one whom the program acts for: directory.ErrNotDelegated.
	Agent(ctx context.Context, program directory.Account, email string) (directory.Account, error)
	// MayAct: directory.ErrNotDelegated.
	MayAct(ctx context.Context, client, agent ecluse.AccountID) error
	RenewClientKey(ctx context.Context, old directory.ClientKey, publicKey []byte) (directory.ClientKey, directory.Secret, error)
	// Activity proves the last sign-in of an account, for whoever reads its row.
	Activity(a ecluse.AccountID, at time.Time) []byte
}

// TokenStore keeps tokens, which are rows of sessions; *store.DB is one.
type TokenStore interface {
	// TokenByHash finds a token, whatever its state: ErrNoSession. One indexed query.
	TokenByHash(ctx context.Context, hash []byte) (Session, error)
	// SaveToken starts t if, under the lock, the program is active, the key runs, and whoever it acts for
	// still lets it: ErrNoSession otherwise. ErrReplayed if the hash has served. The program counts as
	// signed in at t.SteppedAt.
	SaveToken(ctx context.Context, t Session, key ecluse.ClientKeyID) error
}

// TokenKeys seals and derives; *keys.Keys is one.
type TokenKeys interface {
	Sealer
	MAC(domain string, parts ...[]byte) []byte
}

// ProgramOptions is what NewPrograms needs.
type ProgramOptions struct {
	PublicURL string
	Directory ProgramDirectory
	Store     TokenStore
	Keys      TokenKeys
	Now       func() time.Time
	Log       *slog.Logger                   // nil = none; never sees a secret, an assertion or a token
	ClientIP  func(*http.Request) netip.Addr // nil = the connection's peer
}

// Programs signs programs in: OAuth 2.0 client credentials (RFC 6749 §4.4) with a secret in the body or a
// signed assertion (RFC 7523), for an opaque token of minutes. Safe for concurrent use.
//
// An unknown program and a wrong proof are one answer after the same calls. Wrong proofs are answered
// later and later, by the network that they come from; a right one is never made to wait, so that nobody
// can lock a program out. An assertion serves once, on any number of nodes: the token is derived from its
// jti, and the database takes a token's hash only once.
type Programs struct {
	directory ProgramDirectory
	store     TokenStore
	keys      TokenKeys
	public    string
	now       func() time.Time
	log       *slog.Logger
	clientIP  func(*http.Request) netip.Addr
	decoys    decoys
	wrong     *pace // proofs, by network
	asked     *pace // tokens, by program
	waiting   chan struct{}
	wait      func(context.Context, time.Duration)
}

// Limits of what is asked. Tokens last ten minutes, so that a program needs one a minute for ten agents.
const (
	tokensPerMinute = 120
	patience        = 10 * time.Minute // that wrong proofs of a network are remembered
	maxWaiting      = 64               // wrong proofs that are being answered late
)

// NewPrograms makes Programs.
func NewPrograms(o ProgramOptions) (*Programs, error) {
	public, err := publicURL(o.PublicURL)
	if err != nil {
		return nil, err
	}
	if o.Directory == nil || o.Store == nil || o.Keys == nil || o.Now == nil {
		return nil, errors.New("signin: directory, store, keys and clock are needed")
	}
	p := &Programs{
		directory: o.Directory, store: o.Store, keys: o.Keys, public: public.String(), now: o.Now, log: o.Log, clientIP: o.ClientIP,
		wrong: newPace(patience), asked: newPace(time.Minute), waiting: make(chan struct{}, maxWaiting), wait: sleep,
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if p.clientIP == nil {
		p.clientIP = peer
	}
	p.decoys, err = newDecoys()
	return p, err
}

// TokenError is a request that gets no token (RFC 6749 §5.2).
type TokenError struct {
	Code   string // invalid_client, invalid_grant, unauthorized_client, invalid_request, slow_down
	Detail string // for developers; says nothing about anybody
}

// NewTokenError is a refusal of the door's own: a request that is not what it must be.
func NewTokenError(code, detail string) *TokenError { return &TokenError{Code: code, Detail: detail} }

func (e *TokenError) Error() string { return "token refused: " + e.Code }

// The refusals.
var (
	errClient     = &TokenError{"invalid_client", "The client is not known, or this does not prove that it is you."}
	errStopped    = &TokenError{"unauthorized_client", "The account of this client is suspended or has ended, or nobody used it for 60 days."}
	errAgent      = &TokenError{"invalid_grant", "act_as names nobody who lets this client act: agents agree under My account, Software, for 90 days."}
	errSlow       = &TokenError{"slow_down", "Too many requests: wait a minute, and keep a token for its ten minutes."}
	errKeyOver    = &TokenError{"invalid_client", "This key was replaced or ended: only the newest one renews itself."}
	errKey        = &TokenError{"invalid_request", "jwk is no public key of an accepted kind: an EC key on P-256, an Ed25519 key, or an RSA key of 2048 to 4096 bits."}
	errUnfinished = &TokenError{"invalid_request", "Send client_id and client_secret, or client_assertion_type and client_assertion, in the body and nowhere else."}
)

// Proof is how a program proves itself: a secret, or an assertion.
type Proof struct {
	ClientID      string
	Secret        string
	AssertionType string
	Assertion     string
}

// Token is an access token.
type Token struct {
	Access string
	Life   time.Duration
}

// proven is a program that has proven itself.
type proven struct {
	account directory.Account
	key     directory.ClientKey
	method  string
	jti     string // of an assertion, "" of a secret
}

// Token gives a program a token: for itself, or for an agent (by e-mail address) who lets it act. Errors:
// *TokenError; anything else is internal.
func (p *Programs) Token(r *http.Request, proof Proof, actAs string) (Token, error) {
	ctx := r.Context()
	who, err := p.prove(ctx, r, proof)
	if err != nil {
		return Token{}, err
	}
	agent := who.account
	err = p.directory.MayAct(ctx, agent.ID, agent.ID)
	if err == nil && actAs != "" {
		agent, err = p.directory.Agent(ctx, who.account, actAs)
		if errors.Is(err, directory.ErrNotDelegated) {
			return Token{}, errAgent
		}
	}
	switch {
	case errors.Is(err, directory.ErrNotDelegated):
		return Token{}, errStopped
	case err != nil:
		return Token{}, fmt.Errorf("find whom a program acts for: %w", err)
	}
	access := p.secretOf(who)
	if err := p.save(ctx, r, who, agent.ID, access, TokenLife); err != nil {
		return Token{}, err
	}
	return Token{Access: access, Life: TokenLife}, nil
}

// tokenPrefix tells people and scanners of leaks what it is.
const tokenPrefix = "ecluse_at_"

const (
	tokenDomain  = "signin.token"
	accessDomain = "signin/access/v1"
)

// secretOf is the token: derived from the assertion, so that the same one never makes two, or random.
func (p *Programs) secretOf(who proven) string {
	b := make([]byte, 32)
	if who.jti == "" {
		_, _ = rand.Read(b) // never fails since Go 1.24
	} else {
		b = p.keys.MAC(accessDomain, binary.BigEndian.AppendUint64(nil, uint64(who.account.ID)), []byte(who.jti))
	}
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// save writes a token that serves for life; 0 uses an assertion up.
func (p *Programs) save(ctx context.Context, r *http.Request, who proven, agent ecluse.AccountID, access string, life time.Duration) error {
	now := p.now()
	row := Session{
		Account: agent, Client: who.account.ID, Hash: hashOf(access), Provider: ProviderProgram, ACR: who.method,
		Network: networkPrefix(p.clientIP(r)), Created: now, SteppedAt: now, IdleEnds: now.Add(life), Ends: now.Add(life),
		Activity: p.directory.Activity(who.account.ID, now),
	}
	var err error
	if row.IDToken, err = p.keys.Seal(tokenDomain, []byte(who.method), row.binding()); err != nil {
		return fmt.Errorf("seal a token: %w", err)
	}
	err = p.store.SaveToken(ctx, row, who.key.ID)
	switch {
	case errors.Is(err, ErrReplayed):
		p.log.Warn("an assertion came twice", "client", int64(who.account.ID))
		return p.refused(ctx, r)
	case errors.Is(err, ErrNoSession):
		return errStopped
	case err != nil:
		return fmt.Errorf("write a token: %w", err)
	}
	return nil
}

// Renew puts a new key in the place of the one that proves the program now, which ends within
// directory.ClientKeyOverlap: a new secret, or the public key jwk. Errors: *TokenError.
func (p *Programs) Renew(r *http.Request, proof Proof, jwk []byte) (directory.ClientKey, directory.Secret, error) {
	ctx := r.Context()
	who, err := p.prove(ctx, r, proof)
	if err == nil && who.jti != "" {
		err = p.save(ctx, r, who, who.account.ID, p.secretOf(who), 0)
	}
	if err != nil {
		return directory.ClientKey{}, "", err
	}
	k, secret, err := p.directory.RenewClientKey(ctx, who.key, jwk)
	switch {
	case errors.Is(err, directory.ErrReplaced):
		err = errKeyOver
	case errors.Is(err, directory.ErrPublicKey):
		err = errKey
	case errors.Is(err, directory.ErrInactive):
		err = errStopped
	}
	return k, secret, err
}

// FromRequest tells which program asks, and for whom, by the token in the request's Authorization header.
// It reads the token's row each time, and whether the program may still act for whom it asks: what was
// ended or suspended a moment ago is dead on every node. Errors: ErrNoSession, ErrExpired, ErrRevoked.
func (p *Programs) FromRequest(r *http.Request) (Caller, error) {
	access, ok := bearer(r)
	if !ok {
		return Caller{}, ErrNoSession
	}
	row, err := p.store.TokenByHash(r.Context(), hashOf(access))
	if err != nil {
		return Caller{}, err
	}
	if row.Provider != ProviderProgram || row.Client == 0 {
		return Caller{}, ErrNoSession // the cookie of a browser
	}
	if _, err := p.keys.Unseal(tokenDomain, row.IDToken, row.binding()); err != nil {
		p.log.Error("dead row: written around the program, ignored", "table", "sessions", "row", int64(row.ID))
		return Caller{}, ErrNoSession
	}
	switch {
	case !row.RevokedAt.IsZero():
		return Caller{}, ErrRevoked
	case !p.now().Before(row.Ends):
		return Caller{}, ErrExpired
	}
	err = p.directory.MayAct(r.Context(), row.Client, row.Account)
	if errors.Is(err, directory.ErrNotDelegated) {
		return Caller{}, ErrRevoked
	}
	return Caller{
		Account: row.Account, Client: row.Client, Session: row.ID, Provider: row.Provider, ACR: row.ACR, Assured: true, SignedAt: row.SteppedAt, Network: row.Network,
	}, err
}

// bearer is the token of a request (RFC 6750 §2.1): in one Authorization header and nowhere else.
func bearer(r *http.Request) (string, bool) {
	all := r.Header.Values("Authorization")
	if len(all) != 1 {
		return "", false
	}
	scheme, access, _ := strings.Cut(all[0], " ")
	secret, ours := strings.CutPrefix(access, tokenPrefix)
	return access, ours && strings.EqualFold(scheme, "Bearer") && wellFormed(secret)
}

// Metadata is what RFC 8414 has programs find out by themselves.
func (p *Programs) Metadata() map[string]any {
	var algs []string
	for _, a := range directory.SigningAlgorithms {
		algs = append(algs, string(a))
	}
	return map[string]any{
		"issuer": p.public, "token_endpoint": p.public + TokenPath, "grant_types_supported": []string{"client_credentials"},
		"response_types_supported":                         []string{},
		"token_endpoint_auth_methods_supported":            []string{string(ClientSecretPost), string(PrivateKeyJWT)},
		"token_endpoint_auth_signing_alg_values_supported": algs,
		"service_documentation":                            p.public + "/api/v1/openapi.yaml",
	}
}
