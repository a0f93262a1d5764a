package web

import (
	"errors"
	"net/http"
	"time"

	"ecluse/internal/directory"
)

// replacementsPage opens a replacement with a colleague, and lists those that wait for one.
type replacementsPage struct {
	Manages      bool // the reader may ask for one
	Email        input
	Given, Usual input
	Sites        options
	Waiting      []replacementView
	Faults       []fault
	Notice       bool
}

type replacementView struct {
	directory.AccountSummary
	Requester string
	Until     time.Time
	Href      string // where a colleague decides, "" = the reader asked
}

// replacements shows the form and the list.
func (s *Site) replacements(q *query) (answer, error) {
	s.again(q)
	page, err := s.replacementForm(q)
	page.Notice = q.URL.Query().Get("done") == "asked"
	if err != nil {
		return answer{}, err
	}
	return show("replacements", page)
}

func (s *Site) replacementForm(q *query) (replacementsPage, error) {
	page := replacementsPage{Manages: managersOnly.admits(q.standing)}
	waiting, err := s.rooms.Directory.Approvals(q.Context(), q.actor())
	if err != nil {
		return page, err
	}
	for _, a := range waiting {
		if a.Kind != directory.KindStandIn || !s.now().Before(a.Expires) {
			continue
		}
		v := s.viewApproval(q, a)
		summary, err := a.Diff()
		if err != nil {
			return page, err
		}
		if v.Own {
			v.Href = ""
		}
		page.Waiting = append(page.Waiting, replacementView{*summary.Account, v.Requester, a.Expires, v.Href})
	}
	if !page.Manages {
		return page, nil
	}
	field := func(name, mode string) input {
		return input{ID: name, Name: name, Label: q.t("account.field." + name), Value: q.field(name), Inputmode: mode, Autocomplete: "off", MaxLength: 254}
	}
	page.Email, page.Given, page.Usual = field("email", "email"), field("given_name", ""), field("usual_name", "")
	sites, err := s.rooms.Directory.Sites(q.Context(), q.standing.Organisation)
	if err != nil {
		return page, err
	}
	checked := q.field("site")
	var places []choice
	for _, site := range sites {
		places = append(places, choice{site.Code, Label{FR: site.Name, EN: site.Name}})
		if checked == "" && site.ID == q.standing.Account.Site {
			checked = site.Code
		}
	}
	page.Sites = choose("site", q.t("account.field.site"), q.lang, checked, places)
	return page, nil
}

// requestReplacement asks a colleague to open a replacement.
func (s *Site) requestReplacement(q *query) (answer, error) {
	if left := leftEmpty(q, true); len(left) > 0 {
		return s.replacementFaults(q, left...)
	}
	_, err := s.rooms.Directory.RequestStandIn(q.Context(), q.actor(), directory.AccountRequest{
		Email: q.field("email"), GivenName: q.field("given_name"), UsualName: q.field("usual_name"), Site: q.field("site"),
	})
	if err == nil {
		return redirect("/replacements?done=asked")
	}
	for _, f := range accountFaults {
		if !errors.Is(err, f.err) {
			continue
		}
		return s.replacementFaults(q, fault{Field: f.field, Message: q.t("account.error." + f.code)})
	}
	return answer{}, err
}

// replacementFaults shows the form again with what is wrong, everything typed included.
func (s *Site) replacementFaults(q *query, faults ...fault) (answer, error) {
	page, err := s.replacementForm(q)
	if err != nil {
		return answer{}, err
	}
	for _, f := range faults {
		switch f.Field {
		case "email":
			page.Email.Error = f.Message
		case "given_name":
			page.Given.Error = f.Message
		case "usual_name":
			page.Usual.Error = f.Message
		case "site":
			page.Sites.Error, f.Field = f.Message, page.Sites.ID
		}
		page.Faults = append(page.Faults, f)
	}
	return answer{status: http.StatusUnprocessableEntity, page: "replacements", data: page, failed: true, back: "/replacements"}, nil
}

func toReplacements(*query) string { return "/replacements" }
