package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/directory"
)

// manager is what the pages of accounts ask of the directory.
type manager interface {
	Team(ctx context.Context, by directory.Actor) ([]directory.Member, error) // ErrNotFound for whoever is no account manager
	Requests(ctx context.Context, by directory.Actor) ([]directory.Approval, error)
	Member(ctx context.Context, by directory.Actor, id ecluse.AccountID) (directory.Member, directory.Organisation, error)
	MemberByEmail(ctx context.Context, by directory.Actor, email string) (directory.Member, directory.Organisation, error)
	RequestAccount(ctx context.Context, by directory.Actor, r directory.AccountRequest) (directory.Approval, error)
	RequestStandIn(ctx context.Context, by directory.Actor, r directory.AccountRequest) (directory.Approval, error)
	EndAccount(ctx context.Context, by directory.Actor, id ecluse.AccountID) error
	InviteAgain(ctx context.Context, by directory.Actor, id ecluse.AccountID) error
	Orphans(ctx context.Context, by directory.Actor, controller string) ([]directory.Orphan, error)
}

// colleaguesPage lists the accounts of an organisation for its account manager. The body's staff finds one by
// its address instead.
type colleaguesPage struct {
	Organisation string // "" = the reader is of the body
	Groups       []colleagueGroup
	Waiting      []requestView
	Email        input
	Faults       []fault
	Notice       string // of colleagueNotices
}

// colleagueGroup are those in one state.
type colleagueGroup struct {
	State   string
	Members []memberView
}

type memberView struct {
	directory.Member
	Href    string
	Courses []courseView
}

type requestView struct {
	directory.AccountSummary
	Kind      string
	Requester string
	Expires   time.Time
}

// colleagueNotices say what was done a moment ago.
var colleagueNotices = []string{"asked", "ended", "invited"}

// memberStates are the states in the order in which the page lists them.
var memberStates = []string{directory.Active, directory.Invited, directory.Dormant, directory.Suspended, directory.Ended}

// colleagues shows the list, or the search for the body's staff.
func (s *Site) colleagues(q *query) (answer, error) {
	page := colleaguesPage{Organisation: q.standing.Organisation.Name, Email: colleagueEmail(q)}
	if done := q.URL.Query().Get("done"); slices.Contains(colleagueNotices, done) {
		page.Notice = done
	}
	waiting, err := s.rooms.Directory.Requests(q.Context(), q.actor())
	if err != nil {
		return answer{}, err
	}
	for _, a := range waiting {
		summary, err := a.Diff()
		if err != nil {
			return answer{}, err
		}
		if summary.Account != nil {
			page.Waiting = append(page.Waiting, requestView{*summary.Account, a.Kind, a.Requester, a.Expires})
		}
	}
	if page.Organisation == "" {
		return show("colleagues", page)
	}
	team, err := s.rooms.Directory.Team(q.Context(), q.actor())
	if err != nil {
		return answer{}, err
	}
	for _, state := range memberStates {
		group := colleagueGroup{State: state}
		for _, m := range team {
			if m.Now == state {
				courses, err := s.coursesOf(q, m)
				if err != nil {
					return answer{}, err
				}
				group.Members = append(group.Members, memberView{m, s.colleaguePath(m.ID), courses})
			}
		}
		if len(group.Members) > 0 {
			page.Groups = append(page.Groups, group)
		}
	}
	return show("colleagues", page)
}

// coursesOf says whether a member's trainings are up to date, and until when: neither how often she tried nor
// anything of her work.
func (s *Site) coursesOf(q *query, m directory.Member) (list []courseView, err error) {
	for _, t := range m.Trainings {
		reg, err := s.rooms.Registers.ByID(q.Context(), t.Register)
		if err != nil {
			return nil, err
		}
		if v := s.viewCourse(reg, t); v.Href != "" {
			list = append(list, v)
		}
	}
	return list, nil
}

func (s *Site) colleaguePath(id ecluse.AccountID, more ...string) string {
	return localPath(append([]string{"colleagues", s.rooms.Names.Name("account", int64(id))}, more...)...)
}

func colleagueEmail(q *query) input {
	return input{ID: "email", Name: "email", Label: q.t("account.find"), Value: q.URL.Query().Get("email"), Inputmode: "email", Autocomplete: "off", MaxLength: 254}
}

// findColleague leads the body's staff to an account by its address.
func (s *Site) findColleague(q *query) (answer, error) {
	page := colleaguesPage{Email: colleagueEmail(q)}
	m, _, err := s.rooms.Directory.MemberByEmail(q.Context(), q.actor(), q.URL.Query().Get("email"))
	if errors.Is(err, directory.ErrNotFound) {
		page.Email.Error = q.t("account.error.unknown")
		page.Faults = []fault{{Field: "email", Message: page.Email.Error}}
		return answer{status: http.StatusUnprocessableEntity, page: "colleagues", data: page, failed: true, back: "/colleagues"}, nil
	}
	if err != nil {
		return answer{}, err
	}
	return redirect(s.colleaguePath(m.ID))
}

