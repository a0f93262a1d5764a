package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
	"ecluse/internal/policy"
)

const raiseDomain = "directory/raises/v1"

// RaiseLife is how long a raise lasts, and so how often an account can have one.
const RaiseLife = budget.Day

// RaiseReasons are why a soft limit may be raised, in the order in which pages show them. There is no
// free text: a raise says nothing about persons.
var RaiseReasons = []string{"busy_day", "standin", "event", "other"}

// Errors of Raise, beside ErrNotFound and ErrDualControl.
var (
	// ErrRaised: the account's limit was raised within a day, in whatever register.
	ErrRaised = errors.New("this account's limit was raised within a day")
	// ErrReason: the reason is none of RaiseReasons.
	ErrReason = errors.New("there is no such reason to raise a limit")
)

// Raise doubles an account's budget of new persons in 24 h, in one register and for RaiseLife: a second
// person of the organisation did it. Two raises of an account never overlap, so no window of 24 h holds
// more than twice the limit.
type Raise struct {
	ID       ecluse.RaiseID
	Account  ecluse.AccountID
	Register ecluse.RegisterID
	MadeBy   ecluse.AccountID
	Reason   string
	Starts   time.Time
	Ends     time.Time // excluded
	Entry    ecluse.EntryNumber
	MAC      []byte
}

func (r Raise) canonical() []byte {
	return row(int64(r.ID), int64(r.Account), int64(r.Register), int64(r.MadeBy), r.Reason, r.Starts, r.Ends, int64(r.Entry))
}

// RaiseRows reads raises.
type RaiseRows interface {
	// Raises of an account that end after an instant.
	Raises(ctx context.Context, a ecluse.AccountID, after time.Time) ([]Raise, error)
	// Agents are the active accounts of an organisation with a grant as agent under one of its agreements
	// on a register, by name.
	Agents(ctx context.Context, o ecluse.OrganisationID, r ecluse.RegisterID) ([]Account, error)
}

// RaiseTx is what the transaction of a raise needs. *store.Tx implements it.
type RaiseTx interface {
	InsertRaise(ctx context.Context, r Raise) error
	Raises(ctx context.Context, a ecluse.AccountID, after time.Time) ([]Raise, error)
}

// Raise raises a colleague's soft limit. It takes effect at once: the second pair of eyes is the one who
// raises. It answers the raise and the receipt of its entry. Errors: ErrNotFound (one of them is not of
// the organisation, or does not work with the register), ErrDualControl (oneself, or one's own lineage),
// ErrRaised, ErrReason.
func (d *Directory) Raise(ctx context.Context, by Actor, colleague ecluse.AccountID, reg ecluse.RegisterID, reason string) (r Raise, receipt string, err error) {
	results, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		c, err := d.raising(ctx, by, colleague, reg, reason, &r)
		return []ledger.Candidate{c}, err
	})
	if err != nil {
		return Raise{}, "", fmt.Errorf("raise a limit: %w", err)
	}
	return r, results[0].ID, nil
}

// Raisable reports whether Raise would be allowed at present: nil, or its error.
func (d *Directory) Raisable(ctx context.Context, by Actor, colleague ecluse.AccountID, reg ecluse.RegisterID) error {
	_, _, err := d.raisable(ctx, by, colleague, reg)
	return err
}

// raising is the entry of a raise, which it writes into r.
func (d *Directory) raising(ctx context.Context, by Actor, colleague ecluse.AccountID, reg ecluse.RegisterID, reason string, r *Raise) (ledger.Candidate, error) {
	if !slices.Contains(RaiseReasons, reason) {
		return ledger.Candidate{}, ErrReason
	}
	s, c, err := d.raisable(ctx, by, colleague, reg)
	if err != nil {
		return ledger.Candidate{}, err
	}
	if s.Rev != c.Rev {
		return ledger.Candidate{}, ledger.ErrStale
	}
	*r = Raise{Account: colleague, Register: reg, MadeBy: by.Account, Reason: reason}
	return ledger.Candidate{
		Kind: ledger.KindDirectory, Register: reg, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session,
		Detail: ledger.Detail{What: "raise", Subject: int64(colleague), Motive: reason, By: by.CLI}, Revision: s.Rev, NewRevision: true,
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			running, err := tx.(RaiseTx).Raises(ctx, colleague, e.At)
			if err != nil {
				return err
			}
			if len(d.validRaises(running)) > 0 {
				return ErrRaised
			}
			r.ID, r.Starts, r.Ends, r.Entry = ecluse.RaiseID(tx.Allot(1)), e.At, e.At.Add(RaiseLife), e.N
			r.MAC = d.keys.MAC(raiseDomain, r.canonical())
			told := notice.Notice{Kind: notice.RaiseMade, Controller: s.Controller.ID, Organisation: s.Account.Organisation, To: colleague, By: by.Account, Subject: int64(r.ID)}
			return errors.Join(tx.(RaiseTx).InsertRaise(ctx, *r), tx.(notice.Tx).InsertNotices(ctx, []notice.Notice{told}))
		},
	}, nil
}

