package register

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"ecluse/internal/tomlfile"
	"ecluse/presets"
)

// folder is one with the small schema and whatever else the test says.
func folder(more map[string]string) fs.FS {
	files := fstest.MapFS{"schema.toml": {Data: []byte(small)}, "population.toml": {Data: []byte("no TOML")}, "README.md": {Data: []byte("-- x --\n")}}
	for name, text := range more {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func TestADefinitionKeepsItsFilesThroughTheStore(t *testing.T) {
	for _, name := range presets.Names() {
		from, err := presets.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		d, err := ReadDefinition(name, from)
		if err != nil {
			t.Fatal(err)
		}
		again, err := stored(d.Schema.Code, d.Text())
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range definitionFiles {
			data, err := fs.ReadFile(from, file)
			if err == nil && cmp.Diff(string(data), string(again.File(file))) != "" || err != nil && again.File(file) != nil {
				t.Errorf("%s/%s is not what the folder holds (%v)", name, file, err)
			}
		}
		if cmp.Diff(d.Text(), again.Text()) != "" {
			t.Errorf("%s: stored a second time it is another text", name)
		}
	}
	before, err := stored("club", []byte(small))
	if err != nil || string(before.File(SchemaFile)) != small {
		t.Errorf("a schema stored before there were other files: %v", err)
	}
}

func TestADefinitionRefusesWhatItCouldNotKeep(t *testing.T) {
	for what, more := range map[string]map[string]string{
		"club/policy.cedar: no such file belongs to a register; take it out": {"policy.cedar": ""},
		"club/other.toml: no such file":                                      {"other.toml": ""},
		"club/training.toml: the file is larger than 256 KiB":                {"training.toml": strings.Repeat("#", tomlfile.MaxBytes+1)},
		"club/training.toml: the file is not text":                           {"training.toml": "\xff"},
		"club/training.toml:2:1: a line between -- and --":                   {"training.toml": "# x\n-- schema.toml --\n"},
		"club/schema.toml:1:1: ":                                             {"schema.toml": "-- x --"},
		"club/schema.toml:1:4: ":                                             {"schema.toml": "code"},
	} {
		_, err := ReadDefinition("club", folder(more))
		var e *SchemaError
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	schema := File{Name: SchemaFile, Data: []byte(small)}
	if _, err := Define(); err == nil {
		t.Error("a register without a schema")
	}
	if _, err := Define(schema, schema); err == nil {
		t.Error("two schemas")
	}
}

func FuzzStoredDefinition(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("-- schema.toml --\n" + small + "-- training.toml --\n-- other --\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := stored("club", text)
		if err != nil {
			return
		}
		again, err := stored("club", d.Text())
		if err != nil || cmp.Diff(again.Text(), d.Text()) != "" {
			t.Fatalf("it does not keep what it read: %v", err)
		}
	})
}
