package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"ecluse/internal/node"
)

// supplier: a thief holds a copy of the database and a backup, from a supplier's machine, without the key
// file. It looks for every name, number and address of a sample of persons in the bytes.
var supplier = scenario{
	name: "supplier", presets: []string{"mission-locale"}, wanted: 1_100_000, from: "09:00", length: time.Hour,
	source: "hypothesis after several cases: a supplier's copy of the database and a backup, without the keys",
	steal: func(g *ground) (*attack, error) {
		t := g.thiefAt(g.door(), "", g.register(0))
		return &attack{
			thieves: []*thief{t},
			note: "Database files and a backup were searched for every value of a thousand persons, in the forms in which a database would hold them. " +
				"Whoever is root on the running server, or holds the keys too, reads everything: the threat model says so.",
			hour: func(ctx context.Context, _ int) error { return t.dig(ctx) },
		}, nil
	},
}

// sample is how many persons are looked for.
const sample = 1000

// dig searches the stolen files.
func (t *thief) dig(ctx context.Context) error {
	dir := filepath.Dir(t.ground.demo.Node.Config.Path())
	backup := filepath.Join(dir, "stolen.backup")
	if err := t.ground.backup(ctx, backup); err != nil {
		return err
	}
	var files []string
	for _, pattern := range []string{"*.db*", "*.sqlite*", "*.backup"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	if len(files) < 2 {
		return fmt.Errorf("only %d files to search: a database and a backup were expected", len(files))
	}
	for _, file := range files {
		if err := t.scour(file); err != nil {
			return err
		}
	}
	return nil
}

// scour looks for the values in one file. Words that anybody could write are not a person's: only values
// that are hers alone count.
func (t *thief) scour(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	for _, i := range t.targets[:min(sample, len(t.targets))] {
		p := &t.truth().people[i]
		for _, field := range []string{"nir", "email", "phone", "dossier", "id_document", "iban"} {
			if v := p.Values[field]; len(v) > 6 && bytes.Contains(content, []byte(v)) {
				t.loot.take(p.ID, map[string]string{field: v}, nil)
			}
		}
	}
	return nil
}

// backup is what the operator's backup command writes.
func (g *ground) backup(ctx context.Context, path string) (err error) {
	a, err := node.Attach(ctx, node.Options{Config: g.demo.Node.Config, Now: g.now})
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	defer a.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = a.Backup(ctx, f, func(string, int64) {})
	return err
}
