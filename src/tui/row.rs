//! A row of a list, and its place in the order of the list.

use std::time::Duration;

use super::action::View;
use super::command::RowKind;
use super::filter::Filter;
use crate::store::{Entry, Key, Kind, Liveness, Lock, Millis, kind};

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// An entry, its value perhaps in part.
    Entry(Entry),
    /// A lock.
    Lock(LockRow),
}

/// A lock with what the list says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct LockRow {
    /// The lock.
    pub lock: Lock,
    /// What is known of its holder's process.
    pub liveness: Liveness,
    /// Who waits for it, first the one who is served first, and since when.
    pub waiting: Vec<(String, Millis)>,
}

/// What a row is of: the cursor stays on it whatever happens around it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowId {
    /// A lock, by its name. Locks stand before entries.
    Lock(String),
    /// An entry, by its key.
    Entry(Key),
}

/// The place of a row in the order of its list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    /// In the order of names.
    Name(RowId),
    /// In the order of expiry.
    Expiry(Millis, Key),
}

impl Row {
    /// What the row is of.
    pub fn id(&self) -> RowId {
        match self {
            Row::Entry(entry) => RowId::Entry(entry.key.clone()),
            Row::Lock(row) => RowId::Lock(row.lock.name.clone()),
        }
    }

    /// The row's place in the list of `view`.
    pub fn position(&self, view: View) -> Position {
        match (view, self) {
            (View::Expiring, Row::Entry(entry)) => {
                Position::Expiry(entry.expires_at.unwrap_or(Millis(i64::MAX)), entry.key.clone())
            }
            _ => Position::Name(self.id()),
        }
    }

    /// The entry, if it is one.
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Row::Entry(entry) => Some(entry),
            Row::Lock(_) => None,
        }
    }

    /// What commands ask of a row.
    pub fn kind(&self) -> RowKind {
        match self {
            Row::Entry(entry) => RowKind::Entry(kind::infer(entry).0, entry.value_type()),
            Row::Lock(_) => RowKind::Lock,
        }
    }

    /// When something that the list shows of it next comes to its end.
    pub fn expires_at(&self) -> Option<Millis> {
        match self {
            Row::Entry(entry) => entry.expires_at,
            Row::Lock(row) => row.lock.expires_at,
        }
    }

    /// Whether something changed that should catch the eye: a lease that is renewed does not.
    pub fn differs(&self, other: &Row) -> bool {
        match (self, other) {
            (Row::Entry(left), Row::Entry(right)) => {
                left.stored != right.stored
                    || left.size != right.size
                    || left.revision != right.revision
                    || left.expires_at != right.expires_at
            }
            (Row::Lock(left), Row::Lock(right)) => {
                left.lock.token != right.lock.token
                    || left.lock.holder != right.lock.holder
                    || left.liveness != right.liveness
                    || left.waiting.len() != right.waiting.len()
            }
            _ => true,
        }
    }
}

impl View {
    /// Whether an entry belongs into the list of this view under `filter`.
    pub fn takes(self, entry: &Entry, filter: &Filter, now: Millis) -> bool {
        let belongs = match self {
            View::Keys => true,
            View::Flags => kind::infer(entry).0 == Kind::Flag,
            View::Counters => kind::infer(entry).0 == Kind::Counter,
            View::Locks => kind::is_used_as_lock(entry),
            View::Expiring => entry.expires_at.is_some(),
        };
        belongs && filter.passes(entry, now)
    }
}

/// How much of an entry's life is left, as a bar shows it: 1 is an hour or more.
pub fn share_left(left: Duration) -> f64 {
    const SCALE: f64 = 3600.0;
    (left.as_secs_f64() + 1.0).ln() / (SCALE + 1.0_f64).ln()
}
