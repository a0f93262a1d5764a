package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"ecluse/internal/demo"
)

// OracleSetting is what `ecluse bench oracle` measures.
type OracleSetting struct {
	Setting
	Searches int // of each kind
}

// OracleResult compares how long searches take that must not be told apart.
type OracleResult struct {
	Engine     string        `json:"engine"`
	Searches   int           `json:"searches"`
	Unknown    time.Duration `json:"unknown_median_ns"`
	Outside    time.Duration `json:"outside_median_ns"`
	Difference time.Duration `json:"difference_ns"`
	// Noise is the difference of medians between two halves of the unknown: what chance alone makes.
	Noise time.Duration `json:"noise_ns"`
	// SameLength: every answer to an agent had as many bytes as every other, apart from the digits of its
	// own meter.
	SameLength bool `json:"same_length"`
}

// Oracle searches, in turn, for people whom the register does not hold and for people whom it holds
// outside the mandate, and compares the times.
func Oracle(ctx context.Context, s OracleSetting) (OracleResult, error) {
	s.Agents = 40
	st, err := start(ctx, s.Setting)
	if err != nil {
		return OracleResult{}, err
	}
	if err := st.signIn(s.Setting, false); err != nil {
		return OracleResult{}, errors.Join(err, st.stop())
	}
	r, err := st.oracle(ctx, s)
	return r, errors.Join(err, st.stop())
}

const searchesPerWindow = 14 // of one agent, before the next would be refused

func (st *stage) oracle(ctx context.Context, s OracleSetting) (OracleResult, error) {
	r := OracleResult{Engine: st.demo.Node.Store.Engine(), Searches: s.Searches, SameLength: true}
	outside := outsiders(st.demo)
	if len(outside) == 0 {
		return r, errors.New("nobody of the register is outside the mandate")
	}
	c, err := st.dial()
	if err != nil {
		return r, err
	}
	defer func() { c.close() }()
	var times [2][]time.Duration
	lengths, sent := map[string]int{}, 0 // an agent's own limits are in the answer
	for i := 0; len(times[0]) < s.Searches; i++ {
		if sent == searchesPerWindow*len(st.agents) {
			// A day later everybody may search again, and has to sign in again.
			if err := st.nextDay(ctx, s.Setting); err != nil {
				return r, err
			}
			sent = 0
		}
		p := outside[i/2%len(outside)]
		kind := i % 2
		if kind == 0 {
			p.Surname += "zz"
		}
		asker := st.agents[sent%len(st.agents)]
		request, err := st.post(asker, "/api/v1/registers/"+register+"/search", map[string]any{
			"purpose": purpose, "query": map[string]string{"surname": p.Surname, "first_name": p.FirstName, "birth_date": p.BirthDate},
		})
		if err != nil {
			return r, err
		}
		began := s.Now()
		status, body, err := c.do(request)
		took := s.Now().Sub(began)
		if err != nil {
			return r, err
		}
		sent++
		if status != 200 {
			return r, fmt.Errorf("a search answers %d", status)
		}
		if lengths[asker.login] == 0 {
			lengths[asker.login] = len(body)
		}
		r.SameLength = r.SameLength && math.Abs(float64(lengths[asker.login]-len(body))) <= countDigits
		times[kind] = append(times[kind], took)
		s.Step("searching", float64(len(times[0]))/float64(s.Searches))
	}
	half := len(times[0]) / 2
	r.Noise = (median(times[0][:half]) - median(times[0][half:])).Abs()
	r.Unknown, r.Outside = median(times[0]), median(times[1])
	r.Difference = (r.Unknown - r.Outside).Abs()
	return r, nil
}

// countDigits is by how much answers may differ because the caller's own meter in them has one more
// digit.
const countDigits = 2

func (st *stage) nextDay(ctx context.Context, s Setting) error {
	if err := st.demo.Node.AdvanceClock(ctx, 26*time.Hour); err != nil {
		return err
	}
	st.agents = nil
	return st.signIn(s, false)
}

func outsiders(d *demo.Demo) []demo.Sample {
	var list []demo.Sample
	for _, s := range d.Ready("").Samples {
		if s.Relation == "outside" {
			list = append(list, s)
		}
	}
	return list
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}

// Write prints the result for people.
func (r OracleResult) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s, %d searches of each kind\n  unknown         median %s\n  outside mandate median %s\n  difference      %s (two halves of the unknown differ by %s)\n  same length     %v\n",
		r.Engine, r.Searches, r.Unknown.Round(time.Microsecond), r.Outside.Round(time.Microsecond), r.Difference.Round(100*time.Nanosecond), r.Noise.Round(100*time.Nanosecond), r.SameLength)
	return err
}
