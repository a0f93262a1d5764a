package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"ecluse/internal/config"
)

// The exit statuses, which scripts rely on.
const (
	statusDone     = 0
	statusBad      = 1 // done, and the answer is bad: proof broken, findings
	statusWrongUse = 2
	statusConfig   = 3
	statusRefused  = 4
	statusInternal = 5
)

// failure is an error with its exit status and what to do about it.
type failure struct {
	status int
	cause  error
	hint   string // "" = none
}

func (f *failure) Error() string { return f.cause.Error() }
func (f *failure) Unwrap() error { return f.cause }

// badAnswer ends with status 1: the command did its work and the answer is bad.
func badAnswer(err error, hint string) error { return &failure{statusBad, err, hint} }

// wrongUse ends with status 2: flags or arguments that make no sense.
func wrongUse(err error, hint string) error { return &failure{statusWrongUse, err, hint} }

// misconfigured ends with status 3: the configuration, or what it refers to, must be mended first.
func misconfigured(err error, hint string) error { return &failure{statusConfig, err, hint} }

// refused ends with status 4: the program could and may not.
func refused(err error, hint string) error { return &failure{statusRefused, err, hint} }

// explain writes err for the operator and returns the exit status. Any error that nobody gave a
// status is internal.
func explain(w io.Writer, err error) int {
	var problems config.Problems
	var f *failure
	switch {
	case err == nil:
		return statusDone
	case errors.As(err, &problems):
		for _, p := range problems {
			say(w, p.Error(), p.Hint)
		}
		return statusConfig
	case errors.As(err, &f):
		say(w, f.Error(), f.hint)
		return f.status
	case errors.Is(err, context.Canceled):
		say(w, "interrupted", "")
		return statusInternal
	}
	say(w, err.Error(), "")
	return statusInternal
}

func say(w io.Writer, text, hint string) {
	_, _ = fmt.Fprintf(w, "ecluse: %s\n", text)
	if hint != "" {
		_, _ = fmt.Fprintf(w, "ecluse: hint: %s\n", hint)
	}
}
