package ecluse_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The rules of the rooms (docs, design "Rooms"): what may stand where. Each rule looks at one file at
// a time, apart from the last ones, which look at all. TestEachRuleCanFail proves with snippets that
// each can fail; an exception that nothing needs any more fails too.

// source is one file of the repository, slash-separated path from its root.
type source struct {
	path string
	text string
	set  *token.FileSet
	file *ast.File // nil unless Go
}

func (s source) room() string        { return path.Dir(s.path) }
func (s source) isTest() bool        { return strings.HasSuffix(s.path, "_test.go") }
func (s source) line(n ast.Node) int { return s.set.Position(n.Pos()).Line }

// finding is one break of a rule.
type finding struct {
	path string
	line int
	text string
}

type rule struct {
	name  string
	tests bool // holds for tests too
	check func(source) []finding
}

// exception lets a folder or file break a rule, for a reason.
type exception struct{ rule, path, reason string }

var exceptions = []exception{
	{"status", "internal/web", "a door"},
	{"status", "internal/api", "a door"},
	{"status", "internal/host", "answers what no door may see: wrong host, malformed request, panic"},
	{"status", "internal/demoidp", "the demo's OpenID provider is a server of its own"},
	{"status", "internal/demo/serve.go", "the demo's clock is a door of its own, on loopback"},
	{"status", "internal/demo/door.go", "a client: it reads statuses"},
	{"status", "internal/demo/heist.go", "a client: it reads statuses"},
	{"status", "internal/demo/mail.go", "the demo's page of mails is a door of its own, on loopback"},
	{"status", "internal/drill", "a client: it reads statuses"},
	{"french", "internal/drill", "what a forged request or reason says"},
	{"french", "internal/demo/demo.go", "names the demo's instance and its provider, as people see them"},
	{"french", "internal/register/normalise.go", "letters that names are written with, folded for search"},
	{"french", "internal/web/locale.go", "quotation marks and no-break spaces of French typography"},
	{"sql", "internal/store", "the only room with SQL"},
	{"clock", "cmd", "the clock goes down from here"},
}

// stair ranks the rooms: a room imports only rooms of a lower rank.
var stair = map[string]int{
	"": 0, "presets": 1, "internal/budget": 1, "internal/notice": 1, "internal/tomlfile": 1, "internal/training": 2, "internal/demoidp": 2, "internal/policy": 2, "internal/keys": 2, "internal/config": 2,
	"internal/generate": 2, "internal/host": 2, "internal/ledger": 3, "internal/directory": 4, "internal/register": 4, "internal/intake": 5, "internal/signin": 5, "internal/post": 5,
	"internal/gate": 6, "internal/exposure": 6, "internal/scope": 6, "internal/store": 7, "internal/store/storetest": 8, "internal/web": 7, "internal/web/locale": 2,
	"internal/api": 7, "internal/roster": 7, "internal/node": 9, "internal/node/nodetest": 10, "internal/demo": 10, "internal/bench": 11, "internal/drill": 11,
	"cmd/ecluse": 12, "e2e": 12,
}

var rules = []rule{
	{"sql", false, sqlOnlyInStore},
	{"status", false, statusOnlyInDoors},
	{"french", false, frenchOnlyInLocale},
	{"clock", false, clockOnlyInCmd},
	{"pure", false, pureRooms},
	{"stair", false, importsGoDown},
	{"store", false, doorsNeverOpenTheStore},
	{"name", true, noVagueNames},
	{"size", true, shortFilesAndFunctions},
	{"place", true, noForeignPlaces},
}

var sqlText = regexp.MustCompile(`(?is)^\s*(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|CREATE\s+(UNIQUE\s+)?(TABLE|INDEX)\s|(ALTER|DROP)\s+TABLE\s|EXPLAIN\s)`)

func sqlOnlyInStore(s source) (found []finding) {
	for _, i := range s.imports() {
		if slices.Contains([]string{"database/sql", "modernc.org/sqlite", "github.com/pressly/goose/v3"}, i.path) || strings.HasPrefix(i.path, "github.com/jackc/pgx") {
			found = append(found, finding{s.path, i.line, "imports " + i.path})
		}
	}
	s.eachString(func(text string, line int) {
		if sqlText.MatchString(text) {
			found = append(found, finding{s.path, line, "a string that reads as SQL"})
		}
	})
	return found
}

