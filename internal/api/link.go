package api

import (
	"net/http"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/gate"
)

// linkKinds are what a partner's act may open access with here; presence and transfers have addresses
// of their own.
var linkKinds = []string{"appointment", "prescription", "standin"}

// linkQuestion opens access to a person for a colleague; never to whoever asks.
type linkQuestion struct {
	Kind    string         `json:"kind"`
	Handle  string         `json:"handle"`
	Purpose ecluse.Purpose `json:"purpose"` // for which the caller may see the person
	Account string         `json:"account"` // e-mail address of the receiver, "" = the whole site
	Site    string         `json:"site"`    // code of the structure concerned, if any: then for all of it
	Ends    string         `json:"ends"`    // yyyy-mm-dd, included; "" = as long as the kind may run
}

type linkAnswer struct {
	Decision string         `json:"decision"`
	Receipt  string         `json:"receipt"`
	Ends     time.Time      `json:"ends"`
	Budgets  []budgetAnswer `json:"budgets"`
}

func (a *API) link(c *call) (reply, error) {
	var q linkQuestion
	if err := c.decode(&q); err != nil {
		return reply{}, err
	}
	if err := q.check(); err != nil {
		return reply{}, err
	}
	ends, err := lastDay("/ends", q.Ends)
	if err != nil {
		return reply{}, err
	}
	outcome, err := a.rooms.Gate.MakeLink(c.Context(), gate.LinkRequest{
		Caller: c.caller, Register: c.PathValue("register"), Handle: q.Handle, Purpose: q.Purpose, Kind: q.Kind, Receiver: q.Account, Site: q.Site,
		Ends: ends, Channel: ecluse.ChannelAPI,
	})
	if err != nil {
		return reply{}, err
	}
	if !outcome.Allowed {
		return reply{}, a.refused(c, statusOf(outcome.Reasons), outcome.Reasons, outcome.Receipt)
	}
	return reply{status: http.StatusCreated, body: linkAnswer{"allow", outcome.Receipt, outcome.Ends.UTC().Truncate(time.Second), newBudgets(outcome.Readings)}}, nil
}

func (q *linkQuestion) check() error {
	switch {
	case !slices.Contains(linkKinds, q.Kind):
		return badRequest("/kind", "One of appointment, prescription, standin.")
	case q.Handle == "":
		return badRequest("/handle", "Say whom it is about: the handle of a search or caseload.")
	case q.Purpose == "":
		return badRequest("/purpose", "Say for which purpose you may see the person.")
	case q.Account == "" && q.Site == "":
		return badRequest("/account", "Say for whom: the e-mail address of a colleague's account, or the code of a site.")
	case q.Account != "" && q.Site != "":
		return badRequest("/site", "Give an account or a site, not both.")
	}
	return firstError(word("/handle", q.Handle, maxText), word("/purpose", string(q.Purpose), maxWord), word("/account", q.Account, maxWord), word("/site", q.Site, maxWord))
}

// lastDay reads yyyy-mm-dd as the end of that day, UTC; "" is the zero time.
func lastDay(pointer, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, badRequest(pointer, "Write the day as yyyy-mm-dd.")
	}
	return t.AddDate(0, 0, 1), nil
}
