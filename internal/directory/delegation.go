package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
)

// DelegationLife is how long an agent's agreement lasts that a program acts for her.
const DelegationLife = 90 * 24 * time.Hour

// ErrNotDelegated: the agent does not let the program act for her, or no more, or one of them may not act.
var ErrNotDelegated = errors.New("the agent does not let this program act for her")

const delegationDomain = "directory/delegations/v1"

// Delegation is an agent's agreement that a program of her organisation acts for her: with what both of
// them may, for the persons that she was entrusted with, charged to both.
type Delegation struct {
	Client  ecluse.AccountID
	Agent   ecluse.AccountID
	Created time.Time
	Ends    time.Time // excluded
	Entry   ecluse.EntryNumber
	MAC     []byte
}

func (g Delegation) canonical() []byte {
	return row(int64(g.Client), int64(g.Agent), g.Created, g.Ends, int64(g.Entry))
}

// Runs reports whether the agreement holds at an instant.
func (g Delegation) Runs(at time.Time) bool { return !at.Before(g.Created) && at.Before(g.Ends) }

// DelegationRows reads agreements, ended ones included.
type DelegationRows interface {
	// Delegation is the one of a program and an agent: the zero one if there is none.
	Delegation(ctx context.Context, client, agent ecluse.AccountID) (Delegation, error)
	DelegationsOf(ctx context.Context, agent ecluse.AccountID) ([]Delegation, error)
}

// DelegationTx is what changing one needs of its transaction.
type DelegationTx interface {
	Delegation(ctx context.Context, client, agent ecluse.AccountID) (Delegation, error)
	// PutDelegation writes the one of a program and an agent, new or changed.
	PutDelegation(ctx context.Context, g Delegation) error
}

// Delegated reports whether a program may act for an agent, or for itself, at an instant, by what is
// written now. The standings are theirs; a change after they were read makes them stale.
func (d *Directory) Delegated(ctx context.Context, program, agent Standing, at time.Time) (bool, error) {
	if program.Account.ID == agent.Account.ID {
		return true, nil
	}
	g, err := d.rows.Delegation(ctx, program.Account.ID, agent.Account.ID)
	if err != nil {
		return false, fmt.Errorf("read a delegation: %w", err)
	}
	lives := program.Account.since(g.Created) && agent.Account.since(g.Created)
	return mayDelegate(program, agent) && lives && g.Runs(at) && d.validDelegation(g), nil
}

func (d *Directory) validDelegation(g Delegation) bool {
	return d.valid(delegationDomain, int64(g.Client), g.MAC, g.canonical())
}

// mayDelegate: an agent and a program of one organisation.
func mayDelegate(program, agent Standing) bool {
	p, a := program.Account, agent.Account
	return p.Kind == KindClient && a.Kind != KindClient && agent.Has(ecluse.RoleAgent) && p.Organisation != 0 && p.Organisation == a.Organisation
}

// MayAct reports whether a program may act for an agent, or for itself, at present: nil or
// ErrNotDelegated. It is asked of each token on each request; the gate asks again.
func (d *Directory) MayAct(ctx context.Context, client, agent ecluse.AccountID) error {
	program, err := d.Standing(ctx, client)
	if err != nil {
		return err
	}
	acted, err := d.Standing(ctx, agent)
	if err != nil {
		return err
	}
	at := d.now()
	if program.Account.Kind != KindClient || program.over(at) || acted.over(at) {
		return ErrNotDelegated
	}
	ok, err := d.Delegated(ctx, program, acted, at)
	if err == nil && !ok {
		err = ErrNotDelegated
	}
	return err
}

// Agent is the account of a program's organisation that shows an e-mail address and lets the program act
// for it at present: ErrNotDelegated otherwise, after the same reads.
func (d *Directory) Agent(ctx context.Context, program Account, email string) (Account, error) {
	found, err := d.rows.AccountsByEmail(ctx, email)
	if err != nil {
		return Account{}, fmt.Errorf("look up an agent: %w", err)
	}
	found = slices.DeleteFunc(found, func(a Account) bool {
		return a.Organisation != program.Organisation || a.Controller != program.Controller || a.State == Ended || d.checkAccount(a) != nil
	})
	agent := Account{ID: program.ID} // read in the place of nobody
	if len(found) == 1 {
		agent = found[0]
	}
	err = d.MayAct(ctx, program.ID, agent.ID)
	if err == nil && len(found) != 1 {
		err = ErrNotDelegated
	}
	return agent, err
}

