package nodetest

import (
	"context"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/signin"
)

// AddProgram adds an account of a program to an organisation of the world; its identifier is its name.
func (w *World) AddProgram(name, organisation string) {
	w.t.Helper()
	a := Account(name, organisation, "", ecluse.RoleAgent)
	a.IDP, a.Sub = directory.ClientIDP, name
	c := w.Change()
	c.Accounts = append(c.Accounts, a)
	w.Approve(c)
}

// Delegate has an agent agree that a program acts for her.
func (w *World) Delegate(agent, program string) {
	w.t.Helper()
	if _, err := w.Directory.Delegate(context.Background(), w.Actor(agent), w.Accounts[program].ID); err != nil {
		w.t.Fatal(err)
	}
}

// Program is a program that asks for an account, or for itself, as its token says.
func (w *World) Program(program, account string) signin.Caller {
	w.t.Helper()
	return signin.Caller{Account: w.Accounts[account].ID, Client: w.Accounts[program].ID, Provider: signin.ProviderProgram, Assured: true}
}
