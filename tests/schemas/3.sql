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
-- History that is read back as the state that it was, and undone. There is no index of its keys:
-- it would make every write half as slow again, and looking through all of history takes less than
-- a tenth of a second.

-- Of an entry: the version that the change made, or the last one of what it removed.
ALTER TABLE slothstate_history ADD COLUMN version INTEGER;

-- Revisions that one transaction made, from the first to the last: they are undone together.
-- A transaction that made one revision only has no row.
CREATE TABLE slothstate_transactions (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL
);

-- Which revision took back which.
CREATE TABLE slothstate_undone (
    revision INTEGER PRIMARY KEY,
    undone_by INTEGER NOT NULL
);

-- Every run of a workflow. One without an end whose process is gone was killed.
CREATE TABLE slothstate_runs (
    run INTEGER PRIMARY KEY AUTOINCREMENT,
    workflow TEXT NOT NULL,
    file TEXT NOT NULL,
    params TEXT NOT NULL,
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    outcome TEXT,
    ok INTEGER,
    failed INTEGER,
    skipped INTEGER,
    actor TEXT NOT NULL,
    process TEXT NOT NULL
);

-- history_bytes bounds the values that history keeps; the other two say how many bytes were
-- counted up to which revision.
INSERT INTO slothstate_meta (name, value) VALUES
    ('history_bytes', 268435456),
    ('history_counted_bytes', 0),
    ('history_counted_revision', 0);

UPDATE slothstate_meta SET value = 2 WHERE name = 'schema';
-- Recordings of runs.

-- The newest revision when the run began: the state that a "what if" starts from. NULL where that
-- was not noted.
ALTER TABLE slothstate_runs ADD COLUMN revision INTEGER;

-- Pieces of recordings, in the words of the workflow engine; records are numbered from 1 in each
-- run, and piece 0 says what was run. A piece is written in the transaction of the change that its
-- last record is about, so the two are there together or not at all.
CREATE TABLE slothstate_recordings (
    -- The run, times 2 to the power of 32, plus the number of the first record: one number, so that
    -- the next piece of a run goes to the end of the table, which costs half of what a key of two
    -- columns does.
    piece INTEGER PRIMARY KEY,
    -- The number of its last record.
    last INTEGER NOT NULL,
    -- The newest revision when it was written, the change of this transaction included.
    revision INTEGER NOT NULL,
    -- Whether a task begins or ends in it.
    landmark INTEGER NOT NULL,
    data BLOB NOT NULL
);

INSERT INTO slothstate_meta (name, value) VALUES
    ('recordings', 1000),
    ('recordings_days', 30);

UPDATE slothstate_meta SET value = 3 WHERE name = 'schema';
-- The triggers that write history, made anew with each schema.
--
-- They use nothing but what SQLite 3.32 and later bring along, because they run inside whatever
-- program writes: Sloth Runner, the sqlite3 shell, anything.
--
-- A write of slothstate's own carries the next revision in the row (a lock: in its token), so a
-- trigger knows it from any other write, which leaves that column as it was. Deletions cannot
-- carry anything; for them slothstate fills slothstate_context, and empties it in the same
-- transaction.

DROP TRIGGER IF EXISTS slothstate_state_before_insert;
DROP TRIGGER IF EXISTS slothstate_state_insert;
DROP TRIGGER IF EXISTS slothstate_state_before_rename;
DROP TRIGGER IF EXISTS slothstate_state_update;
DROP TRIGGER IF EXISTS slothstate_state_foreign_update;
DROP TRIGGER IF EXISTS slothstate_state_delete;
DROP TRIGGER IF EXISTS slothstate_locks_before_insert;
DROP TRIGGER IF EXISTS slothstate_locks_insert;
DROP TRIGGER IF EXISTS slothstate_locks_before_rename;
DROP TRIGGER IF EXISTS slothstate_locks_update;
DROP TRIGGER IF EXISTS slothstate_locks_lease;
DROP TRIGGER IF EXISTS slothstate_locks_delete;

