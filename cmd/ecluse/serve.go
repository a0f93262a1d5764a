package main

import (
	"fmt"

	"ecluse/internal/node"
)

type serveCommand struct {
	configFlag
	AcceptClock bool `help:"Go on although the clock departs from what the ledger or the database says; it is written down."`
}

func (c serveCommand) Run(s *surroundings) error {
	collectSeldom()
	read, err := c.load()
	if err != nil {
		return err
	}
	n, err := node.Open(s.Context, node.Options{Config: read, Now: s.Now, Log: s.log(read.Log), AcceptClock: c.AcceptClock})
	if err != nil {
		return explainOpening(err)
	}
	defer n.Close()
	return n.Serve(s.Context, node.ServeOptions{Ready: func(url string) error {
		_, err := fmt.Fprintf(s.Err, "ecluse: serving %s at %s\n", read.Instance.Name, url)
		return err
	}})
}
