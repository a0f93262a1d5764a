package node

import (
	"context"
	"errors"
	"fmt"

	"ecluse/internal/config"
	"ecluse/internal/keys"
	"ecluse/internal/register"
	"ecluse/internal/store"
)

// Founding describes a new installation: its configuration (whose files do not exist yet), its bodies
// with their officers, and its registers.
type Founding struct {
	Config    *config.Config
	Origin    string // of the ledger in its checkpoints
	Demo      bool
	Registers []*register.Definition
}

// Create makes key file, database, the row of heads and the registers. The directory is
// founded by the caller (directory.Found) once the Node is open.
func Create(ctx context.Context, f Founding, o Options) (*Node, error) {
	k, err := keys.Create(f.Config.Keys.File, f.Origin, o.Now())
	if err != nil {
		return nil, err
	}
	if err := createDatabase(ctx, f, o, k); err != nil {
		return nil, err
	}
	o.Config, o.Demo = f.Config, f.Demo
	n, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	for _, d := range f.Registers {
		if _, err := n.Registers.Create(ctx, d); err != nil {
			n.Close()
			return nil, err
		}
	}
	return n, nil
}

func createDatabase(ctx context.Context, f Founding, o Options, k *keys.Keys) error {
	db, err := store.Open(ctx, f.Config.Database.URL, store.Hooks{})
	if err != nil {
		return err
	}
	err = db.Migrate(ctx)
	if err == nil {
		err = db.CreateInstance(ctx, o.Now(), k.Check(), f.Demo)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return nil
}
