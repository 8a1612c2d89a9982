//! Entries that a what-if run leaves otherwise than the recorded run.

use std::collections::BTreeSet;

use crate::store::{Entry, Image, Key, Overlay, State, StoreError};

/// An entry that would end up in another way.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryDifference {
    /// The key.
    pub key: Key,
    /// Whether the trial left it as it was given.
    pub is_as_given: bool,
    /// What the run left there: of a trial without a recorded run, what is there now.
    pub recorded: Option<Image>,
    /// What the trial left there.
    pub trial: Option<Image>,
}

/// Entries that were not left in the same way, in the order of their keys.
pub(super) fn differences(recorded: &Overlay, trial: &Overlay) -> Result<Vec<EntryDifference>, StoreError> {
    let written = recorded.rewritten().into_iter().chain(trial.rewritten());
    let keys: BTreeSet<Key> = written.map(|(key, _)| key).collect();
    let mut differences = Vec::new();
    for key in keys {
        // What only one of the two wrote, the other left as it was before.
        let (recorded, trial) = (recorded.get(&key)?, trial.get(&key)?);
        let together = expires_together(&recorded, &trial, true);
        let [recorded, trial] = [recorded, trial].map(|entry| entry.map(|entry| entry.image()));
        if !is_same_value(recorded.as_ref(), trial.as_ref()) || !together {
            differences.push(EntryDifference { key, is_as_given: false, recorded, trial });
        }
    }
    Ok(differences)
}

/// Whether two images are of the same value and type.
pub(super) fn is_same_value(left: Option<&Image>, right: Option<&Image>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => left.stored == right.stored && left.stored_type == right.stored_type,
        (left, right) => left.is_none() && right.is_none(),
    }
}

/// Whether two entries expire at the same moment, or, if `from_write`, as long after they were written:
/// when exactly something is written in a trial is chance.
pub(super) fn expires_together(left: &Option<Entry>, right: &Option<Entry>, from_write: bool) -> bool {
    const TOLERANCE_MS: u64 = 1000;
    let (Some(left), Some(right)) = (left, right) else { return true };
    let (Some(one), Some(other)) = (left.expires_at, right.expires_at) else {
        return left.expires_at == right.expires_at;
    };
    let is_close = |one: i64, other: i64| one.abs_diff(other) <= TOLERANCE_MS;
    let as_long = match (left.modified_at, right.modified_at) {
        (Some(left), Some(right)) => is_close(one.0 - left.0, other.0 - right.0),
        _ => false,
    };
    is_close(one.0, other.0) || from_write && as_long
}
