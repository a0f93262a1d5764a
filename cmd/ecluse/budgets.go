package main

import (
	"errors"
	"fmt"
	"strings"

	"ecluse/internal/directory"
	"ecluse/internal/node"
	"ecluse/internal/register"
)

type budgetsCommand struct {
	Observe budgetsObserveCommand `cmd:"" help:"Ask to count budgets without stopping anybody, for going live; an access officer approves."`
	Enforce budgetsEnforceCommand `cmd:"" help:"End that at once."`
}

type budgetsObserveCommand struct {
	configFlag
	Register string `required:"" placeholder:"CODE" help:"Which register."`
	Body     string `placeholder:"CODE" help:"Whose accounts it concerns, where several bodies answer for the register."`
	Days     int    `required:"" placeholder:"N" help:"For how many days from the approval on, at most 45."`
}

func (c budgetsObserveCommand) Run(s *surroundings) error {
	n, reg, err := openRegister(s, c.configFlag, c.Register)
	if err != nil {
		return err
	}
	defer n.Close()
	body, err := answering(reg, c.Body)
	if err != nil {
		return err
	}
	approval, err := n.Directory.SubmitObserve(s.Context, directory.Actor{CLI: operator()}, body, directory.ObserveChange{Register: reg.ID, RegisterCode: reg.Code, Days: c.Days})
	switch {
	case errors.Is(err, directory.ErrDays):
		return wrongUse(err, "")
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(s.Out, `Asked for: the budgets of %s are observed for %d days from the approval on.
Meanwhile they are counted and written down but stop nobody; the breaker, four eyes, sign-in and ledger are
as always, and every page says so. An access officer or administrator takes it up, and another access officer
approves it: %s/approvals (until %s).
`, reg.Code, c.Days, strings.TrimSuffix(n.Config.Instance.PublicURL, "/"), approval.Expires.Format("2006-01-02"))
	return err
}

// openRegister opens the installation and finds a register. Close the Node.
func openRegister(s *surroundings, c configFlag, code string) (*node.Node, *register.Register, error) {
	n, err := c.open(s)
	if err != nil {
		return nil, nil, err
	}
	reg, err := n.Registers.ByCode(s.Context, code)
	if errors.Is(err, register.ErrUnknownRegister) {
		err = wrongUse(fmt.Errorf("there is no register %s", code), "")
	}
	if err != nil {
		n.Close()
		return nil, nil, err
	}
	return n, reg, nil
}

// answering is the body that answers for a register: the one named, or the only one.
func answering(reg *register.Register, code string) (string, error) {
	if code == "" && len(reg.Controllers) == 1 {
		return reg.Controllers[0].Code, nil
	}
	var codes []string
	for _, c := range reg.Controllers {
		if c.Code == code {
			return code, nil
		}
		codes = append(codes, c.Code)
	}
	return "", wrongUse(fmt.Errorf("say which of the bodies that answer for %s", reg.Code), "--body "+strings.Join(codes, " or --body "))
}

type budgetsEnforceCommand struct {
	configFlag
	Register string `required:"" placeholder:"CODE" help:"Which register."`
}

func (c budgetsEnforceCommand) Run(s *surroundings) error {
	n, reg, err := openRegister(s, c.configFlag, c.Register)
	if err != nil {
		return err
	}
	defer n.Close()
	err = n.Directory.Enforce(s.Context, directory.Actor{CLI: operator()}, reg.ID)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		_, err = fmt.Fprintf(s.Out, "The budgets of %s are enforced already.\n", reg.Code)
		return err
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(s.Out, "The budgets of %s are enforced from now on.\n", reg.Code)
	return err
}
