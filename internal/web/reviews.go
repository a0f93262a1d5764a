package web

import (
	"context"
	"errors"
	"strconv"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/policy"
)

// reviewer is what these pages ask of the directory.
type reviewer interface {
	// Reviews are a page (from 0) of a list; directory.ErrNotFound if the list is not for the caller.
	Reviews(ctx context.Context, by directory.Actor, list directory.ReviewList, page int) (directory.ReviewPage, error)
	Review(ctx context.Context, by directory.Actor, id ecluse.ReviewID) (directory.Review, error)
	// ReviewText reads the free text of a review; the reading is ledgered before it is answered.
	ReviewText(ctx context.Context, by directory.Actor, id ecluse.ReviewID) (string, error)
	DecideReview(ctx context.Context, by directory.Actor, id ecluse.ReviewID, accept bool) error
	SettleReview(ctx context.Context, by directory.Actor, id ecluse.ReviewID) error
}

// reviewsPage is a page of one list of the disclosures that the reader is told of. It has no total by
// agent: it is no means of judging anybody's work.
type reviewsPage struct {
	Lists          []reviewTab
	List           directory.ReviewList
	Items          []reviewView
	From, To       int // numbers of the first and the last item, from 1
	Count          int // of the whole list
	Previous, Next string
	Notice         string // accepted, contested, settled: what has just been done
}

// reviewTab is one of the lists that are for the reader.
type reviewTab struct {
	List  directory.ReviewList
	Href  string
	Count int
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
	May   bool   // settle what was contested
	About string // page of the account, for a security officer
}

// reviews lists them, a page at a time.
func (s *Site) reviews(q *query) (answer, error) {
	asked := directory.ReviewList(q.URL.Query().Get("list"))
	number, _ := strconv.Atoi(q.URL.Query().Get("page"))
	number = max(1, number)
	page := reviewsPage{}
	for _, list := range directory.ReviewLists {
		first, err := s.rooms.Directory.Reviews(q.Context(), q.actor(), list, 0)
		if errors.Is(err, directory.ErrNotFound) {
			continue
		}
		if err != nil {
			return answer{}, err
		}
		page.Lists = append(page.Lists, reviewTab{List: list, Href: reviewsPath(list, 1), Count: first.Count})
		if page.List == "" || list == asked {
			page.List, page.Count = list, first.Count
		}
	}
	if page.List == "" {
		return answer{}, directory.ErrNotFound
	}
	number = min(number, 1+max(0, page.Count-1)/directory.ReviewPageSize)
	found, err := s.rooms.Directory.Reviews(q.Context(), q.actor(), page.List, number-1)
	if err != nil {
		return answer{}, err
	}
	for _, r := range found.Reviews {
		page.Items = append(page.Items, s.viewReview(q, r))
	}
	page.turn(number)
	if done := q.URL.Query().Get("done"); known(reviewNotices, done) {
		page.Notice = done
	}
	return show("reviews", page)
}

// reviewNotices are what may just have been done with a review.
var reviewNotices = []string{"accepted", "contested", "settled"}

// turn fills in the numbers of a page and the ways to its neighbours.
func (p *reviewsPage) turn(number int) {
	p.From = (number-1)*directory.ReviewPageSize + 1
	p.To = p.From + len(p.Items) - 1
	if number > 1 {
		p.Previous = reviewsPath(p.List, number-1)
	}
	if p.To < p.Count {
		p.Next = reviewsPath(p.List, number+1)
	}
}

func reviewsPath(list directory.ReviewList, page int) string {
	path := "/reviews?list=" + string(list)
	if page > 1 {
		path += "&page=" + strconv.Itoa(page)
	}
	return path
}

// review shows one.
func (s *Site) review(q *query) (answer, error) {
	r, err := s.findReview(q)
	if err != nil {
		return answer{}, err
	}
	return show("review", s.reviewPage(q, r))
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
	page := s.reviewPage(q, r)
	page.Text, page.Shown = text, true
	a, err := show("review", page)
	a.back = page.Item.Href
	return a, err
}

func (s *Site) reviewPage(q *query, r directory.Review) reviewPage {
	page := reviewPage{Item: s.viewReview(q, r), Duty: s.config.Duty, May: q.standing.Has(ecluse.RoleSecurityOfficer)}
	if page.May {
		page.About = localPath("security", "accounts", s.rooms.Names.Name("account", int64(r.Account)))
	}
	return page
}

// decideReview accepts, contests, or settles what was contested.
func (s *Site) decideReview(q *query) (answer, error) {
	decision := q.field("decision")
	if !known(reviewNotices, decision) {
		return answer{}, errForm{errors.New("no decision")}
	}
	r, err := s.findReview(q)
	if err != nil {
		return answer{}, err
	}
	list := directory.ReviewsWaiting
	switch {
	case decision == "settled":
		list, err = directory.ReviewsContested, s.rooms.Directory.SettleReview(q.Context(), q.actor(), r.ID)
	default:
		err = s.rooms.Directory.DecideReview(q.Context(), q.actor(), r.ID, decision == "accepted")
	}
	if err != nil {
		return answer{}, err
	}
	if r.Kind == policy.ReviewOutside && decision != "settled" {
		list = directory.ReviewsTold
	}
	return redirect(reviewsPath(list, 1) + "&done=" + decision)
}

// findReview finds it among those that the caller is told of; any other does not exist for her.
func (s *Site) findReview(q *query) (directory.Review, error) {
	id, err := s.number("review", q.PathValue("id"))
	if err != nil {
		return directory.Review{}, err
	}
	return s.rooms.Directory.Review(q.Context(), q.actor(), ecluse.ReviewID(id))
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
