//! A store against a model of it: random writes by slothstate and by another program, with a clock that
//! moves forward and back. After each sequence the state is that of the model, and history, replayed from
//! its start, leads to it; the past is what the model was then, and what was done can be undone.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Ability, Contract, ForeignWrite, World, changes_after, for_all};
use crate::store::{
    Change, Condition, Edit, EditOutcome, Entry, EntryDiff, Expiry, Image, Key, KeyRange, Moment,
    NothingToUndo, Number, Operation, Order, Revision, Scan, Store, Transaction, Type, UndoOutcome, Value,
    When, undo,
};
use crate::time::Millis;

pub(super) const CONTRACTS: &[Contract] =
    &[("any_sequence_of_writes_is_what_the_model_says", any_sequence_of_writes_is_what_the_model_says)];

pub(super) const UNDO_CONTRACTS: &[Contract] =
    &[("whatever_was_done_can_be_undone_and_done_again", whatever_was_done_can_be_undone_and_done_again)];

const HOUR: i64 = 3_600_000;

/// Something that happens. Keys are numbers, so that they meet often.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, Value, Expiry),
    PutAtVersion(u8, u64, Value),
    SetExpiry(u8, Expiry),
    Edit(u8, Edit),
    Delete(u8),
    DeleteRange(u8, u8),
    /// The clock moves by that many hours.
    Clock(i64),
    /// Another program writes.
    Foreign(ForeignWrite),
    /// The process ends, and another one goes on.
    Reopen,
    /// Another process, which was there before, goes on.
    Switch,
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = || 0..6u8;
    let text = || prop_oneof![Just("41"), Just("true"), Just("off"), Just("many")].prop_map(String::from);
    let value = || {
        prop_oneof![
            (-3..3i64).prop_map(Value::integer),
            any::<bool>().prop_map(Value::Boolean),
            text().prop_map(Value::text),
            Just(Value::number(Number::Float(0.5))),
            Just(Value::table(serde_json::json!([1, {"a": null}]))),
        ]
    };
    let expiry = || {
        prop_oneof![
            Just(Expiry::Keep),
            Just(Expiry::Clear),
            (1..4u64).prop_map(|hours| Expiry::After(Duration::from_secs(hours * 3600))),
        ]
    };
    let edit = prop_oneof![
        (-2..3i64).prop_map(|step| Edit::Increment(Number::Integer(step))),
        text().prop_map(|text| Edit::Append(text.into_bytes())),
        Just(Edit::ListPush(serde_json::json!(7).into())),
        Just(Edit::Toggle),
    ];
    let name = || (0..6u8).prop_map(key_of);
    let foreign = prop_oneof![
        (name(), text()).prop_map(|(key, text)| ForeignWrite::Put(key, text)),
        (name(), text()).prop_map(|(key, text)| ForeignWrite::Replace(key, text)),
        (name(), text()).prop_map(|(key, text)| ForeignWrite::Update(key, text)),
        (name(), name()).prop_map(|(key, to)| ForeignWrite::Rename(key, to)),
        (name(), name()).prop_map(|(key, to)| ForeignWrite::RenameOver(key, to)),
        name().prop_map(ForeignWrite::Delete),
    ];
    prop_oneof![
        3 => (key(), value(), expiry()).prop_map(|(key, value, expiry)| Step::Put(key, value, expiry)),
        1 => (key(), 0..4u64, value()).prop_map(|(key, version, value)| Step::PutAtVersion(key, version, value)),
        1 => (key(), expiry()).prop_map(|(key, expiry)| Step::SetExpiry(key, expiry)),
        3 => (key(), edit).prop_map(|(key, edit)| Step::Edit(key, edit)),
        1 => key().prop_map(Step::Delete),
        1 => (key(), key()).prop_map(|(start, end)| Step::DeleteRange(start, end)),
        3 => (-2..4i64).prop_map(Step::Clock),
        6 => foreign.prop_map(Step::Foreign),
        1 => Just(Step::Reopen),
        4 => Just(Step::Switch),
    ]
}

