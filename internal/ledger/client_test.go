package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/ledger"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"

	"pgregory.net/rapid"
)

// forAgent is an explained opening that program 900 asks for an account, with the total limits of both.
func forAgent(account, person, mine, programs int) ledger.Candidate {
	c := opening(account, person)
	limits := func(total int) *budget.Charge {
		l := budget.Default()
		l.Total24h = total
		return &budget.Charge{Act: budget.Disclose, Classes: ecluse.ClassSet(0).With(ecluse.Identity), Limits: l, OrganisationNew24h: 20, RegisterNew24h: 20}
	}
	c.Detail.Client, c.Charge, c.ClientCharge = 900, limits(mine), limits(programs)
	return c
}

// people puts persons into a database, by number.
func people(t *testing.T, url string, numbers ...int) {
	t.Helper()
	db := newAttacker(t, url)
	for _, n := range numbers {
		db.do("INSERT INTO persons (id, register_id, ext, territory, seq, last_n) VALUES ($1, 1, $2, '', 0, -1)", n, []byte(fmt.Sprint(n)))
	}
}

func (b *bench) verifyDeep(t testing.TB) {
	t.Helper()
	r, err := ledger.VerifyDeep(context.Background(), ledger.Live(b.db, b.keys), b.keys, b.db, nil)
	if err != nil || !r.OK {
		t.Errorf("the ledger does not prove its meters: %v %v", err, r.Problems)
	}
}

func TestAProgramIsChargedBesideTheAgentThatItActsForOrNobodyIs(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		b := newBench(t, url, store.Hooks{})
		people(t, url, 11, 12, 13, 14)
		ask := func(account, person, mine, programs int) ledger.Result {
			t.Helper()
			results, err := b.Append(t.Context(), forAgent(account, person, mine, programs))
			if err != nil {
				t.Fatal(err)
			}
			return results[0]
		}
		if r := ask(1, 11, 2, 3); !r.Allowed {
			t.Errorf("the first: %v", r.Reasons)
		}
		ask(1, 12, 2, 3)
		if r := ask(1, 13, 2, 3); r.Allowed || !slices.Equal(r.Reasons, []ecluse.Reason{ecluse.ReasonBudgetTotal}) {
			t.Errorf("the agent's limit: %v %v", r.Allowed, r.Reasons)
		}
		if r := ask(2, 13, 2, 3); !r.Allowed {
			t.Errorf("what was refused to one agent was charged to the program: %v", r.Reasons)
		}
		r := ask(2, 14, 2, 3)
		if r.Allowed || !slices.Equal(r.Reasons, []ecluse.Reason{ecluse.ReasonClientTotal}) {
			t.Errorf("the program's limit: %v %v", r.Allowed, r.Reasons)
		}
		if used := r.Readings[4]; used.Code != ecluse.ReasonBudgetTotal || used.Used != 1 {
			t.Errorf("a refusal by the program's limit was charged to the agent: %+v", used)
		}
		if r := ask(2, 13, 2, 3); !r.Allowed {
			t.Errorf("a known person again: %v", r.Reasons)
		}
		if r := ask(2, 12, 2, 3); !r.Allowed {
			t.Errorf("a person whom the program opened for somebody else: %v", r.Reasons)
		}
		if r := ask(1, 14, 2, 3); r.Allowed || !slices.Equal(r.Reasons, []ecluse.Reason{ecluse.ReasonBudgetTotal, ecluse.ReasonClientTotal}) {
			t.Errorf("both limits: %v %v", r.Allowed, r.Reasons)
		}
		b.verify(t, 8)
		b.verifyDeep(t)
	})
}

