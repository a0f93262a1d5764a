package directory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
)

const factorDomain = "directory/factors/v1"

// Kinds of own factors.
const (
	FactorKey  = "key"  // security key or passkey (WebAuthn)
	FactorCode = "code" // codes of an application (TOTP, RFC 6238)
)

// Waiting is the state of a factor that proves nothing until somebody else confirms it; the others are
// Active and Ended.
const Waiting = "waiting"

// What an account may have of factors.
const (
	MaxFactors    = 8
	MaxWaiting    = 3
	WaitingLife   = 7 * 24 * time.Hour
	MaxFactorName = 40 // letters
)

// Errors of own factors.
var (
	// ErrFresh: whoever wants to add a factor has to sign in again first, or to prove one that is there.
	ErrFresh = errors.New("the sign-in is too long ago for this")
	// ErrTooManyFactors: the account has MaxFactors, or MaxWaiting that wait.
	ErrTooManyFactors = errors.New("the account has as many factors as it may")
	// ErrFactorName: the name is empty, too long, or holds what cannot be shown.
	ErrFactorName = errors.New("this cannot be the name of a factor")
)

// Factor is something that an account's owner proves herself with here, beside her sign-in at a provider.
// Package signin knows how; what it proves with is sealed for it.
type Factor struct {
	ID        ecluse.FactorID
	Account   ecluse.AccountID
	Kind      string // FactorKey, FactorCode
	Name      string // its owner's word for it
	State     string // Waiting, Active, Ended
	Secret    []byte // sealed by package signin; empty once ended
	SignCount int64  // FactorKey: the newest of its counters
	LastStep  int64  // FactorCode: the newest step of 30 s that was taken
	Session   ecluse.SessionID
	Created   time.Time
	UsedAt    time.Time
	EndedAt   time.Time
	Entry     ecluse.EntryNumber
	MAC       []byte
}

func (f Factor) canonical() []byte {
	return row(int64(f.ID), int64(f.Account), f.Kind, f.Name, f.State, string(f.Secret), f.SignCount, f.LastStep, int64(f.Session),
		f.Created, f.UsedAt, f.EndedAt, int64(f.Entry))
}

// digest names a factor before it has a number.
func (f Factor) digest() []byte {
	d := sha256.Sum256(f.Secret)
	return d[:]
}

// Word is what the owner of a waiting factor and whoever confirms it compare, by voice or side by side:
// six letters and digits. No two factors have the same by more than chance.
func (f Factor) Word() string { return word(f.digest()) }

func word(digest []byte) string {
	if len(digest) < 4 {
		return ""
	}
	return base32.StdEncoding.EncodeToString(digest)[:6]
}

// lapsed: nobody confirmed a waiting factor in time.
func (f Factor) lapsed(at time.Time) bool {
	return f.State == Waiting && !at.Before(f.Created.Add(WaitingLife))
}

// FactorRows reads own factors, and the sessions that were ended for somebody.
type FactorRows interface {
	// Factors are those of an account that have not ended.
	Factors(ctx context.Context, a ecluse.AccountID) ([]Factor, error)
	// EndedSessions are the sessions of an account that began since an instant and were ended.
	EndedSessions(ctx context.Context, a ecluse.AccountID, since time.Time) ([]ecluse.SessionID, error)
}

// FactorTx is what changing factors needs of its transaction. *store.Tx implements it.
type FactorTx interface {
	Factors(ctx context.Context, a ecluse.AccountID) ([]Factor, error)
	PutFactor(ctx context.Context, f Factor) error
	// EndSession and EndOtherSessions end one session of an account, or all but one (0), and count those
	// that were alive at an instant.
	EndSession(ctx context.Context, a ecluse.AccountID, s ecluse.SessionID, at time.Time) (int, error)
	EndOtherSessions(ctx context.Context, a ecluse.AccountID, but ecluse.SessionID, at time.Time) (int, error)
	notice.Tx
}

// Factors are the valid factors of an account, waiting or active, the oldest first.
func (d *Directory) Factors(ctx context.Context, a ecluse.AccountID) ([]Factor, error) {
	rows, err := d.rows.Factors(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("read the factors of account %d: %w", a, err)
	}
	return d.validFactors(rows, d.now()), nil
}

func (d *Directory) validFactors(rows []Factor, at time.Time) []Factor {
	return slices.DeleteFunc(rows, func(f Factor) bool {
		return f.lapsed(at) || f.State == Ended || !d.valid(factorDomain, int64(f.ID), f.MAC, f.canonical())
	})
}

// FactorChange looks at the valid factors of an account in the transaction of an entry, and answers those
// to write. It may run more than once.
type FactorChange func(ctx context.Context, tx ledger.Tx, e *ledger.Entry, have []Factor) ([]Factor, error)

