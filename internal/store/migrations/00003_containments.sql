-- Lineage, scope and containment: who made whom, which accounts were ever of an organisation, and what
-- was contained. The conventions are those of 00001_spine.sql.

-- +goose Up
CREATE INDEX accounts_requester ON accounts (requested_by, created);
CREATE INDEX accounts_approver  ON accounts (approved_by, created);
CREATE INDEX grants_requester   ON grants (requested_by, created);
CREATE INDEX grants_approver    ON grants (approved_by, created);
CREATE INDEX raises_maker       ON raises (made_by, starts);

CREATE TABLE memberships (                 -- every organisation that an account was ever of
    organisation_id BIGINT NOT NULL,
    account_id      BIGINT NOT NULL,
    PRIMARY KEY (organisation_id, account_id)
) /* sqlite: WITHOUT ROWID */;

CREATE TABLE containments (                -- acts that stopped accounts and ended what they gave
    id            BIGINT  PRIMARY KEY,
    controller_id BIGINT  NOT NULL,
    account_id    BIGINT  NOT NULL,        -- the account that was named
    tree          BOOLEAN NOT NULL,        -- with everybody whom it asked for or approved since
    since         BIGINT  NOT NULL,        -- what was given before it stays; 0 = ever
    reason        BYTEA   NOT NULL,        -- sealed free text
    made_by       BIGINT  NOT NULL,        -- officer, 0 = a command of a node
    approved_by   BIGINT  NOT NULL,        -- second officer, 0 = none
    requester     TEXT    NOT NULL,        -- name, or cli:user@host, as shown
    at            BIGINT  NOT NULL,
    body          TEXT    NOT NULL,        -- JSON: what it changed, with what was there before
    entry         BIGINT  NOT NULL,
    undone_at     BIGINT  NOT NULL,        -- 0 = in force
    undone_by     BIGINT  NOT NULL,        -- who asked for that, 0 = nobody
    undo_approved BIGINT  NOT NULL,        -- who approved it
    undo_entry    BIGINT  NOT NULL,
    mac           BYTEA   NOT NULL
);
CREATE INDEX containments_controller ON containments (controller_id, undone_at, id);
CREATE INDEX containments_maker      ON containments (made_by, at);

CREATE INDEX approvals_requester ON approvals (requested_by, decided_at);