fn key_of(number: u8) -> Key {
    Key::new(format!("k{number}")).unwrap()
}

/// A row of the model, expired or not.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    image: Image,
    version: u64,
}

/// What the state should be.
struct Model {
    rows: BTreeMap<Key, Row>,
    now: Millis,
    /// The machine's clock, by which other programs go.
    machine: Millis,
    last_upkeep: Option<Millis>,
}

impl Model {
    fn is_expired(&self, row: &Row) -> bool {
        row.image.expires_at.is_some_and(|at| at <= self.now)
    }

    /// The row of a key that slothstate is about to write; one that has expired goes.
    fn live(&mut self, key: &Key) -> Option<Row> {
        let row = self.rows.get(key).cloned()?;
        if self.is_expired(&row) {
            self.rows.remove(key);
            return None;
        }
        Some(row)
    }

    fn put(&mut self, key: &Key, value: &Value, expiry: Expiry) {
        let found = self.live(key);
        let untyped = found.as_ref().is_some_and(|row| row.image.stored_type.is_none());
        let stored_type = Some(value.value_type()).filter(|found| !untyped || *found != Type::String);
        let present = found.as_ref().and_then(|row| row.image.expires_at);
        let image = Image { stored: value.to_stored(), stored_type, expires_at: self.after(present, expiry) };
        let version = found.map_or(1, |row| row.version + 1);
        self.rows.insert(key.clone(), Row { image, version });
    }

    fn after(&self, present: Option<Millis>, expiry: Expiry) -> Option<Millis> {
        match expiry {
            Expiry::Keep => present,
            Expiry::Clear => None,
            Expiry::After(time) => Some(self.now.plus(time)),
            Expiry::At(at) => Some(at),
        }
    }

    /// What a write of slothstate's own does for all, when it is time.
    fn keep_up(&mut self) {
        let due = self.last_upkeep.is_none_or(|last| last != self.now);
        if due {
            self.last_upkeep = Some(self.now);
            let now = self.now;
            self.rows.retain(|_, row| row.image.expires_at.is_none_or(|at| at > now));
        }
    }

    /// What another program did.
    fn write_foreign(&mut self, write: &ForeignWrite) {
        match write {
            ForeignWrite::Put(key, text) | ForeignWrite::Update(key, text) => {
                self.foreign(self.rows.get(key).cloned(), key.clone(), text);
            }
            ForeignWrite::Replace(key, text) => {
                let version = self.rows.get(key).map_or(1, |row| row.version + 1);
                let image = Image { stored: text.as_bytes().into(), stored_type: None, expires_at: None };
                self.rows.insert(key.clone(), Row { image, version });
            }
            ForeignWrite::Rename(key, to) | ForeignWrite::RenameOver(key, to) => {
                if let Some(mut row) = self.rows.remove(key) {
                    // What is replaced goes on being counted.
                    row.version = self.rows.get(to).map_or(row.version, |over| over.version);
                    let text = String::from_utf8(row.image.stored.clone()).unwrap();
                    self.foreign(Some(row), to.clone(), &text);
                }
            }
            ForeignWrite::Delete(key) => drop(self.rows.remove(key)),
        }
    }

    /// A text that another program writes over a row knows nothing of expiries, nor of types.
    fn foreign(&mut self, row: Option<Row>, key: Key, text: &str) {
        let same = row.clone().filter(|row| row.image.stored == text.as_bytes());
        let image = Image {
            stored: text.into(),
            stored_type: same.as_ref().and_then(|row| row.image.stored_type),
            expires_at: same.and_then(|row| row.image.expires_at).filter(|at| *at > self.machine),
        };
        self.rows.insert(key, Row { image, version: row.map_or(1, |row| row.version + 1) });
    }
}

/// A store, another program, and the model beside them.
struct Trial<'a> {
    world: &'a dyn World,
    store: Box<dyn Store>,
    /// The other process, and when it last did its upkeep.
    other: (Box<dyn Store>, Option<Millis>),
    model: Model,
    /// The rows after each step, by the revision that there was then.
    past: BTreeMap<Revision, BTreeMap<Key, Row>>,
}

