package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"ecluse/internal/bench"
)

func TestTheBenchMeasuresDemosThatRun(t *testing.T) {
	files := []string{filepath.Join(t.TempDir(), "small.json"), filepath.Join(t.TempDir(), "large.json")}
	for i, scale := range []string{"600", "1500"} {
		p, r := startDemo(t, t.TempDir(), "--scale", scale, "--preset", "mission-locale")
		defer p.stop()
		if err := r.Write(files[i]); err != nil {
			t.Fatal(err)
		}
	}
	text, messages, exit := runs(t, "bench", "demo", "--for", "2s", "--json", files[0], files[1])
	var result bench.DemoResult
	if err := json.Unmarshal([]byte(text), &result); err != nil || exit > 1 { // which of two is slower is chance
		t.Fatalf("status %d, %v: %s", exit, err, messages)
	}
	for _, d := range result.Demos {
		if d.Agents != 4 || d.Persons < 50 || d.Search.Acts == 0 || d.Disclose.P99 < d.Disclose.P50 || d.Disclose.P50 == 0 {
			t.Errorf("measured %+v", d)
		}
	}
	if len(result.Demos) != 2 || result.Slower <= 0 {
		t.Errorf("compared %+v", result)
	}
	if _, messages, exit := runs(t, "bench", "demo", "bench_test.go"); exit != 2 {
		t.Errorf("a file that no demo wrote: status %d, %s", exit, messages)
	}
}
