package api

import (
	"net/http"
	"slices"
	"strconv"

	"ecluse/internal/exposure"
)

// exposure answers the bounds of the accounts of the caller's body, the worst first. The reading is in the
// ledger before.
func (a *API) exposure(c *call) (reply, error) {
	if err := c.ownSite(); err != nil { // it writes
		return reply{}, err
	}
	if err := c.parameters("organisation", "top"); err != nil {
		return reply{}, err
	}
	query, top := c.URL.Query(), 0
	if query.Has("top") {
		var err error
		if top, err = strconv.Atoi(query.Get("top")); err != nil || top < 1 {
			return reply{}, badRequest("", "top is how many accounts are listed: a number from 1.")
		}
	}
	report, err := a.rooms.Exposures.Read(c.Context(), c.caller.Actor())
	if err != nil {
		return reply{}, err
	}
	listed := report.Accounts
	if query.Has("organisation") {
		listed = slices.DeleteFunc(slices.Clone(listed), func(x exposure.Account) bool { return x.Organisation.Code != query.Get("organisation") })
	}
	if top > 0 && top < len(listed) {
		listed = listed[:top]
	}
	return reply{status: http.StatusOK, body: report.Document(listed)}, nil
}
