package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
)

// Errors of invitations.
var (
	ErrInvitationUnknown  = errors.New("there is no such invitation")
	ErrInvitationUsed     = errors.New("the invitation was used before")
	ErrInvitationExpired  = errors.New("the invitation has expired")
	ErrInvitationIdentity = errors.New("the invitation is for another identity")
)

// InvitationLife is how long an invitation waits for its owner.
const InvitationLife = 7 * 24 * time.Hour

// Invitation binds an account to the identity that first signs in with its token.
type Invitation struct {
	Hash    []byte // SHA-256 of the token
	Account ecluse.AccountID
	Created time.Time
	Ends    time.Time
	UsedAt  time.Time
}

// Identity is what a provider says of who signed in. Email and the rest are consistency checks.
type Identity struct {
	IDP, Sub, Email, GivenName, UsualName, SIRET, ACR string
}

// InvitationTx is what binding needs of its transaction.
type InvitationTx interface {
	Invitation(ctx context.Context, hash []byte) (Invitation, error) // ErrInvitationUnknown
	UseInvitation(ctx context.Context, hash []byte, at time.Time) error
}

// token is derived, not drawn: who holds the keys can print it again, and nobody else.
func (d *Directory) token(a ecluse.AccountID, created time.Time) string {
	return base64url(d.keys.MAC("directory/invitation", row(int64(a), created))[:24])
}

func (d *Directory) invitation(a Account, at time.Time) Invitation {
	hash := sha256.Sum256([]byte(d.token(a.ID, at)))
	return Invitation{Hash: hash[:], Account: a.ID, Created: at, Ends: at.Add(InvitationLife)}
}

// InvitationRows reads invitations.
type InvitationRows interface {
	Invitations(ctx context.Context, c ecluse.ControllerID) ([]Invitation, error)
}

// PendingInvitation is an invitation with the token to send to its owner.
type PendingInvitation struct {
	Account Account
	Token   string
	Ends    time.Time
}

// PendingInvitations are those of a controller that may still be used. Whoever can read them can sign
// in for others: they are for the command line of a node, which holds the keys anyway.
func (d *Directory) PendingInvitations(ctx context.Context, c ecluse.ControllerID) ([]PendingInvitation, error) {
	rows, err := d.rows.(InvitationRows).Invitations(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("read the invitations: %w", err)
	}
	var list []PendingInvitation
	for _, i := range rows {
		a, err := d.rows.Account(ctx, i.Account)
		if err != nil {
			return nil, err
		}
		if a.State == Invited && i.UsedAt.IsZero() && d.now().Before(i.Ends) {
			list = append(list, PendingInvitation{Account: a, Token: d.token(a.ID, i.Created), Ends: i.Ends})
		}
	}
	return list, nil
}

// Bind ties the invited account to an identity, once. Errors: ErrInvitationUnknown, ErrInvitationUsed,
// ErrInvitationExpired, ErrInvitationIdentity (another e-mail, or the identity has an account).
func (d *Directory) Bind(ctx context.Context, token string, id Identity) (Account, error) {
	hash := sha256.Sum256([]byte(token))
	var bound Account
	_, err := d.ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindDirectory, Revision: ledger.AnyRevision, NewRevision: true, Detail: ledger.Detail{What: "bind"},
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			var err error
			bound, err = d.bind(ctx, tx.(Tx), hash[:], id, e)
			return err
		},
	})
	return bound, err
}

func (d *Directory) bind(ctx context.Context, tx Tx, hash []byte, id Identity, e *ledger.Entry) (Account, error) {
	i, err := tx.Invitation(ctx, hash)
	if err != nil {
		return Account{}, err
	}
	a, err := tx.Account(ctx, i.Account)
	if err != nil {
		return a, err
	}
	if err := d.checkAccount(a); err != nil {
		return a, err
	}
	if made := d.invitation(a, i.Created); !hmac.Equal(made.Hash, i.Hash) || !made.Ends.Equal(i.Ends) {
		d.log.Error("dead row: written around the program, ignored", "table", "invitations", "account", int64(a.ID))
		return a, ErrInvitationUnknown
	}
	switch {
	case !i.UsedAt.IsZero() || a.State != Invited:
		return a, ErrInvitationUsed
	case !e.At.Before(i.Ends):
		return a, ErrInvitationExpired
	case id.IDP == "" || id.Sub == "" || !strings.EqualFold(id.Email, a.Email):
		return a, ErrInvitationIdentity
	}
	if _, err := tx.AccountByIdentity(ctx, id.IDP, id.Sub); !errors.Is(err, ErrUnknownAccount) {
		return a, errors.Join(ErrInvitationIdentity, err)
	}
	a.IDP, a.Sub, a.State, a.Entry = id.IDP, id.Sub, Active, e.N
	a.MAC = d.keys.MAC(accountDomain, a.canonical())
	return a, errors.Join(tx.UseInvitation(ctx, hash, e.At), tx.PutAccount(ctx, a))
}
