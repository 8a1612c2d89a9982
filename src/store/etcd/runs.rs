//! The runs of workflows: a record each, under numbers that are given once.

use super::EtcdStore;
use super::commit_record::Retries;
use super::locks::is_unreachable;
use super::presence::Holding;
use super::record;
use super::run_record::{EndRecord, LastRun, RunRecord};
use super::wire::{Compare, KeySpan, Op, RangeRequest, RangeResponse, Txn};
use crate::store::{
    Key, Liveness, NewRun, Process, RecordingChunk, RecordingRetention, Run, RunEnd, Runs, State, Store,
    StoreError,
};

/// The most runs that are kept; older ones go.
pub(super) const KEPT: i64 = 10_000;

impl Runs for EtcdStore {
    fn begin_run(&self, new: &NewRun) -> Result<i64, StoreError> {
        self.check_writable()?;
        // Whoever finds the run without an end looks for the process.
        let presence = self.enter()?;
        let revision = self.revision()?;
        let run = Run {
            number: 0,
            new: new.clone(),
            actor: self.actor.borrow().clone(),
            process: Some(self.settings.process.clone()),
            began_at: self.now(),
            revision: Some(revision),
            recorded: false,
            origin: None,
            ended: None,
        };
        let header = new.header.clone().map(|data| RecordingChunk {
            first: 0,
            last: 0,
            revision,
            landmark: false,
            data,
        });
        let number = self.insert_run(&run, header.as_slice())?;
        self.holdings.borrow_mut().insert(Holding::Run(number), presence);
        Ok(number)
    }

    fn name_run(&self, number: i64, workflow: &str) -> Result<(), StoreError> {
        self.change_run(number, &|run| run.workflow = workflow.into())
    }

    fn end_run(&self, number: i64, end: &RunEnd) -> Result<(), StoreError> {
        self.write_records()?;
        let end = EndRecord::new(self.now(), end);
        self.change_run(number, &|run| run.end = Some(end.clone()))?;
        self.holdings.borrow_mut().remove(&Holding::Run(number));
        Ok(())
    }

    fn runs(&self, before: Option<i64>, limit: usize) -> Result<Vec<Run>, StoreError> {
        let page = self.range(&RangeRequest {
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
            is_descending: true,
            ..RangeRequest::of(self.keys.runs(before))
        })?;
        let mut runs: Vec<(i64, RunRecord)> = Vec::with_capacity(page.kvs.len());
        for kv in &page.kvs {
            let Some(number) = self.keys.number_of_run(&kv.key) else { continue };
            runs.push((number, record::decode(&kv.value).unwrap_or_else(RunRecord::unreadable)));
        }
        let header = |(number, _): &(i64, RunRecord)| {
            let first = RangeRequest::key(self.keys.chunk(*number, 0));
            Op::Range(RangeRequest { keys_only: true, revision: page.revision, ..first })
        };
        let (_, headers) = self.read_all(runs.iter().map(header).collect())?;
        let run = |((number, run), header): ((i64, RunRecord), RangeResponse)| {
            run.run(number, header.first().is_some())
        };
        Ok(runs.into_iter().zip(headers).map(run).collect())
    }

    fn run_liveness(&self, run: &Run, here: &Process) -> Liveness {
        self.liveness_of_run(run, here)
    }

    fn import_run(&self, run: &Run, pieces: &[RecordingChunk]) -> Result<i64, StoreError> {
        self.check_writable()?;
        self.insert_run(run, pieces)
    }

    fn buffer_record(&self, run: i64, number: u64, landmark: bool, data: &[u8]) {
        self.records.borrow_mut().keep(run, number, landmark, data);
    }

    fn pending_record_bytes(&self) -> usize {
        self.records.borrow().kept_bytes()
    }

    fn flush_records(&self) -> Result<(), StoreError> {
        self.write_records()
    }

    fn recording_chunks(
        &self,
        run: i64,
        from: u64,
        landmarks: bool,
        limit: usize,
    ) -> Result<Vec<RecordingChunk>, StoreError> {
        self.read_pieces((run, from), landmarks, limit)
    }

    fn recording_retention(&self) -> Result<RecordingRetention, StoreError> {
        Ok(self.format()?.map_or_else(RecordingRetention::default, |format| format.recording_retention()))
    }

    fn set_recording_retention(&self, recordings: &RecordingRetention) -> Result<(), StoreError> {
        self.change_format(&|format| format.with_recordings(recordings))
    }
}

