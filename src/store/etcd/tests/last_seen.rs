//! Writes that are planned on what was last seen.

use super::super::EtcdStore;
use super::super::record::{self, Format};
use super::super::wire::{Op, Txn, Wire};
use super::world::Place;
use crate::store::testing::conformance::{ForeignWrite, World};
use crate::store::{
    Condition, Edit, ErrorKind, Expiry, Key, Number, Operation, Outcome, Revision, State, Token, Transaction,
    Value,
};

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn put(name: &str, value: i64) -> Transaction {
    Transaction::put(key(name), Value::integer(value), Expiry::Clear)
}

fn value(store: &EtcdStore, name: &str) -> Option<String> {
    store.get(&key(name)).unwrap().map(|entry| String::from_utf8(entry.stored).unwrap())
}

/// What is done to an entry of that name.
type Act<'a> = &'a dyn Fn(&str);

/// The transactions that `act` sends.
fn trips(place: &Place, act: impl FnOnce()) -> usize {
    let before = place.sent.lock().unwrap().len();
    act();
    place.sent.lock().unwrap().len() - before
}

#[test]
fn a_known_key_is_written_in_one_trip() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let commit = |transaction: &Transaction| assert!(store.commit(transaction).unwrap().is_committed());
    commit(&put("k", 1));
    commit(&put("read", 1));
    let increment = || drop(store.edit(&key("k"), &Edit::Increment(Number::Integer(1))).unwrap());
    assert_eq!(trips(&place, || commit(&put("k", 2))), 1);
    assert_eq!(trips(&place, increment), 1);
    let swap = put("k", 7).when(Condition::Equals(key("k"), Value::integer(3)));
    assert_eq!(trips(&place, || commit(&swap)), 1);
    let other = place.open(place.settings());
    other.commit(&put("other", 1)).unwrap();
    other.get(&key("read")).unwrap();
    assert_eq!(trips(&place, || drop(other.commit(&put("read", 2)).unwrap())), 1, "a key that was read");
    assert_eq!(trips(&place, || commit(&put("k", 8))), 1, "what others write to other keys does not matter");
    assert_eq!(trips(&place, || commit(&put("read", 9))), 2, "and here it does");
}

#[test]
fn what_was_seen_before_decides_nothing_but_a_write_that_is_pinned() {
    let Some(place) = Place::new() else { return };
    let [mine, theirs] = [(); 2].map(|()| place.open(place.settings()));
    let changes: [(&str, Act); 4] = [
        ("set", &|name| assert!(theirs.commit(&put(name, 5)).unwrap().is_committed())),
        ("deleted", &|name| assert!(theirs.commit(&Transaction::delete(key(name))).unwrap().is_committed())),
        ("set by another program", &|name| assert!(place.foreign(&ForeignWrite::Put(key(name), "5".into())))),
        ("deleted by another program", &|name| assert!(place.foreign(&ForeignWrite::Delete(key(name))))),
    ];
    for (number, (how, change)) in changes.iter().enumerate() {
        let is_deleted = how.starts_with("deleted");
        let prepared = |what: &str| {
            let name = format!("{what} {number}");
            assert!(mine.commit(&put(&name, 1)).unwrap().is_committed());
            change(&name);
            name
        };
        let name = prepared("a condition that was true");
        let swap = put("elsewhere", 1).when(Condition::Equals(key(&name), Value::integer(1)));
        match mine.commit(&swap).unwrap() {
            Outcome::Refused { found, .. } => assert_eq!(found.is_none(), is_deleted, "{how}"),
            other => panic!("{how}: {other:?}"),
        }
        let name = prepared("a condition that was false");
        let condition = if is_deleted {
            Condition::Absent(key(&name))
        } else {
            Condition::Equals(key(&name), Value::integer(5))
        };
        assert!(mine.commit(&put("elsewhere", 2).when(condition)).unwrap().is_committed(), "{how}");
        let name = prepared("a number");
        mine.edit(&key(&name), &Edit::Increment(Number::Integer(1))).unwrap();
        assert_eq!(value(&theirs, &name).as_deref(), Some(if is_deleted { "1" } else { "6" }), "{how}");
        let name = prepared("the same value");
        assert!(mine.commit(&put(&name, 1)).unwrap().is_committed());
        assert_eq!(value(&theirs, &name).as_deref(), Some("1"), "{how}");
        let name = prepared("an entry to delete");
        mine.commit(&Transaction::delete(key(&name))).unwrap();
        assert_eq!(value(&theirs, &name), None, "{how}");
        let name = prepared("an expiry");
        let expiry = Expiry::After(std::time::Duration::from_secs(60));
        mine.commit(&Transaction::of(Operation::SetExpiry { key: key(&name), expiry })).unwrap();
        let found = theirs.get(&key(&name)).unwrap();
        assert_eq!(found.and_then(|entry| entry.expires_at).is_some(), !is_deleted, "{how}");
    }
}

#[test]
fn a_lock_that_was_never_acquired_is_not_supposed_to_be_held() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    store.commit(&put("k", 1)).unwrap();
    for token in [0, 1, 1 << 40].map(|token| Token(Revision(token))) {
        let write = put("k", 2).when(Condition::HoldsLock("no such lock".into(), token));
        assert!(!store.commit(&write).unwrap().is_committed());
    }
    assert_eq!(value(&store, "k").as_deref(), Some("1"));
}

#[test]
fn a_newer_format_is_noticed_by_the_next_write() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    store.commit(&put("k", 1)).unwrap();
    let mut newer = record::encode(&Format::new());
    newer[0] += 1;
    let format = Op::put(place.keys().format(), newer);
    place.wire().txn(&Txn { success: vec![format], ..Txn::default() }).unwrap();
    let error = store.commit(&put("k", 2)).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NewerSchema { .. }), "{error:?}");
    assert_eq!(value(&store, "k").as_deref(), Some("1"));
}
