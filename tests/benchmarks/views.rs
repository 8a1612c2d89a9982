//! What each view costs while it only shows: the share of one core that the interface takes at the load
//! of `slothstate demo`, and with nobody writing.
//!
//! `cargo bench --bench views`. Settings from the environment: `SLOTHSTATE_BENCH_SECONDS` for the seconds
//! of each measurement, `SLOTHSTATE_BENCH_PROGRAM` to measure another build of the program, and
//! `SLOTHSTATE_BENCH_VIEWS` for a part of the views, by their names.

#[path = "many_keys.rs"]
#[allow(dead_code)]
mod many_keys;
#[path = "../support/terminal.rs"]
mod terminal;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use many_keys::cpu_seconds;
use portable_pty::CommandBuilder;
use rusqlite::Connection;
use slothstate::store::{Expiry, Key, NewRun, Options, RunEnd, Runs, SqliteStore, State, Transaction, Value};
use slothstate::time::{Clock, ManualClock, Millis, SystemClock};
use terminal::Terminal;

/// The most of one core that a view may take, in percent, while it is shown and while it is covered.
const LIMIT: f64 = 6.0;
const LIMIT_COVERED: f64 = 1.0;
const LIMIT_IDLE: f64 = 0.5;

/// The workflows of the demo.
const WORKFLOWS: [(&str, &str); 7] = [
    ("deploy.lua", include_str!("../../assets/workflows/deploy.lua")),
    ("workers.lua", include_str!("../../assets/workflows/workers.lua")),
    ("circuit_breaker.lua", include_str!("../../assets/workflows/circuit_breaker.lua")),
    ("metrics.lua", include_str!("../../assets/workflows/metrics.lua")),
    ("critical_section.lua", include_str!("../../assets/workflows/critical_section.lua")),
    ("cached_report.lua", include_str!("../../assets/workflows/cached_report.lua")),
    ("feature_flags.lua", include_str!("../../assets/workflows/feature_flags.lua")),
];

/// A view: how it is reached from the list of keys, step by step, with what is on the screen after each
/// step; what follows `›` is in the row that has the cursor.
struct View {
    name: &'static str,
    steps: &'static [(&'static str, &'static str)],
    limit: f64,
}

const fn shown(name: &'static str, steps: &'static [(&'static str, &'static str)]) -> View {
    View { name, steps, limit: LIMIT }
}

const VIEWS: [View; 13] = [
    shown("Keys", &[]),
    shown("Keys as a tree", &[("w", "▸")]),
    shown("Flags", &[("2", "feature")]),
    shown("Counters", &[("3", "RATE")]),
    shown("Locks", &[("4", "LEASE")]),
    shown("Expiring", &[("5", "LEFT")]),
    shown("History", &[("6", "BEFORE")]),
    shown("Runs", &[("7", "WORKFLOW")]),
    shown("Overview", &[("8", "CHANGING")]),
    shown("the past", &[("p", "PAST"), ("", "THEN")]),
    shown("a value on the whole screen", &[("/about:demo\r", "›about"), ("v", "a throw-away")]),
    View {
        name: "a finished run from Runs",
        steps: &[("7", "WORKFLOW"), ("/status:done\r", "›done"), ("\r", "run finished")],
        limit: LIMIT_COVERED,
    },
    View {
        name: "the same from Overview",
        steps: &[("8", "CHANGING"), ("7", "WORKFLOW"), ("/status:done\r", "›done"), ("\r", "run finished")],
        limit: LIMIT_COVERED,
    },
];

