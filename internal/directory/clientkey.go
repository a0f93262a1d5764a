package directory

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
)

// Errors of keys, beside ErrNotFound, ErrWeak and ErrInactive.
var (
	// ErrPublicKey: not a public key that a program can sign with: an EC key on P-256, an Ed25519 key or
	// an RSA key of 2048 to 4096 bits, as a JSON Web Key without its private part.
	ErrPublicKey = errors.New("this is no public key of a kind that is accepted, as a JSON Web Key")
	// ErrManyKeys: the program has MaxClientKeys keys that run; end one first.
	ErrManyKeys = errors.New("the program has as many keys as it may")
	// ErrReplaced: the key was replaced by a newer one, has ended, or was ended.
	ErrReplaced = errors.New("this key was replaced or ended: the newest one renews itself")
)

// Kinds of keys.
const (
	KeySecret = "secret" // client_secret_post: the program sends a secret of 256 bits
	KeyJWK    = "jwk"    // private_key_jwt: it signs, and we hold the public key
)

// How long keys run.
const (
	ClientKeyLife    = 366 * 24 * time.Hour
	ClientKeyOverlap = 7 * 24 * time.Hour // of a key that was replaced
	MaxClientKeys    = 4
)

const clientKeyDomain = "directory/client_keys/v1"

// ClientKey is what a program proves itself with. There is no way from it to the secret.
type ClientKey struct {
	ID          ecluse.ClientKeyID
	Account     ecluse.AccountID
	Kind        string
	Material    []byte // SHA-256 of the secret, or the public key as JSON
	RequestedBy ecluse.AccountID
	ApprovedBy  ecluse.AccountID
	Granted     time.Time // of the approval that it goes back to
	Created     time.Time
	Ends        time.Time
	ReplacedBy  ecluse.ClientKeyID // 0 = it is the newest of its line
	RevokedAt   time.Time          // zero = not
	LastUsed    time.Time          // not authenticated: for display
	Entry       ecluse.EntryNumber
	MAC         []byte
}

func (k ClientKey) canonical() []byte {
	return row(int64(k.ID), int64(k.Account), k.Kind, string(k.Material), int64(k.RequestedBy), int64(k.ApprovedBy), k.Granted,
		k.Created, k.Ends, int64(k.ReplacedBy), k.RevokedAt, int64(k.Entry))
}

// Runs reports whether the key proves anything at an instant.
func (k ClientKey) Runs(at time.Time) bool {
	return k.RevokedAt.IsZero() && !at.Before(k.Created) && at.Before(k.Ends)
}

// Newest reports whether the key may renew itself.
func (k ClientKey) Newest(at time.Time) bool { return k.ReplacedBy == 0 && k.Runs(at) }

// SecretMatches compares a secret with the key, in constant time.
func (k ClientKey) SecretMatches(hash []byte) bool {
	return k.Kind == KeySecret && subtle.ConstantTimeCompare(k.Material, hash) == 1
}

// ClientRows reads what concerns programs.
type ClientRows interface {
	// ClientKeys are all keys of an account, the oldest first.
	ClientKeys(ctx context.Context, a ecluse.AccountID) ([]ClientKey, error)
	// ClientsOf are the programs of an organisation, by name; BodyClients those of a body.
	ClientsOf(ctx context.Context, o ecluse.OrganisationID) ([]Account, error)
	BodyClients(ctx context.Context, c ecluse.ControllerID) ([]Account, error)
	DelegationRows
}

// ClientTx is what changing them needs of its transaction. *store.Tx implements it.
type ClientTx interface {
	ClientKeys(ctx context.Context, a ecluse.AccountID) ([]ClientKey, error)
	// PutClientKey writes a key, new or changed; LastUsed stays as it is.
	PutClientKey(ctx context.Context, k ClientKey) error
	// RevokeTokens ends the tokens of a program, those for one agent or all of them (0).
	RevokeTokens(ctx context.Context, client, agent ecluse.AccountID, at time.Time) error
	DelegationTx
}

// Secret is a program's secret: 256 bits, shown to whoever makes the key and to nobody afterwards.
type Secret string

const secretPrefix = "ecluse_cs_" // tells people and scanners of leaks what it is

func newSecret() Secret {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return Secret(secretPrefix + base64.RawURLEncoding.EncodeToString(b))
}

