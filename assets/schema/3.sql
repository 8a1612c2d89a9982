-- Recordings of runs.

-- The newest revision when the run began: the state that a "what if" starts from. NULL where that
-- was not noted.
ALTER TABLE slothstate_runs ADD COLUMN revision INTEGER;

-- Pieces of recordings, in the words of the workflow engine; records are numbered from 1 in each
-- run, and piece 0 says what was run. A piece is written in the transaction of the change that its
-- last record is about, so the two are there together or not at all.
CREATE TABLE slothstate_recordings (
    run INTEGER NOT NULL,
    -- The numbers of its records.
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    -- The newest revision when it was written, the change of this transaction included.
    revision INTEGER NOT NULL,
    -- Whether a task begins or ends in it.
    landmark INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (run, first)
) WITHOUT ROWID;

INSERT INTO slothstate_meta (name, value) VALUES
    ('recordings', 1000),
    ('recordings_days', 30);

UPDATE slothstate_meta SET value = 3 WHERE name = 'schema';