impl<'a> Trial<'a> {
    fn new(world: &'a dyn World) -> Trial<'a> {
        let start = world.now();
        let store = world.store();
        let mut model = Model { rows: BTreeMap::new(), now: start, machine: start, last_upkeep: None };
        // There is something for the other program to open.
        store.commit(&Transaction::put(key_of(0), Value::integer(0), Expiry::Clear)).unwrap();
        model.put(&key_of(0), &Value::integer(0), Expiry::Clear);
        model.keep_up();
        let past = BTreeMap::from([(store.revision().unwrap(), model.rows.clone())]);
        Trial { world, store, other: (world.store(), None), model, past }
    }

    /// Takes a step and remembers where it led.
    fn go(&mut self, step: &Step) {
        self.take(step);
        self.past.insert(self.store.revision().unwrap(), self.model.rows.clone());
    }

    /// The rows of a step in the past that had not expired.
    fn past_at(&self, moment: Moment) -> BTreeMap<Key, Row> {
        let rows = self.past[&moment.revision].iter();
        let visible = rows.filter(|(_, row)| row.image.expires_at.is_none_or(|at| at > moment.at));
        visible.map(|(key, row)| (key.clone(), row.clone())).collect()
    }

    /// The state at every revision that a step led to is what the model had then, and so are the
    /// differences between any two of them.
    fn check_past(&self) {
        let moments: Vec<Moment> =
            self.past.keys().map(|revision| self.store.moment(When::Revision(*revision)).unwrap()).collect();
        // From one to the next, and back again: what was found for one serves for the other.
        for moment in moments.iter().chain(moments.iter().rev().step_by(2)) {
            let expected = self.past_at(*moment);
            for order in [Order::Ascending, Order::Descending] {
                let mut scan = Scan { order, ..Scan::new(KeyRange::all(), 2) };
                let mut found = Vec::new();
                loop {
                    let page = self.store.scan_at(&scan, *moment).unwrap();
                    let Some(last) = page.last() else { break };
                    scan.after = Some(last.key.clone());
                    for entry in &page {
                        // Who made it so, and when, is found in another way there.
                        assert_eq!(self.store.get_at(&entry.key, *moment).unwrap().as_ref(), Some(entry));
                    }
                    found.extend(page.iter().map(|entry| (entry.key.clone(), row_of(entry))));
                }
                if order == Order::Descending {
                    found.reverse();
                }
                assert!(found.into_iter().eq(expected.clone()), "{moment:?}, {order:?}");
            }
            for number in 0..6 {
                let entry = self.store.get_at(&key_of(number), *moment).unwrap();
                assert_eq!(entry.as_ref().map(row_of), expected.get(&key_of(number)).cloned(), "{moment:?}");
            }
        }
        for (from, to) in moments.iter().zip(moments.iter().skip(2)) {
            let (old, new) = (self.past_at(*from), self.past_at(*to));
            let [found, mut backwards] = [Order::Ascending, Order::Descending].map(|order| {
                let mut scan = Scan { order, ..Scan::new(KeyRange::all(), 2) };
                let mut found: Vec<EntryDiff> = Vec::new();
                loop {
                    let page = self.store.differences(*from, *to, &scan).unwrap();
                    let Some(last) = page.last() else { break };
                    scan.after = Some(last.key.clone());
                    found.extend(page);
                }
                found
            });
            backwards.reverse();
            assert_eq!(found, backwards, "from {from:?} to {to:?}");
            let inner = KeyRange { start: Some(key_of(1)), end: Some(key_of(4)) };
            let within = self.store.differences(*from, *to, &Scan::new(inner.clone(), 9)).unwrap();
            backwards.retain(|difference| inner.contains(&difference.key));
            assert_eq!(within, backwards);
            let image =
                |rows: &BTreeMap<Key, Row>, key: &Key| rows.get(key).map(|row: &Row| row.image.clone());
            let expected = (0..6).map(key_of).filter_map(|key| {
                let (old, new) = (image(&old, &key), image(&new, &key));
                (old != new).then_some(EntryDiff { key, old, new })
            });
            assert!(found.into_iter().eq(expected), "from {from:?} to {to:?}");
        }
    }

    fn commit(&mut self, transaction: &Transaction) -> bool {
        self.store.commit(transaction).unwrap().is_committed()
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Put(number, value, expiry) => {
                self.commit(&Transaction::put(key_of(*number), value.clone(), *expiry));
                self.model.put(&key_of(*number), value, *expiry);
                self.model.keep_up();
            }
            Step::PutAtVersion(number, version, value) => {
                let put = Transaction::put(key_of(*number), value.clone(), Expiry::Clear);
                let committed = self.commit(&put.when(Condition::AtVersion(key_of(*number), *version)));
                let row = self.model.rows.get(&key_of(*number)).filter(|row| !self.model.is_expired(row));
                let expected = row.map_or(0, |row| row.version) == *version;
                assert_eq!(committed, expected);
                if expected {
                    self.model.put(&key_of(*number), value, Expiry::Clear);
                }
                self.model.keep_up();
            }
            Step::SetExpiry(number, expiry) => {
                self.commit(&Transaction::of(Operation::SetExpiry { key: key_of(*number), expiry: *expiry }));
                if let Some(mut row) = self.model.live(&key_of(*number)) {
                    let expires_at = self.model.after(row.image.expires_at, *expiry);
                    row.version += u64::from(expires_at != row.image.expires_at);
                    row.image.expires_at = expires_at;
                    self.model.rows.insert(key_of(*number), row);
                }
                self.model.keep_up();
            }
            Step::Edit(number, edit) => {
                let key = key_of(*number);
                let row = self.model.rows.get(&key).filter(|row| !self.model.is_expired(row));
                let value = row.map(|row| Value::from_stored(&row.image.stored, row.image.stored_type));
                match (self.store.edit(&key, edit), edit.plan(&key, value.as_ref())) {
                    (Ok(edited), Ok(planned)) => {
                        let newest = self.store.revision().unwrap();
                        assert!(edited.revision.is_some_and(|revision| revision <= newest));
                        assert_eq!(EditOutcome { revision: None, ..edited }, planned.edited);
                        self.model.put(&key, &planned.edited.value.unwrap(), Expiry::Keep);
                        self.model.keep_up();
                    }
                    (Err(_), Err(_)) => {}
                    (found, expected) => panic!("{found:?} instead of {expected:?}"),
                }
            }
            Step::Delete(number) => {
                self.commit(&Transaction::delete(key_of(*number)));
                self.model.rows.remove(&key_of(*number));
                self.model.keep_up();
            }
            Step::DeleteRange(start, end) => {
                let range = KeyRange { start: Some(key_of(*start)), end: Some(key_of(*end)) };
                self.commit(&Transaction::of(Operation::DeleteRange(range.clone())));
                let now = self.model.now;
                self.model.rows.retain(|key, row| {
                    !range.contains(key) || row.image.expires_at.is_some_and(|at| at <= now)
                });
                self.model.keep_up();
            }
            Step::Clock(hours) if *hours < 0 && !self.world.can(Ability::ClockGoesBack) => {}
            Step::Clock(hours) => {
                self.model.now = Millis(self.model.now.0 + hours * HOUR);
                self.world.clock().set(self.model.now);
            }
            // What is not in history at once is nothing that a model could follow.
            Step::Foreign(_) if !self.world.can(Ability::RecordsForeignWrites) => {}
            Step::Foreign(write) => {
                if self.world.foreign(write) {
                    self.model.write_foreign(write);
                }
            }
            Step::Reopen => {
                self.store = self.world.store();
                self.model.last_upkeep = None;
            }
            Step::Switch => {
                let (store, last_upkeep) = &mut self.other;
                std::mem::swap(&mut self.store, store);
                std::mem::swap(&mut self.model.last_upkeep, last_upkeep);
            }
        }
    }

