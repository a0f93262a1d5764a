package ledger

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/keys"
)

// StateReader reads what the append keeps beside the entries.
type StateReader interface {
	AllState(ctx context.Context) (State, error)
	AllReviews(ctx context.Context, each func(ReviewRow) error) error
}

// VerifyDeep is Verify and more: it rebuilds every meter, everything seen and every chain from the
// entries alone, by the code that charged them, and compares them with the tables.
//
// Once retention has removed references, what rests on them cannot be rebuilt: a meter is compared
// again when a month without such charges lies behind it, a memory when 180 days do. Chains are
// compared always.
func VerifyDeep(ctx context.Context, src Source, k *keys.Keys, tables StateReader, receipts []string) (Report, error) {
	r := newReplay()
	report, err := Verify(ctx, &replayed{Source: src, replay: r}, receipts)
	if err != nil {
		return report, err
	}
	stored, err := tables.AllState(ctx)
	if err != nil {
		return report, fmt.Errorf("read the meters: %w", err)
	}
	authentic(&report, stored, NewSealer(k))
	r.compare(&report, stored)
	if err := r.compareReviews(ctx, &report, tables, k); err != nil {
		return report, fmt.Errorf("read the reviews: %w", err)
	}
	report.OK = report.OK && len(report.Problems) == 0
	return report, nil
}

// authentic names the rows whose MAC does not hold.
func authentic(report *Report, stored State, seal *Sealer) {
	for h, m := range stored.Meters {
		if !m.MAC.is(seal.Meter(h, &m)) {
			report.problem("the meter of holder %d in register %d was written around the program", h.ID, h.Register)
		}
	}
	for p, s := range stored.Seen {
		if !s.MAC.is(seal.Seen(p, s.Seen)) {
			report.problem("what account %d has seen of person %d was written around the program", p.Account, p.Person)
		}
	}
}

// replayed lets a replay listen to the lines of a Source.
type replayed struct {
	Source
	replay *replay
}

func (s *replayed) Lines(ctx context.Context, each func(*Line) error) error {
	return s.Source.Lines(ctx, func(l *Line) error {
		s.replay.line(l)
		return each(l)
	})
}

// replay rebuilds the state from the entries.
type replay struct {
	state   State
	fills   []fill
	last    time.Time            // of the newest entry
	gone    ecluse.EntryNumber   // entries below it were purged
	purged  time.Time            // instant of the newest of them
	charged map[Holder]time.Time // newest charge
	unsure  map[Holder]time.Time // newest charge that may rest on purged entries
	refused refusedActs
	hazy    map[Pair]time.Time // newest look of a pair that purged entries may have made known
	reviews map[ecluse.EntryNumber]openedReview
	decided map[ecluse.ReviewID]string // state that an entry says
}

// fill is what a restore did: it filled the meters of all holders numbered below.
type fill struct {
	below int64
	at    time.Time
}

func newReplay() *replay {
	return &replay{
		state:   State{Meters: map[Holder]MeterRow{}, Seen: map[Pair]SeenRow{}, Persons: map[ecluse.PersonID]Chain{}},
		charged: map[Holder]time.Time{}, unsure: map[Holder]time.Time{}, hazy: map[Pair]time.Time{}, refused: refusedActs{},
		reviews: map[ecluse.EntryNumber]openedReview{}, decided: map[ecluse.ReviewID]string{},
	}
}

func (r *replay) line(l *Line) {
	e := &l.Entry
	r.last = e.At
	if e.Purged {
		r.purged, r.gone = e.At, e.N+1
		return
	}
	holder := Holder{int64(e.Account), e.Register}
	row := r.meter(holder)
	row.Chain = Chain{Seq: e.ASeq + 1, LastN: e.N}
	row.Meter.Count(e.At, r.refused.first(holder, e))
	r.state.Meters[holder], r.charged[holder] = row, e.At
	if e.Person != 0 {
		r.state.Persons[e.Person] = Chain{Seq: e.PSeq + 1, LastN: e.N}
	}
	detail, err := e.ReadDetail()
	if err != nil {
		return // Verify names it: the content does not match its leaf
	}
	r.review(e, detail)
	if e.Kind == KindRestore {
		r.fill(fill{below: detail.Subject, at: e.At})
	}
	if detail.Act != 0 { // a search that shows nobody is denied, and charged
		r.charge(e, detail)
	}
}

// meter is a holder's row, or the one that it would have without any entry of its own.
func (r *replay) meter(h Holder) MeterRow {
	row, ok := r.state.Meters[h]
	if ok {
		return row
	}
	row.LastN = -1
	for _, f := range r.fills {
		if h.ID < f.below {
			row.Meter.Fill(f.at)
		}
	}
	return row
}

// fill repeats what a restore did to every meter.
func (r *replay) fill(f fill) {
	for h, row := range r.state.Meters {
		row.Meter.Fill(f.at)
		r.state.Meters[h] = row
		r.charged[h] = f.at
	}
	r.fills = append(r.fills, f)
}

