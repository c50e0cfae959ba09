-- Schema 1, in SQLite's spelling; store/migrations.rs says how PostgreSQL reads it. Instants are milliseconds since 1970 by
-- the master's clock.

CREATE TABLE anchor (
    id          BLOB PRIMARY KEY NOT NULL, -- RFC 7638 thumbprint of the root's key
    certificate BLOB NOT NULL,             -- DER
    created     INTEGER NOT NULL
) STRICT;

CREATE TABLE signing_key (
    id      BLOB PRIMARY KEY NOT NULL,     -- RFC 7638 thumbprint
    purpose TEXT NOT NULL,
    slot    TEXT NOT NULL,
    public  BLOB NOT NULL,                 -- DER: a certificate for a CA, else a SubjectPublicKeyInfo
    kind    TEXT NOT NULL,                 -- JWS algorithm
    sealed  BLOB NOT NULL,                 -- the private half, under the key-encryption key
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE api_key (
    id              BLOB PRIMARY KEY NOT NULL,
    secret          BLOB NOT NULL,         -- SHA-256; the secret itself is nowhere
    kind            TEXT NOT NULL,
    name            TEXT NOT NULL UNIQUE,
    description     TEXT NOT NULL,
    owner           TEXT NOT NULL,
    groups          TEXT NOT NULL,         -- JSON
    capabilities    TEXT NOT NULL,         -- JSON
    expires         INTEGER,               -- NULL: never
    networks        TEXT NOT NULL,         -- JSON
    uses            INTEGER,               -- NULL: any number
    state           TEXT NOT NULL,
    created         INTEGER NOT NULL,
    used            INTEGER NOT NULL CHECK (uses IS NULL OR used <= uses),
    last_used_at    INTEGER,
    last_used_from  TEXT,
    last_used_agent BLOB
) STRICT;

CREATE TABLE agent (
    id             BLOB PRIMARY KEY NOT NULL,
    name           TEXT NOT NULL,
    state          TEXT NOT NULL,
    groups         TEXT NOT NULL,          -- JSON
    generation     INTEGER NOT NULL,
    confirmed      INTEGER NOT NULL CHECK (confirmed <= generation),
    not_after      INTEGER NOT NULL,
    enrolled       INTEGER NOT NULL,
    enrolled_with  BLOB NOT NULL REFERENCES api_key (id),
    last_seen      INTEGER NOT NULL,
    seen_from      TEXT NOT NULL,
    facts          TEXT NOT NULL,          -- JSON
    clock          TEXT NOT NULL,          -- JSON
    clock_standing TEXT NOT NULL,
    hooks          TEXT NOT NULL           -- JSON
) STRICT;

-- What the metrics count, without reading the rows.
CREATE INDEX agent_standing ON agent (state, clock_standing);

CREATE TABLE credential (
    thumbprint BLOB PRIMARY KEY NOT NULL,  -- one agent for each public key
    agent      BLOB NOT NULL REFERENCES agent (id),
    generation INTEGER NOT NULL,
    spki       BLOB NOT NULL,              -- DER
    leaf       BLOB NOT NULL,              -- DER
    issuer     BLOB NOT NULL REFERENCES signing_key (id),
    not_before INTEGER NOT NULL,
    not_after  INTEGER NOT NULL,
    rekey_at   INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX credential_generation ON credential (agent, generation);

-- Append only, which triggers of each engine's own see to; domain/audit.rs has the chain.
CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY NOT NULL,
    at       INTEGER NOT NULL,
    request  BLOB NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    origin   TEXT NOT NULL,
    detail   TEXT NOT NULL,
    previous BLOB NOT NULL,
    hash     BLOB NOT NULL
) STRICT;
