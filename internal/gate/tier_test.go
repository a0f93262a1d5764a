package gate_test

import (
	"slices"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"
)

// relationOf is what an allowed disclosure says of the person; "" if it is refused.
func relationOf(t *testing.T, w *nodetest.World, c signin.Caller, i int) string {
	t.Helper()
	out := open(t, w, to(w, c, i))
	if !out.Allowed {
		t.Logf("person %d is refused: %v", i, out.Reasons)
		return ""
	}
	return out.Relation
}

func insist(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, not %q", what, got, want)
	}
}

func TestOnlyARunningLinkThatAnotherMadeExplains(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddPersons(600)
		anne, bob, carl, dora := w.SignIn("anne"), w.SignIn("bob"), w.SignIn("carl"), w.SignIn("dora")
		insist(t, "her caseload", relationOf(t, w, anne, 1), "caseload")
		insist(t, "her site's", relationOf(t, w, anne, 41), "site")
		insist(t, "her organisation's", relationOf(t, w, anne, 81), "organisation")
		insist(t, "nobody's", relationOf(t, w, anne, 121), "other")
		insist(t, "another organisation's", relationOf(t, w, dora, 1), "other")

		link := func(maker signin.Caller, i int, kind, receiver string) gate.LinkOutcome {
			t.Helper()
			out, err := w.Gate.MakeLink(t.Context(), gate.LinkRequest{
				Caller: maker, Register: first, Handle: w.Gate.HandleOf(maker, w.Register, w.Persons[nodetest.External(i)]), Purpose: "emploi", Kind: kind, Receiver: nodetest.Email(receiver),
			})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		// A link that bob makes for carl explains carl's access, makes it bob's organisation's business,
		// and explains nothing to bob himself.
		if out := link(bob, 82, directory.LinkStandIn, "anne"); !out.Allowed {
			t.Fatalf("a stand-in is refused: %v", out.Reasons)
		}
		insist(t, "a stand-in, to the receiver", relationOf(t, w, anne, 82), "caseload")
		insist(t, "a stand-in, to its maker", relationOf(t, w, bob, 82), "organisation")
		insist(t, "the follower", relationOf(t, w, carl, 82), "caseload")
		// Nobody may make a link for somebody whom only a justification would open.
		if out := link(anne, 122, directory.LinkStandIn, "bob"); out.Allowed {
			t.Error("a link was made for a person of nobody")
		}
		w.Clock.Advance(31 * 24 * time.Hour)
		for _, name := range []string{"anne", "carl", "dora"} { // or they would be dormant
			w.SignIn(name)
		}
		w.Clock.Advance(30 * 24 * time.Hour)
		insist(t, "a stand-in that ended", relationOf(t, w, anne, 82), "organisation")

		c := w.Change()
		at := w.Clock.Now()
		c.Links = []directory.LinkChange{
			{Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons["P131"]}, Account: nodetest.Email("anne"), Kind: directory.LinkCaseload, Starts: at.Add(time.Hour), Ends: at.Add(48 * time.Hour)},
			{Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons["P132"]}, Site: "A1", Kind: directory.LinkCaseload, Ends: at.Add(48 * time.Hour)},
			{Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons["P133"]}, Account: nodetest.Email("anne"), Kind: directory.LinkCaseload, Starts: at.Add(-48 * time.Hour), Ends: at},
		}
		w.Approve(c)
		insist(t, "a link that has not begun", relationOf(t, w, anne, 131), "other")
		insist(t, "a link of the whole site", relationOf(t, w, anne, 132), "caseload")
		insist(t, "a link of another site", relationOf(t, w, carl, 132), "organisation")
		insist(t, "a link of another organisation", relationOf(t, w, dora, 132), "other")
		insist(t, "a link that ended", relationOf(t, w, anne, 133), "other")
		w.Clock.Advance(time.Hour)
		insist(t, "a link that has begun", relationOf(t, w, anne, 131), "caseload")
		verified(t, w)
	})
}

