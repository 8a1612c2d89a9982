//! Restoring: what is written so that entries are again what they were.

use crate::store::{Condition, Entry, Key, Moment, Operation, Store, StoreError};
use crate::tui::bulk::SkipReason;
use crate::tui::bulk::commit::{BulkItem, Judged, remembered};
use crate::tui::list::read_diff::entry_at;

/// Makes an entry again what it was, unless it is not what it was seen to be now, or its time is over.
pub fn restoring(
    store: &dyn Store,
    key: &Key,
    seen: Option<&Entry>,
    moment: Moment,
) -> Result<Judged, StoreError> {
    let then = entry_at(store, key, moment, u64::MAX)?;
    if then.as_ref().is_some_and(|then| then.is_expired(store.clock().now())) {
        return Ok(Err(SkipReason::Expired));
    }
    let operation = match &then {
        Some(then) => Operation::Restore { key: key.clone(), image: then.image() },
        None => Operation::Delete(key.clone()),
    };
    let condition = match seen {
        Some(seen) => Condition::Unchanged(Box::new(seen.clone())),
        None => Condition::Absent(key.clone()),
    };
    let bytes = then.as_ref().map_or(0, |then| then.size);
    let of = then.or(seen.cloned()).map(remembered);
    Ok(Ok(of.map(|of| (BulkItem { of, operation, condition }, bytes))))
}

#[cfg(test)]
mod tests {
    use crate::store::{
        Expiry, History, Key, LARGEST_BATCH, Operation, Options, SqliteStore, State, Transaction, Value, When,
    };
    use crate::tui::bulk::worker::change;
    use crate::tui::bulk::{Bulk, BulkOperation, BulkResult};
    use crate::tui::list::DiffRow;
    use crate::tui::list::Marks;
    use crate::tui::list::Row;
    use crate::tui::request::{CancelToken, RequestId};

    fn key(number: usize) -> Key {
        Key::new(format!("key-{number:05}")).unwrap()
    }

    /// A store in which so many entries came after the moment that is told with it.
    fn with_new(count: usize) -> (tempfile::TempDir, SqliteStore, Bulk) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open_or_create(&folder.path().join("state.db"), Options::default()).unwrap();
        let first = Key::new("first").unwrap();
        store.commit(&Transaction::put(first, Value::text("v"), Expiry::Clear)).unwrap();
        let moment = store.moment(When::Revision(store.revision().unwrap())).unwrap();
        let put =
            |number| Operation::Put { key: key(number), value: Value::text("v"), expiry: Expiry::Clear };
        let operations = (0..count).map(put).collect();
        store.commit(&Transaction { operations, ..Transaction::default() }).unwrap();
        let mut marks = Marks::default();
        for number in 0..count {
            let now = store.get_prefix(&key(number), 64).unwrap();
            marks.add(&Row::Diff(Box::new(DiffRow { key: key(number), then: None, now })));
        }
        (folder, store, Bulk { marks, deed: BulkOperation::Restore(moment) })
    }

    fn restore(store: &SqliteStore, asked: &Bulk) -> BulkResult {
        change(store, asked, &|_| {}, &CancelToken::default(), RequestId(1)).unwrap()
    }

    #[test]
    fn no_more_are_changed_together_than_others_can_wait_for() {
        let (_folder, store, asked) = with_new(LARGEST_BATCH + 1);
        let done = restore(&store, &asked);
        assert_eq!((done.tally.done, done.revisions.len()), (LARGEST_BATCH as u64 + 1, 2));
        assert_eq!(store.get_prefix(&key(LARGEST_BATCH), 1).unwrap(), None);
    }

    #[test]
    fn what_somebody_changed_is_left_alone_and_all_else_is_restored_together() {
        let (_folder, store, asked) = with_new(40);
        for number in (0..40).step_by(2) {
            let other = Transaction::put(key(number), Value::text("theirs"), Expiry::Clear);
            store.commit(&other).unwrap();
        }
        store.commit(&Transaction::delete(key(1))).unwrap();
        let done = restore(&store, &asked);
        assert_eq!((done.tally.done, done.revisions.len()), (19, 1));
        let left = (0..40).filter(|number| store.get_prefix(&key(*number), 1).unwrap().is_some());
        assert!(left.eq((0..40).step_by(2)));
    }
}
