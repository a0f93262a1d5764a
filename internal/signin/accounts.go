package signin

import (
	"context"
	"errors"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
)

// Accounts is what signin asks of the directory; *directory.Directory is one.
type Accounts interface {
	// ByIdentity finds the account that is bound to (idp, sub): directory.ErrUnknownIdentity.
	ByIdentity(ctx context.Context, idp, sub string) (directory.Account, error)
	// Bind uses up an invitation: directory.ErrInvitation….
	Bind(ctx context.Context, token string, id directory.Identity) (directory.Account, error)
	// Activity proves the last sign-in of an account, for whoever reads its row.
	Activity(a ecluse.AccountID, at time.Time) []byte
	// EndSessions ends one session of the actor's account, or all but the actor's (0).
	EndSessions(ctx context.Context, by directory.Actor, session ecluse.SessionID) (int, error)
	// Own factors: see directory.Directory.
	Factors(ctx context.Context, a ecluse.AccountID) ([]directory.Factor, error)
	AddFactor(ctx context.Context, by directory.Actor, n directory.Enrolment, with ledger.Effect) (directory.Factor, error)
	UseFactor(ctx context.Context, by directory.Actor, what string, change directory.FactorChange) error
	EndFactor(ctx context.Context, by directory.Actor, id ecluse.FactorID) error
}

var _ Accounts = (*directory.Directory)(nil)

// account finds (or, with an invitation, binds) the account of an identity and refuses one that is not
// active now. invited: the invitation has served just now. The answer depends on this identity and
// invitation alone: nothing tells about other accounts.
func (s *Service) account(ctx context.Context, id directory.Identity, invitation string) (a directory.Account, invited bool, err error) {
	a, invited, err = s.lookUp(ctx, id, invitation)
	for known, code := range map[error]Code{
		directory.ErrUnknownIdentity: CodeNoAccount, directory.ErrInvitationUnknown: CodeInvitation, directory.ErrInvitationUsed: CodeInvitationUsed,
		directory.ErrInvitationExpired: CodeInvitationOver, directory.ErrInvitationIdentity: CodeInvitationOther,
		directory.ErrInvitationUnlike: CodeInvitationUnlike,
	} {
		if errors.Is(err, known) {
			return directory.Account{}, false, refuse(code, "account")
		}
	}
	if err != nil {
		return directory.Account{}, false, err
	}
	return a, invited, usable(a, s.now())
}

func (s *Service) lookUp(ctx context.Context, id directory.Identity, invitation string) (a directory.Account, invited bool, err error) {
	if invitation == "" {
		a, err = s.accounts.ByIdentity(ctx, id.IDP, id.Sub)
		return a, false, err
	}
	a, err = s.accounts.Bind(ctx, invitation, id)
	if errors.Is(err, directory.ErrInvitationUsed) { // a second click on the mail's link
		if known, e := s.accounts.ByIdentity(ctx, id.IDP, id.Sub); e == nil {
			return known, false, nil
		}
	}
	return a, err == nil, err
}

// usable refuses an account that may not act now.
func usable(a directory.Account, now time.Time) error {
	switch a.StateAt(now) {
	case directory.Active:
		if !now.Before(a.Starts) {
			return nil
		}
	case directory.Ended:
		return refuse(CodeAccountEnded, "account")
	case directory.Suspended:
		return &refusal{code: CodeAccountSuspended, stage: "account", account: a.ID}
	case directory.Dormant:
		return refuse(CodeAccountDormant, "account")
	}
	return refuse(CodeAccountPending, "account")
}
