package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"ecluse"
	"ecluse/internal/demoidp"
	"ecluse/internal/directory"
	"ecluse/internal/generate"
	"ecluse/internal/keys"
)

// APIClient is a program of the demo, for developers to try the API with. The first agent of its register
// lets it act for her.
type APIClient struct {
	Preset       string `json:"preset"`
	Register     string `json:"register"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Organisation string `json:"organisation"`
	ActAs        string `json:"act_as"`
}

// clientsFile keeps the secrets of the demo's programs beside it, for the installation keeps hashes only.
const clientsFile = "clients.json"

// entrusted is how many persons of the first agent's caseload the program is entrusted with too.
const entrusted = 30

// firstAgent is the agent whose organisation has the program.
func firstAgent(p *generate.Population) (generate.Account, bool) {
	list := shown(p)
	i := slices.IndexFunc(list, func(a generate.Account) bool { return a.Role == ecluse.RoleAgent })
	if i < 0 {
		return generate.Account{}, false
	}
	return list[i], true
}

// clientChange is the account of a population's program.
func clientChange(p *generate.Population, agent generate.Account) directory.AccountChange {
	id := "demo-" + p.Register()
	c := directory.AccountChange{
		Email: id + "@demo.ecluse.test", UsualName: "Logiciel de gestion", Organisation: agent.Organisation,
		Roles: []ecluse.Role{ecluse.RoleAgent}, IDP: directory.ClientIDP, Sub: id, State: directory.Active,
	}
	if agent.Agreement != "" {
		c.Agreements = []string{agent.Agreement}
	}
	return c
}

// addClient adds the account of a program, and entrusts it with some of the first agent's persons.
func addClient(p *generate.Population, c *directory.Change) {
	agent, ok := firstAgent(p)
	if !ok {
		return
	}
	program := clientChange(p, agent)
	c.Accounts = append(c.Accounts, program)
	for _, l := range c.Links {
		if l.Account == agent.Login {
			l.Account, l.Persons = program.Email, l.Persons[:min(len(l.Persons), entrusted)]
			c.Links = append(c.Links, l)
			return
		}
	}
}

// openClient makes the program's key, and has the first agent agree.
func (d *Demo) openClient(ctx context.Context, p *generate.Population, officers []ecluse.AccountID, dir string) error {
	agent, ok := firstAgent(p)
	if !ok {
		return nil
	}
	program, _, err := d.Node.Directory.Program(ctx, clientChange(p, agent).Sub)
	if err != nil {
		return err
	}
	acting := func(a ecluse.AccountID) directory.Actor {
		return directory.Actor{Account: a, CLI: "demo", Assured: true, Strong: true}
	}
	approval, secret, err := d.Node.Directory.RequestClientKey(ctx, acting(officers[0]), program.ID, nil)
	if err != nil {
		return err
	}
	if err := d.Node.Directory.Decide(ctx, acting(officers[1]), approval.ID, true); err != nil {
		return err
	}
	account, err := d.Node.Directory.ByIdentity(ctx, ProviderID+"/"+demoidp.IDP, demoidp.Sub(clientID, agent.Login))
	if err != nil {
		return fmt.Errorf("find the first agent: %w", err)
	}
	if _, err := d.Node.Directory.Delegate(ctx, acting(account.ID), program.ID); err != nil {
		return err
	}
	all, err := readClients(dir)
	if err != nil {
		return err
	}
	text, err := json.Marshal(append(all, APIClient{
		Preset: p.Register(), Register: p.Register(), ClientID: program.Sub, ClientSecret: string(secret), Organisation: agent.Organisation, ActAs: agent.Login,
	}))
	if err != nil {
		return err
	}
	return keys.WriteFile(filepath.Join(dir, clientsFile), text, 0o600)
}

// readClients are the programs of a demo, none if it has no file of them.
func readClients(dir string) ([]APIClient, error) {
	list := []APIClient{}
	text, err := os.ReadFile(filepath.Join(dir, clientsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil
	}
	if err != nil {
		return list, fmt.Errorf("read the demo's programs: %w", err)
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return list, fmt.Errorf("read the demo's programs: %w", err)
	}
	return list, nil
}