    /// The state is that of the model, and history leads to it.
    fn check(&self) {
        let entries = self.store.scan(&Scan::new(KeyRange::all(), usize::MAX)).unwrap();
        let visible: BTreeMap<Key, Row> = self
            .model
            .rows
            .iter()
            .filter(|(_, row)| !self.model.is_expired(row))
            .map(|(key, row)| (key.clone(), row.clone()))
            .collect();
        let found: BTreeMap<Key, Row> =
            entries.iter().map(|entry| (entry.key.clone(), row_of(entry))).collect();
        assert_eq!(found, visible);
        assert_eq!(self.store.count(&KeyRange::all()).unwrap(), visible.len() as u64);
        let keys = self.store.scan_keys(&Scan::new(KeyRange::all(), usize::MAX)).unwrap();
        assert!(keys.iter().eq(visible.keys()));

        let changes = changes_after(&*self.store, Revision(0));
        assert!(changes.windows(2).all(|pair| pair[0].revision < pair[1].revision));
        if self.world.can(Ability::RevisionsWithoutGaps) {
            assert_eq!(changes.last().map(|change| change.revision.0), Some(changes.len() as i64));
        }
        let mut state: BTreeMap<Key, Image> = BTreeMap::new();
        let mut written: BTreeMap<Key, Revision> = BTreeMap::new();
        for change in &changes {
            let before = match &change.new {
                Some(image) => state.insert(change.key.clone(), image.clone()),
                None => state.remove(&change.key),
            };
            assert_eq!(before, change.old, "{change:?}");
            written.insert(change.key.clone(), change.revision);
        }
        let expected: BTreeMap<Key, Image> =
            self.model.rows.iter().map(|(key, row)| (key.clone(), row.image.clone())).collect();
        assert_eq!(state, expected);
        for entry in &entries {
            assert_eq!(Some(&entry.revision), written.get(&entry.key));
        }
        self.world.check();
    }
}

