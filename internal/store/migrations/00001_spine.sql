-- One text for SQLite and PostgreSQL 15+. Only BIGINT, TEXT, BYTEA and BOOLEAN; identifiers are
-- allotted by the program from heads.next_id; instants are microseconds since 1970 UTC, 0 = none.
-- A comment "sqlite: …" between two stars is opened on SQLite only (store.go).
-- The mac columns authenticate a row under the directory key, which is not in the database:
-- a row without a valid one is dead and alarms.

-- +goose Up
CREATE TABLE heads (                       -- THE lock: one row, locked first by every append
    id           BIGINT PRIMARY KEY CHECK (id = 1),
    n            BIGINT NOT NULL,          -- number of entries in the ledger
    at           BIGINT NOT NULL,          -- ledger time: max of all admitted instants
    rev          BIGINT NOT NULL,          -- revision of everything a decision rests on
    frontier     BYTEA  NOT NULL,          -- right edge of the tree: 32-byte hashes, largest subtree first
    next_id      BIGINT NOT NULL,          -- next identifier to allot
    instance     TEXT   NOT NULL,          -- random name of this installation
    key_check    BYTEA  NOT NULL,          -- proves that a key file belongs to this database
    demo         BOOLEAN NOT NULL,         -- written at creation: serve refuses a demo, demo refuses the rest
    clock_offset BIGINT NOT NULL           -- microseconds by which the demo's clock runs ahead
);

CREATE TABLE controllers (                 -- bodies that answer for registers
    id   BIGINT PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    dpo  TEXT NOT NULL,                    -- how to reach the data protection officer
    mac  BYTEA NOT NULL
);

CREATE TABLE registers (
    id            BIGINT PRIMARY KEY,
    code          TEXT   NOT NULL UNIQUE,
    schema        TEXT   NOT NULL,         -- the TOML file
    schema_digest BYTEA  NOT NULL,         -- SHA-256 of it
    keyset        BYTEA  NOT NULL,         -- AEAD keyset, wrapped by the key-encryption key of the key file
    persons       BIGINT NOT NULL,         -- persons published
    mac           BYTEA  NOT NULL          -- covers this row, its register_controllers and controllers, and which imports are published
);

CREATE TABLE register_controllers (
    register_id   BIGINT NOT NULL REFERENCES registers (id),
    controller_id BIGINT NOT NULL REFERENCES controllers (id),
    role          TEXT   NOT NULL,         -- operates, notifies, answers (space separated)
    rule          TEXT   NOT NULL,         -- which persons: "all" or territory codes
    PRIMARY KEY (register_id, controller_id)
);

CREATE TABLE organisations (
    id            BIGINT PRIMARY KEY,
    controller_id BIGINT NOT NULL REFERENCES controllers (id),
    parent_id     BIGINT NOT NULL,         -- 0 for an organisation, its id for a site
    code          TEXT   NOT NULL,         -- the body's own short name
    kind          TEXT   NOT NULL,
    siret         TEXT   NOT NULL,
    name          TEXT   NOT NULL,
    territory     TEXT   NOT NULL,
    phone         TEXT   NOT NULL,         -- whom an agent calls
    headcount     BIGINT NOT NULL,         -- how many work there, 0 = unknown: what accounts are compared with
    state         TEXT   NOT NULL,         -- active, ended
    mac           BYTEA  NOT NULL,         -- covers all columns before it
    UNIQUE (controller_id, code)
);

CREATE TABLE agreements (
    id              BIGINT PRIMARY KEY,
    organisation_id BIGINT NOT NULL REFERENCES organisations (id),
    register_id     BIGINT NOT NULL REFERENCES registers (id),
    code            TEXT   NOT NULL,
    purposes        TEXT   NOT NULL,       -- purpose codes, space separated
    fields          BIGINT NOT NULL,       -- bit set: the most that it lets out, whatever the purpose
    territory       TEXT   NOT NULL,       -- territory codes, space separated; * = all
    limits          TEXT   NOT NULL,       -- JSON of budget.Limits: what departs from the defaults
    starts          BIGINT NOT NULL,
    ends            BIGINT NOT NULL,
    state           TEXT   NOT NULL,       -- active, ended
    entry           BIGINT NOT NULL,       -- ledger entry that made it so
    mac             BYTEA  NOT NULL,
    UNIQUE (organisation_id, register_id, code)
);

