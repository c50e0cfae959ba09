-- Schema 2: people, approvals, rotation, API tokens, notices; the audit can be pruned from the front.

CREATE TABLE role (
    name         TEXT PRIMARY KEY NOT NULL,
    description  TEXT NOT NULL,
    capabilities TEXT NOT NULL,            -- JSON
    builtin      INTEGER NOT NULL,         -- 0 or 1; built-in ones are brought up to date at every start
    created      INTEGER NOT NULL,
    version      INTEGER NOT NULL
) STRICT;

CREATE TABLE team (                        -- "group" is a word of SQL
    name        TEXT PRIMARY KEY NOT NULL,
    description TEXT NOT NULL,
    roles       TEXT NOT NULL,             -- JSON
    created     INTEGER NOT NULL,
    version     INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
    name         TEXT PRIMARY KEY NOT NULL,
    full_name    TEXT NOT NULL,
    email        TEXT,
    state        TEXT NOT NULL,
    password     TEXT,                     -- argon2id, PHC string format; NULL: cannot sign in
    roles        TEXT NOT NULL,            -- JSON, the user's own
    teams        TEXT NOT NULL,            -- JSON
    held_roles   TEXT NOT NULL,            -- JSON, own and teams'; kept in step with every change of those
    capabilities TEXT NOT NULL,            -- JSON, of all held roles; kept in step
    created      INTEGER NOT NULL,
    last_sign_in INTEGER,
    version      INTEGER NOT NULL
) STRICT;

-- Whoever owned a key before there were users was the administrator.
INSERT INTO account (name, full_name, email, state, password, roles, teams, held_roles, capabilities, created, last_sign_in, version)
    SELECT owner, '', NULL, 'active', NULL, '["administrator"]', '[]', '["administrator"]', '[]', min(created), NULL, 1
    FROM api_key GROUP BY owner;

ALTER TABLE api_key ADD COLUMN creator        TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN roles          TEXT NOT NULL DEFAULT '[]'; -- JSON
ALTER TABLE api_key ADD COLUMN enabled        INTEGER NOT NULL DEFAULT 1;
ALTER TABLE api_key ADD COLUMN version        INTEGER NOT NULL DEFAULT 1;
ALTER TABLE api_key ADD COLUMN secret_number  INTEGER NOT NULL DEFAULT 1; -- counts the secrets: that of `secret`
ALTER TABLE api_key ADD COLUMN next_secret    BLOB;                       -- SHA-256 of the second secret, while there is one
ALTER TABLE api_key ADD COLUMN rotation       TEXT;                       -- pending, ready, overlap
ALTER TABLE api_key ADD COLUMN rotated_at     INTEGER;
ALTER TABLE api_key ADD COLUMN rotate_by      INTEGER;                    -- `secret` is refused from then on
ALTER TABLE api_key ADD COLUMN notify_at      INTEGER;                    -- the next notice about its end is due then

UPDATE api_key SET creator = owner WHERE creator = '';
-- From now on the last instant there is stands for never, so that an index has all keys in the order of their ends.
UPDATE api_key SET expires = 9223372036854775807 WHERE expires IS NULL;

-- A page of a list is read from one of these, whatever it is filtered by; see store/apikeys/list.rs.
CREATE INDEX api_key_by_kind ON api_key (kind, id);
CREATE INDEX api_key_by_created ON api_key (created, id) WHERE state <> 'deleted';
CREATE INDEX api_key_by_expires ON api_key (expires, id) WHERE state <> 'deleted';
CREATE INDEX api_key_by_owner ON api_key (owner, id);
CREATE INDEX api_key_by_owner_name ON api_key (owner, name);
CREATE INDEX api_key_by_owner_created ON api_key (owner, created, id) WHERE state <> 'deleted';
CREATE INDEX api_key_by_owner_expires ON api_key (owner, expires, id) WHERE state <> 'deleted';
CREATE INDEX api_key_by_state ON api_key (state, id);
CREATE INDEX api_key_by_state_name ON api_key (state, name);
CREATE INDEX api_key_by_state_created ON api_key (state, created, id);
CREATE INDEX api_key_by_state_expires ON api_key (state, expires, id);
CREATE INDEX api_key_to_notify ON api_key (notify_at) WHERE notify_at IS NOT NULL;
CREATE INDEX api_key_rotating ON api_key (rotate_by) WHERE rotate_by IS NOT NULL;
CREATE INDEX agent_by_key ON agent (enrolled_with, state);

