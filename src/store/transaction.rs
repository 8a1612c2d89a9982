//! Writes: conditions and operations that take effect together or not at all.

use std::collections::HashSet;
use std::time::Duration;

use crate::store::{
    Edit, EditOutcome, Entry, ErrorKind, Image, Key, KeyRange, Revision, StoreError, Token, Value,
};
use crate::time::Millis;

/// What must hold for a transaction to take effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    Absent(Key),
    Exists(Key),
    /// The entry was last written at this revision.
    AtRevision(Key, Revision),
    /// The entry has this version; 0 is "there is no such entry".
    AtVersion(Key, u64),
    /// The entry has this value. Tables compare by content, numbers by their value; an untyped
    /// text compares to a typed value by what is stored.
    Equals(Key, Value),
    /// The entry is byte for byte the one that was read, with the same type and expiry.
    Unchanged(Box<Entry>),
    /// The entry is byte for byte this, with this type and expiry, whoever made it so.
    Is(Key, Image),
    /// The lock of this name is held under this token, and its lease has not run out.
    HoldsLock(String, Token),
    /// No entry of this range was created, changed, deleted or removed after its expiry since
    /// this revision. It does not hold if history no longer reaches back that far, nor if an
    /// expired entry of the range was not yet removed, since it may have been visible at that
    /// revision: such entries are removed then, and whoever reads the range again and tries once
    /// more gets by. What was written before the database recorded changes cannot be told, so a
    /// database that is only now adopted refuses this condition once.
    RangeAtRevision(KeyRange, Revision),
}

impl Condition {
    /// The entry that it is about; `None` if it is about a lock or a range.
    pub(crate) fn key(&self) -> Option<&Key> {
        match self {
            Condition::Absent(key)
            | Condition::Exists(key)
            | Condition::AtRevision(key, _)
            | Condition::AtVersion(key, _)
            | Condition::Equals(key, _)
            | Condition::Is(key, _) => Some(key),
            Condition::Unchanged(seen) => Some(&seen.key),
            Condition::HoldsLock(..) | Condition::RangeAtRevision(..) => None,
        }
    }

    /// Whether it holds where `found` is the entry that it is about; false if it is about no entry.
    pub(crate) fn holds_for(&self, found: Option<&Entry>) -> bool {
        match (self, found) {
            (Condition::Absent(_) | Condition::AtVersion(_, 0), found) => found.is_none(),
            (Condition::Exists(_), found) => found.is_some(),
            (Condition::AtRevision(_, revision), Some(entry)) => entry.revision == *revision,
            (Condition::AtVersion(_, version), Some(entry)) => entry.version == *version,
            (Condition::Equals(_, value), Some(entry)) => entry.equals(value),
            (Condition::Unchanged(seen), Some(entry)) => entry.is_unchanged_since(seen),
            (Condition::Is(_, image), Some(entry)) => entry.image() == *image,
            (Condition::HoldsLock(..) | Condition::RangeAtRevision(..), _) | (_, None) => false,
        }
    }
}

/// What a write does to the expiry of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    Keep,
    /// The entry does not expire.
    #[default]
    Clear,
    /// The entry expires that long after the write.
    After(Duration),
    /// The entry expires at that moment.
    At(Millis),
}

