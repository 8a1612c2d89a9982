//! The keys that look like locks: all keys are looked through once, then only those that change.

use std::collections::BTreeSet;

use crate::store::{Changes, Key, KeyRange, Revision, Scan, Store, StoreError, Subject, key_pages};

/// How many changes, or keys, are looked at together.
const PIECE: usize = 2000;

/// The keys that look like locks.
#[derive(Default)]
pub struct LockKeys {
    keys: BTreeSet<Key>,
    /// The revision up to which changes were followed; `None` if nothing was read, or where changes are
    /// not recorded.
    seen: Option<Revision>,
}

impl LockKeys {
    /// Brings them up to date; `step` is told how many keys were looked at, and answers whether to go on.
    /// Whether it came to the end.
    pub fn follow(
        &mut self,
        store: &dyn Store,
        step: &mut dyn FnMut(usize) -> bool,
    ) -> Result<bool, StoreError> {
        while let Some(seen) = self.seen {
            match store.changes(seen, PIECE, 0)? {
                Changes::Since(changes) => {
                    let is_end = changes.len() < PIECE;
                    self.seen = changes.last().map(|change| change.revision).or(self.seen);
                    let entries = changes.into_iter().filter(|change| change.subject == Subject::Entry);
                    self.keys.extend(
                        entries.map(|change| change.key).filter(|key| store.kinds().may_be_lock(key)),
                    );
                    if is_end {
                        return Ok(true);
                    }
                }
                Changes::Pruned { .. } | Changes::NotRecorded => self.seen = None,
            }
            if !step(0) {
                return Ok(false);
            }
        }
        self.read(store, step)
    }

    /// Looks through all keys. What is committed meanwhile is followed the next time.
    fn read(&mut self, store: &dyn Store, step: &mut dyn FnMut(usize) -> bool) -> Result<bool, StoreError> {
        let seen = store.revision()?;
        let is_recorded = !matches!(store.changes(seen, 1, 0)?, Changes::NotRecorded);
        self.keys.clear();
        for keys in key_pages(store, Scan::new(KeyRange::all(), PIECE)) {
            let keys = keys?;
            let scanned = keys.len();
            self.keys.extend(keys.into_iter().filter(|key| store.kinds().may_be_lock(key)));
            if scanned == PIECE && !step(scanned) {
                return Ok(false);
            }
        }
        self.seen = is_recorded.then_some(seen);
        Ok(true)
    }

    /// The keys; some of them may be gone.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// Whether nothing was read yet that is followed.
    pub fn is_new(&self) -> bool {
        self.seen.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Expiry, Options, SqliteStore, State, Transaction, Value};

    #[test]
    fn keys_that_come_later_are_found_without_looking_through_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open_or_create(&folder.path().join("s.db"), Options::default()).unwrap();
        let put = |name: &str| {
            let key = Key::new(name).unwrap();
            store.commit(&Transaction::put(key, Value::text("ann"), Expiry::Clear)).unwrap();
        };
        put("db_lock");
        put("other");
        let mut keys = LockKeys::default();
        let mut scanned = 0;
        let names = |keys: &LockKeys| keys.keys().map(Key::to_text).collect::<Vec<_>>();
        // A page that is not full is not told of.
        assert!(keys.follow(&store, &mut |keys| keys > 0).unwrap());
        assert_eq!(names(&keys), ["db_lock"]);
        put("api_lock");
        put("third");
        let mut count = |keys| {
            scanned += keys;
            true
        };
        assert!(keys.follow(&store, &mut count).unwrap());
        assert_eq!((names(&keys), scanned), (vec!["api_lock".into(), "db_lock".into()], 0));
    }
}
