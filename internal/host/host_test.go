package host

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal collects log lines of several goroutines.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// start serves doors on loopback until the test ends and returns the server and its log.
func start(t *testing.T, doors http.Handler, change func(*Options)) (*Server, *journal) {
	t.Helper()
	log := &journal{}
	o := Options{
		Address: "127.0.0.1:0", Metrics: "127.0.0.1:0", Public: &url.URL{Scheme: "https", Host: "ecluse.example"}, Local: true,
		Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now, Limits: DefaultLimits(),
	}
	if change != nil {
		change(&o)
	}
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, doors) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("stop: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s, log
}

// say writes raw bytes to the server and returns the whole answer.
func say(t *testing.T, s *Server, raw string) string {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

func fine(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }

// doors has one route with a handle in its path.
func doors(show http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/persons/{handle}", show)
	mux.HandleFunc("GET /healthz", fine)
	return mux
}

func TestOnlyRequestsForThisInstallationReachTheDoors(t *testing.T) {
	s, _ := start(t, doors(fine), nil)
	_, port, _ := net.SplitHostPort(s.Addr().String())
	tests := []struct {
		name, request string
		want          string
	}{
		{"public name", "GET /persons/x HTTP/1.1\r\nHost: ecluse.example\r\n", "200"},
		{"public name in capitals", "GET /persons/x HTTP/1.1\r\nHost: ECLUSE.example\r\n", "200"},
		{"public name with its port", "GET /persons/x HTTP/1.1\r\nHost: ecluse.example:443\r\n", "200"},
		{"public name with another port", "GET /persons/x HTTP/1.1\r\nHost: ecluse.example:444\r\n", "421"},
		{"localhost", "GET /persons/x HTTP/1.1\r\nHost: localhost:" + port + "\r\n", "200"},
		{"loopback v6", "GET /persons/x HTTP/1.1\r\nHost: [::1]:" + port + "\r\n", "200"},
		{"localhost with a port of somebody else", "GET /persons/x HTTP/1.1\r\nHost: localhost:1\r\n", "421"},
		{"other name", "GET /persons/x HTTP/1.1\r\nHost: evil.example\r\n", "421"},
		{"name that starts alike", "GET /persons/x HTTP/1.1\r\nHost: ecluse.example.evil\r\n", "421"},
		{"no name", "GET /persons/x HTTP/1.1\r\nHost:\r\n", "421"},
		{"two names", "GET /persons/x HTTP/1.1\r\nHost: ecluse.example\r\nHost: evil.example\r\n", "400"},
		{"health under any name", "GET /healthz HTTP/1.1\r\nHost: 10.1.2.3\r\n", "200"},
		{"absolute form", "GET http://ecluse.example/persons/x HTTP/1.1\r\nHost: ecluse.example\r\n", "400"},
		{"absolute form to elsewhere", "GET http://evil.example/ HTTP/1.1\r\nHost: ecluse.example\r\n", "400"},
		{"tunnel", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n", "400"},
		{"star", "OPTIONS * HTTP/1.1\r\nHost: ecluse.example\r\n", "400"},
		{"hidden slash", "GET /persons/a%2fb HTTP/1.1\r\nHost: ecluse.example\r\n", "400"},
		{"hidden backslash", "GET /persons/a%5Cb HTTP/1.1\r\nHost: ecluse.example\r\n", "400"},
		{"hidden dots", "GET /persons/%2e%2e/healthz HTTP/1.1\r\nHost: ecluse.example\r\n", "400"},
		{"dots", "GET /persons/../healthz HTTP/1.1\r\nHost: ecluse.example\r\n", "400"},
		{"two slashes", "GET //persons/x HTTP/1.1\r\nHost: ecluse.example\r\n", "400"},
		{"NUL", "GET /persons/%00 HTTP/1.1\r\nHost: ecluse.example\r\n", "400"},
		{"new line", "GET /persons/%0a HTTP/1.1\r\nHost: ecluse.example\r\n", "400"},
		{"not UTF-8", "GET /persons/%ff HTTP/1.1\r\nHost: ecluse.example\r\n", "400"},
		{"encoded twice", "GET /persons/%252e HTTP/1.1\r\nHost: ecluse.example\r\n", "400"},
		{"long path", "GET /persons/" + strings.Repeat("a", 5000) + " HTTP/1.1\r\nHost: ecluse.example\r\n", "414"},
		{"large header", "GET /persons/x HTTP/1.1\r\nHost: ecluse.example\r\nX: " + strings.Repeat("a", 30_000) + "\r\n", "431"},
		{"forwarded name", "GET /persons/x HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: ecluse.example\r\n", "421"},
		{"two lengths", "POST /persons/x HTTP/1.1\r\nHost: ecluse.example\r\nContent-Length: 1\r\nContent-Length: 2\r\n", "400"},
		{"unknown method", "BREW /persons/x HTTP/1.1\r\nHost: ecluse.example\r\n", "200"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := say(t, s, test.request+"Connection: close\r\n\r\n")
			if !strings.HasPrefix(answer, "HTTP/1.1 "+test.want) {
				t.Errorf("want %s, got %.80q", test.want, answer)
			}
		})
	}
}

func TestWithoutLocalNamesOnlyThePublicNameCounts(t *testing.T) {
	s, _ := start(t, doors(fine), func(o *Options) { o.Local = false })
	if answer := say(t, s, "GET /persons/x HTTP/1.1\r\nHost: "+s.Addr().String()+"\r\nConnection: close\r\n\r\n"); !strings.Contains(answer, " 421 ") {
		t.Errorf("%.60q", answer)
	}
}

func TestTheLogHoldsTheRouteAndNothingThatWasSent(t *testing.T) {
	const marker = "MARKERMARTIN"
	s, log := start(t, doors(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			panic("value " + marker)
		}
		fine(w, r)
	}), nil)
	for _, line := range []string{"GET /persons/" + marker + "?q=" + marker, "POST /persons/" + marker, marker + " /persons/x", "GET /" + marker} {
		say(t, s, line+" HTTP/1.1\r\nHost: ecluse.example\r\nCookie: a="+marker+"\r\nReferer: "+marker+"\r\nUser-Agent: "+marker+"\r\nConnection: close\r\n\r\n")
	}
	say(t, s, "GET / HTTP/1.1\r\nHost: "+marker+"\r\nBad Header"+marker+"\r\n\r\n")
	metrics := get(t, "http://"+s.MetricsAddr().String()+"/metrics")
	for name, text := range map[string]string{"log": log.String(), "metrics": metrics} {
		if strings.Contains(text, marker) {
			t.Errorf("the %s holds what was sent:\n%s", name, text)
		}
		if !strings.Contains(text, "/persons/{handle}") {
			t.Errorf("the %s has no route pattern:\n%s", name, text)
		}
	}
}

