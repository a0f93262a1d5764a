//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// world is a demo that one journey at a time goes through: the real program, built for these tests,
// with what its ready file says of it. Its clock, budgets and approvals are its own.
type world struct {
	config     string
	Base       string     `json:"base_url"`
	Clock      string     `json:"clock_url"`
	Identities []identity `json:"identities"`
	Lapsing    []identity `json:"lapsing"`
	Samples    []sample   `json:"samples"`
	// taken counts which samples are used: each journey gets persons of its own, so that nobody is known
	// from the journey before.
	taken map[string]int
	// served are the steps whose code has served, by the seed of the application.
	served map[string]int64
}

// worlds are those that no journey goes through now: as many journeys run at once as there are worlds.
var worlds = make(chan *world, 3)

// binary is the program.
var binary string

type identity struct {
	Register, Role, Login, Organisation, Site string
	TOTPSecret                                string `json:"totp_secret"`
	Training                                  string
}

type sample struct {
	Register, Login, Relation, Surname string
	FirstName                          string `json:"first_name"`
	BirthDate                          string `json:"birth_date"`
}

const register = "mission-locale"

// body is the public body whose officers the demo's register names.
const body = "spe"

// startWorlds builds the program and starts its demos. The function stops them and removes their files.
func startWorlds() (stop func(), err error) {
	dir, err := os.MkdirTemp("", "ecluse-e2e-demo-")
	if err != nil {
		return func() {}, err
	}
	var stops []func()
	stop = func() {
		for _, end := range stops {
			end()
		}
		_ = os.RemoveAll(dir)
	}
	binary = filepath.Join(dir, "ecluse")
	if out, err := exec.Command("go", "build", "-o", binary, "ecluse/cmd/ecluse").CombinedOutput(); err != nil {
		return stop, fmt.Errorf("build it: %w: %s", err, out)
	}
	var start []func() error
	for i := range cap(worlds) {
		end, ready, err := startDemo(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			return stop, err
		}
		stops, start = append(stops, end), append(start, ready)
	}
	for _, ready := range start {
		if err := ready(); err != nil {
			return stop, err
		}
	}
	return stop, nil
}

// startDemo starts one demo with its files in a folder. The second function waits until it is ready.
func startDemo(dir string) (stop func(), ready func() error, err error) {
	address, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, nil, err
	}
	w := &world{config: filepath.Join(dir, "demo", "ecluse.toml"), taken: map[string]int{}, served: map[string]int64{}}
	file := filepath.Join(dir, "ready.json")
	demo := exec.Command(binary, "demo", "--preset", register+",integration", "--dir", filepath.Dir(w.config), "--listen", address, "--ready", file)
	var says bytes.Buffer
	demo.Stderr = &says
	if err := demo.Start(); err != nil {
		return nil, nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = demo.Wait()
		close(ended)
	}()
	stop = func() {
		_ = demo.Process.Signal(syscall.SIGTERM)
		<-ended
	}
	ready = func() error {
		if err := w.read(file, ended); err != nil {
			stop()
			return fmt.Errorf("%w: %s", err, says.String())
		}
		worlds <- w
		return nil
	}
	return stop, ready, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return net.JoinHostPort("localhost", port), errors.Join(err, l.Close()) // keys want a name
}

// read waits for the ready file and reads it.
func (w *world) read(file string, ended <-chan struct{}) error {
	late := time.After(time.Minute)
	for {
		if text, err := os.ReadFile(file); err == nil {
			return json.Unmarshal(text, w)
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
func (p *tab) who(role string, n int) string {
	p.t.Helper()
	for _, i := range p.world.Identities {
		if i.Register == register && i.Role == role {
			if n--; n < 0 {
				return i.Login
			}
		}
	}
	p.t.Fatalf("the demo has no such %s", role)
	return ""
}

// someone is a person of a relation to the first agent.
func (p *tab) someone(relation string) sample {
	p.t.Helper()
	n := p.world.taken[relation]
	p.world.taken[relation]++
	for _, s := range p.world.Samples {
		if s.Register == register && s.Relation == relation {
			if n--; n < 0 {
				return s
			}
		}
	}
	p.t.Fatalf("no more samples of relation %s", relation)
	return sample{}
}

// advance moves the demo's clock.
func (p *tab) advance(by time.Duration) {
	p.t.Helper()
	answer, err := http.Post(p.world.Clock, "application/json", strings.NewReader(fmt.Sprintf(`{"advance": %q}`, by)))
	if err != nil {
		p.t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		p.t.Fatalf("the clock answers %d", answer.StatusCode)
	}
}

// command runs the program beside the server, and answers what it prints.
func (p *tab) command(args ...string) string {
	p.t.Helper()
	out, err := exec.Command(binary, append(args, "--config", p.world.config)...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("ecluse %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// request asks for an account from the command line. Nobody has asked for it until an officer takes it up.
func (p *tab) request() {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "accounts.csv")
	organisation, site := "", ""
	for _, i := range p.world.Identities {
		if i.Login == p.who("agent", 0) {
			organisation, site = i.Organisation, i.Site
		}
	}
	text := fmt.Sprintf("email,given_name,usual_name,organisation,site,roles\n%s,Nina,Aubert,%s,%s,account_manager\n", newcomer(), organisation, site)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.command("directory", "import", "--body", body, file)
}
