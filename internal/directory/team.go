package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
)

// ManagerActs is how many accounts a manager may end or invite again in 24 h: enough for a site that closes,
// and a bound on what a stolen manager's account can lock out. The body's staff has none.
const ManagerActs = 20

// ErrActs: the manager did ManagerActs such acts within a day.
var ErrActs = fmt.Errorf("a manager ends or invites at most %d accounts a day", ManagerActs)

// TeamRows reads what concerns the accounts of one organisation.
type TeamRows interface {
	AccountsOf(ctx context.Context, o ecluse.OrganisationID) ([]Account, error)
	GrantsOf(ctx context.Context, o ecluse.OrganisationID) ([]Grant, error)
	// DirectoryActs counts what an account did since an instant that is in the ledger as a change of the
	// directory.
	DirectoryActs(ctx context.Context, a ecluse.AccountID, since time.Time) (int, error)
	// Asked counts what an account asked for since an instant, and what of it waits.
	Asked(ctx context.Context, a ecluse.AccountID, since time.Time) (asked, waiting int, err error)
	// Desks are the browsers and networks that an account was signed in from before a session.
	Desks(ctx context.Context, a ecluse.AccountID, before ecluse.SessionID) ([]Desk, error)
	OrphanRows
	// Desk is where a session of an account is: ErrNotFound, also once it was forgotten.
	Desk(ctx context.Context, a ecluse.AccountID, session ecluse.SessionID) (Desk, error)
}

// Member is a colleague as the account manager of the organisation sees them. It says nothing of anybody's
// work: the last sign-in is a month.
type Member struct {
	Account
	Now       string // StateAt
	Site      string // name
	Roles     []ecluse.Role
	LastMonth time.Time // first day of the month of the last sign-in, zero = never
	Own       bool      // the one who asks
	// Trainings are the certificates of the registers that the account opens files of; of one that was never
	// passed, without an end.
	Trainings []Training
}

// Team are the accounts of the actor's organisation, by name: those that ended a year ago are left out.
// ErrNotFound for whoever is no account manager.
func (d *Directory) Team(ctx context.Context, by Actor) ([]Member, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return nil, err
	}
	if !manages(s) {
		return nil, ErrNotFound
	}
	accounts, err := d.rows.AccountsOf(ctx, s.Account.Organisation)
	if err != nil {
		return nil, fmt.Errorf("read the accounts of organisation %d: %w", s.Account.Organisation, err)
	}
	grants, err := d.rows.GrantsOf(ctx, s.Account.Organisation)
	if err != nil {
		return nil, fmt.Errorf("read the grants of organisation %d: %w", s.Account.Organisation, err)
	}
	trained, err := d.teamTrainings(ctx, s.Account.Organisation, grants)
	if err != nil {
		return nil, err
	}
	sites, err := d.siteNames(ctx, s.Controller.ID)
	if err != nil {
		return nil, err
	}
	at := d.now()
	var team []Member
	for _, a := range accounts {
		if d.checkAccount(a) != nil || a.Kind == KindClient || a.State == Ended && a.endedBefore(at.AddDate(-1, 0, 0)) {
			continue
		}
		team = append(team, Member{Account: a, Now: a.StateAt(at), Site: sites[a.Site], Roles: d.rolesOf(a, grants, at), LastMonth: month(a.ActiveAt), Own: a.ID == by.Account, Trainings: trained(a)})
	}
	slices.SortFunc(team, func(a, b Member) int {
		return cmp.Or(strings.Compare(a.UsualName, b.UsualName), strings.Compare(a.GivenName, b.GivenName), cmp.Compare(a.ID, b.ID))
	})
	return team, nil
}

