package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
)

const (
	accountColumns = `id, controller_id, organisation_id, site_id, kind, state, idp, sub, email, given_name, usual_name,
		requested_by, approved_by, installed, created, starts, ends, standin_ends, entry, mac, active_at, active_mac`
	grantColumns        = `account_id, agreement_id, role, requested_by, approved_by, created, ends, entry, mac`
	agreementColumns    = `id, organisation_id, register_id, code, purposes, fields, territory, limits, starts, ends, state, entry, mac`
	organisationColumns = `id, controller_id, parent_id, code, kind, siret, name, territory, phone, headcount, state, mac`
	approvalColumns     = `id, controller_id, kind, organisation_id, subject_id, body, summary, requested_by, requester, requested_at,
		decided_by, decided_at, decided_entry, state, expires, session_id, device, network, mac`
)

// Statements that read the directory.
var (
	readRev               = define("read revision", `SELECT rev FROM heads WHERE id = 1`)
	readAccount           = define("read account", `SELECT `+accountColumns+` FROM accounts WHERE id = $1`)
	readAccountByIdentity = define("read account by identity", `SELECT `+accountColumns+` FROM accounts WHERE idp = $1 AND sub = $2 AND sub IS NOT NULL`)
	readAccountsByEmail   = define("read accounts by e-mail", `SELECT `+accountColumns+` FROM accounts WHERE email = $1 ORDER BY id`)
	readAccounts          = defineScan("read accounts", `SELECT `+accountColumns+` FROM accounts WHERE controller_id = $1 ORDER BY id`)
	readGrants            = define("read grants", `SELECT `+grantColumns+` FROM grants WHERE account_id = $1 ORDER BY agreement_id, role`)
	readAgreements        = define("read agreements", `SELECT `+agreementColumns+` FROM agreements WHERE organisation_id = $1 ORDER BY id`)
	readAllAgreements     = defineScan("read all agreements", `SELECT `+agreementColumns+` FROM agreements
		WHERE organisation_id IN (SELECT id FROM organisations WHERE controller_id = $1) ORDER BY id`)
	readOrganisation       = define("read organisation", `SELECT `+organisationColumns+` FROM organisations WHERE id = $1`)
	readOrganisationByCode = define("read organisation by code", `SELECT `+organisationColumns+` FROM organisations WHERE controller_id = $1 AND code = $2`)
	readOrganisations      = define("read organisations", `SELECT `+organisationColumns+` FROM organisations WHERE controller_id = $1 ORDER BY code`)
	readControllers        = defineScan("read controllers", `SELECT id, code, name, dpo, mac FROM controllers ORDER BY id`)
	countActive            = define("count active accounts", `SELECT COUNT(*) FROM accounts WHERE organisation_id = $1 AND kind <> 'client' AND state IN ('active', 'invited') AND (active_at >= $2 OR (installed AND created >= $2))`)
	countCaseload          = define("count caseload", `SELECT register_id, COUNT(DISTINCT person_id) FROM links
		WHERE account_id = $1 AND starts <= $2 AND ends > $2 AND made_by <> $1 AND organisation_id = $3 AND made_at >= $4 GROUP BY register_id`)
	readApprovals   = define("read approvals", `SELECT `+strings.Replace(approvalColumns, "body", "''", 1)+` FROM approvals WHERE state = $1 AND controller_id = $2 ORDER BY id`)
	readDecided     = define("read decided approvals", `SELECT `+strings.Replace(approvalColumns, "body", "''", 1)+` FROM approvals WHERE state = $1 AND controller_id = $2 ORDER BY id DESC LIMIT $3`)
	countApproved   = define("count approvals of an officer", `SELECT COUNT(*) FROM approvals WHERE decided_by = $1 AND decided_by <> 0 AND decided_at > $2 AND state = 'approved'`)
	readApproval    = define("read approval", `SELECT `+approvalColumns+` FROM approvals WHERE id = $1`)
	readInvitations = defineScan("read invitations", `SELECT i.secret_hash, i.account_id, i.created, i.ends, i.used_at FROM invitations i
		JOIN accounts a ON a.id = i.account_id WHERE a.controller_id = $1 AND i.used_at = 0 ORDER BY i.created, i.account_id`)
	readInvitation = define("read invitation", `SELECT secret_hash, account_id, created, ends, used_at FROM invitations WHERE secret_hash = $1`)
)

