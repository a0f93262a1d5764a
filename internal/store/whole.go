package store

import (
	"context"

	"ecluse"
	"ecluse/internal/directory"
)

// Statements about everybody of a controller.
var (
	readAllGrants = defineScan("read all grants", `SELECT `+grantColumns+` FROM grants
		WHERE account_id IN (SELECT id FROM accounts WHERE controller_id = $1) ORDER BY account_id, agreement_id, role`)
	readGrantsOf = defineScan("read grants of a role", `SELECT `+grantColumns+` FROM grants
		WHERE role = $2 AND account_id IN (SELECT id FROM accounts WHERE controller_id = $1) ORDER BY account_id, agreement_id`)
	readAccountsOf = defineScan("read accounts of a role", `SELECT `+accountColumns+` FROM accounts
		WHERE controller_id = $1 AND id IN (SELECT account_id FROM grants WHERE role = $2) ORDER BY id`)
)

// AllGrants are those of a controller's accounts, ended ones included.
func (db *DB) AllGrants(ctx context.Context, c ecluse.ControllerID) ([]directory.Grant, error) {
	return list(ctx, db, readAllGrants, scanGrant, int64(c))
}

// Holders are a controller's accounts with a grant of a role, and those grants, ended ones included.
func (db *DB) Holders(ctx context.Context, c ecluse.ControllerID, r ecluse.Role) ([]directory.Account, []directory.Grant, error) {
	accounts, err := list(ctx, db, readAccountsOf, scanAccount, int64(c), string(r))
	if err != nil {
		return nil, nil, err
	}
	grants, err := list(ctx, db, readGrantsOf, scanGrant, int64(c), string(r))
	return accounts, grants, err
}

// What follows reads the same inside the transaction, what it wrote itself included.

// Account is one account: directory.ErrUnknownAccount.
func (t *Tx) Account(ctx context.Context, id ecluse.AccountID) (directory.Account, error) {
	return one(ctx, t, readAccount, scanAccount, directory.ErrUnknownAccount, int64(id))
}

// AccountByIdentity is the account bound to an identity: directory.ErrUnknownAccount.
func (t *Tx) AccountByIdentity(ctx context.Context, idp, sub string) (directory.Account, error) {
	return one(ctx, t, readAccountByIdentity, scanAccount, directory.ErrUnknownAccount, idp, sub)
}

// Accounts are all accounts of a controller.
func (t *Tx) Accounts(ctx context.Context, c ecluse.ControllerID) ([]directory.Account, error) {
	return list(ctx, t, readAccounts, scanAccount, int64(c))
}

// AllGrants are those of a controller's accounts, ended ones included.
func (t *Tx) AllGrants(ctx context.Context, c ecluse.ControllerID) ([]directory.Grant, error) {
	return list(ctx, t, readAllGrants, scanGrant, int64(c))
}

// AllAgreements are those of a controller's organisations.
func (t *Tx) AllAgreements(ctx context.Context, c ecluse.ControllerID) ([]directory.Agreement, error) {
	return list(ctx, t, readAllAgreements, scanAgreement, int64(c))
}

// Organisations are a controller's organisations and sites, by code.
func (t *Tx) Organisations(ctx context.Context, c ecluse.ControllerID) ([]directory.Organisation, error) {
	return list(ctx, t, readOrganisations, scanOrganisation, int64(c))
}

// Approval is one request: directory.ErrNotFound.
func (t *Tx) Approval(ctx context.Context, id ecluse.ApprovalID) (directory.Approval, error) {
	return one(ctx, t, readApproval, scanApproval, directory.ErrNotFound, int64(id))
}
