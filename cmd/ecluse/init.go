package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"ecluse"
	"ecluse/internal/config"
	"ecluse/internal/directory"
	"ecluse/internal/intake"
	"ecluse/internal/keys"
	"ecluse/internal/node"
	"ecluse/internal/register"
	"ecluse/internal/store"
	"ecluse/presets"
)

type initCommand struct {
	Dir       string   `arg:"" help:"Folder for the configuration, the key file and, with SQLite, the database."`
	Preset    string   `default:"mission-locale" help:"Register to start from; edit its schema before you import anything."`
	Schema    string   `placeholder:"FILE" type:"existingfile" help:"Schema of your own instead of a preset."`
	Name      string   `default:"Écluse" help:"Name of the installation, shown on every page."`
	PublicURL string   `default:"http://127.0.0.1:8080" help:"Address that people type: https://HOST."`
	Listen    string   `placeholder:"HOST:PORT" help:"Address to listen on (default: that of a public URL on this machine, else 127.0.0.1:8080 behind a reverse proxy)."`
	Database  string   `default:"sqlite:ecluse.db" help:"sqlite:FILE or postgres://USER@HOST/DATABASE."`
	Officer   []string `required:"" sep:"none" placeholder:"EMAIL=GIVEN NAME/USUAL NAME" help:"An access officer of the operating body; name two different persons."`
}

func (c initCommand) Run(s *surroundings) error {
	officers, err := c.officers()
	if err != nil {
		return err
	}
	definition, err := c.definition()
	if err != nil {
		return explainDefinition(err)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return misconfigured(fmt.Errorf("make the folder: %w", err), "")
	}
	written, err := c.writeConfig()
	if err != nil {
		return err
	}
	n, err := node.Create(s.Context, node.Founding{Config: written, Origin: origin(c.PublicURL), Registers: []*register.Definition{definition}},
		node.Options{Now: s.Now, Log: s.log(written.Log)})
	if err != nil {
		return c.explain(err)
	}
	defer n.Close()
	registers, err := n.Registers.All(s.Context)
	if err != nil {
		return err
	}
	for i := range officers {
		officers[i].Organisation = operating(registers[0].Schema.Controllers)
	}
	if err := n.Directory.Found(s.Context, officers); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%s is ready in %s. Keep a copy of %s apart from the database and its backups.\n\n", c.Name, c.Dir, filepath.Join(c.Dir, "ecluse.key"))
	if err := printInvitations(s, n); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "\nNext: enter your OpenID provider in %s, then ecluse config check and ecluse serve.\nUntil both officers have signed in nothing can be approved.\n", filepath.Join(c.Dir, "ecluse.toml"))
	return nil
}

func (c initCommand) officers() ([]directory.AccountChange, error) {
	var list []directory.AccountChange
	seen := map[string]bool{}
	for _, text := range c.Officer {
		email, name, _ := strings.Cut(text, "=")
		given, usual, ok := strings.Cut(name, "/")
		clean, code := intake.Email(email)
		clean = strings.ToLower(clean)
		if !ok || code != "" || seen[clean] || given == "" || usual == "" {
			return nil, wrongUse(fmt.Errorf("--officer %q is not EMAIL=GIVEN NAME/USUAL NAME, or is there twice", text), `example: --officer "claire.dumas@example.org=Claire/Dumas"`)
		}
		seen[clean] = true
		list = append(list, directory.AccountChange{Email: clean, GivenName: given, UsualName: usual, Roles: []ecluse.Role{ecluse.RoleAccessOfficer}})
	}
	if len(list) < 2 {
		return nil, wrongUse(errors.New("two access officers are needed"), "nothing is ever approved by the one who asks: give --officer twice")
	}
	return list, nil
}

func (c initCommand) definition() (*register.Definition, error) {
	if c.Schema != "" {
		text, err := os.ReadFile(c.Schema)
		if err != nil {
			return nil, err
		}
		return register.Define(register.File{Name: register.SchemaFile, Path: c.Schema, Data: text})
	}
	folder, err := presets.Open(c.Preset)
	if err != nil {
		return nil, wrongUse(err, knownPresets())
	}
	return register.ReadDefinition(c.Preset, folder)
}

// writeConfig writes ecluse.toml; an existing one is never overwritten.
func (c initCommand) writeConfig() (*config.Config, error) {
	path := filepath.Join(c.Dir, "ecluse.toml")
	if _, err := os.Lstat(path); err == nil {
		return nil, refused(fmt.Errorf("there is a configuration in %s already", c.Dir), "choose another folder")
	}
	made := config.Defaults()
	made.Instance.Name, made.Instance.PublicURL, made.Database.URL = c.Name, c.PublicURL, c.Database
	if u, err := url.Parse(c.PublicURL); err == nil && u.Scheme == "http" && u.Port() != "" {
		made.Listen.Address = u.Host // only a loopback address may be http
	}
	if c.Listen != "" {
		made.Listen.Address = c.Listen
	}
	made.Providers = []config.Provider{provider()}
	secret := filepath.Join(c.Dir, made.Providers[0].ClientSecretFile)
	if err := os.WriteFile(secret, []byte("replace-with-the-client-secret"), 0o600); err != nil {
		return nil, misconfigured(fmt.Errorf("write the provider's secret file: %w", err), "")
	}
	var text bytes.Buffer
	if err := config.Write(&text, made); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return nil, misconfigured(fmt.Errorf("write the configuration: %w", err), "")
	}
	read, err := config.Read(path)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return read, nil
}

// provider is the provider to fill in; its address ends in .invalid, which no name server knows.
func provider() config.Provider {
	p := config.DefaultProvider()
	p.ID, p.Label, p.Issuer, p.ClientID = "proconnect", "ProConnect", "https://proconnect.invalid/api/v2", "replace-with-the-client-id"
	p.ClientSecretFile = "provider.secret"
	p.ACRAccepted, p.ACRStrong = []string{"eidas1-mfa", "eidas2", "eidas3"}, []string{"eidas2", "eidas3"}
	return p
}

func (c initCommand) explain(err error) error {
	switch {
	case errors.Is(err, keys.ErrExists):
		return refused(err, "it may be the only key of another installation: choose another folder")
	case errors.Is(err, store.ErrInstanceExists):
		return refused(err, "choose an empty database")
	}
	return explainOpening(err)
}

// origin names the ledger after the address of the installation.
func origin(public string) string {
	u, err := url.Parse(public)
	if err != nil || u.Host == "" {
		return "ecluse/ledger"
	}
	return u.Hostname() + "/ledger"
}
