//! What waiting costs: until a waiter goes on, what it takes of a core meanwhile, and how long the
//! unluckiest of several processes waits for its turn to write.
//!
//! `cargo bench --bench waiting`

#[path = "report.rs"]
mod report;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use slothstate::store::{
    Edit, Expiry, Key, LockRequest, Locks, Number, Options, SqliteStore, State, Transaction, Value,
    WaitOutcome, wait_for_lock,
};

const PROCESSES: u32 = 4;
const WRITES: u32 = 5_000;
const HANDOVERS: usize = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, path, ..] = &arguments[..] {
        let path = Path::new(path);
        match role.as_str() {
            "ours" => return write(path),
            "sqlite" => return write_bare(path),
            "lock" => return wait_for_turns(path),
            _ => {}
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    unluckiest(folder.path());
    handed_over(folder.path());
    state_wait(folder.path());
}

fn key(name: &str) -> Key {
    Key::new(name).expect("key")
}

fn put(store: &SqliteStore, name: &str, value: Value) {
    store.commit(&Transaction::put(key(name), value, Expiry::Clear)).expect("put");
}

/// The longest of so many writes, and the sum of all, in milliseconds.
fn timed(mut work: impl FnMut()) {
    let mut longest = Duration::ZERO;
    let start = Instant::now();
    for _ in 0..WRITES {
        let start = Instant::now();
        work();
        longest = longest.max(start.elapsed());
    }
    println!("{} {}", longest.as_secs_f64() * 1e3, start.elapsed().as_secs_f64() * 1e3);
}

fn write(path: &Path) {
    let store = SqliteStore::open(path, Options::default()).expect("store");
    let edit = Edit::Increment(Number::Integer(1));
    timed(|| drop(store.edit(&key("shared"), &edit).expect("increment")));
}

/// The same with bare statements, and SQLite's own way of waiting.
fn write_bare(path: &Path) {
    let connection = Connection::open(path).expect("open");
    connection.busy_timeout(Duration::from_secs(60)).expect("time-out");
    connection.execute_batch("PRAGMA synchronous = NORMAL").expect("setting");
    let mut add =
        connection.prepare("UPDATE state SET value = value + 1 WHERE key = 'shared'").expect("statement");
    timed(|| assert_eq!(add.execute([]), Ok(1)));
}

/// Lets several processes write as fast as they can; the longest time that one of them waited for
/// one write, and the longest and shortest time that one took for all of its writes.
fn compete(role: &str, path: &Path) -> [f64; 3] {
    let program = std::env::current_exe().expect("this program");
    let start =
        || Command::new(&program).arg(role).arg(path).stdout(Stdio::piped()).spawn().expect("process");
    let children: Vec<_> = (0..PROCESSES).map(|_| start()).collect();
    let mut result = [0.0, 0.0, f64::MAX];
    for child in children {
        let output = child.wait_with_output().expect("wait");
        assert!(output.status.success());
        let said = String::from_utf8(output.stdout).expect("text");
        let times: Vec<f64> = said.split_whitespace().map(|time| time.parse().expect("a time")).collect();
        result = [result[0].max(times[0]), result[1].max(times[1]), result[2].min(times[1])];
    }
    result
}

fn unluckiest(folder: &Path) {
    let path = folder.join("state.db");
    let store = SqliteStore::open_or_create(&path, Options::default()).expect("store");
    put(&store, "shared", Value::integer(0));
    let bare = folder.join("bare.db");
    Connection::open(&bare)
        .and_then(|connection| {
            connection.execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
                 INSERT INTO state VALUES ('shared', 0);",
            )
        })
        .expect("bare file");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        ours.push(compete("ours", &path));
        theirs.push(compete("sqlite", &bare));
    }
    // The middle one of the rounds, by its longest wait.
    let middle = |rounds: &mut Vec<[f64; 3]>| {
        rounds.sort_by(|one, other| one[0].total_cmp(&other[0]));
        rounds[rounds.len() / 2]
    };
    let ([ours, slow, quick], [theirs, their_slow, their_quick]) = (middle(&mut ours), middle(&mut theirs));
    println!(
        "longest wait of 4 processes for one write    {ours:>10.1} ms  with SQLite's own busy handler {theirs:.1} ms  \
         ratio {:.2}",
        ours / theirs
    );
    println!(
        "  slowest of the 4 against the quickest      {:>10.2}     with SQLite's own busy handler {:.2}",
        slow / quick,
        their_slow / their_quick
    );
}

fn request(holder: &str) -> LockRequest {
    LockRequest { name: "turn".into(), holder: holder.into(), lease: Duration::from_secs(60) }
}

