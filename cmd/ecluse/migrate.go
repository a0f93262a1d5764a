package main

import (
	"errors"
	"fmt"

	"ecluse/internal/store"
)

type migrateCommand struct{ configFlag }

func (c migrateCommand) Run(s *surroundings) error {
	read, err := c.load()
	if err != nil {
		return err
	}
	db, err := store.Open(s.Context, read.Database.URL, store.Hooks{})
	if err != nil {
		return explainOpening(err)
	}
	before := db.Ready(s.Context)
	err = db.Migrate(s.Context)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	text := "The database schema is this program's."
	if errors.Is(before, store.ErrNotMigrated) {
		text = "The database was brought to this program's schema."
	}
	_, err = fmt.Fprintln(s.Out, text)
	return err
}
