// Package bench measures the program on this machine, against yardsticks of the same run: how many
// decided and durable disclosures a second pass over HTTP, beside raw inserts of the same rows, and
// how long answers take for persons who must not be told apart. It works on a demo of its own and
// changes no installation.
package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/demo"
)

// Setting is what both benches share.
type Setting struct {
	Database string // "" = SQLite in a temporary folder
	Dir      string // demo that is kept, and measured as it is if it is there; "" = a temporary one
	Persons  int    // of the register, 0 = demo scale
	Agents   int    // that sign in
	Now      func() time.Time
	Step     func(what string, done float64)
}

// stage is a demo that serves, and its signed-in agents.
type stage struct {
	demo    *demo.Demo
	address string
	agents  []agent
	stop    func() error
}

// agent is a signed-in agent with handles of its own persons.
type agent struct {
	login   string
	cookie  string
	handles []string
}

const (
	register = "mission-locale"
	purpose  = "emploi"
)

// start makes and serves a demo. Its agents have yet to sign in.
func start(ctx context.Context, s Setting) (_ *stage, err error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	st := &stage{address: address}
	st.demo, err = demo.Open(ctx, demo.Options{
		Presets: []string{register}, Persons: s.Persons, Seed: 1, Listen: address, Database: s.Database, Dir: s.Dir, Now: s.Now,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), Step: s.Step,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	served, ready := make(chan error, 1), make(chan struct{})
	go func() {
		served <- st.demo.Serve(ctx, func(string) error { close(ready); return nil })
	}()
	st.stop = func() error {
		cancel()
		err := <-served
		st.demo.Close()
		return err
	}
	select {
	case <-ready:
	case err := <-served:
		cancel()
		st.demo.Close()
		return nil, err
	}
	return st, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// signIn signs the agents in through the demo's provider. Sessions lock when nobody uses them: do it last.
func (st *stage) signIn(s Setting, handles bool) error {
	for a := range st.demo.Populations[0].Accounts() {
		if len(st.agents) == s.Agents {
			break
		}
		if a.Role != ecluse.RoleAgent || a.Caseload == 0 {
			continue
		}
		s.Step("signing in", float64(len(st.agents))/float64(s.Agents))
		ag, err := st.enter(a.Login, handles)
		if err != nil {
			return fmt.Errorf("sign in as agent %d: %w", len(st.agents), err)
		}
		st.agents = append(st.agents, ag)
	}
	return nil
}

// enter signs one agent in and, if asked, collects handles of her caseload.
func (st *stage) enter(login string, handles bool) (agent, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return agent{}, err
	}
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	base := "http://" + st.address
	r, err := client.Get(base + "/sign-in/" + demo.ProviderID + "?login_hint=" + url.QueryEscape(login))
	if err != nil {
		return agent{}, err
	}
	_, _ = io.Copy(io.Discard, r.Body)
	if err := r.Body.Close(); err != nil {
		return agent{}, err
	}
	u, _ := url.Parse(base)
	var cookies []string
	for _, c := range jar.Cookies(u) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	ag := agent{login: login, cookie: strings.Join(cookies, "; ")}
	next := ""
	for handles {
		page, err := caseload(client, base, next)
		if err != nil {
			return ag, err
		}
		for _, p := range page.Persons {
			ag.handles = append(ag.handles, p.Handle)
		}
		if next = page.Next; next == "" {
			break
		}
	}
	return ag, nil
}

type caseloadPage struct {
	Persons []struct {
		Handle string `json:"handle"`
	} `json:"persons"`
	Next string `json:"next"`
}

func caseload(client *http.Client, base, cursor string) (caseloadPage, error) {
	var page caseloadPage
	r, err := client.Get(base + "/api/v1" + caseloadPath(cursor))
	if err != nil {
		return page, err
	}
	defer r.Body.Close()
	if r.StatusCode != 200 {
		return page, fmt.Errorf("the caseload answers %d", r.StatusCode)
	}
	return page, json.NewDecoder(r.Body).Decode(&page)
}

func caseloadPath(cursor string) string {
	return "/registers/" + register + "/caseload?purpose=" + purpose + "&cursor=" + url.QueryEscape(cursor)
}

// conn is a client that costs the machine little: one connection, requests built once.
type conn struct {
	c net.Conn
	r *bufio.Reader
}

func (st *stage) dial() (*conn, error) {
	c, err := net.Dial("tcp", st.address)
	if err != nil {
		return nil, err
	}
	return &conn{c: c, r: bufio.NewReader(c)}, nil
}

func (c *conn) close() { _ = c.c.Close() }

// do sends a whole request and reads the whole answer.
func (c *conn) do(request []byte) (status int, body []byte, err error) {
	if _, err := c.c.Write(request); err != nil {
		return 0, nil, err
	}
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, nil, err
	}
	body, err = io.ReadAll(r.Body)
	return r.StatusCode, body, errors.Join(err, r.Body.Close())
}

// post builds a request once.
func (st *stage) post(a agent, path string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, st.address, a.cookie, len(text), text)
	return b.Bytes(), nil
}

// memory is what this process holds, in bytes: live heap, and resident set where the system tells.
func memory() (heap, resident int64) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse), residentSet()
}

func residentSet() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	var size, rss int64
	if _, err2 := fmt.Sscan(string(text), &size, &rss); err != nil || err2 != nil {
		return 0
	}
	return rss * int64(os.Getpagesize())
}
