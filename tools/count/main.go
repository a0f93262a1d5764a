// Command count reads the output of "go test -json" on standard input, shows one line a package and
// whatever a failed test said, and ends with "N passed, N failed" on a line of its own.
//
// A skipped test is shown with its reason; with --forbid-skips it fails the run, as does a run in
// which no test ran at all. Exit status: 0 all passed, 1 not, 2 the input is not go test's.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is what the go command prints a line of (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Elapsed    float64
	Output     string
}

// tally adds up the events of one run.
type tally struct {
	passed, failed, skipped int
	forbidSkips             bool
	said                    map[string][]string // output by package and test, until it is known to be dull
	out                     io.Writer
}

func main() {
	t := &tally{forbidSkips: slices.Contains(os.Args[1:], "--forbid-skips"), said: map[string][]string{}, out: os.Stdout}
	if err := t.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "count:", err)
		os.Exit(2)
	}
	if !t.close() {
		os.Exit(1)
	}
}

func (t *tally) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(t.out, lines.Text()) // the go command itself speaks
			continue
		}
		t.take(e)
	}
	return lines.Err()
}

func (t *tally) take(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(t.out, e.Output)
	case "output":
		t.said[key] = append(t.said[key], e.Output)
	case "pass":
		if e.Test != "" {
			t.passed++
		} else {
			fmt.Fprintf(t.out, "ok   %s (%.1f s)\n", e.Package, e.Elapsed)
		}
		delete(t.said, key)
	case "fail":
		t.fail(e, key)
	case "skip":
		if e.Test != "" { // without a name: a package without tests
			t.skipped++
			fmt.Fprintf(t.out, "SKIP %s %s\n%s", e.Package, e.Test, strings.Join(t.said[key], ""))
		}
		delete(t.said, key)
	}
}

// fail shows what a test, or a package that did not come to its tests, said.
func (t *tally) fail(e event, key string) {
	if e.Test == "" {
		fmt.Fprintf(t.out, "FAIL %s (%.1f s)\n%s", e.Package, e.Elapsed, strings.Join(t.said[key], ""))
		t.failed++ // the package itself counts: it may have failed without a failing test
	} else {
		t.failed++
		fmt.Fprintf(t.out, "FAIL %s %s\n%s", e.Package, e.Test, strings.Join(t.said[key], ""))
	}
	delete(t.said, key)
}

// close prints the last line and reports whether the run is good.
func (t *tally) close() bool {
	if t.forbidSkips && t.skipped > 0 {
		fmt.Fprintf(t.out, "%d skipped, and no skip is accepted here\n", t.skipped)
		t.failed += t.skipped
	}
	if t.passed == 0 && t.failed == 0 {
		fmt.Fprintln(t.out, "no test ran")
		t.failed++
	}
	fmt.Fprintf(t.out, "%d passed, %d failed\n", t.passed, t.failed)
	return t.failed == 0
}
