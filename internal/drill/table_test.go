package drill

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ecluse/internal/generate"
	"ecluse/internal/register"
	"ecluse/presets"
)

func TestEachBrokenPromiseIsNamed(t *testing.T) {
	good := Row{Name: "x", Bound: 5, Obtained: Obtained{Persons: 5}, Scope: &Scope{1, 1}, LedgerOK: true}
	for want, change := range map[string]func(*Row){
		"6 persons obtained, 5 promised at most": func(r *Row) { r.Obtained.Persons = 6 },
		"1 records served after containment":     func(r *Row) { r.ServedAfter = 1 },
		"1 accounts were made by one":            func(r *Row) { r.Created = 1 },
		"the scope is not exact":                 func(r *Row) { r.Scope = &Scope{1, .999} },
		"the ledger does not verify":             func(r *Row) { r.LedgerOK = false },
	} {
		row := good
		change(&row)
		if got := row.Broken(); !slices.Equal(got, []string{want}) {
			t.Errorf("broken %q, want %q", got, want)
		}
		table := Table{Rows: []Row{good, row}}
		if table.Held() || !strings.Contains(markdown(t, table), "**x: "+want+"**") {
			t.Errorf("%q is not in the table:\n%s", want, markdown(t, table))
		}
	}
	if got := good.Broken(); len(got) > 0 || !(Table{Rows: []Row{good}}).Held() {
		t.Errorf("a row that keeps every promise: %q", got)
	}
}

func markdown(t *testing.T, table Table) string {
	t.Helper()
	var b strings.Builder
	if err := table.WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryLineOfTheTableHasEveryColumn(t *testing.T) {
	hours := 3.0
	table := Table{
		Rows:       []Row{{Name: "x", Refusals: map[string]int{"a": 1, "b": 5, "c": 2, "d": 3, "e": 4, "f": 1}, RefusedAfterH: &hours}},
		Unanswered: []Unanswered{{"y", "later"}},
	}
	text := markdown(t, table)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "|") && strings.Count(line, "|") != columns+1 {
			t.Errorf("%d columns in %s", strings.Count(line, "|")-1, line)
		}
	}
	for _, want := range []string{"b 5, e 4, d 3, c 2, 2 more codes", "3 h", "not answered yet: later", "BROKEN"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestAComparisonSeesWhatIsMissingAndWhatIsTooMuch(t *testing.T) {
	for _, c := range []struct {
		told, had map[string]int
		want      Scope
	}{
		{map[string]int{"a": 2, "b": 2}, map[string]int{"a": 2, "b": 2}, Scope{1, 1}},
		{map[string]int{"a": 2}, map[string]int{"a": 2, "b": 2}, Scope{1, .5}},
		{map[string]int{"a": 3, "b": 1}, map[string]int{"a": 3}, Scope{.75, 1}},
		{nil, nil, Scope{1, 1}},
		{nil, map[string]int{"a": 1}, Scope{1, 0}},
	} {
		if got := compare(c.told, c.had); got != c.want {
			t.Errorf("told %v, had %v: %v, want %v", c.told, c.had, got, c.want)
		}
	}
}

func TestEveryRouteOfThePublishedDescriptionIsTried(t *testing.T) {
	document, err := os.ReadFile("../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	list := routes(document)
	if want := strings.Count(string(document), "operationId:"); len(list) != want {
		t.Errorf("%d routes, the description has %d operations", len(list), want)
	}
	if !slices.Contains(list, route{"POST", "/api/v1/registers/{register}/persons/{handle}/disclose"}) {
		t.Errorf("disclose is not among %v", list)
	}
	ids := identifiers{handles: []string{"h"}, accounts: []string{"a@x"}, requests: []string{"q"}}
	for _, r := range list {
		for _, path := range fill(r.path, "reg", ids) {
			if strings.Contains(path, "{") {
				t.Errorf("%s is not filled in: %s", r.path, path)
			}
		}
	}
}

// invented is a thief before a small population, without an instance.
func invented(t *testing.T) *thief {
	t.Helper()
	p, err := generate.New(generate.Settings{Preset: "mission-locale", Persons: 50, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	text, err := presets.Schema("mission-locale")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := register.ParseSchema("mission-locale", text)
	if err != nil {
		t.Fatal(err)
	}
	c := countPeople(p, schema)
	return &thief{register: "r", loot: newLoot(), ground: &ground{census: map[string]*census{"r": c}}}
}

func TestAPersonsValueIsLootWhereverItStands(t *testing.T) {
	thief := invented(t)
	p := thief.truth().people[7]
	var content any
	text := `{"a": [{"b": "` + p.Values["email"] + `"}], "c": "nobody@example.test", "d": 4, "e": null}`
	if err := json.Unmarshal([]byte(text), &content); err != nil {
		t.Fatal(err)
	}
	thief.harvest("r", content)
	want := map[string]map[string]bool{p.ID: {"email": true}}
	if diff := cmp.Diff(want, thief.loot.persons); diff != "" {
		t.Error(diff)
	}
}

func TestWhatWasTypedIsNoLootAndWhatIsEmptyIs(t *testing.T) {
	l := newLoot()
	l.take("p", map[string]string{"surname": "Durand", "dossier": "7", "phone": ""}, map[string]string{"surname": "Durand", "identifier": "7"})
	if got := slices.Collect(maps.Keys(l.persons["p"])); !slices.Equal(got, []string{"phone"}) || l.records != 1 {
		t.Errorf("obtained %v in %d records", got, l.records)
	}
	l.take("q", map[string]string{"surname": "Durand"}, map[string]string{"surname": "Durand"})
	if len(l.persons) != 1 || l.records != 1 {
		t.Errorf("an echo counts: %v, %d records", l.persons, l.records)
	}
}
