//! History: what changed, the state as it was, and how much of it is kept.

use std::ops::Bound;

#[cfg(doc)]
use crate::store::ErrorKind;
use crate::store::{
    Change, Changes, Entry, EntryDiff, HistoryScan, HistorySpan, Key, Moment, Recorded, Retention, Revision,
    Scan, StoreError, When,
};

/// The history of a store.
pub trait History {
    /// The changes after `since`, oldest first, at most `limit` of them, with no more than
    /// `value_limit` bytes of each value.
    ///
    /// # Errors
    /// [`ErrorKind::Reset`] if the state does not follow from what was read before.
    fn changes(&self, since: Revision, limit: usize, value_limit: u64) -> Result<Changes, StoreError>;

    /// How far history goes; `None` if it has not begun.
    fn history_span(&self) -> Result<Option<HistorySpan>, StoreError>;

    /// A page of changes, newest first. What was pruned is not there; [`History::history_span`]
    /// tells from where on.
    fn history(&self, scan: &HistoryScan) -> Result<Vec<Change>, StoreError>;

    /// The change that made `revision`, with no more than `value_limit` bytes of each value; `None` if
    /// history does not have it.
    fn change(&self, revision: Revision, value_limit: u64) -> Result<Option<Change>, StoreError> {
        let only = Bound::Included(revision);
        let scan = HistoryScan { from: only, to: only, value_limit, ..HistoryScan::newest(1) };
        Ok(self.history(&scan)?.pop())
    }

    /// The moment that is meant.
    ///
    /// # Errors
    /// [`ErrorKind::Pruned`] if history does not reach back that far, [`ErrorKind::NotRecorded`]
    /// if there is none, [`ErrorKind::NotYet`] for what is to come.
    fn moment(&self, when: When) -> Result<Moment, StoreError>;

    /// One entry as it was. When it was created is not known. Its version is 0, its revision and its
    /// last writer are unknown, where history does not reach back to the write that made it so.
    ///
    /// # Errors
    /// [`ErrorKind::Pruned`] if history was shortened in the meantime.
    fn get_at(&self, key: &Key, moment: Moment) -> Result<Option<Entry>, StoreError>;

    /// A page of entries as they were, in the order of their keys.
    ///
    /// # Errors
    /// As [`History::get_at`].
    fn scan_at(&self, scan: &Scan, moment: Moment) -> Result<Vec<Entry>, StoreError>;

    /// A page of the entries that were not the same at `from` and at `to`, which is later, with
    /// their whole values.
    ///
    /// # Errors
    /// As [`History::get_at`].
    fn differences(&self, from: Moment, to: Moment, scan: &Scan) -> Result<Vec<EntryDiff>, StoreError>;

    /// The error of what needs a history where there is none.
    fn not_recorded(&self) -> StoreError;

    /// Whether the changes that any program makes are recorded. The version changes with each change that is
    /// not, as far as the engine hears of them. An engine to which all writes go through slothstate, or that
    /// has every change of itself, records all.
    ///
    /// # Errors
    /// It cannot be read.
    fn recorded(&self) -> Result<Recorded, StoreError> {
        Ok(Recorded { version: 0, gap: None })
    }

    /// How much history is kept.
    fn retention(&self) -> Result<Retention, StoreError>;

    /// Sets how much history is kept.
    fn set_retention(&self, retention: &Retention) -> Result<(), StoreError>;
}
