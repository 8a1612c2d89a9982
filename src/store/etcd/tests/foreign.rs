//! What other programs write to a prefix, and what they leave in it.

use super::super::wire::{Op, RangeRequest, Txn, Wire};
use super::world::Place;
use std::time::Duration;

use crate::store::testing::conformance::{ForeignWrite, World};
use crate::store::{
    Changes, Condition, ErrorKind, Expiry, History, HistoryScan, Key, KeyRange, Revision, Scan, State, Store,
    Transaction, Value,
};
use crate::time::Millis;

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn put(store: &dyn Store, name: &str, value: i64) {
    let put = Transaction::put(key(name), Value::integer(value), Expiry::Clear);
    assert!(store.commit(&put).unwrap().is_committed());
}

/// Operations, actors, old and new values of all changes.
fn rows(store: &dyn Store) -> Vec<(String, String, Option<String>, Option<String>)> {
    let Changes::Since(changes) = store.changes(Revision(0), usize::MAX, u64::MAX).unwrap() else { panic!() };
    let text =
        |image: Option<crate::store::Image>| image.map(|image| String::from_utf8(image.stored).unwrap());
    let row = |change: crate::store::Change| {
        let actor = if change.actor.name == "external" { "external" } else { "ours" };
        (change.operation, actor.to_string(), text(change.old), text(change.new))
    };
    changes.into_iter().map(row).collect()
}

#[test]
fn what_another_program_did_is_recorded_with_the_next_write() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    put(&store, "k", 1);
    assert!(place.foreign(&ForeignWrite::Put(key("k"), "2".into())));
    put(&store, "k", 3);
    assert!(place.foreign(&ForeignWrite::Delete(key("k"))));
    put(&store, "k", 4);
    assert!(place.foreign(&ForeignWrite::Put(key("new"), "5".into())));
    put(&store, "new", 6);
    let row = |operation: &str, actor: &str, old: &str, new: &str| {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_string());
        (operation.to_string(), actor.to_string(), text(old), text(new))
    };
    assert_eq!(
        rows(&store),
        [
            row("set", "ours", "", "1"),
            row("set", "external", "1", "2"),
            row("set", "ours", "2", "3"),
            row("delete", "external", "3", ""),
            row("set", "ours", "", "4"),
            row("set", "external", "", "5"),
            row("set", "ours", "5", "6"),
        ]
    );
}

#[test]
fn a_range_that_another_program_wrote_to_is_unchanged_until_it_writes_again() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let commit = |since: Revision| {
        let put = Transaction::put(key("own"), Value::integer(1), Expiry::Clear);
        let conditions = vec![Condition::RangeAtRevision(KeyRange::all(), since)];
        store.commit(&Transaction { conditions, ..put }).unwrap().is_committed()
    };
    assert!(place.foreign(&ForeignWrite::Put(key("k"), "1".into())));
    let since = store.read_revision().unwrap();
    assert!(commit(since), "nothing was changed since");
    assert!(!commit(since), "it changed the range itself");
    let since = store.read_revision().unwrap();
    assert!(place.foreign(&ForeignWrite::Put(key("k"), "2".into())));
    assert!(!commit(since));
    assert!(commit(store.read_revision().unwrap()));
}

#[test]
fn hostile_records_are_errors_or_foreign() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    put(&store, "k", 1);
    let all = place.wire().range(&RangeRequest::of(place.keys().all()[1].clone())).unwrap();
    assert!(all.kvs.len() >= 4, "{all:?}");
    for kv in &all.kvs {
        for garbage in [&b""[..], b"\x01", b"\x01\xdd\xff\xff\xff\xff", b"\x09later", b"true"] {
            let write = |value: &[u8]| Txn {
                success: vec![Op::put(kv.key.clone(), value.to_vec())],
                ..Txn::default()
            };
            place.wire().txn(&write(garbage)).unwrap();
            let store = place.open(place.settings());
            let scan = Scan::new(KeyRange::all(), 10);
            // None of these may panic, and none writes.
            let _ =
                (store.get(&key("k")), store.scan(&scan), store.changes(Revision(0), 9, 9), store.revision());
            let _ = (store.history_span(), store.stats(), store.identity(), store.retention());
            place.wire().txn(&write(&kv.value)).unwrap();
        }
    }
    let newer = Txn { success: vec![Op::put(place.keys().format(), b"\x02x".to_vec())], ..Txn::default() };
    place.wire().txn(&newer).unwrap();
    let refused = store.commit(&Transaction::delete(key("k"))).unwrap_err();
    assert!(matches!(refused.kind, ErrorKind::NewerSchema { found: 2, known: 1 }), "{refused}");
}

