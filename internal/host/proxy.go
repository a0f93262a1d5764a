package host

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ClientIP tells where a request comes from when it came through proxies of ours: the right-most address
// of X-Forwarded-For that is not one of theirs (RFC 7239 §5.2 says why the right-most). What stands
// further left was written by whoever sent the request. A connection that is not from a trusted proxy is
// its own address, whatever it sends. The zero Addr means unknown: a trusted proxy that did not say.
func ClientIP(trusted []netip.Prefix) func(*http.Request) netip.Addr {
	ours := func(ip netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(ip) })
	}
	return func(r *http.Request) netip.Addr {
		ip := peer(r)
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for i := len(hops) - 1; i >= 0 && ours(ip); i-- {
			ip = hop(hops[i])
		}
		if ours(ip) {
			return netip.Addr{} // nobody but proxies: the health of one, or a proxy that says nothing
		}
		return ip
	}
}

// peer is the other end of the connection.
func peer(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip, _ := netip.ParseAddr(host)
	return ip.Unmap().WithZone("")
}

// hop reads one address as a proxy writes it, with a port or without; the zero Addr if it is none.
func hop(text string) netip.Addr {
	text = strings.TrimSpace(text)
	if len(text) > 64 {
		return netip.Addr{}
	}
	if with, err := netip.ParseAddrPort(text); err == nil {
		return with.Addr().Unmap().WithZone("")
	}
	ip, _ := netip.ParseAddr(strings.Trim(text, "[]"))
	return ip.Unmap().WithZone("")
}
