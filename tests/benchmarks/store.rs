//! Reads, writes and increments against bare prepared statements on the same file format with the
//! same durability and no history.
//!
//! `cargo bench --bench store`; BENCH is the program that it builds, `target/release/deps/store-*`.
//!
//! # Where the time of a `set` goes
//!
//! `perf record -e cpu-clock -g BENCH set FILE 60000`, after `BENCH set FILE 1000`:
//!
//! - The kernel has three fifths of the processor time. A write puts 2.1 pages into the log, one of the
//!   entry and one of its history, and a bare upsert 1.0. Each page takes two calls of `pwrite` (28 % of
//!   all), a checksum (4 %) and its part of the next checkpoint (10 %). SQLite's locks (20 %) are the same
//!   for both. Entry and history are two tables, so two pages are the least; a narrower row of history
//!   does not make them fewer.
//! - Before each write it is checked that the files are still the same (5 %); upkeep takes 3 %.
//!
//! `valgrind --tool=callgrind BENCH set FILE TIMES`, 6,000 less 1,000 writes, counts 64,000 instructions a
//! write. Of these 10,000 clear the registers of triggers, mostly those of the one for other programs: one
//! `rep stos` per trigger, of which valgrind counts each byte, and which takes no more than 1 % of the time.

#[path = "report.rs"]
mod report;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension};
use slothstate::store::{Edit, Expiry, Key, Number, Options, SqliteStore, State, Transaction, Value};
use slothstate::time::{Clock, SystemClock};

/// A bare upsert, which the writes are compared with.
const UPSERT: &str =
    "INSERT INTO state (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";

const ROUNDS: u32 = 7;
const TIMES: u32 = 5_000;
/// How often each process counts on the one counter.
const SHARED: u32 = 5_000;
const PROCESSES: u32 = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, path, more @ ..] = &arguments[..] {
        let path = Path::new(path);
        let times = more.first().and_then(|times| times.parse().ok()).unwrap_or(SHARED);
        match role.as_str() {
            "set" => return set(path, times),
            "set-bare" => return set_bare(path, times),
            "increment" => return increment(path, times),
            "increment-bare" => return increment_bare(path, times),
            _ => {}
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    pages(folder.path());
    one_process(folder.path());
    against_two_tables(folder.path());
    several_processes(folder.path());
    whole_process(folder.path());
}

fn bare(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("open");
    connection.busy_timeout(std::time::Duration::from_secs(30)).expect("time-out");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL);",
        )
        .expect("schema");
    connection
}

fn key(number: u32) -> Key {
    Key::new(format!("bench:key:{number:05}")).expect("key")
}

/// How many pages of 4,096 bytes a write puts into the log, each with a header of 24 bytes.
fn pages(folder: &Path) {
    const WRITES: u32 = 1_000;
    let [ours, limit] = ["pages.db", "pages-bare.db"].map(|name| folder.join(name));
    let pages_of = |path: &Path, write: &mut dyn FnMut()| {
        let log = || std::fs::metadata(path.with_extension("db-wal")).map_or(0, |log| log.len());
        (0..WRITES).for_each(|_| write());
        let before = log();
        (0..WRITES).for_each(|_| write());
        (log() - before) as f64 / f64::from(WRITES * 4_120)
    };
    let store = SqliteStore::open_or_create(&ours, Options::default()).expect("store");
    let mut numbers = 0_u32..;
    let with = pages_of(&ours, &mut || {
        let number = numbers.next().unwrap_or(0);
        let value = Value::text(format!("some value {number}"));
        store.commit(&Transaction::put(key(number % WRITES), value, Expiry::Clear)).expect("set");
    });
    let connection = bare(&limit);
    connection.pragma_update(None, "wal_autocheckpoint", 0).expect("no checkpoint");
    let mut numbers = 0_u32..;
    let without = pages_of(&limit, &mut || {
        let number = numbers.next().unwrap_or(0);
        let row = (key(number % WRITES).to_text(), format!("some value {number}"));
        connection.execute(UPSERT, row).expect("upsert");
    });
    println!("{:<44} {with:>10.2}  (bare upsert: {without:.2})", "pages a set writes");
}

