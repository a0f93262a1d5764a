package gate_test

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"testing"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

// What budgets rest on, attacked by somebody who writes the database and has no key.

// tries asks to open a person and says whether it was refused in whatever way.
func tries(t *testing.T, w *nodetest.World, q gate.Request) (gate.Outcome, error) {
	t.Helper()
	for {
		out, err := w.Gate.Disclose(context.Background(), q)
		if !errors.Is(err, ledger.ErrBusy) {
			return out, err
		}
	}
}

// row is a row of a table, as it was read before the attack.
func readRow(t *testing.T, db *sql.DB, query string, args ...any) []any {
	t.Helper()
	rows, err := db.Query(query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	if !rows.Next() {
		t.Fatalf("%s finds nothing", query)
	}
	cells, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	if err := rows.Scan(into...); err != nil {
		t.Fatal(err)
	}
	return cells
}

func putRow(t *testing.T, db *sql.DB, table string, cells []any) {
	t.Helper()
	marks := "$1"
	for i := 2; i <= len(cells); i++ {
		marks += ", $" + strconv.Itoa(i)
	}
	tamper(t, db, "INSERT INTO "+table+" VALUES ("+marks+")", cells...)
}

func TestNoBudgetIsLiftedByWritingAMeterAroundTheProgram(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddPersons(600)
		w.SetLimits(`{"unexplained_24h":3}`)
		db, anne := around(t, url), w.SignIn("anne")
		account := int64(w.Accounts["anne"].ID)
		early := func() []any {
			return readRow(t, db, "SELECT * FROM meters WHERE holder_id = $1 AND register_id = $2", account, int64(w.Register.ID))
		}
		open(t, w, to(w, anne, 121))
		old := early()
		for i := 122; i <= 123; i++ {
			open(t, w, to(w, anne, i))
		}
		if out := open(t, w, to(w, anne, 126)); out.Allowed {
			t.Fatal("there is no budget of three")
		}
		before, last := height(t, w), early()
		empty, _ := budget.Meter{}.MarshalBinary()
		attacks := map[string]func(){
			"an emptied meter": func() {
				tamper(t, db, "UPDATE meters SET state = $1 WHERE holder_id = $2", empty, account)
			},
			"a deleted meter": func() { tamper(t, db, "DELETE FROM meters WHERE holder_id = $1", account) },
			"the meter of an hour ago": func() {
				tamper(t, db, "DELETE FROM meters WHERE holder_id = $1", account)
				putRow(t, db, "meters", old)
			},
			"somebody else's meter": func() {
				tamper(t, db, "UPDATE meters SET state = (SELECT state FROM meters m WHERE m.holder_id = $1), mac = (SELECT mac FROM meters m WHERE m.holder_id = $1) WHERE holder_id = $2",
					int64(w.Register.ID), account)
			},
		}
		for name, attack := range attacks {
			attack()
			if out, err := tries(t, w, to(w, anne, 126)); err == nil || out.Allowed || shows(out) {
				t.Errorf("%s: %+v, %v", name, out, err)
			}
			if height(t, w) != before {
				t.Errorf("%s: an entry was written", name)
			}
			if _, err := db.Exec("DELETE FROM meters WHERE holder_id = $1", account); err != nil {
				t.Fatal(err)
			}
			putRow(t, db, "meters", last)
		}
		// Nobody else is stopped by it, and the true row goes on as it was.
		tamper(t, db, "UPDATE meters SET state = $1 WHERE holder_id = $2", empty, account)
		if out := open(t, w, to(w, w.SignIn("bob"), 41)); !out.Allowed {
			t.Errorf("a colleague is refused: %v", out.Reasons)
		}
		tamper(t, db, "UPDATE meters SET state = $1 WHERE holder_id = $2", last[4], account)
		if out := open(t, w, to(w, anne, 126)); out.Allowed {
			t.Error("the budget is gone")
		}
		verified(t, w)
	})
}

func TestNobodyIsMadeKnownByWritingWhatAnAccountHasSeen(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddPersons(600)
		w.SetLimits(`{"unexplained_24h":3}`)
		db, anne := around(t, url), w.SignIn("anne")
		at := w.Clock.Now().UnixMicro()
		mac := make([]byte, 16)
		open(t, w, to(w, anne, 121))
		if err := db.QueryRow("SELECT mac FROM seen").Scan(&mac); err != nil {
			t.Fatal(err)
		}
		for i := 122; i <= 140; i++ {
			tamper(t, db, "INSERT INTO seen (account_id, person_id, charged_at, tier, classes, last_at, mac) VALUES ($1, $2, $3, 3, 65534, $3, $4)",
				int64(w.Accounts["anne"].ID), int64(w.Persons[nodetest.External(i)]), at, mac)
		}
		allowed := 1
		for i := 122; i <= 140; i++ {
			if out := open(t, w, to(w, anne, i)); out.Allowed {
				allowed++
			} else if out.Reasons[0] != ecluse.ReasonBudgetUnexplained {
				t.Fatalf("refused for %v", out.Reasons)
			}
		}
		if allowed != 3 {
			t.Errorf("%d persons without relation were shown in a day", allowed)
		}
		_, _ = db.Exec("DELETE FROM seen WHERE mac = $1 AND person_id <> $2", mac, int64(w.Persons[nodetest.External(121)]))
		verified(t, w)
	})
}
