package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/demo"
)

// DemoSetting is what `ecluse bench demo` measures: demos that run.
type DemoSetting struct {
	Ready  []string      // the files that they wrote (demo --ready), one or two
	Length time.Duration // of the measure
	Rate   int           // rounds a second; each is one search and one disclosure of every demo
	Now    func() time.Time
	Step   func(what string, done float64)
}

// DemoResult is what their agents wait for. Of two demos, the second is compared with the first.
type DemoResult struct {
	Demos []DemoTimes `json:"demos"`
	// Slower is how many times as long as the first the second takes for its slowest of a hundred: the
	// worse of both acts; 0 = there is one only.
	Slower float64 `json:"slower"`
}

// DemoTimes are the answer times of one demo.
type DemoTimes struct {
	URL      string  `json:"base_url"`
	Agents   int     `json:"agents"`
	Persons  int     `json:"persons"` // of their caseloads, who are searched and opened
	Search   Latency `json:"search"`
	Disclose Latency `json:"disclose"`
}

// Latency is how long an act takes, request to last byte of the answer.
type Latency struct {
	Acts  int           `json:"acts"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	times []time.Duration
}

// Bearable is how many times as slow as a small register a large one may be (DemoResult.Slower).
const Bearable = 2

// Demos has agents of demos that run search and open their own persons, which no budget of new persons
// counts: one act after the other, and the demos in turn, so that all see the same machine at the same time.
// An answer other than 200 ends it with an error.
func Demos(ctx context.Context, s DemoSetting) (DemoResult, error) {
	var visited []*visited
	for _, file := range s.Ready {
		v, err := visit(ctx, file, s)
		if err != nil {
			return DemoResult{}, fmt.Errorf("%s: %w", file, err)
		}
		visited = append(visited, v)
	}
	began := s.Now()
	tick := time.NewTicker(time.Second / time.Duration(s.Rate))
	defer tick.Stop()
	for i := 0; ; i++ {
		past := s.Now().Sub(began)
		if past >= s.Length {
			return compared(visited), nil
		}
		s.Step("searching and opening", float64(past)/float64(s.Length))
		for _, v := range visited {
			if err := v.round(ctx, i, s.Now); err != nil {
				return DemoResult{}, fmt.Errorf("%s: %w", v.URL, err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return DemoResult{}, ctx.Err()
		}
	}
}

// visited is a demo under measure.
type visited struct {
	DemoTimes
	people []own
}

// own is a person of the caseload of an agent who is signed in at a door.
type own struct {
	door  *demo.Door
	query map[string]string
}

// visit signs the agents of a demo in and reads their caseloads. Neighbours in the list of people belong to
// different agents.
func visit(ctx context.Context, file string, s DemoSetting) (*visited, error) {
	ready, err := demo.ReadReady(file)
	if err != nil {
		return nil, err
	}
	v := &visited{DemoTimes: DemoTimes{URL: ready.BaseURL}}
	var lists [][]own
	for _, i := range ready.Identities {
		if i.Register != register || i.Role != ecluse.RoleAgent {
			continue
		}
		s.Step("signing in", -1)
		door := demo.NewDoor(ready.BaseURL, nil)
		if in, err := door.SignIn(ctx, demo.SignIn{Login: i.Login}); err != nil || !in {
			return nil, errors.Join(err, fmt.Errorf("%s cannot sign in", i.Login))
		}
		list, err := caseloadOf(ctx, door)
		if err != nil {
			return nil, err
		}
		lists = append(lists, list)
		v.Agents++
	}
	for n, more := 0, true; more; n++ {
		more = false
		for _, list := range lists {
			if n < len(list) {
				v.people, more = append(v.people, list[n]), true
			}
		}
	}
	if v.Persons = len(v.people); v.Persons == 0 {
		return nil, fmt.Errorf("it has no agent of register %s who follows anybody", register)
	}
	return v, nil
}

// caseloadOf reads the caseload of an agent, page after page.
func caseloadOf(ctx context.Context, door *demo.Door) (list []own, err error) {
	for next := ""; ; {
		var page struct {
			Persons []struct{ Fields map[string]string }
			Next    string
		}
		if err := door.Read(ctx, caseloadPath(next), &page); err != nil {
			return nil, fmt.Errorf("read a caseload: %w", err)
		}
		for _, p := range page.Persons {
			query := map[string]string{}
			for _, name := range []string{"surname", "first_name", "birth_date"} {
				query[name] = p.Fields[name]
			}
			list = append(list, own{door, query})
		}
		if next = page.Next; next == "" {
			return list, nil
		}
	}
}

// round searches for one person and opens her.
func (v *visited) round(ctx context.Context, i int, now func() time.Time) error {
	p := v.people[i%len(v.people)]
	found, err := p.ask(ctx, &v.Search, now, "/search", map[string]any{"purpose": purpose, "query": p.query})
	if err != nil {
		return err
	}
	hits, _ := found["hits"].([]any)
	if len(hits) == 0 {
		return errors.New("a person of the caseload is not found")
	}
	hit, _ := hits[0].(map[string]any)
	_, err = p.ask(ctx, &v.Disclose, now, fmt.Sprintf("/persons/%s/disclose", hit["handle"]), map[string]any{"purpose": purpose})
	return err
}

// ask takes the time of one request.
func (p own) ask(ctx context.Context, l *Latency, now func() time.Time, path string, body any) (map[string]any, error) {
	began := now()
	answer, err := p.door.Post(ctx, "/registers/"+register+path, body)
	l.times = append(l.times, now().Sub(began))
	return answer, err
}

func (l *Latency) sum() {
	slices.Sort(l.times)
	if n := len(l.times); n > 0 {
		l.Acts, l.P50, l.P99 = n, l.times[n/2], l.times[n*99/100]
	}
}

func compared(all []*visited) (r DemoResult) {
	for _, v := range all {
		v.Search.sum()
		v.Disclose.sum()
		r.Demos = append(r.Demos, v.DemoTimes)
	}
	if len(r.Demos) == 2 {
		first, second := r.Demos[0], r.Demos[1]
		r.Slower = max(float64(second.Search.P99)/float64(first.Search.P99), float64(second.Disclose.P99)/float64(first.Disclose.P99))
	}
	return r
}

// Write prints the result for people.
func (r DemoResult) Write(w io.Writer) error {
	for _, d := range r.Demos {
		fmt.Fprintf(w, "%s, %d agents, %d persons of theirs\n", d.URL, d.Agents, d.Persons)
		for _, act := range []struct {
			name string
			Latency
		}{{"search", d.Search}, {"disclose", d.Disclose}} {
			fmt.Fprintf(w, "  %-9s p50 %-8s p99 %-8s (%d)\n", act.name, act.P50.Round(10*time.Microsecond), act.P99.Round(10*time.Microsecond), act.Acts)
		}
	}
	if r.Slower > 0 {
		fmt.Fprintf(w, "the slowest of a hundred take %.2f times as long in the second (to bear: %d)\n", r.Slower, Bearable)
	}
	return nil
}
