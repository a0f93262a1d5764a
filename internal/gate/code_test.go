package gate_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/signin"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// typed is what a client may send where a code of the schema is expected.
const typed = "Zqtyped Marker, born 1990"

// What a client types where a code is expected may name anybody, and the ledger keeps it for ever.
func TestWhatAClientTypesInPlaceOfACodeReachesNoRow(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		anne := w.SignIn("anne")
		first := height(t, w)
		for _, i := range []int{1, 41, 81, 121, 205} {
			for _, change := range []func(*gate.Request){
				func(q *gate.Request) { q.Motive = typed },
				func(q *gate.Request) { q.Purpose = typed },
				func(q *gate.Request) { q.Emergency = typed },
				func(q *gate.Request) { q.Purpose, q.Motive, q.Emergency = typed, typed, typed },
				func(q *gate.Request) { q.Purpose, q.Motive = typed, typed; emergency(q) },
			} {
				q := to(w, anne, i)
				change(&q)
				open(t, w, q)
			}
		}
		typeInto(t, w, anne)
		db := around(t, url)
		for _, table := range store.Tables {
			if n := rowsHolding(t, db, table.Name, typed); n > 0 {
				t.Errorf("%d rows of %s hold what was typed", n, table.Name)
			}
		}
		if height(t, w) < first+25 {
			t.Errorf("%d entries: something was not written down at all", height(t, w)-first)
		}
		verified(t, w)
	})
}

// typeInto sends the text to the other acts.
func typeInto(t *testing.T, w *nodetest.World, c signin.Caller) {
	t.Helper()
	search(t, w, gate.SearchRequest{Caller: c, Register: first, Purpose: typed, Query: query(w, 1)})
	if _, err := w.Gate.Caseload(t.Context(), gate.CaseloadRequest{Caller: c, Register: first, Purpose: typed}); err != nil {
		t.Error(err)
	}
	link := gate.LinkRequest{Caller: c, Register: first, Handle: to(w, c, 1).Handle, Purpose: typed, Kind: "standin", Receiver: nodetest.Email("bob")}
	if _, err := w.Gate.MakeLink(t.Context(), link); err != nil {
		t.Error(err)
	}
	link.Purpose, link.Kind = "emploi", typed
	if _, err := w.Gate.MakeLink(t.Context(), link); !errors.Is(err, gate.ErrLink) {
		t.Errorf("a link of a kind that was typed: %v", err)
	}
}

// rowsHolding counts the rows of a table that hold a text in any column.
func rowsHolding(t *testing.T, db *sql.DB, table, text string) (n int) {
	t.Helper()
	rows, err := db.QueryContext(context.Background(), "SELECT * FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	cells, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for _, c := range cells {
			if b, ok := c.([]byte); ok {
				c = string(b)
			}
			if strings.Contains(fmt.Sprint(c), text) {
				n++
			}
		}
	}
	return n
}

func TestAnEmergencyNeedNameNoPurpose(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		anne := w.SignIn("anne")
		q := to(w, anne, 121)
		emergency(&q)
		q.Purpose, q.Channel = "", ecluse.ChannelAPI
		before := height(t, w)
		if out := open(t, w, q); !out.Allowed {
			t.Errorf("it is refused: %v", out.Reasons)
		}
		list := entries(t, w, before)
		if len(list) != 1 || list[0].Kind != ledger.KindDisclose {
			t.Fatalf("%+v", list)
		}
		if _, ok := w.Register.Schema.Purpose(list[0].Purpose); !ok {
			t.Errorf("the entry names the purpose %q", list[0].Purpose)
		}
		q.Emergency = ""
		if out := open(t, w, q); out.Allowed {
			t.Error("without an emergency no purpose is needed either")
		}
	})
}
