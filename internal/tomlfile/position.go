package tomlfile

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// position is a place in a file, both from 1.
type position struct{ line, column int }

// positions maps paths such as "fields[3].bit" or "row[1]" to where they stand in a TOML file.
type positions map[string]position

// nearest is the place of path, or of what contains it; the start of the file if nothing does.
func (p positions) nearest(path string) position {
	for path != "" {
		if at, ok := p[path]; ok {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return position{1, 1}
}

// locator walks the expressions of a TOML file that has been decoded without error.
type locator struct {
	parser unstable.Parser
	at     positions
	tables map[string]int // array of tables -> how many so far
}

func locate(data []byte) positions {
	l := &locator{at: positions{}, tables: map[string]int{}}
	l.parser.Reset(data)
	prefix := ""
	for l.parser.NextExpression() {
		node := l.parser.Expression()
		switch node.Kind {
		case unstable.ArrayTable:
			path := l.path("", node)
			prefix = fmt.Sprintf("%s[%d]", path, l.tables[path])
			if l.tables[path]++; l.tables[path] == 1 {
				l.note(path, l.first(node))
			}
			l.note(prefix, l.first(node))
		case unstable.Table:
			prefix = l.path("", node)
			l.note(prefix, l.first(node))
		case unstable.KeyValue:
			l.keyValue(prefix, node)
		}
	}
	return l.at
}

// path joins the dotted key of a node to a prefix; inner arrays of tables mean their last element.
func (l *locator) path(prefix string, node *unstable.Node) string {
	path := prefix
	for key := node.Key(); key.Next(); {
		if n := l.tables[path]; n > 0 && node.Kind != unstable.KeyValue {
			path = fmt.Sprintf("%s[%d]", path, n-1)
		}
		if path != "" {
			path += "."
		}
		path += string(key.Node().Data)
	}
	return path
}

func (l *locator) keyValue(prefix string, node *unstable.Node) {
	path := l.path(prefix, node)
	l.note(path, l.first(node))
	l.value(path, node.Value())
}

func (l *locator) value(path string, value *unstable.Node) {
	children := value.Children()
	switch value.Kind {
	case unstable.Array:
		for i := 0; children.Next(); {
			child := children.Node()
			if child.Kind == unstable.Comment {
				continue
			}
			element := fmt.Sprintf("%s[%d]", path, i)
			if child.Raw.Length > 0 {
				l.note(element, child.Raw)
			}
			l.value(element, child)
			i++
		}
	case unstable.InlineTable:
		for children.Next() {
			if children.Node().Kind == unstable.KeyValue {
				l.keyValue(path, children.Node())
			}
		}
	}
}

// first is where the key of a node starts.
func (l *locator) first(node *unstable.Node) unstable.Range {
	key := node.Key()
	if !key.Next() {
		return unstable.Range{}
	}
	return key.Node().Raw
}

func (l *locator) note(path string, at unstable.Range) {
	start := l.parser.Shape(at).Start
	l.at[path] = position{start.Line, start.Column}
}
