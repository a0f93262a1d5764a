package gate_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"
)

// crowd has 64 goroutines go through the work in order, each item once.
func crowd(work []func()) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(work) {
					return
				}
				work[i]()
			}
		})
	}
	wg.Wait()
}

// A rush is one budget with one person more at the door than it lets in.
type rush struct {
	name    string
	limits  string
	who     []string
	persons []int
	make    func(r *gate.Request)
	rounds  int // whoever was let in is let in again, for nothing
	want    int // let in, of each account
	reason  ecluse.Reason
}

func span(from, to int) (list []int) {
	for i := from; i <= to; i++ {
		list = append(list, i)
	}
	return list
}

func emergency(r *gate.Request) { r.Emergency, r.Motive, r.Text = "danger", "", "" }

func rushes() []rush {
	none := func(*gate.Request) {}
	return []rush{
		{"unexplained", `{"unexplained_24h":4}`, []string{"anne", "dora"}, span(121, 125), none, 1, 4, ecluse.ReasonBudgetUnexplained},
		{"outside", `{"outside_24h":3}`, []string{"anne", "bob"}, span(81, 84), none, 3, 3, ecluse.ReasonBudgetOutside},
		{"new in 24 h", `{"new_24h":5}`, []string{"anne"}, span(41, 46), none, 3, 5, ecluse.ReasonBudgetNew},
		{"new in 30 d", `{"new_30d":5}`, []string{"bob"}, span(1, 6), none, 3, 5, ecluse.ReasonBudgetNew},
		{"total", `{"total_24h":39}`, []string{"anne"}, span(1, 40), none, 3, 39, ecluse.ReasonBudgetTotal},
		{"total, two caseloads", `{"total_24h":39}`, []string{"bob", "carl"}, nil, none, 3, 39, ecluse.ReasonBudgetTotal},
		{"emergency", `{"emergency_24h":2}`, []string{"anne", "bob", "dora"}, span(121, 123), emergency, 1, 2, ecluse.ReasonEmergencyLimit},
	}
}

func (r rush) work(t *testing.T, w *nodetest.World, let, refused map[string]*atomic.Int64) (work []func()) {
	for _, who := range r.who {
		let[who], refused[who] = new(atomic.Int64), new(atomic.Int64)
		c := w.SignIn(who)
		persons := r.persons
		if persons == nil {
			persons = map[string][]int{"bob": span(41, 80), "carl": span(81, 120)}[who]
		}
		seen := new(sync.Map)
		for range r.rounds {
			for _, i := range persons {
				work = append(work, func() {
					req := to(w, c, i)
					r.make(&req)
					out := open(t, w, req)
					if !out.Allowed {
						refused[who].Add(1)
						if len(out.Reasons) != 1 || out.Reasons[0] != r.reason {
							t.Errorf("%s is refused because of %v", who, out.Reasons)
						}
						return
					}
					if _, again := seen.LoadOrStore(i, true); !again {
						let[who].Add(1)
					}
				})
			}
		}
	}
	return work
}

func TestACrowdNeverGetsOnePersonMoreThanALimit(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		for i, r := range rushes() {
			if i%3 > 0 && strings.HasPrefix(url, "postgres") {
				continue // the whole list runs on SQLite; a database each takes long
			}
			t.Run(r.name, func(t *testing.T) {
				w := nodetest.New(t, fresh(t, url), nil)
				w.AddPersons(780) // the breaker is not what stops them
				w.SetLimits(r.limits)
				let, refused := map[string]*atomic.Int64{}, map[string]*atomic.Int64{}
				crowd(r.work(t, w, let, refused))
				for _, who := range r.who {
					if got := int(let[who].Load()); got != r.want || refused[who].Load() == 0 {
						t.Errorf("%s got %d persons of %d, refused %d times", who, got, r.want, refused[who].Load())
					}
				}
				verified(t, w)
			})
		}
	})
}

// strangers is where each account finds 15 persons of tiers 1 to 3, of which no review makes it wait.
var strangers = map[string]int{"anne": 41, "bob": 1, "carl": 1, "dora": 121, "eve": 50, "fay": 50}

