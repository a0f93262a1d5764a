package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ecluse/internal/node"
)

type retentionCommand struct {
	configFlag
	DryRun      bool `help:"Say what would be removed, and remove nothing."`
	AcceptClock bool `help:"Go on although the ledger was silent for more than 40 days."`
	JSON        bool `name:"json" help:"Print the summary as JSON."`
}

func (c retentionCommand) Run(s *surroundings) error {
	n, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	bar := newBar(s.Err)
	defer bar.end()
	report, err := n.Retain(s.Context, node.RetentionOptions{
		DryRun: c.DryRun, AcceptClock: c.AcceptClock, By: operator(), Progress: func(done, total int64) {
			bar.step("removing what was kept long enough", float64(done)/float64(max(total, 1)))
		},
	})
	if errors.Is(err, node.ErrLeap) {
		return refused(err, "if the clock is right, run it with --accept-clock")
	}
	if err != nil {
		return holdProblem(err)
	}
	bar.end()
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(report)
	}
	return c.words(s, report)
}

func (c retentionCommand) words(s *surroundings, r node.RetentionReport) error {
	var text strings.Builder
	verb := "Removed"
	if r.DryRun {
		verb = "Would remove"
	}
	if r.Before.IsZero() {
		fmt.Fprintf(&text, "%s:\n", verb)
	} else {
		fmt.Fprintf(&text, "%s, references of entries before %s among it:\n", verb, r.Before.Format(time.RFC3339))
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Removed)) {
		fmt.Fprintf(&text, "  %-15s %d\n", kind, r.Removed[kind])
	}
	if r.Held {
		fmt.Fprintf(&text, "A hold is in force (ecluse hold list): nothing is removed that was written %s.\n", heldSince(r.HeldSince))
	}
	if len(r.Destroyed) > 0 {
		fmt.Fprintf(&text, "Period keys of %s: destroyed; copy the key file to the other nodes.\n", strings.Join(r.Destroyed, ", "))
	}
	if r.Entry >= 0 {
		fmt.Fprintf(&text, "Entry %d of the ledger says so; ecluse verify still holds.\n", r.Entry)
	}
	fmt.Fprintf(&text, "The key file has period keys until %s.\n", r.KeysUntil.Format(time.DateOnly))
	_, err := s.Out.Write([]byte(text.String()))
	return err
}