CREATE TABLE accounts (
    id              BIGINT PRIMARY KEY,
    controller_id   BIGINT NOT NULL REFERENCES controllers (id),
    organisation_id BIGINT NOT NULL,       -- 0 for the controller's own staff
    site_id         BIGINT NOT NULL,
    kind            TEXT   NOT NULL,       -- agent, officer, client
    state           TEXT   NOT NULL,       -- invited, active, suspended, ended
    idp             TEXT   NOT NULL,       -- configured provider + claim idp_id, "" until bound
    sub             TEXT,                  -- NULL until bound
    email           TEXT   NOT NULL,       -- consistency check and display, never a key
    given_name      TEXT   NOT NULL,
    usual_name      TEXT   NOT NULL,
    requested_by    BIGINT NOT NULL,
    approved_by     BIGINT NOT NULL,
    installed       BOOLEAN NOT NULL,      -- confirmed in the installation batch: no quarter limits
    created         BIGINT NOT NULL,
    starts          BIGINT NOT NULL,
    ends            BIGINT NOT NULL,       -- 0 = no end date
    standin_ends    BIGINT NOT NULL,       -- a replacement lapses then unless it is confirmed; 0 = no replacement
    entry           BIGINT NOT NULL,
    mac             BYTEA  NOT NULL,       -- covers all columns before it
    active_at       BIGINT NOT NULL,       -- last sign-in, or when it was opened again
    active_mac      BYTEA  NOT NULL,       -- covers id and active_at
    CHECK (requested_by = 0 OR requested_by <> approved_by)
);
CREATE UNIQUE INDEX accounts_identity ON accounts (idp, sub) WHERE sub IS NOT NULL;
CREATE INDEX accounts_organisation ON accounts (organisation_id, state);
CREATE INDEX accounts_email ON accounts (email);

CREATE TABLE identities (                  -- every identity that an account was ever bound to: its meters follow it
    idp        TEXT   NOT NULL,
    sub        TEXT   NOT NULL,
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    since      BIGINT NOT NULL,
    mac        BYTEA  NOT NULL,
    PRIMARY KEY (idp, sub)
);
CREATE INDEX identities_account ON identities (account_id);

CREATE TABLE grants (
    account_id   BIGINT NOT NULL REFERENCES accounts (id),
    agreement_id BIGINT NOT NULL,          -- 0 for roles of the controller's own staff
    role         TEXT   NOT NULL,
    requested_by BIGINT NOT NULL,
    approved_by  BIGINT NOT NULL,
    created      BIGINT NOT NULL,
    ends         BIGINT NOT NULL,
    entry        BIGINT NOT NULL,
    mac          BYTEA  NOT NULL,
    PRIMARY KEY (account_id, agreement_id, role)
);

CREATE TABLE invitations (                 -- binds an account to an identity once
    secret_hash BYTEA  PRIMARY KEY,        -- SHA-256
    account_id  BIGINT NOT NULL REFERENCES accounts (id),
    created     BIGINT NOT NULL,
    ends        BIGINT NOT NULL,
    used_at     BIGINT NOT NULL
);

CREATE TABLE approvals (
    id            BIGINT PRIMARY KEY,
    controller_id BIGINT NOT NULL,
    kind          TEXT   NOT NULL,         -- closed list in package directory (kinds)
    organisation_id BIGINT NOT NULL,       -- whom it concerns, 0 = the whole body
    subject_id    BIGINT NOT NULL,         -- directory.links: links made so far
    body          TEXT   NOT NULL,         -- JSON: what takes effect
    summary       TEXT   NOT NULL,         -- JSON: the diff that the approver is shown
    requested_by  BIGINT NOT NULL,         -- 0 = the command line
    requester     TEXT   NOT NULL,         -- account or cli:user@host, as shown
    requested_at  BIGINT NOT NULL,
    decided_by    BIGINT NOT NULL,
    decided_at    BIGINT NOT NULL,
    decided_entry BIGINT NOT NULL,         -- of the ledger: its receipt is shown with the decision
    state         TEXT   NOT NULL,         -- pending, approved, refused, expired
    expires       BIGINT NOT NULL,
    session_id    BIGINT NOT NULL,         -- that it was asked from, 0 = the command line
    device        TEXT   NOT NULL,         -- number of that browser
    network       TEXT   NOT NULL,         -- prefix of that address
    mac           BYTEA  NOT NULL,         -- covers all but the decision and subject_id
    CHECK (decided_by = 0 OR requested_by <> decided_by)
);
CREATE INDEX approvals_state ON approvals (state, controller_id, id);
CREATE INDEX approvals_asked ON approvals (requested_by, requested_at) WHERE requested_by <> 0;
CREATE INDEX approvals_decided ON approvals (decided_by, decided_at) WHERE decided_by <> 0;

CREATE TABLE raises (                      -- soft limits (new persons in 24 h) doubled for a day
    id          BIGINT PRIMARY KEY,
    account_id  BIGINT NOT NULL,           -- whose limit
    register_id BIGINT NOT NULL,
    made_by     BIGINT NOT NULL,           -- a second person of the same organisation
    reason      TEXT   NOT NULL,           -- busy_day, standin, event, other
    starts      BIGINT NOT NULL,
    ends        BIGINT NOT NULL,           -- 24 h later
    entry       BIGINT NOT NULL,
    mac         BYTEA  NOT NULL,
    CHECK (account_id <> made_by)
);
CREATE INDEX raises_account ON raises (account_id, ends);

