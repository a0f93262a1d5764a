package gate_test

import (
	"slices"
	"testing"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// A policy of the register (mission-locale: nir-near) is one more reason of the gate's: written down, told where
// it may be, and of no use to whoever asks for a stranger.
func TestAPolicyOfTheRegisterForbidsThroughTheGate(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		r := &tape{}
		w := nodetest.New(t, url, &store.Hooks{Trace: r.trace})
		who := strangersOf(t, w)
		c := w.SignIn("anne")
		nir := func(q gate.Request, fields ...string) gate.Request {
			q.Purpose, q.Fields = "sante", fields
			return q
		}
		has := func(o gate.Outcome) bool {
			_, there := o.Values.Get("nir")
			return there
		}
		if out := open(t, w, nir(to(w, c, 1), "nir")); !has(out) {
			t.Errorf("of her own person: %v", out.Reasons)
		}
		if out := open(t, w, nir(to(w, c, 81))); !out.Allowed || has(out) {
			t.Errorf("of her organisation's, not asked for by name: %v, %b", out.Reasons, out.Fields)
		}
		from := height(t, w)
		want := []ecluse.Reason{ecluse.ForbiddenBy("nir-near")}
		if out := open(t, w, nir(to(w, c, 82), "nir")); !slices.Equal(out.Reasons, want) {
			t.Errorf("by name: %v", out.Reasons)
		}
		if wrote := entries(t, w, from); len(wrote) != 1 || wrote[0].Reasons != "policy.forbidden:nir-near" {
			t.Errorf("written down: %+v", wrote)
		}
		out := alike(t, w, r, who, func(s stranger) gate.Outcome { return open(t, w, nir(toPerson(w, c, s.person), "nir")) })
		if !slices.Equal(out.Reasons, []ecluse.Reason{ecluse.ReasonPersonUnavailable}) {
			t.Errorf("strangers: %v", out.Reasons)
		}
	})
}
