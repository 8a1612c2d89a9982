//! An overlay gives the answers of an engine, and leads to the same state when it is committed.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;
use crate::store::{
    Edit, ErrorKind, History, HistoryScan, Needle, Number, Options, Order, Outcome, SqliteStore, State, Value,
};
use crate::testing::rounds;
use crate::time::ManualClock;
use std::time::Duration;

const START: Millis = Millis(1_700_000_000_000);

struct Place {
    _folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    store: Rc<SqliteStore>,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let settings = Options { clock: Arc::clone(&clock) as _, ..Options::default() };
        let store = Rc::new(SqliteStore::open_or_create(&folder.path().join("state.db"), settings).unwrap());
        Place { _folder: folder, clock, store }
    }

    fn overlay(&self) -> Overlay {
        Overlay::new(Rc::clone(&self.store) as _)
    }

    fn commit(&self, overlay: &Overlay) -> bool {
        self.store.commit(&overlay.transaction()).unwrap().is_committed()
    }
}

fn key(name: impl std::fmt::Display) -> Key {
    Key::new(format!("k{name}")).unwrap()
}

fn put(store: &dyn Store, name: &str, value: i64) {
    let put = Transaction::put(key(name), Value::integer(value), Expiry::Clear);
    assert!(store.commit(&put).unwrap().is_committed());
}

#[test]
fn what_is_written_stays_above_until_it_is_committed() {
    let place = Place::new();
    put(&*place.store, "a", 1);
    let overlay = place.overlay();
    put(&overlay, "a", 2);
    put(&overlay, "b", 3);
    assert_eq!(overlay.get(&key("a")).unwrap().unwrap().value(), Value::integer(2));
    assert_eq!(place.store.get(&key("a")).unwrap().unwrap().value(), Value::integer(1));
    let values = |entry: &Option<Entry>| entry.as_ref().map(Entry::value);
    let changes: Vec<_> = overlay
        .rewritten()
        .iter()
        .map(|(key, both)| (key.to_text(), values(&both.old), values(&both.new)))
        .collect();
    let expected = [
        ("ka".into(), Some(Value::integer(1)), Some(Value::integer(2))),
        ("kb".into(), None, Some(Value::integer(3))),
    ];
    assert_eq!(changes, expected);
    assert!(place.commit(&overlay));
    assert_eq!(place.store.count(&KeyRange::all()).unwrap(), 2);
}

#[test]
fn an_edit_is_committed_as_one_and_a_key_is_written_once() {
    let place = Place::new();
    put(&*place.store, "count", 1);
    let overlay = place.overlay();
    let one = || Edit::Increment(Number::Integer(1));
    assert_eq!(overlay.edit(&key("count"), &one()).unwrap().value, Some(Value::integer(2)));
    for value in 0..3 {
        put(&overlay, "twice", value);
        assert!(overlay.edit(&key("twice"), &one()).unwrap().revision.is_some());
    }
    let edit = Operation::Edit { key: key("count"), edit: one() };
    let image = overlay.get(&key("twice")).unwrap().unwrap().image();
    assert_eq!(overlay.transaction().operations, [edit, Operation::Restore { key: key("twice"), image }]);
    assert!(place.commit(&overlay));
    let history = place.store.history(&crate::store::HistoryScan::newest(2)).unwrap();
    let rows: Vec<_> = history.iter().map(|row| (row.operation.as_str(), row.version)).collect();
    assert_eq!(rows, [("set", Some(1)), ("increment", Some(2))]);
    assert_eq!(place.store.get(&key("twice")).unwrap().unwrap().value(), Value::integer(3));
    // Without what was read, an edit is what it came to.
    let image =
        Image { stored: b"2".into(), stored_type: Some(crate::store::Type::Number), expires_at: None };
    assert_eq!(overlay.operations()[0], Operation::Restore { key: key("count"), image });
}

