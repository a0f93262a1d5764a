package nodetest

import (
	"context"
	"encoding/binary"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/register"
	"ecluse/presets"
)

// Approve has officer1 ask for a change and officer2 approve it.
func (w *World) Approve(c directory.Change) {
	w.t.Helper()
	if err := w.TryApprove("officer1", "officer2", c); err != nil {
		w.t.Fatal(err)
	}
	w.readAccounts()
}

// TryApprove has one account ask for a change and another approve it.
func (w *World) TryApprove(requester, approver string, c directory.Change) error {
	ctx := context.Background()
	approval, err := w.Directory.Request(ctx, w.Actor(requester), c)
	if err != nil {
		return err
	}
	return w.Directory.Decide(ctx, w.Actor(approver), approval.ID, true)
}

// Agreement is the agreement "conv" of an organisation of the first register, as the world has it:
// every purpose, territory 93, from a year before Start to two years after it, default limits.
func (w *World) Agreement(organisation string) directory.AgreementChange {
	return agreement(w.Register, organisation)
}

func agreement(reg *register.Register, organisation string) directory.AgreementChange {
	a := directory.AgreementChange{
		Code: "conv", Organisation: organisation, Register: reg.ID, RegisterCode: reg.Code, Territory: "93",
		Starts: Start.AddDate(-1, 0, 0), Ends: Start.AddDate(2, 0, 0), State: directory.Active,
	}
	for _, p := range reg.Schema.Purposes {
		a.Purposes = append(a.Purposes, string(p.ID))
		a.Fields |= p.Fields
	}
	return a
}

// Account is an account of the world, bound to an identity, with one role under the agreement "conv".
func Account(name, organisation, site string, role ecluse.Role) directory.AccountChange {
	return directory.AccountChange{
		Email: Email(name), GivenName: name, UsualName: "Test", Organisation: organisation, Site: site, Roles: []ecluse.Role{role},
		Agreements: []string{"conv"}, IDP: "test/idp", Sub: "sub-" + name, State: directory.Active,
	}
}

// Change is an empty change of the world's first body.
func (w *World) Change() directory.Change { return directory.Change{Controller: w.controller()} }

// SetLimits gives both organisations of the world limits, as JSON of what departs from the defaults.
func (w *World) SetLimits(json string) {
	w.t.Helper()
	c := w.Change()
	for _, organisation := range []string{"A", "B"} {
		a := w.Agreement(organisation)
		a.Limits = json
		c.Agreements = append(c.Agreements, a)
	}
	w.Approve(c)
}

// Link makes links of the kind caseload for an account, from an approved import.
func (w *World) Link(account string, persons ...int) {
	w.t.Helper()
	c := w.Change()
	for _, i := range persons {
		c.Links = append(c.Links, directory.LinkChange{
			Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons[External(i)]}, Account: Email(account), Kind: directory.LinkCaseload, Ends: Start.AddDate(1, 0, 0),
		})
	}
	w.Approve(c)
}

