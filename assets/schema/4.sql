-- What a database is, so that a replaced or restored file is noticed; leases that do not depend on
-- the wall clock; why a run failed; named moments; views for other programs.

-- database: the identity of the database, which its copies share.
-- epoch: raised whenever revisions may have been lost, such as by restoring a backup.
-- home: DEVICE:INODE:BOOT_ID of the file, NULL in a copy. A writer that finds another file than
-- this begins a new epoch.
INSERT INTO slothstate_meta (name, value) VALUES
    ('database', lower(hex(randomblob(16)))),
    ('epoch', 1),
    ('home', NULL);

-- The beginning of every epoch after the first. Revisions leave a gap there, so that none is given
-- twice: from the newest one before, which is `after`, to `revision`.
CREATE TABLE slothstate_epochs (
    epoch INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    after INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL
);

-- The lease by the clock that nobody can set: milliseconds since the machine was started,
-- suspension included (CLOCK_BOOTTIME), which count only while boot_id is that of the kernel.
-- NULL for locks of other programs, for which expires_at counts. lease_ms is the length of the
-- lease; it is renewed every third of that. renewed_at_ms is shown, and decides nothing.
ALTER TABLE locks ADD COLUMN boot_id TEXT;
ALTER TABLE locks ADD COLUMN expires_boot_ms INTEGER;
ALTER TABLE locks ADD COLUMN renewed_boot_ms INTEGER;
ALTER TABLE locks ADD COLUMN renewed_at_ms INTEGER;
ALTER TABLE locks ADD COLUMN lease_ms INTEGER;

-- The last sign of a waiter by the same clock.
ALTER TABLE slothstate_waiters ADD COLUMN boot_id TEXT;
ALTER TABLE slothstate_waiters ADD COLUMN seen_boot_ms INTEGER;

-- Why a run failed, the task that did and the record at which; NULL where it did not, or where
-- that was not noted.
ALTER TABLE slothstate_runs ADD COLUMN reason TEXT;
ALTER TABLE slothstate_runs ADD COLUMN failed_task TEXT;
ALTER TABLE slothstate_runs ADD COLUMN failed_record INTEGER;
-- The database that an imported run ran on, 'unknown' where its file does not say; NULL for a run
-- on this one. Revisions of an imported run are not those of this database.
ALTER TABLE slothstate_runs ADD COLUMN origin TEXT;
-- When somebody asked the run to stop.
ALTER TABLE slothstate_runs ADD COLUMN stop_requested_ms INTEGER;

-- Names that people give to moments, such as before-deploy.
CREATE TABLE slothstate_moments (
    name TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL
) WITHOUT ROWID;

-- For other programs: what there is, what changed, who holds what. Times are UTC.

CREATE VIEW slothstate_entries AS
SELECT key, value, type,
    strftime('%Y-%m-%dT%H:%M:%fZ', expires_at_ms / 1000.0, 'unixepoch') AS expires_at,
    version, revision,
    strftime('%Y-%m-%dT%H:%M:%fZ', modified_at_ms / 1000.0, 'unixepoch') AS modified_at,
    operation, actor, run, task
FROM state
WHERE expires_at_ms IS NULL
    OR expires_at_ms > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER);

-- An entry expires at its expiry, however much later it is removed.
CREATE VIEW slothstate_changes AS
SELECT revision,
    strftime('%Y-%m-%dT%H:%M:%fZ', CASE WHEN subject = 'entry' AND operation = 'expire'
        THEN min(ifnull(old_expires_at_ms, at_ms), at_ms) ELSE at_ms END / 1000.0, 'unixepoch') AS at,
    subject, key, operation, old_value, old_type, new_value, new_type, actor, run, task
FROM slothstate_history;

CREATE VIEW slothstate_locks AS
SELECT name, holder, token,
    strftime('%Y-%m-%dT%H:%M:%fZ', acquired_at_ms / 1000.0, 'unixepoch') AS acquired_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', expires_at_ms / 1000.0, 'unixepoch') AS expires_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', renewed_at_ms / 1000.0, 'unixepoch') AS renewed_at,
    actor, run, task
FROM locks;

UPDATE slothstate_meta SET value = 4 WHERE name = 'schema';