// DelegatedProgram is a program of an agent's organisation, with her agreement if she gave one.
type DelegatedProgram struct {
	Account
	Delegation // the zero one if she never agreed
}

// Programs are those of the account's organisation that could act for it or may already, by name. Errors:
// ErrInactive, ErrWeak.
func (d *Directory) Programs(ctx context.Context, by Actor) ([]DelegatedProgram, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil || s.Account.Organisation == 0 || !s.Has(ecluse.RoleAgent) {
		return nil, err
	}
	clients, err := d.rows.ClientsOf(ctx, s.Account.Organisation)
	if err != nil {
		return nil, fmt.Errorf("read the programs of organisation %d: %w", s.Account.Organisation, err)
	}
	given, err := d.rows.DelegationsOf(ctx, by.Account)
	if err != nil {
		return nil, fmt.Errorf("read the delegations of account %d: %w", by.Account, err)
	}
	var list []DelegatedProgram
	for _, c := range clients {
		p := DelegatedProgram{Account: c}
		for _, g := range given {
			if g.Client == c.ID && c.since(g.Created) && s.Account.since(g.Created) && d.validDelegation(g) {
				p.Delegation = g
			}
		}
		if d.checkAccount(c) == nil && (c.Acts(d.now()) || p.Delegation.Runs(d.now())) {
			list = append(list, p)
		}
	}
	return list, nil
}

// Delegate is an agent's agreement that a program of her organisation acts for her, for DelegationLife.
// Errors: ErrNotFound (no such program), ErrInactive, ErrWeak.
func (d *Directory) Delegate(ctx context.Context, by Actor, client ecluse.AccountID) (g Delegation, err error) {
	_, err = d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, err := d.actor(ctx, by, sensitive)
		if err != nil {
			return nil, err
		}
		program, err := d.Standing(ctx, client)
		if err != nil {
			return nil, unknownIsNotFound(err)
		}
		if program.Rev != s.Rev {
			return nil, ledger.ErrStale
		}
		if !mayDelegate(program, s) || !program.Account.Acts(d.now()) {
			return nil, ErrNotFound
		}
		return []ledger.Candidate{d.delegating(by, s, "delegate", client, func(tx ledger.Tx, e *ledger.Entry) (Delegation, error) {
			g = Delegation{Client: client, Agent: by.Account, Created: e.At, Ends: e.At.Add(DelegationLife)}
			return g, nil
		})}, nil
	})
	if err != nil {
		return g, fmt.Errorf("let a program act: %w", err)
	}
	return g, nil
}

// EndDelegation takes an agreement back at once, and with it the tokens that rest on it. Errors:
// ErrNotFound (there is none that runs), ErrInactive, ErrWeak.
func (d *Directory) EndDelegation(ctx context.Context, by Actor, client ecluse.AccountID) error {
	_, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, err := d.actor(ctx, by, assured)
		if err != nil {
			return nil, err
		}
		return []ledger.Candidate{d.delegating(by, s, "delegate end", client, func(tx ledger.Tx, e *ledger.Entry) (Delegation, error) {
			g, err := tx.(ClientTx).Delegation(ctx, client, by.Account)
			if err != nil || !g.Runs(e.At) || !d.validDelegation(g) {
				return g, errors.Join(err, whenNil(err, ErrNotFound))
			}
			g.Ends = e.At
			return g, tx.(ClientTx).RevokeTokens(ctx, client, by.Account, e.At)
		})}, nil
	})
	if err != nil {
		return fmt.Errorf("take a program's delegation back: %w", err)
	}
	return nil
}

// delegating is the entry that writes an agreement, and tells its owner.
func (d *Directory) delegating(by Actor, s Standing, what string, client ecluse.AccountID, change func(ledger.Tx, *ledger.Entry) (Delegation, error)) ledger.Candidate {
	return ledger.Candidate{
		Kind: ledger.KindDirectory, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev, NewRevision: true,
		Detail: ledger.Detail{What: what, Subject: int64(client), By: by.CLI},
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			g, err := change(tx, e)
			if err != nil {
				return err
			}
			g.Entry = e.N
			g.MAC = d.keys.MAC(delegationDomain, g.canonical())
			if err := tx.(ClientTx).PutDelegation(ctx, g); err != nil || !g.Runs(e.At) {
				return err
			}
			told := notice.Notice{Kind: notice.DelegationMade, Controller: s.Controller.ID, Organisation: s.Account.Organisation, To: by.Account, Subject: int64(client)}
			return tx.(notice.Tx).InsertNotices(ctx, []notice.Notice{told})
		},
	}
}
