//! Changes that need not take effect together are committed in batches: others wait no longer than for one
//! of them, and no engine is asked for more than it can do.

use crate::store::{Operation, Outcome, Store, StoreError, Transaction};

/// The most operations of a batch, on any engine.
pub const LARGEST_BATCH: usize = 20_000;
/// The most bytes of values of a batch, on any engine: they are in memory when it is undone.
const LARGEST_BATCH_BYTES: u64 = 64 * 1024 * 1024;

/// Collects what is committed together: one operation, and the condition of it, for each item.
pub struct Batches<T> {
    most: usize,
    most_bytes: u64,
    items: Vec<T>,
    bytes: u64,
}

impl<T> Batches<T> {
    /// Batches that the engine of `store` can commit, and that others can wait for.
    pub fn new(store: &dyn Store) -> Batches<T> {
        Batches::of(store, LARGEST_BATCH, LARGEST_BATCH_BYTES)
    }

    fn of(store: &dyn Store, most: usize, most_bytes: u64) -> Batches<T> {
        let can = store.capabilities();
        let most = most.min(can.operations).min(can.conditions.unwrap_or(usize::MAX));
        let most_bytes = most_bytes.min(can.largest_transaction);
        Batches { most, most_bytes, items: Vec::new(), bytes: 0 }
    }

    /// Adds an item that writes this many bytes. If there is no room for it, the items before it are to be
    /// committed first; an item that is larger than a batch is one by itself.
    #[must_use = "a full batch is to be committed"]
    pub fn push(&mut self, item: T, bytes: u64) -> Option<Vec<T>> {
        let is_full = self.items.len() >= self.most || self.bytes.saturating_add(bytes) > self.most_bytes;
        let full = (is_full && !self.items.is_empty()).then(|| self.take());
        self.bytes = self.bytes.saturating_add(bytes);
        self.items.push(item);
        full
    }

    /// The items that are left.
    #[must_use = "what is left is to be committed"]
    pub fn take(&mut self) -> Vec<T> {
        self.bytes = 0;
        std::mem::take(&mut self.items)
    }
}

/// Carries out operations that take effect together if the engine can do that, and in batches otherwise; how
/// many entries changed.
///
/// # Errors
/// Those of [`crate::store::State::commit`]; batches before the one that failed took effect.
pub fn commit_in_batches(store: &dyn Store, operations: Vec<Operation>) -> Result<u64, StoreError> {
    let mut changed = 0;
    let mut batches = Batches::of(store, usize::MAX, u64::MAX);
    for operation in operations {
        if let Some(full) = batches.push(operation, 0) {
            changed += commit_in_halves(store, full)?;
        }
    }
    Ok(changed + commit_in_halves(store, batches.take())?)
}