CREATE TRIGGER slothstate_state_before_insert BEFORE INSERT ON state
WHEN NEW.revision IS NOT (SELECT ifnull(max(revision), 0) + 1 FROM slothstate_history)
BEGIN
    DELETE FROM slothstate_replaced;
    INSERT INTO slothstate_replaced (subject, key, value, type, expires_at_ms, version)
    SELECT 'entry', key, value, type, expires_at_ms, version FROM state WHERE key = NEW.key;
END;

CREATE TRIGGER slothstate_state_insert AFTER INSERT ON state
BEGIN
    INSERT INTO slothstate_history
        (revision, at_ms, subject, key, operation, new_value, new_type, new_expires_at_ms,
         actor, run, task, version)
    SELECT NEW.revision, NEW.modified_at_ms, 'entry', NEW.key, NEW.operation,
        NEW.value, NEW.type, NEW.expires_at_ms, NEW.actor, NEW.run, NEW.task, NEW.version
    WHERE NEW.revision = (SELECT ifnull(max(revision), 0) + 1 FROM slothstate_history);

    INSERT INTO slothstate_history
        (at_ms, subject, key, operation, old_value, old_type, old_expires_at_ms,
         new_value, new_type, new_expires_at_ms, actor, version)
    SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'entry', NEW.key, 'set',
        replaced.value, replaced.type, replaced.expires_at_ms,
        NEW.value, NEW.type, NEW.expires_at_ms, 'external', 1 + ifnull(replaced.version, 0)
    FROM (SELECT 1) LEFT JOIN slothstate_replaced AS replaced
        ON replaced.subject = 'entry' AND replaced.key = NEW.key
    WHERE NEW.revision IS NOT (SELECT max(revision) FROM slothstate_history);

    UPDATE state SET
        revision = (SELECT max(revision) FROM slothstate_history),
        version = (SELECT version FROM slothstate_history ORDER BY revision DESC LIMIT 1),
        modified_at_ms = (SELECT at_ms FROM slothstate_history ORDER BY revision DESC LIMIT 1),
        operation = 'set', actor = 'external', run = NULL, task = NULL
    WHERE key = NEW.key AND NEW.revision IS NOT (SELECT max(revision) FROM slothstate_history);
END;

CREATE TRIGGER slothstate_state_update AFTER UPDATE OF key, value, type, expires_at_ms ON state
WHEN NEW.revision = (SELECT ifnull(max(revision), 0) + 1 FROM slothstate_history)
BEGIN
    INSERT INTO slothstate_history
        (revision, at_ms, subject, key, operation, old_value, old_type, old_expires_at_ms,
         new_value, new_type, new_expires_at_ms, actor, run, task, version)
    VALUES (NEW.revision, NEW.modified_at_ms, 'entry', NEW.key, NEW.operation,
        OLD.value, OLD.type, OLD.expires_at_ms,
        NEW.value, NEW.type, NEW.expires_at_ms, NEW.actor, NEW.run, NEW.task, NEW.version);
END;

-- UPDATE OR REPLACE removes what already has the new key, without any delete trigger being told.
CREATE TRIGGER slothstate_state_before_rename BEFORE UPDATE OF key ON state
WHEN NEW.key IS NOT OLD.key
BEGIN
    DELETE FROM slothstate_replaced;
    INSERT INTO slothstate_replaced (subject, key, value, type, expires_at_ms, version)
    SELECT 'entry', key, value, type, expires_at_ms, version FROM state WHERE key = NEW.key;
END;

