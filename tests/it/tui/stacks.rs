//! Sloth Runner's runs and stack locks in the interface.

use rusqlite::Connection;

use crate::support::stacks_file;
use crate::tui::{open, place_with, quit};

#[test]
fn its_runs_and_stack_locks_are_shown_and_a_stale_lock_is_cleared() {
    let place = place_with(&[]);
    stacks_file::make(&place.file("stacks.db"));
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("zz");
    terminal.keys("7");
    terminal.wait_for_row("SR 3");
    terminal.keys("j");
    terminal.wait_for("no route to ␛[31mhost");
    terminal.wait_for("Sloth Runner's stacks.db, read-only");
    terminal.keys("G");
    terminal.wait_for_row("SR 1");
    // There is nothing to be opened or stopped.
    terminal.keys("4");
    terminal.wait_for_row("stacks.db: prod");
    terminal.wait_for("apply");
    terminal.keys("x");
    terminal.wait_for("Clear lock stacks.db: prod?");
    terminal.wait_for("its holder may be ALIVE");
    terminal.keys("y");
    terminal.wait_for("cleared");
    terminal.wait_without("stacks.db: prod");
    let left: i64 = Connection::open(place.file("stacks.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM state_locks", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 1);
    quit(&mut terminal);
}
