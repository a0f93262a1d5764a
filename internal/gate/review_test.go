package gate_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/policy"
	"ecluse/internal/register"
	"ecluse/internal/store/storetest"
)

// told are the kinds of reviews that an account sees, oldest first.
func told(t *testing.T, w *nodetest.World, who string) (kinds []string) {
	t.Helper()
	for _, r := range w.Reviews(who) {
		kinds = append(kinds, r.Kind)
	}
	return kinds
}

func sameKinds(t *testing.T, who string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s is told %v, not %v", who, got, want)
	}
}

func TestWhoIsToldOfADisclosure(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddPersons(600)
		more := w.Change()
		more.Accounts = []directory.AccountChange{nodetest.Account("managerb", "B", "B1", ecluse.RoleAccountManager)}
		w.Approve(more)
		anne := w.SignIn("anne")
		for _, i := range []int{1, 41, 81, 121} {
			if out := open(t, w, to(w, anne, i)); !out.Allowed {
				t.Fatalf("person %d is refused: %v", i, out.Reasons)
			}
		}
		q := to(w, anne, 122)
		emergency(&q)
		open(t, w, q)
		sameKinds(t, "the account manager", told(t, w, "manager"), policy.ReviewOutside, policy.ReviewUnexplained, policy.ReviewEmergency)
		sameKinds(t, "the security officer", told(t, w, "rssi"), policy.ReviewUnexplained, policy.ReviewEmergency)
		for _, who := range []string{"managerb", "anne", "officer1", "dpo", "dora"} {
			sameKinds(t, who, told(t, w, who))
		}
		list := w.Reviews("manager")
		for _, r := range list {
			for _, who := range []string{"managerb", "anne", "officer1", "dpo"} {
				if err := w.Directory.DecideReview(t.Context(), w.Actor(who), r.ID, true); !errors.Is(err, directory.ErrNotFound) {
					t.Errorf("%s decides a review of another organisation: %v", who, err)
				}
				before := height(t, w)
				if text, err := w.Directory.ReviewText(t.Context(), w.Actor(who), r.ID); !errors.Is(err, directory.ErrNotFound) || text != "" || height(t, w) != before {
					t.Errorf("%s reads the text of another organisation: %v", who, err)
				}
			}
		}
		if err := w.Directory.DecideReview(t.Context(), w.Actor("rssi"), list[0].ID, true); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("the security officer decides what only the account manager is told of: %v", err)
		}
		for _, r := range list {
			if err := w.Directory.DecideReview(t.Context(), w.Actor("manager"), r.ID, false); err != nil {
				t.Error(err)
			}
			if err := w.Directory.DecideReview(t.Context(), w.Actor("manager"), r.ID, true); !errors.Is(err, directory.ErrDecided) {
				t.Errorf("a review is decided twice: %v", err)
			}
		}
		sameKinds(t, "the account manager afterwards", told(t, w, "manager"))
		verified(t, w)
	})
}

