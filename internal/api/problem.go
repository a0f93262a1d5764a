package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/exposure"
	"ecluse/internal/gate"
	"ecluse/internal/host"
	"ecluse/internal/ledger"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// problem is an answer that is not what was asked for (RFC 9457). Its type is about:blank: Code is
// the name that programs go by. It is an error, so that routes return it.
type problem struct {
	Type      string   `json:"type"`
	Title     string   `json:"title"` // the status in words
	Status    int      `json:"status"`
	Code      string   `json:"code"`
	Detail    string   `json:"detail,omitzero"`    // for people
	Pointer   string   `json:"pointer,omitzero"`   // RFC 6901, to the member of the request
	Reasons   []reason `json:"reasons,omitempty"`  // of a refusal
	Receipt   string   `json:"receipt,omitzero"`   // of a refusal's entry
	Address   string   `json:"address,omitzero"`   // where the person goes, in the browser of the session, to lift a reason
	Reference string   `json:"reference,omitzero"` // of the log line of an internal error
}

// reason is one ground of a refusal in the reader's language.
type reason struct {
	Code    ecluse.Reason `json:"code"`
	Policy  string        `json:"policy,omitzero"` // of the register, that forbids
	Message string        `json:"message"`
	Remedy  string        `json:"remedy"`
}

func (p *problem) Error() string { return p.Code }

func badRequest(pointer, detail string) error {
	return &problem{Status: http.StatusBadRequest, Code: "request.invalid", Pointer: pointer, Detail: detail}
}

// explain maps the errors of the rooms; what it does not know is internal.
func (a *API) explain(c *call, err error) *problem {
	var known *problem
	switch {
	case errors.As(err, &known):
		return known
	case c.caller.Client != 0 && tokenOver(err): // ended between the door and the entry
		return a.noToken(c)
	case errors.Is(err, signin.ErrNoSession):
		return &problem{Status: http.StatusUnauthorized, Code: "session.required", Detail: "Sign in at /sign-in first."}
	case errors.Is(err, signin.ErrLocked):
		return &problem{Status: http.StatusUnauthorized, Code: "session.locked", Detail: "Nobody used the session for a while: sign in again."}
	case errors.Is(err, signin.ErrExpired), errors.Is(err, signin.ErrRevoked):
		return a.refused(c, http.StatusUnauthorized, []ecluse.Reason{ecluse.ReasonSessionExpired}, "")
	case errors.Is(err, directory.ErrWeak):
		return a.refused(c, http.StatusForbidden, []ecluse.Reason{ecluse.ReasonAssuranceTooLow}, "")
	case errors.Is(err, directory.ErrInactive):
		return a.refused(c, http.StatusForbidden, []ecluse.Reason{ecluse.ReasonAccountSuspended}, "")
	case errors.Is(err, exposure.ErrNotYours):
		return &problem{Status: http.StatusForbidden, Code: "role.required", Detail: "This is for access officers, security officers and data protection officers."}
	case errors.Is(err, gate.ErrHandle):
		return a.refused(c, http.StatusGone, []ecluse.Reason{ecluse.ReasonHandleExpired}, "")
	case errors.Is(err, gate.ErrUnknownField):
		return &problem{Status: http.StatusBadRequest, Code: "request.invalid", Pointer: "/fields", Detail: "The register has no such field."}
	case errors.Is(err, gate.ErrLink):
		return &problem{Status: http.StatusUnprocessableEntity, Code: "link.impossible",
			Detail: "The account must be another one of your controller with a running agreement on the register, and the link must end within what its kind allows."}
	case errors.Is(err, register.ErrUnknownRegister):
		return &problem{Status: http.StatusNotFound, Code: "register.unknown", Detail: "GET /api/v1/me lists the registers that are open to you."}
	case errors.Is(err, ledger.ErrOutcomeUnknown):
		return a.later(c, "outcome.unknown", "Nobody can say whether this was written down, so nothing is shown. Ask again.")
	case errors.Is(err, ledger.ErrFlood):
		c.out.Header().Set("Retry-After", "600")
		return a.refused(c, http.StatusTooManyRequests, []ecluse.Reason{ecluse.ReasonBudgetEntries}, "")
	case errors.Is(err, ledger.ErrBusy), errors.Is(err, ledger.ErrStale), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return a.later(c, "busy", "Too much is going on. Nothing was shown; ask again.")
	case errors.Is(err, ledger.ErrStopped):
		return a.later(c, "stopped", "This node admits nothing at the moment. Nothing was shown.")
	}
	return a.internal(c, err)
}

