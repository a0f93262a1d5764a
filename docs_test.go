package ecluse_test

import (
	"fmt"
	"go/ast"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the documents promise must be there: tests, commands, flags, metrics, files, names of the code,
// links and dependencies. Each check looks at one document; TestEachCheckOfTheDocumentsCanFail proves
// with snippets that each can fail.

// claims is what documents may rely on, read from the repository.
type claims struct {
	files    map[string]string // path -> text
	folders  map[string]bool
	tests    map[string]bool
	names    map[string]bool // declared anywhere: functions, methods, types, fields, constants
	commands map[string]bool // "serve", "config", "config check"
	flags    map[string]bool // "--config"
	strings  string          // every Go file outside tests, joined
	direct   []string        // modules that a file of ours imports
	versions map[string]string
}

// drawn are pictures that a script makes from the real pages; take one out once it is there.
var drawn []string

type check struct {
	name string
	find func(doc source, c *claims) []string
}

var checks = []check{
	{"test", testsExist},
	{"link", linksResolve},
	{"command", commandsExist},
	{"file", filesExist},
	{"metric", metricsExist},
	{"name", namesExist},
	{"dependency", dependenciesAreThoseOfTheCode},
}

func TestTheDocumentsSayWhatIsThere(t *testing.T) {
	all := repository(t)
	c := gather(all)
	documents := 0
	for _, s := range all {
		if !strings.HasSuffix(s.path, ".md") || strings.HasPrefix(s.path, "internal/") {
			continue
		}
		documents++
		for _, k := range checks {
			for _, problem := range k.find(s, c) {
				t.Errorf("%s: %s: %s", k.name, s.path, problem)
			}
		}
	}
	if documents < 10 {
		t.Errorf("only %d documents seen", documents)
	}
	for _, p := range drawn {
		if _, err := os.Stat(p); err == nil {
			t.Errorf("%s is there: take it out of drawn", p)
		}
	}
}

// Reading the repository.

func gather(all []source) *claims {
	c := &claims{
		files: map[string]string{}, folders: map[string]bool{}, tests: map[string]bool{}, names: map[string]bool{},
		commands: map[string]bool{}, flags: map[string]bool{"--help": true}, versions: map[string]string{},
	}
	structs := map[string]*ast.StructType{} // of cmd/ecluse
	imports := map[string]bool{}
	for _, s := range all {
		c.files[s.path] = s.text
		for dir := path.Dir(s.path); dir != "."; dir = path.Dir(dir) {
			c.folders[dir] = true
		}
		if s.file == nil {
			continue
		}
		c.declare(s)
		if s.room() == "cmd/ecluse" && !s.isTest() {
			eachStruct(s, structs)
		}
		if !strings.HasPrefix(s.path, "tools/") {
			for _, i := range s.imports() {
				imports[i.path] = true
			}
		}
	}
	if program, ok := structs["program"]; ok {
		c.command("", program, structs)
	}
	c.modules(imports)
	return c
}

func (c *claims) declare(s source) {
	if !s.isTest() {
		c.strings += s.text
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			c.names[n.Name.Name] = true
			if s.isTest() && n.Recv == nil {
				c.tests[n.Name.Name] = true
			}
		case *ast.TypeSpec:
			c.names[n.Name.Name] = true
		case *ast.Field:
			for _, name := range n.Names {
				c.names[name.Name] = true
			}
		case *ast.ValueSpec:
			for _, name := range n.Names {
				c.names[name.Name] = true
			}
		}
		return true
	})
}

func eachStruct(s source, into map[string]*ast.StructType) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok {
			if st, ok := spec.Type.(*ast.StructType); ok {
				into[spec.Name.Name] = st
			}
		}
		return true
	})
}