func TestTierThreeWaitsAtFivePendingReviewsAndAnEmergencyNever(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddPersons(600)
		w.SetLimits(`{"unexplained_24h":50,"outside_24h":50,"emergency_24h":50}`)
		anne := w.SignIn("anne")
		for i := 121; i <= 125; i++ {
			if out := open(t, w, to(w, anne, i)); !out.Allowed {
				t.Fatalf("person %d is refused: %v", i, out.Reasons)
			}
		}
		out := open(t, w, to(w, anne, 126))
		if out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonReviewPending}) {
			t.Errorf("the sixth answers %+v", out)
		}
		for i := 81; i <= 83; i++ {
			if out := open(t, w, to(w, anne, i)); !out.Allowed {
				t.Errorf("tier 2 waits: %v", out.Reasons)
			}
		}
		// Past the breaker too: 820 persons make half of it 8, and that is what was opened.
		if out := open(t, w, to(w, anne, 84)); out.Allowed || !slices.Contains(out.Reasons, ecluse.ReasonBudgetBreaker) {
			t.Errorf("the breaker does not answer: %+v", out)
		}
		for i := 126; i <= 128; i++ {
			q := to(w, anne, i)
			emergency(&q)
			out := open(t, w, q)
			if !out.Allowed {
				t.Fatalf("an emergency is refused: %v", out.Reasons)
			}
			out.Values.Each(func(f register.Field, _ string) {
				if f.Class != ecluse.Contact && (f.About != register.AboutRepresentative || f.Class != ecluse.Identity) {
					t.Errorf("an emergency shows %s", f.Name)
				}
			})
		}
		q := to(w, anne, 129)
		emergency(&q)
		q.Fields = []string{"surname"}
		if out := open(t, w, q); out.Allowed || !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonFieldNotCovered}) {
			t.Errorf("an emergency for a name answers %+v", out)
		}
		list := w.Reviews("rssi")
		for _, r := range list {
			if r.Kind == policy.ReviewUnexplained {
				if err := w.Directory.DecideReview(t.Context(), w.Actor("rssi"), r.ID, true); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		if out := open(t, w, to(w, anne, 121)); !out.Allowed { // known: the breaker does not count her
			t.Errorf("after one decision tier 3 still waits: %v", out.Reasons)
		}
		verified(t, w)
	})
}

func TestNobodyDecidesTheReviewOfHerOwnDisclosure(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	c := w.Change()
	a := nodetest.Account("anne", "A", "A1", ecluse.RoleAgent)
	a.Roles = []ecluse.Role{ecluse.RoleAgent, ecluse.RoleAccountManager, ecluse.RoleSecurityOfficer}
	c.Accounts = append(c.Accounts, a)
	w.Approve(c)
	anne := w.SignIn("anne")
	open(t, w, to(w, anne, 121))
	open(t, w, to(w, anne, 81))
	sameKinds(t, "anne, of herself", told(t, w, "anne"))
	list := w.Reviews("manager")
	if len(list) != 2 {
		t.Fatalf("the account manager is told of %d", len(list))
	}
	for _, r := range list {
		if err := w.Directory.DecideReview(t.Context(), w.Actor("anne"), r.ID, true); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("she decides her own review: %v", err)
		}
		if _, err := w.Directory.ReviewText(t.Context(), w.Actor("anne"), r.ID); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("she reads her own review: %v", err)
		}
	}
}

func TestAJustificationIsSealedAndItsReadingIsWrittenDownFirst(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		text := "Zqjustified: she came without an appointment, and cried."
		q := to(w, w.SignIn("anne"), 121)
		q.Text = text
		open(t, w, q)
		list := w.Reviews("manager")
		if len(list) != 1 || bytes.Contains(list[0].Text, []byte("Zqjust")) || len(list[0].Text) == 0 {
			t.Fatalf("the review holds %d texts, or one in the open", len(list))
		}
		before := height(t, w)
		got, err := w.Directory.ReviewText(t.Context(), w.Actor("manager"), list[0].ID)
		if err != nil || got != text {
			t.Errorf("the text does not come back (%v)", err)
		}
		read := entries(t, w, before)
		if len(read) != 1 || read[0].Kind != ledger.KindLedgerRead || read[0].Account != w.Accounts["manager"].ID {
			t.Errorf("the reading is not in the ledger: %d entries", len(read))
		}
		// What cannot be written down is not shown.
		w.Ledger.Close()
		if got, err := w.Directory.ReviewText(t.Context(), w.Actor("manager"), list[0].ID); err == nil || got != "" {
			t.Errorf("the text is shown without an entry (%v)", err)
		}
		w.Reopen()
		// A text altered in the database is no text.
		tamper(t, around(t, url), `UPDATE reviews SET text = (SELECT text FROM reviews WHERE id = $1) || $2 WHERE id = $1`, int64(list[0].ID), []byte{1})
		if got, err := w.Directory.ReviewText(t.Context(), w.Actor("manager"), list[0].ID); err == nil || strings.Contains(got, "Zq") {
			t.Errorf("an altered text is shown (%v)", err)
		}
		if problems := deep(t, w); !strings.Contains(problems, "the text of review") {
			t.Errorf("an altered text is not named: %s", problems)
		}
	})
}

