//! What an overlay does not lay anything over: it is that of the store beside it. History and figures are its
//! own where it is never committed.

use super::Overlay;
use crate::store::{
    Actor, Capabilities, Change, Changes, Entry, EntryDiff, EpochStart, History, HistoryScan, HistorySpan,
    Identity, Key, Location, Moment, NewRun, RecordingChunk, RecordingRetention, Retention, Revision, Run,
    RunEnd, Runs, Scan, Stats, Store, StoreError, Token, When,
};
use crate::time::Clock;

impl Store for Overlay {
    fn capabilities(&self) -> Capabilities {
        self.below.store.capabilities()
    }

    fn clock(&self) -> &dyn Clock {
        self.beside.clock()
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        if self.is_to_commit { self.below.store.check_writable() } else { Ok(()) }
    }

    fn set_actor(&self, actor: Actor) {
        if !self.is_to_commit {
            self.actor.replace(actor.clone());
        }
        self.beside.set_actor(actor);
    }

    fn set_fence(&self, held: Vec<(String, Token)>) {
        self.beside.set_fence(held);
    }

    fn identity(&self) -> Result<Identity, StoreError> {
        self.below.store.identity()
    }

    fn epochs(&self) -> Result<Vec<EpochStart>, StoreError> {
        self.below.store.epochs()
    }

    fn poll_changes(&self) -> Result<bool, StoreError> {
        self.beside.poll_changes()
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        if self.is_to_commit { self.beside.stats() } else { self.own_stats() }
    }

    fn location(&self) -> &Location {
        self.below.store.location()
    }

    fn take_notices(&self) -> Vec<String> {
        self.beside.take_notices()
    }
}

impl History for Overlay {
    fn changes(&self, since: Revision, limit: usize, value_limit: u64) -> Result<Changes, StoreError> {
        self.beside.changes(since, limit, value_limit)
    }

    fn history_span(&self) -> Result<Option<HistorySpan>, StoreError> {
        self.beside.history_span()
    }

    fn history(&self, scan: &HistoryScan) -> Result<Vec<Change>, StoreError> {
        if self.is_to_commit { self.beside.history(scan) } else { self.own_history(scan) }
    }

    fn moment(&self, when: When) -> Result<Moment, StoreError> {
        self.beside.moment(when)
    }

    fn get_at(&self, key: &Key, moment: Moment) -> Result<Option<Entry>, StoreError> {
        self.beside.get_at(key, moment)
    }

    fn scan_at(&self, scan: &Scan, moment: Moment) -> Result<Vec<Entry>, StoreError> {
        self.beside.scan_at(scan, moment)
    }

    fn differences(&self, from: Moment, to: Moment, scan: &Scan) -> Result<Vec<EntryDiff>, StoreError> {
        self.beside.differences(from, to, scan)
    }

    fn not_recorded(&self) -> StoreError {
        self.beside.not_recorded()
    }

    fn retention(&self) -> Result<Retention, StoreError> {
        self.beside.retention()
    }

    fn set_retention(&self, retention: &Retention) -> Result<(), StoreError> {
        self.beside.set_retention(retention)
    }
}

impl Runs for Overlay {
    fn begin_run(&self, run: &NewRun) -> Result<i64, StoreError> {
        self.beside.begin_run(run)
    }

    fn name_run(&self, number: i64, workflow: &str) -> Result<(), StoreError> {
        self.beside.name_run(number, workflow)
    }

    fn end_run(&self, number: i64, end: &RunEnd) -> Result<(), StoreError> {
        self.beside.end_run(number, end)
    }

    fn runs(&self, before: Option<i64>, limit: usize) -> Result<Vec<Run>, StoreError> {
        self.beside.runs(before, limit)
    }

    fn import_run(&self, run: &Run, pieces: &[RecordingChunk]) -> Result<i64, StoreError> {
        self.beside.import_run(run, pieces)
    }

    fn buffer_record(&self, run: i64, number: u64, landmark: bool, data: &[u8]) {
        self.beside.buffer_record(run, number, landmark, data);
    }

    fn pending_record_bytes(&self) -> usize {
        self.beside.pending_record_bytes()
    }

    fn flush_records(&self) -> Result<(), StoreError> {
        self.beside.flush_records()
    }

    fn recording_chunks(
        &self,
        run: i64,
        from: u64,
        landmarks: bool,
        limit: usize,
    ) -> Result<Vec<RecordingChunk>, StoreError> {
        self.beside.recording_chunks(run, from, landmarks, limit)
    }

    fn recording_retention(&self) -> Result<RecordingRetention, StoreError> {
        self.beside.recording_retention()
    }

    fn set_recording_retention(&self, recordings: &RecordingRetention) -> Result<(), StoreError> {
        self.beside.set_recording_retention(recordings)
    }
}
