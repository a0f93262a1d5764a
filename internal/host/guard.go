package host

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

type requestKey struct{}

// RequestID is the random number of the request that ctx belongs to: eight letters and digits that
// people can read out. It is the reference under which an internal error is logged. Outside a Server
// it is a new one each time.
func RequestID(ctx context.Context) string {
	if id, ok := ctx.Value(requestKey{}).(string); ok {
		return id
	}
	return newRequestID()
}

func newRequestID() string { return rand.Text()[:8] }

// guard wraps the doors: number, check, bound, answer, count and log.
func (s *Server) guard(doors http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := s.options.Now()
		id := newRequestID()
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
		out := &recorder{ResponseWriter: w}
		out.Header().Set("X-Request-Id", id)
		s.options.Counts.inFlight.Inc()
		defer func() {
			s.options.Counts.inFlight.Dec()
			s.finish(out, r, began, id, recover())
		}()
		if status := s.refusal(r); status != 0 {
			s.options.Refuse(out, r, status, "")
			return
		}
		network := s.options.asking(r)
		if !s.asking.enter(network) {
			out.Header().Set("Connection", "close")
			_ = http.NewResponseController(out).SetReadDeadline(time.Unix(1, 0)) // nor is its body waited for
			out.Header().Set("Retry-After", "1")
			s.options.Refuse(out, r, http.StatusServiceUnavailable, "")
			return
		}
		defer s.asking.leave(network)
		r.Body = http.MaxBytesReader(out, r.Body, s.options.Limits.BodyBytes)
		doors.ServeHTTP(out, r)
	})
}

// finish answers a panic, counts and logs.
func (s *Server) finish(out *recorder, r *http.Request, began time.Time, id string, panicked any) {
	cut := false
	if panicked != nil && panicked != http.ErrAbortHandler {
		s.options.Log.Error("panic", "reference", id, "route", pattern(r), "kind", panicKind(panicked), "stack", string(debug.Stack()))
		if cut = out.status != 0; !cut {
			s.options.Refuse(out, r, http.StatusInternalServerError, id)
		}
	}
	took := s.options.Now().Sub(began)
	s.options.Counts.request(pattern(r), method(r), out.code(), took)
	s.options.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("id", id), slog.String("method", method(r)),
		slog.String("route", pattern(r)), slog.Int("status", out.code()), slog.Duration("took", took), slog.Int64("bytes", out.bytes))
	if cut || panicked == http.ErrAbortHandler {
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
}

// panicKind names a panic without what it may quote.
func panicKind(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error() // written by the runtime: types, indexes and lengths only
	}
	return "panic of a value"
}

// pattern is the route's pattern, never the path. A handler that copied the request may hide it.
func pattern(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}

// method is the request's method if it is one that the doors use: strangers may write anything there.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// refusal is the status with which a request is refused before any door sees it, 0 = it may pass.
func (s *Server) refusal(r *http.Request) int {
	switch {
	case r.URL.Scheme != "" || r.URL.Host != "" || r.Method == http.MethodConnect || r.RequestURI == "*":
		return http.StatusBadRequest // a request to a proxy
	case len(r.RequestURI) > s.options.Limits.PathBytes:
		return http.StatusRequestURITooLong
	case !cleanPath(r.URL):
		return http.StatusBadRequest
	case !s.meant(r):
		return http.StatusMisdirectedRequest
	}
	return 0
}

// cleanPath refuses what could mean one path to a proxy and another to the doors.
func cleanPath(u *url.URL) bool {
	raw := strings.ToLower(u.EscapedPath())
	for _, hidden := range []string{"%2f", "%5c", "%2e", "%25", `\`} {
		if strings.Contains(raw, hidden) {
			return false
		}
	}
	if !utf8.ValidString(u.Path) || strings.ContainsFunc(u.Path, unicode.IsControl) {
		return false
	}
	clean := path.Clean(u.Path)
	return strings.HasPrefix(u.Path, "/") && (u.Path == clean || u.Path == clean+"/")
}

// meant reports whether the request names this installation. Probes of health know addresses only.
func (s *Server) meant(r *http.Request) bool {
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return true
	}
	asked := url.URL{Host: r.Host}
	name, port := strings.ToLower(asked.Hostname()), asked.Port()
	if public := s.options.Public; public != nil && name == strings.ToLower(public.Hostname()) &&
		(port == public.Port() || port == defaultPort(public)) {
		return true
	}
	if !s.options.Local {
		return false
	}
	_, bound, _ := net.SplitHostPort(s.public.Addr().String())
	ip := net.ParseIP(name)
	return port == bound && (name == "localhost" || ip != nil && ip.IsLoopback())
}

// defaultPort is the port that may be written although the public address leaves it out.
func defaultPort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

func plainRefusal(w http.ResponseWriter, _ *http.Request, status int, reference string) {
	text := http.StatusText(status)
	if reference != "" {
		text += " (reference " + reference + ")"
	}
	http.Error(w, text, status)
}

// recorder remembers what was answered. Flush and deadlines reach the connection through Unwrap.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// code is the status sent, 200 if the handler sent nothing: so does net/http.
func (w *recorder) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
