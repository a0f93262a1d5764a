package web

import (
	"context"
	"errors"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/policy"
)

// reviewer is what these pages ask of the directory.
type reviewer interface {
	Reviews(ctx context.Context, by directory.Actor) ([]directory.Review, error)
	// ReviewText reads the free text of a review; the reading is ledgered before it is answered.
	ReviewText(ctx context.Context, by directory.Actor, id ecluse.ReviewID) (string, error)
	DecideReview(ctx context.Context, by directory.Actor, id ecluse.ReviewID, accept bool) error
}

// reviewsPage lists the disclosures that the reader is told of. It is in order of time, without any
// total by agent: it is no means of judging anybody's work.
type reviewsPage struct {
	Waiting []reviewView // tier 3 and emergency, to accept or contest
	Told    []reviewView // tier 2, for information
	Notice  string       // accepted, contested: what has just been done
}

// reviewView is one disclosure in a list or on its own page.
type reviewView struct {
	directory.Review
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
	all, err := s.rooms.Directory.Reviews(q.Context(), q.actor())
	if err != nil {
		return answer{}, err
	}
	page := reviewsPage{}
	if done := q.URL.Query().Get("done"); done == "accepted" || done == "contested" {
		page.Notice = done
	}
	for _, r := range all {
		if v := s.viewReview(q, r); r.Kind == policy.ReviewOutside {
			page.Told = append(page.Told, v)
		} else {
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
	return show("review", reviewPage{Item: s.viewReview(q, r), Duty: s.config.Duty})
}

// reviewText shows the free text; reading it is an entry of the ledger.
func (s *Site) reviewText(q *query) (answer, error) {
	r, err := s.findReview(q)
	if err != nil {
		return answer{}, err
	}
	text, err := s.rooms.Directory.ReviewText(q.Context(), q.actor(), r.ID)
	if err != nil {
		return answer{}, err
	}
	page := reviewPage{Item: s.viewReview(q, r), Text: text, Shown: true, Duty: s.config.Duty}
	a, err := show("review", page)
	a.back = page.Item.Href
	return a, err
}

// decideReview accepts or contests.
func (s *Site) decideReview(q *query) (answer, error) {
	decision := q.field("decision")
	if decision != "accepted" && decision != "contested" {
		return answer{}, errForm{errors.New("no decision")}
	}
	id, err := s.number("review", q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if err := s.rooms.Directory.DecideReview(q.Context(), q.actor(), ecluse.ReviewID(id), decision == "accepted"); err != nil {
		return answer{}, err
	}
	return redirect("/reviews?done=" + decision)
}

// findReview finds it among those that the caller is told of; any other does not exist for her.
func (s *Site) findReview(q *query) (directory.Review, error) {
	id, err := s.number("review", q.PathValue("id"))
	if err != nil {
		return directory.Review{}, err
	}
	all, err := s.rooms.Directory.Reviews(q.Context(), q.actor())
	if err != nil {
		return directory.Review{}, err
	}
	for _, r := range all {
		if r.ID == ecluse.ReviewID(id) {
			return r, nil
		}
	}
	return directory.Review{}, directory.ErrNotFound
}

// viewReview adds the schema's words for purpose and motive.
func (s *Site) viewReview(q *query, r directory.Review) reviewView {
	v := reviewView{Review: r, Href: localPath("reviews", s.rooms.Names.Name("review", int64(r.ID))), Purpose: Label{FR: string(r.Purpose), EN: string(r.Purpose)}, Motive: Label{FR: r.Motive, EN: r.Motive}}
	if r.Kind == policy.ReviewEmergency && known(emergencyMotives, r.Motive) {
		words := q.t("emergency.motive." + r.Motive)
		v.Motive = Label{FR: words, EN: words}
	}
	reg, err := s.rooms.Registers.ByID(q.Context(), r.Register)
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
