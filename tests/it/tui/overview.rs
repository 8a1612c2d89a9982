//! What needs a look, on one screen.

use crate::support::files::{Place, Worker, until};
use crate::tui::{open, place_with, quit, update};

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
    let store = place.store();
    let mut holder = Worker::start(&place, "hold", 1);
    until("the lock is held", || !store.locks(None, 9).unwrap().is_empty());
    let mut terminal = open(&place, &[]);
    terminal.wait_for("quiet");
    terminal.keys("8");
    terminal.wait_for("LOCKS  1 lock ");
    terminal.wait_for("alive");
    terminal.wait_for("FAILED  1 run in the last 24 hours; 0 running");
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
    terminal.wait_for("LOCKS  1 lock, 1 with a dead holder");
    terminal.wait_for_row("dead");
    terminal.keys("x");
    terminal.wait_for("The holder is dead");
    terminal.keys("y");
    terminal.wait_for("LOCKS  none");
    terminal.keys("gj");
    terminal.wait_for_row("busy");
    terminal.keys("o");
    terminal.wait_for("KIND");
    terminal.wait_for_row("busy");
    quit(&mut terminal);
}

/// Changes entries in one transaction: how many times which.
fn change(place: &Place, changes: &[(u32, &str)]) {
    let mut shell = place.connection();
    let transaction = shell.transaction().unwrap();
    for (times, key) in changes {
        let mut update = transaction.prepare("UPDATE state SET value = ?1 WHERE key = ?2").unwrap();
        for number in 0..*times {
            update.execute([&format!("v{number}"), *key]).unwrap();
        }
    }
    transaction.commit().unwrap();
}

#[test]
fn every_change_of_the_last_minutes_is_counted() {
    let place = place_with(&[("early", "0"), ("late", "0")]);
    // The newest changes alone would put them in the other order.
    change(&place, &[(15_000, "early"), (9_000, "late")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("early");
    terminal.keys("8");
    // Three entries were made, and the history does not go back as far as is counted.
    terminal.wait_for("CHANGING  24,003 changes of 3 keys in the last ");
    terminal.wait_for("as far back as history goes");
    let order = |screen: &str| screen.find("15,001×").zip(screen.find("9,001×")).is_some_and(|(a, b)| a < b);
    terminal.wait_until("both counts in their order", |screen| order(&screen.contents()));
    // It is followed, also by very many changes at once and after something else was shown.
    change(&place, &[(7_000, "late")]);
    terminal.wait_for("31,003 changes of 3 keys");
    terminal.keys("1");
    terminal.wait_for("KIND");
    change(&place, &[(1, "late")]);
    terminal.keys("8");
    terminal.wait_for("31,004 changes of 3 keys");
    terminal.keys("/late\r");
    terminal.wait_for("16,002 changes of 1 key");
    terminal.wait_for("LOCKS  no matches");
    quit(&mut terminal);
}

#[test]
fn a_key_that_is_used_as_a_lock_is_among_the_locks() {
    let place = place_with(&[("plain", "1")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("plain");
    terminal.keys("8");
    terminal.wait_for("LOCKS  none");
    terminal.wait_for("EXPIRING  none");
    place.done(&["set", "deploy_lock", "ann"]);
    terminal.wait_for("LOCKS  1 key used as a lock");
    terminal.wait_for("deploy_lock");
    // One that expires is there once.
    place.done(&["set", "db_lock", "bob", "--ttl", "1h"]);
    terminal.wait_for("LOCKS  2 keys used as locks");
    terminal.wait_for("EXPIRING  the soonest first; also 1 key used as a lock");
    place.done(&["del", "deploy_lock", "db_lock"]);
    terminal.wait_for("LOCKS  none");
    terminal.wait_for("EXPIRING  none");
    quit(&mut terminal);
}
