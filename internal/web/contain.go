package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ecluse"
	"ecluse/internal/directory"
)

// containPage asks what to stop and why.
type containPage struct {
	Name, Email string
	Back        string
	Action      string // the preview
	Tree        bool
	Since       input
	Reason      string
	ReasonError string
	Least, Most int
	Faults      []fault
}

// previewPage says what would be stopped, and asks once more.
type previewPage struct {
	Name, Email string
	Back        string
	Act, Ask    string // POST: do it, or ask a second officer; one of them
	Tree        bool
	Since       string // as typed
	Reason      string
	What        directory.Preview
	Picture     treePicture
	Accounts    []kinView
	More        int // accounts that are not listed
	Refused     []ecluse.Reason
}

// containmentPage is what was stopped.
type containmentPage struct {
	Item     containmentView
	Reason   string
	Receipt  string
	Accounts []stoppedView
	More     int
	Just     bool   // a moment ago, by the reader
	Scope    string // "" = not for this reader
	Undo     string // the page that asks, and where it is posted to; "" = not for this reader, or undone
	Asking   bool   // the page asks whether to undo it
	UndoneBy []string
}

// stoppedView is an account that a containment stopped.
type stoppedView struct{ Name, Href, Before string }

// maxStopped is how many accounts a page lists.
const maxStopped = 100

// containForm asks.
func (s *Site) containForm(q *query) (answer, error) {
	s.again(q)
	page, _, err := s.containOf(q)
	if err != nil {
		return answer{}, err
	}
	if !q.URL.Query().Has("alone") && q.Method == http.MethodGet {
		page.Tree = true // what a thief made is a thief's
	}
	return show("contain", page)
}

// containOf is the form about an account, with what was typed.
func (s *Site) containOf(q *query) (containPage, directory.Lineage, error) {
	id, err := s.number("account", q.PathValue("id"))
	if err != nil {
		return containPage{}, directory.Lineage{}, err
	}
	l, err := s.rooms.Directory.Lineage(q.Context(), q.actor(), ecluse.AccountID(id))
	if err != nil {
		return containPage{}, l, err
	}
	return containPage{
		Name: l.Name(), Email: l.Email, Back: s.lineagePath(l.ID), Action: s.lineagePath(l.ID, "contain", "preview"), Tree: q.field("tree") != "",
		Since:  input{ID: "since", Name: "since", Label: q.t("contain.since"), Hint: q.t("contain.since_hint"), Value: q.field("since"), Inputmode: "numeric", Autocomplete: "off", MaxLength: 20},
		Reason: q.field("reason"), Least: directory.MinContainmentReason, Most: directory.MaxContainmentReason,
	}, l, nil
}

// containAsked reads the form, and notes its faults.
func (s *Site) containAsked(q *query, page *containPage, id ecluse.AccountID) directory.Containment {
	c := directory.Containment{Account: id, Tree: page.Tree, Reason: page.Reason}
	if page.Since.Value != "" {
		iso, ok := readDate(page.Since.Value, s.now().AddDate(0, 0, 1))
		if !ok {
			page.Since.Error = q.t("scope.error.day")
			page.Faults = append(page.Faults, fault{Field: page.Since.ID, Message: page.Since.Error})
		}
		c.Since, _ = time.ParseInLocation(time.DateOnly, iso, s.config.Location)
	}
	if n := utf8.RuneCountInString(page.Reason); n < page.Least || n > page.Most {
		page.ReasonError = q.t("contain.error.reason")
		page.Faults = append(page.Faults, fault{Field: "reason", Message: page.ReasonError})
	}
	return c
}

// containFrom reads the form and has act do what it asks for. What the form, or act, finds wrong is told on the
// form, as it was typed.
func (s *Site) containFrom(q *query, act func(containPage, directory.Lineage, directory.Containment) (answer, error)) (answer, error) {
	page, l, err := s.containOf(q)
	if err != nil {
		return answer{}, err
	}
	c := s.containAsked(q, &page, l.ID)
	if len(page.Faults) == 0 {
		done, err := act(page, l, c)
		if err := page.judge(q, err); err != nil {
			return answer{}, err
		}
		if len(page.Faults) == 0 {
			return done, nil
		}
	}
	return answer{status: http.StatusUnprocessableEntity, page: "contain", data: page, failed: true, back: page.Back}, nil
}