func TestAProgramIsNeverChargedForMoreThanWhatIsExplained(t *testing.T) {
	b := newBench(t, storetest.SQLite(t), store.Hooks{})
	beyond, twice, nobody := forAgent(1, 11, 5, 5), forAgent(900, 11, 5, 5), forAgent(1, 11, 5, 5)
	beyond.Tier, nobody.Detail.Client = ecluse.SameSite, 0
	for name, c := range map[string]ledger.Candidate{"tier 1": beyond, "itself twice": twice, "no program": nobody} {
		if _, err := b.Append(t.Context(), c); err == nil || errors.Is(err, ledger.ErrBusy) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.verify(t, 0)
}

// TestNeitherTheAgentsNorTheProgramsLimitIsEverExceeded counts what was allowed, by nobody's meter.
func TestNeitherTheAgentsNorTheProgramsLimitIsEverExceeded(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		b := newBench(t, url, store.Hooks{})
		var numbers []int
		for i := range 144 {
			numbers = append(numbers, 1000*(1+i/12)+1+i%12)
		}
		people(t, url, numbers...)
		rounds := 0
		rapid.Check(t, func(rt *rapid.T) {
			if rounds++; rounds > 12 {
				return // one database: later rounds would find the day's budgets gone
			}
			register := ecluse.RegisterID(rounds)
			mine, programs := rapid.IntRange(1, 6).Draw(rt, "mine"), rapid.IntRange(1, 9).Draw(rt, "programs")
			var mu sync.Mutex
			got := map[string]map[int]bool{"program": {}}
			var wg sync.WaitGroup
			for _, a := range rapid.SliceOfN(rapid.IntRange(1, 3), 4, 8).Draw(rt, "agents") {
				people := rapid.SliceOfN(rapid.IntRange(1, 12), 1, 6).Draw(rt, "people")
				itself := rapid.Bool().Draw(rt, "by herself")
				wg.Go(func() {
					for _, p := range people {
						c := forAgent(a, 1000*rounds+p, mine, programs)
						c.Register = register
						if itself {
							c.Detail.Client, c.ClientCharge = 0, nil
						}
						results, err := b.Append(context.Background(), c)
						if err != nil {
							t.Error(err)
							return
						}
						if !results[0].Allowed {
							continue
						}
						mu.Lock()
						key := fmt.Sprint(a)
						if got[key] == nil {
							got[key] = map[int]bool{}
						}
						got[key][p] = true
						if !itself {
							got["program"][p] = true
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			for who, people := range got {
				limit := mine
				if who == "program" {
					limit = programs
				}
				if len(people) > limit {
					rt.Fatalf("%s saw %d of at most %d", who, len(people), limit)
				}
			}
		})
		b.verifyDeep(t)
	})
}

func TestAProgramHasItsOwnPlacesInTheQueueForWhomeverItActs(t *testing.T) {
	s := newStall()
	b := newBench(t, storetest.SQLite(t), store.Hooks{BeforeCommit: s.beforeCommit})
	s.on.Store(true)
	var wg sync.WaitGroup
	send := func(c ledger.Candidate, done chan<- error) {
		wg.Go(func() {
			_, err := b.Append(context.Background(), c)
			if done != nil {
				done <- err
			}
		})
	}
	send(opening(1, 1), nil)
	<-s.reached // everything else waits
	for i := range ledger.AccountPlaces {
		send(forAgent(10+i, 100+i, 50, 50), nil)
	}
	for b.QueueLength() < ledger.AccountPlaces {
		time.Sleep(time.Millisecond)
	}
	if _, err := b.Append(t.Context(), forAgent(30, 130, 50, 50)); !errors.Is(err, ledger.ErrBusy) {
		t.Errorf("a program takes more places by acting for more agents: %v", err)
	}
	own := make(chan error, 1)
	send(opening(10, 140), own)
	for b.QueueLength() < ledger.AccountPlaces+1 {
		time.Sleep(time.Millisecond)
	}
	s.on.Store(false)
	close(s.resume)
	if err := <-own; err != nil {
		t.Errorf("an agent waits for the program's places: %v", err)
	}
	wg.Wait()
}
