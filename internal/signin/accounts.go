package signin

import (
	"context"
	"errors"
	"time"

	"ecluse/internal/directory"
)

// Accounts is what signin asks of the directory; *directory.Directory is one.
type Accounts interface {
	// ByIdentity finds the account that is bound to (idp, sub): directory.ErrUnknownIdentity.
	ByIdentity(ctx context.Context, idp, sub string) (directory.Account, error)
	// Bind uses up an invitation: directory.ErrInvitation….
	Bind(ctx context.Context, token string, id directory.Identity) (directory.Account, error)
}

var _ Accounts = (*directory.Directory)(nil)

// account finds (or, with an invitation, binds) the account of an identity and refuses one that is not
// active now. The answer depends on this identity and invitation alone: nothing tells about other
// accounts.
func (s *Service) account(ctx context.Context, id directory.Identity, invitation string) (directory.Account, error) {
	a, err := s.lookUp(ctx, id, invitation)
	for known, code := range map[error]Code{
		directory.ErrUnknownIdentity: CodeNoAccount, directory.ErrInvitationUnknown: CodeInvitation, directory.ErrInvitationUsed: CodeInvitationUsed,
		directory.ErrInvitationExpired: CodeInvitationOver, directory.ErrInvitationIdentity: CodeInvitationOther,
	} {
		if errors.Is(err, known) {
			return directory.Account{}, refuse(code, "account")
		}
	}
	if err != nil {
		return directory.Account{}, err
	}
	return a, usable(a, s.now())
}

func (s *Service) lookUp(ctx context.Context, id directory.Identity, invitation string) (directory.Account, error) {
	if invitation == "" {
		return s.accounts.ByIdentity(ctx, id.IDP, id.Sub)
	}
	a, err := s.accounts.Bind(ctx, invitation, id)
	if errors.Is(err, directory.ErrInvitationUsed) { // a second click on the mail's link
		if known, e := s.accounts.ByIdentity(ctx, id.IDP, id.Sub); e == nil {
			return known, nil
		}
	}
	return a, err
}

// usable refuses an account that may not act now.
func usable(a directory.Account, now time.Time) error {
	switch {
	case a.State == directory.Ended || !a.Ends.IsZero() && !now.Before(a.Ends):
		return refuse(CodeAccountEnded, "account")
	case a.State == directory.Suspended:
		return refuse(CodeAccountSuspended, "account")
	case a.State != directory.Active || now.Before(a.Starts):
		return refuse(CodeAccountPending, "account")
	}
	return nil
}
