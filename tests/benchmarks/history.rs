//! Reading what was, and following what happens.
//!
//! `cargo bench --bench history`; the number of keys is set by `SLOTHSTATE_BENCH_KEYS`.

#[path = "report.rs"]
mod report;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rusqlite::Connection;
use slothstate::store::{
    Expiry, History, Key, KeyRange, Operation, Options, Retention, Revision, Scan, SqliteStore, State,
    Transaction, Value, When,
};

const KEYS: u32 = 1_000_000;
const CHANGES: u32 = 100_000;
const PAGE: usize = 2000;

fn main() {
    let keys = std::env::var("SLOTHSTATE_BENCH_KEYS").ok().and_then(|keys| keys.parse().ok()).unwrap_or(KEYS);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.db");
    let began = fill(&path, keys);
    the_state_as_it_was(&path, began);
    one_entry_as_it_was(&path, began);
    step_by_step(&path, began);
    watched(&path);
    idle(&path);
}

fn key(number: u32) -> Key {
    Key::new(format!("service:{:04}:key:{number:08}", number % 5000)).expect("key")
}

/// So many keys, and so many changes of a tenth of them afterwards; the revision in between.
fn fill(path: &Path, keys: u32) -> Revision {
    let store = SqliteStore::open_or_create(path, Options::default()).expect("store");
    let put = |number: u32, value: String| Operation::Put {
        key: key(number),
        value: Value::text(value),
        expiry: Expiry::Clear,
    };
    for first in (0..keys).step_by(10_000) {
        let operations =
            (first..keys.min(first + 10_000)).map(|number| put(number, format!("value {number}")));
        store.commit(&Transaction::all(operations.collect())).expect("fill");
    }
    let keep = Retention { rows: 200_000, ..Retention::default() };
    store.set_retention(&keep).expect("retention");
    let began = store.revision().expect("revision");
    for change in 0..CHANGES {
        let number = change.wrapping_mul(7919) % keys;
        let operation = match change % 10 {
            0 => Operation::Delete(key(number)),
            1 => put(keys + change, format!("new {change}")),
            _ => put(number, format!("value {number} of {change}")),
        };
        store.commit(&Transaction::of(operation)).expect("change");
    }
    began
}

fn the_state_as_it_was(path: &Path, began: Revision) {
    let store = SqliteStore::open(path, Options::default()).expect("store");
    let all = |page: &mut dyn FnMut(&Scan) -> Vec<slothstate::store::Entry>| {
        let mut scan = Scan::new(KeyRange::all(), PAGE);
        let mut read = 0;
        let start = Instant::now();
        loop {
            let page = page(&scan);
            let Some(last) = page.last() else { break };
            read += page.len();
            scan.after = Some(last.key.clone());
        }
        (read, start.elapsed().as_secs_f64() * 1e3)
    };
    let moment = store.moment(When::Revision(began)).expect("moment");
    let mut first = f64::MAX;
    let start = Instant::now();
    let (then, past) = all(&mut |scan| {
        let page = store.scan_at(scan, moment).expect("past");
        first = first.min(start.elapsed().as_secs_f64() * 1e3);
        page
    });
    let (now, present) = all(&mut |scan| store.scan(scan).expect("present"));
    let changed = store.revision().expect("revision").0 - began.0;
    println!(
        "the state of {changed} changes ago              {then} entries in {past:.0} ms, the first page after {first:.0} ms; \
         the present {now} in {present:.0} ms: ratio {:.2}",
        past / present
    );
}

fn one_entry_as_it_was(path: &Path, began: Revision) {
    let store = SqliteStore::open(path, Options::default()).expect("store");
    let moment = store.moment(When::Revision(began)).expect("moment");
    let start = Instant::now();
    store.get_at(&key(77), moment).expect("get").expect("entry");
    println!("one entry of that state                       {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
}

/// One change back after the other, then on again, as the interface does: a page of what was, and the
/// first of what is not the same now.
fn step_by_step(path: &Path, began: Revision) {
    const STEPS: i64 = 50;
    const ROWS: usize = 300;
    let store = SqliteStore::open(path, Options::default()).expect("store");
    let newest = store.revision().expect("revision");
    let middle = began.0 + (newest.0 - began.0) / 2;
    let present = store.moment(When::Revision(newest)).expect("moment");
    let mut times = Vec::new();
    for revision in (middle - STEPS..middle).rev().chain(middle - STEPS..middle) {
        let start = Instant::now();
        let moment = store.moment(When::Revision(Revision(revision))).expect("moment");
        let page = store.scan_at(&Scan::new(KeyRange::all(), ROWS), moment).expect("past");
        let differences =
            store.differences(moment, present, &Scan::new(KeyRange::all(), ROWS)).expect("differences");
        assert!(page.len() == ROWS && differences.len() == ROWS);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let first = times.remove(0);
    times.sort_by(f64::total_cmp);
    let note = format!(
        "(of {}: median {:.1} ms; the first one took {first:.0} ms)",
        times.len(),
        times[times.len() / 2]
    );
    report::at_most("a step in the past, the longest", times[times.len() - 1], "ms", 50.0, &note);
}

/// Changes a second through `slothstate watch`, against reading the rows of history bare.
fn watched(path: &Path) {
    let connection = Connection::open(path).expect("open");
    let newest: i64 = connection
        .query_row("SELECT max(revision) FROM slothstate_history", [], |row| row.get(0))
        .expect("newest");
    let count = i64::from(CHANGES) - 1;
    let since = (newest - count).to_string();
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_slothstate"))
        .arg("--db")
        .arg(path)
        .args(["watch", "--since", &since, "--count", &count.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("watch");
    let lines = BufReader::new(child.stdout.take().expect("output")).lines().count();
    let ours = lines as f64 / start.elapsed().as_secs_f64();
    assert!(child.wait().expect("wait").success());
    assert_eq!(lines as i64, count);
    let start = Instant::now();
    let mut statement = connection
        .prepare("SELECT * FROM slothstate_history WHERE revision > ?1 ORDER BY revision")
        .expect("statement");
    let mut rows = statement.query([newest - count]).expect("rows");
    let mut bytes = 0;
    while let Some(row) = rows.next().expect("row") {
        bytes += row.get_ref(3).expect("key").as_str().expect("text").len();
    }
    assert!(bytes > 0);
    let bare = lines as f64 / start.elapsed().as_secs_f64();
    report::ratio("changes through slothstate watch", ours, "bare rows", bare, 0.0);
}

/// The share of a core that a watch takes while nothing happens.
fn idle(path: &Path) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_slothstate"))
        .arg("--db")
        .arg(path)
        .arg("watch")
        .stdout(Stdio::piped())
        .spawn()
        .expect("watch");
    // It looks more often for a while after it began.
    std::thread::sleep(std::time::Duration::from_secs(4));
    let before = cpu_ticks(child.id());
    let start = Instant::now();
    std::thread::sleep(std::time::Duration::from_secs(5));
    let share = (cpu_ticks(child.id()) - before) / 100.0 / start.elapsed().as_secs_f64() * 100.0;
    child.kill().expect("kill");
    child.wait().expect("wait");
    report::at_most("an idle slothstate watch, of a core", share, "%", 0.5, "");
}

/// User and system time of a process in hundredths of a second (proc(5)).
fn cpu_ticks(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let after = stat.rsplit_once(") ").expect("stat").1;
    let fields: Vec<&str> = after.split(' ').collect();
    fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime")
}
