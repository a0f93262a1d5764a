package host

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestForwardedAddressesAreBelievedFromTrustedProxiesOnlyAndFromTheRight(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("127.0.0.1/32")}
	for name, c := range map[string]struct {
		peer      string
		forwarded []string
		want      string // "" = unknown
	}{
		"nobody in between":                {"198.51.100.7:4711", nil, "198.51.100.7"},
		"a stranger who forges":            {"198.51.100.7:4711", []string{"203.0.113.9"}, "198.51.100.7"},
		"through a proxy":                  {"10.1.2.3:4711", []string{"198.51.100.7"}, "198.51.100.7"},
		"forged before the proxy":          {"10.1.2.3:4711", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		"forged in a line of its own":      {"10.1.2.3:4711", []string{"203.0.113.9", "198.51.100.7"}, "198.51.100.7"},
		"forged as one of ours":            {"10.1.2.3:4711", []string{"10.9.9.9, 198.51.100.7"}, "198.51.100.7"},
		"through two proxies":              {"10.1.2.3:4711", []string{"203.0.113.9, 198.51.100.7, 10.4.5.6"}, "198.51.100.7"},
		"IPv6, proxy and client":           {"[2001:db8::1]:443", []string{"2001:db9::7"}, "2001:db9::7"},
		"IPv6 with port":                   {"127.0.0.1:1", []string{"[2001:db9::7]:55"}, "2001:db9::7"},
		"IPv4 with port":                   {"127.0.0.1:1", []string{"198.51.100.7:55"}, "198.51.100.7"},
		"IPv4 as IPv6":                     {"[::ffff:10.1.2.3]:1", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		"a proxy that says nothing":        {"10.1.2.3:4711", nil, ""},
		"a proxy that says unknown":        {"10.1.2.3:4711", []string{"unknown"}, ""},
		"nonsense right of the address":    {"10.1.2.3:4711", []string{"198.51.100.7, nonsense"}, ""},
		"an empty hop":                     {"10.1.2.3:4711", []string{"198.51.100.7, "}, ""},
		"very long":                        {"10.1.2.3:4711", []string{strings.Repeat("1", 4000)}, ""},
		"a zone":                           {"10.1.2.3:4711", []string{"fe80::1%eth0"}, "fe80::1"},
		"only proxies":                     {"10.1.2.3:4711", []string{"10.4.5.6"}, ""},
		"no peer (a socket of the system)": {"@", []string{"198.51.100.7"}, ""},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		for _, line := range c.forwarded {
			r.Header.Add("X-Forwarded-For", line)
		}
		got := ClientIP(trusted)(r)
		if want, _ := netip.ParseAddr(c.want); got != want {
			t.Errorf("%s: %v, want %q", name, got, c.want)
		}
	}
	r := &http.Request{RemoteAddr: "10.1.2.3:1", Header: http.Header{"X-Forwarded-For": {"198.51.100.7"}}}
	if got := ClientIP(nil)(r); got.String() != "10.1.2.3" {
		t.Errorf("without a trusted proxy: %v", got)
	}
}