fn wait(store: &SqliteStore, holder: &str) -> slothstate::store::Token {
    let waited = wait_for_lock(store, &request(holder), Duration::from_secs(60), &mut |time| {
        std::thread::sleep(time);
        true
    });
    match waited.expect("a lock") {
        WaitOutcome::Acquired(lock) => lock.token,
        other => panic!("{other:?}"),
    }
}

/// Takes the lock each time that the other process has let go of it, and says when it had it.
fn wait_for_turns(path: &Path) {
    let store = SqliteStore::open(path, Options::default()).expect("store");
    for turn in 0..HANDOVERS {
        let token = wait(&store, "waiter");
        put(&store, "taken", Value::integer(turn as i64));
        store.release("turn", token).expect("release");
        // The other one is to have it again before this one asks.
        let is_back = || store.get(&key("turn")).expect("get").map(|entry| entry.value());
        while is_back() != Some(Value::integer(turn as i64 + 1)) {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

/// How long it takes from the release of a lock until the one who waits for it has written under it.
fn handed_over(folder: &Path) {
    let path = folder.join("state.db");
    let store = SqliteStore::open(&path, Options::default()).expect("store");
    let mut token = wait(&store, "holder");
    put(&store, "turn", Value::integer(0));
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program).arg("lock").arg(&path).spawn().expect("process");
    let mut times = Vec::new();
    for turn in 0..HANDOVERS as i64 {
        while store.waiters().expect("waiters").is_empty() {
            std::thread::sleep(Duration::from_micros(100));
        }
        // It has waited for a while, as most do.
        std::thread::sleep(Duration::from_millis(fastrand::u64(20..40)));
        let start = Instant::now();
        store.release("turn", token).expect("release");
        let taken = || store.get(&key("taken")).expect("get").map(|entry| entry.value());
        while taken() != Some(Value::integer(turn)) {
            std::hint::spin_loop();
        }
        times.push(start.elapsed().as_secs_f64() * 1e3);
        token = wait(&store, "holder");
        put(&store, "turn", Value::integer(turn + 1));
    }
    assert!(child.wait().expect("wait").success());
    store.release("turn", token).expect("release");
    times.sort_by(f64::total_cmp);
    println!(
        "a lock from hand to hand, to the first write {:>10.1} ms  (99 of 100 within {:.1} ms)",
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
}

/// `state.wait` in a workflow: what it takes of a core, and how long after the commit it goes on.
fn state_wait(folder: &Path) {
    const SECONDS: u64 = 5;
    let path = folder.join("state.db");
    let store = SqliteStore::open(&path, Options::default()).expect("store");
    let script = folder.join("wait.lua");
    std::fs::write(
        &script,
        "task('wait'):command(function()\n\
           for turn = 1, 50 do\n\
             state.set('waits', turn)\n\
             state.wait('go', turn, 60)\n\
             state.set('went', turn)\n\
           end\n\
           state.set('waits', 51)\n\
           state.wait('go', 51, 60)\n\
           return true\n\
         end)",
    )
    .expect("script");
    let mut child = Command::new(env!("CARGO_BIN_EXE_slothstate"))
        .arg("--db")
        .arg(&path)
        .arg("run")
        .arg(&script)
        .stdout(Stdio::null())
        .spawn()
        .expect("run");
    let is = |name: &str, turn: i64| {
        store.get(&key(name)).expect("get").is_some_and(|entry| entry.value() == Value::integer(turn))
    };
    let until = |name: &str, turn: i64| {
        while !is(name, turn) {
            std::thread::sleep(Duration::from_micros(50));
        }
    };
    let mut times = Vec::new();
    for turn in 1..=50 {
        until("waits", turn);
        std::thread::sleep(Duration::from_millis(fastrand::u64(20..60)));
        let start = Instant::now();
        put(&store, "go", Value::integer(turn));
        until("went", turn);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    until("waits", 51);
    std::thread::sleep(Duration::from_secs(2));
    let before = cpu_ticks(child.id());
    std::thread::sleep(Duration::from_secs(SECONDS));
    let share = (cpu_ticks(child.id()) - before) / SECONDS as f64;
    put(&store, "go", Value::integer(51));
    assert!(child.wait().expect("wait").success());
    times.sort_by(f64::total_cmp);
    println!(
        "state.wait, from the commit to the next write{:>10.1} ms  (longest {:.1} ms)",
        times[times.len() / 2],
        times[times.len() - 1]
    );
    report::at_most("state.wait, of a core while nothing happens", share, "%", 0.5, "");
}

/// User and system time of a process in hundredths of a second (proc(5)).
fn cpu_ticks(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let after = stat.rsplit_once(") ").expect("stat").1;
    let fields: Vec<&str> = after.split(' ').collect();
    fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime")
}
