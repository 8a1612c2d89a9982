//! Runs of workflows and their recordings.

use crate::store::{Liveness, NewRun, Process, RecordingChunk, RecordingRetention, Run, RunEnd, StoreError};

/// The runs that are kept in a store.
pub trait Runs {
    /// Notes that a run of a workflow begins; its number. Where it is recorded, its header is the
    /// first piece of the recording.
    fn begin_run(&self, run: &NewRun) -> Result<i64, StoreError>;

    /// Gives a run the name of its workflow, which is known once its file has been read.
    fn name_run(&self, number: i64, workflow: &str) -> Result<(), StoreError>;

    /// Notes how a run ended, and writes what is left of its recording.
    fn end_run(&self, number: i64, end: &RunEnd) -> Result<(), StoreError>;

    /// One run; `None` if there is none of that number.
    fn run(&self, number: i64) -> Result<Option<Run>, StoreError> {
        let page = self.runs(Some(number.saturating_add(1)), 1)?;
        Ok(page.into_iter().find(|run| run.number == number))
    }

    /// A page of runs, the newest first, before the one of that number.
    fn runs(&self, before: Option<i64>, limit: usize) -> Result<Vec<Run>, StoreError>;

    /// Whether the process of a run is alive, as seen from `here`: see
    /// [`Locks::holder_liveness`](crate::store::Locks::holder_liveness). Unknown for an imported run, which may
    /// have ended since it was exported.
    fn run_liveness(&self, run: &Run, here: &Process) -> Liveness {
        run.liveness(here)
    }

    /// Brings a run over from elsewhere, with its recording; the number that it has here.
    fn import_run(&self, run: &Run, pieces: &[RecordingChunk]) -> Result<i64, StoreError>;

    /// Adds a record to the recording of a run. It is buffered until this store writes something, and is
    /// written in that very transaction; a piece that is kept is continued.
    fn buffer_record(&self, run: i64, number: u64, landmark: bool, data: &[u8]);

    /// How many bytes of records are kept; with 0, the next record begins a new piece.
    fn pending_record_bytes(&self) -> usize;

    /// Writes the records that are kept.
    fn flush_records(&self) -> Result<(), StoreError>;

    /// Pieces of a recording, from the one that has record `from` in it; only landmarks, if that is
    /// wanted.
    fn recording_chunks(
        &self,
        run: i64,
        from: u64,
        landmarks: bool,
        limit: usize,
    ) -> Result<Vec<RecordingChunk>, StoreError>;

    /// How many recordings are kept, and for how long.
    fn recording_retention(&self) -> Result<RecordingRetention, StoreError>;

    /// Sets how many recordings are kept.
    fn set_recording_retention(&self, recordings: &RecordingRetention) -> Result<(), StoreError>;
}