impl Expiry {
    /// When an entry expires that is written at `now` and had the expiry `present`.
    ///
    /// # Errors
    /// [`ErrorKind::TooLong`] if that is after [`Millis::LATEST`].
    pub(crate) fn after(self, present: Option<Millis>, now: Millis) -> Result<Option<Millis>, StoreError> {
        Ok(match self {
            Expiry::Keep => present,
            Expiry::Clear => None,
            Expiry::After(time) => {
                Some(now.checked_plus(time).ok_or(ErrorKind::TooLong { time, is_lease: false })?)
            }
            // One that it has already may be of an earlier version, which cut what was too long.
            Expiry::At(moment) if moment > Millis::LATEST && present != Some(moment) => {
                return Err(ErrorKind::TooLong { time: moment.since(now), is_lease: false }.into());
            }
            Expiry::At(moment) => Some(moment),
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Writes a value.
    Put {
        key: Key,
        value: Value,
        expiry: Expiry,
    },
    /// Writes text without a type, whatever was there, as a program that knows no types does.
    PutUntyped {
        key: Key,
        text: Vec<u8>,
        expiry: Expiry,
    },
    /// Puts back what was there, byte for byte, with its type, or without one, and its expiry.
    Restore {
        key: Key,
        image: Image,
    },
    /// Changes the value depending on what it is; the outcome says what it came to.
    Edit {
        key: Key,
        edit: Edit,
    },
    /// Changes the expiry and nothing else; does nothing where there is no such entry.
    SetExpiry {
        key: Key,
        expiry: Expiry,
    },
    /// Deletes an entry; does nothing where there is none.
    Delete(Key),
    DeleteRange(KeyRange),
}

impl Operation {
    /// The entry that it is about; `None` if it is about a range of them.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Operation::Put { key, .. }
            | Operation::PutUntyped { key, .. }
            | Operation::Restore { key, .. }
            | Operation::Edit { key, .. }
            | Operation::SetExpiry { key, .. }
            | Operation::Delete(key) => Some(key),
            Operation::DeleteRange(_) => None,
        }
    }

    /// Whether its result does not depend on what the entry was before.
    fn overrides(&self) -> bool {
        match self {
            Operation::Put { expiry, .. } | Operation::PutUntyped { expiry, .. } => *expiry != Expiry::Keep,
            Operation::Restore { .. } | Operation::Delete(_) => true,
            Operation::Edit { .. } | Operation::SetExpiry { .. } | Operation::DeleteRange(_) => false,
        }
    }

    /// The value that it writes; `None` if it writes none, or one that depends on what is there.
    pub fn value(&self) -> Option<Value> {
        match self {
            Operation::Put { value, .. } => Some(value.clone()),
            Operation::PutUntyped { text, .. } => Some(Value::String(text.clone())),
            _ => None,
        }
    }
}

/// What a transaction is for: history names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// A change like any other.
    #[default]
    Change,
    /// It brings entries over from elsewhere.
    Import,
    /// It takes back the transaction that began with this revision.
    Undo(Revision),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transaction {
    /// All of these must hold.
    pub conditions: Vec<Condition>,
    /// These are done in their order.
    pub operations: Vec<Operation>,
    pub purpose: Purpose,
}

impl Transaction {
    /// A transaction that does `operation` under no condition.
    pub fn of(operation: Operation) -> Transaction {
        Transaction::all(vec![operation])
    }

    /// A transaction that does all of `operations` under no condition.
    pub fn all(operations: Vec<Operation>) -> Transaction {
        Transaction { operations, ..Transaction::default() }
    }

    /// A transaction in which the last write of a key wins: operations that a later one overrides are left
    /// out. Some engines refuse a transaction that writes a key twice.
    ///
    /// An edit stays, with what it depends on: whether it fails, and the transaction with it, is known only
    /// when it is carried out.
    pub fn of_last_writes(operations: Vec<Operation>) -> Transaction {
        Transaction::all(last_writes(operations, true))
    }

    /// A transaction that changes one entry depending on its value.
    pub fn edit(key: Key, edit: Edit) -> Transaction {
        Transaction::of(Operation::Edit { key, edit })
    }

    pub fn put(key: Key, value: Value, expiry: Expiry) -> Transaction {
        Transaction::of(Operation::Put { key, value, expiry })
    }

    pub fn delete(key: Key) -> Transaction {
        Transaction::of(Operation::Delete(key))
    }