// Member is one account, for whoever may manage it: the account managers of its organisation, and the body's
// staff. ErrNotFound for everybody else.
func (d *Directory) Member(ctx context.Context, by Actor, id ecluse.AccountID) (m Member, o Organisation, err error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return m, o, err
	}
	of, err := d.Standing(ctx, id)
	if err != nil {
		return m, o, unknownIsNotFound(err)
	}
	if !s.managesAccount(of.Account) || of.Account.Kind == KindClient {
		return m, o, ErrNotFound
	}
	a := of.Account
	var trainings []Training
	for _, m := range of.Mandates {
		if !slices.ContainsFunc(trainings, func(t Training) bool { return t.Register == m.Register }) {
			trainings = append(trainings, of.Training(m.Register))
		}
	}
	return Member{Account: a, Now: of.StateAt(d.now()), Site: of.Site.Name, Roles: of.Roles, LastMonth: month(a.ActiveAt), Own: id == by.Account, Trainings: trainings}, of.Organisation, nil
}

// MemberByEmail is the account of the actor's organisation, or for the body's staff of the body, that shows
// an address: ErrNotFound, also when several do.
func (d *Directory) MemberByEmail(ctx context.Context, by Actor, email string) (m Member, o Organisation, err error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return m, o, err
	}
	found, err := d.rows.AccountsByEmail(ctx, strings.ToLower(email))
	if err != nil {
		return m, o, fmt.Errorf("look up an account: %w", err)
	}
	found = slices.DeleteFunc(found, func(a Account) bool { return !s.managesAccount(a) || a.State == Ended })
	if len(found) != 1 {
		return m, o, ErrNotFound
	}
	return d.Member(ctx, by, found[0].ID)
}

// managesAccount: an account manager those of its organisation, the body's staff all of the body.
func (s Standing) managesAccount(a Account) bool {
	return a.Controller == s.Controller.ID && (bodyStaff(s) || manages(s) && a.Organisation == s.Account.Organisation)
}

// endedBefore reports whether the account ended by date before an instant; of one that an act ended it is
// not known, and its last use stands in.
func (a Account) endedBefore(at time.Time) bool {
	return a.lastUse().Before(at) && (a.Ends.IsZero() || a.Ends.Before(at))
}

func month(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// rolesOf are the roles of an account's running grants.
func (d *Directory) rolesOf(a Account, grants []Grant, at time.Time) (roles []ecluse.Role) {
	for _, g := range grants {
		if g.Account == a.ID && g.runs(at) && !slices.Contains(roles, g.Role) && d.valid(grantDomain, int64(g.Account), g.MAC, g.canonical()) {
			roles = append(roles, g.Role)
		}
	}
	return roles
}

// teamTrainings tells the certificates of each account of an organisation.
func (d *Directory) teamTrainings(ctx context.Context, o ecluse.OrganisationID, grants []Grant) (func(Account) []Training, error) {
	agreements, err := d.rows.Agreements(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("read the agreements of organisation %d: %w", o, err)
	}
	rows, err := d.rows.TrainingsOf(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("read the trainings of organisation %d: %w", o, err)
	}
	rows, at := d.validTrainings(rows), d.now()
	return func(a Account) (list []Training) {
		for _, g := range grants {
			i := slices.IndexFunc(agreements, func(c Agreement) bool { return c.ID == g.Agreement })
			if g.Account != a.ID || i < 0 || !g.runs(at) || !d.valid(grantDomain, int64(g.Account), g.MAC, g.canonical()) {
				continue
			}
			t := trainingOf(rows, a.ID, agreements[i].Register)
			if !slices.ContainsFunc(list, func(o Training) bool { return o.Register == t.Register }) {
				list = append(list, t)
			}
		}
		return list
	}, nil
}

func (d *Directory) siteNames(ctx context.Context, c ecluse.ControllerID) (map[ecluse.OrganisationID]string, error) {
	all, _, err := d.organisations(ctx, d.rows, c)
	if err != nil {
		return nil, err
	}
	names := map[ecluse.OrganisationID]string{}
	for _, o := range all {
		names[o.ID] = o.Name
	}
	return names, nil
}

// Requests are the requests for accounts and replacements of the actor's organisation that wait, for its
// account managers, without bodies; of the body's staff those of the whole body.
func (d *Directory) Requests(ctx context.Context, by Actor) ([]Approval, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return nil, err
	}
	if !asksForAccounts(s) {
		return nil, ErrNotFound
	}
	all, err := d.rows.Approvals(ctx, s.Controller.ID, "pending")
	return slices.DeleteFunc(all, func(a Approval) bool {
		return a.Kind != KindAccount && a.Kind != KindStandIn && a.Kind != KindStandInConfirm ||
			s.Account.Organisation != 0 && a.Organisation != s.Account.Organisation || !d.now().Before(a.Expires)
	}), err
}

