//! Changes: what happened, row by row, in the order of revisions.

use crate::store::{Actor, Key, Revision, Type, Value};
use crate::time::Millis;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    Entry,
    /// A lock; the old and new values are holders.
    Lock,
    /// The database as a whole; the new value says what happened to it.
    Database,
}

impl Subject {
    pub fn name(self) -> &'static str {
        match self {
            Subject::Entry => "entry",
            Subject::Lock => "lock",
            Subject::Database => "database",
        }
    }
}

/// A value before or after a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The stored bytes.
    pub stored: Vec<u8>,
    /// The stored type; `None` where another program wrote it, and for locks.
    pub stored_type: Option<Type>,
    /// When it expires, or when the lease runs out.
    pub expires_at: Option<Millis>,
}

impl Image {
    pub fn value(&self) -> Value {
        Value::from_stored(&self.stored, self.stored_type)
    }

    /// The type that is stored when `value` is put over something with the stored type `found`: text
    /// without a type, as other programs write it, stays without one when a string is put over it.
    pub(crate) fn type_over(found: Option<Option<Type>>, value: &Value) -> Option<Type> {
        let untyped = found == Some(None);
        (!untyped || !matches!(value, Value::String(_))).then(|| value.value_type())
    }
}

/// One row of history.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub revision: Revision,
    /// When it happened. An entry expires at its time, whenever it is removed after that.
    pub at: Millis,
    /// When it was committed, which is what the revisions are in the order of.
    pub recorded_at: Millis,
    /// Whether an entry, a lock or the database was changed.
    pub subject: Subject,
    /// The entry's key, or the lock's name; empty for the database.
    pub key: Key,
    /// What was done: set, ttl, increment, append, push, pop, toggle, delete, expire, undo, import,
    /// lock, unlock, steal; of the database: epoch.
    pub operation: String,
    /// What was there before; `None` if there was nothing.
    pub old: Option<Image>,
    /// What is there since; `None` if nothing is.
    pub new: Option<Image>,
    pub actor: Actor,
    /// The version that it gave the entry, or that the entry had when it was removed; `None` for
    /// locks, and where it was not recorded.
    pub version: Option<u64>,
    /// The first and the last revision of the transaction that it was part of: it is undone as a
    /// whole. Of a change by another program always its own.
    pub transaction: (Revision, Revision),
    /// The revision that took it back, if one did.
    pub undone_by: Option<Revision>,
}

/// An answer to "what has changed since?".
#[derive(Clone, Debug, PartialEq)]
pub enum Changes {
    /// The changes after the revision asked for, oldest first; all there are if fewer than the limit.
    Since(Vec<Change>),
    /// History no longer reaches back that far; this is the oldest revision that is left.
    Pruned {
        /// The oldest revision that is left.
        oldest: Revision,
    },
    /// This file keeps no history: nothing of it was adopted yet.
    NotRecorded,
}
