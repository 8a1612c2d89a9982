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
