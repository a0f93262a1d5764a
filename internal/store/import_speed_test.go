package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ecluse/internal/register"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// person i of a synthetic crowd, for measures.
func synthetic(reg *register.Register, r *rand.Rand, i int) register.Row {
	return row(reg, fmt.Sprintf("ML-%08d", i), fmt.Sprintf("%02d-%03d", 1+r.IntN(95), r.IntN(70)), map[string]string{
		"surname": fmt.Sprintf("Nom%d", r.IntN(40000)), "first_name": fmt.Sprintf("Prenom%d", r.IntN(2000)),
		"birth_date": fmt.Sprintf("%04d-%02d-%02d", 1996+r.IntN(14), 1+r.IntN(12), 1+r.IntN(28)), "nationality": "FR",
		"nir": fmt.Sprintf("%d%012d%02d", 1+r.IntN(2), r.Int64N(1e12), r.IntN(97)), "dossier": fmt.Sprintf("ML-%08d", i),
		"email": fmt.Sprintf("p%d@example.org", i), "address": "12 rue des Lilas, 93000 Bobigny", "phone": fmt.Sprintf("06%08d", r.IntN(1e8)),
		"situation": "En recherche d'emploi", "follow_up": "Contrat d'engagement jeune",
	})
}

// ECLUSE_IMPORT_PERSONS=1100000 go test -run TestAnImportIsFastAndSmall -v ./internal/store
func TestAnImportIsFastAndSmall(t *testing.T) {
	persons := 4000
	if n := os.Getenv("ECLUSE_IMPORT_PERSONS"); n != "" {
		if _, err := fmt.Sscan(n, &persons); err != nil {
			t.Fatal(err)
		}
	}
	url := storetest.SQLite(t)
	if os.Getenv("ECLUSE_IMPORT_POSTGRES") != "" {
		url = storetest.Postgres(t)
	}
	b := newBench(t, url)
	defer func() {
		if info, err := os.Stat(strings.TrimPrefix(url, "sqlite:")); err == nil {
			t.Logf("the database has %d MB", info.Size()>>20)
		}
	}()
	for round := range 2 {
		began := time.Now()
		r := rand.New(rand.NewPCG(1, uint64(0)))
		w, err := b.service.Import(t.Context(), b.ml, []byte("d"))
		if err != nil {
			t.Fatal(err)
		}
		slow := watchWriter(t, b.db)
		for done := 0; done < persons; {
			var rows []register.Row
			for ; len(rows) < 2000 && done < persons; done++ {
				rows = append(rows, synthetic(b.ml, r, done))
			}
			if _, err := w.Put(t.Context(), rows); err != nil {
				t.Fatal(err)
			}
		}
		put := time.Since(began)
		result, err := w.Publish(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %d persons in %v (put %v): %+v; wait for the writer %s; peak memory %s", round, persons, time.Since(began), put, result, slow(), peakMemory())
		if want := []int64{int64(persons), 0}[round]; result.Created != want {
			t.Errorf("%d created, want %d", result.Created, want)
		}
	}
}

// watchWriter takes a short transaction every 20 ms, as disclosures do, and says how long it waited.
func watchWriter(t *testing.T, db *store.DB) func() string {
	stop, done := make(chan struct{}), make(chan struct{})
	var waits []time.Duration
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			began := time.Now()
			if _, err := db.AllotIDs(context.Background(), 1); err != nil {
				t.Error(err)
			}
			waits = append(waits, time.Since(began))
		}
	}()
	return func() string {
		close(stop)
		<-done
		if len(waits) == 0 {
			return "not measured"
		}
		slices.Sort(waits)
		return fmt.Sprintf("median %v, p99 %v, max %v", waits[len(waits)/2], waits[len(waits)*99/100], waits[len(waits)-1])
	}
}

func peakMemory() string {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(data)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			return strings.TrimSpace(rest)
		}
	}
	return "unknown"
}
