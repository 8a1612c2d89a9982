//! Writes over what is there.

use super::*;
use std::ops::Bound;

use crate::store::{Edit, ErrorKind, HistoryScan, Image};

#[test]
fn a_put_over_an_entry_goes_by_the_type_that_is_stored() {
    let place = Place::new();
    let store = place.store();
    put(&store, "entry", Value::text("first"), Expiry::Clear);
    for stored in
        ["NULL", "'string'", "'number'", "'boolean'", "'table'", "'list'", "'unknown'", "x'6c697374'", "7"]
    {
        for new in [Value::text("text"), Value::integer(7), Value::Boolean(true)] {
            place.shell().execute_batch(&format!("UPDATE state SET type = {stored}")).unwrap();
            let before = store.get(&key("entry")).unwrap().unwrap();
            let outcome = store.commit(&Transaction::put(key("entry"), new.clone(), Expiry::Clear)).unwrap();
            let after = store.get(&key("entry")).unwrap().unwrap();
            assert_eq!(
                after.stored_type,
                Image::type_over(Some(before.stored_type), &new),
                "{new:?} over {stored}"
            );
            assert_eq!(after.stored, new.to_stored());
            assert_eq!(after.version, before.version + 1);
            assert_eq!(outcome, Outcome::Committed { revision: after.revision, changed: 1, edited: vec![] });
            assert_eq!(after.revision, store.revision().unwrap());
        }
    }
}

#[test]
fn what_a_trigger_of_somebody_else_changes_as_well_belongs_to_the_write() {
    let place = Place::of_sloth_runner();
    place
        .shell()
        .execute_batch(
            "CREATE TRIGGER copied AFTER UPDATE OF value ON state WHEN NEW.key = 'version'
             BEGIN UPDATE state SET value = NEW.value WHERE key = 'count'; END",
        )
        .unwrap();
    let store = place.store();
    let before = store.revision().unwrap();
    let outcome = store.commit(&Transaction::put(key("version"), Value::text("v2"), Expiry::Clear)).unwrap();
    assert_eq!(value(&store, "count"), Some(Value::text("v2")));
    assert_eq!(store.revision().unwrap(), Revision(before.0 + 2));
    assert_eq!(outcome, Outcome::Committed { revision: Revision(before.0 + 2), changed: 1, edited: vec![] });
    let newest = store.history(&HistoryScan::newest(1)).unwrap().pop().unwrap();
    assert_eq!(newest.transaction, (before.next(), Revision(before.0 + 2)), "undone together");
}

/// VACUUM gives rows new numbers, and a row that is deleted leaves its number to another.
#[test]
fn a_value_that_is_read_in_part_is_that_of_its_key_also_while_rows_get_new_numbers() {
    let place = Place::new();
    let store = place.store();
    let value = |name: &str| Value::text(format!("{name} {}", "x".repeat(200)));
    let all: Vec<String> = (0..40).map(|number| format!("key-{number:02}")).collect();
    all.iter().for_each(|name| put(&store, name, value(name), Expiry::Clear));
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let store = place.store();
            for round in 0..60 {
                for name in all.iter().skip(round % 7).step_by(7) {
                    store.commit(&Transaction::delete(key(name))).unwrap();
                }
                store.compact().unwrap();
                for name in all.iter().skip(round % 7).step_by(7).rev() {
                    put(&store, name, value(name), Expiry::Clear);
                }
            }
            over.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        let reader = place.store();
        while !over.load(std::sync::atomic::Ordering::SeqCst) && !writer.is_finished() {
            let page = reader.scan(&Scan { value_limit: 12, ..Scan::new(KeyRange::all(), 100) }).unwrap();
            let one = all.iter().filter_map(|name| reader.get_prefix(&key(name), 12).unwrap());
            let part = all.iter().filter_map(|name| reader.get_slice(&key(name), 0, 12).unwrap());
            for entry in page.into_iter().chain(one).chain(part) {
                let text = String::from_utf8(entry.stored).unwrap();
                assert!(text.starts_with(&format!("{} ", entry.key)), "{}: {text:?}", entry.key);
            }
        }
        writer.join().unwrap();
    });
}

#[test]
fn an_edit_is_an_operation_of_a_transaction() {
    let place = Place::new();
    let store = place.store();
    put(&store, "flag", Value::Boolean(false), Expiry::After(Duration::from_secs(60)));
    put(&store, "empty", Value::table(serde_json::json!([])), Expiry::Clear);
    let edit = |name: &str, edit| Operation::Edit { key: key(name), edit };
    let operations = vec![
        edit("flag", Edit::Toggle),
        edit("count", Edit::Increment(Number::Integer(5))),
        edit("empty", Edit::ListPop),
        Operation::Put { key: key("last"), value: Value::text("v"), expiry: Expiry::Clear },
    ];
    let before = store.revision().unwrap();
    let done = store.commit(&Transaction::all(operations).when(Condition::Absent(key("count")))).unwrap();
    let Outcome::Committed { revision, changed: 3, edited } = done else { panic!("{done:?}") };
    let values: Vec<_> =
        edited.iter().map(|edited| (edited.value.clone().unwrap(), edited.revision)).collect();
    let empty = Value::table(serde_json::json!([]));
    let expected =
        [(Value::Boolean(true), Some(revision)), (Value::integer(5), Some(revision)), (empty, None)];
    assert_eq!(values, expected);
    let changes = store.history(&HistoryScan { from: Bound::Excluded(before), ..HistoryScan::newest(9) });
    let changes = changes.unwrap();
    let operations: Vec<_> = changes.iter().map(|change| change.operation.as_str()).collect();
    assert_eq!(operations, ["set", "increment", "toggle"]);
    assert!(changes.iter().all(|change| change.transaction == (before.next(), revision)));
    assert!(changes[2].new.as_ref().unwrap().expires_at.is_some(), "an edit keeps the expiry");

    // One that cannot be done leaves nothing done.
    let wrong = vec![edit("count", Edit::Increment(Number::Integer(1))), edit("count", Edit::Toggle)];
    assert!(matches!(
        store.commit(&Transaction::all(wrong)),
        Err(StoreError { kind: ErrorKind::WrongType { .. }, .. })
    ));
    assert_eq!(value(&store, "count"), Some(Value::integer(5)));
    // One that finds nothing to do makes no revision.
    let popped = store.edit(&key("empty"), &Edit::ListPop).unwrap();
    assert_eq!((popped.popped, popped.revision, store.revision().unwrap()), (None, None, revision));
}
