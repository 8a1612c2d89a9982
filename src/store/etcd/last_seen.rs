//! What this store last saw of the entries it works with, and of the head of the database.
//!
//! A write that is planned on this takes one trip instead of two. Each of its compares pins what was seen, so
//! that etcd refuses it if that is out of date. Nothing else is decided on it: that a condition does not hold,
//! or that there is nothing to write, is answered only from what was read for that.

use std::collections::HashMap;

use super::commit_record::Head;
use super::plan::{Present, Slot};
use super::read::Found;
use crate::store::Key;

/// The most entries that are kept.
const ENTRIES: usize = 512;
/// The most bytes of a value that is kept.
const VALUE_BYTES: usize = 16 << 10;

#[derive(Debug, Default)]
pub(super) struct LastSeen {
    head: Option<Head>,
    entries: HashMap<Key, Found>,
}

impl LastSeen {
    pub(super) fn see_head(&mut self, head: &Head) {
        self.head = Some(head.clone());
    }

    pub(super) fn forget_head(&mut self) {
        self.head = None;
    }

    /// Keeps an entry. One that another program wrote, and one that does not exist, is not kept: history needs
    /// more of them than their revision.
    pub(super) fn see(&mut self, key: &Key, found: Option<&Found>) {
        let Some(found) = found.filter(|found| found.about.is_some() && found.kv.value.len() <= VALUE_BYTES)
        else {
            self.entries.remove(key);
            return;
        };
        if self.entries.len() >= ENTRIES && !self.entries.contains_key(key) {
            self.entries.clear();
        }
        self.entries.insert(key.clone(), found.clone());
    }

    /// The head and the entries of these keys, if all of them are known.
    pub(super) fn recall(&self, keys: &[Key]) -> Option<(Head, Present)> {
        let head = self.head.clone()?;
        let mut present = Present::default();
        for key in keys {
            let slot = Slot { found: Some(self.entries.get(key)?.clone()), ..Slot::default() };
            present.slots.insert(key.clone(), slot);
        }
        Some((head, present))
    }
}
