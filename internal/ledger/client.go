package ledger

import (
	"errors"

	"ecluse"
	"ecluse/internal/budget"
)

// errClient: a program's charge beyond what is explained, or to its own account twice. The gate never asks
// for either.
var errClient = errors.New("a program is charged beside somebody else, for explained acts only")

// clientHolder is the meter of the program that asks.
func (c *Candidate) clientHolder() Holder { return Holder{int64(c.Detail.Client), c.Register} }

// clientVerdict is what the program's own budgets say, and what they are if the act happens.
type clientVerdict struct {
	budget.Verdict
	row  MeterRow
	seen budget.Seen
}

// admitClient asks the budgets of the program that asks for the candidate's account. Nothing is written
// yet: the act is charged to both or to none (charged). Explained acts touch no meter but the account's.
func (b *batchWriter) admitClient(c *Candidate) (v clientVerdict, err error) {
	if c.ClientCharge == nil {
		v.Admitted = true
		return v, nil
	}
	if c.Detail.Client == 0 || c.Detail.Client == c.Account || c.Tier != ecluse.Explained {
		return v, errClient
	}
	v.row = b.meter(c.clientHolder())
	meters := budget.Meters{Account: &v.row.Meter, Organisation: &budget.Meter{}, Register: &budget.Meter{}}
	v.Verdict, v.seen = budget.Admit(meters, b.seen(Pair{c.Detail.Client, c.Person}), *c.ClientCharge, b.at)
	for i, code := range v.Reasons {
		v.Reasons[i] = budget.OfClient(code)
	}
	return v, nil
}

// charged writes the program's side of an admitted act.
func (b *batchWriter) charged(c *Candidate, v clientVerdict) {
	if c.ClientCharge == nil {
		return
	}
	b.writes.Meters[c.clientHolder()] = v.row
	if pair := (Pair{c.Detail.Client, c.Person}); c.Person != 0 && v.seen != b.seen(pair) {
		b.writes.Seen[pair] = SeenRow{Seen: v.seen}
	}
}

// refusals are the reasons of those who refuse, never nil.
func refusals(account, client budget.Verdict) []ecluse.Reason {
	list := []ecluse.Reason{}
	for _, v := range []budget.Verdict{account, client} {
		if !v.Admitted {
			list = append(list, v.Reasons...)
		}
	}
	return list
}
