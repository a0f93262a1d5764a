package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds everything that a test waits for: the race detector on two busy cores is slow.
const patience = time.Minute

// process is the real program, apart from the test. It is stopped by its pid.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	output *output
	ended  chan struct{}
	err    error // how it ended, once ended is closed
}

// output collects what a process prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// binary builds the program as users get it, without race detector: under it the embedded database is
// a hundred times slower and no budget is ever reached. The scripts run with it.
var binary = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs("../../bin/ecluse-under-test")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build it: %w: %s", err, out)
	}
	return path, nil
})

// command is ecluse with arguments, not started.
func command(t testing.TB, arguments ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(path, arguments...)
}

// launch starts ecluse; it is killed at the end of the test if it still runs.
func launch(t testing.TB, arguments ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: command(t, arguments...), output: &output{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

// serving launches ecluse and waits until it is ready at base.
func serving(t testing.TB, base string, arguments ...string) *process {
	t.Helper()
	p := launch(t, arguments...)
	p.await("it is ready", func() bool {
		answer, err := http.Get(base + "/readyz")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return p
}

// await asks again until something holds, the process ends or patience does.
func (p *process) await(what string, holds func() bool) {
	p.t.Helper()
	late := time.After(patience)
	for !holds() {
		select {
		case <-p.ended:
			p.t.Fatalf("the process ended (%v) before %s:\n%s", p.err, what, p.output)
		case <-late:
			p.t.Fatalf("after %s nothing shows that %s:\n%s", patience, what, p.output)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// kill is kill -9.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// stop ends the process as an operator does, and wants it to end well.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("it does not stop:\n%s", p.output)
	}
	if p.err != nil {
		p.t.Errorf("it ended with %v:\n%s", p.err, p.output)
	}
}

// runs runs one command to its end and returns what it printed, results and messages apart, and its
// exit status.
func runs(t testing.TB, arguments ...string) (out, messages string, exit int) {
	t.Helper()
	c := command(t, arguments...)
	var o, e bytes.Buffer
	c.Stdout, c.Stderr = &o, &e
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(2*patience, func() { _ = c.Process.Kill() })
	defer late.Stop()
	_ = c.Wait()
	return o.String(), e.String(), c.ProcessState.ExitCode()
}

// done runs one command that has to end with status 0.
func done(t testing.TB, arguments ...string) string {
	t.Helper()
	out, messages, exit := runs(t, arguments...)
	if exit != 0 {
		t.Fatalf("ecluse %s: status %d\n%s%s", strings.Join(arguments, " "), exit, out, messages)
	}
	return out
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// desk is somebody's browser or program: it keeps cookies and follows redirects.
type desk struct {
	t    testing.TB
	base string
	http *http.Client
}

func newDesk(t testing.TB, base string) *desk {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t: t, base: base, http: &http.Client{Jar: jar, Timeout: patience}}
}

// signIn signs somebody of a demo in, without a form.
func signIn(t testing.TB, base, login string) *desk {
	t.Helper()
	d := newDesk(t, base)
	if p := d.get("/sign-in/proconnect?login_hint=" + url.QueryEscape(login)); p.status != http.StatusOK || strings.Contains(p.path, "sign-in") {
		t.Fatalf("%s is not signed in: %d at %s", login, p.status, p.path)
	}
	return d
}

// page is an answer, redirects followed.
type page struct {
	url    string
	status int
	path   string
	body   string
}

func (d *desk) get(path string) page { return d.ask(http.MethodGet, path, "", nil) }

func (d *desk) post(path string, form url.Values) page {
	return d.ask(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

func (d *desk) ask(method, path, kind string, body io.Reader) page {
	d.t.Helper()
	p, err := d.try(d.t.Context(), method, path, kind, body)
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

// try is ask for what may go wrong; what arrived of the body is in the page all the same.
func (d *desk) try(ctx context.Context, method, path, kind string, body io.Reader) (page, error) {
	r, err := http.NewRequestWithContext(ctx, method, d.base+path, body)
	if err != nil {
		return page{}, err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	return d.answer(r)
}

func (d *desk) answer(r *http.Request) (page, error) {
	answer, err := d.http.Do(r)
	if err != nil {
		return page{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return page{url: answer.Request.URL.String(), status: answer.StatusCode, path: answer.Request.URL.Path, body: string(text)}, err
}

// call asks the API and wants the status.
func (d *desk) call(status int, method, path string, question, answer any) {
	d.t.Helper()
	var body io.Reader
	if question != nil {
		text, err := json.Marshal(question)
		if err != nil {
			d.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	p := d.ask(method, path, "application/json", body)
	if p.status != status {
		d.t.Fatalf("%s %s: status %d, want %d: %.300s", method, path, p.status, status, p.body)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal([]byte(p.body), answer); err != nil {
		d.t.Fatalf("%s %s: %v in %.300s", method, path, err, p.body)
	}
}

// advance moves a demo's clock, and says where it is then, to the second.
func advance(t testing.TB, base string, by time.Duration) time.Time {
	t.Helper()
	var answer struct{ Now time.Time }
	newDesk(t, base).call(http.StatusOK, http.MethodPost, "/demo/clock", map[string]string{"advance": by.String()}, &answer)
	return answer.Now
}

// identity is a person as an agent types her.
func identity(surname, first, born string) map[string]any {
	return map[string]any{"purpose": "emploi", "query": map[string]string{"surname": surname, "first_name": first, "birth_date": born}}
}

func registerPath(format string, a ...any) string {
	return "/api/v1/registers/mission-locale/" + fmt.Sprintf(format, a...)
}
