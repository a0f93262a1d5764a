package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"ecluse/internal/bench"
	"ecluse/internal/demo"
)

type benchCommand struct {
	Gate   benchGateCommand   `cmd:"" help:"Decided and durable disclosures a second over HTTP, beside raw inserts of the same rows."`
	Oracle benchOracleCommand `cmd:"" help:"Answer times for unknown persons and for persons outside the mandate."`
	Demo   benchDemoCommand   `cmd:"" help:"What agents of a demo that runs wait for; of two, whether the second is as fast."`
}

// benchFlags are what both benches take.
type benchFlags struct {
	Database string `placeholder:"URL" help:"Empty database for the demo that is measured (default: SQLite in a temporary folder)."`
	Persons  int    `default:"22000" help:"Persons of the register."`
	JSON     bool   `name:"json" help:"Print the result as JSON."`
}

func (f benchFlags) setting(s *surroundings, b *bar) bench.Setting {
	return bench.Setting{Database: f.Database, Persons: f.Persons, Now: s.Now, Step: b.step}
}

// print writes a result for people or as JSON.
func (f benchFlags) print(s *surroundings, r interface{ Write(io.Writer) error }) error {
	if f.JSON {
		return json.NewEncoder(s.Out).Encode(r)
	}
	return r.Write(s.Out)
}

type benchGateCommand struct {
	benchFlags
	Clients     int           `default:"64" help:"Connections at once."`
	Agents      int           `default:"128" help:"Agents that they belong to."`
	Dir         string        `type:"path" help:"Keep the demo here; one that is there is measured as it is."`
	Preload     int64         `default:"10000000" help:"Entries in the ledger before the measure."`
	For         time.Duration `default:"20s" help:"Length of the measure."`
	Disclosures int64         `help:"Measure so many disclosures instead, and the memory along the way."`
	Profile     string        `placeholder:"FILE" help:"Write a CPU profile."`
}

func (c benchGateCommand) Run(s *surroundings) error {
	collectSeldom()
	b := newBar(s.Err)
	setting := bench.GateSetting{
		Setting: c.setting(s, b), Clients: c.Clients, Preload: c.Preload, Length: c.For, Disclosures: c.Disclosures,
	}
	setting.Agents, setting.Dir = c.Agents, c.Dir
	if c.Profile != "" {
		f, err := os.Create(c.Profile)
		if err != nil {
			return wrongUse(fmt.Errorf("write the profile: %w", err), "")
		}
		defer f.Close()
		setting.Profile = f
	}
	r, err := bench.Gate(s.Context, setting)
	b.end()
	if err != nil {
		return err
	}
	return c.print(s, r)
}

type benchOracleCommand struct {
	benchFlags
	Searches int `default:"2000" help:"Searches of each kind."`
}

func (c benchOracleCommand) Run(s *surroundings) error {
	b := newBar(s.Err)
	r, err := bench.Oracle(s.Context, bench.OracleSetting{Setting: c.setting(s, b), Searches: c.Searches})
	b.end()
	if err != nil {
		return err
	}
	return c.print(s, r)
}

type benchDemoCommand struct {
	For   time.Duration `default:"60s" help:"Length of the measure."`
	Rate  int           `default:"10" help:"Searches, and disclosures, a second of each demo."`
	JSON  bool          `name:"json" help:"Print the result as JSON."`
	Ready []string      `arg:"" placeholder:"FILE" type:"existingfile" help:"What ecluse demo --ready wrote: one demo, or the small and the large one."`
}

func (c benchDemoCommand) Run(s *surroundings) error {
	if len(c.Ready) > 2 || c.Rate < 1 || c.Rate > 1000 || c.For < time.Second {
		return wrongUse(errors.New("one or two demos, at a rate of 1 to 1000 a second, for a second at least"), "")
	}
	b := newBar(s.Err)
	r, err := bench.Demos(s.Context, bench.DemoSetting{Ready: c.Ready, Length: c.For, Rate: c.Rate, Now: s.Now, Step: b.step})
	b.end()
	if errors.Is(err, demo.ErrReady) {
		return wrongUse(err, "ecluse demo --ready FILE writes one")
	}
	if err != nil {
		return err
	}
	if err := (benchFlags{JSON: c.JSON}).print(s, r); err != nil {
		return err
	}
	if r.Slower > bench.Bearable {
		return badAnswer(errors.New("the second demo is too slow"), "measure again while nothing else runs on this machine")
	}
	return nil
}
