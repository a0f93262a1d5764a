package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"ecluse/internal/ledger"
	"ecluse/internal/node"
)

type verifyCommand struct {
	configFlag
	Receipts string `placeholder:"FILE" type:"existingfile" help:"Receipt ids, one a line: says of each whether its entry is in the proven ledger."`
	Deep     bool   `help:"Rebuild every budget and every memory from the entries too, and compare the holds (needs the database)."`
	Key      string `placeholder:"VERIFIER" help:"Public key of the ledger, got from elsewhere than the bundle."`
	JSON     bool   `name:"json" help:"Print the report as JSON."`
	Bundle   string `arg:"" optional:"" type:"existingfile" help:"Bundle written by ecluse bundle; without it the database of --config is verified."`
}

func (c verifyCommand) Run(s *surroundings) error {
	receipts, err := c.receipts()
	if err != nil {
		return err
	}
	var report ledger.Report
	if c.Bundle != "" {
		report, err = c.bundle(s, receipts)
	} else {
		report, err = c.database(s, receipts)
	}
	if err != nil {
		return err
	}
	return c.tell(s, report)
}

func (c verifyCommand) bundle(s *surroundings, receipts []string) (ledger.Report, error) {
	if c.Deep {
		return ledger.Report{}, wrongUse(errors.New("--deep needs the database: a bundle has no budgets"), "ecluse verify --deep --config FILE")
	}
	f, err := os.Open(c.Bundle)
	if err != nil {
		return ledger.Report{}, fmt.Errorf("open the bundle: %w", err)
	}
	defer f.Close()
	src, err := ledger.ReadBundle(f, c.Key)
	var report ledger.Report
	if err == nil {
		report, err = ledger.Verify(s.Context, src, receipts)
	}
	if errors.Is(err, ledger.ErrBundle) || errors.Is(err, ledger.ErrCheckpoint) {
		return report, badAnswer(fmt.Errorf("%s: %w", c.Bundle, err), "")
	}
	if err == nil && c.Key != "" && report.Checkpoint == 0 {
		report.Problems, report.OK = append(report.Problems, "nothing in the bundle is signed by the key given"), false
	}
	return report, err
}

func (c verifyCommand) database(s *surroundings, receipts []string) (ledger.Report, error) {
	read, err := c.load()
	if err != nil {
		return ledger.Report{}, err
	}
	if c.Key != "" {
		return ledger.Report{}, wrongUse(errors.New("--key is for bundles: a database is verified with its key file"), "")
	}
	a, err := node.Attach(s.Context, node.Options{Config: read, Now: s.Now})
	if err != nil {
		return ledger.Report{}, explainOpening(err)
	}
	defer a.Close()
	report, err := a.Verify(s.Context, c.Deep, receipts)
	if errors.Is(err, ledger.ErrCheckpoint) {
		err = explainOpening(err)
	}
	return report, err
}

// receipts reads the file of receipt ids; blank lines and lines that begin with # don't count.
func (c verifyCommand) receipts() ([]string, error) {
	if c.Receipts == "" {
		return nil, nil
	}
	f, err := os.Open(c.Receipts)
	if err != nil {
		return nil, fmt.Errorf("open the receipts: %w", err)
	}
	defer f.Close()
	ids := []string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if id := strings.TrimSpace(lines.Text()); id != "" && !strings.HasPrefix(id, "#") {
			ids = append(ids, id)
		}
	}
	return ids, lines.Err()
}

func (c verifyCommand) tell(s *surroundings, r ledger.Report) error {
	out := s.Err
	if c.JSON {
		if err := json.NewEncoder(s.Out).Encode(r); err != nil {
			return err
		}
	} else {
		out = s.Out
	}
	c.words(out, r)
	if r.OK {
		return nil
	}
	if len(r.Problems) == 0 {
		return badAnswer(fmt.Errorf("the ledger is whole, but %d of the receipts are not in it", len(r.Receipts.Missing)), "")
	}
	return badAnswer(fmt.Errorf("the ledger was altered, or is not whole: %d problem(s)", len(r.Problems)),
		"keep this database as it is, and compare with a backup restored elsewhere")
}

// words explains a report.
func (c verifyCommand) words(w io.Writer, r ledger.Report) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	say("%d entries; %d opened and compared with what was signed, %d without references (retention, or a tree-only bundle).", r.Entries, r.Opened, r.Purged)
	switch {
	case r.Checkpoint == 0:
		say("No signed checkpoint: this shows that the file agrees with itself, not that nothing was removed.")
	case c.Bundle != "" && c.Key == "":
		say("The first %d entries are under a signature of the key in the bundle; give --key to name the key you trust.", r.Checkpoint)
	default:
		say("The first %d entries are under a signature; %d are newer.", r.Checkpoint, r.Entries-r.Checkpoint)
	}
	if c.Deep {
		say("Every budget, memory and chain was rebuilt from the entries and compared, and every hold with its entries.")
	}
	if r.Receipts != nil {
		say("Receipts: %d found, %d missing.", r.Receipts.Found, len(r.Receipts.Missing))
		for _, id := range r.Receipts.Missing {
			say("  missing: %s", id)
		}
	}
	for _, p := range r.Problems {
		say("  %s", p)
	}
	if r.OK {
		say("The ledger holds.")
	}
}
