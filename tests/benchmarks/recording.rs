//! What recording costs, how fast a replay is, and how large a recording.
//!
//! `cargo bench --bench recording`; `SLOTHSTATE_BENCH_CALLS=1000000` for another number of calls.

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
    for round in 1..=ROUNDS {
        let run = |database: &PathBuf, more: &[&str]| {
            let calls = format!("calls={calls}");
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/benchmarks/recording.lua");
            took(database, &[&["run", script, "--param", &calls], more].concat())
        };
        // In turn, so that a machine whose speed drifts is the same for all.
        best[0] = best[0].min(run(&recorded, &[]));
        best[1] = best[1].min(run(&plain, &["--no-record"]));
        best[2] = best[2].min(took(&recorded, &["replay", &round.to_string()]));
    }
    let [with, without, replay] = best.map(|time| time.as_secs_f64());
    println!(
        "a run of {calls} state calls: {:.0} ms unrecorded, {:.0} ms recorded",
        without * 1e3,
        with * 1e3
    );
    report::at_most("recorded, against unrecorded", with / without, "times", 1.3, "");
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