fn one_process(folder: &Path) {
    let store = SqliteStore::open_or_create(&folder.join("state.db"), Options::default()).expect("store");
    let connection = bare(&folder.join("bare.db"));
    let put = |number: u32| {
        store
            .commit(&Transaction::put(
                key(number % 1000),
                Value::text(format!("some value {number}")),
                Expiry::Clear,
            ))
            .expect("set");
    };
    let mut upsert = connection.prepare(UPSERT).expect("statement");
    let mut numbers = (0u32.., 0u32..);
    let rates = report::in_turn(ROUNDS, TIMES, &mut || put(numbers.0.next().unwrap_or(0)), &mut || {
        let number = numbers.1.next().unwrap_or(0);
        upsert.execute((key(number % 1000).to_text(), format!("some value {number}"))).expect("upsert");
    });
    report::rates("set, with history", "bare upsert", rates, 0.55);

    let counter = Key::new("bench:counter").expect("key");
    let mut add = connection
        .prepare(
            "INSERT INTO state (key, value) VALUES ('bench:counter', 1) \
             ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value",
        )
        .expect("statement");
    let rates = report::in_turn(
        ROUNDS,
        TIMES,
        &mut || {
            store.edit(&counter, &Edit::Increment(Number::Integer(1))).expect("increment");
        },
        &mut || {
            add.query_row([], |row| row.get::<_, String>(0)).expect("increment");
        },
    );
    report::rates("increment, with history", "bare upsert", rates, 0.55);

    let mut select = connection.prepare("SELECT value FROM state WHERE key = ?1").expect("statement");
    let rates = report::in_turn(
        ROUNDS,
        TIMES * 4,
        &mut || {
            store.get(&key(7)).expect("get").expect("entry");
        },
        &mut || {
            select.query_row([key(7).to_text()], |row| row.get::<_, String>(0)).expect("get");
        },
    );
    report::rates("get, with all about the entry", "bare select", rates, 0.0);
}

/// Set and increment against the way of redka, a Redis on SQLite without history: a key in one table,
/// its value in another, a transaction each. It is a program in Go; what is measured here is its
/// way of doing it, statement for statement, without what Go costs.
fn against_two_tables(folder: &Path) {
    let store = SqliteStore::open_or_create(&folder.join("one.db"), Options::default()).expect("store");
    let connection = Connection::open(folder.join("two.db")).expect("open");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;
             CREATE TABLE keys (id INTEGER PRIMARY KEY, name TEXT NOT NULL, type INTEGER NOT NULL,
                 version INTEGER NOT NULL, expires INTEGER, modified INTEGER NOT NULL);
             CREATE UNIQUE INDEX keys_by_name ON keys (name);
             CREATE INDEX keys_by_expiry ON keys (expires) WHERE expires IS NOT NULL;
             CREATE TABLE texts (id INTEGER NOT NULL REFERENCES keys (id) ON DELETE CASCADE, value BLOB NOT NULL);
             CREATE UNIQUE INDEX texts_by_key ON texts (id);",
        )
        .expect("schema");
    let execute = |sql: &str| connection.prepare_cached(sql).expect("statement").execute([]).expect("done");
    let write = |name: &str, value: &str| {
        connection
            .prepare_cached(
                "INSERT INTO keys (name, type, version, expires, modified) VALUES (?1, 1, 1, NULL, ?2) \
                 ON CONFLICT (name) DO UPDATE SET \
                     type = CASE WHEN type = excluded.type THEN type END, version = version + 1, \
                     expires = excluded.expires, modified = excluded.modified",
            )
            .and_then(|mut statement| statement.execute((name, SystemClock.now().0)))
            .expect("key");
        connection
            .prepare_cached(
                "INSERT INTO texts (id, value) VALUES ((SELECT id FROM keys WHERE name = ?1), ?2) \
                 ON CONFLICT (id) DO UPDATE SET value = excluded.value",
            )
            .and_then(|mut statement| statement.execute((name, value.as_bytes())))
            .expect("value");
    };
    let mut numbers = (0u32.., 0u32..);
    let rates = report::in_turn(
        ROUNDS,
        TIMES,
        &mut || {
            let number = numbers.0.next().unwrap_or(0);
            let value = Value::text(format!("some value {number}"));
            store.commit(&Transaction::put(key(number % 1000), value, Expiry::Clear)).expect("set");
        },
        &mut || {
            let number = numbers.1.next().unwrap_or(0);
            execute("BEGIN IMMEDIATE");
            write(&key(number % 1000).to_text(), &format!("some value {number}"));
            execute("COMMIT");
        },
    );
    report::rates("set, with history", "redka's way", rates, 0.0);

    let counter = Key::new("bench:counter").expect("key");
    let rates = report::in_turn(
        ROUNDS,
        TIMES,
        &mut || {
            store.edit(&counter, &Edit::Increment(Number::Integer(1))).expect("increment");
        },
        &mut || {
            execute("BEGIN IMMEDIATE");
            let found = connection
                .prepare_cached(
                    "SELECT value FROM texts JOIN keys USING (id) WHERE name = ?1 AND type = 1 \
                     AND (expires IS NULL OR expires > ?2)",
                )
                .and_then(|mut statement| {
                    statement.query_row(("bench:counter", SystemClock.now().0), |row| row.get(0)).optional()
                });
            let value: Vec<u8> = found.expect("get").unwrap_or_else(|| b"0".to_vec());
            let number: i64 = String::from_utf8(value).expect("text").parse().expect("a number");
            write("bench:counter", &(number + 1).to_string());
            execute("COMMIT");
        },
    );
    report::rates("increment, with history", "redka's way", rates, 0.0);
}

