package generate_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ecluse/internal/generate"
	"ecluse/presets"
)

// copied is a preset's folder, copied for an integrator to adapt, with one text of its population replaced.
func copied(t *testing.T, preset, old, replacement string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "mine")
	from, err := presets.Open(preset)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(folder, from); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, generate.SettingsFile)
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), old) {
		t.Fatalf("%v, or %q is not in it", err, old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, replacement, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestACopiedFolderIsAPresetOfItsOwn(t *testing.T) {
	folder := copied(t, "formation", `names = [
    "Centre de formation du Canal",`, `names = [
    "École à nous",`)
	p := population(t, folder, 500, 1)
	for o := range p.Organisations() {
		if o.Name == "École à nous" && p.Register() == "formation" {
			return
		}
	}
	t.Error("the copy's own organisation is not there")
}

func TestSettingsThatCannotBeFollowedAreNamedWithTheirPlace(t *testing.T) {
	for _, c := range []struct{ old, replacement, want string }{
		{`prefix = "ML"`, `prefixe = "ML"`, "line 5, column 1"},
		{`persons = 22000`, `persons = "many"`, "line 10, column 11"},
		{`persons = 22000`, `persons = 0`, "persons"},
		{`ages = [16, 25]`, `ages = [25, 16]`, "ages"},
		{`make = "nir"`, `make = "secu"`, `nothing makes "secu" (there are address`},
		{`make = "id_document"`, `make = "list"`, "field id_document: from"},
		{`chance = 85`, `chance = 185`, "field nir: chance"},
		{`if = "bank_holder"`, `if = "rep_email"`, `field iban: the field "rep_email"`},
		{`name = "first_name"`, `name = "surname"`, `"surname" is missing or taken`},
		{`when = "minor"`, `when = "child"`, "when is minor or adult"},
		{`source = 1`, `source = 300`, "source"},
		{"[organisation]", "[limits]\nnew = 5\n\n[organisation]", "unreadable limits"},
	} {
		_, err := generate.New(generate.Settings{Preset: copied(t, "mission-locale", c.old, c.replacement)})
		if !errors.Is(err, generate.ErrSettings) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.replacement, err)
		}
	}
	if _, err := generate.New(generate.Settings{Preset: t.TempDir()}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder without schema: %v", err)
	}
}

func TestEveryMakerAndSettingIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/presets.md")
	if err != nil {
		t.Fatal(err)
	}
	_, err = generate.New(generate.Settings{Preset: copied(t, "mission-locale", `make = "nir"`, `make = "?"`)})
	_, list, _ := strings.Cut(err.Error(), "(there are ")
	for name := range strings.SplitSeq(strings.TrimSuffix(list, ")"), ", ") {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/presets.md says nothing of the maker %s", name)
		}
	}
}
