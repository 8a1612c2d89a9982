//! Following what happens: every change once and in order, also for a reader that comes late.

use std::ops::Bound;
use std::time::Duration;

use super::{Ability, Contract, ForeignWrite, World, acquired, changes_after, key, put, request};
use crate::store::feed::{Feed, News};
use crate::store::{
    Change, Changes, Edit, Expiry, HistoryScan, Key, Number, Operation, Retention, Revision, Store, Subject,
    Transaction, Value,
};

pub(super) const CONTRACTS: &[Contract] = &[
    ("a_feed_has_every_change_once_and_in_order", a_feed_has_every_change_once_and_in_order),
    ("polling_tells_what_others_commit", polling_tells_what_others_commit),
    ("a_late_reader_learns_what_is_lost", a_late_reader_learns_what_is_lost),
    ("history_is_read_backwards_in_pages", history_is_read_backwards_in_pages),
    ("history_is_narrowed_to_a_key_or_a_subject", history_is_narrowed_to_a_key_or_a_subject),
    ("long_values_of_changes_are_read_in_part", long_values_of_changes_are_read_in_part),
];

/// Some changes of every kind: single ones, transactions, another store's, another program's, locks.
fn write_much(world: &dyn World, store: &dyn Store) {
    let other = world.store();
    for number in 0..10 {
        put(store, &format!("k{number}"), Value::integer(number), Expiry::After(Duration::from_secs(5)));
        let all = (0..3).map(|place| Operation::Put {
            key: key(&format!("k{number}/{place}")),
            value: Value::integer(place),
            expiry: Expiry::Clear,
        });
        other.commit(&Transaction::all(all.collect())).unwrap();
        if world.can(Ability::RecordsForeignWrites) {
            world.foreign(&ForeignWrite::Put(key("foreign"), number.to_string()));
        }
        store.edit(&key("count"), &Edit::Increment(Number::Integer(1))).unwrap();
        let lock = acquired(store.acquire(&request("l", "me"), None).unwrap());
        assert!(store.release("l", lock.token).unwrap());
        world.pass(Duration::from_secs(1));
        store.commit(&Transaction::delete(key(&format!("k{number}/1")))).unwrap();
    }
}

