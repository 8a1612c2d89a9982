//! Reading the past: moments, entries and differences.

use std::time::Duration;

use super::{Ability, Contract, World, key, put};
use crate::store::{
    Edit, EntryDiff, ErrorKind, Expiry, Key, KeyRange, Moment, Number, Retention, Revision, Scan, Store,
    StoreError, Transaction, Value, When,
};
use crate::time::Millis;

pub(super) const CONTRACTS: &[Contract] = &[
    ("a_moment_is_a_revision_a_time_or_now", a_moment_is_a_revision_a_time_or_now),
    ("an_entry_is_what_it_was", an_entry_is_what_it_was),
    ("values_of_the_past_are_read_in_part", values_of_the_past_are_read_in_part),
    ("differences_are_what_changed_in_between", differences_are_what_changed_in_between),
    ("what_was_pruned_cannot_be_read", what_was_pruned_cannot_be_read),
    ("history_is_read_by_times_that_went_back", history_is_read_by_times_that_went_back),
];

const HOUR: Duration = Duration::from_secs(3600);

fn at(store: &dyn Store, name: &str, when: When) -> Option<Value> {
    let moment = store.moment(when).unwrap();
    store.get_at(&key(name), moment).unwrap().map(|entry| entry.value())
}

fn a_moment_is_a_revision_a_time_or_now(world: &dyn World) {
    let store = world.store();
    let start = world.now();
    put(&*store, "k", Value::integer(1), Expiry::Clear);
    let first = store.revision().unwrap();
    world.pass(HOUR);
    put(&*store, "k", Value::integer(2), Expiry::Clear);
    let second = store.revision().unwrap();
    world.pass(HOUR);
    let moment = |when| store.moment(when).unwrap();
    assert_eq!(moment(When::Revision(first)), Moment { revision: first, at: start });
    assert_eq!(moment(When::Revision(second)), Moment { revision: second, at: start.plus(HOUR) });
    assert_eq!(moment(When::Now), Moment { revision: second, at: world.now() });
    let between = start.plus(HOUR / 2);
    assert_eq!(moment(When::Time(between)), Moment { revision: first, at: between });
    for later in [When::Revision(Revision(second.0 + 1000)), When::Time(world.now().plus(HOUR))] {
        let refused = store.moment(later);
        assert!(
            matches!(refused, Err(StoreError { kind: ErrorKind::NotYet { newest }, .. }) if newest == second),
            "{refused:?}"
        );
    }
    let before = store.moment(When::Time(Millis(start.0 - 1)));
    assert!(matches!(before, Err(StoreError { kind: ErrorKind::Pruned { .. }, .. })), "{before:?}");
}

fn an_entry_is_what_it_was(world: &dyn World) {
    let store = world.store();
    put(&*store, "other", Value::integer(0), Expiry::Clear);
    let mut seen = vec![(store.revision().unwrap(), None)];
    for number in 0..4 {
        put(&*store, "k", Value::integer(number), Expiry::Clear);
        let entry = store.get(&key("k")).unwrap();
        seen.push((entry.as_ref().unwrap().revision, entry));
    }
    store.commit(&Transaction::delete(key("k"))).unwrap();
    seen.push((store.revision().unwrap(), None));
    for (revision, entry) in seen {
        let moment = store.moment(When::Revision(revision)).unwrap();
        let found = store.get_at(&key("k"), moment).unwrap();
        let expected = entry.map(|entry| crate::store::Entry { created_at: None, ..entry });
        assert_eq!(found, expected, "{revision}");
        let page = store.scan_at(&Scan::new(KeyRange::prefix("k"), 10), moment).unwrap();
        assert_eq!(page, Vec::from_iter(expected), "{revision}");
    }
}

fn values_of_the_past_are_read_in_part(world: &dyn World) {
    let store = world.store();
    put(&*store, "changed", Value::text("x".repeat(5000)), Expiry::Clear);
    put(&*store, "kept", Value::text("y".repeat(5000)), Expiry::Clear);
    let then = store.moment(When::Now).unwrap();
    put(&*store, "changed", Value::integer(1), Expiry::Clear);
    let scan = Scan { value_limit: 10, ..Scan::new(KeyRange::all(), 10) };
    let page = store.scan_at(&scan, then).unwrap();
    let stored: Vec<Vec<u8>> = page.into_iter().map(|entry| entry.stored).collect();
    assert_eq!(stored, [b"x".repeat(10), b"y".repeat(10)]);
}

