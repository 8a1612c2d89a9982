//! Marking, and doing something with all that is marked.

use std::process::Stdio;

use crate::support::files::until;
use crate::tui::{ESC, open, place_of_sloth_runner, place_with, quit, take, update};

#[test]
fn three_are_marked_deleted_and_come_back_with_one_key() {
    let place = place_with(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("a");
    terminal.keys("mmm");
    terminal.wait_for("3 marked");
    terminal.wait_for_row("d");
    terminal.keys("d");
    terminal.wait_for("Delete 3 entries?");
    terminal.keys("d");
    terminal.keys("y");
    terminal.wait_for("deleted 3 entries");
    terminal.wait_without("marked");
    assert_eq!(place.done(&["keys"]), "d\nzz\n");
    terminal.keys("u");
    terminal.wait_for("took back: deleted 3 entries");
    assert_eq!(place.done(&["get", "b"]), "2\n");
    // It was one transaction.
    terminal.keys("U");
    terminal.wait_for("did again: deleted 3 entries");
    assert_eq!(place.done(&["keys"]), "d\nzz\n");
    quit(&mut terminal);
}

#[test]
fn what_somebody_changed_since_it_was_marked_is_left_alone_and_named() {
    let place = place_with(&[("a", "1"), ("b", "2"), ("c", "3")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("a");
    terminal.keys("mmm");
    terminal.wait_for("3 marked");
    update(&place, "b", "theirs");
    terminal.wait_for("!b");
    terminal.keys("d");
    terminal.wait_for("Delete 2 entries?");
    terminal.wait_for("b (changed since it was marked)");
    terminal.keys("y");
    terminal.wait_for("deleted 2 entries");
    assert_eq!(place.done(&["get", "b"]), "theirs\n");
    quit(&mut terminal);
}

#[test]
fn all_that_pass_the_filter_are_deleted_up_to_the_most_that_are_marked() {
    let place = place_with(&[]);
    let mut shell = place.connection();
    let transaction = shell.transaction().unwrap();
    for number in 0..25_000 {
        let row = (format!("session:{number:06}"), "x");
        transaction.execute("INSERT INTO state (key, value) VALUES (?1, ?2)", row).unwrap();
    }
    transaction.commit().unwrap();
    let mut terminal = open(&place, &[]);
    terminal.wait_for("session:000000");
    terminal.keys("/session\r");
    terminal.wait_without("zz");
    terminal.keys("*");
    terminal.wait_for("20,000 entries are marked, which is the most; narrow the filter");
    terminal.wait_for("20,000 marked");
    // One of them is kept.
    terminal.keys("m");
    terminal.wait_for("19,999 marked");
    terminal.keys("d");
    terminal.wait_for("Delete 19,999 entries?");
    terminal.keys("y");
    terminal.wait_for("deleted 19,999 entries  (u");
    let keys = place.done(&["keys"]);
    assert_eq!(keys.lines().count(), 5002);
    assert!(keys.starts_with("session:000000\nsession:020000\n"), "{}", &keys[..80]);
    terminal.keys("u");
    terminal.wait_for("took back: deleted 19,999 entries");
    assert_eq!(place.done(&["get", "session:019999"]), "x\n");
    quit(&mut terminal);
}

#[test]
fn what_is_marked_is_written_to_a_file_that_import_reads_and_never_over_another() {
    let place = place_with(&[("a", "1"), ("b", "2\n3")]);
    let file = place.file("some.jsonl");
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("a");
    terminal.keys("mm");
    terminal.wait_for("2 marked");
    terminal.keys("W");
    terminal.wait_for("Write 2 entries to a file");
    terminal.keys(format!("{}\r", file.display()));
    terminal.wait_for("wrote 2 entries");
    let written = std::fs::read(&file).unwrap();
    terminal.keys("W");
    terminal.keys(format!("{}\r", file.display()));
    terminal.wait_for("it was not");
    assert_eq!(std::fs::read(&file).unwrap(), written);
    terminal.keys(ESC);
    terminal.wait_without("it was not");
    quit(&mut terminal);
    let other = crate::support::files::Place::new();
    other.done(&["import", file.to_str().unwrap()]);
    assert_eq!(other.done(&["get", "b"]), "2\n3\n");
}

#[test]
fn marked_entries_of_a_file_that_is_not_adopted_are_turned_round() {
    let place = place_of_sloth_runner(&[("flag_a", "on"), ("flag_b", "false"), ("other", "text")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("flag_a");
    terminal.keys("mmm");
    terminal.wait_for("3 marked");
    terminal.keys(" ");
    terminal.wait_for("Turn 2 entries round?");
    terminal.wait_for("on → off");
    terminal.wait_for("other (no flag)");
    terminal.keys("y");
    // What is said is that the file was adopted.
    terminal.wait_for(" off ");
    terminal.wait_without("marked");
    assert_eq!(place.done(&["get", "flag_a"]), "off\n");
    assert_eq!(place.done(&["get", "flag_b"]), "true\n");
    quit(&mut terminal);
}

/// A workflow that holds six locks.
const HOLD_SIX: &str = r#"
    local hold = task("hold"):timeout("1h"):command(function()
        for number = 1, 6 do state.try_lock("job:" .. number, 3600) end
        while true do sleep(0.05) end
    end):build()
    workflow.define("hold", { tasks = { hold } })
"#;

#[test]
fn six_dead_locks_are_cleared_together_and_a_living_one_stays() {
    let place = place_with(&[]);
    let store = place.store();
    std::fs::write(place.file("hold.lua"), HOLD_SIX).unwrap();
    let mut run = place.command(&["run", "hold.lua"]);
    let mut run =
        run.current_dir(place.folder()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the locks are held", || store.locks(None, 9).unwrap().len() == 6);
    run.kill().unwrap();
    run.wait().unwrap();
    let held = take(&*store, "ann");
    let mut terminal = open(&place, &[]);
    terminal.wait_for("last");
    terminal.keys("4");
    terminal.wait_for_row("job:1");
    // The dead ones stand first.
    terminal.wait_until("the dead locks above", |screen| {
        let rows: Vec<String> = screen.rows(0, 80).collect();
        let place = |text: &str| rows.iter().position(|row| row.contains(text));
        place("job:6").is_some() && place("job:6") < place("ann")
    });
    terminal.keys("*");
    terminal.wait_for("7 marked");
    terminal.keys("x");
    terminal.wait_for("Clear 6 locks?");
    terminal.wait_for("deploy (its holder may be alive");
    assert_eq!(store.locks(None, 9).unwrap().len(), 7);
    terminal.keys("y");
    terminal.wait_for("cleared 6 locks");
    let left = store.locks(None, 9).unwrap();
    assert_eq!(
        left.iter().map(|lock| (lock.name.as_str(), lock.token)).collect::<Vec<_>>(),
        [("deploy", held.token)]
    );
    quit(&mut terminal);
}