// Hash is what is kept of a secret. It is random, so that a plain hash tells nothing of it.
func (s Secret) Hash() []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// ClientKeyChange asks for a key. It is the body of its approval: the approver, like everybody else but the
// requester, never sees the secret.
type ClientKeyChange struct {
	Client   ecluse.AccountID `json:"client"`
	ClientID string           `json:"client_id"`
	Kind     string           `json:"kind"`
	Material []byte           `json:"material"`
	// Name, Running and Thumbprint are what the approver is shown.
	Name       string `json:"name"`
	Running    int    `json:"running"`    // keys that the program has already
	Thumbprint string `json:"thumbprint"` // of a public key (RFC 7638)
}

// RequestClientKey asks for a key of a program: a right like any other, a second working access to what
// the program may, so that an access officer of the body approves it. Without a public key (JSON Web Key)
// a secret is made; it works once the request is approved. An account manager asks for programs of her own
// organisation, the body's staff for any. Errors: ErrNotFound, ErrPublicKey, ErrWeak, ErrInactive,
// ErrDualControl.
func (d *Directory) RequestClientKey(ctx context.Context, by Actor, client ecluse.AccountID, publicKey []byte) (a Approval, secret Secret, err error) {
	c := ClientKeyChange{Client: client}
	if secret, err = c.material(publicKey); err != nil {
		return a, "", err
	}
	a, err = d.ask(ctx, by, KindClientKey, func(s Standing) (question, error) {
		p, err := d.programOf(ctx, s, client)
		if err != nil {
			return question{}, err
		}
		return d.keyQuestion(ctx, s.Controller, p, c)
	})
	if err != nil {
		return a, "", err
	}
	return a, secret, nil
}

// SubmitClientKey asks for a key from the command line of a node: see Submit. Errors: ErrNotFound,
// ErrPublicKey, ErrManyKeys.
func (d *Directory) SubmitClientKey(ctx context.Context, by Actor, client ecluse.AccountID, publicKey []byte) (a Approval, secret Secret, err error) {
	c := ClientKeyChange{Client: client}
	if secret, err = c.material(publicKey); err != nil {
		return a, "", err
	}
	p, err := d.rows.Account(ctx, client)
	if err == nil && p.Kind != KindClient {
		err = ErrNotFound
	}
	if err != nil {
		return a, "", unknownIsNotFound(err)
	}
	body, err := d.controller(ctx, p.Controller)
	if err != nil {
		return a, "", err
	}
	a, err = d.submit(ctx, by, body.Code, KindClientKey, func() (question, error) { return d.keyQuestion(ctx, body, p, c) })
	if err != nil {
		return a, "", err
	}
	return a, secret, nil
}

// keyQuestion is what asking for a key of a program means.
func (d *Directory) keyQuestion(ctx context.Context, body Controller, p Account, c ClientKeyChange) (question, error) {
	keys, err := d.rows.ClientKeys(ctx, p.ID)
	if err != nil {
		return question{}, fmt.Errorf("read the keys of account %d: %w", p.ID, err)
	}
	c.ClientID, c.Name, c.Running = p.Sub, p.Name(), d.running(keys)
	if c.Running >= MaxClientKeys {
		return question{}, ErrManyKeys
	}
	return question{Concerns: p.Organisation, Body: c, Summary: Summary{Controller: body.Name, ClientKey: &c}}, nil
}

// material fills in what is kept of the key, and answers the secret if there is one.
func (c *ClientKeyChange) material(publicKey []byte) (Secret, error) {
	if len(publicKey) == 0 {
		s := newSecret()
		c.Kind, c.Material = KeySecret, s.Hash()
		return s, nil
	}
	key, err := ParsePublicKey(publicKey)
	if err != nil {
		return "", err
	}
	c.Kind, c.Material, c.Thumbprint = KeyJWK, key.JSON, key.Thumbprint
	return "", nil
}

// running counts the keys that prove something at present.
func (d *Directory) running(keys []ClientKey) (n int) {
	for _, k := range keys {
		if k.Runs(d.now()) && d.validKey(k) {
			n++
		}
	}
	return n
}

func (d *Directory) validKey(k ClientKey) bool {
	return d.valid(clientKeyDomain, int64(k.ID), k.MAC, k.canonical())
}

// keeper is the standing of who looks after programs, or of a command, which has none. Errors: ErrInactive,
// ErrWeak.
func (d *Directory) keeper(ctx context.Context, by Actor) (Standing, error) {
	if by.command() {
		return Standing{Rev: ledger.AnyRevision}, nil
	}
	return d.actor(ctx, by, assured)
}

