//! What recording costs, how fast a replay is, and how large a recording.
//!
//! `cargo bench --bench recording`; `SLOTHSTATE_BENCH_CALLS=1000000` for another number of calls.
//!
//! A write of a recorded run puts 3.2 pages into the log and one of an unrecorded run 2.1, since the
//! recording is a table of its own. The third page, two of the six calls of `pwrite`, is most of what a
//! recording costs. Records that wait for a later write would be lost with a process that is killed, while
//! what they are about is not; in the row of the history they would go when that is pruned, whose limits
//! are not those of recordings.

#[path = "report.rs"]
mod report;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: u32 = 5;

fn main() {
    let calls: u64 =
        std::env::var("SLOTHSTATE_BENCH_CALLS").ok().and_then(|calls| calls.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a folder");
    let [recorded, plain] = ["recorded.db", "plain.db"].map(|name| folder.path().join(name));
    let mut best = [Duration::MAX; 3];
    let mut processor = [f64::MAX; 2];
    for round in 1..=ROUNDS {
        let run = |database: &PathBuf, more: &[&str]| {
            let calls = format!("calls={calls}");
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/benchmarks/recording.lua");
            took(database, &[&["run", script, "--param", &calls], more].concat())
        };
        // In turn, so that a machine whose speed drifts is the same for all.
        for (place, database, more) in [(0, &recorded, &[][..]), (1, &plain, &["--no-record"][..])] {
            let before = time_of_children();
            best[place] = best[place].min(run(database, more));
            processor[place] = processor[place].min(time_of_children() - before);
        }
        best[2] = best[2].min(took(&recorded, &["replay", &round.to_string()]));
    }
    let [with, without, replay] = best.map(|time| time.as_secs_f64());
    println!(
        "a run of {calls} state calls: {:.0} ms unrecorded, {:.0} ms recorded",
        without * 1e3,
        with * 1e3
    );
    let by_clock = format!("by processor time; {:.2} by the clock", with / without);
    report::at_most("recorded, against unrecorded", processor[0] / processor[1], "times", 1.3, &by_clock);
    let [with_pages, without_pages] = [&[][..], &["--no-record"][..]].map(|more| pages(folder.path(), more));
    println!(
        "{:<44} {with_pages:>10.2}  (unrecorded: {without_pages:.2})",
        "pages a write of a recorded run writes"
    );
    report::at_most(
        "replay, against the run",
        replay / with,
        "of it",
        0.1,
        &format!("{:.0} ms", replay * 1e3),
    );
    let database = rusqlite::Connection::open(&recorded).expect("database");
    let (bytes, events): (f64, f64) = database
        .query_row(
            "SELECT total(length(data)), total(last - (piece & 4294967295) + 1) FROM slothstate_recordings \
             WHERE piece & 4294967295",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect("sizes");
    println!("{:<44} {:>10.0} bytes", "a record", bytes / events);
    println!(
        "{:<44} {:>10.0} bytes",
        "a state call, begin and end together",
        bytes / (calls * u64::from(ROUNDS)) as f64
    );
}

/// The processor time of all processes that have ended, in seconds; Linux tells it in hundredths.
fn time_of_children() -> f64 {
    let status = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = status.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(13).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / 100.0
}

/// How many pages each write of a run puts into the log.
fn pages(folder: &Path, more: &[&str]) -> f64 {
    const CALLS: u32 = 2_500;
    let database = folder.join(format!("pages{}.db", more.len()));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/benchmarks/recording.lua");
    let calls = format!("calls={CALLS}");
    let run = || took(&database, &[&["run", script, "--param", &calls], more].concat());
    run();
    // Whoever reads keeps the log from being removed at the end of the run.
    let reader = rusqlite::Connection::open(&database).expect("database");
    let count = || reader.query_row("SELECT count(*) FROM state", [], |row| row.get::<_, i64>(0));
    count().expect("entries");
    run();
    let log = std::fs::metadata(database.with_extension("db-wal")).map_or(0, |log| log.len());
    // Two of five calls write.
    log as f64 / 4_120.0 / f64::from(CALLS * 2 / 5)
}

/// How long the whole program takes.
fn took(database: &Path, arguments: &[&str]) -> Duration {
    let start = Instant::now();
    let done = Command::new(env!("CARGO_BIN_EXE_slothstate"))
        .arg("--db")
        .arg(database)
        .args(arguments)
        .output()
        .expect("slothstate");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    start.elapsed()
}