// raisable checks who raises whose limit, and answers the standings of both.
func (d *Directory) raisable(ctx context.Context, by Actor, colleague ecluse.AccountID, reg ecluse.RegisterID) (s, c Standing, err error) {
	if s, err = d.actor(ctx, by, sensitive); err != nil {
		return s, c, err
	}
	if c, err = d.Standing(ctx, colleague); err != nil {
		return s, c, unknownIsNotFound(err)
	}
	at := d.now()
	if !mayRaise(s, reg, at) || !c.Account.Acts(at) || c.Account.Kind == KindClient || !opens(c, reg, at) || c.Account.Organisation != s.Account.Organisation {
		return s, c, ErrNotFound
	}
	if apart, err := d.unrelated(ctx, by.Account, colleague); err != nil || !apart {
		return s, c, errors.Join(err, whenNil(err, ErrDualControl))
	}
	running, err := d.rows.Raises(ctx, colleague, at)
	if err != nil {
		return s, c, fmt.Errorf("read the raises: %w", err)
	}
	if len(d.validRaises(running)) > 0 {
		return s, c, ErrRaised
	}
	return s, c, nil
}

func unknownIsNotFound(err error) error {
	if errors.Is(err, ErrUnknownAccount) {
		return ErrNotFound
	}
	return err
}

// mayRaise: a member of an organisation who opens records of the register, or manages its accounts.
func mayRaise(s Standing, reg ecluse.RegisterID, at time.Time) bool {
	return s.Account.Organisation != 0 && s.Account.Acts(at) && (s.Has(ecluse.RoleAccountManager) || opens(s, reg, at))
}

// opens reports whether an account has a running mandate as agent on a register.
func opens(s Standing, reg ecluse.RegisterID, at time.Time) bool {
	return policy.Limits(s.Mandates, reg, at) != budget.Limits{}
}

// unrelated is apart, and neither asked for nor approved the other, at any distance.
func (d *Directory) unrelated(ctx context.Context, one, other ecluse.AccountID) (bool, error) {
	apart, err := d.apart(ctx, one, other)
	if err != nil || !apart {
		return false, err
	}
	for _, pair := range [][2]ecluse.AccountID{{one, other}, {other, one}} {
		ancestors, err := d.ancestors(ctx, pair[0])
		if err != nil || ancestors[pair[1]] {
			return false, err
		}
	}
	return true, nil
}

func (d *Directory) validRaises(list []Raise) []Raise {
	return slices.DeleteFunc(list, func(r Raise) bool { return !d.valid(raiseDomain, int64(r.ID), r.MAC, r.canonical()) })
}

// readRaises reads the running raises of an account. One whose maker was contained since is none.
func (d *Directory) readRaises(ctx context.Context, s *Standing) error {
	list, err := d.rows.Raises(ctx, s.Account.ID, s.read)
	if err != nil {
		return fmt.Errorf("read the raises of account %d: %w", s.Account.ID, err)
	}
	for _, r := range d.validRaises(list) {
		maker, err := d.rows.Account(ctx, r.MadeBy)
		if err != nil {
			return fmt.Errorf("read who raised a limit: %w", err)
		}
		if d.checkAccount(maker) == nil && maker.State != Suspended {
			s.raises = append(s.raises, r)
		}
	}
	return nil
}

// raisedUntil is when the raise of the account's limit in a register ends; zero if there is none.
func (s *Standing) raisedUntil(reg ecluse.RegisterID) (until time.Time) {
	for _, r := range s.raises {
		if r.Register == reg && r.Ends.After(until) {
			until = r.Ends
		}
	}
	return until
}

// RaisableRegisters are those in which an account may raise colleagues' limits: where it works itself and,
// for an account manager, wherever its organisation does.
func (d *Directory) RaisableRegisters(ctx context.Context, by Actor) ([]ecluse.RegisterID, error) {
	s, err := d.Standing(ctx, by.Account)
	if err != nil || s.Account.Organisation == 0 {
		return nil, err
	}
	agreements, err := d.rows.Agreements(ctx, s.Account.Organisation)
	if err != nil {
		return nil, fmt.Errorf("read the agreements of organisation %d: %w", s.Account.Organisation, err)
	}
	var list []ecluse.RegisterID
	for _, a := range agreements {
		if a.State == Active && d.now().Before(a.Ends) && mayRaise(s, a.Register, d.now()) && !slices.Contains(list, a.Register) {
			list = append(list, a.Register)
		}
	}
	return list, nil
}

// Colleague is a member of an organisation whose limit may be raised.
type Colleague struct {
	Account
	RaisedUntil time.Time // zero = not raised at present, in whatever register
}

// Colleagues are the agents of the account's own organisation who work with a register, without the
// account itself: whom it may raise the limit of, lineage apart. ErrNotFound if it may raise none.
func (d *Directory) Colleagues(ctx context.Context, by Actor, reg ecluse.RegisterID) ([]Colleague, error) {
	s, err := d.Standing(ctx, by.Account)
	if err != nil {
		return nil, err
	}
	at := d.now()
	if !mayRaise(s, reg, at) {
		return nil, ErrNotFound
	}
	agents, err := d.rows.Agents(ctx, s.Account.Organisation, reg)
	if err != nil {
		return nil, fmt.Errorf("read the agents of organisation %d: %w", s.Account.Organisation, err)
	}
	var list []Colleague
	for _, a := range agents {
		if a.ID == by.Account || a.Kind == KindClient || !a.Acts(at) || d.checkAccount(a) != nil {
			continue
		}
		c := Colleague{Account: a}
		raises, err := d.rows.Raises(ctx, a.ID, at)
		if err != nil {
			return nil, fmt.Errorf("read the raises: %w", err)
		}
		for _, r := range d.validRaises(raises) {
			c.RaisedUntil = r.Ends
		}
		list = append(list, c)
	}
	return list, nil
}
