package gate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"
)

// spoiled are texts that look like a handle and were given to nobody.
func spoiled(handle string) []string {
	list := []string{"", "A", handle + "\n", "\r" + handle, handle + "=", handle + "A", " " + handle, handle + handle, strings.Repeat("A", 10<<10), strings.Repeat(handle, 200)}
	for i := range handle {
		list = append(list, handle[:i])
		for bit := range 8 {
			b := []byte(handle)
			b[i] ^= 1 << bit
			list = append(list, string(b))
		}
	}
	return list
}

func TestAHandleOpensNothingElsewhere(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		sport := w.AddSecondRegister(5)
		anne, again, bob, sven := w.SignIn("anne"), w.SignIn("anne"), w.SignIn("bob"), w.SignIn("sven")
		p := w.Persons["P001"]
		mixed := bob
		mixed.Session = anne.Session
		before := height(t, w)
		refused := func(what string, c signin.Caller, reg, handle string) {
			t.Helper()
			out, err := w.Gate.Disclose(t.Context(), gate.Request{Caller: c, Register: reg, Handle: handle, Purpose: "emploi"})
			if !errors.Is(err, gate.ErrHandle) || shows(out) || out.Allowed {
				t.Errorf("a handle %s gives %v", what, err)
			}
			_, err = w.Gate.MakeLink(t.Context(), gate.LinkRequest{Caller: c, Register: reg, Handle: handle, Purpose: "emploi", Kind: "standin", Receiver: nodetest.Email("bob")})
			if !errors.Is(err, gate.ErrHandle) {
				t.Errorf("a link with a handle %s gives %v", what, err)
			}
			if handle == "" {
				return // the first page
			}
			page, err := w.Gate.Caseload(t.Context(), gate.CaseloadRequest{Caller: c, Register: reg, Purpose: "emploi", Cursor: handle})
			if !errors.Is(err, gate.ErrHandle) || len(page.Rows) > 0 {
				t.Errorf("a cursor %s gives %v", what, err)
			}
		}
		for make, of := range map[string]func(signin.Caller) string{
			"handle": func(c signin.Caller) string { return w.Gate.HandleOf(c, w.Register, p) },
			"cursor": func(c signin.Caller) string { return w.Gate.CursorOf(c, w.Register, p) },
		} {
			refused(make+" of another session", anne, first, of(again))
			refused(make+" of another account", anne, first, of(bob))
			refused(make+" of another account in one's session", anne, first, of(mixed))
			refused(make+" of another register", sven, sport.Code, of(sven))
			for _, s := range spoiled(of(anne)) {
				refused("spoiled "+make, anne, first, s)
			}
		}
		// A cursor is no handle, and a handle no cursor.
		if _, err := w.Gate.Disclose(t.Context(), gate.Request{Caller: anne, Register: first, Handle: w.Gate.CursorOf(anne, w.Register, p), Purpose: "emploi"}); !errors.Is(err, gate.ErrHandle) {
			t.Errorf("a cursor opens a record: %v", err)
		}
		if _, err := w.Gate.Caseload(t.Context(), gate.CaseloadRequest{Caller: anne, Register: first, Purpose: "emploi", Cursor: w.Gate.HandleOf(anne, w.Register, p)}); !errors.Is(err, gate.ErrHandle) {
			t.Errorf("a handle turns a page: %v", err)
		}
		for _, e := range entries(t, w, before) {
			if e.Person != 0 {
				t.Errorf("entry %d names a person", e.N)
			}
		}
		if out := open(t, w, to(w, anne, 1)); !out.Allowed {
			t.Errorf("the true handle is refused: %v", out.Reasons)
		}
		verified(t, w)
	})
}

func TestTwoRegistersOfTwoBodiesShareNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		sport := w.AddSecondRegister(5)
		anne, sven := w.SignIn("anne"), w.SignIn("sven")
		ask := func(c signin.Caller, reg string, purpose ecluse.Purpose, i int) gate.SearchOutcome {
			return search(t, w, gate.SearchRequest{Caller: c, Register: reg, Purpose: purpose, Query: query(w, i)})
		}
		isolated := func(when string) {
			t.Helper()
			for _, c := range []struct {
				who     signin.Caller
				reg     string
				purpose ecluse.Purpose
			}{{anne, sport.Code, "encadrement"}, {sven, first, "emploi"}} {
				out := ask(c.who, c.reg, c.purpose, 1)
				if out.Allowed || len(out.Hits) > 0 || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonPurposeNotCovered}) {
					t.Errorf("%s: a search in the other body's register answers %+v", when, out)
				}
				page, err := w.Gate.Caseload(t.Context(), gate.CaseloadRequest{Caller: c.who, Register: c.reg, Purpose: c.purpose})
				if err != nil || len(page.Rows) > 0 {
					t.Errorf("%s: the other body's register has a caseload: %+v, %v", when, page, err)
				}
				reg, _ := w.Registers.ByCode(t.Context(), c.reg)
				for _, p := range []ecluse.PersonID{w.Persons["P001"], w.Persons["S001"]} {
					q := gate.Request{Caller: c.who, Register: c.reg, Handle: w.Gate.HandleOf(c.who, reg, p), Purpose: c.purpose, Motive: "walk_in", Text: reason}
					if out := open(t, w, q); out.Allowed {
						t.Errorf("%s: the other body's register opens", when)
					}
					emergency(&q)
					if out := open(t, w, q); out.Allowed {
						t.Errorf("%s: the other body's register opens in an emergency", when)
					}
				}
			}
		}
		isolated("at first")
		// The person of the other register, by a handle of one's own register.
		if out := open(t, w, toPerson(w, anne, w.Persons["S001"])); out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonPersonUnavailable}) {
			t.Errorf("a person of the other register answers %+v", out)
		}
		// What one does in one register is not metered in the other.
		for range 3 {
			ask(sven, sport.Code, "encadrement", 870)
		}
		readings, err := w.Gate.Meters(t.Context(), sven, first)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range readings {
			if r.Used != 0 {
				t.Errorf("%s is used %d times in the other register", r.Code, r.Used)
			}
		}
		// Two officers of the other body give their own account a mandate and a link here.
		c := directory.Change{Controller: "sport-scolaire", Installation: true, Agreements: []directory.AgreementChange{w.Agreement("S")}}
		c.Agreements[0].Code, c.Agreements[0].Territory = "trespass", "*"
		account := nodetest.Account("sven", "S", "S1", ecluse.RoleAgent)
		account.Agreements = []string{"trespass"}
		c.Accounts = append(c.Accounts, account)
		c.Links = append(c.Links, directory.LinkChange{
			Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons["P001"]}, Account: nodetest.Email("sven"), Kind: directory.LinkCaseload, Ends: nodetest.Start.AddDate(1, 0, 0),
		})
		if err := w.TryApprove("sofficer1", "sofficer2", c); err == nil {
			isolated("after an agreement of the other body")
		}
		verified(t, w)
	})
}
