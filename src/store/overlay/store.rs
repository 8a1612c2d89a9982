//! The trait: entries are those of the overlay, everything else is passed on.

use std::time::Duration;

use super::{Overlay, pages};
use crate::store::{
    AcquireOutcome, Actor, Capabilities, Change, Changes, ClearOutcome, Entry, EntryDiff, EpochStart,
    HistoryScan, HistorySpan, Identity, Key, KeyPage, KeyRange, Lock, LockRequest, Moment, Needle, NewRun,
    Outcome, RecordingChunk, RecordingRetention, Retention, Revision, Run, RunEnd, Scan, Stats, Store,
    StoreError, Ticket, Token, Transaction, Waiter, When,
};
use crate::time::{Clock, Millis};

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
        self.beside.set_actor(actor);
    }

    fn set_fence(&self, held: Vec<(String, Token)>) {
        self.beside.set_fence(held);
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        match self.kept.borrow().revision {
            Some((base, made)) => Ok(Revision(base.0 + made)),
            None => self.below.revision(),
        }
    }

    fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.find(key)
    }

    fn get_prefix(&self, key: &Key, value_limit: u64) -> Result<Option<Entry>, StoreError> {
        Ok(self.find(key)?.map(|entry| pages::cut(entry, value_limit)))
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError> {
        self.scan_merged(scan)
    }

    fn scan_keys(&self, scan: &Scan) -> Result<Vec<Key>, StoreError> {
        self.scan_keys_merged(scan)
    }

    fn search_keys(&self, scan: &Scan, needles: &[Needle]) -> Result<KeyPage, StoreError> {
        let keys = self.scan_keys(scan)?;
        let looked_at = keys.len();
        let last = keys.last().filter(|_| looked_at >= scan.limit).cloned();
        let fits = |key: &Key| needles.iter().all(|needle| needle.is_in(key.as_bytes()));
        Ok(KeyPage { found: keys.into_iter().filter(fits).collect(), last, looked_at })
    }

    fn scan_expiring(
        &self,
        after: Option<(Millis, &Key)>,
        limit: usize,
        value_limit: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        self.scan_expiring_merged(after, limit, value_limit)
    }

    fn count(&self, range: &KeyRange) -> Result<u64, StoreError> {
        let revision = self.below.revision()?;
        let below = self.below.count(range)?;
        self.note_range(range.clone(), revision);
        let now = self.now();
        let kept = self.kept.borrow();
        let live = |entry: &Option<Entry>| {
            u64::from(
                entry.as_ref().is_some_and(|entry| range.contains(&entry.key) && !entry.is_expired(now)),
            )
        };
        let (gone, come) = kept.written.values().fold((0, 0), |(gone, come), rewritten| {
            (gone + live(&rewritten.old), come + live(&rewritten.new))
        });
        Ok((below + come).saturating_sub(gone))
    }

    fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        let mark = self.mark();
        for (place, condition) in transaction.conditions.iter().enumerate() {
            if let Err(found) = self.check(condition)? {
                self.roll_back(mark);
                return Ok(Outcome::Refused { condition: place, found, others: Vec::new() });
            }
        }
        let mut changed = 0;
        for operation in &transaction.operations {
            match self.carry_out(operation) {
                Ok(more) => changed += more,
                Err(error) => {
                    self.roll_back(mark);
                    return Err(error);
                }
            }
        }
        Ok(Outcome::Committed { revision: self.revision()?, changed })
    }

    fn lock(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        Ok(self.beside.lock(name)?.map(|lock| self.here(lock)))
    }

    fn locks(&self, after: Option<&str>, limit: usize) -> Result<Vec<Lock>, StoreError> {
        self.locks_here(after, limit)
    }

    fn acquire(&self, request: &LockRequest, ticket: Option<Ticket>) -> Result<AcquireOutcome, StoreError> {
        self.acquire_here(request, ticket)
    }

    fn import_lock(&self, lock: &Lock) -> Result<AcquireOutcome, StoreError> {
        self.beside.import_lock(lock)
    }

    fn renew(&self, name: &str, token: Token, lease: Duration) -> Result<bool, StoreError> {
        self.renew_here(name, token, lease)
    }

    fn release(&self, name: &str, token: Token) -> Result<bool, StoreError> {
        self.release_here(name, token)
    }

    fn clear_lock(&self, seen: &Lock) -> Result<ClearOutcome, StoreError> {
        self.clear_here(seen)
    }

    fn join_queue(&self, request: &LockRequest) -> Result<Ticket, StoreError> {
        self.beside.join_queue(request)
    }

    fn keep_waiting(&self, request: &LockRequest, ticket: Ticket) -> Result<(), StoreError> {
        self.beside.keep_waiting(request, ticket)
    }

    fn leave_queue(&self, ticket: Ticket) -> Result<(), StoreError> {
        self.beside.leave_queue(ticket)
    }

    fn waiters(&self) -> Result<Vec<Waiter>, StoreError> {
        self.beside.waiters()
    }

    fn changes(&self, since: Revision, limit: usize, value_limit: u64) -> Result<Changes, StoreError> {
        self.beside.changes(since, limit, value_limit)
    }

    fn history_span(&self) -> Result<Option<HistorySpan>, StoreError> {
        self.beside.history_span()
    }

    fn history(&self, scan: &HistoryScan) -> Result<Vec<Change>, StoreError> {
        self.beside.history(scan)
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

    fn begin_run(&self, run: &NewRun) -> Result<i64, StoreError> {
        self.beside.begin_run(run)
    }

    fn name_run(&self, number: i64, workflow: &str) -> Result<(), StoreError> {
        self.beside.name_run(number, workflow)
    }

    fn end_run(&self, number: i64, end: &RunEnd) -> Result<(), StoreError> {
        self.beside.end_run(number, end)
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

    fn import_run(&self, run: &Run, pieces: &[RecordingChunk]) -> Result<i64, StoreError> {
        self.beside.import_run(run, pieces)
    }

    fn recording_retention(&self) -> Result<RecordingRetention, StoreError> {
        self.beside.recording_retention()
    }

    fn set_recording_retention(&self, recordings: &RecordingRetention) -> Result<(), StoreError> {
        self.beside.set_recording_retention(recordings)
    }

    fn runs(&self, before: Option<i64>, limit: usize) -> Result<Vec<Run>, StoreError> {
        self.beside.runs(before, limit)
    }

    fn retention(&self) -> Result<Retention, StoreError> {
        self.beside.retention()
    }

    fn set_retention(&self, retention: &Retention) -> Result<(), StoreError> {
        self.beside.set_retention(retention)
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
        self.beside.stats()
    }

    fn take_notices(&self) -> Vec<String> {
        self.beside.take_notices()
    }
}
