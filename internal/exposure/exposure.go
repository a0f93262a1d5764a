// Package exposure says, for every account, how many distinct persons would be lost at most if it were
// stolen now: within any 24 hours, and within 30 days.
//
// The bounds are those of package budget, computed from the same table of budgets that the append refuses
// by. This room only finds out what they are computed from: which mandates run within the 30 days, whom
// the account knows or has been entrusted with, how many persons its mandates cover, whether budgets are
// only observed. It reads the whole directory in a handful of queries, whatever the number of accounts.
//
// Invariants: a bound is never below what the account can be shown (the test of the random adversary,
// adversary_test.go, tries to exceed it over HTTP); whoever reads bounds of named accounts is in the
// ledger before; a body sees its own accounts only. No value of a record and no number of a person is
// here, only counts.
//
// It has no table of its own. docs/exposure.md has the definition, the proof and what is not counted.
package exposure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/register"
)

// ErrNotYours: exposure is for access officers, security officers and data protection officers.
var ErrNotYours = errors.New("exposure is not shown to this account")

// Rows counts what bounds are made of. Package store implements it.
type Rows interface {
	// Populations are the persons of each register by territory, those not published yet included.
	Populations(ctx context.Context) ([]Population, error)
	// Unsettled are registers with an import after the newest published one that is not published: there
	// the territories of Populations may be ahead of the records.
	Unsettled(ctx context.Context) ([]ecluse.RegisterID, error)
	// Linked counts whom links that others made explain to accounts, and to everybody of their sites.
	Linked(ctx context.Context, a Accounts, w Window) (own, site []Linked, err error)
	// LinkedToSites counts whom links explain to everybody of a site.
	LinkedToSites(ctx context.Context, w Window) (map[Site]int, error)
	// KnownPersons counts whom accounts know, in all registers together.
	KnownPersons(ctx context.Context, a Accounts, w Window) (map[ecluse.AccountID]int, error)
	// KnownPersonsByRegister is KnownPersons register by register. It costs a look-up for each person known.
	KnownPersonsByRegister(ctx context.Context, a Accounts, w Window) (map[Place]int, error)
}

// Accounts are those from one number to another, both included.
type Accounts struct{ First, Last ecluse.AccountID }

// Window is the time that bounds are about.
type Window struct {
	From, To   time.Time
	Remembered time.Time // disclosures after it are remembered
}

// Population is a number of persons in one territory of a register.
type Population struct {
	Register  ecluse.RegisterID
	Territory string
	Persons   int
}

// Place is an account in a register.
type Place struct {
	Account  ecluse.AccountID
	Register ecluse.RegisterID
}

// Site is a site in a register.
type Site struct {
	Site     ecluse.OrganisationID
	Register ecluse.RegisterID
}

// Linked counts persons whom links explain to an account in a register: all of them, those whom it does
// not know, and those whom it was not shown for as long as disclosures are remembered.
type Linked struct {
	Place
	Persons, Unknown, Idle int
}

// Directory is what exposure asks of the directory; *directory.Directory is one.
type Directory interface {
	Controllers(ctx context.Context) ([]directory.Controller, error)
	Standing(ctx context.Context, id ecluse.AccountID) (directory.Standing, error)
	Standings(ctx context.Context, c ecluse.ControllerID) ([]directory.Outlook, error)
	Prospect(ctx context.Context, c ecluse.ControllerID, change directory.AccountChange) (before, after directory.Standing, err error)
}

// Exposures computes bounds. Safe for concurrent use.
type Exposures struct {
	rows      Rows
	directory Directory
	registers *register.Registers
	ledger    *ledger.Ledger
	now       func() time.Time

	mu      sync.Mutex
	reports map[ecluse.ControllerID]Report // for pages: at most pageLife old
}

// New makes an Exposures.
func New(rows Rows, d Directory, r *register.Registers, l *ledger.Ledger, now func() time.Time) *Exposures {
	return &Exposures{rows: rows, directory: d, registers: r, ledger: l, now: now, reports: map[ecluse.ControllerID]Report{}}
}

