package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"ecluse"
	"ecluse/internal/directory"
)

// recoverer is what this page asks of the directory.
type recoverer interface {
	Recoverable(ctx context.Context, by directory.Actor, email string) (directory.Account, error)
	WaitingFactors(ctx context.Context, by directory.Actor, account ecluse.AccountID) (list []directory.Factor, active int, err error)
	RequestRecovery(ctx context.Context, by directory.Actor, account ecluse.AccountID, factor ecluse.FactorID) (directory.Approval, error)
}

// recoveryPage asks who lost a key, then which new one takes its place.
type recoveryPage struct {
	Email   input
	Name    string // of who lost it, "" = not asked yet
	Account string // named
	Active  int    // factors that count
	Picks   options
	Nothing bool // there is nothing to end and nothing to confirm
	Faults  []fault
	Notice  bool // the request is made
}

// recovery shows the first step.
func (s *Site) recovery(q *query) (answer, error) {
	s.again(q)
	page := recoveryPage{Email: recoveryEmail(q), Notice: q.URL.Query().Get("done") == "yes"}
	return show("recovery", page)
}

func recoveryEmail(q *query) input {
	return input{ID: "email", Name: "email", Label: q.t("recovery.email"), Value: q.field("email"), Inputmode: "email", Autocomplete: "off", MaxLength: 254}
}

// confirmRecovery shows whose key it is, what waits, and what asking does.
func (s *Site) confirmRecovery(q *query) (answer, error) {
	a, err := s.rooms.Directory.Recoverable(q.Context(), q.actor(), q.field("email"))
	if err == nil {
		return s.recoveryOf(q, a, "")
	}
	message := ""
	switch {
	case errors.Is(err, directory.ErrNotFound):
		message = q.t("recovery.unknown")
	case errors.Is(err, directory.ErrDualControl):
		message = q.t("recovery.own")
	default:
		return answer{}, err
	}
	page := recoveryPage{Email: recoveryEmail(q), Faults: []fault{{Field: "email", Message: message}}}
	page.Email.Error = message
	return answer{status: http.StatusUnprocessableEntity, page: "recovery", data: page, failed: true, back: "/recovery"}, nil
}

// recoveryOf is the second step for one account.
func (s *Site) recoveryOf(q *query, a directory.Account, message string) (answer, error) {
	waiting, active, err := s.rooms.Directory.WaitingFactors(q.Context(), q.actor(), a.ID)
	if err != nil {
		return answer{}, err
	}
	page := recoveryPage{Name: a.Name(), Account: s.rooms.Names.Name("account", int64(a.ID)), Active: active, Nothing: active == 0 && len(waiting) == 0}
	var picks []choice
	for _, f := range waiting {
		words := strings.Join([]string{f.Name, q.t("factor.kind." + f.Kind), q.t("recovery.word", "word", f.Word(), "at", formatDay(q.texts, f.Created.In(s.config.Location)))}, " · ")
		picks = append(picks, choice{s.rooms.Names.Name("factor", int64(f.ID)), Label{FR: words, EN: words}})
	}
	if active > 0 {
		none := q.t("recovery.none")
		picks = append(picks, choice{"none", Label{FR: none, EN: none}})
	}
	only := ""
	if len(picks) == 1 {
		only = picks[0].id
	}
	page.Picks = choose("factor", q.t("recovery.pick"), q.lang, only, picks)
	page.Picks.Hint = q.t("recovery.pick_hint")
	shown := answer{status: http.StatusOK, page: "recovery", data: page, back: "/recovery"}
	if message != "" {
		page.Picks.Error, page.Faults = message, []fault{{Field: page.Picks.ID, Message: message}}
		shown.status, shown.data, shown.failed = http.StatusUnprocessableEntity, page, true
	}
	return shown, nil
}

// requestRecovery asks.
func (s *Site) requestRecovery(q *query) (answer, error) {
	account, err := s.number("account", q.field("account"))
	if err != nil {
		return answer{}, err
	}
	var factor int64
	if q.field("factor") != "none" {
		if factor, err = s.number("factor", q.field("factor")); err != nil {
			a, err := s.rooms.Directory.Owner(q.Context(), ecluse.AccountID(account))
			if err != nil {
				return answer{}, directory.ErrNotFound
			}
			return s.recoveryOf(q, a, q.t("recovery.choose"))
		}
	}
	if _, err := s.rooms.Directory.RequestRecovery(q.Context(), q.actor(), ecluse.AccountID(account), ecluse.FactorID(factor)); err != nil {
		return answer{}, err
	}
	return redirect("/recovery?done=yes")
}

func toRecovery(*query) string { return "/recovery" }