// charge repeats what the append charged.
func (r *replay) charge(e *Entry, d Detail) {
	holders := (&Candidate{Account: e.Account, Organisation: e.Organisation, Register: e.Register, Charge: &budget.Charge{}}).holders()
	var rows [3]MeterRow
	for i, h := range holders {
		rows[i] = r.meter(h)
	}
	before := rows
	pair := Pair{e.Account, e.Person}
	charge := budget.Charge{Act: budget.Act(d.Act), Tier: e.Tier, Classes: d.Classes}
	seen := budget.Apply(budget.Meters{Account: &rows[0].Meter, Organisation: &rows[1].Meter, Register: &rows[2].Meter}, r.state.Seen[pair].Seen, charge, e.At)
	hazy := e.Person != 0 && r.isHazy(pair, e.At)
	for i, h := range holders {
		if rows[i].Meter != before[i].Meter || i == 0 {
			r.state.Meters[h] = rows[i]
			r.charged[h] = e.At
		}
		if hazy {
			r.unsure[h] = e.At
		}
	}
	if e.Person != 0 {
		r.state.Seen[pair] = SeenRow{Seen: seen}
	}
	if d.Client != 0 {
		r.chargeClient(e, d)
	}
}

// chargeClient repeats what the append charged the program that asked for the entry's account.
func (r *replay) chargeClient(e *Entry, d Detail) {
	holder, pair := Holder{int64(d.Client), e.Register}, Pair{d.Client, e.Person}
	row := r.meter(holder)
	charge := budget.Charge{Act: budget.Act(d.Act), Tier: e.Tier, Classes: d.Classes}
	seen := budget.Apply(budget.Meters{Account: &row.Meter, Organisation: &budget.Meter{}, Register: &budget.Meter{}}, r.state.Seen[pair].Seen, charge, e.At)
	r.state.Meters[holder], r.charged[holder] = row, e.At
	if e.Person == 0 {
		return
	}
	if r.isHazy(pair, e.At) {
		r.unsure[holder] = e.At
	}
	r.state.Seen[pair] = SeenRow{Seen: seen}
}

// isHazy reports whether purged entries may have made this person known to the account.
func (r *replay) isHazy(p Pair, at time.Time) bool {
	if r.purged.IsZero() {
		return false
	}
	since, ok := r.hazy[p]
	if _, looked := r.state.Seen[p]; !ok && !looked {
		since, ok = r.purged, true
	}
	if !ok || at.Sub(since) >= budget.Remembered {
		delete(r.hazy, p)
		return false
	}
	r.hazy[p] = at
	return true
}

// sure reports whether a meter rests on entries that are all there.
func (r *replay) sure(h Holder) bool {
	if r.purged.IsZero() {
		return true
	}
	unsure := r.unsure[h]
	if unsure.Before(r.purged) {
		unsure = r.purged
	}
	return r.charged[h].Sub(unsure) > budget.Month+budget.Day
}

func (r *replay) compare(report *Report, stored State) {
	for h, got := range stored.Meters {
		want := r.meter(h)
		if got.Chain != want.Chain && !(want.Seq == 0 && got.Seq > 0 && got.LastN >= 0 && got.LastN < r.gone) {
			report.problem("the chain of holder %d in register %d ends elsewhere than its entries", h.ID, h.Register)
		}
		a, _ := got.Meter.MarshalBinary()
		b, _ := want.Meter.MarshalBinary()
		if !bytes.Equal(a, b) && r.sure(h) {
			report.problem("the meter of holder %d in register %d is not what its entries add up to", h.ID, h.Register)
		}
	}
	for h := range r.state.Meters {
		if _, ok := stored.Meters[h]; !ok {
			report.problem("the meter of holder %d in register %d is missing", h.ID, h.Register)
		}
	}
	r.comparePersons(report, stored)
	r.compareSeen(report, stored)
}

func (r *replay) comparePersons(report *Report, stored State) {
	for p, want := range r.state.Persons {
		if stored.Persons[p] != want {
			report.problem("the chain of person %d ends elsewhere than its entries", p)
		}
	}
	for p, got := range stored.Persons {
		if _, ok := r.state.Persons[p]; !ok && (got.LastN < 0 || got.LastN >= r.gone) {
			report.problem("the chain of person %d ends in an entry that is not there", p)
		}
	}
}

func (r *replay) compareSeen(report *Report, stored State) {
	for p, want := range r.state.Seen {
		got, ok := stored.Seen[p]
		_, hazy := r.hazy[p]
		switch {
		case hazy:
		case !ok && r.last.Sub(want.LastAt) < budget.Remembered:
			report.problem("what account %d has seen of person %d is missing", p.Account, p.Person)
		case ok && (got.Tier != want.Tier || got.Classes != want.Classes || !got.ChargedAt.Equal(want.ChargedAt) || !got.LastAt.Equal(want.LastAt)):
			report.problem("what account %d has seen of person %d is not what its entries say", p.Account, p.Person)
		}
	}
	for p, got := range stored.Seen {
		if _, ok := r.state.Seen[p]; !ok && got.LastAt.After(r.purged) {
			report.problem("account %d has seen person %d without an entry", p.Account, p.Person)
		}
	}
}
