package main

import (
	"context"
	"database/sql"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ecluse/internal/store/storetest"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver that looks at locks
)

// pair is two processes on one PostgreSQL, each with a folder of its own.
type pair struct {
	*siege
	a, b         *process
	other        string // base of b
	dirB         string
	watch        *sql.DB
	doneA, doneB atomic.Int64 // disclosures that arrived
	lastB        atomic.Int64 // when the newest one of b did, in nanoseconds since began
	gapB         atomic.Int64 // longest time between two of them
	began        time.Time
}

func newPair(t *testing.T) *pair {
	t.Helper()
	url := storetest.Postgres(t)
	p := &pair{siege: newSiege(t, url), dirB: t.TempDir(), began: time.Now()}
	if err := os.CopyFS(p.dirB, os.DirFS(p.dir)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ecluse.key", "provider.secret", "ecluse.toml"} {
		if err := os.Chmod(p.dirB+"/"+name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := freeAddress(t)
	p.other = "http://" + address
	p.a = serving(t, p.base(), p.arguments()...)
	p.b = serving(t, p.other, "demo", "--dir", p.dirB, "--listen", address)
	var err error
	if p.watch, err = sql.Open("pgx", url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.watch.Close() })
	return p
}

// at is the same browser at the other node, as behind a load balancer: cookies know no ports.
func (d *desk) at(base string) *desk {
	return &desk{t: d.t, base: base, http: &http.Client{Jar: d.http.Jar, Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
}

// load opens the records of each agent's own persons at both nodes, again and again, until ctx ends.
func (p *pair) load(ctx context.Context, clients *sync.WaitGroup) {
	p.t.Helper()
	for _, agent := range p.agents[:4] {
		here := signIn(p.t, p.base(), agent.account.Login)
		var own struct{ Persons []struct{ Handle string } }
		here.call(http.StatusOK, http.MethodGet, registerPath("caseload?purpose=emploi"), nil, &own)
		if len(own.Persons) == 0 {
			p.t.Fatalf("%s follows nobody", agent.account.Login)
		}
		for i := range 4 {
			handle := own.Persons[i%len(own.Persons)].Handle
			clients.Go(func() { p.open(ctx, here.at(p.base()), handle, func() { p.doneA.Add(1) }) })
			clients.Go(func() { p.open(ctx, here.at(p.other), handle, p.arrivedAtB) })
		}
	}
	p.lastB.Store(int64(time.Since(p.began)))
}

func (p *pair) open(ctx context.Context, d *desk, handle string, done func()) {
	for ctx.Err() == nil {
		answer, err := d.try(ctx, http.MethodPost, registerPath("persons/%s/disclose", handle), "application/json", strings.NewReader(`{"purpose":"emploi"}`))
		if err == nil && answer.status == http.StatusOK {
			done()
		} else if err == nil && answer.status != http.StatusServiceUnavailable {
			p.t.Errorf("status %d: %.200s\n%s%s", answer.status, answer.body, p.a.output, p.b.output)
			return
		}
	}
}

func (p *pair) arrivedAtB() {
	p.doneB.Add(1)
	now := int64(time.Since(p.began))
	gap := now - p.lastB.Swap(now)
	for old := p.gapB.Load(); gap > old && !p.gapB.CompareAndSwap(old, gap); old = p.gapB.Load() {
	}
}

// stopInside stops node a, over and over until it stands still inside a transaction that somebody
// waits for: PostgreSQL knows who blocks whom.
func (p *pair) stopInside() {
	p.t.Helper()
	for range 200 {
		p.a.signal(syscall.SIGSTOP)
		for range 8 {
			var held int
			const holding = `SELECT count(*) FROM pg_stat_activity waiting JOIN pg_stat_activity holder ON holder.pid = ANY(pg_blocking_pids(waiting.pid))
				WHERE waiting.datname = current_database() AND holder.state = 'idle in transaction' AND now() - holder.state_change > interval '60 milliseconds'`
			if err := p.watch.QueryRowContext(p.t.Context(), holding).Scan(&held); err != nil {
				p.t.Fatal(err)
			}
			if held > 0 {
				return
			}
			<-time.After(10 * time.Millisecond)
		}
		p.a.signal(syscall.SIGCONT)
		before := p.doneA.Load()
		p.a.await("node a goes on", func() bool { return p.doneA.Load() > before })
	}
	p.t.Fatal("node a never stopped inside a transaction")
}

func TestANodeThatStopsInsideATransactionHoldsTheOthersUpForLessThanTwoSeconds(t *testing.T) {
	p := newPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var clients sync.WaitGroup
	p.load(ctx, &clients)
	p.b.await("both nodes serve", func() bool { return p.doneA.Load() > 20 && p.doneB.Load() > 20 })
	p.gapB.Store(0)
	p.stopInside()
	before := p.doneB.Load()
	p.b.await("node b serves again", func() bool { return p.doneB.Load() > before+50 })
	gap := time.Duration(p.gapB.Load())
	t.Logf("node b served nobody for %s", gap.Round(time.Millisecond))
	if gap > 2*time.Second || gap < 50*time.Millisecond {
		t.Errorf("node b served nobody for %s: it should have waited, and less than 2 s", gap)
	}
	before = p.doneA.Load()
	p.a.signal(syscall.SIGCONT)
	p.a.await("node a goes on", func() bool { return p.doneA.Load() > before+50 })
	cancel()
	clients.Wait()
	p.a.stop()
	p.b.stop()
	for _, dir := range []string{p.dir, p.dirB} {
		if out := done(t, "verify", "--config", dir+"/ecluse.toml", "--deep", "--json"); !strings.Contains(out, `"ok":true`) && !strings.Contains(out, `"ok": true`) {
			t.Errorf("the ledger does not verify: %.500s", out)
		}
	}
}

func TestASessionThatEndsAtOneNodeIsDeadAtTheOtherAtOnce(t *testing.T) {
	p := newPair(t)
	here := signIn(t, p.base(), p.agents[0].account.Login)
	there := here.at(p.other)
	// What a thief copied: the cookie, in a browser of his own.
	u, err := url.Parse(p.base())
	if err != nil {
		t.Fatal(err)
	}
	copied, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	copied.SetCookies(u, here.http.Jar.Cookies(u))
	thief := (&desk{t: t, base: p.other, http: &http.Client{Jar: copied}}).at(p.other)
	there.call(http.StatusOK, http.MethodGet, "/api/v1/me", nil, nil)
	thief.call(http.StatusOK, http.MethodGet, "/api/v1/me", nil, nil)
	here.post("/sign-out", nil)
	thief.call(http.StatusUnauthorized, http.MethodGet, "/api/v1/me", nil, nil)
	there.call(http.StatusUnauthorized, http.MethodGet, "/api/v1/me", nil, nil)
}
