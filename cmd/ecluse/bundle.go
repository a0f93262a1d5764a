package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ecluse/internal/ledger"
	"ecluse/internal/node"
)

type bundleCommand struct {
	configFlag
	Opened bool   `help:"With the references and what opens them: personal data; writing it is written down."`
	Out    string `arg:"" help:"File to write; it must not exist."`
}

func (c bundleCommand) Run(s *surroundings) error {
	read, err := c.load()
	if err != nil {
		return err
	}
	a, err := node.Attach(s.Context, node.Options{Config: read, Now: s.Now})
	if err != nil {
		return explainOpening(err)
	}
	defer a.Close()
	if c.Opened {
		if err := c.writeDown(s); err != nil {
			return err
		}
	}
	var key string
	err = writeNew(c.Out, func(f *os.File) error {
		w := bufio.NewWriterSize(f, 1<<16)
		key, err = a.Bundle(s.Context, w, c.Opened)
		return errors.Join(err, w.Flush())
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "%s\necluse verify --key '%s' %s\n", map[bool]string{
		true:  "Opened bundle: who looked at whom, when and why. Treat it as personal data.",
		false: "Tree-only bundle: no personal data. Anybody can verify it:",
	}[c.Opened], key, c.Out)
	return err
}

// writeDown notes that the references of the whole ledger were read from the command line.
func (c bundleCommand) writeDown(s *surroundings) error {
	n, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	_, err = n.Ledger.Append(s.Context, ledger.Candidate{
		Kind: ledger.KindLedgerRead, Revision: ledger.AnyRevision, Detail: ledger.Detail{What: "bundle", By: operator()},
	})
	if err != nil {
		return fmt.Errorf("write down that the ledger is read: %w", err)
	}
	return nil
}

// writeNew writes a file that is there whole or not at all, and replaces none.
func writeNew(path string, write func(*os.File) error) error {
	if _, err := os.Lstat(path); err == nil {
		return refused(fmt.Errorf("%s exists", path), "name another file: nothing is overwritten")
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
