// Package presets holds the registers that Écluse knows to set up by name: one folder each with the
// schema (schema.toml) and a page about it (README.md, in French). It is data: texts for people are in
// French and English, names of bodies are invented, and there is nothing about any person.
package presets

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
)

// FS holds one folder a preset. A folder's files are for the rooms that read them; schema.toml is
// always there.
//
//go:embed */schema.toml */README.md
var FS embed.FS

// UnknownError says which preset was asked for and which there are.
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("there is no preset %q (there are %v)", e.Name, e.Known)
}

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

// SchemaName is the name of a preset's schema file, for messages about it.
func SchemaName(preset string) string { return preset + "/schema.toml" }

// Schema is the text of a preset's schema; *UnknownError if there is no such preset.
func Schema(preset string) ([]byte, error) {
	if !slices.Contains(Names(), preset) {
		return nil, &UnknownError{Name: preset, Known: Names()}
	}
	return FS.ReadFile(SchemaName(preset))
}
