//! Undoing changes.

use std::time::Duration;

use super::{Contract, World, key, operations_after, put, value};
use crate::store::{
    ErrorKind, Expiry, NothingToUndo, Operation, Revision, StoreError, Transaction, UndoOutcome, Value, undo,
};

pub(super) const CONTRACTS: &[Contract] = &[
    ("a_transaction_is_undone_as_a_whole_and_done_again", a_transaction_is_undone_as_a_whole_and_done_again),
    ("what_was_changed_since_is_a_conflict", what_was_changed_since_is_a_conflict),
    ("what_expired_is_not_brought_back", what_expired_is_not_brought_back),
    ("a_change_that_is_not_there_cannot_be_undone", a_change_that_is_not_there_cannot_be_undone),
];

fn a_transaction_is_undone_as_a_whole_and_done_again(world: &dyn World) {
    let store = world.store();
    put(&*store, "a", Value::integer(1), Expiry::After(Duration::from_secs(60)));
    put(&*store, "b", Value::integer(2), Expiry::Clear);
    let before = ["a", "b", "c"].map(|name| store.get(&key(name)).unwrap().map(|entry| entry.image()));
    let seen = store.revision().unwrap();
    let all = Transaction::all(vec![
        Operation::Put { key: key("a"), value: Value::text("new"), expiry: Expiry::Clear },
        Operation::Delete(key("b")),
        Operation::Put { key: key("c"), value: Value::integer(3), expiry: Expiry::Clear },
    ]);
    assert!(store.commit(&all).unwrap().is_committed());
    let images = || ["a", "b", "c"].map(|name| store.get(&key(name)).unwrap().map(|entry| entry.image()));
    let after = images();
    let newest = store.revision().unwrap();
    let UndoOutcome::Done { revision, restored, removed, expired } = undo(&*store, newest, false).unwrap()
    else {
        panic!()
    };
    assert_eq!(images(), before);
    assert_eq!((restored, removed, expired), (vec![key("a"), key("b")], vec![key("c")], vec![]));
    assert_eq!(operations_after(&*store, seen)[3..], ["undo", "undo", "undo"]);
    let again = undo(&*store, newest, false).unwrap();
    assert!(matches!(again, UndoOutcome::AlreadyUndone(_)), "{again:?}");
    let redone = undo(&*store, revision, false).unwrap();
    assert!(matches!(redone, UndoOutcome::Done { .. }), "{redone:?}");
    assert_eq!(images(), after);
}

fn what_was_changed_since_is_a_conflict(world: &dyn World) {
    let store = world.store();
    put(&*store, "k", Value::integer(1), Expiry::Clear);
    put(&*store, "k", Value::integer(2), Expiry::Clear);
    let second = store.revision().unwrap();
    put(&*store, "k", Value::integer(3), Expiry::Clear);
    let UndoOutcome::Conflict(conflicts) = undo(&*store, second, false).unwrap() else { panic!() };
    let [(conflicting, Some(entry))] = &conflicts[..] else { panic!("{conflicts:?}") };
    assert_eq!((conflicting, entry.value()), (&key("k"), Value::integer(3)));
    assert_eq!(value(&*store, "k"), Some(Value::integer(3)), "nothing was done");
    let forced = undo(&*store, second, true).unwrap();
    assert!(matches!(forced, UndoOutcome::Done { .. }), "{forced:?}");
    assert_eq!(value(&*store, "k"), Some(Value::integer(1)));
}

fn what_expired_is_not_brought_back(world: &dyn World) {
    let store = world.store();
    put(&*store, "k", Value::integer(1), Expiry::After(Duration::from_secs(1)));
    put(&*store, "k", Value::integer(2), Expiry::Clear);
    let overwritten = store.revision().unwrap();
    world.pass(Duration::from_secs(5));
    let outcome = undo(&*store, overwritten, false).unwrap();
    let UndoOutcome::NothingToUndo(NothingToUndo::Expired { key: expired, .. }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(expired, key("k"));
    assert_eq!(value(&*store, "k"), Some(Value::integer(2)));
}

fn a_change_that_is_not_there_cannot_be_undone(world: &dyn World) {
    let store = world.store();
    put(&*store, "k", Value::integer(1), Expiry::Clear);
    let newest = store.revision().unwrap();
    let later = undo(&*store, Revision(newest.0 + 1000), false);
    assert!(matches!(later, Err(StoreError { kind: ErrorKind::NotYet { .. }, .. })), "{later:?}");
    let lock = super::acquired(store.acquire(&super::request("l", "me"), None).unwrap());
    let locked = undo(&*store, lock.token.0, false).unwrap();
    assert_eq!(locked, UndoOutcome::NothingToUndo(NothingToUndo::Locks));
}
