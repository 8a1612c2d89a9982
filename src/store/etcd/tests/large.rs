//! Many entries and large values: pages are small enough to be answered, and none is left out.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::super::wire::{Op, RangeRequest, Wire};
use super::world::Place;
use crate::store::testing::conformance::{ForeignWrite, World};
use crate::store::{
    ErrorKind, Expiry, History, HistoryScan, Key, KeyRange, Operation, Order, Retention, Scan, State, Store,
    Transaction, UndoOutcome, Value, entry_pages, undo,
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
fn what_another_program_wrote_is_overwritten_whatever_its_size() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let largest = store.capabilities().largest_value as usize;
    let value = |byte: u8, size: usize| String::from_utf8(vec![byte; size]).unwrap();
    for (number, (before, foreign, after)) in [
        (Some(largest), Some(largest), Some(largest)),
        (Some(largest), Some(largest), None),
        (Some(largest), None, Some(largest)),
        (None, Some(largest), Some(largest)),
        (None, Some(1_400_000), Some(1)),
        (None, Some(1_400_000), None),
        (Some(1), Some(largest), Some(largest)),
        (Some(largest), Some(1), Some(largest)),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{number}{}", "k".repeat(1024));
        if let Some(size) = before {
            let put = Transaction::put(key(&name), Value::String(vec![b'a'; size]), Expiry::Clear);
            let expiring = Expiry::After(std::time::Duration::from_secs(60));
            assert!(store.commit(&put).unwrap().is_committed());
            let expiring = Operation::SetExpiry { key: key(&name), expiry: expiring };
            assert!(store.commit(&Transaction::of(expiring)).unwrap().is_committed());
        }
        let write = match foreign {
            Some(size) => ForeignWrite::Put(key(&name), value(b'b', size)),
            None => ForeignWrite::Delete(key(&name)),
        };
        assert!(place.foreign(&write));
        let own = match after {
            Some(size) => Transaction::put(key(&name), Value::String(vec![b'c'; size]), Expiry::Clear),
            None => Transaction::delete(key(&name)),
        };
        assert!(store.commit(&own).unwrap().is_committed(), "{number}");
        let found = store.get(&key(&name)).unwrap().map(|entry| entry.stored.len());
        assert_eq!(found, after, "{number}");
        // No value is missing between two changes.
        let scan = HistoryScan { key: Some(key(&name)), ..HistoryScan::newest(10) };
        let changes = store.history(&scan).unwrap();
        let external = changes.iter().filter(|change| change.actor.name == "external").count();
        assert_eq!(external, 1, "{number}");
        for pair in changes.windows(2) {
            assert!(pair[0].old == pair[1].new, "{number}");
        }
        assert_eq!(changes.last().unwrap().old, None);
        if foreign != Some(1_400_000) {
            let undone = undo(&store, changes[0].revision, false).unwrap();
            assert!(matches!(undone, UndoOutcome::Done { .. }), "{number}: {undone:?}");
        }
    }
    let marks = place.keys().expiries(crate::time::Millis(i64::MIN), crate::time::Millis(i64::MAX));
    assert!(place.wire().range(&RangeRequest::of(marks)).unwrap().kvs.is_empty());
}

#[test]
fn a_key_that_leaves_no_room_for_its_value_is_refused_before_it_is_sent() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    for length in [9_000, 20_000, 100_000, 300_000, 1_000_000] {
        let put =
            Transaction::put(key(&"k".repeat(length)), Value::String(vec![b'a'; 490_000]), Expiry::Clear);
        place.sent.lock().unwrap().clear();
        match store.commit(&put) {
            Ok(outcome) => assert!(outcome.is_committed()),
            Err(error) => {
                assert!(matches!(error.kind, ErrorKind::TransactionTooLarge { .. }), "{length}: {error:?}");
                let sent = place.sent.lock().unwrap();
                let mut ops = sent.iter().flat_map(|txn| &txn.success);
                assert!(ops.all(|op| matches!(op, Op::Range(_))), "{length}");
            }
        }
    }
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

#[test]
fn values_of_any_size_are_read_in_answers_of_a_bounded_size() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let mut random = fastrand::Rng::with_seed(11);
    let sizes = [0, 1, 255, 256, 257, 20_000, 300_000];
    let mut model = BTreeMap::new();
    // Many small ones come first, and large ones behind them.
    for number in 0..rounds(120, 1200) {
        let size = if number < 60 { 1 } else { *random.choice(&sizes).unwrap() };
        let (name, text) = (format!("k{number:05}"), "x".repeat(size));
        if random.u8(..4) == 0 {
            assert!(place.foreign(&ForeignWrite::Put(key(&name), text)));
        } else {
            put(&store, &name, size);
        }
        model.insert(key(&name), size);
    }
    for value_limit in [0, 1, 256, 257, 1000, u64::MAX] {
        for order in [Order::Ascending, Order::Descending] {
            let reader = place.open(place.settings());
            let scan = Scan { order, value_limit, ..Scan::new(KeyRange::all(), 1000) };
            let mut entries: Vec<_> = entry_pages(&reader, scan).flat_map(Result::unwrap).collect();
            if order == Order::Descending {
                entries.reverse();
            }
            assert_eq!(entries.len(), model.len());
            for (entry, (key, size)) in entries.iter().zip(&model) {
                let shown = (*size as u64).min(value_limit) as usize;
                assert_eq!((&entry.key, entry.size), (key, *size as u64));
                assert_eq!(entry.stored.len(), shown, "{key} of {size} bytes up to {value_limit}");
            }
        }
    }
    let largest = place.largest_answer.load(Ordering::SeqCst);
    assert!(largest < 8 << 20, "an answer of {largest} bytes");
}

#[test]
fn limits_of_history_count_at_once_and_count_changes_and_bytes() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let transaction = |size: usize| {
        let put = |number: usize| Operation::Put {
            key: key(&format!("k{number}")),
            value: Value::String(vec![b'x'; size]),
            expiry: Expiry::Clear,
        };
        assert!(store.commit(&Transaction::all((0..20).map(put).collect())).unwrap().is_committed());
    };
    let kept =
        || store.history(&HistoryScan { value_limit: 0, ..HistoryScan::newest(usize::MAX) }).unwrap().len();
    let set = |rows: u64, bytes: u64| {
        store.set_retention(&Retention { rows, bytes, ..Retention::default() }).unwrap();
    };
    // Nothing was written yet.
    set(1000, u64::MAX);
    transaction(10);
    transaction(10);
    set(1000, u64::MAX);
    transaction(10);
    assert_eq!(kept(), 60);
    // A part that is closed goes once the others have as many changes as are to be kept. Others may be closed in
    // between, by chance.
    transaction(10);
    set(30, u64::MAX);
    assert!([40, 60].contains(&kept()), "{}", kept());
    // Changes of the part that is written to count, and not its transactions.
    transaction(1000);
    transaction(1000);
    store.prune(store.now()).unwrap();
    assert_eq!(kept(), 40, "those are enough");
    // So do its bytes.
    set(1000, 100_000);
    assert_eq!(kept(), 40);
    set(1000, 50_000);
    assert!([0, 20].contains(&kept()), "{}", kept());
    store.history_span().unwrap();
    transaction(10);
    assert!(kept() >= 20);
    assert_eq!(store.take_notices(), Vec::<String>::new());
}
