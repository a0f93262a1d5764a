package intake

import (
	"sync"
	"time"
)

// Phase is what an import is at.
type Phase string

// The phases, in their order.
const (
	Looking    Phase = "looking"    // first reading: digest and encoding
	Importing  Phase = "importing"  // second reading: rows
	Publishing Phase = "publishing" // indexes, then the one act
)

// Progress is how far an import is.
type Progress struct {
	Phase      Phase
	Rows       int64 // read
	Rejected   int64
	Done       int64 // bytes of the file read in this phase; publishing: what the writer counts
	Total      int64 // of as many
	RowsPerSec float64
	Elapsed    time.Duration // since the beginning
	Left       time.Duration // of this phase, estimated; 0 = not known yet
}

// meter turns counts into Progress. It is called by the reader and by the writer's goroutine.
type meter struct {
	now   func() time.Time
	tell  func(Progress)
	began time.Time

	mu    sync.Mutex
	since time.Time // of the phase
	last  time.Time // told
	at    Progress
}

func newMeter(now func() time.Time, tell func(Progress)) *meter {
	t := now()
	return &meter{now: now, tell: tell, began: t, since: t, at: Progress{Phase: Looking}}
}

func (m *meter) elapsed() time.Duration { return m.now().Sub(m.began) }

// looked is the first reading's count of bytes.
func (m *meter) looked(read, size int64) {
	m.step(func(p *Progress) { p.Done, p.Total = read, size })
}

// rows is the second reading's count.
func (m *meter) rows(rows, rejected, read, size int64) {
	m.phase(Importing)
	m.step(func(p *Progress) { p.Rows, p.Rejected, p.Done, p.Total = rows, rejected, read, size })
}

// published is the writer's count of what it still has to write.
func (m *meter) published(done, total int64) {
	m.step(func(p *Progress) { p.Done, p.Total = done, total })
}

// phase begins a phase, unless it has begun.
func (m *meter) phase(p Phase) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at.Phase != p {
		m.at.Phase, m.at.Done, m.at.Total, m.since, m.last = p, 0, 0, m.now(), time.Time{}
	}
}

// step changes the state and tells it, unless it was told less than 100 ms ago and is not complete.
func (m *meter) step(change func(*Progress)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.at)
	if m.tell == nil {
		return
	}
	now := m.now()
	if now.Sub(m.last) < 100*time.Millisecond && m.at.Done < m.at.Total {
		return
	}
	m.last = now
	spent := now.Sub(m.since)
	m.at.Elapsed, m.at.Left = now.Sub(m.began), 0
	if s := spent.Seconds(); s > 0 && m.at.Phase == Importing {
		m.at.RowsPerSec = float64(m.at.Rows) / s
	}
	if m.at.Done > 0 && spent > 0 {
		m.at.Left = time.Duration(float64(spent) * float64(m.at.Total-m.at.Done) / float64(m.at.Done))
	}
	m.tell(m.at)
}
