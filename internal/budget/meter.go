package budget

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// A series is one row of buckets of a Meter. The order is part of the stored form.
type series uint8

const (
	newHours series = iota
	outsideHours
	unexplainedHours
	totalHours
	searchHours
	emergencyHours
	linkHours
	newDays
	searchMinutes
	entryHours // entries of the ledger, whatever they are of
	refusalHours
	refusalMinutes
	seriesCount
)

// A span says how a series cuts time: enough buckets of so many minutes to cover the window whatever
// the place of the present instant in its bucket.
type span struct {
	window  time.Duration
	minutes int64 // length of one bucket
	buckets int64 // window / bucket + 1
	first   int64 // where the series begins in Meter.counts
}

var spans = [seriesCount]span{
	newHours:         {Day, 60, 25, 0},
	outsideHours:     {Day, 60, 25, 25},
	unexplainedHours: {Day, 60, 25, 50},
	totalHours:       {Day, 60, 25, 75},
	searchHours:      {Day, 60, 25, 100},
	emergencyHours:   {Day, 60, 25, 125},
	linkHours:        {Day, 60, 25, 150},
	newDays:          {Month, 24 * 60, 31, 175},
	searchMinutes:    {TenMinutes, 1, 11, 206},
	entryHours:       {Day, 4 * 60, 7, 217}, // coarse: up to four hours early
	refusalHours:     {Day, 4 * 60, 7, 224},
	refusalMinutes:   {TenMinutes, 1, 11, 231},
}

const bucketCount = 242

// Meter counts what one holder (an account, an organisation or a register) was charged in one
// register. The zero value is a meter that was never charged. It is a value: copy it to try something
// out, compare it with ==. It holds 976 bytes and no pointer; it is not safe for concurrent writes.
//
// Buckets are rings indexed by absolute minute, hour and day since 1970 UTC. A meter changes only by
// being charged, never by being read or by a refusal, so its state is a function of its charges.
type Meter struct {
	minute int64 // since 1970, of the newest charge: where every ring ends
	counts [bucketCount]uint32
}

// full is what Fill puts into a bucket: beyond every limit, far from overflow.
const full = 1 << 30

// Fill exhausts every budget for the 24 h after at, for a database restored from a backup may have
// forgotten charges. The budget of 30 days is left as it is, which would stop the account for as long, and
// so is what bounds the ledger.
func (m *Meter) Fill(at time.Time) {
	m.advance(m.at(at))
	for s := range seriesCount {
		if s != newDays && s < entryHours {
			m.add(s, full)
		}
	}
}

// at is the minute that counts for an act: never before the newest charge, so that a clock that goes
// back loses none, and never before 1970.
func (m *Meter) at(t time.Time) int64 { return max(m.minute, minuteOf(t)) }

func minuteOf(t time.Time) int64 { return max(0, t.Unix()/60) }

// bucket finds the bucket of s for a number of its units since 1970.
func (m *Meter) bucket(s series, unit int64) *uint32 {
	return &m.counts[spans[s].first+unit%spans[s].buckets]
}

// sum is what s counts over the window that ends at minute now, which is not before m.minute.
func (m *Meter) sum(s series, now int64) int {
	sp := &spans[s]
	newest := m.minute / sp.minutes
	gone := now/sp.minutes - newest // buckets of the window that are later than any charge
	if gone >= sp.buckets {
		return 0
	}
	ring, sum := m.counts[sp.first:sp.first+sp.buckets], 0
	if gone == 0 { // the usual case: every bucket counts, whatever its place
		for _, n := range ring {
			sum += int(n)
		}
		return sum
	}
	for i, unit := int64(0), newest; i < sp.buckets-gone && unit >= 0; i, unit = i+1, unit-1 {
		sum += int(ring[unit%sp.buckets])
	}
	return sum
}

// advance moves the end of every ring to minute now and empties the buckets that come round again.
func (m *Meter) advance(now int64) {
	for s := range seriesCount {
		sp := &spans[s]
		newest, unit := m.minute/sp.minutes, now/sp.minutes
		for i := max(newest, unit-sp.buckets) + 1; i <= unit; i++ {
			*m.bucket(s, i) = 0
		}
	}
	m.minute = now
}

