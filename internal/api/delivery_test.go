package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ecluse"
	"ecluse/internal/gate"
)

// following is a gate that counts what is withdrawn because it was never sent.
type following struct {
	*rooms
	panics    bool
	withdrawn int
}

func (f *following) Disclose(ctx context.Context, q gate.Request) (gate.Outcome, error) {
	out, err := f.rooms.Disclose(ctx, q)
	if out.Allowed {
		gate.Follow(ctx, func(context.Context) error { f.withdrawn++; return nil })
	}
	if f.panics {
		panic("after the receipt")
	}
	return out, err
}

func TestAnAnswerThatCouldNotBeWrittenIsUndeliveredAndASentOneIsNot(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*following)
		status int
		want   int
	}{
		"sent": {func(*following) {}, http.StatusOK, 0},
		"refused": {func(f *following) {
			f.disclosed = gate.Outcome{Receipt: receipt, Reasons: []ecluse.Reason{ecluse.ReasonPersonUnavailable}}
		}, http.StatusForbidden, 0},
		"no JSON":  {func(f *following) { f.disclosed.Relation = "\xff" }, http.StatusInternalServerError, 1},
		"a panic":  {func(f *following) { f.panics = true }, 0, 1},
		"an error": {func(f *following) { f.err = context.DeadlineExceeded }, http.StatusServiceUnavailable, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := &following{rooms: newRooms(t)}
			f.disclosed = gate.Outcome{Allowed: true, Receipt: receipt}
			a := f.api()
			a.rooms.Gate = f
			c.change(f)
			r := httptest.NewRequest(http.MethodPost, disclosePath, strings.NewReader(`{"purpose":"emploi"}`))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			func() {
				defer func() {
					if p := recover(); (p != nil) != f.panics {
						t.Errorf("panic %v", p)
					}
				}()
				a.ServeHTTP(w, r)
			}()
			if !f.panics && w.Code != c.status || f.withdrawn != c.want {
				t.Errorf("%d, %d withdrawn; want %d and %d: %s", w.Code, f.withdrawn, c.status, c.want, w.Body)
			}
		})
	}
}
