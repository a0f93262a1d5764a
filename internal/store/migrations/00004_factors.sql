-- Own second factors: what people prove themselves with here, beside their sign-in at a provider.

-- +goose Up
CREATE TABLE factors (
    id         BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    kind       TEXT   NOT NULL,            -- key (WebAuthn), code (TOTP, RFC 6238)
    name       TEXT   NOT NULL,            -- its owner's word for it
    state      TEXT   NOT NULL,            -- waiting (for a second pair of eyes), active, ended
    secret     BYTEA  NOT NULL,            -- sealed: public key and its identifier, or seed; empty once ended
    sign_count BIGINT NOT NULL,            -- key: the newest of its counters
    last_step  BIGINT NOT NULL,            -- code: the newest step of 30 s that was taken
    session_id BIGINT NOT NULL,            -- in which it was made, 0 = none
    created    BIGINT NOT NULL,
    used_at    BIGINT NOT NULL,            -- 0 = never
    ended_at   BIGINT NOT NULL,            -- 0 = not
    entry      BIGINT NOT NULL,            -- ledger entry that made it so
    mac        BYTEA  NOT NULL
);
CREATE INDEX factors_account ON factors (account_id, state);

CREATE TABLE tries (                       -- wrong codes in a row, for the slow-down
    account_id BIGINT NOT NULL,
    device     TEXT   NOT NULL,            -- browser that has proven a factor of the account; '' = all others together
    failures   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    PRIMARY KEY (account_id, device)
) /* sqlite: WITHOUT ROWID */;
