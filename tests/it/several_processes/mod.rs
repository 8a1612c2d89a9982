//! Several real processes on one file: nothing is lost, a lock has one holder, and the death of any
//! of them leaves a readable database.

mod killed;
mod locks;
mod model;

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use slothstate::store::{
    Change, Changes, Edit, Expiry, History, Image, Key, KeyRange, Number, Operation, Options, Revision, Scan,
    SqliteStore, State, Subject, Transaction, Value,
};

use crate::support::files::{Place, Worker, until};

const WORKERS: usize = 4;
const INCREMENTS: usize = 5000;

/// A part of a test of this module, done by a worker.
pub fn work(part: &str, folder: PathBuf, number: usize) {
    let at_work = AtWork { folder, number };
    match part {
        "count" => at_work.count(),
        "take turns" => at_work.take_turns(),
        "hold locks" => at_work.hold_locks(),
        "write under locks" => at_work.write_under_locks(),
        "write" => at_work.write_until_killed(),
        "anything" => at_work.do_anything(),
        other => panic!("no part {other}"),
    }
}

/// A worker, seen from inside.
struct AtWork {
    folder: PathBuf,
    number: usize,
}

impl AtWork {
    fn store(&self) -> SqliteStore {
        SqliteStore::open_or_create(&self.folder.join("state.db"), Options::default()).unwrap()
    }

    /// Ready, and off with all the others at once.
    fn wait_for_start(&self) {
        self.note("ready", self.number);
        until("the start is given", || self.folder.join("start").exists());
    }

    /// Adds a line to a file, in one write: it stays, whatever becomes of this process.
    fn note(&self, file: &str, word: impl std::fmt::Display) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.folder.join(file)).unwrap();
        // `kill -9` can tear a write where a page of the file ends: a mark says that a line is whole, and a
        // line never continues a torn one.
        file.write_all(format!("\n{word}{WHOLE}\n").as_bytes()).unwrap();
    }

    fn count(&self) {
        let store = self.store();
        self.wait_for_start();
        let shared = [key("shared/a"), key("shared/b"), key("shared/c")];
        for turn in 0..INCREMENTS {
            store.edit(&key("counter"), &Edit::Increment(Number::Integer(1))).unwrap();
            // Other changes in between, so that history has more to tell than one counter.
            let key = shared[turn / 50 % shared.len()].clone();
            match turn % 100 {
                0 => commit(&store, Operation::Delete(key)),
                50 => {
                    let value = Value::text(format!("{} of {}", turn, self.number));
                    commit(&store, Operation::Put { key, value, expiry: Expiry::Clear });
                }
                _ => {}
            }
        }
    }
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn commit(store: &SqliteStore, operation: Operation) {
    assert!(store.commit(&Transaction::of(operation)).unwrap().is_committed());
}

/// The database, also if no worker has made it yet.
fn store(place: &Place) -> SqliteStore {
    SqliteStore::open_or_create(&place.db(), Options::default()).unwrap()
}

/// Ends every whole line of a note.
const WHOLE: &str = " .";

fn lines(place: &Place, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(place.file(file)).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_suffix(WHOLE)).map(String::from).collect()
}

/// Starts workers, and has them begin at the same moment.
fn start_together(place: &Place, part: &str) -> Vec<Worker> {
    let workers = (0..WORKERS).map(|number| Worker::start(place, part, number)).collect();
    until("all workers are ready", || lines(place, "ready").len() == WORKERS);
    File::create(place.file("start")).unwrap();
    workers
}

/// The whole of history, oldest first.
fn all_changes(store: &SqliteStore) -> Vec<Change> {
    match store.changes(Revision(0), usize::MAX, u64::MAX).unwrap() {
        Changes::Since(changes) => changes,
        other => panic!("history does not reach back to the beginning: {other:?}"),
    }
}

/// Replays the whole of history, checks each step against what it says was there before, and the
/// end against the state as it is. The answer is how many changes each actor made.
fn replay(store: &SqliteStore) -> HashMap<String, usize> {
    let mut state: BTreeMap<Key, Image> = BTreeMap::new();
    let mut actors = HashMap::new();
    for (place, change) in all_changes(store).iter().enumerate() {
        assert_eq!(change.revision.0, place as i64 + 1, "a revision is missing");
        *actors.entry(change.actor.name.clone()).or_default() += 1;
        if change.subject == Subject::Lock {
            continue;
        }
        let before = match &change.new {
            Some(image) => state.insert(change.key.clone(), image.clone()),
            None => state.remove(&change.key),
        };
        assert_eq!(before, change.old, "revision {}", change.revision);
    }
    let entries = store.scan(&Scan::new(KeyRange::all(), usize::MAX)).unwrap();
    let present: BTreeMap<Key, Image> = entries
        .into_iter()
        .map(|entry| {
            let image =
                Image { stored: entry.stored, stored_type: entry.stored_type, expires_at: entry.expires_at };
            (entry.key, image)
        })
        .collect();
    assert!(present == state, "history does not lead to the state as it is");
    actors
}

fn assert_sound(place: &Place) {
    let verdict: String =
        place.connection().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

#[test]
fn four_processes_count_on_one_counter_and_lose_nothing() {
    let place = Place::new();
    for worker in start_together(&place, "count") {
        worker.finish();
    }
    let store = store(&place);
    let counter = store.get(&key("counter")).unwrap().unwrap();
    let all = WORKERS * INCREMENTS;
    assert_eq!(counter.value(), Value::integer(all as i64));
    assert_eq!(counter.version, all as u64);
    let actors = replay(&store);
    assert_eq!(actors.len(), WORKERS);
    assert!(actors.values().all(|changes| *changes >= INCREMENTS), "{actors:?}");
    assert_sound(&place);
}

#[test]
fn time_added_by_several_at_once_is_added_once_by_each_that_says_so() {
    let place = Place::new();
    place.done(&["set", "k", "v", "--ttl", "1h"]);
    let spawn =
        |_| place.command(&["ttl", "k", "+1h"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let children: Vec<_> = (0..8).map(spawn).collect();
    let added =
        children.into_iter().map(|mut child| child.wait().unwrap()).filter(ExitStatus::success).count();
    let left = place.json(&["ttl", "k", "--json"])["ttl_ms"].as_f64().unwrap();
    assert!(added > 0);
    assert_eq!((left / 3_600_000.0).round() as usize, 1 + added);
}
