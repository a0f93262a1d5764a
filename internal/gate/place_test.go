package gate_test

import (
	"errors"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

// An organisation's row says whether its agreements run, whose site a site is, and what an approver is shown.
func TestAnOrganisationWrittenAroundTheProgramIsDead(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		db, dora := around(t, url), w.SignIn("dora")
		opens := func(what string, want bool) {
			t.Helper()
			w.Reopen()
			if out, err := tries(t, w, to(w, dora, 1)); (err == nil && shows(out)) != want {
				t.Errorf("%s: opened %v, %v", what, shows(out), err)
			}
		}
		place := func(code, parent, state string) directory.Change {
			c := w.Change()
			c.Organisations = []directory.OrganisationChange{{Code: code, Parent: parent, Kind: "association", Name: "Other", Territory: "93", State: state}}
			return c
		}
		opens("untouched", true)
		w.Approve(place("B", "", directory.Ended))
		opens("ended", false)
		tamper(t, db, `UPDATE organisations SET state = 'active' WHERE code = 'B'`)
		opens("begun again around the program", false)
		// A dead row is not made good by the next change of it, nor by one that refers to it.
		if err := w.TryApprove("officer1", "officer2", place("B", "", directory.Active)); !errors.Is(err, directory.ErrDead) {
			t.Errorf("a dead organisation is changed: %v", err)
		}
		agreement := w.Change()
		agreement.Agreements = append(agreement.Agreements, w.Agreement("B"))
		if err := w.TryApprove("officer1", "officer2", agreement); err == nil {
			t.Error("a dead organisation gets an agreement")
		}
		tamper(t, db, `UPDATE organisations SET state = 'ended' WHERE code = 'B'`)
		w.Approve(place("B", "", directory.Active))
		opens("begun again by two", true)
		for what, query := range map[string][2]string{
			"another name":      {`UPDATE organisations SET name = name || '!' WHERE code = 'B'`, `UPDATE organisations SET name = 'Other' WHERE code = 'B'`},
			"another territory": {`UPDATE organisations SET territory = '*' WHERE code = 'B'`, `UPDATE organisations SET territory = '93' WHERE code = 'B'`},
		} {
			tamper(t, db, query[0])
			opens(what, false)
			tamper(t, db, query[1])
			opens(what+", undone", true)
		}
		verified(t, w)
	})
}

// Of a body's row, mails say whom to appeal to.
func TestABodyWrittenAroundTheProgramIsNobody(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		body := w.Accounts["anne"].Controller
		if dpo, err := w.Directory.ContactOf(t.Context(), body); err != nil || dpo == "" {
			t.Fatal(dpo, err)
		}
		tamper(t, around(t, url), `UPDATE controllers SET dpo = 'thief@thief.example'`)
		if dpo, err := w.Directory.ContactOf(t.Context(), body); err != nil || dpo != "" {
			t.Errorf("appeals go to %q, %v", dpo, err)
		}
		if all, err := w.Directory.Controllers(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("%d bodies, %v", len(all), err)
		}
	})
}

// A site that is put under another organisation would let links made for it open persons to strangers.
func TestASiteMovedAroundTheProgramReceivesNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		db, body := around(t, url), w.Accounts["anne"].Controller
		site, err := w.Directory.ReceivingSite(t.Context(), body, "A2", w.Register.ID)
		if err != nil {
			t.Fatal(err)
		}
		tamper(t, db, `UPDATE organisations SET parent_id = $1 WHERE code = 'A2'`, int64(w.Accounts["dora"].Organisation))
		w.Reopen()
		if got, err := w.Directory.ReceivingSite(t.Context(), body, "A2", w.Register.ID); !errors.Is(err, directory.ErrDead) {
			t.Errorf("a moved site receives links for organisation %d, %v", got.Parent, err)
		}
		c := w.Change()
		c.Links = []directory.LinkChange{{Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons["P001"]}, Site: "A2", Kind: directory.LinkCaseload, Ends: nodetest.Start.AddDate(1, 0, 0)}}
		if err := w.TryApprove("officer1", "officer2", c); err == nil {
			t.Error("an import makes links for it")
		}
		tamper(t, db, `UPDATE organisations SET parent_id = $1 WHERE code = 'A2'`, int64(site.Parent))
		w.Approve(c)
		verified(t, w)
	})
}
