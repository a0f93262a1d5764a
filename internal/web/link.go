package web

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
)

// linkPage entrusts a person to a colleague. It shows nothing of the record.
type linkPage struct {
	Desk     deskHead
	Action   string
	Purpose  string // chosen before; "" = Purposes asks for it
	Purposes options
	Kinds    options
	Receiver input
	Site     input
	Sites    []directory.Organisation // of the caller's organisation, offered while typing
	Ends     input
	Faults   []fault
}

// linkDonePage says that it was done. Its address carries no name and no value.
type linkDonePage struct {
	Desk    deskHead
	Kind    string
	Receipt string
	Ends    time.Time
	Again   string
}

// usualDays is how long a link of each kind runs unless the agent says otherwise: its last day, from today.
var usualDays = map[string]int{directory.LinkAppointment: 7, directory.LinkPrescription: 90, directory.LinkStandIn: 14, directory.LinkPresence: 0}

// Reasons that read otherwise where a link is refused.
const (
	reasonLinkDual     ecluse.Reason = "link.dual_control"
	reasonLinkStranger ecluse.Reason = "link.stranger"
)

// link shows the form.
func (s *Site) link(q *query) (answer, error) {
	s.again(q)
	p, err := s.place(q, q.URL.Query().Get("purpose"))
	if err != nil {
		return answer{}, err
	}
	page, err := s.linkForm(q, p)
	if err != nil {
		return answer{}, err
	}
	return show("link", page)
}

func (s *Site) linkForm(q *query, p place) (linkPage, error) {
	sites, err := s.rooms.Directory.Sites(q.Context(), q.standing.Organisation)
	if err != nil {
		return linkPage{}, err
	}
	var kinds []choice
	for _, id := range directory.MadeByAgents {
		words := q.t("link.kind." + id)
		kinds = append(kinds, choice{id, Label{FR: words, EN: words}})
	}
	return linkPage{
		Desk: p.head(), Sites: sites, Purpose: string(p.purpose.ID), Action: personPath(p.register.Code, q.PathValue("handle"), "link", ""),
		Purposes: choose("purpose", q.t("person.purpose"), q.lang, string(p.purpose.ID), purposeChoices(p.purposes)),
		Kinds:    choose("kind", q.t("link.kinds"), q.lang, q.field("kind"), kinds),
		Receiver: input{ID: "receiver", Name: "receiver", Label: q.t("link.receiver"), Hint: q.t("link.receiver_hint"), Value: q.field("receiver"), Inputmode: "email", Autocomplete: "off", MaxLength: 254},
		Site:     input{ID: "site", Name: "site", Label: q.t("link.site"), Hint: q.t("link.site_hint"), Value: q.field("site"), Autocomplete: "off", MaxLength: 120},
		Ends:     input{ID: "ends", Name: "ends", Label: q.t("link.ends"), Hint: q.t("link.ends_hint"), Value: q.field("ends"), Autocomplete: "off", MaxLength: 40},
	}, nil
}

// makeLink checks the form, asks the gate, and goes to a page that a reload does not send again.
func (s *Site) makeLink(q *query) (answer, error) {
	p, err := s.place(q, q.field("purpose"))
	if err != nil {
		return answer{}, err
	}
	page, err := s.linkForm(q, p)
	if err != nil {
		return answer{}, err
	}
	ends := s.judgeLink(q, p, &page)
	if len(page.Faults) > 0 {
		return s.linkAgain(q, p, page)
	}
	out, err := s.rooms.Gate.MakeLink(q.Context(), gate.LinkRequest{
		Caller: q.caller, Register: p.register.Code, Handle: q.PathValue("handle"), Purpose: p.purpose.ID, Kind: q.field("kind"),
		Receiver: q.field("receiver"), Site: q.field("site"), Ends: ends, Channel: ecluse.ChannelPage,
	})
	if errors.Is(err, gate.ErrLink) {
		page.wrongReceiver(q)
		return s.linkAgain(q, p, page)
	}
	if err != nil {
		return answer{}, err
	}
	if !out.Allowed {
		return s.refuse(q, p, refusal{reasons: linkReasons(out.Reasons), receipt: out.Receipt, readings: out.Readings})
	}
	done := personPath(p.register.Code, q.PathValue("handle"), "link/done", string(p.purpose.ID))
	last := out.Ends.In(s.config.Location).Add(-time.Microsecond).Format(time.DateOnly)
	return redirect(done + "&" + url.Values{"kind": {q.field("kind")}, "ends": {last}, "receipt": {out.Receipt}}.Encode())
}

func (s *Site) linkAgain(q *query, p place, page linkPage) (answer, error) {
	return answer{
		status: http.StatusUnprocessableEntity, page: "link", data: page, failed: true,
		back: personPath(p.register.Code, q.PathValue("handle"), "link", string(p.purpose.ID)),
	}, nil
}

