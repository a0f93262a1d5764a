package host

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// from connects out of an address of the loopback network 127.0.0.0/8, of which each /24 stands for a
// stranger's network.
func from(t *testing.T, s *Server, ip string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: 5 * time.Second}
	conn, err := dialer.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

const whole = "GET /persons/x HTTP/1.1\r\nHost: ecluse.example\r\nConnection: close\r\n\r\n"

// answered is the first line that a connection gets for a request, "" if it is closed without one.
func answered(t *testing.T, conn net.Conn, request string) string {
	t.Helper()
	_, _ = io.WriteString(conn, request)
	text, err := io.ReadAll(conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Error("the connection is held though it was answered")
	}
	line, _, _ := strings.Cut(string(text), "\r\n")
	return line
}

// reading is a door that reads the body and says when it has begun to.
func reading(entered chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 0 {
			entered <- struct{}{}
		}
		_, _ = io.Copy(io.Discard, r.Body)
		fine(w, r)
	}
}

func TestANetworkThatSendsSlowlyHoldsItsShareAndNoMore(t *testing.T) {
	const share = 4
	entered := make(chan struct{}, 64)
	s, _ := start(t, doors(reading(entered)), func(o *Options) {
		o.Limits.Connections, o.Limits.PerNetwork, o.Limits.Stop = 12, share, time.Second
	})
	slow := fmt.Sprintf("POST /persons/x HTTP/1.1\r\nHost: ecluse.example\r\nContent-Length: 1000\r\n\r\n%s", strings.Repeat("a", 10))
	for i := range share {
		conn := from(t, s, fmt.Sprintf("127.0.7.%d", i+1))
		_, _ = io.WriteString(conn, slow)
		<-entered
	}
	for i := range 3 * share {
		if line := answered(t, from(t, s, fmt.Sprintf("127.0.7.%d", i+1)), slow); line != "" {
			t.Fatalf("one more of the network is let in: %q", line)
		}
	}
	for i := range 3 * share { // elsewhere nobody notices
		if line := answered(t, from(t, s, fmt.Sprintf("127.0.%d.1", 10+i)), whole); !strings.Contains(line, " 200 ") {
			t.Fatalf("another network is refused: %q", line)
		}
	}
	s.crowd.share.mu.Lock()
	defer s.crowd.share.mu.Unlock()
	if n := s.crowd.share.count[netip.MustParsePrefix("127.0.7.0/24")]; n != share {
		t.Errorf("%d connections of the slow network are held", n)
	}
}

func TestANetworksOwnIdleConnectionsMakeRoomForItsNext(t *testing.T) {
	s, _ := start(t, doors(fine), func(o *Options) { o.Limits.Connections, o.Limits.PerNetwork = 12, 2 })
	for range 6 {
		from(t, s, "127.0.7.1") // says nothing
	}
	for range 3 {
		if line := answered(t, from(t, s, "127.0.7.2"), whole); !strings.Contains(line, " 200 ") {
			t.Fatalf("refused: %q", line)
		}
	}
}

// Behind a proxy all connections are the proxy's: whoever asks through it is bounded by what it says.
func TestBehindAProxyANetworkHasItsShareOfRequests(t *testing.T) {
	const share = 3
	entered := make(chan struct{}, 64)
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/24")}
	s, _ := start(t, doors(reading(entered)), func(o *Options) {
		o.Limits.Connections, o.Limits.PerNetwork, o.Limits.Stop, o.Limits.Read = 32, share, time.Second, time.Hour
		o.ClientIP, o.Carriers = ClientIP(proxies), proxies
	})
	ask := func(ip, request string) string {
		return strings.Replace(request, "\r\n\r\n", "\r\nX-Forwarded-For: 203.0.113.1, "+ip+"\r\n\r\n", 1)
	}
	slow := "POST /persons/x HTTP/1.1\r\nHost: ecluse.example\r\nContent-Length: 1000\r\n\r\na"
	for i := range share {
		_, _ = io.WriteString(from(t, s, "127.0.0.1"), ask(fmt.Sprintf("198.51.100.%d", i+1), slow))
		<-entered
	}
	for name, c := range map[string]struct{ request, want string }{
		"the slow network":          {ask("198.51.100.99", whole), " 503 "},
		"its slow body":             {ask("198.51.100.98", slow), " 503 "},
		"another network":           {ask("198.51.101.1", whole), " 200 "},
		"IPv6":                      {ask("2001:db8::1", whole), " 200 "},
		"a proxy that says nothing": {ask("unknown", whole), " 200 "},
	} {
		if line := answered(t, from(t, s, "127.0.0.1"), c.request); !strings.Contains(line, c.want) {
			t.Errorf("%s: %q", name, line)
		}
	}
	// A stranger who writes the header himself is counted as who he is.
	for range share {
		_, _ = io.WriteString(from(t, s, "127.0.9.1"), ask("192.0.2.1", slow))
		<-entered
	}
	if line := answered(t, from(t, s, "127.0.9.2"), ask("192.0.2.77", whole)); line != "" {
		t.Errorf("a forged header is believed: %q", line)
	}
}

func TestANetworkIsASlash24OrASlash64(t *testing.T) {
	for ip, want := range map[string]string{
		"198.51.100.7": "198.51.100.0/24", "::ffff:198.51.100.9": "198.51.100.0/24", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "::1": "::/64",
	} {
		if got := network(netip.MustParseAddr(ip).Unmap()); got.String() != want {
			t.Errorf("%s: %s, want %s", ip, got, want)
		}
	}
	if network(netip.Addr{}).IsValid() {
		t.Error("nobody has a network")
	}
}

func TestATallyKeepsNoRowOfWhoHasLeft(t *testing.T) {
	n := newTally(2)
	p := netip.MustParsePrefix("198.51.100.0/24")
	for i, want := range []bool{true, true, false} {
		if n.enter(p) != want {
			t.Errorf("the %d. is let in: %v", i+1, !want)
		}
	}
	n.leave(p)
	n.leave(p)
	if len(n.count) != 0 {
		t.Errorf("%v is left", n.count)
	}
	if !n.enter(netip.Prefix{}) || len(n.count) != 0 {
		t.Error("nobody is counted")
	}
}
