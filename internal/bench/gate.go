package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// GateSetting is what `ecluse bench gate` measures.
type GateSetting struct {
	Setting
	Clients     int           // connections at once
	Preload     int64         // entries in the ledger before the measure
	Length      time.Duration // of the measure, if Disclosures is 0
	Disclosures int64         // measure so many instead
	Profile     io.Writer     // CPU profile of the measure, nil = none
}

// GateResult is what it found.
type GateResult struct {
	Engine      string        `json:"engine"`
	Preloaded   int64         `json:"preloaded_entries"`
	Clients     int           `json:"clients"`
	Agents      int           `json:"agents"`
	Disclosures int64         `json:"disclosures"`
	Refused     int64         `json:"refused"`
	Busy        int64         `json:"busy"`
	PerSecond   float64       `json:"disclosures_per_second"`
	P50         time.Duration `json:"p50_ns"`
	P99         time.Duration `json:"p99_ns"`
	Batch       float64       `json:"entries_per_batch"`
	CommitP50   time.Duration `json:"commit_p50_ns"` // a transaction, lock to durable
	CommitP99   time.Duration `json:"commit_p99_ns"`
	Raw         float64       `json:"raw_rows_per_second"` // entries of the yardstick a second
	Ratio       float64       `json:"ratio"`
	Memory      []MemoryPoint `json:"memory"`
}

// MemoryPoint is the memory held after so many disclosures.
type MemoryPoint struct {
	Disclosures int64 `json:"disclosures"`
	Heap        int64 `json:"heap_bytes"`
	Resident    int64 `json:"resident_bytes"`
}

// Gate measures disclosures over HTTP, then raw inserts of the same rows in batches of the same sizes.
func Gate(ctx context.Context, s GateSetting) (GateResult, error) {
	st, err := start(ctx, s.Setting)
	if err != nil {
		return GateResult{}, err
	}
	r := GateResult{Engine: st.demo.Node.Store.Engine(), Clients: s.Clients}
	if r.Preloaded, err = preload(ctx, st.demo.Node, s); err != nil {
		return r, errors.Join(err, st.stop())
	}
	if err := st.signIn(s.Setting, true); err != nil {
		return r, errors.Join(err, st.stop())
	}
	r.Agents = len(st.agents)
	sizes := watchBatches(st.demo.Node)
	if err := st.measure(ctx, s, &r); err != nil {
		return r, errors.Join(err, st.stop())
	}
	taken, times := sizes.stop()
	if len(taken) == 0 {
		return r, errors.Join(errors.New("nothing was measured"), st.stop())
	}
	r.CommitP50, r.CommitP99 = times[len(times)/2], times[len(times)*99/100]
	r.Batch = float64(sum(taken)) / float64(len(taken))
	if r.Raw, err = raw(ctx, st.demo.Node, taken, s); err != nil {
		return r, errors.Join(err, st.stop())
	}
	r.Ratio = r.PerSecond / r.Raw
	return r, st.stop()
}

// Write prints the result for people.
func (r GateResult) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, `%s, %d entries before, %d agents on %d connections
  disclosures over HTTP   %9.0f /s   (%d, refused %d, busy %d)
  answer times            p50 %s, p99 %s
  entries a transaction   %9.1f   (p50 %s, p99 %s)
  raw inserts, same rows  %9.0f /s
  ratio                   %9.2f
`, r.Engine, r.Preloaded, r.Agents, r.Clients, r.PerSecond, r.Disclosures, r.Refused, r.Busy, r.P50.Round(10*time.Microsecond),
		r.P99.Round(10*time.Microsecond), r.Batch, r.CommitP50.Round(10*time.Microsecond), r.CommitP99.Round(10*time.Microsecond), r.Raw, r.Ratio)
	for _, m := range r.Memory {
		_, _ = fmt.Fprintf(w, "  memory after %9d disclosures: heap %4d MB, resident %4d MB\n", m.Disclosures, m.Heap>>20, m.Resident>>20)
	}
	return err
}

