//! Writing: each operation, versions and revisions, and transactions as a whole.

use std::time::Duration;

use super::{Contract, World, changes_after, key, operations_after, put, rows_after, value};
use crate::store::{
    Actor, Edit, ErrorKind, Expiry, Image, KeyRange, Number, Operation, Outcome, Purpose, Revision,
    StoreError, Transaction, Type, Value,
};

pub(super) const CONTRACTS: &[Contract] = &[
    ("every_write_counts_the_version_and_the_revision", every_write_counts_the_version_and_the_revision),
    (
        "a_put_with_an_expiry_sets_it_and_one_that_keeps_it_leaves_it",
        a_put_with_an_expiry_sets_it_and_one_that_keeps_it_leaves_it,
    ),
    ("a_put_over_untyped_text_keeps_it_untyped", a_put_over_untyped_text_keeps_it_untyped),
    ("a_restore_puts_back_every_byte", a_restore_puts_back_every_byte),
    ("an_expiry_is_changed_alone", an_expiry_is_changed_alone),
    ("a_range_is_deleted_without_its_end", a_range_is_deleted_without_its_end),
    ("edits_start_afresh_and_go_on", edits_start_afresh_and_go_on),
    ("an_error_in_the_middle_leaves_nothing_half_done", an_error_in_the_middle_leaves_nothing_half_done),
    ("a_transaction_is_one_change_of_many_rows", a_transaction_is_one_change_of_many_rows),
    ("changes_name_their_actor_and_purpose", changes_name_their_actor_and_purpose),
    ("a_foreign_write_is_seen_and_recorded", a_foreign_write_is_seen_and_recorded),
];

fn every_write_counts_the_version_and_the_revision(world: &dyn World) {
    let store = world.store();
    let mut before = store.revision().unwrap();
    for version in 1..4 {
        let put = Transaction::put(key("k"), Value::integer(1), Expiry::Clear);
        let Outcome::Committed { revision, changed: 1, .. } = store.commit(&put).unwrap() else { panic!() };
        assert!(revision > before);
        let entry = store.get(&key("k")).unwrap().unwrap();
        assert_eq!((entry.version, entry.revision), (version, revision));
        assert_eq!(store.revision().unwrap(), revision);
        before = revision;
    }
    assert!(store.commit(&Transaction::delete(key("k"))).unwrap().is_committed());
    assert_eq!(value(&*store, "k"), None);
    put(&*store, "k", Value::integer(1), Expiry::Clear);
    assert_eq!(store.get(&key("k")).unwrap().unwrap().version, 1, "what was deleted starts afresh");
    // Nothing is there to delete, so nothing is changed.
    let newest = store.revision().unwrap();
    let delete = store.commit(&Transaction::delete(key("nowhere"))).unwrap();
    assert_eq!(delete, Outcome::Committed { revision: newest, changed: 0, edited: vec![] });
    assert_eq!(store.revision().unwrap(), newest);
}

fn a_put_with_an_expiry_sets_it_and_one_that_keeps_it_leaves_it(world: &dyn World) {
    let store = world.store();
    let expiry = || store.get(&key("entry")).unwrap().unwrap().expires_at;
    put(&*store, "entry", Value::text("first"), Expiry::Clear);
    let in_five_seconds = world.now().plus(Duration::from_secs(5));
    put(&*store, "entry", Value::text("second"), Expiry::After(Duration::from_secs(5)));
    assert_eq!(expiry(), Some(in_five_seconds));
    put(&*store, "entry", Value::text("third"), Expiry::Keep);
    assert_eq!(expiry(), Some(in_five_seconds));
    put(&*store, "entry", Value::text("fourth"), Expiry::Clear);
    assert_eq!(expiry(), None);
    put(&*store, "entry", Value::text("fifth"), Expiry::At(in_five_seconds));
    assert_eq!(expiry(), Some(in_five_seconds));
}

fn a_put_over_untyped_text_keeps_it_untyped(world: &dyn World) {
    let store = world.store();
    let untyped = Operation::PutUntyped { key: key("k"), text: b"41".to_vec(), expiry: Expiry::Clear };
    store.commit(&Transaction::of(untyped.clone())).unwrap();
    let stored_type = || store.get(&key("k")).unwrap().unwrap().stored_type;
    assert_eq!(stored_type(), None);
    for (new, expected) in [
        (Value::text("text"), None),
        (Value::integer(7), Some(Type::Number)),
        (Value::text("text"), Some(Type::String)),
    ] {
        put(&*store, "k", new, Expiry::Clear);
        assert_eq!(stored_type(), expected);
    }
    store.commit(&Transaction::of(untyped)).unwrap();
    assert_eq!(stored_type(), None, "whatever was there");
}

