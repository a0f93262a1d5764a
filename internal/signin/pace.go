package signin

import (
	"sync"
	"time"
)

// pace counts what happens within a window, by who does it, on this node. Its memory is bounded: when it
// is full it forgets everybody.
type pace struct {
	window time.Duration
	mu     sync.Mutex
	counts map[string]tally
}

type tally struct {
	since time.Time
	n     int
}

// maxPaced is how many are counted at once.
const maxPaced = 10_000

func newPace(window time.Duration) *pace { return &pace{window: window, counts: map[string]tally{}} }

// count counts one more and says how many that makes in the window that is running.
func (p *pace) count(who string, at time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, known := p.counts[who]
	if !known && len(p.counts) >= maxPaced {
		clear(p.counts)
	}
	if !known || at.Sub(t.since).Abs() >= p.window {
		t = tally{since: at}
	}
	t.n++
	p.counts[who] = t
	return t.n
}
