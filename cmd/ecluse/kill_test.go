package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/demo"
	"ecluse/internal/directory"
	"ecluse/internal/generate"
	"ecluse/internal/store/storetest"
)

// The kill test: a real process, 64 clients that keep every byte they receive, kill -9 at random
// moments, start again on the same folder, over and over. What the clients hold is then judged against
// the ledger (kill_judge_test.go).
//
// Short by default; "make kill" sets ECLUSE_KILLS=100,20 (SQLite, PostgreSQL).

const (
	killPersons   = 4000
	killClients   = 64
	killAgents    = 8
	killsOfEpoch  = 2 // then the clock moves by more than the ten minutes of the search budget
	epochsOfDay   = 4 // then by more than a day
	killsDefault  = "12,4"
	killAnswers   = 400 // at most so many answers, then comes the kill
	killLongest   = 3 * time.Second
	killPreset    = "mission-locale"
	killClockStep = 11 * time.Minute
	killClockDay  = 27 * time.Hour
)

// killLimits are small, so that every budget is reached again and again.
const killLimits = `{"total_24h": 30, "new_24h": 6, "outside_24h": 4, "unexplained_24h": 2, "search_24h": 16, "search_10min": 7}`

// kills says how often to kill on SQLite and on PostgreSQL.
func kills(t *testing.T) (sqlite, postgres int) {
	t.Helper()
	text := os.Getenv("ECLUSE_KILLS")
	if text == "" {
		text = killsDefault
	}
	a, b, _ := strings.Cut(text, ",")
	sqlite, err1 := strconv.Atoi(a)
	postgres, err2 := strconv.Atoi(b)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatalf("ECLUSE_KILLS=%q: %v", text, err)
	}
	return sqlite, postgres
}

func TestWhatAClientReceivedIsInTheLedgerHoweverOftenTheProcessIsKilled(t *testing.T) {
	sqlite, postgres := kills(t)
	t.Run("sqlite", func(t *testing.T) { newSiege(t, "").run(sqlite) })
	t.Run("postgres", func(t *testing.T) { newSiege(t, storetest.Postgres(t)).run(postgres) })
}

var quiet = slog.New(slog.DiscardHandler)

// siege is a demo that is killed again and again.
type siege struct {
	t          *testing.T
	dir        string
	address    string
	population *generate.Population
	agents     []*besieger
	day, epoch int
	starts     []time.Time // of each day but the first, by the demo's clock
	mu         sync.Mutex
	acts       []act
}

// base is the address of the doors.
func (s *siege) base() string { return "http://" + s.address }

// newSiege makes the demo in this process and lowers the limits of its agreements by the usual way:
// one officer asks, another approves.
func newSiege(t *testing.T, database string) *siege {
	t.Helper()
	s := &siege{t: t, dir: t.TempDir(), address: freeAddress(t)}
	o := demo.Options{
		Presets: []string{killPreset}, Persons: killPersons, Seed: 1, Dir: s.dir, Listen: s.address, Database: database,
		Now: time.Now, Log: quiet,
	}
	d, err := demo.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s.population = d.Populations[0]
	if err := lowerLimits(t.Context(), d, killLimits); err != nil {
		t.Fatal(err)
	}
	s.agents = besiegers(s.population, killAgents)
	return s
}

func lowerLimits(ctx context.Context, d *demo.Demo, limits string) error {
	p := d.Populations[0]
	reg, err := d.Node.Registers.ByCode(ctx, p.Register())
	if err != nil {
		return err
	}
	c := directory.Change{Controller: p.Controller()}
	for a := range p.Agreements() {
		change := directory.AgreementChange{
			Code: a.Code, Organisation: a.Organisation, Register: reg.ID, RegisterCode: reg.Code, Territory: a.Territory, State: directory.Active, Limits: limits,
		}
		for _, id := range a.Purposes {
			purpose, _ := reg.Schema.Purpose(id)
			change.Purposes, change.Fields = append(change.Purposes, string(id)), change.Fields|purpose.Fields
		}
		change.Starts, err = time.Parse(time.DateOnly, a.Starts)
		if err != nil {
			return err
		}
		if change.Ends, err = time.Parse(time.DateOnly, a.Ends); err != nil {
			return err
		}
		c.Agreements = append(c.Agreements, change)
	}
	var officers []directory.Actor
	for a := range p.Accounts() {
		if a.Role != ecluse.RoleAccessOfficer {
			continue
		}
		account, _, err := d.Node.Directory.ByEmail(ctx, a.Login)
		if err != nil {
			return err
		}
		officers = append(officers, directory.Actor{Account: account.ID, CLI: "test", Assured: true, Strong: true})
	}
	approval, err := d.Node.Directory.Request(ctx, officers[0], c)
	if err != nil {
		return err
	}
	return d.Node.Directory.Decide(ctx, officers[1], approval.ID, true)
}

