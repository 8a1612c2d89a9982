//! Anything at once: threads of several processes, and other programs in between, change a few keys
//! at random and note what they did and what they were answered. In the order of revisions a model
//! in memory does the same. History, its steps, every state of the past and the present state are
//! what the model says.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use slothstate::store::{
    Change, Condition, Edit, Expiry, History, Image, Key, KeyRange, Number, Operation, Options, Outcome,
    Revision, Scan, SqliteStore, State, Transaction, Type, Value, When,
};
use slothstate::time::Millis;

use super::{AtWork, WORKERS, all_changes, assert_sound, lines, start_together, store};
use crate::support::files::{Place, thorough};

/// Threads of each process that use slothstate; one more is another program.
const THREADS: usize = 2;

/// How much each thread does.
fn steps() -> usize {
    if thorough() { 400 } else { 60 }
}

/// What was done, each with the key that it was done to. Keys from [`EXPIRING`] on may expire.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Step {
    /// An integer, and for how many milliseconds.
    Put(u8, i64, Option<u64>),
    /// Only at that version.
    PutAtVersion(u8, u64, i64),
    /// With the answer.
    Increment(u8, i64, String),
    SetExpiry(u8, Option<u64>),
    Delete(u8),
    /// By another program.
    Upsert(u8, String),
    Replace(u8, String),
    Remove(u8),
}

const KEYS: u8 = 6;
const EXPIRING: u8 = 4;

impl Step {
    fn any(random: &mut fastrand::Rng) -> Step {
        let key = random.u8(..KEYS);
        let value = random.i64(-5..5);
        let time = (key >= EXPIRING && random.bool()).then(|| random.u64(1..40));
        match random.u8(..10) {
            0..3 => Step::Put(key, value, time),
            3..5 => Step::PutAtVersion(key % EXPIRING, 0, value),
            5..8 => Step::Increment(key, value, String::new()),
            8 if key >= EXPIRING => Step::SetExpiry(key, time),
            _ => Step::Delete(key),
        }
    }

    fn any_of_another_program(random: &mut fastrand::Rng) -> Step {
        let key = random.u8(..KEYS);
        let text = random.i64(-5..5).to_string();
        match random.u8(..4) {
            0 => Step::Remove(key),
            1 => Step::Replace(key, text),
            _ => Step::Upsert(key, text),
        }
    }

    fn key(&self) -> u8 {
        match self {
            Step::Put(key, ..)
            | Step::PutAtVersion(key, ..)
            | Step::Increment(key, ..)
            | Step::SetExpiry(key, _)
            | Step::Delete(key)
            | Step::Upsert(key, _)
            | Step::Replace(key, _)
            | Step::Remove(key) => *key,
        }
    }
}

/// Steps that took effect together, and the newest revision after them.
#[derive(Serialize, Deserialize)]
struct Done {
    revision: i64,
    steps: Vec<Step>,
}

fn key(number: u8) -> Key {
    super::key(&format!("k{number}"))
}

fn expiry(time: Option<u64>) -> Expiry {
    time.map_or(Expiry::Clear, |time| Expiry::After(Duration::from_millis(time)))
}

