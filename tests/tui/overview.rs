//! What needs a look, on one screen.

use slothstate::store::{Settings, SqliteStore, Store};

use crate::files::{Worker, until};
use crate::{open, place_with, quit, update};

const FAILING: &str = r#"
task("migrate"):command(function() return false, "the schema is not there" end)
"#;

#[test]
fn locks_of_the_dead_failed_runs_what_changes_and_what_expires_are_on_one_screen() {
    let place = place_with(&[("busy", "0"), ("quiet", "0")]);
    place.done(&["set", "session", "x", "--ttl", "1h"]);
    let workflow = place.file("migrate.lua");
    std::fs::write(&workflow, FAILING).unwrap();
    assert_eq!(place.run(&["run", workflow.to_str().unwrap()]).code, Some(1));
    for number in 1..6 {
        update(&place, "busy", &number.to_string());
    }
    let store = SqliteStore::open(&place.db(), Settings::default()).unwrap();
    let mut holder = Worker::start(&place, "hold", 1);
    until("the lock is held", || !store.locks(None, 9).unwrap().is_empty());
    let mut terminal = open(&place, &[]);
    terminal.wait_for("quiet");
    terminal.keys("8");
    terminal.wait_for("LOCKS  1 lock ");
    terminal.wait_for("alive");
    terminal.wait_for("FAILED  1 run within a day");
    terminal.wait_for("migrate");
    terminal.wait_for("CHANGING");
    terminal.wait_for("6×");
    terminal.wait_for("4 → 5");
    terminal.wait_for("EXPIRING");
    terminal.wait_for("session");
    // It is live, also where nothing is committed.
    update(&place, "busy", "6");
    terminal.wait_for("7×");
    holder.kill();
    drop(holder);
    terminal.wait_for("LOCKS  1 lock, 1 of the dead");
    terminal.wait_for_row("dead");
    terminal.keys("x");
    terminal.wait_for("The holder is dead");
    terminal.keys("y");
    terminal.wait_for("nobody holds one");
    terminal.keys("gj");
    terminal.wait_for_row("busy");
    terminal.keys("o");
    terminal.wait_for("KIND");
    terminal.wait_for_row("busy");
    quit(&mut terminal);
}
