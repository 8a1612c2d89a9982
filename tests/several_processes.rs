//! Several real processes on one file: nothing is lost, a lock has one holder, and the death of any
//! of them leaves a readable database.
//!
//! A process of its own is this test binary, started again to run the ignored test `worker`.

#[path = "support/files.rs"]
mod files;

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use slothstate::store::{
    Acquisition, Changes, Edit, Expiry, Image, Key, KeyRange, Lock, LockRequest, Number, Operation, Revision,
    Scan, Settings, SqliteStore, Store, Subject, Transaction, Value, Waited, wait_for_lock,
};

use self::files::{FOLDER, NUMBER, PART, Place, Worker, objects, until};

const WORKERS: usize = 4;
const INCREMENTS: usize = 5000;
const TURNS: usize = 25;

#[test]
#[ignore = "a part of the other tests, which they start as a process of its own"]
fn worker() {
    let Ok(part) = std::env::var(PART) else { return };
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    let number = std::env::var(NUMBER).unwrap().parse().unwrap();
    let at_work = AtWork { folder, number };
    match part.as_str() {
        "increment" => at_work.increment(),
        "take turns" => at_work.take_turns(),
        "write" => at_work.write_until_killed(),
        "hold locks" => at_work.hold_locks(),
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
        SqliteStore::open_or_create(&self.folder.join("state.db"), Settings::default()).unwrap()
    }

    /// Ready, and off with all the others at once.
    fn wait_for_start(&self) {
        self.note("ready", self.number);
        until("the start is given", || self.folder.join("start").exists());
    }

    /// Adds a line to a file, in one write: it stays, whatever becomes of this process.
    fn note(&self, file: &str, word: impl std::fmt::Display) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.folder.join(file)).unwrap();
        file.write_all(format!("{word}\n").as_bytes()).unwrap();
    }

    fn increment(&self) {
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

    fn take_turns(&self) {
        let store = self.store();
        let request = LockRequest {
            name: "deploy".into(),
            holder: format!("worker {}", self.number),
            lease: Duration::from_secs(120),
        };
        let total = self.folder.join("total");
        self.wait_for_start();
        for _ in 0..TURNS {
            let lock = wait(&store, &request);
            // None of this is safe with two at a time.
            let occupied = self.folder.join("occupied");
            File::create_new(&occupied).expect("somebody else is inside");
            let before: usize = std::fs::read_to_string(&total).unwrap().parse().unwrap();
            std::thread::yield_now();
            std::fs::write(&total, (before + 1).to_string()).unwrap();
            self.note("turns", format!("{} {}", self.number, lock.token));
            std::fs::remove_file(&occupied).unwrap();
            assert!(store.release("deploy", lock.token).unwrap());
        }
    }

    /// Writes pairs for ever, and notes each one that is acknowledged.
    fn write_until_killed(&self) {
        let store = self.store();
        let long = "x".repeat(2000);
        for turn in 0.. {
            let put = |half: &str| Operation::Put {
                key: key(&format!("{half}/{}/{turn:06}", self.number)),
                value: Value::text(format!("{turn} {long}")),
                expiry: Expiry::Clear,
            };
            let operations = vec![put("left"), put("right")];
            let outcome = store.commit(&Transaction::all(operations)).unwrap();
            assert!(outcome.is_committed());
            self.note("acknowledged", format!("{}/{turn:06}", self.number));
        }
    }

    /// Takes two locks and keeps them.
    fn hold_locks(&self) {
        let store = self.store();
        for (name, seconds) in [("short", 1), ("long", 3600)] {
            let request = LockRequest {
                name: name.into(),
                holder: format!("worker {}", self.number),
                lease: Duration::from_secs(seconds),
            };
            wait(&store, &request);
        }
        self.note("ready", self.number);
        loop {
            std::thread::park();
        }
    }
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn commit(store: &SqliteStore, operation: Operation) {
    assert!(store.commit(&Transaction::of(operation)).unwrap().is_committed());
}

fn wait(store: &SqliteStore, request: &LockRequest) -> Lock {
    let waited = wait_for_lock(store, request, Duration::from_secs(60), &mut |longest| {
        std::thread::sleep(longest);
        true
    });
    match waited.unwrap() {
        Waited::Acquired(lock) => lock,
        other => panic!("{other:?}"),
    }
}

fn store(place: &Place) -> SqliteStore {
    SqliteStore::open(&place.db(), Settings::default()).unwrap()
}

fn lines(place: &Place, file: &str) -> Vec<String> {
    std::fs::read_to_string(place.file(file)).unwrap_or_default().lines().map(String::from).collect()
}

/// Starts workers, and has them begin at the same moment.
fn start_together(place: &Place, part: &str) -> Vec<Worker> {
    let workers = (0..WORKERS).map(|number| Worker::start(place, part, number)).collect();
    until("all workers are ready", || lines(place, "ready").len() == WORKERS);
    File::create(place.file("start")).unwrap();
    workers
}

/// Replays the whole of history, checks each step against what it says was there before, and the
/// end against the state as it is. The answer is how many changes each actor made.
fn replay(store: &SqliteStore) -> HashMap<String, usize> {
    let Changes::Since(changes) = store.changes(Revision(0), usize::MAX, u64::MAX).unwrap() else {
        panic!("history does not reach back to the beginning");
    };
    let mut state: BTreeMap<Key, Image> = BTreeMap::new();
    let mut actors = HashMap::new();
    for (place, change) in changes.iter().enumerate() {
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
    for worker in start_together(&place, "increment") {
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
fn a_lock_has_one_holder_at_a_time_and_everybody_is_served() {
    let place = Place::new();
    std::fs::write(place.file("total"), "0").unwrap();
    for worker in start_together(&place, "take turns") {
        worker.finish();
    }
    let all = WORKERS * TURNS;
    assert_eq!(std::fs::read_to_string(place.file("total")).unwrap(), all.to_string());
    let turns: Vec<(usize, i64)> = lines(&place, "turns")
        .iter()
        .map(|line| {
            let (worker, token) = line.split_once(' ').unwrap();
            (worker.parse().unwrap(), token.parse().unwrap())
        })
        .collect();
    assert_eq!(turns.len(), all);
    assert!(turns.is_sorted_by(|earlier, later| earlier.1 < later.1), "tokens grow: {turns:?}");
    // First come, first served: whoever was in the queue never saw one other come round many times.
    // A worker that the machine left without a turn of the processor may be passed over now and then.
    let shared = turns.iter().take_while(|turn| remaining(&turns, turn.1) == WORKERS).count();
    let longest = turns[..shared].chunk_by(|one, next| one.0 == next.0).map(<[_]>::len).max();
    assert!(longest.is_none_or(|longest| longest < TURNS / 2), "{turns:?}");
    let store = store(&place);
    assert_eq!(store.locks(None, 10).unwrap(), []);
    assert_eq!(store.waiters().unwrap(), []);
}

/// How many workers still have a turn at or after that of `token`.
fn remaining(turns: &[(usize, i64)], token: i64) -> usize {
    let mut workers: Vec<usize> = turns.iter().filter(|turn| turn.1 >= token).map(|turn| turn.0).collect();
    workers.sort_unstable();
    workers.dedup();
    workers.len()
}

#[test]
fn a_writer_killed_in_the_middle_leaves_every_acknowledged_write() {
    let place = Place::new();
    for round in 0..4 {
        let seen = lines(&place, "acknowledged").len();
        let mut worker = Worker::start(&place, "write", round);
        until("some writes are acknowledged", || lines(&place, "acknowledged").len() >= seen + 120);
        worker.kill();
        drop(worker);
        assert_sound(&place);
        let names = |half: &str| -> Vec<String> {
            place.done(&["keys", "--prefix", half]).lines().map(|name| name[half.len()..].into()).collect()
        };
        let (left, right) = (names("left/"), names("right/"));
        assert!(left == right, "a transaction took effect by half");
        for name in lines(&place, "acknowledged") {
            assert!(left.binary_search(&name).is_ok(), "{name} was acknowledged and is not there");
        }
    }
    replay(&store(&place));
    place.done(&["set", "afterwards", "all is well"]);
}

fn locks(place: &Place) -> BTreeMap<String, serde_json::Value> {
    let shown = objects(&place.done(&["locks", "--json"]));
    shown.into_iter().map(|lock| (lock["name"].as_str().unwrap().to_string(), lock)).collect()
}

#[test]
fn the_lock_of_a_killed_process_is_seen_as_dead_and_cleared() {
    let place = Place::new();
    let mut holder = Worker::start(&place, "hold locks", 1);
    until("the locks are held", || lines(&place, "ready").len() == 1);
    assert_eq!(locks(&place)["long"]["state"], "alive");
    place.run(&["unlock", "long"]).refused(1, "is alive");
    assert_eq!(locks(&place)["long"]["holder"], "worker 1");
    let short = store(&place).locks(Some("long"), 1).unwrap().remove(0);

    // Nobody has asked for the exit code yet: the process is a zombie, and dead all the same.
    holder.kill();
    until("the holder is seen as dead", || locks(&place)["long"]["state"] == "dead");
    drop(holder);
    assert_sound(&place);
    assert_eq!(locks(&place)["long"]["state"], "dead");
    let told = place.done(&["unlock", "long"]);
    assert!(told.contains("cleared lock long") && told.contains("dead"), "{told}");
    assert!(!locks(&place).contains_key("long"));

    // The other one is taken by who comes next, and not before its lease has run out.
    let request = LockRequest { name: "short".into(), holder: "next".into(), lease: Duration::from_secs(60) };
    let store = store(&place);
    let mut taken = None;
    until("the lease has run out", || match store.acquire(&request, None).unwrap() {
        Acquisition::Acquired(lock) => {
            taken = Some(lock);
            true
        }
        _ => false,
    });
    let taken = taken.unwrap();
    assert!(taken.acquired_at >= short.expires_at && taken.token > short.token, "{taken:?} after {short:?}");
}

#[test]
fn an_expired_lock_is_shown_as_expired_and_cleared_without_force() {
    let place = Place::new();
    let _holder = Worker::start(&place, "hold locks", 1);
    until("the locks are held", || lines(&place, "ready").len() == 1);
    until("the lease has run out", || locks(&place)["short"]["state"] == "expired");
    place.done(&["unlock", "short"]);
    assert!(!locks(&place).contains_key("short"));
}

#[test]
fn a_lock_is_cleared_only_under_the_token_that_was_seen() {
    let place = Place::new();
    let first = Worker::start(&place, "hold locks", 1);
    until("the locks are held", || lines(&place, "ready").len() == 1);
    let token = |place: &Place| locks(place)["long"]["token"].to_string();
    let old = token(&place);
    place.done(&["unlock", "long", "--force", "--token", &old]);
    drop(first);
    let _second = Worker::start(&place, "hold locks", 2);
    until("the locks are held again", || lines(&place, "ready").len() == 2);
    let new = token(&place);
    place.run(&["unlock", "long", "--force", "--token", &old]).refused(1, &format!("has token {new} by now"));
    place.run(&["unlock", "long", "--token", &new]).refused(1, "worker 2 is alive");
    assert_eq!(token(&place), new);
    place.done(&["unlock", "long", "--token", &new, "--force"]);
    place.run(&["unlock", "long"]).refused(1, "there is no lock long");
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
