package web

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/exposure"
)

// unanswered is every question to the directory that no fake answers, one step deeper than those that do.
type unanswered struct{ Directory }

// fakeAccounts is the directory behind the pages of accounts.
type fakeAccounts struct {
	team       []directory.Member
	requests   []directory.Approval
	orphans    []directory.Orphan
	behind     directory.Background
	exposed    exposure.Added
	accountErr error // of whatever asks or does

	asked directory.AccountRequest
	did   []string
}

func (f *fakeAccounts) Team(context.Context, directory.Actor) ([]directory.Member, error) {
	return f.team, nil
}

func (f *fakeAccounts) Requests(context.Context, directory.Actor) ([]directory.Approval, error) {
	return f.requests, nil
}

func (f *fakeAccounts) Member(_ context.Context, _ directory.Actor, id ecluse.AccountID) (directory.Member, directory.Organisation, error) {
	i := slices.IndexFunc(f.team, func(m directory.Member) bool { return m.ID == id })
	if i < 0 {
		return directory.Member{}, directory.Organisation{}, directory.ErrNotFound
	}
	return f.team[i], directory.Organisation{ID: 3, Code: "ml-lezarde", Name: "Mission locale de la Lézarde"}, nil
}

func (f *fakeAccounts) MemberByEmail(ctx context.Context, by directory.Actor, email string) (directory.Member, directory.Organisation, error) {
	for _, m := range f.team {
		if strings.EqualFold(m.Email, email) {
			return f.Member(ctx, by, m.ID)
		}
	}
	return directory.Member{}, directory.Organisation{}, directory.ErrNotFound
}

func (f *fakeAccounts) RequestAccount(_ context.Context, _ directory.Actor, r directory.AccountRequest) (directory.Approval, error) {
	f.asked = r
	return directory.Approval{ID: 9}, f.accountErr
}

func (f *fakeAccounts) RequestStandIn(ctx context.Context, by directory.Actor, r directory.AccountRequest) (directory.Approval, error) {
	return f.RequestAccount(ctx, by, r)
}

func (f *fakeAccounts) EndAccount(_ context.Context, _ directory.Actor, id ecluse.AccountID) error {
	f.did = append(f.did, fmt.Sprint("end ", id))
	return f.accountErr
}

func (f *fakeAccounts) InviteAgain(_ context.Context, _ directory.Actor, id ecluse.AccountID) error {
	f.did = append(f.did, fmt.Sprint("invite ", id))
	return f.accountErr
}

func (f *fakeAccounts) Orphans(context.Context, directory.Actor, string) ([]directory.Orphan, error) {
	return f.orphans, nil
}

func (f *fakeAccounts) Background(context.Context, directory.Actor, ecluse.ApprovalID) (directory.Background, error) {
	return f.behind, nil
}

func (f *fakeAccounts) Progress(context.Context, directory.Actor, ecluse.ApprovalID) (made, total int, err error) {
	return 4000, 12408, nil
}

func (f *fakeAccounts) TakeUp(_ context.Context, _ directory.Actor, id ecluse.ApprovalID) error {
	f.did = append(f.did, fmt.Sprint("take up ", id))
	return f.accountErr
}

func (f *fakeAccounts) Added(context.Context, ecluse.ControllerID, ...directory.AccountChange) (exposure.Added, error) {
	return f.exposed, nil
}

// asAccountManager signs the account manager of the mission locale in.
func asAccountManager(f *fakeRooms) {
	f.standing.Roles = []ecluse.Role{ecluse.RoleAccountManager}
	f.standing.Account.Organisation = 3
	member := func(id int, given, usual, state string, change ...func(*directory.Member)) directory.Member {
		m := directory.Member{
			Account: directory.Account{ID: ecluse.AccountID(id), Organisation: 3, State: state, GivenName: given, UsualName: usual, Email: strings.ToLower(given+"."+usual) + "@lezarde.test", Sub: "x", Ends: testNow.AddDate(0, 7, 0)},
			Now:     state, Site: "Site de Pantin", Roles: []ecluse.Role{ecluse.RoleAgent}, LastMonth: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		}
		for _, c := range change {
			c(&m)
		}
		return m
	}
	f.team = []directory.Member{
		member(7, "Camille", "Arnaud", directory.Active, func(m *directory.Member) { m.Own, m.Roles = true, []ecluse.Role{ecluse.RoleAccountManager} }),
		member(11, "Nadia", "Ferrand", directory.Active),
		member(12, "Hugo", "Petit", directory.Active, func(m *directory.Member) { m.Ends = time.Time{}; m.StandInEnds = testNow.Add(31 * time.Hour) }),
		member(13, "Solène", "Marchand", directory.Invited, func(m *directory.Member) { m.LastMonth, m.Sub = time.Time{}, "" }),
		member(14, "Paul", "Dubois", directory.Dormant, func(m *directory.Member) { m.LastMonth = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC) }),
		member(15, "Awa", "Diop", directory.Ended),
	}
	asked := directory.Summary{Account: &directory.AccountSummary{Op: "open", Reason: "arrival", Email: "lea.roux@lezarde.test", Organisation: "Mission locale de la Lézarde", Site: "Site de Pantin", Domain: true}}
	f.requests = []directory.Approval{{ID: 5, Kind: directory.KindAccount, Requester: "Camille Arnaud", RequestedBy: 7, RequestedAt: testNow.Add(-time.Hour), Expires: testNow.AddDate(0, 0, 29), State: "pending", Summary: summary(asked)}}
	f.approvals = nil
}

