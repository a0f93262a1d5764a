package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"ecluse/internal/node"
)

type holdCommand struct {
	Make holdMakeCommand `cmd:"" help:"Remove nothing that was written from an instant on, until the hold is ended."`
	List holdListCommand `cmd:"" help:"List holds, with their reasons."`
	End  holdEndCommand  `cmd:"" help:"End a hold that somebody else made."`
}

type holdMakeCommand struct {
	configFlag
	Since  string `placeholder:"DATE" help:"First day that is kept, YYYY-MM-DD (UTC). Left out: all that is there."`
	Reason string `required:"" placeholder:"TEXT" help:"Which case, 10 to 500 characters, without names of persons. Sealed, and listed."`
}

func (c holdMakeCommand) Run(s *surroundings) error {
	var since time.Time
	if c.Since != "" {
		var err error
		if since, err = time.Parse(time.DateOnly, c.Since); err != nil {
			return wrongUse(fmt.Errorf("--since %s is not a day", c.Since), "write it as 2026-03-31")
		}
	}
	n, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	h, err := n.Hold(s.Context, since, c.Reason, operator())
	switch {
	case errors.Is(err, node.ErrReason), errors.Is(err, node.ErrSince):
		return wrongUse(err, "")
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(s.Out, "Hold %d: until it is ended by somebody else, ecluse retention removes nothing that was written %s.\n", h.ID, heldSince(h.Since))
	return err
}

func heldSince(since time.Time) string {
	if since.IsZero() {
		return "so far or from now on"
	}
	return "from " + since.Format(time.DateOnly) + " on"
}

type holdListCommand struct {
	configFlag
	JSON bool `name:"json" help:"Print them as JSON."`
}

func (c holdListCommand) Run(s *surroundings) error {
	n, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	all, err := n.Holds(s.Context)
	if err != nil {
		return holdProblem(err)
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(map[string]any{"holds": all})
	}
	var text strings.Builder
	for _, h := range all {
		state := "in force"
		if !h.EndedAt.IsZero() {
			state = "ended " + h.EndedAt.Format(time.DateOnly) + " by " + h.EndedBy
		}
		fmt.Fprintf(&text, "%d  what was written %s  made %s by %s, %s\n    %q\n", h.ID, heldSince(h.Since), h.At.Format(time.DateOnly), h.MadeBy, state, h.Reason)
	}
	if len(all) == 0 {
		text.WriteString("There is no hold.\n")
	}
	_, err = s.Out.Write([]byte(text.String()))
	return err
}

type holdEndCommand struct {
	configFlag
	ID int64 `arg:"" help:"Number of the hold."`
}

func (c holdEndCommand) Run(s *surroundings) error {
	n, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.EndHold(s.Context, c.ID, operator()); err != nil {
		return holdProblem(err)
	}
	_, err = fmt.Fprintf(s.Out, "Hold %d is ended: the next ecluse retention removes what is too old.\n", c.ID)
	return err
}

func holdProblem(err error) error {
	switch {
	case errors.Is(err, node.ErrNoHold):
		return wrongUse(err, "ecluse hold list")
	case errors.Is(err, node.ErrSameHand):
		return refused(err, "another operator runs ecluse hold end")
	case errors.Is(err, node.ErrHoldAltered):
		return refused(err, "retention removes nothing while it is so: compare with ecluse hold list on a restored backup, and ask who can write to the database")
	}
	return err
}
