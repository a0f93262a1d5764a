package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ecluse/internal/demo"
)

// startDemo starts a small demo in dir and reads its ready file, strictly.
func startDemo(t *testing.T, dir string, more ...string) (*process, demo.Ready) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ready.json")
	address := freeAddress(t)
	p := serving(t, "http://"+address, append([]string{"demo", "--dir", dir, "--listen", address, "--ready", file}, more...)...)
	var text []byte
	p.await("the ready file is there", func() bool {
		var err error
		text, err = os.ReadFile(file)
		return err == nil
	})
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	var r demo.Ready
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	if r.BaseURL != "http://"+address {
		t.Errorf("base_url is %s, want %s", r.BaseURL, address)
	}
	return p, r
}

func TestTheReadyFileOfADemoSaysWhoAndWhere(t *testing.T) {
	p, r := startDemo(t, t.TempDir(), "--scale", "1500")
	defer p.stop()
	if r.Version != 1 || r.ClockURL != r.BaseURL+"/demo/clock" || r.Database == "" || r.APIClients == nil {
		t.Errorf("ready: %d %s %s", r.Version, r.ClockURL, r.Database)
	}
	if first := r.Identities[0]; first.Preset != "mission-locale" {
		t.Errorf("the first identity is of %s", first.Preset)
	}
	for _, preset := range []string{"mission-locale", "licences-sport"} {
		roles, sites, organisations := map[string]int{}, map[string]int{}, map[string]int{}
		for _, i := range r.Identities {
			if i.Preset != preset {
				continue
			}
			roles[string(i.Role)]++
			if i.Register == "" || i.Account == "" || i.Login == "" || i.ACR != "eidas2" {
				t.Errorf("identity %+v", i)
			}
			if i.Role == "agent" {
				sites[i.Site]++
				organisations[i.Organisation]++
			}
		}
		want := map[string]int{"agent": 4, "account_manager": 1, "access_officer": 2, "security_officer": 1, "dpo": 1, "person": 1, "admin": 1}
		if diff := cmp.Diff(want, roles); diff != "" || len(sites) != 3 || len(organisations) != 2 {
			t.Errorf("%s: sites %v, organisations %v, roles (-want +got):\n%s", preset, sites, organisations, diff)
		}
	}
	var lapsing []string
	for _, i := range r.Lapsing {
		if i.Preset == "mission-locale" || i.Preset == "licences-sport" {
			lapsing = append(lapsing, i.Preset+" "+i.Training)
		}
	}
	if diff := cmp.Diff([]string{"mission-locale due", "mission-locale expired", "licences-sport due", "licences-sport expired"}, lapsing); diff != "" {
		t.Errorf("whose training is over or nearly so (-want +got):\n%s", diff)
	}
	relations := map[string]int{}
	for _, s := range r.Samples {
		relations[s.Register+" "+s.Relation]++
		if _, err := time.Parse(time.DateOnly, s.BirthDate); err != nil || s.Surname == "" || s.FirstName == "" || s.Identifier == "" || s.Login == "" {
			t.Errorf("sample %+v", s)
		}
	}
	for _, relation := range []string{"caseload", "site", "organisation", "other", "outside"} {
		if n := relations["mission-locale "+relation]; n != 20 {
			t.Errorf("%d samples of relation %s, want 20", n, relation)
		}
	}
	// It prints the people of the first register only, and where everything else is found.
	printed := p.output.String()
	for _, part := range []string{r.Identities[0].Login, r.BaseURL + "/tour", "licences-sport", "sign-in page"} {
		if !strings.Contains(printed, part) {
			t.Errorf("it does not print %s:\n%s", part, printed)
		}
	}
	if last := r.Identities[len(r.Identities)-1]; strings.Contains(printed, last.Login) || strings.Count(printed, "\n") > 50 {
		t.Errorf("it prints everybody:\n%s", printed)
	}
}