CREATE TABLE observations (                -- budgets observed instead of enforced, for going live
    register_id   BIGINT NOT NULL,
    controller_id BIGINT NOT NULL,         -- whose accounts it concerns
    requested_by  BIGINT NOT NULL,
    approved_by   BIGINT NOT NULL,
    starts        BIGINT NOT NULL,
    ends          BIGINT NOT NULL,         -- at most 45 days later; brought forward by budgets enforce
    entry         BIGINT NOT NULL,
    mac           BYTEA  NOT NULL,
    PRIMARY KEY (register_id, controller_id),
    CHECK (requested_by <> approved_by)
);

CREATE TABLE sessions (
    id           BIGINT PRIMARY KEY,
    account_id   BIGINT NOT NULL REFERENCES accounts (id),
    secret_hash  BYTEA  NOT NULL UNIQUE,   -- SHA-256 of the cookie
    provider     TEXT   NOT NULL,
    acr          TEXT   NOT NULL,
    id_token     BYTEA  NOT NULL,          -- sealed; id_token_hint of the federation's logout
    device       TEXT   NOT NULL,          -- number of the browser: the cookie counts there only
    browser      TEXT   NOT NULL,          -- its family, for "my connections"
    network      TEXT   NOT NULL,          -- address prefix, for "my connections"
    invited      BOOLEAN NOT NULL,         -- begun by an invitation: the account's first
    created      BIGINT NOT NULL,
    stepped_at   BIGINT NOT NULL,          -- last time the provider vouched
    factor_at    BIGINT NOT NULL,          -- last time an own factor was proven in it, 0 = never
    factor       TEXT   NOT NULL,          -- its kind: key, code
    challenge    BYTEA  NOT NULL,          -- sealed; what a factor has to answer, taken once
    client_id    BIGINT NOT NULL DEFAULT 0, -- of a token: the program that holds it; account_id is for whom it acts
    idle_ends    BIGINT NOT NULL,
    ends         BIGINT NOT NULL,
    revoked_at   BIGINT NOT NULL
);
CREATE INDEX sessions_account ON sessions (account_id, created);

CREATE TABLE imports (                     -- a version of records: visible once state = published
    id          BIGINT PRIMARY KEY,
    register_id BIGINT NOT NULL REFERENCES registers (id),
    digest      BYTEA  NOT NULL,           -- SHA-256 of the file
    position    BIGINT NOT NULL,           -- rows read so far
    rows        BIGINT NOT NULL,           -- rows taken
    rejected    BIGINT NOT NULL,
    started     BIGINT NOT NULL,
    beat        BIGINT NOT NULL,           -- last sign of life
    state       TEXT   NOT NULL            -- running, published, abandoned
);

CREATE TABLE persons (
    id          BIGINT PRIMARY KEY,
    register_id BIGINT NOT NULL,
    ext         BYTEA  NOT NULL,           -- keyed hash of the register's own identifier
    territory   TEXT   NOT NULL,
    seq         BIGINT NOT NULL,           -- entries about this person
    last_n      BIGINT NOT NULL,           -- the newest of them, -1 = none
    UNIQUE (register_id, ext)
);

CREATE TABLE records (
    person_id BIGINT NOT NULL,
    version   BIGINT NOT NULL,             -- imports.id
    digest    BYTEA  NOT NULL,             -- keyed hash of all values: has anything changed?
    sealed    BYTEA  NOT NULL,             -- per-field AEAD ciphertexts (register/vault.go)
    PRIMARY KEY (person_id, version)       -- no WITHOUT ROWID: 2 KB rows would spill into overflow pages
);

CREATE TABLE lookups (                     -- keyed blind index; a row counts only for its version
    register_id BIGINT NOT NULL,
    kind        BIGINT NOT NULL,           -- which search key of the schema
    key         BYTEA  NOT NULL,           -- 16 bytes of HMAC-SHA256
    person_id   BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    PRIMARY KEY (register_id, kind, key, person_id, version)
) /* sqlite: WITHOUT ROWID */;

