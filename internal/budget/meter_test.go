package budget

import (
	"errors"
	"math"
	"testing"
	"time"

	"ecluse"
)

// worstMeter is the meter of an account that used up every default budget in the most scattered way.
func worstMeter() Meter {
	m, l := Meter{}, Default()
	l.Total24h = 400
	spread := func(s series, limit int) {
		for i := range limit {
			m.counts[spans[s].first+int64(i)%spans[s].buckets]++
		}
	}
	m.minute = minuteOf(monday.AddDate(200, 0, 0))
	spread(newHours, l.New24h)
	spread(outsideHours, l.Outside24h)
	spread(unexplainedHours, l.Unexplained24h)
	spread(totalHours, l.Total24h)
	spread(searchHours, l.Search24h)
	spread(emergencyHours, l.Emergency24h)
	spread(linkHours, l.Links24h)
	spread(newDays, l.New30d)
	spread(searchMinutes, l.Search10min)
	spread(entryHours, Entries24h)
	spread(refusalHours, Refusals24h)
	spread(refusalMinutes, Refusals10min)
	return m
}

func TestAMeterFitsInto330Bytes(t *testing.T) {
	for name, c := range map[string]struct {
		meter Meter
		most  int
	}{
		"empty":  {Meter{}, 2},
		"one":    {oneCharge(), 40},
		"worst":  {worstMeter(), 330},
		"filled": {filled(), 120},
	} {
		b, err := c.meter.MarshalBinary()
		if err != nil || len(b) > c.most {
			t.Errorf("%s: %d bytes (%v), want at most %d", name, len(b), err, c.most)
		}
		var again Meter
		if err := again.UnmarshalBinary(b); err != nil || again != c.meter {
			t.Errorf("%s: does not come back: %v", name, err)
		}
	}
}

func oneCharge() Meter {
	m := Meters{new(Meter), new(Meter), new(Meter)}
	Apply(m, Seen{}, Charge{Act: Disclose, Tier: ecluse.Unexplained, Classes: names}, monday)
	return *m.Account
}

func filled() Meter {
	var m Meter
	m.Fill(monday)
	return m
}

func TestAFullBucketStaysFull(t *testing.T) {
	m := Meter{minute: minuteOf(monday)}
	*m.bucket(newHours, m.minute/60) = math.MaxUint32
	m.charge(cost(0).with(newHours), m.minute)
	if got := *m.bucket(newHours, m.minute/60); got != math.MaxUint32 {
		t.Errorf("a full bucket became %d", got)
	}
}

func TestGarbageIsNotTheStateOfAMeter(t *testing.T) {
	good, _ := oneCharge().MarshalBinary()
	cases := map[string][]byte{
		"nothing":                nil,
		"another version":        append([]byte{2}, good[1:]...),
		"no instant":             {1},
		"an endless varint":      {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"an instant beyond time": {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"an empty run":           {1, 0, 1},
		"an empty bucket":        {1, 0, 0},
		"a run at the end":       {1, 0, 2, 3},
		"two runs in a row":      {1, 0, 3, 3, 2},
		"a run beyond the end":   {1, 0, 0xff, 0x07},
		"a count beyond uint32":  {1, 0, 0x80, 0x80, 0x80, 0x80, 0x20},
		"a long varint":          {1, 0, 0x82, 0x00},
		"bytes after the end":    append(append([]byte{1, 0}, make([]byte, 0)...), func() []byte { return repeat(2, bucketCount+1) }()...),
	}
	for name, b := range cases {
		m := oneCharge()
		if err := m.UnmarshalBinary(b); !errors.Is(err, ErrMeter) {
			t.Errorf("%s: %v, want ErrMeter", name, err)
		}
		if m != oneCharge() {
			t.Errorf("%s: the meter changed", name)
		}
	}
}

func repeat(b byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}

func FuzzMeterReadsExactlyWhatItWrites(f *testing.F) {
	for _, m := range []Meter{{}, oneCharge(), worstMeter(), filled()} {
		b, _ := m.MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m Meter
		if err := m.UnmarshalBinary(data); err != nil {
			if !errors.Is(err, ErrMeter) || m != (Meter{}) {
				t.Fatalf("bad refusal: %v", err)
			}
			return
		}
		if again, _ := m.MarshalBinary(); string(again) != string(data) {
			t.Fatalf("read %x, wrote %x", data, again)
		}
		Readings(&m, Charge{Limits: Default()}, monday) // must not fail on any meter that can be read
		seen := Apply(Meters{&m, new(Meter), new(Meter)}, Seen{LastAt: monday}, Charge{Act: Disclose, Tier: 1}, monday.Add(time.Hour))
		if seen.LastAt.IsZero() {
			t.Fatal("a charge left no trace")
		}
	})
}

var charge = Charge{Act: Disclose, Tier: ecluse.Unexplained, Classes: names, Limits: Limits{
	Unexplained24h: math.MaxInt, Outside24h: math.MaxInt, New24h: math.MaxInt, New30d: math.MaxInt, Total24h: math.MaxInt,
}, OrganisationNew24h: math.MaxInt, RegisterNew24h: math.MaxInt}

func TestAnAdmissionAllocatesNothing(t *testing.T) {
	m, at := Meters{new(Meter), new(Meter), new(Meter)}, monday
	if n := testing.AllocsPerRun(1000, func() {
		_, seen := Admit(m, Seen{}, charge, at)
		at = at.Add(time.Minute)
		Admit(m, seen, charge, at)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdmit(b *testing.B) {
	known := Seen{ChargedAt: monday, Tier: ecluse.Unexplained, Classes: names, LastAt: monday}
	refused := charge
	refused.Limits.Unexplained24h = 0
	for _, c := range []struct {
		name   string
		charge Charge
		seen   Seen
	}{{"new", charge, Seen{}}, {"known", charge, known}, {"refused", refused, Seen{}}} {
		b.Run(c.name, func(b *testing.B) {
			m, at := Meters{new(Meter), new(Meter), new(Meter)}, monday
			b.ReportAllocs()
			for b.Loop() {
				at = at.Add(time.Second)
				Admit(m, c.seen, c.charge, at)
			}
		})
	}
}

func BenchmarkMeter(b *testing.B) {
	m := worstMeter()
	buf, _ := m.MarshalBinary()
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf, _ = m.AppendBinary(buf[:0])
		}
	})
	b.Run("unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := m.UnmarshalBinary(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}