func statusOnlyInDoors(s source) (found []finding) {
	s.eachSelector(func(of, name string, line int) {
		if of == "http" && (strings.HasPrefix(name, "Status") || name == "Error" || name == "NotFound" || name == "Redirect") || name == "WriteHeader" {
			found = append(found, finding{s.path, line, of + "." + name})
		}
	})
	return found
}

// frenchOnlyInLocale is a guess: a text with a letter that English does not have. The program's own
// name is excepted.
func frenchOnlyInLocale(s source) (found []finding) {
	s.eachString(func(text string, line int) {
		text = strings.NewReplacer("Écluse", "", "écluse", "").Replace(text)
		if strings.ContainsAny(strings.ToLower(text), "àâäæçéèêëîïôöœùûüÿ«»") {
			found = append(found, finding{s.path, line, "a text that reads as French"})
		}
	})
	return found
}

func clockOnlyInCmd(s source) (found []finding) {
	s.eachSelector(func(of, name string, line int) {
		if of == "time" && (name == "Now" || name == "Since" || name == "Until") {
			found = append(found, finding{s.path, line, "time." + name + ": take a now func() time.Time"})
		}
	})
	return found
}

func pureRooms(s source) (found []finding) {
	if !slices.Contains([]string{"internal/policy", "internal/budget", "internal/training"}, s.room()) {
		return nil
	}
	for _, i := range s.imports() {
		root, _, _ := strings.Cut(i.path, "/")
		if slices.Contains([]string{"os", "net", "syscall", "database", "log"}, root) || strings.Contains(i.path, "rand") || i.path == "context" {
			found = append(found, finding{s.path, i.line, "imports " + i.path})
		}
	}
	return found
}

func importsGoDown(s source) (found []finding) {
	if strings.HasPrefix(s.path, "tools/") {
		return nil
	}
	own, known := stair[strings.TrimPrefix(s.room(), ".")]
	if !known {
		return []finding{{s.path, 1, "room " + s.room() + " has no rank: give it one in stair"}}
	}
	for _, i := range s.imports() {
		room, ours := strings.CutPrefix(i.path, "ecluse")
		if room = strings.TrimPrefix(room, "/"); !ours || i.path == "ecluse" {
			continue
		}
		if rank, known := stair[room]; !known || rank >= own {
			found = append(found, finding{s.path, i.line, "imports " + i.path + ", which is not below it"})
		}
	}
	return found
}

// doorsNeverOpenTheStore allows store to those who assemble.
func doorsNeverOpenTheStore(s source) (found []finding) {
	if slices.Contains([]string{"internal/node", "internal/node/nodetest", "internal/demo", "cmd/ecluse", "internal/store/storetest"}, s.room()) {
		return nil
	}
	for _, i := range s.imports() {
		if i.path == "ecluse/internal/store" {
			found = append(found, finding{s.path, i.line, "only node, cmd and storetest open the store"})
		}
	}
	return found
}

func noVagueNames(s source) []finding {
	if name := strings.TrimSuffix(s.file.Name.Name, "_test"); slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "model", "models", "types", "manager"}, name) {
		return []finding{{s.path, s.line(s.file.Name), "package " + name + " says nothing"}}
	}
	return nil
}

func shortFilesAndFunctions(s source) (found []finding) {
	if lines := strings.Count(s.text, "\n"); lines >= 600 {
		found = append(found, finding{s.path, lines, fmt.Sprintf("%d lines, must be under 600", lines)})
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if f, ok := n.(*ast.FuncDecl); ok {
			if lines := s.set.Position(f.End()).Line - s.line(f) + 1; lines > 100 {
				found = append(found, finding{s.path, s.line(f), fmt.Sprintf("%s has %d lines, at most 100", f.Name.Name, lines)})
			}
		}
		return true
	})
	return found
}

