//! How long it takes to open a run of 1,000,000 steps in the terminal interface, from Enter to the
//! picture.
//!
//! `cargo bench --bench debugger`, with `SLOTHSTATE_BENCH_STEPS=100000` for another number of steps.

#[path = "report.rs"]
mod report;
#[path = "../support/terminal.rs"]
mod terminal;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use portable_pty::CommandBuilder;
use slothstate::store::{Options, Runs, SqliteStore};
use slothstate::workflow::recording::decode;
use terminal::Terminal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_slothstate");
const ROUNDS: usize = 5;
/// How many steps the debugger has in memory before and after the cursor.
const AROUND: u64 = 500;

/// Looks only, so that making the recording does not take longer than opening it is worth.
const SOURCE: &str = "task('loop'):timeout('1h'):command(function(params)
    for number = 1, tonumber(params.steps) do state.get('key' .. number % 1000) end
    return true
end):build()
";

fn main() {
    let steps = std::env::var("SLOTHSTATE_BENCH_STEPS").ok().and_then(|steps| steps.parse().ok());
    let steps: u64 = steps.unwrap_or(1_000_000);
    let folder = tempfile::tempdir().expect("a folder");
    let (database, script) = (folder.path().join("state.db"), folder.path().join("loop.lua"));
    std::fs::write(&script, SOURCE).expect("the workflow");
    let status = Command::new(PROGRAM)
        .arg("--db")
        .arg(&database)
        .arg("run")
        .arg(&script)
        .args(["--param", &format!("steps={steps}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program");
    assert!(status.success());
    let store = SqliteStore::open(&database, Options::default()).expect("store");
    let last = store.recording_chunks(1, u64::MAX >> 1, false, 1).expect("pieces")[0].last;
    println!("a run of {last} steps");
    let (mut opened, mut end, mut bare) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        let mut terminal = start(&database);
        terminal.wait_for("KEY");
        terminal.keys("7");
        terminal.wait_for_row("loop");
        let since = Instant::now();
        terminal.keys("\r");
        terminal.wait_for_row("run started");
        opened = opened.min(milliseconds(since));
        let since = Instant::now();
        terminal.keys("G");
        terminal.wait_for_row("run finished");
        end = end.min(milliseconds(since));
        let since = Instant::now();
        let header = store.recording_chunks(1, 0, false, 1).expect("the header");
        let mut read = 0;
        while read < AROUND {
            for piece in store.recording_chunks(1, read + 1, false, 1).expect("pieces") {
                read = decode(&piece).expect("records").last().expect("a record").number;
            }
        }
        assert!(!header.is_empty());
        bare = bare.min(milliseconds(since));
    }
    let note =
        format!("({:.1} times as long as reading and decoding these steps: {bare:.2} ms)", opened / bare);
    report::at_most("opening the run, from Enter to the picture", opened, "ms", 50.0, &note);
    report::at_most("from its first step to its last", end, "ms", 50.0, "");
}

fn start(database: &Path) -> Terminal {
    let mut command = CommandBuilder::new(PROGRAM);
    command.arg("--db");
    command.arg(database);
    Terminal::start(command, 120, 40)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
