// Package presets holds the registers that Écluse knows to set up by name: one folder each with the
// files that define it (schema.toml and others, register.ReadDefinition), how to invent a population for it
// (population.toml) and a page about it (README.md, in French). A preset is adapted by copying its folder. It is data: texts for people are in
// French and English, names of bodies are invented, and there is nothing about any person.
package presets

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// FS holds one folder a preset. A folder's files are for the rooms that read them; schema.toml is
// always there.
//
//go:embed */*.toml */*.cedar */README.md
var FS embed.FS

// UnknownError says which preset was asked for; Names are those that there are.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string { return fmt.Sprintf("there is no preset %q", e.Name) }

// Names lists the presets, in alphabetical order.
func Names() []string {
	folders, err := fs.ReadDir(FS, ".")
	if err != nil {
		panic("presets: " + err.Error()) // embedded: can't fail
	}
	names := make([]string, 0, len(folders))
	for _, f := range folders {
		names = append(names, f.Name())
	}
	return names
}

// SchemaFile is the file of a preset's folder that holds the register's schema.
const SchemaFile = "schema.toml"

// Open is the folder of a preset: one of the program by its name, or one on this machine by its path (which
// holds a separator). *UnknownError if there is none.
func Open(preset string) (fs.FS, error) {
	if strings.ContainsRune(preset, os.PathSeparator) {
		if _, err := os.Stat(filepath.Join(preset, SchemaFile)); err != nil {
			return nil, fmt.Errorf("open the preset in %s: %w", preset, err)
		}
		return os.DirFS(preset), nil
	}
	if !slices.Contains(Names(), preset) {
		return nil, &UnknownError{preset}
	}
	return fs.Sub(FS, preset)
}

// Schema is the text of a preset's schema; *UnknownError if there is no such preset.
func Schema(preset string) ([]byte, error) {
	folder, err := Open(preset)
	if err != nil {
		return nil, err
	}
	return fs.ReadFile(folder, SchemaFile)
}
