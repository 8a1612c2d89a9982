//! Locks between real processes: one holder at a time, everybody served, whoever dies or is stopped.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use slothstate::store::{
    AcquireOutcome, Condition, Expiry, Image, Lock, LockRequest, Locks, Number, Operation, SqliteStore,
    State, Subject, Transaction, Value, WAITER_PATIENCE, WaitOutcome, wait_for_lock,
};
use slothstate::time::{Clock, Millis, SystemClock};

use super::{AtWork, WHOLE, WORKERS, all_changes, assert_sound, key, lines, start_together, store};
use crate::support::files::{PATIENCE, Place, Worker, objects, thorough, until};

const TURNS: usize = 25;

impl AtWork {
    pub fn take_turns(&self) {
        let store = self.store();
        let request = LockRequest {
            name: "deploy".into(),
            holder: format!("worker {}", self.number),
            lease: Duration::from_secs(120),
        };
        let total = self.folder.join("total");
        self.wait_for_start();
        for _ in 0..TURNS {
            let mut line = Line::default();
            let lock = wait(&store, &request, &mut || line.go_on(&store));
            line.look();
            // None of this is safe with two at a time.
            let occupied = self.folder.join("occupied");
            File::create_new(&occupied).expect("somebody else is inside");
            let before: usize = std::fs::read_to_string(&total).unwrap().parse().unwrap();
            std::thread::yield_now();
            std::fs::write(&total, (before + 1).to_string()).unwrap();
            let turn = Turn { worker: self.number, token: lock.token.0.0, line };
            self.note("turns", serde_json::to_string(&turn).unwrap());
            std::fs::remove_file(&occupied).unwrap();
            assert!(store.release("deploy", lock.token).unwrap());
        }
    }

    /// Takes two locks and keeps them.
    pub fn hold_locks(&self) {
        let store = self.store();
        for (name, seconds) in [("short", 1), ("long", 3600)] {
            let request = LockRequest {
                name: name.into(),
                holder: format!("worker {}", self.number),
                lease: Duration::from_secs(seconds),
            };
            wait(&store, &request, &mut || {});
        }
        self.note("ready", self.number);
        loop {
            std::thread::park();
        }
    }
}

/// How somebody waited in line.
#[derive(Default, Serialize, Deserialize)]
struct Line {
    /// The newest revision when it had its place there already, if it had to wait.
    since: Option<i64>,
    /// When it last looked whether it was its turn.
    #[serde(skip)]
    looked: Option<Instant>,
    /// The longest time that the machine left it without a look.
    longest_gap: Duration,
}

impl Line {
    fn look(&mut self) {
        if let Some(looked) = self.looked.replace(Instant::now()) {
            self.longest_gap = self.longest_gap.max(looked.elapsed());
        }
    }

    fn go_on(&mut self, store: &SqliteStore) {
        self.look();
        self.since.get_or_insert_with(|| store.revision().unwrap().0);
    }
}

/// One turn with the lock.
#[derive(Serialize, Deserialize)]
struct Turn {
    worker: usize,
    token: i64,
    line: Line,
}

/// Waits for a lock, and calls `looked` after each look that was in vain.
fn wait(store: &SqliteStore, request: &LockRequest, looked: &mut dyn FnMut()) -> Lock {
    let waited = wait_for_lock(store, request, PATIENCE, &mut |longest| {
        looked();
        std::thread::sleep(longest);
        true
    });
    match waited.unwrap() {
        WaitOutcome::Acquired(lock) => lock,
        other => panic!("{other:?}"),
    }
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
    let turns: Vec<Turn> =
        lines(&place, "turns").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(turns.len(), all);
    assert!(turns.is_sorted_by(|earlier, later| earlier.token < later.token), "tokens grow");
    // First come, first served: whoever is in line sees each of the others come round once at most. Who is
    // silent for long is passed over, which a machine with other things to do may bring about.
    for turn in turns.iter().filter(|turn| turn.line.longest_gap < WAITER_PATIENCE / 2) {
        let Some(since) = turn.line.since else { continue };
        for other in (0..WORKERS).filter(|other| *other != turn.worker) {
            let between = turns.iter().filter(|each| each.token > since && each.token < turn.token);
            let passed = between.filter(|each| each.worker == other).count();
            assert!(passed <= 1, "{} was passed {passed} times by {other}", turn.worker);
        }
    }
    let store = store(&place);
    assert_eq!(store.locks(None, 10).unwrap(), []);
    assert_eq!(store.waiters().unwrap(), []);
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
        AcquireOutcome::Acquired(lock) => {
            taken = Some(lock);
            true
        }
        _ => false,
    });
    let taken = taken.unwrap();
    // The end of a lease comes to a slightly different wall time at each reading.
    let acquired = taken.acquired_at.map(|at| at.plus(Duration::from_millis(50)));
    assert!(acquired >= short.expires_at && taken.token > short.token, "{taken:?} after {short:?}");
}

