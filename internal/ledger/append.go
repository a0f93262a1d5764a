package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/budget"

	"golang.org/x/mod/sumdb/tlog"
)

// batchWriter turns submissions into entries inside one locked transaction.
type batchWriter struct {
	ledger  *Ledger
	tx      Tx
	at      time.Time
	state   State
	writes  Writes
	leaves  []tlog.Hash
	refused refusedActs
	// refusals by budgets and guards, to be told of once they are committed
	refusals []ecluse.Reason
}

// run writes the batch, given the state it rests on: admit in arrival order, number, hash, let the effects
// happen, save.
func (b *batchWriter) run(ctx context.Context, batch []*submission) ([]answer, error) {
	var err error
	head := b.tx.Head()
	answers := make([]answer, len(batch))
	dead := b.authenticate()
	b.refused = refusedActs{}
	b.writes.State = State{Meters: map[Holder]MeterRow{}, Seen: map[Pair]SeenRow{}, Persons: map[ecluse.PersonID]Chain{}}
	before := head.Frontier.Size()
	for i, s := range batch {
		if s.stale(head.Rev) {
			answers[i].err = ErrStale
			continue
		}
		if s.restsOn(dead) {
			answers[i].err = ErrDeadRow
			continue
		}
		if answers[i].results, answers[i].err, err = b.submit(ctx, s); err != nil {
			return nil, err
		}
	}
	if b.writes.Tiles, err = completeTiles(ctx, b.tx, before, b.leaves); err != nil {
		return nil, err
	}
	b.seal()
	return answers, b.tx.Save(ctx, b.writes)
}

func (s *submission) stale(rev int64) bool {
	for _, c := range s.candidates {
		if c.Revision != AnyRevision && c.Revision != rev {
			return true
		}
	}
	return false
}

// keysOf lists what the candidates rest on, without duplicates.
func keysOf(batch []*submission) LoadKeys {
	var k LoadKeys
	holders, pairs, persons, queues := map[Holder]bool{}, map[Pair]bool{}, map[ecluse.PersonID]bool{}, map[Queue]bool{}
	for _, s := range batch {
		for i := range s.candidates {
			c := &s.candidates[i]
			for _, h := range c.meters() {
				k.Holders = addOnce(k.Holders, holders, h)
			}
			if c.ClientCharge != nil && c.Person != 0 {
				k.Pairs = addOnce(k.Pairs, pairs, Pair{c.Detail.Client, c.Person})
			}
			if q, ok := c.queue(); ok {
				k.Queues = addOnce(k.Queues, queues, q)
			}
			if c.Person != 0 {
				k.Pairs = addOnce(k.Pairs, pairs, Pair{c.Account, c.Person})
				k.Persons = addOnce(k.Persons, persons, c.Person)
			}
		}
	}
	return k
}

func addOnce[K comparable](list []K, known map[K]bool, k K) []K {
	if known[k] {
		return list
	}
	known[k] = true
	return append(list, k)
}

// holders are the meters that a candidate is charged to: its account, organisation and register.
func (c *Candidate) holders() []Holder {
	account := Holder{int64(c.Account), c.Register}
	if c.Charge == nil {
		return []Holder{account}
	}
	return []Holder{account, {int64(c.Organisation), c.Register}, {int64(c.Register), c.Register}}
}

// meters are all those that a candidate rests on.
func (c *Candidate) meters() []Holder {
	if c.ClientCharge == nil {
		return c.holders()
	}
	return append(c.holders(), c.clientHolder())
}

// submit admits and numbers the candidates of one submission, and lets what was asked happen. refused
// is its guards' error, of nobody else's concern.
func (b *batchWriter) submit(ctx context.Context, s *submission) (results []Result, refused, err error) {
	if b.floods(s) {
		return nil, ErrFlood, nil
	}
	objections := make([][]ecluse.Reason, len(s.candidates))
	for i, c := range s.candidates {
		if c.Guard == nil {
			continue
		}
		if objections[i], refused = c.Guard(ctx, b.tx, b.at); refused != nil {
			return nil, refused, nil
		}
		if len(objections[i]) == 0 {
			objections[i] = nil
		}
	}
	results = make([]Result, len(s.candidates))
	act := int64(b.tx.Head().N)
	for i := range s.candidates {
		if i > 0 && s.candidates[i].Follows && !results[i-1].Allowed {
			objections[i] = results[i-1].Reasons
		}
		if results[i], err = b.enter(&s.candidates[i], act, objections[i]); err != nil {
			return nil, nil, err
		}
		c, e := &s.candidates[i], &b.writes.Entries[len(b.writes.Entries)-1]
		if c.Effect == nil || e.Decision == Deny {
			continue
		}
		if err := c.Effect(ctx, b.tx, e); err != nil {
			return nil, nil, err
		}
	}
	return results, nil, nil
}

