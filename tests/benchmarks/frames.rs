//! How long the interface is blocked: every turn of it, from what happened until it is drawn, while it
//! scrolls and filters 1,000,000 keys and while 5,000 commits a second go on; other programs on the same
//! file beside it, where they are installed.
//!
//! `cargo bench --bench frames`, with `SLOTHSTATE_BENCH_KEYS=10000000` for another number of keys.

#[path = "many_keys.rs"]
mod many_keys;
#[path = "report.rs"]
mod report;
#[path = "../support/terminal.rs"]
mod terminal;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use many_keys::{cpu_seconds, resident, set, store};
use portable_pty::CommandBuilder;
use terminal::Terminal;

/// What others are told to do, and what is then on the screen.
type Step = (&'static str, &'static str);

fn main() {
    let keys = many_keys::count();
    let (folder, path) = many_keys::made();
    scroll(folder.path(), &path);
    filter(folder.path(), &path, keys);
    storm(folder.path(), &path);
    others(&path);
}

/// The interface, which writes into its log how long each turn took.
fn start(path: &Path, log: &Path) -> Terminal {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    command.arg("--db");
    command.arg(path);
    command.arg("--log");
    command.arg(log);
    command.env("SLOTHSTATE_LOG_LEVEL", "debug");
    let terminal = Terminal::start(command, 120, 40);
    terminal.wait_for("host:00000010:status");
    terminal.wait_for(" keys");
    terminal
}

/// Prints median, 99th percentile and longest of the turns in a log, in milliseconds.
fn turns(what: &str, log: &Path) {
    let text = std::fs::read_to_string(log).expect("the log");
    let micros = |line: &str| line.split_once("a turn took ")?.1.strip_suffix(" us")?.parse::<f64>().ok();
    let mut times: Vec<f64> = text.lines().filter_map(micros).map(|micros| micros / 1e3).collect();
    assert!(times.len() > 20, "{} turns", times.len());
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let note =
        format!("(of {} turns: median {:.2} ms, 99th percentile {:.2} ms)", times.len(), at(0.5), at(0.99));
    report::at_most(&format!("longest turn, {what}"), at(1.0), "ms", 16.0, &note);
}

fn scroll(folder: &Path, path: &Path) {
    let log = folder.join("scroll.log");
    let mut terminal = start(path, &log);
    for _ in 0..300 {
        terminal.keys("j");
        std::thread::sleep(Duration::from_millis(3));
    }
    for _ in 0..150 {
        terminal.keys("\x1b[6~");
        std::thread::sleep(Duration::from_millis(5));
    }
    terminal.keys("G");
    terminal.wait_for("from the end");
    for _ in 0..100 {
        terminal.keys("\x1b[5~");
        std::thread::sleep(Duration::from_millis(5));
    }
    leave(terminal);
    turns("scrolling", &log);
}

fn filter(folder: &Path, path: &Path, keys: u64) {
    let log = folder.join("filter.log");
    let mut terminal = start(path, &log);
    let last = format!("{:08}", keys - 1);
    for _ in 0..5 {
        terminal.keys("/");
        for letter in last.chars() {
            terminal.keys(letter.to_string());
            std::thread::sleep(Duration::from_millis(40));
        }
        terminal.wait_for("1 of 1 ");
        terminal.keys("\x1b");
        terminal.wait_for("no filter");
        terminal.wait_for("of many");
    }
    leave(terminal);
    turns("filtering", &log);
}

