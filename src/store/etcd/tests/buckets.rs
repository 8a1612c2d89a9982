//! Buckets of history that are closed after every other record, while several write.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::EtcdStore;
use super::super::record::{self, ClosedBucket};
use super::super::wire::{Op, RangeRequest, Txn, Wire};
use super::world::Place;
use crate::store::testing::conformance::World;
use crate::store::{
    Change, Changes, Condition, Edit, Expiry, History, HistoryScan, Image, Key, KeyRange, Moment, Number,
    Operation, Order, Outcome, Revision, Scan, State, Store, Transaction, UndoOutcome, Value, When, undo,
};
use crate::testing::rounds;
use crate::time::Millis;

const WRITERS: usize = 4;

type Images = BTreeMap<Key, Image>;

fn key(name: impl AsRef<str>) -> Key {
    Key::new(name.as_ref()).unwrap()
}

fn put(name: impl AsRef<str>, value: i64) -> Operation {
    Operation::Put { key: key(name), value: Value::integer(value), expiry: Expiry::Clear }
}

/// A store that closes a bucket after one record in two.
fn rotating(place: &Place) -> EtcdStore {
    EtcdStore { bucket_records: 2, ..place.open(place.settings()) }
}

fn changes(store: &dyn Store, since: Revision, limit: usize) -> Vec<Change> {
    match store.changes(since, limit, u64::MAX).unwrap() {
        Changes::Since(changes) => changes,
        other => panic!("{other:?}"),
    }
}

/// What a writer did: the last revision of each of its transactions, and how many changes each made.
fn write(store: &dyn Store, number: usize, turns: i64) -> Vec<(Revision, u64)> {
    let mut random = fastrand::Rng::with_seed(number as u64);
    let mut done = Vec::new();
    let commit = |transaction: &Transaction| match store.commit(transaction).unwrap() {
        Outcome::Committed { revision, changed: changed @ 1.., .. } => Some((revision, changed)),
        _ => None,
    };
    for turn in 0..turns {
        let shared = || key(format!("shared/{}", turn % 3));
        done.extend(match random.u8(..6) {
            0 | 1 => {
                let edited = store.edit(&key("counter"), &Edit::Increment(Number::Integer(1))).unwrap();
                edited.revision.map(|revision| (revision, 1))
            }
            2 => commit(&Transaction::of(put(format!("own/{number}"), turn))),
            3 => commit(&Transaction::delete(shared())),
            // All at once or nothing.
            4 => commit(&Transaction::all(vec![
                put("shared/0", turn),
                put(format!("own/{number}"), -turn),
                put("shared/1", turn),
            ])),
            _ => {
                let seen = store.get(&shared()).unwrap().map_or(0, |entry| entry.version);
                let put = Transaction::put(shared(), Value::integer(turn), Expiry::Clear);
                commit(&put.when(Condition::AtVersion(shared(), seen)))
            }
        });
    }
    done
}

/// The writers at work at the same time, and what a follower read of history meanwhile, a few changes at a time.
fn write_together(place: &Place, turns: i64) -> (Vec<(Revision, u64)>, Vec<Change>) {
    let at_work = AtomicUsize::new(WRITERS);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let at_work = &at_work;
                scope.spawn(move || {
                    let store = rotating(place);
                    let done = write(&store, number, turns);
                    at_work.fetch_sub(1, Ordering::SeqCst);
                    assert_eq!(store.take_notices(), Vec::<String>::new());
                    done
                })
            })
            .collect();
        let follower = scope.spawn(|| {
            let store = place.open(place.settings());
            let mut followed: Vec<Change> = Vec::new();
            loop {
                let is_over = at_work.load(Ordering::SeqCst) == 0;
                let seen = followed.last().map_or(Revision(0), |change| change.revision);
                let news = changes(&store, seen, 7);
                if is_over && news.is_empty() {
                    return followed;
                }
                followed.extend(news);
            }
        });
        let done = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        (done, follower.join().unwrap())
    })
}

/// The entries after each change.
fn states(all: &[Change]) -> Vec<Images> {
    let mut images = Images::new();
    let mut states = Vec::new();
    for change in all {
        let before = match &change.new {
            Some(image) => images.insert(change.key.clone(), image.clone()),
            None => images.remove(&change.key),
        };
        assert_eq!(before, change.old, "{change:?}");
        states.push(images.clone());
    }
    states
}

fn images_at(store: &dyn Store, moment: Moment, order: Order) -> Images {
    let mut scan = Scan { order, ..Scan::new(KeyRange::all(), 3) };
    let mut found = Images::new();
    loop {
        let page = store.scan_at(&scan, moment).unwrap();
        let Some(last) = page.last() else { return found };
        scan.after = Some(last.key.clone());
        found.extend(page.iter().map(|entry| (entry.key.clone(), entry.image())));
    }
}

fn pages(store: &dyn Store, scan: &HistoryScan) -> Vec<Change> {
    let mut scan = scan.clone();
    let mut found: Vec<Change> = Vec::new();
    loop {
        let page = store.history(&scan).unwrap();
        let Some(last) = page.last() else { return found };
        scan.to = Bound::Excluded(last.revision);
        found.extend(page);
    }
}

