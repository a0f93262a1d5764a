package gate_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

// BenchmarkDisclose opens the caseload of one agent from 64 goroutines: the whole path but HTTP. The
// project's figures come from `ecluse bench gate`, which preloads the ledger and counts over HTTP.
func BenchmarkDisclose(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(name, func(b *testing.B) {
			w := nodetest.New(b, url(b), nil)
			cs := make([]gate.Request, 0)
			for _, name := range []string{"anne", "bob", "carl"} {
				c := w.SignIn(name)
				out, err := w.Gate.Caseload(b.Context(), gate.CaseloadRequest{Caller: c, Register: "mission-locale", Purpose: "emploi"})
				if err != nil {
					b.Fatal(err)
				}
				for _, r := range out.Rows {
					cs = append(cs, gate.Request{Caller: c, Register: "mission-locale", Handle: r.Handle, Purpose: "emploi", Channel: ecluse.ChannelAPI})
				}
			}
			var next, busy atomic.Int64
			b.ResetTimer()
			var wg sync.WaitGroup
			for range 24 {
				wg.Go(func() {
					for {
						i := next.Add(1)
						if i > int64(b.N) {
							return
						}
						out, err := w.Gate.Disclose(b.Context(), cs[int(i)%len(cs)])
						if err != nil {
							busy.Add(1)
						} else if !out.Allowed {
							b.Error(out.Reasons)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "disclosures/s")
			b.ReportMetric(float64(busy.Load()), "busy")
		})
	}
}