// Statements that change the directory, inside a locked transaction.
var (
	putOrganisation = define("put organisation", `INSERT INTO organisations (`+organisationColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (id) DO UPDATE SET parent_id = excluded.parent_id, kind = excluded.kind, siret = excluded.siret, name = excluded.name,
		territory = excluded.territory, phone = excluded.phone, headcount = excluded.headcount, state = excluded.state, mac = excluded.mac`)
	putAgreement = define("put agreement", `INSERT INTO agreements (`+agreementColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (id) DO UPDATE SET purposes = excluded.purposes, fields = excluded.fields, territory = excluded.territory,
		limits = excluded.limits, starts = excluded.starts, ends = excluded.ends, state = excluded.state, entry = excluded.entry, mac = excluded.mac`)
	putAccounts = defineBulk("put accounts", `INSERT INTO accounts (`+accountColumns+`) VALUES %s
		ON CONFLICT (id) DO UPDATE SET organisation_id = excluded.organisation_id, site_id = excluded.site_id, kind = excluded.kind, state = excluded.state,
		idp = excluded.idp, sub = excluded.sub, email = excluded.email, given_name = excluded.given_name, usual_name = excluded.usual_name,
		requested_by = excluded.requested_by, approved_by = excluded.approved_by, installed = excluded.installed, created = excluded.created,
		starts = excluded.starts, ends = excluded.ends, standin_ends = excluded.standin_ends, entry = excluded.entry, mac = excluded.mac`,
		"(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", 0)
	putActivity = define("put activity", `UPDATE accounts SET active_at = $2, active_mac = $3 WHERE id = $1 AND active_at < $2`)
	putGrants   = defineBulk("put grants", `INSERT INTO grants (account_id, agreement_id, role, requested_by, approved_by, created, ends, entry, mac)
		VALUES %s ON CONFLICT (account_id, agreement_id, role) DO UPDATE SET requested_by = excluded.requested_by,
		approved_by = excluded.approved_by, created = excluded.created, ends = excluded.ends, entry = excluded.entry, mac = excluded.mac`,
		"(?,?,?,?,?,?,?,?,?)", 0)
	insertIdentities = defineBulk("insert identities", `INSERT INTO identities (idp, sub, account_id, since, mac) VALUES %s ON CONFLICT (idp, sub) DO NOTHING`, "(?,?,?,?,?)", 0)
	readIdentities   = defineBulk("read identities", `SELECT i.idp, i.sub, i.account_id, i.since, i.mac FROM (VALUES %s) v
		JOIN identities i ON i.idp = v.column1 AND i.sub = v.column2`, "(CAST(? AS TEXT),CAST(? AS TEXT))", 0)
	insertApproval = define("insert approval", `INSERT INTO approvals (`+approvalColumns+`) VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, 0, 0, 0, 'pending', $10, $11, $12, $13, $14)`)
	decideApproval = define("decide approval", `UPDATE approvals SET decided_by = $2, decided_at = $3, state = $4, decided_entry = $5
		WHERE id = $1 AND state = 'pending' AND requested_by <> $2 AND expires > $3`)
	takeUpApproval = define("take up approval", `UPDATE approvals SET requested_by = $2, requester = $3, session_id = $4, device = $5, network = $6, mac = $7
		WHERE id = $1 AND state = 'pending' AND requested_by = 0`)
	linksApplied      = define("links applied", `UPDATE approvals SET subject_id = $2 WHERE id = $1`)
	insertInvitations = defineBulk("insert invitations", `INSERT INTO invitations (secret_hash, account_id, created, ends, used_at) VALUES %s`, "(?,?,?,?,0)", 0)
	useInvitation     = define("use invitation", `UPDATE invitations SET used_at = $2 WHERE secret_hash = $1 AND used_at = 0`)
	insertLinks       = defineBulk("insert links", `INSERT INTO links (id, register_id, person_id, account_id, site_id, organisation_id, kind,
		made_by, made_at, entry, starts, ends, mac) VALUES %s`, "(?,?,?,?,?,?,?,?,?,?,?,?,?)", 0)
	linksReceived = define("links received", `SELECT COUNT(DISTINCT person_id) FROM links WHERE account_id = $1 AND ($1 <> 0 OR site_id = $2)
		AND made_by <> 0 AND made_at > $4 AND person_id <> $3`)
	linksMade = define("links made", `SELECT COUNT(*) FROM links WHERE made_by = $1 AND made_by <> 0 AND made_at > $3 AND account_id = $2`)
)

// Rev is the revision that decisions rest on.
func (db *DB) Rev(ctx context.Context) (int64, error) {
	var rev int64
	return rev, db.row(ctx, readRev, nil, &rev)
}

type scanner interface{ Scan(...any) error }

func scanAccount(s scanner) (directory.Account, error) {
	var a directory.Account
	var sub sql.NullString
	var created, starts, ends, standin, active int64
	err := s.Scan(&a.ID, &a.Controller, &a.Organisation, &a.Site, &a.Kind, &a.State, &a.IDP, &sub, &a.Email, &a.GivenName, &a.UsualName,
		&a.RequestedBy, &a.ApprovedBy, &a.Installed, &created, &starts, &ends, &standin, &a.Entry, &a.MAC, &active, &a.ActiveMAC)
	a.Sub, a.Created, a.Starts, a.Ends, a.StandInEnds = sub.String, fromMicros(created), fromMicros(starts), fromMicros(ends), fromMicros(standin)
	a.ActiveAt = fromMicros(active)
	return a, err
}

// list reads all rows of a statement through a scan function.
func list[T any](ctx context.Context, db reading, s *statement, scan func(scanner) (T, error), args ...any) ([]T, error) {
	var out []T
	err := db.query(ctx, s, func(rows *sql.Rows) error {
		v, err := scan(rows)
		out = append(out, v)
		return err
	}, args...)
	return out, err
}

// one reads one row of a statement: missing if there is none.
func one[T any](ctx context.Context, db reading, s *statement, scan func(scanner) (T, error), missing error, args ...any) (T, error) {
	rows, err := list(ctx, db, s, scan, args...)
	var none T
	switch {
	case err != nil:
		return none, err
	case len(rows) == 0:
		return none, missing
	}
	return rows[0], nil
}

// Account is one account: directory.ErrUnknownAccount.
func (db *DB) Account(ctx context.Context, id ecluse.AccountID) (directory.Account, error) {
	return one(ctx, db, readAccount, scanAccount, directory.ErrUnknownAccount, int64(id))
}

// AccountByIdentity is the account bound to an identity: directory.ErrUnknownAccount.
func (db *DB) AccountByIdentity(ctx context.Context, idp, sub string) (directory.Account, error) {
	return one(ctx, db, readAccountByIdentity, scanAccount, directory.ErrUnknownAccount, idp, sub)
}

// AccountsByEmail are the accounts that show an e-mail address.
func (db *DB) AccountsByEmail(ctx context.Context, email string) ([]directory.Account, error) {
	return list(ctx, db, readAccountsByEmail, scanAccount, email)
}

// Accounts are all accounts of a controller.
func (db *DB) Accounts(ctx context.Context, c ecluse.ControllerID) ([]directory.Account, error) {
	return list(ctx, db, readAccounts, scanAccount, int64(c))
}

// Grants are an account's grants, ended ones included.
func (db *DB) Grants(ctx context.Context, id ecluse.AccountID) ([]directory.Grant, error) {
	return list(ctx, db, readGrants, scanGrant, int64(id))
}

func scanGrant(s scanner) (directory.Grant, error) {
	var g directory.Grant
	var created, ends int64
	err := s.Scan(&g.Account, &g.Agreement, &g.Role, &g.RequestedBy, &g.ApprovedBy, &created, &ends, &g.Entry, &g.MAC)
	g.Created, g.Ends = fromMicros(created), fromMicros(ends)
	return g, err
}

func scanAgreement(s scanner) (directory.Agreement, error) {
	var a directory.Agreement
	var fields, starts, ends int64
	err := s.Scan(&a.ID, &a.Organisation, &a.Register, &a.Code, &a.Purposes, &fields, &a.Territory, &a.Limits, &starts, &ends, &a.State, &a.Entry, &a.MAC)
	a.Fields, a.Starts, a.Ends = ecluse.FieldSet(fields), fromMicros(starts), fromMicros(ends)
	return a, err
}

// Agreements are an organisation's, ended ones included.
func (db *DB) Agreements(ctx context.Context, o ecluse.OrganisationID) ([]directory.Agreement, error) {
	return list(ctx, db, readAgreements, scanAgreement, int64(o))
}

// AllAgreements are those of a controller's organisations.
func (db *DB) AllAgreements(ctx context.Context, c ecluse.ControllerID) ([]directory.Agreement, error) {
	return list(ctx, db, readAllAgreements, scanAgreement, int64(c))
}

func scanOrganisation(s scanner) (directory.Organisation, error) {
	var o directory.Organisation
	err := s.Scan(&o.ID, &o.Controller, &o.Parent, &o.Code, &o.Kind, &o.SIRET, &o.Name, &o.Territory, &o.Phone, &o.Headcount, &o.State, &o.MAC)
	return o, err
}

// Organisation is one organisation or site: directory.ErrNotFound.
func (db *DB) Organisation(ctx context.Context, id ecluse.OrganisationID) (directory.Organisation, error) {
	return one(ctx, db, readOrganisation, scanOrganisation, directory.ErrNotFound, int64(id))
}

// OrganisationByCode is one organisation or site of a controller: directory.ErrNotFound.
func (db *DB) OrganisationByCode(ctx context.Context, c ecluse.ControllerID, code string) (directory.Organisation, error) {
	return one(ctx, db, readOrganisationByCode, scanOrganisation, directory.ErrNotFound, int64(c), code)
}

// Organisations are a controller's organisations and sites, by code.
func (db *DB) Organisations(ctx context.Context, c ecluse.ControllerID) ([]directory.Organisation, error) {
	return list(ctx, db, readOrganisations, scanOrganisation, int64(c))
}

// Controllers are all bodies.
func (db *DB) Controllers(ctx context.Context) ([]directory.Controller, error) {
	return list(ctx, db, readControllers, func(s scanner) (directory.Controller, error) {
		var c directory.Controller
		err := s.Scan(&c.ID, &c.Code, &c.Name, &c.DPO, &c.MAC)
		return c, err
	})
}

// ActiveAccounts counts an organisation's people who signed in since an instant, or came with an
// installation batch since then.
func (db *DB) ActiveAccounts(ctx context.Context, o ecluse.OrganisationID, since time.Time) (int, error) {
	var n int
	return n, db.row(ctx, countActive, []any{int64(o), micros(since)}, &n)
}

// Caseload counts the persons of the links that explain an account's accesses, by register.
func (db *DB) Caseload(ctx context.Context, a directory.Account, at time.Time) (map[ecluse.RegisterID]int, error) {
	out := map[ecluse.RegisterID]int{}
	err := db.query(ctx, countCaseload, func(rows *sql.Rows) error {
		var r ecluse.RegisterID
		var n int
		err := rows.Scan(&r, &n)
		out[r] = n
		return err
	}, int64(a.ID), micros(at), int64(a.Organisation), micros(a.Starts))
	return out, err
}

func scanApproval(s scanner) (directory.Approval, error) {
	var a directory.Approval
	var requested, decided, expires int64
	err := s.Scan(&a.ID, &a.Controller, &a.Kind, &a.Organisation, &a.Subject, &a.Body, &a.Summary, &a.RequestedBy, &a.Requester, &requested,
		&a.DecidedBy, &decided, &a.DecidedEntry, &a.State, &expires, &a.Session, &a.Device, &a.Network, &a.MAC)
	a.RequestedAt, a.DecidedAt, a.Expires = fromMicros(requested), fromMicros(decided), fromMicros(expires)
	return a, err
}

// Approvals are a controller's requests in a state, without their bodies.
func (db *DB) Approvals(ctx context.Context, c ecluse.ControllerID, state string) ([]directory.Approval, error) {
	return list(ctx, db, readApprovals, scanApproval, state, int64(c))
}

// Decided are the newest of a controller's requests in a state, without their bodies, the newest first.
func (db *DB) Decided(ctx context.Context, c ecluse.ControllerID, state string, limit int) ([]directory.Approval, error) {
	return list(ctx, db, readDecided, scanApproval, state, int64(c), limit)
}

// Approved counts what an account approved since an instant.
func (db *DB) Approved(ctx context.Context, by ecluse.AccountID, since time.Time) (int, error) {
	var n int
	return n, db.row(ctx, countApproved, []any{int64(by), micros(since)}, &n)
}

// Approval is one request: directory.ErrNotFound.
func (db *DB) Approval(ctx context.Context, id ecluse.ApprovalID) (directory.Approval, error) {
	return one(ctx, db, readApproval, scanApproval, directory.ErrNotFound, int64(id))
}

func scanInvitation(s scanner) (directory.Invitation, error) {
	var i directory.Invitation
	var created, ends, used int64
	err := s.Scan(&i.Hash, &i.Account, &created, &ends, &used)
	i.Created, i.Ends, i.UsedAt = fromMicros(created), fromMicros(ends), fromMicros(used)
	return i, err
}

// Invitations are a controller's unused invitations.
func (db *DB) Invitations(ctx context.Context, c ecluse.ControllerID) ([]directory.Invitation, error) {
	return list(ctx, db, readInvitations, scanInvitation, int64(c))
}

// PutOrganisation writes an organisation or site, new or changed.
func (t *Tx) PutOrganisation(ctx context.Context, o directory.Organisation) error {
	return t.exec(ctx, putOrganisation, int64(o.ID), int64(o.Controller), int64(o.Parent), o.Code, o.Kind, o.SIRET, o.Name, o.Territory, o.Phone,
		o.Headcount, o.State, o.MAC)
}

// PutAgreement writes an agreement, new or changed.
func (t *Tx) PutAgreement(ctx context.Context, a directory.Agreement) error {
	return t.exec(ctx, putAgreement, int64(a.ID), int64(a.Organisation), int64(a.Register), a.Code, a.Purposes, int64(a.Fields),
		a.Territory, a.Limits, micros(a.Starts), micros(a.Ends), a.State, int64(a.Entry), a.MAC)
}

// putRows writes rows, each as the arguments of its tuple, in as few statements as there may be.
func putRows[T any](ctx context.Context, t *Tx, b *bulk, rows []T, arguments func(T) []any) error {
	for some := range slices.Chunk(rows, rowsAtOnce) {
		args := make([]any, 0, b.width*len(some))
		for _, r := range some {
			args = append(args, arguments(r)...)
		}
		if err := t.bulkExec(ctx, b, len(some), args); err != nil {
			return err
		}
	}
	return nil
}

// PutAccounts writes accounts, new or changed, and remembers that they were of their organisations. Of one
// that is there it leaves the last sign-in as it is (PutActivity).
func (t *Tx) PutAccounts(ctx context.Context, accounts ...directory.Account) error {
	err := putRows(ctx, t, putAccounts, accounts, func(a directory.Account) []any {
		return []any{
			int64(a.ID), int64(a.Controller), int64(a.Organisation), int64(a.Site), a.Kind, a.State, a.IDP, sql.NullString{String: a.Sub, Valid: a.Sub != ""},
			a.Email, a.GivenName, a.UsualName, int64(a.RequestedBy), int64(a.ApprovedBy), a.Installed, micros(a.Created), micros(a.Starts),
			micros(a.Ends), micros(a.StandInEnds), int64(a.Entry), a.MAC, micros(a.ActiveAt), blob(a.ActiveMAC),
		}
	})
	if err != nil {
		return err
	}
	members := slices.DeleteFunc(slices.Clone(accounts), func(a directory.Account) bool { return a.Organisation == 0 })
	return putRows(ctx, t, putMemberships, members, func(a directory.Account) []any { return []any{int64(a.Organisation), int64(a.ID)} })
}

// blob is never NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// PutActivity writes down that an account was signed in with, or opened again; never backwards.
func (t *Tx) PutActivity(ctx context.Context, a ecluse.AccountID, at time.Time, mac []byte) error {
	return t.exec(ctx, putActivity, int64(a), micros(at), mac)
}

// PutGrants writes grants, new or changed.
func (t *Tx) PutGrants(ctx context.Context, grants ...directory.Grant) error {
	return putRows(ctx, t, putGrants, grants, func(g directory.Grant) []any {
		return []any{
			int64(g.Account), int64(g.Agreement), string(g.Role), int64(g.RequestedBy), int64(g.ApprovedBy), micros(g.Created), micros(g.Ends), int64(g.Entry), g.MAC,
		}
	})
}

// Bindings are those of the subjects that were ever bound to an account.
func (db *DB) Bindings(ctx context.Context, subjects []directory.Subject) ([]directory.Binding, error) {
	return bindings(ctx, db, db.engine, subjects)
}

// Bindings are the same, with what the transaction wrote itself.
func (t *Tx) Bindings(ctx context.Context, subjects []directory.Subject) ([]directory.Binding, error) {
	return bindings(ctx, t, t.db.engine, subjects)
}

func bindings(ctx context.Context, from reading, e engine, subjects []directory.Subject) (all []directory.Binding, err error) {
	for some := range slices.Chunk(subjects, rowsAtOnce) {
		var args []any
		for _, s := range some {
			args = append(args, s.IDP, s.Sub)
		}
		found, err := list(ctx, from, readIdentities.of(e, len(some)), scanBinding, args...)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func scanBinding(s scanner) (directory.Binding, error) {
	var b directory.Binding
	var since int64
	err := s.Scan(&b.IDP, &b.Sub, &b.Account, &since, &b.MAC)
	b.Since = fromMicros(since)
	return b, err
}

// InsertBindings remembers which accounts identities were bound to; the first one stays.
func (t *Tx) InsertBindings(ctx context.Context, bindings ...directory.Binding) error {
	return putRows(ctx, t, insertIdentities, bindings, func(b directory.Binding) []any {
		return []any{b.IDP, b.Sub, int64(b.Account), micros(b.Since), b.MAC}
	})
}

// InsertApproval writes a pending request.
func (t *Tx) InsertApproval(ctx context.Context, a directory.Approval) error {
	return t.exec(ctx, insertApproval, int64(a.ID), int64(a.Controller), a.Kind, int64(a.Organisation), a.Body, a.Summary, int64(a.RequestedBy),
		a.Requester, micros(a.RequestedAt), micros(a.Expires), int64(a.Session), a.Device, a.Network, a.MAC)
}

// DecideApproval moves a pending request on: directory.ErrDecided otherwise.
func (t *Tx) DecideApproval(ctx context.Context, id ecluse.ApprovalID, by ecluse.AccountID, state string, e *ledger.Entry) error {
	return decided(t.execOne(ctx, decideApproval, int64(id), int64(by), micros(e.At), state, int64(e.N)))
}

// TakeUpApproval writes who asks for a pending request that nobody had asked for: directory.ErrDecided
// otherwise.
func (t *Tx) TakeUpApproval(ctx context.Context, a directory.Approval) error {
	return decided(t.execOne(ctx, takeUpApproval, int64(a.ID), int64(a.RequestedBy), a.Requester, int64(a.Session), a.Device, a.Network, a.MAC))
}

func decided(err error) error {
	if errors.Is(err, errNotOne) {
		return directory.ErrDecided
	}
	return err
}

// LinksApplied notes how many links of a batch were made.
func (t *Tx) LinksApplied(ctx context.Context, id ecluse.ApprovalID, count int) error {
	return t.execOne(ctx, linksApplied, int64(id), count)
}

// InsertInvitations writes invitations.
func (t *Tx) InsertInvitations(ctx context.Context, invitations ...directory.Invitation) error {
	return putRows(ctx, t, insertInvitations, invitations, func(i directory.Invitation) []any {
		return []any{i.Hash, int64(i.Account), micros(i.Created), micros(i.Ends)}
	})
}

// Invitation reads an invitation by the hash of its token: directory.ErrInvitationUnknown.
func (t *Tx) Invitation(ctx context.Context, hash []byte) (directory.Invitation, error) {
	var found []directory.Invitation
	err := t.query(ctx, readInvitation, func(rows *sql.Rows) error {
		i, err := scanInvitation(rows)
		found = append(found, i)
		return err
	}, hash)
	if err == nil && len(found) == 0 {
		err = directory.ErrInvitationUnknown
	}
	if err != nil {
		return directory.Invitation{}, err
	}
	return found[0], nil
}

// UseInvitation spends an invitation: directory.ErrInvitationUsed.
func (t *Tx) UseInvitation(ctx context.Context, hash []byte, at time.Time) error {
	if err := t.execOne(ctx, useInvitation, hash, micros(at)); errors.Is(err, errNotOne) {
		return directory.ErrInvitationUsed
	} else if err != nil {
		return err
	}
	return nil
}

// InsertLink writes one link.
func (t *Tx) InsertLink(ctx context.Context, l directory.Link) error {
	return t.InsertLinks(ctx, []directory.Link{l})
}

// InsertLinks writes links, at most directory.LinkChunk at a time.
func (t *Tx) InsertLinks(ctx context.Context, links []directory.Link) error {
	if len(links) > directory.LinkChunk {
		return fmt.Errorf("insert links: %d at once", len(links))
	}
	args := make([]any, 0, 13*len(links))
	for _, l := range links {
		args = append(args, linkRow(l)...)
	}
	return t.bulkExec(ctx, insertLinks, len(links), args)
}

// linkRow is a link as the arguments of linkColumns.
func linkRow(l directory.Link) []any {
	return []any{
		int64(l.ID), int64(l.Register), int64(l.Person), int64(l.Account), int64(l.Site), int64(l.Organisation), l.Kind,
		int64(l.MadeBy), micros(l.MadeAt), int64(l.Entry), micros(l.Starts), micros(l.Ends), l.MAC,
	}
}

// LinksReceived counts the persons, one left out, whom makers linked since an instant to an account, or to
// a site where the account is 0.
func (t *Tx) LinksReceived(ctx context.Context, a ecluse.AccountID, site ecluse.OrganisationID, but ecluse.PersonID, since time.Time) (int, error) {
	var n int
	return n, t.row(ctx, linksReceived, []any{int64(a), int64(site), int64(but), micros(since)}, &n)
}

// LinksMade counts the links from one maker to one receiver since an instant.
func (t *Tx) LinksMade(ctx context.Context, by, receiver ecluse.AccountID, since time.Time) (int, error) {
	var n int
	return n, t.row(ctx, linksMade, []any{int64(by), int64(receiver), micros(since)}, &n)
}
