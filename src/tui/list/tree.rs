//! The state of the list of keys as a tree: which groups are open, and how much is in each.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use crate::store::Key;
use crate::time::Millis;
use crate::tui::list::RowId;

#[derive(Clone, Debug)]
pub struct KeyTree {
    /// Whether keys are shown as one.
    pub is_shown: bool,
    /// The groups that are open, by what their keys begin with.
    pub open: BTreeSet<Key>,
    /// How much is in the groups that were counted.
    pub sizes: HashMap<Key, GroupSize>,
    /// When groups that changed are counted again.
    pub count_at: Option<Millis>,
    /// The groups that are being counted, and since when.
    pub counting: Option<(Millis, HashSet<Key>)>,
    /// The groups in which something changed while they were counted.
    pub changed: HashSet<Key>,
    /// How long after a change groups are counted again; longer where that takes long.
    pub rests: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSize {
    pub keys: u64,
    /// How many bytes of values.
    pub bytes: u64,
    /// Whether that is all, and not only what was counted so far.
    pub is_all: bool,
    /// Something in it has changed since.
    pub is_old: bool,
}

/// How long after a change groups are counted again, at the least.
pub const COUNT_AGAIN: Duration = Duration::from_secs(2);

impl Default for KeyTree {
    fn default() -> KeyTree {
        KeyTree {
            is_shown: false,
            open: BTreeSet::new(),
            sizes: HashMap::new(),
            count_at: None,
            counting: None,
            changed: HashSet::new(),
            rests: COUNT_AGAIN,
        }
    }
}

impl KeyTree {
    /// Something changed that is not known key by key, or while no group was shown: no size is known to
    /// be the present one.
    pub fn outdate(&mut self, now: Millis) {
        if self.sizes.is_empty() && self.counting.is_none() {
            return;
        }
        self.count_at.get_or_insert(now.plus(self.rests));
        self.sizes.values_mut().for_each(|size| size.is_old = true);
        if let Some((_, counting)) = &self.counting {
            self.changed.extend(counting.iter().cloned());
        }
    }

    fn open_around(&self, id: &RowId) -> impl Iterator<Item = &Key> {
        let (key, is_group) = match id {
            RowId::Entry(key) => (Some(key), false),
            RowId::Group(key) => (Some(key), true),
            _ => (None, false),
        };
        let bytes = key.filter(|key| !key.is_blob()).map(|key| key.as_bytes().to_vec());
        self.open.iter().filter(move |group| {
            let group = group.as_bytes();
            bytes.as_ref().is_some_and(|key| key.starts_with(group) && !(is_group && group == key))
        })
    }

    /// The innermost open group that a row is in, and in how many it is.
    pub fn around(&self, id: &RowId) -> (Option<&Key>, usize) {
        let depth = self.open_around(id).count();
        (self.open_around(id).max_by_key(|group| group.as_bytes().len()), depth)
    }
}