fn set(path: &Path, times: u32) {
    let store = SqliteStore::open_or_create(path, Options::default()).expect("store");
    for number in 0..times {
        let value = Value::text(format!("some value {number}"));
        store.commit(&Transaction::put(key(number % 1000), value, Expiry::Clear)).expect("set");
    }
}

fn set_bare(path: &Path, times: u32) {
    let connection = bare(path);
    let mut upsert = connection.prepare(UPSERT).expect("statement");
    for number in 0..times {
        upsert.execute((key(number % 1000).to_text(), format!("some value {number}"))).expect("upsert");
    }
}

fn increment(path: &Path, times: u32) {
    let store = SqliteStore::open_or_create(path, Options::default()).expect("store");
    let counter = Key::new("shared").expect("key");
    for _ in 0..times {
        store.edit(&counter, &Edit::Increment(Number::Integer(1))).expect("increment");
    }
}

fn increment_bare(path: &Path, times: u32) {
    let connection = bare(path);
    let mut add = connection
        .prepare(
            "INSERT INTO state (key, value) VALUES ('shared', 1) \
             ON CONFLICT (key) DO UPDATE SET value = value + 1",
        )
        .expect("statement");
    for _ in 0..times {
        add.execute([]).expect("increment");
    }
}

/// Increments a second in all, by so many processes on one counter.
fn rate_of(role: &str, path: &Path, processes: u32) -> f64 {
    let program = std::env::current_exe().expect("this program");
    let start = Instant::now();
    let children: Vec<_> = (0..processes)
        .map(|_| Command::new(&program).arg(role).arg(path).spawn().expect("process"))
        .collect();
    for mut child in children {
        assert!(child.wait().expect("wait").success());
    }
    f64::from(processes * SHARED) / start.elapsed().as_secs_f64()
}

fn several_processes(folder: &Path) {
    let path = folder.join("shared.db");
    let store = SqliteStore::open_or_create(&path, Options::default()).expect("store");
    let counter = Key::new("shared").expect("key");
    store.commit(&Transaction::put(counter.clone(), Value::integer(0), Expiry::Clear)).expect("set");
    let bare_path = folder.join("shared-bare.db");
    drop(bare(&bare_path));
    let mut best = [0.0_f64; 4];
    let mut done = 0;
    for _ in 0..3 {
        for (place, role, path, processes) in [
            (0, "increment", &path, 1),
            (1, "increment", &path, PROCESSES),
            (2, "increment-bare", &bare_path, 1),
            (3, "increment-bare", &bare_path, PROCESSES),
        ] {
            best[place] = best[place].max(rate_of(role, path, processes));
            done += if place < 2 { processes * SHARED } else { 0 };
        }
    }
    let counted = store.get(&counter).expect("get").expect("entry").value();
    assert_eq!(counted, Value::integer(i64::from(done)), "nothing is lost");
    report::ratio("4 processes on one counter", best[1], "1 process", best[0], 0.8);
    report::ratio("  the same with bare statements", best[3], "1 process", best[2], 0.0);
}

fn whole_process(folder: &Path) {
    let path = folder.join("state.db");
    let time = |program: &str, arguments: &[&str]| {
        let mut best = f64::MAX;
        for _ in 0..40 {
            let start = Instant::now();
            let done = Command::new(program).args(arguments).output().expect("process");
            assert!(done.status.success());
            best = best.min(start.elapsed().as_secs_f64() * 1e3);
        }
        best
    };
    let database = path.display().to_string();
    let ours = time(env!("CARGO_BIN_EXE_slothstate"), &["--db", &database, "get", "bench:key:00007"]);
    let nothing = time("true", &[]);
    report::at_most(
        "slothstate get KEY, whole process",
        ours,
        "ms",
        5.0,
        &format!("(true: {nothing:.2} ms)"),
    );
}