    #[must_use]
    pub fn when(mut self, condition: Condition) -> Transaction {
        self.conditions.push(condition);
        self
    }
}

/// The operations without those that a later one overrides. With `keep_edits` an edit is not left out, and
/// neither is what it depends on.
pub(super) fn last_writes(operations: Vec<Operation>, keep_edits: bool) -> Vec<Operation> {
    let mut overridden = HashSet::new();
    let mut deleted: Vec<KeyRange> = Vec::new();
    // The keys of edits that were kept though their results are overridden.
    let mut edited: HashSet<Key> = HashSet::new();
    let mut last: Vec<Operation> = Vec::with_capacity(operations.len());
    for operation in operations.into_iter().rev() {
        if let Some(key) = operation.key() {
            let is_hidden = !edited.contains(key)
                && (overridden.contains(key) || deleted.iter().any(|range| range.contains(key)));
            match &operation {
                Operation::Edit { .. } if is_hidden && keep_edits => {
                    edited.insert(key.clone());
                }
                _ if is_hidden => continue,
                operation if operation.overrides() => {
                    edited.remove(key);
                    overridden.insert(key.clone());
                }
                _ => {}
            }
        }
        if let Operation::DeleteRange(range) = &operation {
            edited.retain(|key| !range.contains(key));
            deleted.push(range.clone());
        }
        last.push(operation);
    }
    last.reverse();
    last
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Committed {
        /// The newest revision after it.
        revision: Revision,
        /// How many entries were written or deleted; not those that already expire when they should.
        changed: u64,
        /// What its edits came to, in their order; the revision of one that wrote is that of the outcome.
        edited: Vec<EditOutcome>,
    },
    /// A condition did not hold; nothing was changed.
    Refused {
        /// The place of that condition, counted from 0.
        condition: usize,
        /// The entry as it is, where the condition is about an entry that exists.
        found: Option<Box<Entry>>,
        /// The places of later conditions that did not hold either, as far as they were looked at.
        others: Vec<usize>,
    },
}

impl Outcome {
    /// Whether the transaction took effect.
    pub fn is_committed(&self) -> bool {
        matches!(self, Outcome::Committed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Number;

    fn put(name: &str, value: i64, expiry: Expiry) -> Operation {
        Operation::Put { key: Key::new(name).unwrap(), value: Value::integer(value), expiry }
    }

    #[test]
    fn the_last_write_of_a_key_wins() {
        let key = |name: &str| Key::new(name).unwrap();
        let increment =
            |name: &str| Operation::Edit { key: key(name), edit: Edit::Increment(Number::Integer(1)) };
        let (kept, cleared) = (Expiry::Keep, Expiry::Clear);
        let of = |operations: &[Operation]| Transaction::of_last_writes(operations.to_vec()).operations;
        let twice = [put("a", 1, cleared), put("b", 1, cleared), put("a", 2, cleared)];
        assert_eq!(of(&twice), [put("b", 1, cleared), put("a", 2, cleared)]);
        let gone = [put("a", 1, kept), Operation::Delete(key("a"))];
        assert_eq!(of(&gone), [Operation::Delete(key("a"))]);
        let dependent = [put("a", 1, cleared), increment("a"), put("a", 2, kept)];
        assert_eq!(of(&dependent), dependent, "each depends on the one before");
        let range = Operation::DeleteRange(KeyRange::prefix("a"));
        let ranged = [put("a", 1, cleared), put("b", 1, cleared), range.clone(), put("a", 2, kept)];
        assert_eq!(of(&ranged), [put("b", 1, cleared), range.clone(), put("a", 2, kept)]);
        // An edit may fail, and depends on what was written before it.
        let edited =
            [put("a", 0, cleared), put("a", 1, cleared), increment("a"), Operation::Delete(key("a"))];
        assert_eq!(of(&edited), edited[1..]);
        assert_eq!(last_writes(edited.to_vec(), false), edited[3..]);
        let ranged = [put("a", 0, cleared), range.clone(), increment("a"), put("b", 1, kept), range];
        assert_eq!(of(&ranged), ranged[1..]);
        assert_eq!(
            last_writes(ranged.to_vec(), false),
            [ranged[1].clone(), ranged[3].clone(), ranged[4].clone()]
        );
    }
}