func TestWhatTheClientSendsDoesNotMoveTheTier(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	anne := w.SignIn("anne")
	for i, want := range map[int]ecluse.Reason{81: ecluse.ReasonJustificationRequired, 121: ecluse.ReasonJustificationRequired} {
		for _, change := range []func(*gate.Request){
			func(r *gate.Request) { r.Motive, r.Text = "", "" },
			func(r *gate.Request) { r.Motive = "because I can" },
			func(r *gate.Request) { r.Motive, r.Text = "", reason },
			func(r *gate.Request) { r.Text = "too short"; r.Motive = map[bool]string{true: "walk_in"}[i == 121] },
		} {
			r := to(w, anne, i)
			change(&r)
			if out := open(t, w, r); out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{want}) {
				t.Errorf("person %d with motive %q and %d characters: %+v", i, r.Motive, len(r.Text), out)
			}
		}
	}
}

func TestARowWrittenAroundTheProgramIsDead(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddPersons(600)
		db := around(t, url)
		anne, bob := w.SignIn("anne"), w.SignIn("bob")
		person := int64(w.Persons["P125"])
		a := w.Accounts["anne"]
		// A link of one's own making in the database, and one copied from a true row.
		tamper(t, db, `INSERT INTO links SELECT 900000001, register_id, $1, account_id, site_id, organisation_id, kind, made_by, made_at, entry, starts, ends, mac
			FROM links WHERE id = (SELECT MIN(id) FROM links WHERE account_id = $2)`, person, int64(a.ID))
		insist(t, "a copied link", relationOf(t, w, anne, 125), "other")
		page, err := w.Gate.Caseload(t.Context(), gate.CaseloadRequest{Caller: anne, Register: first, Purpose: "emploi", Cursor: w.Gate.CursorOf(anne, w.Register, w.Persons["P040"])})
		if err != nil || len(page.Rows) > 0 || page.Withheld != 1 {
			t.Errorf("a copied link makes a row of the caseload: %d rows, %v", len(page.Rows), err)
		}
		if out := search(t, w, gate.SearchRequest{Caller: anne, Register: first, Purpose: "emploi", Query: query(w, 125)}); len(out.Hits) != 1 || out.Hits[0].Relation != "other" {
			t.Errorf("a copied link makes a search answer %+v", out)
		}
		tamper(t, db, `UPDATE links SET made_by = 0, account_id = $1 WHERE person_id = $2 AND id < 900000001`, int64(a.ID), int64(w.Persons["P090"]))
		insist(t, "an altered link", relationOf(t, w, anne, 90), "other")

		for _, alter := range []struct{ what, query string }{
			{"the territory of an agreement", `UPDATE agreements SET territory = '*'`},
			{"the limits of an agreement", `UPDATE agreements SET limits = '{"unexplained_24h":1000}'`},
			{"the fields of an agreement", `UPDATE agreements SET fields = 524287`},
			{"the end of an agreement", `UPDATE agreements SET ends = ends + 1`},
			{"the maker of a grant", `UPDATE grants SET created = created - 1`},
		} {
			t.Run(alter.what, func(t *testing.T) {
				w := nodetest.New(t, fresh(t, url), nil)
				tamper(t, around(t, w.Config.Database.URL), alter.query)
				w.Reopen()
				out := open(t, w, to(w, w.SignIn("anne"), 1))
				if out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonPurposeNotCovered}) {
					t.Errorf("it is still alive: %+v", out)
				}
			})
		}
		for _, query := range []string{
			`UPDATE accounts SET state = 'active' WHERE id = $1`,
			`UPDATE accounts SET organisation_id = organisation_id + 1 WHERE id = $1`,
			`UPDATE accounts SET installed = NOT installed WHERE id = $1`,
		} {
			w.SetState("bob", directory.Suspended)
			tamper(t, db, query, int64(bob.Account))
			w.Reopen()
			if out, err := w.Gate.Disclose(t.Context(), to(w, bob, 41)); err == nil || shows(out) {
				t.Errorf("an altered account discloses: %+v, %v", out, err)
			}
			tamper(t, db, `UPDATE accounts SET state = 'suspended', organisation_id = $2, installed = $3 WHERE id = $1`, int64(bob.Account), int64(a.Organisation), true)
		}
		verified(t, w)
	})
}
