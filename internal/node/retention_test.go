package node_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/config"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/node"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

const day = 24 * time.Hour

// live lets anne and bob work for some days, every tenth one; the manager only looks in.
func live(t *testing.T, w *nodetest.World, days int) {
	t.Helper()
	for d := 0; d < days; d += 10 {
		w.Clock.Advance(10 * day)
		look(t, w, w.SignIn("anne"), 1+d%120)
		look(t, w, w.SignIn("bob"), 41+d%30)
		look(t, w, w.SignIn("bob"), 41)
		w.SignIn("manager")
	}
}

// justify lets bob open a file that nothing explains, and the manager accept his reasons.
func justify(t *testing.T, w *nodetest.World) {
	t.Helper()
	look(t, w, w.SignIn("bob"), 130)
	reviews := w.Reviews("manager")
	if len(reviews) == 0 {
		t.Fatal("nothing waits for the manager")
	}
	for _, r := range reviews {
		if err := w.Directory.DecideReview(t.Context(), w.Actor("manager"), r.ID, true); err != nil {
			t.Fatal(err)
		}
	}
}

func retain(t *testing.T, w *nodetest.World, dry bool) node.RetentionReport {
	t.Helper()
	r, err := w.Retain(t.Context(), node.RetentionOptions{DryRun: dry, By: "cli:root@test"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRetentionRemovesReferencesAndTheProofStillHolds(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		look(t, w, w.SignIn("bob"), 90) // and never again
		live(t, w, 60)
		if r := retain(t, w, false); r.Entry != -1 || r.Removed[store.PurgedEntries] != 0 {
			t.Errorf("after two months: %+v", r)
		}
		live(t, w, 190)
		justify(t, w)
		live(t, w, 150)
		planned := retain(t, w, true)
		holds(t, w, w.Config)
		if planned.Removed[store.PurgedEntries] == 0 || len(planned.Destroyed) != 1 || planned.Destroyed[0] != "2026-03" {
			t.Errorf("planned: %+v", planned)
		}
		if again := retain(t, w, true); again.Removed[store.PurgedEntries] != planned.Removed[store.PurgedEntries] {
			t.Error("a dry run removed something")
		}
		done := retain(t, w, false)
		for kind, rows := range planned.Removed {
			if done.Removed[kind] != rows {
				t.Errorf("%s: %d removed, %d planned", kind, done.Removed[kind], rows)
			}
		}
		for _, kind := range []string{store.PurgedEntries, store.PurgedSessions, store.PurgedNetwork, store.PurgedSeen, store.PurgedJustifications, store.PurgedNotices} {
			if done.Removed[kind] == 0 {
				t.Errorf("no %s removed: nothing is tested", kind)
			}
		}
		report := holds(t, w, w.Config)
		if report.Purged != done.Removed[store.PurgedEntries] {
			t.Errorf("%d entries without references, %d were removed", report.Purged, done.Removed[store.PurgedEntries])
		}
		checkPurged(t, w, done)
		live(t, w, 100)
		again := retain(t, w, false)
		if again.Removed[store.PurgedEntries] == 0 {
			t.Error("the second retention removes nothing")
		}
		if report := holds(t, w, w.Config); report.Purged != done.Removed[store.PurgedEntries]+again.Removed[store.PurgedEntries] {
			t.Errorf("%d purged", report.Purged)
		}
		w.Reopen()
		look(t, w, w.SignIn("anne"), 3)
		holds(t, w, w.Config)
	})
}

// checkPurged looks at what is left: nothing younger is touched, nothing older keeps a reference.
func checkPurged(t *testing.T, w *nodetest.World, r node.RetentionReport) {
	t.Helper()
	err := w.Store.Entries(t.Context(), 0, 1<<40, func(e *ledger.Entry) error {
		if old := e.At.Before(r.Before); old != e.Purged {
			t.Errorf("entry %d of %s: purged is %v", e.N, e.At, e.Purged)
		}
		if e.Purged && (e.Account != 0 || e.Person != 0 || e.Session != 0 || e.Kind != "" || e.Purpose != "" || len(e.Detail) > 0 || e.Fields != 0) {
			t.Errorf("entry %d keeps something: %+v", e.N, e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Keys.Period(nodetest.Start); !errors.Is(err, keys.ErrPeriodDestroyed) {
		t.Errorf("the first month's key: %v", err)
	}
	reopened, err := keys.Open(w.Config.Keys.File)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reopened.Period(nodetest.Start); !errors.Is(err, keys.ErrPeriodDestroyed) {
		t.Errorf("the first month's key in the file: %v", err)
	}
	if until := reopened.LastPeriod(); until.Before(w.Clock.Now().AddDate(4, 11, 0)) {
		t.Errorf("the key file ends in %s", until)
	}
	var purge ledger.Detail
	err = w.Store.Entries(t.Context(), ecluse.EntryNumber(r.Entry), ecluse.EntryNumber(r.Entry)+1, func(e *ledger.Entry) error {
		purge, err = e.ReadDetail()
		if e.Kind != ledger.KindPurge {
			t.Errorf("entry %d is a %s", e.N, e.Kind)
		}
		return err
	})
	if err != nil || purge.By != "cli:root@test" || purge.Counts[store.PurgedEntries] != r.Removed[store.PurgedEntries] {
		t.Errorf("the purge entry says %+v (%v)", purge, err)
	}
}

// What the configuration says is what goes, and nothing goes by a configuration that says nothing.
func TestRetentionKeepsWhatTheConfigurationSays(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		justify(t, w)
		live(t, w, 250)
		if r := retain(t, w, true); r.Removed[store.PurgedEntries] != 0 || r.Removed[store.PurgedJustifications] == 0 || r.Removed[store.PurgedNotices] == 0 || r.Removed[store.PurgedSessions] != 0 {
			t.Errorf("by the defaults: %+v", r)
		}
		before := w.Config.Retention
		w.Config.Retention.Justifications, w.Config.Retention.Notices = 300, 300
		if r := retain(t, w, true); r.Removed[store.PurgedJustifications] != 0 || r.Removed[store.PurgedNotices] != 0 {
			t.Errorf("kept for longer: %+v", r)
		}
		w.Config.Retention = config.Retention{}
		if r, err := w.Retain(t.Context(), node.RetentionOptions{}); !errors.Is(err, node.ErrPeriods) || len(r.Removed) > 0 {
			t.Errorf("by no periods at all: %+v, %v", r, err)
		}
		w.Config.Retention = before
		w.Config.Retention.Entries = 200
		r := retain(t, w, false)
		if r.Removed[store.PurgedEntries] == 0 || r.Removed[store.PurgedSessions] == 0 || !r.Before.Equal(w.Clock.Now().Add(-200*day)) {
			t.Errorf("by 200 days: %+v", r)
		}
		holds(t, w, w.Config)
		var purge ledger.Detail
		err := w.Store.Entries(t.Context(), ecluse.EntryNumber(r.Entry), ecluse.EntryNumber(r.Entry)+1, func(e *ledger.Entry) (err error) {
			purge, err = e.ReadDetail()
			return err
		})
		if err != nil || purge.Days != 200 || purge.Counts["days"] != 0 {
			t.Errorf("the purge entry says %+v, %v", purge.Counts, err)
		}
	})
}

// A budget remembers whom an account has seen: no configuration forgets it sooner.
func TestNoConfigurationForgetsWhatABudgetRemembers(t *testing.T) {
	r := config.Defaults().Retention
	if least := budget.Remembered + budget.Day; time.Duration(r.Seen)*day < least {
		t.Errorf("%d days by default, a budget needs %s", r.Seen, least)
	}
	if r.Seen = int(budget.Remembered / day); r.Valid() {
		t.Errorf("%d days are accepted", r.Seen)
	}
}

func TestAnInterruptedRetentionHoldsAndIsRunAgain(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	live(t, w, 400)
	total := retain(t, w, true).Removed[store.PurgedEntries]
	ctx, cancel := context.WithCancel(t.Context())
	_, err := w.Retain(ctx, node.RetentionOptions{Progress: func(int64, int64) { cancel() }})
	if err == nil {
		t.Fatal("it was not interrupted")
	}
	holds(t, w, w.Config)
	again := retain(t, w, false)
	if report := holds(t, w, w.Config); report.Purged < total || again.Entry < 0 {
		t.Errorf("%d of %d purged", report.Purged, total)
	}
}

func TestRetentionDistrustsAClockThatLeapt(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	w.Clock.Advance(400 * day)
	if _, err := w.Retain(t.Context(), node.RetentionOptions{}); !errors.Is(err, node.ErrLeap) {
		t.Errorf("%v, want ErrLeap", err)
	}
	if _, err := w.Retain(t.Context(), node.RetentionOptions{AcceptClock: true}); err != nil {
		t.Error(err)
	}
	holds(t, w, w.Config)
}

func TestNothingIsLostWhenTheKeyFileCannotBeWritten(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	live(t, w, 400)
	before, err := os.ReadFile(w.Config.Keys.File)
	if err != nil {
		t.Fatal(err)
	}
	// A folder in the place of the file stops the rename, whoever runs the test.
	if err := errors.Join(os.Remove(w.Config.Keys.File), os.MkdirAll(w.Config.Keys.File+"/x", 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Retain(t.Context(), node.RetentionOptions{}); err == nil {
		t.Fatal("it could be written")
	}
	if err := errors.Join(os.RemoveAll(w.Config.Keys.File), os.WriteFile(w.Config.Keys.File, before, 0o600)); err != nil {
		t.Fatal(err)
	}
	w.Reopen()
	holds(t, w, w.Config)
	if r := retain(t, w, false); len(r.Destroyed) == 0 {
		t.Error("the keys are never destroyed")
	}
	holds(t, w, w.Config)
}
