-- The triggers that write history, made again with each schema and each version of them.
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
DROP TRIGGER IF EXISTS slothstate_history_newest;

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
-- does not expire from then on. It knows nothing of types either: another value is text without a
-- type, unless the type was changed with it.
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
        NEW.value, CASE WHEN NEW.value IS OLD.value OR NEW.type IS NOT OLD.type THEN NEW.type END,
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
        type = (SELECT new_type FROM slothstate_history ORDER BY revision DESC LIMIT 1),
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
        boot_id = NULL, expires_boot_ms = NULL, renewed_boot_ms = NULL, renewed_at_ms = NULL, lease_ms = NULL,
        process = NULL, actor = 'external', run = NULL, task = NULL
    WHERE name = NEW.name;
END;

-- Another program made a lease longer or shorter: its text counts from then on.
CREATE TRIGGER slothstate_locks_lease AFTER UPDATE OF expires_at ON locks
WHEN NEW.expires_at IS NOT OLD.expires_at AND NEW.expires_at_ms IS OLD.expires_at_ms
BEGIN
    UPDATE locks SET
        expires_at_ms = CAST(round((julianday(NEW.expires_at) - 2440587.5) * 86400000) AS INTEGER),
        boot_id = NULL, expires_boot_ms = NULL
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

-- The next revision is one more than the newest: that row stays, so that a program which empties
-- the table does not have revisions and tokens given a second time.
CREATE TRIGGER slothstate_history_newest BEFORE DELETE ON slothstate_history
WHEN OLD.revision = (SELECT max(revision) FROM slothstate_history)
BEGIN
    SELECT RAISE(IGNORE);
END;

-- The version of these triggers: where it is missing or smaller, the next write makes them again.
INSERT INTO slothstate_meta (name, value) VALUES ('triggers', 2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;
