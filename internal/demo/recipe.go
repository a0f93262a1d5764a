package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ecluse/internal/keys"
	"ecluse/presets"
)

// Errors of going on with a demo.
var (
	// ErrUnfinished: the demo in the folder was interrupted while it was made.
	ErrUnfinished = errors.New("the demo in this folder was interrupted while it was made")
	// ErrOther: the demo in the folder was made with other presets, another scale or another seed.
	ErrOther = errors.New("the demo in this folder was made otherwise")
)

// recipe is what a demo was made with. It is written beside the configuration once the demo is
// complete; a later start invents the same people from it.
type recipe struct {
	Presets []string `json:"presets"`
	Persons int      `json:"persons"` // of each register, 0 = the preset's demo scale, -1 = its full one
	Seed    uint64   `json:"seed"`
}

const recipeFile = "demo.json"

// firstPreset is the one that the demo opens with.
const firstPreset = "mission-locale"

// allPresets lists the presets in the order of the demo's pages and texts.
func allPresets() []string {
	list := slices.DeleteFunc(presets.Names(), func(name string) bool { return name == firstPreset })
	return slices.Insert(list, 0, firstPreset)
}

// recall fills in what was left open: from the demo in the folder, or with the defaults.
// ErrUnfinished, ErrOther.
func (o *Options) recall() error {
	made, err := readRecipe(o.Dir)
	if err != nil {
		return err
	}
	if made == nil {
		made = &recipe{Presets: allPresets(), Seed: 1}
		if o.Presets != nil {
			made.Presets = o.Presets
		}
		if o.Persons != 0 {
			made.Persons = o.Persons
		}
		if o.Seed != 0 {
			made.Seed = o.Seed
		}
	}
	if o.Presets != nil && !slices.Equal(o.Presets, made.Presets) || o.Persons != 0 && o.Persons != made.Persons || o.Seed != 0 && o.Seed != made.Seed {
		return fmt.Errorf("%w: presets %s, %d persons each (0 = demo scale, -1 = full), seed %d", ErrOther, strings.Join(made.Presets, ","), made.Persons, made.Seed)
	}
	o.Presets, o.Persons, o.Seed = made.Presets, made.Persons, made.Seed
	return nil
}

// readRecipe is nil where there is no demo yet.
func readRecipe(dir string) (*recipe, error) {
	text, err := os.ReadFile(filepath.Join(dir, recipeFile))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, configFile)); err == nil {
			return nil, fmt.Errorf("%s: %w", dir, ErrUnfinished)
		}
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what the demo was made with: %w", err)
	}
	made := &recipe{}
	if err := json.Unmarshal(text, made); err != nil || len(made.Presets) == 0 {
		return nil, fmt.Errorf("%s is damaged: %w", recipeFile, ErrUnfinished)
	}
	return made, nil
}

func (o *Options) remember() error {
	text, err := json.Marshal(recipe{Presets: o.Presets, Persons: o.Persons, Seed: o.Seed})
	if err != nil {
		return err
	}
	return keys.WriteFile(filepath.Join(o.Dir, recipeFile), append(text, '\n'), 0o600)
}
