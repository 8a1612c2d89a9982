//! Many entries and large values: pages are small enough to be answered, and none is left out.

use std::collections::BTreeMap;

use super::super::wire::{RangeRequest, Wire};
use super::world::Place;
use crate::store::testing::conformance::{ForeignWrite, World};
use crate::store::{
    Expiry, History, HistoryScan, Key, KeyRange, Order, Retention, Scan, Store, Transaction, Value,
    entry_pages,
};
use crate::testing::rounds;

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn put(store: &dyn Store, name: &str, size: usize) {
    let put = Transaction::put(key(name), Value::String(vec![b'x'; size]), Expiry::Clear);
    assert!(store.commit(&put).unwrap().is_committed());
}

#[test]
fn large_values_are_read_with_their_history_and_pruned() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let sizes = [100_000, 250_000, 490_000];
    let writes = rounds(20, 200) as usize;
    for number in 0..writes {
        put(&store, &format!("k{number:03}"), sizes[number % sizes.len()]);
    }
    let reader = place.open(place.settings());
    let pages = entry_pages(&reader, Scan::new(KeyRange::all(), 500));
    let entries: Vec<_> = pages.flat_map(Result::unwrap).collect();
    assert_eq!(entries.len(), writes);
    for (number, entry) in entries.iter().enumerate() {
        assert_eq!(entry.stored.len(), sizes[number % sizes.len()], "{}", entry.key);
    }
    let changes = reader.history(&HistoryScan::newest(usize::MAX)).unwrap();
    assert_eq!(changes.len(), writes);
    assert!(changes.iter().all(|change| change.new.as_ref().is_some_and(|new| new.stored.len() >= 100_000)));
    // More is written until a bucket is closed, which may be dropped then.
    let closed =
        || !place.wire().range(&RangeRequest::of(place.keys().closed_buckets())).unwrap().kvs.is_empty();
    let more = (0..10_000).find(|_| {
        put(&store, "more", 400_000);
        closed()
    });
    let all = writes + more.expect("a bucket is closed after some 8 MB") + 1;
    store.set_retention(&Retention { bytes: 1, ..Retention::default() }).unwrap();
    store.prune(store.now()).unwrap();
    let left = reader.history(&HistoryScan::newest(usize::MAX)).unwrap();
    assert!(left.len() < all, "{} of {all}", left.len());
    assert_eq!(store.take_notices(), Vec::<String>::new());
}

#[test]
fn the_pages_of_a_scan_have_every_key_once() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let mut random = fastrand::Rng::with_seed(7);
    let parts = ["a", "b", ":", "0", "1", "é", "\u{10ffff}", "\0", "zz", "key:00"];
    let mut model = BTreeMap::new();
    for _ in 0..300 {
        let name: String = (0..random.usize(1..6)).map(|_| *random.choice(&parts).unwrap()).collect();
        assert!(place.foreign(&ForeignWrite::Put(key(&name), "v".into())));
        model.insert(key(&name), ());
    }
    for _ in 0..rounds(60, 2000) {
        let start = random.bool().then(|| key(random.choice(&parts).unwrap()));
        let end = random.bool().then(|| key(random.choice(&parts).unwrap()));
        let range = KeyRange { start, end };
        let order = if random.bool() { Order::Ascending } else { Order::Descending };
        let limit = random.usize(1..40);
        let value_limit = if random.bool() { 0 } else { u64::MAX };
        let scan = Scan { order, value_limit, ..Scan::new(range.clone(), limit) };
        let mut expected: Vec<Key> = model.keys().filter(|key| range.contains(key)).cloned().collect();
        if order == Order::Descending {
            expected.reverse();
        }
        let found: Vec<Key> =
            entry_pages(&store, scan.clone()).flat_map(Result::unwrap).map(|entry| entry.key).collect();
        assert_eq!(found, expected, "{scan:?}");
    }
}
