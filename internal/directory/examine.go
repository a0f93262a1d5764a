package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
)

// ErrTooMany: more accounts, rights or links are concerned than one act may be about.
var ErrTooMany = errors.New("more accounts or rights are concerned than one act may be about")

// KindClient is the kind of an account that is a program's.
const KindClient = "client"

// maxExamined is how many accounts one question may be about.
const maxExamined = 50_000

// examiner is the standing of who asks what accounts have read: a security officer or data protection
// officer, or a command of a node, which has none and whose body is 0. Errors: ErrNotFound, ErrInactive,
// ErrWeak.
func (d *Directory) examiner(ctx context.Context, by Actor) (Standing, error) {
	if by.command() {
		return Standing{}, nil
	}
	s, err := d.actor(ctx, by, assured)
	if err == nil && !s.Has(ecluse.RoleSecurityOfficer) && !s.Has(ecluse.RoleDPO) {
		err = ErrNotFound
	}
	return s, err
}

// command: an operator on a node, who holds database and keys anyway. What they do is in the ledger.
func (a Actor) command() bool { return a.Account == 0 && a.CLI != "" }

// looksAt reports whether an examiner's body is the one that something is of.
func (s Standing) looksAt(c ecluse.ControllerID) bool {
	return s.Controller.ID == 0 || s.Controller.ID == c
}

// Examined are an account, first, and with tree its family (Lineage), for who may examine them. Rows written
// around the program are among them: what they read before counts. Errors: ErrNotFound, ErrInactive, ErrWeak, ErrTooMany.
func (d *Directory) Examined(ctx context.Context, by Actor, id ecluse.AccountID, tree bool) ([]Kin, error) {
	s, err := d.examiner(ctx, by)
	if err != nil {
		return nil, err
	}
	a, err := d.rows.Account(ctx, id)
	if err != nil {
		return nil, unknownIsNotFound(err)
	}
	if !s.looksAt(a.Controller) {
		return nil, ErrNotFound
	}
	if !tree {
		return []Kin{{Account: a, Dead: d.checkAccount(a) != nil}}, nil
	}
	all, truncated, err := d.family(ctx, d.rows, id, time.Time{}, maxExamined)
	if truncated {
		err = ErrTooMany
	}
	return all, err
}

// ExaminedOrganisation is an organisation, for who may examine it: ErrNotFound, ErrInactive, ErrWeak.
func (d *Directory) ExaminedOrganisation(ctx context.Context, by Actor, id ecluse.OrganisationID) (Organisation, error) {
	s, err := d.examiner(ctx, by)
	if err != nil {
		return Organisation{}, err
	}
	o, err := d.organisation(ctx, id)
	if err != nil {
		return o, err
	}
	if o.Parent != 0 || !s.looksAt(o.Controller) {
		return Organisation{}, ErrNotFound
	}
	return o, nil
}

// Examine writes down that somebody is about to read what accounts have read, and answers that entry's
// number: whatever is told afterwards is told as of it. Errors: ErrNotFound, ErrInactive, ErrWeak.
func (d *Directory) Examine(ctx context.Context, by Actor, what ledger.Detail) (ecluse.EntryNumber, error) {
	what.By = by.CLI
	results, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		s, err := d.examiner(ctx, by)
		c := ledger.Candidate{
			Kind: ledger.KindLedgerRead, Account: by.Account, Organisation: s.Account.Organisation, Session: by.Session,
			Detail: what, Revision: s.Rev,
		}
		if by.command() {
			c.Revision = ledger.AnyRevision
		}
		return []ledger.Candidate{c}, err
	})
	if err != nil {
		return 0, fmt.Errorf("write the reading down: %w", err)
	}
	return results[0].N, nil
}

// AccountCalled is the account that shows an e-mail address at present, in the body of an officer or in the
// organisation of an account manager. Errors: ErrNotFound, also where several do, or only ended ones;
// ErrInactive, ErrWeak.
func (d *Directory) AccountCalled(ctx context.Context, by Actor, email string) (ecluse.AccountID, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return 0, err
	}
	all, err := d.rows.AccountsByEmail(ctx, strings.ToLower(email))
	if err != nil {
		return 0, fmt.Errorf("look up an account: %w", err)
	}
	all = slices.DeleteFunc(all, func(a Account) bool {
		return a.State == Ended || a.Controller != s.Controller.ID || s.Account.Organisation != 0 && a.Organisation != s.Account.Organisation
	})
	if len(all) != 1 {
		return 0, ErrNotFound
	}
	return all[0].ID, nil
}

// OrganisationCalled is the organisation with a code in the body of an examiner: ErrNotFound, ErrInactive,
// ErrWeak.
func (d *Directory) OrganisationCalled(ctx context.Context, by Actor, code string) (ecluse.OrganisationID, error) {
	s, err := d.examiner(ctx, by)
	if err != nil {
		return 0, err
	}
	o, err := d.organisationByCode(ctx, s.Controller.ID, code)
	return o.ID, err
}

// Account is an account by its number, for commands of a node: ErrUnknownAccount.
func (d *Directory) Account(ctx context.Context, id int64) (Account, error) {
	return d.rows.Account(ctx, ecluse.AccountID(id))
}

// Addressed are all accounts that show an e-mail address, ended ones included, for commands of a node.
func (d *Directory) Addressed(ctx context.Context, email string) ([]Account, error) {
	return d.rows.AccountsByEmail(ctx, email)
}

// OrganisationCoded is the organisation with a code, of whichever body, for commands of a node:
// ErrNotFound, also if several bodies have one.
func (d *Directory) OrganisationCoded(ctx context.Context, code string) (found Organisation, err error) {
	controllers, err := d.Controllers(ctx)
	if err != nil {
		return found, err
	}
	for _, c := range controllers {
		o, err := d.organisationByCode(ctx, c.ID, code)
		if errors.Is(err, ErrNotFound) || err == nil && o.Parent != 0 {
			continue
		}
		if err != nil || found.ID != 0 {
			return Organisation{}, errors.Join(err, whenNil(err, ErrNotFound))
		}
		found = o
	}
	if found.ID == 0 {
		return found, ErrNotFound
	}
	return found, nil
}
