package config

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Defaults is a Config with every default and one empty provider list: what init and the demo start
// from before they set the rest.
func Defaults() *Config {
	config := &Config{}
	fillDefaults(reflect.ValueOf(config).Elem(), nil)
	return config
}

// DefaultProvider is a Provider with every default.
func DefaultProvider() Provider {
	var provider Provider
	fillDefaults(reflect.ValueOf(&provider).Elem(), nil)
	return provider
}

// Write writes c as a commented ecluse.toml: a key that departs from its default as a line, any other
// as a comment with its default, each below its meaning. Read gives back an equal Config, apart from
// paths, which Read makes absolute.
func Write(w io.Writer, c *Config) error {
	var out bytes.Buffer
	out.WriteString("# Configuration of Écluse: addresses and references to keys, nothing secret.\n" +
		"# Relative paths are seen from this folder. \"ecluse config check\" finds mistakes.\n")
	root := reflect.ValueOf(c).Elem()
	eachTable(func(table reflect.StructField, element reflect.Type) {
		out.WriteString("\n\n" + wrapped(table.Tag.Get("doc"), "# ") + "\n")
		value := root.FieldByIndex(table.Index)
		if value.Kind() != reflect.Slice {
			fmt.Fprintf(&out, "[%s]\n", table.Tag.Get("toml"))
			writeKeys(&out, table, value)
			return
		}
		for i := range value.Len() {
			fmt.Fprintf(&out, "[[%s]]\n", table.Tag.Get("toml"))
			writeKeys(&out, table, value.Index(i))
		}
		if value.Len() == 0 {
			writeExample(&out, table, element)
		}
	})
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// writeKeys writes one table.
func writeKeys(out *bytes.Buffer, table reflect.StructField, value reflect.Value) {
	for _, field := range reflect.VisibleFields(value.Type()) {
		key := describe(table, field)
		line := key.Name + " = " + literal(value.FieldByIndex(field.Index))
		if !key.Required && line == key.Name+" = "+unset(key, field) {
			line = "#" + line
		}
		fmt.Fprintf(out, "\n%s\n%s\n", wrapped(key.Doc, "# "), line)
	}
}

// unset is the literal that stands for "not given".
func unset(key Key, field reflect.StructField) string {
	if key.Default != "" {
		return key.Default
	}
	return literal(reflect.Zero(field.Type))
}

// writeExample writes a table that may be given several times and is not given once, as comments.
func writeExample(out *bytes.Buffer, table reflect.StructField, element reflect.Type) {
	fmt.Fprintf(out, "#[[%s]]\n", table.Tag.Get("toml"))
	for _, field := range reflect.VisibleFields(element) {
		key := describe(table, field)
		fmt.Fprintf(out, "\n%s\n#%s = %s\n", wrapped(key.Doc, "# "), key.Name, unset(key, field))
	}
}

// literal is value as TOML writes it on one line.
func literal(value reflect.Value) string {
	if value.Kind() == reflect.Slice && value.Len() == 0 {
		return "[]"
	}
	text, err := toml.Marshal(map[string]any{"v": value.Interface()})
	if err != nil {
		panic("config: no TOML for " + value.Type().String() + ": " + err.Error())
	}
	literal := strings.TrimPrefix(strings.TrimSpace(string(text)), "v = ")
	if s, isText := value.Interface().(string); isText && strings.Contains(literal, "\n") {
		return fmt.Sprintf("%q", s)
	}
	return literal
}
