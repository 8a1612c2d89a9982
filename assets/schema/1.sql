-- Adopts Sloth Runner's tables: columns and tables are added, none is changed or dropped.
-- The triggers that fill them are in triggers.sql.

ALTER TABLE state ADD COLUMN type TEXT;
ALTER TABLE state ADD COLUMN expires_at_ms INTEGER;
ALTER TABLE state ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE state ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE state ADD COLUMN modified_at_ms INTEGER;
ALTER TABLE state ADD COLUMN operation TEXT;
ALTER TABLE state ADD COLUMN actor TEXT;
ALTER TABLE state ADD COLUMN run INTEGER;
ALTER TABLE state ADD COLUMN task TEXT;

CREATE INDEX slothstate_expiring ON state (expires_at_ms, key) WHERE expires_at_ms IS NOT NULL;

ALTER TABLE locks ADD COLUMN token INTEGER NOT NULL DEFAULT 0;
ALTER TABLE locks ADD COLUMN acquired_at_ms INTEGER;
ALTER TABLE locks ADD COLUMN expires_at_ms INTEGER;
ALTER TABLE locks ADD COLUMN process TEXT;
ALTER TABLE locks ADD COLUMN actor TEXT;
ALTER TABLE locks ADD COLUMN run INTEGER;
ALTER TABLE locks ADD COLUMN task TEXT;

UPDATE locks SET
    acquired_at_ms = CAST(round((julianday(acquired_at) - 2440587.5) * 86400000) AS INTEGER),
    expires_at_ms = CAST(round((julianday(expires_at) - 2440587.5) * 86400000) AS INTEGER);

CREATE TABLE slothstate_meta (
    name TEXT PRIMARY KEY,
    value
) WITHOUT ROWID;

INSERT INTO slothstate_meta (name, value) VALUES
    ('schema', 1),
    ('history_rows', 200000),
    ('history_days', 30);

-- One row for each change of an entry or a lock. No old value: there was nothing before.
CREATE TABLE slothstate_history (
    revision INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    subject TEXT NOT NULL,
    key TEXT,
    operation TEXT NOT NULL,
    old_value TEXT,
    old_type TEXT,
    old_expires_at_ms INTEGER,
    new_value TEXT,
    new_type TEXT,
    new_expires_at_ms INTEGER,
    actor TEXT NOT NULL,
    run INTEGER,
    task TEXT
);

-- Who deletes, while a deletion of slothstate's own is under way; empty between transactions.
CREATE TABLE slothstate_context (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at_ms INTEGER NOT NULL,
    operation TEXT NOT NULL,
    actor TEXT NOT NULL,
    run INTEGER,
    task TEXT
);

-- What a REPLACE is about to remove without any delete trigger being told.
CREATE TABLE slothstate_replaced (
    subject TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT,
    type TEXT,
    expires_at_ms INTEGER,
    version INTEGER
);

-- Who waits for a lock; the lowest ticket is served first.
CREATE TABLE slothstate_waiters (
    ticket INTEGER PRIMARY KEY AUTOINCREMENT,
    lock TEXT NOT NULL,
    holder TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    process TEXT NOT NULL
);
