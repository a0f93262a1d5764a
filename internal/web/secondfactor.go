package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/signin"
)

// ownFactors is what the pages of own factors ask of signin.
type ownFactors interface {
	KeysWork() bool
	Factors(ctx context.Context, c signin.Caller) ([]directory.Factor, error)
	ProveCode(w http.ResponseWriter, r *http.Request, c signin.Caller, code string) error
	AskKey(r *http.Request, c signin.Caller) (json.RawMessage, error)
	ProveKey(w http.ResponseWriter, r *http.Request, c signin.Caller, answer []byte) error
	BeginCode(r *http.Request, c signin.Caller, name, account string) (signin.CodeSeed, error)
	PendingCode(r *http.Request, c signin.Caller, account string) (signin.CodeSeed, string, error)
	FinishCode(w http.ResponseWriter, r *http.Request, c signin.Caller, code string) (directory.Factor, error)
	BeginKey(r *http.Request, c signin.Caller, name, account string) (json.RawMessage, error)
	FinishKey(w http.ResponseWriter, r *http.Request, c signin.Caller, answer []byte) (directory.Factor, error)
	EndFactor(ctx context.Context, c signin.Caller, id ecluse.FactorID) error
	RevokeOthers(ctx context.Context, c signin.Caller) (int, error)
}

// document is an answer for the page's own script: JSON.
type document json.RawMessage

// secondFactorPage asks for an own factor.
type secondFactorPage struct {
	Next     string // page that comes after it
	Key      bool   // the caller has a key that counts, and it can be used here
	KeyAway  bool   // … and it cannot: the address is a number
	Code     bool
	CodeForm input
	Waiting  bool // all that the caller has waits for somebody
	Minutes  int  // that the proof lasts
	SignIn   string
	Faults   []fault
}

// secondFactor asks for an own factor, and leads on at once where none is needed.
func (s *Site) secondFactor(q *query) (answer, error) {
	next := nextPage(q.URL.Query().Get("next"))
	if q.caller.Strong {
		return redirect(next)
	}
	page, err := s.secondFactorForm(q, next)
	if err != nil {
		return answer{}, err
	}
	return show("secondfactor", page)
}

// nextPage is a page of this site that may come after a proof: not the proof itself.
func nextPage(raw string) string {
	next := safeReturn(raw)
	if next == "/" || strings.HasPrefix(next, "/second-factor") {
		return "/me/factors"
	}
	return next
}

func (s *Site) secondFactorForm(q *query, next string) (secondFactorPage, error) {
	page := secondFactorPage{Next: next, Minutes: int(signin.StepUpLife / time.Minute), SignIn: signin.Link(next)}
	all, err := s.rooms.Sessions.Factors(q.Context(), q.caller)
	if err != nil {
		return page, err
	}
	has := func(kind, state string) bool {
		return slices.ContainsFunc(all, func(f directory.Factor) bool { return (kind == "" || f.Kind == kind) && f.State == state })
	}
	page.Code = has(directory.FactorCode, directory.Active)
	page.Key = has(directory.FactorKey, directory.Active) && s.rooms.Sessions.KeysWork()
	page.KeyAway = has(directory.FactorKey, directory.Active) && !page.Key
	page.Waiting = !has("", directory.Active) && has("", directory.Waiting)
	page.CodeForm = codeInput(q)
	return page, nil
}

// codeInput is the field of a code. What was typed is not shown again: it has served.
func codeInput(q *query) input {
	return input{ID: "code", Name: "code", Label: q.t("factor.code"), Hint: q.t("factor.code_hint"), Inputmode: "numeric", Autocomplete: "one-time-code", MaxLength: 11}
}

// proveCode proves an own factor by a code.
func (s *Site) proveCode(q *query) (answer, error) {
	return s.proven(q, s.rooms.Sessions.ProveCode(q.w, q.Request, q.caller, q.field("code")))
}