CREATE TABLE api_key_team (
    team    TEXT NOT NULL,
    api_key BLOB NOT NULL REFERENCES api_key (id),
    PRIMARY KEY (team, api_key)
) STRICT;

CREATE INDEX api_key_team_of_key ON api_key_team (api_key, team);

-- Who showed a key, to the minute: what a rotation waits for, and what a revocation would stop.
CREATE TABLE api_key_caller (
    api_key       BLOB NOT NULL REFERENCES api_key (id),
    caller        TEXT NOT NULL,           -- the host's fingerprint if it enrolled and has one, else its address
    origin        TEXT NOT NULL,
    agent         BLOB,
    secret_number INTEGER NOT NULL,        -- the newest one it was seen with
    first         INTEGER NOT NULL,
    last          INTEGER NOT NULL,
    PRIMARY KEY (api_key, caller)
) STRICT;

-- Whom a rotation waits for.
CREATE INDEX api_key_caller_by_secret ON api_key_caller (api_key, secret_number, last);

CREATE TABLE approval (
    id         BLOB PRIMARY KEY NOT NULL,
    kind       TEXT NOT NULL,
    api_key    BLOB NOT NULL REFERENCES api_key (id),
    requester  TEXT NOT NULL,
    at         INTEGER NOT NULL,
    wanted     TEXT,                       -- JSON of the end that a renewal asks for
    state      TEXT NOT NULL,
    decided_by TEXT,
    decided_at INTEGER,
    reason     TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX approval_pending ON approval (api_key) WHERE state = 'pending';
CREATE INDEX approval_by_age ON approval (at, id);
CREATE INDEX approval_by_state ON approval (state, at, id);
CREATE INDEX approval_by_requester ON approval (requester, at, id);

CREATE TABLE token (
    id              BLOB PRIMARY KEY NOT NULL,
    kind            TEXT NOT NULL,         -- api, session
    name            TEXT NOT NULL UNIQUE,
    account         TEXT NOT NULL,
    creator         TEXT NOT NULL,
    description     TEXT NOT NULL,
    roles           TEXT NOT NULL,         -- JSON; of a session: empty, it has all the user's
    enabled         INTEGER NOT NULL,
    expires         INTEGER,               -- NULL: never
    networks        TEXT NOT NULL,         -- JSON
    serial          INTEGER NOT NULL,      -- of the one JWT that is good
    created         INTEGER NOT NULL,
    updated         INTEGER NOT NULL,
    last_used_at    INTEGER,
    last_used_from  TEXT,
    notify_at       INTEGER,
    version         INTEGER NOT NULL
) STRICT;

CREATE INDEX token_by_account ON token (account, id);
CREATE INDEX token_sessions ON token (expires) WHERE kind = 'session';
CREATE INDEX token_to_notify ON token (notify_at) WHERE notify_at IS NOT NULL;

-- What a repeated creation is recognised by. Its answer is made again from what it created.
CREATE TABLE idempotency (
    actor   TEXT NOT NULL,                 -- the user
    key     TEXT NOT NULL,
    request BLOB NOT NULL,                 -- SHA-256 of path and body
    subject TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT;

CREATE INDEX idempotency_by_age ON idempotency (at);

-- The outbox: one row for each receiver, written with the change it tells of.
CREATE TABLE notice (
    id        BLOB PRIMARY KEY NOT NULL,
    event     TEXT NOT NULL,
    severity  TEXT NOT NULL,
    about     TEXT NOT NULL,
    channel   TEXT NOT NULL,
    recipient TEXT NOT NULL,
    facts     TEXT NOT NULL,               -- JSON, what the templates are filled with
    state     TEXT NOT NULL,
    attempts  INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    due       INTEGER,                     -- NULL once it is sent or given up
    lease     BLOB,                        -- who is delivering it
    leased    INTEGER,                     -- until when
    sent      INTEGER,
    error     TEXT
) STRICT;

CREATE INDEX notice_due ON notice (due) WHERE due IS NOT NULL;
CREATE INDEX notice_by_age ON notice (created, id);
CREATE INDEX notice_by_state ON notice (state, created, id);
CREATE INDEX notice_about ON notice (about, created, id);

CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_subject ON audit (subject, seq);

-- The audit up to there was dropped; the chain goes on from its hash. One row at most.
CREATE TABLE audit_cut (
    one  INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
    seq  INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

-- Values the masters of one database share, by name.
CREATE TABLE setting (
    name  TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT;
