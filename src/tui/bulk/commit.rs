//! Many entries changed in one transaction, without those that somebody else changed meanwhile.

use std::collections::BTreeSet;

use crate::store::{Condition, Entry, Operation, Outcome, Revision, Store, StoreError, Transaction};
use crate::tui::bulk::SkipReason;

/// How much is kept of the value of an entry that is marked, in bytes.
const REMEMBERED: usize = 64;

/// What is done with one entry, and on which condition.
pub struct BulkItem<T> {
    /// What whoever asked knows it by.
    pub of: T,
    pub operation: Operation,
    /// What must hold for that.
    pub condition: Condition,
}

/// What is done with an entry, and how many bytes its value has; `None` if nothing is, an error if it is left
/// alone.
pub type Judged = Result<Option<(BulkItem<Entry>, u64)>, SkipReason>;

/// As much of an entry as is needed to tell later whether it was changed: its revision tells the rest.
pub fn remembered(mut entry: Entry) -> Entry {
    entry.stored.truncate(REMEMBERED);
    entry.stored.shrink_to_fit();
    entry
}

/// What became of the parts.
pub struct BulkOutcome<T> {
    /// The revisions that they made; none if nothing had to be changed.
    pub revisions: Vec<Revision>,
    /// Those that were carried out.
    pub done: Vec<T>,
    /// Those of which the condition did not hold.
    pub left: Vec<T>,
    /// Why the others, which are in neither list, were not carried out.
    pub failed: Option<StoreError>,
}

/// Parts on their way into one transaction.
struct Batch<T> {
    of: Vec<T>,
    transaction: Transaction,
}

/// Carries out in one transaction all parts of which the condition holds, or in several, where they are more
/// than the engine can do together.
///
/// A try that is refused tells all that is in its way, and the next one follows at once: what gets in
/// between two tries is what others commit in that moment, not in the time that it takes to look at
/// all of the entries once more. So a storm of changes keeps it neither from ending nor from doing
/// what can be done.
pub fn carry_out<T>(store: &dyn Store, parts: Vec<BulkItem<T>>) -> Result<BulkOutcome<T>, StoreError> {
    let mut batch = Batch { of: Vec::with_capacity(parts.len()), transaction: Transaction::default() };
    for part in parts {
        batch.of.push(part.of);
        batch.transaction.operations.push(part.operation);
        batch.transaction.conditions.push(part.condition);
    }
    let mut outcome = BulkOutcome { revisions: Vec::new(), done: Vec::new(), left: Vec::new(), failed: None };
    let mut batches = vec![batch];
    while let Some(mut batch) = batches.pop() {
        if batch.of.is_empty() {
            continue;
        }
        match store.commit(&batch.transaction) {
            Ok(Outcome::Committed { revision, changed, .. }) => {
                outcome.revisions.extend((changed > 0).then_some(revision));
                outcome.done.extend(batch.of);
            }
            Ok(Outcome::Refused { condition, others, .. }) => {
                let refused: BTreeSet<usize> = others.into_iter().chain([condition]).collect();
                outcome.left.extend(take_out(&mut batch.of, &refused));
                take_out(&mut batch.transaction.operations, &refused);
                take_out(&mut batch.transaction.conditions, &refused);
                batches.push(batch);
            }
            Err(error) if error.is_too_much_together() && batch.of.len() > 1 => {
                let middle = batch.of.len() / 2;
                let transaction = Transaction {
                    operations: batch.transaction.operations.split_off(middle),
                    conditions: batch.transaction.conditions.split_off(middle),
                    ..Transaction::default()
                };
                batches.push(Batch { of: batch.of.split_off(middle), transaction });
                batches.push(batch);
            }
            Err(error) if outcome.revisions.is_empty() => return Err(error),
            Err(error) => {
                outcome.failed = Some(error);
                return Ok(outcome);
            }
        }
    }
    Ok(outcome)
}