fn a_feed_has_every_change_once_and_in_order(world: &dyn World) {
    let (store, reader) = (world.store(), world.store());
    put(&*store, "before", Value::integer(1), Expiry::Clear);
    let start = store.revision().unwrap();
    for limit in [1, 2, 7, 1000] {
        let before = store.revision().unwrap();
        let mut feed = Feed::after(before);
        write_much(world, &*store);
        let mut found: Vec<Change> = Vec::new();
        loop {
            assert!(found.len() < 1000, "the feed does not come to an end");
            match feed.look(&*reader, limit, u64::MAX).unwrap() {
                News::Changes(page) if page.is_empty() => break,
                News::Changes(page) => found.extend(page),
                News::None => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(found, changes_after(&*store, before), "in pages of {limit}");
        assert!(found.windows(2).all(|pair| pair[0].revision < pair[1].revision));
        assert_eq!(feed.seen(), store.revision().unwrap());
    }
    // What each change replaced is what the one before it left.
    let mut left: std::collections::BTreeMap<(bool, Key), crate::store::Image> = Default::default();
    for change in changes_after(&*store, start) {
        let place = (change.subject == Subject::Lock, change.key.clone());
        let before = match &change.new {
            Some(image) => left.insert(place, image.clone()),
            None => left.remove(&place),
        };
        assert_eq!(before, change.old, "{change:?}");
    }
}

fn polling_tells_what_others_commit(world: &dyn World) {
    let store = world.store();
    put(&*store, "k", Value::integer(0), Expiry::Clear);
    assert!(store.poll_changes().unwrap());
    assert!(!store.poll_changes().unwrap());
    put(&*world.store(), "k", Value::integer(1), Expiry::Clear);
    assert!(hears_of_it(&*store));
    assert!(!store.poll_changes().unwrap());
}

/// Whether there is news: some engines hear of it a little after the commit.
fn hears_of_it(store: &dyn Store) -> bool {
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if store.poll_changes().unwrap() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

fn a_late_reader_learns_what_is_lost(world: &dyn World) {
    let store = world.store();
    store.set_retention(&Retention { rows: 10, ..Retention::default() }).unwrap();
    for _ in 0..50 {
        world.pass(Duration::from_secs(1));
        store.edit(&key("k"), &Edit::Increment(Number::Integer(1))).unwrap();
    }
    let span = store.history_span().unwrap().unwrap();
    let newest = store.revision().unwrap();
    assert_eq!(span.newest.0, newest);
    assert_eq!(store.changes(Revision(0), 10, 10).unwrap(), Changes::Pruned { oldest: span.oldest.0 });
    let rest = changes_after(&*store, span.oldest.0);
    assert_eq!(rest.last().map(|change| change.revision), Some(newest));
    assert_eq!(store.changes(newest, 99, 10).unwrap(), Changes::Since(Vec::new()));
    let mut feed = Feed::after(Revision(1));
    let News::Pruned { seen, oldest } = feed.look(&*store, 1000, 0).unwrap() else { panic!() };
    assert_eq!((seen, oldest), (Revision(1), span.oldest.0));
    let News::Changes(page) = feed.look(&*store, 1000, 0).unwrap() else { panic!() };
    assert_eq!(page.first().map(|change| change.revision), Some(oldest), "the feed goes on with the oldest");
}

/// All pages of history, newest first.
fn pages(store: &dyn Store, scan: HistoryScan) -> Vec<Change> {
    let mut scan = scan;
    let mut all = Vec::new();
    loop {
        let page = store.history(&scan).unwrap();
        let Some(last) = page.last() else { return all };
        scan.to = Bound::Excluded(last.revision);
        all.extend(page);
    }
}

fn history_is_read_backwards_in_pages(world: &dyn World) {
    let store = world.store();
    let before = store.revision().unwrap();
    write_much(world, &*store);
    let mut expected = changes_after(&*store, before);
    expected.reverse();
    let from = Bound::Excluded(before);
    for limit in [1, 3, 1000] {
        let all = pages(&*store, HistoryScan { from, ..HistoryScan::newest(limit) });
        assert_eq!(all, expected, "in pages of {limit}");
    }
    let (newest, oldest) = (expected[3].revision, expected[9].revision);
    let bounds = HistoryScan {
        from: Bound::Included(oldest),
        to: Bound::Included(newest),
        ..HistoryScan::newest(1000)
    };
    assert_eq!(store.history(&bounds).unwrap(), expected[3..=9]);
}

fn history_is_narrowed_to_a_key_or_a_subject(world: &dyn World) {
    let store = world.store();
    write_much(world, &*store);
    let all = store.history(&HistoryScan::newest(usize::MAX)).unwrap();
    for subject in [Subject::Entry, Subject::Lock] {
        let narrowed = pages(&*store, HistoryScan { subject: Some(subject), ..HistoryScan::newest(7) });
        let expected: Vec<Change> = all.iter().filter(|change| change.subject == subject).cloned().collect();
        assert!(!expected.is_empty() && narrowed == expected, "{subject:?}");
    }
    for name in ["count", "k1/1", "nowhere"] {
        let narrowed = pages(&*store, HistoryScan { key: Some(key(name)), ..HistoryScan::newest(2) });
        let expected: Vec<Change> = all.iter().filter(|change| change.key == key(name)).cloned().collect();
        assert_eq!(narrowed, expected, "{name}");
    }
}

fn long_values_of_changes_are_read_in_part(world: &dyn World) {
    let store = world.store();
    let before = store.revision().unwrap();
    put(&*store, "k", Value::text("x".repeat(5000)), Expiry::Clear);
    put(&*store, "k", Value::text("y".repeat(6000)), Expiry::Clear);
    let Changes::Since(changes) = store.changes(before, 10, 10).unwrap() else { panic!() };
    let stored = |image: &Option<crate::store::Image>| image.as_ref().map(|image| image.stored.clone());
    let x = Some(b"x".repeat(10));
    assert_eq!((stored(&changes[0].old), stored(&changes[0].new)), (None, x.clone()));
    assert_eq!((stored(&changes[1].old), stored(&changes[1].new)), (x, Some(b"y".repeat(10))));
    let newest = store.history(&HistoryScan { value_limit: 3, ..HistoryScan::newest(1) }).unwrap();
    assert_eq!(stored(&newest[0].new), Some(b"yyy".to_vec()));
}
