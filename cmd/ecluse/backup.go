package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"ecluse/internal/node"
)

type backupCommand struct {
	configFlag
	JSON bool   `name:"json" help:"Print the summary as JSON."`
	File string `arg:"" help:"File to write; it must not exist."`
}

func (c backupCommand) Run(s *surroundings) error {
	read, err := c.load()
	if err != nil {
		return err
	}
	a, err := node.Attach(s.Context, node.Options{Config: read, Now: s.Now})
	if err != nil {
		return explainOpening(err)
	}
	defer a.Close()
	bar := newBar(s.Err)
	defer bar.end()
	var report node.BackupReport
	err = writeNew(c.File, func(f *os.File) error {
		report, err = a.Backup(s.Context, f, func(table string, _ int64) { bar.step("backing up "+table, -1) })
		return err
	})
	if err != nil {
		return err
	}
	bar.end()
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(report)
	}
	_, err = fmt.Fprintf(s.Out, `%s: %d rows, %d entries, as of %s.
The key file and this node's checkpoint are not in it: keep a copy of the key file apart from the backups,
and the checkpoint where it is, so that a restore can say what is lost. Backups are kept 35 days at most.
`, c.File, report.Rows, report.Entries, report.At.Format(time.RFC3339))
	return err
}