// programOf is a program that the account looks after: one of its own organisation, for account managers,
// any of its body, for the body's own staff, or any, for a command. ErrNotFound.
func (d *Directory) programOf(ctx context.Context, s Standing, client ecluse.AccountID) (Account, error) {
	a, err := d.rows.Account(ctx, client)
	if err != nil {
		return a, unknownIsNotFound(err)
	}
	own := s.Has(ecluse.RoleAccountManager) && s.Account.Organisation != 0 && a.Organisation == s.Account.Organisation
	staff := s.Account.Organisation == 0 && (s.Has(ecluse.RoleAccessOfficer) || s.Has(ecluse.RoleAdmin) || s.Has(ecluse.RoleSecurityOfficer))
	if a.Kind != KindClient || s.Account.ID != 0 && (a.Controller != s.Account.Controller || !own && !staff) {
		return Account{}, ErrNotFound
	}
	return a, d.checkAccount(a)
}

// asksForKeys: account managers of an organisation, and those of the body who ask for anything.
func asksForKeys(s Standing) bool {
	return s.Account.Organisation != 0 && s.Has(ecluse.RoleAccountManager) || bodyStaff(s)
}

// keying is the effect of approving a request of KindClientKey.
func (d *Directory) keying(_ context.Context, taken *decision) (ledger.Effect, error) {
	var c ClientKeyChange
	if err := taken.read(&c); err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		keys, err := tx.(ClientTx).ClientKeys(ctx, c.Client)
		if err != nil {
			return err
		}
		if d.running(keys) >= MaxClientKeys {
			return ErrManyKeys
		}
		k := ClientKey{
			ID: ecluse.ClientKeyID(tx.Allot(1)), Account: c.Client, Kind: c.Kind, Material: c.Material,
			RequestedBy: taken.RequestedBy, ApprovedBy: taken.approver, Granted: e.At, Created: e.At, Ends: e.At.Add(ClientKeyLife),
		}
		return d.putClientKey(ctx, tx, e, k)
	}, nil
}

// putClientKey signs a key and writes it.
func (d *Directory) putClientKey(ctx context.Context, tx ledger.Tx, e *ledger.Entry, k ClientKey) error {
	k.Entry = e.N
	k.MAC = d.keys.MAC(clientKeyDomain, k.canonical())
	return tx.(ClientTx).PutClientKey(ctx, k)
}

// ClientKeysOf are the keys of a program that the account looks after, ended ones included. Rows written
// around the program are left out. Errors: ErrNotFound, ErrInactive, ErrWeak.
func (d *Directory) ClientKeysOf(ctx context.Context, by Actor, client ecluse.AccountID) (Account, []ClientKey, error) {
	s, err := d.keeper(ctx, by)
	if err != nil {
		return Account{}, nil, err
	}
	p, err := d.programOf(ctx, s, client)
	if err != nil {
		return p, nil, err
	}
	keys, err := d.rows.ClientKeys(ctx, client)
	return p, slices.DeleteFunc(keys, func(k ClientKey) bool { return !d.validKey(k) }), err
}

// EndClientKey ends a key of a program at once, and with it every token of the program. It only takes away,
// so that one person suffices. Errors: ErrNotFound, ErrInactive, ErrWeak.
func (d *Directory) EndClientKey(ctx context.Context, by Actor, client ecluse.AccountID, key ecluse.ClientKeyID) error {
	_, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, err := d.keeper(ctx, by)
		if err != nil {
			return nil, err
		}
		p, err := d.programOf(ctx, s, client)
		if err != nil {
			return nil, err
		}
		return []ledger.Candidate{{
			Kind: ledger.KindDirectory, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev, NewRevision: true,
			Detail: ledger.Detail{What: "client key end", Subject: int64(key), By: by.CLI},
			Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
				k, err := d.keyIn(ctx, tx, client, key)
				if err != nil {
					return err
				}
				if !k.RevokedAt.IsZero() {
					return ErrNotFound
				}
				k.RevokedAt = e.At
				told := notice.Notice{Kind: notice.ClientKeyEnded, Controller: p.Controller, Organisation: p.Organisation, By: by.Account, Subject: int64(key)}
				return errors.Join(d.putClientKey(ctx, tx, e, k), tx.(ClientTx).RevokeTokens(ctx, client, 0, e.At),
					tx.(notice.Tx).InsertNotices(ctx, []notice.Notice{told}))
			},
		}}, nil
	})
	if err != nil {
		return fmt.Errorf("end a key: %w", err)
	}
	return nil
}