fn a_restore_puts_back_every_byte(world: &dyn World) {
    let store = world.store();
    let image = Image {
        stored: vec![0, 255, 10],
        stored_type: None,
        expires_at: Some(world.now().plus(Duration::from_secs(60))),
    };
    for found in [None, Some(Value::integer(1))] {
        if let Some(value) = found {
            put(&*store, "k", value, Expiry::Clear);
        }
        let restore = Operation::Restore { key: key("k"), image: image.clone() };
        store.commit(&Transaction::of(restore)).unwrap();
        assert_eq!(store.get(&key("k")).unwrap().unwrap().image(), image);
    }
}

fn an_expiry_is_changed_alone(world: &dyn World) {
    let store = world.store();
    put(&*store, "k", Value::integer(1), Expiry::Clear);
    let before = store.revision().unwrap();
    let set = |name: &str, expiry| {
        let set = Operation::SetExpiry { key: key(name), expiry };
        match store.commit(&Transaction::of(set)).unwrap() {
            Outcome::Committed { changed, .. } => changed,
            other => panic!("{other:?}"),
        }
    };
    let at = world.now().plus(Duration::from_secs(5));
    assert_eq!(set("k", Expiry::At(at)), 1);
    assert_eq!(set("k", Expiry::At(at)), 0, "it expires then already");
    assert_eq!(set("k", Expiry::Keep), 0, "it keeps the expiry that it has");
    assert_eq!(set("nowhere", Expiry::At(at)), 0);
    let entry = store.get(&key("k")).unwrap().unwrap();
    assert_eq!((entry.value(), entry.expires_at, entry.version), (Value::integer(1), Some(at), 2));
    assert_eq!(operations_after(&*store, before), ["ttl"]);
}

fn a_range_is_deleted_without_its_end(world: &dyn World) {
    let store = world.store();
    for name in ["a", "b", "c", "d"] {
        put(&*store, name, Value::integer(1), Expiry::Clear);
    }
    put(&*store, "bb", Value::integer(1), Expiry::After(Duration::from_secs(1)));
    world.pass(Duration::from_secs(1));
    let range = KeyRange { start: Some(key("b")), end: Some(key("d")) };
    let deleted = store.commit(&Transaction::of(Operation::DeleteRange(range.clone()))).unwrap();
    assert!(matches!(deleted, Outcome::Committed { changed: 2, .. }), "{deleted:?}");
    let left: Vec<bool> = ["a", "b", "c", "d"].map(|name| value(&*store, name).is_some()).into();
    assert_eq!(left, [true, false, false, true]);
    let again = store.commit(&Transaction::of(Operation::DeleteRange(range))).unwrap();
    assert!(matches!(again, Outcome::Committed { changed: 0, .. }), "{again:?}");
}

fn edits_start_afresh_and_go_on(world: &dyn World) {
    let store = world.store();
    let edit = |name: &str, edit: Edit| store.edit(&key(name), &edit).unwrap();
    for _ in 0..2 {
        edit("number", Edit::Increment(Number::Integer(3)));
        edit("text", Edit::Append(b"ab".to_vec()));
        edit("list", Edit::ListPush(serde_json::json!({"a": 1}).into()));
    }
    assert_eq!(value(&*store, "number"), Some(Value::integer(6)));
    assert_eq!(value(&*store, "text"), Some(Value::text("abab")));
    assert_eq!(value(&*store, "list"), Some(Value::table(serde_json::json!([{"a": 1}, {"a": 1}]))));
    let popped = edit("list", Edit::ListPop);
    assert_eq!(popped.popped, Some(serde_json::json!({"a": 1}).into()));
    assert_eq!(popped.revision, Some(store.revision().unwrap()));
    edit("list", Edit::ListPop);
    let newest = store.revision().unwrap();
    let empty = edit("list", Edit::ListPop);
    assert_eq!((empty.popped, empty.revision), (None, None), "an empty list is left alone");
    assert_eq!(store.revision().unwrap(), newest);
    put(&*store, "flag", Value::Boolean(true), Expiry::Clear);
    assert_eq!(edit("flag", Edit::Toggle).value, Some(Value::Boolean(false)));
    assert_eq!(operations_after(&*store, newest), ["set", "toggle"]);
}

