// Package gate is the lock: everything that shows a value of a record to anyone goes through it, down
// one stair and up again.
//
//	Disclose: facts <- directory, register, links        (read)
//	          decision <- policy.Decide(facts)           (pure)
//	          receipt <- ledger.Append(candidate)        (one transaction: budgets, entry, tree, COMMIT)
//	          values <- register.Reveal(receipt)         (only now)
//
// Invariants: no receipt, no plaintext (the only call of register.Reveal is in pass); written before
// shown; what is unknown and what is outside the mandate get the same answer after the same sequence
// of store calls. Doors (web, api) call it and render its Outcome; it calls no door.
//
// It has no table of its own.
package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/policy"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// Errors of the gate, beside those of the ledger (ErrBusy, ErrOutcomeUnknown …) and
// register.ErrUnknownRegister. A refusal is not an error but an Outcome.
var (
	// ErrHandle: the handle is unreadable, of another session or of another register.
	ErrHandle = errors.New("this handle opens nothing here")
	// ErrUnknownField: a field was asked for that the schema does not have.
	ErrUnknownField = errors.New("the register has no such field")
	// ErrLink: a link was asked for that cannot be made as described.
	ErrLink = errors.New("this link cannot be made")
)

// Gate is the lock. Safe for concurrent use.
type Gate struct {
	directory *directory.Directory
	registers *register.Registers
	ledger    *ledger.Ledger
	links     Links
	keys      *keys.Keys
	now       func() time.Time
	log       *slog.Logger
}

// Links reads what explains an access, and the state of meters. Package store implements it.
type Links interface {
	// LinksOf are all links of these persons in a register, in one call.
	LinksOf(ctx context.Context, r ecluse.RegisterID, persons []ecluse.PersonID) ([]directory.Link, error)
	// OwnPersons are the persons with a running link of an account that it did not make itself, the newest
	// link first, after a person (0 = from the first). An order by name would open every record first.
	OwnPersons(ctx context.Context, a directory.Account, r ecluse.RegisterID, at time.Time, after ecluse.PersonID, limit int) ([]ecluse.PersonID, error)
	// Meter is the account's meter in a register; the zero row if it has none.
	Meter(ctx context.Context, h ledger.Holder) (ledger.MeterRow, error)
}

// New makes a Gate.
func New(d *directory.Directory, r *register.Registers, l *ledger.Ledger, links Links, k *keys.Keys, now func() time.Time, log *slog.Logger) *Gate {
	return &Gate{directory: d, registers: r, ledger: l, links: links, keys: k, now: now, log: log}
}

// Disclose opens one person's record for a purpose, or says why not. The Outcome was written down and
// committed before it is returned, refusals included.
func (g *Gate) Disclose(ctx context.Context, r Request) (Outcome, error) {
	reg, err := g.registers.ByCode(ctx, r.Register)
	if err != nil {
		return Outcome{}, err
	}
	person, err := g.openHandle(r.Caller, reg, r.Handle)
	if err != nil {
		return Outcome{}, err
	}
	asked, err := askedFields(reg.Schema, r.Fields)
	if err != nil {
		return Outcome{}, err
	}
	act := budget.Disclose
	if r.Emergency != "" {
		act = budget.Emergency
	}
	outcomes, err := g.pass(ctx, ask{Request: r, register: reg, act: act, asked: asked, persons: []ecluse.PersonID{person}})
	if err != nil {
		return Outcome{}, err
	}
	return outcomes[0], nil
}

// pass is the one path: down the stair and up again, for the persons of one ask.
func (g *Gate) pass(ctx context.Context, a ask) ([]Outcome, error) {
	var facts facts
	var decisions []policy.Decision
	results, err := g.ledger.AppendFresh(ctx, func() (_ []ledger.Candidate, err error) {
		if facts, err = g.facts(ctx, a); err != nil {
			return nil, err
		}
		decisions = decide(facts)
		return g.candidates(facts, decisions)
	})
	if err != nil {
		return nil, fmt.Errorf("disclose: %w", err)
	}
	values, err := g.registers.Reveal(ctx, facts.people, receipts(results)...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reveal: %w", err), g.undelivered(ctx, facts, results))
	}
	g.follow(ctx, facts, results)
	return outcomes(facts, decisions, results, values), nil
}

// receipts are those of the allowed results, in order.
func receipts(results []ledger.Result) []ledger.Receipt {
	var list []ledger.Receipt
	for _, r := range results {
		if r.Allowed {
			list = append(list, r.Receipt)
		}
	}
	return list
}

// undelivered notes that allowed disclosures never left, because revealing or showing them went wrong.
func (g *Gate) undelivered(ctx context.Context, f facts, results []ledger.Result) error {
	var candidates []ledger.Candidate
	for _, r := range results {
		if r.Allowed {
			c := f.candidate(ledger.KindUndelivered)
			c.Revision, c.Detail.Refers = ledger.AnyRevision, int64(r.N)
			candidates = append(candidates, c)
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	_, err := g.ledger.Append(context.WithoutCancel(ctx), candidates...)
	return err
}

// Meters is the meter that the caller is shown in a register.
func (g *Gate) Meters(ctx context.Context, c signin.Caller, code string) ([]budget.Reading, error) {
	reg, err := g.registers.ByCode(ctx, code)
	if err != nil {
		return nil, err
	}
	s, err := g.directory.Standing(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	row, err := g.links.Meter(ctx, ledger.Holder{ID: int64(c.Account), Register: reg.ID})
	if err != nil {
		return nil, fmt.Errorf("read the meter: %w", err)
	}
	at := g.now()
	return budget.Readings(&row.Meter, charge(s, reg, budget.Disclose, limitsAt(s, reg, at), at), at), nil
}