#[test]
fn a_page_of_the_past_has_what_another_program_had_written_by_then() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let names = ["a", "b", "c"];
    let write = |value: &str| {
        for name in names {
            assert!(place.foreign(&ForeignWrite::Put(key(name), value.into())));
        }
    };
    write("before");
    let then = store.read_revision().unwrap().0 >> 8;
    write("after it");
    for value_limit in [0, 3, 256, 257, u64::MAX] {
        let scan = Scan { value_limit, ..Scan::new(KeyRange::all(), 10) };
        for (revision, text) in [(then, "before"), (0, "after it")] {
            let page = store.scan_stored(&scan, None, revision).unwrap();
            let expected = &text.as_bytes()[..text.len().min(value_limit as usize)];
            assert_eq!(page.len(), names.len());
            for entry in page {
                assert_eq!((&entry.stored[..], entry.size), (expected, text.len() as u64), "{value_limit}");
            }
        }
    }
}

#[test]
fn marks_of_expiries_that_another_program_made_obsolete_are_removed() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let marks = || {
        let all = place.keys().expiries(Millis(i64::MIN), Millis(i64::MAX));
        place.wire().range(&RangeRequest::of(all)).unwrap().kvs.len()
    };
    let expiring = |name: &str| {
        let expiry = Expiry::After(Duration::from_secs(60));
        store.commit(&Transaction::put(key(name), Value::integer(1), expiry)).unwrap();
    };
    for number in 0..40 {
        expiring(&format!("deleted {number}"));
        assert!(place.foreign(&ForeignWrite::Delete(key(&format!("deleted {number}")))));
    }
    expiring("written");
    assert!(place.foreign(&ForeignWrite::Put(key("written"), "2".into())));
    expiring("expired");
    assert_eq!(marks(), 42);
    put(&store, "other", 1);
    assert_eq!(marks(), 42, "none has passed");
    place.pass(Duration::from_secs(61));
    put(&store, "other", 2);
    assert_eq!(marks(), 0);
    assert_eq!(store.get(&key("written")).unwrap().unwrap().stored, b"2", "it does not expire");
    assert_eq!(store.get(&key("expired")).unwrap(), None);
}

#[test]
fn two_prefixes_do_not_see_each_other() {
    let (Some(place), Some(other)) = (Place::new(), Place::new()) else { return };
    let (store, other) = (place.open(place.settings()), other.open(other.settings()));
    put(&store, "k", 1);
    assert_eq!(other.scan(&Scan::new(KeyRange::all(), 10)).unwrap(), []);
    assert_eq!(other.revision().unwrap(), Revision(0));
    put(&other, "k", 2);
    assert_eq!(store.get(&key("k")).unwrap().unwrap().value(), Value::integer(1));
    assert_eq!(rows(&store).len(), 1);
}

#[test]
fn a_long_value_that_another_program_replaced_is_not_taken_for_absent() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let long = "x".repeat(5_000);
    let before = Transaction::put(key("k"), Value::text(&long), Expiry::Clear);
    assert!(store.commit(&before).unwrap().is_committed());
    // Its record goes, as retention drops it.
    let dropped = Op::Delete(place.keys().records(store.read_head().unwrap().bucket));
    place.wire().txn(&Txn { success: vec![dropped], ..Txn::default() }).unwrap();
    assert!(place.foreign(&ForeignWrite::Put(key("k"), "theirs".into())));
    put(&store, "k", 3);
    let changes = store.history(&HistoryScan::newest(9)).unwrap();
    let old: Vec<Vec<u8>> = changes.into_iter().map(|change| change.old.unwrap().stored).collect();
    assert_eq!(old, [b"theirs".to_vec(), long.into_bytes()]);
}
