package main

import (
	"fmt"

	"ecluse/internal/config"
)

// configFlag is embedded by every command that works on an installation.
type configFlag struct {
	Config string `default:"ecluse.toml" placeholder:"FILE" help:"Configuration file (default: ecluse.toml in this folder)."`
}

// load reads the configuration and checks what it refers to, so that nothing starts halfway.
func (f configFlag) load() (*config.Config, error) {
	c, err := config.Read(f.Config)
	if err != nil {
		return nil, err
	}
	return c, c.Files().Err()
}

type configCommand struct {
	Describe describeCommand `cmd:"" help:"Print every key of ecluse.toml with type, default, unit and meaning."`
	Check    checkCommand    `cmd:"" help:"Name every problem of a configuration that can be seen without the network."`
}

type describeCommand struct{}

func (describeCommand) Run(s *surroundings) error { return config.Describe(s.Out) }

type checkCommand struct{ configFlag }

func (c checkCommand) Run(s *surroundings) error {
	checked, err := c.load()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "%s: good; %s at %s, %d sign-in provider(s)\n", c.Config, checked.Instance.Name, checked.Instance.PublicURL, len(checked.Providers))
	if err == nil && checked.Mail.Server == "" {
		_, err = fmt.Fprintln(s.Out, "no [mail]: notices are shown in the program only; nobody is told who does not look")
	}
	return err
}
