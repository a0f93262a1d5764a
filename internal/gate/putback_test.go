package gate_test

import (
	"strings"
	"testing"

	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

// A row of yesterday has a valid MAC. Whoever puts it back gains nothing in silence: verification rebuilds
// the rows from the entries and names the difference.
func TestARowOfBeforeThatIsPutBackIsNamed(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddPersons(600)
		db, anne := around(t, url), w.SignIn("anne")
		account, organisation, reg := int64(anne.Account), int64(w.Accounts["anne"].Organisation), int64(w.Register.ID)
		open(t, w, to(w, anne, 121))
		w.Clock.Advance(2 * 3600e9)
		person := int64(w.Persons[nodetest.External(121)])
		rows := []struct {
			what, table, where string
			args               []any
			said               string
			before             []any
		}{
			{what: "the organisation's meter", table: "meters", where: "holder_id = $1 AND register_id = $2", args: []any{organisation, reg}, said: "the meter of holder"},
			{what: "the register's meter", table: "meters", where: "holder_id = $1 AND register_id = $2", args: []any{reg, reg}, said: "the meter of holder"},
			{what: "the account's meter", table: "meters", where: "holder_id = $1 AND register_id = $2", args: []any{account, reg}, said: "holder"},
			{what: "what the account has seen", table: "seen", where: "account_id = $1 AND person_id = $2", args: []any{account, person}, said: "has seen"},
			{what: "a review", table: "reviews", where: "account_id = $1", args: []any{account}, said: "review"},
		}
		for i, r := range rows {
			rows[i].before = readRow(t, db, "SELECT * FROM "+r.table+" WHERE "+r.where, r.args...)
		}
		if err := w.Directory.DecideReview(t.Context(), w.Actor("manager"), w.Reviews("manager")[0].ID, true); err != nil {
			t.Fatal(err)
		}
		open(t, w, to(w, anne, 121))
		open(t, w, to(w, anne, 81))
		open(t, w, to(w, anne, 1))
		verified(t, w)
		tamper(t, db, "DELETE FROM reviews WHERE state = 'pending'") // only the decided one is left to be read
		for _, r := range rows {
			now := readRow(t, db, "SELECT * FROM "+r.table+" WHERE "+r.where, r.args...)
			put := func(cells []any) {
				tamper(t, db, "DELETE FROM "+r.table+" WHERE "+r.where, r.args...)
				putRow(t, db, r.table, cells)
			}
			before := strings.Count(deep(t, w), r.said)
			put(r.before)
			if after := strings.Count(deep(t, w), r.said); after <= before {
				t.Errorf("%s of before is not named", r.what)
			}
			put(now)
		}
	})
}
