package web

import (
	"errors"
	"net/http"

	"ecluse/internal/directory"
)

// reviewsPage lists the disclosures that the reader is told of. It is in order of time, without any
// total by agent: it is no means of judging anybody's work.
type reviewsPage struct {
	Waiting []reviewView // tier 3 and emergency, to accept or contest
	Told    []reviewView // tier 2, for information
	Done    []reviewView
	Notice  string // accepted, contested: what has just been done
}

// reviewView is one disclosure in a list or on its own page.
type reviewView struct {
	Review
	Href    string
	Purpose Label
	Motive  Label
}

// reviewPage is one disclosure, with the free text only after a click that is ledgered.
type reviewPage struct {
	Item  reviewView
	Text  string
	Shown bool
	Duty  string
}

// reviews lists them.
func (s *Site) reviews(q *query) (answer, error) {
	all, err := s.rooms.Directory.Reviews(q.Context(), q.caller)
	if err != nil {
		return answer{}, err
	}
	page := reviewsPage{}
	if done := q.URL.Query().Get("done"); done == "accepted" || done == "contested" {
		page.Notice = done
	}
	for _, r := range all {
		v := s.viewReview(q, r)
		switch {
		case r.State != "pending":
			page.Done = append(page.Done, v)
		case r.Kind == "outside":
			page.Told = append(page.Told, v)
		default:
			page.Waiting = append(page.Waiting, v)
		}
	}
	return show("reviews", page)
}

// review shows one.
func (s *Site) review(q *query) (answer, error) {
	r, err := s.findReview(q)
	if err != nil {
		return answer{}, err
	}
	return show("review", reviewPage{Item: s.viewReview(q, r), Duty: q.standing.Duty})
}

// reviewText shows the free text; reading it is an entry of the ledger.
func (s *Site) reviewText(q *query) (answer, error) {
	r, err := s.findReview(q)
	if err != nil {
		return answer{}, err
	}
	text, err := s.rooms.Directory.ReviewText(q.Context(), q.caller, r.ID)
	if err != nil {
		return answer{}, err
	}
	a, err := show("review", reviewPage{Item: s.viewReview(q, r), Text: text, Shown: true, Duty: q.standing.Duty})
	a.back = localPath("reviews", r.ID)
	return a, err
}

// decideReview accepts or contests.
func (s *Site) decideReview(q *query) (answer, error) {
	decision := q.field("decision")
	if decision != "accepted" && decision != "contested" {
		return answer{}, errForm{errors.New("no decision")}
	}
	if err := s.rooms.Directory.DecideReview(q.Context(), q.caller, q.PathValue("id"), decision == "accepted"); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusSeeOther, redirect: "/reviews?done=" + decision}, nil
}

// findReview finds it among those that the caller is told of; any other does not exist for her.
func (s *Site) findReview(q *query) (Review, error) {
	all, err := s.rooms.Directory.Reviews(q.Context(), q.caller)
	if err != nil {
		return Review{}, err
	}
	for _, r := range all {
		if r.ID == q.PathValue("id") {
			return r, nil
		}
	}
	return Review{}, directory.ErrNotFound
}

// viewReview adds the schema's words for purpose and motive.
func (s *Site) viewReview(q *query, r Review) reviewView {
	v := reviewView{Review: r, Href: localPath("reviews", r.ID), Purpose: Label{FR: string(r.Purpose), EN: string(r.Purpose)}, Motive: Label{FR: r.Motive, EN: r.Motive}}
	if r.Kind == "emergency" && known(emergencyMotives, r.Motive) {
		words := q.t("emergency.motive." + r.Motive)
		v.Motive = Label{FR: words, EN: words}
	}
	reg, err := s.rooms.Registers.ByCode(q.Context(), r.Register)
	if err != nil {
		return v // the codes are shown instead of words
	}
	if p, ok := reg.Schema.Purpose(r.Purpose); ok {
		v.Purpose = p.Label
	}
	if m, ok := reg.Schema.Motive(r.Motive); ok {
		v.Motive = m.Label
	}
	return v
}