-- A write by another program knows nothing of expiries: as with any set without one, the entry
-- does not expire from then on.
CREATE TRIGGER slothstate_state_foreign_update AFTER UPDATE OF key, value, type, expires_at_ms ON state
WHEN NEW.revision IS OLD.revision
BEGIN
    INSERT INTO slothstate_history
        (at_ms, subject, key, operation, old_value, old_type, old_expires_at_ms, actor, version)
    SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'entry', OLD.key, 'delete',
        OLD.value, OLD.type, OLD.expires_at_ms, 'external', OLD.version
    WHERE NEW.key IS NOT OLD.key;

    INSERT INTO slothstate_history
        (at_ms, subject, key, operation, old_value, old_type, old_expires_at_ms,
         new_value, new_type, new_expires_at_ms, actor, version)
    SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'entry', NEW.key, 'set',
        CASE WHEN NEW.key IS OLD.key THEN OLD.value ELSE replaced.value END,
        CASE WHEN NEW.key IS OLD.key THEN OLD.type ELSE replaced.type END,
        CASE WHEN NEW.key IS OLD.key THEN OLD.expires_at_ms ELSE replaced.expires_at_ms END,
        NEW.value, NEW.type,
        CASE WHEN NEW.expires_at_ms IS NOT OLD.expires_at_ms THEN NEW.expires_at_ms
             WHEN NEW.value IS OLD.value
                 AND OLD.expires_at_ms > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
                 THEN OLD.expires_at_ms END,
        'external', 1 + ifnull(replaced.version, OLD.version)
    FROM (SELECT 1) LEFT JOIN slothstate_replaced AS replaced
        ON replaced.subject = 'entry' AND replaced.key = NEW.key AND NEW.key IS NOT OLD.key;

    UPDATE state SET
        revision = (SELECT max(revision) FROM slothstate_history),
        version = (SELECT version FROM slothstate_history ORDER BY revision DESC LIMIT 1),
        expires_at_ms = (SELECT new_expires_at_ms FROM slothstate_history ORDER BY revision DESC LIMIT 1),
        modified_at_ms = (SELECT at_ms FROM slothstate_history ORDER BY revision DESC LIMIT 1),
        operation = 'set', actor = 'external', run = NULL, task = NULL
    WHERE key = NEW.key;
END;