func get(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestAPanicBecomesAReferenceThatTheLogKnows(t *testing.T) {
	s, log := start(t, doors(func(http.ResponseWriter, *http.Request) {
		var none []int
		_ = none[len(none)]
	}), nil)
	answer := say(t, s, "GET /persons/x HTTP/1.1\r\nHost: ecluse.example\r\nConnection: close\r\n\r\n")
	_, after, found := strings.Cut(answer, "(reference ")
	if !strings.HasPrefix(answer, "HTTP/1.1 500") || !found || strings.Contains(answer, "index") {
		t.Fatalf("%q", answer)
	}
	reference := after[:8]
	if text := log.String(); strings.Count(text, "reference="+reference) != 1 || !strings.Contains(text, "index out of range") {
		t.Errorf("reference %s is not in the log once:\n%s", reference, text)
	}
}

func TestAPanicInTheMiddleCutsTheAnswer(t *testing.T) {
	s, _ := start(t, doors(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic("x")
	}), nil)
	response, err := http.Get("http://" + s.Addr().String() + "/persons/x")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the client takes %q for a whole answer (%v)", body, err)
	}
}

func TestABodyBeyondTheLimitStopsBeingRead(t *testing.T) {
	s, _ := start(t, doors(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}), func(o *Options) { o.Limits.BodyBytes = 100 })
	for size, want := range map[int]int{100: 200, 101: 413} {
		response, err := http.Post("http://"+s.Addr().String()+"/persons/x", "text/plain", strings.NewReader(strings.Repeat("a", size)))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%d bytes: %d, want %d", size, response.StatusCode, want)
		}
	}
}

func TestASlowSenderIsCutAfterTheHeaderLimit(t *testing.T) {
	s, _ := start(t, doors(fine), func(o *Options) { o.Limits.Header, o.Limits.Read = 100*time.Millisecond, 200*time.Millisecond })
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	_ = conn.SetDeadline(began.Add(5 * time.Second))
	go func() {
		for i := range 100 { // one header byte every 20 ms would take for ever
			if _, err := fmt.Fprintf(conn, "%c", "GET /persons/x HTTP/1.1\r\nHost: ecluse.example\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"[i]); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	_, _ = io.Copy(io.Discard, conn)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("held for %v", took)
	}
}

func TestConnectionsThatSayNothingMakeRoomForThoseThatAsk(t *testing.T) {
	s, _ := start(t, doors(fine), func(o *Options) { o.Limits.Connections = 8 })
	var silent []net.Conn
	for range 30 {
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	for range 5 {
		if answer := say(t, s, "GET /persons/x HTTP/1.1\r\nHost: ecluse.example\r\nConnection: close\r\n\r\n"); !strings.Contains(answer, " 200 ") {
			t.Fatalf("refused: %q", answer)
		}
	}
	_ = silent[0].SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := silent[0].Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the oldest silent connection is still held: %v", err)
	}
	s.crowd.mu.Lock()
	defer s.crowd.mu.Unlock()
	if s.crowd.count > 8 {
		t.Errorf("%d connections are held", s.crowd.count)
	}
}

func TestABusyConnectionIsNeverDisplaced(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan struct{}, 4)
	s, _ := start(t, doors(func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-release
		fine(w, nil)
	}), func(o *Options) { o.Limits.Connections = 2 })
	answers := make(chan string, 2)
	for range 2 {
		go func() {
			answers <- say(t, s, "GET /persons/x HTTP/1.1\r\nHost: ecluse.example\r\nConnection: close\r\n\r\n")
		}()
		<-entered
	}
	if late := say(t, s, "GET /persons/x HTTP/1.1\r\nHost: ecluse.example\r\nConnection: close\r\n\r\n"); late != "" {
		t.Errorf("a third was let in: %q", late)
	}
	close(release)
	for range 2 {
		if answer := <-answers; !strings.Contains(answer, "fine") {
			t.Errorf("a busy one was cut: %q", answer)
		}
	}
}

