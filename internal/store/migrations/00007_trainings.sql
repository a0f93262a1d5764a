-- Certificates of training, and how many exams were taken. Answers and scores are kept nowhere. The conventions
-- are those of 00001_spine.sql.

-- +goose Up
CREATE TABLE trainings (
    account_id  BIGINT NOT NULL REFERENCES accounts (id),
    register_id BIGINT NOT NULL REFERENCES registers (id),
    exams       BIGINT NOT NULL,           -- taken in all: the next one's questions follow from it
    tries       BIGINT NOT NULL,           -- of those, since then
    since       BIGINT NOT NULL,           -- the first exam of those that are limited a day, 0 = none
    ends        BIGINT NOT NULL,           -- of the certificate, excluded; 0 = there is none
    entry       BIGINT NOT NULL,           -- ledger entry that made it so
    mac         BYTEA  NOT NULL,           -- covers all columns before it
    PRIMARY KEY (account_id, register_id)
) /* sqlite: WITHOUT ROWID */;
