//! Data for tests.

use crate::store::{Entry, Key, Revision, Type};

/// An entry that was written once and does not expire; nothing else is known of it.
pub fn entry(key: &str, stored: impl Into<Vec<u8>>, stored_type: Option<Type>) -> Entry {
    let stored = stored.into();
    Entry {
        key: Key::new(key).unwrap(),
        size: stored.len() as u64,
        stored,
        stored_type,
        expires_at: None,
        version: 1,
        revision: Revision(1),
        created_at: None,
        modified_at: None,
        actor: None,
        kind: None,
    }
}
