//! The runs of workflows and their recordings.

use super::EtcdStore;
use crate::store::{NewRun, RecordingChunk, RecordingRetention, Run, RunEnd, Runs, Store, StoreError};

/// The records that are not written yet.
#[derive(Debug, Default)]
pub(super) struct Records;

impl EtcdStore {
    fn no_runs(&self) -> StoreError {
        self.unsupported("runs of workflows", "use a file")
    }
}

impl Runs for EtcdStore {
    fn begin_run(&self, _run: &NewRun) -> Result<i64, StoreError> {
        Err(self.no_runs())
    }

    fn name_run(&self, _number: i64, _workflow: &str) -> Result<(), StoreError> {
        Err(self.no_runs())
    }

    fn end_run(&self, _number: i64, _end: &RunEnd) -> Result<(), StoreError> {
        Err(self.no_runs())
    }

    fn runs(&self, _before: Option<i64>, _limit: usize) -> Result<Vec<Run>, StoreError> {
        Ok(Vec::new())
    }

    fn import_run(&self, _run: &Run, _pieces: &[RecordingChunk]) -> Result<i64, StoreError> {
        Err(self.no_runs())
    }

    fn buffer_record(&self, _run: i64, _number: u64, _landmark: bool, _data: &[u8]) {}

    fn pending_record_bytes(&self) -> usize {
        0
    }

    fn flush_records(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn recording_chunks(
        &self,
        _run: i64,
        _from: u64,
        _landmarks: bool,
        _limit: usize,
    ) -> Result<Vec<RecordingChunk>, StoreError> {
        Ok(Vec::new())
    }

    fn recording_retention(&self) -> Result<RecordingRetention, StoreError> {
        Ok(self.format()?.map_or_else(RecordingRetention::default, |format| format.recording_retention()))
    }

    fn set_recording_retention(&self, recordings: &RecordingRetention) -> Result<(), StoreError> {
        self.change_format(&|format| format.with_recordings(recordings))
    }
}