// add counts n more in the newest bucket of s.
func (m *Meter) add(s series, n uint32) {
	b := m.bucket(s, m.minute/spans[s].minutes)
	*b = uint32(min(uint64(*b)+uint64(n), math.MaxUint32))
}

// holds reports whether the bucket of totalHours in which a person was last seen is still counted in
// the window that ends at minute now, which is not before m.minute.
func (m *Meter) holds(lastSeen time.Time, now int64) bool {
	sp, last := &spans[totalHours], minuteOf(lastSeen)
	unit := last / sp.minutes
	return last > 0 && last <= m.minute && unit > now/sp.minutes-sp.buckets && *m.bucket(totalHours, unit) > 0
}

// The stored form: a version byte, the newest minute as a varint, then one varint token for each
// filled bucket (count * 2) and for each run of empty ones (length * 2 + 1), series by series, each
// from its newest bucket back. Empty buckets at the very end are left out.
const meterVersion = 1

// ErrMeter is returned for bytes that no Meter has written: damage, or a version of the future.
var ErrMeter = errors.New("not the state of a meter")

var (
	_ encoding.BinaryAppender    = Meter{}
	_ encoding.BinaryMarshaler   = Meter{}
	_ encoding.BinaryUnmarshaler = (*Meter)(nil)
)

// MarshalBinary returns the stored form: 2 bytes when empty, below 330 under the default limits. Equal
// meters have equal bytes. It never fails.
func (m Meter) MarshalBinary() ([]byte, error) { return m.AppendBinary(make([]byte, 0, 256)) }

// AppendBinary appends the stored form to b. It never fails.
func (m Meter) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, meterVersion)
	b = binary.AppendUvarint(b, uint64(m.minute))
	empty := uint64(0)
	m.newestFirst(func(n *uint32) bool {
		if *n == 0 {
			empty++
			return true
		}
		if empty > 0 {
			b = binary.AppendUvarint(b, empty<<1|1)
			empty = 0
		}
		b = binary.AppendUvarint(b, uint64(*n)<<1)
		return true
	})
	return b, nil
}

// UnmarshalBinary accepts exactly what MarshalBinary writes; anything else is ErrMeter and leaves the
// meter as it was.
func (m *Meter) UnmarshalBinary(data []byte) error {
	if len(data) == 0 || data[0] != meterVersion {
		return fmt.Errorf("%w: unknown version", ErrMeter)
	}
	minute, n := binary.Uvarint(data[1:])
	if n <= 0 || minute > math.MaxInt64/60 {
		return fmt.Errorf("%w: no instant", ErrMeter)
	}
	read := Meter{minute: int64(minute)}
	if err := read.fill(data[1+n:]); err != nil {
		return err
	}
	// One form for one meter: what a second writing would change was not written by a meter.
	if again, _ := read.AppendBinary(make([]byte, 0, 320)); !bytes.Equal(again, data) {
		return fmt.Errorf("%w: not in the one form that is written", ErrMeter)
	}
	*m = read
	return nil
}

// fill reads the tokens into the buckets.
func (m *Meter) fill(tokens []byte) error {
	empty := uint64(0)
	ok := m.newestFirst(func(b *uint32) bool {
		if empty > 0 {
			empty--
			return true
		}
		if len(tokens) == 0 {
			return true
		}
		token, n := binary.Uvarint(tokens)
		if n <= 0 || token>>1 == 0 || token>>1 > math.MaxUint32 {
			return false
		}
		tokens = tokens[n:]
		if token&1 == 1 {
			empty = token>>1 - 1
		} else {
			*b = uint32(token >> 1)
		}
		return true
	})
	if !ok || len(tokens) > 0 || empty > 0 {
		return fmt.Errorf("%w: bad bucket", ErrMeter)
	}
	return nil
}

// newestFirst visits every bucket in the order of the stored form, until visit says no.
func (m *Meter) newestFirst(visit func(*uint32) bool) bool {
	for s := range seriesCount {
		sp := &spans[s]
		at := m.minute / sp.minutes % sp.buckets
		for range sp.buckets {
			if !visit(&m.counts[sp.first+at]) {
				return false
			}
			if at--; at < 0 {
				at = sp.buckets - 1
			}
		}
	}
	return true
}