CREATE TABLE links (                       -- relationships that explain an access
    id              BIGINT PRIMARY KEY,
    register_id     BIGINT NOT NULL,
    person_id       BIGINT NOT NULL,
    account_id      BIGINT NOT NULL,       -- for whom, 0 = the whole site
    site_id         BIGINT NOT NULL,
    organisation_id BIGINT NOT NULL,
    kind            TEXT   NOT NULL,       -- caseload, appointment, prescription, standin, transfer, presence, self
    made_by         BIGINT NOT NULL,       -- account, 0 = an approved import
    made_at         BIGINT NOT NULL,
    entry           BIGINT NOT NULL,
    starts          BIGINT NOT NULL,
    ends            BIGINT NOT NULL,       -- never 0: every link ends
    mac             BYTEA  NOT NULL
);
CREATE INDEX links_person  ON links (person_id);
CREATE INDEX links_account ON links (account_id, register_id, person_id);
CREATE INDEX links_received ON links (account_id, site_id, made_at) WHERE made_by <> 0;
CREATE INDEX links_maker   ON links (made_by, made_at) WHERE made_by <> 0;

CREATE TABLE meters (                      -- holder: account, organisation or register id
    holder_id   BIGINT NOT NULL,
    register_id BIGINT NOT NULL,
    seq         BIGINT NOT NULL,           -- entries of this holder (accounts only)
    last_n      BIGINT NOT NULL,           -- the newest of them, -1 = none
    state       BYTEA  NOT NULL,           -- a value of package budget
    mac         BYTEA  NOT NULL,           -- 16 bytes
    PRIMARY KEY (holder_id, register_id)
) /* sqlite: WITHOUT ROWID */;

CREATE TABLE seen (
    account_id BIGINT NOT NULL,
    person_id  BIGINT NOT NULL,
    charged_at BIGINT NOT NULL,
    tier       BIGINT NOT NULL,            -- highest tier within 180 days
    classes    BIGINT NOT NULL,            -- bit set of field classes obtained
    last_at    BIGINT NOT NULL,            -- last look
    mac        BYTEA  NOT NULL,            -- 16 bytes
    PRIMARY KEY (account_id, person_id)
) /* sqlite: WITHOUT ROWID */;

CREATE TABLE entries (
    n               BIGINT PRIMARY KEY,
    at              BIGINT NOT NULL,
    kind            TEXT   NOT NULL,       -- closed list in package ledger; "" once purged
    act             BIGINT NOT NULL,       -- entries of one act share it: n of the first
    register_id     BIGINT NOT NULL,
    account_id      BIGINT,                -- the references are NULL once purged
    aseq            BIGINT,                -- position in the account's own chain in this register
    aprev           BIGINT,                -- n of the account's previous entry, -1 = first
    organisation_id BIGINT,
    session_id      BIGINT,
    person_id       BIGINT,
    pseq            BIGINT,                -- position in the person's own chain
    pprev           BIGINT,
    version         BIGINT NOT NULL,
    fields          BIGINT NOT NULL,
    purpose         TEXT   NOT NULL,
    tier            BIGINT NOT NULL,
    decision        TEXT   NOT NULL,       -- allow, deny, ""
    reasons         TEXT   NOT NULL,       -- codes, space separated
    detail          BYTEA  NOT NULL,       -- JSON, by kind; never a value of a record
    format          BIGINT NOT NULL,       -- version of the canonical form that the leaf commits to (ledger.Format)
    leaf            BYTEA  NOT NULL        -- RFC 6962 leaf hash, 32 bytes
);
CREATE UNIQUE INDEX entries_account ON entries (account_id, register_id, aseq);
CREATE UNIQUE INDEX entries_person ON entries (person_id, pseq);

CREATE TABLE tiles (                       -- complete tiles only (c2sp.org/tlog-tiles), 256 hashes each
    level BIGINT NOT NULL,
    idx   BIGINT NOT NULL,
    data  BYTEA  NOT NULL,
    PRIMARY KEY (level, idx)
) /* sqlite: WITHOUT ROWID */;

CREATE TABLE reviews (                     -- disclosures that someone must be told of
    id              BIGINT PRIMARY KEY,
    entry           BIGINT NOT NULL,
    at              BIGINT NOT NULL,
    controller_id   BIGINT NOT NULL,
    organisation_id BIGINT NOT NULL,
    account_id      BIGINT NOT NULL,
    register_id     BIGINT NOT NULL,
    kind            TEXT   NOT NULL,       -- outside (tier 2), unexplained (tier 3), emergency
    purpose         TEXT   NOT NULL,
    motive          TEXT   NOT NULL,
    text            BYTEA  NOT NULL,       -- sealed free text, empty once deleted
    state           TEXT   NOT NULL,       -- pending, accepted, contested
    decided_by      BIGINT NOT NULL,
    decided_at      BIGINT NOT NULL,
    mac             BYTEA  NOT NULL        -- covers all but the text
);
CREATE INDEX reviews_account ON reviews (account_id, register_id, kind, id);
CREATE INDEX reviews_organisation ON reviews (organisation_id, state, id);
CREATE INDEX reviews_controller ON reviews (controller_id, state, id);
