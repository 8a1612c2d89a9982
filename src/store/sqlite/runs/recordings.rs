//! Recordings of runs: kept until something is written, and written with that.

use rusqlite::{Connection, Row, params};

use crate::store::sqlite::query::{execute, exists, row, rows, signed};
use crate::store::sqlite::retention;
use crate::store::sqlite::schema_version::SchemaFlavor;
use crate::store::sqlite::transaction::{TxError, WriteTx};
use crate::store::{RecordingChunk, Revision};

/// What lies between the places of two runs.
const RUN: i64 = 1 << 32;

/// What a store has of the recording of its run.
#[derive(Default)]
pub(in crate::store::sqlite) struct Records {
    /// Records that are not written yet: one piece that grows, and the run that it is of.
    kept: Option<(i64, RecordingChunk)>,
    /// Where the piece that was written last stands in the table, and its run.
    written: Option<(i64, i64)>,
}

impl Records {
    /// Adds a record to what is kept.
    pub(in crate::store::sqlite) fn keep(&mut self, run: i64, number: u64, landmark: bool, data: &[u8]) {
        match &mut self.kept {
            Some((_, piece)) => piece.add(number, landmark, data),
            None => {
                let piece = RecordingChunk::begin(number, landmark, data);
                self.kept = Some((run, piece));
            }
        }
    }

    /// How many bytes of records are kept.
    pub(in crate::store::sqlite) fn kept_bytes(&self) -> usize {
        self.kept.as_ref().map_or(0, |(_, piece)| piece.data.len())
    }

    /// Writes what is kept as a part of a transaction that is about to end. Where nothing is kept, a
    /// change that the run made belongs to the last record that was written: a call may make
    /// several changes, or wait before it makes one.
    pub(in crate::store::sqlite) fn write(&self, writing: &WriteTx<'_>) -> rusqlite::Result<()> {
        match (&self.kept, self.written) {
            (Some((run, piece)), _) => {
                let RecordingChunk { first, last, landmark, data, .. } = piece;
                let sql = "INSERT INTO slothstate_recordings (piece, last, revision, landmark, data) \
                           VALUES (?1, ?2, (SELECT ifnull(max(revision), 0) FROM slothstate_history), ?3, ?4)";
                let parameters = params![place(*run, *first), signed(*last), landmark, data];
                execute(writing.connection, sql, parameters)?;
            }
            (None, Some((run, place))) => {
                let sql = "UPDATE slothstate_recordings SET revision = newest.revision \
                           FROM (SELECT revision, run FROM slothstate_history ORDER BY revision DESC LIMIT 1) \
                               AS newest \
                           WHERE piece = ?1 AND newest.run = ?2 \
                               AND slothstate_recordings.revision < newest.revision";
                execute(writing.connection, sql, [place, run])?;
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// The transaction in which they were written has been committed.
    pub(in crate::store::sqlite) fn are_written(&mut self) {
        if let Some((run, piece)) = self.kept.take() {
            self.written = Some((run, place(run, piece.first)));
        }
    }
}

/// Adds a piece to the recording of a run.
pub(in crate::store::sqlite) fn insert(
    connection: &Connection,
    run: i64,
    piece: &RecordingChunk,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO slothstate_recordings (piece, last, revision, landmark, data) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let RecordingChunk { first, last, revision, landmark, data } = piece;
    execute(connection, sql, params![place(run, *first), signed(*last), revision.0, landmark, data]).map(drop)
}

/// Where the piece of a run that begins with a record stands in the table.
fn place(run: i64, first: u64) -> i64 {
    run.saturating_mul(RUN).saturating_add(signed(first).min(RUN - 1))
}

/// Pieces of the recording of `at.0` from the one that has record `at.1` in it.
pub(in crate::store::sqlite) fn pieces(
    connection: &Connection,
    flavor: SchemaFlavor,
    at: (i64, u64),
    landmarks: bool,
    limit: usize,
) -> rusqlite::Result<Vec<RecordingChunk>> {
    if flavor.schema() < 3 {
        return Ok(Vec::new());
    }
    let (start, end) = (place(at.0, 0), place(at.0, u64::MAX));
    let sql = "SELECT max(piece) FROM slothstate_recordings WHERE piece BETWEEN ?1 AND ?2";
    let first: Option<i64> = row(connection, sql, [start, place(at.0, at.1)], |row| row.get(0))?;
    let sql = "SELECT piece, last, revision, landmark, data FROM slothstate_recordings \
               WHERE piece BETWEEN ?1 AND ?2 AND landmark >= ?3 ORDER BY piece LIMIT +?4";
    rows(connection, sql, params![first.unwrap_or(start), end, landmarks, signed(limit)], piece)
}

fn piece(row: &Row<'_>) -> rusqlite::Result<RecordingChunk> {
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(RecordingChunk {
        first: number(row.get::<_, i64>(0)?.rem_euclid(RUN)),
        last: number(row.get(1)?),
        revision: Revision(row.get(2)?),
        landmark: row.get(3)?,
        data: row.get(4)?,
    })
}

/// Removes a batch of the pieces of the oldest recording, if it is one too many or too old; how many.
/// The list of runs keeps its row, which is small.
pub(in crate::store::sqlite) fn prune(writing: &WriteTx<'_>) -> Result<usize, TxError> {
    const PIECES: i64 = retention::BATCH / 4;
    let connection = writing.connection;
    let sql = "SELECT min(piece) FROM slothstate_recordings";
    let oldest: Option<i64> = row(connection, sql, [], |row| row.get(0))?;
    let Some(oldest) = oldest.map(|piece| piece.div_euclid(RUN)) else { return Ok(0) };
    let limits = retention::read_recordings(connection)?;
    let age = signed(limits.age.as_millis());
    // A run that is gone from the list, as the oldest are, keeps no recording either.
    let sql = "SELECT 1 FROM slothstate_runs WHERE run = ?1 AND began_ms >= ?2 AND run >= \
               ifnull((SELECT run FROM slothstate_runs ORDER BY run DESC LIMIT 1 OFFSET ?3), 0)";
    let earliest = writing.now.0.saturating_sub(age);
    if exists(connection, sql, [oldest, earliest, signed(limits.count.max(1)) - 1])? {
        return Ok(0);
    }
    // From its end, so that what is left of it still begins at its beginning.
    let sql = "DELETE FROM slothstate_recordings WHERE piece IN (SELECT piece FROM slothstate_recordings \
               WHERE piece BETWEEN ?1 AND ?2 ORDER BY piece DESC LIMIT +?3)";
    Ok(execute(connection, sql, [place(oldest, 0), place(oldest, u64::MAX), PIECES])?)
}