#[test]
fn what_others_did_to_anything_that_was_read_is_a_conflict() {
    let looks: [fn(&Overlay); 6] = [
        |overlay| drop(overlay.get(&key("a")).unwrap()),
        |overlay| drop(overlay.get(&key("new")).unwrap()),
        |overlay| drop(overlay.scan_keys(&Scan::new(KeyRange::prefix("k"), 100)).unwrap()),
        |overlay| assert_eq!(overlay.count(&KeyRange::prefix("k")).unwrap(), 1),
        |overlay| drop(overlay.scan_expiring(None, 10, 0).unwrap()),
        |overlay| drop(overlay.edit(&key("a"), &Edit::Increment(Number::Integer(1))).unwrap()),
    ];
    for (place_of_look, look) in looks.iter().enumerate() {
        for interfere in [true, false] {
            let place = Place::new();
            put(&*place.store, "a", 1);
            let overlay = place.overlay();
            look(&overlay);
            put(&overlay, "result", 1);
            if interfere {
                put(&*place.store, "a", 5);
                put(&*place.store, "new", 5);
            } else {
                put(&*place.store, "!elsewhere", 5);
                place.store.commit(&Transaction::delete(key("!elsewhere"))).unwrap();
            }
            // Whatever lies in a range that was read is part of what was read.
            let wide = matches!(place_of_look, 2..=4);
            assert_eq!(place.commit(&overlay), !interfere && !wide, "look {place_of_look}");
        }
    }
}

#[test]
fn an_entry_that_expires_after_it_was_read_is_a_conflict() {
    let place = Place::new();
    let minute = Expiry::After(Duration::from_secs(60));
    place.store.commit(&Transaction::put(key("a"), Value::integer(1), minute)).unwrap();
    for look in [(|overlay| drop(overlay.get(&key("a")).unwrap())) as fn(&Overlay), |overlay| {
        assert_eq!(overlay.scan(&Scan::new(KeyRange::all(), 9)).unwrap().len(), 1)
    }] {
        place.clock.set(START);
        let overlay = place.overlay();
        look(&overlay);
        place.clock.advance(Duration::from_secs(60));
        assert!(!place.commit(&overlay));
        place.clock.set(START);
        place.store.commit(&Transaction::put(key("a"), Value::integer(1), minute)).unwrap();
    }
}

#[test]
fn writes_since_a_mark_can_be_taken_back() {
    let place = Place::new();
    let overlay = place.overlay();
    put(&overlay, "a", 1);
    let checkpoint = overlay.checkpoint();
    put(&overlay, "a", 2);
    put(&overlay, "b", 2);
    overlay.roll_back(checkpoint);
    assert_eq!(overlay.get(&key("a")).unwrap().unwrap().version, 1);
    assert_eq!(overlay.operations().len(), 1);
    assert_eq!(overlay.get(&key("b")).unwrap(), None);
}

#[test]
fn the_version_inside_is_the_one_after_the_commit() {
    let key = || key("k");
    let put = |value: i64| Operation::Put { key: key(), value: Value::integer(value), expiry: Expiry::Clear };
    let increment = || Operation::Edit { key: key(), edit: Edit::Increment(Number::Integer(1)) };
    let delete = || Operation::Delete(key());
    let range = || Operation::DeleteRange(KeyRange::all());
    let expiry = || Operation::SetExpiry { key: key(), expiry: Expiry::After(Duration::from_secs(9)) };
    let steps: [(&str, Vec<Operation>); 11] = [
        ("set", vec![put(1)]),
        ("set, set", vec![put(1), put(2)]),
        ("set, delete, set", vec![put(1), delete(), put(2)]),
        ("delete, set", vec![delete(), put(1)]),
        ("set, delete", vec![put(1), delete()]),
        ("increment, increment", vec![increment(), increment()]),
        ("increment, ttl, set", vec![increment(), expiry(), put(3)]),
        ("ttl, ttl", vec![put(1), expiry(), expiry()]),
        ("range, set, set", vec![range(), put(1), put(2)]),
        ("set, range, set", vec![put(1), range(), put(2), increment()]),
        ("set, range", vec![put(1), range()]),
    ];
    for is_what_if in [false, true] {
        for exists in [false, true] {
            for (name, operations) in &steps {
                let place = Place::new();
                // A file with history from its first revision on.
                self::put(&*place.store, "other", 1);
                let base: Rc<dyn Store> = match is_what_if {
                    false => Rc::clone(&place.store) as _,
                    true => {
                        let store = || Rc::clone(&place.store) as Rc<dyn Store>;
                        Rc::new(Overlay::apart(store(), None, store()))
                    }
                };
                if exists {
                    for value in 7..9 {
                        base.commit(&Transaction::of(put(value))).unwrap();
                    }
                }
                let overlay = Overlay::new(Rc::clone(&base));
                for operation in operations {
                    overlay.commit(&Transaction::of(operation.clone())).unwrap();
                }
                let version = |store: &dyn Store| store.get(&key()).unwrap().map(|entry| entry.version);
                let inside = version(&overlay);
                let is_range = |operation: &Operation| matches!(operation, Operation::DeleteRange(_));
                let expected =
                    match name.ends_with("set") || name.contains(", increment") || *name == "ttl, ttl" {
                        false => None,
                        true if exists && !operations.iter().any(is_range) => Some(3),
                        true => Some(1),
                    };
                assert_eq!(inside, expected, "{name}, {exists}");
                let outcome = base.commit(&overlay.transaction()).unwrap();
                assert!(outcome.is_committed(), "{name}, {exists}, {is_what_if}: {outcome:?}");
                assert_eq!(version(&*base), inside, "{name}, {exists}, {is_what_if}");
            }
        }
    }
}