func TestACrowdOfAnOrganisationNeverGetsOnePersonMoreThanItsShare(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		for i, r := range []struct {
			name   string
			extra  int
			who    []string
			want   int // newly opened pairs, all accounts together
			reason ecluse.Reason
		}{
			// Six accounts of A that count: 3 x 6 + 20 = 38, a third of it is 12.
			{"a third of the organisation", 1780, []string{"anne", "bob"}, 24, ecluse.ReasonBudgetOrganisation},
			{"the organisation", 1780, []string{"anne", "bob", "carl", "eve", "fay"}, 38, ecluse.ReasonBudgetOrganisation},
			// The register stops at 20 of 1000, one account at 10.
			{"the register's breaker", 780, []string{"anne", "bob", "carl"}, 20, ecluse.ReasonBudgetBreaker},
			// 220 persons: 4 in all, 2 each.
			{"half of the register's breaker", 0, []string{"anne"}, 2, ecluse.ReasonBudgetBreaker},
			{"the breaker across organisations", 0, []string{"anne", "bob", "dora"}, 4, ecluse.ReasonBudgetBreaker},
		} {
			if i != 1 && i != 4 && strings.HasPrefix(url, "postgres") {
				continue
			}
			t.Run(r.name, func(t *testing.T) {
				w := nodetest.New(t, fresh(t, url), nil)
				if r.extra > 0 {
					w.AddPersons(r.extra)
				}
				w.SetLimits(`{"unexplained_24h":100,"outside_24h":100,"new_24h":100}`)
				more := w.Change()
				more.Accounts = []directory.AccountChange{nodetest.Account("eve", "A", "A1", ecluse.RoleAgent), nodetest.Account("fay", "A", "A2", ecluse.RoleAgent)}
				w.Approve(more)
				w.SignIn("eve")
				w.SignIn("fay")
				callers := map[string]signin.Caller{}
				for _, who := range r.who {
					callers[who] = w.SignIn(who)
				}
				w.Reopen() // headcounts are cached for ten minutes
				var let atomic.Int64
				var reasons sync.Map
				var work []func()
				for _, who := range r.who {
					for i := range 15 {
						work = append(work, func() {
							out := open(t, w, to(w, callers[who], strangers[who]+i))
							if out.Allowed {
								let.Add(1)
							}
							for _, reason := range out.Reasons {
								reasons.Store(reason, true)
							}
						})
					}
				}
				crowd(work)
				if got := int(let.Load()); got != r.want {
					t.Errorf("%d were let in, the limit is %d", got, r.want)
				}
				if _, met := reasons.Load(r.reason); !met {
					t.Errorf("nobody was refused because of %s", r.reason)
				}
				verified(t, w)
			})
		}
	})
}

func TestACrowdOfSearchesNeverGetsOneMoreThanItsLimit(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		for name, limit := range map[string]int{`{"search_10min":7}`: 7, `{"search_24h":9}`: 9, `{}`: 15} {
			t.Run(name, func(t *testing.T) {
				w := nodetest.New(t, fresh(t, url), nil)
				w.SetLimits(name)
				c := w.SignIn("anne")
				var answered, refused atomic.Int64
				var work []func()
				for i := range 40 {
					work = append(work, func() {
						out := search(t, w, gate.SearchRequest{Caller: c, Register: first, Purpose: "emploi", Query: query(w, 121+i)})
						switch {
						case len(out.Hits) == 1:
							answered.Add(1)
						case len(out.Reasons) == 1 && out.Reasons[0] == ecluse.ReasonBudgetSearch:
							refused.Add(1)
						default:
							t.Errorf("a search answers %+v", out)
						}
					})
				}
				crowd(work)
				if int(answered.Load()) != limit || refused.Load() != int64(40-limit) {
					t.Errorf("%d searches answered of %d, %d refused", answered.Load(), limit, refused.Load())
				}
				verified(t, w)
			})
		}
	})
}
