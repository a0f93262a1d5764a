package gate_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/register"
	"ecluse/internal/store/storetest"
)

// What a register's rows say decides who sees which fields, how many persons a breaker lets pass, whose
// register it is, and which version of a record is shown.
func TestNothingOpensInARegisterThatWasAlteredAroundTheProgram(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		other := w.AddSecondRegister(3)
		db := around(t, url)
		anne, sven := w.SignIn("anne"), w.SignIn("sven")
		reg := int64(w.Register.ID)
		schema := readRow(t, db, "SELECT schema FROM registers WHERE id = $1", reg)[0]
		text, isText := schema.(string)
		if !isText {
			text = string(schema.([]byte))
		}
		attacks := map[string][2]string{
			"a thousand times as many persons": {
				"UPDATE registers SET persons = persons * 1000 WHERE id = $1", "UPDATE registers SET persons = persons / 1000 WHERE id = $1",
			},
			"another controller": {
				"UPDATE controllers SET name = name || '!' WHERE id IN (SELECT controller_id FROM register_controllers WHERE register_id = $1)",
				"UPDATE controllers SET name = substr(name, 1, length(name) - 1) WHERE id IN (SELECT controller_id FROM register_controllers WHERE register_id = $1)",
			},
			"another rule": {
				"UPDATE register_controllers SET rule = rule || ' 93' WHERE register_id = $1", "UPDATE register_controllers SET rule = substr(rule, 1, length(rule) - 3) WHERE register_id = $1",
			},
			"its import taken back": {
				"UPDATE imports SET state = 'abandoned' WHERE register_id = $1", "UPDATE imports SET state = 'published' WHERE register_id = $1",
			},
		}
		edits := map[string][2]string{ // of the files that define the register
			"a schema that shows more":      {"membership_sensitive = false", "membership_sensitive = true"},
			"a policy that forbids nothing": {"resource.tier > 1", "resource.tier > 9"},
			"another number to call":        {"01 99 00", "01 99 01"},
		}
		asks := func(name string, want bool) {
			t.Helper()
			w.Clock.Advance(6 * time.Second) // what is known of registers is believed for five
			out, err := tries(t, w, gate.Request{Caller: anne, Register: first, Handle: to(w, anne, 1).Handle, Purpose: "emploi", Channel: ecluse.ChannelAPI})
			if opened := err == nil && shows(out); opened != want || !want && !errors.Is(err, register.ErrDead) {
				t.Errorf("%s: opened %v, %v", name, opened, err)
			}
			handle := w.Gate.HandleOf(sven, other, w.Persons["S001"])
			if out, err := tries(t, w, gate.Request{Caller: sven, Register: other.Code, Handle: handle, Purpose: other.Schema.Purposes[0].ID}); err != nil || !shows(out) {
				t.Errorf("%s: the other register opens nothing: %v %v", name, out.Reasons, err)
			}
		}
		asks("untouched", true)
		for name, a := range attacks {
			tamper(t, db, a[0], reg)
			asks(name, false)
			tamper(t, db, a[1], reg)
			asks(name+", undone", true)
		}
		for name, e := range edits {
			if !strings.Contains(text, e[0]) {
				t.Fatalf("%s: the register's files have changed: nothing is tested", name)
			}
			tamper(t, db, "UPDATE registers SET schema = $2 WHERE id = $1", reg, strings.Replace(text, e[0], e[1], 1))
			asks(name, false)
			tamper(t, db, "UPDATE registers SET schema = $2 WHERE id = $1", reg, text)
			asks(name+", undone", true)
		}
		tamper(t, db, "INSERT INTO imports SELECT id + 1000000, register_id, digest, position, rows, rejected, started, beat, state FROM imports WHERE register_id = $1", reg)
		asks("an import that never was", false)
	})
}

// A register that was altered is not made good by the next import.
func TestAnImportDoesNotSealAnAlteredRegister(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		imp, err := w.Registers.Import(t.Context(), w.Register, []byte("more"))
		if err != nil {
			t.Fatal(err)
		}
		row := w.Row(nodetest.PersonCount + 1)
		if _, err := imp.Put(t.Context(), []register.Row{row}); err != nil {
			t.Fatal(err)
		}
		tamper(t, around(t, url), "UPDATE registers SET persons = 1000000")
		if _, err := imp.PublishEntry(t.Context(), w.Ledger, "test"); !errors.Is(err, register.ErrDead) {
			t.Errorf("it is published: %v", err)
		}
	})
}
