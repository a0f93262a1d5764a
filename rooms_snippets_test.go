package ecluse_test

import (
	"slices"
	"strings"
	"testing"
)

// snippets are files that break one rule each, and files next to them that do not.
var snippets = []struct {
	rule, path, text string
	breaks           bool
}{
	{"sql", "internal/gate/a.go", "package gate\nimport \"database/sql\"\nvar _ sql.DB", true},
	{"sql", "internal/gate/a.go", "package gate\nimport _ \"github.com/jackc/pgx/v5/stdlib\"", true},
	{"sql", "internal/gate/a.go", "package gate\nconst q = `\n  select a, b\n  from t`", true},
	{"sql", "internal/gate/a.go", "package gate\nconst q = \"DELETE FROM t WHERE a = $1\"", true},
	{"sql", "internal/gate/a.go", "package gate\nconst q = \"select one of them\"", false},
	{"status", "internal/gate/a.go", "package gate\nimport \"net/http\"\nconst s = http.StatusForbidden", true},
	{"status", "internal/gate/a.go", "package gate\nfunc f(w interface{ WriteHeader(int) }) { w.WriteHeader(403) }", true},
	{"status", "internal/gate/a.go", "package gate\nimport \"net/http\"\nvar _ http.Handler", false},
	{"french", "internal/gate/a.go", "package gate\nconst s = \"accès refusé\"", true},
	{"french", "internal/gate/a.go", "package gate\nconst s = \"Écluse refuses\" // refusé", false},
	{"clock", "internal/gate/a.go", "package gate\nimport \"time\"\nvar now = time.Now", true},
	{"clock", "internal/gate/a.go", "package gate\nimport \"time\"\nvar d = time.Since(time.Time{})", true},
	{"clock", "internal/gate/a.go", "package gate\nimport \"time\"\nvar d = time.Unix(0, 0)", false},
	{"pure", "internal/policy/a.go", "package policy\nimport _ \"os\"", true},
	{"pure", "internal/policy/a.go", "package policy\nimport _ \"net/http\"", true},
	{"pure", "internal/budget/a.go", "package budget\nimport _ \"math/rand/v2\"", true},
	{"pure", "internal/budget/a.go", "package budget\nimport _ \"database/sql\"", true},
	{"pure", "internal/budget/a.go", "package budget\nimport _ \"slices\"", false},
	{"stair", "internal/ledger/a.go", "package ledger\nimport _ \"ecluse/internal/gate\"", true},
	{"stair", "internal/budget/a.go", "package budget\nimport _ \"ecluse/internal/policy\"", true},
	{"stair", "internal/attic/a.go", "package attic", true},
	{"stair", "internal/gate/a.go", "package gate\nimport _ \"ecluse/internal/ledger\"\nimport _ \"ecluse\"", false},
	{"store", "internal/api/a.go", "package api\nimport _ \"ecluse/internal/store\"", true},
	{"store", "internal/web/a.go", "package web\nimport _ \"ecluse/internal/store\"", true},
	{"store", "internal/node/a.go", "package node\nimport _ \"ecluse/internal/store\"", false},
	{"name", "internal/x/a.go", "package util", true},
	{"name", "internal/x/a.go", "package helpers_test", true},
	{"name", "internal/x/a.go", "package ledger", false},
	{"size", "internal/x/a.go", "package x\n" + strings.Repeat("//\n", 600), true},
	{"size", "internal/x/a.go", "package x\nfunc f() {\n" + strings.Repeat("\n", 100) + "}", true},
	{"size", "internal/x/a.go", "package x\nfunc f() {\n" + strings.Repeat("\n", 98) + "}", false},
	{"place", "docs/a.md", "see /wo" + "rk/main", true},
	{"place", "docs/a.md", "GOPROXY=https://proxy.golang" + ".org", true},
	{"place", "e2e/package-lock.json", `"resolved": "https://registry.npmjs` + `.org/axe"`, true},
	{"place", "docs/a.md", "the work of /rootless and ./work/x", false},
}

func TestEachRuleCanFail(t *testing.T) {
	broken := map[string]bool{}
	for _, snippet := range snippets {
		s, err := parse(snippet.path, snippet.text)
		if err != nil {
			t.Fatalf("%q: %v", snippet.text, err)
		}
		i := slices.IndexFunc(rules, func(r rule) bool { return r.name == snippet.rule })
		if i < 0 {
			t.Fatalf("no rule %q", snippet.rule)
		}
		if found := rules[i].check(s); (len(found) > 0) != snippet.breaks {
			t.Errorf("%s says %v of %q in %s", snippet.rule, found, snippet.text, snippet.path)
		}
		broken[snippet.rule] = broken[snippet.rule] || snippet.breaks
	}
	for _, r := range rules {
		if !broken[r.name] {
			t.Errorf("nothing proves that rule %q can fail", r.name)
		}
	}
}

func TestRevealHasExactlyOneCallerAndItIsTheGate(t *testing.T) {
	call := func(path string) source {
		s, err := parse(path, "package x\nfunc f() { r.Reveal() }")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	silent, err := parse("internal/gate/a.go", "package gate")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		files []source
		fine  bool
	}{
		"the gate":               {[]source{call("internal/gate/gate.go")}, true},
		"and a test of it":       {[]source{call("internal/gate/gate.go"), call("internal/web/a_test.go")}, true},
		"the gate twice":         {[]source{call("internal/gate/gate.go"), call("internal/gate/b.go")}, false},
		"a door":                 {[]source{call("internal/web/a.go")}, false},
		"nobody, though a gate":  {[]source{silent}, false},
		"nobody, and no gate":    {nil, true},
		"somebody instead of it": {[]source{silent, call("internal/api/a.go")}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if found := revealOnce(test.files); (len(found) == 0) != test.fine {
				t.Errorf("%v", found)
			}
		})
	}
}
