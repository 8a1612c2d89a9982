//! Limits of an engine, and what is refused.

use std::time::Duration;

use super::{Ability, Contract, World, acquired, key, put, request, rows_after};
use crate::store::{
    Condition, Edit, ErrorKind, Expiry, HistoryScan, Key, KeyRange, LARGEST_BATCH, Number, Operation,
    Options, Outcome, Revision, Scan, Store, StoreError, Transaction, Type, UndoOutcome, Value,
    commit_in_batches, entry_pages, undo,
};
use crate::time::Millis;

pub(super) const CONTRACTS: &[Contract] = &[
    (
        "as_many_operations_as_promised_take_effect_at_once",
        as_many_operations_as_promised_take_effect_at_once,
    ),
    (
        "as_many_conditions_as_promised_are_checked_at_once",
        as_many_conditions_as_promised_are_checked_at_once,
    ),
    ("expiries_are_kept_to_the_promised_grain", expiries_are_kept_to_the_promised_grain),
    ("a_value_that_is_too_large_is_refused", a_value_that_is_too_large_is_refused),
    (
        "the_largest_value_is_written_overwritten_deleted_and_undone",
        the_largest_value_is_written_overwritten_deleted_and_undone,
    ),
    ("what_is_too_large_together_is_done_in_parts", what_is_too_large_together_is_done_in_parts),
    ("what_was_committed_together_is_undone_together", what_was_committed_together_is_undone_together),
    ("large_values_expire", large_values_expire),
    ("an_edit_of_another_type_is_refused", an_edit_of_another_type_is_refused),
    ("an_expiry_after_the_last_moment_is_refused", an_expiry_after_the_last_moment_is_refused),
    ("a_store_that_is_opened_to_read_writes_nothing", a_store_that_is_opened_to_read_writes_nothing),
    ("the_identity_stays_with_the_database", the_identity_stays_with_the_database),
];

fn as_many_operations_as_promised_take_effect_at_once(world: &dyn World) {
    let store = world.store();
    let before = store.revision().unwrap();
    let promised = store.capabilities().operations;
    // Without a limit, as many as the program commits at once.
    let most = promised.min(LARGEST_BATCH);
    let put = |number: usize| Operation::Put {
        key: key(&format!("k{number}")),
        value: Value::integer(1),
        expiry: Expiry::Clear,
    };
    assert!(store.commit(&Transaction::all((0..most).map(put).collect())).unwrap().is_committed());
    assert_eq!(rows_after(&*store, before).len(), most);
    if world.can(Ability::RevisionsWithoutGaps) {
        assert_eq!(store.revision().unwrap(), Revision(before.0 + most as i64));
    }
    if promised < LARGEST_BATCH {
        let after = store.revision().unwrap();
        let refused = store.commit(&Transaction::all((0..=most).map(put).collect()));
        assert!(
            matches!(refused, Err(StoreError { kind: ErrorKind::TooManyOperations { .. }, .. })),
            "{refused:?}"
        );
        assert_eq!(store.revision().unwrap(), after);
    }
}

fn as_many_conditions_as_promised_are_checked_at_once(world: &dyn World) {
    let store = world.store();
    let promised = store.capabilities().conditions;
    // Without a limit, more than any engine with one promises.
    let most = promised.unwrap_or(1000);
    let guarded = |conditions: usize| Transaction {
        conditions: (0..conditions).map(|number| Condition::Absent(key(&format!("a{number}")))).collect(),
        ..Transaction::put(key("k"), Value::integer(1), Expiry::Clear)
    };
    assert!(store.commit(&guarded(most)).unwrap().is_committed());
    if promised.is_some() {
        let after = store.revision().unwrap();
        let refused = store.commit(&guarded(most + 1));
        assert!(
            matches!(refused, Err(StoreError { kind: ErrorKind::TooManyConditions { .. }, .. })),
            "{refused:?}"
        );
        assert_eq!(store.revision().unwrap(), after);
    }
}

fn expiries_are_kept_to_the_promised_grain(world: &dyn World) {
    let store = world.store();
    let grain = Duration::from_millis(store.capabilities().expiry_grain);
    let at = world.now().plus(grain * 7);
    put(&*store, "k", Value::integer(1), Expiry::At(at));
    assert_eq!(store.get(&key("k")).unwrap().unwrap().expires_at, Some(at));
    world.pass(grain * 6);
    assert!(store.get(&key("k")).unwrap().is_some());
    world.pass(grain);
    assert_eq!(store.get(&key("k")).unwrap(), None);
}

fn a_value_that_is_too_large_is_refused(world: &dyn World) {
    let store = world.store();
    let largest = store.capabilities().largest_value;
    // Zero bytes take no memory until they are copied, and what is too large is not.
    let untyped = |bytes: u64| {
        let text = vec![0; usize::try_from(bytes).unwrap()];
        Transaction::of(Operation::PutUntyped { key: key("k"), text, expiry: Expiry::Clear })
    };
    // One as large as the limit of SQLite would be copied several times.
    if largest <= 1 << 20 {
        assert!(store.commit(&untyped(largest)).unwrap().is_committed());
    }
    let before = store.revision().unwrap();
    let refused = store.commit(&untyped(largest + 1));
    assert!(matches!(refused, Err(StoreError { kind: ErrorKind::TooLarge { .. }, .. })), "{refused:?}");
    assert_eq!(store.revision().unwrap(), before);
}

