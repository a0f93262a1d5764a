package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"

	"ecluse/internal/config"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/node"
	"ecluse/internal/store"
)

// open opens the installation of a configuration file: a real one, or the one of a demo kept in a
// folder. Close the Node.
func (f configFlag) open(s *surroundings) (*node.Node, error) {
	c, err := f.load()
	if err != nil {
		return nil, err
	}
	return openNode(s, node.Options{Config: c, Now: s.Now, Log: s.log(c.Log)})
}

// openNode opens an installation whichever kind it is, and explains what stands in the way.
func openNode(s *surroundings, o node.Options) (*node.Node, error) {
	n, err := node.Open(s.Context, o)
	if errors.Is(err, store.ErrDemo) && !o.Demo {
		o.Demo = true
		n, err = node.Open(s.Context, o)
	}
	return n, explainOpening(err)
}

// explainOpening gives an error of node.Open its status and a hint.
func explainOpening(err error) error {
	hints := []struct {
		is   error
		hint string
	}{
		{keys.ErrMode, ""},
		{keys.ErrCorrupt, "restore the key file from its own copy: without it the records cannot be read"},
		{store.ErrNotMigrated, "run ecluse migrate"},
		{store.ErrUnfinished, "run ecluse restore again with the same file"},
		{store.ErrNoInstance, "run ecluse init, or check [database] url"},
		{store.ErrWrongKeys, "check [keys] file: each database has its own key file"},
		{store.ErrURL, "sqlite:FILE or postgres://USER@HOST/DATABASE"},
		{store.ErrUnsafe, "the ledger must be durable before anything is shown: set it to on in postgresql.conf"},
		{store.ErrDemo, "ecluse serve opens real installations, ecluse demo --dir opens demos"},
		{ledger.ErrRolledBack, "an old backup, or a tail removed: use ecluse restore, which writes it down; ecluse verify says more"},
		{ledger.ErrCheckpoint, "the file checkpoint beside ecluse.toml is damaged: restore it, or move it away after ecluse verify"},
		{node.ErrClock, "set the clock right; if the present time is right after all, start with --accept-clock, which is written down"},
		{fs.ErrNotExist, "check the paths in ecluse.toml"},
	}
	for _, h := range hints {
		if errors.Is(err, h.is) {
			return misconfigured(err, h.hint)
		}
	}
	return err
}

// log writes to standard error in the configured form.
func (s *surroundings) log(c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(s.Err, options))
	}
	return slog.New(slog.NewTextHandler(s.Err, options))
}

// operator is who runs the command, as the ledger names them: cli:user@host.
func operator() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("cli:%s@%s", name, host)
}
