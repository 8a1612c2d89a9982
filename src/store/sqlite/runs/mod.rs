//! Runs of workflows, and their recordings.

pub(super) mod recordings;
mod table;

use rusqlite::{Connection, params};

use super::query::execute;
use super::transaction::TxEnd;
use super::{SqliteStore, retention};
use crate::store::{NewRun, RecordingChunk, RecordingRetention, Run, RunEnd, Runs, StoreError};

/// The most runs that are kept; older ones go.
const KEPT: i64 = 10_000;

impl Runs for SqliteStore {
    fn begin_run(&self, new: &NewRun) -> Result<i64, StoreError> {
        self.write(false, &|writing| {
            let revision = writing.latest_revision()?;
            let run = Run {
                number: 0,
                new: new.clone(),
                actor: writing.actor.clone(),
                process: Some(self.settings.process.clone()),
                began_at: writing.now,
                revision: Some(revision),
                recorded: false,
                origin: None,
                ended: None,
            };
            let header = new.header.clone();
            let header =
                header.map(|data| RecordingChunk { first: 0, last: 0, revision, landmark: false, data });
            let number = insert(writing.connection, &run, header.as_slice())?;
            execute(writing.connection, "DELETE FROM slothstate_runs WHERE run <= ?1", [number - KEPT])?;
            Ok(TxEnd::Commit(number))
        })
    }

    fn name_run(&self, number: i64, workflow: &str) -> Result<(), StoreError> {
        self.write(false, &|writing| {
            let sql = "UPDATE slothstate_runs SET workflow = ?2 WHERE run = ?1";
            execute(writing.connection, sql, params![number, workflow])?;
            Ok(TxEnd::Commit(()))
        })
    }

    fn end_run(&self, number: i64, end: &RunEnd) -> Result<(), StoreError> {
        self.write(false, &|writing| {
            let sql = "UPDATE slothstate_runs SET ended_ms = ?2, outcome = ?3, ok = ?4, failed = ?5, \
                           skipped = ?6 WHERE run = ?1";
            let RunEnd { outcome, ok, failed, skipped } = end;
            let parameters = params![number, writing.now.0, outcome, ok, failed, skipped];
            execute(writing.connection, sql, parameters)?;
            Ok(TxEnd::Commit(()))
        })
    }

    fn runs(&self, before: Option<i64>, limit: usize) -> Result<Vec<Run>, StoreError> {
        self.read(Vec::new(), |connection, flavor| table::page(connection, flavor, before, limit))
    }

    fn import_run(&self, run: &Run, pieces: &[RecordingChunk]) -> Result<i64, StoreError> {
        self.write(false, &|writing| Ok(TxEnd::Commit(insert(writing.connection, run, pieces)?)))
    }

    fn buffer_record(&self, run: i64, number: u64, landmark: bool, data: &[u8]) {
        self.records.borrow_mut().keep(run, number, landmark, data);
    }

    fn pending_record_bytes(&self) -> usize {
        self.records.borrow().kept_bytes()
    }

    fn flush_records(&self) -> Result<(), StoreError> {
        if self.records.borrow().kept_bytes() == 0 {
            return Ok(());
        }
        self.write(false, &|_| Ok(TxEnd::Commit(())))
    }

    fn recording_chunks(
        &self,
        run: i64,
        from: u64,
        landmarks: bool,
        limit: usize,
    ) -> Result<Vec<RecordingChunk>, StoreError> {
        self.read(Vec::new(), |connection, flavor| {
            recordings::pieces(connection, flavor, (run, from), landmarks, limit)
        })
    }

    fn recording_retention(&self) -> Result<RecordingRetention, StoreError> {
        self.read(RecordingRetention::default(), |connection, flavor| match flavor.schema() {
            0..3 => Ok(RecordingRetention::default()),
            _ => retention::read_recordings(connection),
        })
    }

    fn set_recording_retention(&self, recordings: &RecordingRetention) -> Result<(), StoreError> {
        self.write(false, &|writing| retention::set_recordings(writing, recordings))
    }
}

/// Adds a run under the next number, with the pieces of its recording.
fn insert(connection: &Connection, run: &Run, pieces: &[RecordingChunk]) -> rusqlite::Result<i64> {
    let number = table::insert(connection, run)?;
    for piece in pieces {
        recordings::insert(connection, number, piece)?;
    }
    Ok(number)
}
