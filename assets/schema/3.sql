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