func TestStoppingLetsRunningRequestsEndAndCutsThemAtTheLimit(t *testing.T) {
	for name, test := range map[string]struct {
		work, limit time.Duration
		whole       bool
	}{"in time": {100 * time.Millisecond, 3 * time.Second, true}, "too long": {3 * time.Second, 100 * time.Millisecond, false}} {
		t.Run(name, func(t *testing.T) {
			limits := DefaultLimits()
			limits.Stop = test.limit
			s, err := Listen(Options{Address: "127.0.0.1:0", Local: true, Now: time.Now, Limits: limits})
			if err != nil {
				t.Fatal(err)
			}
			entered := make(chan struct{})
			ctx, stop := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() {
				done <- s.Serve(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					close(entered)
					select {
					case <-time.After(test.work):
					case <-r.Context().Done():
					}
					fine(w, r)
				}))
			}()
			answer := make(chan string, 1)
			go func() {
				answer <- say(t, s, "GET / HTTP/1.1\r\nHost: "+s.Addr().String()+"\r\n\r\n")
			}()
			<-entered
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if got := strings.Contains(<-answer, "fine"); got != test.whole {
				t.Errorf("answered: %v", got)
			}
			if conn, err := net.Dial("tcp", s.Addr().String()); err == nil {
				conn.Close()
				t.Error("still listening")
			}
		})
	}
}

func TestMetricsAreOnALoopbackListenerOfTheirOwn(t *testing.T) {
	if _, err := Listen(Options{Address: "127.0.0.1:0", Metrics: "0.0.0.0:0", Now: time.Now}); !errors.Is(err, ErrNotLoopback) {
		t.Errorf("open to strangers: %v", err)
	}
	counts := NewCounts()
	s, _ := start(t, doors(fine), func(o *Options) { o.Counts = counts })
	counts.Batch(64, 7*time.Millisecond, nil)
	counts.Batch(1, time.Second, errors.New("lost"))
	counts.Refusal("budget.account.new")
	counts.DatabaseError("commit")
	counts.Queue(func() int { return 12 })
	counts.Sessions(func() int { return 3 })
	get(t, "http://"+s.Addr().String()+"/persons/x")
	if answer := say(t, s, "GET /metrics HTTP/1.1\r\nHost: ecluse.example\r\nConnection: close\r\n\r\n"); !strings.Contains(answer, " 404 ") {
		t.Errorf("the doors show metrics: %.40q", answer)
	}
	text := get(t, "http://"+s.MetricsAddr().String()+"/metrics")
	for _, want := range []string{
		`ecluse_http_requests_total{class="2xx",method="GET",route="/persons/{handle}"} 1`, `ecluse_append_batch_entries_sum 64`,
		`ecluse_append_failures_total 1`, `ecluse_refusals_total{reason="budget.account.new"} 1`, `ecluse_database_errors_total{operation="commit"} 1`,
		`ecluse_append_queue 12`, `ecluse_sessions 3`, `ecluse_append_seconds_count 1`, `go_goroutines`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestARequestKeepsItsNumberOnTheWayDown(t *testing.T) {
	seen := make(chan string, 2)
	s, _ := start(t, doors(func(_ http.ResponseWriter, r *http.Request) {
		seen <- RequestID(r.Context())
		seen <- RequestID(r.Context())
	}), nil)
	answer := say(t, s, "GET /persons/x HTTP/1.1\r\nHost: ecluse.example\r\nConnection: close\r\n\r\n")
	header, _ := bufio.NewReader(strings.NewReader(answer)).ReadString(0)
	if a, b := <-seen, <-seen; a != b || len(a) != 8 || !strings.Contains(header, "X-Request-Id: "+a) {
		t.Errorf("%s, %s in %q", a, b, header)
	}
}