#[test]
fn a_write_that_is_taken_back_does_not_count() {
    let place = Place::new();
    put(&*place.store, "a", 1);
    let overlay = place.overlay();
    let checkpoint = overlay.checkpoint();
    overlay.commit(&Transaction::of(Operation::DeleteRange(KeyRange::all()))).unwrap();
    put(&overlay, "a", 2);
    assert_eq!(overlay.get(&key("a")).unwrap().unwrap().version, 1);
    overlay.roll_back(checkpoint);
    put(&overlay, "a", 2);
    assert_eq!(overlay.get(&key("a")).unwrap().unwrap().version, 2);
    assert!(place.commit(&overlay));
    assert_eq!(place.store.get(&key("a")).unwrap().unwrap().version, 2);
}

#[test]
fn an_edit_that_fails_fails_though_it_would_be_written_over() {
    let place = Place::new();
    let text = Transaction::put(key("a"), Value::text("many"), Expiry::Clear);
    place.store.commit(&text).unwrap();
    let increment = Operation::Edit { key: key("a"), edit: Edit::Increment(Number::Integer(1)) };
    let set = Operation::Put { key: key("a"), value: Value::integer(1), expiry: Expiry::Clear };
    let operations = vec![increment, set];
    for transaction in [Transaction::all(operations.clone()), Transaction::of_last_writes(operations)] {
        for store in [Rc::clone(&place.store) as Rc<dyn Store>, Rc::new(place.overlay())] {
            let refused = store.commit(&transaction);
            assert!(
                matches!(refused, Err(StoreError { kind: ErrorKind::WrongType { .. }, .. })),
                "{refused:?}"
            );
            assert_eq!(store.get(&key("a")).unwrap().unwrap().value(), Value::text("many"));
        }
    }
}

#[test]
fn the_past_is_read_in_part_as_the_present_is() {
    let place = Place::new();
    let minute = Expiry::After(Duration::from_secs(60));
    place.store.commit(&Transaction::put(key("a"), Value::text("long"), minute)).unwrap();
    let moment = place.store.moment(crate::store::When::Now).unwrap();
    let store = || Rc::clone(&place.store) as Rc<dyn Store>;
    for moment in [None, Some(moment)] {
        let overlay = Overlay::apart(store(), moment, store());
        let expiring = overlay.scan_expiring(None, 9, 2).unwrap();
        let read: Vec<_> = expiring.iter().map(|entry| (&entry.stored[..], entry.size)).collect();
        assert_eq!(read, [(&b"lo"[..], 4)]);
        assert_eq!(overlay.count(&KeyRange::all()).unwrap(), 1);
    }
}

