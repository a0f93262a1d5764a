package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ecluse/internal/directory"
	"ecluse/internal/node"
	"ecluse/internal/register"
	"ecluse/internal/roster"
)

type directoryCommand struct {
	Import      directoryImportCommand `cmd:"" help:"Ask for organisations, agreements, accounts and links; an access officer approves."`
	Invitations invitationsCommand     `cmd:"" help:"Print the sign-in links of accounts that were not used yet."`
	Orphans     orphansCommand         `cmd:"" help:"List accounts, rights and links that nobody stands for any more."`
}

type directoryImportCommand struct {
	configFlag
	Body         string   `placeholder:"CODE" help:"Whose directory, where the installation has several bodies."`
	Installation bool     `help:"First batch: the accounts in it start with their full budgets."`
	Check        bool     `help:"Read and compare, ask for nothing."`
	Files        []string `arg:"" type:"existingfile" help:"CSV files of organisations, agreements, accounts, links."`
}

func (c directoryImportCommand) Run(s *surroundings) error {
	n, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	body, err := bodyOf(s, n, c.Body)
	if err != nil {
		return err
	}
	change, err := roster.Read(s.Context, n.Registers, body, s.Now(), c.Files...)
	if err != nil {
		return wrongUse(err, "nothing was asked for; mend the files and run it again")
	}
	change.Installation = c.Installation
	var missing *directory.MissingError
	if err := n.Directory.Missing(s.Context, change); errors.As(err, &missing) {
		return wrongUse(err, "nothing was asked for; add them to the files, or check how they are written")
	} else if err != nil {
		return err
	}
	if c.Check {
		summary, err := n.Directory.Compare(s.Context, change)
		if err != nil {
			return err
		}
		return printSummary(s, summary)
	}
	approval, err := n.Directory.Submit(s.Context, directory.Actor{CLI: operator()}, change)
	if err != nil {
		return err
	}
	summary, err := approval.Diff()
	if err != nil {
		return err
	}
	if err := printSummary(s, summary); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "\nAsked for, by nobody yet: an access officer or administrator takes it up, and another access officer approves it: %s/approvals (until %s).\n",
		strings.TrimSuffix(n.Config.Instance.PublicURL, "/"), approval.Expires.Format("2006-01-02"))
	return err
}

// bodyOf is the code of the body that a command is about: the one named, or the only one.
func bodyOf(s *surroundings, n *node.Node, code string) (string, error) {
	all, err := n.Directory.Controllers(s.Context)
	if err != nil {
		return "", err
	}
	var codes []string
	for _, c := range all {
		codes = append(codes, c.Code)
	}
	switch {
	case code == "" && len(codes) == 1:
		return codes[0], nil
	case code == "":
		return "", wrongUse(errors.New("there are several bodies: say which"), "--body "+strings.Join(codes, " or --body "))
	case !slices.Contains(codes, code):
		return "", wrongUse(fmt.Errorf("there is no body %s", code), "there are "+strings.Join(codes, ", "))
	}
	return code, nil
}

func printSummary(s *surroundings, d directory.Summary) error {
	fmt.Fprintf(s.Out, "%s: %d organisations and sites, %d agreements, %d accounts, %d links (%d persons)\n",
		d.Controller, len(d.Organisations), len(d.Agreements), len(d.Accounts), d.Links, d.LinkedPersons)
	for _, part := range []struct {
		name  string
		lines []directory.Line
	}{{"organisations", d.Organisations}, {"agreements", d.Agreements}, {"accounts", d.Accounts}, {"links", d.Receivers}} {
		for i, l := range part.lines {
			if i == 20 {
				fmt.Fprintf(s.Out, "  … and %d more %s\n", len(part.lines)-i, part.name)
				break
			}
			fmt.Fprintf(s.Out, "  %-8s %-32s %s\n", l.Op, l.Name, l.Text())
		}
	}
	for _, w := range d.Warnings {
		fmt.Fprintf(s.Out, "  warning  %s\n", w)
	}
	return nil
}

type invitationsCommand struct{ configFlag }

func (c invitationsCommand) Run(s *surroundings) error {
	n, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	return printInvitations(s, n)
}

func printInvitations(s *surroundings, n *node.Node) error {
	controllers, err := n.Directory.Controllers(s.Context)
	if err != nil {
		return err
	}
	for _, c := range controllers {
		pending, err := n.Directory.PendingInvitations(s.Context, c.ID)
		if err != nil {
			return err
		}
		for _, i := range pending {
			fmt.Fprintf(s.Out, "%s <%s>, until %s:\n  %s/invitation/%s\n", i.Account.Name(), i.Account.Email, i.Ends.Format("2006-01-02 15:04"),
				strings.TrimSuffix(n.Config.Instance.PublicURL, "/"), i.Token)
		}
	}
	return nil
}

type orphansCommand struct {
	configFlag
	Body string `placeholder:"CODE" help:"Whose directory; otherwise every body's."`
	JSON bool   `help:"Print one JSON document."`
}

// orphanLine is one line of the list as JSON.
type orphanLine struct {
	Body         string `json:"body"`
	Account      string `json:"account"` // e-mail
	Organisation string `json:"organisation"`
	Why          string `json:"why"`
	Role         string `json:"role,omitempty"`
	Links        int    `json:"links,omitempty"`
	Since        string `json:"since"`
}

func (c orphansCommand) Run(s *surroundings) error {
	n, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	lines, err := c.lines(s, n)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(map[string]any{"orphans": lines})
	}
	for _, l := range lines {
		what := strings.TrimSpace(l.Why + " " + l.Role)
		if l.Links > 0 {
			what += fmt.Sprintf(" (%d)", l.Links)
		}
		fmt.Fprintf(s.Out, "%-40s %-28s %-28s %s\n", l.Account, l.Organisation, what, l.Since)
	}
	_, err = fmt.Fprintf(s.Out, "%d in all\n", len(lines))
	return err
}

func (c orphansCommand) lines(s *surroundings, n *node.Node) ([]orphanLine, error) {
	bodies, err := n.Directory.Controllers(s.Context)
	if err != nil {
		return nil, err
	}
	if c.Body != "" {
		code, err := bodyOf(s, n, c.Body)
		if err != nil {
			return nil, err
		}
		bodies = slices.DeleteFunc(bodies, func(b directory.Controller) bool { return b.Code != code })
	}
	lines := []orphanLine{}
	for _, b := range bodies {
		all, err := n.Directory.Orphans(s.Context, directory.Actor{CLI: operator()}, b.Code)
		if err != nil {
			return nil, err
		}
		for _, o := range all {
			lines = append(lines, orphanLine{b.Code, o.Account.Email, o.Organisation, o.Why, string(o.Role), o.Links, o.Since.UTC().Format("2006-01-02")})
		}
	}
	return lines, nil
}

// operating is the code of the body that operates a register.
func operating(controllers []register.Controller) string {
	for _, c := range controllers {
		if c.Has("operates") {
			return c.Code
		}
	}
	return ""
}
