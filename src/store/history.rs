//! Moments of the past, and which changes of history to read.

use crate::store::{Image, Key, Revision, Subject};
use crate::time::Millis;

/// Which state of the past is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The state that this revision made, at the time at which it made it: what expired between then
    /// and the next revision is part of it. 0: the state before any change that was recorded.
    Revision(Revision),
    /// The state at that time, as far as the clocks of those who wrote it can be trusted.
    Time(Millis),
    /// The present state.
    Now,
}

/// A state of the past that can be read: see [`crate::store::Store::moment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The newest revision that is part of it.
    pub revision: Revision,
    /// The time that tells what had expired.
    pub at: Millis,
}

/// Which changes to read.
#[derive(Clone, Debug)]
pub struct HistoryScan {
    /// Only changes of this key, or of the lock of this name.
    pub key: Option<Key>,
    /// Only changes of entries, or of locks.
    pub subject: Option<Subject>,
    /// Only changes after this revision.
    pub after: Revision,
    /// Only changes before this revision: where to go on.
    pub before: Option<Revision>,
    /// The most changes to read, at least 1.
    pub limit: usize,
    /// The most bytes to read of each value.
    pub value_limit: u64,
}

impl HistoryScan {
    /// The newest `limit` changes of anything, with whole values.
    pub fn newest(limit: usize) -> HistoryScan {
        HistoryScan {
            key: None,
            subject: None,
            after: Revision::default(),
            before: None,
            limit,
            value_limit: u64::MAX,
        }
    }
}

/// How far history goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistorySpan {
    /// The oldest change that is left, and when it was made.
    pub oldest: (Revision, Millis),
    /// The newest change, and when it was made.
    pub newest: (Revision, Millis),
}

/// An entry that is not the same at two moments.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryDiff {
    /// The entry's key.
    pub key: Key,
    /// What it was at the first moment; `None` if there was no such entry.
    pub old: Option<Image>,
    /// What it was at the second one; `None` if there was no such entry.
    pub new: Option<Image>,
}