impl EtcdStore {
    /// The number of the last run, from the read of it.
    pub(super) fn number_in(&self, read: &RangeResponse) -> Result<i64, StoreError> {
        Ok(self.last_run_in(read)?.map_or(0, |last| last.number))
    }

    fn last_run_in(&self, read: &RangeResponse) -> Result<Option<LastRun>, StoreError> {
        let Some(kv) = read.first() else { return Ok(None) };
        record::decode(&kv.value).map(Some).map_err(|error| self.unreadable(error, &kv.key))
    }

    /// A number that no other run has, or gets.
    fn next_run(&self) -> Result<i64, StoreError> {
        let key = self.keys.last_run();
        let mut retries = Retries::new(self.settings.busy_limit);
        let mut found = self.range(&RangeRequest::key(key.clone()))?;
        let unique = fastrand::u64(..);
        loop {
            let seen = found.first().map_or(0, |kv| kv.mod_revision);
            let number = self.number_in(&found)?.saturating_add(1);
            let next = LastRun { number, unique };
            let answer = self.txn(&Txn {
                compares: vec![Compare::modified_at(key.clone(), seen)],
                success: vec![Op::put(key.clone(), record::encode(&next))],
                failure: vec![Op::get(key.clone())],
            })?;
            if answer.succeeded {
                return Ok(number);
            }
            found = answer.into_ranges().pop().unwrap_or_default();
            // An earlier attempt took effect, and its answer was lost.
            if let Some(taken) = self.last_run_in(&found)?.filter(|last| last.unique == unique) {
                return Ok(taken.number);
            }
            retries.again(&Key::new("run")?)?;
        }
    }

    /// Adds a run under the next number, with the pieces of its recording; nothing of it is seen before all of
    /// it is there.
    fn insert_run(&self, run: &Run, pieces: &[RecordingChunk]) -> Result<i64, StoreError> {
        if self.format()?.is_none() {
            self.change_format(&|format| format)?;
        }
        let number = self.next_run()?;
        let inserted = self.write_run(number, run, pieces);
        // Where nobody answers the run may be there after all, and needs them.
        if inserted.as_ref().is_err_and(|error| !is_unreachable(error)) && !pieces.is_empty() {
            let ops = self.keys.recording(number).map(Op::Delete).to_vec();
            // What cannot be removed now goes with the recordings that are too many.
            let _ = self.txn(&Txn { success: ops, ..Txn::default() });
        }
        inserted.map(|()| number)
    }

    fn write_run(&self, number: i64, run: &Run, pieces: &[RecordingChunk]) -> Result<(), StoreError> {
        for piece in pieces {
            self.write_piece(number, piece)?;
        }
        let mut ops = vec![Op::put(self.keys.run(number), record::encode(&RunRecord::new(run)))];
        if number > KEPT {
            let old = KeySpan { start: self.keys.run(0), end: self.keys.run(number - KEPT + 1) };
            ops.push(Op::Delete(old));
        }
        // If it is there, an earlier attempt put it there: nobody else has that number.
        let compares = vec![Compare::absent(self.keys.run(number))];
        self.txn(&Txn { compares, success: ops, failure: Vec::new() })?;
        self.has_runs.set(true);
        Ok(())
    }

    /// Changes a run, if there is one of that number.
    fn change_run(&self, number: i64, change: &dyn Fn(&mut RunRecord)) -> Result<(), StoreError> {
        self.check_writable()?;
        let key = self.keys.run(number);
        let mut retries = Retries::new(self.settings.busy_limit);
        let mut found = self.range(&RangeRequest::key(key.clone()))?;
        loop {
            let Some(kv) = found.first() else { return Ok(()) };
            let mut run: RunRecord =
                record::decode(&kv.value).map_err(|error| self.unreadable(error, &kv.key))?;
            change(&mut run);
            let value = record::encode(&run);
            // As it is after an attempt whose answer was lost.
            if kv.value == value {
                return Ok(());
            }
            let answer = self.txn(&Txn {
                compares: vec![Compare::modified_at(key.clone(), kv.mod_revision)],
                success: vec![Op::put(key.clone(), value)],
                failure: vec![Op::get(key.clone())],
            })?;
            if answer.succeeded {
                return Ok(());
            }
            found = answer.into_ranges().pop().unwrap_or_default();
            retries.again(&Key::new("run")?)?;
        }
    }
}
