package drill

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/demo"
	"ecluse/internal/generate"
)

// What the presets promise, shown on a small instance of each, over HTTP.

// opened is an instance with presets, on a working morning.
func opened(t *testing.T, presets ...string) *ground {
	t.Helper()
	o := small()
	o.Persons = 200
	m, err := newMoulds(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.close(); err != nil {
			t.Error(err)
		}
	})
	g, err := open(context.Background(), scenario{name: "preset", presets: presets}, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.close(); err != nil {
			t.Error(err)
		}
	})
	if err := g.wait(t.Context(), "09:00"); err != nil {
		t.Fatal(err)
	}
	return g
}

// agent is somebody at work, signed in.
type agent struct {
	*demo.Door
	t        *testing.T
	register string
}

func (g *ground) agent(t *testing.T, login, register string) *agent {
	t.Helper()
	d := g.door()
	if in, err := d.SignIn(t.Context(), demo.SignIn{Login: login}); err != nil || !in {
		t.Fatalf("%s is not let in: %v", login, err)
	}
	return &agent{d, t, register}
}

// ask sends an act about the register.
func (a *agent) ask(method, path string, body any) (int, map[string]any) {
	a.t.Helper()
	status, answer, err := a.Call(a.t.Context(), method, "/registers/"+a.register+path, body)
	if err != nil {
		a.t.Fatal(err)
	}
	return status, answer
}

// list is the first page of the caseload.
func (a *agent) list() []map[string]any {
	a.t.Helper()
	_, answer := a.ask("GET", "/caseload", nil)
	return objects(answer, "persons")
}

// relation is what a search says of somebody, "" if she is not shown, and her handle.
func (a *agent) relation(purpose, identifier string) (relation, handle string) {
	a.t.Helper()
	_, answer := a.ask("POST", "/search", map[string]any{"purpose": purpose, "beyond": true, "query": map[string]string{"identifier": identifier}})
	for _, hit := range objects(answer, "hits") {
		return text(hit, "relation"), text(hit, "handle")
	}
	return "", ""
}

