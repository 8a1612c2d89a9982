//! Looking at values: as trees, as text, as bytes, and at very long ones.

use std::time::Duration;

use crate::tui::{open, place_with, quit};

#[test]
fn a_table_is_a_tree_that_is_folded_walked_through_and_searched() {
    let table = r#"{"name":"prod","zones":{"east":{"seen_at":1795437000},"west":["a","b"]}}"#;
    let place = place_with(&[]);
    place.done(&["set", "config", table, "--type", "table"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("config");
    terminal.wait_for("zones: {2}");
    terminal.keys("v");
    terminal.wait_for("space fold");
    terminal.wait_for("west: [2]");
    // A number that is named as a time is a date as well.
    terminal.wait_for("seen_at: 1795437000  = 2026-11-");
    terminal.keys("jj");
    terminal.wait_for(".zones");
    terminal.keys("j");
    terminal.wait_for(".zones.east");
    terminal.keys("h");
    terminal.keys("h");
    terminal.wait_without("seen_at: 1795437000");
    terminal.keys("h");
    terminal.wait_without("west: [2]");
    terminal.wait_for("▸ zones: {2}");
    // What is looked for is unfolded.
    terminal.keys("/seen");
    terminal.keys("\r");
    terminal.wait_for("seen_at: 1795437000");
    terminal.wait_for(".zones.east.seen_at");
    terminal.keys("y");
    terminal.wait_for("the path was sent to the terminal (19 B)");
    terminal.keys("/nowhere\r");
    terminal.wait_for("nowhere is not in it");
    terminal.keys("-");
    terminal.wait_without("seen_at: 1795437000");
    terminal.keys("+");
    terminal.wait_for("seen_at: 1795437000");
    terminal.keys("f");
    terminal.wait_for("\"seen_at\": 1795437000");
    terminal.keys("f");
    terminal.wait_for("7b 22");
    terminal.keys("q");
    terminal.wait_for("KIND");
    quit(&mut terminal);
}

#[test]
fn a_tree_stays_folded_while_others_change_the_value() {
    let place = place_with(&[]);
    place.done(&["set", "config", r#"{"a":{"b":1},"n":1}"#, "--type", "table"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("config");
    terminal.keys("v");
    terminal.wait_for("b: 1");
    terminal.keys("j ");
    terminal.wait_for("▸ a: {1}");
    place.done(&["set", "config", r#"{"a":{"b":2},"n":2}"#, "--type", "table"]);
    terminal.wait_for("n: 2");
    terminal.wait_for("▸ a: {1}");
    quit_details(&mut terminal);
}

fn quit_details(terminal: &mut crate::support::terminal::Terminal) {
    terminal.keys("q");
    terminal.wait_for("? help");
    quit(terminal);
}

#[test]
fn who_changed_an_entry_is_seen_beside_it_and_live() {
    let place = place_with(&[("version", "v1")]);
    place.done(&["set", "version", "v2"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("version");
    terminal.keys("v");
    terminal.wait_for("last changes");
    terminal.wait_for("∅ → v1  external");
    terminal.wait_for("v1 → v2");
    place.done(&["set", "version", "v3"]);
    terminal.wait_for("v2 → v3");
    quit_details(&mut terminal);
}

#[test]
fn bytes_that_are_no_text_are_shown_as_bytes() {
    let place = place_with(&[]);
    let shell = place.connection();
    shell.execute("INSERT INTO state (key, value) VALUES ('blob', x'00ff10414243')", []).unwrap();
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("blob");
    terminal.wait_for("00000000  00 ff 10 41 42 43");
    terminal.wait_for("···ABC");
    quit(&mut terminal);
}

#[test]
fn a_value_of_50_megabytes_is_read_in_pieces() {
    let place = place_with(&[]);
    let shell = place.connection();
    shell.busy_timeout(Duration::from_secs(60)).unwrap();
    let text: String = (0..2_100_000).map(|number| format!("line {number:07} of the text\n")).collect();
    shell.execute("INSERT INTO state (key, value) VALUES ('huge', ?1)", [&text]).unwrap();
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("huge");
    terminal.wait_for("50.1 MiB");
    terminal.keys("v");
    terminal.wait_for("esc close");
    // All of the first piece is there.
    terminal.wait_for("2,6");
    terminal.keys("G");
    terminal.wait_for("bytes 0 to 65,536 of 52,500,000");
    // The next piece, from its beginning; it takes one key more if lines have come below in the meantime.
    let is_there = |screen: &vt100::Screen| screen.contents().contains("line 0002630");
    for _ in 0..10 {
        terminal.keys("j");
        if terminal.becomes(Duration::from_secs(5), is_there) {
            break;
        }
    }
    terminal.wait_for("line 0002630");
    terminal.keys("G");
    terminal.wait_for("bytes 65,536 to 131,072 of");
    terminal.keys("g");
    terminal.wait_for("key ");
    terminal.keys("k");
    terminal.wait_for("bytes 0 to 65,536 of");
    let status = std::fs::read_to_string(format!("/proc/{}/status", terminal.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")).unwrap();
    let peak: u64 = peak.trim().parse().unwrap();
    assert!(peak < 60_000, "{peak} kB were used for it");
    quit_details(&mut terminal);
}

#[test]
fn a_counter_shows_how_it_goes_up_from_history_and_live() {
    let place = place_with(&[]);
    for _ in 0..4 {
        place.done(&["incr", "jobs", "10"]);
    }
    let mut terminal = open(&place, &[]);
    terminal.wait_for("jobs");
    terminal.keys("3");
    terminal.wait_for_row("▁▃▆█");
    terminal.wait_for_row("/");
    place.done(&["incr", "jobs", "-40"]);
    terminal.wait_for_row("▃▅▆█▁");
    terminal.keys("v");
    terminal.wait_for("created");
    // When the highest value was reached depends on how fast the machine is.
    terminal.wait_until("a chart from 0 to 40", |screen| {
        let has_bars = |label: &str| {
            screen.rows(0, 80).any(|row| row.trim_start().starts_with(label) && row.contains("███"))
        };
        has_bars("40 ") && has_bars("0 ")
    });
    quit_details(&mut terminal);
}