// later is a problem that goes away by itself.
func (a *API) later(c *call, code, detail string) *problem {
	c.out.Header().Set("Retry-After", "1")
	return &problem{Status: http.StatusServiceUnavailable, Code: code, Detail: detail}
}

// internal logs what nobody expected, once, under the number of the request.
func (a *API) internal(c *call, err error) *problem {
	reference := host.RequestID(c.Context())
	a.rooms.Log.Error("api: internal error", "reference", reference, "method", c.Method, "route", c.Pattern, "error", err)
	return &problem{Status: http.StatusInternalServerError, Code: "internal", Reference: reference,
		Detail: "An internal error. Give the reference to the operator."}
}

// refused is the problem of a refusal. Its size depends on the reasons and the language alone.
func (a *API) refused(c *call, status int, reasons []ecluse.Reason, receipt string) *problem {
	if len(reasons) == 0 { // a refusal always has one; the least that can be said
		reasons = []ecluse.Reason{ecluse.ReasonPersonUnavailable}
	}
	words := a.words(c, reasons)
	p := &problem{Status: status, Code: string(words[0].Code), Detail: words[0].Message, Reasons: words, Receipt: receipt}
	if slices.Contains(reasons, ecluse.ReasonAssuranceTooLow) && c.caller.Assured && !c.caller.Strong {
		p.Address = secondFactor
	}
	if slices.Contains(reasons, ecluse.ReasonTraining) {
		p.Address = trainingPage
	}
	return p
}

// secondFactor is the page that asks for an own factor, trainingPage the one that leads to lessons and exam.
const (
	secondFactor = "/second-factor"
	trainingPage = "/training"
)

// words puts reasons into the reader's language.
func (a *API) words(c *call, reasons []ecluse.Reason) []reason {
	c.out.Header().Set("Content-Language", c.lang)
	c.out.Header().Set("Vary", "Accept-Language")
	words := []reason{}
	for _, r := range reasons {
		code, policy := r.Policy()
		message := a.rule(c, policy)
		if message == "" {
			message = a.text(c, code, "message")
		}
		words = append(words, reason{code, policy, message, a.text(c, code, "remedy")})
	}
	return words
}

// rule is what a policy of the register says to whom it forbids something, "" if there is none.
func (a *API) rule(c *call, policy string) string {
	if policy == "" {
		return ""
	}
	reg, err := a.rooms.Registers.ByCode(c.Context(), c.PathValue("register"))
	if err != nil {
		return ""
	}
	return reg.Definition.Forbids.Message(policy, c.lang)
}

// text is the catalogue's; a missing one is the code itself, which programs understand.
func (a *API) text(c *call, code ecluse.Reason, part string) string {
	if text, ok := a.rooms.Text(c.lang, "reason."+string(code)+"."+part); ok {
		return text
	}
	return string(code)
}

// statusOf is the status of a refusal by the gate.
func statusOf(reasons []ecluse.Reason) int {
	if len(reasons) == 1 {
		switch reasons[0] {
		case ecluse.ReasonSearchAmbiguous:
			return http.StatusConflict
		case ecluse.ReasonHandleExpired:
			return http.StatusGone
		case ecluse.ReasonSessionExpired:
			return http.StatusUnauthorized
		}
	}
	return http.StatusForbidden
}

// Refuse answers, below Prefixes, for what never reached a route: it has the shape of
// host.Options.Refuse. reference is that of the log line of a panic, "" for other refusals.
func (a *API) Refuse(w http.ResponseWriter, r *http.Request, status int, reference string) {
	p := &problem{Status: status, Reference: reference}
	switch status {
	case http.StatusMisdirectedRequest:
		p.Code, p.Detail = "host.unknown", "This installation does not go by that name."
	case http.StatusRequestURITooLong:
		p.Code, p.Detail = "address.too_long", "The address is too long."
	case http.StatusServiceUnavailable:
		p.Code, p.Detail = "busy", "Too much is going on. Nothing was shown; ask again."
	case http.StatusInternalServerError:
		p.Code, p.Detail = "internal", "An internal error. Give the reference to the operator."
	default:
		p.Code, p.Detail = "request.malformed", "The request is not one that a client of this API sends."
	}
	a.refuse(a.newCall(w, r), p)
}

// refuse sends a problem.
func (a *API) refuse(c *call, p *problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	var body bytes.Buffer
	if err := json.MarshalWrite(&body, p); err != nil {
		body.Reset() // a problem holds strings only: this can't be
	}
	a.send(c, p.Status, "application/problem+json", "", body.Bytes())
}
