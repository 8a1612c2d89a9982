//! How much history is kept.

use std::time::Duration;

use super::{Ability, Contract, World, changes_after, key, put};
use crate::store::{Edit, Expiry, Number, Operation, Retention, Revision, Store, Transaction, Value};

pub(super) const CONTRACTS: &[Contract] = &[
    ("the_limits_are_kept_with_the_database", the_limits_are_kept_with_the_database),
    ("history_is_bounded_by_its_rows", history_is_bounded_by_its_rows),
    ("history_is_bounded_by_its_age", history_is_bounded_by_its_age),
    ("history_is_bounded_also_by_the_size_of_its_values", history_is_bounded_also_by_the_size_of_its_values),
    (
        "who_changes_much_at_once_removes_as_much_of_history",
        who_changes_much_at_once_removes_as_much_of_history,
    ),
];

fn the_limits_are_kept_with_the_database(world: &dyn World) {
    let store = world.store();
    assert_eq!(store.retention().unwrap(), Retention::default());
    put(&*store, "k", Value::integer(0), Expiry::Clear);
    assert_eq!(store.retention().unwrap(), Retention::default(), "a new database is set to the default");
    let limits = Retention { rows: 5, age: Duration::from_secs(2 * 86_400), bytes: 1000 };
    store.set_retention(&limits).unwrap();
    assert_eq!(world.store().retention().unwrap(), limits);
}

fn history_is_bounded_by_its_rows(world: &dyn World) {
    let store = world.store();
    store.set_retention(&Retention { rows: 10, ..Retention::default() }).unwrap();
    for _ in 0..50 {
        world.pass(Duration::from_secs(1));
        store.edit(&key("k"), &Edit::Increment(Number::Integer(1))).unwrap();
    }
    let kept = store.stats().unwrap().history;
    assert!(if world.can(Ability::ExactRetention) { kept == 10 } else { (10..50).contains(&kept) }, "{kept}");
    let span = store.history_span().unwrap().unwrap();
    assert_eq!(changes_after(&*store, span.oldest.0).len() as u64, kept - 1);
    assert_eq!(store.get(&key("k")).unwrap().unwrap().value(), Value::integer(50), "the state stays");
}

fn history_is_bounded_by_its_age(world: &dyn World) {
    if !world.can(Ability::ExactRetention) {
        return;
    }
    let store = world.store();
    let day = Duration::from_secs(86_400);
    store.set_retention(&Retention { age: day, ..Retention::default() }).unwrap();
    for number in 0..5 {
        put(&*store, "k", Value::integer(number), Expiry::Clear);
    }
    world.pass(day + Duration::from_secs(1));
    put(&*store, "k", Value::integer(5), Expiry::Clear);
    let newest = store.revision().unwrap();
    assert_eq!(store.stats().unwrap().history, 1);
    assert_eq!(store.history_span().unwrap().map(|span| span.oldest.0), Some(newest));
    world.pass(day * 2);
    store.edit(&key("other"), &Edit::Increment(Number::Integer(1))).unwrap();
    assert!(store.revision().unwrap() > newest, "the newest change stays, and revisions go on from it");
}

fn bytes(store: &dyn Store) -> usize {
    let oldest = store.history_span().unwrap().unwrap().oldest.0;
    let changes = changes_after(store, Revision(oldest.0 - 1));
    let images = changes.iter().flat_map(|change| [&change.old, &change.new]);
    images.flatten().map(|image| image.stored.len()).sum()
}

fn history_is_bounded_also_by_the_size_of_its_values(world: &dyn World) {
    if !world.can(Ability::ExactRetention) {
        return;
    }
    let store = world.store();
    store.set_retention(&Retention { bytes: 100_000, ..Retention::default() }).unwrap();
    let large = "x".repeat(10_000);
    for number in 0..40 {
        world.pass(Duration::from_secs(1));
        put(&*store, "k", Value::text(format!("{number}{large}")), Expiry::Clear);
    }
    let kept = bytes(&*store);
    assert!((50_000..=100_000).contains(&kept), "{kept}");
    // One value that is larger than all that is kept: its own change stays, the others go.
    world.pass(Duration::from_secs(1));
    put(&*store, "k", Value::text("y".repeat(200_000)), Expiry::Clear);
    world.pass(Duration::from_secs(1));
    put(&*store, "other", Value::integer(1), Expiry::Clear);
    assert_eq!(store.stats().unwrap().history, 1);
    for number in 0..300 {
        put(&*store, "other", Value::integer(number), Expiry::Clear);
    }
    assert!(store.stats().unwrap().history > 250, "small ones are kept again");
}

fn who_changes_much_at_once_removes_as_much_of_history(world: &dyn World) {
    if !world.can(Ability::ExactRetention) {
        return;
    }
    let store = world.store();
    let most = store.capabilities().operations.min(3000) as i64;
    store.set_retention(&Retention { rows: 1000, ..Retention::default() }).unwrap();
    for turn in 0..5 {
        let put = |number: i64| Operation::Put {
            key: key(&format!("{number}")),
            value: Value::integer(turn),
            expiry: Expiry::Clear,
        };
        store.commit(&Transaction::all((0..most).map(put).collect())).unwrap();
    }
    assert_eq!(store.stats().unwrap().history, 1000);
}