// previewContainment says what would be stopped. It stops nothing.
func (s *Site) previewContainment(q *query) (answer, error) {
	return s.containFrom(q, func(page containPage, l directory.Lineage, c directory.Containment) (answer, error) {
		what, err := s.rooms.Directory.Preview(q.Context(), q.actor(), c)
		if err != nil {
			return answer{}, err
		}
		a, err := show("containpreview", s.viewPreview(q, page, l, what))
		a.back = page.Back
		return a, err
	})
}

func (s *Site) viewPreview(q *query, page containPage, l directory.Lineage, what directory.Preview) previewPage {
	preview := previewPage{
		Name: page.Name, Email: page.Email, Back: s.lineagePath(l.ID, "contain"), Tree: page.Tree, Since: page.Since.Value, Reason: page.Reason, What: what, Refused: what.Reasons,
		Accounts: s.viewStopped(q, l, what.Accounts), Picture: s.tree(q, l.Kin, nil, rest(what.Accounts), l.Places),
	}
	switch {
	case len(what.Reasons) == 0:
		preview.Act = s.lineagePath(l.ID, "contain")
	case slices.Equal(what.Reasons, []ecluse.Reason{ecluse.ReasonContainmentSecond}):
		preview.Ask = s.lineagePath(l.ID, "contain", "ask")
	}
	if len(preview.Accounts) > maxStopped {
		preview.More = len(preview.Accounts) - maxStopped
		preview.Accounts = preview.Accounts[:maxStopped]
	}
	return preview
}

// rest is kin without the account at distance 0.
func rest(kin []directory.Kin) []directory.Kin {
	return slices.DeleteFunc(slices.Clone(kin), func(k directory.Kin) bool { return k.Depth == 0 })
}

func (s *Site) viewStopped(q *query, l directory.Lineage, kin []directory.Kin) (list []kinView) {
	for _, k := range kin {
		list = append(list, kinView{Kin: k, Href: s.lineagePath(k.ID), Organisation: placeName(q, k.Account, l.Places), Now: k.StateAt(s.now())})
	}
	return list
}

// judge turns what stands in the way into a fault of the form.
func (p *containPage) judge(q *query, err error) error {
	key, field := "", ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, directory.ErrSince):
		key, field = "contain.error.since", "since"
		p.Since.Error = q.t(key)
	case errors.Is(err, directory.ErrTooMany):
		key, field = "contain.error.many", "since"
		p.Since.Error = q.t(key)
	case errors.Is(err, directory.ErrContained):
		key = "contain.error.nothing"
	case errors.Is(err, directory.ErrReason):
		key, field = "contain.error.reason", "reason"
		p.ReasonError = q.t(key)
	default:
		return err
	}
	p.Faults = append(p.Faults, fault{Field: field, Message: q.t(key)})
	return nil
}

// contain does it.
func (s *Site) contain(q *query) (answer, error) {
	return s.containFrom(q, func(_ containPage, _ directory.Lineage, c directory.Containment) (answer, error) {
		done, _, err := s.rooms.Directory.Contain(q.Context(), q.actor(), c)
		if err != nil {
			return answer{}, err
		}
		return redirect(s.containmentPath(done.ID) + "?done")
	})
}

// askContainment asks a second officer.
func (s *Site) askContainment(q *query) (answer, error) {
	return s.containFrom(q, func(_ containPage, _ directory.Lineage, c directory.Containment) (answer, error) {
		a, err := s.rooms.Directory.RequestContainment(q.Context(), q.actor(), c)
		if err != nil {
			return answer{}, err
		}
		return redirect(localPath("approvals", s.rooms.Names.Name("approval", int64(a.ID))))
	})
}