#[test]
fn the_lease_and_the_holder_of_a_lock_are_two_facts() {
    let place = Place::new();
    let mut holder = Worker::start(&place, "hold locks", 1);
    until("the locks are held", || lines(&place, "ready").len() == 1);
    assert_eq!(
        (&locks(&place)["long"]["state"], &locks(&place)["long"]["expired"]),
        (&"alive".into(), &false.into())
    );
    until("the lease has run out", || locks(&place)["short"]["expired"] == true);
    // Its holder is alive, and does not know that it has lost the lock.
    assert_eq!(locks(&place)["short"]["state"], "alive");
    place.run(&["unlock", "short"]).refused(1, "worker 1 is alive");
    assert!(holder.stop());
    for name in ["long", "short"] {
        assert_eq!(locks(&place)[name]["state"], "stopped");
    }
    place.run(&["unlock", "long"]).refused(1, "worker 1 is stopped");
    // Nobody else could take the lock of a stopped holder before its lease ran out.
    place.done(&["unlock", "short"]);
    assert!(!locks(&place).contains_key("short"));
    holder.go_on();
    until("the holder goes on", || locks(&place)["long"]["state"] == "alive");
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
    place.run(&["unlock", "long", "--force", "--token", &old]).refused(1, &format!("has token {new}, not"));
    place.run(&["unlock", "long", "--token", &new]).refused(1, "worker 2 is alive");
    assert_eq!(token(&place), new);
    place.done(&["unlock", "long", "--token", &new, "--force"]);
    place.run(&["unlock", "long"]).refused(1, "there is no lock long");
}

/// What is locked: fewer than there are workers, so that somebody always waits.
const LOCKS: [&str; 3] = ["database", "deploy", "release"];
/// A holder that does not come to its end by then is overtaken.
const LEASE: Duration = Duration::from_millis(250);

/// How often each worker gets a lock, at least.
fn servings() -> usize {
    if thorough() { 20_000 / WORKERS } else { 250 }
}

impl AtWork {
    /// Takes locks, and writes under them what must not be written by two at a time.
    pub fn write_under_locks(&self) {
        let store = self.store();
        let served = format!("served-{}", self.number);
        let noted = std::fs::read_to_string(self.folder.join(&served)).unwrap_or_default();
        let before = noted.lines().filter(|line| line.ends_with(WHOLE)).count();
        for count in before.. {
            if count >= servings() && self.folder.join("enough").exists() {
                return;
            }
            let name = LOCKS[fastrand::usize(..LOCKS.len())];
            let request =
                LockRequest { name: name.into(), holder: format!("worker {}", self.number), lease: LEASE };
            let token = wait(&store, &request, &mut || {}).token;
            self.note(&served, token);
            let total = key(&format!("total/{name}"));
            let found = store.get(&total).unwrap().map_or(Value::integer(0), |entry| entry.value());
            let Value::Number(found) = found else { panic!("{found:?}") };
            let Number::Integer(count) = found.number() else { panic!("{found:?}") };
            let put = |key, value| Operation::Put { key, value, expiry: Expiry::Clear };
            let writes = vec![
                put(total, Value::integer(count + 1)),
                put(key(&format!("writer/{name}")), Value::integer(token.0.0)),
            ];
            let fenced = Transaction::all(writes).when(Condition::HoldsLock(name.into(), token));
            let written = store.commit(&fenced).unwrap().is_committed();
            let released = store.release(name, token).unwrap();
            if !written || !released {
                self.note("lost", token);
            }
        }
    }
}

/// The lock that a stopped process holds, unless it was stopped in the middle of a write, or while it begins
/// the log again: then nobody can write, or even read, until it goes on, which is no matter of locks.
fn held_by(store: &SqliteStore, place: &Place, pid: u32) -> Option<Lock> {
    let lock = store.locks(None, LOCKS.len()).ok()?.into_iter().find(|lock| {
        lock.process.as_ref().is_some_and(|process| process.pid == pid) && !lock.is_expired(SystemClock.now())
    })?;
    let shell = place.connection();
    shell.busy_timeout(Duration::from_millis(500)).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE; ROLLBACK").ok().map(|()| lock)
}