// manageable is the account that an account manager of its organisation, or the body's staff, may end or
// invite again. Errors: ErrNotFound, ErrDualControl (one's own), ErrActs, ErrInactive, ErrWeak.
func (d *Directory) manageable(ctx context.Context, by Actor, id ecluse.AccountID) (Standing, Account, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return s, Account{}, err
	}
	a, err := d.rows.Account(ctx, id)
	if err != nil {
		return s, a, unknownIsNotFound(err)
	}
	if !s.managesAccount(a) {
		return s, Account{}, ErrNotFound
	}
	if a.ID == by.Account {
		return s, a, ErrDualControl
	}
	if err := d.checkAccount(a); err != nil || bodyStaff(s) {
		return s, a, err
	}
	n, err := d.rows.DirectoryActs(ctx, by.Account, d.now().Add(-24*time.Hour))
	if err == nil && n >= ManagerActs {
		err = ErrActs
	}
	return s, a, err
}

// EndAccount ends an account at once, with its sessions. It only takes away, so that one person suffices;
// its owner comes back by a request. Errors: ErrNotFound, ErrNothing (it has ended), ErrDualControl (one's
// own), ErrActs, ErrInactive, ErrWeak.
func (d *Directory) EndAccount(ctx context.Context, by Actor, id ecluse.AccountID) error {
	_, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, a, err := d.manageable(ctx, by, id)
		if err != nil {
			return nil, err
		}
		if a.State == Ended {
			return nil, ErrNothing
		}
		if a.State == Suspended { // ending it would take it out of the containment
			return nil, ErrNotFound
		}
		return []ledger.Candidate{{
			Kind: ledger.KindDirectory, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev, NewRevision: true,
			Detail: ledger.Detail{What: "account ended", Subject: int64(id), By: by.CLI},
			Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
				a.State, a.Entry = Ended, e.N
				a.MAC = d.keys.MAC(accountDomain, a.canonical())
				_, err := tx.(FactorTx).EndOtherSessions(ctx, id, 0, e.At)
				return errors.Join(err, tx.(Tx).PutAccounts(ctx, a))
			},
		}}, nil
	})
	if err != nil {
		return fmt.Errorf("end account %d: %w", id, err)
	}
	return nil
}

// InviteAgain sends a new invitation to the owner of an account that nobody is bound to yet. The account
// was approved; the mail goes to the same address. Errors: as EndAccount, and ErrNothing if the account
// waits for nobody.
func (d *Directory) InviteAgain(ctx context.Context, by Actor, id ecluse.AccountID) error {
	_, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, a, err := d.manageable(ctx, by, id)
		if err != nil {
			return nil, err
		}
		if a.StateAt(d.now()) != Invited {
			return nil, ErrNothing
		}
		return []ledger.Candidate{{
			Kind: ledger.KindDirectory, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session, Revision: s.Rev, NewRevision: true,
			Detail: ledger.Detail{What: "invited again", Subject: int64(id), By: by.CLI},
			Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
				return errors.Join(tx.(Tx).InsertInvitations(ctx, d.invitation(a, e.At)), tx.(Tx).InsertNotices(ctx, []notice.Notice{invitationNotice(a)}))
			},
		}}, nil
	})
	if err != nil {
		return fmt.Errorf("invite account %d again: %w", id, err)
	}
	return nil
}

// invitationNotice tells the owner of an account where it waits for her.
func invitationNotice(a Account) notice.Notice {
	return notice.Notice{Kind: notice.AccountInvitation, Controller: a.Controller, Organisation: a.Organisation, To: a.ID, Subject: int64(a.ID)}
}
