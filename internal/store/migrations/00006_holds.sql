-- Holds: while a case is open, nothing of its time is removed. The conventions are those of 00001_spine.sql.

-- +goose Up
CREATE TABLE holds (
    id        BIGINT PRIMARY KEY,          -- ledger entry that made it
    since     BIGINT NOT NULL,             -- what was written from then on stays; 0 = all that is there
    reason    BYTEA  NOT NULL,             -- sealed free text
    made_by   TEXT   NOT NULL,             -- cli:user@host
    at        BIGINT NOT NULL,
    ended_at  BIGINT NOT NULL,             -- 0 = in force
    ended_by  TEXT   NOT NULL,             -- another one
    end_entry BIGINT NOT NULL,             -- ledger entry that ended it, 0 = none
    mac       BYTEA  NOT NULL              -- covers all columns before it
);