// run is one measure under way.
type run struct {
	requests [][]byte
	next     atomic.Int64
	limit    int64
	until    time.Time
	now      func() time.Time
	done     atomic.Int64
	refused  atomic.Int64
	busy     atomic.Int64
	mu       sync.Mutex
	times    []time.Duration
	err      error
}

// measure lets every client send, one request at a time, until the end.
func (st *stage) measure(ctx context.Context, s GateSetting, r *GateResult) error {
	m := &run{now: s.Now, limit: s.Disclosures}
	for _, a := range st.agents {
		for _, h := range a.handles {
			request, err := st.post(a, "/api/v1/registers/"+register+"/persons/"+h+"/disclose", map[string]string{"purpose": purpose})
			if err != nil {
				return err
			}
			m.requests = append(m.requests, request)
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(m.requests), func(i, j int) { m.requests[i], m.requests[j] = m.requests[j], m.requests[i] })
	if s.Profile != nil {
		if err := pprof.StartCPUProfile(s.Profile); err != nil {
			return fmt.Errorf("profile the measure: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	began := s.Now()
	m.until = began.Add(s.Length)
	watch, stopWatch := context.WithCancel(ctx)
	var watched sync.WaitGroup
	watched.Go(func() { r.Memory = m.watchMemory(watch, s) })
	var clients sync.WaitGroup
	for range s.Clients {
		clients.Go(func() { m.client(ctx, st) })
	}
	clients.Wait()
	took := s.Now().Sub(began)
	stopWatch()
	watched.Wait()
	if m.err != nil {
		return m.err
	}
	r.Disclosures, r.Refused, r.Busy = m.done.Load(), m.refused.Load(), m.busy.Load()
	r.PerSecond = float64(r.Disclosures) / took.Seconds()
	slices.Sort(m.times)
	if n := len(m.times); n > 0 {
		r.P50, r.P99 = m.times[n/2], m.times[n*99/100]
	}
	return nil
}

func (m *run) client(ctx context.Context, st *stage) {
	c, err := st.dial()
	if err != nil {
		m.fail(err)
		return
	}
	defer c.close()
	var times []time.Duration
	for ctx.Err() == nil {
		i := m.next.Add(1) - 1
		if m.limit > 0 && i >= m.limit || m.limit == 0 && i&15 == 0 && !m.now().Before(m.until) {
			break
		}
		began := m.now()
		status, _, err := c.do(m.requests[i%int64(len(m.requests))])
		if err != nil {
			m.fail(err)
			break
		}
		times = append(times, m.now().Sub(began))
		m.count(status)
		if m.limit == 0 && !m.now().Before(m.until) {
			break
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.times = append(m.times, times...)
}

func (m *run) count(status int) {
	switch {
	case status == 200:
		m.done.Add(1)
	case status == 503:
		m.busy.Add(1)
	default:
		m.refused.Add(1)
	}
}

func (m *run) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = errors.Join(m.err, err)
}

// watchMemory notes the memory ten times over a measure of a number of disclosures, or every ten
// seconds.
func (m *run) watchMemory(ctx context.Context, s GateSetting) []MemoryPoint {
	every := max(s.Disclosures/10, 1)
	var points []MemoryPoint
	note := func() {
		heap, resident := memory()
		points = append(points, MemoryPoint{Disclosures: m.done.Load(), Heap: heap, Resident: resident})
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for last, ticks := int64(0), 0; ; ticks++ {
		select {
		case <-ctx.Done():
			note()
			return points
		case <-tick.C:
			done := m.done.Load()
			if s.Disclosures > 0 && done/every > last/every || s.Disclosures == 0 && ticks%50 == 0 {
				note()
				last = done
			}
			s.Step("measuring", -1)
		}
	}
}

func sum(sizes []int) (n int) {
	for _, s := range sizes {
		n += s
	}
	return n
}
