//! The store: entries, locks and changes, behind one trait that more than one engine can carry.
//!
//! Nothing here knows of Lua or of the terminal.

mod actor;
mod change;
mod edit;
mod entry;
mod error;
pub mod feed;
mod health;
mod history;
pub mod identity;
pub mod json;
mod key;
pub mod kind;
mod liveness;
mod location;
mod lock;
mod lock_queue;
mod maintenance;
mod needle;
mod number_text;
mod overlay;
mod pattern;
mod process;
mod retention;
mod run;
pub mod secrets;
pub mod sqlite;
pub mod stacks;
pub mod time_point;
mod transaction;
mod typed_input;
mod undo;
mod value;

use std::os::fd::BorrowedFd;

use crate::time::{Clock, Millis};

pub use actor::{Actor, EXTERNAL};
pub use change::{Change, Changes, Image, Subject};
pub use edit::{Edit, Edited};
pub use entry::{Entry, KeyPage, Order, RangeSize, Revision, Scan, Stats};
pub use error::StoreError;
pub(crate) use error::looks_like_a_number;
pub use health::{Finding, Health, Level};
pub use history::{EntryDiff, HistoryScan, HistorySpan, Moment, When, change_at};
pub use identity::{EpochStart, Identity, Reset};
pub use json::JsonText;
pub use key::{Key, KeyRange};
pub use kind::Kind;
pub use liveness::{Liveness, Renewal};
pub use location::{InvalidLocation, Location};
pub use lock::{
    AcquireOutcome, ClearOutcome, Lock, LockRequest, Ticket, Token, Waiter, all_locks, holder_in_words,
    why_lost,
};
pub use lock_queue::{WaitOutcome, wait_for_lock};
pub use maintenance::Maintenance;
pub use needle::Needle;
pub use overlay::{BeforeAfter, Mark, Overlay};
pub use pattern::{InvalidPattern, Pattern};
pub use process::{Process, host_name};
pub use retention::Retention;
pub use run::{NewRun, RecordingChunk, RecordingRetention, Run, RunEnd, UNKNOWN_ORIGIN};
pub use sqlite::{Compacted, CompactionPlan, Recorded, Seen, Settings, SqliteStore, UNRECORDED_CHANGES};
pub use stacks::{StackLock, StackRun, Stacks};
pub use transaction::{Condition, Expiry, Operation, Outcome, Purpose, Transaction};
pub use typed_input::{TypedInput, UNTYPED};
pub use undo::{NothingToUndo, UndoOutcome, last_by_hand, undo};
pub use value::{InvalidValue, NotANumber, Number, Numeral, Type, Value};

/// What an engine can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The largest value in bytes.
    pub largest_value: u64,
    /// The most operations in one transaction.
    pub operations: usize,
    /// The grain of an expiry in milliseconds.
    pub expiry_grain: u64,
}

/// State that several processes share.
///
/// Every read sees only what has not expired. Every write is one transaction that takes effect
/// as a whole or not at all; a busy engine is waited for, up to the limit it was opened with.
/// No reader is left open between two calls.
pub trait Store {
    /// What this engine can do.
    fn capabilities(&self) -> Capabilities;

    /// The clock that expiry and leases go by.
    fn clock(&self) -> &dyn Clock;

    /// The kinds that keys have by the user's word; every entry that is read has its own.
    fn kinds(&self) -> &kind::Kinds {
        kind::Kinds::NONE
    }

    /// Whether writes are possible at all, and why not if not.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] and its like, with the reason.
    fn check_writable(&self) -> Result<(), StoreError>;

    /// Under whose name the changes from here on are recorded.
    fn set_actor(&self, actor: Actor);

    /// Under which locks the writes from here on happen: each [`Store::commit`] and
    /// [`Store::edit`] is refused with [`StoreError::LockLost`] unless all of `held` are held,
    /// with leases that have not run out. An empty list is no fence.
    fn set_fence(&self, held: Vec<(String, Token)>);

    /// The newest revision.
    fn revision(&self) -> Result<Revision, StoreError>;

    /// One entry with its whole value.
    fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError>;

    /// As [`Store::get`], with no more than `value_limit` bytes of the value.
    fn get_prefix(&self, key: &Key, value_limit: u64) -> Result<Option<Entry>, StoreError>;

    /// As [`Store::get`], with no more than `limit` bytes of the value from its byte `offset` on.
    ///
    /// The way that is provided reads the whole value; an engine that can read a part of it does.
    fn get_slice(&self, key: &Key, offset: u64, limit: u64) -> Result<Option<Entry>, StoreError> {
        Ok(self.get(key)?.map(|mut entry| {
            let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(entry.stored.len());
            entry.stored = entry.stored[at(offset)..at(offset.saturating_add(limit))].to_vec();
            entry
        }))
    }

