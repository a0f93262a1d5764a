package ledger_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// BenchmarkBatch writes full batches of charged disclosures by many accounts: the batch writer and the
// database, without facts and records.
func BenchmarkBatch(b *testing.B) {
	for name, database := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(name, func(b *testing.B) {
			k, err := keys.Create(filepath.Join(b.TempDir(), "key"), "ecluse.test", time.Now())
			if err != nil {
				b.Fatal(err)
			}
			db := storetest.Open(b, database(b), store.Hooks{})
			if err := db.CreateInstance(b.Context(), time.Now(), k.Check(), false); err != nil {
				b.Fatal(err)
			}
			l := ledger.New(db, k, ledger.Options{Now: time.Now})
			defer l.Close()
			limits := budget.Limits{Unexplained24h: 1e6, Outside24h: 1e6, New24h: 1e6, New30d: 1e6, Total24h: 1e6}
			b.ResetTimer()
			for i := range b.N {
				batch := make([]ledger.Candidate, ledger.BatchSize)
				for j := range batch {
					c := opening(1000+j, 1_000_000+i*ledger.BatchSize+j)
					c.Organisation, c.Tier, c.Detail.Channel = ecluse.OrganisationID(10+j%7), ecluse.SameSite, ecluse.ChannelPage
					c.Charge = &budget.Charge{
						Act: budget.Disclose, Tier: ecluse.SameSite, Classes: 6, Limits: limits, OrganisationNew24h: 1e6, RegisterNew24h: 1e6,
					}
					batch[j] = c
				}
				results, err := l.Append(b.Context(), batch...)
				if err != nil {
					b.Fatal(err)
				}
				if !results[0].Allowed {
					b.Fatal(fmt.Errorf("refused: %v", results[0].Reasons))
				}
			}
			b.ReportMetric(float64(b.N*ledger.BatchSize)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