/// The largest value, where copies of it fit into the memory of a test.
fn largest_in_memory(store: &dyn Store) -> Option<usize> {
    usize::try_from(store.capabilities().largest_value).ok().filter(|largest| *largest <= 1 << 20)
}

fn text(byte: u8, size: usize) -> Value {
    Value::String(vec![byte; size])
}

fn the_largest_value_is_written_overwritten_deleted_and_undone(world: &dyn World) {
    let store = world.store();
    let Some(largest) = largest_in_memory(&*store) else { return };
    let lock = acquired(store.acquire(&request(&"l".repeat(200), "me"), None).unwrap());
    store.set_fence(vec![(lock.name, lock.token)]);
    for length in [1, 100, 1024, 4096] {
        let key = key(&"k".repeat(length));
        let found = || store.get(&key).unwrap().map(|entry| entry.value());
        let commit = |transaction: Transaction| match store.commit(&transaction) {
            Ok(Outcome::Committed { revision, .. }) => revision,
            other => panic!("a key of {length} bytes: {other:?}"),
        };
        let undo = |revision: Revision| {
            let undone = undo(&*store, revision, false);
            assert!(matches!(undone, Ok(UndoOutcome::Done { .. })), "a key of {length} bytes: {undone:?}");
        };
        let put = |byte: u8, size: usize, expiry: Expiry| {
            commit(Transaction::put(key.clone(), text(byte, size), expiry))
        };
        let created = put(b'a', largest, Expiry::Clear);
        let overwritten = put(b'b', largest, Expiry::Clear);
        let expiry = Expiry::After(Duration::from_secs(60));
        let expiring = commit(Transaction::of(Operation::SetExpiry { key: key.clone(), expiry }));
        undo(expiring);
        let deleted = commit(Transaction::delete(key.clone()));
        assert_eq!(found(), None);
        undo(deleted);
        assert_eq!(found(), Some(text(b'b', largest)));
        undo(overwritten);
        assert_eq!(found(), Some(text(b'a', largest)));
        undo(created);
        assert_eq!(found(), None);
        put(b'c', largest, expiry);
        undo(put(b'd', 1, Expiry::Clear));
        assert_eq!(found(), Some(text(b'c', largest)));
    }
}

fn what_is_too_large_together_is_done_in_parts(world: &dyn World) {
    let store = world.store();
    let Some(largest) = largest_in_memory(&*store) else { return };
    let keys: Vec<Key> = (0..10).map(|number| key(&format!("k{number}"))).collect();
    for key in &keys {
        let put = Transaction::put(key.clone(), text(b'a', largest), Expiry::Clear);
        assert!(store.commit(&put).unwrap().is_committed());
    }
    let before = store.revision().unwrap();
    let delete = |key: &Key| Operation::Delete(key.clone());
    let overwrite =
        |key: &Key| Operation::Put { key: key.clone(), value: Value::integer(1), expiry: Expiry::Clear };
    for operations in [
        keys.iter().map(delete).collect(),
        keys.iter().map(overwrite).collect(),
        vec![Operation::DeleteRange(KeyRange::all())],
    ] {
        let refused = store.commit(&Transaction::all(operations)).unwrap_err();
        assert!(matches!(refused.kind, ErrorKind::TransactionTooLarge { .. }), "{refused:?}");
        assert!(refused.is_too_much_together() && !refused.is_database_failure());
    }
    assert_eq!(store.revision().unwrap(), before);
    assert_eq!(commit_in_batches(&*store, keys.iter().map(delete).collect()).unwrap(), 10);
    assert_eq!(store.count(&KeyRange::all()).unwrap(), 0);
    for change in store.history(&HistoryScan { value_limit: 0, ..HistoryScan::newest(10) }).unwrap() {
        assert_eq!(change.operation, "delete");
        if change.revision == change.transaction.0 {
            undo(&*store, change.revision, false).unwrap();
        }
    }
    assert_eq!(store.count(&KeyRange::all()).unwrap(), 10);
}

