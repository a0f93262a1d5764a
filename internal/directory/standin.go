package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
)

// A replacement that cannot wait for the body: the account manager and a second person of the organisation
// open an account together. It opens persons that a link entrusts to it and does nothing else, and lapses
// unless an access officer confirms it.
const (
	// StandInLife is how long it lasts unconfirmed.
	StandInLife = 48 * time.Hour
	// StandInWaits is how long the second person has to decide.
	StandInWaits = 24 * time.Hour
	// StandInsPerSite is how many there may be at once at one site. Exposure counts them as colluding with
	// whoever asked.
	StandInsPerSite = 2
)

// ErrStandIns: the site has StandInsPerSite replacements at present.
var ErrStandIns = fmt.Errorf("a site has at most %d replacements at once", StandInsPerSite)

// RequestStandIn asks a colleague to open a replacement with the account manager. r's roles, agreements,
// end and reason are not looked at. Errors: those of RequestAccount, and ErrStandIns; ErrTaken also for an
// address that has an account that acts.
func (d *Directory) RequestStandIn(ctx context.Context, by Actor, r AccountRequest) (Approval, error) {
	r.Roles, r.Agreements, r.Ends, r.Relink, r.Reason = []ecluse.Role{ecluse.RoleAgent}, nil, time.Time{}, false, "replacement"
	if err := r.check(); err != nil {
		return Approval{}, err
	}
	return d.ask(ctx, by, KindStandIn, func(s Standing) (question, error) {
		if r.Site == "" {
			r.Site = s.Site.Code
		}
		q, err := d.accountQuestion(ctx, s, r, true)
		if err != nil {
			return q, err
		}
		if c := q.Body.(Change).Accounts[0]; c.Site == "" {
			return q, ErrNotFound
		}
		return q, d.roomForStandIn(ctx, s.Controller.ID, q.Body.(Change).Accounts[0])
	})
}

// roomForStandIn: nobody works under that address, and the site has fewer replacements than it may.
func (d *Directory) roomForStandIn(ctx context.Context, c ecluse.ControllerID, asked AccountChange) error {
	have, err := d.snapshot(ctx, d.rows, c, Change{})
	if err != nil {
		return err
	}
	at, running := d.now(), 0
	for _, a := range have.accounts {
		over := a.StateAt(at) == Ended || a.StateAt(at) == Dormant
		if a.Email == asked.Email && (!over || a.Organisation != have.organisations[asked.Organisation].ID) {
			return ErrTaken
		}
		if a.StandIn() && !over && a.Site == have.organisations[asked.Site].ID {
			running++
		}
	}
	if running >= StandInsPerSite {
		return ErrStandIns
	}
	return nil
}

// standInConfirm is the body of a request of KindStandInConfirm.
type standInConfirm struct {
	Email string `json:"email"`
}

// standingIn is the effect of the colleague's decision: the account is there for StandInLife, and the body
// is asked whether it may stay.
func (d *Directory) standingIn(ctx context.Context, r *decision) (ledger.Effect, error) {
	c, err := r.accountChange()
	if err != nil {
		return nil, err
	}
	if err := d.roomForStandIn(ctx, r.Controller, c.Accounts[0]); err != nil {
		return nil, err
	}
	write, err := d.applying(ctx, r.controller, c)
	if err != nil {
		return nil, err
	}
	shown, err := r.Diff()
	if err != nil {
		return nil, err
	}
	confirm, err := question{Concerns: r.Organisation, Body: standInConfirm{c.Accounts[0].Email}, Summary: shown}.from(Approval{
		Controller: r.Controller, Kind: KindStandInConfirm, RequestedBy: r.RequestedBy, Requester: r.Requester, Session: r.Session, Device: r.Device, Network: r.Network,
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		_, err := d.insert(ctx, tx, e, confirm)
		return errors.Join(err, write(ctx, tx, e), tx.(Tx).InsertNotices(ctx, []notice.Notice{{
			Kind: notice.StandinOpened, Controller: r.Controller, Organisation: r.Organisation, To: r.RequestedBy, By: r.approver, Subject: int64(r.ID),
		}}))
	}, nil
}

// confirmingStandIn is the effect of the officer's: what was opened for StandInLife stays. ErrChanged if it
// has lapsed.
func (d *Directory) confirmingStandIn(ctx context.Context, r *decision) (ledger.Effect, error) {
	var c standInConfirm
	if err := r.read(&c); err != nil {
		return nil, err
	}
	have, err := d.snapshot(ctx, d.rows, r.Controller, Change{})
	if err != nil {
		return nil, err
	}
	a, ok := have.accounts[c.Email]
	if !ok || !a.StandIn() || a.StateAt(d.now()) == Ended {
		return nil, ErrChanged
	}
	if err := d.checkAccount(a); err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
		a.StandInEnds, a.ApprovedBy, a.Entry = time.Time{}, r.approver, e.N
		a.MAC = d.keys.MAC(accountDomain, a.canonical())
		return errors.Join(tx.(Tx).PutAccounts(ctx, a), d.tellDecided(ctx, tx, r))
	}, nil
}
