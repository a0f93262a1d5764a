package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/node"
)

type containCommand struct {
	configFlag
	Account string `arg:"" placeholder:"ACCOUNT" help:"E-mail address of the account."`
	Tree    bool   `help:"And every account that it asked for or approved, and so on."`
	Since   string `placeholder:"T" help:"What was given before this day or instant stays; without it everything ends that they ever gave."`
	DryRun  bool   `help:"Say what it would do, and do nothing."`
	Reason  string `placeholder:"TEXT" help:"Why, 10 to 500 characters, for whoever looks at it later. No name of a person of the register."`
	JSON    bool   `name:"json" help:"Print the summary as JSON."`
}

func (c containCommand) Run(s *surroundings) error {
	since, err := instant("since", c.Since)
	if err != nil {
		return err
	}
	if c.Reason == "" && !c.DryRun {
		return wrongUse(errors.New("say why: --reason TEXT"), "--dry-run shows what would happen")
	}
	n, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	a, err := account(s, n, c.Account)
	if err != nil {
		return err
	}
	by := directory.Actor{CLI: operator()}
	asked := directory.Containment{Account: a.ID, Tree: c.Tree, Since: since, Reason: c.Reason}
	preview, err := n.Directory.Preview(s.Context, by, asked)
	if err != nil {
		return c.explain(err)
	}
	answer := preview.Document()
	if !c.DryRun {
		if answer, err = c.act(s, n, by, asked, answer); err != nil {
			return err
		}
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(answer)
	}
	return c.words(s.Out, n, answer)
}

// act contains, and answers what was really done.
func (c containCommand) act(s *surroundings, n *node.Node, by directory.Actor, asked directory.Containment, preview directory.ContainmentDocument) (directory.ContainmentDocument, error) {
	done, receipt, err := n.Directory.Contain(s.Context, by, asked)
	if err != nil {
		return preview, c.explain(err)
	}
	answer, err := preview.Done(done, n.Keys.Name("containment", int64(done.ID)), receipt)
	return answer, errors.Join(err, n.KeepContainments(s.Context))
}

// explain gives an error of containment its status and a hint.
func (c containCommand) explain(err error) error {
	var refusal *directory.RefusedError
	switch {
	case errors.Is(err, directory.ErrReason):
		return wrongUse(fmt.Errorf("--reason has %d to %d characters", directory.MinContainmentReason, directory.MaxContainmentReason), "")
	case errors.Is(err, directory.ErrSince):
		return wrongUse(err, "--since T; --dry-run shows what it would end")
	case errors.Is(err, directory.ErrContained):
		return refused(err, "")
	case errors.Is(err, directory.ErrTooMany):
		return refused(err, "name a later --since, or contain the accounts one by one")
	case errors.As(err, &refusal) && slices.Contains(refusal.Reasons, ecluse.ReasonContainmentOfficers):
		return refused(errors.New("nobody would be left who could undo it: two officers who were not asked for by one another"),
			"name another officer first; to stop the account meanwhile, end it at its identity provider")
	}
	return err
}

// words tells what was done, or would be.
func (c containCommand) words(w io.Writer, n *node.Node, a directory.ContainmentDocument) error {
	var b strings.Builder
	verb, ended := "Contained", "Ended"
	if a.DryRun {
		verb, ended = "It would contain", "It would end"
	}
	fmt.Fprintf(&b, "%s %d account(s), which have seen %d person(s):\n", verb, len(a.Accounts), a.PersonsSeen)
	for _, email := range a.Accounts {
		fmt.Fprintf(&b, "  %s\n", email)
	}
	fmt.Fprintf(&b, "%s %d session(s), %d link(s) that they made, %d right(s) that they gave to others, %d key(s) of programs.\n", ended, a.Sessions, a.Links, a.Grants, a.Keys)
	for _, email := range a.Dead {
		fmt.Fprintf(&b, "Dead already, for its row was written around the program: %s. ecluse verify --deep says more.\n", email)
	}
	if a.Left > 0 {
		fmt.Fprintf(&b, "%d import(s) that they asked for or approved took effect since and stay: look at their agreements and links.\n", a.Left)
	}
	for _, r := range a.Refused {
		fmt.Fprintf(&b, "It may not be done so: %s.\n", r)
	}
	if !a.DryRun {
		base := strings.TrimSuffix(n.Config.Instance.PublicURL, "/")
		fmt.Fprintf(&b, "Receipt %s. Their owners and the officers are told.\n", a.Receipt)
		fmt.Fprintf(&b, "What they read: ecluse scope --account %s%s. To undo it takes two officers: %s/containments/%s\n", c.Account, c.treeFlag(), base, a.Containment)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c containCommand) treeFlag() string {
	if c.Tree {
		return " --tree"
	}
	return ""
}
