package post

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/notice"
)

// address finds who is told of each fresh notice, and makes a delivery for each of them.
func (p *Office) address(ctx context.Context) error {
	state := Waiting
	if p.Courier == nil {
		state = Shown
	}
	for {
		fresh, err := p.Rows.FreshNotices(ctx, atOnce)
		if err != nil || len(fresh) == 0 {
			return err
		}
		known := audiences{directory: p.Directory, of: map[audience][]ecluse.AccountID{}}
		list := make([]Addressed, len(fresh))
		for i, n := range fresh {
			if list[i], err = known.addressed(ctx, n); err != nil {
				return err
			}
			list[i].Due = due(n.Kind, p.Now())
		}
		if err := p.Rows.Address(ctx, list, state, p.Now()); err != nil {
			return err
		}
		if len(fresh) < atOnce {
			return nil
		}
	}
}

// due is when a notice that is addressed now is due: all at once, but an emergency before what waits, and
// invitations after it. Nothing waits for longer than GiveUp, so that is the step between them.
func due(k notice.Kind, now time.Time) time.Time {
	switch m := k.Manner(); {
	case m.Urgent:
		return now.Add(-2 * GiveUp)
	case m.Bulk:
		return now
	}
	return now.Add(-GiveUp)
}

// audience is a group that is told together.
type audience struct {
	who          notice.Audience // one of Managers, AccessOfficers, SecurityOfficers
	controller   ecluse.ControllerID
	organisation ecluse.OrganisationID
}

// audiences remembers each group during one step.
type audiences struct {
	directory *directory.Directory
	of        map[audience][]ecluse.AccountID
}

// addressed says who is told of a notice: whoever acted is not, unless it is to herself.
func (k audiences) addressed(ctx context.Context, n notice.Notice) (Addressed, error) {
	a := Addressed{Notice: n.ID}
	tells := n.Kind.Manner().Tells
	if tells&notice.Herself != 0 && n.To != 0 {
		a.To = append(a.To, n.To)
	}
	for _, who := range []notice.Audience{notice.Managers, notice.AccessOfficers, notice.SecurityOfficers} {
		if tells&who == 0 {
			continue
		}
		members, err := k.members(ctx, audience{who, n.Controller, n.Organisation})
		if err != nil {
			return a, err
		}
		for _, id := range members {
			if id != n.By && !slices.Contains(a.To, id) {
				a.To = append(a.To, id)
			}
		}
	}
	return a, nil
}

func (k audiences) members(ctx context.Context, a audience) ([]ecluse.AccountID, error) {
	if a.who == notice.Managers {
		a.controller = 0
	} else {
		a.organisation = 0
	}
	if known, ok := k.of[a]; ok {
		return known, nil
	}
	accounts, err := k.read(ctx, a)
	if errors.Is(err, directory.ErrNotFound) { // there is no such group
		accounts, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find whom to tell: %w", err)
	}
	ids := make([]ecluse.AccountID, len(accounts))
	for i, account := range accounts {
		ids[i] = account.ID
	}
	k.of[a] = ids
	return ids, nil
}

func (k audiences) read(ctx context.Context, a audience) ([]directory.Account, error) {
	switch {
	case a.who == notice.Managers && a.organisation != 0:
		return k.directory.Managers(ctx, a.organisation)
	case a.who == notice.AccessOfficers && a.controller != 0:
		return k.directory.Officers(ctx, a.controller, ecluse.RoleAccessOfficer)
	case a.who == notice.SecurityOfficers && a.controller != 0:
		return k.directory.Officers(ctx, a.controller, ecluse.RoleSecurityOfficer)
	}
	return nil, nil
}
