//! Conditions of transactions, and the fence of a store.

use std::time::Duration;

use super::{Ability, Contract, World, acquired, key, put, request, value};
use crate::store::{
    Condition, Edit, ErrorKind, Expiry, KeyRange, Number, Operation, Outcome, Retention, Revision, Store,
    StoreError, Token, Transaction, Value,
};

pub(super) const CONTRACTS: &[Contract] = &[
    ("conditions_guard_a_transaction_as_a_whole", conditions_guard_a_transaction_as_a_whole),
    ("each_condition_holds_and_does_not", each_condition_holds_and_does_not),
    (
        "a_range_is_unchanged_until_an_entry_of_it_is_written_deleted_or_expires",
        a_range_is_unchanged_until_an_entry_of_it_is_written_deleted_or_expires,
    ),
    ("a_fenced_store_writes_only_under_its_locks", a_fenced_store_writes_only_under_its_locks),
];

fn conditions_guard_a_transaction_as_a_whole(world: &dyn World) {
    let store = world.store();
    put(&*store, "a", Value::integer(1), Expiry::Clear);
    let seen = store.get(&key("a")).unwrap().unwrap();
    let both = Transaction {
        conditions: vec![Condition::Unchanged(Box::new(seen)), Condition::Absent(key("b"))],
        operations: vec![
            Operation::Put { key: key("a"), value: Value::integer(2), expiry: Expiry::Keep },
            Operation::Put { key: key("b"), value: Value::integer(3), expiry: Expiry::Keep },
        ],
        ..Transaction::default()
    };
    let committed = store.commit(&both).unwrap();
    let revision = store.revision().unwrap();
    assert_eq!(committed, Outcome::Committed { revision, changed: 2, edited: vec![] });
    match store.commit(&both).unwrap() {
        Outcome::Refused { condition: 0, found: Some(found), others } => {
            assert_eq!((found.value(), others), (Value::integer(2), vec![1]));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.revision().unwrap(), revision, "a refused transaction changes nothing");
}

fn each_condition_holds_and_does_not(world: &dyn World) {
    let store = world.store();
    let first = store.revision().unwrap();
    put(&*store, "a", Value::integer(1), Expiry::Clear);
    let old = store.get(&key("a")).unwrap().unwrap();
    put(&*store, "a", Value::integer(2), Expiry::Clear);
    let new = store.get(&key("a")).unwrap().unwrap();
    let lock = acquired(store.acquire(&request("l", "me"), None).unwrap());
    let holds =
        |condition: Condition| store.commit(&Transaction::default().when(condition)).unwrap().is_committed();
    for condition in [
        Condition::Absent(key("b")),
        Condition::Exists(key("a")),
        Condition::AtRevision(key("a"), new.revision),
        Condition::AtVersion(key("a"), 2),
        Condition::AtVersion(key("b"), 0),
        Condition::Equals(key("a"), Value::number(Number::Float(2.0))),
        Condition::Unchanged(Box::new(new.clone())),
        Condition::Is(key("a"), new.image()),
        Condition::HoldsLock("l".into(), lock.token),
    ] {
        assert!(holds(condition.clone()), "{condition:?}");
    }
    for condition in [
        Condition::Absent(key("a")),
        Condition::Exists(key("b")),
        Condition::AtRevision(key("a"), old.revision),
        Condition::AtRevision(key("b"), old.revision),
        Condition::AtVersion(key("a"), 1),
        Condition::AtVersion(key("a"), 0),
        Condition::AtVersion(key("b"), 1),
        Condition::Equals(key("a"), Value::integer(1)),
        Condition::Equals(key("b"), Value::integer(1)),
        Condition::Unchanged(Box::new(old.clone())),
        Condition::Is(key("a"), old.image()),
        Condition::HoldsLock("l".into(), Token(first)),
        Condition::HoldsLock("m".into(), lock.token),
    ] {
        assert!(!holds(condition.clone()), "{condition:?}");
    }
}

fn a_range_is_unchanged_until_an_entry_of_it_is_written_deleted_or_expires(world: &dyn World) {
    let store = world.store();
    put(&*store, "a/1", Value::integer(1), Expiry::Clear);
    put(&*store, "b/1", Value::integer(1), Expiry::After(Duration::from_secs(60)));
    let holds = |prefix: &str, since: Revision| {
        let condition = Condition::RangeAtRevision(KeyRange::prefix(prefix), since);
        store.commit(&Transaction::default().when(condition)).unwrap().is_committed()
    };
    let seen = store.revision().unwrap();
    assert!(holds("a/", seen) && holds("b/", seen) && holds("", seen));
    put(&*store, "a/2", Value::integer(1), Expiry::Clear);
    assert!(!holds("a/", seen) && !holds("", seen) && holds("b/", seen));
    let seen = store.revision().unwrap();
    store.commit(&Transaction::delete(key("a/1"))).unwrap();
    assert!(!holds("a/", seen) && holds("b/", seen));
    // A lock is not an entry of any range.
    let seen = store.revision().unwrap();
    acquired(store.acquire(&request("a/lock", "me"), None).unwrap());
    assert!(holds("a/", seen));
    world.pass(Duration::from_secs(60));
    assert!(!holds("b/", seen), "an entry went that was visible");
    assert!(holds("b/", store.revision().unwrap()), "whoever reads again gets by");
    if world.can(Ability::ExactRetention) {
        let early = store.revision().unwrap();
        store.set_retention(&Retention { rows: 1, ..Retention::default() }).unwrap();
        for number in 0..3 {
            world.pass(Duration::from_secs(1));
            put(&*store, "c/1", Value::integer(number), Expiry::Clear);
        }
        assert!(!holds("z/", early), "nobody knows any more");
    }
}

fn a_fenced_store_writes_only_under_its_locks(world: &dyn World) {
    let (store, other) = (world.store(), world.store());
    let lock = acquired(store.acquire(&request("l", "me"), None).unwrap());
    store.set_fence(vec![("l".into(), lock.token)]);
    put(&*store, "k", Value::integer(1), Expiry::Clear);
    // The lease runs out; first nobody has the lock, then another.
    world.pass(Duration::from_secs(3600));
    let put_again = Transaction::put(key("k"), Value::integer(2), Expiry::Clear);
    let lost = |store: &dyn Store| match store.commit(&put_again).unwrap_err() {
        error @ StoreError { kind: ErrorKind::LockLost { .. }, .. } => error.to_string(),
        other => panic!("{other:?}"),
    };
    let text = lost(&*store);
    assert!(text.contains("the lease of me has run out; nothing was written"), "{text}");
    assert!(text.contains(&format!("lock l is not held under token {}", lock.token)), "{text}");
    let theirs = acquired(other.acquire(&request("l", "you\u{1b}"), None).unwrap());
    let text = lost(&*store);
    assert!(text.contains(&format!("you␛ holds it now, under token {}", theirs.token)), "{text}");
    let edited = store.edit(&key("k"), &Edit::Increment(Number::Integer(1)));
    assert!(matches!(edited, Err(StoreError { kind: ErrorKind::LockLost { .. }, .. })));
    assert_eq!(value(&*store, "k"), Some(Value::integer(1)));
    store.set_fence(Vec::new());
    put(&*store, "k", Value::integer(3), Expiry::Clear);
}
