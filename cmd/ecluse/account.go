package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"ecluse/internal/directory"
	"ecluse/internal/node"
)

// account finds the account that a command is about: by its e-mail address, or by its name where several
// had the same address. What it may not be found by is wrong use, with the names to choose from.
func account(s *surroundings, n *node.Node, text string) (directory.Account, error) {
	if id, err := n.Keys.Number("account", text); err == nil {
		found, err := n.Directory.Account(s.Context, id)
		if errors.Is(err, directory.ErrUnknownAccount) {
			return found, wrongUse(fmt.Errorf("there is no account %s", text), "")
		}
		return found, err
	}
	all, err := n.Directory.Addressed(s.Context, strings.ToLower(text))
	switch {
	case err != nil:
		return directory.Account{}, err
	case len(all) == 0:
		return directory.Account{}, wrongUse(fmt.Errorf("there is no account %s", text), "the e-mail address is the one that the directory shows")
	case len(all) > 1:
		names := make([]string, len(all))
		for i, a := range all {
			names[i] = fmt.Sprintf("%s (%s, since %s)", n.Keys.Name("account", int64(a.ID)), a.State, a.Created.Format(time.DateOnly))
		}
		return directory.Account{}, wrongUse(fmt.Errorf("%d accounts have the address %s", len(all), text), "name one of them: "+strings.Join(names, ", "))
	}
	return all[0], nil
}

// instant reads a day or an instant (RFC 3339) of a flag, a day as its first moment UTC; "" is the zero
// time.
func instant(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, wrongUse(fmt.Errorf("--%s is neither a day (2026-03-02) nor an instant (2026-03-02T14:00:00Z)", flag), "")
}
