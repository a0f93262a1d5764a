package api

import (
	"net/http"

	"ecluse"
	"ecluse/internal/gate"
)

type caseloadAnswer struct {
	Persons  []rowAnswer    `json:"persons"`
	Next     string         `json:"next,omitzero"` // cursor of the next page
	Withheld int            `json:"withheld"`      // rows that were refused
	Reasons  []reason       `json:"reasons"`       // why, together
	Budgets  []budgetAnswer `json:"budgets"`
}

type rowAnswer struct {
	Handle  string `json:"handle"`
	Fields  values `json:"fields"`
	Receipt string `json:"receipt"`
}

func (a *API) caseload(c *call) (reply, error) {
	if err := c.ownSite(); err != nil { // rows are disclosures
		return reply{}, err
	}
	if err := c.parameters("cursor", "purpose"); err != nil {
		return reply{}, err
	}
	purpose := ecluse.Purpose(c.URL.Query().Get("purpose"))
	if purpose == "" {
		var err error
		if purpose, err = a.firstPurpose(c); err != nil {
			return reply{}, err
		}
	}
	outcome, err := a.rooms.Gate.Caseload(c.Context(), gate.CaseloadRequest{
		Caller: c.caller, Register: c.PathValue("register"), Purpose: purpose, Cursor: c.URL.Query().Get("cursor"), Channel: ecluse.ChannelCaseload,
	})
	if err != nil {
		return reply{}, err
	}
	if len(outcome.Rows) == 0 && outcome.Withheld > 0 {
		return reply{}, a.refused(c, statusOf(outcome.Reasons), outcome.Reasons, "")
	}
	answer := caseloadAnswer{
		Persons: []rowAnswer{}, Next: outcome.Next, Withheld: outcome.Withheld, Reasons: a.words(c, outcome.Reasons), Budgets: newBudgets(outcome.Readings),
	}
	for _, row := range outcome.Rows {
		answer.Persons = append(answer.Persons, rowAnswer{row.Handle, values{row.Values}, row.Receipt})
	}
	return reply{status: http.StatusOK, body: answer}, nil
}

// ownSite refuses a GET that leaves an entry, where a page of another site had the browser ask for it, and
// a HEAD.
func (c *call) ownSite() error {
	if site := c.Header.Get("Sec-Fetch-Site"); c.Method == http.MethodHead || site != "" && site != "same-origin" && site != "none" {
		return &problem{Status: http.StatusForbidden, Code: "origin.refused", Detail: "A browser sent this from a page of another site."}
	}
	return nil
}

// firstPurpose is the first purpose of the caller's grants in the register, "" without one: the gate
// then refuses.
func (a *API) firstPurpose(c *call) (ecluse.Purpose, error) {
	reg, err := a.rooms.Registers.ByCode(c.Context(), c.PathValue("register"))
	if err != nil {
		return "", err
	}
	standing, err := a.rooms.Directory.Standing(c.Context(), c.caller.Account)
	if err != nil {
		return "", err
	}
	mandates, err := a.mandates(c, standing, nil)
	if err != nil {
		return "", err
	}
	for _, m := range mandates {
		if m.Register == reg.ID && len(m.Purposes) > 0 {
			return m.Purposes[0], nil
		}
	}
	return "", nil
}