fn take_out<T>(list: &mut Vec<T>, places: &BTreeSet<usize>) -> Vec<T> {
    let mut place = 0;
    let is_meant = |_: &mut T| {
        place += 1;
        places.contains(&(place - 1))
    };
    list.extract_if(.., is_meant).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::store::{Expiry, Key, Options, SqliteStore, State, Value};

    fn key(number: usize) -> Key {
        Key::new(format!("k{number:04}")).unwrap()
    }

    fn put(number: usize, text: &str) -> Transaction {
        Transaction::put(key(number), Value::text(text), Expiry::Clear)
    }

    #[test]
    fn what_somebody_changed_is_left_out_and_all_else_is_done_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = SqliteStore::open_or_create(&path, Options::default()).unwrap();
        for number in 0..40 {
            store.commit(&put(number, "first")).unwrap();
        }
        let part = |number| {
            let seen = store.get_prefix(&key(number), 64).unwrap().unwrap();
            let operation = Operation::Delete(key(number));
            BulkItem { of: number, operation, condition: Condition::Unchanged(Box::new(seen)) }
        };
        let parts: Vec<_> = (0..40).map(part).collect();
        for number in (0..40).step_by(2) {
            store.commit(&put(number, "theirs")).unwrap();
        }
        store.commit(&Transaction::delete(key(1))).unwrap();
        let before = store.revision().unwrap();
        let carried = carry_out(&store, parts).unwrap();
        let is_theirs = |number: &usize| number.is_multiple_of(2) || *number == 1;
        let (theirs, ours): (Vec<_>, Vec<_>) = (0..40).partition(is_theirs);
        assert_eq!((carried.left, carried.done), (theirs, ours));
        assert_eq!(carried.revisions, [Revision(before.0 + 19)]);
        assert_eq!(store.get_prefix(&key(3), 1).unwrap(), None);
        assert_eq!(store.get_prefix(&key(2), 64).unwrap().unwrap().stored, b"theirs");
    }

    #[test]
    fn a_storm_of_changes_keeps_it_from_nothing_that_it_does_not_change() {
        const STORMY: usize = 50;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = SqliteStore::open_or_create(&path, Options::default()).unwrap();
        let operations = (0..1000).flat_map(|number| put(number, "first").operations).collect();
        store.commit(&Transaction::all(operations)).unwrap();
        let part = |number| {
            let seen = store.get_prefix(&key(number), 64).unwrap().unwrap();
            let operation = Operation::Delete(key(number));
            BulkItem { of: number, operation, condition: Condition::Unchanged(Box::new(seen)) }
        };
        let parts: Vec<_> = (0..1000).map(part).collect();
        let is_over = AtomicBool::new(false);
        let carried = std::thread::scope(|scope| {
            scope.spawn(|| {
                let storm = SqliteStore::open(&path, Options::default()).unwrap();
                for round in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    storm.commit(&put(round % STORMY, "storm")).unwrap();
                }
            });
            let carried = carry_out(&store, parts);
            is_over.store(true, Ordering::SeqCst);
            carried.unwrap()
        });
        assert!(carried.done.ends_with(&(STORMY..1000).collect::<Vec<_>>()));
        assert_eq!(carried.done.len() + carried.left.len(), 1000);
        assert!(carried.left.iter().all(|number| *number < STORMY));
    }

    #[test]
    fn where_nothing_is_left_nothing_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = SqliteStore::open_or_create(&path, Options::default()).unwrap();
        store.commit(&put(0, "theirs")).unwrap();
        let operation = Operation::Delete(key(0));
        let parts = vec![BulkItem { of: "it", operation, condition: Condition::Absent(key(0)) }];
        let carried = carry_out(&store, parts).unwrap();
        assert_eq!((carried.revisions, carried.done, carried.left), (vec![], vec![], vec!["it"]));
    }

    #[test]
    fn what_is_too_large_together_is_done_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = SqliteStore::open_or_create(&path, Options::default()).unwrap().limited();
        let part = |number| {
            store.commit(&put(number, &"x".repeat(490_000))).unwrap();
            let seen = store.get_prefix(&key(number), 64).unwrap().unwrap();
            let operation = Operation::Delete(key(number));
            BulkItem { of: number, operation, condition: Condition::Unchanged(Box::new(seen)) }
        };
        let parts: Vec<_> = (0..7).map(part).collect();
        store.commit(&put(3, "theirs")).unwrap();
        let carried = carry_out(&store, parts).unwrap();
        assert_eq!((carried.done, carried.left), (vec![0, 1, 2, 4, 5, 6], vec![3]));
        assert!((2..=6).contains(&carried.revisions.len()), "{:?}", carried.revisions);
        assert!(carried.failed.is_none());
    }
}
