package host

import (
	"net"
	"net/http"
	"sync"
)

// crowd bounds the connections that are held at once. When it is full, the connection that has been
// idle, or slow to send its first header, for longest makes room; when all are being answered, the
// newcomer is closed. So a client that opens connections and says nothing displaces only such.
type crowd struct {
	limit int

	mu    sync.Mutex
	turn  uint64                // counts arrivals and returns to idleness
	idle  map[*crowdConn]uint64 // since which turn it waits for a request
	count int
}

func newCrowd(limit int) *crowd { return &crowd{limit: limit, idle: map[*crowdConn]uint64{}} }

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
	if c.count >= c.limit {
		oldest := c.oldest()
		if oldest == nil {
			return nil
		}
		c.leave(oldest)
		_ = oldest.Close()
	}
	member := &crowdConn{Conn: conn}
	c.count++
	c.turn++
	c.idle[member] = c.turn
	return member
}

func (c *crowd) oldest() *crowdConn {
	var found *crowdConn
	var since uint64
	for conn, turn := range c.idle {
		if found == nil || turn < since {
			found, since = conn, turn
		}
	}
	return found
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
}

// crowdConn is a connection that has been counted in.
type crowdConn struct {
	net.Conn
	gone bool // counted out; guarded by crowd.mu
}