// SetState moves an account to a state as the program itself would: under the head lock, with an entry, a
// valid MAC and a new revision. It returns the entry's number.
func (w *World) SetState(name, state string) ecluse.EntryNumber {
	w.t.Helper()
	var n ecluse.EntryNumber
	_, err := w.Ledger.Append(context.Background(), ledger.Candidate{
		Kind: ledger.KindContainment, Revision: ledger.AnyRevision, NewRevision: true, Detail: ledger.Detail{What: "test " + state},
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			a, err := w.Store.Account(ctx, w.Accounts[name].ID)
			if err != nil {
				return err
			}
			a.State, a.Entry, n = state, e.N, e.N
			a.MAC = w.AccountMAC(a)
			return tx.(directory.Tx).PutAccounts(ctx, a)
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// AccountMAC is the MAC of an account's row as it is given, for tests that write rows themselves.
func (w *World) AccountMAC(a directory.Account) []byte {
	return w.Keys.MAC("directory/accounts/v1", accountRow(a))
}

// accountRow is written here a second time on purpose: it fixes what the MAC of an account covers.
func accountRow(a directory.Account) []byte {
	var b []byte
	number := func(n int64) { b = binary.BigEndian.AppendUint64(b, uint64(n)) }
	text := func(s string) { number(int64(len(s))); b = append(b, s...) }
	instant := func(t time.Time) {
		if t.IsZero() {
			number(0)
		} else {
			number(t.UnixMicro())
		}
	}
	number(int64(a.ID))
	number(int64(a.Controller))
	number(int64(a.Organisation))
	number(int64(a.Site))
	for _, s := range []string{a.Kind, a.State, a.IDP, a.Sub, a.Email, a.GivenName, a.UsualName} {
		text(s)
	}
	number(int64(a.RequestedBy))
	number(int64(a.ApprovedBy))
	if a.Installed {
		number(1)
	} else {
		number(0)
	}
	instant(a.Created)
	instant(a.Starts)
	instant(a.Ends)
	instant(a.StandInEnds)
	number(int64(a.Entry))
	return b
}

// AddSecondRegister adds the preset licences-sport, which is another body's: officers sofficer1 and
// sofficer2, organisation S with site S1, agent sven, and persons S001 … S0nn, the first of whom has
// the same identity as P001 of the first register.
func (w *World) AddSecondRegister(persons int) *register.Register {
	w.t.Helper()
	return w.AddRegister(persons, func(schema string) string { return schema })
}

// AddRegister is AddSecondRegister with a schema that the test edits.
func (w *World) AddRegister(persons int, edit func(schema string) string) *register.Register {
	w.t.Helper()
	schema, err := presets.Schema("licences-sport")
	if err != nil {
		w.t.Fatal(err)
	}
	definition, err := register.Define(register.File{Name: register.SchemaFile, Data: []byte(edit(string(schema)))})
	if err != nil {
		w.t.Fatal(err)
	}
	reg, err := w.Registers.Create(w.t.Context(), definition)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Import(reg, sportRows(reg, persons)...)
	const body = "sport-scolaire"
	var staff []directory.AccountChange
	for _, name := range []string{"sofficer1", "sofficer2"} {
		staff = append(staff, directory.AccountChange{
			Email: Email(name), GivenName: name, UsualName: "Test", Organisation: body, Roles: []ecluse.Role{ecluse.RoleAccessOfficer}, IDP: "test/idp", Sub: "sub-" + name,
		})
	}
	if err := w.Directory.Found(w.t.Context(), staff); err != nil {
		w.t.Fatal(err)
	}
	w.readAccounts()
	for _, a := range staff {
		w.SignIn(a.GivenName)
	}
	c := directory.Change{
		Controller: body, Installation: true,
		Organisations: []directory.OrganisationChange{organisation("S", ""), organisation("S1", "S")},
		Agreements:    []directory.AgreementChange{agreement(reg, "S")},
		Accounts:      []directory.AccountChange{Account("sven", "S", "S1", ecluse.RoleAgent)},
		Links: []directory.LinkChange{
			{Register: reg.ID, Persons: []ecluse.PersonID{w.Persons["S001"]}, Account: Email("sven"), Kind: directory.LinkCaseload, Ends: Start.AddDate(1, 0, 0)},
		},
	}
	if err := w.TryApprove("sofficer1", "sofficer2", c); err != nil {
		w.t.Fatal(err)
	}
	w.readAccounts()
	return reg
}

func sportRows(reg *register.Register, persons int) []register.Row {
	rows := make([]register.Row, persons)
	for i := range rows {
		rows[i] = register.Row{External: "S" + External(i + 1)[1:], Territory: "93"}
		for _, f := range reg.Schema.Fields {
			rows[i].Values = append(rows[i].Values, Value(f, SportIdentity(i+1)))
		}
	}
	return rows
}

// SportIdentity is the number whose values person i of the second register has: the first one's are
// those of P001, the others are nobody else's.
func SportIdentity(i int) int {
	if i == 1 {
		return 1
	}
	return 850 + i
}

func organisation(code, parent string) directory.OrganisationChange {
	return directory.OrganisationChange{Code: code, Parent: parent, Kind: "ml", Name: "ML " + code, Territory: "93", Phone: "+33199001234", State: directory.Active}
}