/// Something that is asked of a store. Keys are numbers, so that they meet often.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, Value, Expiry),
    PutAtVersion(u8, u64, Value),
    Swap(u8, Value, Value),
    /// Puts back an untyped text, if the entry is the text of the second.
    Restore(u8, String, String),
    Several(Vec<(u8, Value)>, u8),
    SetExpiry(u8, Expiry),
    Edit(u8, Edit),
    Delete(u8),
    DeleteRange(u8, u8),
    Scan(u8, u8, usize, bool, Option<u8>),
    Expiring(usize),
    Minutes(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = || 0..7u8;
    let text = || prop_oneof![Just("41"), Just("true"), Just("many")].prop_map(String::from);
    let value = || {
        prop_oneof![
            (-2..3i64).prop_map(Value::integer),
            any::<bool>().prop_map(Value::Boolean),
            text().prop_map(Value::text),
            Just(Value::table(serde_json::json!([1, {"a": null}]))),
        ]
    };
    let expiry = || {
        prop_oneof![
            Just(Expiry::Keep),
            Just(Expiry::Clear),
            (1..5u64).prop_map(|minutes| Expiry::After(Duration::from_secs(minutes * 60))),
        ]
    };
    let edit = prop_oneof![
        (-2..3i64).prop_map(|step| Edit::Increment(Number::Integer(step))),
        text().prop_map(|text| Edit::Append(text.into_bytes())),
        Just(Edit::ListPush(serde_json::json!(7).into())),
        Just(Edit::ListPop),
        Just(Edit::Toggle),
    ];
    prop_oneof![
        4 => (key(), value(), expiry()).prop_map(|(key, value, expiry)| Step::Put(key, value, expiry)),
        1 => (key(), 0..4u64, value()).prop_map(|(key, version, value)| Step::PutAtVersion(key, version, value)),
        1 => (key(), value(), value()).prop_map(|(key, old, new)| Step::Swap(key, old, new)),
        2 => (key(), text(), text()).prop_map(|(key, image, old)| Step::Restore(key, image, old)),
        1 => (prop::collection::vec((key(), value()), 0..4), key()).prop_map(|(puts, gone)| Step::Several(puts, gone)),
        1 => (key(), expiry()).prop_map(|(key, expiry)| Step::SetExpiry(key, expiry)),
        3 => (key(), edit).prop_map(|(key, edit)| Step::Edit(key, edit)),
        2 => key().prop_map(Step::Delete),
        1 => (key(), key()).prop_map(|(start, end)| Step::DeleteRange(start, end)),
        3 => (key(), key(), 1..4usize, any::<bool>(), prop::option::of(key()))
            .prop_map(|(start, end, limit, down, after)| Step::Scan(start, end, limit, down, after)),
        1 => (1..4usize).prop_map(Step::Expiring),
        1 => (1..3u64).prop_map(Step::Minutes),
    ]
}

/// What a store answers, without what only a commit makes: revisions and actors.
fn answer(store: &dyn Store, step: &Step) -> String {
    let commit = |transaction: Transaction| match store.commit(&transaction).unwrap() {
        Outcome::Committed { changed, .. } => format!("changed {changed}"),
        Outcome::Refused { condition, found, .. } => {
            format!("refused {condition} {:?}", found.map(|entry| plain(&entry)))
        }
    };
    match step {
        Step::Put(number, value, expiry) => commit(Transaction::put(key(number), value.clone(), *expiry)),
        Step::PutAtVersion(number, version, value) => {
            let put = Transaction::put(key(number), value.clone(), Expiry::Clear);
            commit(put.when(Condition::AtVersion(key(number), *version)))
        }
        Step::Swap(number, old, new) => {
            let put = Transaction::put(key(number), new.clone(), Expiry::Keep);
            commit(put.when(Condition::Exists(key(number))).when(Condition::Equals(key(number), old.clone())))
        }
        Step::Restore(number, image, old) => {
            let untyped = |text: &str| Image { stored: text.into(), stored_type: None, expires_at: None };
            let restore = Operation::Restore { key: key(number), image: untyped(image) };
            let transaction = Transaction::of(restore);
            commit(match store.get(&key(number)).unwrap() {
                Some(_) => transaction.when(Condition::Is(key(number), untyped(old))),
                None => transaction,
            })
        }
        Step::Several(puts, gone) => {
            let put = |(number, value): &(u8, Value)| Operation::Put {
                key: key(number),
                value: value.clone(),
                expiry: Expiry::Keep,
            };
            let mut operations: Vec<_> = puts.iter().map(put).collect();
            operations.push(Operation::Delete(key(gone)));
            commit(Transaction::all(operations))
        }
        Step::SetExpiry(number, expiry) => {
            commit(Transaction::of(Operation::SetExpiry { key: key(number), expiry: *expiry }))
        }
        Step::Edit(number, edit) => match store.edit(&key(number), edit) {
            Ok(edited) => format!("{:?}", crate::store::EditOutcome { revision: None, ..edited }),
            Err(error) => error.to_string(),
        },
        Step::Delete(number) => commit(Transaction::delete(key(number))),
        Step::DeleteRange(start, end) => {
            let range = KeyRange { start: Some(key(start)), end: Some(key(end)) };
            commit(Transaction::of(Operation::DeleteRange(range)))
        }
        Step::Scan(start, end, limit, down, after) => {
            let range = KeyRange { start: Some(key(start)), end: Some(key(end)) };
            let after = after.map(key).filter(|after| range.contains(after));
            let order = if *down { Order::Descending } else { Order::Ascending };
            let scan = Scan { range: range.clone(), order, after, limit: *limit, value_limit: 2 };
            let entries: Vec<_> = store.scan(&scan).unwrap().iter().map(plain).collect();
            let page = store.search_keys(&scan, &[Needle::new("k")]).unwrap();
            format!("{entries:?} {page:?} {}", store.count(&range).unwrap())
        }
        Step::Expiring(limit) => {
            let entries = store.scan_expiring(None, *limit, 1).unwrap();
            format!("{:?}", entries.iter().map(plain).collect::<Vec<_>>())
        }
        Step::Minutes(_) => String::new(),
    }
}

