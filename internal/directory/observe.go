package directory

import (
	"context"
	"fmt"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/ledger"
)

const observationDomain = "directory/observations/v1"

// MaxObserveDays is the longest that budgets may be observed by one act.
const MaxObserveDays = 45

// ErrDays: the number of days is not from 1 to MaxObserveDays.
var ErrDays = fmt.Errorf("budgets are observed for 1 to %d days", MaxObserveDays)

// Observation says that the budgets of a register are charged but stop no account of one body, while it
// runs: accounts' and organisations' budgets only, never the breaker, and nothing that is not a budget. A
// missing, dead or ended one means that they are enforced. Joint controllers each decide for their own
// accounts.
type Observation struct {
	Register    ecluse.RegisterID
	Controller  ecluse.ControllerID // whose accounts it concerns, and whose officers approved it
	RequestedBy ecluse.AccountID
	ApprovedBy  ecluse.AccountID
	Starts      time.Time
	Ends        time.Time // excluded
	Entry       ecluse.EntryNumber
	MAC         []byte
}

func (o Observation) canonical() []byte {
	return row(int64(o.Register), int64(o.Controller), int64(o.RequestedBy), int64(o.ApprovedBy), o.Starts, o.Ends, int64(o.Entry))
}

// Runs reports whether the observation is in force at an instant.
func (o Observation) Runs(at time.Time) bool { return !at.Before(o.Starts) && at.Before(o.Ends) }

// ObservationRows reads observations, ended ones included.
type ObservationRows interface {
	Observations(ctx context.Context) ([]Observation, error)
}

// ObservationTx is what changing an observation needs of its transaction. *store.Tx implements it.
type ObservationTx interface {
	// PutObservation writes the one of a register and controller, new or changed.
	PutObservation(ctx context.Context, o Observation) error
}

// ObserveChange asks to have the budgets of a register observed. It is the body of its approval.
type ObserveChange struct {
	Register     ecluse.RegisterID `json:"register"`
	RegisterCode string            `json:"register_code"`
	Days         int               `json:"days"` // from the approval on
}

// RequestObserve asks, for an access officer or administrator, to have budgets observed. It takes effect
// when another access officer approves it. Errors: ErrDays, ErrDualControl.
func (d *Directory) RequestObserve(ctx context.Context, by Actor, c ObserveChange) (Approval, error) {
	if c.Days < 1 || c.Days > MaxObserveDays {
		return Approval{}, ErrDays
	}
	return d.ask(ctx, by, KindObserve, func(s Standing) (question, error) {
		return question{Body: c, Summary: Summary{Controller: s.Controller.Name, Observe: &c}}, nil
	})
}

// observing is the effect of approving a request of KindObserve.
func (d *Directory) observing(_ context.Context, r *decision) (ledger.Effect, error) {
	var c ObserveChange
	if err := r.read(&c); err != nil {
		return nil, err
	}
	if c.Days < 1 || c.Days > MaxObserveDays {
		return nil, ErrDays
	}
	return func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		return d.putObservation(ctx, tx, Observation{
			Register: c.Register, Controller: r.Controller, RequestedBy: r.RequestedBy, ApprovedBy: r.approver,
			Starts: e.At, Ends: e.At.Add(time.Duration(c.Days) * budget.Day), Entry: e.N,
		})
	}, nil
}

func (d *Directory) putObservation(ctx context.Context, tx ledger.Tx, o Observation) error {
	o.MAC = d.keys.MAC(observationDomain, o.canonical())
	return tx.(ObservationTx).PutObservation(ctx, o)
}

// Enforce ends the observation of a register's budgets at once. It only takes away, so that one access,
// security officer or administrator of the body suffices; a command of a node ends it for every body.
// Errors: ErrNotFound (there is none running), ErrDualControl (not theirs to do), ErrInactive, ErrWeak.
func (d *Directory) Enforce(ctx context.Context, by Actor, reg ecluse.RegisterID) error {
	_, err := d.ledger.AppendFresh(ctx, func() (list []ledger.Candidate, err error) {
		var s Standing
		if by.command() {
			s, err = d.everyObservation(ctx)
		} else if s, err = d.actor(ctx, by, assured); err == nil && !bodyStaff(s) && !s.Has(ecluse.RoleSecurityOfficer) {
			err = ErrDualControl
		}
		for _, o := range s.Observations {
			if o.Register == reg && o.Runs(d.now()) {
				list = append(list, d.enforcing(by, s, o))
			}
		}
		if err == nil && len(list) == 0 {
			err = ErrNotFound
		}
		return list, err
	})
	if err != nil {
		return fmt.Errorf("enforce budgets: %w", err)
	}
	return nil
}

// everyObservation is what a command of a node stands on: the observations of every body, as of a revision.
func (d *Directory) everyObservation(ctx context.Context) (s Standing, err error) {
	if s.Rev, err = d.rows.Rev(ctx); err != nil {
		return s, fmt.Errorf("read the revision: %w", err)
	}
	all, err := d.rows.Observations(ctx)
	if err != nil {
		return s, fmt.Errorf("read the observations: %w", err)
	}
	for _, o := range all {
		if d.valid(observationDomain, int64(o.Register), o.MAC, o.canonical()) {
			s.Observations = append(s.Observations, o)
		}
	}
	return s, nil
}

func (d *Directory) enforcing(by Actor, s Standing, o Observation) ledger.Candidate {
	return ledger.Candidate{
		Kind: ledger.KindDirectory, Register: o.Register, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session,
		Detail: ledger.Detail{What: "budgets enforce", Subject: int64(o.Register), By: by.CLI}, Revision: s.Rev, NewRevision: true,
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			o.Ends, o.Entry = e.At, e.N
			return d.putObservation(ctx, tx, o)
		},
	}
}

// readObservations reads which registers' budgets the account's body has observed.
func (d *Directory) readObservations(ctx context.Context, s *Standing) error {
	list, err := d.rows.Observations(ctx)
	if err != nil {
		return fmt.Errorf("read the observations: %w", err)
	}
	d.observe(s, list)
	return nil
}

// observe gives a standing the observations that concern it. Dead rows count for nothing.
func (d *Directory) observe(s *Standing, list []Observation) {
	for _, o := range list {
		if o.Controller == s.Account.Controller && o.Ends.After(s.read) && d.valid(observationDomain, int64(o.Register), o.MAC, o.canonical()) {
			s.Observations = append(s.Observations, o)
		}
	}
}