fn lock_of(store: &SqliteStore, name: &str) -> Option<Lock> {
    store.locks(None, LOCKS.len()).unwrap().into_iter().find(|lock| lock.name == name)
}

#[test]
fn whoever_is_killed_or_stopped_never_writes_under_a_lock_of_somebody_else() {
    let place = Place::new();
    let mut workers = start(&place);
    let store = store(&place);
    let served = |number: usize| lines(&place, &format!("served-{number}")).len();
    let all = |place: &Place| -> usize {
        (0..WORKERS).map(|number| lines(place, &format!("served-{number}")).len()).sum()
    };
    // Holders in turn killed and stopped, one after each share of the work.
    let disturbances = if thorough() { 40 } else { 6 };
    let mut stopped = 0;
    for disturbance in 0..disturbances {
        let share = WORKERS * servings() * (disturbance + 1) / (disturbances + 2);
        until("a share of the work is done", || all(&place) >= share);
        let mut victim = None;
        until("a worker is caught with a lock", || {
            let number = fastrand::usize(..WORKERS);
            let worker = &mut workers[number];
            if !worker.stop() {
                return false;
            }
            victim = held_by(&store, &place, worker.pid()).map(|lock| (number, lock));
            if victim.is_none() {
                worker.go_on();
            }
            victim.is_some()
        });
        let (number, lock) = victim.unwrap();
        if disturbance % 2 == 0 {
            workers[number].kill();
            workers[number] = Worker::start(&place, "write under locks", number);
            continue;
        }
        // Somebody else has it by and by; then the one that was stopped goes on as if nothing were.
        until("the lock was taken over", || {
            lock_of(&store, &lock.name).is_none_or(|now| now.token != lock.token)
        });
        workers[number].go_on();
        until("the stopped holder was refused", || lines(&place, "lost").contains(&lock.token.to_string()));
        stopped += 1;
    }
    File::create(place.file("enough")).unwrap();
    workers.into_iter().for_each(Worker::finish);
    assert_eq!(store.waiters().unwrap(), []);
    assert!((0..WORKERS).all(|number| served(number) >= servings()), "everybody is served to the end");
    assert!(stopped >= disturbances / 2);
    let written = check_writes_under_locks(&store);
    // Nothing is lost but by those who were disturbed, or left without the processor for too long.
    let lost = lines(&place, "lost").len();
    assert!(written + lost + disturbances >= all(&place), "{written} written, {lost} lost");
    assert_sound(&place);
    eprintln!("{} acquisitions, {disturbances} disturbances, {lost} leases lost", all(&place));
}

fn start(place: &Place) -> Vec<Worker> {
    (0..WORKERS).map(|number| Worker::start(place, "write under locks", number)).collect()
}

/// By history, nothing was written but by the holder of that moment, and no count was lost. How
/// much was written.
fn check_writes_under_locks(store: &SqliteStore) -> usize {
    let mut holders: BTreeMap<String, Option<(i64, Millis)>> = BTreeMap::new();
    let mut totals: BTreeMap<String, i64> = BTreeMap::new();
    for change in all_changes(store) {
        let name = change.key.to_text();
        let new = change.new.as_ref();
        let number = |image: &Image| String::from_utf8_lossy(&image.stored).parse::<i64>().expect("a number");
        if change.subject == Subject::Lock {
            let holder = holders.entry(name).or_default();
            match change.operation.as_str() {
                "lock" => {
                    assert_eq!(*holder, None, "{change:?}");
                    *holder = Some((change.revision.0, new.unwrap().expires_at.unwrap()));
                }
                "unlock" | "expire" => assert!(holder.take().is_some(), "{change:?}"),
                other => panic!("nobody does {other}: {change:?}"),
            }
        } else if let Some(lock) = name.strip_prefix("writer/") {
            let (token, until) = holders[lock].expect("somebody holds it");
            assert_eq!(new.map(number), Some(token), "{change:?}");
            assert!(change.at < until, "{change:?} after its lease");
        } else if let Some(lock) = name.strip_prefix("total/") {
            let total = totals.entry(lock.into()).or_default();
            *total += 1;
            assert_eq!(new.map(number), Some(*total), "{change:?}");
        }
    }
    usize::try_from(totals.values().sum::<i64>()).unwrap()
}
