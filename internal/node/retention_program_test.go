package node_test

import (
	"testing"
	"time"

	"ecluse/internal/node/nodetest"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// Keys of programs and what agents agreed to are kept as long as the entries about them, and no longer.
func TestRetentionForgetsWhatProgramsHad(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddProgram("gestion", "A")
		gestion := w.Accounts["gestion"].ID
		approval, _, err := w.Directory.RequestClientKey(t.Context(), w.Actor("manager"), gestion, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), approval.ID, true); err != nil {
			t.Fatal(err)
		}
		w.Delegate("anne", "gestion")
		keys, err := w.Store.ClientKeys(t.Context(), gestion)
		if err != nil || len(keys) != 1 {
			t.Fatal(keys, err)
		}
		agreed, err := w.Store.Delegation(t.Context(), gestion, w.Accounts["anne"].ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			before           time.Time
			keys, agreements int64
		}{
			{agreed.Ends, 0, 0},
			{agreed.Ends.Add(time.Microsecond), 0, 1},
			{keys[0].Ends, 0, 0},
			{keys[0].Ends.Add(time.Microsecond), 1, 0},
		} {
			removed, err := w.Store.Purge(t.Context(), w.Clock.Now(), store.Cutoffs{Entries: c.before}, func(int64) {})
			if err != nil || removed[store.PurgedClientKeys] != c.keys || removed[store.PurgedDelegations] != c.agreements {
				t.Errorf("before %s: %v %v", c.before, removed, err)
			}
		}
		if keys, err := w.Store.ClientKeys(t.Context(), gestion); err != nil || len(keys) != 0 {
			t.Errorf("left: %v %v", keys, err)
		}
		holds(t, w, w.Config)
	})
}
