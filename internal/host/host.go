// Package host is the ground that the doors stand on: it accepts connections, bounds what a stranger
// can make the program hold or wait for, refuses requests that are not meant for this installation,
// numbers and logs every request, counts them, and stops without cutting an answer in two.
//
// It knows nothing of records, callers or pages. It never logs a path, a query, a header, an address
// or a panic's text: any of them may hold a handle or a value of a record. What it logs and counts is
// the route's pattern, the method, the status, the time taken and the size.
//
// Its own answers (a wrong host, a malformed request, a panic) are the only HTTP statuses outside web
// and api; they are plain text of one line, or what Options.Refuse makes of them.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Limits bounds one server. DefaultLimits is right for people and programs alike.
type Limits struct {
	Header      time.Duration // to send the header of a request
	Read        time.Duration // to send a whole request
	Write       time.Duration // to read the header and send the whole answer
	Idle        time.Duration // between two requests of a connection
	Stop        time.Duration // for running requests to end when the server stops
	HeaderBytes int           // of a request, request line included
	PathBytes   int           // of path and query
	BodyBytes   int64         // of a request; the doors set smaller ones
	Connections int           // at once
	PerNetwork  int           // connections of one network (/24, /64) at once, and its requests; 0 = no bound of their own
}

// DefaultLimits are the limits of serve and demo.
func DefaultLimits() Limits {
	return Limits{
		Header: 5 * time.Second, Read: 15 * time.Second, Write: 30 * time.Second, Idle: time.Minute, Stop: 10 * time.Second,
		HeaderBytes: 16 << 10, PathBytes: 4 << 10, BodyBytes: 1 << 20, Connections: 1024, PerNetwork: 128,
	}
}

// Options of Listen. Address and Now are required, and Public or Local.
type Options struct {
	Address string   // host:port of the doors
	Metrics string   // host:port of /metrics, "" = none
	Public  *url.URL // requests must name its host; nil = Local only
	Local   bool     // requests may also name localhost or a loopback address, with the bound port (demo)

	// ClientIP is where a request comes from, which may be behind a proxy; nil = the connection's peer.
	ClientIP func(*http.Request) netip.Addr
	// Carriers bring requests of many people over their connections: proxies, and this machine itself. They
	// are not bounded as a network is; who asks through them is, by ClientIP.
	Carriers []netip.Prefix

	Counts *Counts      // nil = a new one
	Log    *slog.Logger // nil = silent
	Now    func() time.Time
	Limits Limits // zero = DefaultLimits

	// Refuse answers a request that host itself refuses or that panicked. reference is that of the
	// log line for a panic, "" for the others. Nil: one line of plain text.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, reference string)
}

// Server is a pair of listeners: the doors, and the metrics on a loopback address of their own.
type Server struct {
	options Options
	doors   *http.Server
	metrics *http.Server
	public  net.Listener
	private net.Listener // nil without metrics
	crowd   *crowd
	asking  *tally // requests being answered, by network
}

// ErrNotLoopback is returned for a metrics address that strangers could reach.
var ErrNotLoopback = errors.New("the metrics listener must be on a loopback address")

// Listen binds both addresses and returns a Server that Serve starts. Port 0 lets the system choose.
func Listen(o Options) (*Server, error) {
	o = o.withDefaults()
	s := &Server{options: o, crowd: newCrowd(o.Limits.Connections, o.Limits.PerNetwork, o.networkOf), asking: newTally(o.Limits.PerNetwork)}
	public, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", o.Address, err)
	}
	s.public = public
	s.doors = s.server(nil)
	s.doors.ConnState = s.crowd.state
	s.doors.MaxHeaderBytes = o.Limits.HeaderBytes
	if o.Metrics == "" {
		return s, nil
	}
	if err := s.listenMetrics(); err != nil {
		return nil, errors.Join(err, public.Close())
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Counts == nil {
		o.Counts = NewCounts()
	}
	if o.Refuse == nil {
		o.Refuse = plainRefusal
	}
	return o
}

func (s *Server) listenMetrics() error {
	private, err := net.Listen("tcp", s.options.Metrics)
	if err != nil {
		return fmt.Errorf("listen on %s for metrics: %w", s.options.Metrics, err)
	}
	if !private.Addr().(*net.TCPAddr).IP.IsLoopback() {
		return errors.Join(fmt.Errorf("%w: %s", ErrNotLoopback, s.options.Metrics), private.Close())
	}
	s.private = private
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.options.Counts.handler())
	s.metrics = s.server(mux)
	return nil
}

func (s *Server) server(h http.Handler) *http.Server {
	l := s.options.Limits
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: l.Header, ReadTimeout: l.Read, WriteTimeout: l.Write, IdleTimeout: l.Idle,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(discardText{s.options.Log.Handler()}, slog.LevelDebug),
	}
}

// Addr is the address of the doors as bound.
func (s *Server) Addr() net.Addr { return s.public.Addr() }

// MetricsAddr is the address of /metrics as bound, nil without.
func (s *Server) MetricsAddr() net.Addr {
	if s.private == nil {
		return nil
	}
	return s.private.Addr()
}

// Serve lets doors answer requests until ctx ends, then stops: no new connection, running requests
// get Limits.Stop to end, and what is left is cut. A clean stop returns nil. Call it once.
func (s *Server) Serve(ctx context.Context, doors http.Handler) error {
	s.doors.Handler = s.guard(doors)
	failed := make(chan error, 2)
	go func() { failed <- s.doors.Serve(s.crowd.listen(s.public)) }()
	if s.metrics != nil {
		go func() { failed <- s.metrics.Serve(s.private) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("serve: %w", err)
	}
	return errors.Join(err, s.stop(context.WithoutCancel(ctx)))
}

func (s *Server) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Limits.Stop)
	defer cancel()
	err := s.doors.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.options.Log.Warn("requests were cut at stop", "after", s.options.Limits.Stop)
		err = s.doors.Close()
	}
	if s.metrics != nil {
		err = errors.Join(err, s.metrics.Close())
	}
	return err
}

// discardText keeps the level and drops the text of net/http's own log lines: they quote what a
// client sent.
type discardText struct{ slog.Handler }

func (d discardText) Handle(ctx context.Context, r slog.Record) error {
	return d.Handler.Handle(ctx, slog.NewRecord(r.Time, r.Level, "a connection ended badly", 0))
}