fn what_was_committed_together_is_undone_together(world: &dyn World) {
    let store = world.store();
    let Some(largest) = largest_in_memory(&*store) else { return };
    let mut random = fastrand::Rng::with_seed(13);
    let state = || -> Vec<(Key, Vec<u8>)> {
        let pages = entry_pages(&*store, Scan::new(KeyRange::all(), 100));
        pages.flat_map(Result::unwrap).map(|entry| (entry.key, entry.stored)).collect()
    };
    let mut committed = 0;
    for _ in 0..world.rounds(60, 300) {
        let before = state();
        let count = random.usize(2..=8);
        let length = *random.choice(&[3, 1024]).unwrap();
        let operation = |place: usize| {
            let key = key(&format!("{place}{}", "k".repeat(length)));
            match random.u8(0..3) {
                0 => Operation::Delete(key),
                _ => {
                    let size = *random.choice(&[1, 1000, largest / 6, largest / 2, largest]).unwrap();
                    Operation::Put { key, value: text(b'x', size), expiry: Expiry::Clear }
                }
            }
        };
        let transaction = Transaction::all((0..count).map(operation).collect());
        match store.commit(&transaction) {
            Ok(Outcome::Committed { changed: 0, .. }) => {}
            Ok(Outcome::Committed { revision, .. }) => {
                committed += 1;
                let undone = undo(&*store, revision, false).unwrap();
                assert!(matches!(undone, UndoOutcome::Done { .. }), "{undone:?}");
                assert_eq!(state(), before);
                // Undone once more, so that the next round has something to overwrite.
                let UndoOutcome::Done { revision, .. } = undone else { continue };
                undo(&*store, revision, false).unwrap();
            }
            Ok(refused) => panic!("{refused:?}"),
            Err(error) => assert!(error.is_too_much_together(), "{error}"),
        }
    }
    assert!(committed >= 5, "{committed}");
}

fn large_values_expire(world: &dyn World) {
    let store = world.store();
    let Some(largest) = largest_in_memory(&*store) else { return };
    for number in 0..10 {
        let expiry = Expiry::After(Duration::from_secs(60));
        let put = Transaction::put(key(&format!("k{number}")), text(b'a', largest), expiry);
        assert!(store.commit(&put).unwrap().is_committed());
    }
    world.pass(Duration::from_secs(61));
    world.remove_expired();
    assert_eq!(store.count(&KeyRange::all()).unwrap(), 0);
    let newest = store.history(&HistoryScan { value_limit: 0, ..HistoryScan::newest(10) }).unwrap();
    assert!(newest.iter().all(|change| change.operation == "expire"), "{newest:?}");
}

fn an_edit_of_another_type_is_refused(world: &dyn World) {
    let store = world.store();
    put(&*store, "text", Value::text("many"), Expiry::Clear);
    let refused = |edit: Edit| store.edit(&key("text"), &edit).unwrap_err();
    for edit in [Edit::Increment(Number::Integer(1)), Edit::ListPop, Edit::Toggle] {
        let error = refused(edit.clone());
        assert!(
            matches!(error, StoreError { kind: ErrorKind::WrongType { found: Type::String, .. }, .. }),
            "{edit:?}: {error:?}"
        );
    }
}

fn an_expiry_after_the_last_moment_is_refused(world: &dyn World) {
    let store = world.store();
    for expiry in [Expiry::After(Duration::MAX), Expiry::At(Millis(Millis::LATEST.0 + 1))] {
        let refused = store.commit(&Transaction::put(key("k"), Value::integer(1), expiry));
        assert!(matches!(refused, Err(StoreError { kind: ErrorKind::TooLong { .. }, .. })), "{refused:?}");
    }
    let forever = crate::store::LockRequest { lease: Duration::MAX, ..request("l", "me") };
    let refused = store.acquire(&forever, None);
    assert!(matches!(refused, Err(StoreError { kind: ErrorKind::TooLong { .. }, .. })), "{refused:?}");
}

fn a_store_that_is_opened_to_read_writes_nothing(world: &dyn World) {
    let store = world.store();
    put(&*store, "k", Value::integer(1), Expiry::Clear);
    let lock = acquired(store.acquire(&request("l", "me"), None).unwrap());
    let revision = store.revision().unwrap();
    let reader = world.open(Options { read_only: true, ..world.settings() });
    let refused = |error: StoreError| matches!(error, StoreError { kind: ErrorKind::ReadOnly { .. }, .. });
    assert!(refused(reader.check_writable().unwrap_err()));
    assert!(refused(reader.commit(&Transaction::delete(key("k"))).unwrap_err()));
    assert!(refused(reader.edit(&key("k"), &Edit::Increment(Number::Integer(1))).unwrap_err()));
    assert!(refused(reader.clear_lock(&lock).unwrap_err()));
    assert!(refused(reader.acquire(&request("m", "me"), None).unwrap_err()));
    assert_eq!(store.revision().unwrap(), revision);
    assert_eq!(reader.get(&key("k")).unwrap().unwrap().value(), Value::integer(1));
}

fn the_identity_stays_with_the_database(world: &dyn World) {
    let store = world.store();
    put(&*store, "k", Value::integer(1), Expiry::Clear);
    let first = store.identity().unwrap();
    assert!(first.database.is_some());
    assert_eq!(first.revision, store.revision().unwrap());
    put(&*store, "k", Value::integer(2), Expiry::Clear);
    let second = world.store().identity().unwrap();
    assert_eq!((&second.database, second.epoch), (&first.database, first.epoch));
    assert!(second.revision > first.revision);
    assert_eq!(store.epochs().unwrap().len(), usize::try_from(first.epoch).unwrap_or(0).saturating_sub(1));
    let other = world.another();
    let other = other.store();
    put(&*other, "k", Value::integer(1), Expiry::Clear);
    assert_ne!(other.identity().unwrap().database, first.database);
}
