//! Much at once: thousands of changes a second by others, and keys without sense.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use slothstate::store::{Expiry, Key, Options, SqliteStore, State, Transaction, Value};

use crate::support::files::Place;
use crate::support::terminal::Terminal;
use crate::tui::{ESC, command, place_with, quit};

/// Commits as fast as it may, until it is dropped.
struct Storm {
    stop: Arc<AtomicBool>,
    commits: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Storm {
    /// At most so many commits a second, each of one of 500 keys.
    fn start(place: &Place, a_second: u64) -> Storm {
        let (stop, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = std::thread::spawn({
            let (stop, commits, path) = (stop.clone(), commits.clone(), place.db());
            move || {
                let store = SqliteStore::open(&path, Options::default()).unwrap();
                let start = Instant::now();
                while !stop.load(Ordering::SeqCst) {
                    let number = commits.fetch_add(1, Ordering::SeqCst);
                    let key = Key::new(format!("storm:{:03}", number % 500)).unwrap();
                    let put = Transaction::put(key, Value::integer(number as i64), Expiry::Clear);
                    store.commit(&put).unwrap();
                    let due = Duration::from_micros(1_000_000 * number / a_second);
                    std::thread::sleep(due.saturating_sub(start.elapsed()));
                }
            }
        });
        Storm { stop, commits, thread: Some(thread) }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let ended = self.thread.take().map(std::thread::JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

#[test]
fn thousands_of_changes_a_second_do_not_stand_in_the_way() {
    let place = place_with(&[("a", "1"), ("b", "2"), ("flag", "true")]);
    let mut terminal = Terminal::start(command(&place, &[]), 80, 24);
    terminal.wait_for_row("a ");
    let storm = Storm::start(&place, 5_000);
    terminal.wait_for("storm:000");
    // However fast this machine is: as long as it takes for a storm.
    while storm.commits.load(Ordering::SeqCst) < 2_000 {
        terminal.keys("j");
        terminal.wait_for_row("b ");
        terminal.keys("k");
        terminal.wait_for_row("a ");
    }
    // What is changed here goes in between, and what is looked at is what was asked for.
    terminal.keys("/flag\r");
    terminal.wait_for("1 of 1");
    terminal.keys(" ");
    terminal.wait_for("set flag to false");
    terminal.keys(ESC);
    terminal.wait_for("storm:000");
    drop(storm);
    assert_eq!(place.done(&["get", "flag"]), "false\n");
    // In the end the screen is what the database is.
    let last = place.done(&["get", "storm:000"]);
    terminal.wait_until("the last value", |screen| {
        screen.rows(0, 80).any(|row| row.contains("storm:000") && row.contains(last.trim()))
    });
    quit(&mut terminal);
}

#[test]
fn keys_without_sense_end_nothing_and_leave_nothing_behind() {
    const KEYS: usize = 3_000;
    let place = place_with(&[("a", "1"), ("flag", "true"), ("table", "{\"x\":[1,2]}"), ("db_lock", "ann")]);
    let mut command = command(&place, &[]);
    command.env("EDITOR", "true");
    let mut terminal = Terminal::start(command, 80, 24);
    terminal.wait_for_row("a ");
    let storm = Storm::start(&place, 100);
    let mut random = fastrand::Rng::with_seed(7);
    // None that leaves: q, ctrl-c, and what `:` could choose.
    let keys: Vec<&str> = vec![
        "j",
        "k",
        "g",
        "G",
        "v",
        "/",
        "?",
        "e",
        "t",
        "T",
        "d",
        "x",
        "0",
        "+",
        "=",
        "n",
        "y",
        "Y",
        "M",
        "H",
        "s",
        "S",
        "w",
        "z",
        "u",
        "U",
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "\r",
        "\r",
        "\t",
        "\x1b[A",
        "\x1b[B",
        "\x1b[5~",
        "\x1b[6~",
        "\x7f",
        "\x1b[<0;5;6M",
        "\x1b[<64;5;6M",
        "é",
        "世",
        "\x12",
        "E",
    ];
    let mut pressed = 0;
    while pressed < KEYS {
        for _ in 0..30 {
            terminal.keys(keys[random.usize(0..keys.len())]);
            pressed += 1;
        }
        terminal.keys(ESC);
    }
    drop(storm);
    // From wherever it is, a few keys lead back. How many it takes, and how long until they are read,
    // depends on what came before.
    let mut pressed = 0;
    while !terminal.becomes(Duration::from_millis(60), |screen| screen.contents().contains("no filter")) {
        pressed += 1;
        assert!(pressed < 3_000, "{}", terminal.contents());
        terminal.keys(ESC);
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", terminal.pid())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = resident.split_whitespace().next().unwrap().parse().unwrap();
    assert!(kilobytes < 150_000, "{kilobytes} KB are in use");
    terminal.keys("1");
    terminal.wait_for("KIND");
    quit(&mut terminal);
    assert!(!String::from_utf8_lossy(&terminal.output()).contains("panicked"));
}