// foreign are names of package registries and paths of the machine that this was written on. They
// are put together so that this file does not hold them.
var foreign = regexp.MustCompile(`(?i)\b(proxy|sum)\.golang` + `\.org|registry\.(npmjs|yarnpkg)` + `\.|deb\.debian` + `\.org|\bpypi` + `\.org|crates` + `\.io|(^|[^\w.$}*-])/(wo` + `rk|ro` + `ot)/`)

func noForeignPlaces(s source) (found []finding) {
	for i, line := range strings.Split(s.text, "\n") {
		if at := foreign.FindString(line); at != "" {
			found = append(found, finding{s.path, i + 1, "names " + at})
		}
	}
	return found
}

// revealOnce counts the one door out of the register: after the gate exists there is exactly one.
func revealOnce(all []source) (found []finding) {
	gate := false
	for _, s := range all {
		if s.file == nil || s.isTest() {
			continue
		}
		gate = gate || s.room() == "internal/gate"
		s.eachSelector(func(_, name string, line int) {
			if name == "Reveal" {
				found = append(found, finding{s.path, line, "calls Reveal"})
			}
		})
	}
	switch {
	case len(found) == 1 && strings.HasPrefix(found[0].path, "internal/gate/"):
		return nil
	case len(found) == 0 && gate:
		return []finding{{"internal/gate", 0, "nobody calls Reveal: has it another name?"}}
	}
	return found
}

func TestRoomsKeepTheirRules(t *testing.T) {
	all := repository(t)
	used := map[exception]bool{}
	for _, s := range all {
		for _, r := range rules {
			if s.file == nil && r.name != "place" || s.isTest() && !r.tests {
				continue
			}
			for _, f := range r.check(s) {
				if e, excepted := excepted(r.name, s.path); excepted {
					used[e] = true
					continue
				}
				t.Errorf("%s: %s:%d: %s", r.name, f.path, f.line, f.text)
			}
		}
	}
	for _, f := range revealOnce(all) {
		t.Errorf("reveal: %s:%d: %s", f.path, f.line, f.text)
	}
	for _, e := range exceptions {
		if !used[e] {
			t.Errorf("the exception of %s from %q is not needed any more", e.path, e.rule)
		}
	}
}

func excepted(rule, file string) (exception, bool) {
	for _, e := range exceptions {
		if e.rule == rule && (file == e.path || strings.HasPrefix(file, e.path+"/")) {
			return e, true
		}
	}
	return exception{}, false
}

// repository reads every text file below the root, apart from what is not ours.
func repository(t *testing.T) []source {
	t.Helper()
	var all []source
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "node_modules", "bin", "demo", "rapid", "fuzz"}, d.Name()) && name != "internal/demo" {
				return fs.SkipDir
			}
			return nil
		}
		if name == ".git" { // of a second working tree: it names the first one's place
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil || len(data) > 1<<20 || strings.ContainsRune(string(data[:min(len(data), 512)]), 0) {
			return err
		}
		s, err := parse(name, string(data))
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d files seen", len(all))
	}
	return all
}

func parse(name, text string) (source, error) {
	s := source{path: name, text: text, set: token.NewFileSet()}
	if !strings.HasSuffix(name, ".go") {
		return s, nil
	}
	var err error
	s.file, err = parser.ParseFile(s.set, name, text, parser.SkipObjectResolution)
	return s, err
}

type imported struct {
	path string
	line int
}

func (s source) imports() (all []imported) {
	for _, i := range s.file.Imports {
		name, _ := strconv.Unquote(i.Path.Value)
		all = append(all, imported{name, s.line(i)})
	}
	return all
}

// eachString calls f for every string literal but imports and struct tags.
func (s source) eachString(f func(text string, line int)) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				f(text, s.line(n))
			}
		}
		return true
	})
}

// eachSelector calls f for every x.Name; of is "x" where x is a plain name.
func (s source) eachSelector(f func(of, name string, line int)) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			of := ""
			if x, ok := sel.X.(*ast.Ident); ok {
				of = x.Name
			}
			f(of, sel.Sel.Name, s.line(sel))
		}
		return true
	})
}
