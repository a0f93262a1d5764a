package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ecluse/internal/directory"
	"ecluse/internal/node"
	"ecluse/internal/register"
)

type budgetsCommand struct {
	Observe budgetsObserveCommand `cmd:"" help:"Ask to count budgets without stopping anybody, for going live; an access officer approves."`
	Enforce budgetsEnforceCommand `cmd:"" help:"End that at once."`
}

// budgetsFlags say whose register, and who asks.
type budgetsFlags struct {
	configFlag
	Register string `required:"" placeholder:"CODE" help:"Which register."`
	Account  string `required:"" placeholder:"EMAIL" help:"Who runs this: an access officer or administrator; it concerns the accounts of their own body."`
}

// open opens the installation and finds the register and the account. Close the Node.
func (c budgetsFlags) open(s *surroundings) (*node.Node, *register.Register, directory.Actor, error) {
	n, err := c.configFlag.open(s)
	if err != nil {
		return nil, nil, directory.Actor{}, err
	}
	reg, by, err := c.find(s, n)
	if err != nil {
		n.Close()
		return nil, nil, by, err
	}
	return n, reg, by, nil
}

func (c budgetsFlags) find(s *surroundings, n *node.Node) (*register.Register, directory.Actor, error) {
	reg, err := n.Registers.ByCode(s.Context, c.Register)
	if errors.Is(err, register.ErrUnknownRegister) {
		return nil, directory.Actor{}, wrongUse(fmt.Errorf("there is no register %s", c.Register), "")
	}
	if err != nil {
		return nil, directory.Actor{}, err
	}
	account, body, err := n.Directory.ByEmail(s.Context, strings.ToLower(c.Account))
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return nil, directory.Actor{}, refused(fmt.Errorf("there is no account %s", c.Account), "")
	case err != nil:
		return nil, directory.Actor{}, err
	case !slices.ContainsFunc(reg.Controllers, func(r register.Controller) bool { return r.ID == body.ID }):
		return nil, directory.Actor{}, refused(fmt.Errorf("%s is of no body that answers for %s", c.Account, c.Register), "")
	}
	return reg, directory.Actor{Account: account.ID, CLI: operator(), Assured: true, Strong: true}, nil
}

type budgetsObserveCommand struct {
	budgetsFlags
	Days int `required:"" placeholder:"N" help:"For how many days from the approval on, at most 45."`
}

func (c budgetsObserveCommand) Run(s *surroundings) error {
	n, reg, by, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	approval, err := n.Directory.RequestObserve(s.Context, by, directory.ObserveChange{Register: reg.ID, RegisterCode: reg.Code, Days: c.Days})
	switch {
	case errors.Is(err, directory.ErrDays):
		return wrongUse(err, "")
	case errors.Is(err, directory.ErrDualControl):
		return refused(fmt.Errorf("%s is neither an access officer nor an administrator who has signed in", c.Account), "")
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(s.Out, `Asked for: the budgets of %s are observed for %d days from the approval on.
Meanwhile they are counted and written down but stop nobody; the breaker, four eyes, sign-in and ledger are
as always, and every page says so. It takes effect when another access officer approves it: %s/approvals (until %s).
`, reg.Code, c.Days, strings.TrimSuffix(n.Config.Instance.PublicURL, "/"), approval.Expires.Format("2006-01-02"))
	return err
}

type budgetsEnforceCommand struct{ budgetsFlags }

func (c budgetsEnforceCommand) Run(s *surroundings) error {
	n, reg, by, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	err = n.Directory.Enforce(s.Context, by, reg.ID)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		_, err = fmt.Fprintf(s.Out, "The budgets of %s are enforced already.\n", reg.Code)
		return err
	case errors.Is(err, directory.ErrDualControl):
		return refused(fmt.Errorf("%s is neither an officer nor an administrator who has signed in", c.Account), "")
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(s.Out, "The budgets of %s are enforced from now on.\n", reg.Code)
	return err
}
