package budget

import (
	"testing"
	"time"
)

// The bound of entries never lets a window hold more, and ends when the window is past.
func TestAnAccountHasABoundOfRefusalsAndEntries(t *testing.T) {
	for name, c := range map[string]struct {
		every   time.Duration
		refused bool
		most    int
		within  time.Duration
	}{
		"refusals in ten minutes": {time.Second, true, Refusals10min, TenMinutes},
		"refusals in a day":       {time.Minute, true, Refusals24h, Day},
		"entries in a day":        {time.Second, false, Entries24h, Day},
	} {
		t.Run(name, func(t *testing.T) {
			var m Meter
			at, done := monday, 0
			for ; !m.Flooded(at); at = at.Add(c.every) {
				m.Count(at, c.refused)
				if done++; done > 10*c.most {
					t.Fatal("there is no bound")
				}
			}
			if done != c.most {
				t.Errorf("after %d, want %d", done, c.most)
			}
			if m.Flooded(monday.Add(c.within-time.Second)) == false {
				t.Error("it ends before the window does")
			}
			if m.Flooded(at.Add(c.within + 4*time.Hour)) {
				t.Error("it does not end")
			}
		})
	}
}

func TestARestoreDoesNotStopTheLedger(t *testing.T) {
	var m Meter
	m.Fill(monday)
	if m.Flooded(monday) {
		t.Error("a filled meter admits no entry at all")
	}
}
