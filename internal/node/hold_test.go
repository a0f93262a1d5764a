package node_test

import (
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ecluse/internal/node"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

const openCase = "Incident 2026-04: an account was stolen."

// beside is a connection of somebody who holds the database without the keys.
func beside(t *testing.T, url string) *sql.DB {
	t.Helper()
	driver, source := "pgx", url
	if file, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+file+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// removed is the sum of what a retention removed.
func removed(r node.RetentionReport) (all int64) {
	for _, rows := range r.Removed {
		all += rows
	}
	return all
}

func TestWhileACaseIsOpenNothingOfItsTimeIsRemoved(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		justify(t, w)
		live(t, w, 300)
		h, err := w.Hold(t.Context(), w.Clock.Now().Add(-250*day), openCase, "cli:claire@host")
		if err != nil || h.Reason != openCase {
			t.Fatal(h, err)
		}
		all, err := w.Hold(t.Context(), time.Time{}, openCase+" Appeal.", "cli:claire@host")
		if err != nil {
			t.Fatal(err)
		}
		live(t, w, 200)
		if r := retain(t, w, false); removed(r) != 0 || !r.Held || r.Entry != -1 || len(r.Destroyed) != 0 {
			t.Errorf("with everything held: %+v", r)
		}
		if err := w.EndHold(t.Context(), all.ID, "cli:claire@host"); !errors.Is(err, node.ErrSameHand) {
			t.Errorf("who made it ends it: %v", err)
		}
		if err := w.EndHold(t.Context(), all.ID, "cli:paul@host"); err != nil {
			t.Fatal(err)
		}
		if err := w.EndHold(t.Context(), all.ID, "cli:paul@host"); !errors.Is(err, node.ErrNoHold) {
			t.Errorf("it ends twice: %v", err)
		}
		r := retain(t, w, false)
		if r.Removed[store.PurgedEntries] == 0 || !r.Held || !r.Before.Equal(h.Since.Truncate(time.Microsecond)) {
			t.Errorf("with the case's time held: %+v", r)
		}
		checkPurged(t, w, node.RetentionReport{Before: r.Before, Entry: r.Entry, Removed: r.Removed})
		holds(t, w, w.Config)
		if err := w.EndHold(t.Context(), h.ID, "cli:paul@host"); err != nil {
			t.Fatal(err)
		}
		if r := retain(t, w, false); r.Removed[store.PurgedEntries] == 0 || r.Held {
			t.Errorf("after both have ended: %+v", r)
		}
		holds(t, w, w.Config)
		list, err := w.Holds(t.Context())
		if err != nil || len(list) != 2 || list[0].EndedBy != "cli:paul@host" || list[1].Reason != openCase+" Appeal." {
			t.Errorf("%+v, %v", list, err)
		}
		live(t, w, 400)
		if r := retain(t, w, false); r.Removed[store.PurgedHolds] != 2 {
			t.Errorf("ended holds stay for ever: %+v", r)
		}
		if list, err := w.Holds(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		holds(t, w, w.Config)
	})
}

func TestAHoldThatWasTouchedAroundTheProgramStopsRetention(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		h, err := w.Hold(t.Context(), time.Time{}, openCase, "cli:claire@host")
		if err != nil {
			t.Fatal(err)
		}
		live(t, w, 400)
		db := beside(t, url)
		for _, attack := range []string{
			"UPDATE holds SET since = 1790000000000000", "UPDATE holds SET ended_at = at, ended_by = 'cli:paul@host'", "UPDATE holds SET made_by = 'cli:paul@host'",
			"UPDATE holds SET id = id + 1", "DELETE FROM holds",
		} {
			if _, err := db.Exec(attack); err != nil {
				t.Fatal(err)
			}
			if r, err := w.Retain(t.Context(), node.RetentionOptions{}); !errors.Is(err, node.ErrHoldAltered) {
				t.Errorf("%s: %+v, %v", attack, r, err)
			}
			if err := w.EndHold(t.Context(), h.ID, "cli:paul@host"); !errors.Is(err, node.ErrHoldAltered) {
				t.Errorf("%s: it is ended: %v", attack, err)
			}
			r, err := attach(t, w, w.Config).Verify(t.Context(), true, nil)
			if err != nil || r.OK || !slices.Equal(r.Problems, []string{node.ErrHoldAltered.Error()}) {
				t.Errorf("%s: verify --deep finds %v, %v", attack, r.Problems, err)
			}
		}
	})
}

func TestAHoldNeedsAReasonAndAPast(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	if _, err := w.Hold(t.Context(), time.Time{}, "  short  ", "cli:claire@host"); !errors.Is(err, node.ErrReason) {
		t.Error(err)
	}
	if _, err := w.Hold(t.Context(), w.Clock.Now().Add(time.Hour), openCase, "cli:claire@host"); !errors.Is(err, node.ErrSince) {
		t.Error(err)
	}
	if list, err := w.Holds(t.Context()); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
}
