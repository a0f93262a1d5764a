package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
)

// Errors of invitations.
var (
	ErrInvitationUnknown = errors.New("there is no such invitation")
	ErrInvitationUsed    = errors.New("the invitation was used before")
	ErrInvitationExpired = errors.New("the invitation has expired")
	// ErrInvitationIdentity: the identity has, or had, an account that cannot go on so.
	ErrInvitationIdentity = errors.New("this identity has an account")
	// ErrInvitationUnlike: who signed in is not who was invited, as far as the provider can be trusted.
	ErrInvitationUnlike = errors.New("the invitation is for somebody else")
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

// Identity is what a provider says of who signed in. Email and the rest are consistency checks, as good as
// the provider is.
type Identity struct {
	IDP, Sub, Email, GivenName, UsualName, SIRET, ACR string

	EmailProven, SIRETProven bool // the provider proves it, as configured
}

// InvitationTx is what binding needs of its transaction.
type InvitationTx interface {
	Invitation(ctx context.Context, hash []byte) (Invitation, error) // ErrInvitationUnknown
	UseInvitation(ctx context.Context, hash []byte, at time.Time) error
	// LinksFor are the links that are for an account.
	LinksFor(ctx context.Context, a ecluse.AccountID) ([]Link, error)
	Allot(n int) int64
}

// token is derived, not drawn: who holds the keys can print it again, and nobody else.
func (d *Directory) token(a ecluse.AccountID, created time.Time) string {
	return base64url(d.keys.MAC("directory/invitation/v1", row(int64(a), created))[:24])
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

// Bind ties the invited account to an identity, once; the account that it answers is the one that signs in
// from now on. Nothing is used up by a failure. Errors: ErrInvitationUnknown, ErrInvitationUsed,
// ErrInvitationExpired, ErrInvitationUnlike, ErrInvitationIdentity (the identity has an account).
func (d *Directory) Bind(ctx context.Context, token string, id Identity) (Account, error) {
	hash := sha256.Sum256([]byte(token))
	var bound Account
	_, err := d.ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindDirectory, Revision: ledger.AnyRevision, NewRevision: true, Detail: ledger.Detail{What: "bind", Digest: hash[:]},
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			var err error
			bound, err = d.bind(ctx, tx.(Tx), hash[:], id, e)
			return err
		},
	})
	return bound, err
}

func (d *Directory) bind(ctx context.Context, tx Tx, hash []byte, id Identity, e *ledger.Entry) (Account, error) {
	a, err := d.invited(ctx, tx, hash, e.At)
	if err != nil {
		return a, err
	}
	if like, err := d.like(ctx, tx, a, id); err != nil || !like {
		return a, errors.Join(err, whenNil(err, ErrInvitationUnlike))
	}
	subject := Subject{id.IDP, id.Sub}
	first, err := d.bindings(ctx, tx, []Subject{subject})
	if err != nil {
		return a, err
	}
	var rows accountRows
	if before, known := first[subject]; known && before != a.ID {
		if a, err = d.goOn(ctx, tx, a, before, &rows, e); err != nil {
			return a, err
		}
	}
	a.IDP, a.Sub, a.State, a.Entry = id.IDP, id.Sub, Active, e.N
	a.MAC = d.keys.MAC(accountDomain, a.canonical())
	rows.add(d, a, nil, e.At)
	return a, errors.Join(tx.UseInvitation(ctx, hash, e.At), rows.write(ctx, tx))
}

// invited is the account that an invitation is for, if it may be used at an instant.
func (d *Directory) invited(ctx context.Context, tx Tx, hash []byte, at time.Time) (Account, error) {
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
	case !at.Before(i.Ends) || a.StateAt(at) == Ended:
		return a, ErrInvitationExpired
	}
	return a, nil
}