fn seconds() -> u64 {
    std::env::var("SLOTHSTATE_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

fn program() -> PathBuf {
    std::env::var_os("SLOTHSTATE_BENCH_PROGRAM")
        .map_or_else(|| env!("CARGO_BIN_EXE_slothstate").into(), PathBuf::from)
}

fn is_wanted(view: &View) -> bool {
    std::env::var("SLOTHSTATE_BENCH_VIEWS")
        .map_or(true, |wanted| wanted.split(',').any(|name| name == view.name))
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("state.db");
    fill(&database);
    let views: Vec<&View> = VIEWS.iter().filter(|view| is_wanted(view)).collect();
    let load = Load::start(folder.path());
    let before = Progress::of(&database);
    let loaded: Vec<Figure> = views.iter().map(|view| measure(&database, view)).collect();
    let rate = Progress::of(&database).since(&before);
    // The folder goes with the load.
    let quiet = tempfile::tempdir().expect("a folder");
    let copy = quiet.path().join("state.db");
    let mut backup = Command::new(program());
    backup.arg("--db").arg(&database).arg("backup").arg(&copy).stdout(Stdio::null());
    assert!(backup.status().expect("backup").success());
    drop(load);
    let idle: Vec<Figure> = views.iter().map(|view| measure(&copy, view)).collect();
    println!(
        "{} at {:.0} changes/s and {:.1} runs/s, {} s each",
        program().display(),
        rate.0,
        rate.1,
        seconds()
    );
    println!(
        "{:<28} {:>8} {:>7} {:>9}   {:>8} {:>7} {:>9}",
        "of one core", "load", "limit", "frames/s", "idle", "limit", "frames/s"
    );
    for (view, (loaded, idle)) in views.iter().zip(loaded.iter().zip(&idle)) {
        println!(
            "{:<28} {:>7.2}% {:>7.2} {:>9.1}   {:>7.2}% {:>7.2} {:>9.1}  {}",
            view.name,
            loaded.cpu,
            loaded.cpu / view.limit,
            loaded.frames,
            idle.cpu,
            idle.cpu / LIMIT_IDLE,
            idle.frames,
            if loaded.cpu <= view.limit && idle.cpu <= LIMIT_IDLE { "met" } else { "MISSED" },
        );
    }
}

/// What a view takes of one core, in percent, and how many frames a second it draws.
struct Figure {
    cpu: f64,
    frames: f64,
}

fn measure(database: &Path, view: &View) -> Figure {
    let mut command = CommandBuilder::new(program());
    command.env_remove("SLOTHSTATE_DB");
    command.args(["--config", "/nonexistent", "--db"]);
    command.arg(database);
    let mut terminal = Terminal::start(command, 120, 40);
    terminal.wait_for("about:demo");
    for (keys, shown) in view.steps {
        terminal.keys(keys);
        match shown.strip_prefix('›') {
            Some(row) => terminal.wait_for_row(row),
            None => terminal.wait_for(shown),
        }
    }
    // Opening it is not part of it, nor is what follows right after.
    std::thread::sleep(Duration::from_secs(4));
    let (began, cpu, frames) = (Instant::now(), cpu_seconds(terminal.pid()), frames(&terminal));
    std::thread::sleep(Duration::from_secs(seconds()));
    let used = cpu_seconds(terminal.pid()) - cpu;
    let drawn = self::frames(&terminal) - frames;
    let took = began.elapsed().as_secs_f64();
    terminal.keys("\x03");
    terminal.wait_for_end();
    Figure { cpu: used / took * 100.0, frames: drawn as f64 / took }
}

/// How many frames were drawn so far.
fn frames(terminal: &Terminal) -> usize {
    const END: &[u8] = b"\x1b[?2026l";
    terminal.output().windows(END.len()).filter(|window| *window == END).count()
}

/// How far the load has come.
struct Progress {
    at: Instant,
    changes: i64,
    runs: i64,
}

impl Progress {
    fn of(database: &Path) -> Progress {
        let connection = Connection::open(database).expect("open");
        connection.busy_timeout(Duration::from_secs(60)).expect("timeout");
        let newest = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).expect("a number");
        Progress {
            at: Instant::now(),
            changes: newest("SELECT max(revision) FROM slothstate_history"),
            runs: newest("SELECT max(run) FROM slothstate_runs"),
        }
    }

    /// Changes and runs a second.
    fn since(&self, before: &Progress) -> (f64, f64) {
        let seconds = (self.at - before.at).as_secs_f64();
        ((self.changes - before.changes) as f64 / seconds, (self.runs - before.runs) as f64 / seconds)
    }
}

/// Ten minutes of the load as it would have been, so that what counts the last minutes has its full
/// window to count.
fn fill(database: &Path) {
    const MINUTES: i64 = 10;
    const CHANGES: i64 = MINUTES * 60 * 57;
    const RUNS: i64 = MINUTES * 60 * 4;
    let begin = SystemClock.now().0 - MINUTES * 60_000;
    let clock = Arc::new(ManualClock::at(Millis(begin)));
    let settings = Options { clock: clock.clone(), ..Options::default() };
    let store = SqliteStore::open_or_create(database, settings).expect("store");
    let put = |key: &str, value: Value| {
        let key = Key::new(key).expect("key");
        store.commit(&Transaction::put(key, value, Expiry::Clear)).expect("put");
    };
    put("about:demo", Value::text("a throw-away database"));
    for number in 0..CHANGES {
        clock.set(Millis(begin + MINUTES * 60_000 * number / CHANGES));
        put(&format!("host:{:03}:requests", number * number % 83), Value::integer(number));
        if number % (CHANGES / RUNS) == 0 {
            let new = NewRun {
                workflow: "metrics".into(),
                file: "metrics.lua".into(),
                params: Default::default(),
                header: None,
            };
            let run = store.begin_run(&new).expect("run");
            let failed = u32::from(number % 9 == 0);
            let outcome = if failed > 0 { "failed" } else { "done" };
            let end = RunEnd { outcome: outcome.into(), ok: 3 - failed, failed, skipped: 0 };
            store.end_run(run, &end).expect("end");
        }
    }
}

/// The demo's workflows at work; they end when this is dropped.
struct Load(Child);

impl Load {
    fn start(folder: &Path) -> Load {
        for (name, source) in WORKFLOWS {
            std::fs::write(folder.join(name), source).expect(name);
        }
        let child = Command::new(program())
            .arg("demo-workflows")
            .arg(folder)
            .arg("0.4")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the workflows");
        std::thread::sleep(Duration::from_secs(5));
        Load(child)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
