package gate_test

import (
	"slices"
	"strings"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/register"
	"ecluse/internal/store/storetest"
)

// Where being in the register tells something in itself, to find somebody is to obtain her, among one's
// own persons as elsewhere: a list of names must not be checked against a caseload without counting.
func TestWhereBeingInTheRegisterTellsSomethingOwnPersonsWhoAreFoundCountInTotal(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	reg := w.AddRegister(60, func(schema string) string {
		return strings.Replace(schema, "membership_sensitive = false", "membership_sensitive = true", 1)
	})
	const body = "sport-scolaire"
	limits := w.Agreement("S")
	limits.Register, limits.RegisterCode, limits.Limits, limits.Purposes, limits.Fields = reg.ID, reg.Code, `{"total_24h":2}`, nil, 0
	for _, p := range reg.Schema.Purposes {
		limits.Purposes, limits.Fields = append(limits.Purposes, string(p.ID)), limits.Fields|p.Fields
	}
	change := directory.Change{Controller: body, Agreements: []directory.AgreementChange{limits}}
	for i := 2; i <= 4; i++ {
		change.Links = append(change.Links, directory.LinkChange{
			Register: reg.ID, Persons: []ecluse.PersonID{w.Persons["S"+nodetest.External(i)[1:]]}, Account: nodetest.Email("sven"), Kind: directory.LinkCaseload, Ends: nodetest.Start.AddDate(1, 0, 0),
		})
	}
	if err := w.TryApprove("sofficer1", "sofficer2", change); err != nil {
		t.Fatal(err)
	}
	sven := w.SignIn("sven")
	look := func(i int) gate.SearchOutcome {
		value := func(name string) string {
			f, _ := reg.Schema.Field(name)
			return nodetest.Value(f, nodetest.SportIdentity(i))
		}
		return search(t, w, gate.SearchRequest{
			Caller: sven, Register: reg.Code, Purpose: "encadrement", Channel: ecluse.ChannelAPI,
			Query: register.Query{Surname: value("surname"), FirstName: value("first_name"), BirthDate: value("birth_date")},
		})
	}
	for _, i := range []int{1, 1, 2, 2, 1} {
		if out := look(i); len(out.Hits) != 1 || out.Hits[0].Relation != "caseload" {
			t.Fatalf("own person %d: %+v", i, out)
		}
	}
	if out := look(3); len(out.Hits) != 0 || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonBudgetTotal}) {
		t.Errorf("the third person of a day, of two: %+v", out)
	}
	verified(t, w)
}