func TestTheSameSeedGivesTheSamePeopleAndADemoGoesOnWhereItWas(t *testing.T) {
	dir := t.TempDir()
	p, first := startDemo(t, dir, "--scale", "600", "--preset", "mission-locale", "--seed", "7")
	now := advance(t, first.BaseURL, 48*time.Hour)
	if ahead := time.Until(now); ahead < 47*time.Hour {
		t.Errorf("the clock is %s ahead", ahead)
	}
	agent := signIn(t, first.BaseURL, first.Samples[0].Login)
	agent.call(http.StatusOK, http.MethodPost, registerPath("search"), identity(first.Samples[0].Surname, first.Samples[0].FirstName, first.Samples[0].BirthDate), nil)
	p.kill()

	p, again := startDemo(t, dir) // elsewhere, and without saying what it was made with
	if diff := cmp.Diff(first.Samples, again.Samples); diff != "" || !slices.Equal(first.Identities, again.Identities) {
		t.Errorf("the demo went on with other people:\n%s", diff)
	}
	if now := advance(t, again.BaseURL, time.Second); time.Until(now) < 47*time.Hour {
		t.Errorf("the clock went back to %s", now)
	}
	agent.at(again.BaseURL).call(http.StatusOK, http.MethodGet, "/api/v1/me", nil, nil) // the session outlives the process
	signIn(t, again.BaseURL, first.Samples[0].Login).call(http.StatusOK, http.MethodGet, "/api/v1/me", nil, nil)
	for _, body := range []string{`{"advance": "-1h"}`, `{"advance": "soon"}`, `{}`, `x`} {
		if p := newDesk(t, again.BaseURL).ask(http.MethodPost, "/demo/clock", "application/json", strings.NewReader(body)); p.status != http.StatusBadRequest {
			t.Errorf("%s moves the clock: %d", body, p.status)
		}
	}
	p.stop()
	if _, messages, exit := runs(t, "demo", "--dir", dir, "--scale", "900"); exit != 2 || !strings.Contains(messages, "made otherwise") {
		t.Errorf("another scale: status %d, %s", exit, messages)
	}
	if _, messages, exit := runs(t, "serve", "--config", filepath.Join(dir, "ecluse.toml")); exit != 3 {
		t.Errorf("serve opens a demo: status %d, %s", exit, messages)
	}

	p, other := startDemo(t, t.TempDir(), "--scale", "600", "--preset", "mission-locale", "--seed", "7")
	p.stop()
	if diff := cmp.Diff(first.Samples, other.Samples); diff != "" {
		t.Errorf("the same seed gave other people:\n%s", diff)
	}
}

func TestAnImportThatIsKilledLeavesNothingAndIsSimplyRunAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ecluse")
	config := filepath.Join(dir, "ecluse.toml")
	done(t, "init", dir, "--officer", claire+"=Claire/Dumas", "--officer", paul+"=Paul/Martin")
	var rows strings.Builder
	rows.WriteString("dossier,territory,surname,first_name,birth_date\n")
	const count = 60_000
	for i := range count {
		fmt.Fprintf(&rows, "%09dA,93,Nom%s,Prenom,2004-05-%02d\n", i, strings.Repeat(string(rune('a'+i%26)), 1+i%5), 1+i%28)
	}
	file := filepath.Join(dir, "rows.csv")
	if err := os.WriteFile(file, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	arguments := []string{"import", "--config", config, "--register", "mission-locale", file}
	p := launch(t, arguments...)
	p.await("it imports", func() bool { return strings.Contains(p.output.String(), "importing") })
	<-time.After(time.Duration(rand.Int64N(int64(100 * time.Millisecond))))
	p.kill()
	if p.err == nil {
		t.Fatal("the import ended before it was killed: make the file longer")
	}
	if text := done(t, "verify", "--config", config, "--json", "--deep"); !strings.Contains(text, `"entries":1,`) {
		t.Errorf("a killed import left an entry: %s", text)
	}
	again := launch(t, arguments...)
	again.await("it waits for the one that was killed", func() bool { return strings.Contains(again.output.String(), "waiting for another import") })
	if os.Getenv("ECLUSE_KILLS") == "" {
		return // make kill waits for the minute after which the killed one is forgotten
	}
	select {
	case <-again.ended:
	case <-time.After(2 * patience):
	}
	if !strings.Contains(again.output.String(), fmt.Sprintf("%d rows, %d new, 0 changed, 0 unchanged, 0 rejected", count, count)) {
		t.Errorf("run again: %s", again.output)
	}
	if out := done(t, arguments...); !strings.Contains(out, "0 new, 0 changed") {
		t.Errorf("and again: %s", out)
	}
}