// like compares who signed in with who was invited. What the provider proves must be the same; what it only
// passes on is a hint. It must be the same address, or the same names with the address's domain or the
// SIRET. An e-mail address alone never finds an account: the link of the invitation does.
func (d *Directory) like(ctx context.Context, tx Tx, a Account, id Identity) (bool, error) {
	if id.IDP == "" || id.Sub == "" {
		return false, nil
	}
	sirets, err := d.sirets(ctx, tx, a)
	if err != nil {
		return false, err
	}
	email, place := strings.EqualFold(id.Email, a.Email), slices.Contains(sirets, id.SIRET)
	switch {
	case id.EmailProven && !email:
		return false, nil
	case id.SIRETProven && len(sirets) > 0 && !place:
		return false, nil
	}
	names := strings.EqualFold(id.GivenName, a.GivenName) && strings.EqualFold(id.UsualName, a.UsualName)
	return email || names && (place || strings.EqualFold(domain(id.Email), domain(a.Email))), nil
}

// sirets are those of the account's organisation and site.
func (d *Directory) sirets(ctx context.Context, tx Tx, a Account) (list []string, err error) {
	if a.Organisation == 0 {
		return nil, nil
	}
	all, _, err := d.organisations(ctx, tx, a.Controller)
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		if o.SIRET != "" && (o.ID == a.Organisation || o.ID == a.Site) {
			list = append(list, o.SIRET)
		}
	}
	return list, nil
}

// goOn has an invited account go on with the one that its owner's identity was bound to before, ended
// since: under that one's number, so that its meters and all that it has seen are still there. The row
// that was invited ends. ErrInvitationIdentity if the former account did not end, is another body's, or
// stands in the lineage of the new one.
func (d *Directory) goOn(ctx context.Context, tx Tx, invited Account, before ecluse.AccountID, rows *accountRows, e *ledger.Entry) (Account, error) {
	old, err := tx.Account(ctx, before)
	if err == nil {
		err = d.checkAccount(old)
	}
	if err != nil {
		return invited, err
	}
	if old.Controller != invited.Controller || old.State != Ended || invited.Sub != "" || !invited.ActiveAt.IsZero() {
		return invited, ErrInvitationIdentity
	}
	line, err := d.ancestors(ctx, invited.ID)
	if err != nil || line[old.ID] {
		return invited, errors.Join(err, whenNil(err, ErrInvitationIdentity))
	}
	a := invited
	a.ID, a.ActiveAt, a.ActiveMAC = old.ID, old.ActiveAt, old.ActiveMAC
	grants, err := d.handOver(ctx, tx, invited, old, e)
	if err != nil {
		return a, err
	}
	invited.State, invited.Entry = Ended, e.N
	invited.MAC = d.keys.MAC(accountDomain, invited.canonical())
	rows.add(d, invited, grants, e.At)
	return a, d.handOverLinks(ctx, tx, invited.ID, a.ID, e)
}

// handOver are the grants of an invited account for the one that goes on in its place: what that one had
// before is over.
func (d *Directory) handOver(ctx context.Context, tx Tx, invited, old Account, e *ledger.Entry) (changed []Grant, err error) {
	all, err := tx.AllGrants(ctx, invited.Controller)
	if err != nil {
		return nil, fmt.Errorf("read the grants: %w", err)
	}
	for _, g := range all {
		if g.Account != invited.ID && g.Account != old.ID || !d.valid(grantDomain, int64(g.Account), g.MAC, g.canonical()) {
			continue
		}
		if g.Account == old.ID && g.runs(e.At) {
			g.Ends = e.At
		}
		g.Account, g.Entry = old.ID, e.N
		g.MAC = d.keys.MAC(grantDomain, g.canonical())
		changed = append(changed, g)
	}
	// Of a right that both had, the new one counts: it comes last.
	slices.SortStableFunc(changed, func(a, b Grant) int { return a.Created.Compare(b.Created) })
	return changed, nil
}

// handOverLinks makes the links of one account again for another.
func (d *Directory) handOverLinks(ctx context.Context, tx Tx, from, to ecluse.AccountID, e *ledger.Entry) error {
	links, err := tx.LinksFor(ctx, from)
	if err != nil {
		return fmt.Errorf("read the links of account %d: %w", from, err)
	}
	links = d.ValidLinks(links)
	for i, l := range links {
		l.ID, l.Account, l.Entry = ecluse.LinkID(tx.Allot(1)), to, e.N
		l.MAC = d.keys.MAC(linkDomain, l.canonical())
		links[i] = l
	}
	for some := range slices.Chunk(links, LinkChunk) {
		if err := tx.InsertLinks(ctx, some); err != nil {
			return err
		}
	}
	return nil
}
