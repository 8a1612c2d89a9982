//! Entries, and the pages in which they are read.

use std::time::Duration;

use crate::store::{Actor, Image, Key, KeyRange, Kind, Number, Revision, Type, UNTYPED, Value};
use crate::time::Millis;

/// One key with its value, type, expiry, version and revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: Key,
    /// The stored bytes, or the first of them where the reader asked for no more.
    pub stored: Vec<u8>,
    /// How many bytes are stored.
    pub size: u64,
    /// The stored type, which is advice; `None` where another program wrote the entry.
    pub stored_type: Option<Type>,
    /// When the entry expires; `None` if it does not.
    pub expires_at: Option<Millis>,
    /// How many times the entry was written since it was created, at least 1; what was written
    /// before counting counts as once. 0 if that is not known, of an entry as it was in the past.
    pub version: u64,
    /// The revision of the last write; 0 if that was before counting.
    pub revision: Revision,
    /// When the entry was created, if that is known.
    pub created_at: Option<Millis>,
    /// When the entry was last written, if that is known.
    pub modified_at: Option<Millis>,
    /// Who wrote it last; `None` if that was before counting.
    pub actor: Option<Actor>,
    /// The kind that the configuration gives entries of this key; `None` where it is inferred.
    pub kind: Option<Kind>,
}

impl Entry {
    /// Whether all of the value was read.
    pub fn is_whole(&self) -> bool {
        self.stored.len() as u64 == self.size
    }

    /// The value with its type. Of an entry that was read only in part, the first bytes as a string.
    pub fn value(&self) -> Value {
        let advice = if self.is_whole() { self.stored_type } else { None };
        Value::from_stored(&self.stored, advice)
    }

    /// What is stored, without all about it.
    pub fn image(&self) -> Image {
        Image { stored: self.stored.clone(), stored_type: self.stored_type, expires_at: self.expires_at }
    }

    /// The type that the value really has; of an entry that was read in part, the stored type.
    pub fn value_type(&self) -> Type {
        if self.is_whole() { self.value().value_type() } else { self.stored_type.unwrap_or(Type::String) }
    }

    /// Time left at `now`; `None` if the entry does not expire.
    pub fn time_to_live(&self, now: Millis) -> Option<Duration> {
        self.expires_at.map(|expiry| expiry.since(now))
    }

    /// Whether the entry has this value by content (see [`Value::means`]); an untyped text also is the number,
    /// the boolean or the table that it spells.
    pub(crate) fn equals(&self, value: &Value) -> bool {
        let found = match (self.value(), value) {
            (Value::String(text), wanted) if self.stored_type.is_none() => match wanted {
                Value::String(_) => return text == wanted.to_stored(),
                Value::Number(_) if Number::spelled(&text).is_none() => Value::String(text),
                other => Value::from_stored(&text, Some(other.value_type())),
            },
            (found, _) => found,
        };
        match (found, value) {
            (found, Value::String(wanted)) => found.to_stored() == *wanted,
            (found, wanted) => found.means(wanted),
        }
    }

    /// The value, where untyped text is the number that it is written as, the boolean or the table that
    /// it spells: for functions that are about values, of whatever program.
    pub(crate) fn spelled_value(&self) -> Value {
        match self.value() {
            Value::String(text) if self.stored_type.is_none() && self.is_whole() => {
                let number = Number::written(&text).and(Number::spelled_exactly(&text)).map(Value::number);
                number
                    .or_else(|| Value::parse(&text, Type::Boolean).ok())
                    .or_else(|| Value::parse(&text, Type::Table).ok())
                    .unwrap_or(Value::String(text))
            }
            value => value,
        }
    }

    /// The name of the stored type, as it is shown: "untyped" for text without one. A value that is not
    /// of its stored type is a string.
    pub fn type_name(&self) -> &'static str {
        match (self.stored_type, self.value_type()) {
            (None, Type::String) => UNTYPED,
            (_, value_type) => value_type.name(),
        }
    }

    /// Whether the entry is the one that was seen, as far as it was seen.
    pub(crate) fn is_unchanged_since(&self, seen: &Entry) -> bool {
        self.revision == seen.revision
            && self.size == seen.size
            && self.stored.starts_with(&seen.stored)
            && self.stored_type == seen.stored_type
            && self.expires_at == seen.expires_at
    }

    /// Whether the entry has expired at `now`: an entry that expires at T is gone at T.
    pub fn is_expired(&self, now: Millis) -> bool {
        self.expires_at.is_some_and(|expiry| expiry <= now)
    }
}

/// The order of a scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// From the smallest key up.
    #[default]
    Ascending,
    /// From the largest key down.
    Descending,
}

/// What to read of a range of keys.
#[derive(Clone, Debug)]
pub struct Scan {
    pub range: KeyRange,
    pub order: Order,
    /// Where to go on: the last key of the page before, which is not read again.
    pub after: Option<Key>,
    /// The most entries to read, at least 1.
    pub limit: usize,
    /// The most bytes to read of each value; what is longer is read in part.
    pub value_limit: u64,
}

impl Scan {
    /// A scan of `range` from its beginning, with whole values.
    pub fn new(range: KeyRange, limit: usize) -> Scan {
        Scan { range, order: Order::Ascending, after: None, limit, value_limit: u64::MAX }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyPage {
    pub found: Vec<Key>,
    /// The last key that was looked at: where to go on. `None` where there is nothing more.
    pub last: Option<Key>,
    /// How many keys were looked at.
    pub looked_at: usize,
}

/// How much is in a page of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSize {
    pub entries: u64,
    /// How many bytes of values.
    pub bytes: u64,
    /// The last key: where to go on; `None` if there are no more.
    pub last: Option<Key>,
}

/// Figures about a database.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Stats {
    /// Entries that have not expired.
    pub entries: u64,
    /// Entries with an expiry that has not come.
    pub expiring: u64,
    /// Locks, expired ones included.
    pub locks: u64,
    pub history: u64,
    pub revision: Revision,
    /// Size of the database file in bytes.
    pub bytes: u64,
    /// How much of it is free, in bytes.
    pub free_bytes: u64,
    /// Size of the log beside it in bytes; 0 if there is none.
    pub log_bytes: u64,
    pub engine: &'static str,
    pub location: String,
}
