package ledger

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"ecluse"
	"ecluse/internal/budget"
)

// StateReader reads what the append keeps beside the entries.
type StateReader interface {
	AllState(ctx context.Context) (State, error)
}

// VerifyDeep is Verify and more: it rebuilds every meter, everything seen and every chain from the
// entries alone, by the code that charged them, and compares them with the tables.
func VerifyDeep(ctx context.Context, src Source, tables StateReader, receipts []string) (Report, error) {
	r := &replay{state: State{Meters: map[Holder]MeterRow{}, Seen: map[Pair]budget.Seen{}, Persons: map[ecluse.PersonID]Chain{}}}
	report, err := Verify(ctx, &replayed{Source: src, replay: r}, receipts)
	if err != nil {
		return report, err
	}
	stored, err := tables.AllState(ctx)
	if err != nil {
		return report, fmt.Errorf("read the meters: %w", err)
	}
	r.compare(&report, stored)
	report.OK = report.OK && len(report.Problems) == 0
	return report, nil
}

// replayed lets a replay listen to the lines of a Source.
type replayed struct {
	Source
	replay *replay
}

func (s *replayed) Lines(ctx context.Context, each func(*Line) error) error {
	return s.Source.Lines(ctx, func(l *Line) error {
		if err := s.replay.line(l); err != nil {
			return err
		}
		return each(l)
	})
}

type replay struct {
	state  State
	purged time.Time // instant of the newest purged entry
}

func (r *replay) line(l *Line) error {
	e := &l.Entry
	if e.Purged {
		r.purged = e.At
		return nil
	}
	holder := Holder{int64(e.Account), e.Register}
	row := r.state.Meters[holder]
	row.Chain = Chain{Seq: e.ASeq + 1, LastN: e.N}
	r.state.Meters[holder] = row
	if e.Person != 0 {
		r.state.Persons[e.Person] = Chain{Seq: e.PSeq + 1, LastN: e.N}
	}
	detail, err := e.ReadDetail()
	if err != nil {
		return nil // Verify names it: the content does not match its leaf
	}
	if e.Kind == KindRestore {
		r.fill(e.At)
	}
	if detail.Act != 0 { // a search that shows nobody is denied, and charged
		r.charge(e, detail)
	}
	return nil
}

// charge repeats what the append charged.
func (r *replay) charge(e *Entry, d Detail) {
	holders := (&Candidate{Account: e.Account, Organisation: e.Organisation, Register: e.Register, Charge: &budget.Charge{}}).holders()
	var rows [3]MeterRow
	for i, h := range holders {
		row, ok := r.state.Meters[h]
		if !ok {
			row.LastN = -1
		}
		rows[i] = row
	}
	pair := Pair{e.Account, e.Person}
	charge := budget.Charge{Act: budget.Act(d.Act), Tier: e.Tier, Classes: d.Classes}
	seen := budget.Apply(budget.Meters{Account: &rows[0].Meter, Organisation: &rows[1].Meter, Register: &rows[2].Meter}, r.state.Seen[pair], charge, e.At)
	for i, h := range holders {
		if rows[i].Meter != (budget.Meter{}) || i == 0 {
			r.state.Meters[h] = rows[i]
		}
	}
	if e.Person != 0 {
		r.state.Seen[pair] = seen
	}
}

// fill repeats what a restore did to every account's meter.
func (r *replay) fill(at time.Time) {
	for h, row := range r.state.Meters {
		row.Meter.Fill(at)
		r.state.Meters[h] = row
	}
}

func (r *replay) compare(report *Report, stored State) {
	for h, got := range stored.Meters {
		want, ok := r.state.Meters[h]
		if !ok && got.Chain.Seq == 0 {
			want.LastN = -1
		} else if !ok && !r.purged.IsZero() {
			continue // its last charge was purged
		}
		a, _ := got.Meter.MarshalBinary()
		b, _ := want.Meter.MarshalBinary()
		if !bytes.Equal(a, b) {
			report.problem("the meter of holder %d in register %d is not what its entries add up to", h.ID, h.Register)
		}
		if got.Chain != want.Chain {
			report.problem("the chain of holder %d in register %d ends elsewhere than its entries", h.ID, h.Register)
		}
	}
	for h := range r.state.Meters {
		if _, ok := stored.Meters[h]; !ok {
			report.problem("the meter of holder %d in register %d is missing", h.ID, h.Register)
		}
	}
	for p, want := range r.state.Persons {
		if stored.Persons[p] != want {
			report.problem("the chain of person %d ends elsewhere than its entries", p)
		}
	}
	r.compareSeen(report, stored)
}

func (r *replay) compareSeen(report *Report, stored State) {
	rebuilt := r.purged.Add(budget.Remembered) // before it, memories may rest on purged entries
	for p, want := range r.state.Seen {
		got, ok := stored.Seen[p]
		if ok && !got.ChargedAt.Equal(want.ChargedAt) && got.ChargedAt.Before(rebuilt) && !r.purged.IsZero() {
			continue
		}
		if !ok && r.purged.IsZero() || ok && (got.Tier != want.Tier || got.Classes != want.Classes || !got.ChargedAt.Equal(want.ChargedAt) || !got.LastAt.Equal(want.LastAt)) {
			report.problem("what account %d has seen of person %d is not what its entries say", p.Account, p.Person)
		}
	}
	for p := range stored.Seen {
		if _, ok := r.state.Seen[p]; !ok && r.purged.IsZero() {
			report.problem("account %d has seen person %d without an entry", p.Account, p.Person)
		}
	}
}
