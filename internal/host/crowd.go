package host

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// crowd bounds the connections that are held at once. When it is full, the connection that has been
// idle, or slow to send its first header, for longest makes room; when all are being answered, the
// newcomer is closed. So a client that opens connections and says nothing displaces only such. One network
// holds a share only, so that a stranger who sends slowly holds that and no more: beyond it, it displaces its
// own.
type crowd struct {
	limit   int
	share   *tally // connections by network
	network func(net.Addr) netip.Prefix

	mu    sync.Mutex
	turn  uint64                // counts arrivals and returns to idleness
	idle  map[*crowdConn]uint64 // since which turn it waits for a request
	count int
}

func newCrowd(limit, perNetwork int, network func(net.Addr) netip.Prefix) *crowd {
	return &crowd{limit: limit, share: newTally(perNetwork), network: network, idle: map[*crowdConn]uint64{}}
}

// listen wraps a listener so that it admits at most limit connections.
func (c *crowd) listen(l net.Listener) net.Listener { return &crowdListener{l, c} }

type crowdListener struct {
	net.Listener
	crowd *crowd
}

func (l *crowdListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if admitted := l.crowd.admit(conn); admitted != nil {
			return admitted, nil
		}
		_ = conn.Close()
	}
}

// admit makes room for conn, or returns nil.
func (c *crowd) admit(conn net.Conn) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	network := c.network(conn.RemoteAddr())
	if !c.share.enter(network) && !(c.displace(network) && c.share.enter(network)) {
		return nil
	}
	if c.count >= c.limit && !c.displace(netip.Prefix{}) {
		c.share.leave(network)
		return nil
	}
	member := &crowdConn{Conn: conn, network: network}
	c.count++
	c.turn++
	c.idle[member] = c.turn
	return member
}

// displace closes the connection that waits for longest: of a network, or of whoever for the zero Prefix. It
// reports whether there was one. c.mu is held.
func (c *crowd) displace(of netip.Prefix) bool {
	var found *crowdConn
	var since uint64
	for conn, turn := range c.idle {
		if (found == nil || turn < since) && (!of.IsValid() || conn.network == of) {
			found, since = conn, turn
		}
	}
	if found == nil {
		return false
	}
	c.leave(found)
	_ = found.Close()
	return true
}

// state follows net/http: a connection that is being answered is not idle.
func (c *crowd) state(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	member, ok := conn.(*crowdConn)
	if !ok || member.gone {
		return
	}
	switch state {
	case http.StateActive:
		delete(c.idle, member)
	case http.StateIdle:
		c.turn++
		c.idle[member] = c.turn
	case http.StateClosed, http.StateHijacked:
		c.leave(member)
	}
}

// leave counts a connection out, once. c.mu is held.
func (c *crowd) leave(member *crowdConn) {
	delete(c.idle, member)
	member.gone = true
	c.count--
	c.share.leave(member.network)
}

// crowdConn is a connection that has been counted in.
type crowdConn struct {
	net.Conn
	network netip.Prefix
	gone    bool // counted out; guarded by crowd.mu
}
