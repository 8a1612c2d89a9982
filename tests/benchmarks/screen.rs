//! The terminal interface on 1,000,000 keys, in a real pseudo-terminal: first screen, memory,
//! filter, from a commit elsewhere to the screen, and the cost of doing nothing.
//!
//! `cargo bench --bench screen`, with `SLOTHSTATE_BENCH_KEYS=10000000` for another number of keys.

#[path = "many_keys.rs"]
mod many_keys;
#[path = "report.rs"]
mod report;
#[path = "../support/terminal.rs"]
mod terminal;

use std::path::Path;
use std::time::{Duration, Instant};

use many_keys::{cpu_seconds, resident, set, store};
use portable_pty::CommandBuilder;
use rusqlite::Connection;
use terminal::Terminal;

fn main() {
    let keys = many_keys::count();
    let (_folder, path) = many_keys::made();
    first_screen(&path);
    filter(&path, keys);
    commit_to_screen(&path);
    idle(&path);
}

fn start(path: &Path) -> Terminal {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    command.arg("--db");
    command.arg(path);
    Terminal::start(command, 120, 40)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn first_screen(path: &Path) {
    let mut best = f64::MAX;
    let mut memory: f64 = 0.0;
    for _ in 0..5 {
        let terminal = start(path);
        terminal.wait_for("host:00000010:status");
        best = best.min(milliseconds(terminal.started));
        terminal.wait_for(" keys");
        memory = memory.max(resident(terminal.pid()));
    }
    report::at_most("first screen with rows, from exec", best, "ms", 50.0, "");
    report::at_most("resident memory, rows counted", memory, "MB", 25.0, "");
}

fn filter(path: &Path, keys: u64) {
    let connection = Connection::open(path).expect("open");
    let scan = |needle: &str| {
        let start = Instant::now();
        let found: i64 = connection
            .query_row("SELECT count(*) FROM state WHERE instr(key, ?1) > 0", [needle], |row| row.get(0))
            .expect("scan");
        (milliseconds(start), found)
    };
    let last = format!("{:08}", keys - 1);
    let (mut first_rows, mut all, mut scanned) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..5 {
        let mut terminal = start(path);
        terminal.wait_for("host:00000010:status");
        terminal.keys("/");
        // Rows near the beginning: what counts is the way there and back.
        let start = Instant::now();
        terminal.keys("00017");
        terminal.wait_until("the first filtered row", |screen| {
            let text = screen.contents();
            text.contains("host:00000170") && !text.contains("host:00000010:")
        });
        first_rows = first_rows.min(milliseconds(start));
        // The very last key: everything is looked at.
        terminal.keys("\x1b");
        terminal.wait_for("no filter");
        terminal.wait_for("host:00000018:status");
        terminal.keys("/");
        let start = Instant::now();
        terminal.keys(last.as_bytes());
        terminal.wait_until("the last row alone", |screen| screen.contents().contains("1 of 1 "));
        all = all.min(milliseconds(start));
        scanned = scanned.min(scan(&last).0);
    }
    report::at_most("keystroke to the first filtered rows", first_rows, "ms", 30.0, "");
    report::at_most(
        "filter over every key",
        all / scanned,
        "scans",
        1.0,
        &format!("({all:.0} ms; SQLite's own scan {scanned:.0} ms)"),
    );
}

fn commit_to_screen(path: &Path) {
    const COMMITS: usize = 300;
    let terminal = start(path);
    terminal.wait_for("host:00000010:status");
    terminal.wait_for(" keys");
    let store = store(path);
    let mut times = Vec::with_capacity(COMMITS);
    for number in 0..COMMITS {
        let value = format!("commit-{number:05}");
        set(&store, "a:first", &value);
        let committed = Instant::now();
        terminal.wait_for(&value);
        times.push(milliseconds(committed));
        // Some follow each other closely, some come after a while in which nothing happened.
        let pause = if number % 30 == 0 { 2500 } else { fastrand::u64(1..30) };
        std::thread::sleep(Duration::from_millis(pause));
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let note = format!("(median {:.1} ms, longest {:.1} ms)", at(0.5), at(1.0));
    report::at_most("commit elsewhere to screen, 99th percentile", at(0.99), "ms", 50.0, &note);
}

fn idle(path: &Path) {
    const SECONDS: u64 = 20;
    for (view, shown) in
        [("1", "host:00000010:status"), ("4", "LEASE"), ("8", "CHANGING"), ("w", "host:"), ("6", "BEFORE")]
    {
        let mut terminal = start(path);
        terminal.wait_for("host:00000010:status");
        terminal.wait_for(" keys");
        terminal.keys(view);
        terminal.wait_for(shown);
        // Starting up is not part of it, nor is looking more often after news.
        std::thread::sleep(Duration::from_secs(3));
        let before = cpu_seconds(terminal.pid());
        std::thread::sleep(Duration::from_secs(SECONDS));
        let used = cpu_seconds(terminal.pid()) - before;
        let what = format!("idle, of one core, after {view} ({shown})");
        report::at_most(&what, used / SECONDS as f64 * 100.0, "%", 0.5, "");
    }
}