CREATE TRIGGER slothstate_state_delete AFTER DELETE ON state
BEGIN
    INSERT INTO slothstate_history
        (at_ms, subject, key, operation, old_value, old_type, old_expires_at_ms,
         actor, run, task, version)
    SELECT ifnull(context.at_ms, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
        'entry', OLD.key, ifnull(context.operation, 'delete'),
        OLD.value, OLD.type, OLD.expires_at_ms,
        ifnull(context.actor, 'external'), context.run, context.task, OLD.version
    FROM (SELECT 1) LEFT JOIN slothstate_context AS context;
    DELETE FROM slothstate_replaced WHERE subject = 'entry' AND key = OLD.key;
END;

CREATE TRIGGER slothstate_locks_before_insert BEFORE INSERT ON locks
WHEN NEW.token IS NOT (SELECT ifnull(max(revision), 0) + 1 FROM slothstate_history)
BEGIN
    DELETE FROM slothstate_replaced;
    INSERT INTO slothstate_replaced (subject, key, value, expires_at_ms)
    SELECT 'lock', name, holder, expires_at_ms FROM locks WHERE name = NEW.name;
END;

CREATE TRIGGER slothstate_locks_insert AFTER INSERT ON locks
BEGIN
    INSERT INTO slothstate_history
        (revision, at_ms, subject, key, operation, new_value, new_expires_at_ms, actor, run, task)
    SELECT NEW.token, NEW.acquired_at_ms, 'lock', NEW.name, 'lock',
        NEW.holder, NEW.expires_at_ms, NEW.actor, NEW.run, NEW.task
    WHERE NEW.token = (SELECT ifnull(max(revision), 0) + 1 FROM slothstate_history);

    INSERT INTO slothstate_history
        (at_ms, subject, key, operation, old_value, old_expires_at_ms, new_value, new_expires_at_ms, actor)
    SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'lock', NEW.name,
        CASE WHEN replaced.key IS NULL THEN 'lock' ELSE 'steal' END,
        replaced.value, replaced.expires_at_ms, NEW.holder,
        CAST(round((julianday(NEW.expires_at) - 2440587.5) * 86400000) AS INTEGER), 'external'
    FROM (SELECT 1) LEFT JOIN slothstate_replaced AS replaced
        ON replaced.subject = 'lock' AND replaced.key = NEW.name
    WHERE NEW.token IS NOT (SELECT max(revision) FROM slothstate_history);

    UPDATE locks SET
        token = (SELECT max(revision) FROM slothstate_history),
        acquired_at_ms = (SELECT at_ms FROM slothstate_history ORDER BY revision DESC LIMIT 1),
        expires_at_ms = (SELECT new_expires_at_ms FROM slothstate_history ORDER BY revision DESC LIMIT 1),
        actor = 'external'
    WHERE name = NEW.name AND NEW.token IS NOT (SELECT max(revision) FROM slothstate_history);
END;

CREATE TRIGGER slothstate_locks_before_rename BEFORE UPDATE OF name ON locks
WHEN NEW.name IS NOT OLD.name
BEGIN
    DELETE FROM slothstate_replaced;
    INSERT INTO slothstate_replaced (subject, key, value, expires_at_ms)
    SELECT 'lock', name, holder, expires_at_ms FROM locks WHERE name = NEW.name;
END;

-- Another program gave the lock to somebody else without deleting it first.
CREATE TRIGGER slothstate_locks_update AFTER UPDATE OF name, holder ON locks
WHEN NEW.token IS OLD.token AND (NEW.holder IS NOT OLD.holder OR NEW.name IS NOT OLD.name)
BEGIN
    INSERT INTO slothstate_history
        (at_ms, subject, key, operation, old_value, old_expires_at_ms, actor)
    SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'lock', OLD.name, 'unlock',
        OLD.holder, OLD.expires_at_ms, 'external'
    WHERE NEW.name IS NOT OLD.name;

    INSERT INTO slothstate_history
        (at_ms, subject, key, operation, old_value, old_expires_at_ms, new_value, new_expires_at_ms, actor)
    SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'lock', NEW.name,
        CASE WHEN NEW.name IS OLD.name OR replaced.key IS NOT NULL THEN 'steal' ELSE 'lock' END,
        CASE WHEN NEW.name IS OLD.name THEN OLD.holder ELSE replaced.value END,
        CASE WHEN NEW.name IS OLD.name THEN OLD.expires_at_ms ELSE replaced.expires_at_ms END,
        NEW.holder, CAST(round((julianday(NEW.expires_at) - 2440587.5) * 86400000) AS INTEGER), 'external'
    FROM (SELECT 1) LEFT JOIN slothstate_replaced AS replaced
        ON replaced.subject = 'lock' AND replaced.key = NEW.name AND NEW.name IS NOT OLD.name;

    UPDATE locks SET
        token = (SELECT max(revision) FROM slothstate_history),
        acquired_at_ms = (SELECT at_ms FROM slothstate_history ORDER BY revision DESC LIMIT 1),
        expires_at_ms = (SELECT new_expires_at_ms FROM slothstate_history ORDER BY revision DESC LIMIT 1),
        process = NULL, actor = 'external', run = NULL, task = NULL
    WHERE name = NEW.name;
END;

-- Another program made a lease longer or shorter.
CREATE TRIGGER slothstate_locks_lease AFTER UPDATE OF expires_at ON locks
WHEN NEW.expires_at IS NOT OLD.expires_at AND NEW.expires_at_ms IS OLD.expires_at_ms
BEGIN
    UPDATE locks SET
        expires_at_ms = CAST(round((julianday(NEW.expires_at) - 2440587.5) * 86400000) AS INTEGER)
    WHERE name = NEW.name;
END;

CREATE TRIGGER slothstate_locks_delete AFTER DELETE ON locks
BEGIN
    INSERT INTO slothstate_history
        (at_ms, subject, key, operation, old_value, old_expires_at_ms, actor, run, task)
    SELECT ifnull(context.at_ms, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
        'lock', OLD.name,
        CASE WHEN context.operation IS NOT NULL THEN context.operation
             WHEN OLD.expires_at_ms <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) THEN 'expire'
             ELSE 'unlock' END,
        OLD.holder, OLD.expires_at_ms,
        ifnull(context.actor, 'external'), context.run, context.task
    FROM (SELECT 1) LEFT JOIN slothstate_context AS context;
    DELETE FROM slothstate_replaced WHERE subject = 'lock' AND key = OLD.name;
END;
