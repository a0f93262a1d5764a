-- Who has to be told of what. No value of a record, no name, no text, no address, no token.

-- +goose Up
CREATE TABLE notices (                     -- written in the transaction of the act that they tell of
    id              BIGINT PRIMARY KEY,
    at              BIGINT NOT NULL,       -- ledger time of the act
    kind            TEXT   NOT NULL,       -- closed list in package notice; it says who is told
    controller_id   BIGINT NOT NULL,       -- whose officers are told, 0 = none
    organisation_id BIGINT NOT NULL,       -- whose account managers are told, 0 = none
    account_id      BIGINT NOT NULL,       -- who is told herself, 0 = nobody
    made_by         BIGINT NOT NULL,       -- who acted, and is not told of it
    subject_id      BIGINT NOT NULL,       -- the row meant: review, approval, session …, 0 = none
    spread_at       BIGINT NOT NULL        -- when it was addressed to each who is told, 0 = not yet
);
CREATE INDEX notices_fresh ON notices (spread_at, id);

CREATE TABLE deliveries (                  -- one notice for one account
    account_id BIGINT NOT NULL,            -- who is told
    notice_id  BIGINT NOT NULL REFERENCES notices (id) ON DELETE CASCADE,
    state      TEXT   NOT NULL,            -- waiting, sent, failed (given up), dropped (no usable address), shown (in the program only)
    tries      BIGINT NOT NULL,            -- mails tried
    next_at    BIGINT NOT NULL,            -- when it is due, or when a node's claim on it lapses; 0 = done
    sent_at    BIGINT NOT NULL,            -- when the mail server took it, 0 = it did not
    mail_id    BIGINT NOT NULL,            -- lowest notice_id of the mail that it went with, 0 = none
    PRIMARY KEY (account_id, notice_id)
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX deliveries_due ON deliveries (next_at, account_id);
CREATE INDEX deliveries_sent ON deliveries (account_id, sent_at);
CREATE INDEX deliveries_notice ON deliveries (notice_id);

CREATE INDEX invitations_account ON invitations (account_id, created);
