package web

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// problemPage is a page that says what went wrong and what to do. Its texts are problem.<Code>.*.
type problemPage struct {
	Code      string
	Reference string          // of the log line, only for internal errors
	Phone     string          // whom to call, when known
	Text      string          // what was typed and could not be used, to be copied
	Reasons   []ecluse.Reason // why the caller may not decide, where the directory says it
}

// problemCodes are the codes that have a text.
var problemCodes = []string{
	"not_found", "method", "forbidden", "cross_origin", "dual_control", "weak", "changed", "decided", "officers", "handle", "too_large",
	"exam", "form", "too_many", "flood", "busy", "outcome_unknown", "internal",
}

// Status shows the page of an HTTP error that the server met before any page did (too many requests, a
// body that is too large, no longer accepting). Retry-After and Allow are the caller's to set.
func (s *Site) Status(w http.ResponseWriter, r *http.Request, status int) {
	code := "busy"
	switch status {
	case http.StatusNotFound:
		code = "not_found"
	case http.StatusMethodNotAllowed:
		code = "method"
	case http.StatusForbidden:
		code = "forbidden"
	case http.StatusRequestEntityTooLarge:
		code = "too_large"
	case http.StatusBadRequest:
		code = "form"
	case http.StatusTooManyRequests:
		code = "too_many"
	}
	s.page(w, r, "", func(*query) answer { return problem(status, code) })
}

// lockPage is shown when the session is over or locked. What was typed is kept by signin, sealed for
// this account and page, and fills the form again after signing in.
type lockPage struct {
	Code   string // locked, expired, revoked
	SignIn string
	Kept   string // "", kept, lost: what became of what was typed
}

// errForm marks a form that could not be read.
type errForm struct{ cause error }

func (e errForm) Error() string { return "reading the form: " + e.cause.Error() }
func (e errForm) Unwrap() error { return e.cause }

// explain maps an error of another room to a page; what it does not know it logs once.
func (s *Site) explain(q *query, err error) answer {
	var tooLarge *http.MaxBytesError
	var form errForm
	var refused *directory.RefusedError
	switch {
	case errors.Is(err, signin.ErrNoSession):
		return s.askToSignIn(q)
	case errors.Is(err, signin.ErrLocked):
		return s.lock(q, "locked")
	case errors.Is(err, signin.ErrExpired):
		return s.lock(q, "expired")
	case errors.Is(err, signin.ErrRevoked):
		return s.lock(q, "revoked")
	case errors.Is(err, gate.ErrHandle):
		a := problem(http.StatusGone, "handle")
		a.data = problemPage{Code: "handle", Text: q.field("text")} // nothing that was typed is lost
		return a
	case errors.Is(err, register.ErrUnknownRegister), errors.Is(err, directory.ErrNotFound):
		return problem(http.StatusNotFound, "not_found")
	case errors.Is(err, ErrForbidden), errors.Is(err, directory.ErrInactive):
		return problem(http.StatusForbidden, "forbidden")
	case errors.Is(err, directory.ErrWeak):
		return s.stepUp(q)
	case errors.Is(err, directory.ErrChanged):
		return problem(http.StatusConflict, "changed")
	case errors.Is(err, directory.ErrExam):
		return problem(http.StatusConflict, "exam")
	case errors.Is(err, directory.ErrDecided):
		return problem(http.StatusConflict, "decided")
	case errors.Is(err, directory.ErrOfficers):
		return problem(http.StatusConflict, "officers")
	case errors.As(err, &refused):
		a := problem(http.StatusForbidden, "dual_control")
		a.data = problemPage{Code: "dual_control", Reasons: known403(refused.Reasons)}
		return a
	case errors.Is(err, directory.ErrDualControl):
		return problem(http.StatusForbidden, "dual_control")
	case errors.As(err, &tooLarge):
		return problem(http.StatusRequestEntityTooLarge, "too_large")
	case errors.As(err, &form):
		return problem(http.StatusBadRequest, "form")
	case errors.Is(err, ledger.ErrOutcomeUnknown):
		return problem(http.StatusServiceUnavailable, "outcome_unknown")
	case errors.Is(err, ledger.ErrFlood):
		return problem(http.StatusTooManyRequests, "flood")
	case errors.Is(err, ledger.ErrBusy), errors.Is(err, ledger.ErrStale), errors.Is(err, ledger.ErrStopped),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled): // who left reads no page; at a shutdown somebody does
		return problem(http.StatusServiceUnavailable, "busy")
	}
	return s.internal(q, slog.String("error", err.Error()))
}

// internal logs what nobody expected, once, under a reference that the reader can give by phone.
// The route's pattern is logged, never the path: it holds a handle.
func (s *Site) internal(q *query, detail slog.Attr) answer {
	reference := rand.Text()[:8]
	s.rooms.Log.Error("web: internal error", "reference", reference, "method", q.Method, "route", q.Pattern, detail)
	a := problem(http.StatusInternalServerError, "internal")
	a.data = problemPage{Code: "internal", Reference: reference, Phone: q.standing.Organisation.Phone}
	return a
}

// recover turns a panic of a page into an internal error. The panic's text is logged as its type
// only: a value of a record may be in it.
func (s *Site) recover(w http.ResponseWriter, q *query) {
	if p := recover(); p != nil {
		s.write(w, q, s.internal(q, slog.String("panic", string(debug.Stack()))))
	}
}

// askToSignIn sends a reader to the sign-in page and, for a form, shows the page that keeps it.
func (s *Site) askToSignIn(q *query) answer {
	if q.Method == http.MethodPost {
		return s.lock(q, "expired")
	}
	return answer{redirect: signin.Link(q.URL.RequestURI())}
}

// lock is the page of a session that is over.
func (s *Site) lock(q *query, code string) answer {
	page := lockPage{Code: code, SignIn: signin.Link(q.URL.RequestURI())}
	if q.Method == http.MethodPost {
		back := "/"
		if q.route.back != nil {
			back = q.route.back(q)
		}
		page.SignIn, page.Kept = signin.Link(back), "kept"
		if err := s.rooms.Sessions.KeepDraft(q.w, q.Request, back, q.PostForm); err != nil {
			page.Kept = "lost"
			if !errors.Is(err, signin.ErrDraftTooLarge) {
				s.internal(q, slog.String("error", err.Error()))
			}
		}
		if code == "revoked" || len(q.PostForm) == 0 {
			page.Kept = ""
		}
	}
	return answer{status: http.StatusForbidden, page: "lock", data: page, failed: true, back: "/sign-in"}
}