fn an_error_in_the_middle_leaves_nothing_half_done(world: &dyn World) {
    let store = world.store();
    put(&*store, "text", Value::text("many"), Expiry::Clear);
    let before = rows_after(&*store, Revision(0));
    let failed = store.edit(&key("text"), &Edit::Increment(Number::Integer(1)));
    assert!(failed.is_err(), "{failed:?}");
    let both = Transaction::all(vec![
        Operation::Put { key: key("a"), value: Value::integer(1), expiry: Expiry::Clear },
        Operation::Put { key: key("b"), value: Value::integer(1), expiry: Expiry::After(Duration::MAX) },
    ]);
    let failed = store.commit(&both);
    assert!(matches!(failed, Err(StoreError { kind: ErrorKind::TooLong { .. }, .. })), "{failed:?}");
    assert_eq!(rows_after(&*store, Revision(0)), before);
    put(&*store, "after", Value::integer(1), Expiry::Clear);
}

fn a_transaction_is_one_change_of_many_rows(world: &dyn World) {
    let store = world.store();
    let before = store.revision().unwrap();
    let put = |name: &str| Operation::Put { key: key(name), value: Value::integer(1), expiry: Expiry::Clear };
    let outcome = store.commit(&Transaction::all(vec![put("b"), put("a"), put("c")])).unwrap();
    let rows = changes_after(&*store, before);
    let names: Vec<String> = rows.iter().map(|change| change.key.to_text()).collect();
    assert_eq!(names, ["b", "a", "c"], "in the order of the operations");
    let ends = (rows[0].revision, rows[2].revision);
    assert!(rows.iter().all(|change| change.transaction == ends), "{rows:?}");
    assert_eq!(outcome, Outcome::Committed { revision: ends.1, changed: 3, edited: vec![] });
}

fn changes_name_their_actor_and_purpose(world: &dyn World) {
    let store = world.store();
    let before = store.revision().unwrap();
    put(&*store, "k", Value::integer(1), Expiry::Clear);
    let actor = Actor { name: "ann@host:1".into(), run: Some(7), task: Some("deploy".into()) };
    store.set_actor(actor.clone());
    let import = Transaction::put(key("k"), Value::integer(2), Expiry::Clear);
    store.commit(&Transaction { purpose: Purpose::Import, ..import }).unwrap();
    let rows = changes_after(&*store, before);
    assert_eq!(rows[0].actor, world.settings().actor);
    assert_eq!((&rows[1].actor, rows[1].operation.as_str()), (&actor, "import"));
    assert_eq!(store.get(&key("k")).unwrap().unwrap().actor, Some(actor));
    assert!(rows.iter().all(|change| change.at == world.now() && change.recorded_at == world.now()));
}

fn a_foreign_write_is_seen_and_recorded(world: &dyn World) {
    use super::{Ability, ForeignWrite};
    let store = world.store();
    put(&*store, "ours", Value::integer(5), Expiry::After(Duration::from_secs(60)));
    let before = store.revision().unwrap();
    assert!(world.foreign(&ForeignWrite::Put(key("ours"), "6".into())));
    assert!(world.foreign(&ForeignWrite::Put(key("theirs"), "1".into())));
    let ours = store.get(&key("ours")).unwrap().unwrap();
    assert_eq!(ours.value(), Value::text("6"));
    assert_eq!(ours.stored_type, None, "a program that knows no types leaves untyped text");
    assert_eq!(ours.expires_at, None, "a write without an expiry clears it");
    assert_eq!(ours.actor.unwrap().name, "external");
    assert!(world.foreign(&ForeignWrite::Delete(key("theirs"))));
    assert_eq!(value(&*store, "theirs"), None);
    if world.can(Ability::RecordsForeignWrites) {
        let row = |key: &str, operation: &str, old: Option<&str>, new: Option<&str>| {
            (key.to_string(), operation.to_string(), old.map(String::from), new.map(String::from))
        };
        assert_eq!(
            rows_after(&*store, before),
            [
                row("ours", "set", Some("5"), Some("6")),
                row("theirs", "set", None, Some("1")),
                row("theirs", "delete", Some("1"), None),
            ]
        );
        assert!(changes_after(&*store, before).iter().all(|change| change.actor.name == "external"));
    }
}
