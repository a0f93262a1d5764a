package gate_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"ecluse/internal/ledger"
	"ecluse/internal/node"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"
)

func TestNoEntryAllowsAnythingAfterTheEndOfItsSession(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		stolen, mine := w.SignIn("anne"), w.SignIn("anne") // the caller is known to the door already
		var wg sync.WaitGroup
		var stop atomic.Bool
		var served atomic.Int64
		defer func() { stop.Store(true); wg.Wait() }()
		for k := range 12 {
			wg.Go(func() {
				for i := 0; !stop.Load() || i == 0; i++ {
					out, err := w.Gate.Disclose(context.Background(), to(w, stolen, 1+(7*k+i)%40))
					switch {
					case errors.Is(err, signin.ErrRevoked):
						return
					case err != nil && !errors.Is(err, ledger.ErrBusy) && !errors.Is(err, ledger.ErrStale) && !errors.Is(err, ledger.ErrFlood):
						t.Error(err)
					case out.Allowed:
						served.Add(1)
					}
				}
			})
		}
		for served.Load() < 40 {
			runtime.Gosched()
		}
		if n, err := w.Directory.EndSessions(t.Context(), mine.Actor(), stolen.Session); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		head, err := w.Store.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stop.Store(true)
		wg.Wait()
		if _, err := w.Gate.Disclose(t.Context(), to(w, stolen, 1)); !errors.Is(err, signin.ErrRevoked) {
			t.Errorf("afterwards: %v", err)
		}
		if out := open(t, w, to(w, mine, 1)); !out.Allowed {
			t.Errorf("her other session: %v", out.Reasons)
		}
		var end ledger.Entry
		for _, e := range entries(t, w, 0) {
			if d, _ := e.ReadDetail(); d.What == "sessions ended" {
				end = e
			}
			if end.N > 0 && e.Session == stolen.Session && e.Decision == ledger.Allow {
				t.Errorf("entry %d allows, the end is entry %d of %d", e.N, end.N, head.N)
			}
		}
		if end.N == 0 {
			t.Error("the end is no entry")
		}
	})
}

func TestTheEndOfASessionHoldsOnAnotherNodeThatNeverHeardOfIt(t *testing.T) {
	w := nodetest.New(t, storetest.Postgres(t), nil)
	other, err := node.Open(t.Context(), node.Options{Config: w.Config, Now: w.Clock.Now, FakeClock: true, Log: w.Log})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	stolen, mine := w.SignIn("anne"), w.SignIn("anne")
	there := func() error {
		_, err := other.Gate.Disclose(t.Context(), to(w, stolen, 1))
		return err
	}
	if err := there(); err != nil { // its standing is known there
		t.Fatal(err)
	}
	if _, err := w.Directory.EndSessions(t.Context(), mine.Actor(), 0); err != nil {
		t.Fatal(err)
	}
	if err := there(); !errors.Is(err, signin.ErrRevoked) {
		t.Errorf("on the other node: %v", err)
	}
	if _, err := w.Gate.Disclose(t.Context(), to(w, mine, 1)); err != nil {
		t.Errorf("the session that ended the others: %v", err)
	}
}
