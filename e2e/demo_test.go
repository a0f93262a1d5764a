//go:build e2e

package e2e

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// world is the demo that all journeys go through: the real program, built for these tests, with what
// its ready file says of it.
var world struct {
	binary, config string
	Base           string     `json:"base_url"`
	Clock          string     `json:"clock_url"`
	Identities     []identity `json:"identities"`
	Samples        []sample   `json:"samples"`
}

type identity struct {
	Register, Role, Login, Organisation, Site string
	TOTPSecret                                string `json:"totp_secret"`
}

type sample struct {
	Register, Login, Relation, Surname string
	FirstName                          string `json:"first_name"`
	BirthDate                          string `json:"birth_date"`
}

const register = "mission-locale"

// startDemo builds the program and starts a demo of it. The function stops it and removes its files.
func startDemo() (stop func(), err error) {
	dir, err := os.MkdirTemp("", "ecluse-e2e-demo-")
	if err != nil {
		return func() {}, err
	}
	ended := make(chan struct{})
	var demo *exec.Cmd
	stop = func() {
		if demo != nil && demo.Process != nil {
			_ = demo.Process.Signal(syscall.SIGTERM)
			<-ended
		}
		_ = os.RemoveAll(dir)
	}
	world.binary = filepath.Join(dir, "ecluse")
	if out, err := exec.Command("go", "build", "-o", world.binary, "ecluse/cmd/ecluse").CombinedOutput(); err != nil {
		return stop, fmt.Errorf("build it: %w: %s", err, out)
	}
	address, err := freeAddress()
	if err != nil {
		return stop, err
	}
	world.config = filepath.Join(dir, "demo", "ecluse.toml")
	ready := filepath.Join(dir, "ready.json")
	demo = exec.Command(world.binary, "demo", "--dir", filepath.Dir(world.config), "--listen", address, "--ready", ready)
	demo.Stderr = os.Stderr
	if err := demo.Start(); err != nil {
		return stop, err
	}
	go func() {
		_ = demo.Wait()
		close(ended)
	}()
	return stop, readWorld(ready, ended)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return net.JoinHostPort("localhost", port), errors.Join(err, l.Close()) // keys want a name
}

// readWorld waits for the ready file and reads it.
func readWorld(file string, ended <-chan struct{}) error {
	late := time.After(time.Minute)
	for {
		if text, err := os.ReadFile(file); err == nil {
			return json.Unmarshal(text, &world)
		}
		select {
		case <-ended:
			return errors.New("it ended")
		case <-late:
			return errors.New("it is not ready after a minute")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// who is the login of the nth person of a role.
func who(t *testing.T, role string, n int) string {
	t.Helper()
	for _, i := range world.Identities {
		if i.Register == register && i.Role == role {
			if n--; n < 0 {
				return i.Login
			}
		}
	}
	t.Fatalf("the demo has no such %s", role)
	return ""
}

// taken counts which samples are used: each journey gets persons of its own, so that nobody is known
// from the journey before.
var taken = map[string]int{}

// someone is a person of a relation to the first agent.
func someone(t *testing.T, relation string) sample {
	t.Helper()
	n := taken[relation]
	taken[relation]++
	for _, s := range world.Samples {
		if s.Register == register && s.Relation == relation {
			if n--; n < 0 {
				return s
			}
		}
	}
	t.Fatalf("no more samples of relation %s", relation)
	return sample{}
}

// advance moves the demo's clock.
func advance(t *testing.T, by time.Duration) {
	t.Helper()
	answer, err := http.Post(world.Clock, "application/json", strings.NewReader(fmt.Sprintf(`{"advance": %q}`, by)))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the clock answers %d", answer.StatusCode)
	}
}

// request asks for an account from the command line, as an access officer does beside the server.
func request(t *testing.T, officer string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "accounts.csv")
	organisation, site := "", ""
	for _, i := range world.Identities {
		if i.Login == who(t, "agent", 0) {
			organisation, site = i.Organisation, i.Site
		}
	}
	text := fmt.Sprintf("email,given_name,usual_name,organisation,site,roles\n%s,Nina,Aubert,%s,%s,account_manager\n", strings.ToLower(rand.Text())+"@demo.ecluse.test", organisation, site)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(world.binary, "directory", "import", "--config", world.config, "--account", officer, file).CombinedOutput()
	if err != nil {
		t.Fatalf("ask for an account: %v: %s", err, out)
	}
}

// budgets runs "ecluse budgets" on the demo's register.
func budgets(t *testing.T, what string, flags ...string) {
	t.Helper()
	out, err := exec.Command(world.binary, append([]string{"budgets", what, "--config", world.config, "--register", register}, flags...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("budgets %s: %v: %s", what, err, out)
	}
}