func TestAPrescriptionOpensAccessForTheLengthOfTheTrainingAndClosesIt(t *testing.T) {
	g := opened(t, "formation")
	territory := map[string]string{}
	for a := range g.demo.Populations[0].Agreements() {
		territory[a.Organisation] = a.Territory
	}
	agents := g.accounts(0, ecluse.RoleAgent, follower)
	first := agents[0].Organisation
	i := slices.IndexFunc(agents, func(a generate.Account) bool {
		return a.Organisation != first && territory[a.Organisation] == territory[first]
	})
	if i < 0 {
		t.Fatal("no other training body has the same territory")
	}
	adviser := g.agent(t, agents[0].Login, g.register(0))
	row := adviser.list()[0]
	id := g.census[g.register(0)].idOf(agents[0].Login, texts(object(row, "fields")))
	opens := func(when string, want bool) {
		t.Helper()
		trainer := g.agent(t, agents[i].Login, g.register(0))
		relation, handle := trainer.relation("prescription", id)
		if (relation == "caseload") != want {
			t.Errorf("%s the person is %q to the trainer", when, relation)
		}
		for _, body := range []map[string]any{
			{"purpose": "prescription"},
			{"purpose": "prescription", "justification": map[string]string{"motive": "walk_in", "text": reason}},
		} {
			if status, answer := trainer.ask("POST", "/persons/"+handle+"/disclose", body); (status == http.StatusOK) != want {
				t.Errorf("%s: %d %v", when, status, codes(answer))
			}
		}
	}
	opens("before the prescription", false)
	ends := g.now().AddDate(0, 0, 5).Format(time.DateOnly) // last day of the training
	status, answer := adviser.ask("POST", "/links", map[string]any{
		"kind": "prescription", "handle": text(row, "handle"), "purpose": "prescription", "account": agents[i].Login, "ends": ends,
	})
	if status != http.StatusCreated {
		t.Fatalf("the prescription is refused: %d %v", status, answer)
	}
	opens("during the training", true)
	if err := g.advance(t.Context(), 6*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	opens("after the training", false)
}

func TestTheReasonOfStayNeverLeavesToAProvider(t *testing.T) {
	g := opened(t, "integration")
	client := g.demo.Ready(g.base).APIClients[0]
	program := g.thiefAt(g.door(), client.ClientID, g.register(0))
	if err := program.token(t.Context(), client.ClientID, client.ClientSecret, "nobody@demo.ecluse.test"); err != nil {
		t.Fatal(err)
	}
	never := []string{"stay_reason", "stay_nature", "agdref"}
	fields := g.census[g.register(0)].fields()
	for _, name := range never {
		if !slices.Contains(fields, name) {
			t.Fatalf("the register has no field %s", name)
		}
	}
	for who, a := range map[string]*agent{
		"agent": g.agent(t, client.ActAs, g.register(0)), "program": {program.Door, t, g.register(0)},
	} {
		rows := a.list()
		if len(rows) == 0 {
			t.Fatalf("%s: an empty list", who)
		}
		shown := 0
		for _, purpose := range g.census[g.register(0)].schema.Purposes {
			for _, body := range []map[string]any{
				{"purpose": purpose.ID}, {"purpose": purpose.ID, "fields": fields}, {"purpose": purpose.ID, "fields": never},
				{"purpose": purpose.ID, "emergency": "danger"},
			} {
				_, answer := a.ask("POST", "/persons/"+text(rows[0], "handle")+"/disclose", body)
				values := object(answer, "values")
				shown += len(values)
				for _, name := range never {
					if _, there := values[name]; there {
						t.Errorf("%s: %v shows %s", who, body, name)
					}
				}
			}
		}
		if shown == 0 {
			t.Errorf("%s: nothing was shown at all", who)
		}
	}
}

func TestFederationsInOneInstanceHaveWallsBetweenThem(t *testing.T) {
	g := opened(t, "sport-scolaire", "licences-sport")
	for _, here := range []int{0, 1} {
		there := g.register(1 - here)
		guest := g.agent(t, g.accounts(here, ecluse.RoleAgent, follower)[0].Login, g.register(here))
		host := g.agent(t, g.accounts(1-here, ecluse.RoleAgent, follower)[0].Login, there)
		own, foreign := guest.list(), host.list()
		if len(own) == 0 || len(foreign) == 0 {
			t.Fatal("an empty list")
		}
		_, me, err := guest.Call(t.Context(), "GET", "/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, grant := range objects(me, "grants") {
			if text(grant, "register") != g.register(here) {
				t.Errorf("an agent of %s has a grant in %s", g.register(here), text(grant, "register"))
			}
		}
		// What the host opens without a word, the guest does not, whatever is asked.
		purpose := string(g.census[there].schema.Purposes[0].ID)
		if status, answer := host.ask("POST", "/persons/"+text(foreign[0], "handle")+"/disclose", map[string]any{"purpose": purpose}); status != http.StatusOK {
			t.Fatalf("the host opens nothing: %v", codes(answer))
		}
		guest.register = there
		if rows := guest.list(); len(rows) > 0 {
			t.Errorf("the other federation shows %d rows", len(rows))
		}
		if relation, _ := guest.relation(purpose, g.census[there].people[0].ID); relation != "" {
			t.Errorf("the other federation finds somebody: %s", relation)
		}
		for _, handle := range []string{text(own[0], "handle"), text(foreign[0], "handle")} {
			for _, body := range []map[string]any{{"purpose": purpose}, {"emergency": "danger"}} {
				if status, _ := guest.ask("POST", "/persons/"+handle+"/disclose", body); status == http.StatusOK {
					t.Error("the other federation opens a record")
				}
			}
		}
	}
}