fn plain(entry: &Entry) -> String {
    let (stored, size) = (&entry.stored, entry.size);
    format!(
        "{} {stored:?} {size} {:?} {:?} {}",
        entry.key, entry.stored_type, entry.expires_at, entry.version
    )
}

fn everything(store: &dyn Store) -> Vec<String> {
    store.scan(&Scan::new(KeyRange::all(), usize::MAX)).unwrap().iter().map(plain).collect()
}

fn unversioned(store: &dyn Store) -> Vec<String> {
    let without = |line: String| line.rsplit_once(' ').map(|(rest, _)| rest.to_string()).unwrap();
    everything(store).into_iter().map(without).collect()
}

proptest! {
    #![proptest_config(Config { cases: rounds(16, 64), failure_persistence: None, ..Config::default() })]

    #[test]
    fn an_overlay_answers_as_an_engine_does(
        before in prop::collection::vec(any_step(), 0..12),
        steps in prop::collection::vec(any_step(), 1..40),
    ) {
        let (place, twin) = (Place::new(), Place::new());
        let tick = |step: &Step| {
            if let Step::Minutes(minutes) = step {
                place.clock.advance(Duration::from_secs(minutes * 60));
                twin.clock.advance(Duration::from_secs(minutes * 60));
            }
        };
        // Both have a file, with history from its first revision on.
        for store in [&place.store, &twin.store] {
            put(&**store, "0", 0);
        }
        for step in &before {
            tick(step);
            prop_assert_eq!(answer(&*place.store, step), answer(&*twin.store, step));
        }
        // One that is never committed counts each write, as the engine does; one that is committed makes
        // one of all writes of a key.
        let store = || Rc::clone(&place.store) as Rc<dyn Store>;
        let (detached, overlay) = (Overlay::apart(store(), None, store()), place.overlay());
        for step in &steps {
            tick(step);
            prop_assert_eq!(answer(&detached, step), answer(&*twin.store, step), "{:?}", step);
            answer(&overlay, step);
        }
        prop_assert_eq!(everything(&detached), everything(&*twin.store));
        let written = everything(&overlay);
        // Versions may differ, and with them what a put at a version does.
        if !steps.iter().any(|step| matches!(step, Step::PutAtVersion(..))) {
            prop_assert_eq!(unversioned(&overlay), unversioned(&*twin.store));
        }
        let still = !before.iter().chain(&steps).any(|step| matches!(step, Step::Minutes(_)));
        let is_committed = place.commit(&overlay);
        prop_assert!(is_committed || !still);
        if is_committed {
            prop_assert_eq!(everything(&*place.store), written);
            return Ok(());
        }
        // Something that was read has expired since: the writes alone still lead there, but for
        // an entry that was given more time, which is no longer there to be given any.
        if !steps.iter().any(|step| matches!(step, Step::SetExpiry(..))) {
            let written = unversioned(&overlay);
            let writes = Transaction::all(overlay.operations());
            prop_assert!(place.store.commit(&writes).unwrap().is_committed());
            prop_assert_eq!(unversioned(&*place.store), written);
        }
    }
}

