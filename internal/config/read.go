package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxFileBytes bounds what Read takes for a configuration.
const maxFileBytes = 1 << 20

// Read reads the file, fills in the defaults, makes paths absolute and checks every form: keys,
// types, addresses, lists, durations. It does not look at other files (see Files). The error is a
// Problems with everything found; the file could not be opened is a Problem too.
func Read(path string) (*Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("place of %s: %w", path, err)
	}
	data, err := readSmall(absolute)
	if err != nil {
		return nil, Problems{{File: path, Text: reason(err), Hint: "ecluse init DIR writes a new installation with its ecluse.toml"}}
	}
	config, problems := parse(path, data)
	if config == nil {
		return nil, problems
	}
	config.path = absolute
	config.resolve(filepath.Dir(absolute))
	if len(problems) > 0 {
		return nil, problems
	}
	return config, nil
}

func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("is a folder, not a file")
	}
	if info.Size() > maxFileBytes {
		return nil, errors.New("is larger than 1 MiB, which no configuration is")
	}
	return os.ReadFile(path)
}

// parse decodes data. The Config is nil only where the text is not TOML or a value has a wrong type;
// other problems come together, sorted by place.
func parse(name string, data []byte) (*Config, Problems) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	config := &Config{}
	decoder := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	var unknown *toml.StrictMissingError
	err := decoder.Decode(config)
	if err != nil && !errors.As(err, &unknown) {
		return nil, Problems{decodeProblem(name, err)}
	}
	var problems Problems
	if unknown != nil {
		for _, e := range unknown.Errors {
			problems = append(problems, unknownKey(name, &e))
		}
	}
	var given map[string]any
	if err := toml.Unmarshal(data, &given); err != nil {
		return nil, Problems{decodeProblem(name, err)}
	}
	fillDefaults(reflect.ValueOf(config).Elem(), given)
	places := placesOf(data)
	for _, p := range config.forms() {
		p.File = name
		at, found := places[p.Key]
		if !found { // a key that is not there: its table
			at = places[p.Key[:max(0, strings.LastIndex(p.Key, "."))]]
		}
		p.Line, p.Column = at.line, at.column
		problems = append(problems, p)
	}
	problems.sort()
	return config, problems
}

// fillDefaults sets every key that the file does not give. given is the same file, decoded freely.
func fillDefaults(value reflect.Value, given map[string]any) {
	for i, field := range reflect.VisibleFields(value.Type()) {
		if !field.IsExported() {
			continue
		}
		name, target := field.Tag.Get("toml"), value.Field(i)
		_, present := given[name]
		switch {
		case field.Type.Kind() == reflect.Struct && field.Type != reflect.TypeFor[Duration]():
			table, _ := given[name].(map[string]any)
			fillDefaults(target, table)
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			tables, _ := given[name].([]any)
			for j := range target.Len() {
				table, _ := tables[j].(map[string]any)
				fillDefaults(target.Index(j), table)
			}
		case !present:
			setDefault(target, field)
		}
	}
}

func decodeProblem(name string, err error) Problem {
	var decode *toml.DecodeError
	if !errors.As(err, &decode) {
		return Problem{File: name, Text: err.Error()}
	}
	line, column := decode.Position()
	text := strings.TrimPrefix(decode.Error(), "toml: ")
	return Problem{File: name, Line: line, Column: column, Key: strings.Join(decode.Key(), "."), Text: text}
}

func unknownKey(name string, e *toml.DecodeError) Problem {
	line, column := e.Position()
	path := e.Key()
	p := Problem{File: name, Line: line, Column: column, Key: strings.Join(path, "."), Text: "no such key"}
	if len(path) == 0 {
		return p
	}
	if near := nearest(path[len(path)-1], siblings(path)); near != "" {
		p.Hint = fmt.Sprintf("did you mean %s?", near)
	} else {
		p.Hint = "ecluse config describe lists every key"
	}
	return p
}

// siblings is every name that may stand where path stands.
func siblings(path toml.Key) []string {
	var names []string
	tables := map[string]bool{}
	for _, key := range Reference() {
		switch {
		case len(path) > 1 && key.Table == path[0]:
			names = append(names, key.Name)
		case len(path) == 1 && !tables[key.Table]:
			tables[key.Table] = true
			names = append(names, key.Table)
		}
	}
	return names
}

type place struct{ line, column int }

// placesOf maps dotted keys (providers[0].issuer) and tables to where they stand. Keys inside inline
// tables have no place of their own.
func placesOf(data []byte) map[string]place {
	places := map[string]place{}
	count := map[string]int{}
	table := ""
	parser := unstable.Parser{}
	parser.Reset(data)
	for parser.NextExpression() {
		expression := parser.Expression()
		name, at := keyOf(&parser, expression)
		switch expression.Kind {
		case unstable.Table:
			table = name
			places[name] = at
		case unstable.ArrayTable:
			table = fmt.Sprintf("%s[%d]", name, count[name])
			count[name]++
			places[table] = at
		case unstable.KeyValue:
			if table != "" {
				name = table + "." + name
			}
			places[name] = at
		}
	}
	return places
}

func keyOf(parser *unstable.Parser, expression *unstable.Node) (string, place) {
	var parts []string
	var at place
	for keys := expression.Key(); keys.Next(); {
		if len(parts) == 0 {
			start := parser.Shape(keys.Node().Raw).Start
			at = place{start.Line, start.Column}
		}
		parts = append(parts, string(keys.Node().Data))
	}
	return strings.Join(parts, "."), at
}
