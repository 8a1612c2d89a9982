//! Entries that expire.

use std::time::Duration;

use super::{Ability, Contract, ForeignWrite, World, key, operations_after, put, value};
use crate::store::{Condition, Edit, Expiry, KeyRange, Number, Revision, Scan, Transaction, Value};
use crate::time::Millis;

pub(super) const CONTRACTS: &[Contract] = &[
    (
        "an_expired_entry_is_gone_at_once_and_starts_afresh",
        an_expired_entry_is_gone_at_once_and_starts_afresh,
    ),
    ("a_foreign_write_revives_an_expired_entry", a_foreign_write_revives_an_expired_entry),
    ("an_edit_keeps_the_expiry_and_a_set_clears_it", an_edit_keeps_the_expiry_and_a_set_clears_it),
    ("nothing_expires_but_by_the_clock_of_the_moment", nothing_expires_but_by_the_clock_of_the_moment),
];

const HOUR: Duration = Duration::from_secs(3600);

fn an_expired_entry_is_gone_at_once_and_starts_afresh(world: &dyn World) {
    let store = world.store();
    let minute = Expiry::After(Duration::from_secs(60));
    for name in ["counter", "text", "list", "compared"] {
        let value = match name {
            "counter" => Value::integer(41),
            "list" => Value::table(serde_json::json!([1])),
            _ => Value::text("old"),
        };
        put(&*store, name, value, minute);
    }
    world.pass(Duration::from_secs(60));
    assert_eq!(store.scan(&Scan::new(KeyRange::all(), 10)).unwrap(), []);
    assert_eq!(store.scan_keys(&Scan::new(KeyRange::all(), 10)).unwrap(), []);
    assert_eq!(store.scan_expiring(None, 10, 10).unwrap(), []);
    assert_eq!(store.count(&KeyRange::all()).unwrap(), 0);
    assert_eq!(store.stats().unwrap().entries, 0);
    assert_eq!(value(&*store, "counter"), None);

    store.edit(&key("counter"), &Edit::Increment(Number::Integer(1))).unwrap();
    store.edit(&key("text"), &Edit::Append(b"new".to_vec())).unwrap();
    store.edit(&key("list"), &Edit::ListPush(serde_json::json!(2).into())).unwrap();
    let swap = Transaction::put(key("compared"), Value::text("mine"), Expiry::Keep)
        .when(Condition::Equals(key("compared"), Value::text("old")));
    assert!(!store.commit(&swap).unwrap().is_committed());
    assert_eq!(value(&*store, "counter"), Some(Value::integer(1)));
    assert_eq!(value(&*store, "text"), Some(Value::text("new")));
    assert_eq!(value(&*store, "list"), Some(Value::table(serde_json::json!([2]))));
    let counter = store.get(&key("counter")).unwrap().unwrap();
    assert_eq!((counter.expires_at, counter.version), (None, 1));
    let expired =
        operations_after(&*store, Revision(0)).into_iter().filter(|operation| operation == "expire").count();
    assert_eq!(expired, 4, "also the one that nobody started afresh was removed");
}

fn a_foreign_write_revives_an_expired_entry(world: &dyn World) {
    let store = world.store();
    put(&*store, "first", Value::text("what has expired is removed before this"), Expiry::Clear);
    put(&*store, "k", Value::text("old"), Expiry::At(Millis(world.now().0 - 1000)));
    assert_eq!(value(&*store, "k"), None);
    let is_written = world.foreign(&ForeignWrite::Update(key("k"), "old".into()));
    assert!(is_written || !world.can(Ability::RecordsForeignWrites), "the row is still there");
    if is_written {
        assert_eq!(value(&*store, "k"), Some(Value::text("old")));
    }
}

fn an_edit_keeps_the_expiry_and_a_set_clears_it(world: &dyn World) {
    let store = world.store();
    put(&*store, "k", Value::integer(1), Expiry::After(Duration::from_secs(60)));
    let expiry = store.get(&key("k")).unwrap().unwrap().expires_at;
    store.edit(&key("k"), &Edit::Increment(Number::Integer(1))).unwrap();
    assert_eq!(store.get(&key("k")).unwrap().unwrap().expires_at, expiry);
    put(&*store, "k", Value::integer(1), Expiry::Clear);
    assert_eq!(store.get(&key("k")).unwrap().unwrap().expires_at, None);
}

fn nothing_expires_but_by_the_clock_of_the_moment(world: &dyn World) {
    if !world.can(Ability::ClockGoesBack) {
        return;
    }
    let set_back = |by: Duration| world.clock().set(Millis(world.now().0 - by.as_millis() as i64));
    let store = world.store();
    put(&*store, "short", Value::integer(1), Expiry::After(HOUR));
    put(&*store, "long", Value::integer(1), Expiry::After(HOUR * 5));
    set_back(HOUR * 2);
    put(&*store, "other", Value::integer(1), Expiry::Clear);
    assert_eq!(store.count(&KeyRange::all()).unwrap(), 3);
    world.pass(HOUR * 4);
    // Seen as gone, and not yet removed: set back in time, it is there again.
    assert_eq!(value(&*store, "short"), None);
    set_back(HOUR * 2);
    assert_eq!(value(&*store, "short"), Some(Value::integer(1)));
    world.pass(HOUR * 2);
    put(&*store, "other", Value::integer(2), Expiry::Clear);
    set_back(HOUR * 3);
    assert_eq!(value(&*store, "short"), None, "removed is removed");
    assert_eq!(value(&*store, "long"), Some(Value::integer(1)));
    let last = store.revision().unwrap();
    put(&*store, "other", Value::integer(3), Expiry::Clear);
    assert!(store.revision().unwrap() > last, "a revision never goes back");
    let operations = operations_after(&*store, Revision(0));
    assert_eq!(operations.iter().filter(|operation| *operation == "expire").count(), 1);
}
