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