// changing is the effect that writes what a change answers.
func (d *Directory) changing(a ecluse.AccountID, change FactorChange) ledger.Effect {
	return func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		t := tx.(FactorTx)
		rows, err := t.Factors(ctx, a)
		if err != nil {
			return fmt.Errorf("read the factors of account %d: %w", a, err)
		}
		changed, err := change(ctx, tx, e, d.validFactors(rows, e.At))
		if err != nil {
			return err
		}
		for _, f := range changed {
			if f.ID == 0 {
				f.ID, f.Account, f.Created = ecluse.FactorID(tx.Allot(1)), a, e.At
			}
			f.Entry = e.N
			f.MAC = d.keys.MAC(factorDomain, f.canonical())
			if err := t.PutFactor(ctx, f); err != nil {
				return err
			}
		}
		return nil
	}
}

// Enrolment is a factor that an account's owner adds, and how she proved that it is she.
type Enrolment struct {
	Factor Factor // Kind, Name, Secret, and for codes LastStep
	Proven bool   // with an own factor that is active, in this session, a moment ago
	Fresh  bool   // the provider vouched for her a moment ago
	Strong bool   // by a means that its configuration calls strong, or through the account's invitation
}

// Outcome says what becomes of a factor that is added: the first one counts at once if the sign-in was strong
// and fresh, every further one if one that is there was proven; otherwise somebody else confirms it.
// Whoever holds no more than a stolen session of a weak sign-in so gets no factor that counts.
func (n Enrolment) Outcome(have []Factor) (string, error) {
	var active, waiting int
	for _, f := range have {
		if f.State == Active {
			active++
		} else {
			waiting++
		}
	}
	counts := active > 0 && n.Proven || active == 0 && n.Fresh && n.Strong
	switch {
	case !n.Proven && !n.Fresh:
		return "", ErrFresh
	case len(have) >= MaxFactors || !counts && waiting >= MaxWaiting:
		return "", ErrTooManyFactors
	case counts:
		return Active, nil
	}
	return Waiting, nil
}

// FactorName is a name as it is kept: ErrFactorName.
func FactorName(name string) (string, error) {
	name = strings.Join(strings.Fields(name), " ")
	if name == "" || utf8.RuneCountInString(name) > MaxFactorName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", ErrFactorName
	}
	return name, nil
}

// AddFactor adds a factor to the actor's own account and tells her. One that waits files its request
// (KindFactor) in the same transaction. with happens there too, if the factor is active; nil = nothing.
// Errors: ErrFactorName, ErrFresh, ErrTooManyFactors, ErrInactive, ErrWeak.
func (d *Directory) AddFactor(ctx context.Context, by Actor, n Enrolment, with ledger.Effect) (added Factor, err error) {
	if n.Factor.Name, err = FactorName(n.Factor.Name); err != nil {
		return added, err
	}
	_, err = d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, err := d.actor(ctx, by, assured)
		if err != nil {
			return nil, err
		}
		have, err := d.Factors(ctx, by.Account)
		if err != nil {
			return nil, err
		}
		added = n.Factor
		added.Session = by.Session
		if added.State, err = n.Outcome(have); err != nil {
			return nil, err
		}
		list := []ledger.Candidate{d.addition(by, s, n, added, with)}
		if added.State == Waiting {
			var a Approval
			request, err := d.file(by, s, KindFactor, factorQuestion(s.Account, added, s.Organisation.Name), &a)
			if err != nil {
				return nil, err
			}
			list = append(list, request)
		}
		return list, nil
	})
	if err != nil {
		return Factor{}, fmt.Errorf("add a factor: %w", err)
	}
	return added, nil
}

// addition is the entry that adds a factor. The rule is asked again under the lock.
func (d *Directory) addition(by Actor, s Standing, n Enrolment, f Factor, with ledger.Effect) ledger.Candidate {
	c := d.ofFactors(by, s, "factor "+f.State)
	c.Detail.Digest, c.Revision, c.NewRevision = f.digest(), s.Rev, true
	c.Effect = d.changing(by.Account, func(ctx context.Context, tx ledger.Tx, e *ledger.Entry, have []Factor) ([]Factor, error) {
		if state, err := n.Outcome(have); err != nil || state != f.State {
			return nil, errors.Join(err, whenNil(err, ledger.ErrStale))
		}
		tell := []notice.Notice{{Kind: notice.FactorAdded, To: by.Account}}
		if f.State == Waiting {
			tell = append(tell, awaited(s))
		}
		if err := tx.(FactorTx).InsertNotices(ctx, tell); err != nil {
			return nil, err
		}
		if with != nil && f.State == Active {
			if err := with(ctx, tx, e); err != nil {
				return nil, err
			}
		}
		return []Factor{f}, nil
	})
	return c
}