func TestARecordThatCannotBeRevealedIsAnEntryWithoutADelivery(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		anne := w.SignIn("anne")
		db := around(t, url)
		spoil := func(i int) {
			t.Helper()
			var sealed []byte
			p := int64(w.Persons[nodetest.External(i)])
			if err := db.QueryRow(`SELECT sealed FROM records WHERE person_id = $1`, p).Scan(&sealed); err != nil {
				t.Fatal(err)
			}
			sealed[200] ^= 1 // in the first field, behind the head
			tamper(t, db, `UPDATE records SET sealed = $2 WHERE person_id = $1`, p, sealed)
		}
		spoil(41)
		before := height(t, w)
		out, err := w.Gate.Disclose(t.Context(), to(w, anne, 41))
		if err == nil || shows(out) || out.Allowed || out.Receipt != "" {
			t.Fatalf("a spoiled record gives %+v, %v", out, err)
		}
		if strings.Contains(strings.ToLower(err.Error()), "zq") {
			t.Error("the error holds a value")
		}
		wrote := entries(t, w, before)
		if len(wrote) != 2 || wrote[0].Kind != ledger.KindDisclose || wrote[0].Decision != ledger.Allow || wrote[1].Kind != ledger.KindUndelivered {
			t.Fatalf("the ledger has %+v", wrote)
		}
		if d, err := wrote[1].ReadDetail(); err != nil || d.Refers != int64(wrote[0].N) {
			t.Errorf("it refers to %d (%v), not to %d", d.Refers, err, wrote[0].N)
		}
		readings, err := w.Gate.Meters(t.Context(), anne, first)
		if err != nil {
			t.Fatal(err)
		}
		used := 0
		for _, r := range readings {
			if r.Code == ecluse.ReasonBudgetTotal || r.Code == ecluse.ReasonBudgetNew {
				used += r.Used
			}
		}
		if used != 3 { // total, new in 24 h, new in 30 d
			t.Errorf("the charges were given back: %d", used)
		}
		spoil(7) // one of a page: the whole page stays in
		before = height(t, w)
		page, err := w.Gate.Caseload(t.Context(), caseload(anne))
		if err == nil || len(page.Rows) > 0 {
			t.Errorf("a page with a spoiled record shows %d rows (%v)", len(page.Rows), err)
		}
		undelivered := 0
		for _, e := range entries(t, w, before) {
			if e.Kind == ledger.KindUndelivered {
				undelivered++
			}
		}
		if undelivered != 25 {
			t.Errorf("%d undelivered entries for a page of 25", undelivered)
		}
		verified(t, w)
	})
}

func TestReopeningAKnownPersonOpensNoSecondReview(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		anne := w.SignIn("anne")
		found := find(t, w, anne, nodetest.Organisation+1)
		for range 3 {
			out, err := w.Gate.Disclose(t.Context(), gate.Request{
				Caller: anne, Register: "mission-locale", Handle: found.Hits[0].Handle, Purpose: "emploi", Motive: w.Register.Schema.Motives[0].ID,
				Text: "she is here, and nobody follows her", Channel: ecluse.ChannelAPI,
			})
			if err != nil || !out.Allowed {
				t.Fatal(out.Reasons, err)
			}
		}
		if n, err := w.Directory.PendingReviews(t.Context(), anne.Account, w.Register.ID); err != nil || n != 1 {
			t.Errorf("%d reviews wait, %v", n, err)
		}
	})
}