func (s *Site) containmentPath(id ecluse.ContainmentID, more ...string) string {
	return localPath(append([]string{"containments", s.rooms.Names.Name("containment", int64(id))}, more...)...)
}

// containment shows one; with asking, the question whether to undo it.
func (s *Site) containment(q *query) (answer, error)  { return s.containmentStep(q, false) }
func (s *Site) askUncontain(q *query) (answer, error) { return s.containmentStep(q, true) }

func (s *Site) containmentStep(q *query, asking bool) (answer, error) {
	id, err := s.number("containment", q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	explained, err := s.rooms.Directory.Containment(q.Context(), q.actor(), ecluse.ContainmentID(id))
	if err != nil {
		return answer{}, err
	}
	c := explained.Contained
	page := containmentPage{Reason: explained.Why, Receipt: explained.Receipt, Just: q.URL.Query().Has("done"), Asking: asking}
	if page.Item, err = s.viewContainment(q, c); err != nil {
		return answer{}, err
	}
	if err := s.fillStopped(q, c, &page); err != nil {
		return answer{}, err
	}
	if scopers.admits(q.standing) {
		page.Scope = s.lineagePath(c.Account, "scope")
	}
	if c.InForce() && containers.admits(q.standing) {
		page.Undo = s.containmentPath(c.ID, "undo")
	}
	if asking && page.Undo == "" {
		return answer{}, directory.ErrDecided
	}
	return show("containment", page)
}

// fillStopped lists the accounts, and who undid it.
func (s *Site) fillStopped(q *query, c directory.Contained, page *containmentPage) error {
	what, err := c.Changed()
	if err != nil {
		return err
	}
	for i, a := range what.Accounts {
		if i == maxStopped {
			page.More = len(what.Accounts) - i
			break
		}
		name, err := s.ownerName(q, a.ID)
		if err != nil {
			return err
		}
		page.Accounts = append(page.Accounts, stoppedView{name, s.lineagePath(a.ID), a.State})
	}
	for _, id := range []ecluse.AccountID{c.UndoneBy, c.UndoApproved} {
		if id == 0 {
			continue
		}
		name, err := s.ownerName(q, id)
		if err != nil {
			return err
		}
		page.UndoneBy = append(page.UndoneBy, name)
	}
	return nil
}

// uncontain asks another officer to undo it.
func (s *Site) uncontain(q *query) (answer, error) {
	id, err := s.number("containment", q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	a, err := s.rooms.Directory.RequestUncontainment(q.Context(), q.actor(), ecluse.ContainmentID(id))
	if errors.Is(err, directory.ErrUndone) {
		return answer{}, directory.ErrDecided
	}
	if err != nil {
		return answer{}, err
	}
	return redirect(localPath("approvals", s.rooms.Names.Name("approval", int64(a.ID))))
}

// containedPage tells the owner of a contained account, who has just proven who she is, what it is, since
// when and whom to ask.
type containedPage struct {
	Since       time.Time
	Controller  string
	Appeal      string // name of a human
	AppealEmail string
	DPO         string // of the controller
	Receipt     string // of the containment, to name it by
}

// newContainedPage puts it into words.
func (s *Site) newContainedPage(c directory.Concerned) containedPage {
	return containedPage{
		Since: c.At, Controller: c.Controller.Name, Appeal: strings.TrimSpace(c.Appeal.Name()), AppealEmail: c.Appeal.Email, DPO: c.Controller.DPO,
		Receipt: c.Receipt,
	}
}

// containView is a containment that is asked for, or to be undone.
type containView struct {
	directory.ContainmentSummary
	Lineage string
	Made    string // address of the one to undo
	Others  int
}

func (s *Site) viewContains(c *directory.ContainmentSummary) *containView {
	if c == nil {
		return nil
	}
	v := &containView{ContainmentSummary: *c, Lineage: s.lineagePath(c.Account), Others: max(0, c.Accounts-1)}
	if c.ID != 0 {
		v.Made = s.containmentPath(c.ID)
	}
	return v
}
