package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"ecluse/internal/intake"
	"ecluse/internal/ledger"
	"ecluse/internal/node"
	"ecluse/internal/register"
)

type importCommand struct {
	configFlag
	Register string   `required:"" placeholder:"CODE" help:"Register that the records belong to."`
	Map      string   `placeholder:"FILE" type:"existingfile" help:"TOML lines COLUMN = \"field\", for files with other column names."`
	AnyShare bool     `help:"Publish even if more than 10 % of the rows are rejected."`
	JSON     bool     `name:"json" help:"Print the summary as JSON."`
	Files    []string `arg:"" type:"existingfile" help:"CSV, TSV or JSON lines, also .gz."`
}

func (c importCommand) Run(s *surroundings) error {
	n, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	reg, err := n.Registers.ByCode(s.Context, c.Register)
	if errors.Is(err, register.ErrUnknownRegister) {
		return wrongUse(fmt.Errorf("there is no register %q", c.Register), "")
	}
	if err != nil {
		return err
	}
	for _, file := range c.Files {
		if err := c.one(s, n, reg, file); err != nil {
			return err
		}
	}
	return nil
}

func (c importCommand) one(s *surroundings, n *node.Node, reg *register.Register, file string) error {
	bar := newBar(s.Err)
	o := intake.Options{
		Register: reg.Code, Schema: reg.Schema, Now: s.Now, AcceptRejects: c.AnyShare, Progress: func(p intake.Progress) {
			bar.step(fmt.Sprintf("%s: %s", reg.Code, p.Phase), share(p))
		},
		Open: func(ctx context.Context, digest []byte) (intake.Writer, error) {
			w, err := beginImport(ctx, bar, func() (*register.Writer, error) { return n.Registers.Import(ctx, reg, digest) })
			if err != nil {
				return nil, err
			}
			return ledgered{Writer: w, ledger: n.Ledger}, nil
		},
	}
	if c.Map != "" {
		m, err := intake.ReadMap(c.Map)
		if err != nil {
			return wrongUse(err, "")
		}
		o.Map, o.MapName = m, c.Map
	}
	summary, err := intake.Import(s.Context, file, o)
	bar.end()
	if err != nil {
		return explainImport(err)
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(summary)
	}
	_, err = fmt.Fprintf(s.Out, "%s: %d rows, %d new, %d changed, %d unchanged, %d rejected, in %.1f s\n",
		summary.File, summary.Rows, summary.New, summary.Changed, summary.Unchanged, summary.Rejected, summary.Seconds)
	if summary.Rejected > 0 {
		fmt.Fprintf(s.Out, "rejected rows and why: %s\n", summary.Rejects)
	}
	return err
}

// importWait is how often an import that finds another one at work tries again, each second: a little
// longer than one that was killed is remembered.
const importWait = 75

func beginImport(ctx context.Context, bar *bar, begin func() (*register.Writer, error)) (w *register.Writer, err error) {
	for range importWait {
		if w, err = begin(); !errors.Is(err, register.ErrImportRunning) {
			return w, err
		}
		bar.step("waiting for another import to end; one that was killed is forgotten after a minute", -1)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return nil, err
}

// share is how far a phase is, from 0 to 1.
func share(p intake.Progress) float64 {
	if p.Total <= 0 {
		return -1
	}
	return float64(p.Done) / float64(p.Total)
}

// ledgered publishes an import in the transaction of its ledger entry.
type ledgered struct {
	*register.Writer
	ledger *ledger.Ledger
}

func (l ledgered) Publish(ctx context.Context) (register.Published, error) {
	return l.PublishEntry(ctx, l.ledger, operator())
}

func explainImport(err error) error {
	var file *intake.FileError
	var share *intake.ShareError
	switch {
	case errors.As(err, &file):
		return wrongUse(err, "")
	case errors.As(err, &share):
		return badAnswer(err, "mend the file, or publish all the same with --any-share")
	case errors.Is(err, register.ErrImportRunning):
		return refused(err, "wait for it to end, then run this again")
	case errors.Is(err, os.ErrNotExist):
		return wrongUse(err, "")
	}
	return err
}