impl AtWork {
    pub fn do_anything(&self) {
        self.wait_for_start();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                scope.spawn(move || self.use_slothstate(thread));
            }
            scope.spawn(|| self.be_another_program());
        });
    }

    fn use_slothstate(&self, thread: usize) {
        // A store belongs to one thread.
        let store = self.store();
        let mut random = fastrand::Rng::new();
        for _ in 0..steps() {
            let steps: Vec<Step> = (0..random.usize(1..4)).map(|_| Step::any(&mut random)).collect();
            if let Some(done) = carry_out(&store, &steps) {
                self.note(&format!("done-{thread}"), serde_json::to_string(&done).unwrap());
            }
        }
    }

    fn be_another_program(&self) {
        let connection = Connection::open(self.folder.join("state.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(60)).unwrap();
        let mut random = fastrand::Rng::new();
        for _ in 0..steps() {
            let step = Step::any_of_another_program(&mut random);
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            let key = key(step.key()).to_text();
            let changed = match &step {
                Step::Upsert(_, text) => connection.execute(
                    "INSERT INTO state (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET \
                     value = excluded.value, updated_at = CURRENT_TIMESTAMP",
                    [&key, text],
                ),
                Step::Replace(_, text) => {
                    connection.execute("REPLACE INTO state (key, value) VALUES (?1, ?2)", [&key, text])
                }
                _ => connection.execute("DELETE FROM state WHERE key = ?1", [&key]),
            };
            let newest = "SELECT max(revision) FROM slothstate_history";
            let revision = connection.query_row(newest, [], |row| row.get(0)).unwrap();
            connection.execute_batch("COMMIT").unwrap();
            if changed.unwrap() > 0 {
                let done = Done { revision, steps: vec![step] };
                self.note("done-other", serde_json::to_string(&done).unwrap());
            }
        }
    }
}

/// What took effect, with what was answered; `None` if nothing was changed.
fn carry_out(store: &SqliteStore, steps: &[Step]) -> Option<Done> {
    let committed = |transaction: Transaction, steps: Vec<Step>| match store.commit(&transaction).unwrap() {
        Outcome::Committed { changed: 0, .. } | Outcome::Refused { .. } => None,
        Outcome::Committed { revision, .. } => Some(Done { revision: revision.0, steps }),
    };
    match &steps[0] {
        Step::Increment(number, by, _) => {
            let edited = store.edit(&key(*number), &Edit::Increment(Number::Integer(*by))).unwrap();
            let answer = String::from_utf8(edited.value.unwrap().to_stored()).unwrap();
            let step = Step::Increment(*number, *by, answer);
            Some(Done { revision: edited.revision.unwrap().0, steps: vec![step] })
        }
        Step::PutAtVersion(number, _, value) => {
            let version = store.get(&key(*number)).unwrap().map_or(0, |entry| entry.version);
            let put = Transaction::put(key(*number), Value::integer(*value), Expiry::Clear);
            let step = Step::PutAtVersion(*number, version, *value);
            committed(put.when(Condition::AtVersion(key(*number), version)), vec![step])
        }
        _ => {
            let operation = |step: &Step| match step {
                Step::Put(number, value, time) => Some(Operation::Put {
                    key: key(*number),
                    value: Value::integer(*value),
                    expiry: expiry(*time),
                }),
                Step::SetExpiry(number, time) => {
                    Some(Operation::SetExpiry { key: key(*number), expiry: expiry(*time) })
                }
                Step::Delete(number) => Some(Operation::Delete(key(*number))),
                _ => None,
            };
            let together: Vec<(Step, Operation)> =
                steps.iter().filter_map(|step| Some((step.clone(), operation(step)?))).collect();
            let (steps, operations) = together.into_iter().unzip();
            committed(Transaction::all(operations), steps)
        }
    }
}

/// An entry of the model, expired or not.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    image: Image,
    version: u64,
}

type Rows = BTreeMap<Key, Row>;

/// What a step makes of a row at that moment; the same row where it does nothing.
fn after(step: &Step, row: Option<&Row>, at: Millis) -> Option<Row> {
    let version = row.map_or(1, |row| row.version + 1);
    let untyped = row.is_some_and(|row| row.image.stored_type.is_none());
    let present = row.and_then(|row| row.image.expires_at);
    let expires = |time: &Option<u64>| time.map(|time| at.plus(Duration::from_millis(time)));
    let written = |text: String, stored_type, expires_at| {
        Some(Row { image: Image { stored: text.into_bytes(), stored_type, expires_at }, version })
    };
    match step {
        Step::Put(_, value, time) => written(value.to_string(), Some(Type::Number), expires(time)),
        Step::PutAtVersion(_, seen, value) => {
            assert_eq!(row.map_or(0, |row| row.version), *seen, "written at another version");
            written(value.to_string(), Some(Type::Number), None)
        }
        Step::Increment(_, by, answer) => {
            let number = row.map_or("0", |row| std::str::from_utf8(&row.image.stored).unwrap());
            let sum = (number.parse::<i64>().unwrap() + by).to_string();
            assert_eq!(*answer, sum, "the answer to an increment");
            // Text that another program wrote stays text.
            written(sum, (!untyped).then_some(Type::Number), present)
        }
        Step::SetExpiry(_, time) => row.map(|row| Row {
            image: Image { expires_at: expires(time), ..row.image.clone() },
            version: row.version + 1,
        }),
        Step::Upsert(_, text) => {
            // Another program knows nothing of expiries and types: only the same value again leaves them.
            let same = row.filter(|row| row.image.stored == text.as_bytes());
            let expires_at = same.and(present).filter(|until| *until > at);
            written(text.clone(), same.and_then(|row| row.image.stored_type), expires_at)
        }
        Step::Replace(_, text) => written(text.clone(), None, None),
        Step::Delete(_) | Step::Remove(_) => None,
    }
}