// proveKey proves an own factor by a key's answer, which the page's script has put into the form.
func (s *Site) proveKey(q *query) (answer, error) {
	return s.proven(q, s.rooms.Sessions.ProveKey(q.w, q.Request, q.caller, []byte(q.PostFormValue("answer"))))
}

// proven leads on, or says what was wrong.
func (s *Site) proven(q *query, err error) (answer, error) {
	next := nextPage(q.field("next"))
	if err == nil {
		return redirect(next)
	}
	message, known := s.factorFault(q, err)
	if !known {
		return answer{}, err
	}
	page, err := s.secondFactorForm(q, next)
	if err != nil {
		return answer{}, err
	}
	field := ""
	if q.PostForm.Has("code") && page.Code {
		field, page.CodeForm.Error = "code", message
	}
	page.Faults = []fault{{Field: field, Message: message}}
	return answer{status: http.StatusUnprocessableEntity, page: "secondfactor", data: page, failed: true, back: signin.StepUpLink(next)}, nil
}

// factorFault puts an expected error of an own factor into words; false for one that is not.
func (s *Site) factorFault(q *query, err error) (string, bool) {
	var wait *signin.WaitError
	if errors.As(err, &wait) {
		return q.t("factor.error.wait", "until", wait.Until.In(s.config.Location).Format("15:04:05")), true
	}
	for known, code := range map[error]string{
		signin.ErrCodeForm: "form", signin.ErrWrong: "wrong", signin.ErrChallenge: "again", signin.ErrNoFactor: "none", signin.ErrNoKeys: "nokeys",
		signin.ErrCounter: "counter", directory.ErrFresh: "fresh", directory.ErrTooManyFactors: "many", directory.ErrFactorName: "name",
	} {
		if errors.Is(err, known) {
			return q.t("factor.error." + code), true
		}
	}
	return "", false
}

// askKey answers the page's script what a key has to sign.
func (s *Site) askKey(q *query) (answer, error) {
	options, err := s.rooms.Sessions.AskKey(q.Request, q.caller)
	return s.scripted(q, options, err)
}

// scripted answers the page's script: what it asked for, or words to show.
func (s *Site) scripted(q *query, options json.RawMessage, err error) (answer, error) {
	if err == nil {
		return answer{status: http.StatusOK, data: document(options)}, nil
	}
	message, known := s.factorFault(q, err)
	if !known {
		return answer{}, err
	}
	text, err := json.Marshal(map[string]string{"error": message})
	return answer{status: http.StatusUnprocessableEntity, data: document(text)}, err
}

// stepUp leads somebody whose session is too weak for a form to the proof and back; what was typed is kept
// until then. Whoever's sign-in is not accepted at all has to sign in again.
func (s *Site) stepUp(q *query) answer {
	if !q.signedIn || !q.caller.Assured || q.caller.Strong {
		return problem(http.StatusForbidden, "weak")
	}
	to := q.URL.RequestURI()
	if q.Method == http.MethodPost {
		to = "/"
		if q.route.back != nil {
			to = q.route.back(q)
			s.keepTyped(q, to)
		}
	}
	return answer{redirect: signin.StepUpLink(to)}
}

// keepTyped keeps what was typed for the page to come back to; it is lost only if it does not fit.
func (s *Site) keepTyped(q *query, path string) {
	err := s.rooms.Sessions.KeepDraft(q.w, q.Request, path, q.PostForm)
	if err != nil && !errors.Is(err, signin.ErrDraftTooLarge) {
		s.rooms.Log.Error("web: a draft was not kept", "route", q.Pattern, "error", err)
	}
}

// again gives back, once, what was typed on this page before the session locked itself or a proof was
// asked for: the form reads it as if it had just been sent.
func (s *Site) again(q *query) {
	if kept, ok := s.rooms.Sessions.Draft(q.w, q.Request, q.caller, q.URL.RequestURI()); ok {
		q.PostForm = kept
	}
}

// nextOf is the page that the proof of a form leads to.
func toSecondFactor(q *query) string {
	return "/second-factor?" + url.Values{"next": {nextPage(q.field("next"))}}.Encode()
}
