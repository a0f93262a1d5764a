package intake_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/generate"
	"ecluse/internal/intake"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/register"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
	"ecluse/presets"
)

// BenchmarkImport imports b.N persons of mission-locale from a CSV file into a vault, while
// somebody searches and writes small transactions beside it. One operation is one person:
//
//	go test ./internal/intake -run '^$' -bench Import -benchtime 1100000x -timeout 20m
func BenchmarkImport(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { importInto(b, storetest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { importInto(b, storetest.Postgres(b)) })
}

func importInto(b *testing.B, url string) {
	dir := b.TempDir()
	path := filepath.Join(dir, "persons.csv")
	writePersons(b, path, b.N)
	db, service, reg := newVault(b, url, dir)
	options := intake.Options{
		Register: reg.Code, Schema: reg.Schema, Now: time.Now,
		Open: func(ctx context.Context, digest []byte) (intake.Writer, error) {
			return service.Import(ctx, reg, digest)
		},
	}
	if testing.Verbose() {
		options.Progress = func(p intake.Progress) {
			if p.Rows%100_000 == 0 || p.Phase == intake.Publishing {
				b.Logf("%s %d rows, %d/%d, %.0f rows/s, %s left, RSS %d MB", p.Phase, p.Rows, p.Done, p.Total, p.RowsPerSec, p.Left.Round(time.Second), rss(b, "VmRSS")>>10)
			}
		}
	}
	stop := beside(b, db, service, reg)
	b.ResetTimer()
	sum, err := intake.Import(b.Context(), path, options)
	b.StopTimer()
	waits, busy := stop()
	if err != nil || sum.New != int64(b.N) {
		b.Fatalf("%+v %v", sum, err)
	}
	slices.Sort(waits)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "persons/s")
	b.ReportMetric(float64(rss(b, "VmHWM")>>10), "MB-peak")
	b.ReportMetric(float64(busy), "busy-beside")
	if n := len(waits); n > 0 {
		b.ReportMetric(float64(waits[n/2].Microseconds())/1000, "ms-p50-beside")
		b.ReportMetric(float64(waits[n*99/100].Microseconds())/1000, "ms-p99-beside")
		b.ReportMetric(float64(waits[n-1].Microseconds())/1000, "ms-max-beside")
	}
}

// sink takes rows and forgets them.
type sink struct{}

func (sink) Version() ecluse.VersionID                                 { return 1 }
func (sink) Progress(int64, int64)                                     {}
func (sink) Publish(context.Context) (p register.Published, err error) { return p, err }
func (sink) Abandon(context.Context) error                             { return nil }
func (sink) Put(_ context.Context, rows []register.Row) ([]register.Outcome, error) {
	outcomes := make([]register.Outcome, len(rows))
	for i := range outcomes {
		outcomes[i] = register.Created
	}
	return outcomes, nil
}

// BenchmarkRead is the share of this package in BenchmarkImport: both readings and all checks.
func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	path := filepath.Join(dir, "persons.csv")
	writePersons(b, path, b.N)
	text, err := presets.Schema("mission-locale")
	if err != nil {
		b.Fatal(err)
	}
	schema, err := register.ParseSchema("mission-locale", text)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	sum, err := intake.Import(b.Context(), path, intake.Options{
		Schema: schema, Now: time.Now, Open: func(context.Context, []byte) (intake.Writer, error) { return sink{}, nil },
	})
	if err != nil || sum.New != int64(b.N) {
		b.Fatalf("%+v %v", sum, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "persons/s")
	b.ReportMetric(float64(rss(b, "VmHWM")>>10), "MB-peak")
}

func writePersons(b *testing.B, path string, n int) {
	b.Helper()
	p, err := generate.New(generate.Settings{Preset: "mission-locale", Persons: n, Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := p.WriteCSV(f); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// newVault is an empty installation with one register.
func newVault(b *testing.B, url, dir string) (*store.DB, *register.Registers, *register.Register) {
	b.Helper()
	ctx := b.Context()
	db, err := store.Open(ctx, url, store.Hooks{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	k, err := keys.Create(filepath.Join(dir, "keys"), "bench.ecluse", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	if err := db.Migrate(ctx); err != nil {
		b.Fatal(err)
	}
	if err := db.CreateInstance(ctx, time.Now(), k.Check(), true); err != nil {
		b.Fatal(err)
	}
	service := register.New(db, k, time.Now)
	text, err := presets.Schema("mission-locale")
	if err != nil {
		b.Fatal(err)
	}
	definition, err := register.Define(register.File{Name: register.SchemaFile, Data: text})
	if err != nil {
		b.Fatal(err)
	}
	reg, err := service.Create(ctx, definition)
	if err != nil {
		b.Fatal(err)
	}
	return db, service, reg
}

// beside does what disclosures ask of the database, every 20 ms: a search and a transaction under the
// head lock. It returns how long each pair took, and how many found the database busy.
func beside(b *testing.B, db *store.DB, service *register.Registers, reg *register.Register) (stop func() (waits []time.Duration, busy int)) {
	ctx, cancel := context.WithCancel(b.Context())
	var waits []time.Duration
	var busy int
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			began := time.Now()
			_, err := service.Find(ctx, reg, register.Query{Identifier: "000000000A"})
			if err == nil {
				_, err = db.AllotIDs(ctx, 1)
			}
			switch {
			case err == nil:
				waits = append(waits, time.Since(began))
			case errors.Is(err, ledger.ErrBusy):
				busy++
			case ctx.Err() == nil:
				b.Error(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	return func() ([]time.Duration, int) {
		cancel()
		<-done
		return waits, busy
	}
}

// rss reads a line of the process's own status, in KiB; 0 where there is none.
func rss(b *testing.B, what string) (kib int) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Logf("memory is not measured: %v", err)
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, what+":"); ok {
			fmt.Sscan(rest, &kib)
		}
	}
	return kib
}
