//! A file with very many keys, as Sloth Runner makes it, and a process that is looked at from outside.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use slothstate::store::{Expiry, Key, Options, SqliteStore, State, Transaction, Value};
use tempfile::TempDir;

/// How many keys: `SLOTHSTATE_BENCH_KEYS`, otherwise 1,000,000.
pub fn count() -> u64 {
    std::env::var("SLOTHSTATE_BENCH_KEYS").ok().and_then(|keys| keys.parse().ok()).unwrap_or(1_000_000)
}

/// A folder of its own, in which there is the file that is made.
pub fn made() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.db");
    println!("{} keys", count());
    fill(&path, count());
    (folder, path)
}

/// Makes the file, and has it adopted by one write of `a:first`, which is before all others.
fn fill(path: &Path, keys: u64) {
    let connection = Connection::open(path).expect("open");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
             CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL,
                 created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
             CREATE TABLE locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL,
                 acquired_at DATETIME DEFAULT CURRENT_TIMESTAMP, expires_at DATETIME NOT NULL);",
        )
        .expect("tables");
    connection
        .execute(
            "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1)
             INSERT INTO state (key, value) SELECT printf('host:%08d:status', n), 'value ' || n FROM numbers",
            [i64::try_from(keys).expect("a number of keys")],
        )
        .expect("rows");
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("checkpoint");
    drop(connection);
    set(&store(path), "a:first", "0");
}

/// The store of the file.
pub fn store(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Options::default()).expect("store")
}

/// Writes a value.
pub fn set(store: &SqliteStore, key: &str, value: &str) {
    let transaction = Transaction::put(Key::new(key).expect("key"), Value::text(value), Expiry::Clear);
    store.commit(&transaction).expect("set");
}

/// Resident memory of a process in megabytes; 0 of one that is gone.
pub fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    let kilobytes: f64 =
        line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default();
    kilobytes / 1024.0
}

/// User and system time of a process and all of its threads.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let after_name = stat.rsplit(')').next().expect("fields");
    let ticks: Vec<f64> =
        after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    ticks.iter().sum::<f64>() / per_second as f64
}
