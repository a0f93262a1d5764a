-- Partner software: what programs prove themselves with, and for whom they may act. Programs are accounts
-- of kind client; a token of theirs is a row of sessions. The conventions are those of 00001_spine.sql.

-- +goose Up
CREATE TABLE client_keys (
    id           BIGINT PRIMARY KEY,
    account_id   BIGINT NOT NULL REFERENCES accounts (id),
    kind         TEXT   NOT NULL,          -- secret, jwk
    material     BYTEA  NOT NULL,          -- SHA-256 of the secret, which is random; or the public key, JSON (RFC 7517)
    requested_by BIGINT NOT NULL,          -- of the approval that it goes back to
    approved_by  BIGINT NOT NULL,
    granted      BIGINT NOT NULL,          -- instant of that approval: a rotated key keeps that of its first
    created      BIGINT NOT NULL,
    ends         BIGINT NOT NULL,
    replaced_by  BIGINT NOT NULL,          -- the key that took its place, 0 = none
    revoked_at   BIGINT NOT NULL,          -- 0 = not
    last_used_at BIGINT NOT NULL,          -- 0 = never; not covered by the mac
    entry        BIGINT NOT NULL,          -- ledger entry that made it so
    mac          BYTEA  NOT NULL,
    CHECK (requested_by <> approved_by)
);
CREATE INDEX client_keys_account   ON client_keys (account_id, id);
CREATE INDEX client_keys_requester ON client_keys (requested_by, granted);
CREATE INDEX client_keys_approver  ON client_keys (approved_by, granted);

CREATE TABLE delegations (                 -- agents who let a program of their organisation act for them
    client_id  BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    created    BIGINT NOT NULL,
    ends       BIGINT NOT NULL,            -- 90 days later, or when she took it back
    entry      BIGINT NOT NULL,
    mac        BYTEA  NOT NULL,
    PRIMARY KEY (client_id, account_id)
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX delegations_account ON delegations (account_id, client_id);

CREATE INDEX sessions_client ON sessions (client_id, account_id) WHERE client_id <> 0;
