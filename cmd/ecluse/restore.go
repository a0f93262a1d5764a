package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"ecluse/internal/node"
	"ecluse/internal/store"
)

type restoreCommand struct {
	configFlag
	JSON bool   `name:"json" help:"Print the summary as JSON."`
	File string `arg:"" type:"existingfile" help:"File written by ecluse backup."`
}

func (c restoreCommand) Run(s *surroundings) error {
	read, err := c.load()
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return fmt.Errorf("open the backup: %w", err)
	}
	defer f.Close()
	bar := newBar(s.Err)
	defer bar.end()
	report, err := node.Restore(s.Context, f, node.RestoreOptions{
		Options: node.Options{Config: read, Now: s.Now}, By: operator(), Progress: func(what string, done, total int64) {
			bar.step(what, float64(done)/float64(max(total, 1)))
		},
	})
	switch {
	case errors.Is(err, node.ErrBackup):
		return refused(fmt.Errorf("%s: %w", c.File, err), "nothing can be restored from it: take another backup")
	case errors.Is(err, store.ErrNotEmpty):
		return refused(err, "a backup is restored into an empty database: name a new one in [database] url, or move the old one away")
	case err != nil:
		return explainOpening(err)
	}
	bar.end()
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(report)
	}
	return c.words(s, report)
}

func (c restoreCommand) words(s *surroundings, r node.RestoreReport) error {
	_, err := fmt.Fprintf(s.Out, `Restored %d rows and %d entries, as of %s. Entry %d of the ledger says so.
%d session(s) revoked; %d budget(s) full for 24 h, for what was spent after the backup is not known.
`, r.Rows, r.Entries, r.At.Format(time.RFC3339), r.Entry, r.Sessions, r.Meters)
	if err != nil {
		return err
	}
	switch {
	case r.Lost > 0:
		_, err = fmt.Fprintf(s.Out, `%d entries that this node had signed are lost. Its old checkpoint is kept as %s: do not delete it.
What was contained, ended or approved meanwhile must be done again. On other nodes, move the file checkpoint aside too.
`, r.Lost, r.LostFile)
	case r.Lost < 0:
		_, err = fmt.Fprintln(s.Out, "This node has no checkpoint: nobody can say whether entries are lost.")
	case r.LostFile != "":
		_, err = fmt.Fprintf(s.Out, "The backup is of another ledger than this node signed last: its checkpoint is kept as %s.\n", r.LostFile)
	default:
		_, err = fmt.Fprintln(s.Out, "No entry that this node has signed is lost.")
	}
	for _, lost := range r.Containments {
		_, err = fmt.Fprintf(s.Out, "CONTAINED AFTER THE BACKUP, and to be contained again before anybody signs in:\n  %s\n", again(lost))
	}
	return err
}

// again is the command that makes a lost containment again.
func again(lost node.LostContainment) string {
	if lost.Email == "" {
		return fmt.Sprintf("(account %d of %s is not in the backup: nothing to do)", lost.Account, lost.At.Format(time.RFC3339))
	}
	command := "ecluse contain " + lost.Email
	if lost.Tree {
		command += " --tree"
	}
	if !lost.Since.IsZero() {
		command += " --since " + lost.Since.Format(time.RFC3339)
	}
	return command + ` --reason "as before the restore"`
}
