package main

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
)

type versionCommand struct {
	JSON bool `help:"Print one JSON document."`
}

// build is what the Go tool wrote into the binary.
type build struct {
	Version  string `json:"version"`  // "(devel)" outside a tagged module
	Revision string `json:"revision"` // of the source, "" when built outside a repository
	Time     string `json:"time"`     // of the revision, RFC 3339
	Modified bool   `json:"modified"` // the source differed from the revision
	Go       string `json:"go"`
}

func (c versionCommand) Run(s *surroundings) error {
	b := readBuild()
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(b)
	}
	revision := b.Revision
	if revision == "" {
		revision = "unknown revision"
	}
	if b.Modified {
		revision += " with changes"
	}
	_, err := fmt.Fprintf(s.Out, "ecluse %s (%s, %s)\n", b.Version, revision, b.Go)
	return err
}

func readBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build{}
	}
	b := build{Version: info.Main.Version, Go: info.GoVersion}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Revision = setting.Value
		case "vcs.time":
			b.Time = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	return b
}
