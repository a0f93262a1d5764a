package intake

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/unicode/norm"

	"ecluse/internal/register"
)

// Map says under which names a file has a register's columns: the file's column -> the field's name, or
// the import column of the external identifier or territory. "" leaves a column out on purpose;
// a column is never left out otherwise.
type Map map[string]string

// ReadMap reads a TOML file of lines such as
//
//	"Nom de naissance" = "surname"
//	"Commentaire" = ""   # not imported
//
// Errors: *FileError with line, the operating system's.
func ReadMap(path string) (Map, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var m Map
	if err := toml.Unmarshal(data, &m); err != nil {
		e := &FileError{File: filepath.Base(path), Text: "is not a list of lines \"column\" = \"field\""}
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, _ := at.Position()
			e.Line = int64(line)
		}
		return nil, e
	}
	return m, nil
}

// column is what one column of a file is for.
type column struct {
	name      string // the file's own
	field     int    // index into schema.Fields, -1 = none
	external  bool   // the register's own identifier of a person
	territory bool
}

// layout says what the columns of a file are for.
type layout struct {
	schema    *register.Schema
	separator byte     // 0 = JSON lines
	columns   []column // in the order of the file; JSON lines: in the order in which names turned up first
	byName    map[string]int
	missing   []int // fields that no column feeds
}

// names resolves names of columns against a schema and a map. The comparison ignores case, the form of
// accents and spaces around.
type names struct {
	schema *register.Schema
	mapped map[string]string // folded name in the file -> name in the schema
	known  map[string]string // folded name -> name, of every field and the two import columns
	unused map[string]string // entries of the map that no column has used yet
}

func fold(s string) string { return strings.ToLower(norm.NFC.String(strings.TrimSpace(s))) }

// newNames checks the map against the schema.
func newNames(s *register.Schema, m Map, mapName string) (*names, error) {
	n := &names{schema: s, mapped: map[string]string{}, known: map[string]string{}, unused: map[string]string{}}
	for _, f := range s.Fields {
		n.known[fold(f.Name)] = f.Name
	}
	n.known[fold(s.ExternalID)] = s.ExternalID
	if s.Territory != "" {
		n.known[fold(s.Territory)] = s.Territory
	}
	for from, to := range m {
		if _, ok := n.known[fold(to)]; !ok && to != "" {
			return nil, &FileError{File: mapName, Column: from, Text: fmt.Sprintf("the register has no field %q", to), Hint: n.suggest(to)}
		}
		n.mapped[fold(from)] = to
		n.unused[fold(from)] = from
	}
	return n, nil
}

// find resolves one column; ok is false for an unknown one.
func (n *names) find(name string) (column, bool) {
	c := column{name: name, field: -1}
	folded := fold(name)
	to, ok := n.mapped[folded]
	delete(n.unused, folded)
	if !ok {
		if to, ok = n.known[folded]; !ok {
			return c, false
		}
	}
	if to == "" {
		return c, true
	}
	c.field = slices.IndexFunc(n.schema.Fields, func(f register.Field) bool { return fold(f.Name) == fold(to) })
	c.external = fold(to) == fold(n.schema.ExternalID)
	c.territory = n.schema.Territory != "" && fold(to) == fold(n.schema.Territory)
	return c, true
}

// layoutOf resolves the names of a file's columns, all of them. Errors: *FileError.
func (n *names) layoutOf(file string, line int64, header []string) (*layout, error) {
	l := &layout{schema: n.schema, byName: map[string]int{}}
	fail := func(col, text, hint string) error {
		return &FileError{File: file, Line: line, Column: col, Text: text, Hint: hint}
	}
	if n.recognised(header) == 0 {
		return nil, fail("", "no column has a name that the register knows", "the names of the columns are expected on the first line; --map gives other names")
	}
	taken := map[string]string{}
	for i, name := range header {
		c, ok := n.find(name)
		switch {
		case strings.TrimSpace(name) == "":
			return nil, fail("", fmt.Sprintf("column %d has no name", i+1), "")
		case !ok:
			return nil, fail(shown(name), "the register has no such field", n.suggest(name))
		}
		if _, twice := l.byName[fold(name)]; twice {
			return nil, fail(shown(name), "the name is there twice", "")
		}
		l.byName[fold(name)] = i
		for _, to := range c.targets(n.schema) {
			if other, twice := taken[to]; twice {
				return nil, fail(shown(name), fmt.Sprintf("%q feeds the field %s already", shown(other), to), "")
			}
			taken[to] = name
		}
		l.columns = append(l.columns, c)
	}
	return l, n.complete(l, taken, fail)
}

// complete finds required columns that are missing and entries of the map that were not used.
func (n *names) complete(l *layout, taken map[string]string, fail func(col, text, hint string) error) error {
	for _, from := range n.unused {
		return fail("", fmt.Sprintf("the map names a column %q that the file does not have", from), "")
	}
	required := []string{n.schema.ExternalID}
	if n.schema.Territory != "" {
		required = append(required, n.schema.Territory)
	}
	for i, f := range n.schema.Fields {
		if _, ok := taken[f.Name]; !ok {
			l.missing = append(l.missing, i)
			if f.Required {
				required = append(required, f.Name)
			}
		}
	}
	for _, name := range required {
		if _, ok := taken[name]; !ok {
			return fail("", fmt.Sprintf("no column gives %q, which the register requires", name), "--map gives other names")
		}
	}
	return nil
}

// targets are the names in the schema that a column feeds.
func (c column) targets(s *register.Schema) []string {
	var to []string
	if c.field >= 0 {
		to = append(to, s.Fields[c.field].Name)
	}
	if c.external && !slices.Contains(to, s.ExternalID) {
		to = append(to, s.ExternalID)
	}
	if c.territory && !slices.Contains(to, s.Territory) {
		to = append(to, s.Territory)
	}
	return to
}

// recognised counts the names that are known. It decides between separators, and tells a header from a
// first row of data, which no error may repeat.
func (n *names) recognised(header []string) int {
	count := 0
	for _, name := range header {
		_, mapped := n.mapped[fold(name)]
		_, known := n.known[fold(name)]
		if mapped || known {
			count++
		}
	}
	return count
}

// suggest names the known name nearest to one that is not, if it is near.
func (n *names) suggest(name string) string {
	best, least := "", max(2, len(name)/3)+1
	for folded, known := range n.known {
		if d := distance(fold(name), folded); d < least || d == least && best != "" && known < best {
			best, least = known, d
		}
	}
	if best == "" {
		return "a column is left out by mapping it to \"\""
	}
	return fmt.Sprintf("is %q meant?", best)
}

// distance is Levenshtein's, in runes.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	if len(s) > 64 {
		s = s[:64]
	}
	row := make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i := range s {
		before := row[0]
		row[0] = i + 1
		for j := range t {
			d := before
			if s[i] != t[j] {
				d++
			}
			before = row[j+1]
			row[j+1] = min(d, row[j]+1, before+1)
		}
	}
	return row[len(t)]
}

// shown cuts a name of a column for a message.
func shown(name string) string {
	if r := []rune(name); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return name
}
