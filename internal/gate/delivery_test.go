package gate_test

import (
	"context"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

// withdrawn are the numbers that undelivered entries from a number on refer to.
func withdrawn(t *testing.T, w *nodetest.World, from ecluse.EntryNumber) (disclosed, refers []int64) {
	t.Helper()
	for _, e := range entries(t, w, from) {
		d, err := e.ReadDetail()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Kind == ledger.KindUndelivered:
			refers = append(refers, d.Refers)
		case e.Decision == ledger.Allow:
			disclosed = append(disclosed, int64(e.N))
		}
	}
	return disclosed, refers
}

func TestWhatItsDoorNeverSentIsWrittenDownAsUndelivered(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		anne := w.SignIn("anne")
		disclose := func(ctx context.Context) {
			t.Helper()
			if out, err := w.Gate.Disclose(ctx, to(w, anne, 3)); err != nil || !out.Allowed {
				t.Fatal(out.Reasons, err)
			}
		}
		for _, c := range []struct {
			what string
			do   func(context.Context, *gate.Delivery)
			want int
		}{
			{"sent", func(ctx context.Context, d *gate.Delivery) { disclose(ctx); d.Begun() }, 0},
			{"refused", func(ctx context.Context, d *gate.Delivery) {
				q := to(w, anne, 121)
				q.Motive, q.Text = "", ""
				if out, err := w.Gate.Disclose(ctx, q); err != nil || out.Allowed {
					t.Fatal(out, err)
				}
			}, 0},
			{"failed", func(ctx context.Context, d *gate.Delivery) { disclose(ctx) }, 1},
			{"failed twice", func(ctx context.Context, d *gate.Delivery) {
				disclose(ctx)
				disclose(ctx)
				if err := d.Failed(ctx); err != nil {
					t.Error(err)
				}
			}, 2},
			{"a client that left", func(ctx context.Context, d *gate.Delivery) {
				gone, leave := context.WithCancel(ctx)
				disclose(gone)
				leave()
				if err := d.Failed(gone); err != nil {
					t.Error(err)
				}
			}, 1},
			{"a page of 25", func(ctx context.Context, d *gate.Delivery) {
				if out, err := w.Gate.Caseload(ctx, caseload(anne)); err != nil || len(out.Rows) != 25 {
					t.Fatal(len(out.Rows), err)
				}
			}, 25},
		} {
			before := height(t, w)
			ctx, d := gate.Delivering(t.Context())
			c.do(ctx, d)
			if err := d.Failed(ctx); err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
			disclosed, refers := withdrawn(t, w, before)
			if len(refers) != c.want {
				t.Errorf("%s: %d undelivered entries of %d", c.what, len(refers), len(disclosed))
			}
			for i, n := range refers {
				if n != disclosed[i] {
					t.Errorf("%s: an undelivered entry refers to %d, not to %d", c.what, n, disclosed[i])
				}
			}
			w.Clock.Advance(time.Minute)
		}
		verified(t, w)
	})
}
