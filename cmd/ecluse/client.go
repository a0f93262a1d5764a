package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/keys"
	"ecluse/internal/node"
)

type clientCommand struct {
	Key clientKeyCommand `cmd:"" help:"What a program proves itself with."`
}

type clientKeyCommand struct {
	Add  clientKeyAddCommand  `cmd:"" help:"Ask for a key: a secret, shown once, or a public key of the program's. An access officer approves."`
	List clientKeyListCommand `cmd:"" help:"List a program's keys."`
	End  clientKeyEndCommand  `cmd:"" help:"End a key at once, and every token of the program."`
}

// clientFlags say which program.
type clientFlags struct {
	configFlag
	Client string `arg:"" placeholder:"CLIENT" help:"The program's identifier (client_id)."`
}

// open opens the installation and finds the program. Close the Node.
func (c clientFlags) open(s *surroundings) (*node.Node, directory.Account, error) {
	n, err := c.configFlag.open(s)
	if err != nil {
		return nil, directory.Account{}, err
	}
	program, _, err := n.Directory.Program(s.Context, c.Client)
	if err == nil && program.ID == 0 {
		err = refused(fmt.Errorf("there is no program %s", c.Client), "ask for its account first: ecluse directory import, with idp client and the identifier as sub")
	}
	if err != nil {
		n.Close()
		return nil, program, err
	}
	return n, program, nil
}

// explain says what keeps a key from being made.
func (c clientFlags) explain(err error) error {
	switch {
	case errors.Is(err, directory.ErrManyKeys):
		return refused(err, "ecluse client key list, then ecluse client key end")
	case errors.Is(err, directory.ErrPublicKey):
		return wrongUse(err, "an EC key on P-256, an Ed25519 key, or an RSA key of 2048 to 4096 bits, without its private part")
	}
	return err
}

type clientKeyAddCommand struct {
	clientFlags
	JWK string `name:"jwk" type:"existingfile" placeholder:"FILE" help:"The program's public key as a JSON Web Key; a secret is made without."`
}

func (c clientKeyAddCommand) Run(s *surroundings) error {
	var public []byte
	if c.JWK != "" {
		var err error
		if public, err = os.ReadFile(c.JWK); err != nil {
			return wrongUse(err, "")
		}
	}
	n, program, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	approval, secret, err := n.Directory.SubmitClientKey(s.Context, directory.Actor{CLI: operator()}, program.ID, public)
	if err != nil {
		return c.explain(err)
	}
	fmt.Fprintf(s.Out, "client_id      %s\n", program.Sub)
	if secret != "" {
		fmt.Fprintf(s.Out, "client_secret  %s\n", secret)
		fmt.Fprintln(s.Err, "ecluse: the secret is shown here and nowhere else: hand it to whoever runs the program, not by mail")
	}
	_, err = fmt.Fprintf(s.Out, `Asked for, by nobody yet. It works once an access officer or administrator, or an account manager of the
program's organisation, has taken it up, and another access officer has approved it: %s/approvals (until %s).
`,
		strings.TrimSuffix(n.Config.Instance.PublicURL, "/"), approval.Expires.Format(time.DateOnly))
	return err
}

type clientKeyListCommand struct{ clientFlags }

func (c clientKeyListCommand) Run(s *surroundings) error {
	n, program, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	_, list, err := n.Directory.ClientKeysOf(s.Context, directory.Actor{CLI: operator()}, program.ID)
	if err != nil {
		return err
	}
	for _, k := range list {
		fmt.Fprintf(s.Out, "%s  %-6s  %s  made %s  last used %s\n", n.Keys.Name(clientKeyName, int64(k.ID)), k.Kind, keyState(k, n.Clock.Now()), day(k.Created), day(k.LastUsed))
	}
	if len(list) == 0 {
		fmt.Fprintf(s.Out, "%s has no key.\n", program.Sub)
	}
	return nil
}

// clientKeyName is the kind of the names that keys are shown by.
const clientKeyName = "client_key"

func keyState(k directory.ClientKey, at time.Time) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "ended " + day(k.RevokedAt)
	case !at.Before(k.Ends):
		return "over since " + day(k.Ends)
	case k.ReplacedBy != 0:
		return "replaced, until " + day(k.Ends)
	}
	return "until " + day(k.Ends)
}

func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.DateOnly)
}

type clientKeyEndCommand struct {
	clientFlags
	Key string `arg:"" placeholder:"KEY" help:"The key's name, as the list shows it."`
}

func (c clientKeyEndCommand) Run(s *surroundings) error {
	n, program, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	id, err := n.Keys.Number(clientKeyName, c.Key)
	if errors.Is(err, keys.ErrSealed) {
		return wrongUse(fmt.Errorf("%s is no key's name", c.Key), "ecluse client key list shows them")
	}
	if err != nil {
		return err
	}
	err = n.Directory.EndClientKey(s.Context, directory.Actor{CLI: operator()}, program.ID, ecluse.ClientKeyID(id))
	if errors.Is(err, directory.ErrNotFound) {
		return refused(fmt.Errorf("%s has no such key, or it was ended before", program.Sub), "")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "Ended, and every token of %s with it.\n", program.Sub)
	return err
}