fn differences_are_what_changed_in_between(world: &dyn World) {
    let store = world.store();
    for name in ["changed", "deleted", "same", "there and back"] {
        put(&*store, name, Value::integer(1), Expiry::Clear);
    }
    put(&*store, "expires", Value::integer(1), Expiry::After(HOUR));
    let from = store.moment(When::Now).unwrap();
    put(&*store, "changed", Value::integer(2), Expiry::Clear);
    put(&*store, "new", Value::integer(2), Expiry::Clear);
    put(&*store, "there and back", Value::integer(2), Expiry::Clear);
    put(&*store, "there and back", Value::integer(1), Expiry::Clear);
    store.commit(&Transaction::delete(key("deleted"))).unwrap();
    world.pass(HOUR);
    let to = store.moment(When::Now).unwrap();
    let values = |difference: EntryDiff| {
        let value = |image: Option<crate::store::Image>| image.map(|image| image.value());
        (difference.key.to_text(), value(difference.old), value(difference.new))
    };
    let one = || Some(Value::integer(1));
    let two = || Some(Value::integer(2));
    let expected = [
        ("changed".to_string(), one(), two()),
        ("deleted".to_string(), one(), None),
        ("expires".to_string(), one(), None),
        ("new".to_string(), None, two()),
    ];
    for limit in [1, 3, 100] {
        let mut scan = Scan::new(KeyRange::all(), limit);
        let mut found = Vec::new();
        loop {
            let page = store.differences(from, to, &scan).unwrap();
            let Some(last) = page.last() else { break };
            scan.after = Some(last.key.clone());
            found.extend(page.into_iter().map(values));
        }
        assert_eq!(found, expected, "in pages of {limit}");
    }
    let inner = KeyRange { start: Some(key("d")), end: Some(key("f")) };
    let within = store.differences(from, to, &Scan::new(inner, 100)).unwrap();
    assert_eq!(within.into_iter().map(values).collect::<Vec<_>>(), expected[1..3]);
}

fn what_was_pruned_cannot_be_read(world: &dyn World) {
    if !world.can(Ability::ExactRetention) {
        return;
    }
    let store = world.store();
    store.edit(&key("k"), &Edit::Increment(Number::Integer(1))).unwrap();
    let early = store.moment(When::Now).unwrap();
    let reader = world.store();
    let all = Scan::new(KeyRange::all(), 10);
    assert_eq!(reader.scan_at(&all, early).unwrap().len(), 1);
    store.set_retention(&Retention { rows: 5, ..Retention::default() }).unwrap();
    for _ in 0..20 {
        world.pass(Duration::from_secs(1));
        store.edit(&key("k"), &Edit::Increment(Number::Integer(1))).unwrap();
    }
    let is_pruned = |error: StoreError| matches!(error, StoreError { kind: ErrorKind::Pruned { .. }, .. });
    assert!(is_pruned(store.moment(When::Revision(early.revision)).unwrap_err()));
    assert!(is_pruned(reader.get_at(&key("k"), early).unwrap_err()));
    assert!(is_pruned(reader.scan_at(&all, early).unwrap_err()));
    let now = store.moment(When::Now).unwrap();
    assert!(is_pruned(reader.differences(early, now, &all).unwrap_err()));
    let oldest = store.history_span().unwrap().unwrap().oldest.0;
    assert!(at(&*store, "k", When::Revision(oldest)).is_some());
}

fn history_is_read_by_times_that_went_back(world: &dyn World) {
    if !world.can(Ability::ClockGoesBack) {
        return;
    }
    let store = world.store();
    let start = world.now();
    let put_value = |number| {
        put(&*store, "k", Value::integer(number), Expiry::Clear);
        store.revision().unwrap()
    };
    let first = put_value(1);
    world.pass(HOUR);
    put_value(2);
    world.clock().set(Millis(world.now().0 - HOUR.as_millis() as i64 / 2));
    let third = put_value(3);
    world.pass(HOUR * 2);
    let at = |time: Millis| {
        let moment = store.moment(When::Time(time)).unwrap();
        (moment.revision, store.get_at(&Key::new("k").unwrap(), moment).unwrap().unwrap().value())
    };
    assert_eq!(at(start.plus(HOUR / 4)), (first, Value::integer(1)));
    // The last change up to then, by its own time.
    assert_eq!(at(start.plus(HOUR)), (third, Value::integer(3)));
    assert_eq!(at(start.plus(HOUR / 2)), (third, Value::integer(3)));
}