/// The operations and the values before and after, newest first.
fn past(overlay: &Overlay, key: &Key, limit: usize) -> Vec<(String, String, String)> {
    let text = |image: &Option<Image>| {
        image.as_ref().map_or("-".into(), |image| String::from_utf8_lossy(&image.stored).into_owned())
    };
    let scan = HistoryScan { key: Some(key.clone()), ..HistoryScan::newest(limit) };
    let changes = overlay.history(&scan).unwrap();
    changes.iter().map(|change| (change.operation.clone(), text(&change.old), text(&change.new))).collect()
}

#[test]
fn an_overlay_apart_has_the_history_that_the_store_would_have() {
    let places = [Place::new(), Place::new(), Place::new()];
    let [below, beside, real] = places.each_ref().map(|place| Rc::clone(&place.store));
    let key = Key::new("k").unwrap();
    let put = |value: i64, expiry| Transaction::put(key.clone(), Value::integer(value), expiry);
    for store in [&below, &real] {
        store.commit(&put(1, Expiry::Clear)).unwrap();
        store.commit(&put(2, Expiry::After(Duration::from_secs(5)))).unwrap();
    }
    let overlay = Overlay::apart(Rc::clone(&below) as _, None, beside);
    let before = overlay.stats().unwrap();
    // It expires below before anything is written here.
    for place in &places {
        place.clock.set(START.plus(Duration::from_secs(9)));
    }
    let steps = [
        put(3, Expiry::Clear),
        Transaction::of(Operation::Edit { key: key.clone(), edit: Edit::Increment(Number::Integer(4)) }),
        Transaction::of(Operation::SetExpiry {
            key: key.clone(),
            expiry: Expiry::After(Duration::from_secs(1)),
        }),
        Transaction::delete(key.clone()),
        put(5, Expiry::Clear),
        Transaction::of(Operation::DeleteRange(KeyRange::all())),
    ];
    for (number, step) in steps.iter().enumerate() {
        for store in [&overlay as &dyn Store, &*real] {
            store.commit(step).unwrap();
        }
        let overlay_past = past(&overlay, &key, 100);
        let scan = HistoryScan { key: Some(key.clone()), ..HistoryScan::newest(100) };
        let of_real = real.history(&scan).unwrap();
        assert_eq!(overlay_past.len(), of_real.len(), "step {number}: {overlay_past:?}");
        for (ours, theirs) in overlay.history(&scan).unwrap().iter().zip(&of_real) {
            assert_eq!(
                (&ours.operation, &ours.old, &ours.new, ours.version, ours.at),
                (&theirs.operation, &theirs.old, &theirs.new, theirs.version, theirs.at),
                "step {number}"
            );
        }
    }
    assert_eq!(past(&overlay, &key, 2)[1].0, "set");
    // A refused transaction leaves nothing behind.
    let made = past(&overlay, &key, 100);
    let refused = Transaction {
        operations: vec![put(7, Expiry::Clear).operations.remove(0), {
            let edit = Edit::Increment(Number::Integer(i64::MAX));
            Operation::Edit { key: key.clone(), edit }
        }],
        ..Transaction::default()
    };
    overlay.commit(&refused).unwrap_err();
    assert_eq!(past(&overlay, &key, 100), made);
    let (ours, theirs) = (overlay.stats().unwrap(), real.stats().unwrap());
    assert_eq!((ours.entries, ours.expiring), (theirs.entries, theirs.expiring));
    // The expiry below is noted when it is written over there, and by the overlay when it is read.
    assert!(ours.history - before.history >= 6, "{ours:?}");
}

#[test]
fn an_overlay_apart_forgets_its_oldest_changes_first() {
    let places = [Place::new(), Place::new()];
    let [below, beside] = places.each_ref().map(|place| Rc::clone(&place.store));
    let overlay = Overlay::apart(below, None, beside);
    let [large, small] = ["large", "small"].map(|key| Key::new(key).unwrap());
    overlay.commit(&Transaction::put(small.clone(), Value::integer(1), Expiry::Clear)).unwrap();
    for number in 0..40 {
        let text = Value::String(vec![number; 2 << 20]);
        overlay.commit(&Transaction::put(large.clone(), text, Expiry::Clear)).unwrap();
    }
    let kept = past(&overlay, &large, 100);
    assert!((10..20).contains(&kept.len()), "{}", kept.len());
    assert!(kept[0].2.starts_with('\u{27}'), "the newest is kept");
    assert_eq!(past(&overlay, &small, 100), []);
    assert_eq!(overlay.stats().unwrap().history, 41);
}
