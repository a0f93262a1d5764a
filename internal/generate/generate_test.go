package generate_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ecluse"
	"ecluse/internal/generate"
	"ecluse/internal/intake"
	"ecluse/internal/register"
	"ecluse/presets"
)

func population(t testing.TB, preset string, persons int, seed uint64) *generate.Population {
	t.Helper()
	p, err := generate.New(generate.Settings{Preset: preset, Persons: persons, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func schema(t testing.TB, preset string) *register.Schema {
	t.Helper()
	text, err := presets.Schema(preset)
	if err != nil {
		t.Fatal(err)
	}
	s, err := register.ParseSchema(preset, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// digest is SHA-256 of everything that a population gives.
func digest(t testing.TB, p *generate.Population) string {
	t.Helper()
	h := sha256.New()
	if err := p.WriteCSV(h); err != nil {
		t.Fatal(err)
	}
	for _, all := range []any{
		slices.Collect(p.Organisations()), slices.Collect(p.Sites()), slices.Collect(p.Agreements()),
		slices.Collect(p.Accounts()), slices.Collect(p.Links()),
	} {
		fmt.Fprintf(h, "%+v\n", all)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func TestTheSameSeedGivesTheSameBytes(t *testing.T) {
	for preset, want := range map[string]string{"mission-locale": "f2f0306d6c63dc62", "licences-sport": "584f6925417a7e01"} {
		one := digest(t, population(t, preset, 2000, 1))
		if one != want {
			t.Errorf("%s: digest %s, was %s: the demo's population changes", preset, one, want)
		}
		if again := digest(t, population(t, preset, 2000, 1)); again != one {
			t.Errorf("%s: %s, then %s", preset, one, again)
		}
		if other := digest(t, population(t, preset, 2000, 2)); other == one {
			t.Errorf("%s: seed 2 gives what seed 1 gives", preset)
		}
	}
}

func TestAnUnknownPresetIsNamed(t *testing.T) {
	var unknown *presets.UnknownError
	if _, err := generate.New(generate.Settings{Preset: "x"}); !errors.As(err, &unknown) || unknown.Name != "x" {
		t.Error(err)
	}
}

func TestEveryValueIsInTheFormThatAnImportStores(t *testing.T) {
	for _, preset := range presets.Names() {
		s, p := schema(t, preset), population(t, preset, 5000, 1)
		seen := map[string]int{}
		for person := range p.Persons() {
			if got, code := intake.Territory(person.Territory); got != person.Territory || code != "" {
				t.Fatalf("%s: territory %q: %s", preset, person.Territory, code)
			}
			if person.Values[s.ExternalID] != person.ID {
				t.Fatalf("%s: field %s differs from the external identifier", preset, s.ExternalID)
			}
			for name, value := range person.Values {
				f, ok := s.Field(name)
				if !ok {
					t.Fatalf("%s: the schema has no field %s", preset, name)
				}
				if got, code := intake.Check(f.Kind, value, generate.Reference); got != value || code != "" || value == "" {
					t.Fatalf("%s: %s %q would be stored as %q (%s)", preset, name, value, got, code)
				}
				seen[name]++
			}
		}
		for _, f := range s.Fields {
			if n := seen[f.Name]; n == 0 || f.Required && n != p.Size() {
				t.Errorf("%s: %d of %d persons have %s", preset, n, p.Size(), f.Name)
			}
		}
	}
}

func TestIdentifiersAreUnique(t *testing.T) {
	for _, preset := range presets.Names() {
		p := population(t, preset, 60000, 3)
		seen := map[string]bool{}
		once := func(kind, value string) {
			if value != "" && seen[kind+value] {
				t.Fatalf("%s: %s twice", preset, kind)
			}
			seen[kind+value] = true
		}
		for person := range p.Persons() {
			once("id ", person.ID)
			once("nir ", person.Values["nir"])
			once("iban ", person.Values["iban"])
		}
		for o := range p.Organisations() {
			once("code ", o.Code)
			once("siret ", o.SIRET)
		}
		for s := range p.Sites() {
			once("code ", s.Code)
			once("siret ", s.SIRET)
		}
		for a := range p.Accounts() {
			once("login ", a.Login)
		}
	}
}

func TestOrganisationsSitesAndAccountsHoldTogether(t *testing.T) {
	bodies, logins := map[string]bool{}, map[string]bool{}
	for _, preset := range presets.Names() {
		s, p := schema(t, preset), population(t, preset, 0, 1)
		if !slices.ContainsFunc(s.Controllers, func(c register.Controller) bool { return c.Code == p.Controller() }) || s.Code != p.Register() {
			t.Errorf("%s: the schema does not know controller %s or register %s", preset, p.Controller(), p.Register())
		}
		organisations := map[string]generate.Organisation{}
		for o := range p.Organisations() {
			organisations[o.Code] = o
			siret(t, o.SIRET)
			phone(t, o.Phone)
			if bodies[o.SIRET] {
				t.Errorf("SIRET %s is used by two presets", o.SIRET)
			}
			bodies[o.SIRET] = true
		}
		sites := map[string]generate.Site{}
		for st := range p.Sites() {
			sites[st.Code] = st
			siret(t, st.SIRET)
			phone(t, st.Phone)
			if o := organisations[st.Organisation]; !strings.HasPrefix(st.Territory, o.Territory) {
				t.Errorf("site %s in %s, its organisation in %s", st.Code, st.Territory, o.Territory)
			}
		}
		agreements := map[string]bool{}
		for a := range p.Agreements() {
			agreements[a.Code] = true
			if _, ok := organisations[a.Organisation]; !ok || len(a.Purposes) == 0 || a.Register != s.Code {
				t.Errorf("%+v", a)
			}
			for _, purpose := range a.Purposes {
				if _, ok := s.Purpose(purpose); !ok {
					t.Errorf("%s: purpose %s", a.Code, purpose)
				}
			}
		}
		roles, perSite := map[ecluse.Role]int{}, map[string]int{}
		for a := range p.Accounts() {
			roles[a.Role]++
			if _, code := intake.Email(a.Login); code != "" || !strings.HasSuffix(a.Login, "@demo.ecluse.test") || logins[a.Login] {
				t.Errorf("login %s", a.Login)
			}
			logins[a.Login] = true
			if a.Kind == "agent" {
				perSite[a.Site]++
				if sites[a.Site].Organisation != a.Organisation || !agreements[a.Agreement] {
					t.Errorf("%+v", a)
				}
			}
		}
		if roles[ecluse.RoleAccessOfficer] != 2 || roles[ecluse.RoleSecurityOfficer] != 1 || roles[ecluse.RoleDPO] != 1 ||
			roles[ecluse.RolePerson] != 1 || roles[ecluse.RoleAccountManager] != len(organisations) {
			t.Errorf("%s: %v", preset, roles)
		}
		if perSite["ML-001-01"] < 3 && preset == "mission-locale" || len(sites) != len(perSite) {
			t.Errorf("%s: %v", preset, perSite)
		}
	}
}

func siret(t *testing.T, n string) {
	t.Helper()
	if got, code := intake.SIRET(n); got != n || code != "" {
		t.Errorf("SIRET %s: %s", n, code)
	}
}

func phone(t *testing.T, n string) {
	t.Helper()
	if got, code := intake.Phone(n); got != n || code != "" {
		t.Errorf("phone %s: %s", n, code)
	}
}

func TestAnAgentFollowsPersonsOfHisSiteAsManyAsInRealLife(t *testing.T) {
	p := population(t, "mission-locale", 0, 1)
	accounts := map[string]generate.Account{}
	for a := range p.Accounts() {
		accounts[a.Login] = a
	}
	caseload := map[string]int{}
	for l := range p.Links() {
		a := accounts[l.Account]
		if a.Site != l.Site || a.Organisation != l.Organisation || a.Role != ecluse.RoleAgent || l.Ends == "" {
			t.Fatalf("%+v, %+v", l, a)
		}
		caseload[l.Account]++
	}
	usual := 0
	for _, n := range caseload {
		if n > 150 {
			t.Errorf("a caseload of %d", n)
		}
		if n >= 80 {
			usual++
		}
	}
	if share := usual * 100 / len(caseload); share < 90 || len(caseload) < 150 {
		t.Errorf("%d %% of %d agents follow 80 to 150 persons", share, len(caseload))
	}
}

func TestEachRelationOfAnAgentToAPersonOccurs(t *testing.T) {
	for _, preset := range presets.Names() {
		p := population(t, preset, 0, 1)
		var agent generate.Account
		for a := range p.Accounts() {
			if a.Caseload > 0 {
				agent = a
				break
			}
		}
		mandate := ""
		for a := range p.Agreements() {
			if a.Code == agent.Agreement {
				mandate = a.Territory
			}
		}
		found := map[string]int{}
		for person := range p.Persons() {
			found[relation(person, agent, mandate)]++
		}
		for _, want := range []string{"caseload", "site", "organisation", "other", "outside"} {
			if found[want] < 20 {
				t.Errorf("%s: %v", preset, found)
			}
		}
	}
}

func relation(p generate.Person, a generate.Account, mandate string) string {
	department, _, _ := strings.Cut(p.Territory, "-")
	switch {
	case department != mandate:
		return "outside"
	case p.Account == "":
		return "other"
	case p.Account == a.Login:
		return "caseload"
	case p.Site == a.Site:
		return "site"
	case p.Organisation == a.Organisation:
		return "organisation"
	}
	return "other"
}

func TestThePopulationLooksLikeOne(t *testing.T) {
	p := population(t, "mission-locale", 0, 1)
	surnames, homonyms, days := map[string]int{}, map[string]int{}, map[string]int{}
	var minors, represented, nobody, sharing int
	var last generate.Person
	departments := map[string]int{}
	for person := range p.Persons() {
		v := person.Values
		surnames[v["surname"]]++
		homonyms[v["surname"]+v["first_name"]+v["birth_date"]]++
		days[v["birth_date"][5:]]++
		department, _, _ := strings.Cut(person.Territory, "-")
		departments[department]++
		if minor := v["birth_date"] > "2008-09-01"; minor {
			minors++
			if v["rep_surname"] != "" && v["rep_phone"] != "" {
				represented++
			}
		} else if v["rep_surname"] != "" {
			t.Fatal("an adult has a representative")
		}
		if person.Organisation == "" {
			nobody++
		}
		if last.Values["address"] == v["address"] {
			sharing++
		}
		last = person
	}
	twice := 0
	for _, n := range homonyms {
		if n > 1 {
			twice += n
		}
	}
	top := slices.Max(slices.Collect(maps.Values(surnames)))
	size := p.Size()
	for what, ok := range map[string]bool{
		"surnames":                    len(surnames) > 1500 && top*1000/size < 10,
		"homonyms":                    twice > 50 && twice < size/50,
		"minors":                      minors > size/10 && minors < size/3 && minors == represented,
		"outside every mandate":       nobody > size/50 && nobody < size/20,
		"households":                  sharing > size/10 && sharing < size/3,
		"days known by the year only": days["01-01"] > size/200 && days["01-01"] < size/50,
		"départements":                len(departments) > 5,
	} {
		if !ok {
			t.Errorf("%s: %d surnames (the most frequent %d times), %d homonyms, %d minors, %d without a mandate, %d sharing a home, %d on 01/01, %v",
				what, len(surnames), top, twice, minors, nobody, sharing, days["01-01"], departments)
		}
	}
}

func TestTheFileHasTheColumnsThatTheSchemaAsksFor(t *testing.T) {
	for _, preset := range presets.Names() {
		s, p := schema(t, preset), population(t, preset, 50, 1)
		want := []string{s.ExternalID, s.Territory}
		for _, f := range s.Fields {
			if f.Name != s.ExternalID {
				want = append(want, f.Name)
			}
		}
		if diff := cmp.Diff(want, p.Columns()); diff != "" {
			t.Error(diff)
		}
		var b bytes.Buffer
		if err := p.WriteCSV(&b); err != nil || bytes.Count(b.Bytes(), []byte("\n")) != 51 {
			t.Errorf("%v, %d lines", err, bytes.Count(b.Bytes(), []byte("\n")))
		}
	}
}

func BenchmarkPersons(b *testing.B) {
	p := population(b, "mission-locale", b.N, 1)
	if err := p.WriteCSV(io.Discard); err != nil {
		b.Fatal(err)
	}
}