/// Carries out operations together, or half of them after the other half if the values that they replace are
/// too large for that.
fn commit_in_halves(store: &dyn Store, operations: Vec<Operation>) -> Result<u64, StoreError> {
    let mut changed = 0;
    let mut parts = vec![operations];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        let mut transaction = Transaction::all(part);
        match store.commit(&transaction) {
            Ok(Outcome::Committed { changed: more, .. }) => changed += more,
            Ok(Outcome::Refused { .. }) => {}
            Err(error) if error.is_too_much_together() && transaction.operations.len() > 1 => {
                let second = transaction.operations.split_off(transaction.operations.len() / 2);
                parts.extend([second, transaction.operations]);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ErrorKind;
    use crate::store::{
        Expiry, History, Key, KeyRange, Options, Overlay, SqliteStore, State, UndoOutcome, Value, undo,
    };
    use std::rc::Rc;

    fn open(folder: &tempfile::TempDir) -> SqliteStore {
        SqliteStore::open_or_create(&folder.path().join("state.db"), Options::default()).unwrap()
    }

    fn put(number: usize) -> Operation {
        let key = Key::new(format!("k{number:03}")).unwrap();
        Operation::Put { key, value: Value::text("v"), expiry: Expiry::Clear }
    }

    fn delete(number: usize) -> Operation {
        Operation::Delete(put(number).key().unwrap().clone())
    }

    fn entries(store: &SqliteStore) -> u64 {
        store.count(&KeyRange::all()).unwrap()
    }

    #[test]
    fn a_batch_is_full_by_number_and_by_size() {
        let folder = tempfile::tempdir().unwrap();
        let mut batches = Batches::new(&open(&folder).limited());
        for number in 0..24 {
            assert_eq!(batches.push(number, 1000), None);
        }
        assert_eq!(batches.push(24, 1000), Some((0..24).collect()), "24 operations are the most");
        assert_eq!(batches.push(25, 489_000), None);
        assert_eq!(batches.push(26, 1), Some(vec![24, 25]));
        assert_eq!(batches.push(27, 1_000_000), Some(vec![26]));
        assert_eq!(batches.push(28, 1), Some(vec![27]), "what is larger than a batch is one by itself");
        assert_eq!((batches.take(), batches.take()), (vec![28], vec![]));
    }

    #[test]
    fn what_must_be_atomic_is_refused_as_a_whole_where_the_engine_cannot_do_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).limited();
        let many = Transaction::of_last_writes((0..26).map(put).collect());
        let error = store.commit(&many).unwrap_err();
        assert!(
            matches!(error, StoreError { kind: ErrorKind::TooManyOperations { given: 26, most: 24 }, .. }),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            "26 changes in one transaction, and the most that this database can make together are 24; \
             nothing was changed"
        );
        assert!(!error.is_database_failure());
        assert_eq!(entries(&store), 0);
        // The last write of a key is the only one.
        let often = (0..30).map(|number| put(number % 3)).collect();
        assert!(store.commit(&Transaction::of_last_writes(often)).unwrap().is_committed());
        assert_eq!(entries(&store), 3);

        let store = Rc::new(store);
        let overlay = Overlay::new(Rc::clone(&store) as _);
        for number in 0..60 {
            assert!(overlay.commit(&Transaction::of(put(number % 20))).unwrap().is_committed());
        }
        assert!(store.commit(&overlay.transaction()).unwrap().is_committed());
        assert_eq!(entries(&store), 20);
        assert!(overlay.commit(&Transaction::all((20..25).map(put).collect())).unwrap().is_committed());
        assert!(matches!(
            store.commit(&overlay.transaction()),
            Err(StoreError { kind: ErrorKind::TooManyOperations { .. }, .. })
        ));
        assert_eq!(entries(&store), 20);
    }

    #[test]
    fn an_undo_of_more_than_the_engine_can_do_together_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        open(&folder).commit(&Transaction::all((0..40).map(put).collect())).unwrap();
        let store = open(&folder).limited();
        let newest = store.revision().unwrap();
        assert!(matches!(
            undo(&store, newest, false),
            Err(StoreError { kind: ErrorKind::TooManyOperations { given: 40, .. }, .. })
        ));
        assert_eq!((entries(&store), store.revision().unwrap()), (40, newest));
        store.commit(&Transaction::all((0..24).map(delete).collect())).unwrap();
        let undone = undo(&store, store.revision().unwrap(), false).unwrap();
        assert!(matches!(undone, UndoOutcome::Done { .. }), "{undone:?}");
        assert_eq!(entries(&store), 40);
    }

    #[test]
    fn what_need_not_be_atomic_is_done_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        store.commit(&Transaction::all((0..60).map(put).collect())).unwrap();
        let store = store.limited();
        assert_eq!(commit_in_batches(&store, (0..70).map(delete).collect()).unwrap(), 60);
        assert_eq!(entries(&store), 0);
        let changes = store.history(&crate::store::HistoryScan::newest(60)).unwrap();
        let mut transactions: Vec<_> = changes.iter().map(|change| change.transaction.0).collect();
        transactions.dedup();
        assert_eq!(transactions.len(), 3);
    }
}
