//! Moments of the past, and which changes of history to read.

use std::ops::Bound;

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
    Now,
}

/// A state of the past that can be read: see [`crate::store::History::moment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The newest revision that is part of it.
    pub revision: Revision,
    /// The time that tells what had expired.
    pub at: Millis,
}

#[derive(Clone, Debug)]
pub struct HistoryScan {
    /// Only changes of this key, or of the lock of this name.
    pub key: Option<Key>,
    /// Only changes of entries, or of locks.
    pub subject: Option<Subject>,
    pub from: Bound<Revision>,
    /// The newest revision to read. The next page excludes the last revision of the page before.
    pub to: Bound<Revision>,
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
            from: Bound::Unbounded,
            to: Bound::Unbounded,
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
    /// Every change after this revision is there. An engine whose revisions have gaps may keep all from 0 on.
    pub since: Revision,
}

impl HistorySpan {
    /// Whether every change after `since` is still there.
    pub fn reaches(&self, since: Revision) -> bool {
        since >= self.since || since >= self.newest.0
    }
}

/// Whether changes by any program are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Another number after every change of what records them.
    pub version: i64,
    /// Why not all changes are recorded, for the user; `None` if all are.
    pub gap: Option<&'static str>,
}

/// An entry that is not the same at two moments.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryDiff {
    pub key: Key,
    /// What it was at the first moment; `None` if there was no such entry.
    pub old: Option<Image>,
    /// What it was at the second one; `None` if there was no such entry.
    pub new: Option<Image>,
}