// asCareful signs the access officer in who looks at a request for an account.
func asCareful(f *fakeRooms) {
	asAccountManager(f)
	request := f.requests[0]
	asOfficer(f)
	request.Body = `{"controller":"x","accounts":[{"email":"lea.roux@lezarde.test","state":"active","roles":["agent"]}]}`
	request.Summary = summary(directory.Summary{
		Account:  &directory.AccountSummary{Op: "open", Reason: "arrival", Email: "lea.roux@lezarde.test", Organisation: "Mission locale de la Lézarde", Site: "Site de Pantin", Domain: true},
		Accounts: []directory.Line{{Op: "new", Name: "Léa Roux", Cells: []directory.Cell{{Name: "email", New: "lea.roux@lezarde.test"}, {Name: "roles", New: "agent (ml-lezarde mission-locale 2026-1) until 2027-11-21"}, {Name: "ends", New: "2027-11-21"}, {Name: "state", New: "invited"}}}},
	})
	command := f.approvals[0]
	command.ID, command.RequestedBy, command.Requester = 6, 0, "cli:ops@node1"
	f.approvals = append(f.approvals, request, command)
	f.behind = directory.Background{
		Requester: directory.Account{ID: 7, GivenName: "Camille", UsualName: "Arnaud"}, Organisation: directory.Organisation{ID: 3, Name: "Mission locale de la Lézarde"},
		Lineage: []directory.Account{{ID: 30, GivenName: "Farid", UsualName: "Lemoine"}}, Browser: "Chrome, Windows", Network: "203.0.113.0/24", NewNetwork: true,
		Asked24h: 3, Waiting: 2, Concerns: directory.Organisation{ID: 3, Name: "Mission locale de la Lézarde"}, Headcount: 34, Accounts: 33, Asks: 1,
		Domains: []directory.DomainUse{{Domain: "lezarde.test", Providers: []directory.ProviderUse{{IDP: "proconnect/71144ab3", Accounts: 31}}}, {Domain: "gmail.test", New: true}},
	}
	f.exposed = exposure.Added{Day: 120, Month: 640}
}

func asColleague(f *fakeRooms) {
	f.standing.Account.Organisation = 3
	f.approvals = []directory.Approval{{ID: 8, Kind: directory.KindStandIn, Requester: "Solène Marchand", RequestedBy: 13, RequestedAt: testNow.Add(-time.Hour), Expires: testNow.Add(20 * time.Hour), State: "pending",
		Summary: summary(directory.Summary{Account: &directory.AccountSummary{Op: "replace", Reason: "replacement", Email: "yves.blin@lezarde.test", Organisation: "Mission locale de la Lézarde", Site: "Site de Pantin"}})}}
}

const typedAccount = "email=lea.roux@lezarde.test&given_name=L%C3%A9a&usual_name=Roux&site=ml-lezarde-pantin&role=agent&reason=arrival&ends=2027-05-31"

func init() {
	for _, name := range []string{"colleagues-unknown", "account-taken", "account-place", "account-nothing", "replacements-full"} {
		status[name] = 422
	}
}

// accountStates are the pages of accounts in all their situations.
func accountStates() map[string]state {
	refusing := func(err error) func(*fakeRooms) {
		return func(f *fakeRooms) { asAccountManager(f); f.accountErr = err }
	}
	return map[string]state{
		"colleagues": with(get("/colleagues"), asAccountManager), "colleagues-done": with(get("/colleagues?done=asked"), asAccountManager),
		"colleagues-none":    with(get("/colleagues"), func(f *fakeRooms) { asAccountManager(f); f.team, f.requests = nil, nil }),
		"colleagues-staff":   with(get("/colleagues"), asOfficer),
		"colleagues-unknown": with(get("/colleagues/find?email=nobody@lezarde.test"), asOfficer),
		"colleague":          with(get("/colleagues/a11"), asAccountManager), "colleague-own": with(get("/colleagues/a7"), asAccountManager), "colleague-invited": with(get("/colleagues/a13"), asAccountManager),
		"colleague-standin": with(get("/colleagues/a12"), asAccountManager), "colleague-dormant": with(get("/colleagues/a14"), asAccountManager),
		"colleague-end": with(get("/colleagues/a11/end"), asAccountManager), "colleague-relink": with(get("/colleagues/a11/relink"), asAccountManager),
		"account-new": with(get("/colleagues/new"), asAccountManager), "account-staff": with(get("/colleagues/new"), asOfficer), "account-change": with(get("/colleagues/a11/change"), asAccountManager),
		"account-taken":     with(post("/colleagues", typedAccount), refusing(directory.ErrTaken)),
		"account-place":     with(post("/colleagues", typedAccount), refusing(directory.ErrNotFound)),
		"account-nothing":   with(post("/colleagues/a11/change", typedAccount), refusing(directory.ErrNothing)),
		"replacements":      with(get("/replacements"), asAccountManager),
		"replacements-done": with(get("/replacements?done=asked"), asAccountManager),
		"replacements-two":  with(get("/replacements"), asColleague),
		"replacements-full": with(post("/replacements", typedAccount), refusing(directory.ErrStandIns)),
		"approval-account":  with(get("/approvals/a5"), asCareful), "approval-account-yes": with(post("/approvals/a5/confirm", "decision=approve"), asCareful),
		"approval-command": with(get("/approvals/a6"), asCareful), "approval-standin": with(get("/approvals/a8"), asColleague),
		"orphans-none": with(get("/orphans"), asOfficer),
		"orphans": with(get("/orphans"), func(f *fakeRooms) {
			asOfficer(f)
			for i, why := range directory.OrphanReasons {
				f.orphans = append(f.orphans, directory.Orphan{Account: directory.Account{ID: 11, GivenName: "Nadia", UsualName: "Ferrand", Email: "nadia.ferrand@lezarde.test"}, Organisation: "Mission locale de la Lézarde", Why: why, Since: testNow.AddDate(0, -i, 0)})
			}
		}),
	}
}