var (
	nameTag = regexp.MustCompile(`\bname:"([^"]+)"`)
	humps   = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

// command walks the structs of kong: a field tagged cmd is a command, any other with a help a flag.
func (c *claims) command(parent string, st *ast.StructType, structs map[string]*ast.StructType) {
	for _, f := range st.Fields.List {
		of, _ := f.Type.(*ast.Ident)
		if len(f.Names) == 0 { // embedded
			if of != nil && structs[of.Name] != nil {
				c.command(parent, structs[of.Name], structs)
			}
			continue
		}
		tag := ""
		if f.Tag != nil {
			tag = f.Tag.Value
		}
		name := strings.ToLower(humps.ReplaceAllString(f.Names[0].Name, "$1-$2"))
		if m := nameTag.FindStringSubmatch(tag); m != nil {
			name = m[1]
		}
		switch {
		case strings.Contains(tag, `cmd:"`):
			full := strings.TrimSpace(parent + " " + name)
			c.commands[full] = true
			if of != nil && structs[of.Name] != nil {
				c.command(full, structs[of.Name], structs)
			}
		case !strings.Contains(tag, `arg:"`):
			c.flags["--"+name] = true
		}
	}
}

var requirement = regexp.MustCompile(`(?m)^\s*(?:require )?([\w./-]+\.[\w./-]+) (v[\w.+-]+)`)

// modules finds, for each import, the module that it is of. go.mod's own "indirect" marks are checked
// by make lint.
func (c *claims) modules(imports map[string]bool) {
	for _, m := range requirement.FindAllStringSubmatch(c.files["go.mod"], -1) {
		c.versions[m[1]] = m[2]
	}
	for i := range imports {
		best := ""
		for m := range c.versions {
			if (i == m || strings.HasPrefix(i, m+"/")) && len(m) > len(best) {
				best = m
			}
		}
		if best != "" && !slices.Contains(c.direct, best) {
			c.direct = append(c.direct, best)
		}
	}
	slices.Sort(c.direct)
}

// The checks.

var (
	testName = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`)
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	fence    = regexp.MustCompile("(?ms)^ *```[^\n]*\n(.*?)^ *```")
	inline   = regexp.MustCompile("`([^`\n]+)`")
	called   = regexp.MustCompile(`(?m)(?:^|[\s/(])ecluse +([a-z][a-z-]+)(?: +([a-z][a-z-]+))?([^\n|&#]*)`)
	flag     = regexp.MustCompile(`--[a-z][a-z-]*`)
	quoted   = regexp.MustCompile(`^(?:internal|cmd|presets|docs|e2e|tools|\.ci)/[\w./-]*$`)
	metric   = regexp.MustCompile(`\becluse_[a-z_]+\b`)
	goName   = regexp.MustCompile(`^\(?\*?(?:[a-zA-Z]\w*\)?\.)+([a-zA-Z]\w*)(?:\(.*\))?$`)
	wordless = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

func testsExist(doc source, c *claims) (problems []string) {
	for _, name := range testName.FindAllString(doc.text, -1) {
		if !c.tests[name] {
			problems = append(problems, name+" is no test")
		}
	}
	return problems
}

func linksResolve(doc source, c *claims) (problems []string) {
	for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(doc.text, ""), -1) {
		if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
			continue
		}
		file, anchor, _ := strings.Cut(m[1], "#")
		target := path.Join(path.Dir(doc.path), file)
		if file == "" {
			target = doc.path
		}
		_, there := c.files[target]
		if _, err := os.Stat(target); err != nil && !there && !slices.Contains(drawn, target) {
			problems = append(problems, m[1]+" leads nowhere")
		}
		if anchor != "" && !slices.Contains(anchors(c.files[target]), anchor) {
			problems = append(problems, m[1]+": there is no such heading")
		}
	}
	return problems
}

func anchors(text string) (all []string) {
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		all = append(all, strings.ReplaceAll(wordless.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

// code is every inline span and every line of a fenced block.
func code(text string) (spans []string) {
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		spans = append(spans, strings.Split(m[1], "\n")...)
	}
	for _, m := range inline.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		spans = append(spans, m[1])
	}
	return spans
}

func commandsExist(doc source, c *claims) (problems []string) {
	for _, span := range code(doc.text) {
		for _, m := range called.FindAllStringSubmatch(span, -1) {
			if !c.commands[m[1]] {
				problems = append(problems, "ecluse "+m[1]+" is no command")
				continue
			}
			if m[2] != "" && c.hasParts(m[1]) && !c.commands[m[1]+" "+m[2]] {
				problems = append(problems, "ecluse "+m[1]+" "+m[2]+" is no command")
			}
			for _, f := range flag.FindAllString(m[3], -1) {
				if !c.flags[f] {
					problems = append(problems, f+" is no flag")
				}
			}
		}
	}
	return problems
}

func (c *claims) hasParts(command string) bool {
	for full := range c.commands {
		if strings.HasPrefix(full, command+" ") {
			return true
		}
	}
	return false
}

func filesExist(doc source, c *claims) (problems []string) {
	for _, span := range code(doc.text) {
		if !quoted.MatchString(span) {
			continue
		}
		if _, err := os.Stat(span); err != nil && !c.folders[strings.TrimSuffix(span, "/")] && c.files[span] == "" {
			problems = append(problems, span+" is not there")
		}
	}
	return problems
}

func metricsExist(doc source, c *claims) (problems []string) {
	for _, name := range metric.FindAllString(doc.text, -1) {
		if !strings.Contains(c.strings, `"`+name) {
			problems = append(problems, name+" is no metric")
		}
	}
	return problems
}

// namesExist holds for the guided walk, which names functions.
func namesExist(doc source, c *claims) (problems []string) {
	if path.Base(doc.path) != "life-of-a-disclosure.md" {
		return nil
	}
	for _, span := range code(fence.ReplaceAllString(doc.text, "")) {
		m := goName.FindStringSubmatch(span)
		if m != nil && !c.names[m[1]] && !strings.HasSuffix(span, ".go") && !strings.Contains(c.strings, span) && !c.column(m[1]) {
			problems = append(problems, span+": nothing is called "+m[1])
		}
	}
	return problems
}

// column: the walk names columns of the database too.
func (c *claims) column(name string) bool {
	for file, text := range c.files {
		if strings.HasSuffix(file, ".sql") && regexp.MustCompile(`(?m)^\s+`+regexp.QuoteMeta(name)+` `).MatchString(text) {
			return true
		}
	}
	return false
}

var (
	dependency = regexp.MustCompile("(?m)^\\| `([\\w./-]+)` \\|")
	pin        = regexp.MustCompile("(?m)^\\| `([\\w./-]+)` (v[\\w.+-]+) \\|")
)

// dependenciesAreThoseOfTheCode compares both ways, and the pins with go.mod.
func dependenciesAreThoseOfTheCode(doc source, c *claims) (problems []string) {
	if path.Base(doc.path) != "dependencies.md" {
		return nil
	}
	var told []string
	for _, m := range dependency.FindAllStringSubmatch(doc.text, -1) {
		told = append(told, m[1])
		if !slices.Contains(c.direct, m[1]) {
			problems = append(problems, m[1]+" is imported by nobody")
		}
	}
	for _, m := range c.direct {
		if !slices.Contains(told, m) {
			problems = append(problems, m+" has no line")
		}
	}
	for _, m := range pin.FindAllStringSubmatch(doc.text, -1) {
		if c.versions[m[1]] != m[2] {
			problems = append(problems, fmt.Sprintf("%s is pinned at %s, go.mod has %q", m[1], m[2], c.versions[m[1]]))
		}
	}
	return problems
}

func TestEachCheckOfTheDocumentsCanFail(t *testing.T) {
	base := repository(t)
	c := gather(base)
	c.direct = []string{"example.org/a"}
	c.versions = map[string]string{"example.org/a": "v1.0.0"}
	for _, snippet := range []struct {
		check, path, text string
		problems          int
	}{
		{"test", "README.md", "TestTheDocumentsSayWhatIsThere", 0},
		{"test", "README.md", "| a | TestNobodyEver" + "WroteThis |", 1},
		{"link", "README.md", "[a](docs_test.go) [b](https://example.org/x) [c](#title)\n# Title", 0},
		{"link", "docs/x.md", "[a](../docs_test.go) [b](nowhere.md)", 1},
		{"command", "README.md", "```\necluse serve --config FILE\ngo run ./cmd/ecluse demo\n```\n`ecluse config check`, `ecluse: hint`", 0},
		{"command", "README.md", "`ecluse fly` `ecluse config fly` `ecluse serve --fly`", 3},
		{"file", "README.md", "`internal/gate` `internal/gate/gate.go` `internal/gate/`", 0},
		{"file", "README.md", "`internal/gate/nobody.go`", 1},
		{"metric", "README.md", "ecluse_refusals_total ecluse_unicorns_total", 1},
		{"name", "docs/life-of-a-disclosure.md", "`Gate.Disclose` `registers.Reveal(ctx)` `heads.rev` `gate.go`", 0},
		{"name", "docs/life-of-a-disclosure.md", "`Gate.Unlock`", 1},
		{"dependency", "docs/dependencies.md", "| `example.org/a` | job |\n\n| `example.org/a` v1.0.0 | why |", 0},
		{"dependency", "docs/dependencies.md", "| `example.org/b` | job |\n\n| `example.org/a` v2.0.0 | why |", 3},
	} {
		i := slices.IndexFunc(checks, func(k check) bool { return k.name == snippet.check })
		text := source{path: snippet.path, text: snippet.text}
		c.files[snippet.path] = snippet.text
		if got := checks[i].find(text, c); len(got) != snippet.problems {
			t.Errorf("%s: %q: want %d problems, got %q", snippet.check, snippet.text, snippet.problems, got)
		}
	}
}