fn row_of(entry: &Entry) -> Row {
    Row { image: entry.image(), version: entry.version }
}

fn any_sequence_of_writes_is_what_the_model_says(world: &dyn World) {
    for_all(world.rounds(16, 64), &prop::collection::vec(any_step(), 1..60), |steps| {
        let world = world.another();
        let mut trial = Trial::new(&*world);
        for step in &steps {
            trial.go(step);
        }
        trial.check();
        trial.check_past();
    });
}

fn whatever_was_done_can_be_undone_and_done_again(world: &dyn World) {
    for_all(
        world.rounds(16, 64),
        &(prop::collection::vec(any_step(), 1..30), any_step()),
        |(steps, last)| {
            let world = world.another();
            let mut trial = Trial::new(&*world);
            for step in &steps {
                trial.go(step);
            }
            let images = |store: &dyn Store| -> Vec<(Key, Image)> {
                let entries = store.scan(&Scan::new(KeyRange::all(), usize::MAX)).unwrap();
                entries.iter().map(|entry| (entry.key.clone(), row_of(entry).image)).collect()
            };
            let before = images(&*trial.store);
            let revision = trial.store.revision().unwrap();
            trial.take(&last);
            let store = &*trial.store;
            let after = images(store);
            // A rename by another program makes two changes, which nothing ties together.
            let renames =
                matches!(last, Step::Foreign(ForeignWrite::Rename(..) | ForeignWrite::RenameOver(..)));
            let changes = changes_after(store, revision);
            let Some(Change { revision: change, .. }) = changes.first().filter(|_| !renames) else { return };
            match undo(store, *change, false).unwrap() {
                UndoOutcome::Done { revision: undoing, .. } => {
                    assert_eq!(images(store), before);
                    let again = undo(store, *change, false).unwrap();
                    assert!(matches!(again, UndoOutcome::AlreadyUndone(_)), "{again:?}");
                    undo(store, undoing, false).unwrap();
                    assert_eq!(images(store), after);
                }
                UndoOutcome::NothingToUndo(NothingToUndo::Expired { .. }) => {}
                other => panic!("{other:?}"),
            }
        },
    );
}
