//! Keys as a tree.

use std::time::Duration;

use crate::support::terminal::Terminal;
use crate::tui::{open, place_with, quit, update};

fn places() -> crate::support::files::Place {
    let mut entries: Vec<(String, String)> = Vec::new();
    for number in 0..40 {
        entries.push((format!("user:{number:03}:name"), "x".repeat(100)));
        entries.push((format!("user:{number:03}:mail"), "y".into()));
        entries.push((format!("api_calls_2026112312{:02}", number + 10), (number * number).to_string()));
    }
    entries.push(("alone".into(), "1".into()));
    let entries: Vec<(&str, &str)> =
        entries.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    place_with(&entries)
}

#[test]
fn groups_are_counted_opened_and_closed() {
    let place = places();
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("alone");
    terminal.keys("w");
    terminal.wait_for("▸ user:");
    terminal.wait_for("80 keys 3.9 KiB");
    // Keys that have a time in their names are one row with a chart.
    terminal.wait_for("series");
    terminal.wait_for("▁");
    terminal.wait_for_row("alone");
    terminal.keys("j");
    terminal.wait_for_row("api_calls_");
    terminal.wait_for("1521");
    terminal.keys("j");
    terminal.wait_for_row("▸ user:");
    terminal.keys("\r");
    terminal.wait_for_row("▾ user:");
    terminal.wait_for("▸ 000:");
    terminal.wait_for("2 keys 101 B");
    terminal.keys("j ");
    terminal.wait_for_row("▾ 000:");
    terminal.wait_for("    mail");
    terminal.keys("j");
    terminal.wait_for_row("mail");
    // On an entry the group that it is in is closed.
    terminal.keys("z");
    terminal.wait_for_row("▸ 000:");
    terminal.keys("G");
    terminal.wait_for_row("zz");
    terminal.keys("g");
    terminal.wait_for_row("alone");
    quit(&mut terminal);
}

#[test]
fn a_tree_is_live() {
    let place = places();
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("alone");
    terminal.keys("w");
    terminal.wait_for("80 keys");
    update(&place, "alone", "changed by others");
    terminal.wait_for("changed by others");
    place.done(&["set", "user:999:name", "new"]);
    terminal.wait_for("81 keys");
    place.done(&["set", "between", "1"]);
    terminal.wait_for("between");
    place.done(&["del", "alone"]);
    terminal.wait_for_row("api_calls_");
    // The cursor stays on what it is on, as a list and as a tree.
    terminal.keys("j");
    terminal.wait_for_row("between");
    terminal.keys("w");
    terminal.wait_without("▸ user:");
    terminal.wait_for_row("between");
    terminal.keys("`");
    terminal.wait_for("▸ user:");
    terminal.wait_for_row("between");
    // What passes a filter is a list.
    terminal.keys("/mail 000");
    terminal.wait_for("1 of 1");
    terminal.wait_for_row("user:000:mail");
    terminal.keys("\r");
    quit(&mut terminal);
}

/// Frames drawn and CPU seconds used in a while in which nobody does anything.
fn at_rest(terminal: &Terminal) -> (usize, f64) {
    const WINDOW: Duration = Duration::from_secs(3);
    let before = (terminal.frames(), terminal.cpu_seconds());
    std::thread::sleep(WINDOW);
    (terminal.frames() - before.0, terminal.cpu_seconds() - before.1)
}

#[test]
fn nothing_is_drawn_over_and_over_after_a_group_changed() {
    let place = places();
    for (leave, shown) in [("w", "api_calls_202611231210"), ("3", "RATE"), ("6", "BEFORE"), ("8", "CHANGING")]
    {
        let mut terminal = open(&place, &[]);
        terminal.wait_for_row("alone");
        terminal.keys("w");
        terminal.wait_for("80 keys");
        place.done(&["set", "user:000:mail", leave]);
        let seen = format!("seen {leave}");
        place.done(&["set", "alone", &seen]);
        terminal.wait_for(&seen);
        terminal.keys(leave);
        terminal.wait_for(shown);
        // The clock ticks once a second, and what flashed stops.
        let (frames, seconds) = at_rest(&terminal);
        assert!(frames <= 40, "{frames} frames after {leave}");
        assert!(seconds < 0.6, "{seconds} s after {leave}");
        quit(&mut terminal);
    }
}