// colleaguePage is one account with what may be done about it.
type colleaguePage struct {
	Item         directory.Member
	Courses      []courseView
	Organisation string
	Change       string // address, "" = not possible
	Relink       string
	End          string
	Invite       string
	Lineage      string
}

// colleague shows one.
func (s *Site) colleague(q *query) (answer, error) {
	m, o, err := s.member(q)
	if err != nil {
		return answer{}, err
	}
	courses, err := s.coursesOf(q, m)
	if err != nil {
		return answer{}, err
	}
	page := colleaguePage{Item: m, Courses: courses, Organisation: o.Name}
	acts := m.Now == directory.Active || m.Now == directory.Invited || m.Now == directory.Dormant || m.State != directory.Ended && m.Now == directory.Ended
	if acts && !m.Own {
		page.Change, page.End = s.colleaguePath(m.ID, "change"), s.colleaguePath(m.ID, "end")
	}
	switch {
	case m.Own:
	case m.Now == directory.Invited:
		page.Invite = s.colleaguePath(m.ID, "invite")
	case acts && m.Sub != "":
		page.Relink = s.colleaguePath(m.ID, "relink")
	}
	return show("colleague", page)
}

// member is the account that the address names.
func (s *Site) member(q *query) (directory.Member, directory.Organisation, error) {
	id, err := s.number("account", q.PathValue("id"))
	if err != nil {
		return directory.Member{}, directory.Organisation{}, err
	}
	return s.rooms.Directory.Member(q.Context(), q.actor(), ecluse.AccountID(id))
}

// colleagueActPage asks whether the reader is sure.
type colleagueActPage struct {
	Item directory.Member
	Act  string // end, relink
	Post string
	Back string
}

// confirmEnd says what ending an account does.
func (s *Site) confirmEnd(q *query) (answer, error) { return s.confirmColleague(q, "end") }

// confirmRelink says what binding an account to another identity does.
func (s *Site) confirmRelink(q *query) (answer, error) { return s.confirmColleague(q, "relink") }

func (s *Site) confirmColleague(q *query, act string) (answer, error) {
	m, _, err := s.member(q)
	if err != nil {
		return answer{}, err
	}
	back := s.colleaguePath(m.ID)
	return show("colleagueact", colleagueActPage{Item: m, Act: act, Post: back + "/" + act, Back: back})
}

// endColleague ends an account.
func (s *Site) endColleague(q *query) (answer, error) {
	m, _, err := s.member(q)
	if err != nil {
		return answer{}, err
	}
	if err := s.rooms.Directory.EndAccount(q.Context(), q.actor(), m.ID); err != nil && !errors.Is(err, directory.ErrNothing) {
		return answer{}, err
	}
	return redirect("/colleagues?done=ended")
}

// inviteColleague sends the invitation again.
func (s *Site) inviteColleague(q *query) (answer, error) {
	m, _, err := s.member(q)
	if err != nil {
		return answer{}, err
	}
	if err := s.rooms.Directory.InviteAgain(q.Context(), q.actor(), m.ID); err != nil {
		return answer{}, err
	}
	return redirect("/colleagues?done=invited")
}

// relinkColleague asks to bind an account to another identity of its owner.
func (s *Site) relinkColleague(q *query) (answer, error) {
	m, o, err := s.member(q)
	if err != nil {
		return answer{}, err
	}
	r := directory.AccountRequest{
		Email: m.Email, GivenName: m.GivenName, UsualName: m.UsualName, Organisation: o.Code, Roles: m.Roles, Ends: m.Ends, Reason: "identity", Relink: true,
	}
	if r.Ends.After(s.now().Add(directory.AccountLife)) {
		r.Ends = time.Time{}
	}
	if _, err := s.rooms.Directory.RequestAccount(q.Context(), q.actor(), r); err != nil {
		return answer{}, err
	}
	return redirect("/colleagues?done=asked")
}

func toColleague(q *query) string { return localPath("colleagues", q.PathValue("id")) }

// orphansPage lists what nobody stands for any more.
type orphansPage struct {
	Groups []orphanGroup
	Count  int
}

type orphanGroup struct {
	Why   string
	Items []orphanView
}

type orphanView struct {
	directory.Orphan
	Href string
}

// orphans shows the list.
func (s *Site) orphans(q *query) (answer, error) {
	all, err := s.rooms.Directory.Orphans(q.Context(), q.actor(), "")
	if err != nil {
		return answer{}, err
	}
	page := orphansPage{Count: len(all)}
	for _, why := range directory.OrphanReasons {
		group := orphanGroup{Why: why}
		for _, o := range all {
			if o.Why == why {
				group.Items = append(group.Items, orphanView{o, s.colleaguePath(o.Account.ID)})
			}
		}
		if len(group.Items) > 0 {
			page.Groups = append(page.Groups, group)
		}
	}
	return show("orphans", page)
}
