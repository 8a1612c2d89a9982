//! Entries that differ after a what-if run and after the recorded run.

use std::collections::BTreeSet;

use crate::store::{Entry, Image, Key, Overlay, State, StoreError};

/// An entry that ends up different.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryDifference {
    pub key: Key,
    /// Whether the what-if run left it as the options set it.
    pub is_as_given: bool,
    /// The value after the recorded run; without a recorded run, the current value.
    pub recorded: Option<Image>,
    /// The value after the what-if run.
    pub trial: Option<Image>,
}

/// The entries that differ, in the order of their keys.
pub(super) fn differences(recorded: &Overlay, trial: &Overlay) -> Result<Vec<EntryDifference>, StoreError> {
    let written = recorded.rewritten().into_iter().chain(trial.rewritten());
    let keys: BTreeSet<Key> = written.map(|(key, _)| key).collect();
    let mut differences = Vec::new();
    for key in keys {
        // An entry that only one of the two wrote has its old value in the other.
        let both = [recorded.get(&key)?, trial.get(&key)?];
        differences.extend(EntryDifference::between(key, both, true));
    }
    Ok(differences)
}

impl EntryDifference {
    /// Whether the type of the entry is another one than before, or not known before.
    pub fn has_other_type(&self) -> bool {
        let stored_type = |image: &Option<Image>| image.as_ref().map(|image| image.stored_type);
        self.trial.is_some() && stored_type(&self.recorded) != stored_type(&self.trial)
    }

    /// `None` if the entries have the same value, type and expiry; `from_write` as in [`expires_together`].
    pub(super) fn between(
        key: Key,
        [recorded, trial]: [Option<Entry>; 2],
        from_write: bool,
    ) -> Option<EntryDifference> {
        let has_same_value = match (&recorded, &trial) {
            (Some(left), Some(right)) => left.stored == right.stored && left.stored_type == right.stored_type,
            (left, right) => left.is_none() && right.is_none(),
        };
        if has_same_value && expires_together(&recorded, &trial, from_write) {
            return None;
        }
        let [recorded, trial] = [recorded, trial].map(|entry| entry.map(|entry| entry.image()));
        Some(EntryDifference { key, is_as_given: false, recorded, trial })
    }
}

/// Whether two entries expire at the same time, or, if `from_write`, equally long after they were written:
/// the time of a write in a what-if run is random.
fn expires_together(left: &Option<Entry>, right: &Option<Entry>, from_write: bool) -> bool {
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