/// All ways to read history give the same.
fn check_reading(store: &dyn Store, all: &[Change], sample: usize) {
    let mut newest_first = all.to_vec();
    newest_first.reverse();
    assert_eq!(pages(store, &HistoryScan::newest(5)), newest_first);
    for name in ["counter", "shared/0", "shared/1", "shared/2", "own/0", "own/3", "none"] {
        let of_key: Vec<Change> =
            newest_first.iter().filter(|change| change.key == key(name)).cloned().collect();
        let scan = HistoryScan { key: Some(key(name)), ..HistoryScan::newest(4) };
        assert_eq!(pages(store, &scan), of_key, "{name}");
    }
    for (place, change) in all.iter().enumerate().step_by(sample) {
        let after = &all[place + 1..all.len().min(place + 4)];
        assert_eq!(changes(store, change.revision, 3), after, "after {}", change.revision);
        let until = HistoryScan { to: Bound::Included(change.revision), ..HistoryScan::newest(3) };
        let mut expected = all[..=place].to_vec();
        expected.reverse();
        expected.truncate(3);
        assert_eq!(store.history(&until).unwrap(), expected, "until {}", change.revision);
    }
}

/// The state at each revision is what history had made of it by then.
fn check_past(store: &dyn Store, all: &[Change], sample: usize) {
    let states = states(all);
    let moments =
        all.iter().zip(&states).step_by(sample).chain(all.iter().zip(&states).rev().step_by(sample));
    for (change, expected) in moments {
        let moment = store.moment(When::Revision(change.revision)).unwrap();
        for order in [Order::Ascending, Order::Descending] {
            assert_eq!(images_at(store, moment, order), *expected, "at {}", change.revision);
        }
        for name in ["counter", "shared/0", "shared/2", "own/1"] {
            let found = store.get_at(&key(name), moment).unwrap().map(|entry| entry.image());
            assert_eq!(found.as_ref(), expected.get(&key(name)), "{name} at {}", change.revision);
        }
    }
    let present = store.scan(&Scan::new(KeyRange::all(), usize::MAX)).unwrap();
    let present: Images = present.into_iter().map(|entry| (entry.key.clone(), entry.image())).collect();
    assert_eq!(states.last(), Some(&present));
}

#[test]
fn history_is_in_exact_order_and_complete_whenever_buckets_are_closed() {
    let Some(place) = Place::new() else { return };
    let first = rotating(&place);
    // What is undone in the end, over all buckets.
    let undone = first.commit(&Transaction::all(vec![put("old/a", 1), put("old/b", 2)])).unwrap();
    let Outcome::Committed { revision: undone, .. } = undone else { panic!("{undone:?}") };
    let (mut done, followed) = write_together(&place, rounds(20, 100).into());
    done.push((undone, 2));

    let store = place.open(place.settings());
    let all = changes(&store, Revision(0), usize::MAX);
    assert!(all.windows(2).all(|pair| pair[0].revision < pair[1].revision));
    let last_ones: BTreeMap<Revision, usize> =
        all.iter().enumerate().map(|(place, change)| (change.revision, place)).collect();
    let mut expected = 0;
    for (revision, changed) in done {
        let last = last_ones.get(&revision).copied().unwrap_or_else(|| panic!("{revision} is lost"));
        let transaction = all[last].transaction;
        let together = all.iter().filter(|change| change.transaction == transaction).count() as u64;
        assert_eq!(together, changed, "the transaction of {revision}");
        expected += together;
    }
    assert_eq!(all.len() as u64, expected, "somebody wrote besides");
    assert_eq!(followed, all, "what was followed");
    let closed = || place.wire().range(&RangeRequest::of(place.keys().closed_buckets())).unwrap().kvs;
    assert!(closed().len() > all.len() / 8, "{} buckets of {} changes", closed().len(), all.len());

    let sample = all.len() / rounds(15, 40) as usize + 1;
    check_reading(&store, &all, sample);
    check_past(&store, &all, sample);

    // Each bucket as a writer leaves it that ends before it has counted it.
    let (span, stats) = (store.history_span().unwrap(), store.stats().unwrap());
    assert_eq!(stats.history, all.len() as u64);
    for kv in closed() {
        let closed: ClosedBucket = record::decode(&kv.value).unwrap();
        let uncounted = record::encode(&ClosedBucket { content: None, ..closed });
        let put = Txn { success: vec![Op::put(kv.key, uncounted)], ..Txn::default() };
        place.wire().txn(&put).unwrap();
    }
    let store = rotating(&place);
    assert_eq!((store.history_span().unwrap(), store.stats().unwrap().history), (span, stats.history));
    let early = store.moment(When::Time(Millis(all[0].at.0))).unwrap();
    assert!(early.revision >= all[0].revision);
    check_reading(&store, &all, sample);

    let outcome = undo(&store, undone, false).unwrap();
    let UndoOutcome::Done { revision: by, removed, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(removed, [key("old/a"), key("old/b")]);
    let mut marked = changes(&store, Revision(0), 2);
    assert!(marked.iter().all(|change| change.undone_by.is_some()), "{marked:?}");
    marked.iter_mut().for_each(|change| change.undone_by = None);
    assert_eq!(marked, all[..2]);
    let again = undo(&store, undone, false).unwrap();
    assert!(matches!(again, UndoOutcome::AlreadyUndone(_)), "{again:?}");
    undo(&store, by, false).unwrap();
    let all = changes(&store, Revision(0), usize::MAX);
    check_past(&store, &all, all.len() / 10 + 1);
}
