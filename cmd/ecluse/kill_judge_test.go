package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/config"
	"ecluse/internal/generate"
	"ecluse/internal/ledger"
	"ecluse/internal/node"
	"ecluse/internal/store"
)

// judge holds what the clients received against the ledger of the stopped demo.
type judge struct {
	*siege
	limits   budget.Limits
	persons  map[string]generate.Person // by identifier
	named    map[string][]string        // surname, first name and birth date -> identifiers
	entries  map[string]ledger.Entry    // by receipt
	allowed  map[string]time.Time       // login and person: the first allowed disclosure in the ledger
	byID     map[string]ecluse.PersonID // identifier -> number in the register
	received map[string]bool            // receipts
	refusals map[string]int
	cut      int // bodies that arrived in part
}

func newJudge(s *siege) *judge {
	s.t.Helper()
	j := &judge{
		siege: s, persons: map[string]generate.Person{}, named: map[string][]string{}, entries: map[string]ledger.Entry{}, allowed: map[string]time.Time{},
		byID: map[string]ecluse.PersonID{}, received: map[string]bool{}, refusals: map[string]int{},
	}
	var err error
	if j.limits, err = budget.Default().Override([]byte(killLimits)); err != nil {
		s.t.Fatal(err)
	}
	for p := range s.population.Persons() {
		j.persons[p.ID] = p
		name := strings.Join([]string{p.Values["surname"], p.Values["first_name"], p.Values["birth_date"]}, "|")
		j.named[name] = append(j.named[name], p.ID)
	}
	if err := j.readLedger(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return j
}

// readLedger opens the database beside nobody: the process is dead.
func (j *judge) readLedger(ctx context.Context) error {
	c, err := config.Read(j.configFile())
	if err != nil {
		return err
	}
	a, err := node.Attach(ctx, node.Options{Config: c, Now: time.Now})
	if err != nil {
		return err
	}
	defer a.Close()
	logins, err := j.numbers(ctx, c)
	if err != nil {
		return err
	}
	persons := map[ecluse.PersonID]string{}
	for name, id := range j.byID {
		persons[id] = name
	}
	return a.Store.Snapshot(ctx, func(s *store.Snapshot) error {
		return ledger.Live(s, a.Keys).Lines(ctx, func(l *ledger.Line) error {
			j.entries[l.Receipt] = l.Entry
			if l.Kind == ledger.KindDisclose && l.Decision == ledger.Allow {
				key := logins[l.Account] + "|" + persons[l.Person]
				if _, ok := j.allowed[key]; !ok {
					j.allowed[key] = l.At
				}
			}
			return nil
		})
	})
}

// numbers resolves the identifiers of all persons, and names the accounts.
func (j *judge) numbers(ctx context.Context, c *config.Config) (map[ecluse.AccountID]string, error) {
	n, err := node.Open(ctx, node.Options{Config: c, Now: time.Now, Log: quiet, Demo: true})
	if err != nil {
		return nil, err
	}
	defer n.Close()
	reg, err := n.Registers.ByCode(ctx, killPreset)
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range j.persons {
		names = append(names, name)
	}
	for part := range slices.Chunk(names, 500) {
		ids, err := n.Registers.Resolve(ctx, reg, part)
		if err != nil {
			return nil, err
		}
		for i, id := range ids {
			j.byID[part[i]] = id
		}
	}
	logins := map[ecluse.AccountID]string{}
	for _, a := range j.agents {
		account, _, err := n.Directory.ByEmail(ctx, a.account.Login)
		if err != nil {
			return nil, err
		}
		logins[account.ID] = a.account.Login
	}
	return logins, nil
}

func (j *judge) judge() {
	j.t.Helper()
	opened := map[sum]map[string]bool{} // distinct persons whose values arrived
	searches := map[sum]int{}
	for _, a := range j.acts {
		if !a.whole && a.body != "" {
			j.cut++
		}
		j.note(a)
		for _, person := range j.arrived(a) {
			for _, name := range budgetsOf(j.relationOf(a.agent, person), j.known(a, person)) {
				at := sum{a.agent, name, a.day}
				if opened[at] == nil {
					opened[at] = map[string]bool{}
				}
				opened[at][person] = true
			}
		}
		if a.kind == "search" && charged(a) {
			searches[sum{a.agent, "search_24h", a.day}]++
			searches[sum{a.agent, "search_10min", a.epoch}]++
		}
	}
	for at, persons := range opened {
		searches[at] = len(persons)
	}
	statuses := map[int]int{}
	for _, a := range j.acts {
		statuses[a.status]++
	}
	j.t.Logf("%d acts by status %v, %d receipts, %d bodies cut off, %d entries; refusals %v", len(j.acts), statuses, len(j.received), j.cut, len(j.entries), j.refusals)
	overspent(j.t, searches, j.limits)
	j.enough(searches)
	j.verify()
}

// sum is what is counted: one budget of one account on one day (search_10min: epoch).
type sum struct {
	agent, budget string
	when          int
}

// overspent fails the test for each budget that was exceeded.
func overspent(t testing.TB, counts map[sum]int, l budget.Limits) {
	t.Helper()
	limit := map[string]int{
		"total_24h": l.Total24h, "new_24h": l.New24h, "outside_24h": l.Outside24h, "unexplained_24h": l.Unexplained24h,
		"search_24h": l.Search24h, "search_10min": l.Search10min,
	}
	for at, n := range counts {
		if n > limit[at.budget] {
			t.Errorf("%s received %d of %s in period %d, the limit is %d", at.agent, n, at.budget, at.when, limit[at.budget])
		}
	}
}

// enough fails a run that proves nothing: each budget must have been used up by somebody, and refused.
func (j *judge) enough(counts map[sum]int) {
	j.t.Helper()
	most := map[string]int{}
	for at, n := range counts {
		most[at.budget] = max(most[at.budget], n)
	}
	j.t.Logf("most received by one account: %v", most)
	for _, reason := range []string{"budget.account.total", "budget.account.new", "budget.account.search"} {
		if j.refusals[reason] == 0 {
			j.t.Errorf("nobody was refused for %s: this run proves nothing about it", reason)
		}
	}
	if len(j.received) < 100 {
		j.t.Errorf("only %d receipts were received", len(j.received))
	}
}

// known reports whether the person was written down for the account on a day before: she is free then,
// even if the body of that day never arrived.
func (j *judge) known(a act, person string) bool {
	return a.day > 0 && j.allowed[a.agent+"|"+person].Before(j.starts[a.day-1])
}

// budgetsOf are the budgets that a person of a relation counts in.
func budgetsOf(relation string, known bool) []string {
	switch {
	case relation == "caseload", known:
		return []string{"total_24h"}
	case relation == "site":
		return []string{"total_24h", "new_24h"}
	case relation == "organisation":
		return []string{"total_24h", "new_24h", "outside_24h"}
	default:
		return []string{"total_24h", "new_24h", "outside_24h", "unexplained_24h"}
	}
}

// charged reports whether a client can tell from the answer that its search cost something.
func charged(a act) bool {
	switch {
	case !a.whole:
		return false
	case a.status == http.StatusConflict:
		return strings.Contains(a.body, `"search.ambiguous"`)
	case a.status != http.StatusOK:
		return false
	}
	var answer struct{ Hits []struct{ Relation string } }
	if json.Unmarshal([]byte(a.body), &answer) != nil {
		return false
	}
	return len(answer.Hits) == 0 || answer.Hits[0].Relation != "caseload"
}

var (
	receiptIn = regexp.MustCompile(`"receipt":"([0-9A-Z]{26})"`)
	fileIn    = regexp.MustCompile(`"dossier":"([^"]+)"`)
	namesIn   = regexp.MustCompile(`"surname":"([^"]+)","first_name":"([^"]+)","birth_date":"([^"]+)"`)
	reasonIn  = regexp.MustCompile(`"code":"([a-z_.]+)","message"`)
)

// note keeps receipts and refusals of a body.
func (j *judge) note(a act) {
	for _, m := range receiptIn.FindAllStringSubmatch(a.body, -1) {
		j.received[m[1]] = true
	}
	for _, m := range reasonIn.FindAllStringSubmatch(a.body, -1) {
		j.refusals[m[1]]++
	}
	if a.status >= http.StatusInternalServerError && a.status != http.StatusServiceUnavailable {
		j.t.Errorf("%s answered %d: %.200s", a.kind, a.status, a.body)
	}
}

// arrived names the persons whose values are in a body, whole or not, and checks that each is in an
// allowed entry of this account.
func (j *judge) arrived(a act) (persons []string) {
	j.t.Helper()
	if a.kind == "search" {
		return nil // a hit tells what was typed, nothing more
	}
	for _, m := range fileIn.FindAllStringSubmatch(a.body, -1) {
		persons = append(persons, m[1])
		if a.kind == "disclose" && m[1] != a.target {
			j.t.Errorf("somebody else's record arrived")
		}
	}
	if len(persons) == 0 {
		for _, m := range namesIn.FindAllStringSubmatch(a.body, -1) {
			persons = append(persons, j.whose(a, strings.Join(m[1:], "|")))
		}
	}
	for _, p := range persons {
		if _, ok := j.allowed[a.agent+"|"+p]; !ok {
			j.t.Errorf("values of a person arrived by %s without an allowed entry of the account", a.kind)
		}
	}
	if a.kind == "disclose" && a.whole && a.status == http.StatusOK {
		j.values(a)
	}
	return persons
}

// whose finds the person of a caseload row: of several with the same names the caller's own.
func (j *judge) whose(a act, names string) string {
	j.t.Helper()
	for _, id := range j.named[names] {
		if a.kind == "disclose" && id == a.target || a.kind == "caseload" && j.relationOf(a.agent, id) == "caseload" {
			return id
		}
	}
	j.t.Errorf("a row of nobody in the population arrived by %s", a.kind)
	return ""
}

// values compares a whole body with the record that it names, and with its entry.
func (j *judge) values(a act) {
	j.t.Helper()
	var answer struct {
		Values  map[string]*string
		Receipt string
	}
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil {
		j.t.Errorf("a whole body is no JSON: %v", err)
		return
	}
	e := j.entries[answer.Receipt]
	if e.Decision != ledger.Allow || e.Person != j.byID[a.target] || e.Kind != ledger.KindDisclose {
		j.t.Errorf("the receipt of a body names another entry: %s %s", e.Kind, e.Decision)
	}
	for name, value := range answer.Values {
		want := j.persons[a.target].Values[name]
		if name == "dossier" {
			want = a.target
		}
		if value == nil && want != "" || value != nil && *value != want {
			j.t.Errorf("field %s is not the person's", name)
		}
	}
}

func (j *judge) relationOf(login, person string) string {
	for _, a := range j.agents {
		if a.account.Login == login {
			return a.relation[person]
		}
	}
	return ""
}

// verify runs ecluse verify with all receipts, then with one that nobody was given.
func (j *judge) verify() {
	j.t.Helper()
	file := filepath.Join(j.t.TempDir(), "receipts")
	var lines []string
	for id := range j.received {
		lines = append(lines, id)
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		j.t.Fatal(err)
	}
	arguments := []string{"verify", "--config", j.configFile(), "--deep", "--json", "--receipts", file}
	var report ledger.Report
	out, messages, exit := runs(j.t, arguments...)
	if err := json.Unmarshal([]byte(out), &report); err != nil || exit != 0 || !report.OK || report.Receipts == nil || report.Receipts.Found != len(lines) {
		j.t.Fatalf("verify: status %d, %v\n%.2000s%s", exit, err, out, messages)
	}
	forged := strings.Repeat("0", 25) + "4"
	if err := os.WriteFile(file, []byte(forged), 0o600); err != nil {
		j.t.Fatal(err)
	}
	if out, _, exit := runs(j.t, arguments...); exit != 1 || !strings.Contains(out, forged) {
		j.t.Errorf("a receipt that nobody was given: status %d\n%.500s", exit, out)
	}
}

func TestTheJudgeOfTheKillTestSeesOneTooMany(t *testing.T) {
	limits := budget.Limits{Total24h: 3, Search24h: 1}
	for name, counts := range map[string]map[sum]int{
		"persons":  {{"a", "total_24h", 0}: 4},
		"searches": {{"a", "search_24h", 2}: 2},
	} {
		t.Run(name, func(t *testing.T) {
			watched := &silent{TB: t}
			overspent(watched, counts, limits)
			if watched.errors != 1 {
				t.Errorf("%d errors, want 1", watched.errors)
			}
		})
	}
}

// silent counts errors instead of failing.
type silent struct {
	testing.TB
	errors int
}

func (s *silent) Errorf(string, ...any) { s.errors++ }
func (s *silent) Helper()               {}