// enter writes one candidate down. It leaves the candidate as it was: a batch that fails is tried
// again item by item, and the budgets may then answer otherwise.
func (b *batchWriter) enter(asked *Candidate, act int64, refused []ecluse.Reason) (Result, error) {
	copied := *asked
	c := &copied
	c.Reasons = slices.Clip(c.Reasons)
	var readings []budget.Reading
	var err error
	if refused == nil {
		refused = b.waits(c)
	}
	if refused == nil {
		if readings, refused, err = b.admit(c); err != nil {
			return Result{}, err
		}
	}
	if refused != nil {
		c.Decision, c.Reasons = Deny, refused
		b.refusals = append(b.refusals, refused...)
	}
	if c.Review != nil && c.Decision == Allow {
		c.Detail.Review = c.Review.Kind
	}
	detail, err := c.Detail.encode()
	if err != nil {
		return Result{}, fmt.Errorf("encode the detail: %w", err)
	}
	e := Entry{
		Format: Format, N: b.tx.Head().N, At: b.at, Kind: c.Kind, Act: act, Register: c.Register, Account: c.Account,
		Organisation: c.Organisation, Session: c.Session, Person: c.Person, Version: c.Version, Fields: c.Fields,
		Purpose: c.Purpose, Tier: c.Tier, Decision: c.Decision, Reasons: joinReasons(c.Reasons), Detail: detail,
	}
	b.chain(&e)
	if err := b.hash(&e); err != nil {
		return Result{}, err
	}
	b.writes.Entries = append(b.writes.Entries, e)
	b.review(c, e)
	if c.NewRevision {
		b.tx.Head().Rev++
	}
	return Result{
		N: e.N, At: e.At, Allowed: e.Decision == Allow, Reasons: c.Reasons, Readings: readings, leaf: e.Leaf,
		passage: Passage{Register: e.Register, Person: e.Person, Version: e.Version, Fields: e.Fields},
	}, nil
}

// admit asks the budgets; refused is nil when everything is charged.
func (b *batchWriter) admit(c *Candidate) (readings []budget.Reading, refused []ecluse.Reason, err error) {
	if c.Charge == nil {
		return nil, nil, nil
	}
	holders := c.holders()
	account, organisation, register := b.meter(holders[0]), b.meter(holders[1]), b.meter(holders[2])
	pair := Pair{c.Account, c.Person}
	seen := b.seen(pair)
	client, err := b.admitClient(c)
	if err != nil {
		return nil, nil, err
	}
	meters := budget.Meters{Account: &account.Meter, Organisation: &organisation.Meter, Register: &register.Meter}
	verdict, after := budget.Admit(meters, seen, *c.Charge, b.at)
	if !verdict.Admitted || !client.Admitted {
		unchanged := b.meter(holders[0])
		return budget.Readings(&unchanged.Meter, *c.Charge, b.at), refusals(verdict, client.Verdict), nil
	}
	readings = budget.Readings(&account.Meter, *c.Charge, b.at)
	b.charged(c, client)
	b.writes.Meters[holders[0]] = account
	if c.Charge.Act == budget.Disclose && !verdict.New {
		c.Review = nil // a known person reopened: somebody was told, or will look, already
	}
	if verdict.New {
		b.writes.Meters[holders[1]], b.writes.Meters[holders[2]] = organisation, register
	}
	if c.Person != 0 && after != seen {
		b.writes.Seen[pair] = SeenRow{Seen: after}
	}
	c.Detail.Act, c.Detail.Classes = uint8(c.Charge.Act), c.Charge.Classes
	c.Reasons = append(append(c.Reasons, verdict.Reasons...), client.Reasons...)
	return readings, nil, nil
}

func (b *batchWriter) seen(p Pair) budget.Seen {
	if s, ok := b.writes.Seen[p]; ok {
		return s.Seen
	}
	return b.state.Seen[p].Seen
}

func (b *batchWriter) meter(h Holder) MeterRow {
	if row, ok := b.writes.Meters[h]; ok {
		return row
	}
	if row, ok := b.state.Meters[h]; ok {
		return row
	}
	return MeterRow{Chain: Chain{LastN: -1}}
}

// chain gives the entry its places in the chains of its account and of its person.
func (b *batchWriter) chain(e *Entry) {
	holder := Holder{int64(e.Account), e.Register}
	row := b.meter(holder)
	e.ASeq, e.APrev = row.Seq, int64(row.LastN)
	row.Chain = Chain{Seq: row.Seq + 1, LastN: e.N}
	row.Meter.Count(b.at, b.refused.first(holder, e))
	b.writes.Meters[holder] = row
	e.PSeq, e.PPrev = -1, -1
	if e.Person == 0 {
		return
	}
	person, ok := b.writes.Persons[e.Person]
	if !ok {
		if person, ok = b.state.Persons[e.Person]; !ok {
			person = Chain{LastN: -1}
		}
	}
	e.PSeq, e.PPrev = person.Seq, int64(person.LastN)
	b.writes.Persons[e.Person] = Chain{Seq: person.Seq + 1, LastN: e.N}
}

// hash computes the entry's leaf and adds it to the tree.
func (b *batchWriter) hash(e *Entry) error {
	period, err := b.ledger.keys.Period(e.At)
	if err != nil {
		return fmt.Errorf("salt the entry: %w", err)
	}
	e.Leaf = leafOf(e, period)
	b.leaves = append(b.leaves, e.Leaf)
	head := b.tx.Head()
	head.Frontier.add(e.Leaf)
	head.N++
	return nil
}
