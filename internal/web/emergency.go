package web

import (
	"net/http"

	"ecluse"
	"ecluse/internal/gate"
)

// emergencyMotives are fixed by the program (design: gate and policy).
var emergencyMotives = []string{"danger", "minor_at_risk", "health", "missing"}

// emergencyPage confirms an emergency: one question, four motives, and what will happen.
type emergencyPage struct {
	Desk    deskHead
	Action  string
	Back    string
	Purpose string
	Typed   typed
	Motives options
	Faults  []fault
	Duty    string
}

// emergency asks for the motive.
func (s *Site) emergency(q *query) (answer, error) {
	p, err := s.place(q, q.FormValue("purpose"))
	if err != nil {
		return answer{}, err
	}
	a, err := show("emergency", s.emergencyForm(q, p))
	a.back = personPath(p.register.Code, q.PathValue("handle"), "emergency", string(p.purpose.ID))
	return a, err
}

func (s *Site) emergencyForm(q *query, p place) emergencyPage {
	return emergencyPage{
		Desk: p.head(), Typed: readTyped(q), Duty: s.config.Duty, Purpose: string(p.purpose.ID),
		Action:  personPath(p.register.Code, q.PathValue("handle"), "emergency/open", ""),
		Back:    personPath(p.register.Code, q.PathValue("handle"), "reason", string(p.purpose.ID)),
		Motives: emergencyChoices(q),
	}
}

// emergencyChoices asks for the motive.
func emergencyChoices(q *query) options {
	var motives []choice
	for _, id := range emergencyMotives {
		words := q.t("emergency.motive." + id)
		motives = append(motives, choice{id, Label{FR: words, EN: words}})
	}
	return choose("emergency", q.t("emergency.question"), q.lang, q.field("emergency"), motives)
}

// openEmergency opens contact and representative, and tells two people at once.
func (s *Site) openEmergency(q *query) (answer, error) {
	p, err := s.place(q, q.field("purpose"))
	if err != nil {
		return answer{}, err
	}
	if len(p.purposes) > 0 && p.purpose.ID == "" {
		p.purpose = p.purposes[0] // an emergency does not wait for a choice of purpose
	}
	motive := q.field("emergency")
	if !known(emergencyMotives, motive) {
		page := s.emergencyForm(q, p)
		page.Motives.Error = q.t("emergency.error")
		page.Faults = []fault{{Field: page.Motives.ID, Message: page.Motives.Error}}
		return answer{status: http.StatusUnprocessableEntity, page: "emergency", data: page, failed: true, back: page.Back}, nil
	}
	out, err := s.rooms.Gate.Disclose(q.Context(), gate.Request{
		Caller: q.caller, Register: p.register.Code, Handle: q.PathValue("handle"),
		Purpose: p.purpose.ID, Emergency: motive, Channel: ecluse.ChannelPage,
	})
	if err != nil {
		return answer{}, err
	}
	return s.opened(q, p, out, out.Values, true)
}