    /// A page of entries in the order of their keys.
    fn scan(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError>;

    /// How much is in a page of entries; its values are not read.
    ///
    /// The way that is provided reads the page; an engine that only has to count does.
    fn measure(&self, scan: &Scan) -> Result<RangeSize, StoreError> {
        let page = self.scan(&Scan { value_limit: 0, ..scan.clone() })?;
        let last = page.last().filter(|_| page.len() == scan.limit).map(|entry| entry.key.clone());
        let bytes = page.iter().map(|entry| entry.size).sum();
        Ok(RangeSize { entries: page.len() as u64, bytes, last })
    }

    /// A page of keys in their order, cheaper than a page of entries.
    fn scan_keys(&self, scan: &Scan) -> Result<Vec<Key>, StoreError>;

    /// Looks through a page of keys for those that have every one of `needles` in them: the
    /// limit of the scan is how many keys are looked at.
    fn search_keys(&self, scan: &Scan, needles: &[Needle]) -> Result<KeyPage, StoreError>;

    /// A page of the entries that expire, soonest first, after the one named by its expiry and
    /// key; no more than `value_limit` bytes of each value.
    fn scan_expiring(
        &self,
        after: Option<(Millis, &Key)>,
        limit: usize,
        value_limit: u64,
    ) -> Result<Vec<Entry>, StoreError>;

    /// How many entries a range has.
    fn count(&self, range: &KeyRange) -> Result<u64, StoreError>;

    /// Carries out a transaction if its conditions hold.
    fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError>;

    /// Changes one entry depending on the value that it has.
    ///
    /// The way that is provided reads, plans and commits under the condition that nothing
    /// changed in between; an engine that can do it in one step does.
    fn edit(&self, key: &Key, edit: &Edit) -> Result<Edited, StoreError> {
        const ATTEMPTS: u32 = 100;
        for _ in 0..ATTEMPTS {
            let found = self.get(key)?;
            let planned = edit.plan(key, found.as_ref().map(Entry::value).as_ref())?;
            let Some(value) = planned.write else { return Ok(planned.edited) };
            let condition = match found {
                Some(entry) => Condition::Unchanged(Box::new(entry)),
                None => Condition::Absent(key.clone()),
            };
            let transaction = Transaction::put(key.clone(), value, edit.expiry()).when(condition);
            if let Outcome::Committed { revision, .. } = self.commit(&transaction)? {
                return Ok(Edited { revision: Some(revision), ..planned.edited });
            }
        }
        Err(StoreError::Contended { key: key.clone(), attempts: ATTEMPTS })
    }

    /// The lock of that name, expired or not; `None` if there is none.
    fn lock(&self, name: &str) -> Result<Option<Lock>, StoreError>;

    /// A page of the locks in the order of their names, expired ones included.
    fn locks(&self, after: Option<&str>, limit: usize) -> Result<Vec<Lock>, StoreError>;

    /// Takes a lock if it is free, or its lease has run out, and nobody has waited for it longer
    /// than `ticket` has; without a ticket, if nobody waits for it at all.
    ///
    /// # Errors
    /// [`StoreError::Reentrant`] if this process holds it under the same holder's name.
    fn acquire(&self, request: &LockRequest, ticket: Option<Ticket>) -> Result<AcquireOutcome, StoreError>;

    /// Brings a lock over from elsewhere, with its holder, its process and the end of its lease, if
    /// nobody holds that name and nobody waits for it. Its token is a new one. A lease of which the
    /// end is unknown ends at once.
    fn import_lock(&self, lock: &Lock) -> Result<AcquireOutcome, StoreError>;

    /// Makes the lease of a lock last until `lease` from now; false if the token holds it no more.
    fn renew(&self, name: &str, token: Token, lease: std::time::Duration) -> Result<bool, StoreError>;

    /// Releases a lock; false if the token holds it no more.
    fn release(&self, name: &str, token: Token) -> Result<bool, StoreError>;

    /// Takes a lock away from its holder, if it still is the one that was seen.
    fn clear_lock(&self, seen: &Lock) -> Result<ClearOutcome, StoreError>;

    /// Joins the queue for a lock. A waiter that does not [`Store::keep_waiting`] for
    /// [`WAITER_PATIENCE`] is passed over.
    fn join_queue(&self, request: &LockRequest) -> Result<Ticket, StoreError>;

    /// Tells the others that this waiter is still there. One that was silent for so long that it was
    /// forgotten has its place again.
    fn keep_waiting(&self, request: &LockRequest, ticket: Ticket) -> Result<(), StoreError>;

    /// Leaves the queue.
    fn leave_queue(&self, ticket: Ticket) -> Result<(), StoreError>;

    /// Who waits for locks, in the order in which they are served.
    fn waiters(&self) -> Result<Vec<Waiter>, StoreError>;

    /// The changes after `since`, oldest first, at most `limit` of them, with no more than
    /// `value_limit` bytes of each value.
    ///
    /// # Errors
    /// [`StoreError::Reset`] if the state does not follow from what was read before.
    fn changes(&self, since: Revision, limit: usize, value_limit: u64) -> Result<Changes, StoreError>;

    /// How far history goes; `None` if it has not begun.
    fn history_span(&self) -> Result<Option<HistorySpan>, StoreError>;

    /// A page of changes, newest first. What was pruned is not there; [`Store::history_span`]
    /// tells from where on.
    fn history(&self, scan: &HistoryScan) -> Result<Vec<Change>, StoreError>;

    /// The moment that is meant.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] if history does not reach back that far, [`StoreError::NotRecorded`]
    /// if there is none, [`StoreError::NotYet`] for what is to come.
    fn moment(&self, when: When) -> Result<Moment, StoreError>;

    /// One entry as it was. When it was created is not known. Its version is 0, its revision and its
    /// last writer are unknown, where history does not reach back to the write that made it so.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] if history was shortened in the meantime.
    fn get_at(&self, key: &Key, moment: Moment) -> Result<Option<Entry>, StoreError>;

    /// A page of entries as they were, in the order of their keys.
    ///
    /// # Errors
    /// As [`Store::get_at`].
    fn scan_at(&self, scan: &Scan, moment: Moment) -> Result<Vec<Entry>, StoreError>;

    /// A page of the entries that were not the same at `from` and at `to`, which is later, with
    /// their whole values.
    ///
    /// # Errors
    /// As [`Store::get_at`].
    fn differences(&self, from: Moment, to: Moment, scan: &Scan) -> Result<Vec<EntryDiff>, StoreError>;

    /// Notes that a run of a workflow begins; its number. Where it is recorded, its header is the
    /// first piece of the recording.
    fn begin_run(&self, run: &NewRun) -> Result<i64, StoreError>;

    /// Gives a run the name of its workflow, which is known once its file has been read.
    fn name_run(&self, number: i64, workflow: &str) -> Result<(), StoreError>;

    /// Notes how a run ended, and writes what is left of its recording.
    fn end_run(&self, number: i64, end: &RunEnd) -> Result<(), StoreError>;

    /// Adds a record to the recording of a run. It is kept until this store writes something, and is
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

    /// Brings a run over from elsewhere, with its recording; the number that it has here.
    fn import_run(&self, run: &Run, pieces: &[RecordingChunk]) -> Result<i64, StoreError>;

    /// One run; `None` if there is none of that number.
    fn run(&self, number: i64) -> Result<Option<Run>, StoreError> {
        let page = self.runs(Some(number.saturating_add(1)), 1)?;
        Ok(page.into_iter().find(|run| run.number == number))
    }

    /// How many recordings are kept, and for how long.
    fn recording_retention(&self) -> Result<RecordingRetention, StoreError>;

    /// Sets how many recordings are kept.
    fn set_recording_retention(&self, recordings: &RecordingRetention) -> Result<(), StoreError>;

    /// A page of runs, the newest first, before the one of that number.
    fn runs(&self, before: Option<i64>, limit: usize) -> Result<Vec<Run>, StoreError>;

    /// What Sloth Runner keeps of its own beside this database; nothing where it keeps nothing.
    fn stacks(&self) -> Result<Stacks, StoreError> {
        Ok(Stacks::default())
    }

    /// Clears a lock of Sloth Runner's, if it still is the one that was seen. Whether it was.
    fn clear_stack_lock(&self, _lock: &StackLock) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// How much history is kept.
    fn retention(&self) -> Result<Retention, StoreError>;

    /// Sets how much history is kept.
    fn set_retention(&self, retention: &Retention) -> Result<(), StoreError>;

    /// Which database it is, and its newest revision.
    fn identity(&self) -> Result<Identity, StoreError>;

    /// The epochs after the first, oldest first.
    fn epochs(&self) -> Result<Vec<EpochStart>, StoreError>;

    /// Whether anything may have been committed, by anybody else, since the last time this was
    /// asked. Costs about a microsecond.
    ///
    /// # Errors
    /// [`StoreError::Reset`] if it is no longer the database that was opened.
    fn poll_changes(&self) -> Result<bool, StoreError>;

    /// A descriptor that becomes readable when [`Store::poll_changes`] is worth asking, if the engine
    /// has one; where it has none, it is asked over and over.
    fn change_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether the first write adopts a file that is another program's: it adds to the structure of the
    /// file, which is not undone.
    fn will_adopt(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Figures about the database.
    fn stats(&self) -> Result<Stats, StoreError>;

    /// What the store has to tell its user since the last time, such as that it adopted a file.
    fn take_notices(&self) -> Vec<String>;
}

/// How long a waiter may stay silent before it is passed over.
pub const WAITER_PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
