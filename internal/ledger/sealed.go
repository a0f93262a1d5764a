package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"hash"
	"slices"
	"time"

	"ecluse/internal/budget"
	"ecluse/internal/keys"
)

// ErrDeadRow: a meter was written around the program. Nothing is admitted for its holder.
var ErrDeadRow = errors.New("a row that budgets rest on was written around the program")

// RowMAC authenticates a row of meters or seen: HMAC-SHA256 under a key of the key file, cut to 16
// bytes. Whoever writes the database cannot make one, only put back an older row with its own: of an
// account's meter the chain (seq, last_n) then collides with the entries that came after it; what an
// account has seen never says more in an older row than in the newest (docs/threat-model.md).
type RowMAC [16]byte

// Domains of the keys.
const (
	meterDomain = "ledger/meters/v1"
	seenDomain  = "ledger/seen/v1"
)

// Sealer makes and checks the MACs of meters and seen. It belongs to one goroutine.
type Sealer struct {
	meters, seen hash.Hash
	row          []byte
}

// NewSealer makes a Sealer.
func NewSealer(k *keys.Keys) *Sealer {
	return &Sealer{meters: hmac.New(sha256.New, k.MAC(meterDomain)), seen: hmac.New(sha256.New, k.MAC(seenDomain))}
}

// Meter is the MAC of a holder's meter, chain included.
func (s *Sealer) Meter(h Holder, m *MeterRow) RowMAC {
	s.row = number(s.row[:0], h.ID, int64(h.Register), m.Seq, int64(m.LastN))
	s.row, _ = m.Meter.AppendBinary(s.row) // never fails
	return s.sum(s.meters)
}

// Seen is the MAC of what an account has seen of a person.
func (s *Sealer) Seen(p Pair, seen budget.Seen) RowMAC {
	s.row = number(s.row[:0], int64(p.Account), int64(p.Person), micros(seen.ChargedAt), int64(seen.Tier), int64(seen.Classes), micros(seen.LastAt))
	return s.sum(s.seen)
}

func (s *Sealer) sum(h hash.Hash) (mac RowMAC) {
	h.Reset()
	h.Write(s.row)
	s.row = h.Sum(s.row[:0])
	copy(mac[:], s.row)
	return mac
}

// micros is an instant as the row holds it: 0 = never.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func (m RowMAC) is(o RowMAC) bool { return hmac.Equal(m[:], o[:]) }

// authenticate leaves out of what was loaded what an account has seen in a row without a valid MAC: those
// persons are new to it. It answers the holders of dead meters.
func (b *batchWriter) authenticate() map[Holder]bool {
	seal := b.ledger.sealer
	for p, s := range b.state.Seen {
		if !s.MAC.is(seal.Seen(p, s.Seen)) {
			b.dead("seen", int64(p.Account), int64(p.Person))
			delete(b.state.Seen, p)
		}
	}
	var dead map[Holder]bool
	for h, m := range b.state.Meters {
		if !m.MAC.is(seal.Meter(h, &m)) {
			b.dead("meters", h.ID, int64(h.Register))
			dead = addTo(dead, h)
		}
	}
	return dead
}

func addTo(set map[Holder]bool, h Holder) map[Holder]bool {
	if set == nil {
		set = map[Holder]bool{}
	}
	set[h] = true
	return set
}

func (b *batchWriter) dead(table string, id, of int64) {
	b.ledger.log.Error("dead row: written around the program, ignored", "table", table, "row", id, "of", of)
}

// restsOn reports whether a submission would be charged to one of these meters, or chained behind it.
func (s *submission) restsOn(dead map[Holder]bool) bool {
	if len(dead) == 0 {
		return false
	}
	for i := range s.candidates {
		if slices.ContainsFunc(s.candidates[i].meters(), func(h Holder) bool { return dead[h] }) {
			return true
		}
	}
	return false
}

// seal gives the rows that are written their MACs.
func (b *batchWriter) seal() {
	seal := b.ledger.sealer
	for h, m := range b.writes.Meters {
		m.MAC = seal.Meter(h, &m)
		b.writes.Meters[h] = m
	}
	for p, s := range b.writes.Seen {
		s.MAC = seal.Seen(p, s.Seen)
		b.writes.Seen[p] = s
	}
}