// awaited tells those who may confirm a factor: the account managers of the organisation, or the access
// officers where there is none.
func awaited(s Standing) notice.Notice {
	n := notice.Notice{Kind: notice.FactorWaiting, Organisation: s.Account.Organisation, By: s.Account.ID}
	if n.Organisation == 0 {
		n.Controller = s.Controller.ID
	}
	return n
}

func (d *Directory) ofFactors(by Actor, s Standing, what string) ledger.Candidate {
	return ledger.Candidate{
		Kind: ledger.KindDirectory, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session,
		Revision: ledger.AnyRevision, Detail: ledger.Detail{What: what, By: by.CLI},
	}
}

// UseFactor writes down that a factor of the actor's account was proven, or was tried in vain, and lets
// change do the rest in the same transaction: what it finds there decides.
func (d *Directory) UseFactor(ctx context.Context, by Actor, what string, change FactorChange) error {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return err
	}
	c := d.ofFactors(by, s, what)
	c.Effect = d.changing(by.Account, change)
	if _, err := d.ledger.Append(ctx, c); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// EndFactor ends a factor of the actor's own account, and every other session of it. It takes a strong
// session; one that waits may be taken back by any. Errors: ErrNotFound, ErrWeak, ErrInactive.
func (d *Directory) EndFactor(ctx context.Context, by Actor, id ecluse.FactorID) error {
	_, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, err := d.actor(ctx, by, assured)
		if err != nil {
			return nil, err
		}
		c := d.ofFactors(by, s, "factor ended")
		c.Detail.Subject, c.Revision, c.NewRevision = int64(id), s.Rev, true
		c.Effect = d.changing(by.Account, func(ctx context.Context, tx ledger.Tx, e *ledger.Entry, have []Factor) ([]Factor, error) {
			i := slices.IndexFunc(have, func(f Factor) bool { return f.ID == id })
			switch {
			case i < 0:
				return nil, ErrNotFound
			case have[i].State == Active && !by.Strong:
				return nil, ErrWeak
			}
			t := tx.(FactorTx)
			if _, err := t.EndOtherSessions(ctx, by.Account, by.Session, e.At); err != nil {
				return nil, err
			}
			return []Factor{have[i].ended(e.At)}, t.InsertNotices(ctx, []notice.Notice{{Kind: notice.FactorLost, To: by.Account, Subject: int64(id)}})
		})
		return []ledger.Candidate{c}, nil
	})
	if err != nil {
		return fmt.Errorf("end a factor: %w", err)
	}
	return nil
}

func (f Factor) ended(at time.Time) Factor {
	f.State, f.EndedAt, f.Secret = Ended, at, []byte{}
	return f
}

// errNoneAlive undoes an entry that would say nothing.
var errNoneAlive = errors.New("no session was alive")

// EndSessions ends one session of the actor's own account, or all but the actor's (0), and counts those
// that were alive. What they have under way is not answered any more: a session that was ended is a fact
// of the directory (Standing.Ended), as of a revision.
func (d *Directory) EndSessions(ctx context.Context, by Actor, session ecluse.SessionID) (ended int, err error) {
	_, err = d.ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindDirectory, Account: by.Account, Session: by.Session, Revision: ledger.AnyRevision, NewRevision: true,
		Detail: ledger.Detail{What: "sessions ended", By: by.CLI},
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) (err error) {
			if session == 0 {
				ended, err = tx.(FactorTx).EndOtherSessions(ctx, by.Account, by.Session, e.At)
			} else {
				ended, err = tx.(FactorTx).EndSession(ctx, by.Account, session, e.At)
			}
			if err == nil && ended == 0 {
				err = errNoneAlive
			}
			return err
		},
	})
	if errors.Is(err, errNoneAlive) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return ended, nil
}

// sessionLife is more than a session lasts, whatever the configuration says.
const sessionLife = 25 * time.Hour

// readEnded reads which sessions of the account were ended while they could still be used.
func (d *Directory) readEnded(ctx context.Context, s *Standing) (err error) {
	if s.ended, err = d.rows.EndedSessions(ctx, s.Account.ID, s.read.Add(-sessionLife)); err != nil {
		return fmt.Errorf("read the ended sessions of account %d: %w", s.Account.ID, err)
	}
	return nil
}

// Ended reports whether a session of the account was ended, as of the standing's revision: whoever
// decides on a standing asks it, so that nothing under way outlives the end of its session.
func (s Standing) Ended(session ecluse.SessionID) bool {
	return session != 0 && slices.Contains(s.ended, session)
}

// equalDigest compares what names a factor.
func equalDigest(f Factor, digest []byte) bool { return bytes.Equal(f.digest(), digest) }
