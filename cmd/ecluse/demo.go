package main

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ecluse/internal/demo"
	"ecluse/internal/generate"
	"ecluse/internal/register"
	"ecluse/internal/store"
	"ecluse/presets"
)

type demoCommand struct {
	Preset   string `default:"all" placeholder:"NAME,…" help:"Registers to make, or all."`
	Scale    string `default:"demo" help:"demo, full, or a number of persons for each register."`
	Seed     uint64 `placeholder:"N" help:"Same seed, same population (default: 1)."`
	Dir      string `placeholder:"DIR" help:"Keep the demo in this folder and go on with it next time (default: a temporary folder, removed at the end)."`
	Listen   string `default:"127.0.0.1:8080" help:"Loopback address of pages and API."`
	Metrics  string `default:"" placeholder:"HOST:PORT" help:"Loopback address of /metrics (default: none)."`
	Database string `placeholder:"URL" help:"postgres://USER@HOST/DATABASE or sqlite:FILE (default: SQLite in the folder)."`
	Ready    string `placeholder:"FILE" help:"Write a JSON description here once the demo answers."`
	Verbose  bool   `help:"Log every request."`
}

func (c demoCommand) Run(s *surroundings) error {
	o, err := c.options(s)
	if err != nil {
		return err
	}
	bar := newBar(s.Err)
	o.Step = bar.step
	began := s.Now()
	d, err := demo.Open(s.Context, o)
	bar.end()
	if err != nil {
		return explainDemo(err)
	}
	defer d.Close()
	collectSeldom() // not while it invents a million people
	return d.Serve(s.Context, func(url string) error {
		r := d.Ready(url)
		if c.Ready != "" {
			if err := r.Write(c.Ready); err != nil {
				return err
			}
		}
		greet(s, r, filepath.Dir(d.Node.Config.Path()), s.Now().Sub(began).Seconds())
		return nil
	})
}

// explainDemo gives an error of demo.Open its status and a hint.
func explainDemo(err error) error {
	var problem *register.SchemaError
	switch {
	case errors.As(err, &problem):
		return explainDefinition(err)
	case errors.Is(err, generate.ErrSettings):
		return misconfigured(err, mend)
	case errors.Is(err, demo.ErrNotLoopback):
		return wrongUse(err, "example: --listen 127.0.0.1:8080")
	case errors.Is(err, demo.ErrOther):
		return wrongUse(err, "leave these flags out to go on with it, or choose another --dir")
	case errors.Is(err, demo.ErrUnfinished):
		return misconfigured(err, "remove the folder, or choose another --dir")
	case errors.Is(err, store.ErrInstanceExists):
		return refused(err, "choose an empty database, or the --dir that made it")
	}
	return explainOpening(err)
}

func (c demoCommand) options(s *surroundings) (demo.Options, error) {
	o := demo.Options{
		Seed: c.Seed, Dir: c.Dir, Listen: c.Listen, Metrics: c.Metrics, Database: c.Database, Now: s.Now, Lapses: true,
		Log: slog.New(slog.NewTextHandler(s.Err, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if c.Verbose {
		o.Log = slog.New(slog.NewTextHandler(s.Err, nil))
	}
	if c.Dir != "" {
		abs, err := filepath.Abs(c.Dir)
		if err != nil {
			return o, err
		}
		o.Dir = abs
	}
	if c.Preset != "all" {
		o.Presets = strings.Split(c.Preset, ",")
		for _, p := range o.Presets {
			if _, err := presets.Open(p); err != nil {
				return o, wrongUse(err, knownPresets())
			}
		}
	}
	if c.Scale != "demo" {
		n, err := strconv.Atoi(c.Scale)
		if c.Scale == "full" {
			n, err = generate.FullScale, nil
		}
		if n != generate.FullScale && (err != nil || n < 500 || n > 10_000_000) {
			return o, wrongUse(fmt.Errorf("--scale %q is neither demo, full nor a number from 500 to 10000000", c.Scale), "")
		}
		o.Persons = n
	}
	return o, nil
}

// greet prints where the demo is, and who can log in to its first register. The people of the others stand
// on the sign-in page.
func greet(s *surroundings, r demo.Ready, dir string, seconds float64) {
	first := r.Identities[0].Register
	fmt.Fprintf(s.Out, `
  Écluse is ready after %.1f s:  %s
  Guided tour, three minutes:    %s/tour

  Who can log in to %s (choose them on the sign-in page, or follow the links of the first page):
`, seconds, r.BaseURL, r.BaseURL, first)
	var others []string
	for _, i := range r.Identities {
		switch {
		case i.Register == first:
			fmt.Fprintf(s.Out, "    %-17s %-40s %s\n", i.Role, i.Login, i.Name)
			if i.TOTPSecret != "" {
				fmt.Fprintf(s.Out, "    %-17s key for an application of codes: %s\n", "", i.TOTPSecret)
			}
		case !slices.Contains(others, i.Register):
			others = append(others, i.Register)
		}
	}
	if len(others) > 0 {
		fmt.Fprintf(s.Out, "  Those of %s are listed on the sign-in page, and in the file of --ready.\n", strings.Join(others, ", "))
	}
	fmt.Fprintf(s.Out, "\n  Persons to look for as the first agent:\n")
	shown := map[string]bool{}
	for _, p := range r.Samples {
		if !shown[p.Relation] && p.Register == first {
			shown[p.Relation] = true
			fmt.Fprintf(s.Out, "    %-13s %s %s, %s\n", p.Relation, p.Surname, p.FirstName, p.BirthDate)
		}
	}
	fmt.Fprintf(s.Out, `
  Mails that nobody gets:         %s/demo/mail
  Other commands work beside it:  ecluse verify --config %s
  Ctrl-C ends the demo. Everybody in it is invented.

`, r.BaseURL, filepath.Join(dir, "ecluse.toml"))
}
