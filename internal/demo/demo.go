// Package demo makes an installation with an invented population, to try and to test: registers from
// the presets, records imported, a directory approved by two officers, and a built-in OpenID provider
// that signs anybody of it in. Everything goes through the same rooms as in a real installation; what
// exists only here (the provider, the clock that can be moved, the page of mails) is mounted on loopback
// only, and a demo's database says of itself that it is one.
package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"ecluse/internal/config"
	"ecluse/internal/generate"
	"ecluse/internal/keys"
	"ecluse/internal/node"
	"ecluse/internal/register"
	"ecluse/internal/store"
	"ecluse/presets"
)

// Options of a demo.
type Options struct {
	Presets  []string // nil = all
	Persons  int      // of each register, 0 = the preset's demo scale
	Seed     uint64
	Dir      string // kept between runs; "" = a temporary folder, removed at the end
	Listen   string // loopback address
	Metrics  string // loopback address, "" = none
	Database string // postgres://… or sqlite:FILE; "" = SQLite in Dir
	// Lapses makes two agents of each register of which one has to take the training again, and one soon has.
	Lapses bool
	Now    func() time.Time
	Log    *slog.Logger
	// Step is told what is being done, and how far it is (0 to 1, -1 = unknown).
	Step func(what string, done float64)
}

// ErrNotLoopback: a demo has no secrets and listens on loopback only.
var ErrNotLoopback = errors.New("a demo listens on a loopback address only")

// Demo is a demo that is ready to serve.
type Demo struct {
	Node        *node.Node
	Populations []*generate.Population
	people      *people
	clients     []APIClient
	shelf       shelf  // where its mails go
	temporary   string // folder to remove
}

// configFile is the demo's configuration, so that every other command works beside it.
const configFile = "ecluse.toml"

// Open makes the demo, or goes on with the one in Options.Dir.
func Open(ctx context.Context, o Options) (_ *Demo, err error) {
	d := &Demo{}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if err := loopback(o.Listen); err != nil {
		return nil, err
	}
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "ecluse-demo-"); err != nil {
			return nil, fmt.Errorf("make a folder for the demo: %w", err)
		}
		d.temporary = o.Dir
	}
	if err := o.recall(); err != nil {
		return nil, err
	}
	for _, name := range o.Presets {
		p, err := generate.New(generate.Settings{Preset: name, Persons: o.Persons, Seed: o.Seed})
		if err != nil {
			return nil, err
		}
		d.Populations = append(d.Populations, p)
	}
	fresh, err := d.open(ctx, o)
	if err != nil {
		return nil, err
	}
	if fresh {
		for _, p := range d.Populations {
			if err := d.populate(ctx, p, o); err != nil {
				return nil, fmt.Errorf("populate %s: %w", p.Register(), err)
			}
		}
		if err := o.remember(); err != nil {
			return nil, err
		}
	}
	d.people = newPeople(d.Populations)
	if d.clients, err = readClients(o.Dir); err != nil {
		return nil, err
	}
	return d, nil
}

func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%w, not on %q", ErrNotLoopback, address)
	}
	return nil
}

// open creates the installation, or opens the one that is there.
func (d *Demo) open(ctx context.Context, o Options) (fresh bool, err error) {
	path := filepath.Join(o.Dir, configFile)
	options := node.Options{Now: o.Now, Log: o.Log, Demo: true, Courier: &d.shelf}
	_, err = os.Stat(path)
	switch {
	case err == nil:
		if options.Config, err = moved(path, o); err == nil {
			d.Node, err = node.Open(ctx, options)
		}
		return false, err
	case !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("look for the demo's configuration: %w", err)
	}
	registers, err := definitions(o.Presets)
	if err != nil {
		return false, err
	}
	c, err := writeConfig(path, o)
	if err != nil {
		return false, err
	}
	d.Node, err = node.Create(ctx, node.Founding{Config: c, Origin: "demo.ecluse.test/ledger", Demo: true, Registers: registers}, options)
	if errors.Is(err, store.ErrInstanceExists) {
		err = fmt.Errorf("%w: start the demo with the --dir that made it, or with an empty database", err)
	}
	return true, err
}

// definitions are those of presets.
func definitions(names []string) (list []*register.Definition, err error) {
	for _, name := range names {
		folder, err := presets.Open(name)
		if err != nil {
			return nil, err
		}
		d, err := register.ReadDefinition(name, folder)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// moved reads the configuration of a demo that goes on, and puts the address that it listens on now in
// the place of the old one wherever it stands: public address and issuer too.
func moved(path string, o Options) (*config.Config, error) {
	c, err := config.Read(path)
	if err != nil {
		return nil, err
	}
	if c.Listen.Address != o.Listen {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the demo's configuration: %w", err)
		}
		if err := keys.WriteFile(path, bytes.ReplaceAll(text, []byte(c.Listen.Address), []byte(o.Listen)), 0o600); err != nil {
			return nil, err
		}
		if c, err = config.Read(path); err != nil {
			return nil, err
		}
	}
	c.Listen.Metrics = o.Metrics
	return c, nil
}

// writeConfig writes the demo's ecluse.toml with a provider that points at the demo's own.
func writeConfig(path string, o Options) (*config.Config, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the demo's folder: %w", err)
	}
	c := config.Defaults()
	c.Instance.Name, c.Instance.PublicURL = "Écluse · démonstration", "http://"+o.Listen
	c.Listen.Address, c.Listen.Metrics = o.Listen, o.Metrics
	c.Database.URL, c.Keys.File = "sqlite:ecluse.db", "ecluse.key"
	if o.Database != "" {
		c.Database.URL = o.Database
	}
	c.Mentions.Hosting, c.Mentions.Duty = "127.0.0.1", "+33 1 99 00 99 00"
	p := config.DefaultProvider()
	p.ID, p.Label, p.Issuer, p.ClientID = ProviderID, "ProConnect (démonstration)", c.Instance.PublicURL+issuerPath, clientID
	p.ClientSecretFile = "provider.secret"
	p.ACRAccepted, p.ACRStrong = []string{"eidas1-mfa", "eidas2", "eidas3"}, []string{"eidas2", "eidas3"}
	c.Providers = []config.Provider{p}
	secret := filepath.Join(filepath.Dir(path), p.ClientSecretFile)
	if err := os.WriteFile(secret, []byte(rand.Text()+rand.Text()), 0o600); err != nil {
		return nil, fmt.Errorf("write the provider's secret: %w", err)
	}
	var text bytes.Buffer
	if err := config.Write(&text, c); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return nil, fmt.Errorf("write the demo's configuration: %w", err)
	}
	return config.Read(path)
}

// Close stops the node and removes a temporary folder.
func (d *Demo) Close() {
	if d.Node != nil {
		d.Node.Close()
	}
	if d.temporary != "" {
		_ = os.RemoveAll(d.temporary)
	}
}
