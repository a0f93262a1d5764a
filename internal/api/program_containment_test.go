package api_test

import (
	"net/http"
	"testing"
	"time"

	"ecluse/internal/directory"
	"ecluse/internal/node"
	"ecluse/internal/store/storetest"
)

// A token that was stolen is dead on every node as soon as whoever it belongs to is contained on one: the
// program, the agent, or the manager who had its key made.
func TestAContainmentOnOneNodeEndsTokensOnTheOther(t *testing.T) {
	for _, c := range []struct {
		contained          string
		program, agent, by bool // which tokens die: of the program itself, for anne, of another program of the same manager
	}{
		{contained: "gestion-a", program: true, agent: true},
		{contained: "anne", agent: true},
		{contained: "manager", program: true, agent: true, by: true},
	} {
		t.Run(c.contained, func(t *testing.T) {
			s := newSite(t, storetest.Postgres(t))
			other, err := node.Open(t.Context(), node.Options{Config: s.Config, Now: s.Clock.Now, FakeClock: true})
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			there := s.doors(other)
			s.Delegate("anne", "gestion-a")
			tokens := map[string]string{"program": s.token("gestion-a", ""), "agent": s.token("gestion-a", "anne"), "by": s.token("planning-a", ""), "elsewhere": s.token("gestion-b", "")}
			for name, token := range tokens {
				if a := s.callAt(there, token, "/api/v1/me", ""); a.status != http.StatusOK {
					t.Fatalf("%s before: %d %s", name, a.status, a.raw)
				}
			}
			why := directory.Containment{Account: s.Accounts[c.contained].ID, Reason: "Its secret was found in a public place this morning."}
			if _, _, err := s.Directory.Contain(t.Context(), s.Actor("officer1"), why); err != nil {
				t.Fatal(err)
			}
			for name, dead := range map[string]bool{"program": c.program, "agent": c.agent, "by": c.by, "elsewhere": false} {
				want := http.StatusOK
				if dead {
					want = http.StatusUnauthorized
				}
				for node, h := range map[string]http.Handler{"one": s.api, "the other": there} {
					if a := s.callAt(h, tokens[name], "/api/v1/me", ""); a.status != want {
						t.Errorf("%s, on %s node: %d, want %d", name, node, a.status, want)
					}
				}
			}
			s.verified()
		})
	}
}

// A limit that grows with the colleagues does not grow with programs, of which one more is made in a minute.
func TestAProgramIsNoColleague(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	colleagues := func() int {
		standing, err := s.Directory.Standing(t.Context(), s.Accounts["anne"].ID)
		if err != nil {
			t.Fatal(err)
		}
		return standing.Colleagues
	}
	before := colleagues()
	s.token("gestion-a", "")
	s.token("planning-a", "")
	s.Clock.Advance(11 * time.Minute) // headcounts are read again
	if after := colleagues(); after != before || before == 0 {
		t.Errorf("%d colleagues, after two programs signed in %d", before, after)
	}
}
