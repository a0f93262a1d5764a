package config

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// Key is one key of the file as its tags describe it.
type Key struct {
	Table    string // "instance", "providers"
	List     bool   // the table may be given several times: [[providers]]
	Name     string
	Type     string // "text", "number", "yes or no", "list of text"
	Default  string // as TOML writes it; "" = none
	Unit     string
	OneOf    []string // closed list of values, empty = any
	Required bool
	Doc      string
}

// Reference is every key of the file, in its order.
func Reference() []Key {
	var keys []Key
	eachTable(func(table reflect.StructField, element reflect.Type) {
		for _, field := range reflect.VisibleFields(element) {
			keys = append(keys, describe(table, field))
		}
	})
	return keys
}

// eachTable calls f for every table of Config with the type of its struct.
func eachTable(f func(table reflect.StructField, element reflect.Type)) {
	for _, table := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if !table.IsExported() {
			continue
		}
		element := table.Type
		if element.Kind() == reflect.Slice {
			element = element.Elem()
		}
		f(table, element)
	}
}

func describe(table, field reflect.StructField) Key {
	key := Key{
		Table: table.Tag.Get("toml"), List: table.Type.Kind() == reflect.Slice,
		Name: field.Tag.Get("toml"), Unit: field.Tag.Get("unit"),
		Required: field.Tag.Get("required") == "true", Doc: field.Tag.Get("doc"),
	}
	if values := field.Tag.Get("oneof"); values != "" {
		key.OneOf = strings.Split(values, "|")
	}
	switch field.Type.Kind() {
	case reflect.Bool:
		key.Type = "yes or no"
	case reflect.Int:
		key.Type = "number"
	case reflect.Slice:
		key.Type = "list of text"
	default:
		key.Type = "text"
	}
	if _, given := field.Tag.Lookup("default"); given {
		value := reflect.New(field.Type).Elem()
		setDefault(value, field)
		key.Default = literal(value)
	}
	return key
}

// setDefault puts the tag's default into value, or leaves it as it is if there is none. A default
// that does not fit its type is a mistake in this package and panics (TestEveryKeyIsDescribed).
func setDefault(value reflect.Value, field reflect.StructField) {
	text, given := field.Tag.Lookup("default")
	if !given {
		return
	}
	switch target := value.Addr().Interface().(type) {
	case *string:
		*target = text
	case *[]string:
		*target = strings.Split(text, ",")
	case *bool:
		*target = must(strconv.ParseBool(text))
	case *int:
		*target = must(strconv.Atoi(text))
	case *Duration:
		must(0, target.UnmarshalText([]byte(text)))
	default:
		panic("config: no default for type " + field.Type.String())
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic("config: " + err.Error())
	}
	return value
}

// Describe writes every key with type, default, unit and meaning, as ecluse config describe shows it.
func Describe(w io.Writer) error {
	var failed error
	printf := func(format string, arguments ...any) {
		if _, err := fmt.Fprintf(w, format, arguments...); err != nil {
			failed = err
		}
	}
	printf("ecluse.toml: every key. Relative paths are seen from the folder of the file.\n")
	table := ""
	docs := tableDocs()
	for _, key := range Reference() {
		if key.Table != table {
			table = key.Table
			printf("\n%s\n%s\n", header(key), wrapped(docs[table], "  "))
		}
		printf("\n  %s = %s\n%s\n", key.Name, key.facts(), wrapped(key.Doc, "      "))
	}
	return failed
}

// facts is the line "text (path), default …".
func (k Key) facts() string {
	facts := k.Type
	if k.Unit != "" {
		facts += " (" + k.Unit + ")"
	}
	if len(k.OneOf) > 0 {
		facts += ", one of " + strings.Join(k.OneOf, ", ")
	}
	switch {
	case k.Required:
		return facts + ", required"
	case k.Default != "":
		return facts + ", default " + k.Default
	}
	return facts + ", may be left out"
}

func header(key Key) string {
	if key.List {
		return "[[" + key.Table + "]]"
	}
	return "[" + key.Table + "]"
}

func tableDocs() map[string]string {
	docs := map[string]string{}
	eachTable(func(table reflect.StructField, _ reflect.Type) {
		docs[table.Tag.Get("toml")] = table.Tag.Get("doc")
	})
	return docs
}

// wrapped breaks text into lines of at most 96 characters that start with indent.
func wrapped(text, indent string) string {
	var b strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line)+len(word) > 96 && strings.TrimSpace(line) != strings.TrimSpace(indent) {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent
		}
		line += word + " "
	}
	b.WriteString(strings.TrimRight(line, " "))
	return b.String()
}