// slack is how much older than now the facts of a decision may be on some node (directory's standings),
// and how far its clock may be behind.
const slack = 15 * time.Minute

// Horizon is how far bounds look.
const Horizon = budget.Month

func windowAt(at time.Time) Window {
	return Window{From: at.Add(-slack), To: at.Add(Horizon), Remembered: at.Add(-slack - budget.Remembered)}
}

// Roles that may read bounds of their own body's accounts.
var Roles = []ecluse.Role{ecluse.RoleAccessOfficer, ecluse.RoleSecurityOfficer, ecluse.RoleDPO}

// reader is the standing of who wants to read: ErrNotYours, directory.ErrInactive, directory.ErrWeak.
func (x *Exposures) reader(ctx context.Context, by directory.Actor) (directory.Standing, error) {
	s, err := x.directory.Standing(ctx, by.Account)
	switch {
	case err != nil:
		return s, err
	case !slices.ContainsFunc(Roles, s.Has):
		return s, ErrNotYours
	case !s.Account.Acts(x.now()):
		return s, directory.ErrInactive
	case !by.Assured:
		return s, directory.ErrWeak
	}
	return s, nil
}

// pageLife is how old a report may be that several officers look at.
const pageLife = time.Minute

// Read is the report on the reader's own body, at most a minute old. The reading is in the ledger before
// it is answered. Errors: ErrNotYours, directory.ErrInactive, directory.ErrWeak, those of the ledger.
func (x *Exposures) Read(ctx context.Context, by directory.Actor) (Report, error) {
	var reader directory.Standing
	_, err := x.ledger.AppendFresh(ctx, func() (_ []ledger.Candidate, err error) {
		reader, err = x.reader(ctx, by)
		return []ledger.Candidate{{
			Kind: ledger.KindLedgerRead, Account: by.Account, Organisation: reader.Account.Organisation, Session: by.Session,
			Detail: ledger.Detail{What: "exposure", By: by.CLI}, Revision: reader.Rev,
		}}, err
	})
	if err != nil {
		return Report{}, err
	}
	x.mu.Lock()
	r, ok := x.reports[reader.Controller.ID]
	x.mu.Unlock()
	if ok && r.Rev == reader.Rev && x.now().Sub(r.At).Abs() < pageLife {
		return r, nil
	}
	if r, err = x.report(ctx, reader.Controller); err != nil {
		return Report{}, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.reports[reader.Controller.ID] = r
	return r, nil
}

// Examine is the report on every account of every body, for a command of a node. The reading is in the
// ledger before it is answered.
func (x *Exposures) Examine(ctx context.Context, operator string) (Report, error) {
	_, err := x.ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindLedgerRead, Detail: ledger.Detail{What: "exposure", By: operator}, Revision: ledger.AnyRevision,
	})
	if err != nil {
		return Report{}, fmt.Errorf("write the reading down: %w", err)
	}
	controllers, err := x.directory.Controllers(ctx)
	if err != nil {
		return Report{}, err
	}
	var parts []Report
	for _, c := range controllers {
		r, err := x.report(ctx, c)
		if err != nil {
			return Report{}, err
		}
		parts = append(parts, r)
	}
	return joined(parts), nil
}

// report computes the bounds of a body's accounts.
func (x *Exposures) report(ctx context.Context, c directory.Controller) (Report, error) {
	standings, err := x.directory.Standings(ctx, c.ID)
	if err != nil {
		return Report{}, fmt.Errorf("read the accounts of body %d: %w", c.ID, err)
	}
	g, err := x.ground(ctx, c)
	if err != nil {
		return Report{}, err
	}
	if err := x.count(ctx, g, standings); err != nil {
		return Report{}, err
	}
	r := Report{At: g.at}
	for _, s := range standings {
		r.Rev = s.Rev
		r.Accounts = append(r.Accounts, g.account(s))
	}
	r.sort()
	return r, nil
}