/// The state after each change, by the model, which is compared with history step by step.
fn replay_in_memory(changes: &[Change], mut done: BTreeMap<i64, VecDeque<Step>>) -> Vec<Rows> {
    let mut rows = Rows::new();
    let mut states = Vec::new();
    for change in changes {
        let row = rows.get(&change.key);
        assert_eq!(change.old, row.map(|row| row.image.clone()), "what was there before {change:?}");
        let new = if change.operation == "expire" {
            let until = row.and_then(|row| row.image.expires_at).expect("something that expires");
            assert!(until <= change.at, "too early: {change:?}");
            None
        } else {
            let (_, steps) = done.range_mut(change.revision.0..).next().expect("somebody who did it");
            // What had nothing to do left no trace: deletions, and expiries, of what was not there, and
            // expiries that stayed as they were.
            let has_nothing_to_do = |step: &Step| match (step, rows.get(&key(step.key()))) {
                (Step::Delete(_) | Step::SetExpiry(..), None) => true,
                (Step::SetExpiry(..), Some(row)) => {
                    after(step, Some(row), change.at).is_some_and(|new| new.image == row.image)
                }
                _ => false,
            };
            let step = loop {
                let step = steps.pop_front().expect("a step of the transaction");
                if !has_nothing_to_do(&step) {
                    break step;
                }
            };
            assert_eq!(change.key, key(step.key()), "{step:?} and {change:?}");
            after(&step, row, change.at)
        };
        assert_eq!(change.new, new.as_ref().map(|row| row.image.clone()), "what {change:?} made");
        match new {
            Some(row) => {
                assert_eq!(change.version, Some(row.version), "{change:?}");
                rows.insert(change.key.clone(), row);
            }
            None => drop(rows.remove(&change.key)),
        }
        states.push(rows.clone());
    }
    states
}

#[test]
fn whatever_several_do_at_once_is_what_a_model_does_one_after_the_other() {
    let place = Place::new();
    // History begins before the other programs come.
    let first = SqliteStore::open_or_create(&place.db(), Options::default()).unwrap();
    first.commit(&Transaction::put(key(0), Value::integer(0), Expiry::Clear)).unwrap();
    start_together(&place, "anything").into_iter().for_each(super::Worker::finish);

    let mut done = BTreeMap::from([(1, VecDeque::from([Step::Put(0, 0, None)]))]);
    for file in (0..THREADS).map(|thread| format!("done-{thread}")).chain(["done-other".into()]) {
        for line in lines(&place, &file) {
            let Done { revision, steps } = serde_json::from_str(&line).unwrap();
            assert!(done.insert(revision, steps.into()).is_none(), "two changes at revision {revision}");
        }
    }
    let store = store(&place);
    let changes = all_changes(&store);
    assert!(changes.len() > WORKERS * THREADS * steps() / 2, "{} changes", changes.len());
    assert!(changes.iter().enumerate().all(|(place, change)| change.revision.0 == place as i64 + 1));
    let states = replay_in_memory(&changes, done);

    // Each state of the past, and the last one, which is the present.
    for (change, rows) in changes.iter().zip(&states) {
        let moment = store.moment(When::Revision(change.revision)).unwrap();
        let entries = store.scan_at(&Scan::new(KeyRange::all(), usize::MAX), moment).unwrap();
        let found: Rows = entries
            .into_iter()
            .map(|entry| (entry.key.clone(), Row { image: entry.image(), version: entry.version }))
            .collect();
        let expected: Rows = rows
            .iter()
            .filter(|(_, row)| row.image.expires_at.is_none_or(|until| until > moment.at))
            .map(|(key, row)| (key.clone(), row.clone()))
            .collect();
        assert_eq!(found, expected, "at {moment:?}");
    }
    let stored: Vec<(String, String, u64, i64)> = place
        .connection()
        .prepare("SELECT key, value, version, revision FROM state ORDER BY key")
        .unwrap()
        .query_map([], |row| {
            let version: i64 = row.get(2)?;
            Ok((row.get(0)?, row.get(1)?, version.unsigned_abs(), row.get(3)?))
        })
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    let last = |key: &Key| {
        changes.iter().rev().find(|change| change.key == *key).map_or(0, |change| change.revision.0)
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let expected: Vec<_> = states
        .last()
        .unwrap()
        .iter()
        .map(|(key, row)| (key.to_text(), text(&row.image.stored), row.version, last(key)))
        .collect();
    assert_eq!(stored, expected);
    assert_sound(&place);
    assert_eq!(store.revision().unwrap(), Revision(changes.len() as i64));
    eprintln!("{} changes by {} threads of {WORKERS} processes", changes.len(), THREADS + 1);
}