// keyIn is a key of a program as the transaction sees it: ErrNotFound.
func (d *Directory) keyIn(ctx context.Context, tx ledger.Tx, client ecluse.AccountID, key ecluse.ClientKeyID) (ClientKey, error) {
	keys, err := tx.(ClientTx).ClientKeys(ctx, client)
	if err != nil {
		return ClientKey{}, err
	}
	i := slices.IndexFunc(keys, func(k ClientKey) bool { return k.ID == key })
	if i < 0 || !d.validKey(keys[i]) {
		return ClientKey{}, ErrNotFound
	}
	return keys[i], nil
}

// RenewClientKey puts a new key in the place of one that a program has just proven itself with: a new
// public key, or a new secret. The old one goes on for ClientKeyOverlap. No second person is needed, for
// the program has as many accesses afterwards as before; managers and access officers are told. The line
// of a key ends when its account, its grant or its agreement does. Errors: ErrReplaced, ErrPublicKey.
func (d *Directory) RenewClientKey(ctx context.Context, old ClientKey, publicKey []byte) (k ClientKey, secret Secret, err error) {
	c := ClientKeyChange{Client: old.Account}
	if secret, err = c.material(publicKey); err != nil {
		return k, "", err
	}
	_, err = d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, err := d.Standing(ctx, old.Account)
		if err != nil {
			return nil, err
		}
		if s.Account.Kind != KindClient || !s.Account.Acts(d.now()) {
			return nil, ErrInactive
		}
		return []ledger.Candidate{{
			Kind: ledger.KindDirectory, Account: old.Account, Organisation: s.Account.Organisation, Revision: s.Rev, NewRevision: true,
			Detail: ledger.Detail{What: "client key renew", Subject: int64(old.ID)},
			Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) (err error) {
				k, err = d.renew(ctx, tx, e, s.Account, old.ID, c)
				return err
			},
		}}, nil
	})
	if err != nil {
		return k, "", fmt.Errorf("renew a key: %w", err)
	}
	return k, secret, nil
}

func (d *Directory) renew(ctx context.Context, tx ledger.Tx, e *ledger.Entry, p Account, id ecluse.ClientKeyID, c ClientKeyChange) (ClientKey, error) {
	old, err := d.keyIn(ctx, tx, p.ID, id)
	if err != nil || !old.Newest(e.At) {
		return ClientKey{}, errors.Join(ErrReplaced, err)
	}
	k := old
	k.ID, k.Kind, k.Material, k.Created, k.Ends = ecluse.ClientKeyID(tx.Allot(1)), c.Kind, c.Material, e.At, e.At.Add(ClientKeyLife)
	old.ReplacedBy, old.Ends = k.ID, earlier(old.Ends, e.At.Add(ClientKeyOverlap))
	told := notice.Notice{Kind: notice.ClientKeyRenewed, Controller: p.Controller, Organisation: p.Organisation, By: p.ID, Subject: int64(k.ID)}
	return k, errors.Join(d.putClientKey(ctx, tx, e, old), d.putClientKey(ctx, tx, e, k), tx.(notice.Tx).InsertNotices(ctx, []notice.Notice{told}))
}

// Program is a program by its identifier, with the keys that prove it at present: none for an identifier
// that nobody has, after the same reads.
func (d *Directory) Program(ctx context.Context, clientID string) (Account, []ClientKey, error) {
	a, err := d.rows.AccountByIdentity(ctx, ClientIDP, clientID)
	if err != nil && !errors.Is(err, ErrUnknownAccount) {
		return Account{}, nil, fmt.Errorf("look up a program: %w", err)
	}
	known := err == nil && a.Kind == KindClient && d.checkAccount(a) == nil
	keys, err := d.rows.ClientKeys(ctx, a.ID)
	if err != nil {
		return Account{}, nil, fmt.Errorf("read the keys of account %d: %w", a.ID, err)
	}
	if !known {
		return Account{}, nil, nil
	}
	return a, slices.DeleteFunc(keys, func(k ClientKey) bool { return !k.Runs(d.now()) || !a.since(k.Created) || !d.validKey(k) }), nil
}

// ClientKeyDiff is what the approver of a key is shown.
func (a Approval) ClientKeyDiff() (c ClientKeyChange, err error) {
	err = json.Unmarshal([]byte(a.Body), &c)
	return c, err
}
