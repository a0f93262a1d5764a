package host

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// network is the prefix under which one stranger is counted: /24 of IPv4, /64 of IPv6 (RFC 6177 gives a site
// no less). The zero Prefix is nobody's and is never bounded.
func network(ip netip.Addr) netip.Prefix {
	bits := 24
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// tally counts what each network has under way. It holds a row only for networks that have something.
// Safe for concurrent use.
type tally struct {
	limit int // 0 = none
	mu    sync.Mutex
	count map[netip.Prefix]int
}

func newTally(limit int) *tally { return &tally{limit: limit, count: map[netip.Prefix]int{}} }

// enter counts one more of a network, or reports that it has its share.
func (t *tally) enter(p netip.Prefix) bool {
	if t.limit == 0 || !p.IsValid() {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count[p] >= t.limit {
		return false
	}
	t.count[p]++
	return true
}

// leave counts one out that entered.
func (t *tally) leave(p netip.Prefix) {
	if t.limit == 0 || !p.IsValid() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count[p]--; t.count[p] <= 0 {
		delete(t.count, p)
	}
}

// networkOf is the network of a connection's other end, the zero Prefix for those that carry many people.
func (o Options) networkOf(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return o.stranger(tcp.AddrPort().Addr().Unmap().WithZone(""))
}

// stranger is the network of an address, the zero Prefix if it is a carrier's.
func (o Options) stranger(ip netip.Addr) netip.Prefix {
	for _, p := range o.Carriers {
		if p.Contains(ip) {
			return netip.Prefix{}
		}
	}
	return network(ip)
}

// asking is the network that a request comes from, as far as our proxies say.
func (o Options) asking(r *http.Request) netip.Prefix {
	if o.ClientIP == nil {
		return o.stranger(peer(r))
	}
	return o.stranger(o.ClientIP(r))
}
