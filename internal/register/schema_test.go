package register

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ecluse"
	"ecluse/presets"
)

func preset(t testing.TB, name string) *Schema {
	t.Helper()
	text, err := presets.Schema(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSchema(name+"/"+SchemaFile, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryPresetIsAValidSchema(t *testing.T) {
	for _, name := range presets.Names() {
		if s := preset(t, name); s.Code != name {
			t.Errorf("preset %s has register code %s", name, s.Code)
		}
	}
	if want := []string{"emploi-partenaires", "formation", "integration", "licences-sport", "mission-locale", "sport-scolaire"}; !cmp.Equal(presets.Names(), want) {
		t.Errorf("presets are %v, want %v", presets.Names(), want)
	}
	if _, err := presets.Schema("../x"); err == nil {
		t.Error("a preset that does not exist has a schema")
	}
}

func TestAPurposeSeesItsFieldsAndNoNotes(t *testing.T) {
	s := preset(t, "mission-locale")
	notes, _ := s.Field("notes")
	iban, _ := s.Field("iban")
	for _, p := range s.Purposes {
		if p.Fields.Has(notes.Bit) || p.Fields.Has(iban.Bit) {
			t.Errorf("purpose %s shows notes or bank data", p.ID)
		}
	}
	p, ok := s.Purpose("sante")
	if !ok {
		t.Fatal("no purpose sante")
	}
	want := []string{"surname", "first_name", "birth_date", "nir", "dossier", "email", "address", "phone", "rep_surname", "rep_first_name", "rep_phone", "rep_email"}
	if diff := cmp.Diff(want, s.Names(p.Fields)); diff != "" {
		t.Error(diff)
	}
}

func TestAnEmergencyOpensContactAndRepresentativeOnly(t *testing.T) {
	s := preset(t, "mission-locale")
	want := []string{"email", "address", "phone", "rep_surname", "rep_first_name", "rep_phone", "rep_email"}
	if diff := cmp.Diff(want, s.Names(s.EmergencyFields())); diff != "" {
		t.Error(diff)
	}
}

func TestClassesOfASetAreThoseOfItsFields(t *testing.T) {
	s := preset(t, "mission-locale")
	set, err := s.Set("surname", "nir", "birth_date")
	if err != nil {
		t.Fatal(err)
	}
	if want := ecluse.ClassSet(0).With(ecluse.Identity).With(ecluse.Identifier); s.Classes(set) != want {
		t.Errorf("classes %b, want %b", s.Classes(set), want)
	}
	var unknown *UnknownFieldError
	if _, err := s.Set("surname", "shoe_size"); !errors.As(err, &unknown) {
		t.Errorf("a field that does not exist: %v", err)
	}
	if got := s.Names(s.RowFields()); !cmp.Equal(got, []string{"surname", "first_name", "birth_date"}) {
		t.Errorf("row %v", got)
	}
}

func TestControllersAnswerForTheirTerritories(t *testing.T) {
	s := preset(t, "licences-sport")
	for territory, want := range map[string][]string{
		"93": {"sport-scolaire"}, "974": {"sport-scolaire", "ligue-outre-mer"}, "974-411": {"sport-scolaire", "ligue-outre-mer"},
		"9741": {"sport-scolaire"}, "": {"sport-scolaire"},
	} {
		var got []string
		for _, c := range s.ControllersOf(territory) {
			got = append(got, c.Code)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("territory %q: %s", territory, diff)
		}
	}
}

// small is a schema in which each test breaks one thing.
const small = `code = "club"
version = 1
external_id = "id"
row = ["surname"]
retired = [9]
[label]
fr = "Club"
en = "Club"
[[controllers]]
code = "club"
name = "Club"
dpo = "dpo@club.test"
roles = ["operates"]
rule = "all"
[[fields]]
name = "surname"
bit = 0
class = "identity"
about = "person"
kind = "name"
label = { fr = "Nom", en = "Surname" }
[[fields]]
name = "birth_date"
bit = 1
class = "identity"
about = "person"
kind = "date"
[fields.label]
fr = "Naissance"
en = "Birth"
[[fields]]
name = "notes"
bit = 2
class = "free_text"
about = "person"
kind = "text"
[fields.label]
fr = "Notes"
en = "Notes"
[[purposes]]
id = "play"
fields = ["surname", "birth_date"]
[purposes.label]
fr = "Jouer"
en = "Play"
[[keys]]
id = 1
fields = ["surname", "birth_date"]
[[motives]]
id = "here"
[motives.label]
fr = "Présent"
en = "Here"
`

func TestABrokenSchemaIsRefusedAtItsLineWithARemedy(t *testing.T) {
	if _, err := ParseSchema("club.toml", []byte(small)); err != nil {
		t.Fatalf("the schema to break is broken: %v", err)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"a bit used twice", "bit = 1", "bit = 0", `club.toml:24:1: field "birth_date" has bit 0, which another field has; give it one that no field ever had`},
		{"a retired bit", "bit = 1", "bit = 9", `club.toml:24:1: field "birth_date" has bit 9, which is retired`},
		{"a bit out of range", "bit = 1", "bit = 64", `club.toml:24:1: bit 64 is out of range; use 0 to 63`},
		{"no bit", "bit = 1\n", "", `club.toml:22:3: field "birth_date" has no bit`},
		{"an unknown class", `class = "free_text"`, `class = "secret"`, `club.toml:34:1: unknown field class "secret"`},
		{"an unknown kind", `kind = "text"`, `kind = "blob"`, `club.toml:36:1: unknown kind "blob"`},
		{"an unknown about", `about = "person"`, `about = "dog"`, `club.toml:19:1: unknown about "dog"`},
		{"a misspelt key", "version = 1", "versoin = 1", `club.toml:2:1: unknown key "versoin"; take it out or correct its spelling`},
		{"broken TOML", "version = 1", "version = ", `club.toml:2:`},
		{"a wrong type", "version = 1", `version = "one"`, `club.toml:2:11: `},
		{"a purpose with a field that is not there", `"surname", "birth_date"]
[purposes`, `"surname", "shoes"]
[purposes`, `club.toml:42:22: there is no field "shoes"`},
		{"free text for a partner", `"surname", "birth_date"]
[purposes`, `"surname", "notes"]
[purposes`, `purpose "play" shows the free text "notes"`},
		{"a key of one weak attribute", `id = 1
fields = ["surname", "birth_date"]`, `id = 1
fields = ["birth_date"]`, `club.toml:48:1: a search key carries 12.0 bits, below 20; add fields`},
		{"a key over free text", `id = 1
fields = ["surname", "birth_date"]`, `id = 1
fields = ["surname", "birth_date", "notes"]`, `a search key of several fields holds "notes"`},
		{"a row that shows more than identity", `row = ["surname"]`, `row = ["surname", "notes"]`, `club.toml:4:1: the caseload row shows field "notes"`},
		{"nobody operates it", `roles = ["operates"]`, `roles = ["answers"]`, `club.toml:9:3: no controller operates the register`},
		{"an unknown role", `roles = ["operates"]`, `roles = ["operates", "owns"]`, `club.toml:13:22: unknown role "owns"`},
		{"a label in one language", `fr = "Présent"`, `fr = ""`, `club.toml:51:2: the label is not complete; give both fr and en`},
		{"an inline label in one language", `label = { fr = "Nom", en = "Surname" }`, `label = { fr = "Nom" }`, `club.toml:21:1: the label is not complete`},
		{"an emergency motive", `id = "here"`, `id = "danger"`, `motive "danger" is one of the emergency's`},
		{"a birth date that is text", `kind = "date"`, `kind = "text"`, `club.toml:27:1: field "birth_date" has kind "text"; people are searched by it: its kind is "date"`},
		{"no external id", `external_id = "id"`, ``, `external_id is missing or odd`},
		{"a code in capitals", `code = "club"
version`, `code = "CLUB"
version`, `club.toml:1:1: "CLUB" is not a code`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(small, c.old, c.new, 1)
			if text == small {
				t.Fatal("the test breaks nothing")
			}
			_, err := ParseSchema("club.toml", []byte(text))
			if err == nil {
				t.Fatal("accepted")
			}
			var e *SchemaError
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestASchemaSucceedsAnotherOnlyIfBitsAndKeysKeepTheirMeaning(t *testing.T) {
	parse := func(edits ...string) *Schema {
		text := strings.NewReplacer(edits...).Replace(small)
		s, err := ParseSchema("club.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	old := parse()
	if err := parse("version = 1", "version = 2").Succeeds(old); err != nil {
		t.Errorf("the same schema with a higher version: %v", err)
	}
	for name, next := range map[string]*Schema{
		"the same version":           parse(),
		"a bit with another meaning": parse("version = 1", "version = 2", `name = "notes"`, `name = "remarks"`),
		"a bit that is gone":         parse("version = 1", "version = 2", "bit = 2", "bit = 3"),
		"a bit no longer retired":    parse("version = 1", "version = 2", "retired = [9]", "retired = []"),
		"a key with other fields": parse("version = 1", "version = 2", `id = 1
fields = ["surname", "birth_date"]`, `id = 1
fields = ["birth_date", "surname"]`),
	} {
		if err := next.Succeeds(old); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := parse("version = 1", "version = 2", "bit = 2", "bit = 3", "[9]", "[9, 2]").Succeeds(old); err != nil {
		t.Errorf("a field moved to a new bit, the old one retired: %v", err)
	}
}

func FuzzParseSchema(f *testing.F) {
	f.Add([]byte(small))
	for _, name := range presets.Names() {
		text, err := presets.Schema(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("fields = [{bit = 1}, {label = {fr = \"x\"}}]\n[[a.b]]\n[a.b.c]\nd.e = 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSchema("fuzz.toml", data)
		if (s == nil) == (err == nil) {
			t.Fatal("neither a schema nor an error, or both")
		}
		if s == nil {
			var e *SchemaError
			if !errors.As(err, &e) || e.Problem == "" || e.Remedy == "" {
				t.Fatalf("an error that does not explain itself: %v", err)
			}
			return
		}
		for _, p := range s.Purposes {
			if !s.AllFields().Contains(p.Fields) || s.Classes(p.Fields)&ecluse.ClassSet(0).With(ecluse.FreeText) != 0 {
				t.Fatal("a purpose shows free text or fields that are not there")
			}
		}
		if !slices.ContainsFunc(s.Controllers, func(c Controller) bool { return c.Has("operates") }) {
			t.Fatal("nobody operates it")
		}
	})
}