fn storm(folder: &Path, path: &Path) {
    const A_SECOND: u64 = 5_000;
    const SECONDS: u64 = 5;
    let log = folder.join("storm.log");
    let mut terminal = start(path, &log);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (stop, path) = (stop.clone(), path.to_path_buf());
        move || {
            let store = store(&path);
            let start = Instant::now();
            let mut commits = 0;
            while !stop.load(Ordering::SeqCst) {
                set(&store, &format!("host:{:08}:status", commits % 1000), &commits.to_string());
                commits += 1;
                let due = Duration::from_micros(1_000_000 * commits / A_SECOND);
                std::thread::sleep(due.saturating_sub(start.elapsed()));
            }
            commits as f64 / start.elapsed().as_secs_f64()
        }
    });
    // What matters is how soon a key is answered. The first two rows are not in the storm's way.
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(SECONDS) {
        for (key, row) in [("j", "host:00000000"), ("k", "a:first")] {
            let pressed = Instant::now();
            terminal.keys(key);
            terminal.wait_for_row(row);
            times.push(pressed.elapsed().as_secs_f64() * 1e3);
        }
    }
    stop.store(true, Ordering::SeqCst);
    let rate = writer.join().expect("the writer");
    leave(terminal);
    turns(&format!("at {rate:.0} commits a second"), &log);
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let note = format!("(of {}: median {:.1} ms, longest {:.1} ms)", times.len(), at(0.5), at(1.0));
    report::at_most("key to screen in the storm, 99th percentile", at(0.99), "ms", 50.0, &note);
}

fn leave(mut terminal: Terminal) {
    terminal.keys("q");
    terminal.wait_for_end();
}

/// From the start until rows of the table are on the screen, the memory that it takes, and what it costs
/// to look at them for a while.
fn others(path: &Path) {
    const QUERY: &str = "select * from state limit 30";
    let programs: [(&str, &[&str], &[Step]); 4] = [
        ("vd", &["-f", "sqlite"], &[("", "locks"), ("\r", "host:0000")]),
        ("litecli", &[], &[("", "[F3]"), (QUERY, QUERY), (";\r", "host:0000")]),
        ("harlequin", &["-a", "sqlite"], &[("", "Query Editor"), (QUERY, QUERY), ("\n", "host:0000")]),
        ("rainfrog", &["--url"], &[("", "state"), ("\r", "host:0000")]),
    ];
    for (program, arguments, steps) in programs {
        let found = std::env::var_os("PATH")
            .is_some_and(|all| std::env::split_paths(&all).any(|folder| folder.join(program).is_file()));
        if !found {
            println!("{program:<44} SKIPPED: it is not installed");
            continue;
        }
        let home = tempfile::tempdir().expect("a folder");
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env("HOME", home.path());
        command.arg(if program == "rainfrog" {
            format!("sqlite://{}", path.display()).into()
        } else {
            path.as_os_str().to_owned()
        });
        let mut terminal = Terminal::start(command, 120, 40);
        let shown = steps.iter().all(|(keys, shown)| {
            terminal.keys(keys);
            shows(&mut terminal, shown)
        });
        if !shown {
            let screen = terminal.contents();
            let last = screen.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            println!("{program:<44} SKIPPED: no rows within 40 s; its last line: {}", last.trim());
            continue;
        }
        let took = terminal.started.elapsed().as_secs_f64() * 1e3;
        let memory = resident(terminal.pid());
        let idle = idle(&terminal);
        println!(
            "{program:<44} {took:>10.0} ms until rows are shown, {memory:.0} MB, idle {idle:.1} % of a core"
        );
    }
}

/// Whether a text comes onto the screen. A program that asks where the cursor is gets an answer, as
/// from a terminal.
fn shows(terminal: &mut Terminal, text: &str) -> bool {
    const ASKED: &[u8] = b"\x1b[6n";
    let deadline = Instant::now() + Duration::from_secs(40);
    let mut answered = 0;
    while !terminal.contents().contains(text) && Instant::now() < deadline {
        let asked = terminal.output().windows(ASKED.len()).filter(|window| *window == ASKED).count();
        for _ in answered..asked {
            let (row, column) = terminal.look(|screen| screen.cursor_position());
            terminal.keys(format!("\x1b[{};{}R", row + 1, column + 1));
        }
        answered = asked;
        std::thread::sleep(Duration::from_millis(2));
    }
    terminal.contents().contains(text)
}

/// The share of a core that a program takes while nothing happens, in percent.
fn idle(terminal: &Terminal) -> f64 {
    const SECONDS: u64 = 5;
    std::thread::sleep(Duration::from_secs(2));
    let before = cpu_seconds(terminal.pid());
    std::thread::sleep(Duration::from_secs(SECONDS));
    (cpu_seconds(terminal.pid()) - before) / SECONDS as f64 * 100.0
}
