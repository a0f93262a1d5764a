package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"ecluse/internal/register"
	"ecluse/presets"
)

type presetCommand struct {
	List presetListCommand `cmd:"" help:"List the presets of the program."`
	Copy presetCopyCommand `cmd:"" help:"Copy a preset's folder, to adapt it without Go."`
}

type presetListCommand struct{}

func (presetListCommand) Run(s *surroundings) error {
	for _, name := range presets.Names() {
		if _, err := fmt.Fprintln(s.Out, name); err != nil {
			return err
		}
	}
	return nil
}

type presetCopyCommand struct {
	Name   string `arg:"" help:"Preset to start from."`
	Folder string `arg:"" help:"New folder."`
}

func (c presetCopyCommand) Run(s *surroundings) error {
	from, err := presets.Open(c.Name)
	if err != nil {
		return wrongUse(err, "ecluse preset list names them")
	}
	if _, err := os.Stat(c.Folder); !errors.Is(err, fs.ErrNotExist) {
		return refused(fmt.Errorf("copy the preset: %s exists", c.Folder), "choose a new folder")
	}
	if err := os.CopyFS(c.Folder, from); err != nil {
		return fmt.Errorf("copy the preset: %w", err)
	}
	_, err = fmt.Fprintf(s.Err, "ecluse: copied %s to %s\necluse: hint: adapt it, then: ecluse demo --preset %s\n", c.Name, c.Folder, withSeparator(c.Folder))
	return err
}

// knownPresets is the hint where a preset is not found.
func knownPresets() string {
	return "known presets: " + strings.Join(presets.Names(), ", ") + "; one of your own is named by its folder, with a /"
}

const mend = "mend the file there, then start again"

// explainDefinition gives an error in a register's files its status and a hint.
func explainDefinition(err error) error {
	var problem *register.SchemaError
	if errors.As(err, &problem) {
		return misconfigured(err, mend)
	}
	return err
}

// withSeparator is a folder written so that a preset's name is not meant.
func withSeparator(folder string) string {
	if fs.ValidPath(folder) {
		return "./" + folder
	}
	return folder
}