// judgeLink checks the form and answers when the link ends.
func (s *Site) judgeLink(q *query, p place, page *linkPage) time.Time {
	if p.purpose.ID == "" {
		page.Purposes.Error = q.t("person.error.purpose")
		page.blame(page.Purposes.ID, page.Purposes.Error)
	}
	kind := q.field("kind")
	if !slices.Contains(directory.MadeByAgents, kind) {
		page.Kinds.Error = q.t("link.error.kind")
		page.blame(page.Kinds.ID, page.Kinds.Error)
	}
	switch receiver, site := q.field("receiver"), q.field("site"); {
	case receiver == "" && site == "":
		page.Receiver.Error = q.t("link.error.nobody")
		page.blame("receiver", page.Receiver.Error)
	case receiver != "" && site != "":
		page.Site.Error = q.t("link.error.both")
		page.blame("site", page.Site.Error)
	}
	ends, code := s.linkEnds(kind, q.field("ends"))
	if code != "" && page.Kinds.Error == "" {
		page.Ends.Error = q.t("link.error."+code, "days", int(directory.LinkKinds[kind].Hours()/24))
		page.blame("ends", page.Ends.Error)
	}
	return ends
}

// linkEnds reads the last day of a link, included; without one it is the usual of its kind. The code says
// what is wrong with it: date, past, far.
func (s *Site) linkEnds(kind, typed string) (ends time.Time, code string) {
	now := s.now().In(s.config.Location)
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, s.config.Location)
	last := today.AddDate(0, 0, usualDays[kind])
	longest := now.Add(directory.LinkKinds[kind])
	if typed != "" {
		iso, ok := readDate(typed, now.AddDate(3, 0, 0))
		if !ok {
			return ends, "date"
		}
		last, _ = time.ParseInLocation(time.DateOnly, iso, s.config.Location)
	}
	switch {
	case last.Before(today):
		return ends, "past"
	case last.After(longest) || kind == directory.LinkPresence && last.After(today):
		return ends, "far"
	}
	if ends = last.AddDate(0, 0, 1); ends.After(longest) {
		ends = longest
	}
	return ends.UTC(), ""
}

// wrongReceiver: the only thing that the gate can still object to is for whom the link is.
func (p *linkPage) wrongReceiver(q *query) {
	if p.Site.Value != "" {
		p.Site.Error = q.t("link.error.site")
		p.blame("site", p.Site.Error)
		return
	}
	p.Receiver.Error = q.t("link.error.receiver")
	p.blame("receiver", p.Receiver.Error)
}

func (p *linkPage) blame(field, message string) {
	p.Faults = append(p.Faults, fault{Field: field, Message: message})
}

// linkReasons words the reasons that mean something else for a link.
func linkReasons(reasons []ecluse.Reason) []ecluse.Reason {
	worded := slices.Clone(reasons)
	for i, r := range worded {
		switch r {
		case ecluse.ReasonDualControl:
			worded[i] = reasonLinkDual
		case ecluse.ReasonJustificationRequired:
			worded[i] = reasonLinkStranger
		}
	}
	return worded
}

var receiptForm = regexp.MustCompile(`^[0-9A-Z]{26}$`)

// linkDone shows the receipt. Whoever changes the address only changes what she is shown herself.
func (s *Site) linkDone(q *query) (answer, error) {
	given := q.URL.Query()
	p, err := s.place(q, given.Get("purpose"))
	if err != nil {
		return answer{}, err
	}
	ends, err := time.ParseInLocation(time.DateOnly, given.Get("ends"), s.config.Location)
	if err != nil || !slices.Contains(directory.MadeByAgents, given.Get("kind")) || !receiptForm.MatchString(given.Get("receipt")) {
		return answer{}, directory.ErrNotFound
	}
	return show("linkdone", linkDonePage{
		Desk: p.head(), Kind: given.Get("kind"), Receipt: given.Get("receipt"), Ends: ends,
		Again: personPath(p.register.Code, q.PathValue("handle"), "link", string(p.purpose.ID)),
	})
}

// linkHelps reports whether somebody whom the refusal stops may still entrust the person to a colleague:
// a budget is in the way, and the person is followed in the structure.
func linkHelps(reasons []ecluse.Reason) bool {
	helped := []ecluse.Reason{ecluse.ReasonBudgetNew, ecluse.ReasonBudgetOutside, ecluse.ReasonBudgetTotal, ecluse.ReasonBudgetOrganisation, ecluse.ReasonBudgetBreaker}
	return len(reasons) > 0 && !slices.ContainsFunc(reasons, func(r ecluse.Reason) bool { return !slices.Contains(helped, r) })
}
