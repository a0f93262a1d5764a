package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ecluse/internal/config"
)

// TestMain lets the scripts run the real main as "ecluse".
func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"ecluse": main}) }

// TestScripts runs testdata/*.txtar; status and gzip (below) are the commands beside testscript's own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "gzip": compress},
	})
}

// status N COMMAND… runs the command and wants exactly that exit status.
func status(ts *testscript.TestScript, negated bool, arguments []string) {
	if negated || len(arguments) < 2 {
		ts.Fatalf("usage: status N COMMAND [ARGUMENT…]")
	}
	err := ts.Exec(arguments[1], arguments[2:]...)
	got := "0"
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		got = fmt.Sprint(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("run %s: %v", arguments[1], err)
	}
	if got != arguments[0] {
		ts.Fatalf("exit status %s, want %s", got, arguments[0])
	}
}

// compress is gzip FILE: it leaves FILE.gz.
func compress(ts *testscript.TestScript, negated bool, arguments []string) {
	if negated || len(arguments) != 1 {
		ts.Fatalf("usage: gzip FILE")
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte(ts.ReadFile(arguments[0])))
	ts.Check(errors.Join(err, w.Close()))
	ts.Check(os.WriteFile(ts.MkAbs(arguments[0]+".gz"), packed.Bytes(), 0o600))
}

func TestEachKindOfFailureHasItsExitStatus(t *testing.T) {
	cause := errors.New("the cause")
	tests := map[string]struct {
		err    error
		status int
		text   string
	}{
		"none":         {nil, 0, ""},
		"bad answer":   {badAnswer(cause, ""), 1, "ecluse: the cause\n"},
		"wrong use":    {wrongUse(cause, "do this"), 2, "ecluse: the cause\necluse: hint: do this\n"},
		"problems":     {config.Problems{{File: "f", Line: 1, Column: 2, Key: "a.b", Text: "no"}}, 3, "ecluse: f:1:2: a.b: no\n"},
		"configured":   {misconfigured(cause, ""), 3, "ecluse: the cause\n"},
		"refused":      {fmt.Errorf("import: %w", refused(cause, "ask")), 4, "ecluse: the cause\necluse: hint: ask\n"},
		"interrupted":  {fmt.Errorf("import: %w", context.Canceled), 5, "ecluse: interrupted\n"},
		"nobody knows": {fmt.Errorf("open: %w", cause), 5, "ecluse: open: the cause\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if got := explain(&out, test.err); got != test.status || out.String() != test.text {
				t.Errorf("status %d and %q", got, out.String())
			}
		})
	}
}
