package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ecluse/internal/demo"
)

// The tutorial is read as a newcomer does it: its commands are run, its pages are opened, and what it says
// that is there must be there.
func TestTheTutorialSaysWhatHappens(t *testing.T) {
	text, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	l := &learner{t: t, dir: t.TempDir()}
	commands, rows := 0, 0
	var block []string
	inside := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case inside && line == "```":
			l.run(strings.Join(block, "\n"))
			inside, block = false, nil
			commands++
		case inside:
			block = append(block, line)
		case line == "```sh":
			inside = true
		default:
			if m := tutorialRow.FindStringSubmatch(line); m != nil {
				l.look(m[1], m[2], m[3])
				rows++
			}
		}
	}
	if commands < 4 || rows < 10 {
		t.Errorf("%d blocks of commands and %d pages were found in the tutorial", commands, rows)
	}
	fields := l.fieldsOf("emploi")
	if !slices.Contains(fields, "driving_licence") || slices.Contains(fields, "nationality") {
		t.Errorf("the adapted purpose lets out %v", fields)
	}
}

// tutorialRow is a row of a table: role, address, text.
var tutorialRow = regexp.MustCompile("^\\| ([a-z_]+) \\| `(/[^`]*)` \\| (.+) \\|$")

// learner follows the tutorial: the demo that runs, and a folder of its own.
type learner struct {
	t     *testing.T
	dir   string
	demo  *process
	ready demo.Ready
	desks map[string]*desk // by role
}

// run runs a block of commands; a demo goes on beside the next ones.
func (l *learner) run(block string) {
	l.t.Helper()
	if arguments := strings.Fields(block); arguments[1] == "demo" {
		l.start(arguments[1:])
		return
	}
	path, err := binary()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.CommandContext(l.t.Context(), "bash", "-euo", "pipefail", "-c", block)
	cmd.Dir, cmd.Env = l.dir, append(os.Environ(), "PATH="+filepath.Dir(path)+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("%s\n%v\n%s", block, err, out)
	}
}

// start starts a demo in the place of the one before.
func (l *learner) start(arguments []string) {
	l.t.Helper()
	if l.demo != nil {
		l.demo.kill()
	}
	for i, a := range arguments {
		if i > 0 && !strings.HasPrefix(a, "-") && slices.Contains([]string{"--dir", "--ready"}, arguments[i-1]) {
			arguments[i] = filepath.Join(l.dir, a)
		}
		if strings.HasPrefix(a, "./") {
			arguments[i] = filepath.Join(l.dir, a)
		}
	}
	file := arguments[slices.Index(arguments, "--ready")+1]
	if err := os.RemoveAll(file); err != nil {
		l.t.Fatal(err)
	}
	l.demo = launch(l.t, append(arguments, "--listen", freeAddress(l.t))...)
	l.demo.await("the demo of the tutorial answers", func() bool {
		text, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(text, &l.ready) == nil
	})
	l.desks = map[string]*desk{}
}

// look opens a page as a role and wants a text on it.
func (l *learner) look(role, path, want string) {
	l.t.Helper()
	d, ok := l.desks[role]
	if !ok {
		d = newDesk(l.t, l.ready.BaseURL)
		if role != "nobody" {
			d = signIn(l.t, l.ready.BaseURL, l.login(role))
		}
		l.desks[role] = d
	}
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, d.base+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Accept-Language", "en")
	got, err := d.answer(r)
	if err != nil {
		l.t.Fatal(err)
	}
	if got.status != http.StatusOK || !strings.Contains(got.body, want) {
		l.t.Errorf("as %s at %s there is no %q: status %d at %s", role, path, want, got.status, got.path)
	}
}

func (l *learner) login(role string) string {
	l.t.Helper()
	for _, i := range l.ready.Identities {
		if string(i.Role) == role {
			return i.Login
		}
	}
	l.t.Fatalf("nobody of the demo is %s", role)
	return ""
}

// fieldsOf are the fields that the agent may see for a purpose.
func (l *learner) fieldsOf(purpose string) (fields []string) {
	l.t.Helper()
	var me struct {
		Grants []struct {
			Purposes []struct {
				ID     string
				Fields []string
			}
		}
	}
	l.desks["agent"].call(http.StatusOK, http.MethodGet, "/api/v1/me", nil, &me)
	for _, g := range me.Grants {
		for _, p := range g.Purposes {
			if p.ID == purpose {
				fields = append(fields, p.Fields...)
			}
		}
	}
	return fields
}
