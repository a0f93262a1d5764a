package main

import (
	"errors"
	"fmt"
	"strings"

	"ecluse/internal/directory"
	"ecluse/internal/node"
	"ecluse/internal/register"
	"ecluse/internal/roster"
)

type directoryCommand struct {
	Import      directoryImportCommand `cmd:"" help:"Ask for organisations, agreements, accounts and links; an access officer approves."`
	Invitations invitationsCommand     `cmd:"" help:"Print the sign-in links of accounts that were not used yet."`
}

type directoryImportCommand struct {
	configFlag
	Account      string   `required:"" placeholder:"EMAIL" help:"Who runs this: an access officer or administrator. They cannot be the one who approves."`
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
	by, body, err := c.requester(s, n)
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
	approval, err := n.Directory.Request(s.Context, by, change)
	if errors.Is(err, directory.ErrDualControl) {
		return refused(fmt.Errorf("%s is neither an access officer nor an administrator who has signed in", c.Account), "")
	}
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
	_, err = fmt.Fprintf(s.Out, "\nAsked for. It takes effect when another access officer approves it: %s/approvals (until %s).\n",
		strings.TrimSuffix(n.Config.Instance.PublicURL, "/"), approval.Expires.Format("2006-01-02"))
	return err
}

// requester finds the account that runs the command, and its body's code.
func (c directoryImportCommand) requester(s *surroundings, n *node.Node) (directory.Actor, string, error) {
	account, body, err := n.Directory.ByEmail(s.Context, strings.ToLower(c.Account))
	if err != nil {
		return directory.Actor{}, "", refused(fmt.Errorf("there is no account %s", c.Account), "ecluse directory invitations lists accounts that nobody has used yet")
	}
	return directory.Actor{Account: account.ID, CLI: operator(), Assured: true, Strong: true}, body.Code, nil
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

// operating is the code of the body that operates a register.
func operating(controllers []register.Controller) string {
	for _, c := range controllers {
		if c.Has("operates") {
			return c.Code
		}
	}
	return ""
}
