package scope_test

import (
	"fmt"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/scope"
	"ecluse/internal/store/storetest"
)

const busyEntries = 100_000

// BenchmarkScopeOfAnAccountWith100000Entries counts what left through an account that opened so many
// records, each of 16 fields, within five months: what the security desk waits for.
func BenchmarkScopeOfAnAccountWith100000Entries(b *testing.B) {
	for engine, url := range map[string]func() string{"sqlite": func() string { return "" }, "postgres": func() string { return storetest.Postgres(b) }} {
		b.Run(engine, func(b *testing.B) {
			w := nodetest.New(b, url(), nil)
			w.Populate()
			for _, persons := range []int{500, 5000} {
				w.AddPersons(persons)
				b.Run(fmt.Sprint(persons, " persons"), func(b *testing.B) { benchScope(b, w, persons) })
			}
		})
	}
}

func benchScope(b *testing.B, w *nodetest.World, persons int) {
	who := map[int]string{500: "bob", 5000: "carl"}[persons]
	id := busy(b, w, who, persons)
	by := directory.Actor{CLI: "ops@node1", Device: "console"}
	b.ResetTimer()
	for b.Loop() {
		s, err := w.Scope.Read(b.Context(), by, scope.Query{Account: id})
		if err != nil {
			b.Fatal(err)
		}
		if s.Entries != busyEntries || s.Persons != persons {
			b.Fatalf("counted %d entries of %d persons", s.Entries, s.Persons)
		}
	}
}

// busy gives an account its entries, written by the ledger itself, at 90 seconds from each other.
func busy(b *testing.B, w *nodetest.World, who string, persons int) ecluse.AccountID {
	id := w.Accounts[who].ID
	var people []ecluse.PersonID
	for i := range persons {
		people = append(people, w.Persons[nodetest.External(nodetest.PersonCount+1+i)])
	}
	infos, err := w.Registers.People(b.Context(), w.Register, people)
	if err != nil {
		b.Fatal(err)
	}
	previous := int64(-1)
	for done := 0; done < busyEntries; {
		err := ledger.Preload(b.Context(), w.Store, w.Keys, w.Clock.Now(), 5000, func(n ecluse.EntryNumber, at time.Time) ledger.Entry {
			p := infos[done%persons]
			e := ledger.Entry{
				N: n, At: at.Add(time.Duration(done-busyEntries) * 90 * time.Second), Kind: ledger.KindDisclose, Act: int64(n), Register: w.Register.ID, Account: id, ASeq: int64(done), APrev: previous,
				Session: 1, Person: p.ID, PSeq: 1000 + int64(done), PPrev: -1, Version: p.Version, Fields: ecluse.FieldSet(0xFFFF), Purpose: w.Register.Schema.Purposes[0].ID,
				Tier: 1, Decision: ledger.Allow, Detail: []byte(`{"ch":"web","c":3,"a":1,"m":"walk_in"}`),
			}
			previous = int64(n)
			done++
			return e
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return id
}
