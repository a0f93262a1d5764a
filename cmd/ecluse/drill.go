package main

import (
	"errors"
	"fmt"
	"log/slog"

	"ecluse/internal/drill"
)

type drillCommand struct {
	Preset   string   `placeholder:"NAME" help:"Only the attacks on this preset."`
	Scenario []string `placeholder:"NAME" help:"Only these attacks; see --list."`
	List     bool     `help:"List the attacks."`
	Seed     uint64   `default:"1" help:"Same seed, same table, times aside."`
	Scale    int      `placeholder:"N" help:"Persons of each register (default: the presets' demo scale)."`
	Days     int      `placeholder:"N" help:"At most so many days of each attack (default: as long as it took)."`
	JSON     bool     `name:"json" help:"Print the table as JSON."`
}

func (drillCommand) Help() string {
	return "Replays published attacks over HTTP against instances of its own on loopback, with a fast clock, beside the normal work of their agents. " +
		"Exit status 1 means that an attack obtained more than exposure promised, made an account alone, was served after containment, or that scope or ledger are not exact. " +
		"Two attacks are played at a time, in the folder for temporary files: TMPDIR in memory makes it faster. docs/drill.md explains each column."
}

func (c drillCommand) Run(s *surroundings) error {
	if c.List {
		for _, name := range drill.Names() {
			if _, err := fmt.Fprintln(s.Out, name); err != nil {
				return err
			}
		}
		return nil
	}
	collectSeldom()
	b := newBar(s.Err)
	table, err := drill.Run(s.Context, drill.Options{
		Scenarios: c.Scenario, Preset: c.Preset, Seed: c.Seed, Persons: c.Scale, Days: c.Days, Now: s.Now, Step: b.step,
		Log: slog.New(slog.NewTextHandler(s.Err, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	b.end()
	if errors.Is(err, drill.ErrUnknown) {
		return wrongUse(err, "ecluse drill --list names them")
	}
	write := table.WriteMarkdown
	if c.JSON {
		write = table.WriteJSON
	}
	if err := errors.Join(write(s.Out), err); err != nil { // what was replayed before an interruption counts
		return err
	}
	if !table.Held() {
		return badAnswer(errors.New("a promise was broken"), "the table names it")
	}
	return nil
}