// run kills the process count times, and judges.
func (s *siege) run(count int) {
	chance := rand.New(rand.NewPCG(uint64(count), 7)) // the moments differ at every run all the same: the machine sees to it
	began := time.Now()
	for kill := range count {
		if kill%5 == 4 { // and in the middle of a start
			p := launch(s.t, s.arguments()...)
			<-time.After(time.Duration(chance.Int64N(int64(300 * time.Millisecond))))
			p.kill()
		}
		p := serving(s.t, s.base(), s.arguments()...)
		s.turn(kill)
		s.assault(p, chance.Int64N(killAnswers), time.Duration(chance.Int64N(int64(20*time.Millisecond))))
	}
	s.t.Logf("%d kills in %s", count, time.Since(began).Round(time.Second))
	newJudge(s).judge()
}

func (s *siege) arguments() []string { return []string{"demo", "--dir", s.dir, "--listen", s.address} }

// turn moves the clock and signs everybody in anew where an epoch or a day begins; in between the
// sessions have to survive the kills.
func (s *siege) turn(kill int) {
	s.t.Helper()
	if kill%killsOfEpoch != 0 {
		return
	}
	if kill > 0 {
		s.epoch++
		by := killClockStep
		if s.epoch%epochsOfDay == 0 {
			s.day++
			by = killClockDay
		}
		if now := advance(s.t, s.base(), by); by == killClockDay {
			s.starts = append(s.starts, now)
		}
	}
	for _, a := range s.agents {
		a.arrive(s.t, s.base(), s.epoch%epochsOfDay == 0)
	}
}

// assault lets all clients loose, and kills the process in the middle: a moment after so many answers
// (0 = at once), for a slow machine and a fast one to get as far.
func (s *siege) assault(p *process, answers int64, moment time.Duration) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var clients sync.WaitGroup
	var answered atomic.Int64
	enough := make(chan struct{}, 1)
	if answers == 0 {
		enough <- struct{}{}
	}
	for i := range killClients {
		a := s.agents[i%len(s.agents)]
		clients.Go(func() {
			for ctx.Err() == nil {
				made, err := a.act(ctx)
				made.day, made.epoch = s.day, s.epoch
				s.mu.Lock()
				s.acts = append(s.acts, made)
				s.mu.Unlock()
				if made.status != 0 && answered.Add(1) == answers {
					enough <- struct{}{}
				}
				if err != nil {
					return // the process is gone
				}
			}
		})
	}
	select {
	case <-enough:
		<-time.After(moment)
	case <-time.After(killLongest):
	case <-p.ended:
		s.t.Errorf("the process ended by itself: %v\n%s", p.err, p.output)
	}
	p.kill()
	clients.Wait()
}

// besiegers chooses agents of the population: some share a site, some an organisation.
func besiegers(p *generate.Population, count int) []*besieger {
	var list []*besieger
	persons := slices.Collect(p.Persons())
	for a := range p.Accounts() {
		if a.Role == ecluse.RoleAgent && a.Caseload > 0 && len(list) < count {
			list = append(list, newBesieger(p, a, persons))
			list[len(list)-1].hoards = len(list)%2 == 0
		}
	}
	return list
}

// configFile is the demo's configuration, for the commands beside it.
func (s *siege) configFile() string { return filepath.Join(s.dir, "ecluse.toml") }
